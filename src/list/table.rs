//! The compiled list: keyed hashes of its entries, from which no name can be read back.
//!
//! A slot is 16 octets: 127 bits of the name's keyed 128-bit hash and one bit for the entry's
//! scope. Four slots make a bucket of one cache line; a full bucket flows over into the next. With
//! at most 3/4 of the slots in use an entry takes 21.4 octets. Two different names share 127 bits
//! with probability 2⁻¹²⁷ a pair, and the key is new for each process, so nobody can prepare such a
//! pair.

use std::io;
use std::sync::Arc;

use memmap2::{Advice, MmapMut};

use super::entry_cells::{EntryCells, EntryTally};
use crate::list::Scope;
use crate::name::{Depths, HashKey, LABELS_MAX, SuffixHash, SuffixHashes};

const SLOTS: usize = 4;
const SLOT_OCTETS: usize = size_of::<u128>();
/// From this size on a table asks for huge pages: looking up a name then misses the CPU's page
/// tables less often.
const HUGE_OCTETS_MIN: usize = 8 << 20;
const EXACT_BIT: u128 = 1;

/// One cache line of entries, each a number in the machine's order; 0 is a free slot.
type Bucket = [[u8; SLOT_OCTETS]; SLOTS];

/// A list ready to be asked; but for its entries' counts, never changed once built.
pub struct Table {
    key: HashKey,
    buckets: Buckets,
    entry_count: usize,
    /// Bit n is set where some entry has n labels, so that other depths are not looked up.
    depths: Depths,
    /// Where the questions are counted that each entry blocked, if they are.
    cells: Option<Arc<EntryCells>>,
}

/// The buckets, in a mapping of their own: it starts on a cache line, and all of it goes back to
/// the system when it is dropped, where an allocator would keep parts of it for later.
struct Buckets {
    memory: MmapMut,
    count: usize,
}

impl Buckets {
    fn new(count: usize) -> io::Result<Self> {
        let memory = MmapMut::map_anon(count * size_of::<Bucket>())?;
        if memory.len() >= HUGE_OCTETS_MIN {
            // A kernel without huge pages is only slower.
            let _ = memory.advise(Advice::HugePage);
        }
        Ok(Self { memory, count })
    }

    fn all(&self) -> &[Bucket] {
        self.memory.as_chunks().0.as_chunks().0
    }

    fn all_mut(&mut self) -> &mut [Bucket] {
        self.memory.as_chunks_mut().0.as_chunks_mut().0
    }

    const fn len(&self) -> usize {
        self.count
    }
}

/// Which entry a name fell under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The entry's labels.
    pub labels: usize,
    /// Is the entry the name itself, or a parent of it?
    pub is_parent: bool,
    slot: u32,
}

/// Takes the entries of a list one by one.
pub struct TableBuilder {
    table: Table,
    entries_max: usize,
    /// On the heap, where it is wiped: what moves on the stack leaves copies.
    hashes: Box<SuffixHashes>,
    /// Entries that are hashed but not yet in the table, and their numbers.
    waiting: Vec<(u128, u32)>,
    is_overfull: bool,
    counting: Option<(EntryCells, Arc<EntryTally>)>,
}

/// How many entries are placed at a time.
const TOGETHER: usize = 64;

/// The list has more entries than was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list has more entries than there is room for")]
pub struct Overfull;

impl TableBuilder {
    /// Make room for at most `entries_max` entries; an error where the system has no memory for it.
    pub fn new(key: HashKey, entries_max: usize) -> io::Result<Self> {
        let bucket_count = (entries_max * 4 / 3).div_ceil(SLOTS) + 1;
        Ok(Self {
            table: Table {
                key,
                buckets: Buckets::new(bucket_count)?,
                entry_count: 0,
                depths: 0,
                cells: None,
            },
            entries_max,
            hashes: Box::new(SuffixHashes::new()),
            waiting: Vec::with_capacity(TOGETHER),
            is_overfull: false,
            counting: None,
        })
    }

    /// Have the questions counted that each entry with a number will block, into the list's own
    /// tally; an error where the system has no memory for it.
    pub fn count_into(mut self, tally: &Arc<EntryTally>) -> io::Result<Self> {
        let cells = EntryCells::new(self.table.buckets.len() * SLOTS)?;
        self.counting = Some((cells, Arc::clone(tally)));
        Ok(self)
    }

    /// Add an entry; `wire` is its uncompressed name. An entry that is there already changes
    /// nothing, but the wider scope wins.
    pub fn insert(&mut self, wire: &[u8], scope: Scope) {
        self.insert_numbered(wire, scope, None);
    }

    /// As [`TableBuilder::insert`], with the entry's number, which is kept where its questions are
    /// counted.
    pub fn insert_numbered(&mut self, wire: &[u8], scope: Scope, number: Option<u32>) {
        self.hashes.fill_for(self.table.key, wire, 0);
        self.table.depths |= 1 << self.hashes.depth();
        let tag = tag_of(self.hashes.whole());
        let value = if scope == Scope::Exact {
            tag | EXACT_BIT
        } else {
            tag
        };
        self.waiting.push((value, number.unwrap_or_default()));
        if self.waiting.len() == TOGETHER {
            self.place_waiting();
        }
    }

    /// The finished table.
    pub fn finish(mut self) -> Result<Table, Overfull> {
        self.place_waiting();
        if self.is_overfull {
            return Err(Overfull);
        }
        self.table.cells = self.counting.map(|(cells, tally)| {
            let cells = Arc::new(cells);
            tally.add(Arc::clone(&cells));
            cells
        });
        Ok(self.table)
    }

    /// Place a few entries at a time: their buckets are read from memory all at once, not one after
    /// the other.
    fn place_waiting(&mut self) {
        let waiting = std::mem::replace(&mut self.waiting, Vec::with_capacity(TOGETHER));
        let buckets = self.table.buckets.all();
        let homes = waiting
            .iter()
            .map(|(value, _)| self.table.home(value & !EXACT_BIT));
        std::hint::black_box(homes.fold(0, |sum, home| {
            sum ^ buckets.get(home).map_or(0, |bucket| bucket[0][0])
        }));
        for (value, number) in waiting {
            match self.place(value) {
                Some(slot) => self.name(slot, number),
                None => self.is_overfull = true,
            }
        }
    }

    fn name(&mut self, slot: usize, number: u32) {
        if let Some((cells, _)) = &mut self.counting {
            cells.name(slot, number);
        }
    }

    /// The slot that it has now; none where there is no room.
    fn place(&mut self, value: u128) -> Option<usize> {
        let tag = value & !EXACT_BIT;
        if self.table.entry_count >= self.entries_max {
            return self.table.slot_of(tag).map(|(_, slot)| slot as usize);
        }
        let mut at = self.table.home(tag);
        while let Some(bucket) = self.table.buckets.all_mut().get_mut(at) {
            for (index, slot) in bucket.iter_mut().enumerate() {
                let kept = u128::from_ne_bytes(*slot);
                if kept == 0 {
                    *slot = value.to_ne_bytes();
                    self.table.entry_count += 1;
                    return Some(at * SLOTS + index);
                }
                if kept & !EXACT_BIT == tag {
                    *slot = (kept & value).to_ne_bytes();
                    return Some(at * SLOTS + index);
                }
            }
            at = self.table.after(at);
        }
        None
    }
}

impl Table {
    /// How many different entries.
    pub const fn entry_count(&self) -> usize {
        self.entry_count
    }

    /// The memory of its slots, and of their counts where there are any, in octets.
    pub fn octets(&self) -> usize {
        self.buckets.memory.len() + self.cells.as_ref().map_or(0, |cells| cells.octets())
    }

    /// One question was blocked by the entry that was found in this table; costs nothing where
    /// entries are not counted.
    pub fn note(&self, found: Match) {
        if let Some(cells) = &self.cells {
            cells.note(found.slot);
        }
    }

    /// The entry that `name` falls under, the shortest one first; hashes must be made under this
    /// table's key.
    pub fn find(&self, name: &SuffixHashes) -> Option<Match> {
        let depth = name.depth();
        let mut depths = self.depths_within(depth);
        while depths != 0 {
            let labels = depths.trailing_zeros() as usize;
            depths &= depths - 1;
            let is_parent = labels < depth;
            match self.slot_of(tag_of(name.at(labels))) {
                Some((Scope::Exact, _)) if is_parent => {}
                Some((_, slot)) => {
                    return Some(Match {
                        labels,
                        is_parent,
                        slot,
                    });
                }
                None => {}
            }
        }
        None
    }

    /// As [`Table::find`], without the entries that `removed` has too; both are built under one
    /// key.
    pub fn find_beside(&self, name: &SuffixHashes, removed: &Self) -> Option<Match> {
        let depth = name.depth();
        let mut depths = self.depths_within(depth);
        while depths != 0 {
            let labels = depths.trailing_zeros() as usize;
            depths &= depths - 1;
            let (is_parent, tag) = (labels < depth, tag_of(name.at(labels)));
            match self.slot_of(tag) {
                Some((Scope::Exact, _)) if is_parent => {}
                Some(_) if removed.slot_of(tag).is_some() => {}
                Some((_, slot)) => {
                    return Some(Match {
                        labels,
                        is_parent,
                        slot,
                    });
                }
                None => {}
            }
        }
        None
    }

    /// How many entries both tables have, whatever their scope; both are built under one key, so
    /// that memory is read in its order.
    pub fn shared_with(&self, other: &Self) -> usize {
        let tags = self
            .buckets
            .all()
            .iter()
            .flatten()
            .map(|slot| u128::from_ne_bytes(*slot) & !EXACT_BIT)
            .filter(|tag| *tag != 0);
        tags.filter(|tag| other.slot_of(*tag).is_some()).count()
    }

    /// The numbers of labels that entries have.
    pub const fn depths(&self) -> Depths {
        self.depths
    }

    /// Read from each bucket where [`Table::find`] would look first, so that it is in the CPU's
    /// cache by then.
    pub fn touch(&self, name: &SuffixHashes) -> u64 {
        let mut sum = 0;
        let mut depths = self.depths_within(name.depth());
        while depths != 0 {
            let home = self.home(tag_of(name.at(depths.trailing_zeros() as usize)));
            sum ^= u64::from(
                self.buckets
                    .all()
                    .get(home)
                    .map_or(0, |bucket| bucket[0][0]),
            );
            depths &= depths - 1;
        }
        sum
    }

    const fn depths_within(&self, depth: usize) -> Depths {
        self.depths
            & (Depths::MAX
                >> (LABELS_MAX
                    - if depth < LABELS_MAX {
                        depth
                    } else {
                        LABELS_MAX
                    }))
    }

    /// An entry's scope and the number of its slot; a table has under 2³² of these.
    fn slot_of(&self, tag: u128) -> Option<(Scope, u32)> {
        let mut at = self.home(tag);
        let buckets = self.buckets.all();
        loop {
            let bucket = buckets.get(at)?.map(u128::from_ne_bytes);
            for (index, slot) in bucket.into_iter().enumerate() {
                if slot & !EXACT_BIT == tag {
                    let scope = if slot & EXACT_BIT == 0 {
                        Scope::Below
                    } else {
                        Scope::Exact
                    };
                    return Some((scope, (at * SLOTS + index) as u32));
                }
            }
            if bucket.contains(&0) {
                return None;
            }
            at = self.after(at);
        }
    }

    /// The bucket an entry is looked for first: the hash's upper half scaled to the bucket count.
    const fn home(&self, tag: u128) -> usize {
        (((tag >> 64) * self.buckets.len() as u128) >> 64) as usize
    }

    const fn after(&self, at: usize) -> usize {
        if at + 1 == self.buckets.len() {
            0
        } else {
            at + 1
        }
    }
}

/// The hash without its lowest bit, and never 0, which marks a free slot.
const fn tag_of(hash: SuffixHash) -> u128 {
    let tag = hash & !EXACT_BIT;
    if tag == 0 { 2 } else { tag }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use proptest::prelude::*;

    use super::*;
    use crate::name::Name;

    const KEY: HashKey = HashKey::fixed([3; 16]);

    fn table(entries: &[(&str, Scope)]) -> Table {
        let mut builder = TableBuilder::new(KEY, entries.len()).unwrap();
        for (name, scope) in entries {
            builder.insert(Name::parse(name).unwrap().as_wire(), *scope);
        }
        builder.finish().unwrap()
    }

    fn find(table: &Table, name: &str) -> Option<(usize, bool)> {
        let mut hashes = SuffixHashes::new();
        hashes.fill(KEY, Name::parse(name).unwrap().as_wire());
        table
            .find(&hashes)
            .map(|found| (found.labels, found.is_parent))
    }

    #[test]
    fn scopes_hold() {
        let table = table(&[
            ("blocked.example", Scope::Below),
            ("exact.example", Scope::Exact),
        ]);
        assert_eq!(find(&table, "blocked.example"), Some((2, false)));
        assert_eq!(find(&table, "a.b.blocked.example"), Some((2, true)));
        assert_eq!(find(&table, "exact.example"), Some((2, false)));
        assert_eq!(find(&table, "a.exact.example"), None);
        assert_eq!(find(&table, "example"), None);
        assert_eq!(find(&table, "unblocked.example"), None);
    }

    #[test]
    fn the_wider_scope_wins_and_duplicates_count_once() {
        for scopes in [[Scope::Below, Scope::Exact], [Scope::Exact, Scope::Below]] {
            let table = table(&[("a.test", scopes[0]), ("a.test", scopes[1])]);
            assert_eq!(table.entry_count(), 1);
            assert_eq!(find(&table, "x.a.test"), Some((2, true)));
        }
    }

    #[test]
    fn entries_are_counted_by_their_numbers_whatever_table_they_stood_in() {
        let tally = Arc::new(EntryTally::default());
        let build = |entries: &[(&str, Scope, Option<u32>)]| {
            let mut builder = TableBuilder::new(KEY, entries.len())
                .unwrap()
                .count_into(&tally)
                .unwrap();
            entries.iter().for_each(|(name, scope, number)| {
                builder.insert_numbered(Name::parse(name).unwrap().as_wire(), *scope, *number)
            });
            builder.finish().unwrap()
        };
        let ask = |table: &Table, name: &str| {
            let mut hashes = SuffixHashes::new();
            hashes.fill(KEY, Name::parse(name).unwrap().as_wire());
            table.note(table.find(&hashes).unwrap());
        };
        let first = build(&[
            ("a.test", Scope::Exact, Some(4711)),
            ("b.test", Scope::Below, None),
            ("c.test", Scope::Below, Some(9)),
            ("a.test", Scope::Below, Some(5)),
        ]);
        let more: Vec<String> = (0..5000).map(|n| format!("{n}.test")).collect();
        let second = build(
            &more
                .iter()
                .zip(10..)
                .map(|(name, number)| (name.as_str(), Scope::Below, Some(number)))
                .collect::<Vec<_>>(),
        );
        for name in ["a.test", "x.a.test", "b.test", "c.test"] {
            ask(&first, name);
        }
        more.iter().for_each(|name| ask(&second, name));
        let mut expected: BTreeMap<u32, u64> = (10..5010).map(|number| (number, 1)).collect();
        expected.extend([(4711, 3), (9, 1)]);
        assert_eq!(
            tally.take(),
            expected,
            "a number that stands twice is one, and an entry twice keeps its first"
        );
        assert!(tally.take().is_empty(), "each count is taken once");
        ask(&first, "c.test");
        drop(first);
        assert_eq!(
            tally.take(),
            BTreeMap::from([(9, 1)]),
            "what a table counted outlives it"
        );
        ask(&second, "0.test");
        assert_eq!(tally.take(), BTreeMap::from([(10, 1)]));
        let plain = table(&[("a.test", Scope::Below)]);
        assert!(second.octets() > 5000 * 28 && plain.cells.is_none());
    }

    #[test]
    fn no_room_is_said() {
        let mut builder = TableBuilder::new(KEY, 1).unwrap();
        builder.insert(b"\x01a\0", Scope::Below);
        builder.insert(b"\x01a\0", Scope::Below);
        builder.insert(b"\x01b\0", Scope::Below);
        assert_eq!(builder.finish().err(), Some(Overfull));
        assert_eq!(
            find(&TableBuilder::new(KEY, 0).unwrap().finish().unwrap(), "a"),
            None
        );
    }

    #[test]
    fn what_is_removed_beside_the_table_is_not_found_but_what_else_covers_it_is() {
        let listed = table(&[
            ("a.test", Scope::Below),
            ("b.a.test", Scope::Below),
            ("c.test", Scope::Exact),
            ("d.test", Scope::Below),
        ]);
        let removed = table(&[
            ("a.test", Scope::Below),
            ("c.test", Scope::Below),
            ("e.test", Scope::Below),
        ]);
        let find = |name: &str| {
            let mut hashes = SuffixHashes::new();
            hashes.fill(KEY, Name::parse(name).unwrap().as_wire());
            listed
                .find_beside(&hashes, &removed)
                .map(|found| (found.labels, found.is_parent))
        };
        assert_eq!(
            [
                find("a.test"),
                find("x.a.test"),
                find("c.test"),
                find("e.test")
            ],
            [None; 4]
        );
        assert_eq!(
            [find("b.a.test"), find("x.b.a.test"), find("d.test")],
            [Some((3, false)), Some((3, true)), Some((2, false))]
        );
        assert_eq!(
            (listed.shared_with(&removed), removed.shared_with(&listed)),
            (2, 2)
        );
    }

    #[test]
    fn an_entry_takes_less_than_22_octets() {
        let table = TableBuilder::new(KEY, 1_000_000).unwrap().finish().unwrap();
        assert!(table.octets() < 22_000_000, "{}", table.octets());
    }

    /// The rule written down without a table: walk up the labels and look each suffix up.
    fn naive(entries: &HashMap<Vec<u8>, Scope>, wire: &[u8]) -> bool {
        let mut at = 0;
        loop {
            match entries.get(&wire[at..]) {
                Some(Scope::Below) => return true,
                Some(Scope::Exact) if at == 0 => return true,
                _ => {}
            }
            if wire[at] == 0 {
                return false;
            }
            at += 1 + usize::from(wire[at]);
        }
    }

    fn wire_name() -> impl Strategy<Value = Vec<u8>> {
        let label = prop_oneof![
            4 => prop::sample::select(vec![b"a".to_vec(), b"B".to_vec(), b"b".to_vec(), b"\0".to_vec(), b".".to_vec(), b"\\".to_vec()]),
            1 => prop::collection::vec(any::<u8>(), 1..=63),
        ];
        let labels = prop_oneof![20 => prop::collection::vec(label.clone(), 0..6), 1 => prop::collection::vec(label, 0..=127)];
        labels.prop_map(|labels| {
            let mut wire = Vec::new();
            for label in labels {
                if wire.len() + label.len() + 2 > 255 {
                    break;
                }
                wire.push(label.len() as u8);
                wire.extend(label);
            }
            wire.push(0);
            wire
        })
    }

    /// Hold a table of `listed` entries, whose names were read from text with escapes, against the
    /// rule.
    fn compare(listed: &[(Vec<u8>, bool)], asked: &[Vec<u8>]) -> Result<(), TestCaseError> {
        let mut builder = TableBuilder::new(KEY, listed.len()).unwrap();
        let mut entries: HashMap<Vec<u8>, Scope> = HashMap::new();
        for (wire, exact) in listed {
            let scope = if *exact { Scope::Exact } else { Scope::Below };
            let text = Name::from_wire(wire).unwrap().to_string();
            builder.insert(Name::parse(&text).unwrap().as_wire(), scope);
            let kept = entries.entry(wire.to_ascii_lowercase()).or_insert(scope);
            *kept = (*kept).min(scope);
        }
        let table = builder.finish().unwrap();
        prop_assert_eq!(table.entry_count(), entries.len());
        let mut hashes = SuffixHashes::new();
        for wire in asked.iter().chain(listed.iter().map(|(wire, _)| wire)) {
            hashes.fill(KEY, wire);
            prop_assert_eq!(
                table.find(&hashes).is_some(),
                naive(&entries, &wire.to_ascii_lowercase())
            );
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn the_table_says_what_the_rule_says(
            listed in prop::collection::vec((wire_name(), any::<bool>()), 0..40),
            asked in prop::collection::vec(wire_name(), 1..60),
        ) {
            compare(&listed, &asked)?;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]

        /// 60 + 40 names against each of 100,000 tables: 10⁷ pairs.
        #[test]
        #[ignore = "a long run, some minutes"]
        fn the_table_says_what_the_rule_says_ten_million_times(
            listed in prop::collection::vec((wire_name(), any::<bool>()), 40),
            asked in prop::collection::vec(wire_name(), 60),
        ) {
            compare(&listed, &asked)?;
        }
    }
}

//! All tables live at one moment. A new snapshot replaces the old one whole; nobody ever sees half
//! of a list.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::list::{ListIndex, Match, Table};
use crate::name::{Depths, HashKey, SuffixHashes};
use crate::policy::Shadow;

/// The snapshot in force, read by every door and replaced by the updater.
pub type Live = ArcSwap<Snapshot>;

/// The tables of all lists, each in its list's place.
#[derive(Clone)]
pub struct Snapshot {
    generation: u64,
    key: HashKey,
    tables: Vec<Arc<Table>>,
    /// The places of all of them.
    all: Arc<[ListIndex]>,
    /// What was taken off each list at once, without a new one; usually nothing.
    removed: Vec<Option<Arc<Table>>>,
    /// What is tried out and blocks nothing; usually nothing.
    shadows: Vec<Arc<Shadow>>,
    depths: Depths,
    /// Questions are counted with the entries that block them.
    is_counting: bool,
}

/// Whether a question may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not listed for this client.
    Pass,
    /// Listed.
    Block {
        /// By which list.
        list: ListIndex,
        /// By which of its entries.
        found: Match,
    },
}

impl Snapshot {
    /// The first snapshot, with all lists' tables built under `key`.
    pub fn new(key: HashKey, tables: Vec<Arc<Table>>) -> Self {
        let (depths, removed) = (depths_of(&tables, &[]), vec![None; tables.len()]);
        Self {
            generation: 1,
            key,
            all: places(&tables),
            tables,
            removed,
            shadows: Vec::new(),
            depths,
            is_counting: true,
        }
    }

    /// The next snapshot, with one list's table replaced, nothing removed from it and none tried
    /// out in its stead.
    pub fn with_table(&self, list: ListIndex, table: Arc<Table>) -> Self {
        let mut next = self.with_removed(list, None);
        if let Some(place) = next.tables.get_mut(usize::from(list)) {
            *place = table;
        }
        next.shadows.retain(|shadow| shadow.list() != list);
        next.depths = depths_of(&next.tables, &next.shadows);
        next
    }

    /// The next snapshot, with another list in this place, which may be the next free one, and what
    /// is removed from it.
    pub fn with_list(
        &self,
        list: ListIndex,
        table: Arc<Table>,
        removed: Option<Arc<Table>>,
    ) -> Self {
        let mut next = self.clone();
        if next.tables.len() == usize::from(list) {
            next.tables.push(Arc::clone(&table));
            next.removed.push(None);
            next.all = places(&next.tables);
        }
        let next = next.with_table(list, table).with_removed(list, removed);
        Self {
            generation: self.generation + 1,
            ..next
        }
    }

    /// The next snapshot, in which one list's next table is tried out, or none.
    pub fn with_shadow(&self, list: ListIndex, shadow: Option<Arc<Shadow>>) -> Self {
        let mut next = self.clone();
        next.generation += 1;
        next.shadows.retain(|other| other.list() != list);
        next.shadows.extend(shadow);
        next.depths = depths_of(&next.tables, &next.shadows);
        next
    }

    /// The next snapshot, in which the entries in `removed`, built under the same key, do not count
    /// for one list.
    pub fn with_removed(&self, list: ListIndex, removed: Option<Arc<Table>>) -> Self {
        let mut next = self.clone();
        next.generation += 1;
        if let Some(place) = next.removed.get_mut(usize::from(list)) {
            *place = removed;
        }
        next
    }

    /// The same, under which nothing is counted: for questions of the operator's own.
    pub fn uncounted(&self) -> Self {
        Self {
            shadows: Vec::new(),
            is_counting: false,
            ..self.clone()
        }
    }

    /// Grows with each snapshot; a cached answer remembers under which one it was checked.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The numbers of labels that any list's entries have: the only suffixes worth hashing.
    pub const fn depths(&self) -> Depths {
        self.depths
    }

    /// Have everything in the CPU's cache that [`Snapshot::decide`] will read about `name`.
    pub fn touch(&self, name: &SuffixHashes) -> u64 {
        self.tables
            .iter()
            .fold(0, |sum, table| sum ^ table.touch(name))
    }

    /// The key that names must be hashed under.
    pub const fn key(&self) -> HashKey {
        self.key
    }

    /// A list's table.
    pub fn table(&self, list: ListIndex) -> Option<&Arc<Table>> {
        self.tables.get(usize::from(list))
    }

    /// The places of all lists, also of those that are not there any more: a name that none of
    /// these has is listed for nobody.
    pub fn all_lists(&self) -> &[ListIndex] {
        &self.all
    }

    /// Hold a name against `lists`; the first list in their order that has it decides, whatever
    /// the lists behind it say. A list has a name by any entry that covers it: a later list's
    /// entry does not go first for being longer.
    pub fn decide(&self, lists: &[ListIndex], name: &SuffixHashes) -> Verdict {
        for &list in lists {
            if let Some(found) = self.table(list).and_then(|table| table.find(name)) {
                let Some(removed) = self.removed.get(usize::from(list)).and_then(Option::as_ref)
                else {
                    return Verdict::Block { list, found };
                };
                if let Some(found) = self
                    .table(list)
                    .and_then(|table| table.find_beside(name, removed))
                {
                    return Verdict::Block { list, found };
                }
            }
        }
        Verdict::Pass
    }

    /// One question was blocked by this entry of a list; [`Snapshot::decide`] found it in this very
    /// snapshot.
    pub fn note_blocked(&self, list: ListIndex, found: Match) {
        if let Some(table) = self.table(list).filter(|_| self.is_counting) {
            table.note(found);
        }
    }

    /// Is any table tried out? Asked of each question, before anything else is done about shadows.
    pub const fn has_shadow(&self) -> bool {
        !self.shadows.is_empty()
    }

    /// Count a question with the tables that are tried out, as far as they are of `lists`.
    pub fn note_shadows(&self, lists: &[ListIndex], name: &SuffixHashes) {
        let is_free = self.decide(lists, name) == Verdict::Pass;
        self.shadows
            .iter()
            .filter(|shadow| lists.contains(&shadow.list()))
            .for_each(|shadow| shadow.note(name, is_free));
    }
}

fn places(tables: &[Arc<Table>]) -> Arc<[ListIndex]> {
    (0..).take(tables.len()).collect()
}

fn depths_of(tables: &[Arc<Table>], shadows: &[Arc<Shadow>]) -> Depths {
    let tried = shadows.iter().map(|shadow| shadow.table());
    tables
        .iter()
        .chain(tried)
        .fold(0, |depths, table| depths | table.depths())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::{EntryTally, Scope, TableBuilder};

    const KEY: HashKey = HashKey::fixed([5; 16]);

    fn table(wire: &[u8]) -> Arc<Table> {
        let mut builder = TableBuilder::new(KEY, 1).unwrap();
        builder.insert(wire, Scope::Below);
        Arc::new(builder.finish().unwrap())
    }

    /// What an operator looks up is on no record, also where entries are counted.
    #[test]
    fn an_uncounted_snapshot_decides_and_counts_nothing() {
        let tally = Arc::new(EntryTally::default());
        let mut builder = TableBuilder::new(KEY, 1)
            .unwrap()
            .count_into(&tally)
            .unwrap();
        builder.insert_numbered(b"\x01a\x04test\0", Scope::Below, Some(7));
        let counting = Snapshot::new(KEY, vec![Arc::new(builder.finish().unwrap())]);
        let mut name = SuffixHashes::new();
        name.fill(KEY, b"\x01a\x04test\0");
        for (snapshot, counted) in [(counting.uncounted(), 0), (counting.clone(), 1)] {
            let Verdict::Block { list, found } = snapshot.decide(&[0], &name) else {
                panic!("listed");
            };
            snapshot.note_blocked(list, found);
            assert_eq!(tally.take().len(), counted);
            assert_eq!(snapshot.generation(), counting.generation());
        }
    }

    #[test]
    fn the_first_list_that_applies_decides() {
        let first = Snapshot::new(KEY, vec![table(b"\x01a\x04test\0"), table(b"\x04test\0")]);
        let mut name = SuffixHashes::new();
        name.fill(KEY, b"\x01A\x04test\0");
        let by = |snapshot: &Snapshot, lists: &[ListIndex]| match snapshot.decide(lists, &name) {
            Verdict::Block { list, found } => Some((list, found.is_parent)),
            Verdict::Pass => None,
        };
        assert_eq!(by(&first, &[0, 1]), Some((0, false)));
        assert_eq!(by(&first, &[1]), Some((1, true)));
        assert_eq!(by(&first, &[]), None);
        let next = first.with_table(0, table(b"\x01b\x04test\0"));
        assert_eq!(by(&next, &[0]), None);
        assert_eq!((first.generation(), next.generation()), (1, 2));
        let removed = first.with_removed(0, Some(table(b"\x01a\x04test\0")));
        assert_eq!(by(&removed, &[0]), None);
        assert_eq!(
            by(&removed, &[0, 1]),
            Some((1, true)),
            "another list still has it"
        );
        assert_eq!(
            by(&removed.with_table(0, table(b"\x01a\x04test\0")), &[0]),
            Some((0, false)),
            "a new table stands for itself"
        );
    }

    #[test]
    fn a_longer_entry_of_a_later_list_does_not_go_first() {
        let mut exact = TableBuilder::new(KEY, 1).unwrap();
        exact.insert(b"\x01a\x04test\0", Scope::Exact);
        let exact = Arc::new(exact.finish().unwrap());
        let snapshot = Snapshot::new(
            KEY,
            vec![exact, table(b"\x04test\0"), table(b"\x01a\x04test\0")],
        );
        let by = |wire: &[u8], lists: &[ListIndex]| {
            let mut name = SuffixHashes::new();
            name.fill_for(KEY, wire, snapshot.depths());
            match snapshot.decide(lists, &name) {
                Verdict::Block { list, found } => Some((list, found.labels)),
                Verdict::Pass => None,
            }
        };
        assert_eq!(by(b"\x01a\x04test\0", &[0, 1, 2]), Some((0, 2)));
        assert_eq!(
            by(b"\x01b\x01a\x04test\0", &[0, 1, 2]),
            Some((1, 1)),
            "an exact entry does not cover it, and the shorter entry's list comes first"
        );
        assert_eq!(by(b"\x01b\x01a\x04test\0", &[0, 2]), Some((2, 2)));
        assert_eq!(by(b"\x01b\x04test\0", &[0, 2]), None);
    }

    #[test]
    fn what_is_tried_out_is_counted_and_blocks_nothing() {
        let live = Snapshot::new(
            KEY,
            vec![table(b"\x01a\x04test\0"), table(b"\x01b\x04test\0")],
        );
        let shadow = Arc::new(Shadow::new(0, table(b"\x04test\0")));
        let tried = live.with_shadow(0, Some(Arc::clone(&shadow)));
        let ask = |wire: &[u8], lists: &[ListIndex]| {
            let mut name = SuffixHashes::new();
            name.fill_for(KEY, wire, tried.depths());
            assert!(tried.has_shadow() && !live.has_shadow());
            tried.note_shadows(lists, &name);
            tried.decide(lists, &name) != Verdict::Pass
        };
        assert!(ask(b"\x01a\x04test\0", &[0, 1]), "blocked already: no hit");
        assert!(ask(b"\x01b\x04test\0", &[0, 1]), "by another list: no hit");
        assert!(!ask(b"\x01c\x04test\0", &[0, 1]), "a hit");
        assert!(!ask(b"\x01c\x07example\0", &[0, 1]), "a question");
        assert!(
            !ask(b"\x01c\x04test\0", &[1]),
            "a client that the list does not apply to"
        );
        assert_eq!(
            shadow.trial(),
            crate::policy::Trial {
                questions: 4,
                hits: 1
            }
        );
        assert!(
            !tried.with_shadow(0, None).has_shadow()
                && !tried.with_table(0, table(b"\x04test\0")).has_shadow()
        );
        assert!(
            tried.with_table(1, table(b"\x04test\0")).has_shadow(),
            "another list's"
        );
    }
}

//! The counters a thread writes to without waiting for anybody, and their sum over all threads.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::classes::{DnssecResult, QuestionType, Refusal, ReplyCode};
use crate::list::{EntryTally, LIST_PLACES_MAX, ListIndex};

/// Blocked questions by the number of the entry that blocked them.
pub type EntryCounts = BTreeMap<u32, u64>;

/// What a blocked question asked for; the regulator's report has one column for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A or AAAA.
    Address,
    /// HTTPS or SVCB.
    Https,
    /// Any other type.
    Other,
    /// The name asked for is not listed, but its alias chain (CNAME, DNAME) leads through a listed
    /// name.
    ViaCname,
}

impl Kind {
    /// All kinds, in the order of the report's columns.
    pub const ALL: [Self; 4] = [Self::Address, Self::Https, Self::Other, Self::ViaCname];

    /// The kind of a question for this record type's number.
    pub const fn of_type(qtype: u16) -> Self {
        match qtype {
            1 | 28 => Self::Address,
            64 | 65 => Self::Https,
            _ => Self::Other,
        }
    }

    /// The name used in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Https => "https",
            Self::Other => "other",
            Self::ViaCname => "via_cname",
        }
    }
}

/// The way in that a question came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// DNS over UDP.
    Udp,
    /// DNS over TCP.
    Tcp,
    /// DNS over TLS.
    Tls,
}

impl Door {
    /// All doors, in index order.
    pub const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    /// The name used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// How a question ended; each question counts as exactly one of these, so that they add up to all
/// questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Blocked; the lists' cells say by which list.
    Blocked,
    /// Answered from the cache.
    Hit,
    /// Answered from outside.
    Miss,
    /// Answered by ourselves: names we own and refused question forms.
    Own,
    /// The client is not allowed to ask.
    Refused,
    /// Over the client's rate limit: cut short or left out.
    Limited,
    /// Not a readable question.
    Fault,
    /// SERVFAIL.
    Failed,
}

impl Event {
    /// All events, in index order.
    pub const ALL: [Self; 8] = [
        Self::Blocked,
        Self::Hit,
        Self::Miss,
        Self::Own,
        Self::Refused,
        Self::Limited,
        Self::Fault,
        Self::Failed,
    ];

    /// The name used in metrics and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Own => "own",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Fault => "fault",
            Self::Failed => "failed",
        }
    }
}

/// Upper bounds of the latency buckets in microseconds; one more bucket takes everything slower.
pub const LATENCY_BOUNDS_US: [u64; 14] = [
    10, 25, 50, 100, 250, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000,
];
const LATENCY_BUCKETS: usize = LATENCY_BOUNDS_US.len() + 1;

/// Blocked questions of one list, by [`Kind`] in the order of [`Kind::ALL`].
pub type ListCounts = [u64; Kind::ALL.len()];

/// Counters that threads write to; every number only grows.
#[derive(Debug)]
pub struct Cells {
    writers: Writers,
    lists: Box<[[AtomicU64; Kind::ALL.len()]]>,
    doors: [AtomicU64; Door::ALL.len()],
    events: [AtomicU64; Event::ALL.len()],
    types: [AtomicU64; QuestionType::ALL.len()],
    replies: [AtomicU64; ReplyCode::ALL.len()],
    refusals: [AtomicU64; Refusal::ALL.len()],
    dnssec: [AtomicU64; DnssecResult::ALL.len()],
    latency: [AtomicU64; LATENCY_BUCKETS],
    latency_us: AtomicU64,
}

/// Who adds to a set of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writers {
    /// One thread at a time: a count is a plain read and a plain write.
    One,
    /// Any: a count is an atomic addition.
    Many,
}

/// Counters of which only the holder writes; not to be cloned, so that a plain write loses nothing.
#[derive(Debug)]
pub struct OwnCells(Arc<Cells>);

impl Deref for OwnCells {
    type Target = Cells;

    fn deref(&self) -> &Cells {
        &self.0
    }
}

impl Cells {
    fn new(writers: Writers) -> Self {
        Self {
            writers,
            lists: (0..LIST_PLACES_MAX).map(|_| Default::default()).collect(),
            doors: Default::default(),
            events: Default::default(),
            types: Default::default(),
            replies: Default::default(),
            refusals: Default::default(),
            dnssec: Default::default(),
            latency: Default::default(),
            latency_us: AtomicU64::new(0),
        }
    }

    /// One question came in.
    pub fn note_question(&self, door: Door) {
        self.add(self.doors.get(door as usize), 1);
    }

    /// One question ended; for blocked ones use [`Cells::note_blocked`].
    pub fn note_event(&self, event: Event) {
        self.add(self.events.get(event as usize), 1);
    }

    /// One question could be read, and asks for this.
    pub fn note_type(&self, of: QuestionType) {
        self.add(self.types.get(of as usize), 1);
    }

    /// One reply was made.
    pub fn note_reply(&self, code: ReplyCode) {
        self.add(self.replies.get(code as usize), 1);
    }

    /// Something was turned away.
    pub fn note_refusal(&self, why: Refusal) {
        self.add(self.refusals.get(why as usize), 1);
    }

    /// One answer came from outside.
    pub fn note_dnssec(&self, result: DnssecResult) {
        self.add(self.dnssec.get(result as usize), 1);
    }

    /// One question was blocked by this list; [`Tally`] adds it to the blocked events too.
    pub fn note_blocked(&self, list: ListIndex, kind: Kind) {
        match self
            .lists
            .get(usize::from(list))
            .and_then(|kinds| kinds.get(kind as usize))
        {
            Some(cell) => self.add(Some(cell), 1),
            None => self.note_event(Event::Blocked),
        }
    }

    /// `count` questions took `us` microseconds each from arrival to reply.
    pub fn note_latency(&self, us: u64, count: u64) {
        let bucket = LATENCY_BOUNDS_US.partition_point(|&bound| bound < us);
        self.add(self.latency.get(bucket), count);
        self.add(Some(&self.latency_us), us.saturating_mul(count));
    }

    fn add(&self, cell: Option<&AtomicU64>, count: u64) {
        let Some(cell) = cell else { return };
        match self.writers {
            Writers::One => cell.store(cell.load(Relaxed).wrapping_add(count), Relaxed),
            Writers::Many => _ = cell.fetch_add(count, Relaxed),
        }
    }
}

/// The sum of all threads' counters at one moment, since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Blocked questions by list index.
    pub lists: Vec<ListCounts>,
    /// Questions by [`Door`].
    pub doors: [u64; Door::ALL.len()],
    /// Questions by [`Event`].
    pub events: [u64; Event::ALL.len()],
    /// Questions by [`QuestionType`], of those that could be read.
    pub types: [u64; QuestionType::ALL.len()],
    /// Replies by [`ReplyCode`].
    pub replies: [u64; ReplyCode::ALL.len()],
    /// What was turned away, by [`Refusal`].
    pub refusals: [u64; Refusal::ALL.len()],
    /// Answers from outside by [`DnssecResult`].
    pub dnssec: [u64; DnssecResult::ALL.len()],
    /// Replies by latency bucket, see [`LATENCY_BOUNDS_US`].
    pub latency: [u64; LATENCY_BUCKETS],
    /// All latencies added up, in microseconds.
    pub latency_us: u64,
}

impl Tally {
    /// All questions.
    pub fn questions(&self) -> u64 {
        self.doors.iter().sum()
    }

    /// Questions that ended this way.
    pub fn event(&self, event: Event) -> u64 {
        self.events.get(event as usize).copied().unwrap_or_default()
    }

    /// Each list cell is read once and counted in both places, so that blocked events and lists add
    /// up in every sum.
    fn add(&mut self, cells: &Cells) {
        let mut blocked = 0;
        for (index, kinds) in cells.lists.iter().enumerate() {
            let mut counts = ListCounts::default();
            add_each(&mut counts, kinds);
            blocked += counts.iter().sum::<u64>();
            if let Some(sums) = self.lists.get_mut(index) {
                sums.iter_mut()
                    .zip(counts)
                    .for_each(|(sum, count)| *sum += count);
            }
        }
        if let Some(sum) = self.events.get_mut(Event::Blocked as usize) {
            *sum += blocked;
        }
        add_each(&mut self.doors, &cells.doors);
        add_each(&mut self.events, &cells.events);
        add_each(&mut self.types, &cells.types);
        add_each(&mut self.replies, &cells.replies);
        add_each(&mut self.refusals, &cells.refusals);
        add_each(&mut self.dnssec, &cells.dnssec);
        add_each(&mut self.latency, &cells.latency);
        self.latency_us += cells.latency_us.load(Relaxed);
    }
}

fn add_each(sums: &mut [u64], cells: &[AtomicU64]) {
    for (sum, cell) in sums.iter_mut().zip(cells) {
        *sum += cell.load(Relaxed);
    }
}

/// Hands a set of counters to each thread and adds them all up.
#[derive(Debug)]
pub struct Board {
    /// How many lists there are or were.
    list_count: AtomicUsize,
    threads: Mutex<Vec<Arc<Cells>>>,
    /// Of the lists whose entries are counted.
    entries: Mutex<BTreeMap<ListIndex, Arc<EntryTally>>>,
}

impl Board {
    /// A board for this many lists.
    pub const fn new(list_count: usize) -> Self {
        Self {
            list_count: AtomicUsize::new(list_count),
            threads: Mutex::new(Vec::new()),
            entries: Mutex::new(BTreeMap::new()),
        }
    }

    /// There are so many lists from now on, of [`LIST_PLACES_MAX`] at the most.
    pub fn make_room(&self, list_count: usize) {
        self.list_count.fetch_max(list_count, Relaxed);
    }

    /// From now on the entries of these lists are counted, and no others. What was counted of
    /// others and not taken yet is lost: take it first.
    pub fn count_entries(&self, entries: BTreeMap<ListIndex, Arc<EntryTally>>) {
        *self.entries.lock().unwrap_or_else(PoisonError::into_inner) = entries;
    }

    /// What was counted by entry since it was last taken; each list that is counted so is there,
    /// with nothing where nothing was.
    pub fn take_entries(&self) -> BTreeMap<ListIndex, EntryCounts> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = entries.iter().map(|(list, tally)| (*list, tally.take()));
        taken.collect()
    }

    /// Counters for one more holder, who alone writes to them; they are counted in for ever.
    pub fn own_cells(&self) -> OwnCells {
        OwnCells(self.cells_for(Writers::One))
    }

    /// Counters that any thread may write to; they are counted in for ever.
    pub fn cells(&self) -> Arc<Cells> {
        self.cells_for(Writers::Many)
    }

    fn cells_for(&self, writers: Writers) -> Arc<Cells> {
        let cells = Arc::new(Cells::new(writers));
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&cells));
        cells
    }

    /// The sum over all threads.
    pub fn sum(&self) -> Tally {
        let mut tally = Tally {
            lists: vec![Default::default(); self.list_count.load(Relaxed)],
            ..Tally::default()
        };
        for cells in self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            tally.add(cells);
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_over_all_threads() {
        let board = Board::new(2);
        std::thread::scope(|scope| {
            let shared = board.cells();
            for _ in 0..4 {
                let (board, shared) = (&board, Arc::clone(&shared));
                scope.spawn(move || {
                    let own = board.own_cells();
                    for nth in 0..1000 {
                        let cells = if nth % 2 == 0 { &*own } else { &*shared };
                        cells.note_question(Door::Udp);
                        cells.note_blocked(1, Kind::Https);
                        cells.note_latency(11, 1);
                    }
                });
            }
        });
        let tally = board.sum();
        assert_eq!(tally.questions(), 4000);
        assert_eq!(tally.lists, [[0; 4], [0, 4000, 0, 0]]);
        assert_eq!(tally.event(Event::Blocked), 4000);
        assert_eq!(tally.latency[1], 4000);
        assert_eq!(tally.latency_us, 44_000);
    }

    #[test]
    fn blocked_events_are_what_the_lists_add_up_to_at_every_moment() {
        let board = Board::new(2);
        std::thread::scope(|scope| {
            let cells = board.own_cells();
            let writer = scope
                .spawn(move || (0..60_000).for_each(|n| cells.note_blocked(n % 2, Kind::Address)));
            while !writer.is_finished() {
                let tally = board.sum();
                assert_eq!(
                    tally.event(Event::Blocked),
                    tally.lists.iter().flatten().sum::<u64>()
                );
            }
        });
        assert_eq!(board.sum().event(Event::Blocked), 60_000);
    }

    #[test]
    fn a_list_out_of_range_is_left_out_but_the_question_counts() {
        let board = Board::new(1);
        board.cells().note_blocked(9, Kind::Address);
        assert_eq!(board.sum().lists, [[0; 4]]);
        assert_eq!(board.sum().event(Event::Blocked), 1);
        board.make_room(10);
        assert_eq!(board.sum().lists[9], [1, 0, 0, 0], "until there is one");
        let beyond = LIST_PLACES_MAX as ListIndex;
        board.cells().note_blocked(beyond, Kind::Address);
        assert_eq!(board.sum().event(Event::Blocked), 2);
    }
}

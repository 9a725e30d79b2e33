//! The thread that carries the counts from memory to disk, so that answering never waits for the
//! disk.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{ClockReading, UnixSeconds, hour_start, monotonic, since_epoch, wall_s};
use crate::count::{Board, HourCounts, Meter};

use super::clock_track::{
    ClockTrack, TOLD_FOR_S, tell_stands_still, tell_unsure, tell_withdrawn, warn_of,
};
use super::journal::{Journal, Told};
use super::out_of_force::{ForceLook, ForceWatch, InForceSince};
use super::{ClockStep, Store, StoreError, Taking};

const HOUR: Duration = Duration::from_secs(3600);

/// A flush that is due at the full hour and comes no later than this still books on the hour
/// before.
const LATE_S: i64 = 2;

/// How the writing goes, for status and metrics; a clone looks at the same keeper.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Flushing>>);

/// How the writing goes at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flushing {
    /// When counts were last written; none before the first time.
    pub last_flush: Option<UnixSeconds>,
    /// How many times they could not be written, since the start.
    pub failures: u64,
    /// Why they could not be written the last time; none when they were.
    pub last_error: Option<String>,
    /// What was said where the state folder was found restored at the start.
    #[serde(default)]
    pub restored: Option<String>,
    /// What somebody should know of the clock: that it is behind the log, or was ahead lately.
    #[serde(default)]
    pub clock: Option<String>,
}

impl Health {
    /// How the writing goes now.
    pub fn read(&self) -> Flushing {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A store was opened.
    fn note_opened(&self, store: &Store) {
        let mut flushing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flushing.restored = store.restored().map(str::to_owned);
    }

    /// Notes what is to be known of the clock; only a change goes to the log.
    fn note_clock(&self, message: Option<String>) {
        let mut flushing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if flushing.clock != message
            && let Some(message) = &message
        {
            tracing::warn!("{message}");
        }
        flushing.clock = message;
    }

    /// Notes the outcome of a flush; only a change goes to the log, as a full disk lasts.
    fn note(&self, outcome: Result<(), &StoreError>, at: UnixSeconds) {
        let mut flushing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let error = outcome.err().map(ToString::to_string);
        match (&flushing.last_error, &error) {
            (None, Some(error)) => tracing::error!("{error}; until then the counts wait in memory"),
            (Some(_), None) => tracing::info!("the counts are written to disk again, none is lost"),
            _ => {}
        }
        match error {
            Some(_) => flushing.failures += 1,
            None => flushing.last_flush = Some(at),
        }
        flushing.last_error = error;
    }
}

/// Writes a board's counts to a store every few seconds and at each full hour.
#[derive(Debug)]
pub struct Keeper {
    stop: Sender<Told>,
    /// Ends the journal's hold on the thread when the keeper goes, so that nothing keeps the thread
    /// alive.
    _hold: Hold,
    thread: JoinHandle<Result<(), StoreError>>,
    health: Health,
}

impl Keeper {
    /// Starts the thread; `flush_every` is the most that a crash can lose. Events of the journal
    /// are written at once. `in_force` is asked now and at each writing which lists are in force.
    ///
    /// Where the store cannot be opened now, the counts wait in memory, and it is tried again: the
    /// evidence keeps nobody from being answered.
    ///
    /// # Errors
    /// Where another process has the store, or no thread can be started.
    pub fn start(
        board: Arc<Board>,
        mut opener: StoreOpener,
        journal: &Journal,
        flush_every: Duration,
        in_force: InForceSince,
    ) -> Result<Self, StoreError> {
        let (stop, told) = channel();
        let health = Health::default();
        // In this order: what is in force now is so when the run begins.
        let force = ForceWatch::new(in_force);
        let began = wall_s();
        journal.place(began, began);
        let mut open = move || opener(began);
        let store = match open() {
            Err(error) if !error.is_passing() => return Err(error),
            opened => opened,
        };
        let (noted, waiting) = (health.clone(), journal.clone());
        let keep = move || {
            let store = wait_for(store, open, &noted, &told)?;
            noted.note_opened(&store);
            let ledger = Ledger::new(board, store, waiting, noted, force);
            ledger.keep(flush_every, &told)
        };
        journal.attach(Some(stop.clone()));
        let hold = Hold(journal.clone());
        let thread = std::thread::Builder::new()
            .name("counts".into())
            .spawn(keep);
        Ok(Self {
            stop,
            _hold: hold,
            thread: thread.map_err(|source| StoreError::Thread(source.to_string()))?,
            health,
        })
    }

    /// How the writing goes.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Writes what is left, ends the run and waits for both. Stop the doors first: what is counted
    /// later is lost.
    ///
    /// Fails when the last counts could not be written; the next start then writes the gap down.
    /// Blocks for as long as the disk.
    pub fn stop(self) -> Result<(), StoreError> {
        // The thread is gone already if nobody listens; joining tells.
        let _ = self.stop.send(Told::Stop);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(StoreError::Thread("it panicked".into())))
    }
}

/// Opens the store for a run that began then, again where it could not be opened before.
pub type StoreOpener = Box<dyn FnMut(UnixSeconds) -> Result<Store, StoreError> + Send>;

/// A store that could not be opened is tried again after this long.
const OPEN_AGAIN: Duration = Duration::from_secs(5);

/// The store, once it can be opened; an error where the program stops before that.
fn wait_for(
    mut opened: Result<Store, StoreError>,
    mut open: impl FnMut() -> Result<Store, StoreError>,
    health: &Health,
    told: &Receiver<Told>,
) -> Result<Store, StoreError> {
    loop {
        let error = match opened {
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        health.note(Err(&error), wall_s());
        let again = monotonic() + OPEN_AGAIN;
        while monotonic() < again {
            // Events wait in memory like the counts.
            match told.recv_timeout(again.saturating_duration_since(monotonic())) {
                Ok(Told::Write) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => return Err(error),
            }
        }
        opened = open();
    }
}

/// The journal's hold on the writing thread.
#[derive(Debug)]
struct Hold(Journal);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.attach(None);
    }
}

/// What the thread works on.
struct Ledger {
    board: Arc<Board>,
    store: Store,
    journal: Journal,
    meter: Meter,
    /// Counts that are not on disk yet, one entry an hour; more than one only while the disk
    /// refuses.
    pending: Vec<HourCounts>,
    /// Steps of the clock that are not on disk yet.
    steps: Vec<ClockStep>,
    /// Which lists are not in force.
    force: ForceWatch,
    /// How many of the journal's waiting events `force` has seen.
    seen_events: usize,
    /// The log's time of the last taking, which never runs back.
    last_taking: UnixSeconds,
    last_reading: ClockReading,
    clock: ClockTrack,
    health: Health,
}

impl Ledger {
    fn new(
        board: Arc<Board>,
        store: Store,
        journal: Journal,
        health: Health,
        force: ForceWatch,
    ) -> Self {
        let last_taking = store.time();
        Self {
            board,
            store,
            journal,
            meter: Meter::default(),
            pending: Vec::new(),
            steps: Vec::new(),
            force,
            seen_events: 0,
            last_taking,
            last_reading: ClockReading::now(),
            clock: ClockTrack::default(),
            health,
        }
    }

    /// Flushes until told to stop, or until the keeper is dropped.
    fn keep(mut self, flush_every: Duration, told: &Receiver<Told>) -> Result<(), StoreError> {
        while let Ok(Told::Write) | Err(RecvTimeoutError::Timeout) =
            told.recv_timeout(pause(since_epoch(), flush_every))
        {
            // A failure is in `health`, and the counts stay pending.
            let _ = self.flush(ClockReading::now());
        }
        self.flush(ClockReading::now())?;
        self.store.end(self.last_taking)
    }

    fn flush(&mut self, clocks: ClockReading) -> Result<(), StoreError> {
        let now = clocks.wall.max(self.last_taking);
        let step = step(self.last_taking, self.last_reading, clocks);
        if let Some(step) = step {
            warn_of(step);
        }
        self.steps.extend(step);
        self.clock.note(step, now, clocks);
        let lists = self.force.ask();
        self.journal.place(self.last_taking, now);
        let events = self.journal.waiting();
        let look = ForceLook {
            from: self.last_taking,
            until: now,
            is_clock_set: step.is_some(),
            events: events.get(self.seen_events..).unwrap_or_default(),
        };
        self.force.look(&lists, &look);
        self.seen_events = events.len();
        self.last_reading = clocks;
        let mut counts = self
            .meter
            .take(self.board.sum(), booking_time(self.last_taking, now));
        counts.entries = self.board.take_entries();
        self.last_taking = now;
        match self
            .pending
            .iter_mut()
            .find(|pending| pending.hour == counts.hour)
        {
            Some(pending) => pending.add(&counts),
            None => self.pending.push(counts),
        }
        let taking = Taking {
            hours: &self.pending,
            steps: &self.steps,
            events: &events,
            out_of_force: self.force.pending(),
        };
        let written = self.store.write(&taking, now);
        self.health.note(written.as_ref().copied(), now);
        if written.is_ok() {
            self.pending.clear();
            self.steps.clear();
            self.force.forget();
            self.journal.forget(events.len());
            self.seen_events = 0;
            self.attend_to_clock(clocks);
        }
        written
    }

    /// Has the log go back where the clock was ahead, once that is sure; what cannot be written now
    /// is tried again at the next writing.
    fn attend_to_clock(&mut self, clocks: ClockReading) {
        let message = if self.clock.is_behind() {
            self.go_back(clocks)
        } else {
            let last = self.store.last_withdrawn().ok().flatten();
            let lately = last.filter(|time| clocks.wall - time.back_to < TOLD_FOR_S);
            lately.map(|time| tell_withdrawn(&time))
        };
        self.health.note_clock(message);
    }

    /// Gives what is to be known of it.
    fn go_back(&mut self, clocks: ClockReading) -> Option<String> {
        let ahead_since = self.clock.ahead_since().unwrap_or(clocks.wall);
        let way = match self.store.way_back(clocks.wall, ahead_since) {
            Ok(Some(way)) => way,
            Ok(None) => return Some(tell_stands_still(self.last_taking)),
            Err(error) => return Some(error.to_string()),
        };
        if !self.clock.unsure_for(way.hours, clocks.monotonic).is_zero() {
            return Some(tell_unsure(self.last_taking));
        }
        if let Err(error) = self.store.go_back(&way) {
            return Some(error.to_string());
        }
        self.last_taking = way.to;
        self.force.go_back(way.to);
        self.clock.note(None, way.to, clocks);
        let withdrawn = self.store.last_withdrawn().ok().flatten();
        withdrawn.map(|time| tell_withdrawn(&time))
    }
}

/// A step of the wall clock between two readings, by the log's time: `last` is that of the first.
///
/// A machine that slept looks the same, since the monotonic clock stands still meanwhile: nothing
/// was asked of the resolver then.
fn step(last: UnixSeconds, before: ClockReading, now: ClockReading) -> Option<ClockStep> {
    let until = now.wall.max(last);
    before.step_s(now).map(|by_s| ClockStep {
        from: if by_s > 0 {
            last.saturating_add(before.elapsed_s(now)).min(until)
        } else {
            until
        },
        until,
        by_s,
    })
}

/// How long to sleep: until the next flush, or until just after the full hour.
fn pause(since_epoch: Duration, flush_every: Duration) -> Duration {
    let into_hour = Duration::new(
        since_epoch.as_secs() % HOUR.as_secs(),
        since_epoch.subsec_nanos(),
    );
    flush_every.min(HOUR.saturating_sub(into_hour) + Duration::from_millis(1))
}

/// The moment that counts taken `now` are booked on: just after the full hour still the hour
/// before, otherwise the clock's word.
fn booking_time(last_taking: UnixSeconds, now: UnixSeconds) -> UnixSeconds {
    let hour = hour_start(now);
    let just_closed = hour_start(last_taking) + 3600 == hour && now - hour <= LATE_S;
    if just_closed { hour - 1 } else { now }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::path::Path;
    use std::time::Instant;

    use super::*;
    use crate::audit::{Demands, ExportPart, Folder, LogExporter, verify};
    use crate::count::{Cells, Door, Event, Kind, ListIdentity, Record, Stretch};
    use crate::record::{EventKind, IssueVerified, Statement};
    use crate::store::author::author_of_tests as author;
    use crate::store::journal::live_of_tests;
    use crate::store::{JournalEvent, ListForce, LogReader, Reader};

    const HOUR_START: UnixSeconds = 1_767_225_600;

    fn lists() -> Vec<ListIdentity> {
        ["one", "two"]
            .map(|id| ListIdentity {
                id: id.into(),
                authority: "A".into(),
                legal_basis: "B".into(),
            })
            .into()
    }

    /// The two lists, in force since then.
    fn stand(since: [Option<UnixSeconds>; 2]) -> Vec<ListForce> {
        let lists = ["one", "two"].into_iter().zip(since);
        let list = |(id, since): (&str, _)| ListForce {
            id: id.to_owned(),
            since,
        };
        lists.map(list).collect()
    }

    fn ledger(folder: &Path, at: UnixSeconds) -> (Ledger, Arc<Cells>) {
        let board = Arc::new(Board::new(2));
        let cells = board.cells();
        let store = Store::open(folder, &lists(), author(), at).unwrap();
        let mut ledger = Ledger::new(
            board,
            store,
            Journal::default(),
            Health::default(),
            ForceWatch::new(Box::new(|| stand([Some(1); 2]))),
        );
        ledger.last_reading.wall = at;
        (ledger, cells)
    }

    impl Ledger {
        /// Flushes when both clocks went on to `wall`.
        fn flush_at(&mut self, wall: UnixSeconds) -> Result<(), StoreError> {
            let elapsed = Duration::from_secs((wall - self.last_reading.wall).unsigned_abs());
            self.flush(ClockReading {
                wall,
                monotonic: self.last_reading.monotonic + elapsed,
            })
        }

        /// Flushes when the wall clock says `wall`, and five seconds went by.
        fn flush_after_a_step(&mut self, wall: UnixSeconds) -> Result<(), StoreError> {
            self.flush(ClockReading {
                wall,
                monotonic: self.last_reading.monotonic + Duration::from_secs(5),
            })
        }
    }

    fn ask(cells: &Cells, count: u64) {
        for _ in 0..count {
            cells.note_question(Door::Udp);
            cells.note_blocked(1, Kind::Https);
        }
    }

    fn read(folder: &Path, now: UnixSeconds) -> Record {
        Reader::open(folder)
            .unwrap()
            .read(Stretch::default(), now)
            .unwrap()
    }

    #[test]
    fn counts_just_after_the_full_hour_belong_to_the_hour_before() {
        assert_eq!(booking_time(HOUR_START - 4, HOUR_START + 1), HOUR_START - 1);
        assert_eq!(
            booking_time(HOUR_START - 4, HOUR_START + 9),
            HOUR_START + 9,
            "too late to tell"
        );
        assert_eq!(booking_time(HOUR_START, HOUR_START + 1), HOUR_START + 1);
        assert_eq!(
            booking_time(HOUR_START - 9000, HOUR_START + 1),
            HOUR_START + 1,
            "asleep for hours"
        );
        assert_eq!(
            booking_time(HOUR_START + 9000, HOUR_START + 1),
            HOUR_START + 1,
            "the clock was set back"
        );
    }

    #[test]
    fn a_report_in_the_first_seconds_of_an_hour_has_no_gap() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, cells) = ledger(folder.path(), HOUR_START + 3590);
        ask(&cells, 3);
        ledger.flush_at(HOUR_START + 3600).unwrap();
        let record = read(folder.path(), HOUR_START + 3604);
        let hours: Vec<_> = record
            .hours
            .iter()
            .map(|hour| (hour.hour - HOUR_START, hour.questions))
            .collect();
        assert_eq!(hours, [(0, 3), (3600, 0)]);
        assert_eq!(
            record.gaps.len(),
            1,
            "only that before the start: {:?}",
            record.gaps
        );
    }

    #[test]
    fn the_pause_ends_at_the_full_hour() {
        let five = Duration::from_secs(5);
        assert_eq!(pause(Duration::new(3600 * 9 + 100, 500), five), five);
        assert_eq!(
            pause(Duration::new(3600 * 9 + 3598, 250_000_000), five),
            Duration::from_millis(1751)
        );
    }

    #[test]
    fn what_cannot_be_written_waits_and_keeps_its_hour() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, cells) = ledger(folder.path(), HOUR_START);
        ask(&cells, 3);
        ledger.flush_at(HOUR_START + 5).unwrap();
        ledger.store.refuse_changes(true);
        for n in 1..40 {
            ask(&cells, 1);
            ledger.flush_at(HOUR_START + 5 + n * 600).unwrap_err();
        }
        let flushing = ledger.health.read();
        assert_eq!(
            (flushing.last_flush, flushing.failures),
            (Some(HOUR_START + 5), 39)
        );
        assert!(flushing.last_error.unwrap().contains("counts.sqlite"));
        assert_eq!(ledger.pending.len(), 7);
        ledger.store.refuse_changes(false);
        ledger.flush_at(HOUR_START + 24_000).unwrap();
        assert_eq!(
            (ledger.health.read().last_error, ledger.pending.len()),
            (None, 0)
        );
        let record = read(folder.path(), HOUR_START + 24_000);
        let hours: Vec<_> = record.hours.iter().map(|hour| hour.questions).collect();
        assert_eq!(hours, [8, 6, 6, 6, 6, 6, 4]);
        assert!(record.gaps.is_empty(), "{:?}", record.gaps);
    }

    #[test]
    fn a_list_that_is_not_in_force_is_noted_from_the_run_s_start_on() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, _) = ledger(folder.path(), HOUR_START);
        let since = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&since);
        ledger.force = ForceWatch::new(Box::new(move || stand([Some(1), *seen.lock().unwrap()])));
        ledger.store.refuse_changes(true);
        ledger.flush_at(HOUR_START + 5).unwrap_err();
        ledger.store.refuse_changes(false);
        ledger.flush_at(HOUR_START + 10).unwrap();
        *since.lock().unwrap() = Some(HOUR_START + 12);
        ledger.flush_at(HOUR_START + 12).unwrap();
        ledger.flush_at(HOUR_START + 20).unwrap();
        let record = read(folder.path(), HOUR_START + 20);
        let gaps = record.list_gaps.iter();
        let gaps = gaps.map(|gap| (gap.list.as_str(), gap.from, gap.until));
        let expected = ("two", HOUR_START, HOUR_START + 13);
        assert_eq!(gaps.collect::<Vec<_>>(), [expected]);
        assert_eq!(record.unnoted_until, None);
        assert_eq!(record.recorded_s(HOUR_START), 20, "others are counted");
    }

    #[test]
    fn the_thread_flushes_and_writes_the_rest_when_it_stops() {
        let folder = tempfile::tempdir().unwrap();
        let board = Arc::new(Board::new(2));
        let cells = board.cells();
        let mut store = Some(Store::open(folder.path(), &lists(), author(), wall_s()));
        let journal = Journal::default();
        let verified = Statement::Verified(IssueVerified { at_ms: 7 });
        journal.note(JournalEvent {
            list: Some("one".to_owned()),
            ..JournalEvent::now(verified)
        });
        let keeper = Keeper::start(
            Arc::clone(&board),
            Box::new(move |_| store.take().expect("a store")),
            &journal,
            Duration::from_millis(5),
            Box::new(|| stand([Some(1); 2])),
        )
        .unwrap();
        ask(&cells, 10);
        let deadline = Instant::now() + Duration::from_secs(10);
        let questions =
            |record: Record| record.hours.iter().map(|hour| hour.questions).sum::<u64>();
        while questions(read(folder.path(), wall_s())) < 10 {
            assert!(Instant::now() < deadline, "never flushed");
            std::thread::yield_now();
        }
        ask(&cells, 7);
        keeper.stop().unwrap();
        assert_eq!(questions(read(folder.path(), wall_s())), 17);
        let journal = Reader::open(folder.path())
            .unwrap()
            .journal(None, 10)
            .unwrap();
        assert_eq!(
            journal
                .iter()
                .map(|(seq, event)| (*seq, event.kind))
                .collect::<Vec<_>>(),
            [
                (1, EventKind::Start),
                (2, EventKind::Verified),
                (3, EventKind::Stop)
            ]
        );
        Store::open(folder.path(), &lists(), author(), wall_s()).unwrap();
    }

    /// A ledger whose first list is in force from the start or not, and who says so.
    fn standing_ledger(folder: &Path, at: UnixSeconds, has_first: bool) -> StandingLedger {
        let board = Arc::new(Board::new(2));
        let cells = board.cells();
        let store = Store::open(folder, &lists(), author(), at).unwrap();
        let since = Arc::new(Mutex::new([has_first.then_some(at), Some(at)]));
        let shown = Arc::clone(&since);
        let force = ForceWatch::new(Box::new(move || stand(*shown.lock().unwrap())));
        let journal = Journal::default();
        // The clock was ahead when the lists came in force, and is right when the run begins.
        note_live(&journal, "two", at + 300_000);
        if has_first {
            note_live(&journal, "one", at + 1);
        }
        journal.place(at, at);
        let health = Health::default();
        let mut ledger = Ledger::new(board, store, journal, health, force);
        ledger.last_reading.wall = at;
        StandingLedger {
            ledger,
            cells,
            since,
            is_told: has_first,
        }
    }

    fn note_live(journal: &Journal, list: &str, at: UnixSeconds) {
        journal.note(live_of_tests(list, at));
    }

    struct StandingLedger {
        ledger: Ledger,
        cells: Arc<Cells>,
        since: Arc<Mutex<[Option<UnixSeconds>; 2]>>,
        /// The journal says that the first list is in force.
        is_told: bool,
    }

    impl StandingLedger {
        /// The first list comes in force: the journal says it first, then everybody can see it.
        fn enter(&mut self, at: UnixSeconds) {
            self.tell(at);
            self.since.lock().unwrap()[0] = Some(at);
        }

        fn tell(&mut self, at: UnixSeconds) {
            if !self.is_told {
                note_live(&self.ledger.journal, "one", at);
            }
            self.is_told = true;
        }

        fn ask(&self, count: u64) {
            ask(&self.cells, count);
            if self.is_told {
                for _ in 0..count {
                    self.cells.note_question(Door::Udp);
                    self.cells.note_blocked(0, Kind::Address);
                }
            }
        }
    }

    /// What the verifier finds in the log of this folder.
    fn findings(folder: &Path) -> Vec<String> {
        let reader = LogReader::open(folder).unwrap();
        let checkpoints = reader.checkpoints().unwrap();
        let last = checkpoints.last().unwrap();
        let (to, key) = (tempfile::tempdir().unwrap(), author().key);
        let mut exporter = LogExporter::create(to.path(), key.name(), ExportPart::Whole).unwrap();
        let keep = |leaf: &[u8]| -> Result<(), StoreError> {
            exporter.leaf(leaf).unwrap();
            Ok(())
        };
        reader.leaves(last.size, keep).unwrap();
        exporter
            .finish("", &[(last.at, last.note.clone())])
            .unwrap();
        let demands = Demands {
            keys: vec![key.public()],
            ..Demands::default()
        };
        let folder = Folder::find(to.path()).unwrap().remove(0);
        let findings = verify(&folder, &demands, None).log.findings;
        findings
            .into_iter()
            .map(|finding| format!("{finding:?}"))
            .collect()
    }

    /// An honest log is in order, whatever the clock, the disk, crashes and lists did.
    fn live_through(steps: &[(i64, u64, u8)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut now = HOUR_START + 40 * 86_400 + 17;
        let mut standing = standing_ledger(folder.path(), now, true);
        for &(step, count, event) in steps {
            now += step;
            standing.ask(count);
            let ledger = &mut standing.ledger;
            ledger.store.refuse_changes(event == 0);
            // Steps of the clock are as likely as time that goes by.
            let _ = if event.is_multiple_of(2) {
                ledger.flush_at(now)
            } else {
                ledger.flush_after_a_step(now)
            };
            ledger.store.refuse_changes(false);
            match event {
                1 | 2 => {
                    drop(standing);
                    standing = standing_ledger(folder.path(), now, event == 1);
                }
                3 => {
                    let StandingLedger { mut ledger, .. } = standing;
                    ledger.flush_at(now).unwrap();
                    ledger.store.end(ledger.last_taking).unwrap();
                    now += 90;
                    standing = standing_ledger(folder.path(), now, count.is_multiple_of(2));
                }
                4 | 5 => standing.enter(now),
                // The keeper of the list does not come to show it.
                6 => standing.tell(now),
                // The clock is ahead while somebody notes something, and back when it is written.
                7 => standing.enter(now + 300_000),
                8 => note_live(&standing.ledger.journal, "two", now + 300_000),
                _ => {}
            }
        }
        let StandingLedger { mut ledger, .. } = standing;
        ledger.flush_at(now + 9000).unwrap();
        ledger.store.end(ledger.last_taking).unwrap();
        findings(folder.path())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_honest_log_is_in_order(
            steps in prop::collection::vec(
                (
                    prop_oneof![
                        3 => -5000_i64..9000,
                        2 => 0_i64..6,
                        1 => Just(3600),
                        1 => Just(3 * 86_400),
                        1 => Just(-3 * 86_400),
                        1 => -400_000_i64..-3600,
                    ],
                    0_u64..5,
                    0_u8..14,
                ),
                1..40,
            )
        ) {
            prop_assert_eq!(live_through(&steps), Vec::<String>::new());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn whatever_the_clock_and_the_disk_do_the_sums_are_what_was_counted(
            steps in prop::collection::vec((-5000_i64..9000, 0_u64..50, any::<bool>(), 0_u8..10), 1..40)
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (mut keeping, mut cells) = ledger(folder.path(), HOUR_START);
            let (mut now, mut asked, mut span) = (HOUR_START, 0, (HOUR_START, HOUR_START));
            for (step, count, refuse, restart) in steps {
                now += step;
                span = (span.0.min(now), span.1.max(now));
                ask(&cells, count);
                asked += count;
                keeping.store.refuse_changes(refuse);
                prop_assert_eq!(keeping.flush_after_a_step(now).is_err(), refuse);
                if restart == 0 {
                    keeping.store.refuse_changes(false);
                    keeping.flush_after_a_step(now).unwrap();
                    drop(keeping);
                    (keeping, cells) = ledger(folder.path(), now);
                }
            }
            keeping.store.refuse_changes(false);
            keeping.flush_after_a_step(now).unwrap();
            let wanted = Stretch { from: Some(hour_start(span.0) - 3600), until: Some(hour_start(span.1) + 3600) };
            let record = Reader::open(folder.path()).unwrap().read(wanted, now).unwrap();
            let withdrawn = || record.withdrawn.iter();
            let in_no_hour: u64 = withdrawn().map(|time| time.questions).sum();
            prop_assert_eq!(record.hours.iter().map(|hour| hour.questions).sum::<u64>() + in_no_hour, asked);
            prop_assert_eq!(record.hours.iter().map(|hour| hour.events[Event::Blocked as usize]).sum::<u64>() + in_no_hour, asked);
            let listed = record.hours.iter().filter_map(|hour| hour.lists[1]).map(|kinds| kinds[Kind::Https as usize]);
            let unlisted = withdrawn().map(|time| time.lists[1].1[Kind::Https as usize]);
            prop_assert_eq!(listed.sum::<u64>() + unlisted.sum::<u64>(), asked);
        }
    }
}

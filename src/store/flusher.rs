//! The thread that carries the counts from memory to disk, so that answering never waits for the
//! disk.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use crate::clock::{ClockReading, UnixSeconds, since_epoch, wall_s};
use crate::count::{Board, HourCounts, Meter};

use super::clock_track::{
    ClockTrack, TOLD_FOR_S, tell_stands_still, tell_unsure, tell_withdrawn, warn_of,
};
use super::damaged::set_unusable_aside;
use super::flush_times::{booking_time, pause, step};
use super::health::Health;
use super::journal::{Journal, JournalEvent};
use super::opened_late::wait_for;
use super::out_of_force::{ForceLook, ListForce};
use super::run_change::{RunChange, RunSettings, Told, WrittenRun};
use super::steps::Ending;
use super::{ClockStep, Store, StoreError, Taking};

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
    /// Starts the thread. Events of the journal are written at once, and at each writing it is
    /// asked which lists are in force.
    ///
    /// Where the store cannot be opened now, the counts wait in memory, and it is tried again: the
    /// evidence keeps nobody from being answered.
    ///
    /// # Errors
    /// Where another process has the store, or no thread can be started.
    pub fn start(
        board: Arc<Board>,
        settings: RunSettings,
        journal: &Journal,
    ) -> Result<Self, StoreError> {
        let (stop, told) = channel();
        let health = Health::default();
        // In this order: what is in force now is so when the run begins.
        let mut kept = WrittenRun::new(settings);
        let began = wall_s();
        journal.place(began, began);
        let store = match (kept.opener)(began) {
            Err(error) if !error.is_passing() => return Err(error),
            opened => opened,
        };
        let (noted, waiting) = (health.clone(), journal.clone());
        let keep = move || {
            let store = wait_for(store, began, &mut kept, &noted, &told)?;
            noted.note_opened(&store);
            let mut ledger = Ledger::new(board, store, waiting, noted, kept);
            ledger.can_reopen = true;
            ledger.keep(&told)
        };
        let waker = stop.clone();
        // Where the thread has ended, the last flush took what there was.
        journal.attach(Some(Box::new(move || drop(waker.send(Told::Write)))));
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

    /// Ends the run in order and begins another one in the same second; returns when that is done.
    /// Blocks for as long as the disk.
    ///
    /// # Errors
    /// Where the run cannot be ended now, since the disk refuses: nothing is changed then.
    pub fn change(&self, change: RunChange) -> Result<(), StoreError> {
        let (done, told) = channel();
        let gone = || StoreError::Thread("it has ended".into());
        let change = Told::Change(Box::new(change), done);
        self.stop.send(change).map_err(|_| gone())?;
        told.recv().map_err(|_| gone())?
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
    run: WrittenRun,
    /// Another store can be opened where this one is of no use any more.
    can_reopen: bool,
    /// The run that is to begin once this one could be ended.
    next: Option<RunSettings>,
    /// It was let go, and no other one could be opened yet.
    is_released: bool,
    journal: Journal,
    meter: Meter,
    /// Questions on disk whose end is not.
    under_way: u64,
    /// Counts that are not on disk yet, one entry an hour; more than one only while the disk
    /// refuses.
    pending: Vec<HourCounts>,
    /// Steps of the clock that are not on disk yet.
    steps: Vec<ClockStep>,
    /// How many of the journal's waiting events were looked at.
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
        run: WrittenRun,
    ) -> Self {
        let last_taking = store.time();
        Self {
            board,
            store,
            run,
            can_reopen: false,
            next: None,
            is_released: false,
            journal,
            meter: Meter::default(),
            under_way: 0,
            pending: Vec::new(),
            steps: Vec::new(),
            seen_events: 0,
            last_taking,
            last_reading: ClockReading::now(),
            clock: ClockTrack::default(),
            health,
        }
    }

    /// Flushes until told to stop, or until the keeper is dropped.
    fn keep(mut self, told: &Receiver<Told>) -> Result<(), StoreError> {
        loop {
            match told.recv_timeout(pause(since_epoch(), self.run.flush_every)) {
                Ok(Told::Write) | Err(RecvTimeoutError::Timeout) => {
                    // A failure is in `health`, and the counts stay pending.
                    let _ = self.flush(ClockReading::now());
                }
                // Nobody waits for it any more: the program stops.
                Ok(Told::Change(change, done)) => drop(done.send(self.change(*change))),
                Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.flush(ClockReading::now())?;
        self.store.end(self.last_taking)
    }

    /// Ends the run and begins the next one. What cannot be written between both is written later;
    /// until then nothing more is taken.
    fn change(&mut self, change: RunChange) -> Result<(), StoreError> {
        if self.next.is_some() {
            return Err(StoreError::Thread(
                "the change before waits for the disk".into(),
            ));
        }
        self.flush(ClockReading::now())?;
        (change.meanwhile)();
        let last = self.flush(ClockReading::now());
        self.next = Some(change.next);
        if last.is_ok() {
            // Otherwise the next writing tries again.
            let _ = self.begin_next();
        }
        Ok(())
    }

    /// Writes what came before the run that is to come, where that could not be written then. What
    /// is counted meanwhile may be of lists that the run which ends does not have: it is taken
    /// later.
    fn end_late(&mut self) -> Result<(), StoreError> {
        let mut events = self.journal.waiting();
        events.truncate(self.seen_events);
        self.write(&events, self.last_taking)?;
        self.begin_next()
    }

    /// Begins the run that is to come, with all written that came before.
    fn begin_next(&mut self) -> Result<(), StoreError> {
        let now = self.last_taking;
        if self.next.is_some() {
            self.store.add(&Taking::default(), now, Ending::Stop)?;
            self.store.release()?;
            self.is_released = true;
        }
        if let Some(next) = self.next.take() {
            self.run = WrittenRun::new(next);
        }
        let lists = self.run.force.ask();
        let events = self.renew(Ok(()), &lists, now)?;
        self.write(&events, self.last_taking)
    }

    fn flush(&mut self, clocks: ClockReading) -> Result<(), StoreError> {
        if self.next.is_some() {
            let begun = self.end_late();
            self.health.note(begun.as_ref().copied(), self.last_taking);
            return begun;
        }
        let now = clocks.wall.max(self.last_taking);
        let step = step(self.last_taking, self.last_reading, clocks);
        if let Some(step) = step {
            warn_of(step);
        }
        self.steps.extend(step);
        self.clock.note(step, now, clocks);
        let lists = self.run.force.ask();
        self.journal.place(self.last_taking, now);
        let events = self.journal.waiting();
        let look = ForceLook {
            from: self.last_taking,
            until: now,
            is_clock_set: step.is_some(),
            events: events.get(self.seen_events..).unwrap_or_default(),
        };
        self.run.force.look(&lists, &look);
        self.seen_events = events.len();
        self.last_reading = clocks;
        self.take(now);
        let mut written = self.write(&events, now);
        if self.is_released || written.as_ref().is_err_and(StoreError::is_final) {
            written = self
                .renew(written, &lists, now)
                .and_then(|events| self.write(&events, self.last_taking));
        }
        self.health.note(written.as_ref().copied(), now);
        if written.is_ok() {
            self.attend_to_clock(clocks);
        }
        written
    }

    /// Takes what was counted since the last taking, of the lists of this run.
    fn take(&mut self, now: UnixSeconds) {
        let at = booking_time(self.last_taking, now);
        let mut counts = self.meter.take(self.board.sum(), at);
        counts.entries = self.board.take_entries();
        let counts = counts.of_lists(&self.run.places);
        self.last_taking = now;
        let mut pending = self.pending.iter_mut();
        match pending.find(|pending| pending.hour == counts.hour) {
            Some(pending) => pending.add(&counts),
            None => self.pending.push(counts),
        }
    }

    /// Writes what is not on disk yet, with these events of the journal, which were looked at.
    fn write(&mut self, events: &[JournalEvent], now: UnixSeconds) -> Result<(), StoreError> {
        let taking = Taking {
            hours: &self.pending,
            steps: &self.steps,
            events,
            out_of_force: self.run.force.pending(),
        };
        self.store.write(&taking, now)?;
        for counts in self.pending.drain(..) {
            let ended: u64 = counts.events.iter().sum();
            self.under_way = (self.under_way + counts.questions).saturating_sub(ended);
        }
        self.steps.clear();
        self.run.force.forget();
        self.journal.forget(events.len());
        self.seen_events = 0;
        Ok(())
    }

    /// Goes on in another store, and another log, where this one is of no use any more: a run
    /// begins there, with the lists that are in force, and with what is not written yet. Gives the
    /// events that it begins with.
    fn renew(
        &mut self,
        written: Result<(), StoreError>,
        lists: &[ListForce],
        now: UnixSeconds,
    ) -> Result<Vec<JournalEvent>, StoreError> {
        if !self.can_reopen {
            return written.map(|()| Vec::new());
        }
        if !self.is_released {
            let folder = self.store.release()?;
            self.is_released = true;
            written.or_else(|error| set_unusable_aside(&folder, error))?;
        }
        self.store = (self.run.opener)(now)?;
        self.is_released = false;
        self.health.note_opened(&self.store);
        self.last_taking = self.store.time();
        self.steps.clear();
        // The new log knows of no step of the clock.
        self.clock = ClockTrack::default();
        self.run.force.forget();
        let in_force = lists.iter().filter(|list| list.since.is_some());
        let in_force: Vec<&str> = in_force.map(|list| list.id.as_str()).collect();
        self.journal.tell_again(&in_force);
        self.journal.place(self.last_taking, self.last_taking);
        let events = self.journal.waiting();
        self.seen_events = events.len();
        // They came in a run that is told nowhere; where they end is told here.
        if let Some(first) = self.pending.first_mut() {
            first.questions += std::mem::take(&mut self.under_way);
        }
        Ok(events)
    }

    /// Has the log go back where the clock was ahead, once that is sure; what cannot be written now
    /// is tried again at the next writing.
    fn attend_to_clock(&mut self, clocks: ClockReading) {
        let waits = self.clock.is_behind().then(|| self.go_back(clocks));
        let message = waits.flatten().or_else(|| {
            let last = self.store.last_withdrawn()?;
            (clocks.wall - last.back_to < TOLD_FOR_S).then(|| tell_withdrawn(last))
        });
        self.health.note_clock(message);
    }

    /// Gives what keeps it from that, if something does.
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
        self.run.force.go_back(way.to);
        self.clock.note(None, way.to, clocks);
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::path::Path;
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use super::super::out_of_force::ForceWatch;
    use super::super::run_change::StoreOpener;
    use super::*;
    use crate::audit::{Demands, ExportPart, Folder, LogExporter, verify};
    use crate::clock::hour_start;
    use crate::count::{Cells, Door, Event, Kind, ListIdentity, Record, Stretch};
    use crate::record::{EventKind, IssueVerified, Statement};
    use crate::seal::VerifyKey;
    use crate::store::author::author_of_tests as author;
    use crate::store::journal::live_of_tests;
    use crate::store::{Author, JournalEvent, ListForce, LogReader, Promises, Reader};

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
            written_by(|| stand([Some(1); 2])),
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

    /// A run of both lists, which stand so.
    fn written_by(in_force: impl Fn() -> Vec<ListForce> + Send + 'static) -> WrittenRun {
        WrittenRun::new(RunSettings {
            opener: Box::new(|_| Err(StoreError::Thread("nothing to open".into()))),
            in_force: Box::new(in_force),
            places: vec![0, 1],
            flush_every: Duration::from_secs(10),
        })
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
        ledger.run.force =
            ForceWatch::new(Box::new(move || stand([Some(1), *seen.lock().unwrap()])));
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
            RunSettings {
                opener: Box::new(move |_| store.take().expect("a store")),
                in_force: Box::new(|| stand([Some(1); 2])),
                places: vec![0, 1],
                flush_every: Duration::from_millis(5),
            },
            &journal,
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

    #[test]
    fn a_run_that_cannot_be_ended_at_once_is_ended_later_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let opener = || -> StoreOpener {
            let place = state.clone();
            Box::new(move |at| {
                let author = Author::open(&place.join("audit.key"), "provider.example/one", "00")?;
                Store::open(&place, &lists(), author, at)
            })
        };
        let mut standing = standing_ledger(&folder.path().join("other"), HOUR_START, true);
        standing.ledger.store = opener()(HOUR_START).unwrap();
        standing.ask(3);
        standing.ledger.flush_at(HOUR_START + 5).unwrap();
        standing.ledger.can_reopen = true;
        standing.ledger.next = Some(RunSettings {
            opener: opener(),
            in_force: Box::new(|| stand([Some(1); 2])),
            places: vec![0, 1],
            flush_every: Duration::from_secs(10),
        });
        standing.ledger.store.refuse_changes(true);
        for after in [10, 15] {
            standing.ask(2);
            standing.ledger.flush_at(HOUR_START + after).unwrap_err();
        }
        assert!(standing.ledger.health.read().last_error.is_some());
        standing.ledger.store.refuse_changes(false);
        for after in [20, 25] {
            standing.ledger.flush_at(HOUR_START + after).unwrap();
        }
        assert!(standing.ledger.next.is_none());
        let StandingLedger { ledger, .. } = standing;
        ledger.store.end(HOUR_START + 25).unwrap();
        assert_eq!(findings_of(&state).0, Vec::<String>::new());
        let record = read(&state, HOUR_START + 30);
        let questions = record.hours.iter().map(|hour| hour.questions);
        assert_eq!(questions.sum::<u64>(), 2 * 7, "of both lists");
        let kinds = Reader::open(&state).unwrap().journal(None, 20).unwrap();
        let runs = kinds
            .iter()
            .filter(|(_, event)| event.kind == EventKind::Start);
        assert_eq!(runs.count(), 2);
    }

    /// A ledger whose first list is in force from the start or not, and who says so.
    fn standing_ledger(folder: &Path, at: UnixSeconds, has_first: bool) -> StandingLedger {
        let board = Arc::new(Board::new(2));
        let cells = board.cells();
        let store = Store::open(folder, &lists(), author(), at).unwrap();
        let since = Arc::new(Mutex::new([has_first.then_some(at), Some(at)]));
        let shown = Arc::clone(&since);
        let run = written_by(move || stand(*shown.lock().unwrap()));
        let journal = Journal::default();
        // The clock was ahead when the lists came in force, and is right when the run begins.
        note_live(&journal, "two", at + 300_000);
        if has_first {
            note_live(&journal, "one", at + 1);
        }
        journal.place(at, at);
        let health = Health::default();
        let mut ledger = Ledger::new(board, store, journal, health, run);
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

    /// The folder's log, and its key, as those who check it have them.
    fn findings_of(folder: &Path) -> (Vec<String>, crate::audit::LogReport) {
        let reader = LogReader::open(folder).unwrap();
        let key = VerifyKey::parse(&reader.author().unwrap().unwrap()).unwrap();
        let last = reader.last_checkpoint().unwrap().unwrap();
        let to = tempfile::tempdir().unwrap();
        let mut exporter = LogExporter::create(to.path(), key.name(), ExportPart::Whole).unwrap();
        let keep = |leaf: &[u8]| -> Result<(), StoreError> {
            exporter.leaf(leaf).unwrap();
            Ok(())
        };
        reader.leaves(last.size, keep).unwrap();
        exporter.finish("", &[(last.at, last.note)]).unwrap();
        let demands = Demands {
            keys: vec![key],
            ..Demands::default()
        };
        let folder = Folder::find(to.path()).unwrap().remove(0);
        let log = verify(&folder, &demands, None).log;
        let findings = log.findings.iter().map(|finding| format!("{finding:?}"));
        (findings.collect(), log)
    }

    /// Counts that are damaged while the program runs: what was not written yet is in a new log,
    /// which names what was promised of the one before; the lists in force are told again.
    #[test]
    fn counts_that_are_damaged_while_it_runs_go_on_in_a_new_log() {
        for (has_promises, has_first, waits_s) in [
            (true, true, 0),
            (true, false, 0),
            (false, true, 0),
            (true, true, 9000),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let state = folder.path().join("state");
            std::fs::create_dir(&state).unwrap();
            let promises = if has_promises {
                Promises::open(&folder.path().join("promised"))
            } else {
                Promises::default()
            };
            let (place, kept) = (state.clone(), promises.clone());
            let mut opener: StoreOpener = Box::new(move |at| {
                let name = "provider.example/one";
                let author = Author::open(&place.join("audit.key"), name, "00")?;
                Store::open_promised(&place, &lists(), author, &kept, at)
            });
            let store = opener(HOUR_START).unwrap();
            let mut standing = standing_ledger(&folder.path().join("other"), HOUR_START, has_first);
            standing.ledger.store = store;
            standing.ledger.run.opener = opener;
            standing.ledger.can_reopen = true;
            standing.ask(3);
            standing.ledger.flush_at(HOUR_START + 5).unwrap();
            // Two that are under way when it happens, and end later.
            for _ in 0..2 {
                standing.cells.note_question(Door::Udp);
            }
            standing.ledger.flush_at(HOUR_START + 3700).unwrap();
            let promised = promises.log();
            standing.ask(2);
            standing.ledger.store.refuse_changes(true);
            standing.ledger.flush_at(HOUR_START + 3710).unwrap_err();
            standing.ledger.store.damage();
            let at = HOUR_START + 3720 + waits_s;
            for _ in 0..2 {
                standing.cells.note_blocked(1, Kind::Https);
            }
            standing.ledger.flush_at(at).unwrap();
            standing.enter(at + 10);
            standing.ask(4);
            standing.ledger.flush_at(at + 20).unwrap();
            let said = standing.ledger.health.read().restored.unwrap();
            assert!(said.contains("could not be read any more"), "{said}");
            standing.ledger.flush_at(at + 9000).unwrap();
            let StandingLedger { ledger, .. } = standing;
            ledger.store.end(at + 9000).unwrap();
            let (findings, log) = findings_of(&state);
            assert_eq!(findings, Vec::<String>::new());
            let ended = log.restored.unwrap();
            assert_eq!((ended.why.as_str(), ended.found), ("damaged", 0));
            assert_eq!(ended.origin, "provider.example/one");
            assert_eq!(ended.size, promised.as_ref().map_or(0, |log| log.size));
            assert!(ended.from.is_some(), "it is known in memory at least");
            let files = std::fs::read_dir(&state).unwrap().flatten();
            let aside = files.filter(|file| {
                let name = file.file_name().to_string_lossy().into_owned();
                let is_beside = ["-shm", "-wal"].iter().any(|end| name.ends_with(end));
                name.starts_with("counts.sqlite.damaged-") && !is_beside
            });
            assert_eq!(aside.count(), 1);
            let record = read(&state, at + 9000);
            let asked: u64 = record.hours.iter().map(|hour| hour.questions).sum();
            let each = |count: u64, two: bool| count * (1 + u64::from(two));
            let expected = each(2, has_first) + 2 + each(4, true);
            assert_eq!(asked, expected);
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

//! The running resolver's hold on its counts: one run opened, hour after hour added to, ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, params};

use super::append::{append, closed_until};
use super::arrival::StateArrival;
use super::author::Author;
use super::going_back::{self, WayBack};
use super::handover;
use super::in_place::OpenFiles;
use super::journal::{self, JournalEvent};
use super::lock::{check_whole, lock_state};
use super::log::{Log, LogBegins, Run, Sign};
use super::out_of_force::OutOfForce;
use super::promises::{LogPromise, Promises};
use super::restored::{self, FoundRestored};
use super::run::{begin, log_time};
use super::schema::{counts_file, lock_file, make_folder, open_to_write};
use super::steps::{ClockStep, Ending, WriteSpan, in_time, note_steps};
use super::whole::folder_of;
use super::{StoreError, entries, hours, out_of_force, withdrawn};
use crate::clock::{UnixSeconds, hour_start};
use crate::count::{EntryCounts, HourCounts, ListIdentity, WithdrawnTime};
use crate::record::{Moment, MovedLog, Statement, Until};

/// The counts of one state folder, open for writing; no other process can have them open so.
///
/// Dropped without [`Store::end`], it leaves a run that the next one takes for a crash. The log's
/// time never runs back: what is given with an earlier time than what is on disk already is written
/// with that.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    file: PathBuf,
    /// What of it was opened.
    files: OpenFiles,
    author: Author,
    run: Run,
    /// The lists' keys on disk, by their index in memory.
    lists: Vec<i64>,
    /// Up to when counts are on disk.
    time: UnixSeconds,
    /// Whether the last writing failed.
    is_failing: bool,
    promises: Promises,
    /// What was counted by a clock that was ahead, the last time.
    withdrawn: Option<WithdrawnTime>,
    /// What was said of it where the folder was found restored at the start.
    restored: Option<String>,
    lock: File,
}

impl Store {
    /// Opens the counts in `folder` (made with mode 0700 if it is not there) and begins a run at
    /// `at`.
    ///
    /// `lists` names the lists in the order of their [`ListIndex`](crate::list::ListIndex);
    /// `author` signs the audit log. What lies between the end of the run before and `at` is
    /// written down as a gap. Fails when another process has the folder, when the file is newer
    /// than we know, when its log is another author's, or when it cannot be written.
    pub fn open(
        folder: &Path,
        lists: &[ListIdentity],
        author: Author,
        at: UnixSeconds,
    ) -> Result<Self, StoreError> {
        Self::open_promised(folder, lists, author, &Promises::default(), at)
    }

    /// As [`Store::open`], held against what was promised. Where the log on disk is not the one
    /// that was promised, it ends there and another one begins, under a new key.
    pub fn open_promised(
        folder: &Path,
        lists: &[ListIdentity],
        author: Author,
        promises: &Promises,
        at: UnixSeconds,
    ) -> Result<Self, StoreError> {
        make_folder(folder)?;
        let lock = lock_state(folder)?;
        check_whole(folder)?;
        let arrival = StateArrival::read(folder)?;
        let mut connection = open_to_write(folder)?;
        let file = counts_file(folder);
        let failed = |source| failed(&file, source);
        let told_at = log_time(&connection, at).map_err(failed)?;
        let promised = (promises.log(), arrival);
        let (author, handover) = handover::decide(&connection, &file, author, promised, told_at)?;
        let boot = getrandom::u64().map_err(|source| StoreError::Open {
            path: "the system's random numbers".into(),
            source: source.into(),
        })?;
        let begun = begin(&mut connection, &author, boot, lists, at, &handover);
        let begun = begun.map_err(failed)?;
        StateArrival::forget(folder);
        handover.settle(&author);
        let withdrawn = withdrawn::last(&connection);
        let store = Self {
            connection,
            files: OpenFiles::of(&file),
            file,
            author,
            run: begun.run,
            lists: begun.lists,
            time: begun.at,
            is_failing: false,
            promises: promises.clone(),
            withdrawn,
            restored: handover.restored().map(FoundRestored::message),
            lock,
        };
        store.promise(begun.signed);
        Ok(store)
    }

    /// What was found at the start where the folder was restored, copied or emptied.
    pub fn restored(&self) -> Option<&str> {
        self.restored.as_deref()
    }

    /// Promises what was signed. Only once it is on disk: what is promised and not on disk would
    /// be taken for restored. What cannot be promised now is said by the promises themselves.
    fn promise(&self, signed: Option<LogPromise>) {
        if signed.is_some_and(|signed| self.promises.promise_log(&signed)) {
            // The next checkpoint tries again.
            let _ = restored::mark(&self.connection);
        }
    }

    /// Up to when counts are on disk, by the log's time.
    pub const fn time(&self) -> UnixSeconds {
        self.time
    }

    /// Adds these counts, taken at `at`, and closes the hours before `at`, in one transaction:
    /// after an error nothing of it is on disk and all can be given again.
    ///
    /// Also marks the run as alive at `at`, and all these hours and that of `at` as hours in which
    /// the resolver ran.
    pub fn flush(&mut self, hours: &[HourCounts], at: UnixSeconds) -> Result<(), StoreError> {
        self.write(
            &Taking {
                hours,
                ..Taking::default()
            },
            at,
        )
    }

    /// As [`Store::flush`], with events for the journal and the log in the same transaction; the
    /// run was not alive in the steps.
    pub fn write(&mut self, taking: &Taking<'_>, at: UnixSeconds) -> Result<(), StoreError> {
        self.add(taking, at, Ending::GoOn)
    }

    /// Ends the run at `at`; until the next one nothing is asked of the resolver, so nothing is
    /// lost.
    pub fn end(self, at: UnixSeconds) -> Result<(), StoreError> {
        self.end_as(at, Ending::Stop).map(drop)
    }

    /// Lets go of the file, which is of no use any more, and of the folder, which it gives: nothing
    /// more can be written here.
    pub(super) fn release(&mut self) -> Result<PathBuf, StoreError> {
        let folder = folder_of(&self.file).to_path_buf();
        let nothing = Connection::open_in_memory();
        self.connection = nothing.map_err(|source| failed(&self.file, source))?;
        let released = self.lock.unlock();
        released.map_err(|source| StoreError::Open {
            path: lock_file(&folder),
            source,
        })?;
        Ok(folder)
    }

    /// Ends the run in this way; gives the lock of the folder.
    pub(super) fn end_as(mut self, at: UnixSeconds, ending: Ending) -> Result<File, StoreError> {
        self.add(&Taking::default(), at, ending)?;
        let Self {
            connection,
            file,
            lock,
            ..
        } = self;
        let closed = connection.close();
        closed.map_err(|(_, source)| failed(&file, source))?;
        Ok(lock)
    }

    /// Where the log would go back to, if its clock had been ahead since then and now says `to`;
    /// none where it cannot.
    pub fn way_back(
        &mut self,
        to: UnixSeconds,
        ahead_since: UnixSeconds,
    ) -> Result<Option<WayBack>, StoreError> {
        going_back::find(&mut self.connection, &self.author, to, ahead_since)
            .map_err(|source| failed(&self.file, source))
    }

    /// Has the log and the run go on from an earlier time.
    pub fn go_back(&mut self, way: &WayBack) -> Result<(), StoreError> {
        self.files.check()?;
        let (connection, author) = (&mut self.connection, &self.author);
        let gone = going_back::take(connection, author, &self.run, way, self.time);
        let signed = gone.map_err(|source| failed(&self.file, source))?;
        self.time = way.to;
        self.withdrawn = withdrawn::last(&self.connection);
        self.promise(signed);
        Ok(())
    }

    /// What was counted by a clock that was ahead, the last time; none where that never happened.
    pub(super) const fn last_withdrawn(&self) -> Option<&WithdrawnTime> {
        self.withdrawn.as_ref()
    }

    pub(super) fn add(
        &mut self,
        taking: &Taking<'_>,
        at: UnixSeconds,
        ending: Ending,
    ) -> Result<(), StoreError> {
        self.files.check()?;
        let span = WriteSpan {
            since: self.time,
            at: at.max(self.time),
            was_failing: self.is_failing,
            ending,
        };
        let written = add(
            &mut self.connection,
            &self.author,
            &self.run,
            &self.lists,
            taking,
            &span,
        );
        self.is_failing = written.is_err();
        let signed = written.map_err(|source| failed(&self.file, source))?;
        self.time = span.at;
        self.promise(signed);
        Ok(())
    }
}

/// What is written at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taking<'a> {
    /// What was counted, one entry an hour.
    pub hours: &'a [HourCounts],
    /// How the clock was set meanwhile.
    pub steps: &'a [ClockStep],
    /// What happened meanwhile.
    pub events: &'a [JournalEvent],
    /// When lists were not in force meanwhile.
    pub out_of_force: &'a [OutOfForce],
}

fn failed(file: &Path, source: rusqlite::Error) -> StoreError {
    StoreError::Sqlite {
        attempt: "write the counts to",
        file: file.into(),
        source,
    }
}

pub(super) fn add(
    connection: &mut Connection,
    author: &Author,
    run: &Run,
    lists: &[i64],
    taking: &Taking<'_>,
    span: &WriteSpan,
) -> rusqlite::Result<Option<LogPromise>> {
    let transaction = connection.transaction()?;
    let &WriteSpan { since, at, .. } = span;
    let hour = hour_start(at);
    let mut log = Log::open(&transaction, author, || {
        LogBegins::now(&transaction, hour, hour)
    })?;
    journal::add(&transaction, taking.events)?;
    let mut hours = taking.hours.iter().collect::<Vec<_>>();
    hours.sort_by_key(|counts| counts.hour);
    let mut told = note_steps(&transaction, run, taking.steps, &hours, span)?;
    let events = taking
        .events
        .iter()
        .map(|event| in_time(event, span, &told));
    let events: Vec<_> = events.collect();
    told.extend(events);
    add_hours(&transaction, run, lists, &hours, span)?;
    out_of_force::add(&transaction, run.key, lists, taking.out_of_force, span)?;
    transaction
        .prepare_cached(
            "UPDATE alive SET until_s = ?1 WHERE alive = (SELECT max(alive) FROM alive)",
        )?
        .execute([at])?;
    transaction
        .prepare_cached("UPDATE run SET last_flush = ?2 WHERE run = ?1")?
        .execute(params![run.key, at])?;
    if span.was_failing {
        let until = Until { until: Moment(at) };
        told.push(JournalEvent::at(since, Statement::Unwritten(until)));
    }
    let next_hour = log.next_hour;
    append(&transaction, &mut log, run, told, at)?;
    if next_hour < log.next_hour {
        let closed = closed_until(&log, at);
        entries::commit(&transaction, &mut log, run, closed)?;
    }
    let end = match span.ending {
        Ending::GoOn => None,
        Ending::Stop => Some(Statement::Stop),
        Ending::Move(token) => Some(Statement::Moved(MovedLog::to(&token))),
    };
    let is_due = next_hour < log.next_hour || end.is_some();
    if let Some(end) = end {
        hours::lose_open(&transaction)?;
        transaction.execute(
            "UPDATE run SET ended = ?2 WHERE run = ?1",
            params![run.key, at],
        )?;
        let end = JournalEvent::at(at, end);
        log.note(run, &end)?;
        journal::add(&transaction, &[end])?;
    }
    let signed = log.save(if is_due { Sign::Now } else { Sign::Later })?;
    transaction.commit()?;
    Ok(signed)
}

fn add_hours(
    transaction: &Transaction<'_>,
    run: &Run,
    lists: &[i64],
    hours: &[&HourCounts],
    &WriteSpan { since, at, .. }: &WriteSpan,
) -> rusqlite::Result<()> {
    for counts in hours {
        let hour = counts.hour.max(hour_start(since));
        let counts = HourCounts {
            hour,
            ..(*counts).clone()
        };
        hours::add(transaction, run.key, lists, &counts)?;
    }
    let by_entry = hours.iter().flat_map(|counts| counts.entries.keys());
    let entries: BTreeMap<_, _> = by_entry.map(|list| (*list, EntryCounts::new())).collect();
    // A run's first hour may be over when it first writes.
    for hour in BTreeSet::from([hour_start(since), hour_start(at)]) {
        let nothing = HourCounts {
            entries: entries.clone(),
            ..hours::nothing_in(hour, lists.len())
        };
        hours::add(transaction, run.key, lists, &nothing)?;
    }
    Ok(())
}

#[cfg(test)]
impl Store {
    /// What tests look into.
    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Lets the file grow by so many pages and no further, as a full disk would; `None` makes room
    /// again.
    pub(super) fn fill_disk(&self, spare_pages: Option<i64>) {
        let read = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let pages = self.connection.pragma_query_value(None, "page_count", read);
        let limit = spare_pages.map_or(1 << 30, |spare| pages.unwrap() + spare);
        let set = self
            .connection
            .pragma_update_and_check(None, "max_page_count", limit, read);
        set.unwrap();
    }

    /// Has garbage in the place of the file, as after a fault of the disk.
    pub(super) fn damage(&mut self) {
        self.connection = Connection::open_in_memory().unwrap();
        for end in ["", "-wal", "-shm"] {
            std::fs::write(super::whole::beside(&self.file, end), "garbage".repeat(999)).unwrap();
        }
        self.connection = Connection::open(&self.file).unwrap();
    }

    /// Makes every writing fail, or work again.
    pub(super) fn refuse_changes(&self, refuse: bool) {
        self.connection
            .pragma_update(None, "query_only", refuse)
            .unwrap();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::count::{Gap, Record, Stretch};
    use crate::store::Reader;
    use crate::store::author::author_of_tests as author;
    use crate::store::forms::FORM;

    const HOUR: UnixSeconds = 1_767_225_600;

    fn list(id: &str) -> ListIdentity {
        ListIdentity {
            id: id.into(),
            authority: "Example Authority".into(),
            legal_basis: "Example Act, section 1".into(),
        }
    }

    fn counts(hour: UnixSeconds, n: u64) -> HourCounts {
        let events = [2 * n + 3, n, 0, 0, 0, 0, 0, 1];
        HourCounts {
            hour,
            lists: vec![[n, 0, 1, 0], [0, n, 0, 2]],
            questions: 10 * n,
            events,
            ..HourCounts::default()
        }
    }

    fn read(folder: &Path, now: UnixSeconds) -> Record {
        Reader::open(folder)
            .unwrap()
            .read(Stretch::default(), now)
            .unwrap()
    }

    fn kinds(record: &Record) -> Vec<(i64, i64, &'static str)> {
        record
            .gaps
            .iter()
            .map(|&Gap { from, until, kind }| (from - HOUR, until - HOUR, kind.name()))
            .collect()
    }

    #[test]
    fn restarts_add_up_and_lists_go_by_their_id() {
        let folder = tempfile::tempdir().unwrap();
        let mut store =
            Store::open(folder.path(), &[list("one"), list("two")], author(), HOUR).unwrap();
        store.flush(&[counts(HOUR, 5)], HOUR + 5).unwrap();
        store.flush(&[counts(HOUR, 1)], HOUR + 10).unwrap();
        store.end(HOUR + 10).unwrap();
        let mut store = Store::open(
            folder.path(),
            &[list("two"), list("three")],
            author(),
            HOUR + 10,
        )
        .unwrap();
        store
            .flush(&[counts(HOUR, 100), counts(HOUR + 3600, 7)], HOUR + 3605)
            .unwrap();
        store.end(HOUR + 3605).unwrap();
        let record = read(folder.path(), HOUR + 3605);
        let ids: Vec<_> = record.lists.iter().map(|list| list.id.as_str()).collect();
        assert_eq!(ids, ["one", "three", "two"]);
        assert_eq!(
            record.hours[0].lists,
            [
                Some([6, 0, 2, 0]),
                Some([0, 100, 0, 2]),
                Some([100, 6, 1, 4])
            ]
        );
        assert_eq!(
            record.hours[1].lists,
            [None, Some([0, 7, 0, 2]), Some([7, 0, 1, 0])]
        );
        assert_eq!(
            record
                .hours
                .iter()
                .map(|hour| hour.questions)
                .collect::<Vec<_>>(),
            [1060, 70]
        );
        assert_eq!(record.hours[0].events, [221, 106, 0, 0, 0, 0, 0, 3]);
        assert_eq!(kinds(&record), []);
    }

    #[test]
    fn a_run_that_did_not_end_leaves_a_gap_from_its_last_flush() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), &[list("one")], author(), HOUR).unwrap();
        store.flush(&[counts(HOUR, 5)], HOUR + 60).unwrap();
        drop(store);
        assert_eq!(
            kinds(&read(folder.path(), HOUR + 100)),
            [(60, 100, "crash")],
            "before the next start too"
        );
        let store = Store::open(folder.path(), &[list("one")], author(), HOUR + 90).unwrap();
        store.end(HOUR + 120).unwrap();
        assert_eq!(
            kinds(&read(folder.path(), HOUR + 150)),
            [(60, 90, "crash"), (120, 150, "stopped")]
        );
        Store::open(folder.path(), &[list("one")], author(), HOUR + 7300)
            .unwrap()
            .end(HOUR + 7301)
            .unwrap();
        let record = read(folder.path(), HOUR + 7301);
        assert_eq!(kinds(&record), [(60, 90, "crash"), (120, 7300, "stopped")]);
        let hours: Vec<_> = record
            .hours
            .iter()
            .map(|hour| (hour.hour - HOUR, record.recorded_s(hour.hour)))
            .collect();
        assert_eq!(hours, [(0, 90), (7200, 1)]);
    }

    #[test]
    fn a_clock_that_was_set_back_takes_nothing_away_and_hides_no_crash() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), &[list("one")], author(), HOUR + 7200).unwrap();
        store.flush(&[counts(HOUR + 7200, 5)], HOUR + 7260).unwrap();
        store.flush(&[counts(HOUR, 1)], HOUR + 60).unwrap();
        drop(store);
        drop(Store::open(folder.path(), &[list("one")], author(), HOUR + 30).unwrap());
        let reader = Reader::open(folder.path()).unwrap();
        let record = reader
            .read(
                Stretch {
                    from: Some(HOUR),
                    until: Some(HOUR + 10_800),
                },
                HOUR + 7300,
            )
            .unwrap();
        let hours: Vec<_> = record
            .hours
            .iter()
            .map(|hour| (hour.hour - HOUR, hour.questions))
            .collect();
        assert_eq!(
            hours,
            [(7200, 60)],
            "what is counted later belongs to the hour that was reached"
        );
        assert!(
            kinds(&record).contains(&(7260, 7260, "crash")),
            "{:?}",
            kinds(&record)
        );
    }

    #[test]
    fn a_full_disk_writes_nothing_and_the_same_counts_can_be_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut store =
            Store::open(folder.path(), &[list("one"), list("two")], author(), HOUR).unwrap();
        let hours: Vec<_> = (0..2000).map(|n| counts(HOUR + 3600 * n, 3)).collect();
        store.fill_disk(Some(4));
        let refused = store.flush(&hours, HOUR + 2000 * 3600 - 1).unwrap_err();
        assert!(
            refused.to_string().contains("counts.sqlite") && refused.to_string().contains("full"),
            "{refused}"
        );
        assert_eq!(
            read(folder.path(), HOUR + 5).hours.len(),
            1,
            "half a flush is not on disk"
        );
        store.fill_disk(None);
        store.flush(&hours, HOUR + 2000 * 3600 - 1).unwrap();
        let record = read(folder.path(), HOUR + 2000 * 3600 - 1);
        assert_eq!(
            record.hours.iter().map(|hour| hour.questions).sum::<u64>(),
            2000 * 30
        );
    }

    #[test]
    fn a_second_server_and_a_newer_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &[], author(), HOUR).unwrap();
        assert!(matches!(
            Store::open(folder.path(), &[], author(), HOUR),
            Err(StoreError::Busy { .. })
        ));
        store
            .connection
            .pragma_update(None, "user_version", FORM + 1)
            .unwrap();
        store.end(HOUR).unwrap();
        let refused = Store::open(folder.path(), &[], author(), HOUR)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains(&format!("form {}", FORM + 1))
                && refused.contains(&format!("up to {FORM}")),
            "{refused}"
        );
        assert!(matches!(
            Reader::open(folder.path()),
            Err(StoreError::Newer { .. })
        ));
    }

    #[test]
    fn changed_papers_are_kept_with_their_dates() {
        let folder = tempfile::tempdir().unwrap();
        let new = ListIdentity {
            legal_basis: "Newer Act".into(),
            ..list("one")
        };
        for (identity, at) in [
            (list("one"), 0),
            (list("one"), 10),
            (new.clone(), 20),
            (new, 30),
        ] {
            Store::open(folder.path(), &[identity], author(), HOUR + at)
                .unwrap()
                .end(HOUR + at)
                .unwrap();
        }
        let papers = read(folder.path(), HOUR + 40).lists.remove(0).papers;
        let papers: Vec<_> = papers
            .iter()
            .map(|papers| (papers.since - HOUR, papers.legal_basis.as_str()))
            .collect();
        assert_eq!(papers, [(0, "Example Act, section 1"), (20, "Newer Act")]);
    }

    #[test]
    fn folder_and_files_are_the_owners_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let mut store = Store::open(&folder, &[], author(), HOUR).unwrap();
        store.flush(&[], HOUR).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let files: Vec<_> = folder
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), 4, "{files:?}");
        assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
    }
}

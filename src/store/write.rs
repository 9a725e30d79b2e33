//! The running resolver's hold on its counts: one run opened, hour after hour added to, ended.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::clock::{UnixSeconds, hour_start};
use crate::count::{Event, GapKind, HourCounts, Kind, ListCounts, ListIdentity};

use super::StoreError;
use super::journal::{self, JournalEvent};
use super::schema::{counts_file, lock_file, make_folder, open_private, open_to_write};

/// A reader holds the lock for an instant to see whether a resolver runs; so we ask this often before we believe that one does.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// The counts of one state folder, open for writing; no other process can have them open so.
///
/// Dropped without [`Store::end`], it leaves a run that the next one takes for a crash.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    file: PathBuf,
    run: i64,
    /// The lists' keys on disk, by their index in memory.
    lists: Vec<i64>,
    _lock: File,
}

impl Store {
    /// Opens the counts in `folder` (made with mode 0700 if it is not there) and begins a run at `at`.
    ///
    /// `lists` names the lists in the order of their [`ListIndex`](crate::list::ListIndex). What lies between the end of the run
    /// before and `at` is written down as a gap. Fails when another process has the folder, when the file is newer than we know,
    /// or when it cannot be written.
    pub fn open(folder: &Path, lists: &[ListIdentity], at: UnixSeconds) -> Result<Self, StoreError> {
        make_folder(folder)?;
        let lock = lock(folder)?;
        let mut connection = open_to_write(folder)?;
        let file = counts_file(folder);
        let boot =
            getrandom::u64().map_err(|source| StoreError::Open { path: "the system's random numbers".into(), source: source.into() })?;
        let (run, lists) = begin(&mut connection, boot, lists, at).map_err(|source| failed(&file, source))?;
        Ok(Self { connection, file, run, lists, _lock: lock })
    }

    /// Adds these counts, taken at `at`, in one transaction: after an error none of them is on disk and all can be given again.
    ///
    /// Also marks the run as alive at `at`, and all these hours and that of `at` as hours in which the resolver ran.
    pub fn flush(&mut self, hours: &[HourCounts], at: UnixSeconds) -> Result<(), StoreError> {
        self.write(hours, &[], at)
    }

    /// As [`Store::flush`], with events for the journal in the same transaction.
    pub fn write(&mut self, hours: &[HourCounts], events: &[JournalEvent], at: UnixSeconds) -> Result<(), StoreError> {
        let written = add(&mut self.connection, self.run, &self.lists, (hours, events), at);
        written.map_err(|source| failed(&self.file, source))
    }

    /// Ends the run at `at`; until the next one nothing is asked of the resolver, so nothing is lost.
    pub fn end(self, at: UnixSeconds) -> Result<(), StoreError> {
        let ended = self.connection.execute("UPDATE run SET ended = ?2, last_flush = ?2 WHERE run = ?1", params![self.run, at]);
        let closed = ended.and_then(|_| self.connection.close().map_err(|(_, source)| source));
        closed.map_err(|source| failed(&self.file, source))
    }
}

fn failed(file: &Path, source: rusqlite::Error) -> StoreError {
    StoreError::Sqlite { attempt: "write the counts to", file: file.into(), source }
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = lock_file(folder);
    let lock = open_private(&path)?;
    for _ in 0..LOCK_ATTEMPTS {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(StoreError::Open { path, source }),
        }
    }
    Err(StoreError::Busy { folder: folder.into() })
}

/// Begins a run; gives its key and those of the lists.
fn begin(connection: &mut Connection, boot: u64, lists: &[ListIdentity], at: UnixSeconds) -> rusqlite::Result<(i64, Vec<i64>)> {
    let transaction = connection.transaction()?;
    note_gap(&transaction, at)?;
    transaction.execute(
        "INSERT INTO run (boot, software, started, last_flush) VALUES (?1, ?2, ?3, ?3)",
        params![format!("{boot:016x}"), env!("CARGO_PKG_VERSION"), at],
    )?;
    let run = transaction.last_insert_rowid();
    let keys = lists.iter().map(|list| note_list(&transaction, list, at)).collect::<Result<Vec<_>, _>>()?;
    add_hour(&transaction, &keys, &nothing_in(hour_start(at), keys.len()))?;
    transaction.commit()?;
    Ok((run, keys))
}

/// Writes down what is missing between the run before and this one.
fn note_gap(transaction: &Transaction<'_>, at: UnixSeconds) -> rusqlite::Result<()> {
    let before = transaction.query_row("SELECT run, last_flush, ended FROM run ORDER BY run DESC LIMIT 1", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, UnixSeconds>(1)?, row.get::<_, Option<UnixSeconds>>(2)?))
    });
    let Some((run, last_flush, ended)) = before.optional()? else { return Ok(()) };
    let kind = if ended.is_some() { GapKind::Stopped } else { GapKind::Crash };
    // With a clock that was set back the length is not known; a crash is on record all the same.
    let from = ended.unwrap_or(last_flush).min(at);
    if from < at || kind == GapKind::Crash {
        transaction.execute("INSERT INTO gap (run, from_s, until_s, kind) VALUES (?1, ?2, ?3, ?4)", params![run, from, at, kind.name()])?;
    }
    Ok(())
}

/// The list's key; its papers are noted when they have changed.
fn note_list(transaction: &Transaction<'_>, list: &ListIdentity, at: UnixSeconds) -> rusqlite::Result<i64> {
    transaction.execute("INSERT INTO list (id) VALUES (?1) ON CONFLICT DO NOTHING", [&list.id])?;
    let key = transaction.query_row("SELECT list FROM list WHERE id = ?1", [&list.id], |row| row.get(0))?;
    let papers =
        transaction.query_row("SELECT authority, legal_basis FROM paper WHERE list = ?1 ORDER BY paper DESC LIMIT 1", [key], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
    if papers.optional()?.is_none_or(|papers| papers != (list.authority.clone(), list.legal_basis.clone())) {
        transaction.execute(
            "INSERT INTO paper (list, since, authority, legal_basis) VALUES (?1, ?2, ?3, ?4)",
            params![key, at, list.authority, list.legal_basis],
        )?;
    }
    Ok(key)
}

fn add(
    connection: &mut Connection,
    run: i64,
    lists: &[i64],
    (hours, events): (&[HourCounts], &[JournalEvent]),
    at: UnixSeconds,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    journal::add(&transaction, events)?;
    for counts in hours {
        add_hour(&transaction, lists, counts)?;
    }
    if hours.iter().all(|counts| counts.hour != hour_start(at)) {
        add_hour(&transaction, lists, &nothing_in(hour_start(at), lists.len()))?;
    }
    transaction.prepare_cached("UPDATE run SET last_flush = ?2 WHERE run = ?1")?.execute(params![run, at])?;
    transaction.commit()
}

fn nothing_in(hour: UnixSeconds, list_count: usize) -> HourCounts {
    HourCounts { hour, lists: vec![ListCounts::default(); list_count], ..HourCounts::default() }
}

/// Zeros are written too: a row says that the list was in force in that hour.
fn add_hour(transaction: &Transaction<'_>, lists: &[i64], counts: &HourCounts) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO hour VALUES (?1, ?2) ON CONFLICT DO UPDATE SET questions = questions + excluded.questions")?
        .execute(params![counts.hour, on_disk(counts.questions)])?;
    let mut event =
        transaction.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET count = count + excluded.count")?;
    for (kind, count) in Event::ALL.into_iter().zip(counts.events) {
        event.execute(params![counts.hour, kind.name(), on_disk(count)])?;
    }
    let mut cell =
        transaction.prepare_cached("INSERT INTO cell VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET count = count + excluded.count")?;
    for (list, counted) in lists.iter().zip(&counts.lists) {
        for (kind, count) in Kind::ALL.into_iter().zip(counted) {
            cell.execute(params![counts.hour, list, kind.name(), on_disk(*count)])?;
        }
    }
    Ok(())
}

/// SQLite's integers are signed; no count comes near the limit.
fn on_disk(count: u64) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
impl Store {
    /// Lets the file grow by so many pages and no further, as a full disk would; `None` makes room again.
    pub(super) fn fill_disk(&self, spare_pages: Option<i64>) {
        let pages: i64 = self.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let limit = spare_pages.map_or(1 << 30, |spare| pages + spare);
        let _: i64 = self.connection.query_row(&format!("PRAGMA max_page_count = {limit}"), [], |row| row.get(0)).unwrap();
    }

    /// Makes every writing fail, or work again.
    pub(super) fn refuse_changes(&self, refuse: bool) {
        self.connection.pragma_update(None, "query_only", refuse).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::count::{Gap, Record, Stretch};
    use crate::store::Reader;

    const HOUR: UnixSeconds = 1_767_225_600;

    fn list(id: &str) -> ListIdentity {
        ListIdentity { id: id.into(), authority: "Example Authority".into(), legal_basis: "Example Act, section 1".into() }
    }

    fn counts(hour: UnixSeconds, n: u64) -> HourCounts {
        HourCounts { hour, lists: vec![[n, 0, 1, 0], [0, n, 0, 2]], questions: 10 * n, events: [2 * n + 3, n, 0, 0, 0, 0, 0, 1] }
    }

    fn read(folder: &Path, now: UnixSeconds) -> Record {
        Reader::open(folder).unwrap().read(Stretch::default(), now).unwrap()
    }

    fn kinds(record: &Record) -> Vec<(i64, i64, &'static str)> {
        record.gaps.iter().map(|&Gap { from, until, kind }| (from - HOUR, until - HOUR, kind.name())).collect()
    }

    #[test]
    fn restarts_add_up_and_lists_go_by_their_id() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), &[list("one"), list("two")], HOUR).unwrap();
        store.flush(&[counts(HOUR, 5)], HOUR + 5).unwrap();
        store.flush(&[counts(HOUR, 1)], HOUR + 10).unwrap();
        store.end(HOUR + 10).unwrap();
        let mut store = Store::open(folder.path(), &[list("two"), list("three")], HOUR + 10).unwrap();
        store.flush(&[counts(HOUR, 100), counts(HOUR + 3600, 7)], HOUR + 3605).unwrap();
        store.end(HOUR + 3605).unwrap();
        let record = read(folder.path(), HOUR + 3605);
        let ids: Vec<_> = record.lists.iter().map(|list| list.id.as_str()).collect();
        assert_eq!(ids, ["one", "three", "two"]);
        assert_eq!(record.hours[0].lists, [Some([6, 0, 2, 0]), Some([0, 100, 0, 2]), Some([100, 6, 1, 4])]);
        assert_eq!(record.hours[1].lists, [None, Some([0, 7, 0, 2]), Some([7, 0, 1, 0])]);
        assert_eq!(record.hours.iter().map(|hour| hour.questions).collect::<Vec<_>>(), [1060, 70]);
        assert_eq!(record.hours[0].events, [221, 106, 0, 0, 0, 0, 0, 3]);
        assert_eq!(kinds(&record), []);
    }

    #[test]
    fn a_run_that_did_not_end_leaves_a_gap_from_its_last_flush() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), &[list("one")], HOUR).unwrap();
        store.flush(&[counts(HOUR, 5)], HOUR + 60).unwrap();
        drop(store);
        assert_eq!(kinds(&read(folder.path(), HOUR + 100)), [(60, 100, "crash")], "before the next start too");
        let store = Store::open(folder.path(), &[list("one")], HOUR + 90).unwrap();
        store.end(HOUR + 120).unwrap();
        assert_eq!(kinds(&read(folder.path(), HOUR + 150)), [(60, 90, "crash"), (120, 150, "stopped")]);
        Store::open(folder.path(), &[list("one")], HOUR + 7300).unwrap().end(HOUR + 7301).unwrap();
        let record = read(folder.path(), HOUR + 7301);
        assert_eq!(kinds(&record), [(60, 90, "crash"), (120, 7300, "stopped")]);
        let hours: Vec<_> = record.hours.iter().map(|hour| (hour.hour - HOUR, record.recorded_s(hour.hour))).collect();
        assert_eq!(hours, [(0, 90), (7200, 1)]);
    }

    #[test]
    fn a_clock_that_was_set_back_takes_nothing_away_and_hides_no_crash() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), &[list("one")], HOUR + 7200).unwrap();
        store.flush(&[counts(HOUR + 7200, 5)], HOUR + 7260).unwrap();
        store.flush(&[counts(HOUR, 1)], HOUR + 60).unwrap();
        drop(store);
        drop(Store::open(folder.path(), &[list("one")], HOUR + 30).unwrap());
        let reader = Reader::open(folder.path()).unwrap();
        let record = reader.read(Stretch { from: Some(HOUR), until: Some(HOUR + 10_800) }, HOUR + 30).unwrap();
        assert_eq!(record.hours.iter().map(|hour| hour.questions).collect::<Vec<_>>(), [10, 50]);
        assert!(kinds(&record).contains(&(30, 30, "crash")), "{:?}", kinds(&record));
    }

    #[test]
    fn a_full_disk_writes_nothing_and_the_same_counts_can_be_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), &[list("one"), list("two")], HOUR).unwrap();
        let hours: Vec<_> = (0..2000).map(|n| counts(HOUR + 3600 * n, 3)).collect();
        store.fill_disk(Some(4));
        let refused = store.flush(&hours, HOUR + 2000 * 3600 - 1).unwrap_err();
        assert!(refused.to_string().contains("counts.sqlite") && refused.to_string().contains("full"), "{refused}");
        assert_eq!(read(folder.path(), HOUR + 5).hours.len(), 1, "half a flush is not on disk");
        store.fill_disk(None);
        store.flush(&hours, HOUR + 2000 * 3600 - 1).unwrap();
        let record = read(folder.path(), HOUR + 2000 * 3600 - 1);
        assert_eq!(record.hours.iter().map(|hour| hour.questions).sum::<u64>(), 2000 * 30);
    }

    #[test]
    fn a_second_server_and_a_newer_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &[], HOUR).unwrap();
        assert!(matches!(Store::open(folder.path(), &[], HOUR), Err(StoreError::Busy { .. })));
        store.connection.pragma_update(None, "user_version", 9).unwrap();
        store.end(HOUR).unwrap();
        let refused = Store::open(folder.path(), &[], HOUR).unwrap_err().to_string();
        assert!(refused.contains("form 9") && refused.contains("up to 2"), "{refused}");
        assert!(matches!(Reader::open(folder.path()), Err(StoreError::Newer { .. })));
    }

    #[test]
    fn changed_papers_are_kept_with_their_dates() {
        let folder = tempfile::tempdir().unwrap();
        let new = ListIdentity { legal_basis: "Newer Act".into(), ..list("one") };
        for (identity, at) in [(list("one"), 0), (list("one"), 10), (new.clone(), 20), (new, 30)] {
            Store::open(folder.path(), &[identity], HOUR + at).unwrap().end(HOUR + at).unwrap();
        }
        let papers = read(folder.path(), HOUR + 40).lists.remove(0).papers;
        let papers: Vec<_> = papers.iter().map(|papers| (papers.since - HOUR, papers.legal_basis.as_str())).collect();
        assert_eq!(papers, [(0, "Example Act, section 1"), (20, "Newer Act")]);
    }

    #[test]
    fn folder_and_files_are_the_owners_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let mut store = Store::open(&folder, &[], HOUR).unwrap();
        store.flush(&[], HOUR).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 4, "{files:?}");
        assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
    }
}

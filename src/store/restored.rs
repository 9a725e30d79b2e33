//! Notices that the log on disk is not the one that was promised: the state folder was restored
//! from an older copy, copied to another place, or emptied.
//!
//! The log must never sign a second tree where it signed one before, and nobody knows what it
//! signed after the copy was made. So that log ends, and another one begins under another name and
//! another key. Its second leaf says which log it follows and why.

use super::arrival::StateArrival;
use super::author::Author;
use super::log::Log;
use super::misfit::LogMisfit;
use super::promises::LogPromise;
use super::schema::has_table;
use crate::clock::{HOUR_S, UnixSeconds, hour_start};
use crate::list::Hash;
use crate::record::{EndedLog, EventLeaf, Leaf, Moment, MovedLog, Statement};
use crate::seal::checkpoint::Checkpoint;
use crate::seal::tree::Tree;
use crate::seal::{Note, VerifyKey};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// What was found at a start in place of the log that was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundRestored {
    /// The log that ends: the promised one, or the one on disk where no promise is known.
    ended: LogPromise,
    /// How many leaves the last checkpoint on disk covers.
    found: u64,
    why: LogMisfit,
    /// Up to when the log on disk tells; none where there is none.
    told_until: Option<UnixSeconds>,
    /// From when on the log that follows tells.
    begins: UnixSeconds,
}

/// Holds the log on disk, which `author` would sign from `at` on, against what was promised and how
/// it came here; nothing where all is as it was.
pub(super) fn find(
    connection: &Connection,
    author: &Author,
    promised: Option<LogPromise>,
    arrival: Option<&StateArrival>,
    at: UnixSeconds,
) -> rusqlite::Result<Option<FoundRestored>> {
    let head = head(connection)?;
    let begun = "SELECT EXISTS (SELECT 1 FROM log)";
    let is_begun: bool = connection.query_row(begun, [], |row| row.get(0))?;
    let found = match misfit(connection, promised.clone())? {
        Some(misfit) => Some(misfit),
        None => match arrival {
            Some(StateArrival::Backup { origin }) => head
                .clone()
                .filter(|head| Some(&head.origin) == origin.as_ref())
                .map(|head| match promised {
                    Some(promised) if is_same(&promised, &head) => (head, LogMisfit::Backup),
                    _ => (head, LogMisfit::Unknown),
                }),
            Some(StateArrival::Damaged | StateArrival::Newer) if !is_begun => {
                Some((nothing_of(author), LogMisfit::Unknown))
            }
            _ if is_moved_away(connection, arrival)? => {
                head.clone().map(|head| (head, LogMisfit::Moved))
            }
            _ => None,
        },
    };
    let Some((ended, why)) = found else {
        return Ok(None);
    };
    let why = match arrival {
        Some(StateArrival::Damaged) if !is_begun => LogMisfit::Damaged,
        Some(StateArrival::Newer) if !is_begun => LogMisfit::Newer,
        _ => why,
    };
    let begins = hour_start(at);
    let told = told_until(connection, author)?;
    Ok(Some(FoundRestored {
        ended,
        found: head.map_or(0, |head| head.size),
        why,
        told_until: told.map(|told| told.min(begins)),
        begins,
    }))
}

/// In what the log on disk is another one than was promised.
fn misfit(
    connection: &Connection,
    promised: Option<LogPromise>,
) -> rusqlite::Result<Option<(LogPromise, LogMisfit)>> {
    let origin = author(connection)?
        .as_deref()
        .and_then(|author| VerifyKey::parse(author).ok())
        .map(|key| key.name().to_owned());
    let last = checkpoint(connection, None)?;
    let found = last.as_ref().map_or(0, |last| last.size);
    let Some(promised) = promised else {
        return Ok(last
            .filter(|_| is_marked(connection))
            .map(|last| (head_of(last), LogMisfit::Unknown)));
    };
    let then = checkpoint(connection, Some(promised.size))?;
    let is_kept = then.is_some_and(|then| then.root == promised.root.0);
    if is_kept && origin.as_ref() == Some(&promised.origin) {
        return Ok(None);
    }
    if is_closed_here(connection, &promised)? {
        // The log that follows was begun, and the start came no further.
        return Ok(None);
    }
    let is_this = origin.is_none_or(|origin| origin == promised.origin);
    let why = if is_this && found < promised.size {
        LogMisfit::Shorter
    } else {
        LogMisfit::Other
    };
    Ok(Some((promised, why)))
}

/// The public key of the author of the log that goes on; none where there is no log.
pub(super) fn author(connection: &Connection) -> rusqlite::Result<Option<String>> {
    if !has_table(connection, "log")? {
        return Ok(None);
    }
    let author = connection.query_row("SELECT author FROM log", [], |row| row.get(0));
    author.optional()
}

/// What is signed of the log on disk.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<Option<LogPromise>> {
    Ok(checkpoint(connection, None)?.map(head_of))
}

fn head_of(Checkpoint { origin, size, root }: Checkpoint) -> LogPromise {
    LogPromise {
        origin,
        size,
        root: Hash(root),
        until: None,
    }
}

fn is_same(promised: &LogPromise, head: &LogPromise) -> bool {
    (&promised.origin, promised.size, promised.root) == (&head.origin, head.size, head.root)
}

/// A log of which nothing is known but who signed it.
fn nothing_of(author: &Author) -> LogPromise {
    LogPromise {
        origin: author.key.name().to_owned(),
        size: 0,
        root: Hash(Tree::default().root()),
        until: None,
    }
}

/// Where the log on disk says last that it was moved to.
pub(super) fn moved_to(connection: &Connection) -> rusqlite::Result<Option<MovedLog>> {
    if !has_table(connection, "leaf")? {
        return Ok(None);
    }
    // Hours may stand behind it.
    let mut leaves = connection.prepare("SELECT octets FROM leaf ORDER BY seq DESC")?;
    let mut rows = leaves.query([])?;
    while let Some(row) = rows.next()? {
        match Leaf::parse(row.get_ref(0)?.as_blob()?) {
            Ok(Leaf::Hour(_)) => {}
            Ok(Leaf::Event(event)) => return Ok(read_move(&event)),
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

fn read_move(event: &EventLeaf<'_>) -> Option<MovedLog> {
    match event.said() {
        Some(Statement::Moved(moved)) => Some(moved),
        _ => None,
    }
}

fn is_moved_away(
    connection: &Connection,
    arrival: Option<&StateArrival>,
) -> rusqlite::Result<bool> {
    let moved = moved_to(connection)?.is_some();
    Ok(moved && arriving(connection, arrival)?.is_none())
}

/// What shows that the log on disk was moved to here, where it was and no run has shown it yet.
pub(super) fn arriving(
    connection: &Connection,
    arrival: Option<&StateArrival>,
) -> rusqlite::Result<Option<Hash>> {
    let Some(StateArrival::Move { token }) = arrival else {
        return Ok(None);
    };
    let moved = moved_to(connection)?;
    Ok(moved
        .filter(|moved| *moved == MovedLog::to(token))
        .map(|_| *token))
}

/// Up to when the log on disk tells; none where there is none.
fn told_until(connection: &Connection, author: &Author) -> rusqlite::Result<Option<UnixSeconds>> {
    let transaction = connection.unchecked_transaction()?;
    if checkpoint(&transaction, None)?.is_none() {
        return Ok(None);
    }
    let log = Log::open(&transaction, author, || Err(rusqlite::Error::InvalidQuery))?;
    log.told_until().map(Some)
}

/// Is what was promised the end of a log that was closed here, to be followed by the one on disk?
fn is_closed_here(connection: &Connection, promised: &LogPromise) -> rusqlite::Result<bool> {
    let mut notes = connection.prepare(
        "SELECT note FROM ended_checkpoint WHERE size = ?1
             AND EXISTS (SELECT 1 FROM log) AND EXISTS (SELECT 1 FROM key_note WHERE
                 instr(note, char(10) || 'follows ' || ?2 || char(10)) > 0)",
    )?;
    let wanted = params![promised.size.cast_signed(), promised.origin];
    let notes = notes.query_map(wanted, |row| row.get::<_, String>(0))?;
    let notes = notes.collect::<rusqlite::Result<Vec<_>>>()?;
    let ends = notes.iter().filter_map(|note| {
        let note = Note::parse(note.as_bytes()).ok()?;
        Checkpoint::parse(note.text()).ok()
    });
    Ok(ends
        .into_iter()
        .any(|end| end.origin == promised.origin && end.root == promised.root.0))
}

/// A checkpoint of the log on disk, that of a size or the last one.
pub(super) fn checkpoint(
    connection: &Connection,
    size: Option<u64>,
) -> rusqlite::Result<Option<Checkpoint>> {
    if !has_table(connection, "checkpoint")? {
        return Ok(None);
    }
    let note: Option<String> = connection
        .query_row(
            "SELECT note FROM checkpoint WHERE ?1 IS NULL OR size = ?1 ORDER BY size DESC LIMIT 1",
            [size.map(u64::cast_signed)],
            |row| row.get(0),
        )
        .optional()?;
    let note = note.and_then(|note| Note::parse(note.as_bytes()).ok());
    Ok(note.and_then(|note| Checkpoint::parse(note.text()).ok()))
}

/// Was a checkpoint of the log on disk ever promised?
fn is_marked(connection: &Connection) -> bool {
    let marked = connection.query_row("SELECT EXISTS (SELECT 1 FROM promised)", [], |row| {
        row.get(0)
    });
    marked.unwrap_or_default()
}

/// Remembers that a checkpoint of the log on disk was promised.
pub(super) fn mark(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("INSERT OR IGNORE INTO promised VALUES (0)", [])
        .map(drop)
}

/// The names of all logs on disk, the ended ones included.
pub(super) fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut authors: Vec<String> = author(connection)?.into_iter().collect();
    if has_table(connection, "ended_log")? {
        let mut ended = connection.prepare("SELECT author FROM ended_log ORDER BY log")?;
        for author in ended.query_map([], |row| row.get(0))? {
            authors.push(author?);
        }
    }
    let keys = authors.iter().filter_map(|key| VerifyKey::parse(key).ok());
    Ok(keys.map(|key| key.name().to_owned()).collect())
}

/// Ends the log on disk: its leaves and checkpoints are kept apart, and what it needs to go on is
/// forgotten.
pub(super) fn end_log(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "INSERT INTO ended_log (author) SELECT author FROM log;
         INSERT INTO ended_leaf SELECT (SELECT max(log) FROM ended_log), seq, octets FROM leaf;
         INSERT INTO ended_checkpoint
             SELECT (SELECT max(log) FROM ended_log), size, at, note FROM checkpoint;
         DELETE FROM leaf;
         DELETE FROM checkpoint;
         DELETE FROM log;
         DELETE FROM standing;
         DELETE FROM told_version;
         DELETE FROM promised;",
    )
}

impl FoundRestored {
    /// What is said of it.
    pub(super) fn message(&self) -> String {
        let LogPromise { origin, size, .. } = &self.ended;
        let reason = self.why.reason(origin, *size, self.found);
        format!("{reason}. {}", self.untold())
    }

    /// From when to when nothing is told, in words.
    fn untold(&self) -> String {
        let begins = Moment(self.begins);
        match self.from() {
            Some(from) if self.told_until.is_none() => {
                format!("It is known to tell up to {from}, and the next one tells from {begins} on")
            }
            Some(from) if from == begins => "Every hour that is over is told".to_owned(),
            Some(from) => format!("Of the time from {from} to {begins} nothing is told"),
            None => format!(
                "It is not known up to when that log told; the next one tells from {begins} on"
            ),
        }
    }

    /// Up to when what was found tells, or what was promised.
    fn from(&self) -> Option<Moment> {
        let promised = self.ended.until.map(|until| until.0.min(self.begins));
        self.told_until.or(promised).map(Moment)
    }

    /// Up to when the log on disk tells; none where there is none.
    pub(super) const fn told_until(&self) -> Option<UnixSeconds> {
        self.told_until
    }

    /// Up to when nothing is on record that neither log tells: where the one that ends goes on
    /// elsewhere, that tells the present hour.
    pub(super) const fn untold_until(&self) -> UnixSeconds {
        match self.why {
            LogMisfit::Moved => self.begins + HOUR_S,
            _ => self.begins,
        }
    }

    /// The log that ends.
    pub(super) fn origin(&self) -> &str {
        &self.ended.origin
    }

    /// What the new log says of it.
    pub(super) fn statement(&self) -> Statement {
        let LogPromise {
            origin, size, root, ..
        } = &self.ended;
        Statement::LogRestored(EndedLog {
            found: self.found,
            from: self.from(),
            until: Some(Moment(self.begins)),
            origin: origin.clone(),
            root: root.to_string(),
            size: *size,
            why: self.why.word().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use serde_json::json;

    use super::*;
    use crate::clock::UnixSeconds;
    use crate::count::{HourCounts, ListIdentity};
    use crate::record::{EventKind, Leaf};
    use crate::store::{Author, LogReader, Promises, Reader, Store, StoreError};

    const HOUR: UnixSeconds = 1_767_225_600;
    const NAME: &str = "provider.example/one";

    /// A state folder, and the folder of what was promised beside it.
    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self { folder }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn try_open(&self, at: UnixSeconds) -> Result<Store, StoreError> {
            let state = self.path("state");
            std::fs::create_dir_all(&state).unwrap();
            let list = ListIdentity {
                id: "law".into(),
                authority: "A".into(),
                legal_basis: "B".into(),
            };
            let author = Author::open(&state.join("audit.key"), NAME, "ab")?;
            let promises = Promises::open(&self.path("promised"));
            Store::open_promised(&state, &[list], author, &promises, at)
        }

        /// Runs for some hours, the first from half past on, and ends in order.
        fn run(&self, from: UnixSeconds, hours: i64) -> Option<String> {
            let mut store = self.try_open(from + 1800).unwrap();
            let said = store.restored().map(str::to_owned);
            for n in 0..hours {
                let hour = from + n * 3600;
                let counts = HourCounts {
                    hour,
                    lists: vec![[5, 0, 0, 0]],
                    questions: 9,
                    events: [5, 3, 0, 0, 0, 0, 0, 0],
                    ..HourCounts::default()
                };
                store.flush(&[counts], hour + 3599).unwrap();
            }
            store.end(from + hours * 3600).unwrap();
            said
        }

        fn copy(&self, from: &str, to: &str) {
            let to = self.path(to);
            let _ = std::fs::remove_dir_all(&to);
            std::fs::create_dir_all(&to).unwrap();
            for entry in std::fs::read_dir(self.path(from)).unwrap().flatten() {
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }

        fn log(&self) -> (LogPromise, Vec<String>) {
            let reader = LogReader::open(&self.path("state")).unwrap();
            let note = reader.checkpoints().unwrap().pop().unwrap().note;
            let last = Checkpoint::parse(Note::parse(note.as_bytes()).unwrap().text()).unwrap();
            let kinds = kinds(&self.path("state"), last.size);
            let Checkpoint { origin, size, root } = last;
            let root = Hash(root);
            let until = None;
            let head = LogPromise {
                origin,
                size,
                root,
                until,
            };
            (head, kinds)
        }
    }

    fn kinds(state: &Path, size: u64) -> Vec<String> {
        let mut kinds = Vec::new();
        let take = |octets: &[u8]| {
            kinds.push(match Leaf::parse(octets).unwrap() {
                Leaf::Event(event) => format!("{} {}", event.kind, json!(event.body)),
                Leaf::Hour(hour) => format!("hour {}", hour.hour.0 - HOUR),
            });
            Ok::<_, StoreError>(())
        };
        LogReader::open(state).unwrap().leaves(size, take).unwrap();
        kinds
    }

    #[test]
    fn what_goes_on_as_it_was_is_not_restored() {
        let place = Place::new();
        for n in 0..5 {
            assert_eq!(place.run(HOUR + n * 7200, 1), None);
        }
        drop(place.try_open(HOUR + 40_000).unwrap());
        let after_a_crash = place.try_open(HOUR + 40_010).unwrap();
        assert_eq!(after_a_crash.restored(), None);
        assert_eq!(place.log().0.origin, NAME);
        let promised = Promises::open(&place.path("promised")).log().unwrap();
        assert!(is_same(&promised, &place.log().0));
        assert_eq!(promised.until, Some(Moment(HOUR + 10 * 3600)));
    }

    #[test]
    fn an_older_copy_ends_the_log_and_begins_another() {
        let place = Place::new();
        place.run(HOUR, 2);
        place.copy("state", "backup");
        place.run(HOUR + 3 * 3600, 2);
        let (promised, _) = place.log();
        let key = std::fs::read(place.path("state/audit.key")).unwrap();
        place.copy("backup", "state");
        let found = place.log().0.size;
        let said = place.run(HOUR + 9 * 3600, 2).unwrap();
        assert!(said.contains("restored") && said.contains(NAME), "{said}");
        let (log, kinds) = place.log();
        assert_eq!(log.origin, format!("{NAME}/20260101T093000Z"));
        let restored = format!(
            "restored {}",
            json!({ "found": found, "origin": NAME, "size": promised.size,
                    "from": "2026-01-01T02:00:00Z", "until": "2026-01-01T09:00:00Z",
                    "root": promised.root.to_string(), "why": "shorter" })
        );
        assert!(kinds[0].starts_with("start "), "{kinds:?}");
        assert_eq!(kinds[1], restored);
        assert_eq!(kinds[2..4], ["hour 32400", "hour 36000"], "{kinds:?}");
        let aside = place.path("state/audit.key.until-20260101T093000Z");
        assert_eq!(std::fs::read(aside).unwrap(), key);
        assert_eq!(place.run(HOUR + 12 * 3600, 1), None, "it goes on");
        let journal = Reader::open(&place.path("state")).unwrap();
        let events = journal.journal(None, 9).unwrap();
        let events = events
            .iter()
            .filter(|(_, event)| event.kind == EventKind::Restored);
        assert_eq!(events.count(), 1);
        let ended = LogReader::open_ended(&place.path("state"), NAME).unwrap();
        assert_eq!(ended.checkpoints().unwrap().pop().unwrap().size, found);
        let mut leaves = 0;
        let count = |_: &[u8]| {
            leaves += 1;
            Ok::<_, StoreError>(())
        };
        ended.leaves(u64::MAX >> 1, count).unwrap();
        assert_eq!(leaves, found);
        assert!(LogReader::open_ended(&place.path("state"), "provider.example/two").is_err());
    }

    #[test]
    fn an_emptied_folder_and_a_lost_key_are_noticed() {
        for emptied in [true, false] {
            let place = Place::new();
            place.run(HOUR, 2);
            let key = std::fs::read(place.path("state/audit.key")).unwrap();
            std::fs::remove_dir_all(place.path("state")).unwrap();
            if !emptied {
                std::fs::create_dir(place.path("state")).unwrap();
                std::fs::write(place.path("state/audit.key"), key).unwrap();
            }
            assert!(place.run(HOUR + 4 * 3600, 1).is_some());
            let (log, kinds) = place.log();
            assert_eq!(log.origin, format!("{NAME}/20260101T043000Z"));
            assert!(kinds[1].contains("\"found\":0"), "{kinds:?}");
            assert_eq!(place.run(HOUR + 6 * 3600, 1), None);
        }
    }

    #[test]
    fn a_copy_without_its_promises_is_noticed_once() {
        for damage in [None, Some(""), Some("{"), Some("{\"v\":1,\"lists\":{}}")] {
            let place = Place::new();
            place.run(HOUR, 1);
            let file = place.path("promised/promised.json");
            match damage {
                None => std::fs::remove_dir_all(place.path("promised")).unwrap(),
                Some(text) => std::fs::write(file, text).unwrap(),
            }
            // Within the hour that was written to last.
            let said = place.run(HOUR + 3600, 1).unwrap();
            assert!(said.contains("restored or copied"), "{said}");
            assert!(place.log().1[1].contains("\"why\":\"unknown\""));
            assert_eq!(place.run(HOUR + 4 * 3600, 1), None);
        }
    }

    #[test]
    fn an_upgrade_and_a_folder_that_cannot_be_written_raise_nothing() {
        let place = Place::new();
        let promised = place.path("promised");
        std::fs::write(&promised, "in the way").unwrap();
        for n in 0..3 {
            assert_eq!(place.run(HOUR + n * 7200, 1), None);
        }
        std::fs::remove_file(&promised).unwrap();
        assert_eq!(place.run(HOUR + 8 * 3600, 1), None, "the first promise");
        std::fs::remove_dir_all(&promised).unwrap();
        assert!(place.run(HOUR + 10 * 3600, 1).is_some());
    }

    #[test]
    fn another_tree_and_an_older_key_are_another_log() {
        let place = Place::new();
        place.run(HOUR, 1);
        place.copy("state", "backup");
        place.run(HOUR + 2 * 3600, 1);
        place.copy("promised", "later");
        // Somebody goes on from the backup, without the promises, for longer than promised.
        place.copy("backup", "state");
        std::fs::remove_dir_all(place.path("promised")).unwrap();
        let state = place.path("state");
        let author = Author::open(&state.join("audit.key"), NAME, "ab").unwrap();
        let mut store = Store::open(&state, &[], author, HOUR + 9 * 3600).unwrap();
        store.flush(&[], HOUR + 20 * 3600).unwrap();
        store.end(HOUR + 30 * 3600).unwrap();
        for n in 0..9 {
            let author = Author::open(&state.join("audit.key"), NAME, "ab").unwrap();
            let store = Store::open(&state, &[], author, HOUR + (31 + n) * 3600).unwrap();
            store.end(HOUR + (31 + n) * 3600 + 1).unwrap();
        }
        place.copy("later", "promised");
        assert!(place.run(HOUR + 50 * 3600, 1).is_some());
        assert!(place.log().1[1].contains("\"why\":\"other\""));
        // The key alone is restored: that is nobody's log.
        let key = std::fs::read(place.path("backup/audit.key")).unwrap();
        std::fs::write(state.join("audit.key"), key).unwrap();
        let refused = place.try_open(HOUR + 60 * 3600).unwrap_err();
        assert!(matches!(refused, StoreError::Author { .. }), "{refused}");
    }

    #[test]
    fn a_new_log_is_told_from_its_beginning_though_its_hour_was_counted_before() {
        let place = Place::new();
        let mut store = place.try_open(HOUR + 60).unwrap();
        let counts = HourCounts {
            hour: HOUR,
            lists: vec![[1, 0, 0, 0]],
            questions: 9,
            events: [1, 3, 0, 0, 0, 0, 0, 0],
            ..HourCounts::default()
        };
        store
            .flush(std::slice::from_ref(&counts), HOUR + 3600)
            .unwrap();
        store.flush(&[], HOUR + 3660).unwrap();
        drop(store);
        std::fs::remove_dir_all(place.path("promised")).unwrap();
        let mut store = place.try_open(HOUR + 3700).unwrap();
        let counts = HourCounts {
            hour: HOUR + 3600,
            ..counts
        };
        store.flush(&[counts], HOUR + 7200).unwrap();
        store.end(HOUR + 7201).unwrap();
        let state = place.path("state");
        let mut hours = Vec::new();
        let take = |octets: &[u8]| {
            if let Leaf::Hour(hour) = Leaf::parse(octets).unwrap() {
                assert_eq!((hour.imbalance(), hour.misplaced_time()), (None, None));
                let gap = hour.gaps.first().unwrap();
                hours.push((hour.hour.0 - HOUR, hour.carried.into, gap.from.0 - HOUR));
            }
            Ok::<_, StoreError>(())
        };
        let reader = LogReader::open(&state).unwrap();
        reader.leaves(place.log().0.size, take).unwrap();
        assert_eq!(hours, [(3600, 0, 3600)]);
    }
}

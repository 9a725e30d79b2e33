//! Reads the audit log back for its export, beside a running resolver or without one.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row};

use crate::clock::{UnixSeconds, hour_start};
use crate::count::{Opening, Stretch};
use crate::record::Leaf;
use crate::seal::VerifyKey;
use crate::seal::tree::{Hash, leaf_hash};

use super::schema::{counts_file, has_table, open_to_read};
use super::{LogPromise, StoreError, entries, restored};

/// The audit log of one state folder, open for reading.
#[derive(Debug)]
pub struct LogReader {
    connection: Connection,
    folder: PathBuf,
}

/// One signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// How many leaves it covers.
    pub size: u64,
    /// The time of the last of them.
    pub at: UnixSeconds,
    /// The note as it was signed.
    pub note: String,
}

impl LogReader {
    /// Opens the log in `folder`; fails when there is none, or when it is newer than we know.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let reader = Self {
            connection: open_to_read(folder)?,
            folder: folder.into(),
        };
        match reader.author()? {
            Some(_) => Ok(reader),
            None => Err(StoreError::Missing {
                folder: folder.into(),
            }),
        }
    }

    /// Opens the log that goes on in `folder`, or one of this name that ended there; fails when
    /// there is none.
    pub fn open_named(folder: &Path, ended: Option<&str>) -> Result<Self, StoreError> {
        ended.map_or_else(
            || Self::open(folder),
            |origin| Self::open_ended(folder, origin),
        )
    }

    /// Opens all logs in `folder`: those that ended, and the one that goes on; none where there is
    /// none.
    pub fn open_all(folder: &Path) -> Result<Vec<Self>, StoreError> {
        let last = match Self::open(folder) {
            Err(StoreError::Missing { .. }) => return Ok(Vec::new()),
            opened => opened?,
        };
        let ended = last.ended()?.into_iter();
        let ended = ended.map(|(_, origin)| Self::open_ended(folder, &origin));
        let mut all = ended.collect::<Result<Vec<_>, _>>()?;
        all.push(last);
        Ok(all)
    }

    /// Opens a log in `folder` that ended; fails when there is none of this name.
    pub(super) fn open_ended(folder: &Path, origin: &str) -> Result<Self, StoreError> {
        let reader = Self {
            connection: open_to_read(folder)?,
            folder: folder.into(),
        };
        let ended = reader.ended()?;
        let found = ended.iter().rev().find(|(_, name)| name == origin);
        let Some((log, _)) = found else {
            return Err(StoreError::Missing {
                folder: folder.into(),
            });
        };
        // Behind the names of the log that goes on.
        let views = format!(
            "CREATE TEMP VIEW log AS SELECT author FROM main.ended_log WHERE log = {log};
             CREATE TEMP VIEW leaf AS SELECT seq, octets FROM main.ended_leaf WHERE log = {log};
             CREATE TEMP VIEW checkpoint AS
                 SELECT size, at, note FROM main.ended_checkpoint WHERE log = {log};"
        );
        let made = reader.connection.execute_batch(&views);
        made.map_err(|source| reader.failed(source))?;
        Ok(reader)
    }

    /// The logs that ended, with their numbers, the first one first.
    fn ended(&self) -> Result<Vec<(i64, String)>, StoreError> {
        let read = || -> rusqlite::Result<Vec<(i64, String)>> {
            if !has_table(&self.connection, "ended_log")? {
                return Ok(Vec::new());
            }
            let mut select = self
                .connection
                .prepare("SELECT log, author FROM ended_log ORDER BY log")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        let name = |author: &str| VerifyKey::parse(author).map(|key| key.name().to_owned());
        let ended = read().map_err(|source| self.failed(source))?.into_iter();
        Ok(ended
            .filter_map(|(log, author)| Some((log, name(&author).ok()?)))
            .collect())
    }

    /// The author's public key.
    pub fn author(&self) -> Result<Option<String>, StoreError> {
        restored::author(&self.connection).map_err(|source| self.failed(source))
    }

    /// What of the log is signed; none where nothing is.
    pub fn head(&self) -> Result<Option<LogPromise>, StoreError> {
        restored::head(&self.connection).map_err(|source| self.failed(source))
    }

    /// The names of all logs in the folder, those that ended included.
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        restored::names(&self.connection).map_err(|source| self.failed(source))
    }

    /// The words on which key followed, the first one first.
    pub fn key_notes(&self) -> Result<Vec<String>, StoreError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            if !has_table(&self.connection, "key_note")? {
                return Ok(Vec::new());
            }
            let select = "SELECT note FROM key_note ORDER BY key_note";
            let mut statement = self.connection.prepare(select)?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        read().map_err(|source| self.failed(source))
    }

    /// The leaf at a place.
    pub fn leaf(&self, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.connection.query_row(
            "SELECT octets FROM leaf WHERE seq = ?1",
            [seq.cast_signed()],
            |row| row.get(0),
        );
        read.optional().map_err(|source| self.failed(source))
    }

    /// All checkpoints, the smallest first; the last one covers all leaves that are signed for.
    pub fn checkpoints(&self) -> Result<Vec<SignedHead>, StoreError> {
        let read = || -> rusqlite::Result<Vec<SignedHead>> {
            let mut statement = self
                .connection
                .prepare("SELECT size, at, note FROM checkpoint ORDER BY size")?;
            let rows = statement.query_map([], read_head)?;
            rows.collect()
        };
        read().map_err(|source| self.failed(source))
    }

    /// The last checkpoint; none where nothing was signed yet.
    pub fn last_checkpoint(&self) -> Result<Option<SignedHead>, StoreError> {
        let row = self.connection.query_row(
            "SELECT size, at, note FROM checkpoint ORDER BY size DESC LIMIT 1",
            [],
            read_head,
        );
        row.optional().map_err(|source| self.failed(source))
    }

    /// The first checkpoint that covers so many leaves.
    pub fn checkpoint_from(&self, size: u64) -> Result<Option<SignedHead>, StoreError> {
        let row = self.connection.query_row(
            "SELECT size, at, note FROM checkpoint WHERE size >= ?1 ORDER BY size LIMIT 1",
            [size.cast_signed()],
            read_head,
        );
        row.optional().map_err(|source| self.failed(source))
    }

    /// The hour of its first leaf, and the place and the beginning of the hour that it tells of
    /// last; none where it tells no hour yet.
    pub fn told(&self) -> Result<Option<(UnixSeconds, u64, UnixSeconds)>, StoreError> {
        let read = || -> rusqlite::Result<Option<(u64, UnixSeconds)>> {
            let mut select = self
                .connection
                .prepare("SELECT octets FROM leaf ORDER BY seq DESC")?;
            let mut rows = select.query([])?;
            let mut last = None;
            while let (None, Some(row)) = (last, rows.next()?) {
                if let Ok(Leaf::Hour(hour)) = Leaf::parse(row.get_ref(0)?.as_blob()?) {
                    last = Some((hour.seq, hour.hour.0));
                }
            }
            Ok(last)
        };
        let last = read().map_err(|source| self.failed(source))?;
        let first = self.leaf(0)?;
        let first = first.and_then(|octets| Some(hour_start(Leaf::parse(&octets).ok()?.start())));
        Ok(first
            .zip(last)
            .map(|(first, (seq, hour))| (first, seq, hour)))
    }

    /// The hashes of the leaves from one place up to, and without, another.
    pub fn leaf_hashes(&self, from: u64, until: u64) -> Result<Vec<Hash>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Hash>> {
            let mut statement = self.connection.prepare_cached(
                "SELECT octets FROM leaf WHERE seq >= ?1 AND seq < ?2 ORDER BY seq",
            )?;
            let rows = statement.query_map([from.cast_signed(), until.cast_signed()], |row| {
                Ok(leaf_hash(row.get_ref(0)?.as_blob()?))
            })?;
            rows.collect()
        };
        read().map_err(|source| self.failed(source))
    }

    /// Hands out the first `size` leaves in their order, as the octets that were signed, until
    /// `take` fails.
    pub fn leaves<E: From<StoreError>>(
        &self,
        size: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |source| E::from(self.failed(source));
        let mut statement = self
            .connection
            .prepare("SELECT octets FROM leaf WHERE seq < ?1 ORDER BY seq")
            .map_err(failed)?;
        let mut rows = statement.query([size.cast_signed()]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let octets = row
                .get_ref(0)
                .and_then(|octets| Ok(octets.as_blob()?))
                .map_err(failed)?;
            take(octets)?;
        }
        Ok(())
    }

    /// What opens the commitments to the counts of a list's entries, earliest first, as far as it
    /// is kept; for the curator's eyes alone.
    pub fn openings(&self, list: &str, stretch: Stretch) -> Result<Vec<Opening>, StoreError> {
        entries::read(&self.connection, list, stretch).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Sqlite {
            attempt: "read the audit log in",
            file: counts_file(&self.folder),
            source,
        }
    }
}

fn read_head(row: &Row<'_>) -> rusqlite::Result<SignedHead> {
    Ok(SignedHead {
        size: row.get::<_, i64>(0)?.unsigned_abs(),
        at: row.get(1)?,
        note: row.get(2)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::{HourCounts, ListIdentity};
    use crate::record::{HourLeaf, Leaf, LeafSpan};
    use crate::seal::Note;
    use crate::seal::checkpoint::Checkpoint;
    use crate::seal::tree::root_of;
    use crate::store::author::author_of_tests as author;
    use crate::store::forms::{FORM, FORMS};
    use crate::store::{ClockStep, OutOfForce, Reader, Store, Taking, has_arrived};

    const HOUR: UnixSeconds = 1_767_225_600;

    fn open(folder: &Path, ids: &[&str], at: UnixSeconds) -> Store {
        let list = |id: &&str| ListIdentity {
            id: (*id).into(),
            authority: "A".into(),
            legal_basis: "B".into(),
        };
        Store::open(
            folder,
            &ids.iter().map(list).collect::<Vec<_>>(),
            author(),
            at,
        )
        .unwrap()
    }

    fn counts(hour: UnixSeconds, questions: u64, blocked: u64) -> HourCounts {
        let events = [blocked, 0, 0, 0, 0, 0, 0, 0];
        HourCounts {
            hour,
            lists: vec![[blocked, 0, 0, 0]],
            questions,
            events,
            ..HourCounts::default()
        }
    }

    /// What an older version wrote lacks tables.
    #[test]
    fn counts_of_every_older_form_are_read() {
        let key = author().key.public().to_string();
        for form in 1..=FORM {
            let folder = tempfile::tempdir().unwrap();
            let file = counts_file(folder.path());
            let written = Connection::open(&file).unwrap();
            for step in FORMS.into_iter().take(form as usize) {
                written.execute_batch(step).unwrap();
            }
            written.pragma_update(None, "user_version", form).unwrap();
            let has_log = form >= 3;
            if has_log {
                let log = "INSERT INTO log (log, author, size, peaks, time, next_hour)
                    VALUES (0, ?1, 0, x'', 0, 0)";
                written.execute(log, [&key]).unwrap();
            }
            drop(written);
            let all = LogReader::open_all(folder.path()).unwrap();
            assert_eq!(all.len(), usize::from(has_log), "{form}");
            for reader in &all {
                assert_eq!(reader.names().unwrap(), ["provider.example/one"]);
                assert_eq!(reader.head().unwrap(), None);
                assert_eq!(reader.key_notes().unwrap(), [] as [String; 0]);
                let openings = reader.openings("law", Stretch::default());
                assert!(openings.unwrap().is_empty(), "{form}");
            }
            let ended = LogReader::open_ended(folder.path(), "provider.example/two");
            assert!(matches!(ended, Err(StoreError::Missing { .. })), "{form}");
            let arrived = has_arrived(folder.path(), &crate::list::Hash([7; 32]));
            assert_eq!(arrived.unwrap(), Some(false), "{form}");
            let reader = Reader::open(folder.path()).unwrap();
            reader.read_unlogged(HOUR).unwrap();
            reader.read(Stretch::default(), HOUR).unwrap();
        }
    }

    #[test]
    fn counts_that_cannot_be_read_are_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(LogReader::open_all(folder.path()).unwrap().len(), 0);
        std::fs::write(counts_file(folder.path()), "garbage".repeat(999)).unwrap();
        for opened in [
            LogReader::open_all(folder.path()).map(drop),
            LogReader::open(folder.path()).map(drop),
        ] {
            assert!(
                matches!(opened, Err(StoreError::Sqlite { .. })),
                "{opened:?}"
            );
        }
    }

    /// All leaves that are signed for, and whether each checkpoint's root is that of the leaves.
    fn signed(folder: &Path) -> Vec<Vec<u8>> {
        let reader = LogReader::open(folder).unwrap();
        let checkpoints = reader.checkpoints().unwrap();
        let mut leaves = Vec::new();
        reader
            .leaves::<StoreError>(checkpoints.last().unwrap().size, |leaf| {
                leaves.push(leaf.to_vec());
                Ok(())
            })
            .unwrap();
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let size = hashes.len() as u64;
        assert_eq!(reader.leaf_hashes(0, size).unwrap(), hashes);
        assert_eq!(reader.leaf_hashes(1, 2).unwrap(), hashes[1..2]);
        let last = reader.last_checkpoint().unwrap();
        assert_eq!(last.as_ref(), checkpoints.last());
        let key = [VerifyKey::parse(&reader.author().unwrap().unwrap()).unwrap()];
        for signed in checkpoints {
            let note = Note::parse(signed.note.as_bytes()).unwrap();
            assert_eq!(note.signers(&key).unwrap().len(), 1);
            let root = root_of(&hashes[..signed.size as usize]);
            assert_eq!(
                Checkpoint::parse(note.text()).unwrap(),
                Checkpoint {
                    origin: "provider.example/one".into(),
                    size: signed.size,
                    root
                }
            );
        }
        leaves
    }

    /// What leaves say, in short: an event's kind and time, or an hour with its list, in-force
    /// seconds, gaps and counts.
    fn told(leaves: &[Vec<u8>]) -> Vec<String> {
        let leaf = |(at, octets): (usize, &Vec<u8>)| {
            let leaf = Leaf::parse(octets).unwrap();
            assert_eq!(leaf.seq(), at as u64);
            match leaf {
                Leaf::Event(event) => format!("{} {}", event.kind, event.at.0 - HOUR),
                Leaf::Hour(hour) => {
                    assert_eq!((hour.imbalance(), hour.misplaced_time()), (None, None));
                    told_hour(&hour)
                }
            }
        };
        leaves.iter().enumerate().map(leaf).collect()
    }

    fn told_hour(hour: &HourLeaf<'_>) -> String {
        let gaps: Vec<_> = hour
            .gaps
            .iter()
            .map(|gap| format!("{}-{} {}", gap.from.0 - HOUR, gap.until.0 - HOUR, gap.kind))
            .collect();
        let carried = [hour.carried.into, hour.carried.lost, hour.carried.out];
        let absences = hour.not_in_force.as_ref().map(|spans| {
            let span = |span: &LeafSpan| format!("{}-{}", span.from.0 - HOUR, span.until.0 - HOUR);
            spans.iter().map(span).collect::<Vec<_>>()
        });
        let absences = match absences {
            Some(absences) if absences.is_empty() => String::new(),
            Some(absences) => format!(" without {}", absences.join(" ")),
            None => " of form 1".to_owned(),
        };
        format!(
            "hour {} {} {} {gaps:?} {} {carried:?}{absences}",
            hour.hour.0 - HOUR,
            hour.list,
            hour.in_force_s,
            hour.questions
        )
    }

    #[test]
    fn hours_become_leaves_with_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), &["one"], HOUR + 600);
        store.flush(&[counts(HOUR, 5, 3)], HOUR + 3600).unwrap();
        store
            .flush(&[counts(HOUR + 3600, 9, 9)], HOUR + 3660)
            .unwrap();
        drop(store);
        let mut store = open(folder.path(), &["one", "two"], HOUR + 3700);
        store.flush(&[], HOUR + 3760).unwrap();
        store.end(HOUR + 3800).unwrap();
        open(folder.path(), &["two"], HOUR + 9 * 3600)
            .end(HOUR + 9 * 3600 + 1)
            .unwrap();
        let expected = [
            "start 600",
            "hour 0 one 3000 [\"0-600 unrecorded\"] 5 [0, 0, 2]",
            "crash 3660",
            "start 3700",
            "stop 3800",
            "hour 3600 one 160 [\"3660-3700 crash\", \"3800-7200 stopped\"] 9 [2, 2, 0]",
            "hour 3600 two 100 [\"3660-3700 crash\", \"3800-7200 stopped\"] 9 [2, 2, 0]",
            "start 32400",
            "stop 32401",
        ];
        assert_eq!(told(&signed(folder.path())), expected);
    }

    #[test]
    fn steps_of_the_clock_and_failures_are_events() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), &["one"], HOUR);
        let step = ClockStep {
            from: HOUR + 1800,
            until: HOUR + 7800,
            by_s: 6000,
        };
        store.refuse_changes(true);
        store
            .write(
                &Taking {
                    steps: &[step],
                    ..Taking::default()
                },
                HOUR + 7800,
            )
            .unwrap_err();
        store.refuse_changes(false);
        let back = ClockStep {
            from: HOUR + 7900,
            until: HOUR + 7900,
            by_s: -9,
        };
        store
            .write(
                &Taking {
                    hours: &[counts(HOUR + 7200, 1, 1)],
                    steps: &[step, back],
                    ..Taking::default()
                },
                HOUR + 7900,
            )
            .unwrap();
        store.flush(&[], HOUR + 5 * 3600).unwrap();
        store.flush(&[], HOUR + 100).unwrap();
        let expected = [
            "start 0",
            "unwritten 0",
            "clock 1800",
            "hour 0 one 1800 [\"1800-3600 unrecorded\"] 0 [0, 0, 0]",
            "clock 7900",
            "hour 7200 one 3000 [\"3600-7800 unrecorded\"] 1 [0, 0, 0]",
            "clock 10800",
        ];
        assert_eq!(told(&signed(folder.path())), expected);
        assert_eq!(store.time(), HOUR + 5 * 3600);
    }

    /// Writes at `at` that a list was not in force between two seconds.
    fn write_absence(store: &mut Store, list: u16, from: i64, until: i64, at: i64) {
        let span = OutOfForce {
            list,
            from: HOUR + from,
            until: HOUR + until,
        };
        let taking = Taking {
            out_of_force: &[span],
            ..Taking::default()
        };
        store.write(&taking, HOUR + at).unwrap();
    }

    fn reported(folder: &Path, now: i64) -> Vec<(String, i64, i64)> {
        let record = Reader::open(folder)
            .unwrap()
            .read(Stretch::default(), HOUR + now)
            .unwrap();
        let gaps = record.list_gaps.into_iter();
        gaps.map(|gap| (gap.list, gap.from - HOUR, gap.until - HOUR))
            .collect()
    }

    #[test]
    fn a_list_that_is_not_in_force_is_told_in_its_own_leaf() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), &["one", "two"], HOUR + 600);
        write_absence(&mut store, 1, 600, 700, 700);
        write_absence(&mut store, 1, 700, 3700, 3700);
        store.flush(&[counts(HOUR, 5, 5)], HOUR + 7200).unwrap();
        let expected = [
            "start 600",
            "hour 0 one 3000 [\"0-600 unrecorded\"] 0 [0, 0, 0]",
            "hour 0 two 0 [\"0-600 unrecorded\"] 0 [0, 0, 0] without 600-3600",
            "hour 3600 one 3600 [] 5 [0, 0, 0]",
            "hour 3600 two 3500 [] 5 [0, 0, 0] without 3600-3700",
        ];
        assert_eq!(told(&signed(folder.path())), expected);
        assert_eq!(reported(folder.path(), 7200), [("two".into(), 600, 3700)]);
    }

    #[test]
    fn a_restart_a_crash_and_a_jump_are_in_no_gap_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), &["gone", "one"], HOUR);
        write_absence(&mut store, 0, 0, 100, 100);
        store.end(HOUR + 100).unwrap();
        // Its name in the configuration is another one from here on.
        let mut store = open(folder.path(), &["new", "one"], HOUR + 150);
        write_absence(&mut store, 0, 150, 200, 200);
        drop(store);
        let mut store = open(folder.path(), &["new", "one"], HOUR + 300);
        let (span, step) = (
            OutOfForce {
                list: 0,
                from: HOUR + 300,
                until: HOUR + 7300,
            },
            ClockStep {
                from: HOUR + 400,
                until: HOUR + 7300,
                by_s: 6900,
            },
        );
        let taking = Taking {
            steps: &[step],
            out_of_force: &[span],
            ..Taking::default()
        };
        store.write(&taking, HOUR + 7300).unwrap();
        write_absence(&mut store, 0, 7300, 7310, 7310);
        let told = told(&signed(folder.path()));
        let gaps = "[\"100-150 stopped\", \"200-300 crash\", \"400-3600 unrecorded\"] 0 [0, 0, 0]";
        let hours: Vec<_> = told
            .iter()
            .filter(|leaf| leaf.starts_with("hour"))
            .collect();
        assert_eq!(
            hours,
            [
                &format!("hour 0 gone 0 {gaps} without 0-100"),
                &format!("hour 0 new 0 {gaps} without 150-200 300-400"),
                &format!("hour 0 one 250 {gaps}"),
            ]
        );
        let expected = [
            ("gone", 0, 100),
            ("new", 150, 200),
            ("new", 300, 400),
            ("new", 7300, 7310),
        ];
        let expected = expected.map(|(list, from, until)| (list.to_owned(), from, until));
        assert_eq!(reported(folder.path(), 7310), expected);
    }

    #[test]
    fn an_hour_of_a_run_that_did_not_note_it_does_not_say_that_all_were_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), &["one"], HOUR);
        store
            .connection()
            .execute_batch("UPDATE run SET notes_force = 0; UPDATE log SET is_salted = 0")
            .unwrap();
        store.flush(&[], HOUR + 3700).unwrap();
        // At a start an older log would be closed.
        let salted = |store: &Store, is_salted: i64| {
            let set = format!("UPDATE log SET is_salted = {is_salted}");
            store.connection().execute_batch(&set).unwrap();
        };
        salted(&store, 1);
        store.end(HOUR + 3700).unwrap();
        let mut store = open(folder.path(), &["one"], HOUR + 3700);
        salted(&store, 0);
        write_absence(&mut store, 0, 3700, 3800, 3800);
        store.flush(&[], HOUR + 7200).unwrap();
        store.flush(&[], HOUR + 3 * 3600).unwrap();
        let record = Reader::open(folder.path())
            .unwrap()
            .read(Stretch::default(), HOUR + 10_800)
            .unwrap();
        assert_eq!(record.unnoted_until, Some(HOUR + 3700));
        let told = told(&signed(folder.path()));
        let expected = [
            "hour 0 one 3600 [] 0 [0, 0, 0] of form 1",
            "hour 3600 one 3600 [] 0 [0, 0, 0] of form 1",
            "hour 7200 one 3600 [] 0 [0, 0, 0]",
        ];
        let hours = told.iter().filter(|leaf| leaf.starts_with("hour"));
        assert_eq!(hours.collect::<Vec<_>>(), expected.each_ref());
        assert_eq!(
            reported(folder.path(), 10_800),
            [("one".into(), 3700, 3800)]
        );
    }

    #[test]
    fn an_author_is_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), &[], HOUR).end(HOUR).unwrap();
        let other = crate::store::Author::new(
            crate::seal::SigningKey::generate("provider.example/one").unwrap(),
            "00",
        );
        let refused = Store::open(folder.path(), &[], other, HOUR)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("provider.example/one+800e37a9")
                && refused.contains("begin a new log"),
            "{refused}"
        );
    }
}

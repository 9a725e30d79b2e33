//! Reads the audit log back for its export, beside a running resolver or without one.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use crate::clock::UnixSeconds;
use crate::count::{Opening, Stretch};

use super::schema::{counts_file, open_to_read};
use super::{StoreError, entries};

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
        match reader.author() {
            Ok(Some(_)) => Ok(reader),
            // An error tells of a file of the first form, which no resolver has opened since there
            // are logs.
            Ok(None) | Err(_) => Err(StoreError::Missing {
                folder: folder.into(),
            }),
        }
    }

    /// The author's public key.
    pub fn author(&self) -> Result<Option<String>, StoreError> {
        self.connection
            .query_row("SELECT author FROM log", [], |row| row.get(0))
            .optional()
            .map_err(|source| self.failed(source))
    }

    /// All checkpoints, the smallest first; the last one covers all leaves that are signed for.
    pub fn checkpoints(&self) -> Result<Vec<SignedHead>, StoreError> {
        let read = || -> rusqlite::Result<Vec<SignedHead>> {
            let mut statement = self
                .connection
                .prepare("SELECT size, at, note FROM checkpoint ORDER BY size")?;
            let rows = statement.query_map([], |row| {
                Ok(SignedHead {
                    size: row.get::<_, i64>(0)?.unsigned_abs(),
                    at: row.get(1)?,
                    note: row.get(2)?,
                })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::{HourCounts, HourLeaf, Leaf, ListIdentity};
    use crate::seal::checkpoint::Checkpoint;
    use crate::seal::tree::{leaf_hash, root_of};
    use crate::seal::{Note, VerifyKey};
    use crate::store::author::author_of_tests as author;
    use crate::store::{ClockStep, Store, Taking};

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
                    assert_eq!(hour.imbalance(), None);
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
        format!(
            "hour {} {} {} {gaps:?} {} {carried:?}",
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
                    events: &[],
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

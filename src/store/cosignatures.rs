//! What witnesses have cosigned of the log, in a file of its own beside the counts, so that the
//! writing of these never waits for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::StoreError;
use super::damaged::set_aside;
use super::in_place::OpenFiles;
use super::schema::open_private;
use crate::clock::UnixSeconds;

/// The form of the file, in SQLite's `user_version`.
const FORM: i64 = 1;
const PATIENCE: Duration = Duration::from_secs(5);

const CREATE: &str = "
    CREATE TABLE cosignature (
        origin TEXT NOT NULL,
        size INTEGER NOT NULL,
        witness TEXT NOT NULL,
        at INTEGER NOT NULL,
        line TEXT NOT NULL,
        PRIMARY KEY (origin, size, witness)
    ) STRICT, WITHOUT ROWID;
";

/// One witness's word on one checkpoint, which was checked with the witness's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCosignature {
    /// The log.
    pub origin: String,
    /// How many leaves the checkpoint covers.
    pub size: u64,
    /// The witness's public key.
    pub witness: String,
    /// When the witness says that it cosigned.
    pub at: UnixSeconds,
    /// The signature's line, without a line feed.
    pub line: String,
}

/// The cosignatures of one state folder.
#[derive(Debug)]
pub struct Cosignatures {
    connection: Connection,
    file: PathBuf,
    files: OpenFiles,
}

/// Held while the file is opened.
static OPENING: Mutex<()> = Mutex::new(());

/// The file of the cosignatures in a state folder.
pub const COSIGNATURES_FILE: &str = "cosignatures.sqlite";

impl Cosignatures {
    /// Opens the file in `folder` for writing; it is made where it is not there. One that is
    /// damaged or that a newer version wrote is set aside: what was in it is asked of the
    /// witnesses again.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        // Witnesses are followed by a thread each: one of them sets it aside.
        let _turn = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        Self::open_whole(folder).or_else(|error| {
            let Some((word, _)) = error.unusable() else {
                return Err(error);
            };
            let Ok(aside) = set_aside(&folder.join(COSIGNATURES_FILE), word) else {
                return Err(error);
            };
            tracing::error!("{error}. Cosignatures are kept in a new file{aside}");
            Self::open_whole(folder)
        })
    }

    fn open_whole(folder: &Path) -> Result<Self, StoreError> {
        let file = folder.join(COSIGNATURES_FILE);
        open_private(&file)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::connect(file, flags, |connection, form| {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            if form == 0 {
                connection.execute_batch(&format!(
                    "BEGIN IMMEDIATE; {CREATE} PRAGMA user_version = {FORM}; COMMIT;"
                ))?;
            }
            check_whole(connection)
        })
    }

    /// Opens it for reading; none where no witness has cosigned anything yet.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, StoreError> {
        let file = folder.join(COSIGNATURES_FILE);
        if !file.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut is_empty = false;
        let opened = Self::connect(file, flags, |_, form| {
            is_empty = form == 0;
            Ok(())
        })?;
        Ok(Some(opened).filter(|_| !is_empty))
    }

    fn connect(
        file: PathBuf,
        flags: OpenFlags,
        prepare: impl FnOnce(&Connection, i64) -> rusqlite::Result<()>,
    ) -> Result<Self, StoreError> {
        let open = || -> rusqlite::Result<(Connection, i64)> {
            let connection = Connection::open_with_flags(&file, flags)?;
            connection.busy_timeout(PATIENCE)?;
            let form = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            Ok((connection, form))
        };
        let (connection, form) = open().map_err(|source| failed("open", &file, source))?;
        if form > FORM {
            return Err(StoreError::Newer {
                file,
                found: form,
                known: FORM,
            });
        }
        prepare(&connection, form).map_err(|source| failed("open", &file, source))?;
        Ok(Self {
            connection,
            files: OpenFiles::of(&file),
            file,
        })
    }

    /// Keeps a cosignature; on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, kept: &KeptCosignature) -> Result<(), StoreError> {
        self.files.check()?;
        let sql = "INSERT OR REPLACE INTO cosignature VALUES (?1, ?2, ?3, ?4, ?5)";
        let size = kept.size.cast_signed();
        let values = params![kept.origin, size, kept.witness, kept.at, kept.line];
        let written = self.connection.execute(sql, values);
        written
            .map(drop)
            .map_err(|source| failed("write the cosignatures to", &self.file, source))
    }

    /// The greatest checkpoint of a log that a witness cosigned.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn last(&self, origin: &str, witness: &str) -> Result<Option<KeptCosignature>, StoreError> {
        let sql = "SELECT size, at, line FROM cosignature
            WHERE origin = ?1 AND witness = ?2 ORDER BY size DESC LIMIT 1";
        let row = self.connection.query_row(sql, [origin, witness], |row| {
            Ok(KeptCosignature {
                origin: origin.to_owned(),
                size: row.get::<_, i64>(0)?.cast_unsigned(),
                witness: witness.to_owned(),
                at: row.get(1)?,
                line: row.get(2)?,
            })
        });
        row.optional()
            .map_err(|source| failed("read the cosignatures in", &self.file, source))
    }

    /// The lines under each checkpoint of a log, by its size, in the order of the witnesses' keys.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn of_log(&self, origin: &str) -> Result<BTreeMap<u64, Vec<String>>, StoreError> {
        let sql = "SELECT size, line FROM cosignature WHERE origin = ?1 ORDER BY size, witness";
        let read = || -> rusqlite::Result<BTreeMap<u64, Vec<String>>> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([origin])?;
            let mut lines = BTreeMap::<u64, Vec<String>>::new();
            while let Some(row) = rows.next()? {
                let size = row.get::<_, i64>(0)?.cast_unsigned();
                lines.entry(size).or_default().push(row.get(1)?);
            }
            Ok(lines)
        };
        read().map_err(|source| failed("read the cosignatures in", &self.file, source))
    }
}

/// Fails where a part of the file is damaged that opening it does not read.
fn check_whole(connection: &Connection) -> rusqlite::Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(corrupt, Some(found)))
}

fn failed(attempt: &'static str, file: &Path, source: rusqlite::Error) -> StoreError {
    StoreError::Sqlite {
        attempt,
        file: file.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(size: u64, witness: &str) -> KeptCosignature {
        KeptCosignature {
            origin: "provider.example/one".into(),
            size,
            witness: witness.into(),
            at: 1_767_225_600,
            line: format!("{witness} on {size}"),
        }
    }

    #[test]
    fn what_is_kept_comes_back_by_log_and_witness() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Cosignatures::read(folder.path()).unwrap().is_none());
        let open = || Cosignatures::open(folder.path()).unwrap();
        let cosignatures = open();
        let other = open();
        for (size, witness) in [(9, "b"), (9, "a"), (12, "a")] {
            cosignatures.keep(&kept(size, witness)).unwrap();
        }
        other.keep(&kept(12, "a")).unwrap();
        let last = |origin: &str, witness: &str| other.last(origin, witness).unwrap();
        assert_eq!(last("provider.example/one", "a"), Some(kept(12, "a")));
        assert_eq!(last("provider.example/one", "b"), Some(kept(9, "b")));
        assert_eq!(last("provider.example/two", "a"), None);
        let reader = Cosignatures::read(folder.path()).unwrap().unwrap();
        let lines = reader.of_log("provider.example/one").unwrap();
        let expected = [
            (9, vec!["a on 9".to_owned(), "b on 9".to_owned()]),
            (12, vec!["a on 12".to_owned()]),
        ];
        assert_eq!(lines, BTreeMap::from(expected));
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().flatten();
        names
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }

    /// What happens to a file, and the word that it is set aside with.
    type Fault = (&'static str, fn(&Path));

    const FAULTS: [Fault; 3] = [
        ("damaged", |file| {
            std::fs::write(file, "garbage".repeat(999)).unwrap();
        }),
        ("damaged", |file| {
            // The header is whole, and the tables are not.
            let mut octets = std::fs::read(file).unwrap();
            octets[4096..].fill(7);
            std::fs::write(file, octets).unwrap();
        }),
        ("newer", |file| {
            let file = Connection::open(file).unwrap();
            file.pragma_update(None, "user_version", FORM + 1).unwrap();
        }),
    ];

    #[test]
    fn a_file_that_is_of_no_use_is_set_aside() {
        for (word, happen) in FAULTS {
            let folder = tempfile::tempdir().unwrap();
            let before = Cosignatures::open(folder.path()).unwrap();
            before.keep(&kept(9, "a")).unwrap();
            drop(before);
            happen(&folder.path().join(COSIGNATURES_FILE));
            let opened = Cosignatures::open(folder.path()).unwrap();
            let other = Cosignatures::open(folder.path()).unwrap();
            opened.keep(&kept(12, "a")).unwrap();
            let last = other.last("provider.example/one", "a").unwrap();
            assert_eq!(last, Some(kept(12, "a")), "{word}");
            let begin = format!("{COSIGNATURES_FILE}.{word}-");
            let names = names(folder.path());
            let aside = names.iter().filter(|name| name.starts_with(&begin));
            let aside = aside.filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
            assert_eq!(aside.count(), 1, "{names:?}");
        }
    }

    #[test]
    fn a_file_that_was_deleted_is_noticed_at_the_next_writing() {
        for name in [COSIGNATURES_FILE, "cosignatures.sqlite-wal"] {
            let folder = tempfile::tempdir().unwrap();
            let opened = Cosignatures::open(folder.path()).unwrap();
            opened.keep(&kept(9, "a")).unwrap();
            std::fs::remove_file(folder.path().join(name)).unwrap();
            let lost = opened.keep(&kept(12, "a"));
            assert!(matches!(lost, Err(StoreError::Gone { .. })), "{lost:?}");
        }
    }
}

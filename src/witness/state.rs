//! What a witness remembers, in one SQLite file: the last checkpoint of each log that it cosigned,
//! and checkpoints that contradict it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::clock::UnixSeconds;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::tree::{Hash, root_of};

/// The form of the file, in SQLite's `user_version`.
const FORM: i64 = 1;
/// How long to wait for somebody who reads the file.
const PATIENCE: Duration = Duration::from_secs(5);
/// Contradictions that are kept of one log: whoever sees so many needs no more.
const CONTRADICTIONS_MAX: i64 = 100;

const CREATE: &str = "
    CREATE TABLE cosigned (
        origin TEXT PRIMARY KEY,
        size INTEGER NOT NULL,
        root BLOB NOT NULL CHECK (length(root) = 32),
        note TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE contradiction (
        origin TEXT NOT NULL,
        size INTEGER NOT NULL,
        root BLOB NOT NULL,
        at INTEGER NOT NULL,
        note TEXT NOT NULL,
        PRIMARY KEY (origin, size, root)
    ) STRICT, WITHOUT ROWID;
";

/// Why a witness cannot remember.
#[derive(Debug, thiserror::Error)]
pub enum StateFault {
    /// The file or its lock cannot be opened.
    #[error("cannot open {}: {source}; check the folder and its owner", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another process has it: two would cosign two stories.
    #[error("another witness runs with {}: stop it, or give this one a --state of its own",
            path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a newer version, or is something else.
    #[error("{} has form {found}, and this wardline knows form {FORM}: name the right --state, or \
             use the newer wardline", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The form in it.
        found: i64,
    },
    /// SQLite refused.
    #[error("{}: {source}; check the disk's free space and health", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
}

/// The open state; no other process can have it open so.
#[derive(Debug)]
pub struct WitnessState {
    connection: Mutex<Connection>,
    path: PathBuf,
    _lock: File,
}

/// The size and root that a log had when it was cosigned last; an empty log where it never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastCosigned {
    pub(super) size: u64,
    pub(super) root: Hash,
}

impl WitnessState {
    /// Opens the state, made for the owner alone where it is not there.
    ///
    /// # Errors
    /// When another process has it, or it cannot be read and written.
    pub fn open(path: &Path) -> Result<Self, StateFault> {
        let open = |path: &Path| {
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(true).mode(0o600);
            options.open(path).map_err(|source| StateFault::Open {
                path: path.into(),
                source,
            })
        };
        let lock_path = path.with_added_extension("lock");
        let lock = open(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateFault::Busy { path: path.into() }),
            Err(TryLockError::Error(source)) => {
                return Err(StateFault::Open {
                    path: lock_path,
                    source,
                });
            }
        }
        open(path)?;
        let failed = |source| StateFault::Sqlite {
            path: path.into(),
            source,
        };
        let connection = Connection::open(path).map_err(failed)?;
        let form = prepare(&connection).map_err(failed)?;
        if form != FORM {
            return Err(StateFault::Form {
                path: path.into(),
                found: form,
            });
        }
        Ok(Self {
            connection: Mutex::new(connection),
            path: path.into(),
            _lock: lock,
        })
    }

    /// Lets `judge` decide about a log by what was cosigned last of it, and remembers what it
    /// decided before this returns. No other decision comes in between.
    ///
    /// # Errors
    /// When it cannot be written; then nothing has changed.
    pub(super) fn decide<T>(
        &self,
        origin: &str,
        judge: impl FnOnce(&Turn<'_>, LastCosigned) -> rusqlite::Result<T>,
    ) -> Result<T, StateFault> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let decided = || -> rusqlite::Result<T> {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let last = read_last(&transaction, origin)?;
            let decision = judge(&Turn(&transaction), last)?;
            transaction.commit()?;
            Ok(decision)
        };
        decided().map_err(|source| StateFault::Sqlite {
            path: self.path.clone(),
            source,
        })
    }
}

/// One decision's hold on the state.
pub(super) struct Turn<'t>(&'t Transaction<'t>);

impl Turn<'_> {
    /// From now on this is the last checkpoint of its log.
    pub(super) fn remember(&self, checkpoint: &Checkpoint, note: &str) -> rusqlite::Result<()> {
        let Checkpoint { origin, size, root } = checkpoint;
        let sql = "INSERT OR REPLACE INTO cosigned VALUES (?1, ?2, ?3, ?4)";
        self.0
            .execute(sql, params![origin, size.cast_signed(), root, note])
            .map(drop)
    }

    /// Keeps a checkpoint that its author signed and that does not continue the last one; true
    /// where it is a new one.
    pub(super) fn keep_contradiction(
        &self,
        checkpoint: &Checkpoint,
        note: &str,
        at: UnixSeconds,
    ) -> rusqlite::Result<bool> {
        let Checkpoint { origin, size, root } = checkpoint;
        let sql = "INSERT OR IGNORE INTO contradiction SELECT ?1, ?2, ?3, ?4, ?5
            WHERE (SELECT count(*) FROM contradiction WHERE origin = ?1) < ?6";
        let size = size.cast_signed();
        let values = params![origin, size, root, at, note, CONTRADICTIONS_MAX];
        self.0.execute(sql, values).map(|changed| changed > 0)
    }
}

/// Brings a new file into the present form; gives the form that it has.
fn prepare(connection: &Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(PATIENCE)?;
    let form: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if form > FORM {
        return Ok(form);
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    // What was cosigned must be on disk before anybody has the cosignature.
    connection.pragma_update(None, "synchronous", "full")?;
    if form == 0 {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {CREATE} PRAGMA user_version = {FORM}; COMMIT;"
        ))?;
    }
    Ok(FORM)
}

fn read_last(transaction: &Transaction<'_>, origin: &str) -> rusqlite::Result<LastCosigned> {
    let row = transaction.query_row(
        "SELECT size, root FROM cosigned WHERE origin = ?1",
        [origin],
        |row| {
            let size: i64 = row.get(0)?;
            Ok(LastCosigned {
                size: size.cast_unsigned(),
                root: row.get(1)?,
            })
        },
    );
    let nothing = || LastCosigned {
        size: 0,
        root: root_of(&[]),
    };
    Ok(row.optional()?.unwrap_or_else(nothing))
}

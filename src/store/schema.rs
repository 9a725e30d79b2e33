//! The form of the file on disk, and how it is opened.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;
use super::whole::make_private_folder;

/// The form that this version writes, kept in SQLite's `user_version`.
pub(super) const FORM: i64 = 7;

/// How long one process waits for another one's turn at the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// `paper` and `gap` rows are only ever added; a count only ever grows.
const CREATE: &str = "
    CREATE TABLE run (
        run INTEGER PRIMARY KEY,
        boot TEXT NOT NULL UNIQUE,
        software TEXT NOT NULL,
        started INTEGER NOT NULL,
        last_flush INTEGER NOT NULL,
        ended INTEGER
    ) STRICT;
    CREATE TABLE gap (
        gap INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES run,
        from_s INTEGER NOT NULL,
        until_s INTEGER NOT NULL CHECK (until_s >= from_s),
        kind TEXT NOT NULL
    ) STRICT;
    CREATE TABLE list (
        list INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE paper (
        paper INTEGER PRIMARY KEY,
        list INTEGER NOT NULL REFERENCES list,
        since INTEGER NOT NULL,
        authority TEXT NOT NULL,
        legal_basis TEXT NOT NULL
    ) STRICT;
    CREATE TABLE hour (
        hour INTEGER PRIMARY KEY CHECK (hour % 3600 = 0),
        questions INTEGER NOT NULL CHECK (questions >= 0)
    ) STRICT;
    CREATE TABLE event (
        hour INTEGER NOT NULL REFERENCES hour,
        event TEXT NOT NULL,
        count INTEGER NOT NULL CHECK (count >= 0),
        PRIMARY KEY (hour, event)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE cell (
        hour INTEGER NOT NULL REFERENCES hour,
        list INTEGER NOT NULL REFERENCES list,
        kind TEXT NOT NULL,
        count INTEGER NOT NULL CHECK (count >= 0),
        PRIMARY KEY (hour, list, kind)
    ) STRICT, WITHOUT ROWID;
";

/// What form 2 adds: events, which are only ever added.
const ADD_JOURNAL: &str = "
    CREATE TABLE journal (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        list TEXT,
        serial INTEGER,
        manifest TEXT,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX journal_of_list ON journal (list, seq);
";

/// What form 3 adds: the audit log, whose leaves are only ever added. `alive` says when a run was
/// on record, by the log's own time, which never runs back.
const ADD_LOG: &str = "
    ALTER TABLE run ADD COLUMN configuration TEXT NOT NULL DEFAULT '';
    ALTER TABLE hour ADD COLUMN run INTEGER REFERENCES run;
    ALTER TABLE hour ADD COLUMN carried_in INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE hour ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE run_list (
        run INTEGER NOT NULL REFERENCES run,
        list INTEGER NOT NULL REFERENCES list,
        PRIMARY KEY (run, list)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE alive (
        alive INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES run,
        from_s INTEGER NOT NULL,
        until_s INTEGER NOT NULL CHECK (until_s >= from_s)
    ) STRICT;
    CREATE TABLE log (
        log INTEGER PRIMARY KEY CHECK (log = 0),
        author TEXT NOT NULL,
        size INTEGER NOT NULL,
        peaks BLOB NOT NULL,
        time INTEGER NOT NULL,
        next_hour INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE leaf (
        seq INTEGER PRIMARY KEY,
        octets BLOB NOT NULL
    ) STRICT;
    CREATE TABLE checkpoint (
        size INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        note TEXT NOT NULL
    ) STRICT;
    CREATE TABLE standing (
        list TEXT PRIMARY KEY,
        serial INTEGER,
        manifest TEXT
    ) STRICT, WITHOUT ROWID;
";

/// What form 4 adds: counts by entry, which stay here. An opening without a salt is of an hour that
/// is not committed to yet.
const ADD_ENTRIES: &str = "
    CREATE TABLE opening (
        hour INTEGER NOT NULL REFERENCES hour,
        list INTEGER NOT NULL REFERENCES list,
        salt BLOB,
        counts TEXT,
        PRIMARY KEY (hour, list)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE entry (
        hour INTEGER NOT NULL,
        list INTEGER NOT NULL,
        number INTEGER NOT NULL,
        count INTEGER NOT NULL CHECK (count > 0),
        PRIMARY KEY (hour, list, number),
        FOREIGN KEY (hour, list) REFERENCES opening
    ) STRICT, WITHOUT ROWID;
";

/// What form 5 adds: when a configured list was not in force. `notes_force` says of a run that it
/// notes that, so that no row means that all its lists were in force.
const ADD_OUT_OF_FORCE: &str = "
    ALTER TABLE run ADD COLUMN notes_force INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE not_in_force (
        run INTEGER NOT NULL REFERENCES run,
        list INTEGER NOT NULL REFERENCES list,
        from_s INTEGER NOT NULL,
        until_s INTEGER NOT NULL CHECK (until_s > from_s),
        PRIMARY KEY (run, list, from_s)
    ) STRICT, WITHOUT ROWID;
";

/// What form 6 adds: that the log's last checkpoint was once promised outside this folder, and the
/// logs that ended because the folder was found restored.
const ADD_ENDED_LOGS: &str = "
    CREATE TABLE promised (
        promised INTEGER PRIMARY KEY CHECK (promised = 0)
    ) STRICT;
    CREATE TABLE ended_log (
        log INTEGER PRIMARY KEY,
        author TEXT NOT NULL
    ) STRICT;
    CREATE TABLE ended_leaf (
        log INTEGER NOT NULL REFERENCES ended_log,
        seq INTEGER NOT NULL,
        octets BLOB NOT NULL,
        PRIMARY KEY (log, seq)
    ) STRICT;
    CREATE TABLE ended_checkpoint (
        log INTEGER NOT NULL REFERENCES ended_log,
        size INTEGER NOT NULL,
        at INTEGER NOT NULL,
        note TEXT NOT NULL,
        PRIMARY KEY (log, size)
    ) STRICT;
";

/// What form 7 adds: in which form a log's leaves are, from when on it tells, which hour is the
/// first that it has leaves of and which stretch its first run; and the notes by which keys follow
/// from one another.
const ADD_LOG_FORM: &str = "
    ALTER TABLE log ADD COLUMN is_salted INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE log ADD COLUMN begins INTEGER;
    ALTER TABLE log ADD COLUMN first_hour INTEGER;
    ALTER TABLE log ADD COLUMN first_alive INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE key_note (
        key_note INTEGER PRIMARY KEY,
        note TEXT NOT NULL
    ) STRICT;
";

/// Where the counts of a state folder are.
pub(super) fn counts_file(folder: &Path) -> PathBuf {
    folder.join("counts.sqlite")
}

/// Where the lock of a state folder is.
pub(super) fn lock_file(folder: &Path) -> PathBuf {
    folder.join("counts.lock")
}

/// Where what is restored lies in a state folder until all of it is there.
pub fn restoring_folder(folder: &Path) -> PathBuf {
    folder.join(".restoring")
}

/// Makes the folder, for the owner only; one that exists is left as it is.
pub(super) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    make_private_folder(folder).map_err(|source| StoreError::Open {
        path: folder.into(),
        source,
    })
}

/// Opens a file, made for the owner only if it is not there; SQLite gives its own side files the
/// same mode.
pub(super) fn open_private(path: &Path) -> Result<File, StoreError> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    opened.map_err(|source| StoreError::Open {
        path: path.into(),
        source,
    })
}

/// Opens the counts for writing and brings them into the present form.
pub(super) fn open_to_write(folder: &Path) -> Result<Connection, StoreError> {
    let file = counts_file(folder);
    open_private(&file)?;
    let failed = |source| StoreError::Sqlite {
        attempt: "open",
        file: file.clone(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&file, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    let form = check_form(&connection, &file)?;
    connection
        .pragma_update(None, "journal_mode", "wal")
        .map_err(failed)?;
    connection
        .pragma_update(None, "synchronous", "full")
        .map_err(failed)?;
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(failed)?;
    // What is deleted are counts by entry: they are to be gone from the disk.
    connection
        .pragma_update(None, "secure_delete", true)
        .map_err(failed)?;
    if form < FORM {
        let transaction = connection.transaction().map_err(failed)?;
        let steps = [
            CREATE,
            ADD_JOURNAL,
            ADD_LOG,
            ADD_ENTRIES,
            ADD_OUT_OF_FORCE,
            ADD_ENDED_LOGS,
            ADD_LOG_FORM,
        ];
        for step in steps
            .into_iter()
            .skip(usize::try_from(form).unwrap_or_default())
        {
            transaction.execute_batch(step).map_err(failed)?;
        }
        transaction
            .pragma_update(None, "user_version", FORM)
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(connection)
}

/// Opens the counts for reading only, beside a running resolver or without one.
pub(super) fn open_to_read(folder: &Path) -> Result<Connection, StoreError> {
    let file = counts_file(folder);
    match file.try_exists() {
        Ok(true) => {}
        Ok(false) => {
            return Err(StoreError::Missing {
                folder: folder.into(),
            });
        }
        Err(source) => return Err(StoreError::Open { path: file, source }),
    }
    // SQLite says only "unable to open" for a file that we may not read.
    File::open(&file).map_err(|source: io::Error| StoreError::Open {
        path: file.clone(),
        source,
    })?;
    let failed = |source| StoreError::Sqlite {
        attempt: "open",
        file: file.clone(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&file, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    let mut form = check_form(&connection, &file);
    if form.as_ref().is_err_and(lacks_room) && has_no_wal(&file) {
        // Nobody writes then, and all is in the file itself.
        let uri = format!("file:{}?immutable=1", escape_uri(&file));
        let flags = flags | OpenFlags::SQLITE_OPEN_URI;
        connection = Connection::open_with_flags(uri, flags).map_err(failed)?;
        form = check_form(&connection, &file);
    }
    match form? {
        0 => Err(StoreError::Missing {
            folder: folder.into(),
        }),
        _ => Ok(connection),
    }
}

/// Opens another database of the folder for reading only.
pub(super) fn connect_to_read(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(PATIENCE)?;
        Ok(connection)
    };
    open().map_err(|source| StoreError::Sqlite {
        attempt: "open",
        file: file.into(),
        source,
    })
}

/// Has SQLite no room for what readers share, as where the disk is full?
fn lacks_room(error: &StoreError) -> bool {
    let StoreError::Sqlite { source, .. } = error else {
        return false;
    };
    matches!(
        source.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
    )
}

/// Is nothing written that is not in the file itself?
fn has_no_wal(file: &Path) -> bool {
    let mut wal = file.as_os_str().to_owned();
    wal.push("-wal");
    Path::new(&wal)
        .metadata()
        .map_or(true, |wal| wal.len() == 0)
}

/// A path as SQLite's URIs have it.
fn escape_uri(path: &Path) -> String {
    let octets = path.as_os_str().as_encoded_bytes().iter();
    let escaped = octets.map(|octet| match octet {
        b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
            char::from(*octet).to_string()
        }
        octet => format!("%{octet:02X}"),
    });
    escaped.collect()
}

/// A file that an older version wrote, and this one did not open yet, lacks tables.
pub(super) fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)")?
        .query_row([name], |row| row.get(0))
}

/// The file's form, 0 for an empty file; refuses one that is newer than we know.
fn check_form(connection: &Connection, file: &Path) -> Result<i64, StoreError> {
    let form = connection.query_row("PRAGMA user_version", [], |row| row.get(0));
    match form.map_err(|source| StoreError::Sqlite {
        attempt: "read",
        file: file.into(),
        source,
    })? {
        found if found > FORM => Err(StoreError::Newer {
            file: file.into(),
            found,
            known: FORM,
        }),
        found => Ok(found),
    }
}

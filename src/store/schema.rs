//! The form of the file on disk, and how it is opened.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{Access, access};

use super::StoreError;
use super::forms::{FORM, FORMS};
use super::whole::{beside, make_private_folder};

/// How long one process waits for another one's turn at the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// The file of the counts in a state folder.
pub const COUNTS_FILE: &str = "counts.sqlite";
/// The file that whoever runs on a state folder holds locked.
const LOCK_FILE: &str = "counts.lock";
/// The folder in a state folder in which what is restored lies until all of it is there.
pub const RESTORING_FOLDER: &str = ".restoring";

/// Where the counts of a state folder are.
pub(super) fn counts_file(folder: &Path) -> PathBuf {
    folder.join(COUNTS_FILE)
}

/// Where the lock of a state folder is.
pub fn lock_file(folder: &Path) -> PathBuf {
    folder.join(LOCK_FILE)
}

/// Where what is restored lies in a state folder until all of it is there.
pub fn restoring_folder(folder: &Path) -> PathBuf {
    folder.join(RESTORING_FOLDER)
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
        for step in FORMS
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
    // SQLite says only "unable to open" for a file that we may not read. To open and close it here
    // would let go of the locks that a store of this process has on it (fcntl_locking(2)).
    access(&file, Access::READ_OK).map_err(|source| StoreError::Open {
        path: file.clone(),
        source: source.into(),
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
    beside(file, "-wal")
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

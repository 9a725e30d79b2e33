//! Copies a database as it is at one moment, while others write to it.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::StoreError;
use super::schema::{connect_to_read, counts_file, open_to_read};
use super::whole::folder_of;

/// How often somebody is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(20);

/// Copies the database `from` into the empty file `to`; what was deleted from it is not copied.
/// `note` is told how many octets are written, now and then.
///
/// # Errors
/// When it cannot be read, is newer than we know, or the copy cannot be written.
pub fn copy_database(from: &Path, to: &Path, note: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
    let folder = folder_of(from);
    let connection = if counts_file(folder) == from {
        open_to_read(folder)
    } else {
        connect_to_read(from)
    }?;
    let failed = |source| StoreError::Sqlite {
        attempt: "copy a database to",
        file: to.into(),
        source,
    };
    std::thread::scope(|scope| {
        let copying = scope.spawn(move || copy(&connection, to));
        while !copying.is_finished() {
            note(to.metadata().map_or(0, |copy| copy.len()));
            std::thread::sleep(TELL_EVERY);
        }
        let copied = copying.join();
        copied.unwrap_or(Err(rusqlite::Error::InvalidQuery))
    })
    .map_err(failed)
}

fn copy(connection: &Connection, to: &Path) -> rusqlite::Result<()> {
    // A path need not be text in Rust's sense, and SQLite takes it as the octets that it is.
    let name = ValueRef::Text(to.as_os_str().as_encoded_bytes());
    connection
        .execute("VACUUM INTO ?1", [ToSqlOutput::Borrowed(name)])
        .map(drop)
}

//! Counts that cannot be read any more are set aside, so that counting goes on; that they are
//! missing is noticed like any other emptied folder.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::StoreError;
use super::schema::counts_file;
use crate::clock::wall_s;

impl StoreError {
    /// Is the file of the counts none any more?
    fn is_damage(&self) -> bool {
        let Self::Sqlite { source, .. } = self else {
            return false;
        };
        let code = source.sqlite_error_code();
        matches!(
            code,
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
        )
    }
}

/// Where `error` says that the counts are damaged, set their files aside for whoever wants to see
/// what is left of them.
///
/// # Errors
/// The same error where it says something else, or where the files cannot be moved.
pub fn set_damaged_aside(folder: &Path, error: StoreError) -> Result<(), StoreError> {
    if !error.is_damage() {
        return Err(error);
    }
    let (file, at) = (counts_file(folder), wall_s());
    for end in ["", "-wal", "-shm"] {
        let place = PathBuf::from(format!("{}{end}", file.display()));
        let aside = PathBuf::from(format!("{}.damaged-{at}{end}", file.display()));
        if place.exists() && fs::rename(&place, &aside).is_err() {
            return Err(error);
        }
    }
    tracing::error!(
        "{error}. The counts are set aside and begun anew: the log before is not whole"
    );
    Ok(())
}

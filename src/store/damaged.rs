//! Counts that cannot be read, or that a newer version wrote, are set aside, so that counting goes
//! on in a new file and a new log that says so.

use std::fs;
use std::path::Path;

use rusqlite::ErrorCode;

use super::StoreError;
use super::arrival::StateArrival;
use super::schema::counts_file;
use super::whole::{beside, free_name};
use crate::clock::wall_s;

impl StoreError {
    /// Will the file of the counts never be of use again?
    pub(super) fn is_final(&self) -> bool {
        self.unusable().is_some()
    }

    /// Why the file of the counts is of no use any more, if it is not.
    fn unusable(&self) -> Option<(&'static str, StateArrival)> {
        let source = match self {
            Self::Newer { .. } => return Some(("newer", StateArrival::Newer)),
            Self::Sqlite { source, .. } => source,
            _ => return None,
        };
        let code = source.sqlite_error_code();
        matches!(
            code,
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
        )
        .then_some(("damaged", StateArrival::Damaged))
    }
}

/// Where `error` says that the counts are damaged, or of a newer form, set their files aside for
/// whoever can still read them, and note it for the log that begins anew.
///
/// # Errors
/// The same error where it says something else, or where the files cannot be moved.
pub fn set_unusable_aside(folder: &Path, error: StoreError) -> Result<(), StoreError> {
    let Some((word, arrival)) = error.unusable() else {
        return Err(error);
    };
    let file = counts_file(folder);
    let aside = free_name(&beside(&file, &format!(".{word}")), wall_s());
    // First of all: a log that begins anew must not be taken for the one before.
    if arrival.write(folder).is_err() {
        return Err(error);
    }
    for end in ["-shm", "-wal", ""] {
        let place = beside(&file, end);
        if place.exists() && fs::rename(&place, beside(&aside, end)).is_err() {
            return Err(error);
        }
    }
    tracing::error!(
        "{error}. Counting goes on in a new file and a new log; what was there is set aside as {}",
        aside.display()
    );
    Ok(())
}

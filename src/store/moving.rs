//! Moving the audit log to another machine: its last leaf here says so, and only who has the token
//! of the move goes on with it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::arrival::StateArrival;
use super::lock::lock_state;
use super::restored::{checkpoint, moved_to};
use super::schema::{counts_file, has_table, open_to_read};
use super::steps::Ending;
use super::whole::write_whole;
use super::write::Store;
use crate::list::Hash;
use crate::record::MovedLog;

/// The token of a move whose archive is not written yet.
pub const MOVING_FILE: &str = "moving.json";

/// The state folder of a log that was moved away; no resolver starts on it while this lives.
#[derive(Debug)]
pub struct MovedState {
    /// What shows that the log was moved to whoever has it.
    pub token: Hash,
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct MoveUnderWay {
    token: Hash,
}

/// Ends the log in `folder` here: its last leaf says that it goes on where the token is. A move
/// whose archive could not be written goes on with the token that it had. `open` opens the store of
/// that folder.
///
/// # Errors
/// When a resolver runs, when the log was moved away before, or when it cannot be written.
pub fn move_away(
    folder: &Path,
    open: impl FnOnce() -> Result<Store, StoreError>,
) -> Result<MovedState, StoreError> {
    if let Some(moved) = find_moved(folder)? {
        let lock = lock_state(folder)?;
        let tokens = [read_token(folder), token_of_arrival(folder)?];
        let token = tokens.into_iter().flatten();
        let token = token
            .into_iter()
            .find(|token| moved.0 == MovedLog::to(token));
        return match token {
            Some(token) => Ok(MovedState { token, _lock: lock }),
            None => Err(StoreError::Moved {
                folder: folder.into(),
                origin: moved.1,
            }),
        };
    }
    let store = open()?;
    let mut token = Hash([0; 32]);
    let unwritable = |source| StoreError::Open {
        path: folder.join(MOVING_FILE),
        source,
    };
    getrandom::fill(&mut token.0).map_err(|error| unwritable(io::Error::other(error)))?;
    let written = serde_json::to_vec(&MoveUnderWay { token }).map_err(io::Error::from);
    written
        .and_then(|text| write_whole(folder, MOVING_FILE, text.as_slice()))
        .map_err(unwritable)?;
    let at = store.time();
    let lock = store.end_as(at, Ending::Move(token))?;
    Ok(MovedState { token, _lock: lock })
}

impl MovedState {
    /// The archive is written: the log goes on where it is restored, and nowhere else.
    ///
    /// # Errors
    /// When the token cannot be deleted here.
    pub fn finish(self, folder: &Path) -> Result<(), StoreError> {
        StateArrival::forget(folder);
        match fs::remove_file(folder.join(MOVING_FILE)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError::Open {
                path: folder.join(MOVING_FILE),
                source,
            }),
            _ => Ok(()),
        }
    }
}

/// Where the log in the folder was moved to, and its name.
fn find_moved(folder: &Path) -> Result<Option<(MovedLog, String)>, StoreError> {
    let connection = open_to_read(folder)?;
    let failed = |source| StoreError::Sqlite {
        attempt: "read",
        file: counts_file(folder),
        source,
    };
    let moved = moved_to(&connection).map_err(failed)?;
    let head = checkpoint(&connection, None).map_err(failed)?;
    Ok(moved.zip(head.map(|head| head.origin)))
}

/// Has a log in the folder gone on from the move with this token? Nothing where there are no
/// counts.
///
/// # Errors
/// When they cannot be read.
pub fn has_arrived(folder: &Path, token: &Hash) -> Result<Option<bool>, StoreError> {
    let connection = match open_to_read(folder) {
        Err(StoreError::Missing { .. }) => return Ok(None),
        opened => opened?,
    };
    let said = format!("\"arrived\":\"{token}\"").into_bytes();
    let find = || -> rusqlite::Result<bool> {
        for table in ["leaf", "ended_leaf"] {
            let find = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE instr(octets, ?1) > 0)");
            if has_table(&connection, table)?
                && connection.query_row(&find, [&said], |row| row.get(0))?
            {
                return Ok(true);
            }
        }
        Ok(false)
    };
    find().map(Some).map_err(|source| StoreError::Sqlite {
        attempt: "read",
        file: counts_file(folder),
        source,
    })
}

fn read_token(folder: &Path) -> Option<Hash> {
    let text = fs::read(folder.join(MOVING_FILE)).ok()?;
    let under_way: MoveUnderWay = serde_json::from_slice(&text).ok()?;
    Some(under_way.token)
}

fn token_of_arrival(folder: &Path) -> Result<Option<Hash>, StoreError> {
    Ok(match StateArrival::read(folder)? {
        Some(StateArrival::Move { token }) => Some(token),
        _ => None,
    })
}

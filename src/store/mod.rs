//! Keeps the counts on disk, so that they outlive the process, and reads them back for the report.
//!
//! Files in the state folder: `counts.sqlite` (WAL, full sync), `counts.lock`, which the running
//! resolver holds, and `cosignatures.sqlite` where there are witnesses. What a list blocked is kept
//! under the list's id and never under its place in the configuration. Every second is either in an
//! hour's row, in which zero means zero, or in a gap; a second in which the resolver ran and a list
//! was not in force is in a gap of that list. When an hour is over, its counts become leaves of the
//! audit log, in the same transaction. What the log has signed is promised a second time outside
//! the folder, so that an older copy of it is noticed.

mod append;
mod arrival;
mod author;
mod clock_track;
mod cosignatures;
mod damaged;
mod entries;
#[cfg(test)]
pub(crate) mod failing;
mod flush_times;
mod flusher;
mod forms;
mod frame;
mod gaps;
mod going_back;
mod handover;
mod health;
mod hours;
mod in_place;
mod journal;
mod key_file;
mod leaves;
mod lock;
mod log;
mod misfit;
mod moving;
mod opened_late;
mod out_of_force;
mod promises;
mod read;
mod restored;
mod run;
mod run_change;
mod schema;
mod snapshot;
mod steps;
mod successor;
mod unlogged;
mod untold;
mod versions;
mod whole;
mod withdrawn;
mod write;

use std::path::PathBuf;

pub use arrival::{ARRIVAL_FILE, StateArrival};
pub use author::{Author, NextKey, origin, prepare_next_key};
pub use cosignatures::{COSIGNATURES_FILE, Cosignatures, KeptCosignature};
pub use damaged::set_unusable_aside;
pub use flusher::Keeper;
pub use going_back::WayBack;
pub use health::{Flushing, Health};
pub use journal::{Journal, JournalEvent, JournalRow};
pub use key_file::{is_log_of, read_log_key, read_or_make_key};
pub use leaves::{LogReader, SignedHead};
pub use lock::lock_state;
pub use moving::{MOVING_FILE, MovedState, has_arrived, move_away};
pub use out_of_force::{InForceSince, ListForce, OutOfForce};
pub use promises::{ListPromise, LogPromise, Promises};
pub use read::Reader;
pub use run_change::{RunChange, RunSettings, StoreOpener};
pub use schema::{COUNTS_FILE, RESTORING_FOLDER, lock_file, restoring_folder};
pub use snapshot::copy_database;
pub use steps::ClockStep;
pub use unlogged::Unlogged;
pub use whole::{
    Haste, beside, folder_of, free_name, make_private_folder, sync_folder_of, write_file,
    write_whole,
};
pub use write::{Store, Taking};

/// What can go wrong with the counts on disk.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The state folder or a file in it cannot be made or opened.
    #[error("cannot open {}: {source}; check who owns the folder and the key `state` in the \
             configuration", path.display())]
    Open {
        /// The folder or file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Another process holds the folder.
    #[error("another wardline runs with the state folder {}: stop it, or give this one a folder of \
             its own (key `state`)", folder.display())]
    Busy {
        /// The state folder.
        folder: PathBuf,
    },
    /// There is nothing to read.
    #[error("no counts in {}: no resolver has run with this state folder yet; check the key \
             `state` in the configuration", folder.display())]
    Missing {
        /// The state folder.
        folder: PathBuf,
    },
    /// The file's form is not one that this version knows.
    #[error("{} has form {found}, and this wardline knows forms up to {known}: use the newer \
             wardline that wrote it, or move the file away", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// The form in it.
        found: i64,
        /// The newest form that we know.
        known: i64,
    },
    /// The file of the log's key holds something else.
    #[error("{}: {reason}; put the right key back, or correct `provider`, `resolver` and `key` in \
             [audit]", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The log on disk was signed with another key.
    #[error("{} holds the audit log of {written}, and the key is {given}: put the old key back, or \
             begin a new log with another `state` folder", file.display())]
    Author {
        /// The file.
        file: PathBuf,
        /// The public key of the log.
        written: String,
        /// The public key that was given.
        given: String,
    },
    /// The log on disk goes on at another place.
    #[error("{}: the audit log {origin} was moved away from here: restore the archive of the move \
             where it is to go on", folder.display())]
    Moved {
        /// The state folder.
        folder: PathBuf,
        /// The log.
        origin: String,
    },
    /// The file that is open is not in its place any more.
    #[error("{} was deleted or replaced while wardline ran", file.display())]
    Gone {
        /// The file.
        file: PathBuf,
    },
    /// A restore was cut short.
    #[error("{}: a restore was cut short: run `wardline state restore BACKUP --replace` again",
            folder.display())]
    HalfRestored {
        /// The state folder.
        folder: PathBuf,
    },
    /// SQLite refused.
    #[error(
        "cannot {attempt} {}: {source}; check the disk's free space and health",
        file.display()
    )]
    Sqlite {
        /// What was tried.
        attempt: &'static str,
        /// The file.
        file: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// The thread that writes the counts could not be started, or it died.
    #[error("the thread that writes the counts failed: {0}; restart wardline")]
    Thread(String),
}

impl StoreError {
    /// May counting begin later, while questions are answered? Not beside another process with the
    /// same state: that one answers, and both would write.
    pub(crate) const fn is_passing(&self) -> bool {
        !matches!(self, Self::Busy { .. } | Self::Thread(_))
    }
}

//! Copies of the state folder: made while the resolver runs or not, checked and put in place again,
//! and taken along when a resolver moves to another machine.
//!
//! A backup is a folder, or one tar file of it: `manifest.json`, which names each file with its
//! SHA-256, and below `state`, `keys` and `promised` the files themselves, for the owner alone.

mod copy;
mod manifest;
mod place;
mod restore;
mod source;
mod tree;
mod write;

use std::io;
use std::path::{Path, PathBuf};

pub use manifest::{BackupFile, BackupManifest};
pub use restore::{Existing, RestoreJob, RestoredAs, RestoredBackup, restore};
pub use write::{BackupJob, BackupKeys, BackupMove, write_backup};

use crate::store::StoreError;

/// Why a backup was not made or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system refuses.
    #[error("{}: cannot be {attempt}: {source}", path.display())]
    System {
        /// What was tried.
        attempt: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It would do harm.
    #[error("{}: {reason}", path.display())]
    Refused {
        /// The file or folder.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The counts or the log.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    fn system(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::System {
            attempt,
            path,
            source,
        }
    }

    /// Is a file gone that was there before?
    fn is_missing(&self) -> bool {
        matches!(self, Self::System { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    fn refused(path: &Path, reason: impl Into<String>) -> Self {
        Self::Refused {
            path: path.into(),
            reason: reason.into(),
        }
    }
}

/// How much of a long work is done, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// So many are done.
    pub done: u64,
    /// Of so many, as far as is known before.
    pub total: u64,
}

/// Who is told of the progress.
pub type Watcher<'a> = &'a mut dyn FnMut(Progress);

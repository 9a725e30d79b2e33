//! How the state folder came to be as it is, where it did not just stay: restored from a backup,
//! moved here from another machine, or begun anew in the place of counts that could not be used.
//!
//! Whoever brings that about notes it in `arrival.json`; the next start says it in the log and
//! forgets it.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::whole::write_whole;
use crate::list::Hash;

/// The file in the state folder.
pub const ARRIVAL_FILE: &str = "arrival.json";

/// How the state folder came to be as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StateArrival {
    /// It was restored from a backup, with this log in it.
    Backup {
        /// The log's name; none where it has none.
        origin: Option<String>,
    },
    /// It was moved here, with its log.
    Move {
        /// What shows that it was moved to here.
        token: Hash,
    },
    /// The counts could not be read any more, and were set aside.
    Damaged,
    /// A newer version had written the counts, and they were set aside.
    Newer,
}

impl StateArrival {
    /// Reads what is noted in the state folder; nothing where it just stayed.
    ///
    /// # Errors
    /// When it is there and cannot be read, or says nothing that is known here.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, StoreError> {
        let path = folder.join(ARRIVAL_FILE);
        let failed = |source| StoreError::Open {
            path: path.clone(),
            source,
        };
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Notes it; on disk when this returns.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        write_whole(folder, ARRIVAL_FILE, text.as_slice())
    }

    /// The log has said it.
    pub(super) fn forget(folder: &Path) {
        if let Err(error) = fs::remove_file(folder.join(ARRIVAL_FILE))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(
                "{}: cannot be deleted ({error}); delete it, or the next start says again what it \
                 says",
                folder.join(ARRIVAL_FILE).display()
            );
        }
    }
}

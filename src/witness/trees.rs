//! The resolver's own log, as its witnesses are shown it: the last checkpoint, and proofs that are
//! made beside the running writer.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::seal::Note;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::growth::BlockRoots;
use crate::seal::tree::Hash;
use crate::store::{LogReader, StoreError};

/// What was read of the log that was looked at last; all witnesses share it.
#[derive(Debug)]
pub(super) struct LogTrees {
    state: PathBuf,
    roots: Mutex<(String, BlockRoots)>,
}

/// A checkpoint of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnCheckpoint {
    pub(super) checkpoint: Checkpoint,
    pub(super) note: Note,
}

impl LogTrees {
    pub(super) fn new(state: &Path) -> Self {
        Self {
            state: state.into(),
            roots: Mutex::default(),
        }
    }

    /// The last checkpoint; none where there is no log yet, or none that can be read now.
    pub(super) fn last(&self) -> Option<OwnCheckpoint> {
        let signed = LogReader::open(&self.state)
            .ok()?
            .last_checkpoint()
            .ok()??;
        let note = Note::parse(signed.note.as_bytes()).ok()?;
        let checkpoint = Checkpoint::parse(note.text()).ok()?;
        Some(OwnCheckpoint { checkpoint, note })
    }

    /// The proof that our log has grown from `old` leaves to this checkpoint.
    ///
    /// # Errors
    /// When the leaves cannot be read, or are not those that were signed for.
    pub(super) fn prove(&self, old: u64, own: &Checkpoint) -> Result<Vec<Hash>, String> {
        let reader = LogReader::open(&self.state).map_err(|error| error.to_string())?;
        let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        if roots.0 != own.origin {
            *roots = (own.origin.clone(), BlockRoots::default());
        }
        let read = |from, until| reader.leaf_hashes(from, until);
        let growth = roots
            .1
            .prove(old, own.size, read)
            .map_err(|error: StoreError| error.to_string())?;
        if growth.root == own.root {
            return Ok(growth.proof);
        }
        // What was remembered may be of a log that is gone.
        *roots = <(String, BlockRoots)>::default();
        Err(format!(
            "the leaves of the audit log {} are not those that were signed for: check it with \
             `wardline audit export` and `wardline audit verify`",
            own.origin
        ))
    }
}

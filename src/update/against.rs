//! What goes along when a text is built aside from its keeper: what it is held against, and how its
//! file is waited for.

use std::path::PathBuf;
use std::sync::Arc;

use super::disk::Stored;
use super::front::LiveFront;
use super::listed::ListSource;
use super::refusal::Cause;
use super::text::{FileWriter, Quiet, Stamp};
use crate::list::Hash;
use crate::list::guard::Code;

/// What a text is built and held against, aside from its keeper.
pub(super) struct Against {
    pub(super) list: Arc<ListSource>,
    pub(super) front: Arc<LiveFront>,
    /// The list is in force: its changes have a budget, and the doors go first.
    pub(super) is_live: bool,
    /// The digest of the text in force.
    pub(super) in_force: String,
    /// The digest of the text that the operator went back from.
    pub(super) left: Option<String>,
    /// The highest serial that was accepted.
    pub(super) highest: Option<u64>,
    /// What the operator lets pass.
    pub(super) passes: Vec<(Hash, Code)>,
    /// What is tried out already, and where its text is.
    pub(super) on_trial: Option<(Hash, Stored)>,
    /// The list's folder, where it is kept.
    pub(super) folder: Option<PathBuf>,
}

impl Against {
    /// Where the text of this is, if it is tried out already.
    pub(super) fn stored_trial(&self, known_by: Hash) -> Option<Stored> {
        let on_trial = self.on_trial.filter(|(tried, _)| *tried == known_by);
        on_trial.map(|(_, stored)| stored)
    }

    /// Wait until the list's own file has come to rest, where that is what is offered; what it
    /// looks like then.
    pub(super) fn rest(&self, rest: Option<&Rest>) -> (FileSight, Result<Option<Stamp>, Cause>) {
        let (Some(rest), Some(path)) = (rest, self.list.path()) else {
            return (FileSight::Unread, Ok(None));
        };
        match rest.quiet.settle(path, &rest.writer) {
            Ok(stamp) => (FileSight::Read(stamp), Ok(Some(stamp))),
            Err(Cause::StillWritten) => (FileSight::Unread, Err(Cause::StillWritten)),
            Err(cause) => (FileSight::Missing, Err(cause)),
        }
    }
}

/// How the list's own file is waited for.
pub(super) struct Rest {
    pub(super) quiet: Quiet,
    pub(super) writer: Box<dyn Fn() -> FileWriter + Send>,
}

/// What the list's own file looked like when it was read.
pub(super) enum FileSight {
    /// It is no file, or goes on being written to: nothing was read.
    Unread,
    /// It could not be read.
    Missing,
    /// It was read like this.
    Read(Stamp),
}

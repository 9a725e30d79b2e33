//! What all keepers share: the snapshot that the doors read, and what no list may block.

use std::sync::{Arc, Mutex, PoisonError};

use crate::list::guard::Protected;
use crate::list::{ListIndex, Table};
use crate::policy::{Live, Shadow, Snapshot};

/// The snapshot in force, and how it is replaced.
pub(super) struct LiveFront {
    pub(super) live: Arc<Live>,
    pub(super) protected: Protected,
    /// Held for the instant of a swap; inside are replaced snapshots that somebody may still read.
    retired: Mutex<Vec<Arc<Snapshot>>>,
}

impl LiveFront {
    pub(super) fn new(live: Arc<Live>, protected: Protected) -> Self {
        Self {
            live,
            protected,
            retired: Mutex::default(),
        }
    }

    /// Put the snapshot in force that follows the present one; the old one is kept until its last
    /// reader has left, so that no door has to free it.
    pub(super) fn swap<T>(&self, next: impl FnOnce(&Snapshot) -> (Snapshot, T)) -> T {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, told) = next(&self.live.load());
        retired.push(self.live.swap(Arc::new(next)));
        told
    }

    /// Put another list in a place, which may be the next free one.
    pub(super) fn set_list(&self, list: ListIndex, table: Arc<Table>, removed: Option<Arc<Table>>) {
        self.replace(|before| before.with_list(list, table, removed));
    }

    /// Have a list's next table tried out, or none.
    pub(super) fn set_shadow(&self, list: ListIndex, shadow: Option<Arc<Shadow>>) {
        self.replace(|before| before.with_shadow(list, shadow));
    }

    /// As [`Self::swap`], with nothing to tell.
    pub(super) fn replace(&self, next: impl FnOnce(&Snapshot) -> Snapshot) {
        self.swap(|before| (next(before), ()));
    }

    /// Free replaced snapshots that nobody reads any more.
    pub(super) fn tidy(&self) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }
}

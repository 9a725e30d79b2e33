//! What all keepers share: the snapshot that the doors read, and what no list may block.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::monotonic;
use crate::list::guard::Protected;
use crate::list::{ListIndex, Table};
use crate::policy::{Live, Shadow, Snapshot};

/// The longest that is waited for batches that are being answered.
const SETTLE: Duration = Duration::from_secs(1);
const SETTLE_LOOK: Duration = Duration::from_millis(1);

/// The snapshot in force, and how it is replaced.
pub(super) struct LiveFront {
    pub(super) live: Arc<Live>,
    protected: ArcSwap<Protected>,
    /// Held for the instant of a swap; inside are replaced snapshots that somebody may still read.
    retired: Mutex<Vec<Arc<Snapshot>>>,
}

impl LiveFront {
    pub(super) fn new(live: Arc<Live>, protected: Protected) -> Self {
        Self {
            live,
            protected: ArcSwap::from_pointee(protected),
            retired: Mutex::default(),
        }
    }

    /// Put the snapshot in force that follows the present one; the old one is kept until its last
    /// reader has left, so that no door has to free it.
    pub(super) fn swap<T>(&self, next: impl FnOnce(&Snapshot) -> (Snapshot, T)) -> T {
        let mut retired = self.retired();
        let (next, told) = next(&self.live.load());
        retired.push(self.live.swap(Arc::new(next)));
        told
    }

    /// What no list may block.
    pub(super) fn protected(&self) -> Arc<Protected> {
        self.protected.load_full()
    }

    /// From now on no list that comes may block these.
    pub(super) fn protect(&self, protected: Protected) {
        self.protected.store(Arc::new(protected));
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

    /// Wait until nobody answers by a replaced snapshot any more, but not for long; then nothing
    /// more is counted by one.
    pub(super) fn settle(&self) {
        let until = monotonic() + SETTLE;
        loop {
            self.tidy();
            let is_settled = self.retired().is_empty();
            if is_settled || monotonic() >= until {
                return;
            }
            std::thread::sleep(SETTLE_LOOK);
        }
    }

    /// Free replaced snapshots that nobody reads any more.
    pub(super) fn tidy(&self) {
        self.retired()
            .retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Arc<Snapshot>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

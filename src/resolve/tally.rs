//! How often servers gave usable replies, counted by whoever asks them.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters behind [`super::ResolveTotals`] and [`super::Upstream`].
#[derive(Debug, Default)]
pub(super) struct ResolveTally {
    pub(super) answers: AtomicU64,
    pub(super) failures: AtomicU64,
}

impl ResolveTally {
    pub(super) fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

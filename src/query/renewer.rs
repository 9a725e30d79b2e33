//! The queue of answers that are due to be renewed, and the counts of what became of them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::resolve;

/// Renewals that wait to be begun; more are left out, for the next client to ask for.
const WAITING_MAX: usize = 1000;

/// How answers are kept alive.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a client waits before it is given an answer that has run out (RFC 8767 section 5).
    pub stale_after: Duration,
    /// Renew answers that are asked for in the last tenth of their lives.
    pub prefetch: bool,
}

/// What was done to keep answers alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewals {
    /// Answers given after they had run out.
    pub stale: u64,
    /// Answers renewed ahead of time.
    pub renewed: u64,
}

/// Answers that are due to be renewed.
pub type Due = mpsc::Receiver<resolve::Question>;

/// The renewals that are due, and what became of others.
pub(super) struct Renewer {
    pub(super) due: mpsc::Sender<resolve::Question>,
    pub(super) stale: AtomicU64,
    pub(super) renewed: AtomicU64,
}

impl Renewer {
    pub(super) fn new() -> (Arc<Self>, Due) {
        let (due, receiver) = mpsc::channel(WAITING_MAX);
        let renewer = Self {
            due,
            stale: AtomicU64::new(0),
            renewed: AtomicU64::new(0),
        };
        (Arc::new(renewer), receiver)
    }
}

//! How long misses wait until a task takes them up. With more to do than can be done, every further
//! miss would only make all others late, until clients have gone and servers seem silent and are
//! asked again; so nothing more is begun then.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::clock;

/// With the oldest miss waiting for longer, all are late.
const LATE: Duration = Duration::from_millis(20);
/// No miss waits.
const NONE_US: u64 = u64::MAX;

/// When the oldest of the misses came that wait to be taken up.
pub(super) struct Backlog {
    began: Instant,
    /// In microseconds since then.
    oldest_us: AtomicU64,
}

impl Backlog {
    pub(super) fn new() -> Self {
        Self {
            began: clock::monotonic(),
            oldest_us: AtomicU64::new(NONE_US),
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_micros() as u64
    }

    /// A miss that came at `arrived` is about to wait.
    pub(super) fn note_waiting(&self, arrived: Instant) {
        // Where others wait already, the oldest stays; whether this was the first need not be known
        // to the last microsecond.
        if self.oldest_us.load(Relaxed) == NONE_US {
            self.oldest_us.store(self.micros(arrived), Relaxed);
        }
    }

    /// The miss that came at `arrived` is taken up, and those behind it, if any, came later.
    pub(super) fn note_taken(&self, arrived: Instant, is_last: bool) {
        self.oldest_us.store(
            if is_last {
                NONE_US
            } else {
                self.micros(arrived)
            },
            Relaxed,
        );
    }

    /// Do misses wait for too long?
    pub(super) fn is_late(&self, now: Instant) -> bool {
        let oldest_us = self.oldest_us.load(Relaxed);
        oldest_us != NONE_US && self.micros(now).saturating_sub(oldest_us) > LATE.as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_late_while_the_oldest_waits_for_too_long() {
        let backlog = Backlog::new();
        let at = |ms| backlog.began + Duration::from_millis(ms);
        assert!(!backlog.is_late(at(1000)), "none waits");
        backlog.note_waiting(at(1000));
        backlog.note_waiting(at(1015));
        assert_eq!(
            [1020, 1021].map(|ms| backlog.is_late(at(ms))),
            [false, true]
        );
        backlog.note_taken(at(1015), false);
        assert_eq!(
            [1035, 1036].map(|ms| backlog.is_late(at(ms))),
            [false, true]
        );
        backlog.note_taken(at(1030), true);
        assert!(!backlog.is_late(at(5000)));
    }
}

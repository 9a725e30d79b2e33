//! Whether the runtime comes to its tasks in time. With more to do than can be done, every further task would only make all others late, until
//! clients have gone and servers seem silent and are asked again; so nothing more is begun then.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::clock;

/// How often the pulse beats.
const BEAT: Duration = Duration::from_millis(20);
/// A beat that is overdue for so long shows that all tasks are.
const LATE: Duration = Duration::from_millis(20);

/// The beat of a runtime.
pub(super) struct Pulse {
    began: Instant,
    /// When the next beat is due, in microseconds since then.
    due_us: AtomicU64,
    wanted: Notify,
}

/// There is nothing to do, and nothing late.
const NEVER_US: u64 = u64::MAX / 2;

impl Pulse {
    pub(super) fn new() -> Self {
        Self { began: clock::monotonic(), due_us: AtomicU64::new(NEVER_US), wanted: Notify::new() }
    }

    /// There is work: beat at least once more.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Beat for ever while there is work; in a task of its own, which has to wait for its turn as all others do.
    pub(super) async fn beat(&self) {
        loop {
            self.wanted.notified().await;
            let due = self.began.elapsed() + BEAT;
            self.due_us.store(due.as_micros() as u64, Relaxed);
            tokio::time::sleep_until((self.began + due).into()).await;
            self.due_us.store(NEVER_US, Relaxed);
        }
    }

    /// Is a beat overdue?
    pub(super) fn is_late(&self, now: Instant) -> bool {
        let now_us = now.saturating_duration_since(self.began).as_micros() as u64;
        now_us > self.due_us.load(Relaxed) + LATE.as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_runtime_that_is_held_up_is_late_until_it_beats_again() {
        let pulse = std::sync::Arc::new(Pulse::new());
        assert!(!pulse.is_late(clock::monotonic()), "it has not begun");
        let beating = std::sync::Arc::clone(&pulse);
        tokio::spawn(async move { beating.beat().await });
        pulse.want();
        tokio::time::sleep(BEAT / 2).await;
        std::thread::sleep(BEAT + LATE + LATE);
        assert!(pulse.is_late(clock::monotonic()));
        tokio::time::sleep(BEAT).await;
        assert!(!pulse.is_late(clock::monotonic()));
    }
}

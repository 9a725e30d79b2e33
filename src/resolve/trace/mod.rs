//! Records how one question is resolved, for an operator who asks how; nothing is recorded of
//! anybody else's questions. The recorder goes along in the question's budget.

mod exchange_watch;
mod reply_seen;
mod step;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub(super) use self::exchange_watch::{ExchangeWatch, OpenExchange, Transport};
pub use self::step::{
    ExchangeOutcome, ExchangeStep, KeysKnownBy, ReplySeen, ServerStanding, TcpReason, TraceEvent,
    TraceStep, ZoneStanding,
};
use crate::clock;

/// Steps recorded of one question; its budget of 50 packets and 64 signatures takes fewer.
const STEPS_MAX: usize = 1_000;
/// Octets of all steps together, as JSON.
const OCTETS_MAX: usize = 512 * 1024;

/// Records the steps of one resolution.
#[derive(Debug)]
pub struct Trace {
    began: Instant,
    recorded: Mutex<Recorded>,
    packets: AtomicU32,
}

#[derive(Debug, Default)]
struct Recorded {
    steps: Vec<TraceStep>,
    octets: usize,
    left_out: u32,
}

/// What was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceReport {
    /// The steps, in the order in which they ended.
    pub steps: Vec<TraceStep>,
    /// How many more there were than are kept.
    pub left_out: u32,
    /// Packets and questions over TCP and TLS that were sent in all, also by steps left out.
    pub packets: u32,
}

impl Trace {
    /// A recorder that begins now.
    pub(super) fn begin() -> Self {
        Self {
            began: clock::monotonic(),
            recorded: Mutex::default(),
            packets: AtomicU32::new(0),
        }
    }

    /// Record a step, as far as there is room.
    pub(super) fn note(&self, event: TraceEvent) {
        let step = TraceStep {
            at_us: self.began.elapsed().as_micros() as u64,
            event,
        };
        let octets = serde_json::to_vec(&step).map_or(OCTETS_MAX, |json| json.len());
        let mut recorded = self.lock();
        let is_full = recorded.steps.len() >= STEPS_MAX || recorded.octets + octets > OCTETS_MAX;
        if is_full {
            recorded.left_out += 1;
            return;
        }
        recorded.octets += octets;
        recorded.steps.push(step);
    }

    /// Something was sent.
    fn note_packet(&self) {
        self.packets.fetch_add(1, Relaxed);
    }

    /// What was recorded so far.
    pub fn report(&self) -> TraceReport {
        let recorded = self.lock();
        TraceReport {
            steps: recorded.steps.clone(),
            left_out: recorded.left_out,
            packets: self.packets.load(Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(octets: usize) -> TraceEvent {
        TraceEvent::Retry {
            why: "x".repeat(octets),
        }
    }

    #[test]
    fn steps_and_octets_are_bounded() {
        let many = Trace::begin();
        for _ in 0..STEPS_MAX + 3 {
            many.note(retry(1));
        }
        let report = many.report();
        assert_eq!((report.steps.len(), report.left_out), (STEPS_MAX, 3));
        let large = Trace::begin();
        for _ in 0..3 {
            large.note(retry(OCTETS_MAX / 2));
        }
        large.note(retry(1));
        let report = large.report();
        assert_eq!((report.steps.len(), report.left_out), (2, 2));
    }
}

//! How often names may be asked about over the control socket: whoever has it may learn of a name
//! whether it is listed or cached, and is not to try out names by the million.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::protocol::ControlReply;
use crate::clock::monotonic;

/// Requests of one kind in any [`SPAN`].
const REQUESTS_MAX: usize = 10;
const SPAN: Duration = Duration::from_secs(1);

/// The rates of the requests that tell of names, each by itself.
#[derive(Default)]
pub struct RequestRates {
    /// `why`.
    pub(super) why: RequestRate,
    /// `lookup`.
    pub(super) lookup: RequestRate,
    /// `servers`.
    pub(super) servers: RequestRate,
}

/// When requests of one kind were last fulfilled.
#[derive(Default)]
pub(super) struct RequestRate(Mutex<VecDeque<Instant>>);

impl RequestRate {
    /// Fulfil a request, or refuse it in words where there were as many as there may be.
    pub(super) fn within(
        &self,
        command: &str,
        fulfil: impl FnOnce() -> ControlReply,
    ) -> ControlReply {
        if self.take(monotonic()) {
            return fulfil();
        }
        ControlReply::Failed {
            message: format!(
                "more than {REQUESTS_MAX} requests for `{command}` within a second: try again a \
                 second later"
            ),
        }
    }

    /// Is one more allowed at `now`?
    fn take(&self, now: Instant) -> bool {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while taken
            .front()
            .is_some_and(|first| now.saturating_duration_since(*first) >= SPAN)
        {
            taken.pop_front();
        }
        let is_allowed = taken.len() < REQUESTS_MAX;
        if is_allowed {
            taken.push_back(now);
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_ten() {
        let (rate, start) = (RequestRate::default(), monotonic());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let taken = |ms: u64| (0..20).filter(|_| rate.take(at(ms))).count();
        assert_eq!(taken(0), REQUESTS_MAX);
        assert_eq!(taken(999), 0);
        assert_eq!(taken(1000), REQUESTS_MAX);
        // They need not come all at once.
        assert!(rate.take(at(2500)));
        assert_eq!(taken(2900), REQUESTS_MAX - 1);
        assert_eq!(taken(3500), 1);
        let reply = |rate: &RequestRate| {
            rate.within("why", || ControlReply::Receipts {
                receipts: Vec::new(),
            })
        };
        let late = RequestRate::default();
        for _ in 0..REQUESTS_MAX {
            late.take(monotonic() + Duration::from_secs(60));
        }
        let ControlReply::Failed { message } = reply(&late) else {
            panic!("one too many");
        };
        assert!(message.contains("10 requests for `why`"), "{message}");
        assert!(matches!(
            reply(&RequestRate::default()),
            ControlReply::Receipts { .. }
        ));
    }
}

//! When the counts are written, and which hour they belong to.

use std::time::Duration;

use super::ClockStep;
use crate::clock::{ClockReading, UnixSeconds, hour_start};

const HOUR: Duration = Duration::from_secs(3600);

/// A flush that is due at the full hour and comes no later than this still books on the hour
/// before.
const LATE_S: i64 = 2;

/// A step of the wall clock between two readings, by the log's time: `last` is that of the first.
///
/// A machine that slept looks the same, since the monotonic clock stands still meanwhile: nothing
/// was asked of the resolver then.
pub(super) fn step(
    last: UnixSeconds,
    before: ClockReading,
    now: ClockReading,
) -> Option<ClockStep> {
    let until = now.wall.max(last);
    before.step_s(now).map(|by_s| ClockStep {
        from: if by_s > 0 {
            last.saturating_add(before.elapsed_s(now)).min(until)
        } else {
            until
        },
        until,
        by_s,
    })
}

/// How long to sleep: until the next flush, or until just after the full hour.
pub(super) fn pause(since_epoch: Duration, flush_every: Duration) -> Duration {
    let into_hour = Duration::new(
        since_epoch.as_secs() % HOUR.as_secs(),
        since_epoch.subsec_nanos(),
    );
    flush_every.min(HOUR.saturating_sub(into_hour) + Duration::from_millis(1))
}

/// The moment that counts taken `now` are booked on: just after the full hour still the hour
/// before, otherwise the clock's word.
pub(super) fn booking_time(last_taking: UnixSeconds, now: UnixSeconds) -> UnixSeconds {
    let hour = hour_start(now);
    let just_closed = hour_start(last_taking) + 3600 == hour && now - hour <= LATE_S;
    if just_closed { hour - 1 } else { now }
}

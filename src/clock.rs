//! The one place that reads time: elapsed time is monotonic, dates are wall-clock seconds in UTC.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01T00:00:00Z.
pub type UnixSeconds = i64;

/// A monotonic moment, for time-outs and measurements.
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The wall clock in whole seconds; a clock set before 1970 reads as 0.
pub fn wall_s() -> UnixSeconds {
    since_epoch().as_secs().try_into().unwrap_or(UnixSeconds::MAX)
}

/// The wall clock with its fraction, for aligning timers to the hour.
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The start of the UTC hour that `at` falls in.
pub const fn hour_start(at: UnixSeconds) -> UnixSeconds {
    at - at.rem_euclid(3600)
}

/// Seconds since the process first asked, from the monotonic clock; starts at 1.
pub fn uptime_s() -> u32 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = *START.get_or_init(monotonic);
    u32::try_from(start.elapsed().as_secs()).unwrap_or(u32::MAX).saturating_add(1)
}

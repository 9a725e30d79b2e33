//! The one place that reads time: elapsed time is monotonic, dates are wall-clock seconds in UTC.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01T00:00:00Z.
pub type UnixSeconds = i64;

/// An hour in seconds.
pub const HOUR_S: UnixSeconds = 3600;

/// A monotonic moment, for time-outs and measurements.
pub fn monotonic() -> Instant {
    #[cfg(test)]
    if let Some(moment) = faked::moment() {
        return moment;
    }
    Instant::now()
}

/// The wall clock in whole seconds; a clock set before 1970 reads as 0.
pub fn wall_s() -> UnixSeconds {
    since_epoch()
        .as_secs()
        .try_into()
        .unwrap_or(UnixSeconds::MAX)
}

/// The wall clock in milliseconds.
pub fn now_ms() -> i64 {
    i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX)
}

/// The wall clock with its fraction, for aligning timers to the hour.
pub fn since_epoch() -> Duration {
    #[cfg(test)]
    if let Some(wall) = faked::wall() {
        return wall;
    }
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockReading {
    /// The wall clock.
    pub wall: UnixSeconds,
    /// The other one.
    pub monotonic: Instant,
}

impl ClockReading {
    /// Both clocks now.
    pub fn now() -> Self {
        Self {
            wall: wall_s(),
            monotonic: monotonic(),
        }
    }

    /// Both clocks so many seconds before.
    pub fn before(self, s: u32) -> Self {
        let monotonic = self.monotonic.checked_sub(Duration::from_secs(s.into()));
        Self {
            wall: self.wall - UnixSeconds::from(s),
            monotonic: monotonic.unwrap_or(self.monotonic),
        }
    }

    /// How many seconds went by until a later reading.
    pub fn elapsed_s(self, later: Self) -> i64 {
        let elapsed = later.monotonic.saturating_duration_since(self.monotonic);
        i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
    }

    /// By how many seconds the wall clock was set forward until a later reading, or back where
    /// that is below zero; nothing where it only drifted. A machine that slept looks like one
    /// whose clock was set forward, since the monotonic clock stands still meanwhile.
    pub fn step_s(self, later: Self) -> Option<i64> {
        let by_s = later.wall - self.wall - self.elapsed_s(later);
        (by_s.abs() > DRIFT_S).then_some(by_s)
    }
}

/// The wall clock may drift from the monotonic one by this much between two readings; more is a
/// step.
const DRIFT_S: i64 = 2;

/// The start of the UTC hour that `at` falls in.
pub const fn hour_start(at: UnixSeconds) -> UnixSeconds {
    at - at.rem_euclid(HOUR_S)
}

/// The wall clock in whole seconds, counted as far as 32 bits go: for TTLs and for signatures'
/// times (RFC 4034 section 3.1.5).
///
/// Lifetimes follow the wall clock as the signatures in the answers do, so that both run out
/// together after the machine was suspended.
pub fn wall_u32_s() -> u32 {
    since_epoch().as_secs() as u32
}

/// Clocks that stand where a test sets them, for tests that have the process for themselves.
#[cfg(test)]
pub(crate) mod faked {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::time::{Duration, Instant};

    static BEGUN: OnceLock<Instant> = OnceLock::new();
    static AHEAD_S: AtomicU64 = AtomicU64::new(0);
    static WALL_S: AtomicU64 = AtomicU64::new(0);

    /// From now on neither clock goes by itself, and the wall clock shows this.
    pub(crate) fn set(wall_s: u64) {
        WALL_S.store(wall_s, SeqCst);
        BEGUN.get_or_init(Instant::now);
    }

    /// Moves the monotonic clock on.
    pub(crate) fn advance(by: Duration) {
        AHEAD_S.fetch_add(by.as_secs(), SeqCst);
    }

    pub(super) fn wall() -> Option<Duration> {
        BEGUN.get()?;
        Some(Duration::from_secs(WALL_S.load(SeqCst)))
    }

    pub(super) fn moment() -> Option<Instant> {
        Some(*BEGUN.get()? + Duration::from_secs(AHEAD_S.load(SeqCst)))
    }
}

//! What a run knows of its wall clock by the monotonic one: whether it was ahead, and since when.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::ClockStep;
use super::going_back::WAITS_S;
use crate::clock::{ClockReading, UnixSeconds};
use crate::count::WithdrawnTime;
use crate::record::Moment;

/// Steps forward that are remembered.
const STEPS_KEPT: usize = 64;
/// A clock that comes back this near to where it was before a step forward has undone the step.
const UNDONE_S: i64 = 60;
/// The more hours would be withdrawn, the longer is waited whether the clock comes forward again,
/// as one does that a time server sets after a start.
const SURE_AFTER_HOUR: Duration = Duration::from_secs(5);
const SURE_AFTER_MAX: Duration = Duration::from_secs(1800);

/// The steps of the wall clock in one run.
#[derive(Debug, Default)]
pub(super) struct ClockTrack {
    /// By how much the wall clock was set in all.
    set_by_s: i64,
    /// The steps forward: when, by the log's time, and by how much it had been set before.
    forward: VecDeque<(UnixSeconds, i64)>,
    /// Since when the clock stands behind the log and was not set again.
    behind_since: Option<Instant>,
}

impl ClockTrack {
    /// Notes how the clock was set before this reading, if it was, and how it stands to the log.
    pub(super) fn note(
        &mut self,
        step: Option<ClockStep>,
        log_time: UnixSeconds,
        clocks: ClockReading,
    ) {
        if let Some(step) = step {
            if step.by_s > 0 {
                self.forward.push_back((step.from, self.set_by_s));
                self.forward
                    .drain(..self.forward.len().saturating_sub(STEPS_KEPT));
            }
            self.set_by_s = self.set_by_s.saturating_add(step.by_s);
            self.behind_since = None;
        }
        let is_behind = log_time - clocks.wall > WAITS_S;
        self.behind_since = is_behind.then(|| *self.behind_since.get_or_insert(clocks.monotonic));
    }

    /// Does the clock stand farther behind the log than the log waits for?
    pub(super) const fn is_behind(&self) -> bool {
        self.behind_since.is_some()
    }

    /// Since when the clock was ahead, by the log's time; none where it was not seen to go ahead
    /// and to come back to where it had been.
    pub(super) fn ahead_since(&self) -> Option<UnixSeconds> {
        let is_undone =
            |(_, before): &&(UnixSeconds, i64)| (self.set_by_s - before).abs() <= UNDONE_S;
        self.forward.iter().rev().find(is_undone).map(|(at, _)| *at)
    }

    /// For how long the clock must yet stand behind the log before so many hours are withdrawn.
    pub(super) fn unsure_for(&self, hours: u64, now: Instant) -> Duration {
        if self.ahead_since().is_some() {
            return Duration::ZERO;
        }
        let hours = u32::try_from(hours).unwrap_or(u32::MAX);
        let wait = SURE_AFTER_HOUR.saturating_mul(hours).min(SURE_AFTER_MAX);
        let stood = self
            .behind_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        wait.saturating_sub(stood)
    }
}

/// So long it is told that the log went back.
pub(super) const TOLD_FOR_S: i64 = 7 * 86_400;

/// What is said of the log's clock.
pub(super) fn tell_withdrawn(time: &WithdrawnTime) -> String {
    format!(
        "the clock was ahead, up to {}, and came right on {}: {} questions in {} hours since {} \
         are in no hour of the audit log any more, and in no month of a report",
        Moment(time.until),
        Moment(time.back_to),
        time.questions,
        time.hours,
        Moment(time.since)
    )
}

/// What is said of the log's clock.
pub(super) fn tell_unsure(log_time: UnixSeconds) -> String {
    format!(
        "the clock is behind the audit log, which has come to {}: if it stays so, the log goes \
         back, and what is dated later than the clock is in no hour any more; check the clock",
        Moment(log_time)
    )
}

/// What is said of the log's clock.
pub(super) fn tell_stands_still(log_time: UnixSeconds) -> String {
    format!(
        "the clock is behind the audit log, which cannot go back: all counts stand in the hour of \
         {} until the clock has come so far; check the clock",
        Moment(log_time)
    )
}

/// Says at once that the clock was set.
pub(super) fn warn_of(step: ClockStep) {
    let (by_s, until) = (step.by_s, Moment(step.until));
    if by_s < 0 {
        tracing::warn!(
            by_s,
            "the clock was set back: until it reaches {until} again, or the audit log goes back, \
             what is counted stands in that hour"
        );
    } else {
        tracing::warn!(
            by_s,
            "the clock was set forward, or the machine slept: up to {until} that time is on record \
             as missing"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const AT: UnixSeconds = 1_767_225_600;

    fn step(from: UnixSeconds, by_s: i64) -> Option<ClockStep> {
        Some(ClockStep {
            from,
            until: from.max(from + by_s),
            by_s,
        })
    }

    #[test]
    fn a_step_forward_that_is_undone_says_since_when_the_clock_was_ahead() {
        let now = ClockReading::now();
        let note = |track: &mut ClockTrack, step| track.note(step, AT, now);
        let mut track = ClockTrack::default();
        // The machine slept for two hours, then the clock went ahead twice.
        note(&mut track, step(AT, 7200));
        note(&mut track, step(AT + 9000, 3 * DAY));
        assert_eq!(track.ahead_since(), None);
        note(&mut track, step(AT + 4 * DAY, DAY));
        note(&mut track, step(AT + 6 * DAY, -DAY + 3));
        assert_eq!(
            track.ahead_since(),
            Some(AT + 4 * DAY),
            "half of it is undone"
        );
        note(&mut track, step(AT + 7 * DAY, -3 * DAY));
        assert_eq!(track.ahead_since(), Some(AT + 9000));
        note(&mut track, step(AT + 8 * DAY, -DAY));
        assert_eq!(track.ahead_since(), None, "as far back the run never was");
    }

    #[test]
    fn who_would_withdraw_much_waits_for_long() {
        let mut clocks = ClockReading::now();
        clocks.wall = AT;
        let mut track = ClockTrack::default();
        track.note(None, AT + WAITS_S, clocks);
        assert!(!track.is_behind(), "for so long the log waits");
        track.note(None, AT + WAITS_S + 1, clocks);
        assert!(track.is_behind());
        let later = clocks.monotonic + Duration::from_secs(9);
        assert_eq!(track.unsure_for(2, later), Duration::from_secs(1));
        assert_eq!(track.unsure_for(1, later), Duration::ZERO);
        assert_eq!(track.unsure_for(9000, later), Duration::from_secs(1791));
        // Set once more: it may come right by itself.
        clocks.monotonic = later;
        track.note(step(AT, -9), AT + WAITS_S + 1, clocks);
        assert_eq!(track.unsure_for(2, later), Duration::from_secs(10));
    }
}

//! Which hours of a log stand: those that were told and not withdrawn since.

use std::collections::{BTreeSet, VecDeque};

use crate::clock::{HOUR_S, UnixSeconds, hour_start};
use crate::record::Withdrawal;

/// Hours that follow each other without a break are one stretch; the last ones are remembered.
const STRETCHES_KEPT: usize = 65_536;
/// Steps forward of a run that are remembered.
const STEPS_KEPT: usize = 64;
/// A log waits for a clock that is behind by less.
const WAITS_S: i64 = HOUR_S;

/// The hours that stand at a leaf, and where the log may go back to.
#[derive(Debug, Default)]
pub(super) struct StandingHours {
    /// Stretches of hours: their first one and their end.
    stretches: VecDeque<(UnixSeconds, UnixSeconds)>,
    /// When the clock was set forward in the run that goes on.
    forward: VecDeque<UnixSeconds>,
}

impl StandingHours {
    /// An hour was told.
    pub(super) fn tell(&mut self, hour: UnixSeconds) {
        match self.stretches.back_mut() {
            Some((_, end)) if *end == hour => *end += HOUR_S,
            _ => self.stretches.push_back((hour, hour + HOUR_S)),
        }
        if self.stretches.len() > STRETCHES_KEPT {
            self.stretches.pop_front();
        }
    }

    /// A run began.
    pub(super) fn start(&mut self) {
        self.forward.clear();
    }

    /// The clock was set forward.
    pub(super) fn set_forward(&mut self, at: UnixSeconds) {
        self.forward.push_back(at);
        if self.forward.len() > STEPS_KEPT {
            self.forward.pop_front();
        }
    }

    /// Goes back, where that is what a log may do at `at`; `first` is where the log begins.
    pub(super) fn go_back(
        &mut self,
        at: UnixSeconds,
        withdrawal: Withdrawal,
        first: UnixSeconds,
    ) -> bool {
        let (since, until) = (withdrawal.since.0, withdrawal.until.0);
        let limits = self.forward.iter().copied().filter(|step| *step <= until);
        let limits: BTreeSet<_> = limits.chain([until]).map(hour_start).collect();
        let is_allowed = at == hour_start(at)
            && at - until > WAITS_S
            && limits
                .iter()
                .any(|limit| since == self.told_before(*limit, first));
        if is_allowed {
            while self
                .stretches
                .pop_back_if(|(from, _)| *from >= since)
                .is_some()
            {}
            if let Some((_, end)) = self.stretches.back_mut() {
                *end = since.min(*end);
            }
        }
        is_allowed
    }

    /// The end of the last hour before `limit` that stands; where the log begins, at the latest at
    /// `limit`, if there is none.
    fn told_before(&self, limit: UnixSeconds, first: UnixSeconds) -> UnixSeconds {
        let last = self.stretches.iter().rev().find(|(from, _)| *from < limit);
        last.map_or(first.min(limit), |(_, end)| (*end).min(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Moment;

    const DAY: i64 = 86_400;

    fn withdrawal(since: i64, until: i64) -> Withdrawal {
        Withdrawal {
            since: Moment(since),
            until: Moment(until),
        }
    }

    #[test]
    fn a_log_goes_back_to_the_hour_of_the_clock_or_of_a_step_forward() {
        let told = || {
            let mut hours = StandingHours::default();
            for hour in [0, 3600, 4 * 3600, 3 * DAY] {
                hours.tell(hour);
            }
            hours
        };
        let at = 3 * DAY + 3600;
        for (since, until, is_right) in [
            (5 * 3600, 6 * 3600, true),
            (4 * 3600, 4 * 3600 + 9, false),
            (7200, 4 * 3600 + 9, true),
            (7200, 3 * 3600, true),
            (3600, 2 * 3600 - 1, true),
            (0, 3599, true),
            (3600, 3599, false),
            (7200, 6 * 3600, false),
            (5 * 3600, 3 * DAY, false),
        ] {
            let allowed = told().go_back(at, withdrawal(since, until), 0);
            assert_eq!(allowed, is_right, "{since} {until}");
        }
        assert!(!told().go_back(at + 1, withdrawal(5 * 3600, 6 * 3600), 0));
        let mut hours = told();
        hours.set_forward(4 * 3600 + 60);
        assert!(hours.go_back(at, withdrawal(7200, 2 * DAY), 0));
        assert_eq!(hours.stretches, [(0, 7200)]);
        // A log that began while the clock was ahead.
        let mut hours = StandingHours::default();
        hours.tell(3 * DAY);
        assert!(hours.go_back(at, withdrawal(3600, 3600 + 9), 3 * DAY));
        assert!(hours.stretches.is_empty());
    }
}

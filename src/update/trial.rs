//! Between the guard and being in force: a new issue is tried out on the traffic first, where its
//! list is configured so.
//!
//! While it is in shadow every question is held against it and answered as if it were not there.
//! Then it comes in force by itself, or is held back where it would block more than the list may.
//! Somebody who floods us with listed names can hold a list back in this way, but neither take one
//! out of force nor delay an emergency removal. A restart goes on where the trial was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::listed::Stage;
use super::state::{ListChange, TrialState};
use crate::clock::{UnixSeconds, monotonic, wall_s};
use crate::list::guard::{Code, GuardFinding};
use crate::policy::{Shadow, Trial};

/// So few questions say nothing about a list, whatever share of all they are.
const HITS_MIN: u64 = 10;

/// What is tried out.
pub(super) struct OnTrial<T> {
    pub(super) tried: T,
    pub(super) shadow: Arc<Shadow>,
    entries: u64,
    begun: Instant,
    since: UnixSeconds,
    /// What was counted in earlier runs, and for how long it was tried out in them.
    earlier: (Trial, Duration),
}

impl<T> OnTrial<T> {
    pub(super) fn begin(tried: T, shadow: Arc<Shadow>, entries: u64) -> Self {
        Self {
            tried,
            shadow,
            entries,
            begun: monotonic(),
            since: wall_s(),
            earlier: (Trial::default(), Duration::ZERO),
        }
    }

    /// Go on from where an earlier run was.
    pub(super) fn resume(&mut self, since: UnixSeconds, tried: Duration, counted: Trial) {
        (self.since, self.earlier) = (since, (counted, tried));
    }

    pub(super) fn counted(&self) -> Trial {
        let (earlier, now) = (self.earlier.0, self.shadow.trial());
        Trial {
            questions: earlier.questions + now.questions,
            hits: earlier.hits + now.hits,
        }
    }

    /// What was counted in earlier runs.
    pub(super) const fn counted_before(&self) -> Trial {
        self.earlier.0
    }

    /// For how long it has been tried out.
    pub(super) fn elapsed(&self) -> Duration {
        self.earlier.1 + self.begun.elapsed()
    }

    pub(super) const fn since(&self) -> UnixSeconds {
        self.since
    }

    fn left(&self, stage: &Stage) -> Duration {
        stage.time.saturating_sub(self.elapsed())
    }

    pub(super) fn state(&self, stage: &Stage, serial: Option<u64>) -> TrialState {
        let Trial { questions, hits } = self.counted();
        TrialState {
            serial,
            entries: self.entries,
            since: self.since,
            until: wall_s().saturating_add_unsigned(self.left(stage).as_secs()),
            questions,
            hits,
        }
    }

    pub(super) fn change(&self, stage: &Stage) -> ListChange {
        ListChange::Staged {
            entries: self.entries,
            left_s: self.left(stage).as_secs(),
        }
    }

    pub(super) fn is_due(&self, stage: &Stage) -> bool {
        self.left(stage).is_zero() || self.counted().questions >= stage.questions_max
    }
}

impl Stage {
    /// What is wrong with an issue that was tried out, if anything is.
    pub(super) fn judge(&self, trial: Trial) -> Option<GuardFinding> {
        let percent = trial.hits as f64 * 100.0 / trial.questions.max(1) as f64;
        (trial.hits > HITS_MIN && percent > self.percent_max).then(|| GuardFinding {
            code: Code::Shadow,
            count: trial.hits,
            percent: Some((percent, self.percent_max)),
            allowed: (trial.questions as f64 * self.percent_max / 100.0) as u64,
            first: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_questions_holds_a_list_back() {
        let stage = Stage {
            percent_max: 2.0,
            ..Stage::default()
        };
        let judge = |questions, hits| {
            stage
                .judge(Trial { questions, hits })
                .map(|finding| finding.to_string())
        };
        assert_eq!(
            [judge(0, 0), judge(10, 10), judge(1000, 20)],
            [None, None, None],
            "too few to say anything, or within"
        );
        assert_eq!(
            judge(1000, 21).unwrap(),
            "guard.shadow: 21 questions would be blocked that are not blocked now, 2.1 % of all questions; allowed are 2.0 %; mend the list, \
             or accept it as it is by overriding guard.shadow"
        );
    }
}

//! Between the guard and being in force: a new issue is tried out on the traffic first, where its
//! list is configured so.
//!
//! While it is in shadow every question is held against it and answered as if it were not there.
//! Then it comes in force by itself, or is held back where it would block more than the list may.
//! Somebody who floods us with listed names can hold a list back in this way, but neither take one
//! out of force nor delay an emergency removal.

use std::sync::{Arc, TryLockError};
use std::time::{Duration, Instant};

use serde_json::json;
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::candidate::{Candidate, Held};
use super::keeper::Slot;
use super::refusal::Cause;
use super::source::Text;
use super::state::{ListChange, TrialState};
use super::{Updater, lock};
use crate::clock::{UnixSeconds, monotonic, wall_s};
use crate::list::Hash;
use crate::list::guard::{Code, GuardFinding};
use crate::policy::{Shadow, Trial};
use crate::store::EventKind;

/// So few questions say nothing about a list, whatever share of all they are.
const HITS_MIN: u64 = 10;

/// How a list's new issues are tried out before they come in force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// For how long; zero for not at all.
    pub time: Duration,
    /// It ends earlier with so many questions.
    pub questions_max: u64,
    /// An issue is held back when it would block more than this share of the questions, in per
    /// cent, and nothing in force blocks them.
    pub percent_max: f64,
}

impl Default for Stage {
    /// Not at all.
    fn default() -> Self {
        Self {
            time: Duration::ZERO,
            questions_max: 1_000_000,
            percent_max: 1.0,
        }
    }
}

/// An issue that is tried out.
pub(super) struct OnTrial {
    pub(super) candidate: Candidate,
    shadow: Arc<Shadow>,
    begun: Instant,
    since: UnixSeconds,
}

impl OnTrial {
    pub(super) fn state(&self, stage: &Stage) -> TrialState {
        let Trial { questions, hits } = self.shadow.trial();
        TrialState {
            serial: self.candidate.serial(),
            entries: self.candidate.loaded.table.entry_count() as u64,
            since: self.since,
            until: self.since.saturating_add_unsigned(stage.time.as_secs()),
            questions,
            hits,
        }
    }

    pub(super) fn change(&self, stage: &Stage) -> ListChange {
        let left = stage.time.saturating_sub(self.begun.elapsed());
        ListChange::Staged {
            entries: self.candidate.loaded.table.entry_count() as u64,
            left_s: left.as_secs(),
        }
    }

    fn is_due(&self, stage: &Stage) -> bool {
        self.begun.elapsed() >= stage.time || self.shadow.trial().questions >= stage.questions_max
    }
}

impl Stage {
    /// What is wrong with an issue that was tried out, if anything is.
    fn judge(&self, trial: Trial) -> Option<GuardFinding> {
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

impl Updater {
    /// Put a list in force that is in order, or try it out first where something is in force that
    /// stays meanwhile.
    pub(super) fn admit(&self, slot: &Slot, candidate: Candidate) -> Result<ListChange, Cause> {
        let stage = &slot.source.stage;
        if let Some(trial) = lock(&slot.trial)
            .as_ref()
            .filter(|trial| trial.candidate.known_by == candidate.known_by)
            && !slot.lets_pass(candidate.known_by, Code::Shadow)
        {
            return Ok(trial.change(stage));
        }
        slot.guard(&candidate)?;
        if stage.time.is_zero()
            || lock(&slot.state).live_since == 0
            || slot.lets_pass(candidate.known_by, Code::Shadow)
        {
            return self.enter(slot, candidate);
        }
        self.try_out(slot, candidate)
    }

    fn try_out(&self, slot: &Slot, mut candidate: Candidate) -> Result<ListChange, Cause> {
        let stage = &slot.source.stage;
        candidate.hold_text()?;
        // The operator may cut the trial short, and need not say again what was let pass before it.
        let mut codes = slot.passes(candidate.known_by);
        codes.push(Code::Shadow);
        *lock(&slot.held) = Some(Held {
            known_by: candidate.known_by,
            codes,
            bundle: candidate.bundle.clone(),
        });
        let shadow = Arc::new(Shadow::new(
            slot.source.index,
            Arc::clone(&candidate.loaded.table),
        ));
        let (seconds, known_by) = (stage.time.as_secs(), candidate.known_by.to_string());
        let entries = candidate.loaded.table.entry_count();
        let body = json!({ "entries": entries, "seconds": seconds, "known-by": known_by });
        slot.note(EventKind::Staged, candidate.believed.as_ref(), body);
        info!(
            list = %slot.source.id, serial = candidate.serial(), seconds,
            "list is tried out before it comes in force"
        );
        let trial = OnTrial {
            candidate,
            shadow: Arc::clone(&shadow),
            begun: monotonic(),
            since: wall_s(),
        };
        let change = trial.change(stage);
        *lock(&slot.trial) = Some(trial);
        lock(&slot.state).last_refusal = None;
        self.swap_shadow(slot, Some(shadow));
        Ok(change)
    }

    /// Put in force what was tried out for long enough, or hold it back. Called a few times a
    /// second.
    pub(super) fn end_trials(&self) {
        for slot in &self.slots {
            // A list that is being judged at this moment has its turn later.
            let turn = match slot.turn.try_lock() {
                Ok(turn) => turn,
                Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
                Err(TryLockError::WouldBlock) => continue,
            };
            let Some(trial) = lock(&slot.trial).take_if(|trial| trial.is_due(&slot.source.stage))
            else {
                continue;
            };
            self.end(slot, trial);
            drop(turn);
            self.tidy();
            self.prove(slot);
        }
    }

    fn end(&self, slot: &Slot, trial: OnTrial) {
        let counted = trial.shadow.trial();
        let OnTrial { candidate, .. } = trial;
        let (believed, place) = (candidate.believed.clone(), candidate.place.clone());
        slot.note(
            EventKind::Staged,
            believed.as_ref(),
            json!({ "questions": counted.questions, "would-be-blocked": counted.hits }),
        );
        let ended = match slot.source.stage.judge(counted) {
            Some(finding) => Err(Cause::Guard(vec![finding])),
            None => self.enter(slot, candidate),
        };
        if let Err(cause) = ended {
            self.swap_shadow(slot, None);
            slot.note_refusal(cause, &place, believed.as_ref());
        } else if counted.questions == 0 {
            warn!(list = %slot.source.id, "nobody asked anything while the list was tried out: it \
                                           is in force untried");
        }
    }

    fn swap_shadow(&self, slot: &Slot, shadow: Option<Arc<Shadow>>) {
        let mut retired = lock(&self.retired);
        let next = self.live.load().with_shadow(slot.source.index, shadow);
        retired.push(self.live.swap(Arc::new(next)));
    }
}

impl Candidate {
    /// Have the text in memory: its file may be gone by the time it is to be kept.
    fn hold_text(&mut self) -> Result<(), Cause> {
        let Some(bundle) = &mut self.bundle else {
            return Ok(());
        };
        let Text::File(path) = &bundle.text else {
            return Ok(());
        };
        let octets = Zeroizing::new(std::fs::read(path).map_err(Cause::from_io)?);
        if Hash::of(&octets).0 != self.loaded.digest {
            return Err(Cause::Changed);
        }
        bundle.text = Text::Memory(octets.into());
        Ok(())
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

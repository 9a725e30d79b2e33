//! What is in order comes in force, or is tried out first.

use super::{Entering, ListKeeper};
use crate::list::guard::Code;
use crate::update::decisions::KeptTrial;
use crate::update::flow::{self, EnteredList, Guarded, Kept, Tried, Trying};
use crate::update::prove::Unproven;
use crate::update::refusal::Cause;
use crate::update::refused::RefusedOffer;
use crate::update::state::ListChange;

impl ListKeeper {
    /// Put in force what is in order, or try it out first.
    pub(super) fn admit(&mut self, guarded: Guarded, resumed: Option<&KeptTrial>) -> Entering {
        let known_by = guarded.known_by;
        if let Some(trial) = self
            .trial
            .as_ref()
            .filter(|trial| trial.tried.known_by == known_by)
            && !self.stand.lets_pass(known_by, Code::Shadow)
        {
            return Ok((trial.change(&self.stand.list.stage), None));
        }
        if let Some(message) = self.stand.refused_trial(known_by) {
            return Err(RefusedOffer::new(Cause::HeldBack(message), guarded.place()));
        }
        match flow::try_out(guarded, &self.stand) {
            Trying::Over(tried) => self.enter(*tried),
            Trying::Begun(trial) => self.begin_trial(trial, resumed),
        }
    }

    pub(super) fn enter(&mut self, tried: Tried) -> Entering {
        let kept = flow::keep(tried, &mut self.stand)?;
        Ok(self.note_entered(kept))
    }

    pub(super) fn note_entered(&mut self, kept: Kept) -> (ListChange, Option<Unproven>) {
        let EnteredList {
            unproven,
            entries,
            rejects,
        } = flow::enter(kept, &mut self.stand, &self.front);
        self.trial = None;
        (ListChange::Swapped { entries, rejects }, unproven)
    }
}

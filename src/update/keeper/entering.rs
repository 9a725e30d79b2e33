//! What is in order comes in force, or is tried out first.

use std::sync::Arc;

use super::{Entering, ListKeeper, view};
use crate::list::guard::Code;
use crate::update::decisions::{Decisions, KeptTrial};
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
        let entered = self.note_entered(kept);
        self.stand.note_first_in_force();
        Ok(entered)
    }

    pub(super) fn note_entered(&mut self, kept: Kept) -> (ListChange, Option<Unproven>) {
        let entered = self.put_in_force(kept);
        self.trial = None;
        self.forget_again(self.stand.state.serial);
        (entered.change(), entered.unproven)
    }

    fn put_in_force(&mut self, kept: Kept) -> EnteredList {
        flow::enter(kept, &mut self.stand, &self.front, |stand| {
            self.own.publish(view(stand, stand.state.clone()));
        })
    }

    /// Read the text in force again, because an entry of it is over.
    pub(super) fn read_in_force_again(&mut self) {
        self.stand.next_expiry = None;
        let record = self.stand.shelf.as_ref().map(|shelf| &shelf.record);
        let live = record.and_then(|record| record.live());
        match live.filter(|live| Some(live.number) == self.stand.state.kept) {
            Some(live) => self.read_back(live.clone(), None, None),
            None => {
                self.stand.is_stale = true;
                self.reread(self.quiet, None);
            }
        }
    }

    /// What is in force, without the entries that are over; or what should have been in force since
    /// the start, and can be read at last, which is then to be proven.
    pub(super) fn renew(&mut self, mut kept: Kept) -> (ListChange, Option<Unproven>) {
        let record = self.stand.shelf.as_ref().map(|shelf| &shelf.record);
        let is_live = |record: &&Decisions| record.live == kept.entered.kept;
        kept.entered.is_rolled_back = record
            .filter(is_live)
            .is_some_and(|record| record.is_rolled_back);
        let is_new = self.stand.state.kept != kept.entered.kept;
        let (held, trial) = (self.stand.held.take(), self.stand.on_trial);
        let refusal = self.stand.state.last_refusal.take();
        // What was said of something newer still stands.
        let refusal = refusal.filter(|_| !is_new || held.is_some());
        let entered = self.put_in_force(kept);
        (self.stand.held, self.stand.on_trial) = (held, trial);
        self.stand.state.last_refusal = refusal;
        if let Some(trial) = &self.trial {
            // What is tried out goes on being tried out.
            let shadow = Arc::clone(&trial.shadow);
            self.front.set_shadow(self.stand.list.index, Some(shadow));
        }
        (entered.change(), entered.unproven.filter(|_| is_new))
    }
}

//! What the operator decides: to let something pass, and to go back.

use std::sync::Arc;

use super::ListKeeper;
use crate::list::guard::Code;
use crate::record::{LetPass, RolledBack, Statement};
use crate::update::bundle::Way;
use crate::update::decisions::Generation;
use crate::update::flow::Kept;
use crate::update::mailbox::{Asker, Done, ListOffer, TakenBack};
use crate::update::prove::Unproven;
use crate::update::refusal::Cause;
use crate::update::restore::take_back;
use crate::update::stand::Stand;
use crate::update::state::ListChange;
use crate::update::trust::KeyStanding;

impl ListKeeper {
    /// Let what is held back or tried out pass, these findings and no others.
    pub(super) fn let_pass(
        &mut self,
        codes: &[Code],
        reason: &str,
        asker: &Asker,
    ) -> Result<(), String> {
        let id = self.stand.list.id.clone();
        let trial = self.stand.on_trial.map(|trial| trial.known_by);
        let (known_by, needed) = match (trial, &self.stand.held) {
            (Some(known_by), _) => (known_by, vec![Code::Shadow]),
            (None, Some(held)) => (held.known_by, held.codes.clone()),
            (None, None) => {
                return Err(format!(
                    "nothing of list {id} is held back by the guard: reload it without --override"
                ));
            }
        };
        let missing = needed.iter().filter(|code| !codes.contains(code));
        let missing: Vec<&str> = missing.map(|code| code.as_str()).collect();
        if !missing.is_empty() {
            return Err(format!(
                "the list of {id} is also held back by {}: name that too, or mend the list",
                missing.join(", ")
            ));
        }
        let words = needed.iter().map(|code| code.as_str().to_owned());
        let said = Statement::Override(LetPass {
            codes: words.collect(),
            known_by: known_by.to_string(),
        });
        let no_version = (None, None);
        self.stand.note_because(said, reason.to_owned(), no_version);
        self.stand.keep_override(known_by, &needed, reason);
        if let Some(trial) = self.trial.take() {
            let offer = self.kept_trial();
            self.stand.on_trial = None;
            let ended = self.admit(trial.tried, None);
            if ended.is_err() {
                self.front.set_shadow(self.stand.list.index, None);
            }
            self.end(ended, offer, asker.clone());
        } else if let Some(held) = self.stand.held.take() {
            if held.bundle.origin.way == Way::File {
                self.reread(self.quiet, asker.clone());
            } else {
                let offer = ListOffer {
                    received_ms: held.received_ms,
                    ..ListOffer::new(held.bundle)
                };
                self.offer(offer, None, asker.clone());
            }
        }
        Ok(())
    }

    pub(super) fn refuse_rollback(&self, cause: Cause) -> ListChange {
        let refusal = self.stand.list.refuse(cause, "rollback".to_owned());
        ListChange::refused(refusal.to_string())
    }

    /// Go back to this generation, or to the one before.
    pub(super) fn go_back(&mut self, number: Option<u64>, reason: String, asker: Asker) {
        let target = self.target(number).ok_or(Cause::NoGeneration);
        let target = target.and_then(|target| match self.stand.vouching_of_kept(&target) {
            KeyStanding::Revoked => Err(Cause::Revoked),
            KeyStanding::Vouched | KeyStanding::Unvouched => Ok(target),
        });
        match target {
            Ok(target) => self.read_back(target, Some(reason), asker),
            Err(cause) => {
                let change = self.refuse_rollback(cause);
                self.answer(asker, change);
            }
        }
    }

    fn target(&self, number: Option<u64>) -> Option<Generation> {
        let record = &self.stand.shelf.as_ref()?.record;
        let live = record.live.unwrap_or(u64::MAX);
        let is_wanted =
            |kept: &&Generation| number.map_or(kept.number < live, |number| kept.number == number);
        record.generations.iter().rfind(is_wanted).cloned()
    }

    pub(super) fn read_back(&mut self, target: Generation, reason: Option<String>, asker: Asker) {
        let Some(folder) = self.stand.folder() else {
            let change = self.refuse_rollback(Cause::NoGeneration);
            return self.answer(asker, change);
        };
        let (list, front) = (Arc::clone(&self.stand.list), Arc::clone(&self.front));
        self.aside(asker, move || {
            let protected = front.protected();
            let bounds = Stand::bounds(&list, &protected);
            let key = front.live.load().key();
            let result = take_back(&target, &folder, &list, key, bounds);
            Done::TakenBack(Box::new(TakenBack {
                target,
                reason,
                result,
            }))
        });
    }

    pub(super) fn enter_again(
        &mut self,
        mut kept: Kept,
        target: &Generation,
        reason: &str,
    ) -> Result<(ListChange, Option<Unproven>), Cause> {
        let mut is_rolled_back = true;
        if let Some(shelf) = &mut self.stand.shelf {
            // The newest is what it would be without any rollback.
            let newest = shelf.record.generations.last();
            is_rolled_back = newest.is_none_or(|newest| newest.number != target.number);
            let remembered = shelf.change(|record| {
                (record.live, record.is_rolled_back) = (Some(target.number), is_rolled_back);
                (record.held, record.trial) = (None, None);
            });
            remembered.map_err(|error| Cause::State {
                place: shelf.place(),
                error,
            })?;
        }
        let said = Statement::Rollback(RolledBack {
            manifest: target.manifest.clone(),
            serial: target.serial,
            to: target.number,
        });
        let version = (target.serial, target.manifest.clone());
        self.stand.note_because(said, reason.to_owned(), version);
        kept.entered.is_rolled_back = is_rolled_back;
        Ok(self.note_entered(kept))
    }
}

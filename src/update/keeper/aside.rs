//! Long work, which runs on threads of its own: building, reading back, asking our own doors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::warn;

use super::ListKeeper;
use crate::list::Hash;
use crate::process::{self, Manners};
use crate::update::against::Against;
use crate::update::flow::{self, Vouched};
use crate::update::mailbox::{Asker, Done, ListOffer};
use crate::update::prove::{Prover, Unproven};
use crate::update::refusal::Cause;
use crate::update::state::ListChange;

impl ListKeeper {
    pub(super) fn build(&mut self, vouched: Vouched, offer: ListOffer, asker: Asker) {
        let record = self.stand.shelf.as_ref().map(|shelf| &shelf.record);
        let on_trial = record.and_then(|record| {
            let known_by = Hash::parse(&record.trial.as_ref()?.offer.known_by)?;
            Some((known_by, record.trial_text()?))
        });
        let against = Against {
            list: Arc::clone(&self.stand.list),
            front: Arc::clone(&self.front),
            is_live: self.stand.is_live(),
            in_force: self.stand.unless_stale(),
            left: self.stand.left_behind(),
            highest: self.stand.highest_accepted(),
            passes: self.stand.passes.clone(),
            on_trial,
            folder: self.stand.folder(),
        };
        self.aside(asker, move || {
            let built = flow::build(vouched, &against);
            Done::Built(Box::new((built, offer)))
        });
    }

    /// Do long work on a thread of its own, which gives way to the doors. One thing at a time.
    pub(super) fn aside(&mut self, asker: Asker, work: impl FnOnce() -> Done + Send + 'static) {
        let (own, gives_way) = (self.own.clone(), self.stand.is_live());
        let asked = asker.clone();
        let begun = std::thread::Builder::new()
            .name("builder".to_owned())
            .spawn(move || {
                if gives_way {
                    // Where the system refuses, the work is only less polite.
                    let _ = process::give_way(Manners::Last);
                }
                // Foreign text is read by libraries too, and all later lists come this way.
                let done = catch_unwind(AssertUnwindSafe(work));
                own.finish(done.unwrap_or(Done::Panicked), asked);
            });
        match begun {
            Ok(_) => self.is_busy = true,
            Err(error) => {
                let place = self.stand.list.place();
                let change = self
                    .stand
                    .note_refusal(Cause::NoMemory(error), &place, None);
                self.stand.attempted = None;
                self.answer(asker, change);
            }
        }
    }

    pub(super) fn open_doors(&mut self, prover: Arc<Prover>, asker: Asker) {
        self.prover = Some(prover);
        match self.unproven.take() {
            Some(unproven) => self.prove(unproven, ListChange::Unchanged, asker),
            None => self.answer(asker, ListChange::Unchanged),
        }
    }

    pub(super) fn prove(&mut self, mut unproven: Unproven, change: ListChange, asker: Asker) {
        let Some(prover) = self.prover.clone() else {
            self.unproven = Some(unproven);
            return self.answer(asker, change);
        };
        let (removed, list) = (self.stand.removed_names(), self.stand.list.index);
        unproven.prepare(list, &removed, &self.front.live.load(), &prover);
        let own = self.own.clone();
        let asked = asker.clone();
        let told = change.clone();
        let begun = std::thread::Builder::new()
            .name("prover".to_owned())
            .spawn(move || {
                let answers = flow::prove(&unproven, &prover);
                let done = Done::Proven {
                    unproven: Box::new(unproven),
                    answers,
                    change,
                };
                own.finish(done, asked);
            });
        if let Err(error) = begun {
            warn!(list = %self.stand.list.id, "our doors cannot be asked ({error}): no receipt");
            self.answer(asker, told);
        }
    }
}

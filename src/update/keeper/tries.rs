//! Trials: how they begin, go on after a restart, and end.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::{Entering, ListKeeper};
use crate::clock::monotonic;
use crate::policy::Trial;
use crate::record::{Statement, TrialBegun, TrialOver};
use crate::update::bundle::Way;
use crate::update::decisions::{KeptOffer, KeptTrial};
use crate::update::flow::{self, Guarded};
use crate::update::mailbox::{ListOffer, Turn};
use crate::update::refusal::Cause;
use crate::update::refused::RefusedOffer;
use crate::update::stand::TrialMark;
use crate::update::text::Text;
use crate::update::trial::OnTrial;

impl ListKeeper {
    pub(super) fn begin_trial(
        &mut self,
        mut trial: Box<OnTrial<Guarded>>,
        resumed: Option<&KeptTrial>,
    ) -> Entering {
        if let Some(kept) = resumed {
            let counted = Trial {
                questions: kept.questions,
                hits: kept.hits,
            };
            trial.resume(kept.since, Duration::from_secs(kept.tried_s), counted);
        }
        // One that waited since it was begun may have been gone back from meanwhile.
        if resumed.is_none() || !self.stand.is_kept_on_trial(trial.tried.known_by) {
            self.set_aside_trial(&mut trial)?;
            self.stand.held = None;
        }
        let guarded = &trial.tried;
        self.stand.on_trial = Some(TrialMark {
            known_by: guarded.known_by,
            serial: guarded.serial(),
        });
        let seconds = self.stand.list.stage.time.as_secs();
        let (known_by, entries) = (
            guarded.known_by.to_string(),
            guarded.loaded.table.entry_count(),
        );
        let (list, serial) = (&self.stand.list.id, guarded.serial());
        if resumed.is_some() {
            info!(%list, serial, "the trial of the list goes on");
        } else {
            let said = Statement::TrialBegun(TrialBegun {
                entries: entries as u64,
                known_by,
                seconds,
            });
            self.stand.note(said, guarded.believed.as_ref());
            info!(%list, serial, seconds, "list is tried out before it comes in force");
        }
        let shadow = Some(Arc::clone(&trial.shadow));
        let index = self.stand.list.index;
        self.front.set_shadow(index, shadow);
        let change = trial.change(&self.stand.list.stage);
        self.stand.state.last_refusal = None;
        let serial = trial.tried.serial();
        self.trial = Some(trial);
        self.forget_again(serial);
        Ok((change, None))
    }

    /// Have the text of a trial on disk, where the list is kept.
    fn set_aside_trial(&mut self, trial: &mut OnTrial<Guarded>) -> Result<(), Box<RefusedOffer>> {
        let since = trial.since();
        let guarded = &mut trial.tried;
        let kept = KeptTrial {
            since,
            offer: KeptOffer::of(guarded.known_by, &guarded.bundle, guarded.received_ms),
            tried_s: 0,
            questions: 0,
            hits: 0,
        };
        let Some(shelf) = &mut self.stand.shelf else {
            return Ok(());
        };
        let set = match &guarded.stored {
            Some(Ok(stored)) => shelf.try_out(*stored, kept),
            Some(Err(error)) => Err(std::io::Error::new(error.kind(), error.to_string())),
            None => return Ok(()),
        };
        match set {
            Ok(stored) => {
                guarded.stored = Some(Ok(stored));
                if guarded.bundle.origin.way != Way::File {
                    guarded.bundle.text = Text::File(stored.entries(&shelf.folder));
                }
                Ok(())
            }
            // Its own file is read again at the next start.
            Err(error) if guarded.bundle.origin.way == Way::File => {
                // By the end of the trial another text may lie where this one did.
                guarded.stored = Some(Err(error));
                Ok(())
            }
            Err(error) => {
                let cause = Cause::State {
                    place: shelf.place(),
                    error,
                };
                Err(RefusedOffer::with(
                    cause,
                    guarded.place(),
                    guarded.believed.clone(),
                ))
            }
        }
    }

    /// Go on with the trial of an earlier run.
    pub(super) fn take_up_trial(&mut self) {
        if let Some(offer) = self.kept_trial() {
            self.turns.push_front((Turn::Offer(offer), None));
        }
    }

    /// What is tried out, as it is kept on disk.
    pub(super) fn kept_trial(&self) -> Option<ListOffer> {
        let shelf = self.stand.shelf.as_ref()?;
        let kept = shelf.record.trial.clone()?;
        let list = self.stand.list.index;
        let stored = shelf.record.trial_text()?;
        let bundle = kept.offer.bundle(list, stored, &shelf.folder)?;
        Some(ListOffer {
            received_ms: kept.offer.received_ms,
            resumed: Some(kept),
            ..ListOffer::new(bundle)
        })
    }

    /// Write a trial's verdict so far.
    pub(super) fn save_trial(&mut self) {
        let (Some(trial), Some(shelf)) = (&self.trial, &mut self.stand.shelf) else {
            return;
        };
        let (elapsed, counted) = (trial.elapsed().as_secs(), trial.counted());
        if shelf.record.trial.is_some() {
            // What cannot be written now is written with the next.
            let _ = shelf.change(|record| {
                if let Some(kept) = &mut record.trial {
                    (kept.tried_s, kept.questions, kept.hits) =
                        (elapsed, counted.questions, counted.hits);
                }
            });
        }
        self.saved = monotonic();
    }

    /// Put in force what was tried out for long enough, or hold it back.
    pub(super) fn end_trial(&mut self, trial: OnTrial<Guarded>) {
        let (counted, believed) = (trial.counted(), trial.tried.believed.clone());
        let offer = self.kept_trial();
        self.stand.on_trial = None;
        let said = Statement::TrialOver(TrialOver {
            questions: counted.questions,
            would_be_blocked: counted.hits,
        });
        self.stand.note(said, believed.as_ref());
        let ended = flow::end_trial(trial, &self.stand).and_then(|tried| self.enter(tried));
        if ended.is_err() {
            self.front.set_shadow(self.stand.list.index, None);
        } else if counted.questions == 0 {
            warn!(
                list = %self.stand.list.id,
                "nobody asked anything while the list was tried out: it is in force untried"
            );
        }
        self.end(ended, offer, None);
    }
}

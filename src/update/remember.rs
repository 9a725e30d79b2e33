//! What was decided about a list is written down, and written later where it cannot be now.

use tracing::warn;

use super::decisions::{Generation, KeptHeld, KeptOffer, KeptOverride};
use super::disk::{Stored, TextSlot};
use super::refusal::Cause;
use super::stand::{Held, Stand};
use super::text::Text;
use crate::clock::wall_s;
use crate::list::Hash;
use crate::list::guard::Code;

impl Stand {
    /// Remember an override, so that the text is let pass again after a restart.
    pub(super) fn keep_override(&mut self, known_by: Hash, codes: &[Code], reason: &str) {
        self.passes
            .extend(codes.iter().map(|code| (known_by, *code)));
        let Some(shelf) = &mut self.shelf else { return };
        let kept = KeptOverride {
            known_by: known_by.to_string(),
            codes: codes.iter().map(|code| code.as_str().to_owned()).collect(),
            reason: reason.to_owned(),
            at: wall_s(),
        };
        if let Err(error) = shelf.change(|record| record.overrides.push(kept.clone())) {
            let place = shelf.place();
            shelf.record.overrides.push(kept);
            self.is_unwritten = true;
            warn!(
                list = %self.list.id,
                "the override cannot be kept in {place} ({error}): it is written when that is \
                 possible again"
            );
        }
    }

    /// Remember what is about to come in force; returns its number, or none where the list is not
    /// kept.
    pub(super) fn remember(
        &mut self,
        generation: Generation,
        stored: Option<Result<Stored, std::io::Error>>,
    ) -> Result<Option<u64>, Cause> {
        let (Some(shelf), Some(stored)) = (&mut self.shelf, stored) else {
            return Ok(None);
        };
        self.unkept = Some(generation.clone());
        let kept = stored.and_then(|stored| shelf.keep(generation, stored));
        let number = kept.map_err(|error| Cause::State {
            place: shelf.place(),
            error,
        })?;
        self.unkept = None;
        self.raise_floor();
        Ok(Some(number))
    }

    /// Hold something back, so that the operator may let it pass, after a restart too.
    pub(super) fn hold_back(&mut self, mut held: Held) {
        let Some(shelf) = &mut self.shelf else {
            self.held = Some(held);
            return;
        };
        if let Some(from) = held.stored {
            let kept = KeptHeld {
                offer: KeptOffer::of(held.known_by, &held.bundle, held.received_ms),
                codes: held
                    .codes
                    .iter()
                    .map(|code| code.as_str().to_owned())
                    .collect(),
                message: held.message.clone(),
                at: wall_s(),
            };
            match shelf.hold_back(from, kept) {
                Ok(stored) => {
                    held.stored = Some(stored);
                    // The list's own file is read again.
                    if held.bundle.manifest.is_some() || self.list.text.is_none() {
                        held.bundle.text = Text::File(stored.entries(&shelf.folder));
                    }
                }
                Err(error) => {
                    warn!(
                        list = %self.list.id,
                        "what is held back cannot be kept in {} ({error}): the next start does \
                         not know it", shelf.place()
                    );
                }
            }
        }
        let is_kept = |slot| held.bundle.is_stored_as(Stored::Held(slot), &shelf.folder);
        if !TextSlot::ALL.into_iter().any(is_kept) {
            held.bundle.take_up();
        }
        self.held = Some(held);
    }

    /// Nothing is held back any more.
    pub(super) fn release(&mut self) {
        self.held = None;
        if let Some(shelf) = &mut self.shelf
            && shelf.record.held.is_some()
        {
            // What cannot be written now is written with the next change.
            self.is_unwritten |= shelf.change(|record| record.held = None).is_err();
        }
    }

    /// Remember what is tried again and nobody brings again, or that there is nothing.
    pub(super) fn keep_waiting(&mut self, waiting: Option<KeptOffer>) {
        let Some(shelf) = &mut self.shelf else { return };
        if shelf.record.waiting == waiting {
            return;
        }
        let (kept, before) = (waiting.clone(), shelf.waiting_on_disk);
        if shelf.change(|record| record.waiting = kept).is_err() {
            shelf.record.waiting = waiting;
            self.is_unwritten = true;
        } else if let Some(before) = before
            && shelf.waiting_on_disk != Some(before)
        {
            Stored::Waiting(before).discard(&shelf.folder);
        }
    }

    /// Write the record where it could not be written, and look at one that could not be read.
    pub(super) fn catch_up(&mut self) {
        self.open_removals_again();
        let shelf = self.shelf.as_mut();
        if shelf.is_some_and(|shelf| std::mem::take(&mut shelf.is_reopened)) {
            self.find_floor();
        }
        if self.is_unwritten
            && let Some(shelf) = &mut self.shelf
            && shelf.change(|_| {}).is_ok()
            && shelf.keep_removals().is_ok()
        {
            self.is_unwritten = false;
        }
    }
}

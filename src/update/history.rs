//! What was in force before: the generations on disk, going back to one of them, and what time
//! brings about by itself.

use serde_json::json;
use tracing::warn;

use super::candidate::Entered;
use super::decisions::Generation;
use super::keeper::Slot;
use super::refusal::Cause;
use super::state::{ListChange, ListOutcome};
use super::{Updater, lock};
use crate::clock::wall_s;
use crate::list::ListIndex;
use crate::store::EventKind;

impl Updater {
    /// The generations of a list that are on disk, oldest first; none for a plain file, which is
    /// its own history.
    pub fn generations(&self, list: ListIndex) -> Vec<Generation> {
        let shelf = self
            .slots
            .get(usize::from(list))
            .and_then(|slot| slot.shelf.as_ref());
        shelf
            .map(|shelf| lock(shelf).record.generations.clone())
            .unwrap_or_default()
    }

    /// The receipts that were signed for a list, as notes, oldest first.
    pub fn receipts(&self, list: ListIndex) -> Vec<String> {
        let shelf = self
            .slots
            .get(usize::from(list))
            .and_then(|slot| slot.shelf.as_ref());
        shelf
            .map(|shelf| lock(shelf).record.receipts.clone())
            .unwrap_or_default()
    }

    /// Put an earlier generation in force: this one, or the one before the present. It stays until
    /// a list with a higher serial than any before is accepted, restarts included.
    pub fn roll_back(&self, list: ListIndex, number: Option<u64>, reason: &str) -> ListOutcome {
        let Some(slot) = self.slots.get(usize::from(list)) else {
            return ListOutcome {
                id: String::new(),
                change: ListChange::Refused {
                    message: "there is no such list".to_owned(),
                },
            };
        };
        let turn = lock(&slot.turn);
        let change = match self.go_back(slot, number, reason) {
            Ok(change) => change,
            Err(cause) => {
                let message = slot.source.refuse(cause, "rollback".to_owned()).to_string();
                ListChange::Refused { message }
            }
        };
        drop(turn);
        self.tidy();
        self.prove(slot);
        ListOutcome {
            id: slot.source.id.clone(),
            change,
        }
    }

    fn go_back(&self, slot: &Slot, number: Option<u64>, reason: &str) -> Result<ListChange, Cause> {
        let Some(shelf) = &slot.shelf else {
            return Err(Cause::NoGeneration);
        };
        let target = {
            let shelf = lock(shelf);
            let live = shelf.record.live.unwrap_or(u64::MAX);
            let is_wanted = |kept: &&Generation| {
                number.map_or(kept.number < live, |number| kept.number == number)
            };
            shelf
                .record
                .generations
                .iter()
                .rfind(is_wanted)
                .cloned()
                .ok_or(Cause::NoGeneration)?
        };
        let (loaded, manifest) =
            slot.take_back(&target, self.live.load().key(), &self.protected)?;
        {
            let mut shelf = lock(shelf);
            let remembered = shelf.change(|record| {
                (record.live, record.is_rolled_back) = (Some(target.number), true)
            });
            remembered.map_err(|error| Cause::State {
                place: shelf.place(),
                error,
            })?;
        }
        slot.note(
            EventKind::Rollback,
            None,
            json!({
                "to": target.number, "serial": target.serial, "manifest": target.manifest,
                "reason": reason,
            }),
        );
        let place = format!("kept generation {}", target.number);
        let entered = Entered {
            loaded,
            manifest: manifest.as_ref(),
            kept: Some(target.number),
            is_rolled_back: true,
            place: &place,
        };
        let change = entered.change();
        self.swap(slot, entered);
        self.enforce_removals(slot);
        Ok(change)
    }

    /// Do what is due by now: let removals begin and end, and say which lists have run out. Called
    /// a few times a second.
    pub(super) fn pass_time(&self) {
        self.end_trials();
        let now = wall_s();
        for slot in &self.slots {
            self.enforce_removals(slot);
            let mut state = lock(&slot.state);
            if !state.is_expired && state.expires.is_some_and(|expires| expires <= now) {
                state.is_expired = true;
                warn!(list = %state.id, serial = state.serial, "the list has run out and goes on \
                    blocking: have its curator issue it anew");
                let body = json!({
                    "serial": state.serial, "manifest": state.manifest, "expires": state.expires,
                });
                slot.note(EventKind::Expired, None, body);
            }
        }
    }
}

//! What was refused for a reason that passes is tried again by itself, after a restart too.

use std::io;
use std::path::Path;
use std::time::Duration;

use tracing::info;

use super::{Again, ListKeeper};
use crate::clock::{monotonic, wall_s};
use crate::list::Hash;
use crate::update::bundle::{Bundle, Way};
use crate::update::decisions::{Generation, KeptOffer};
use crate::update::disk::{Stored, TextSlot};
use crate::update::mailbox::{Done, ListOffer, Turn};
use crate::update::refusal::Cause;
use crate::update::refused::RefusedOffer;
use crate::update::restore::place_of_kept;
use crate::update::stand::Held;
use crate::update::state::ListChange;

/// What was refused for a reason that passes is tried again after this long.
const AGAIN: Duration = Duration::from_secs(2);
/// Sources are looked at again after this long where they have something that was refused for a
/// reason that passes.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Again {
    /// Is it of a later issue than another offer?
    fn is_above(&self, other: &ListOffer) -> bool {
        self.offer.bundle.serial() > other.bundle.serial()
    }
}

impl ListKeeper {
    /// What is refused for a reason that passes is tried again by itself.
    pub(super) fn refuse(
        &mut self,
        refused: Box<RefusedOffer>,
        offer: Option<ListOffer>,
    ) -> ListChange {
        let RefusedOffer {
            cause,
            place,
            believed,
            held,
        } = *refused;
        let (is_passing, awaits_keys) = (cause.is_passing(), cause.awaits_keys());
        let is_repeated = is_passing && offer.as_ref().is_some_and(|offer| offer.is_again);
        let change = if is_repeated && self.stand.state.last_refusal.is_some() {
            // It was told; what was refused since, and is told now, is newer.
            ListChange::Refused {
                message: self.stand.list.refuse(cause, place).to_string(),
                is_passing,
            }
        } else {
            self.stand.note_refusal(cause, &place, believed.as_ref())
        };
        if let (Some(held), ListChange::Refused { message, .. }) = (held, &change) {
            let message = message.clone();
            self.stand.hold_back(Held { message, ..held });
        }
        let offer = offer.filter(|offer| (is_passing || awaits_keys) && offer.is_repeatable());
        match offer {
            Some(offer) if awaits_keys => {
                self.awaits_keys = Some(self.put_by(offer, Stored::Unsigned));
            }
            Some(offer)
                if !self
                    .again
                    .as_ref()
                    .is_some_and(|again| again.is_above(&offer)) =>
            {
                let shelf = self.stand.shelf.as_ref();
                let named = shelf.and_then(|shelf| shelf.waiting_on_disk);
                let offer = self.put_by(offer, Stored::Waiting(TextSlot::beside(named)));
                let due = monotonic() + AGAIN;
                self.again = Some(Again { offer, due });
            }
            _ => {}
        }
        self.keep_waiting();
        change
    }

    /// An offer that waits, with its text in a place of its own: on disk where that is possible,
    /// else in memory.
    fn put_by(&self, mut offer: ListOffer, stored: Stored) -> ListOffer {
        if let Some(folder) = self.stand.folder() {
            offer.bundle.put_by(&folder, stored);
            if !offer.bundle.is_stored_as(stored, &folder) {
                offer.bundle.take_up();
            }
        }
        offer.is_again = true;
        offer
    }

    /// What is kept cannot be read; for a reason that passes it is read again.
    pub(super) fn await_kept(&mut self, cause: Cause, kept: Generation) -> ListChange {
        let place = place_of_kept(&kept);
        self.stand.awaited = cause.is_passing().then_some(kept);
        self.stand.note_refusal(cause, &place, None)
    }

    /// A source asked whether to bring an issue. Where the answer may be another one soon, the
    /// sources are looked at again.
    pub(super) fn note_wants(&mut self, wants: &Result<bool, Cause>) {
        let is_passing = wants.as_ref().is_err_and(Cause::is_passing);
        self.look_due = is_passing.then(|| monotonic() + LOOK_AGAIN);
    }

    /// Try again what is due; says whether there was something.
    pub(super) fn try_again(&mut self) -> bool {
        if self.look_due.take_if(|due| *due <= monotonic()).is_some() {
            self.stand.asked += 1;
        }
        if let Some(again) = self.again.take_if(|again| again.due <= monotonic()) {
            self.offer(again.offer, None, None);
            return true;
        }
        if self.awaited_due > monotonic() {
            return false;
        }
        self.awaited_due = monotonic() + AGAIN;
        match self.stand.awaited.clone() {
            Some(awaited) => self.read_back(awaited, None, None),
            None => self.keep_late(),
        }
        self.is_busy
    }

    /// Keep what is in force and could not be kept, once there is room.
    fn keep_late(&mut self) {
        let state = &self.stand.state;
        let is_in_force = |kept: &Generation| state.kept.is_none() && kept.sha256 == state.sha256;
        let Some(generation) = self.stand.unkept.clone().filter(is_in_force) else {
            return;
        };
        let (Some(bundle), Some(shelf)) = (self.own_file(), &mut self.stand.shelf) else {
            return;
        };
        let (digest, has_room) = (Hash::parse(&generation.sha256), shelf.change(|_| {}));
        let (Some(digest), Ok(())) = (digest, has_room) else {
            return;
        };
        let folder = shelf.folder.clone();
        self.aside(None, move || {
            let stored = bundle.store(&folder, digest.0);
            Done::Stored(Box::new((generation, stored)))
        });
    }

    /// What is in force lies in the list's folder, or could not be put there.
    pub(super) fn note_stored(&mut self, generation: Generation, stored: io::Result<Stored>) {
        if self.stand.unkept.as_ref() != Some(&generation) {
            return;
        }
        // Where it fails it is tried again.
        if let Ok(number) = self.stand.remember(generation, Some(stored)) {
            self.stand.state.kept = number;
            self.stand.note_in_force(wall_s());
            info!(list = %self.stand.list.id, number, "the list is kept now");
        }
    }

    /// Other keys may sign: what too few of today's had signed is tried again.
    pub(super) fn try_with_other_keys(&mut self) {
        self.stand.asked += 1;
        let waits = self.awaits_keys.take();
        self.turns
            .extend(waits.map(|offer| (Turn::Offer(offer), None)));
    }

    /// Something with this serial is in force or tried out: what is not above it is not tried
    /// again.
    pub(super) fn forget_again(&mut self, serial: Option<u64>) {
        let is_over = |again: &mut Again| again.offer.bundle.serial() <= serial;
        let over = self.again.take_if(is_over);
        self.keep_waiting();
        if let (Some(over), Some(folder)) = (over, self.stand.folder())
            && let Some(slot) = waiting_slot(&over.offer.bundle, &folder)
        {
            Stored::Waiting(slot).discard(&folder);
        }
    }

    /// Have what waits remembered, where nobody brings it again: what was pushed.
    pub(super) fn keep_waiting(&mut self) {
        let folder = self.stand.folder();
        let again = self.again.as_ref().map(|again| &again.offer);
        // At a start it is tried after the trial that goes on.
        let queued = self.turns.iter().find_map(|(turn, _)| match turn {
            Turn::Offer(offer) if offer.is_again => Some(offer),
            _ => None,
        });
        let mut waits = [again, queued].into_iter().flatten();
        let kept = waits.find_map(|offer| {
            let (known_by, folder) = (offer.bundle.known_by()?, folder.as_deref()?);
            let slot = waiting_slot(&offer.bundle, folder)?;
            // A trial is remembered by itself.
            let is_pushed = offer.bundle.origin.way == Way::Push && offer.resumed.is_none();
            is_pushed.then(|| KeptOffer {
                slot,
                ..KeptOffer::of(known_by, &offer.bundle, offer.received_ms)
            })
        });
        self.stand.keep_waiting(kept);
    }

    /// Try again what waited when an earlier run ended.
    pub(super) fn take_up_waiting(&mut self) {
        let list = self.stand.list.index;
        let waiting = self.stand.shelf.as_ref().and_then(|shelf| {
            let kept = shelf.record.waiting.as_ref()?;
            let stored = Stored::Waiting(kept.slot);
            let bundle = kept.bundle(list, stored, &shelf.folder)?;
            // The program may have ended between putting it in force and forgetting that it waits.
            let is_newer = bundle.serial() > self.stand.highest_accepted();
            is_newer.then(|| ListOffer {
                received_ms: kept.received_ms,
                is_again: true,
                ..ListOffer::new(bundle)
            })
        });
        match waiting {
            Some(offer) => self.turns.push_back((Turn::Offer(offer), None)),
            None => self.keep_waiting(),
        }
    }
}

/// In which place for what waits the text of a bundle lies; nothing where it is elsewhere.
fn waiting_slot(bundle: &Bundle, folder: &Path) -> Option<TextSlot> {
    let mut slots = TextSlot::ALL.into_iter();
    slots.find(|slot| bundle.is_stored_as(Stored::Waiting(*slot), folder))
}

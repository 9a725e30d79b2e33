//! A bundle's way from a source to being in force: believed, read, guarded, remembered, swapped,
//! proven.

use serde_json::json;
use tracing::warn;

use super::bundle::Bundle;
use super::candidate::{Candidate, Entered, Held, Pass};
use super::decisions::KeptOverride;
use super::keeper::Slot;
use super::load::{Loaded, load};
use super::prove::Unproven;
use super::refusal::Cause;
use super::source::{Stamp, Text, Unsigned};
use super::state::{ListChange, ListOutcome};
use super::verify::{Believed, SerialStanding};
use super::{Updater, lock};
use crate::clock::{since_epoch, wall_s};
use crate::list::guard::Code;
use crate::list::manifest::Manifest;
use crate::list::{Hash, ListIndex};
use crate::seal::Note;
use crate::store::EventKind;

impl Updater {
    /// Judge what a source found, and put it in force where it is in order and newer; otherwise the
    /// old list stays.
    ///
    /// Works on the caller's thread, one bundle a list at a time, and returns when the list is live
    /// or refused: seconds for a million names. Keep it off the doors' threads.
    pub fn take(&self, bundle: Bundle) -> ListOutcome {
        let Some(slot) = self.slots.get(usize::from(bundle.list)) else {
            let message = format!(
                "{}: there is no list with the number {}: this is a fault of the program",
                bundle.origin, bundle.list
            );
            return ListOutcome {
                id: String::new(),
                change: ListChange::Refused { message },
            };
        };
        let received_ms = now_ms();
        let turn = lock(&slot.turn);
        let mut believed = None;
        let change = match self.accept(slot, &bundle, received_ms, &mut believed) {
            Ok(change) => change,
            Err(cause) => slot.note_refusal(cause, &bundle.origin.place, believed.as_ref()),
        };
        // The text is wiped before anybody is asked.
        drop((bundle, turn));
        self.tidy();
        self.prove(slot);
        ListOutcome {
            id: slot.source.id.clone(),
            change,
        }
    }

    fn accept(
        &self,
        slot: &Slot,
        bundle: &Bundle,
        received_ms: i64,
        seen: &mut Option<Believed>,
    ) -> Result<ListChange, Cause> {
        let removals = slot
            .shelf
            .as_ref()
            .map_or(0, |shelf| lock(shelf).record.removals.len());
        let believed = match &bundle.manifest {
            None if slot.source.papers.unsigned == Unsigned::Refuse => return Err(Cause::Unsigned),
            None => None,
            Some(note) => match slot.judge(note)? {
                SerialStanding::Known(known) => return Ok(slot.note_known(known.hash)),
                SerialStanding::Newer(believed) => Some(believed),
            },
        };
        *seen = believed.clone();
        let manifest = believed.as_ref().map(|believed| &believed.manifest);
        let verified_ms = now_ms();
        if believed.is_some() {
            let origin = json!({ "way": bundle.origin.way.word(), "at-ms": received_ms });
            slot.note(EventKind::Received, believed.as_ref(), origin);
            slot.note(
                EventKind::Verified,
                believed.as_ref(),
                json!({ "at-ms": verified_ms }),
            );
        }
        let text = slot.clear(bundle.text.clone(), manifest)?;
        let Some(loaded) = self.read_text(slot, &text, manifest)? else {
            return Ok(slot.note_unchanged());
        };
        let known_by = believed
            .as_ref()
            .map_or(Hash(loaded.digest), |believed| believed.hash);
        let unproven =
            manifest.map(|manifest| Unproven::new(manifest, &text, [received_ms, verified_ms]));
        let (place, bundle) = (bundle.origin.place.clone(), Some(bundle.clone()));
        self.admit(
            slot,
            Candidate {
                known_by,
                loaded,
                believed,
                bundle,
                removals,
                unproven,
                place,
            },
        )
    }

    /// Read a text against what is in force; nothing where it is in force already.
    fn read_text(
        &self,
        slot: &Slot,
        text: &Text,
        manifest: Option<&Manifest>,
    ) -> Result<Option<Loaded>, Cause> {
        let snapshot = self.live.load_full();
        let before = snapshot.table(slot.source.index);
        let before = before.filter(|_| lock(&slot.state).live_since > 0);
        let bounds = slot.bounds(&self.protected, before.map(|table| &**table));
        let in_force = manifest.is_none().then(|| slot.in_force());
        let stamp = Stamp::of_text(text)?;
        let script = slot.source.script_of(text, manifest);
        let loaded = load(script, snapshot.key(), stamp, in_force.as_deref(), bounds)?;
        if let (Some(loaded), Some(manifest)) = (&loaded, manifest)
            && loaded.parsed.entries != manifest.entries
        {
            return Err(Cause::Count {
                found: loaded.parsed.entries,
                stated: manifest.entries,
            });
        }
        Ok(loaded)
    }

    /// Put a list in force: remembered first, then swapped in.
    pub(super) fn enter(&self, slot: &Slot, candidate: Candidate) -> Result<ListChange, Cause> {
        let Candidate {
            loaded,
            believed,
            bundle,
            removals,
            unproven,
            place,
            ..
        } = candidate;
        let kept = match slot.keep(bundle.as_ref(), believed.as_ref(), &loaded, removals) {
            Err(Cause::State { place, error }) if bundle.is_none() => {
                // The list's own file is on disk, and is read again at the next start.
                warn!(list = %slot.source.id, "the list cannot be kept in {place} ({error})");
                None
            }
            kept => kept?,
        };
        (*lock(&slot.unproven), *lock(&slot.held)) = (unproven, None);
        let manifest = believed.as_ref().map(|believed| &believed.manifest);
        let entered = Entered {
            manifest,
            kept,
            is_rolled_back: false,
            place: &place,
            loaded,
        };
        let change = entered.change();
        self.swap(slot, entered);
        self.enforce_removals(slot);
        Ok(change)
    }

    /// Is a manifest to be believed, and above the one in force? Asked before its entries are
    /// fetched.
    pub(super) fn wants(&self, list: ListIndex, note: &Note) -> Result<bool, Cause> {
        let Some(slot) = self.slots.get(usize::from(list)) else {
            return Ok(false);
        };
        Ok(matches!(slot.judge(note)?, SerialStanding::Newer(_)))
    }

    /// Let what the guard held back of a list pass, these findings and no others; written into the
    /// journal with the reason.
    pub fn let_pass(
        &self,
        list: ListIndex,
        codes: &[Code],
        reason: &str,
    ) -> Result<ListOutcome, String> {
        let Some(slot) = self.slots.get(usize::from(list)) else {
            return Err("there is no such list".to_owned());
        };
        let Some(held) = lock(&slot.held).take() else {
            return Err(format!(
                "nothing of list {} is held back by the guard: reload it without --override",
                slot.source.id
            ));
        };
        let missing: Vec<&str> = held
            .codes
            .iter()
            .filter(|code| !codes.contains(code))
            .map(|code| code.as_str())
            .collect();
        if !missing.is_empty() {
            let message = format!(
                "the list of {} is also held back by {}: name that too, or mend the list",
                slot.source.id,
                missing.join(", ")
            );
            *lock(&slot.held) = Some(held);
            return Err(message);
        }
        let words: Vec<&str> = held.codes.iter().map(|code| code.as_str()).collect();
        slot.note(
            EventKind::Override,
            None,
            json!({ "codes": words, "reason": reason, "known-by": held.known_by.to_string() }),
        );
        slot.keep_override(held.known_by, &words, reason);
        *lock(&slot.pass) = Some(Pass {
            known_by: held.known_by,
            codes: held.codes,
        });
        let outcome = match held.bundle {
            Some(bundle) => self.take(bundle),
            None => self.reread(slot, self.quiet),
        };
        *lock(&slot.pass) = None;
        Ok(outcome)
    }
}

impl Slot {
    /// Remember an override, so that the text is let pass again after a restart.
    fn keep_override(&self, known_by: Hash, codes: &[&str], reason: &str) {
        let Some(shelf) = &self.shelf else { return };
        let mut shelf = lock(shelf);
        let kept = KeptOverride {
            known_by: known_by.to_string(),
            codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            reason: reason.to_owned(),
            at: wall_s(),
        };
        if let Err(error) = shelf.change(|record| record.overrides.push(kept)) {
            let place = shelf.place();
            warn!(
                list = %self.source.id,
                "the override cannot be kept in {place} ({error}): it is over with the next start"
            );
        }
    }

    /// Refuse what the guard found, but for what the operator lets pass for this very list.
    pub(super) fn guard(&self, candidate: &Candidate) -> Result<(), Cause> {
        let Candidate {
            known_by,
            loaded,
            bundle,
            ..
        } = candidate;
        let findings = self.findings_left(loaded, *known_by);
        if findings.is_empty() {
            *lock(&self.held) = None;
            return Ok(());
        }
        let codes = findings.iter().map(|finding| finding.code).collect();
        *lock(&self.held) = Some(Held {
            known_by: *known_by,
            codes,
            bundle: bundle.clone(),
        });
        Err(Cause::Guard(findings))
    }
}

/// The wall clock in milliseconds.
pub(super) fn now_ms() -> i64 {
    i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX)
}

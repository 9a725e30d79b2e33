//! Emergency removals: entries that stop being blocked at once, laid over the list in force until
//! they run out or a newer list comes.

use std::sync::Arc;

use serde_json::json;
use tracing::{info, warn};

use super::bundle::Origin;
use super::decrypt::open_note;
use super::keeper::Slot;
use super::refusal::Cause;
use super::source::Identities;
use super::state::{ListChange, ListOutcome};
use super::verify::believe_removal;
use super::{Updater, lock};
use crate::clock::wall_s;
use crate::list::removal::Removal;
use crate::list::{Hash, ListIndex, Table, TableBuilder};
use crate::name::HashKey;
use crate::seal::Note;
use crate::seal::age::is_armored;
use crate::store::EventKind;

/// Removals whose hashes are remembered after they are over, so that a file left lying does not
/// bring them back.
const KNOWN_MAX: usize = 200;

/// A removal as it came, opened.
pub struct SignedRemoval {
    note: Note,
    /// What is kept of it: encrypted where it came so.
    kept: String,
}

impl SignedRemoval {
    fn open(octets: &[u8], identities: &Identities) -> Result<Self, Cause> {
        let note = open_note(octets, identities)?;
        let kept = if is_armored(octets) {
            String::from_utf8_lossy(octets).into_owned()
        } else {
            note.to_string()
        };
        Ok(Self { note, kept })
    }

    /// What it is known by. One that came encrypted is not known by a hash of its names, which
    /// could be guessed.
    fn known_by(&self, removal: &Removal) -> Hash {
        if is_armored(self.kept.as_bytes()) {
            Hash::of(self.kept.as_bytes())
        } else {
            removal.hash()
        }
    }
}

impl Updater {
    /// Open what a source found for a list; an error where it is no whole note, or not one for this
    /// resolver.
    pub(super) fn open_removal(
        &self,
        list: ListIndex,
        octets: &[u8],
    ) -> Result<SignedRemoval, Cause> {
        let nobody = Identities::default();
        let identities = self
            .slots
            .get(usize::from(list))
            .map_or(&nobody, |slot| &slot.source.identities);
        SignedRemoval::open(octets, identities)
    }

    /// Open a removal and say which list it speaks of; an error says what is wrong with it.
    pub fn find_removal(&self, octets: &[u8]) -> Result<(String, SignedRemoval), String> {
        let nobody = Identities::default();
        let identities = self
            .slots
            .iter()
            .map(|slot| &slot.source.identities)
            .filter(|identities| !identities.0.is_empty());
        let mut opened = SignedRemoval::open(octets, &nobody);
        for identities in identities {
            opened = opened.or_else(|_| SignedRemoval::open(octets, identities));
        }
        let opened = opened.map_err(|cause| match cause {
            Cause::Note(fault) => fault.to_string(),
            Cause::Secret(reason) => reason,
            _ => "it cannot be read".to_owned(),
        })?;
        let removal = Removal::parse(opened.note.text()).map_err(|fault| fault.to_string())?;
        Ok((removal.list, opened))
    }

    /// Take a removal; live when this returns. It never waits for a list that is being built.
    pub fn take_removal(
        &self,
        list: ListIndex,
        signed: &SignedRemoval,
        origin: &Origin,
    ) -> ListOutcome {
        let Some(slot) = self.slots.get(usize::from(list)) else {
            let message = format!(
                "{origin}: there is no list with the number {list}: this is a fault of the program"
            );
            return ListOutcome {
                id: String::new(),
                change: ListChange::Refused { message },
            };
        };
        let change = match self.remove(slot, signed) {
            Ok(change) => change,
            Err(cause) => slot.note_refusal(cause, &origin.place, None),
        };
        ListOutcome {
            id: slot.source.id.clone(),
            change,
        }
    }

    fn remove(&self, slot: &Slot, signed: &SignedRemoval) -> Result<ListChange, Cause> {
        let removal =
            believe_removal(&signed.note, &slot.source.id, &slot.source.papers, wall_s())?;
        let (Some(shelf), hash) = (&slot.shelf, signed.known_by(&removal).to_string()) else {
            return Err(Cause::Unsigned);
        };
        {
            let mut shelf = lock(shelf);
            if shelf.record.known_removals.contains(&hash) {
                return Ok(ListChange::Unchanged);
            }
            let remembered = shelf.change(|record| {
                record.add_removal(signed.kept.clone());
                record.known_removals.push(hash.clone());
                let surplus = record.known_removals.len().saturating_sub(KNOWN_MAX);
                record.known_removals.drain(..surplus);
            });
            if let Err(error) = remembered {
                // Taking back is never slower than putting in: it holds until the next start all
                // the same.
                warn!(list = %slot.source.id, "a removal cannot be remembered in {} ({error}): it \
                                               is over with the next start", shelf.place());
                shelf.record.add_removal(signed.kept.clone());
            }
        }
        self.enforce_removals(slot);
        let entries = self.effect(slot, &removal);
        info!(list = %slot.source.id, named = removal.entries.len(), entries, "entries are removed \
            at once");
        let body = json!({
            "removal": hash, "named": removal.entries.len(), "entries": entries,
            "from": removal.from, "until": removal.until,
            "reason": removal.reason,
        });
        slot.note(EventKind::Removal, None, body);
        Ok(ListChange::Removed { entries })
    }

    /// Lay over a list what its removals say at this moment; a snapshot is swapped only where that
    /// changes something.
    pub(super) fn enforce_removals(&self, slot: &Slot) {
        let Some(shelf) = &slot.shelf else { return };
        let now = wall_s();
        // The disk may hold up the shelf, and nobody's swap waits for that. From the second lock on
        // the list in force stays the same.
        let shelf = lock(shelf);
        let mut retired = lock(&self.retired);
        let kept = lock(&slot.state).kept.unwrap_or(0);
        let notes = shelf.record.counting_removals(kept);
        drop(shelf);
        let identities = &slot.source.identities;
        let said = notes.iter().filter_map(|kept| {
            Removal::parse(open_note(kept.as_bytes(), identities).ok()?.text()).ok()
        });
        let holding: Vec<Removal> = said.filter(|removal| removal.holds_at(now)).collect();
        let hashes: Vec<_> = holding.iter().map(Removal::hash).collect();
        let mut enforced = lock(&slot.enforced);
        let before = self.live.load_full();
        let generation_of_list = lock(&slot.state).generation;
        let is_same = *enforced == (generation_of_list, hashes.clone());
        if is_same || (holding.is_empty() && enforced.1.is_empty()) {
            return;
        }
        let removed = if holding.is_empty() {
            None
        } else {
            overlay(&holding, before.key())
        };
        let count = match (&removed, before.table(slot.source.index)) {
            (Some(removed), Some(table)) => removed.shared_with(table) as u64,
            _ => 0,
        };
        let next = before.with_removed(slot.source.index, removed.map(Arc::new));
        drop(before);
        retired.push(self.live.swap(Arc::new(next)));
        lock(&slot.state).removed = count;
        *enforced = (generation_of_list, hashes);
    }

    /// How many of a removal's entries the list in force has.
    fn effect(&self, slot: &Slot, removal: &Removal) -> u64 {
        let snapshot = self.live.load();
        let (Some(table), Some(removed)) = (
            snapshot.table(slot.source.index),
            overlay(std::slice::from_ref(removal), snapshot.key()),
        ) else {
            return 0;
        };
        removed.shared_with(table) as u64
    }
}

/// What removals name, compiled.
fn overlay(holding: &[Removal], key: HashKey) -> Option<Table> {
    let names = || holding.iter().flat_map(|removal| &removal.entries);
    let mut builder = TableBuilder::new(key, names().count()).ok()?;
    for (name, scope) in names() {
        builder.insert(name.as_wire(), *scope);
    }
    builder.finish().ok()
}

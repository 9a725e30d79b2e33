//! Emergency removals: entries that stop being blocked at once, laid over the list in force until they run out or a newer list comes.

use std::sync::Arc;

use serde_json::json;
use tracing::{info, warn};

use super::bundle::Origin;
use super::refusal::Cause;
use super::slot::Slot;
use super::state::{Change, Outcome};
use super::verify::believe_removal;
use super::{Updater, lock};
use crate::clock::wall_s;
use crate::list::removal::Removal;
use crate::list::{ListIndex, Table, TableBuilder};
use crate::name::HashKey;
use crate::seal::Note;
use crate::store::EventKind;

/// Removals whose hashes are remembered after they are over, so that a file left lying does not bring them back.
const KNOWN_MAX: usize = 200;

impl Updater {
    /// Take a removal note; live when this returns. It never waits for a list that is being built.
    pub fn take_removal(&self, list: ListIndex, note: &Note, origin: &Origin) -> Outcome {
        let Some(slot) = self.slots.get(usize::from(list)) else {
            let message = format!("{origin}: there is no list with the number {list}: this is a fault of the program");
            return Outcome { id: String::new(), change: Change::Refused { message } };
        };
        let change = match self.remove(slot, note) {
            Ok(change) => change,
            Err(cause) => slot.note_refusal(cause, &origin.place, None),
        };
        Outcome { id: slot.source.id.clone(), change }
    }

    fn remove(&self, slot: &Slot, note: &Note) -> Result<Change, Cause> {
        let removal = believe_removal(note, &slot.source.id, &slot.source.papers, wall_s())?;
        let (Some(shelf), hash) = (&slot.shelf, removal.hash().to_string()) else { return Err(Cause::Unsigned) };
        {
            let mut shelf = lock(shelf);
            if shelf.record.known_removals.contains(&hash) {
                return Ok(Change::Unchanged);
            }
            let remembered = shelf.change(|record| {
                record.removals.push(note.to_string());
                record.known_removals.push(hash.clone());
                let surplus = record.known_removals.len().saturating_sub(KNOWN_MAX);
                record.known_removals.drain(..surplus);
            });
            if let Err(error) = remembered {
                // Taking back is never slower than putting in: it holds until the next start all the same.
                warn!(list = %slot.source.id, "a removal cannot be remembered in {} ({error}): it is over with the next start", shelf.place());
                shelf.record.removals.push(note.to_string());
            }
        }
        self.enforce_removals(slot);
        let entries = self.effect(slot, &removal);
        info!(list = %slot.source.id, named = removal.entries.len(), entries, "entries are removed at once");
        let body = json!({
            "removal": hash, "named": removal.entries.len(), "entries": entries, "from": removal.from, "until": removal.until,
            "reason": removal.reason,
        });
        slot.note(EventKind::Removal, None, body);
        Ok(Change::Removed { entries })
    }

    /// Lay over a list what its removals say at this moment; a snapshot is swapped only where that changes something.
    pub(super) fn enforce_removals(&self, slot: &Slot) {
        let Some(shelf) = &slot.shelf else { return };
        let now = wall_s();
        let notes: Vec<String> = lock(shelf).record.removals.clone();
        let said = notes.iter().filter_map(|note| Removal::parse(Note::parse(note.as_bytes()).ok()?.text()).ok());
        let holding: Vec<Removal> = said.filter(|removal| removal.holds_at(now)).collect();
        let hashes: Vec<_> = holding.iter().map(Removal::hash).collect();
        let mut retired = lock(&self.retired);
        let mut enforced = lock(&slot.enforced);
        let before = self.live.load_full();
        let generation_of_list = lock(&slot.state).generation;
        let is_same = *enforced == (generation_of_list, hashes.clone());
        if is_same || (holding.is_empty() && enforced.1.is_empty()) {
            return;
        }
        let removed = if holding.is_empty() { None } else { overlay(&holding, before.key()) };
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
        let (Some(table), Some(removed)) = (snapshot.table(slot.source.index), overlay(std::slice::from_ref(removal), snapshot.key()))
        else {
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

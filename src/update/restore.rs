//! What is kept of a list and comes into force again: at the start, and when the operator goes
//! back.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::candidate::Entered;
use super::decisions::Generation;
use super::keeper::Slot;
use super::load::{Loaded, hex, load};
use super::prove::Unproven;
use super::refusal::Cause;
use super::source::{Stamp, Text};
use super::{FIRST_GENERATION, lock};
use crate::list::guard::Protected;
use crate::list::manifest::Manifest;
use crate::list::{Hash, Table, TableBuilder};
use crate::name::HashKey;

impl Slot {
    /// The table of the start: the generation that was in force, an older one where that is
    /// damaged, or an empty one, which blocks nothing and is not in force.
    pub(super) fn first_table(&self, key: HashKey, protected: &Protected) -> Option<Arc<Table>> {
        for (generation, is_rolled_back) in self.generations_to_try() {
            let place = format!("kept generation {}", generation.number);
            let taken = self.take_back(&generation, key, protected);
            let taken = taken.and_then(|(loaded, manifest)| {
                let known_by = manifest
                    .as_ref()
                    .map_or(Hash(loaded.digest), Manifest::hash);
                match self.findings_left(&loaded, known_by) {
                    // What came with papers was judged when it was accepted.
                    findings if findings.is_empty() || manifest.is_some() => Ok((loaded, manifest)),
                    findings => Err(Cause::Guard(findings)),
                }
            });
            match taken {
                Ok((loaded, manifest)) => {
                    let entered = Entered {
                        loaded,
                        manifest: manifest.as_ref(),
                        kept: Some(generation.number),
                        is_rolled_back,
                        place: &place,
                    };
                    self.note_live(&entered, FIRST_GENERATION);
                    return Some(entered.loaded.table);
                }
                Err(cause) => drop(self.note_refusal(cause, &place, None)),
            }
        }
        // A table without entries takes a page of memory.
        let empty = TableBuilder::new(key, 0).ok()?.finish();
        empty.map(Arc::new).ok()
    }

    /// The generation in force, then those before it, newest first.
    fn generations_to_try(&self) -> Vec<(Generation, bool)> {
        let Some(shelf) = &self.shelf else {
            return Vec::new();
        };
        let shelf = lock(shelf);
        let Some(live) = shelf.record.live() else {
            return Vec::new();
        };
        let older = shelf.record.generations.iter().rev();
        let older = older.filter(|kept| kept.number < live.number);
        std::iter::once((live.clone(), shelf.record.is_rolled_back))
            .chain(older.map(|kept| (kept.clone(), false)))
            .collect()
    }

    /// Read a generation back from disk; it was judged when it was accepted, so only its hashes are
    /// held against the record.
    pub(super) fn take_back(
        &self,
        kept: &Generation,
        key: HashKey,
        protected: &Protected,
    ) -> Result<(Loaded, Option<Manifest>), Cause> {
        let Some(shelf) = &self.shelf else {
            return Err(Cause::Missing);
        };
        let (place, taken) = {
            let shelf = lock(shelf);
            (shelf.place(), shelf.take(kept.number))
        };
        let in_state = |error| Cause::State { place, error };
        let taken = taken.and_then(|taken| taken.entries.metadata().map(|_| taken));
        let taken = taken.map_err(in_state)?;
        let manifest = match taken.note {
            None => None,
            Some(note) if Some(Manifest::hash_of(&note).to_string()) == kept.manifest => {
                Some(Manifest::parse(note.text()).map_err(Cause::Papers)?)
            }
            Some(_) => return Err(Cause::Hash),
        };
        let text = match manifest {
            // A large one is not held in memory.
            None => Text::File(taken.entries),
            Some(_) => {
                let octets = std::fs::read(taken.entries).map_err(Cause::from_io)?;
                Text::Memory(Zeroizing::new(octets).into())
            }
        };
        let text = self.clear(text, manifest.as_ref())?;
        let stamp = Stamp::of_text(&text)?;
        let script = self.source.script_of(&text, manifest.as_ref());
        let loaded =
            load(script, key, stamp, None, self.bounds(protected, None))?.ok_or(Cause::Empty)?;
        if hex(&loaded.digest) != kept.sha256 {
            return Err(Cause::Hash);
        }
        *lock(&self.unproven) = manifest
            .as_ref()
            .map(|manifest| Unproven::new(manifest, &text, [super::accept::now_ms(); 2]));
        Ok((loaded, manifest))
    }
}

//! What is kept of a list comes into force again at the start.

use std::path::Path;
use std::sync::Arc;

use super::decisions::Generation;
use super::decrypt::{clear, unused};
use super::disk::Stored;
use super::flow::{self, EnteredList, Kept};
use super::listed::ListSource;
use super::load::{Bounds, hex, left_over, load};
use super::prove::Unproven;
use super::refusal::{Cause, place_of};
use super::stand::{Entered, Stand};
use super::state::LastRefusal;
use super::text::{Stamp, Text};
use super::trust::KeyStanding;
use crate::clock::{now_ms, wall_s};
use crate::list::guard::Protected;
use crate::list::manifest::Manifest;
use crate::list::{Hash, Table, TableBuilder};
use crate::name::HashKey;
use crate::policy::Snapshot;

/// A table that blocks nothing; it takes a page of memory, and there is none where the system has
/// not even that.
pub(super) fn empty_table(key: HashKey) -> Option<Arc<Table>> {
    let table = TableBuilder::new(key, 0).ok()?.finish();
    Some(Arc::new(table.ok()?))
}

/// What a list starts with.
pub(super) struct Restored {
    pub(super) table: Arc<Table>,
    /// What removals take off it.
    pub(super) removed: Option<Arc<Table>>,
    pub(super) unproven: Option<Unproven>,
}

impl Stand {
    /// The table of the start: the generation that was in force, an older one where that is
    /// damaged, or an empty one, which blocks nothing and is not in force. Nothing where the system
    /// has no memory for one without an entry.
    pub(super) fn restore(&mut self, before: &Snapshot, protected: &Protected) -> Option<Restored> {
        let key = before.key();
        let mut awaited: Option<Generation> = None;
        for (generation, is_rolled_back) in self.generations_to_try() {
            match self.read_back(&generation, key, protected) {
                Ok(mut kept) => {
                    kept.entered.is_rolled_back = is_rolled_back;
                    let refusal = self.state.last_refusal.take();
                    let restored = self.put_in_force(kept, before);
                    (self.awaited, self.state.last_refusal) = (awaited, refusal);
                    self.say_what_is_held();
                    return Some(restored);
                }
                Err(cause) => {
                    let is_passing = cause.is_passing();
                    drop(self.note_refusal(cause, &place_of_kept(&generation), None));
                    awaited = awaited.or(is_passing.then_some(generation));
                }
            }
        }
        self.awaited = awaited;
        let restored = Restored {
            table: empty_table(key)?,
            removed: None,
            unproven: None,
        };
        self.say_what_is_held();
        Some(restored)
    }

    fn put_in_force(&mut self, kept: Kept, before: &Snapshot) -> Restored {
        let table = Arc::clone(&kept.entered.loaded.table);
        let overlay = self.overlay(kept.entered.manifest.as_ref(), before.key(), wall_s());
        let removed = overlay.table.clone();
        let held = self.held.take();
        let EnteredList { unproven, .. } =
            flow::note_entered(kept, self, before.generation() + 1, overlay);
        self.held = held;
        Restored {
            table,
            removed,
            unproven,
        }
    }

    /// What was held back before the start is held back still.
    fn say_what_is_held(&mut self) {
        let kept = self
            .shelf
            .as_ref()
            .and_then(|shelf| shelf.record.held.as_ref());
        if let (Some(kept), Some(held)) = (kept, &self.held) {
            let manifest = held
                .bundle
                .manifest
                .is_some()
                .then(|| held.known_by.to_string());
            self.state.last_refusal = Some(LastRefusal {
                at: kept.at,
                message: kept.message.clone(),
                manifest,
            });
        }
    }

    fn read_back(
        &self,
        generation: &Generation,
        key: HashKey,
        protected: &Protected,
    ) -> Result<Kept, Cause> {
        let folder = self.folder().ok_or(Cause::NoGeneration)?;
        let bounds = Self::bounds(&self.list, protected);
        let kept = take_back(generation, &folder, &self.list, key, bounds)?;
        self.judge_kept(kept)
    }

    /// Hold a kept text against today's guard; what came with papers was judged when it was
    /// accepted.
    pub(super) fn judge_kept(&self, kept: Kept) -> Result<Kept, Cause> {
        let known_by = Hash(kept.entered.loaded.digest);
        let findings = left_over(&kept.entered.loaded.findings, known_by, &self.passes);
        if findings.is_empty() || kept.entered.manifest.is_some() {
            Ok(kept)
        } else {
            Err(Cause::Guard(findings))
        }
    }

    /// The generation in force, then those before it, newest first: of those that today's keys have
    /// signed, then of the others. What needs a revoked key is left out.
    fn generations_to_try(&self) -> Vec<(Generation, bool)> {
        let Some(shelf) = &self.shelf else {
            return Vec::new();
        };
        let record = &shelf.record;
        let Some(live) = record.live() else {
            return Vec::new();
        };
        let older = record.generations.iter().rev();
        let older = older.filter(|kept| kept.number < live.number);
        let mut tries: Vec<_> = std::iter::once((live.clone(), record.is_rolled_back))
            .chain(older.map(|kept| (kept.clone(), false)))
            .map(|(kept, is_rolled_back)| (self.vouching_of_kept(&kept), kept, is_rolled_back))
            .filter(|(vouching, ..)| *vouching != KeyStanding::Revoked)
            .collect();
        // Stable: what came first among equals stays first.
        tries.sort_by_key(|(vouching, ..)| *vouching == KeyStanding::Unvouched);
        let tries = tries.into_iter();
        tries
            .map(|(_, kept, is_rolled_back)| (kept, is_rolled_back))
            .collect()
    }
}

/// Where a kept generation is, for messages.
pub(super) fn place_of_kept(generation: &Generation) -> String {
    format!("kept generation {}", generation.number)
}

/// Read a kept generation back; it was judged when it was accepted, so only its hashes are held
/// against the record.
pub(super) fn take_back(
    kept: &Generation,
    folder: &Path,
    list: &ListSource,
    key: HashKey,
    bounds: Bounds<'_>,
) -> Result<Kept, Cause> {
    let state = |error| Cause::State {
        place: place_of(folder),
        error,
    };
    let stored = Stored::Generation(kept.number);
    let note = stored.note(folder).map_err(state)?;
    let manifest = match (&note, &kept.manifest) {
        (None, None) => None,
        (Some(note), Some(hash)) if Manifest::hash_of(note).to_string() == *hash => {
            Some(Manifest::parse(note.text()).map_err(Cause::Papers)?)
        }
        // What was signed is never taken for a list without papers.
        (None, Some(_)) => return Err(Cause::NoPapers),
        (Some(_), _) => return Err(Cause::Hash),
    };
    let entries = stored.entries(folder);
    if let Err(error) = entries.metadata() {
        return Err(state(error));
    }
    let sealed = Text::File(entries);
    let unused_identities = unused(&sealed, manifest.as_ref(), list);
    let text = clear(sealed, manifest.as_ref(), list)?;
    let stamp = Stamp::of_text(&text)?;
    let script = list.script_of(&text, manifest.as_ref());
    let loaded = load(script, key, stamp, None, bounds)?.ok_or(Cause::Empty)?;
    if hex(&loaded.digest) != kept.sha256 {
        return Err(Cause::Hash);
    }
    let unproven = manifest
        .as_ref()
        .map(|manifest| Unproven::new(manifest, &text, [now_ms(); 2]));
    let entered = Entered {
        loaded,
        manifest,
        note,
        kept: Some(kept.number),
        is_rolled_back: false,
        unused_identities,
        place: place_of_kept(kept),
    };
    Ok(Kept::taken_back(entered, unproven.transpose()?))
}

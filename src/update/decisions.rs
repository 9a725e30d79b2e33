//! What was decided about a list: the generations that are kept, removals, overrides, receipts.

use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;
use crate::list::Hash;
use crate::list::guard::Code;

/// What was last accepted, which a new manifest must be above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Highest {
    pub(super) serial: u64,
    pub(super) manifest: Hash,
}

/// A generation on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number, from 1; later ones are higher.
    pub number: u64,
    /// The serial of its manifest; none where it had none.
    pub serial: Option<u64>,
    /// SHA-256 of its manifest's text in hexadecimal; none where it had none.
    pub manifest: Option<String>,
    /// SHA-256 of its entries in the clear, in hexadecimal.
    pub sha256: String,
    /// How many entries.
    pub entries: u64,
    /// When it was accepted.
    pub accepted: UnixSeconds,
    /// How it came.
    pub way: String,
}

/// What `record.json` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Decisions {
    /// The highest serial that was ever accepted, and its manifest's hash.
    pub(super) serial: Option<u64>,
    pub(super) manifest: Option<String>,
    /// The number of the generation in force.
    pub(super) live: Option<u64>,
    /// The operator went back to an earlier generation.
    pub(super) is_rolled_back: bool,
    /// Oldest first.
    pub(super) generations: Vec<Generation>,
    /// Removals that may still hold, oldest first.
    pub(super) removals: Vec<KeptRemoval>,
    /// Hashes of all removals that were taken, those that are over included.
    pub(super) known_removals: Vec<String>,
    /// Receipts' notes, oldest first.
    pub(super) receipts: Vec<String>,
    /// What the operator let pass, oldest first.
    pub(super) overrides: Vec<KeptOverride>,
}

/// Findings of the guard that the operator let pass for one text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptOverride {
    /// The manifest's hash, or the text's own where it has no manifest.
    pub(super) known_by: String,
    /// The findings' codes.
    pub(super) codes: Vec<String>,
    /// Why.
    pub(super) reason: String,
    /// When.
    pub(super) at: UnixSeconds,
}

/// A removal as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptRemoval {
    pub(super) note: String,
    /// It counts for generations up to this one: later ones were judged after it. Going back to an
    /// earlier one it counts again.
    pub(super) generation: u64,
}

impl Decisions {
    /// Remember a removal for all generations there are.
    pub(super) fn add_removal(&mut self, note: String) {
        let generation = self
            .generations
            .iter()
            .map(|kept| kept.number)
            .max()
            .unwrap_or(0);
        self.removals.push(KeptRemoval { note, generation });
    }

    /// The removals that count for a generation.
    pub(super) fn counting_removals(&self, number: u64) -> Vec<String> {
        self.removals
            .iter()
            .filter(|kept| kept.generation >= number)
            .map(|kept| kept.note.clone())
            .collect()
    }

    /// The findings that the operator let pass for what is known by this hash.
    pub(super) fn passes(&self, known_by: Hash) -> Vec<Code> {
        let known_by = known_by.to_string();
        let kept = self.overrides.iter();
        kept.filter(|kept| kept.known_by == known_by)
            .flat_map(|kept| &kept.codes)
            .filter_map(|code| Code::parse(code))
            .collect()
    }

    /// What a new manifest must be above.
    pub(super) fn highest(&self) -> Option<Highest> {
        Some(Highest {
            serial: self.serial?,
            manifest: Hash::parse(self.manifest.as_deref()?)?,
        })
    }

    /// The generation in force.
    pub(super) fn live(&self) -> Option<&Generation> {
        self.generations
            .iter()
            .find(|kept| Some(kept.number) == self.live)
    }
}

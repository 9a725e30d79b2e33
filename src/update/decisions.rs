//! What was decided about a list: the generations that are kept, removals, overrides, what is held
//! back and what is tried out.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bundle::{Bundle, Origin, Way};
use super::disk::{Stored, TextSlot};
use super::text::Text;
use crate::clock::UnixSeconds;
use crate::list::guard::Code;
use crate::list::key_chain::ChainFloor;
use crate::list::serial::SERIAL_MAX;
use crate::list::{Hash, ListIndex, write_time};

/// What was last accepted, which a new manifest must be above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Highest {
    pub(super) serial: u64,
    pub(super) manifest: Hash,
}

impl Highest {
    /// Is it above another one, or another issue with the same serial?
    pub(super) fn is_above(self, other: Option<Self>) -> bool {
        other.is_none_or(|other| {
            self.serial > other.serial
                || self.serial == other.serial && self.manifest != other.manifest
        })
    }
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
    /// Receipts' notes, oldest first, as versions before kept them; now they have their own files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) receipts: Vec<String>,
    /// What the operator let pass, oldest first.
    pub(super) overrides: Vec<KeptOverride>,
    /// How far the chain of keys has come.
    pub(super) key_floor: Option<ChainFloor>,
    /// What was held back last, until something else comes in force; its text is kept beside.
    pub(super) held: Option<KeptHeld>,
    /// What is tried out; its text is kept beside.
    pub(super) trial: Option<KeptTrial>,
    /// What was pushed and is tried again; its text is kept beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waiting: Option<KeptOffer>,
}

/// An issue that is not in force, with its text beside the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptOffer {
    /// The manifest's hash, or the text's own where it has no manifest.
    pub(super) known_by: String,
    /// How it came.
    pub(super) way: String,
    /// Where it was found, for messages.
    pub(super) place: String,
    /// When it came, in milliseconds since 1970.
    pub(super) received_ms: i64,
    /// Where its text is.
    #[serde(default)]
    pub(super) slot: TextSlot,
}

impl KeptOffer {
    pub(super) fn of(known_by: Hash, bundle: &Bundle, received_ms: i64) -> Self {
        Self {
            known_by: known_by.to_string(),
            way: bundle.origin.way.word().to_owned(),
            place: bundle.origin.place.clone(),
            received_ms,
            slot: TextSlot::default(),
        }
    }

    /// The bundle again, with its text from the list's folder; nothing where that is gone.
    pub(super) fn bundle(&self, list: ListIndex, text: Stored, folder: &Path) -> Option<Bundle> {
        let entries = text.entries(folder);
        entries.metadata().ok()?;
        Some(Bundle {
            list,
            manifest: text.note(folder).ok()?,
            text: Text::File(entries),
            origin: Origin {
                way: Way::parse(&self.way)?,
                place: self.place.clone(),
            },
        })
    }
}

/// What was held back, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptHeld {
    pub(super) offer: KeptOffer,
    /// The findings' codes.
    pub(super) codes: Vec<String>,
    pub(super) message: String,
    pub(super) at: UnixSeconds,
}

/// A trial and its verdict so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptTrial {
    pub(super) offer: KeptOffer,
    pub(super) since: UnixSeconds,
    /// For how long it has been tried out; the time in which nobody answers does not count.
    pub(super) tried_s: u64,
    pub(super) questions: u64,
    pub(super) hits: u64,
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
    /// When it was first read, from which its time counts; 0 where an earlier version kept it.
    #[serde(default)]
    pub(super) first_read: UnixSeconds,
}

impl Decisions {
    /// What a new manifest must be above.
    pub(super) fn highest(&self) -> Option<Highest> {
        // Versions before had no bound: a serial above it is a thief's, and no floor.
        let serial = self.serial.filter(|serial| *serial <= SERIAL_MAX)?;
        let manifest = Hash::parse(self.manifest.as_deref()?)?;
        Some(Highest { serial, manifest })
    }

    /// What the operator let pass, text by text.
    pub(super) fn all_passes(&self) -> Vec<(Hash, Code)> {
        let codes = |kept: &KeptOverride| {
            let known_by = Hash::parse(&kept.known_by);
            let codes = kept.codes.iter().filter_map(|code| Code::parse(code));
            let codes: Vec<_> = codes.filter_map(|code| Some((known_by?, code))).collect();
            codes
        };
        self.overrides.iter().flat_map(codes).collect()
    }

    /// Where the text of what was pushed and is tried again is.
    pub(super) fn waiting_slot(&self) -> Option<TextSlot> {
        self.waiting.as_ref().map(|waiting| waiting.slot)
    }

    /// Where the text of what is held back is.
    pub(super) fn held_text(&self) -> Option<Stored> {
        let held = self.held.as_ref();
        held.map(|held| Stored::Held(held.offer.slot))
    }

    /// Where the text of what is tried out is.
    pub(super) fn trial_text(&self) -> Option<Stored> {
        let trial = self.trial.as_ref();
        trial.map(|trial| Stored::Trial(trial.offer.slot))
    }

    /// The overrides for what is known by this hash, in words.
    pub(super) fn overrides_of(&self, known_by: Hash) -> Vec<String> {
        let known_by = known_by.to_string();
        let of_this = self
            .overrides
            .iter()
            .filter(|kept| kept.known_by == known_by);
        let tell = |kept: &KeptOverride| {
            let (codes, at) = (kept.codes.join(", "), write_time(kept.at));
            format!("{codes} let pass {at}: {}", kept.reason)
        };
        of_this.map(tell).collect()
    }

    /// The generation in force.
    pub(super) fn live(&self) -> Option<&Generation> {
        self.generations
            .iter()
            .find(|kept| Some(kept.number) == self.live)
    }
}

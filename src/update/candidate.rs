//! A list on its way to being in force, and what stops it there: held back, or let pass.

use super::bundle::Bundle;
use super::load::Loaded;
use super::prove::Unproven;
use super::state::ListChange;
use super::verify::Believed;
use crate::list::Hash;
use crate::list::guard::Code;
use crate::list::manifest::Manifest;

/// What the guard held back.
pub(super) struct Held {
    /// The manifest's hash, or the text's own where it has no manifest.
    pub(super) known_by: Hash,
    pub(super) codes: Vec<Code>,
    /// What it was; none where the list's file is read again.
    pub(super) bundle: Option<Bundle>,
}

/// What the operator lets pass: these findings, for this one.
pub(super) struct Pass {
    pub(super) known_by: Hash,
    pub(super) codes: Vec<Code>,
}

/// A list that is in order, on its way to being in force.
pub(super) struct Candidate {
    /// The manifest's hash, or the text's own where it has no manifest.
    pub(super) known_by: Hash,
    pub(super) loaded: Loaded,
    pub(super) believed: Option<Believed>,
    /// As it came; none where the list's own file was read.
    pub(super) bundle: Option<Bundle>,
    /// How many removals it replaces, the oldest ones.
    pub(super) removals: usize,
    pub(super) unproven: Option<Unproven>,
    /// Where it was found, for messages.
    pub(super) place: String,
}

impl Candidate {
    /// The list's own file.
    pub(super) fn of_file(loaded: Loaded, place: &str) -> Self {
        let known_by = Hash(loaded.digest);
        Self {
            known_by,
            loaded,
            believed: None,
            bundle: None,
            removals: 0,
            unproven: None,
            place: place.to_owned(),
        }
    }

    pub(super) fn serial(&self) -> Option<u64> {
        self.believed
            .as_ref()
            .map(|believed| believed.manifest.serial)
    }
}

/// What came in force, for the state and the journal.
pub(super) struct Entered<'a> {
    pub(super) loaded: Loaded,
    pub(super) manifest: Option<&'a Manifest>,
    pub(super) kept: Option<u64>,
    pub(super) is_rolled_back: bool,
    pub(super) place: &'a str,
}

impl Entered<'_> {
    /// What coming in force changes.
    pub(super) fn change(&self) -> ListChange {
        ListChange::Swapped {
            entries: self.loaded.table.entry_count() as u64,
            rejects: self.loaded.parsed.rejects,
        }
    }
}

//! Emergency removals: entries that stop being blocked at once, laid over the list in force.
//!
//! A removal ends in two ways only: its time is over, or the issue in force has taken it up. It
//! holds for as long as it says, counted from when it was first read: its times are the curator's,
//! and the clock here may differ.

use std::sync::Arc;

use super::decrypt::open_note;
use super::listed::Identities;
use super::refusal::Cause;
use crate::clock::UnixSeconds;
use crate::list::manifest::Manifest;
use crate::list::removal::{CarriedRemoval, Removal, parse_several};
use crate::list::{Hash, Table, TableBuilder};
use crate::name::HashKey;
use crate::seal::Note;

/// One that is dated no further ahead than this holds at once: clocks differ.
const SKEW_S: i64 = 300;

/// A removal as it came, opened.
pub struct SignedRemoval {
    carried: CarriedRemoval,
    pub(super) note: Note,
}

impl SignedRemoval {
    pub(super) fn open(carried: CarriedRemoval, identities: &Identities) -> Result<Self, Cause> {
        let note = match &carried {
            CarriedRemoval::Open(note) => note.clone(),
            CarriedRemoval::Sealed(text) => open_note(text.as_bytes(), identities)?,
        };
        Ok(Self { carried, note })
    }

    /// All removals of a file, and why some of them cannot be opened; an error where it is not a
    /// whole file.
    pub(super) fn open_all(
        octets: &[u8],
        identities: &Identities,
    ) -> Result<(Vec<Self>, Option<Cause>), Cause> {
        let carried = parse_several(octets).map_err(Cause::Removals)?;
        let (mut opened, mut fault) = (Vec::new(), None);
        for carried in carried {
            match Self::open(carried, identities) {
                Ok(removal) => opened.push(removal),
                Err(cause) => fault = Some(cause),
            }
        }
        Ok((opened, fault))
    }

    /// Which list it speaks of.
    pub(super) fn list(&self) -> Result<String, String> {
        let removal = Removal::parse(self.note.text()).map_err(|fault| fault.to_string())?;
        Ok(removal.list)
    }

    /// What it is known by.
    pub(super) fn known_by(&self) -> Hash {
        self.carried.known_by()
    }

    /// What is kept of it: encrypted where it came so.
    pub(super) fn to_text(&self) -> String {
        self.carried.to_text()
    }
}

/// When a removal holds, and what ends it.
#[derive(Clone, Debug)]
pub(super) struct RemovalTerm {
    pub(super) known_by: Hash,
    /// As it is signed.
    from: UnixSeconds,
    /// From when to when, by the clock here.
    pub(super) begins: UnixSeconds,
    ends: UnixSeconds,
    /// As it came.
    pub(super) note: String,
}

impl RemovalTerm {
    pub(super) fn new(
        known_by: Hash,
        removal: &Removal,
        first_read: UnixSeconds,
        note: String,
    ) -> Self {
        let Removal { from, until, .. } = *removal;
        let is_ahead = from > first_read.saturating_add(SKEW_S);
        let lasts = until.saturating_sub(from);
        let (begins, ends) = if first_read == 0 || is_ahead {
            (from, until)
        } else {
            // Begun already, whatever the clock says later.
            let ends = until.min(first_read.saturating_add(lasts));
            (UnixSeconds::MIN, ends)
        };
        Self {
            known_by,
            from,
            begins,
            ends,
            note,
        }
    }

    /// What it says; nothing where it cannot be opened.
    pub(super) fn open(&self, identities: &Identities) -> Option<Removal> {
        let note = open_note(self.note.as_bytes(), identities).ok()?;
        Removal::parse(note.text()).ok()
    }

    pub(super) const fn holds_at(&self, now: UnixSeconds) -> bool {
        self.begins <= now && now < self.ends
    }

    /// Has the issue in force taken it up?
    pub(super) fn is_settled_by(&self, manifest: Option<&Manifest>) -> bool {
        manifest.is_some_and(|manifest| manifest.has_settled(self.known_by, self.from))
    }
}

/// What is laid over a list in force.
#[derive(Default)]
pub(super) struct Overlay {
    pub(super) table: Option<Arc<Table>>,
    pub(super) holding: Vec<Hash>,
}

/// What removals name, compiled.
pub(super) fn compile<'a>(
    holding: impl IntoIterator<Item = &'a Removal>,
    key: HashKey,
) -> Option<Table> {
    let names: Vec<_> = holding
        .into_iter()
        .flat_map(|removal| &removal.entries)
        .collect();
    let mut builder = TableBuilder::new(key, names.len()).ok()?;
    for (name, scope) in names {
        builder.insert(name.as_wire(), *scope);
    }
    builder.finish().ok()
}

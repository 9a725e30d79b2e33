//! What was accepted before is held against the keys that may sign today.

use tracing::{info, warn};

use super::decisions::{Generation, Highest};
use super::disk::Stored;
use super::listed::Unsigned;
use super::refusal::Cause;
use super::stand::Stand;
use super::state::ListChange;
use super::trust::{KeyStanding, ListTrust};
use crate::list::Hash;
use crate::list::manifest::Manifest;
use crate::seal::Note;

impl Stand {
    /// Follow a chain of keys that a source brought, where it goes farther than ours.
    pub(super) fn take_keys(&mut self, octets: &[u8]) -> Result<ListChange, Cause> {
        let trust = self.trust.follow(octets)?;
        let shelf = self.shelf.as_mut();
        let kept = shelf.as_ref().and_then(|shelf| shelf.record.key_floor);
        let promised = self.promises.list(&self.list.id).keys;
        let floors = [kept, self.trust.floor(), promised];
        for floor in floors.iter().flatten() {
            trust.check_floor(floor)?;
        }
        if trust.number() == self.trust.number() {
            return Ok(ListChange::Unchanged);
        }
        if let Some(shelf) = shelf {
            let floor = trust.floor();
            let written = ListTrust::keep(&shelf.folder, octets);
            let written = written.and_then(|()| shelf.change(|record| record.key_floor = floor));
            written.map_err(|error| Cause::State {
                place: shelf.place(),
                error,
            })?;
        }
        let link = trust.number();
        info!(list = %self.list.id, link, "the list's keys have changed");
        self.trust = trust;
        self.review_keys();
        Ok(ListChange::Keys { link })
    }

    /// Hold everything against today's keys.
    pub(super) fn review_keys(&mut self) {
        self.raise_floor();
        self.vouching = self.vouching_of(self.note.as_ref());
        if let Some(shelf) = &self.shelf {
            let removals = self.terms_of(&shelf.record.removals);
            self.removals = removals;
        }
        if self.vouching != KeyStanding::Vouched {
            warn!(
                list = %self.list.id, serial = self.state.serial,
                "today's keys have not signed the issue in force"
            );
        }
    }

    /// How an issue stands with this note; what has none is the operator's to answer for.
    pub(super) fn vouching_of(&self, note: Option<&Note>) -> KeyStanding {
        let papers = &self.list.papers;
        let Some(note) = note else {
            // Before, the operator answered for it; now somebody must have signed.
            let must_be_signed = papers.unsigned == Unsigned::Refuse && self.list.text.is_none();
            return match must_be_signed {
                true => KeyStanding::Unvouched,
                false => KeyStanding::Vouched,
            };
        };
        let manifest = Manifest::parse(note.text());
        manifest.map_or(KeyStanding::Unvouched, |manifest| {
            self.trust.vouching(note, manifest.serial)
        })
    }

    /// How a kept generation stands; one that was signed, and has no note any more, is not vouched
    /// for.
    pub(super) fn vouching_of_kept(&self, kept: &Generation) -> KeyStanding {
        let folder = self.folder();
        let note = folder.and_then(|folder| Stored::Generation(kept.number).note(&folder).ok());
        match (note.flatten(), &kept.manifest) {
            (Some(note), _) => self.vouching_of(Some(&note)),
            (None, None) => self.vouching_of(None),
            (None, Some(_)) => KeyStanding::Unvouched,
        }
    }

    /// Find what a new manifest must be above: the highest of the record, or of what was promised
    /// outside the state folder, where that is above it. Reads kept manifests and checks their
    /// signatures: done where one of them, or a key, has changed.
    pub(super) fn find_floor(&mut self) {
        let (recorded, promised) = (self.recorded_floor(), self.promised());
        let above = promised.filter(|promised| promised.is_above(recorded));
        self.floor = above.or(recorded);
        self.restored = self.below_promise(promised);
    }

    /// The highest that was accepted, or where today's keys have not signed that, the highest that
    /// they have. A thief's serial locks nobody out.
    fn recorded_floor(&self) -> Option<Highest> {
        let record = &self.shelf.as_ref()?.record;
        let highest = record.highest()?;
        let is_vouched = |kept: &&Generation| self.vouching_of_kept(kept) == KeyStanding::Vouched;
        let known_by = Some(highest.manifest.to_string());
        let mut generations = record.generations.iter();
        let accepted = generations.find(|kept| kept.manifest == known_by);
        if accepted.is_none_or(|accepted| is_vouched(&accepted)) {
            return Some(highest);
        }
        let vouched = record.generations.iter().filter(is_vouched);
        let vouched = vouched.filter_map(|kept| {
            Some(Highest {
                serial: kept.serial?,
                manifest: Hash::parse(kept.manifest.as_deref()?)?,
            })
        });
        vouched.max_by_key(|highest| highest.serial)
    }

    /// The generation to go back to where a key of the one in force was revoked.
    pub(super) fn replacement(&self) -> Option<Generation> {
        let record = &self.shelf.as_ref()?.record;
        let live = record.live.unwrap_or(u64::MAX);
        let older = record
            .generations
            .iter()
            .rev()
            .filter(|kept| kept.number < live);
        let mut vouched = older.filter(|kept| self.vouching_of_kept(kept) == KeyStanding::Vouched);
        vouched.next().cloned()
    }
}

//! One list and how it stands: what is in force, what was decided, what is held back. Its keeper
//! alone has it.

use std::mem::Discriminant;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, warn};

use super::bundle::Bundle;
use super::decisions::{Generation, Highest, KeptHeld};
use super::disk::Stored;
use super::listed::ListSource;
use super::load::{Bounds, Loaded};
use super::receipts::Receipts;
use super::refusal::Cause;
use super::removal::RemovalTerm;
use super::shelf::Shelf;
use super::state::ListState;
use super::text::{Stamp, Text};
use super::trust::{KeyStanding, ListTrust};
use super::verify::{SerialStanding, believe, judge_time};
use crate::clock::{ClockReading, UnixSeconds, wall_s};
use crate::list::Hash;
use crate::list::guard::{Code, Protected};
use crate::list::manifest::Manifest;
use crate::seal::Note;
use crate::store::{Journal, Promises};

/// How one list stands.
pub(super) struct Stand {
    pub(super) list: Arc<ListSource>,
    pub(super) journal: Journal,
    /// What was promised outside the state folder.
    pub(super) promises: Promises,
    pub(super) state: ListState,
    /// The manifest in force and its note; none where it has none.
    pub(super) manifest: Option<Manifest>,
    pub(super) note: Option<Note>,
    /// Who may sign it.
    pub(super) trust: ListTrust,
    /// How the issue in force stands to that.
    pub(super) vouching: KeyStanding,
    /// What a new manifest must be above.
    pub(super) floor: Option<Highest>,
    /// What was promised, where the record does not reach it: from then on until such an issue is
    /// accepted.
    pub(super) restored: Option<Highest>,
    /// What is kept on disk; nothing where there is no state folder, and for the built-in list.
    pub(super) shelf: Option<Shelf>,
    /// What the guard held back last, until something else comes in force.
    pub(super) held: Option<Held>,
    /// What is tried out.
    pub(super) on_trial: Option<TrialMark>,
    /// What the operator lets pass.
    pub(super) passes: Vec<(Hash, Code)>,
    /// The removals that were taken, with their terms.
    pub(super) removals: Vec<RemovalTerm>,
    /// Those of them that are laid over the list now.
    pub(super) enforced: Vec<Hash>,
    /// What the last refusal was about.
    pub(super) refused_for: Option<Discriminant<Cause>>,
    /// A kept generation that would be in force, had it not been unreadable for a reason that
    /// passes.
    pub(super) awaited: Option<Generation>,
    /// The generation in force, where it could not be kept; its text is in the list's own file.
    pub(super) unkept: Option<Generation>,
    /// What the file of age keys looked like when removals were last opened.
    pub(super) identities_seen: Option<Stamp>,
    /// The record changed while it could not be written.
    pub(super) is_unwritten: bool,
    /// The file as it was when it was last judged, for better or worse; nothing where it was
    /// missing, or is to be read again.
    pub(super) attempted: Option<Stamp>,
    /// When the keeper began.
    pub(super) opened: UnixSeconds,
    /// How often a zone's primaries are asked; nothing before the first time.
    pub(super) pace: Option<Duration>,
    /// When the alarms were last looked at, and when the wall clock was last set forward.
    pub(super) last_look: ClockReading,
    pub(super) stepped: Option<Instant>,
    /// How often somebody asked for its sources to be looked at again.
    pub(super) asked: u64,
    /// When the next entry of the text in force is over.
    pub(super) next_expiry: Option<UnixSeconds>,
    /// The text in force is to be read again: an entry of it is over.
    pub(super) is_stale: bool,
}

/// What was held back.
#[derive(Clone)]
pub(super) struct Held {
    /// The manifest's hash, or the text's own where it has no manifest.
    pub(super) known_by: Hash,
    pub(super) codes: Vec<Code>,
    pub(super) bundle: Bundle,
    pub(super) received_ms: i64,
    /// Where its text lies in the list's folder.
    pub(super) stored: Option<Stored>,
    /// What was said of it.
    pub(super) message: String,
}

impl Held {
    pub(super) const fn new(
        known_by: Hash,
        codes: Vec<Code>,
        bundle: Bundle,
        received_ms: i64,
    ) -> Self {
        Self {
            known_by,
            codes,
            bundle,
            received_ms,
            stored: None,
            message: String::new(),
        }
    }
}

/// What is tried out, for whoever must know it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TrialMark {
    pub(super) known_by: Hash,
    pub(super) serial: Option<u64>,
}

/// What came in force, for the state and the journal.
pub(super) struct Entered {
    pub(super) loaded: Loaded,
    pub(super) manifest: Option<Manifest>,
    /// The manifest's note.
    pub(super) note: Option<Note>,
    pub(super) kept: Option<u64>,
    pub(super) is_rolled_back: bool,
    /// The age keys that do not open it.
    pub(super) unused_identities: Vec<String>,
    /// Where it was found, for messages.
    pub(super) place: String,
}

impl Stand {
    /// With its folder below `state` open; a folder that cannot be read is told of, and no more.
    pub(super) fn open(
        list: ListSource,
        state: Option<&Path>,
        journal: Journal,
        promises: Promises,
    ) -> Self {
        let is_embedded = matches!(list.text, Some(Text::Embedded(_)));
        let shelf = state
            .filter(|_| !is_embedded)
            .map(|state| Shelf::open(state, &list.id));
        let listed = ListState {
            id: list.id.clone(),
            apply_within_s: list.apply_within.map(|within| within.as_secs()),
            ..ListState::default()
        };
        let folder = shelf.as_ref().map(|shelf| shelf.folder.as_path());
        let (trust, fault) = ListTrust::open(&list, folder);
        if let Some(fault) = fault {
            warn!(list = %list.id, "the chain of keys that was kept is void: {fault}");
        }
        let mut stand = Self {
            trust,
            note: None,
            vouching: KeyStanding::Vouched,
            floor: None,
            restored: None,
            list: Arc::new(list),
            journal,
            promises,
            state: listed,
            manifest: None,
            shelf,
            held: None,
            on_trial: None,
            passes: Vec::new(),
            removals: Vec::new(),
            enforced: Vec::new(),
            refused_for: None,
            awaited: None,
            unkept: None,
            identities_seen: None,
            is_unwritten: false,
            attempted: None,
            opened: wall_s(),
            pace: None,
            last_look: ClockReading::now(),
            stepped: None,
            asked: 0,
            next_expiry: None,
            is_stale: false,
        };
        stand.tell_of_shelf();
        stand.take_up();
        stand.note_restored();
        stand
    }

    fn tell_of_shelf(&self) {
        let Some(shelf) = &self.shelf else { return };
        let (place, list) = (shelf.place(), &self.list.id);
        if let Some(fault) = &shelf.repaired {
            warn!(
                %list,
                "what was decided about the list cannot be read in {place} ({fault}): the \
                 record's copy, the generations and the removals there are taken up again"
            );
        }
        if let Some(error) = shelf.fault() {
            error!(
                %list,
                "{place} cannot be read ({error}): what is kept of the list is not in force; check \
                 the folder's owner, mode and disk"
            );
        }
    }

    /// Take up what the record says: what is let pass, removed and held back.
    pub(super) fn take_up(&mut self) {
        let Some(shelf) = &self.shelf else { return };
        self.passes = shelf.record.all_passes();
        self.held = shelf
            .record
            .held
            .as_ref()
            .and_then(|kept| self.held_from(kept, shelf));
        self.removals = self.terms_of(&shelf.record.removals);
        self.identities_seen = self.list.identities.stamp();
        let mut removals = self.removals.iter();
        self.is_unwritten |= removals.any(|term| !shelf.has_removal(term.known_by));
        Receipts::of(&shelf.folder).take_over(&shelf.record.receipts);
        self.find_floor();
    }

    fn held_from(&self, kept: &KeptHeld, shelf: &Shelf) -> Option<Held> {
        let stored = Stored::Held(kept.offer.slot);
        Some(Held {
            known_by: Hash::parse(&kept.offer.known_by)?,
            codes: kept
                .codes
                .iter()
                .filter_map(|code| Code::parse(code))
                .collect(),
            bundle: kept.offer.bundle(self.list.index, stored, &shelf.folder)?,
            received_ms: kept.offer.received_ms,
            stored: Some(stored),
            message: kept.message.clone(),
        })
    }

    /// Is any generation in force?
    pub(super) const fn is_live(&self) -> bool {
        self.state.live_since > 0
    }

    /// What a new manifest must be above: the last one that was accepted, or that is tried out
    /// unless the operator cuts that short.
    fn highest(&self) -> Option<Highest> {
        let tried = self.on_trial.and_then(|tried| {
            Some(Highest {
                serial: tried.serial?,
                manifest: tried.known_by,
            })
        });
        tried
            .filter(|tried| !self.lets_pass(tried.manifest, Code::Shadow))
            .or(self.floor)
    }

    /// Does the record say that this is tried out?
    pub(super) fn is_kept_on_trial(&self, known_by: Hash) -> bool {
        let record = self.shelf.as_ref().map(|shelf| &shelf.record);
        let trial = record.and_then(|record| record.trial.as_ref());
        trial.is_some_and(|kept| kept.offer.known_by == known_by.to_string())
    }

    /// The highest serial that was accepted.
    pub(super) fn highest_accepted(&self) -> Option<u64> {
        self.floor.map(|floor| floor.serial)
    }

    /// Is an entry of the text in force over at this time?
    pub(super) fn is_stale_at(&self, now: UnixSeconds) -> bool {
        self.next_expiry.is_some_and(|next| next <= now)
    }

    /// The digest of the text in force, unless that is to be read again as it is.
    pub(super) fn unless_stale(&self) -> String {
        if self.is_stale {
            return String::new();
        }
        self.state.sha256.clone()
    }

    /// Is a manifest to be believed, and above what was accepted? One that was accepted, and that
    /// nothing kept of it can bring back, is taken again.
    pub(super) fn judge(&self, note: &Note) -> Result<SerialStanding, Cause> {
        self.check_promised_keys()?;
        let believed = believe(note, &self.list.id, &self.trust.quorum(note))?;
        match judge_time(believed, self.highest(), wall_s())? {
            SerialStanding::Known(known) if self.is_lost(known.hash) => {
                Ok(SerialStanding::Newer(known))
            }
            SerialStanding::Newer(believed) => match self.refused_trial(believed.hash) {
                Some(message) => Err(Cause::HeldBack(message)),
                None => Ok(SerialStanding::Newer(believed)),
            },
            known => Ok(known),
        }
    }

    /// What was said of something that was tried out and held back for it.
    pub(super) fn refused_trial(&self, known_by: Hash) -> Option<String> {
        let held = self.held.as_ref()?;
        let is_this = held.known_by == known_by && held.codes == [Code::Shadow];
        (is_this && !self.lets_pass(known_by, Code::Shadow)).then(|| held.message.clone())
    }

    /// Is an accepted manifest neither in force nor tried out, and did nobody go back from it?
    fn is_lost(&self, manifest: Hash) -> bool {
        // Nobody went back from an issue of which the record does not know any more.
        let is_known = self.restored.is_none();
        let went_back = |shelf: &Shelf| shelf.record.is_rolled_back && is_known;
        let is_tried = self
            .on_trial
            .is_some_and(|tried| tried.known_by == manifest);
        let is_kept_back = is_tried || self.shelf.as_ref().is_some_and(went_back);
        !is_kept_back && self.state.manifest != Some(manifest.to_string())
    }

    /// Does the operator let this pass for this very list?
    pub(super) fn lets_pass(&self, known_by: Hash, code: Code) -> bool {
        self.passes.contains(&(known_by, code))
    }

    /// The text that the operator went back from: it does not come into force again by itself.
    pub(super) fn left_behind(&self) -> Option<String> {
        let record = &self.shelf.as_ref()?.record;
        let newest = record.generations.last()?;
        let is_left = record.is_rolled_back && Some(newest.number) != record.live;
        is_left.then(|| newest.sha256.clone())
    }

    /// What a kept text of this list is held against.
    pub(super) fn bounds<'a>(list: &'a ListSource, protected: &'a Protected) -> Bounds<'a> {
        Bounds {
            protected,
            limits: &list.limits,
            before: None,
            gives_way: false,
        }
    }

    /// The list's folder, where it is kept.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.shelf.as_ref().map(|shelf| shelf.folder.clone())
    }
}

//! One list and how it stands: what was last read of it, what is in force, and why something else
//! is not.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use tracing::{error, warn};

use super::bundle::{Bundle, Way};
use super::candidate::{Held, Pass};
use super::decisions::{Generation, Highest};
use super::generations::Shelf;
use super::load::{Bounds, Loaded, hex, load};
use super::lock;
use super::prove::Unproven;
use super::refusal::Cause;
use super::source::{FileWriter, ListSource, Quiet, Stamp, Text, Unchanged};
use super::stage::OnTrial;
use super::state::ListState;
use super::verify::{Believed, SerialStanding, believe, judge_time};
use crate::clock::wall_s;
use crate::list::guard::{Code, GuardFinding, GuardLimits, Protected};
use crate::list::manifest::Manifest;
use crate::list::{Hash, Table};
use crate::name::HashKey;
use crate::seal::Note;
use crate::store::Journal;

/// One list and how it stands.
pub(super) struct Slot {
    pub(super) source: ListSource,
    pub(super) journal: Journal,
    /// Held by whoever reads or judges a text for this list: one at a time.
    pub(super) turn: Mutex<()>,
    pub(super) state: Mutex<ListState>,
    /// What is kept on disk; nothing where the list is a plain file, which is on disk already.
    pub(super) shelf: Option<Mutex<Shelf>>,
    /// What the guard held back last, until something else comes in force.
    pub(super) held: Mutex<Option<Held>>,
    /// What is tried out to follow what is in force.
    pub(super) trial: Mutex<Option<OnTrial>>,
    /// What the operator lets pass.
    pub(super) pass: Mutex<Option<Pass>>,
    /// The removals that are laid over the list, and the generation that they are laid over.
    pub(super) enforced: Mutex<(u64, Vec<Hash>)>,
    /// In force, and our own doors have not been asked about it.
    pub(super) unproven: Mutex<Option<Unproven>>,
    /// The file as it was when it was last read, for better or worse; nothing where it was missing.
    pub(super) attempted: Mutex<Option<Stamp>>,
    /// How often somebody asked for its sources to be looked at again.
    pub(super) asked: AtomicU64,
    /// The watcher saw somebody write to the file and not close it yet.
    pub(super) is_written: AtomicBool,
}

impl Slot {
    /// With its folder below `state` open; a folder that cannot be read is told of, and no more.
    pub(super) fn open(source: ListSource, state: Option<&Path>, journal: Journal) -> Self {
        let is_embedded = matches!(source.text, Some(Text::Embedded(_)));
        let shelf = state
            .filter(|_| !is_embedded)
            .map(|state| Shelf::open(state, &source.id));
        let listed = ListState {
            id: source.id.clone(),
            ..ListState::default()
        };
        let slot = Self {
            source,
            journal,
            turn: Mutex::default(),
            state: Mutex::new(listed),
            shelf: shelf.map(Mutex::new),
            held: Mutex::default(),
            trial: Mutex::default(),
            pass: Mutex::default(),
            enforced: Mutex::default(),
            unproven: Mutex::default(),
            attempted: Mutex::default(),
            asked: AtomicU64::new(0),
            is_written: AtomicBool::new(false),
        };
        slot.tell_of_shelf();
        slot
    }

    fn tell_of_shelf(&self) {
        let Some(shelf) = &self.shelf else { return };
        let shelf = lock(shelf);
        let place = shelf.place();
        if let Some(fault) = &shelf.repaired {
            warn!(
                list = %self.source.id,
                "what was decided about the list cannot be read in {place} ({fault}): the \
                 generations there are taken up again; removals, overrides and receipts are lost"
            );
        }
        if let Some(error) = shelf.fault() {
            error!(
                list = %self.source.id,
                "{place} cannot be read ({error}): what is kept of the list is not in force; check \
                 the folder's owner, mode and disk"
            );
        }
    }

    /// The entries in the clear, in memory alone.
    pub(super) fn clear(&self, text: Text, manifest: Option<&Manifest>) -> Result<Text, Cause> {
        super::decrypt::clear(text, manifest, &self.source)
    }

    /// How it stands now.
    pub(super) fn state(&self) -> ListState {
        let trial = lock(&self.trial)
            .as_ref()
            .map(|trial| trial.state(&self.source.stage));
        ListState {
            trial,
            ..lock(&self.state).clone()
        }
    }

    /// What a new manifest must be above: the last one that was accepted, or that is tried out
    /// unless the operator cuts that short.
    pub(super) fn highest(&self) -> Option<Highest> {
        let accepted = self
            .shelf
            .as_ref()
            .and_then(|shelf| lock(shelf).record.highest());
        let trial = lock(&self.trial);
        let tried = trial
            .as_ref()
            .and_then(|trial| trial.candidate.believed.as_ref())
            .filter(|tried| !self.lets_pass(tried.hash, Code::Shadow));
        tried
            .map(|tried| Highest {
                serial: tried.manifest.serial,
                manifest: tried.hash,
            })
            .or(accepted)
    }

    /// Is a manifest to be believed, and above what was accepted? One that was accepted, and that
    /// nothing kept of it can bring back, is taken again.
    pub(super) fn judge(&self, note: &Note) -> Result<SerialStanding, Cause> {
        let believed = believe(note, &self.source.id, &self.source.papers)?;
        Ok(match judge_time(believed, self.highest(), wall_s())? {
            SerialStanding::Known(known) if self.is_lost(known.hash) => {
                SerialStanding::Newer(known)
            }
            standing => standing,
        })
    }

    /// Is an accepted manifest neither in force nor tried out, and did nobody go back from it?
    fn is_lost(&self, manifest: Hash) -> bool {
        let went_back = |shelf: &Mutex<Shelf>| lock(shelf).record.is_rolled_back;
        let trial = lock(&self.trial);
        let is_tried = trial
            .as_ref()
            .is_some_and(|trial| trial.candidate.known_by == manifest);
        drop(trial);
        let in_force = lock(&self.state).manifest.clone();
        let is_kept_back = is_tried || self.shelf.as_ref().is_some_and(went_back);
        !is_kept_back && in_force != Some(manifest.to_string())
    }

    /// What the operator lets pass for this very text, now or in an earlier run.
    pub(super) fn passes(&self, known_by: Hash) -> Vec<Code> {
        let mut codes = Vec::new();
        if let Some(shelf) = &self.shelf {
            codes = lock(shelf).record.passes(known_by);
        }
        let pass = lock(&self.pass);
        let now = pass.as_ref().filter(|pass| pass.known_by == known_by);
        codes.extend(now.iter().flat_map(|pass| &pass.codes));
        codes
    }

    /// What the guard found that nobody has let pass.
    pub(super) fn findings_left(&self, loaded: &Loaded, known_by: Hash) -> Vec<GuardFinding> {
        let passes = self.passes(known_by);
        let found = loaded.findings.iter();
        found
            .filter(|finding| !passes.contains(&finding.code))
            .cloned()
            .collect()
    }

    /// Does the operator let this pass for this very list?
    pub(super) fn lets_pass(&self, known_by: Hash, code: Code) -> bool {
        self.passes(known_by).contains(&code)
    }

    /// Read the list's file when it has come to rest; nothing where its text is in force already,
    /// or is the one that the operator went back from.
    pub(super) fn reread(
        &self,
        key: HashKey,
        quiet: Quiet,
        bounds: Bounds<'_>,
    ) -> Result<Option<Loaded>, Cause> {
        let Some(text) = &self.source.text else {
            return Ok(None);
        };
        let stamp = match self
            .source
            .path()
            .map(|path| quiet.settle(path, || self.writer()))
        {
            None => None,
            Some(Ok(stamp)) => Some(stamp),
            // The file is read again when it has come to rest, even if that is just now: it does
            // not count as attempted.
            Some(Err(Cause::StillWritten)) => return Err(Cause::StillWritten),
            Some(Err(cause)) => {
                *lock(&self.attempted) = None;
                return Err(cause);
            }
        };
        *lock(&self.attempted) = stamp;
        let script = self.source.script_of(text, None);
        let loaded = load(script, key, stamp, Some(&self.in_force()), bounds);
        if loaded.as_ref().is_err_and(Cause::is_passing) {
            *lock(&self.attempted) = None;
        }
        let left = self.left_behind();
        Ok(loaded?.filter(|loaded| Some(hex(&loaded.digest)) != left))
    }

    /// The text that the operator went back from: it does not come into force again by itself.
    fn left_behind(&self) -> Option<String> {
        let shelf = lock(self.shelf.as_ref()?);
        let newest = shelf.record.generations.last()?;
        let is_left = shelf.record.is_rolled_back && Some(newest.number) != shelf.record.live;
        is_left.then(|| newest.sha256.clone())
    }

    /// What a new text of this list is held against; `before` only where its changes are not the
    /// operator's own.
    pub(super) fn bounds<'a>(
        &'a self,
        protected: &'a Protected,
        before: Option<&'a Table>,
    ) -> Bounds<'a> {
        Bounds {
            protected,
            limits: self.limits(),
            before,
            gives_way: lock(&self.state).live_since > 0,
        }
    }

    pub(super) const fn limits(&self) -> &GuardLimits {
        &self.source.limits
    }

    pub(super) fn writer(&self) -> FileWriter {
        if self.is_written.load(Relaxed) {
            FileWriter::Open
        } else {
            FileWriter::Closed
        }
    }

    pub(super) fn in_force(&self) -> String {
        lock(&self.state).sha256.clone()
    }

    /// Keep what is about to come in force on disk; returns its number, or none where the list is
    /// not kept.
    pub(super) fn keep(
        &self,
        bundle: Option<&Bundle>,
        believed: Option<&Believed>,
        loaded: &Loaded,
        removals: usize,
    ) -> Result<Option<u64>, Cause> {
        let text = bundle
            .map(|bundle| &bundle.text)
            .or(self.source.text.as_ref());
        let (Some(shelf), Some(text)) = (&self.shelf, text) else {
            return Ok(None);
        };
        let entries: Box<dyn Read + '_> = match text {
            Text::Memory(octets) => Box::new(octets.as_slice()),
            Text::Embedded(text) => Box::new(text.as_bytes()),
            Text::File(path) => {
                let file = File::open(path).map_err(Cause::from_io)?;
                Box::new(Unchanged::new(file, loaded.digest))
            }
        };
        let generation = Generation {
            number: 0,
            serial: believed.map(|believed| believed.manifest.serial),
            manifest: believed.map(|believed| believed.hash.to_string()),
            sha256: hex(&loaded.digest),
            entries: loaded.table.entry_count() as u64,
            accepted: wall_s(),
            way: bundle
                .map_or(Way::File, |bundle| bundle.origin.way)
                .word()
                .to_owned(),
        };
        let mut shelf = lock(shelf);
        let note = bundle.and_then(|bundle| bundle.manifest.as_ref());
        let kept = shelf.keep(generation, note, entries, removals);
        kept.map(Some).map_err(|error| Cause::State {
            place: shelf.place(),
            error,
        })
    }
}

//! One list and how it stands: what was last read of it, what is in force, and why something else
//! is not.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use zeroize::Zeroizing;

use super::bundle::Bundle;
use super::candidate::{Entered, Held, Pass};
use super::generations::{Generation, Shelf};
use super::load::{Bounds, Loaded, hex, load};
use super::prove::Unproven;
use super::refusal::{Cause, Refusal};
use super::source::{FileWriter, ListSource, Quiet, Stamp, Text};
use super::stage::OnTrial;
use super::state::ListState;
use super::verify::{Believed, Highest};
use super::{FIRST_GENERATION, lock};
use crate::clock::wall_s;
use crate::list::guard::{Code, GuardLimits, Protected};
use crate::list::manifest::Manifest;
use crate::list::{Hash, Table, TableBuilder};
use crate::name::HashKey;
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
    /// With its folder below `state` open, where the list is one that is kept.
    pub(super) fn open(
        source: ListSource,
        state: Option<&Path>,
        journal: Journal,
    ) -> Result<Self, Refusal> {
        let shelf = match state {
            Some(state) if source.text.is_none() => {
                let place = state.join("lists").join(&source.id);
                let refuse = |error| {
                    source.refuse(
                        Cause::State {
                            place: super::refusal::place_of(&place),
                            error,
                        },
                        source.place(),
                    )
                };
                Some(Mutex::new(Shelf::open(state, &source.id).map_err(refuse)?))
            }
            _ => None,
        };
        let listed = ListState {
            id: source.id.clone(),
            ..ListState::default()
        };
        Ok(Self {
            source,
            journal,
            turn: Mutex::default(),
            state: Mutex::new(listed),
            shelf,
            held: Mutex::default(),
            trial: Mutex::default(),
            pass: Mutex::default(),
            enforced: Mutex::default(),
            unproven: Mutex::default(),
            attempted: Mutex::default(),
            asked: AtomicU64::new(0),
            is_written: AtomicBool::new(false),
        })
    }

    /// The table of the start: that of the list's file, or of the generation on disk; an empty one
    /// where there is neither.
    pub(super) fn first_table(
        &self,
        key: HashKey,
        quiet: Quiet,
        protected: &Protected,
    ) -> Result<Arc<Table>, Refusal> {
        let refuse = |cause| self.source.refuse(cause, self.source.place());
        if self.source.text.is_none() {
            return match self.kept_table(key, protected).map_err(refuse)? {
                Some(table) => Ok(table),
                None => {
                    let empty = TableBuilder::new(key, 0)
                        .map_err(|error| refuse(Cause::NoMemory(error)))?
                        .finish();
                    empty.map(Arc::new).map_err(|_| refuse(Cause::Changed))
                }
            };
        }
        let loaded = self
            .reread(key, quiet, self.bounds(protected, None))
            .map_err(refuse)?
            .ok_or_else(|| refuse(Cause::Empty))?;
        if !loaded.findings.is_empty() {
            return Err(refuse(Cause::Guard(loaded.findings)));
        }
        let place = self.source.place();
        let entered = Entered {
            loaded,
            manifest: None,
            kept: None,
            is_rolled_back: false,
            place: &place,
        };
        self.note_live(&entered, FIRST_GENERATION);
        Ok(entered.loaded.table)
    }

    /// The generation that was in force when the program last ended.
    fn kept_table(&self, key: HashKey, protected: &Protected) -> Result<Option<Arc<Table>>, Cause> {
        let Some((generation, is_rolled_back)) = self.shelf.as_ref().and_then(|shelf| {
            let shelf = lock(shelf);
            Some((shelf.record.live()?.clone(), shelf.record.is_rolled_back))
        }) else {
            return Ok(None);
        };
        let (loaded, manifest) = self.take_back(&generation, key, protected)?;
        let place = format!("kept generation {}", generation.number);
        let entered = Entered {
            loaded,
            manifest: manifest.as_ref(),
            kept: Some(generation.number),
            is_rolled_back,
            place: &place,
        };
        self.note_live(&entered, FIRST_GENERATION);
        Ok(Some(entered.loaded.table))
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
        let taken = taken.map_err(|error| Cause::State { place, error })?;
        let manifest = match taken.note {
            None => None,
            Some(note) if Some(Manifest::hash_of(&note).to_string()) == kept.manifest => {
                Some(Manifest::parse(note.text()).map_err(Cause::Papers)?)
            }
            Some(_) => return Err(Cause::Hash),
        };
        let text = self.clear(Text::Memory(taken.entries.into()), manifest.as_ref())?;
        let script = self.source.script_of(&text, manifest.as_ref());
        let loaded =
            load(script, key, None, None, self.bounds(protected, None))?.ok_or(Cause::Empty)?;
        if hex(&loaded.digest) != kept.sha256 {
            return Err(Cause::Hash);
        }
        *lock(&self.unproven) = manifest
            .as_ref()
            .map(|manifest| Unproven::new(manifest, &text, [super::accept::now_ms(); 2]));
        Ok((loaded, manifest))
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

    /// What the operator lets pass for this very list.
    pub(super) fn passes(&self, known_by: Hash) -> Vec<Code> {
        let pass = lock(&self.pass);
        pass.as_ref()
            .filter(|pass| pass.known_by == known_by)
            .map(|pass| pass.codes.clone())
            .unwrap_or_default()
    }

    /// Does the operator let this pass for this very list?
    pub(super) fn lets_pass(&self, known_by: Hash, code: Code) -> bool {
        self.passes(known_by).contains(&code)
    }

    /// Read the list's file when it has come to rest; nothing where its text is in force already.
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
        load(
            self.source.script_of(text, None),
            key,
            stamp,
            Some(&self.in_force()),
            bounds,
        )
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

    const fn limits(&self) -> &GuardLimits {
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
        bundle: &Bundle,
        believed: Option<&Believed>,
        loaded: &Loaded,
        removals: usize,
    ) -> Result<Option<u64>, Cause> {
        let Some(shelf) = &self.shelf else {
            return Ok(None);
        };
        let octets: &[u8] = match &bundle.text {
            Text::Memory(octets) => octets,
            Text::Embedded(text) => text.as_bytes(),
            Text::File(path) => &Zeroizing::new(std::fs::read(path).map_err(Cause::from_io)?),
        };
        let generation = Generation {
            number: 0,
            serial: believed.map(|believed| believed.manifest.serial),
            manifest: believed.map(|believed| believed.hash.to_string()),
            sha256: hex(&loaded.digest),
            entries: loaded.table.entry_count() as u64,
            accepted: wall_s(),
            way: bundle.origin.way.word().to_owned(),
        };
        let mut shelf = lock(shelf);
        let kept = shelf.keep(generation, bundle.manifest.as_ref(), octets, removals);
        kept.map(Some).map_err(|error| Cause::State {
            place: shelf.place(),
            error,
        })
    }
}

//! One list and how it stands: what was last read of it, what is in force, and why something else is not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tracing::{error, info, warn};

use super::bundle::Bundle;
use super::load::{Loaded, hex, load};
use super::refusal::{Cause, Refusal};
use super::source::{ListSource, Quiet, Stamp, Text, Unsigned, Writer};
use super::state::{Change, LastRefusal, ListState};
use super::{FIRST_GENERATION, lock};
use crate::clock::wall_s;
use crate::list::{Table, TableBuilder};
use crate::name::HashKey;

/// One list and how it stands.
pub(super) struct Slot {
    pub(super) source: ListSource,
    /// Held by whoever reads or judges a text for this list: one at a time.
    pub(super) turn: Mutex<()>,
    pub(super) state: Mutex<ListState>,
    /// The file as it was when it was last read, for better or worse; nothing where it was missing.
    pub(super) attempted: Mutex<Option<Stamp>>,
    /// The watcher saw somebody write to the file and not close it yet.
    pub(super) is_written: AtomicBool,
}

impl Slot {
    pub(super) fn new(source: ListSource) -> Self {
        let state = ListState { id: source.id.clone(), ..ListState::default() };
        Self { source, turn: Mutex::default(), state: Mutex::new(state), attempted: Mutex::default(), is_written: AtomicBool::new(false) }
    }

    /// The table of the start: that of the list's file, or an empty one where there is no file.
    pub(super) fn first_table(&self, key: HashKey, quiet: Quiet) -> Result<Table, Refusal> {
        let refuse = |cause| self.source.refuse(cause, self.source.place());
        if self.source.text.is_none() {
            return TableBuilder::new(key, 0).map_err(|error| refuse(Cause::NoMemory(error)))?.finish().map_err(|_| refuse(Cause::Changed));
        }
        let loaded = self.reread(key, quiet).map_err(refuse)?.ok_or_else(|| refuse(Cause::Empty))?;
        self.note_live(&loaded, FIRST_GENERATION);
        Ok(loaded.table)
    }

    /// Read the list's file when it has come to rest; nothing where its text is in force already.
    pub(super) fn reread(&self, key: HashKey, quiet: Quiet) -> Result<Option<Loaded>, Cause> {
        let Some(script) = self.source.script() else { return Ok(None) };
        let stamp = match self.source.path().map(|path| quiet.settle(path, || self.writer())) {
            None => None,
            Some(Ok(stamp)) => Some(stamp),
            // The file is read again when it has come to rest, even if that is just now: it does not count as attempted.
            Some(Err(Cause::StillWritten)) => return Err(Cause::StillWritten),
            Some(Err(cause)) => {
                *lock(&self.attempted) = None;
                return Err(cause);
            }
        };
        *lock(&self.attempted) = stamp;
        load(script, key, stamp, Some(&self.in_force()))
    }

    /// Hold a bundle against the list's papers, then read it; nothing where it is in force already.
    pub(super) fn judge(&self, bundle: &Bundle, key: HashKey) -> Result<Option<Loaded>, Cause> {
        if bundle.manifest.is_none() && self.source.papers.unsigned == Unsigned::Refuse {
            return Err(Cause::Unsigned);
        }
        let stamp = if let Text::File(path) = &bundle.text { Some(Stamp::of(path)?) } else { None };
        load(self.source.script_of(&bundle.text), key, stamp, Some(&self.in_force()))
    }

    pub(super) fn writer(&self) -> Writer {
        if self.is_written.load(Relaxed) { Writer::Open } else { Writer::Closed }
    }

    fn in_force(&self) -> String {
        lock(&self.state).sha256.clone()
    }

    pub(super) fn note_live(&self, loaded: &Loaded, generation: u64) {
        let mut state = lock(&self.state);
        state.sha256 = hex(&loaded.digest);
        state.entries = loaded.table.entry_count() as u64;
        state.rejects = loaded.parsed.rejects;
        state.octets = loaded.table.octets() as u64;
        state.live_since = wall_s();
        state.generation = generation;
        state.last_refusal = None;
        info!(list = %state.id, entries = state.entries, rejects = state.rejects, sha256 = %state.sha256, "list is in force");
        if let Some(first) = loaded.parsed.rejects_shown.first() {
            let (place, line, count) = (self.source.place(), first.line, loaded.parsed.rejects);
            warn!(list = %state.id, "{place}: {count} of its lines passed over, being no entries; the first: {place}:{line}: {}", first.reason);
        }
    }

    pub(super) fn note_unchanged(&self) -> Change {
        lock(&self.state).last_refusal = None;
        Change::Unchanged
    }

    pub(super) fn note_refusal(&self, cause: Cause, place: &str) -> Change {
        let message = self.source.refuse(cause, place.to_owned()).to_string();
        let mut state = lock(&self.state);
        error!(list = %state.id, "{message}. The list of {} entries stays in force", state.entries);
        state.last_refusal = Some(LastRefusal { at: wall_s(), message: message.clone() });
        Change::Refused { message }
    }
}

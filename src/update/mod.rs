//! The list flow: a list's file is read, judged and compiled beside the tables in force, then swapped in whole.
//!
//! A plain file carries no word on where it ends (signed lists will), so a file counts as finished when nobody has written to it for
//! the quiet time; it is read twice, once to judge and once to build, and both readings must be of the same content.

mod refusal;
mod source;
mod watch;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

pub use refusal::{Cause, Refusal, StartRefusal};
pub use source::{ListSource, Text};
pub use watch::Watch;

use crate::clock::{UnixSeconds, wall_s};
use crate::list::parse::Parsed;
use crate::list::{ListIndex, Table, TableBuilder};
use crate::name::HashKey;
use crate::policy::{Live, Snapshot};
use source::{Digest, Quiet, Stamp, Writer, measure, read};

/// What the updater needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// All lists in the order of the configuration.
    pub lists: Vec<ListSource>,
    /// A changed file is read when nobody has written to it for this long.
    pub quiet: Duration,
}

/// Keeps the live snapshot equal to the lists' files, as long as they are in order.
pub struct Updater {
    slots: Vec<Slot>,
    quiet: Quiet,
    live: Arc<Live>,
    /// Held by whoever reloads; inside are replaced snapshots that somebody may still read.
    retired: Mutex<Vec<Arc<Snapshot>>>,
}

/// One list and how it stands.
struct Slot {
    source: ListSource,
    state: Mutex<ListState>,
    /// The file as it was when it was last read, for better or worse; nothing where it was missing.
    attempted: Mutex<Option<Stamp>>,
    /// The watcher saw somebody write to the file and not close it yet.
    is_written: AtomicBool,
}

/// How a list stands, for status and metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListState {
    /// The list's id.
    pub id: String,
    /// SHA-256 of the text in force, in hexadecimal.
    pub sha256: String,
    /// Different entries in force.
    pub entries: u64,
    /// Lines of the text in force that were no entries.
    pub rejects: u64,
    /// Memory of its table, in octets.
    pub octets: u64,
    /// Since when it is in force.
    pub live_since: UnixSeconds,
    /// The snapshot that it came in force with.
    pub generation: u64,
    /// Why the file as it is now is not in force; none when it is.
    pub last_refusal: Option<LastRefusal>,
}

/// A refusal that stands until the file is in order again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRefusal {
    /// When it was spoken.
    pub at: UnixSeconds,
    /// What is wrong and what to do.
    pub message: String,
}

/// Which lists to reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// One.
    One(ListIndex),
}

/// What became of one list in a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The list's id.
    pub id: String,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
}

/// What a reload changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// The new text is in force.
    Swapped {
        /// Different entries now.
        entries: u64,
        /// Lines that are no entries.
        rejects: u64,
    },
    /// The text is the one in force already.
    Unchanged,
    /// The text was refused; the old one stays in force.
    Refused {
        /// What is wrong and what to do.
        message: String,
    },
}

/// A list read and found in order.
struct Loaded {
    table: Table,
    digest: Digest,
    parsed: Parsed,
}

/// One list's way from its file to a table: wait until it is quiet, measure, read and compile, guard.
///
/// Nothing is returned where the text is the one whose digest is `in_force`. No second copy of the text is ever in memory.
fn load(source: &ListSource, key: HashKey, stamp: Option<Stamp>, in_force: Option<&str>) -> Result<Option<Loaded>, Cause> {
    let measured = measure(source, stamp)?;
    if in_force.is_some_and(|digest| digest == hex(&measured.digest)) {
        return Ok(None);
    }
    let mut builder = TableBuilder::new(key, measured.entries_max).map_err(Cause::NoMemory)?;
    let built = read(source, stamp, |wire, scope| builder.insert(wire, scope))?;
    guard(source, &built.parsed)?;
    match builder.finish() {
        Ok(table) if built.digest == measured.digest => Ok(Some(Loaded { table, digest: built.digest, parsed: built.parsed })),
        _ => Err(Cause::Changed),
    }
}

/// Refuse what must not come in force, however it came about.
fn guard(source: &ListSource, parsed: &Parsed) -> Result<(), Cause> {
    let percent = parsed.rejects_percent();
    if percent > source.rejects_percent_max {
        let first = parsed.rejects_shown.clone();
        return Err(Cause::Rejects { percent, percent_max: source.rejects_percent_max, count: parsed.rejects, first });
    }
    if parsed.entries == 0 { Err(Cause::Empty) } else { Ok(()) }
}

impl Updater {
    /// Load all lists for the first time, under a new key; one list that is refused refuses the start.
    pub fn start(settings: Settings) -> Result<(Arc<Self>, Arc<Live>), StartRefusal> {
        let key = HashKey::random().map_err(StartRefusal::NoRandom)?;
        let quiet = Quiet(settings.quiet);
        let (mut slots, mut tables, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        for source in settings.lists {
            let slot = Slot::new(source);
            match slot.load(key, quiet) {
                Ok(Some(loaded)) => {
                    slot.note_live(&loaded, FIRST_GENERATION);
                    tables.push(Arc::new(loaded.table));
                    slots.push(slot);
                }
                Ok(None) => refusals.push(slot.source.refuse(Cause::Empty)),
                Err(cause) => refusals.push(slot.source.refuse(cause)),
            }
        }
        if !refusals.is_empty() {
            return Err(StartRefusal::Lists(refusals));
        }
        let live = Arc::new(Live::from_pointee(Snapshot::new(key, tables)));
        let updater = Self { slots, quiet, live: Arc::clone(&live), retired: Mutex::default() };
        Ok((Arc::new(updater), live))
    }

    /// Read lists again and put in force what changed and is in order; what is not leaves the old list as it is.
    ///
    /// Takes as long as reading takes, and longer where a file is being written to: keep it off the doors' threads.
    pub fn reload(&self, which: Which) -> Vec<Outcome> {
        let mut retired = lock(&self.retired);
        let chosen = self.slots.iter().filter(|slot| which == Which::All || which == Which::One(slot.source.index));
        chosen.map(|slot| self.renew(slot, &mut retired)).collect()
    }

    /// The place of the list with this id.
    pub fn index_of(&self, id: &str) -> Option<ListIndex> {
        self.slots.iter().find(|slot| slot.source.id == id).map(|slot| slot.source.index)
    }

    /// How all lists stand now.
    pub fn states(&self) -> Vec<ListState> {
        self.slots.iter().map(|slot| lock(&slot.state).clone()).collect()
    }

    /// The snapshots it keeps up to date.
    pub const fn live(&self) -> &Arc<Live> {
        &self.live
    }

    fn renew(&self, slot: &Slot, retired: &mut Vec<Arc<Snapshot>>) -> Outcome {
        let change = match slot.load(self.live.load().key(), self.quiet) {
            Ok(Some(loaded)) => self.swap(slot, loaded, retired),
            Ok(None) => {
                lock(&slot.state).last_refusal = None;
                Change::Unchanged
            }
            Err(cause) => slot.note_refusal(cause),
        };
        release(retired);
        Outcome { id: slot.source.id.clone(), change }
    }

    /// Put a new table in force; the old snapshot is kept until its last reader has left, so that no door has to free it.
    fn swap(&self, slot: &Slot, loaded: Loaded, retired: &mut Vec<Arc<Snapshot>>) -> Change {
        let (entries, rejects) = (loaded.table.entry_count() as u64, loaded.parsed.rejects);
        let before = self.live.load_full();
        slot.note_live(&loaded, before.generation() + 1);
        let next = before.with_table(slot.source.index, Arc::new(loaded.table));
        drop(before);
        retired.push(self.live.swap(Arc::new(next)));
        Change::Swapped { entries, rejects }
    }

    /// Free replaced snapshots that nobody reads any more; does nothing while a reload is under way.
    fn tidy(&self) {
        if let Ok(mut retired) = self.retired.try_lock() {
            release(&mut retired);
        }
    }
}

/// The generation of [`Snapshot::new`].
const FIRST_GENERATION: u64 = 1;

fn release(retired: &mut Vec<Arc<Snapshot>>) {
    retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
}

impl Slot {
    fn new(source: ListSource) -> Self {
        let state = ListState {
            id: source.id.clone(),
            sha256: String::new(),
            entries: 0,
            rejects: 0,
            octets: 0,
            live_since: 0,
            generation: 0,
            last_refusal: None,
        };
        Self { source, state: Mutex::new(state), attempted: Mutex::default(), is_written: AtomicBool::new(false) }
    }

    fn load(&self, key: HashKey, quiet: Quiet) -> Result<Option<Loaded>, Cause> {
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
        let in_force = lock(&self.state).sha256.clone();
        load(&self.source, key, stamp, Some(&in_force))
    }

    fn writer(&self) -> Writer {
        if self.is_written.load(Relaxed) { Writer::Open } else { Writer::Closed }
    }

    fn note_live(&self, loaded: &Loaded, generation: u64) {
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

    fn note_refusal(&self, cause: Cause) -> Change {
        let message = self.source.refuse(cause).to_string();
        let mut state = lock(&self.state);
        error!(list = %state.id, "{message}. The list of {} entries stays in force", state.entries);
        state.last_refusal = Some(LastRefusal { at: wall_s(), message: message.clone() });
        Change::Refused { message }
    }
}

/// What a list's file holds, found out without putting it in force.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Different entries.
    pub entries: u64,
    /// Lines and rejects.
    pub parsed: Parsed,
    /// Why it would be refused, if it would.
    pub refusal: Option<String>,
}

/// Read a list as the start would, and say what is in it.
pub fn inspect(source: &ListSource) -> Inspection {
    let stamp = source.path().and_then(|path| Stamp::of(path).ok());
    let parsed = match read(source, stamp, |_, _| {}) {
        Ok(reading) => reading.parsed,
        Err(cause) => {
            let cause = source.path().map(Stamp::of).and_then(Result::err).unwrap_or(cause);
            return Inspection { entries: 0, parsed: Parsed::default(), refusal: Some(source.refuse(cause).to_string()) };
        }
    };
    let loaded = load(source, HashKey::fixed([0; 16]), stamp, None);
    let entries = loaded.as_ref().map_or(0, |loaded| loaded.as_ref().map_or(0, |loaded| loaded.table.entry_count() as u64));
    Inspection { entries, parsed, refusal: loaded.err().map(|cause| source.refuse(cause).to_string()) }
}

fn hex(digest: &Digest) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, octet| {
        text.extend([octet >> 4, octet & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
        text
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

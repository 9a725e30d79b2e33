//! The list flow: a list is found by a source, verified, read, judged and compiled beside the
//! tables in force, then swapped in whole.
//!
//! A plain file carries no word on where it ends, so it counts as finished when nobody has written
//! to it for the quiet time. It is read twice, once to judge and once to build, and both readings
//! must be of the same content. What comes with papers ends where they say.

mod accept;
mod bundle;
mod candidate;
mod decisions;
mod decrypt;
mod folder;
mod generations;
mod history;
mod keeper;
mod load;
mod notes;
mod prove;
pub mod pull;
pub mod push;
mod refusal;
mod removal;
mod restore;
mod source;
mod sources;
mod stage;
mod state;
pub mod transfer;
mod verify;
mod watch;

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::list::ListIndex;
use crate::list::guard::Protected;
use crate::name::HashKey;
use crate::policy::{Live, Snapshot};
use crate::store::Journal;
pub use bundle::{Bundle, Origin, Way};
use candidate::{Candidate, Entered};
pub use decisions::Generation;
use keeper::Slot;
pub use load::{Inspection, inspect};
pub use prove::{Prover, ReceiptKeyFault, receipt_key};
pub use refusal::{Cause, Refusal, StartRefusal};
pub use removal::SignedRemoval;
use source::Quiet;
pub use source::{Identities, ListSource, Text, Trust, Unsigned};
pub use sources::{ListOrigin, Sources};
pub use stage::Stage;
pub use state::{LastRefusal, ListChange, ListOutcome, ListState, TrialState};
pub use watch::Watch;

/// What the updater needs to know.
pub struct Settings {
    /// All lists in the order of the configuration.
    pub lists: Vec<ListSource>,
    /// A changed file is read when nobody has written to it for this long.
    pub quiet: Duration,
    /// The state folder, for lists that are kept there; without it none is.
    pub state: Option<PathBuf>,
    /// What no list may block.
    pub protected: Protected,
    /// Where events are noted.
    pub journal: Journal,
}

impl Default for Settings {
    /// No list; what the program carries is protected.
    fn default() -> Self {
        let (lists, journal) = (Vec::new(), Journal::default());
        Self {
            lists,
            quiet: Duration::from_millis(100),
            state: None,
            protected: Protected::shipped(),
            journal,
        }
    }
}

/// Keeps the live snapshot equal to what the lists' sources last offered, as long as that is in
/// order.
pub struct Updater {
    slots: Vec<Slot>,
    quiet: Quiet,
    protected: Protected,
    live: Arc<Live>,
    /// Asks our own doors, once they are open.
    prover: OnceLock<Prover>,
    /// Held for the instant of a swap; inside are replaced snapshots that somebody may still read.
    retired: Mutex<Vec<Arc<Snapshot>>>,
}

/// Which lists to reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// One.
    One(ListIndex),
}

/// Which lists are asked for that are not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInForce {
    /// Any of them.
    Any,
    /// Those without which nothing is to be answered.
    Required,
}

impl Updater {
    /// Put in force what is kept of all lists, under a new key, then what their files hold; a list
    /// of which neither is in order is not in force and goes on being looked for.
    ///
    /// A file that somebody goes on writing to is read when it has come to rest.
    pub fn start(settings: Settings) -> Result<(Arc<Self>, Arc<Live>), StartRefusal> {
        let key = HashKey::random().map_err(StartRefusal::NoRandom)?;
        let (mut slots, mut tables) = (Vec::new(), Vec::new());
        for source in settings.lists {
            let slot = Slot::open(source, settings.state.as_deref(), settings.journal.clone());
            let table = slot.first_table(key, &settings.protected);
            tables.push(table.ok_or(StartRefusal::NoMemory)?);
            slots.push(slot);
        }
        let live = Arc::new(Live::from_pointee(Snapshot::new(key, tables)));
        let updater = Self {
            slots,
            quiet: Quiet::new(settings.quiet),
            protected: settings.protected,
            live: Arc::clone(&live),
            prover: OnceLock::new(),
            retired: Mutex::default(),
        };
        for slot in &updater.slots {
            updater.enforce_removals(slot);
            if slot.source.text.is_some() {
                updater.reread(slot, updater.quiet.at_start());
            }
        }
        Ok((Arc::new(updater), live))
    }

    /// Read lists' files again and put in force what changed and is in order; what is not leaves
    /// the old list as it is.
    ///
    /// Takes as long as reading takes, and longer where a file is being written to: keep it off the
    /// doors' threads.
    pub fn reload(&self, which: Which) -> Vec<ListOutcome> {
        let chosen = self
            .slots
            .iter()
            .filter(|slot| which == Which::All || which == Which::One(slot.source.index));
        chosen.map(|slot| self.reread(slot, self.quiet)).collect()
    }

    /// Note that a source of a list brings nothing, and why; the list stays as it is.
    fn note_trouble(&self, list: ListIndex, cause: Cause, place: &str) {
        if let Some(slot) = self.slots.get(usize::from(list)) {
            slot.note_refusal(cause, place, None);
        }
    }

    /// Note that a source of a list has nothing newer than what is in force.
    fn note_current(&self, list: ListIndex) {
        if let Some(slot) = self.slots.get(usize::from(list)) {
            slot.note_unchanged();
        }
    }

    /// How often somebody asked for a list's sources to be looked at again.
    fn times_asked(&self, list: ListIndex) -> u64 {
        self.slots
            .get(usize::from(list))
            .map_or(0, |slot| slot.asked.load(Relaxed))
    }

    /// The place of the list with this id.
    pub fn index_of(&self, id: &str) -> Option<ListIndex> {
        self.slots
            .iter()
            .find(|slot| slot.source.id == id)
            .map(|slot| slot.source.index)
    }

    /// The ids of the lists that are not in force, of those that the operator requires alone or of
    /// all.
    pub fn missing(&self, which: NotInForce) -> Vec<String> {
        let counts = |slot: &&Slot| which == NotInForce::Any || slot.source.is_required;
        let slots = self.slots.iter().filter(counts);
        slots
            .filter(|slot| lock(&slot.state).live_since == 0)
            .map(|slot| slot.source.id.clone())
            .collect()
    }

    /// How all lists stand now.
    pub fn states(&self) -> Vec<ListState> {
        self.slots.iter().map(Slot::state).collect()
    }

    /// The snapshots it keeps up to date.
    pub const fn live(&self) -> &Arc<Live> {
        &self.live
    }

    fn reread(&self, slot: &Slot, quiet: Quiet) -> ListOutcome {
        let _turn = lock(&slot.turn);
        let place = slot.source.place();
        let change = match self.read_file(slot, &place, quiet) {
            Ok(change) => change,
            Err(cause) => slot.note_refusal(cause, &place, None),
        };
        self.tidy();
        ListOutcome {
            id: slot.source.id.clone(),
            change,
        }
    }

    fn read_file(&self, slot: &Slot, place: &str, quiet: Quiet) -> Result<ListChange, Cause> {
        if slot.source.text.is_none() {
            // It comes from its sources, and what they last said of it stands until they say
            // something else.
            let is_looked_for = slot
                .source
                .sources
                .iter()
                .any(|source| !matches!(source, ListOrigin::Push));
            slot.asked.fetch_add(1, Relaxed);
            return Ok(if is_looked_for {
                ListChange::Asked
            } else {
                ListChange::Unchanged
            });
        }
        let bounds = slot.bounds(&self.protected, None);
        match slot.reread(self.live.load().key(), quiet, bounds)? {
            None => Ok(slot.note_unchanged()),
            Some(loaded) => self.admit(slot, Candidate::of_file(loaded, place)),
        }
    }

    /// Put a new table in force; the old snapshot is kept until its last reader has left, so that
    /// no door has to free it.
    fn swap(&self, slot: &Slot, entered: Entered<'_>) {
        let mut retired = lock(&self.retired);
        let before = self.live.load_full();
        slot.note_live(&entered, before.generation() + 1);
        let next = before.with_table(slot.source.index, entered.loaded.table);
        *lock(&slot.trial) = None;
        drop(before);
        retired.push(self.live.swap(Arc::new(next)));
        if let Some(unproven) = lock(&slot.unproven).as_mut() {
            unproven.note_live();
        }
    }

    /// Free replaced snapshots that nobody reads any more.
    fn tidy(&self) {
        lock(&self.retired).retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }
}

/// The generation of [`Snapshot::new`].
const FIRST_GENERATION: u64 = 1;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

//! The list flow: a list is found by a source, verified, read, judged and compiled beside the tables in force, then swapped in whole.
//!
//! A plain file carries no word on where it ends, so it counts as finished when nobody has written to it for the quiet time. It is read
//! twice, once to judge and once to build, and both readings must be of the same content. What comes with papers ends where they say.

mod bundle;
mod load;
mod refusal;
mod slot;
mod source;
mod state;
pub mod transfer;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use bundle::{Bundle, Origin, Way};
pub use load::{Inspection, inspect};
pub use refusal::{Cause, Refusal, StartRefusal};
pub use source::{ListSource, Papers, Text, Unsigned};
pub use state::{Change, LastRefusal, ListState, Outcome};
pub use watch::Watch;

use crate::list::ListIndex;
use crate::name::HashKey;
use crate::policy::{Live, Snapshot};
use load::Loaded;
use slot::Slot;
use source::Quiet;

/// What the updater needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// All lists in the order of the configuration.
    pub lists: Vec<ListSource>,
    /// A changed file is read when nobody has written to it for this long.
    pub quiet: Duration,
}

/// Keeps the live snapshot equal to what the lists' sources last offered, as long as that is in order.
pub struct Updater {
    slots: Vec<Slot>,
    quiet: Quiet,
    live: Arc<Live>,
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

impl Updater {
    /// Load all lists for the first time, under a new key; one list that is refused refuses the start.
    ///
    /// A list without a file of its own starts without an entry and waits for its first bundle.
    pub fn start(settings: Settings) -> Result<(Arc<Self>, Arc<Live>), StartRefusal> {
        let key = HashKey::random().map_err(StartRefusal::NoRandom)?;
        let quiet = Quiet(settings.quiet);
        let (mut slots, mut tables, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        for source in settings.lists {
            let slot = Slot::new(source);
            match slot.first_table(key, quiet) {
                Ok(table) => {
                    tables.push(Arc::new(table));
                    slots.push(slot);
                }
                Err(refusal) => refusals.push(refusal),
            }
        }
        if !refusals.is_empty() {
            return Err(StartRefusal::Lists(refusals));
        }
        let live = Arc::new(Live::from_pointee(Snapshot::new(key, tables)));
        let updater = Self { slots, quiet, live: Arc::clone(&live), retired: Mutex::default() };
        Ok((Arc::new(updater), live))
    }

    /// Read lists' files again and put in force what changed and is in order; what is not leaves the old list as it is.
    ///
    /// Takes as long as reading takes, and longer where a file is being written to: keep it off the doors' threads.
    pub fn reload(&self, which: Which) -> Vec<Outcome> {
        let chosen = self.slots.iter().filter(|slot| which == Which::All || which == Which::One(slot.source.index));
        chosen.map(|slot| self.reread(slot)).collect()
    }

    /// Judge what a source found, and put it in force where it is in order and newer; otherwise the old list stays.
    ///
    /// Works on the caller's thread, one bundle a list at a time, and returns when the list is live or refused: seconds for a
    /// million names. Keep it off the doors' threads.
    pub fn take(&self, bundle: Bundle) -> Outcome {
        let Some(slot) = self.slots.get(usize::from(bundle.list)) else {
            let message = format!("{}: there is no list with the number {}: this is a fault of the program", bundle.origin, bundle.list);
            return Outcome { id: String::new(), change: Change::Refused { message } };
        };
        let _turn = lock(&slot.turn);
        let change = match slot.judge(&bundle, self.live.load().key()) {
            Ok(Some(loaded)) => self.swap(slot, loaded),
            Ok(None) => slot.note_unchanged(),
            Err(cause) => slot.note_refusal(cause, &bundle.origin.place),
        };
        self.tidy();
        Outcome { id: slot.source.id.clone(), change }
    }

    /// Note that a source of a list brings nothing, and why; the list stays as it is.
    fn note_trouble(&self, list: ListIndex, cause: Cause, place: &str) {
        if let Some(slot) = self.slots.get(usize::from(list)) {
            slot.note_refusal(cause, place);
        }
    }

    /// Note that a source of a list has nothing newer than what is in force.
    fn note_current(&self, list: ListIndex) {
        if let Some(slot) = self.slots.get(usize::from(list)) {
            slot.note_unchanged();
        }
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

    fn reread(&self, slot: &Slot) -> Outcome {
        let _turn = lock(&slot.turn);
        let change = match slot.reread(self.live.load().key(), self.quiet) {
            Ok(Some(loaded)) => self.swap(slot, loaded),
            Ok(None) => slot.note_unchanged(),
            Err(cause) => slot.note_refusal(cause, &slot.source.place()),
        };
        self.tidy();
        Outcome { id: slot.source.id.clone(), change }
    }

    /// Put a new table in force; the old snapshot is kept until its last reader has left, so that no door has to free it.
    fn swap(&self, slot: &Slot, loaded: Loaded) -> Change {
        let (entries, rejects) = (loaded.table.entry_count() as u64, loaded.parsed.rejects);
        let mut retired = lock(&self.retired);
        let before = self.live.load_full();
        slot.note_live(&loaded, before.generation() + 1);
        let next = before.with_table(slot.source.index, Arc::new(loaded.table));
        drop(before);
        retired.push(self.live.swap(Arc::new(next)));
        Change::Swapped { entries, rejects }
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

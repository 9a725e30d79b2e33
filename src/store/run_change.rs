//! What the writing thread needs for another run: when the configuration changes, the run ends in
//! order and the next one begins in the same second, so that the log says of each count which lists
//! there were.

use std::sync::mpsc::Sender;
use std::time::Duration;

use super::StoreError;
use super::out_of_force::{ForceWatch, InForceSince};
use super::write::Store;
use crate::clock::UnixSeconds;
use crate::list::ListIndex;

/// Opens the store for a run that began then, again where it could not be opened before.
pub type StoreOpener = Box<dyn FnMut(UnixSeconds) -> Result<Store, StoreError> + Send>;

/// What a run is written by.
pub struct RunSettings {
    /// Opens the store, with the lists of the run.
    pub opener: StoreOpener,
    /// How these lists stand, in the same order.
    pub in_force: InForceSince,
    /// Their places among the counters, in the same order.
    pub places: Vec<ListIndex>,
    /// The most that a crash can lose.
    pub flush_every: Duration,
}

/// A change from one run to the next.
pub struct RunChange {
    /// The next run.
    pub next: RunSettings,
    /// Done between both: what is counted before belongs to the run that ends.
    pub meanwhile: Box<dyn FnOnce() + Send>,
}

impl Default for RunSettings {
    /// Without lists, and with nothing to be opened.
    fn default() -> Self {
        Self {
            opener: Box::new(|_| Err(StoreError::Thread("there is no store to open".into()))),
            in_force: Box::new(Vec::new),
            places: Vec::new(),
            flush_every: Duration::from_secs(10),
        }
    }
}

/// What the writing thread is told.
pub(super) enum Told {
    /// Write now.
    Write,
    /// Another run is to begin; it is said when it has.
    Change(Box<RunChange>, Sender<Result<(), StoreError>>),
    /// Write the rest and end.
    Stop,
}

/// What a run is written by, and what was seen of its lists.
pub(super) struct WrittenRun {
    pub(super) opener: StoreOpener,
    pub(super) force: ForceWatch,
    pub(super) places: Vec<ListIndex>,
    pub(super) flush_every: Duration,
}

impl WrittenRun {
    /// Looks at the lists for the first time.
    pub(super) fn new(settings: RunSettings) -> Self {
        Self {
            opener: settings.opener,
            force: ForceWatch::new(settings.in_force),
            places: settings.places,
            flush_every: settings.flush_every,
        }
    }
}

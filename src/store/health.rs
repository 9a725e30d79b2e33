//! How the writing of the counts goes, for status and metrics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::write::Store;
use crate::clock::UnixSeconds;

/// How the writing goes, for status and metrics; a clone looks at the same keeper.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Flushing>>);

/// How the writing goes at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flushing {
    /// When counts were last written; none before the first time.
    pub last_flush: Option<UnixSeconds>,
    /// How many times they could not be written, since the start.
    pub failures: u64,
    /// Why they could not be written the last time; none when they were.
    pub last_error: Option<String>,
    /// What was said where the state folder was found restored at the start.
    #[serde(default)]
    pub restored: Option<String>,
    /// What somebody should know of the clock: that it is behind the log, or was ahead lately.
    #[serde(default)]
    pub clock: Option<String>,
}

impl Health {
    /// How the writing goes now.
    pub fn read(&self) -> Flushing {
        self.lock().clone()
    }

    /// A store was opened.
    pub(super) fn note_opened(&self, store: &Store) {
        let mut flushing = self.lock();
        flushing.restored = store.restored().map(str::to_owned);
    }

    /// Notes what is to be known of the clock; only a change goes to the log.
    pub(super) fn note_clock(&self, message: Option<String>) {
        let mut flushing = self.lock();
        if flushing.clock != message
            && let Some(message) = &message
        {
            tracing::warn!("{message}");
        }
        flushing.clock = message;
    }

    /// Notes the outcome of a flush; only a change goes to the log, as a full disk lasts.
    pub(super) fn note(&self, outcome: Result<(), &StoreError>, at: UnixSeconds) {
        let mut flushing = self.lock();
        let error = outcome.err().map(ToString::to_string);
        match (&flushing.last_error, &error) {
            (None, Some(error)) => tracing::error!("{error}; until then the counts wait in memory"),
            (Some(_), None) => tracing::info!("the counts are written to disk again, none is lost"),
            _ => {}
        }
        match error {
            Some(_) => flushing.failures += 1,
            None => flushing.last_flush = Some(at),
        }
        flushing.last_error = error;
    }

    fn lock(&self) -> MutexGuard<'_, Flushing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

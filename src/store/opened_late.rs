//! Opens the store where it could not be opened at the start: the counts wait in memory meanwhile.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::health::Health;
use super::run_change::{Told, WrittenRun};
use super::{Store, StoreError};
use crate::clock::{UnixSeconds, monotonic, wall_s};

/// A store that could not be opened is tried again after this long.
const OPEN_AGAIN: Duration = Duration::from_secs(5);

/// The store, once it can be opened; an error where the program stops before that.
pub(super) fn wait_for(
    mut opened: Result<Store, StoreError>,
    began: UnixSeconds,
    kept: &mut WrittenRun,
    health: &Health,
    told: &Receiver<Told>,
) -> Result<Store, StoreError> {
    loop {
        let error = match opened {
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        health.note(Err(&error), wall_s());
        let again = monotonic() + OPEN_AGAIN;
        while monotonic() < again {
            // Events wait in memory like the counts.
            match told.recv_timeout(again.saturating_duration_since(monotonic())) {
                Ok(Told::Write) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Told::Change(change, done)) => {
                    // No run has begun that would have to end.
                    (change.meanwhile)();
                    *kept = WrittenRun::new(change.next);
                    let _ = done.send(Ok(()));
                }
                Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => return Err(error),
            }
        }
        opened = (kept.opener)(began);
    }
}

//! The lock of a state folder: one resolver at a time, on a folder that is whole.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::StoreError;
use super::schema::{lock_file, open_private, restoring_folder};

/// A reader holds the lock for an instant to see whether a resolver runs; so we ask this often
/// before we believe that one does.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// Is nothing left over from a restore that did not come to its end?
pub(super) fn check_whole(folder: &Path) -> Result<(), StoreError> {
    if restoring_folder(folder).exists() {
        return Err(StoreError::HalfRestored {
            folder: folder.into(),
        });
    }
    Ok(())
}

/// Takes the lock of a state folder, so that no resolver runs on it; held until it is dropped.
///
/// # Errors
/// When another process has it.
pub fn lock_state(folder: &Path) -> Result<File, StoreError> {
    let path = lock_file(folder);
    let lock = open_private(&path)?;
    for _ in 0..LOCK_ATTEMPTS {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(StoreError::Open { path, source }),
        }
    }
    Err(StoreError::Busy {
        folder: folder.into(),
    })
}

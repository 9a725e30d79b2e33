//! Threads that were told to end are waited for, but not for ever.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock::monotonic;

/// Wait for threads to end, but not for longer than this; what goes on then ends with the process.
pub(super) fn join_until(threads: impl Iterator<Item = JoinHandle<()>>, until: Instant) {
    for thread in threads {
        while !thread.is_finished() {
            if monotonic() >= until {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // A panic was reported where it happened.
        let _ = thread.join();
    }
}

//! Tells on standard error how far a long work is.

use std::time::{Duration, Instant};

use super::super::output::{self, number};
use crate::backup::Progress;
use crate::clock::monotonic;

/// A work that is shorter is not told of; a longer one so often.
const TELL_EVERY: Duration = Duration::from_secs(2);
const MB: u64 = 1_000_000;

/// Gives whoever is told of the progress of `work`.
pub(super) fn watch(work: &'static str) -> impl FnMut(Progress) {
    let mut told: Instant = monotonic();
    move |Progress { done, total }| {
        if told.elapsed() < TELL_EVERY {
            return;
        }
        told = monotonic();
        let (done, total) = (number(done / MB), number(total.max(done) / MB));
        output::complain(&format!("{work}: {done} of about {total} MB"));
    }
}

//! Telling the log what happened, in order and between the hours that it closes.

use rusqlite::Transaction;

use super::hours;
use super::log::{Happening, Log, Run};
use crate::clock::{HOUR_S, UnixSeconds, hour_start};

/// Adds what happened and the hours that are over at `at`, in the order of time.
pub(super) fn append(
    transaction: &Transaction<'_>,
    log: &mut Log<'_>,
    run: &Run,
    mut happenings: Vec<Happening<'_>>,
    at: UnixSeconds,
) -> rusqlite::Result<()> {
    happenings.sort_by_key(|happening| happening.at);
    let mut happenings = happenings.into_iter().peekable();
    for (hour, counted_by) in hours::closable(transaction, log.next_hour, hour_start(at))? {
        while let Some(happening) = happenings.next_if(|happening| happening.at < hour + HOUR_S) {
            log.note(run, &happening)?;
        }
        hours::close(
            transaction,
            log,
            hour,
            &hours::run(transaction, counted_by)?,
        )?;
    }
    happenings.try_for_each(|happening| log.note(run, &happening))
}

/// Nobody adds to the hours before this one any more, and the log tells of them.
pub(super) fn closed_until(log: &Log<'_>, at: UnixSeconds) -> UnixSeconds {
    log.next_hour.min(hour_start(at))
}

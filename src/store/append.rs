//! Telling the log what happened, in order and between the hours that it closes.

use rusqlite::Transaction;

use super::hours;
use super::journal::JournalEvent;
use super::log::{Log, Run};
use crate::clock::{HOUR_S, UnixSeconds, hour_start};

/// Adds what happened and the hours that are over at `at`, in the order of time.
pub(super) fn append(
    transaction: &Transaction<'_>,
    log: &mut Log<'_>,
    run: &Run,
    mut events: Vec<JournalEvent>,
    at: UnixSeconds,
) -> rusqlite::Result<()> {
    events.sort_by_key(|event| event.at);
    let mut events = events.into_iter().peekable();
    for (hour, counted_by) in hours::closable(transaction, log.next_hour, hour_start(at))? {
        while let Some(event) = events.next_if(|event| event.at < hour + HOUR_S) {
            log.note(run, &event)?;
        }
        hours::close(
            transaction,
            log,
            hour,
            &hours::run(transaction, counted_by)?,
        )?;
    }
    events.try_for_each(|event| log.note(run, &event))
}

/// Nobody adds to the hours before this one any more, and the log tells of them.
pub(super) fn closed_until(log: &Log<'_>, at: UnixSeconds) -> UnixSeconds {
    log.next_hour.min(hour_start(at))
}

//! How a log begins in the place of another one, by its second leaf.

use crate::clock::{UnixSeconds, hour_start};
use crate::record::{ClosedLog, EndedLog, EventLeaf, Statement};

/// The longest name of a log.
const NAME_OCTETS_MAX: usize = 255;

/// The log that ended as its state was restored, by the leaf at `seq` of the log `origin`, whose
/// first leaf is of the hour `begins`; nothing where it may not say so. A log follows another one
/// from its beginning, or not at all.
pub(super) fn ended_by(
    seq: u64,
    (leaf, said): (&EventLeaf<'_>, Option<&Statement>),
    origin: &str,
    begins: UnixSeconds,
) -> Option<EndedLog> {
    let Some(Statement::LogRestored(ended)) = said else {
        return None;
    };
    // There were no such times in the older form.
    let is_told = leaf.salt.is_some() || ended.until.is_none();
    let is_right = seq == 1 && ended.origin != origin && is_told && ended.is_told_by(begins);
    let is_short = are_short(&[&ended.origin, &ended.root, &ended.why]);
    (is_right && is_short).then(|| ended.clone())
}

/// Can these be a log's name and its root?
fn are_short(words: &[&String]) -> bool {
    words.iter().all(|word| word.len() <= NAME_OCTETS_MAX)
}

/// The log that was closed for this one, whose first leaf is of the hour `begins`; nothing where
/// it may not say so. There was no such kind in the older form.
pub(super) fn closed_by(
    seq: u64,
    (leaf, said): (&EventLeaf<'_>, Option<&Statement>),
    origin: &str,
    begins: UnixSeconds,
) -> Option<ClosedLog> {
    let Some(Statement::LogFollows(closed)) = said else {
        return None;
    };
    let until = closed.until.0;
    let is_hour = until == hour_start(until) && until <= begins;
    let is_right = seq == 1 && leaf.salt.is_some() && closed.origin != origin && is_hour;
    let ClosedLog {
        origin, root, why, ..
    } = &closed;
    (is_right && are_short(&[origin, root, why])).then(|| closed.clone())
}

//! How a log begins in the place of another one, by its second leaf.

use crate::clock::{UnixSeconds, hour_start};
use crate::record::{ClosedLog, EndedLog, EventLeaf, Statement};

/// The log that ended as its state was restored, by the leaf at `seq` of the log `origin`, whose
/// first leaf is of the hour `begins`; nothing where it may not say so. A log follows another one
/// from its beginning, or not at all.
pub(super) fn ended_by(
    seq: u64,
    leaf: &EventLeaf<'_>,
    origin: &str,
    begins: UnixSeconds,
) -> Option<EndedLog> {
    let Some(Statement::LogRestored(ended)) = leaf.said() else {
        return None;
    };
    // There were no such times in the older form.
    let is_told = leaf.salt.is_some() || ended.until.is_none();
    let is_right = seq == 1 && ended.origin != origin && is_told && ended.is_told_by(begins);
    is_right.then_some(ended)
}

/// The log that was closed for this one, whose first leaf is of the hour `begins`; nothing where
/// it may not say so. There was no such kind in the older form.
pub(super) fn closed_by(
    seq: u64,
    leaf: &EventLeaf<'_>,
    origin: &str,
    begins: UnixSeconds,
) -> Option<ClosedLog> {
    let Some(Statement::LogFollows(closed)) = leaf.said() else {
        return None;
    };
    let until = closed.until.0;
    let is_hour = until == hour_start(until) && until <= begins;
    let is_right = seq == 1 && leaf.salt.is_some() && closed.origin != origin && is_hour;
    is_right.then_some(closed)
}

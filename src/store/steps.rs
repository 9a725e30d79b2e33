//! What happened between two writings, as the log tells it: steps of the clock and of the process,
//! and events of the lists.

use rusqlite::{Transaction, params};

use super::journal::JournalEvent;
use super::log::Run;
use crate::clock::{HOUR_S, UnixSeconds, hour_start};
use crate::count::{GapKind, HourCounts};
use crate::list::Hash;
use crate::record::{ClockLeaf, Moment, Statement};

/// A step of the clock, or a time for which nobody can tell what belongs to which hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// Up to when all is on record.
    pub from: UnixSeconds,
    /// From when on it is again; the same moment where the clock was set back.
    pub until: UnixSeconds,
    /// By how many seconds the clock was set forward, or back where it is negative.
    pub by_s: i64,
}

/// Whether a run goes on after a writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    GoOn,
    Stop,
    /// The log goes on where this is known.
    Move(Hash),
}

/// The time that a writing is about, by the log's time.
pub(super) struct WriteSpan {
    pub(super) since: UnixSeconds,
    pub(super) at: UnixSeconds,
    pub(super) was_failing: bool,
    pub(super) ending: Ending,
}

/// An event as the log tells it: within the time that is written and not in one that is not on
/// record by these steps, whatever the clock said when it was noted.
pub(super) fn in_time(
    event: &JournalEvent,
    span: &WriteSpan,
    steps: &[JournalEvent],
) -> JournalEvent {
    let at = event.placed.unwrap_or(event.at);
    let at = at.clamp(span.since, span.at);
    let over = steps.iter().find_map(|step| match &step.said {
        Statement::Clock(clock) if step.at < at && at < clock.until.0 => Some(step.at),
        _ => None,
    });
    JournalEvent {
        at: over.unwrap_or(at),
        ..event.clone()
    }
}

/// Splits the time on record where the clock was set forward, or where hours were slept through;
/// gives an event for each.
pub(super) fn note_steps(
    transaction: &Transaction<'_>,
    run: &Run,
    steps: &[ClockStep],
    hours: &[&HourCounts],
    span: &WriteSpan,
) -> rusqlite::Result<Vec<JournalEvent>> {
    let within = |step: &ClockStep| ClockStep {
        from: step.from.clamp(span.since, span.at),
        until: step.until.clamp(span.since, span.at),
        ..*step
    };
    let (mut jumps, backs): (Vec<ClockStep>, Vec<ClockStep>) = steps
        .iter()
        .map(within)
        .partition(|step| step.from < step.until);
    let reached = hours
        .iter()
        .map(|counts| counts.hour.max(hour_start(span.since)))
        .chain([hour_start(span.at)]);
    let mut last = hour_start(span.since);
    for hour in reached {
        jumps.extend((last + HOUR_S < hour).then_some(ClockStep {
            from: last + HOUR_S,
            until: hour,
            by_s: 0,
        }));
        last = last.max(hour);
    }
    jumps.sort_by_key(|jump| jump.from);
    let mut joined: Vec<ClockStep> = Vec::new();
    for jump in jumps {
        match joined.last_mut() {
            Some(before) if jump.from <= before.until => {
                before.until = before.until.max(jump.until)
            }
            _ => joined.push(jump),
        }
    }
    for jump in &joined {
        transaction.execute(
            "UPDATE alive SET until_s = ?1 WHERE alive = (SELECT max(alive) FROM alive)",
            [jump.from],
        )?;
        transaction.execute(
            "INSERT INTO alive (run, from_s, until_s) VALUES (?1, ?2, ?2)",
            params![run.key, jump.until],
        )?;
        let kind = GapKind::Unrecorded.name();
        transaction.execute(
            "INSERT INTO gap (run, from_s, until_s, kind) VALUES (?1, ?2, ?3, ?4)",
            params![run.key, jump.from, jump.until, kind],
        )?;
    }
    let joined = joined.into_iter().map(|jump| ClockStep {
        by_s: jump.until - jump.from,
        ..jump
    });
    let leaf = |step: ClockStep| {
        let (by_s, until) = (step.by_s, Moment(step.until));
        JournalEvent::at(step.from, Statement::Clock(ClockLeaf { by_s, until }))
    };
    Ok(joined.chain(backs).map(leaf).collect())
}

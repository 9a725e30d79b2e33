//! The stretches of time that are not on record.

use rusqlite::{Transaction, params};

use crate::clock::{HOUR_S, UnixSeconds};
use crate::count::{Gap, GapKind};

/// Counts that have waited in memory for longer than this are reported as not written.
pub(super) const UNWRITTEN_S: i64 = 60;

/// The last run, and whether it is still going on.
pub(super) struct LastRun {
    pub(super) last_flush: UnixSeconds,
    pub(super) ended: Option<UnixSeconds>,
    pub(super) going_on: bool,
}

/// What is missing between the last writing and now.
pub(super) fn open_gap(run: &LastRun, now: UnixSeconds) -> Option<Gap> {
    let kind = match (run.ended, run.going_on) {
        (Some(_), _) => GapKind::Stopped,
        (None, false) => GapKind::Crash,
        (None, true) if now - run.last_flush > UNWRITTEN_S => GapKind::Unwritten,
        (None, true) => return None,
    };
    Some(Gap {
        from: run.last_flush.min(now),
        until: now,
        kind,
    })
}

pub(super) fn read_gaps(
    transaction: &Transaction<'_>,
    from: UnixSeconds,
    until: UnixSeconds,
) -> rusqlite::Result<Vec<Gap>> {
    let mut statement = transaction.prepare(
        "SELECT from_s, until_s, kind FROM gap WHERE until_s >= ?1 AND from_s \
                             < ?2 ORDER BY from_s, until_s",
    )?;
    let gaps = statement.query_map(params![from, until], |row| {
        let name: String = row.get(2)?;
        let kind = GapKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .unwrap_or(GapKind::Unrecorded);
        Ok(Gap {
            from: row.get(0)?,
            until: row.get(1)?,
            kind,
        })
    })?;
    gaps.collect()
}

/// What neither an hour's row nor a gap accounts for: hours that the clock jumped over.
pub(super) fn uncovered(
    from: UnixSeconds,
    end: UnixSeconds,
    hours: impl Iterator<Item = UnixSeconds>,
    gaps: &[Gap],
) -> Vec<Gap> {
    let mut covered: Vec<_> = hours.map(|hour| (hour, hour + HOUR_S)).collect();
    covered.extend(gaps.iter().map(|gap| (gap.from, gap.until)));
    covered.push((end, end));
    covered.sort_unstable();
    let (mut reached, mut holes) = (from, Vec::new());
    for (start, stop) in covered {
        if start > reached {
            holes.push(Gap {
                from: reached,
                until: start.min(end),
                kind: GapKind::Unrecorded,
            });
        }
        reached = reached.max(stop);
    }
    holes.retain(|hole| hole.from < hole.until);
    holes
}

//! Reads what the published report is made of: sums of hours, and what was done about the lists.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction};

use super::frame::{Validity, in_memory, read_frame, read_lists};
use super::out_of_force;
use super::schema::has_table;
use crate::clock::{HOUR_S, UnixSeconds, hour_start};
use crate::count::{Applied, GapKind, HourTotal, Hourly, ListHour, Seal, Step, StepKind, Stretch};

/// The record of this stretch without kinds of question.
pub(super) fn read_hourly(
    transaction: &Transaction<'_>,
    going_on: bool,
    stretch: Stretch,
    now: UnixSeconds,
) -> rusqlite::Result<Hourly> {
    let frame = read_frame(transaction, going_on, stretch, now)?;
    let sealed = read_sealed(transaction)?;
    // What the log does not tell cannot be checked, and is not published.
    let until = sealed.map_or(frame.until, |sealed| frame.until.min(sealed.until));
    let from = frame.from.min(until);
    let keyed = read_lists(transaction, from, until, Validity::Ever)?;
    let mut statement = transaction
        .prepare("SELECT hour, questions FROM hour WHERE hour >= ?1 AND hour < ?2 ORDER BY hour")?;
    let hours = statement.query_map([from, until], |row| {
        Ok(HourTotal {
            hour: row.get(0)?,
            questions: in_memory(row.get(1)?),
        })
    })?;
    let hours = hours.collect::<Result<Vec<_>, _>>()?;
    // The primary key's order is that of the groups, so that SQLite adds up as it reads.
    let mut statement = transaction.prepare(
        "SELECT hour, list, sum(count) FROM cell WHERE hour >= ?1 AND hour < \
                             ?2 GROUP BY hour, list",
    )?;
    let mut rows = statement.query([from, until])?;
    let ran = read_ran(transaction, from, until)?;
    let mut cells = Vec::with_capacity(hours.len() * keyed.len());
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(1)?;
        if let Some(list) = keyed.iter().position(|(other, _)| *other == key) {
            let hour = row.get(0)?;
            let noted = ran.from.filter(|from| *from <= hour);
            cells.push(ListHour {
                hour,
                list,
                blocked: in_memory(row.get(2)?),
                ran_s: noted.map(|_| ran.seconds.get(&(hour, key)).copied().unwrap_or_default()),
            });
        }
    }
    cells.sort_unstable();
    let mut gaps = frame.gaps(hours.iter().map(|hour| hour.hour));
    // What lies before the first start depends on where the reading began, and says nothing.
    gaps.retain(|gap| gap.kind != GapKind::Unrecorded || gap.until > frame.first);
    let boots = transaction
        .prepare("SELECT boot FROM run")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let complete_until = match sealed {
        Some(sealed) if sealed.is_behind || !frame.is_ended() => {
            frame.complete_until().min(sealed.until)
        }
        _ => frame.complete_until(),
    };
    let written_until = frame.written_until();
    let (applied, steps, seals) = (
        read_applied(transaction)?,
        read_steps(transaction, from)?,
        read_seals(transaction, from)?,
    );
    let lists = keyed.into_iter().map(|(_, list)| list).collect();
    Ok(Hourly {
        boots,
        read_at: now,
        complete_until,
        written_until,
        lists,
        hours,
        cells,
        gaps,
        list_gaps: out_of_force::read(transaction, from, until, 0)?,
        applied,
        steps,
        seals,
    })
}

/// When runs had lists in their configuration.
struct ListRuns {
    /// The first hour of which that is noted.
    from: Option<UnixSeconds>,
    /// Seconds by hour and list.
    seconds: HashMap<(UnixSeconds, i64), u64>,
}

fn read_ran(
    transaction: &Transaction<'_>,
    from: UnixSeconds,
    until: UnixSeconds,
) -> rusqlite::Result<ListRuns> {
    let mut runs = ListRuns {
        from: None,
        seconds: HashMap::new(),
    };
    if !has_table(transaction, "alive")? {
        return Ok(runs);
    }
    let first = "SELECT min(from_s), EXISTS (SELECT 1 FROM run
                     WHERE started < (SELECT min(from_s) FROM alive)) FROM alive";
    let (first, has_older): (Option<UnixSeconds>, bool) =
        transaction.query_row(first, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // A run from before that was noted may have been in the same hour.
    let later = if has_older { HOUR_S } else { 0 };
    runs.from = first.map(|first| hour_start(first) + later);
    let mut select = transaction.prepare(
        "SELECT list, max(from_s, ?1), min(until_s, ?2) FROM alive JOIN run_list USING (run)
         WHERE until_s > ?1 AND from_s < ?2",
    )?;
    let mut rows = select.query([from, until])?;
    while let Some(row) = rows.next()? {
        let (list, mut at, end): (i64, UnixSeconds, UnixSeconds) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        while at < end {
            let next = end.min(hour_start(at) + HOUR_S);
            *runs.seconds.entry((hour_start(at), list)).or_default() += next.abs_diff(at);
            at = next;
        }
    }
    Ok(runs)
}

/// How far the log tells of the hours.
#[derive(Clone, Copy)]
struct SealedHours {
    /// The first hour without a leaf.
    until: UnixSeconds,
    /// Something was counted from then on.
    is_behind: bool,
}

/// How far the log tells; nothing where there is none.
fn read_sealed(transaction: &Transaction<'_>) -> rusqlite::Result<Option<SealedHours>> {
    if !has_table(transaction, "log")? {
        return Ok(None);
    }
    let sealed = transaction.query_row(
        "SELECT next_hour, EXISTS (SELECT 1 FROM hour WHERE hour >= next_hour AND questions > 0)
         FROM log",
        [],
        |row| {
            Ok(SealedHours {
                until: row.get(0)?,
                is_behind: row.get(1)?,
            })
        },
    );
    sealed.optional()
}

/// The versions that ever took effect, each the first time that it did, and their receipts; for one
/// of a list without papers there is nothing to tell.
fn read_applied(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<Applied>> {
    if !has_table(transaction, "journal")? {
        return Ok(Vec::new());
    }
    let mut statement = transaction.prepare(
        "SELECT list, serial,
           min(CASE kind WHEN 'live' THEN json_extract(body, '$.issued') END) AS issued,
           min(CASE WHEN kind = 'live' AND json_extract(body, '$.issued') IS NOT NULL
             THEN at END),
           min(CASE kind WHEN 'receipt' THEN at END)
         FROM journal
         WHERE kind IN ('live', 'receipt') AND list IS NOT NULL AND serial IS NOT NULL
         GROUP BY list, serial HAVING issued IS NOT NULL",
    )?;
    let applied = statement.query_map([], |row| {
        Ok(Applied {
            list: row.get(0)?,
            serial: in_memory(row.get(1)?),
            issued: row.get(2)?,
            live: row.get(3)?,
            receipt: row.get(4)?,
        })
    })?;
    applied.collect()
}

fn read_steps(transaction: &Transaction<'_>, from: UnixSeconds) -> rusqlite::Result<Vec<Step>> {
    if !has_table(transaction, "journal")? {
        return Ok(Vec::new());
    }
    let mut statement = transaction.prepare(
        "SELECT at, list, kind FROM journal WHERE at >= ?1 AND list IS NOT NULL ORDER BY seq",
    )?;
    let mut rows = statement.query([from])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get(2)?;
        if let Some(kind) = StepKind::ALL.into_iter().find(|kind| kind.word() == word) {
            steps.push(Step {
                at: row.get(0)?,
                list: row.get(1)?,
                kind,
            });
        }
    }
    Ok(steps)
}

fn read_seals(transaction: &Transaction<'_>, from: UnixSeconds) -> rusqlite::Result<Vec<Seal>> {
    if !has_table(transaction, "checkpoint")? {
        return Ok(Vec::new());
    }
    // With min() SQLite takes the other columns from the row that has the least.
    let mut statement = transaction.prepare(
        "SELECT min(at), note FROM checkpoint WHERE at >= ?1 GROUP BY strftime('%Y-%m', \
                  at, 'unixepoch') ORDER BY 1",
    )?;
    let seals = statement.query_map([from], |row| {
        Ok(Seal {
            at: row.get(0)?,
            note: row.get(1)?,
        })
    })?;
    seals.collect()
}

#[cfg(test)]
mod tests {
    use crate::count::{ListIdentity, Stretch};
    use crate::store::author::author_of_tests as author;
    use crate::store::{Reader, Store};

    const HOUR: i64 = 1_767_225_600;

    fn lists(ids: &[&str]) -> Vec<ListIdentity> {
        let list = |id: &&str| ListIdentity {
            id: (*id).to_owned(),
            authority: "A".into(),
            legal_basis: "B".into(),
        };
        ids.iter().map(list).collect()
    }

    #[test]
    fn a_list_ran_for_the_seconds_of_the_runs_that_had_it() {
        let folder = tempfile::tempdir().unwrap();
        let run = |ids: &[&str], from: i64, writings: &[i64]| {
            let from = HOUR + from;
            let mut store = Store::open(folder.path(), &lists(ids), author(), from).unwrap();
            for at in writings {
                store.flush(&[], HOUR + at).unwrap();
            }
            store.end(HOUR + writings.last().unwrap()).unwrap();
        };
        run(&["one"], 1000, &[1009]);
        run(&["one", "two"], 1020, &[1028]);
        run(&["two"], 3590, &[3605, 7199, 7210]);
        let reader = Reader::open(folder.path()).unwrap();
        let hourly = reader.read_hourly(Stretch::default(), HOUR + 7300).unwrap();
        let cells = hourly.cells.iter().map(|cell| {
            let list = hourly.lists[cell.list].id.as_str();
            (cell.hour - HOUR, list, cell.ran_s)
        });
        let expected = [
            (0, "one", Some(17)),
            (0, "two", Some(18)),
            (3600, "two", Some(3600)),
        ];
        assert_eq!(cells.collect::<Vec<_>>(), expected);
    }
}

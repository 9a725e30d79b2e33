//! Reads what the published report is made of: sums of hours, and what was done about the lists.

use rusqlite::{OptionalExtension, Transaction};

use super::frame::{Validity, in_memory, read_frame, read_lists};
use super::out_of_force;
use super::schema::has_table;
use crate::clock::UnixSeconds;
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
    let mut cells = Vec::with_capacity(hours.len() * keyed.len());
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(1)?;
        if let Some(list) = keyed.iter().position(|(other, _)| *other == key) {
            cells.push(ListHour {
                hour: row.get(0)?,
                list,
                blocked: in_memory(row.get(2)?),
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

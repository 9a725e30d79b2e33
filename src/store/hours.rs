//! Adds to hours, and closes them: what was counted in them, when the resolver ran, and what is
//! missing, as one leaf a list.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::clock::{HOUR_S, UnixSeconds};
use crate::count::{Event, GapKind, HourCounts, Kind, ListCounts, ListGap};
use crate::record::{
    Carried, Ended, HOUR_KIND, HOUR_LEAF_VERSION, HourLeaf, LEAF_VERSION, LeafGap, LeafSpan, Moment,
};

use super::log::{Log, LogBegins, Run};
use super::{entries, out_of_force};

/// A stretch in which a run was on record.
struct Alive {
    run: i64,
    from: UnixSeconds,
    until: UnixSeconds,
    /// The run ended in an orderly way.
    is_ended: bool,
    /// The run had lists: what it counts otherwise is in no leaf.
    has_lists: bool,
    /// The run notes which of its lists are not in force.
    notes_force: bool,
}

/// An hour as it is in the tables.
struct Figures {
    questions: u64,
    carried_in: u64,
    lost: u64,
    ended: [u64; Event::ALL.len()],
}

/// An hour in which nothing was counted.
pub(super) fn nothing_in(hour: UnixSeconds, list_count: usize) -> HourCounts {
    HourCounts {
        hour,
        lists: vec![ListCounts::default(); list_count],
        ..HourCounts::default()
    }
}

/// Adds what was counted in an hour. Zeros are written too: a row says that the list was in force
/// in that hour.
pub(super) fn add(
    transaction: &Transaction<'_>,
    run: i64,
    lists: &[i64],
    counts: &HourCounts,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO hour (hour, questions, run, carried_in) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE
             SET questions = questions + excluded.questions, run = excluded.run",
        )?
        .execute(params![
            counts.hour,
            on_disk(counts.questions),
            run,
            carried_out(transaction, counts.hour)?
        ])?;
    let mut event = transaction.prepare_cached(
        "INSERT INTO event VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE \
                                    SET count = count + excluded.count",
    )?;
    for (kind, count) in Event::ALL.into_iter().zip(counts.events) {
        event.execute(params![counts.hour, kind.name(), on_disk(count)])?;
    }
    let mut cell = transaction.prepare_cached(
        "INSERT INTO cell VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE \
                                    SET count = count + excluded.count",
    )?;
    for (list, counted) in lists.iter().zip(&counts.lists) {
        for (kind, count) in Kind::ALL.into_iter().zip(counted) {
            cell.execute(params![counts.hour, list, kind.name(), on_disk(*count)])?;
        }
    }
    for (list, counted) in &counts.entries {
        if let Some(key) = lists.get(usize::from(*list)) {
            entries::add(transaction, counts.hour, *key, counted)?;
        }
    }
    Ok(())
}

/// SQLite's integers are signed; no count comes near the limit.
fn on_disk(count: u64) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// The hours that have counts and no leaf yet, before `end`, in order.
pub(super) fn closable(
    transaction: &Transaction<'_>,
    from: UnixSeconds,
    end: UnixSeconds,
) -> rusqlite::Result<Vec<(UnixSeconds, i64)>> {
    let mut statement = transaction.prepare_cached(
        "SELECT hour, run FROM hour WHERE hour >= ?1 AND hour < ?2 AND \
                                    run IS NOT NULL ORDER BY hour",
    )?;
    let hours = statement.query_map([from, end], |row| Ok((row.get(0)?, row.get(1)?)))?;
    hours.collect()
}

/// The run behind a key.
pub(super) fn run(transaction: &Transaction<'_>, key: i64) -> rusqlite::Result<Run> {
    transaction
        .prepare_cached("SELECT boot, software, configuration FROM run WHERE run = ?1")?
        .query_row([key], |row| {
            Ok(Run {
                key,
                boot: row.get(0)?,
                software: row.get(1)?,
                configuration: row.get(2)?,
            })
        })
}

/// Adds the leaves of one hour, which nobody adds to any more: of the form 2 where all its runs
/// noted when their lists were not in force.
pub(super) fn close(
    transaction: &Transaction<'_>,
    log: &mut Log<'_>,
    hour: UnixSeconds,
    run: &Run,
) -> rusqlite::Result<()> {
    let figures = figures(transaction, hour)?;
    let told = log.last_told(hour)?;
    let told_until = told.unwrap_or(log.begins.at);
    let alive = alive(transaction, log.begins, told_until, hour + HOUR_S)?;
    let gaps = gaps(&alive, told_until, hour + HOUR_S);
    let ended = Ended::from(figures.ended);
    let out = (figures.carried_in + figures.questions).saturating_sub(ended.sum() + figures.lost);
    let absences = absences(transaction, log.begins, &alive, hour)?;
    // Nothing is carried into a log. Where it follows another one in the same hour, what was
    // carried into the hour is told as having come in it.
    let (into, questions) = if told.is_none() && !log.begins.carries_in {
        (0, figures.carried_in + figures.questions)
    } else {
        (figures.carried_in, figures.questions)
    };
    for (key, id, blocked) in lists(transaction, hour)? {
        let runs = runs_with(transaction, key)?;
        let not_in_force = absences.as_ref().map(|absences| spans(absences, &id));
        let absent_s: u64 = not_in_force.iter().flatten().map(span_s).sum();
        log.close(HourLeaf {
            blocked: blocked.into(),
            boot: &run.boot,
            carried: Carried {
                into,
                lost: figures.lost,
                out,
            },
            configuration: &run.configuration,
            ended,
            gap_s: gaps
                .iter()
                .map(|gap| gap.until.0.abs_diff(gap.from.0))
                .sum(),
            gaps: gaps.clone(),
            hour: Moment(hour),
            in_force_s: alive
                .iter()
                .filter(|alive| runs.contains(&alive.run))
                .map(|alive| overlap_s(alive, hour))
                .sum::<u64>()
                .saturating_sub(absent_s),
            kind: HOUR_KIND,
            list: &id,
            manifest: None,
            v: match not_in_force {
                Some(_) => HOUR_LEAF_VERSION,
                None => LEAF_VERSION,
            },
            not_in_force,
            provider: "",
            questions,
            resolver: "",
            salt: None,
            seq: 0,
            serial: None,
            software: &run.software,
        })?;
    }
    log.next_hour = hour + HOUR_S;
    Ok(())
}

/// When lists were not in force in an hour; none where one of its runs did not note that.
fn absences(
    transaction: &Transaction<'_>,
    begins: LogBegins,
    alive: &[Alive],
    hour: UnixSeconds,
) -> rusqlite::Result<Option<Vec<ListGap>>> {
    let is_noted = |alive: &Alive| alive.notes_force || overlap_s(alive, hour) == 0;
    let read = || out_of_force::read(transaction, hour, hour + HOUR_S, begins.first_alive);
    alive.iter().all(is_noted).then(read).transpose()
}

fn spans(absences: &[ListGap], list: &str) -> Vec<LeafSpan> {
    let of_list = absences.iter().filter(|gap| gap.list == list);
    let spans = of_list.map(|gap| LeafSpan {
        from: Moment(gap.from),
        until: Moment(gap.until),
    });
    spans.collect()
}

const fn span_s(span: &LeafSpan) -> u64 {
    span.until.0.abs_diff(span.from.0)
}

/// What the last hour before `hour` carries into it.
pub(super) fn carried_out(
    transaction: &Transaction<'_>,
    hour: UnixSeconds,
) -> rusqlite::Result<i64> {
    let mut statement = transaction.prepare_cached(
        "SELECT h.carried_in + h.questions - h.lost
             - (SELECT coalesce(sum(count), 0) FROM event WHERE event.hour = h.hour)
         FROM hour h WHERE h.hour < ?1 ORDER BY h.hour DESC LIMIT 1",
    )?;
    let out: Option<i64> = statement.query_row([hour], |row| row.get(0)).optional()?;
    // Hours from before there was a log counted questions and ends apart.
    Ok(out.unwrap_or_default().max(0))
}

/// Writes off what was on its way when a run ended: nobody will answer it.
pub(super) fn lose_open(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE hour SET lost = lost + max(0, carried_in + questions - lost
             - (SELECT coalesce(sum(count), 0) FROM event WHERE event.hour = hour.hour))
         WHERE hour = (SELECT max(hour) FROM hour)",
        [],
    )?;
    Ok(())
}

fn figures(transaction: &Transaction<'_>, hour: UnixSeconds) -> rusqlite::Result<Figures> {
    let mut ended = [0; Event::ALL.len()];
    let mut counts =
        transaction.prepare_cached("SELECT event, count FROM event WHERE hour = ?1")?;
    let mut rows = counts.query([hour])?;
    while let Some(row) = rows.next()? {
        let place = Event::ALL.iter().position(|event| {
            row.get_ref(0)
                .is_ok_and(|name| name.as_str() == Ok(event.name()))
        });
        if let Some(count) = place.and_then(|place| ended.get_mut(place)) {
            *count = row.get::<_, i64>(1)?.unsigned_abs();
        }
    }
    let mut statement = transaction
        .prepare_cached("SELECT questions, carried_in, lost FROM hour WHERE hour = ?1")?;
    statement.query_row([hour], |row| {
        let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        Ok(Figures {
            questions: number(0)?,
            carried_in: number(1)?,
            lost: number(2)?,
            ended,
        })
    })
}

/// The lists that an hour has counts of, by id.
fn lists(
    transaction: &Transaction<'_>,
    hour: UnixSeconds,
) -> rusqlite::Result<Vec<(i64, String, ListCounts)>> {
    let mut statement = transaction.prepare_cached(
        "SELECT list, id, kind, count FROM cell JOIN list USING (list) WHERE hour = ?1 ORDER BY id",
    )?;
    let mut rows = statement.query([hour])?;
    let mut lists: Vec<(i64, String, ListCounts)> = Vec::new();
    while let Some(row) = rows.next()? {
        let key = row.get(0)?;
        if lists.last().is_none_or(|(last, ..)| *last != key) {
            lists.push((key, row.get(1)?, ListCounts::default()));
        }
        let place = Kind::ALL.iter().position(|kind| {
            row.get_ref(2)
                .is_ok_and(|name| name.as_str() == Ok(kind.name()))
        });
        if let Some(count) = lists
            .last_mut()
            .zip(place)
            .and_then(|((.., counts), place)| counts.get_mut(place))
        {
            *count = row.get::<_, i64>(3)?.unsigned_abs();
        }
    }
    Ok(lists)
}

fn runs_with(transaction: &Transaction<'_>, list: i64) -> rusqlite::Result<Vec<i64>> {
    let mut statement = transaction.prepare_cached("SELECT run FROM run_list WHERE list = ?1")?;
    statement.query_map([list], |row| row.get(0))?.collect()
}

/// The stretches that touch a time, in order, with the last one before it in front and the first
/// one after it behind: they say why it begins or ends with a gap.
fn alive(
    transaction: &Transaction<'_>,
    begins: LogBegins,
    from: UnixSeconds,
    until: UnixSeconds,
) -> rusqlite::Result<Vec<Alive>> {
    let mut statement = transaction.prepare_cached(
        "SELECT run, from_s, until_s, ended IS NOT NULL,
             EXISTS (SELECT 1 FROM run_list WHERE run_list.run = alive.run), notes_force
         FROM alive JOIN run USING (run)
         WHERE alive >= max(?3, coalesce((SELECT max(alive) FROM alive WHERE until_s <= ?1), 0))
           AND alive <= coalesce((SELECT min(alive) FROM alive WHERE from_s >= ?2), 
             (SELECT max(alive) FROM alive)) ORDER BY alive",
    )?;
    let read = statement.query_map(params![from, until, begins.first_alive], |row| {
        Ok(Alive {
            run: row.get(0)?,
            from: row.get(1)?,
            until: row.get(2)?,
            is_ended: row.get(3)?,
            has_lists: row.get(4)?,
            notes_force: row.get(5)?,
        })
    })?;
    read.collect()
}

fn overlap_s(alive: &Alive, hour: UnixSeconds) -> u64 {
    u64::try_from(alive.until.min(hour + HOUR_S) - alive.from.max(hour)).unwrap_or_default()
}

/// What lies between the stretches of a time.
fn gaps(alive: &[Alive], from: UnixSeconds, until: UnixSeconds) -> Vec<LeafGap<'static>> {
    let (mut gaps, mut reached, mut kind) = (Vec::new(), from, GapKind::Unrecorded);
    let mut add = |from: UnixSeconds, to: UnixSeconds, kind: GapKind| {
        let to = to.min(until);
        if from < to {
            gaps.push(LeafGap {
                from: Moment(from),
                kind: kind.name(),
                until: Moment(to),
            });
        }
    };
    for (at, stretch) in alive.iter().enumerate() {
        add(reached, stretch.from, kind);
        reached = reached.max(if stretch.has_lists {
            stretch.until
        } else {
            stretch.from
        });
        let goes_on = alive
            .get(at + 1)
            .is_some_and(|next| next.run == stretch.run);
        kind = match (goes_on || !stretch.has_lists, stretch.is_ended) {
            (true, _) => GapKind::Unrecorded,
            (false, true) => GapKind::Stopped,
            (false, false) => GapKind::Crash,
        };
    }
    add(reached, until, kind);
    gaps
}

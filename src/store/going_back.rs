//! The log goes back where the clock had been ahead: what it told of times that had not come yet is
//! withdrawn, and kept as one sum that is in no hour.

use rusqlite::{Connection, Transaction, params};

use super::append::append;
use super::author::Author;
use super::journal::JournalEvent;
use super::log::{Log, LogBegins, Run, Sign};
use super::promises::LogPromise;
use super::{entries, hours};
use crate::clock::{HOUR_S, UnixSeconds, hour_start};
use crate::count::GapKind;
use crate::record::{Leaf, Moment, Statement, Until, Withdrawal};

/// So far the clock may be behind the log, which waits for it; from a clock that is farther behind
/// the log learns that it was ahead itself.
pub(super) const WAITS_S: i64 = HOUR_S;

/// No log is older than 2026: a clock that says so has lost the time.
const EARLIEST: UnixSeconds = 1_767_225_600;

/// Where the log would go back to, and what would be withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayBack {
    /// What the clock says.
    pub to: UnixSeconds,
    /// The end of the last hour that stands.
    pub since: UnixSeconds,
    /// How many hours were counted in since.
    pub hours: u64,
}

/// The way back to `to`, where the log's clock may have been ahead since `ahead_since`; none where
/// the clock cannot be believed, or where another log has told of that time, or in an older form.
pub(super) fn find(
    connection: &mut Connection,
    author: &Author,
    to: UnixSeconds,
    ahead_since: UnixSeconds,
) -> rusqlite::Result<Option<WayBack>> {
    let transaction = connection.transaction()?;
    let log = open_log(&transaction, author, to)?;
    let limit = hour_start(to.min(ahead_since));
    let told = log.last_told(limit)?;
    let since = told.unwrap_or(log.begins.at.min(limit));
    let told_elsewhere = other_log_until(&transaction)?;
    if to < EARLIEST || !log.is_salted() || told_elsewhere.is_some_and(|until| since < until) {
        return Ok(None);
    }
    let count = "SELECT count(DISTINCT hour) FROM cell WHERE hour >= ?1";
    let hours: i64 = transaction.query_row(count, [since], |row| row.get(0))?;
    Ok(Some(WayBack {
        to,
        since,
        hours: hours.unsigned_abs(),
    }))
}

/// Closes the hour of `at`, which is the log's time, withdraws what was told too early, and has the
/// run go on from `way.to`. All of it is on disk, or nothing.
pub(super) fn take(
    connection: &mut Connection,
    author: &Author,
    run: &Run,
    way: &WayBack,
    at: UnixSeconds,
) -> rusqlite::Result<Option<LogPromise>> {
    let transaction = connection.transaction()?;
    let mut log = open_log(&transaction, author, at)?;
    let end = hour_start(at) + HOUR_S;
    let until = Moment(end);
    let cut = JournalEvent::at(at, Statement::HourCutShort(Until { until }));
    transaction.execute(
        "INSERT INTO alive (run, from_s, until_s) VALUES (?1, ?2, ?2)",
        [run.key, end],
    )?;
    append(&transaction, &mut log, run, vec![cut], end)?;
    entries::commit(&transaction, &mut log, run, end)?;
    let withdrawal = Withdrawal {
        since: Moment(way.since),
        until: Moment(way.to),
    };
    log.note(
        run,
        &JournalEvent::at(end, Statement::Withdrawn(withdrawal)),
    )?;
    let carried = hours::carried_out(&transaction, end)?;
    withdraw_counts(&transaction, way, at)?;
    withdraw_times(&transaction, run, way)?;
    transaction.execute(
        "INSERT INTO hour (hour, questions, run, carried_in) VALUES (?1, 0, ?2, ?3)",
        params![hour_start(way.to), run.key, carried],
    )?;
    let begins = LogBegins {
        carries_in: true,
        ..LogBegins::now(
            &transaction,
            log.begins.at.min(way.since),
            log.begins.first_hour.min(way.since),
        )?
    };
    log.go_back(way.to, way.since, begins);
    transaction.execute(
        "INSERT INTO alive (run, from_s, until_s) VALUES (?1, ?2, ?2)",
        [run.key, way.to],
    )?;
    let checkpoint = log.save(Sign::Now)?;
    transaction.commit()?;
    Ok(checkpoint)
}

fn open_log<'t>(
    transaction: &'t Transaction<'t>,
    author: &'t Author,
    at: UnixSeconds,
) -> rusqlite::Result<Log<'t>> {
    let hour = hour_start(at);
    Log::open(transaction, author, || {
        LogBegins::now(transaction, hour, hour)
    })
}

/// Up to when the log tells in whose place this one goes on: its hours cannot be withdrawn here.
fn other_log_until(transaction: &Transaction<'_>) -> rusqlite::Result<Option<UnixSeconds>> {
    let mut second = transaction.prepare("SELECT octets FROM leaf WHERE seq = 1")?;
    let mut rows = second.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let said = match Leaf::parse(row.get_ref(0)?.as_blob()?) {
        Ok(Leaf::Event(leaf)) => leaf.said(),
        _ => None,
    };
    Ok(match said {
        Some(Statement::LogFollows(closed)) => Some(closed.until.0),
        _ => None,
    })
}

/// Moves what was counted since from its hours into one sum. Openings that are committed to are
/// kept as they are.
fn withdraw_counts(
    transaction: &Transaction<'_>,
    way: &WayBack,
    at: UnixSeconds,
) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO withdrawal (since, until_s, back_to, hours, questions)
         SELECT ?1, ?2, ?3, ?4, coalesce(sum(questions), 0) FROM hour WHERE hour >= ?1",
        params![way.since, at, way.to, way.hours.cast_signed()],
    )?;
    let withdrawal = transaction.last_insert_rowid();
    transaction.execute(
        "INSERT INTO withdrawn_cell
         SELECT ?1, list, kind, sum(count) FROM cell WHERE hour >= ?2 GROUP BY list, kind",
        [withdrawal, way.since],
    )?;
    transaction.execute(
        "INSERT INTO withdrawn_opening
         SELECT ?1, hour, list, salt, counts FROM opening WHERE hour >= ?2 AND salt IS NOT NULL",
        [withdrawal, way.since],
    )?;
    for table in ["entry", "opening", "cell", "event", "hour"] {
        let delete = format!("DELETE FROM {table} WHERE hour >= ?1");
        transaction.execute(&delete, [way.since])?;
    }
    Ok(())
}

/// What was noted of times since is cut off; of the time up to the clock's nothing is on record.
fn withdraw_times(transaction: &Transaction<'_>, run: &Run, way: &WayBack) -> rusqlite::Result<()> {
    for table in ["gap", "alive", "not_in_force"] {
        let delete = format!("DELETE FROM {table} WHERE from_s >= ?1");
        transaction.execute(&delete, [way.since])?;
        let cut = format!("UPDATE {table} SET until_s = ?1 WHERE until_s > ?1");
        transaction.execute(&cut, [way.since])?;
    }
    let kind = GapKind::Unrecorded.name();
    transaction.execute(
        "INSERT INTO gap (run, from_s, until_s, kind) VALUES (?1, ?2, ?3, ?4)",
        params![run.key, way.since, way.to, kind],
    )?;
    for column in [
        "run SET started",
        "run SET last_flush",
        "run SET ended",
        "paper SET since",
    ] {
        let name = column.rsplit(' ').next().unwrap_or_default();
        let earlier = format!("UPDATE {column} = ?1 WHERE {name} > ?1");
        transaction.execute(&earlier, [way.to])?;
    }
    Ok(())
}

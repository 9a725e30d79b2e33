//! A run of the program as the counts know it: how one begins, and what became of the one before.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::append::{append, closed_until};
use super::author::Author;
use super::handover::Handover;
use super::journal::{self, JournalEvent};
use super::log::{Log, LogBegins, Run, Sign};
use super::promises::LogPromise;
use super::restored::{FoundRestored, end_log};
use super::untold::forget_untold;
use super::{entries, hours};
use crate::clock::{HOUR_S, UnixSeconds, hour_start};
use crate::count::{GapKind, ListIdentity};
use crate::record::{RunStart, Statement};

/// A run that has begun.
pub(super) struct BegunRun {
    pub(super) run: Run,
    /// The keys of its lists.
    pub(super) lists: Vec<i64>,
    /// When it began, by the log's time.
    pub(super) at: UnixSeconds,
    /// What was signed for it.
    pub(super) signed: Option<LogPromise>,
}

/// The log's time of what is written at `wall`: never earlier than what is on disk.
pub(super) fn log_time(
    connection: &Connection,
    wall: UnixSeconds,
) -> rusqlite::Result<UnixSeconds> {
    let reached: Option<UnixSeconds> =
        connection.query_row("SELECT max(last_flush) FROM run", [], |row| row.get(0))?;
    Ok(wall.max(reached.unwrap_or(wall)))
}

/// Begins a run, and a log where the one on disk ends.
pub(super) fn begin(
    connection: &mut Connection,
    author: &Author,
    boot: u64,
    lists: &[ListIdentity],
    wall: UnixSeconds,
    handover: &Handover,
) -> rusqlite::Result<BegunRun> {
    let transaction = connection.transaction()?;
    let at = log_time(&transaction, wall)?;
    let (mut log, previous, follows) = begin_log(&transaction, author, at, handover)?;
    let (run, keys) = note_run(&transaction, author, boot, lists, at)?;
    hours::add(
        &transaction,
        run.key,
        &keys,
        &hours::nothing_in(hour_start(at), keys.len()),
    )?;
    let ids = lists.iter().map(|list| list.id.clone()).collect();
    // The older form has no word for it.
    let recovery = author.recovery.as_ref().filter(|_| log.is_salted());
    let start = Statement::Start(RunStart {
        arrived: handover.arrived(),
        behind_s: at.abs_diff(wall),
        configuration: run.configuration.clone(),
        lists: ids,
        previous: previous.map(|run| run.boot),
        recovery: recovery.map(ToString::to_string),
        software: run.software.clone(),
    });
    let start = JournalEvent::at(at, start);
    journal::add(&transaction, std::slice::from_ref(&start))?;
    log.note(&run, &start)?;
    if let Some(follows) = follows {
        let follows = JournalEvent::at(at, follows);
        journal::add(&transaction, std::slice::from_ref(&follows))?;
        log.note(&run, &follows)?;
    }
    let closed = closed_until(&log, at);
    entries::commit(&transaction, &mut log, &run, closed)?;
    let signed = log.save(Sign::Now)?;
    transaction.commit()?;
    Ok(BegunRun {
        run,
        lists: keys,
        at,
        signed,
    })
}

/// The log that the run is told in, the run before it in that log, and which log it follows.
fn begin_log<'t>(
    transaction: &'t Transaction<'t>,
    author: &'t Author,
    at: UnixSeconds,
    handover: &Handover,
) -> rusqlite::Result<(Log<'t>, Option<Run>, Option<Statement>)> {
    let hour = hour_start(at);
    if let Handover::Following(succession) = handover {
        let end = |log: &mut Log<'_>| end_previous(transaction, log, at).map(drop);
        let (closed, begins) = succession.close(transaction, end, hour)?;
        let log = Log::open(transaction, author, || Ok(begins))?;
        return Ok((log, None, Some(Statement::LogFollows(closed))));
    }
    if let Some(restored) = handover.restored() {
        end_log(transaction)?;
        if let Some(told_until) = restored.told_until() {
            forget_untold(transaction, told_until, restored.untold_until())?;
        }
    }
    let restored = handover.restored().map(FoundRestored::statement);
    let begins = || {
        let first_hour = first_hour(transaction, at, restored.is_some())?;
        LogBegins::now(transaction, hour, first_hour)
    };
    let mut log = Log::open(transaction, author, begins)?;
    let previous = end_previous(transaction, &mut log, at)?;
    Ok((log, previous, restored))
}

/// Notes the run with its lists; gives their keys.
fn note_run(
    transaction: &Transaction<'_>,
    author: &Author,
    boot: u64,
    lists: &[ListIdentity],
    at: UnixSeconds,
) -> rusqlite::Result<(Run, Vec<i64>)> {
    let run = Run {
        key: 0,
        boot: format!("{boot:016x}"),
        software: software(),
        configuration: author.configuration.clone(),
    };
    transaction.execute(
        "INSERT INTO run (boot, software, configuration, started, last_flush, notes_force)
         VALUES (?1, ?2, ?3, ?4, ?4, 1)",
        params![run.boot, run.software, run.configuration, at],
    )?;
    let run = Run {
        key: transaction.last_insert_rowid(),
        ..run
    };
    transaction.execute(
        "INSERT INTO alive (run, from_s, until_s) VALUES (?1, ?2, ?2)",
        params![run.key, at],
    )?;
    let keys = lists
        .iter()
        .map(|list| note_list(transaction, list, at))
        .collect::<Result<Vec<_>, _>>()?;
    for key in &keys {
        transaction.execute(
            "INSERT INTO run_list VALUES (?1, ?2)",
            params![run.key, key],
        )?;
    }
    Ok((run, keys))
}

/// The first hour that a new log tells of. What was counted before there was any log is not in it;
/// what was counted in an open hour of a log that ended is in no other.
fn first_hour(
    transaction: &Transaction<'_>,
    at: UnixSeconds,
    is_restored: bool,
) -> rusqlite::Result<UnixSeconds> {
    let is_counted: bool = transaction.query_row(
        "SELECT EXISTS (SELECT * FROM hour WHERE hour >= ?1)",
        [hour_start(at)],
        |row| row.get(0),
    )?;
    Ok(if is_counted && !is_restored {
        hour_start(at) + HOUR_S
    } else {
        hour_start(at)
    })
}

fn software() -> String {
    format!("wardline {}", env!("CARGO_PKG_VERSION"))
}

/// Writes down how the run before ended and what is missing since, and closes its hours.
fn end_previous(
    transaction: &Transaction<'_>,
    log: &mut Log<'_>,
    at: UnixSeconds,
) -> rusqlite::Result<Option<Run>> {
    let before = transaction.query_row(
        "SELECT run, last_flush, ended FROM run ORDER BY run DESC LIMIT 1",
        [],
        |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, UnixSeconds>(1)?,
                row.get::<_, Option<UnixSeconds>>(2)?,
            ))
        },
    );
    let Some((key, last_flush, ended)) = before.optional()? else {
        return Ok(None);
    };
    let previous = hours::run(transaction, key)?;
    let kind = if ended.is_some() {
        GapKind::Stopped
    } else {
        GapKind::Crash
    };
    let from = ended.unwrap_or(last_flush);
    if from < at || kind == GapKind::Crash {
        transaction.execute(
            "INSERT INTO gap (run, from_s, until_s, kind) VALUES (?1, ?2, ?3, ?4)",
            params![key, from, at, kind.name()],
        )?;
    }
    hours::lose_open(transaction)?;
    // A run from before there was a log has no leaves, so nobody would understand its end.
    if log.size() == 0 {
        return Ok(None);
    }
    let crash = JournalEvent::at(from, Statement::Crash);
    let events = if kind == GapKind::Crash {
        vec![crash]
    } else {
        Vec::new()
    };
    append(transaction, log, &previous, events, at)?;
    Ok(Some(previous))
}

/// The list's key; its papers are noted when they have changed.
fn note_list(
    transaction: &Transaction<'_>,
    list: &ListIdentity,
    at: UnixSeconds,
) -> rusqlite::Result<i64> {
    transaction.execute(
        "INSERT INTO list (id) VALUES (?1) ON CONFLICT DO NOTHING",
        [&list.id],
    )?;
    let key = transaction.query_row("SELECT list FROM list WHERE id = ?1", [&list.id], |row| {
        row.get(0)
    })?;
    let papers = transaction.query_row(
        "SELECT authority, legal_basis FROM paper WHERE list = ?1 ORDER BY paper DESC LIMIT 1",
        [key],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    );
    if papers
        .optional()?
        .is_none_or(|papers| papers != (list.authority.clone(), list.legal_basis.clone()))
    {
        transaction.execute(
            "INSERT INTO paper (list, since, authority, legal_basis) VALUES (?1, ?2, ?3, ?4)",
            params![key, at, list.authority, list.legal_basis],
        )?;
    }
    Ok(key)
}

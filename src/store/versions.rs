//! Remembers which versions of the lists the log has told of: what it could not tell without
//! contradicting itself, it explains first.

use rusqlite::{OptionalExtension, Transaction, params};

use super::journal::JournalEvent;
use crate::record::{EventKind, FoundSerial, ListVersions, RunStart, Statement};

/// What the log has told of a list.
fn read(transaction: &Transaction<'_>, list: &str) -> rusqlite::Result<ListVersions> {
    let standing = transaction
        .prepare_cached("SELECT serial, manifest FROM standing WHERE list = ?1")?
        .query_row([list], |row| {
            Ok((
                row.get::<_, Option<i64>>(0)?.map(i64::cast_unsigned),
                row.get(1)?,
            ))
        });
    let mut known =
        transaction.prepare_cached("SELECT serial, manifest FROM told_version WHERE list = ?1")?;
    let known = known.query_map([list], |row| {
        Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
    })?;
    Ok(ListVersions::new(
        standing.optional()?.unwrap_or_default(),
        known.collect::<rusqlite::Result<Vec<_>>>()?,
    ))
}

/// What must be told before this event: that the resolver keeps less of a list than it had
/// accepted, as after a damage, another choice of keys or an emptied folder.
pub(super) fn explanation(
    transaction: &Transaction<'_>,
    event: &JournalEvent,
) -> rusqlite::Result<Option<JournalEvent>> {
    let (Some(list), Some(serial)) = (&event.list, event.serial) else {
        return Ok(None);
    };
    let find = match event.said.kind() {
        EventKind::Live => ListVersions::misfit,
        EventKind::Rollback => ListVersions::rollback_misfit,
        _ => return Ok(None),
    };
    let versions = read(transaction, list)?;
    let misfit = find(&versions, Some(serial), event.manifest.as_deref());
    let Some((message, (highest, manifest))) = misfit.zip(versions.highest()) else {
        return Ok(None);
    };
    tracing::warn!(
        list,
        serial,
        highest,
        "restored, the audit log says: {message}"
    );
    let found = FoundSerial {
        found: Some(serial),
    };
    Ok(Some(JournalEvent {
        list: Some(list.clone()),
        serial: Some(highest),
        manifest: manifest.map(str::to_owned),
        ..JournalEvent::at(event.at, Statement::ListRestored(found))
    }))
}

/// Remembers what an event has told.
pub(super) fn remember(
    transaction: &Transaction<'_>,
    event: &JournalEvent,
) -> rusqlite::Result<()> {
    match (&event.said, &event.list) {
        (Statement::Live(_) | Statement::Rollback(_), Some(list)) => {
            let (serial, manifest) = (event.serial.map(u64::cast_signed), &event.manifest);
            let version = params![list, serial, manifest];
            transaction
                .prepare_cached("INSERT OR REPLACE INTO standing VALUES (?1, ?2, ?3)")?
                .execute(version)?;
            if serial.is_some() {
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO told_version VALUES (?1, ?2, ?3)")?
                    .execute(version)?;
                transaction
                    .prepare_cached(
                        "DELETE FROM told_version WHERE list = ?1 AND serial < (
                             SELECT serial FROM told_version WHERE list = ?1
                             ORDER BY serial DESC LIMIT 1 OFFSET 63)",
                    )?
                    .execute([list])?;
            }
        }
        (Statement::ListRestored(_), Some(list)) => {
            transaction.execute("DELETE FROM told_version WHERE list = ?1", [list])?;
        }
        (Statement::Start(start), _) => forget_others(transaction, start)?,
        _ => {}
    }
    Ok(())
}

/// A list that a run does not have may come back as another one.
fn forget_others(transaction: &Transaction<'_>, start: &RunStart) -> rusqlite::Result<()> {
    let mut select = transaction.prepare("SELECT DISTINCT list FROM told_version")?;
    let known = select.query_map([], |row| row.get::<_, String>(0))?;
    for list in known.collect::<rusqlite::Result<Vec<_>>>()? {
        if !start.lists.contains(&list) {
            transaction.execute("DELETE FROM told_version WHERE list = ?1", [list])?;
        }
    }
    Ok(())
}

//! Reads back what was counted by a clock that was ahead, and belongs to no hour.

use rusqlite::Connection;

use super::frame::in_memory;
use super::schema::has_table;
use crate::clock::UnixSeconds;
use crate::count::{Kind, WithdrawnTime};

/// Those that the log went back from within this time.
pub(super) fn within(
    connection: &Connection,
    from: UnixSeconds,
    until: UnixSeconds,
) -> rusqlite::Result<Vec<WithdrawnTime>> {
    let mut found = read(connection)?;
    found.retain(|time| (from..until).contains(&time.back_to));
    Ok(found)
}

/// The last time that the log went back. It is only told: where it cannot be read, nothing else is
/// kept from being written.
pub(super) fn last(connection: &Connection) -> Option<WithdrawnTime> {
    read(connection).ok()?.pop()
}

/// Each time that the log went back, the first one first.
fn read(connection: &Connection) -> rusqlite::Result<Vec<WithdrawnTime>> {
    if !has_table(connection, "withdrawal")? {
        return Ok(Vec::new());
    }
    let mut times = connection.prepare(
        "SELECT withdrawal, since, until_s, back_to, hours, questions FROM withdrawal
         ORDER BY withdrawal",
    )?;
    let mut cells = connection.prepare(
        "SELECT id, kind, count FROM withdrawn_cell JOIN list USING (list)
         WHERE withdrawal = ?1 ORDER BY id",
    )?;
    let mut rows = times.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut time = WithdrawnTime {
            since: row.get(1)?,
            until: row.get(2)?,
            back_to: row.get(3)?,
            hours: in_memory(row.get(4)?),
            questions: in_memory(row.get(5)?),
            lists: Vec::new(),
        };
        let mut cells = cells.query([row.get::<_, i64>(0)?])?;
        while let Some(cell) = cells.next()? {
            let (id, kind): (String, String) = (cell.get(0)?, cell.get(1)?);
            if time.lists.last().is_none_or(|(last, _)| *last != id) {
                time.lists.push((id, [0; Kind::ALL.len()]));
            }
            let place = Kind::ALL.iter().position(|known| known.name() == kind);
            let counts = time.lists.last_mut().map(|(_, counts)| counts);
            if let Some(count) = counts.and_then(|counts| counts.get_mut(place?)) {
                *count = in_memory(cell.get(2)?);
            }
        }
        found.push(time);
    }
    Ok(found)
}

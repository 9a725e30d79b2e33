//! What each entry of a list blocked: kept with the open hour, committed to in the log when it is
//! over, and opened for the curator later.
//!
//! An hour of a list that is counted so has one row in `opening`, from its first counts on, and
//! while the hour is open one row in `entry` for each number that was counted. The log gets a
//! salted commitment and nothing else.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::clock::{HOUR_S, UnixSeconds};
use crate::count::{EntryCounts, Opening, Stretch, read_counts};
use crate::record::{EntriesCommitted, Moment, Statement};

use super::journal::JournalEvent;
use super::log::{Log, Run};
use super::schema::has_table;

/// The openings that are kept of each list: a hundred days of counting. Counted and not dated,
/// since a clock that is ahead for a moment must not take those of hours that are committed to.
const KEPT: i64 = 100 * 24;
/// The form of the file from which on there are openings.
const FIRST_FORM: i64 = 4;

/// Adds what the entries of a list blocked in an hour that is still open; an hour in which they
/// blocked nothing is noted too.
pub(super) fn add(
    transaction: &Transaction<'_>,
    hour: UnixSeconds,
    list: i64,
    counts: &EntryCounts,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO opening (hour, list) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute([hour, list])?;
    let mut entry = transaction.prepare_cached(
        "INSERT INTO entry VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO \
                                    UPDATE SET count = count + excluded.count",
    )?;
    for (number, count) in counts {
        entry.execute(params![
            hour,
            list,
            number,
            i64::try_from(*count).unwrap_or(i64::MAX)
        ])?;
    }
    Ok(())
}

/// Commits in the log to the counts of all hours before `end`, which nobody adds to any more, and
/// forgets what is too old.
///
/// Only while a run goes on: an event belongs to a run. What a crash left open is committed to
/// behind the next start.
pub(super) fn commit(
    transaction: &Transaction<'_>,
    log: &mut Log<'_>,
    run: &Run,
    end: UnixSeconds,
) -> rusqlite::Result<()> {
    let mut uncommitted = transaction.prepare_cached(
        "SELECT hour, list, id FROM opening JOIN list USING (list) WHERE salt IS \
                         NULL AND hour < ?1 ORDER BY hour, id",
    )?;
    let hours = uncommitted.query_map([end], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for (hour, list, id) in hours.collect::<rusqlite::Result<Vec<(UnixSeconds, i64, String)>>>()? {
        let opening = Opening::new(hour, counted(transaction, hour, list)?);
        let opening =
            opening.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        transaction
            .prepare_cached(
                "UPDATE opening SET salt = ?3, counts = ?4 WHERE hour = ?1 AND list = ?2",
            )?
            .execute(params![hour, list, opening.salt, opening.counts_text()])?;
        transaction
            .prepare_cached("DELETE FROM entry WHERE hour = ?1 AND list = ?2")?
            .execute([hour, list])?;
        let said = Statement::EntryCounts(committed(&opening));
        let event = JournalEvent {
            list: Some(id),
            ..JournalEvent::at(hour + HOUR_S, said)
        };
        log.note(run, &event)?;
    }
    forget(transaction)
}

/// Forgets the openings of each list but the newest.
fn forget(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let lists = transaction
        .prepare_cached("SELECT DISTINCT list FROM opening")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut newest = transaction.prepare_cached(
        "SELECT hour FROM opening WHERE list = ?1 AND salt IS NOT NULL
         ORDER BY hour DESC LIMIT 1 OFFSET ?2",
    )?;
    let mut delete = transaction.prepare_cached(
        "DELETE FROM opening WHERE list = ?1 AND salt IS NOT NULL AND hour <= ?2",
    )?;
    let mut delete_withdrawn = transaction
        .prepare_cached("DELETE FROM withdrawn_opening WHERE list = ?1 AND hour <= ?2")?;
    for list in lists {
        let last: Option<UnixSeconds> = newest
            .query_row([list, KEPT], |row| row.get(0))
            .optional()?;
        if let Some(last) = last {
            delete.execute([list, last])?;
            delete_withdrawn.execute([list, last])?;
        }
    }
    Ok(())
}

/// The openings of a list, earliest first; none of an hour that is not committed to yet.
pub(super) fn read(
    connection: &Connection,
    list: &str,
    stretch: Stretch,
) -> rusqlite::Result<Vec<Opening>> {
    let form: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if form < FIRST_FORM {
        return Ok(Vec::new());
    }
    let withdrawn = if has_table(connection, "withdrawn_opening")? {
        "UNION ALL SELECT hour, list, salt, counts FROM withdrawn_opening"
    } else {
        ""
    };
    let select = format!(
        "SELECT hour, salt, counts FROM
             (SELECT hour, list, salt, counts FROM opening {withdrawn}) JOIN list USING (list)
         WHERE id = ?1 AND salt IS NOT NULL AND hour >= ?2 AND hour < ?3 ORDER BY hour"
    );
    let mut statement = connection.prepare(&select)?;
    let (from, until) = (
        stretch.from.unwrap_or(UnixSeconds::MIN),
        stretch.until.unwrap_or(UnixSeconds::MAX),
    );
    let openings = statement.query_map(params![list, from, until], |row| {
        let counts: String = row.get(2)?;
        let counts = read_counts(&counts).ok_or(rusqlite::Error::InvalidQuery)?;
        Ok(Opening {
            hour: row.get(0)?,
            salt: row.get(1)?,
            counts,
        })
    })?;
    openings.collect()
}

fn counted(
    transaction: &Transaction<'_>,
    hour: UnixSeconds,
    list: i64,
) -> rusqlite::Result<EntryCounts> {
    let mut statement = transaction
        .prepare_cached("SELECT number, count FROM entry WHERE hour = ?1 AND list = ?2")?;
    statement
        .query_map([hour, list], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })?
        .collect()
}

/// All that the log says of the entries.
fn committed(opening: &Opening) -> EntriesCommitted {
    EntriesCommitted {
        commitment: opening.commitment(),
        entries: opening.counts.len() as u64,
        hour: Moment(opening.hour),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::count::{HourCounts, ListIdentity};
    use crate::record::Leaf;
    use crate::store::author::author_of_tests as author;
    use crate::store::{LogReader, Store, StoreError};

    const HOUR: UnixSeconds = 1_767_225_600;

    fn open(folder: &Path, at: UnixSeconds) -> Store {
        let list = |id: &str| ListIdentity {
            id: id.into(),
            authority: "A".into(),
            legal_basis: "B".into(),
        };
        Store::open(folder, &["law", "plain"].map(list), author(), at).unwrap()
    }

    /// The first list is counted by entry.
    fn counts(hour: UnixSeconds, entries: &[(u32, u64)]) -> HourCounts {
        let blocked = entries.iter().map(|(_, count)| count).sum();
        HourCounts {
            hour,
            lists: vec![[blocked, 0, 0, 0], [0; 4]],
            questions: blocked,
            events: [blocked, 0, 0, 0, 0, 0, 0, 0],
            entries: BTreeMap::from([(0, entries.iter().copied().collect())]),
        }
    }

    /// Kind, hour and number of entries of the events behind starts, and their commitments.
    fn commitments(folder: &Path) -> Vec<(i64, u64, String)> {
        let (reader, mut found) = (LogReader::open(folder).unwrap(), Vec::new());
        let size = reader.checkpoints().unwrap().last().unwrap().size;
        let take = |octets: &[u8]| -> Result<(), StoreError> {
            if let Leaf::Event(leaf) = Leaf::parse(octets).unwrap()
                && let Some(Statement::EntryCounts(said)) = leaf.said()
            {
                assert_eq!(leaf.list, Some("law"));
                found.push((said.hour.0 - HOUR, said.entries, said.commitment));
            }
            Ok(())
        };
        reader.leaves(size, take).unwrap();
        found
    }

    fn openings(folder: &Path, stretch: Stretch) -> Vec<Opening> {
        LogReader::open(folder)
            .unwrap()
            .openings("law", stretch)
            .unwrap()
    }

    /// What is in the tables: rows of open hours, and hours with an opening or to be committed to.
    fn rows(store: &Store) -> (i64, i64) {
        let count = |table| {
            store
                .connection()
                .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                    row.get(0)
                })
                .unwrap()
        };
        (count("entry"), count("opening"))
    }

    #[test]
    fn closed_hours_are_committed_to_and_open() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), HOUR + 600);
        store
            .flush(&[counts(HOUR, &[(9, 1), (4711, 2)])], HOUR + 700)
            .unwrap();
        store
            .flush(&[counts(HOUR, &[(4711, 5)])], HOUR + 800)
            .unwrap();
        assert_eq!(rows(&store), (2, 1));
        assert!(
            commitments(folder.path()).is_empty()
                && openings(folder.path(), Stretch::default()).is_empty()
        );
        store
            .flush(&[counts(HOUR + 3600, &[])], HOUR + 3605)
            .unwrap();
        assert_eq!(
            rows(&store),
            (0, 2),
            "an hour of nothing is committed to as well"
        );
        store
            .flush(&[counts(HOUR + 7200, &[(9, 3)])], HOUR + 7205)
            .unwrap();
        store.end(HOUR + 7300).unwrap();
        let found = commitments(folder.path());
        assert_eq!(
            found
                .iter()
                .map(|(hour, entries, _)| (*hour, *entries))
                .collect::<Vec<_>>(),
            [(0, 2), (3600, 0)]
        );
        let opened = openings(folder.path(), Stretch::default());
        assert_eq!(
            opened.iter().map(Opening::commitment).collect::<Vec<_>>(),
            [found[0].2.clone(), found[1].2.clone()]
        );
        assert_eq!(opened[0].counts, EntryCounts::from([(9, 1), (4711, 7)]));
        assert_eq!(
            openings(
                folder.path(),
                Stretch {
                    from: Some(HOUR + 3600),
                    until: None
                }
            )
            .len(),
            1
        );
        assert!(
            LogReader::open(folder.path())
                .unwrap()
                .openings("plain", Stretch::default())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn an_hour_that_a_crash_left_open_is_committed_to_behind_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), HOUR);
        store.flush(&[counts(HOUR, &[(9, 1)])], HOUR + 5).unwrap();
        drop(store);
        let mut store = open(folder.path(), HOUR + 60);
        store.flush(&[counts(HOUR, &[(9, 1)])], HOUR + 65).unwrap();
        assert!(commitments(folder.path()).is_empty(), "the hour goes on");
        drop(store);
        open(folder.path(), HOUR + 9000).end(HOUR + 9001).unwrap();
        let found = commitments(folder.path());
        assert_eq!(found.len(), 1);
        assert_eq!(
            openings(folder.path(), Stretch::default())[0].counts,
            EntryCounts::from([(9, 2)])
        );
    }

    #[test]
    fn a_first_hour_that_ends_before_the_first_writing_is_committed_to() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), HOUR + 3599);
        store
            .flush(&[counts(HOUR + 3600, &[(9, 1)])], HOUR + 3605)
            .unwrap();
        let found = commitments(folder.path());
        assert_eq!(
            found
                .iter()
                .map(|(hour, entries, _)| (*hour, *entries))
                .collect::<Vec<_>>(),
            [(0, 0)]
        );
    }

    #[test]
    fn openings_are_kept_for_a_hundred_days_of_counting() {
        const YEAR: i64 = 366 * 24 * HOUR_S;
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), HOUR);
        store.flush(&[counts(HOUR, &[(9, 1)])], HOUR + 5).unwrap();
        // For a moment the clock is a year ahead.
        store
            .flush(&[counts(HOUR + YEAR, &[])], HOUR + YEAR + 5)
            .unwrap();
        let kept = |store: &mut Store, hour: i64| {
            store.flush(&[counts(hour, &[])], hour + 5).unwrap();
            openings(folder.path(), Stretch::default())
        };
        let after = kept(&mut store, HOUR + YEAR + HOUR_S);
        assert_eq!(after[0].hour, HOUR, "what was committed to can be opened");
        let last = HOUR + YEAR + (KEPT - 2) * HOUR_S;
        for n in 2..KEPT - 1 {
            kept(&mut store, HOUR + YEAR + n * HOUR_S);
        }
        let before = kept(&mut store, last + HOUR_S);
        assert_eq!((before.len() as i64, before[0].hour), (KEPT, HOUR));
        let after = kept(&mut store, last + 2 * HOUR_S);
        assert_eq!((after.len() as i64, after[0].hour), (KEPT, HOUR + YEAR));
        let commitments = commitments(folder.path()).len() as i64;
        assert_eq!(commitments, KEPT + 1, "the log keeps its commitments");
    }
}

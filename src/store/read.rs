//! Reads the record back, beside a running resolver or without one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction};

use super::StoreError;
use super::frame::{Validity, in_memory, is_going_on, read_frame, read_lists};
use super::journal::{self, JournalRow};
use super::schema::{counts_file, open_to_read};
use super::unlogged::{Unlogged, read_unlogged};
use super::{out_of_force, withdrawn};
use crate::clock::UnixSeconds;
use crate::count::{Event, HourRecord, Kind, ListRecord, Record, Stretch};

/// The counts of one state folder, open for reading.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    folder: PathBuf,
}

impl Reader {
    /// Opens the counts in `folder`; fails when there are none, or when they are newer than we
    /// know.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            connection: open_to_read(folder)?,
            folder: folder.into(),
        })
    }

    /// What is on record for `stretch`, at the time `now`; without a start it begins with the first
    /// hour on record, without an end it goes on to the present hour.
    ///
    /// Every second of it up to `now` is in an hour with a row or in a gap.
    pub fn read(&self, stretch: Stretch, now: UnixSeconds) -> Result<Record, StoreError> {
        self.in_one_state(|transaction, going_on| read_record(transaction, going_on, stretch, now))
    }

    /// What a published report needs and the logs do not tell.
    pub fn read_unlogged(&self, now: UnixSeconds) -> Result<Unlogged, StoreError> {
        self.in_one_state(|transaction, going_on| read_unlogged(transaction, going_on, now))
    }

    /// Reads in one transaction, so that it is one state of the file, whatever is flushed
    /// meanwhile.
    fn in_one_state<T>(
        &self,
        read: impl Fn(&Transaction<'_>, bool) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let going_on = is_going_on(&self.folder)?;
        let failed = |source| StoreError::Sqlite {
            attempt: "read the counts in",
            file: counts_file(&self.folder),
            source,
        };
        let transaction = self.connection.unchecked_transaction().map_err(failed)?;
        read(&transaction, going_on).map_err(failed)
    }

    /// The last `count` events of the journal with their numbers, oldest first: of one list, or
    /// all.
    pub fn journal(
        &self,
        list: Option<&str>,
        count: u32,
    ) -> Result<Vec<(u64, JournalRow)>, StoreError> {
        journal::read(&self.connection, counts_file(&self.folder), list, count)
    }
}

fn read_record(
    transaction: &Transaction<'_>,
    going_on: bool,
    stretch: Stretch,
    now: UnixSeconds,
) -> rusqlite::Result<Record> {
    let frame = read_frame(transaction, going_on, stretch, now)?;
    let (from, until) = (frame.from, frame.until);
    let lists = read_lists(transaction, from, until, Validity::Within)?;
    let hours = read_hours(transaction, &lists, from, until)?;
    let gaps = frame.gaps(hours.iter().map(|hour| hour.hour));
    let lists = lists.into_iter().map(|(_, list)| list).collect();
    Ok(Record {
        from,
        until,
        read_at: now,
        written_until: frame.written_until(),
        lists,
        hours,
        gaps,
        list_gaps: out_of_force::read(transaction, from, until, 0)?,
        unnoted_until: out_of_force::unnoted_until(transaction, from, until)?,
        withdrawn: withdrawn::within(transaction, from, until)?,
    })
}

fn read_hours(
    transaction: &Transaction<'_>,
    lists: &[(i64, ListRecord)],
    from: UnixSeconds,
    until: UnixSeconds,
) -> rusqlite::Result<Vec<HourRecord>> {
    let mut hours = BTreeMap::new();
    let mut statement =
        transaction.prepare("SELECT hour, questions FROM hour WHERE hour >= ?1 AND hour < ?2")?;
    let mut rows = statement.query([from, until])?;
    while let Some(row) = rows.next()? {
        let hour = row.get(0)?;
        let record = HourRecord {
            hour,
            questions: in_memory(row.get(1)?),
            lists: vec![None; lists.len()],
            ..HourRecord::default()
        };
        hours.insert(hour, record);
    }
    let mut statement = transaction
        .prepare("SELECT hour, event, count FROM event WHERE hour >= ?1 AND hour < ?2")?;
    let mut rows = statement.query([from, until])?;
    while let Some(row) = rows.next()? {
        let place = Event::ALL.iter().position(|event| {
            row.get_ref(1)
                .is_ok_and(|name| name.as_str() == Ok(event.name()))
        });
        let count = place.and_then(|place| hours.get_mut(&row.get(0).ok()?)?.events.get_mut(place));
        if let Some(count) = count {
            *count = in_memory(row.get(2)?);
        }
    }
    let places: BTreeMap<i64, usize> = lists
        .iter()
        .enumerate()
        .map(|(place, (key, _))| (*key, place))
        .collect();
    let mut statement = transaction
        .prepare("SELECT hour, list, kind, count FROM cell WHERE hour >= ?1 AND hour < ?2")?;
    let mut rows = statement.query([from, until])?;
    while let Some(row) = rows.next()? {
        let place = Kind::ALL.iter().position(|kind| {
            row.get_ref(2)
                .is_ok_and(|name| name.as_str() == Ok(kind.name()))
        });
        let counts = places
            .get(&row.get(1)?)
            .and_then(|list| hours.get_mut(&row.get(0).ok()?)?.lists.get_mut(*list));
        let count = counts.and_then(|counts| counts.get_or_insert_default().get_mut(place?));
        if let Some(count) = count {
            *count = in_memory(row.get(3)?);
        }
    }
    Ok(hours.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::{HourCounts, ListIdentity};
    use crate::store::Store;
    use crate::store::author::author_of_tests as author;

    const HOUR: UnixSeconds = 1_767_225_600;

    fn counts(hour: UnixSeconds) -> HourCounts {
        HourCounts {
            hour,
            lists: vec![[1, 1, 1, 1]],
            questions: 9,
            events: [4, 5, 0, 0, 0, 0, 0, 0],
            ..HourCounts::default()
        }
    }

    fn open(folder: &Path, at: UnixSeconds) -> Store {
        let list = ListIdentity {
            id: "one".into(),
            authority: "Example Authority".into(),
            legal_basis: "Example Act".into(),
        };
        Store::open(folder, &[list], author(), at).unwrap()
    }

    fn gaps(record: &Record) -> Vec<(i64, i64, &'static str)> {
        record
            .gaps
            .iter()
            .map(|gap| (gap.from - HOUR, gap.until - HOUR, gap.kind.name()))
            .collect()
    }

    #[test]
    fn reads_beside_a_running_resolver_and_tells_when_it_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), HOUR);
        store.flush(&[counts(HOUR)], HOUR + 5).unwrap();
        let reader = Reader::open(folder.path()).unwrap();
        let record = reader.read(Stretch::default(), HOUR + 8).unwrap();
        assert_eq!((record.hours[0].questions, gaps(&record)), (9, vec![]));
        assert_eq!(record.recorded_s(HOUR), 5);
        store.flush(&[counts(HOUR)], HOUR + 10).unwrap();
        let record = reader.read(Stretch::default(), HOUR + 3700).unwrap();
        assert_eq!(record.hours[0].questions, 18);
        assert_eq!(gaps(&record), [(10, 3700, "unwritten")]);
        store.end(HOUR + 20).unwrap();
        assert_eq!(
            gaps(&reader.read(Stretch::default(), HOUR + 20).unwrap()),
            []
        );
    }

    #[test]
    fn what_a_killed_resolver_wrote_is_read_before_it_starts_again() {
        let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut store = open(folder.path(), HOUR);
        store.flush(&[counts(HOUR)], HOUR + 5).unwrap();
        for file in ["counts.sqlite", "counts.sqlite-wal", "counts.lock"] {
            std::fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
        }
        let record = Reader::open(copy.path())
            .unwrap()
            .read(Stretch::default(), HOUR + 30)
            .unwrap();
        assert_eq!(
            (record.hours[0].questions, gaps(&record)),
            (9, vec![(5, 30, "crash")])
        );
        open(copy.path(), HOUR + 30).end(HOUR + 31).unwrap();
    }

    #[test]
    fn a_stretch_is_cut_at_its_hours_and_nothing_in_it_goes_unaccounted() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), HOUR + 600);
        store
            .flush(
                &[counts(HOUR), counts(HOUR + 3600), counts(HOUR + 4 * 3600)],
                HOUR + 4 * 3600 + 10,
            )
            .unwrap();
        let reader = Reader::open(folder.path()).unwrap();
        let now = HOUR + 4 * 3600 + 10;
        let all = reader
            .read(
                Stretch {
                    from: Some(HOUR - 3600),
                    until: Some(HOUR + 9 * 3600),
                },
                now,
            )
            .unwrap();
        assert_eq!(
            gaps(&all),
            [(-3600, 600, "unrecorded"), (7200, 14_400, "unrecorded")],
            "before the start; a clock that jumped"
        );
        assert_eq!(all.hours.len(), 3);
        let some = reader
            .read(
                Stretch {
                    from: Some(HOUR + 3600),
                    until: Some(HOUR + 3 * 3600),
                },
                now,
            )
            .unwrap();
        assert_eq!(gaps(&some), [(7200, 10_800, "unrecorded")]);
        assert_eq!(
            some.hours.iter().map(|hour| hour.hour).collect::<Vec<_>>(),
            [HOUR + 3600]
        );
        let none = reader
            .read(
                Stretch {
                    from: Some(HOUR + 9 * 3600),
                    until: Some(HOUR + 10 * 3600),
                },
                now,
            )
            .unwrap();
        assert_eq!(
            (none.hours.len(), none.lists.len(), gaps(&none)),
            (0, 0, vec![]),
            "the future is no gap"
        );
    }

    #[test]
    fn an_empty_folder_has_nothing_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Reader::open(folder.path()).unwrap_err();
        assert!(matches!(refused, StoreError::Missing { .. }), "{refused}");
        std::fs::write(
            counts_file(folder.path()),
            "no database at all, but longer than the hundred bytes of a header........",
        )
        .unwrap();
        assert!(matches!(
            Reader::open(folder.path()),
            Err(StoreError::Sqlite { .. })
        ));
    }
}

//! The frame that a reading of the store is made in: which lists and which time.

use std::fs::{File, TryLockError};
use std::path::Path;

use rusqlite::{OptionalExtension, Transaction};

use super::StoreError;
use super::gaps::{LastRun, open_gap, read_gaps, uncovered};
use super::schema::lock_file;
use crate::clock::{HOUR_S, UnixSeconds, hour_start};
use crate::count::{Gap, GapKind, ListRecord, Papers, Stretch};

/// What time is read, and what is known to be missing in it.
pub(super) struct Frame {
    pub(super) from: UnixSeconds,
    pub(super) until: UnixSeconds,
    pub(super) now: UnixSeconds,
    /// The start of the first run.
    pub(super) first: UnixSeconds,
    last_run: Option<LastRun>,
    noted: Vec<Gap>,
}

pub(super) fn read_frame(
    transaction: &Transaction<'_>,
    going_on: bool,
    stretch: Stretch,
    now: UnixSeconds,
) -> rusqlite::Result<Frame> {
    let started: Option<UnixSeconds> =
        transaction.query_row("SELECT min(started) FROM run", [], |row| row.get(0))?;
    let last_run = read_last_run(transaction, going_on)?;
    let first = started.unwrap_or(now);
    let until = stretch.until.unwrap_or(hour_start(now) + HOUR_S);
    let from = stretch.from.unwrap_or(hour_start(first)).min(until);
    let noted = read_gaps(transaction, from, until)?;
    Ok(Frame {
        from,
        until,
        now,
        first,
        last_run,
        noted,
    })
}

impl Frame {
    /// All times without a record, given the hours that have one, earliest first.
    pub(super) fn gaps(&self, hours: impl Iterator<Item = UnixSeconds>) -> Vec<Gap> {
        let end = self.until.min(self.now);
        let mut gaps = self.noted.clone();
        gaps.extend(
            self.last_run
                .as_ref()
                .and_then(|run| open_gap(run, self.now)),
        );
        gaps.push(Gap {
            from: self.from,
            until: self.first,
            kind: GapKind::Unrecorded,
        });
        for gap in &mut gaps {
            (gap.from, gap.until) = (gap.from.max(self.from), gap.until.min(end));
        }
        gaps.retain(|gap| {
            gap.from < gap.until || (gap.kind == GapKind::Crash && gap.from == gap.until)
        });
        gaps.extend(uncovered(self.from, end, hours, &gaps));
        gaps.sort_by_key(|gap| (gap.from, gap.until));
        gaps
    }

    pub(super) fn written_until(&self) -> UnixSeconds {
        self.last_run.as_ref().map_or(0, |run| run.last_flush)
    }

    /// Has the last run ended in order?
    pub(super) fn is_ended(&self) -> bool {
        self.last_run
            .as_ref()
            .is_some_and(|run| run.ended.is_some())
    }

    /// A run that goes on may still bring counts from after its last writing; one that is over
    /// brings none.
    pub(super) fn complete_until(&self) -> UnixSeconds {
        match &self.last_run {
            Some(run) if run.going_on && run.ended.is_none() => run.last_flush.min(self.now),
            _ => self.now,
        }
    }
}

/// Whether a resolver holds the folder's lock.
pub(super) fn is_going_on(folder: &Path) -> Result<bool, StoreError> {
    let path = lock_file(folder);
    let opened = File::open(&path);
    match opened
        .map_err(TryLockError::Error)
        .and_then(|lock| lock.try_lock_shared())
    {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(false)
        }
        Err(TryLockError::Error(source)) => Err(StoreError::Open { path, source }),
    }
}

fn read_last_run(
    transaction: &Transaction<'_>,
    going_on: bool,
) -> rusqlite::Result<Option<LastRun>> {
    let last = transaction.query_row(
        "SELECT last_flush, ended FROM run ORDER BY run DESC LIMIT 1",
        [],
        |row| {
            Ok(LastRun {
                last_flush: row.get(0)?,
                ended: row.get(1)?,
                going_on,
            })
        },
    );
    last.optional()
}

/// Which papers of a list are wanted.
#[derive(Clone, Copy)]
pub(super) enum Validity {
    /// Those that were valid in the time that is read.
    Within,
    /// All there ever were: the first one says since when the list is in force.
    Ever,
}

/// The lists that had a row in one of the hours, by id, with their papers.
pub(super) fn read_lists(
    transaction: &Transaction<'_>,
    from: UnixSeconds,
    until: UnixSeconds,
    validity: Validity,
) -> rusqlite::Result<Vec<(i64, ListRecord)>> {
    let mut lists = transaction.prepare(
        "SELECT list, id FROM list WHERE list IN (SELECT DISTINCT list FROM cell WHERE \
                  hour >= ?1 AND hour < ?2) ORDER BY id",
    )?;
    let mut papers = transaction.prepare(
        "SELECT since, authority, legal_basis FROM paper WHERE list = ?1 ORDER BY paper",
    )?;
    let lists = lists.query_map([from, until], |row| Ok((row.get(0)?, row.get(1)?)))?;
    lists
        .map(|list| {
            let (key, id): (i64, String) = list?;
            let papers = papers.query_map([key], |row| {
                Ok(Papers {
                    since: row.get(0)?,
                    authority: row.get(1)?,
                    legal_basis: row.get(2)?,
                })
            })?;
            let papers = papers.collect::<Result<_, _>>()?;
            let papers = match validity {
                Validity::Within => valid_within(papers, from, until),
                Validity::Ever => papers,
            };
            Ok((key, ListRecord { id, papers }))
        })
        .collect()
}

/// Papers are valid until the next ones; the last ones stay in any case.
fn valid_within(papers: Vec<Papers>, from: UnixSeconds, until: UnixSeconds) -> Vec<Papers> {
    let next = papers
        .iter()
        .skip(1)
        .map(|papers| papers.since)
        .chain([UnixSeconds::MAX])
        .collect::<Vec<_>>();
    let valid = papers.into_iter().zip(next);
    valid
        .filter(|(papers, next)| papers.since < until && *next > from)
        .map(|(papers, _)| papers)
        .collect()
}

/// The schema lets no count go below zero.
pub(super) fn in_memory(count: i64) -> u64 {
    count.try_into().unwrap_or_default()
}

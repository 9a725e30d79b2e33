//! Makes the published report of state folders, from the leaves of their logs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::clock::{HOUR_S, UnixSeconds};
use crate::count::{ListRecord, Papers, ToldHours};
use crate::record::{Leaf, Withdrawals};
use crate::report::{
    LogHead, LoggedFigures, Month, Months, Period, Published, choose_months, publish,
    reading_order, resolver_of,
};
use crate::seal::VerifyKey;
use crate::store::{LogReader, Reader, StoreError};

/// A log of a state folder.
struct KeptLog {
    origin: String,
    size: u64,
    reader: LogReader,
    /// Where it goes back.
    withdrawals: Withdrawals,
}

/// The report of these resolvers for the months asked for. Of several copies of a log the longest
/// counts.
///
/// # Errors
/// When a folder cannot be read.
pub(super) fn publish_states(
    folders: &[PathBuf],
    asked: Months,
    period: Period,
    now: UnixSeconds,
) -> Result<Published, StoreError> {
    let (mut logs, mut resolvers) = (Vec::new(), BTreeSet::new());
    let (mut complete, mut written) = (Vec::new(), 0);
    let mut papers = Vec::new();
    for folder in folders {
        let unlogged = Reader::open(folder)?.read_unlogged(now)?;
        complete.push(unlogged.complete_until);
        written = written.max(unlogged.written_until);
        papers.extend(unlogged.lists);
        for reader in LogReader::open_all(folder)? {
            let author = reader.author()?.unwrap_or_default();
            let Ok(key) = VerifyKey::parse(&author) else {
                continue;
            };
            let size = reader.last_checkpoint()?.map_or(0, |last| last.size);
            let origin = key.name().to_owned();
            resolvers.insert(resolver_of(&origin).to_owned());
            logs.push(KeptLog {
                origin,
                size,
                withdrawals: Withdrawals::default(),
                reader,
            });
        }
    }
    logs.sort_by_cached_key(|log| reading_order(&log.origin, log.size));
    logs.dedup_by(|later, longest| later.origin == longest.origin);
    for log in &mut logs {
        log.withdrawals = withdrawals_of(&log.reader, log.size)?;
    }
    let told = logs.iter().map(KeptLog::told);
    let told: Vec<_> = told.collect::<Result<_, _>>()?;
    let told: Vec<_> = told.into_iter().flatten().collect();
    let complete = complete.into_iter().min().unwrap_or_default();
    let (months, open) = choose_months(&told, complete, written, asked);
    let copies = folders.len().saturating_sub(resolvers.len());
    let (figures, heads) = read_logs(&logs, &months)?;
    Ok(publish(figures, period)
        .with_papers(first_papers(papers, &months))
        .with_heads(heads)
        .with_left_out(open, copies))
}

/// What the log takes back.
fn withdrawals_of(reader: &LogReader, size: u64) -> Result<Withdrawals, StoreError> {
    let (mut withdrawals, mut seq) = (Withdrawals::default(), 0);
    reader.leaves::<StoreError>(size, |octets| {
        withdrawals.note(seq, octets);
        seq += 1;
        Ok(())
    })?;
    withdrawals.finish();
    Ok(withdrawals)
}

impl KeptLog {
    /// The hours that stand in it; none where it tells no hour yet.
    fn told(&self) -> Result<Option<ToldHours>, StoreError> {
        let Some((from, seq, hour)) = self.reader.told()? else {
            return Ok(None);
        };
        let since = self.withdrawals.first();
        Ok(Some(ToldHours {
            from: since.map_or(from, |since| from.min(since)),
            until: self.withdrawals.stands_until(seq, hour + HOUR_S),
        }))
    }
}

/// What the leaves say of these months, and the first head of each log that tells all of them.
fn read_logs(
    logs: &[KeptLog],
    months: &[Month],
) -> Result<(LoggedFigures, Vec<LogHead>), StoreError> {
    let mut figures = LoggedFigures::new(months);
    for log in logs {
        figures.begin_log(&log.origin, log.withdrawals.clone());
        log.reader.leaves::<StoreError>(log.size, |octets| {
            // What this program has written it can read.
            if let Ok(leaf) = Leaf::parse(octets) {
                figures.take(&leaf);
            }
            Ok(())
        })?;
    }
    figures.finish();
    let mut heads = Vec::new();
    for place in figures.heads() {
        let log = logs.iter().find(|log| log.origin == place.origin);
        let head = log.map(|log| log.reader.checkpoint_from(place.size));
        let head = head.transpose()?.flatten();
        heads.extend(head.and_then(|head| LogHead::of(&head.note, head.at)));
    }
    Ok((figures, heads))
}

/// Who answers for each list, up to the end of these months: later papers would make the same
/// report say something else then. The same papers reach the resolvers at different moments: the
/// first of them counts.
fn first_papers(lists: Vec<ListRecord>, months: &[Month]) -> BTreeMap<String, Vec<Papers>> {
    let end = months.last().map_or(0, |month| month.end());
    let mut by_list: BTreeMap<String, Vec<Papers>> = BTreeMap::new();
    for list in lists {
        let known = by_list.entry(list.id).or_default();
        for papers in list.papers.into_iter().filter(|papers| papers.since < end) {
            let same = |other: &&mut Papers| {
                other.authority == papers.authority && other.legal_basis == papers.legal_basis
            };
            match known.iter_mut().find(same) {
                Some(other) => other.since = other.since.min(papers.since),
                None => known.push(papers),
            }
        }
        known.sort_by_key(|papers| papers.since);
    }
    by_list
}

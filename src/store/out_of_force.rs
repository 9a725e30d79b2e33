//! The times in which a list was configured and not in force, for the log and the report: noticed
//! beside the counts, kept with them, read back hour by hour.

use rusqlite::{Transaction, params};

use super::schema::has_table;
use super::steps::WriteSpan;
use crate::clock::UnixSeconds;
use crate::count::ListGap;
use crate::list::ListIndex;

/// Since when each list is in force, in the order of the configuration; none for one that is not.
/// It is asked at each writing.
pub type InForceSince = Box<dyn Fn() -> Vec<Option<UnixSeconds>> + Send>;

/// A time in which a list was not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfForce {
    /// The list's place in the configuration.
    pub list: ListIndex,
    /// Its first second.
    pub from: UnixSeconds,
    /// The first second after it.
    pub until: UnixSeconds,
}

/// Notices which lists are not in force from one writing to the next.
pub(super) struct ForceWatch {
    in_force: InForceSince,
    /// Whether each list was not in force at the last look.
    is_out: Vec<bool>,
    /// What is not on disk yet.
    pending: Vec<OutOfForce>,
}

impl ForceWatch {
    /// Looks for the first time: what is not in force now is not from here on.
    pub(super) fn new(in_force: InForceSince) -> Self {
        let is_out = in_force().iter().map(Option::is_none).collect();
        Self {
            in_force,
            is_out,
            pending: Vec::new(),
        }
    }

    /// Looks again: the last look was at `from`, by the log's time, and this one is at `until`.
    ///
    /// A list that came into force meanwhile was not before, in the second of its coming neither;
    /// where the clock was set, nobody can tell that second, and the whole time counts.
    pub(super) fn look(&mut self, from: UnixSeconds, until: UnixSeconds, is_clock_set: bool) {
        let since = (self.in_force)();
        self.is_out.resize(since.len(), false);
        for (list, (since, is_out)) in since.into_iter().zip(&mut self.is_out).enumerate() {
            let came = since.map(|since| since.saturating_add(1));
            let end = match came {
                Some(came) if *is_out && !is_clock_set => came.clamp(from, until),
                Some(_) if !*is_out => from,
                _ => until,
            };
            *is_out = match came {
                Some(came) => *is_out && !is_clock_set && came > until,
                None => true,
            };
            let Ok(list) = ListIndex::try_from(list) else {
                continue;
            };
            if from < end {
                note(
                    &mut self.pending,
                    OutOfForce {
                        list,
                        from,
                        until: end,
                    },
                );
            }
        }
    }

    /// What is not on disk yet, earliest first within each list.
    pub(super) fn pending(&self) -> &[OutOfForce] {
        &self.pending
    }

    /// What was pending is on disk.
    pub(super) fn forget(&mut self) {
        self.pending.clear();
    }
}

/// While the disk refuses, one stretch a list waits, however long it gets.
fn note(pending: &mut Vec<OutOfForce>, span: OutOfForce) {
    let known = pending
        .iter_mut()
        .find(|known| known.list == span.list && known.until == span.from);
    match known {
        Some(known) => known.until = span.until,
        None => pending.push(span),
    }
}

/// Adds what was noticed in a run; a stretch that goes on from the last writing stays one.
pub(super) fn add(
    transaction: &Transaction<'_>,
    run: i64,
    lists: &[i64],
    spans: &[OutOfForce],
    span: &WriteSpan,
) -> rusqlite::Result<()> {
    let mut prolong = transaction.prepare_cached(
        "UPDATE not_in_force SET until_s = ?4 WHERE run = ?1 AND list = ?2 AND until_s = ?3",
    )?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO not_in_force VALUES (?1, ?2, ?3, ?4)")?;
    for out in spans {
        let from = out.from.clamp(span.since, span.at);
        let until = out.until.clamp(span.since, span.at);
        let Some(key) = lists.get(usize::from(out.list)).filter(|_| from < until) else {
            continue;
        };
        let row = params![run, key, from, until];
        if prolong.execute(row)? == 0 {
            insert.execute(row)?;
        }
    }
    Ok(())
}

/// When lists were not in force between two moments, by list and earliest first: only where their
/// run was on record, so that no second of it is in a gap too.
pub(super) fn read(
    transaction: &Transaction<'_>,
    from: UnixSeconds,
    until: UnixSeconds,
) -> rusqlite::Result<Vec<ListGap>> {
    if !has_table(transaction, "not_in_force")? {
        return Ok(Vec::new());
    }
    let mut statement = transaction.prepare_cached(
        "SELECT id, max(o.from_s, a.from_s, ?1) AS start, min(o.until_s, a.until_s, ?2) AS stop
         FROM not_in_force o JOIN alive a USING (run) JOIN list USING (list)
         WHERE o.until_s > ?1 AND o.from_s < ?2 AND start < stop ORDER BY id, start",
    )?;
    let mut rows = statement.query([from, until])?;
    let mut gaps: Vec<ListGap> = Vec::new();
    while let Some(row) = rows.next()? {
        let gap = ListGap {
            list: row.get(0)?,
            from: row.get(1)?,
            until: row.get(2)?,
        };
        // A run may begin in the second in which the one before it ended.
        match gaps.last_mut() {
            Some(last) if last.list == gap.list && last.until == gap.from => last.until = gap.until,
            _ => gaps.push(gap),
        }
    }
    Ok(gaps)
}

/// The end of the last run between two moments that did not note which lists were not in force.
pub(super) fn unnoted_until(
    transaction: &Transaction<'_>,
    from: UnixSeconds,
    until: UnixSeconds,
) -> rusqlite::Result<Option<UnixSeconds>> {
    let query = if has_table(transaction, "not_in_force")? {
        "SELECT max(last_flush) FROM run WHERE last_flush > ?1 AND started < ?2 AND notes_force = 0"
    } else {
        "SELECT max(last_flush) FROM run WHERE last_flush > ?1 AND started < ?2"
    };
    transaction.query_row(query, [from, until], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A watch on lists whose standing a test sets.
    fn watch(first: &[Option<i64>]) -> (ForceWatch, Arc<Mutex<Vec<Option<i64>>>>) {
        let standing = Arc::new(Mutex::new(first.to_vec()));
        let seen = Arc::clone(&standing);
        let watch = ForceWatch::new(Box::new(move || seen.lock().unwrap().clone()));
        (watch, standing)
    }

    fn spans(watch: &ForceWatch) -> Vec<(ListIndex, i64, i64)> {
        let spans = watch.pending().iter();
        spans
            .map(|span| (span.list, span.from, span.until))
            .collect()
    }

    #[test]
    fn a_list_is_out_until_the_second_in_which_it_came_is_over() {
        let (mut watch, standing) = watch(&[None, Some(90), None]);
        watch.look(100, 105, false);
        watch.look(105, 110, false);
        assert_eq!(spans(&watch), [(0, 100, 110), (2, 100, 110)]);
        standing.lock().unwrap()[0] = Some(112);
        watch.look(110, 112, false);
        watch.look(112, 115, false);
        watch.look(115, 120, false);
        assert_eq!(spans(&watch), [(0, 100, 113), (2, 100, 120)]);
        watch.forget();
        standing.lock().unwrap()[1] = Some(123);
        watch.look(120, 125, false);
        assert_eq!(spans(&watch), [(2, 120, 125)], "a new issue is no gap");
    }

    #[test]
    fn where_the_clock_was_set_the_whole_time_counts() {
        let (mut watch, standing) = watch(&[None]);
        standing.lock().unwrap()[0] = Some(5000);
        watch.look(100, 105, true);
        watch.look(105, 110, false);
        assert_eq!(spans(&watch), [(0, 100, 105)]);
        let (mut watch, standing) = self::watch(&[None]);
        standing.lock().unwrap()[0] = Some(7);
        watch.look(100, 105, false);
        assert_eq!(spans(&watch), [], "the log's time stood still before it");
    }

    #[test]
    fn a_list_that_falls_out_of_force_is_out_since_it_was_last_seen_in_force() {
        let (mut watch, standing) = watch(&[Some(1)]);
        standing.lock().unwrap()[0] = None;
        watch.look(100, 105, false);
        watch.look(105, 105, false);
        watch.look(105, 106, false);
        assert_eq!(spans(&watch), [(0, 100, 106)]);
    }
}

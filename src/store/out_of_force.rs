//! The times in which a list was configured and not in force, for the log and the report: noticed
//! beside the counts, kept with them, read back hour by hour.

use rusqlite::{Transaction, params};

use super::journal::JournalEvent;
use super::schema::has_table;
use super::steps::WriteSpan;
use crate::clock::UnixSeconds;
use crate::count::ListGap;
use crate::list::ListIndex;
use crate::record::EventKind;

/// How a list stands, as its keeper shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListForce {
    /// The list's id.
    pub id: String,
    /// Since when it is in force; none where it is not.
    pub since: Option<UnixSeconds>,
}

/// How the lists stand, in the order of the configuration. It is asked at each writing.
///
/// What says that a list came in force is in the journal before it is shown here.
pub type InForceSince = Box<dyn Fn() -> Vec<ListForce> + Send>;

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
    /// How each list stood at the last look.
    stands: Vec<ForceStanding>,
    /// What is not on disk yet.
    pending: Vec<OutOfForce>,
}

/// How a list stood at a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ForceStanding {
    /// It is not in force, or only from this moment on.
    Out(Option<UnixSeconds>),
    /// The journal says that it is in force, and its keeper does not show it yet.
    Told,
    In,
}

/// A look from `from` to `until`, by the log's time.
#[derive(Clone, Copy)]
pub(super) struct ForceLook<'a> {
    pub(super) from: UnixSeconds,
    pub(super) until: UnixSeconds,
    pub(super) is_clock_set: bool,
    /// What the journal has got since the last look.
    pub(super) events: &'a [JournalEvent],
}

impl ForceLook<'_> {
    /// When the list came in force, by the journal.
    fn told(&self, list: &str) -> Option<UnixSeconds> {
        let of_list = |event: &&JournalEvent| event.list.as_deref() == Some(list);
        let live = self.events.iter().filter(of_list);
        let live = live.filter(|event| event.said.kind() == EventKind::Live);
        live.map(|event| event.placed.unwrap_or(event.at)).min()
    }

    /// When a list that came in force at `at` is in force for a whole second.
    fn whole_second_after(&self, at: UnixSeconds) -> UnixSeconds {
        at.min(self.until).saturating_add(1)
    }
}

impl ForceWatch {
    /// Looks for the first time, before the run begins: what is in force now is so in all of it.
    pub(super) fn new(in_force: InForceSince) -> Self {
        let stand = |list: ListForce| match list.since {
            Some(_) => ForceStanding::In,
            None => ForceStanding::Out(None),
        };
        Self {
            stands: in_force().into_iter().map(stand).collect(),
            in_force,
            pending: Vec::new(),
        }
    }

    /// How the lists stand now. To be asked before the journal is: what is in force here is told
    /// there.
    pub(super) fn ask(&self) -> Vec<ListForce> {
        (self.in_force)()
    }

    /// Looks again, at what [`ForceWatch::ask`] gave.
    ///
    /// A list that came into force meanwhile was not before, in the second of its coming neither;
    /// where the clock was set, nobody can tell that second, and the whole time counts.
    pub(super) fn look(&mut self, lists: &[ListForce], look: &ForceLook<'_>) {
        self.stands.resize(lists.len(), ForceStanding::In);
        for (place, (list, stands)) in lists.iter().zip(&mut self.stands).enumerate() {
            let (end, next) = stands.after(list, look);
            *stands = next;
            let Ok(index) = ListIndex::try_from(place) else {
                continue;
            };
            if look.from < end {
                note(
                    &mut self.pending,
                    OutOfForce {
                        list: index,
                        from: look.from,
                        until: end,
                    },
                );
            }
        }
    }

    /// The log's time went back: what has come in force is so from then on.
    pub(super) fn go_back(&mut self, to: UnixSeconds) {
        for stands in &mut self.stands {
            if let ForceStanding::Out(Some(came)) = stands {
                *came = to.min(*came);
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

impl ForceStanding {
    /// Up to when the list was not in force since the last look, and how it stands now.
    fn after(self, list: &ListForce, look: &ForceLook<'_>) -> (UnixSeconds, Self) {
        let shown = list.since.is_some();
        let arrived = if shown { Self::In } else { Self::Told };
        match self {
            Self::In if shown => (look.from, Self::In),
            Self::In => (look.until, Self::Out(None)),
            Self::Told => (look.from, arrived),
            Self::Out(came) => {
                let came = came.or_else(|| {
                    let at = list.since.or_else(|| look.told(&list.id))?;
                    Some(look.whole_second_after(at))
                });
                match came {
                    None => (look.until, Self::Out(None)),
                    Some(_) if look.is_clock_set => (look.until, arrived),
                    Some(came) if came > look.until => (look.until, Self::Out(Some(came))),
                    Some(came) => (came.max(look.from), arrived),
                }
            }
        }
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
/// run was on record, so that no second of it is in a gap too, and from this stretch of a run on.
pub(super) fn read(
    transaction: &Transaction<'_>,
    from: UnixSeconds,
    until: UnixSeconds,
    first_alive: i64,
) -> rusqlite::Result<Vec<ListGap>> {
    if !has_table(transaction, "not_in_force")? {
        return Ok(Vec::new());
    }
    let mut statement = transaction.prepare_cached(
        "SELECT id, max(o.from_s, a.from_s, ?1) AS start, min(o.until_s, a.until_s, ?2) AS stop
         FROM not_in_force o JOIN alive a USING (run) JOIN list USING (list)
         WHERE o.until_s > ?1 AND o.from_s < ?2 AND alive >= ?3 AND start < stop
         ORDER BY id, start",
    )?;
    let mut rows = statement.query([from, until, first_alive])?;
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
    use super::*;
    use crate::store::journal::live_of_tests as live;

    /// A watch on lists that first stand so.
    fn watch(first: &[Option<i64>]) -> ForceWatch {
        let first = stand(first);
        ForceWatch::new(Box::new(move || first.clone()))
    }

    fn stand(since: &[Option<i64>]) -> Vec<ListForce> {
        let lists = since.iter().enumerate();
        let list = |(place, &since): (usize, &Option<i64>)| ListForce {
            id: place.to_string(),
            since,
        };
        lists.map(list).collect()
    }

    fn look_at(watch: &mut ForceWatch, since: &[Option<i64>], from: i64, until: i64) {
        look_with(watch, since, (from, until), &[]);
    }

    fn look_with(
        watch: &mut ForceWatch,
        since: &[Option<i64>],
        (from, until): (i64, i64),
        events: &[JournalEvent],
    ) {
        let look = ForceLook {
            from,
            until,
            is_clock_set: false,
            events,
        };
        watch.look(&stand(since), &look);
    }

    fn spans(watch: &ForceWatch) -> Vec<(ListIndex, i64, i64)> {
        let spans = watch.pending().iter();
        spans
            .map(|span| (span.list, span.from, span.until))
            .collect()
    }

    #[test]
    fn a_list_is_out_until_the_second_in_which_it_came_is_over() {
        let first = [None, Some(90), None];
        let mut watch = watch(&first);
        look_at(&mut watch, &first, 100, 105);
        look_at(&mut watch, &first, 105, 110);
        assert_eq!(spans(&watch), [(0, 100, 110), (2, 100, 110)]);
        let next = [Some(112), Some(90), None];
        look_at(&mut watch, &next, 110, 112);
        look_at(&mut watch, &next, 112, 115);
        look_at(&mut watch, &next, 115, 120);
        assert_eq!(spans(&watch), [(0, 100, 113), (2, 100, 120)]);
        watch.forget();
        look_at(&mut watch, &[Some(112), Some(123), None], 120, 125);
        assert_eq!(spans(&watch), [(2, 120, 125)], "a new issue is no gap");
    }

    #[test]
    fn where_the_clock_was_set_the_whole_time_counts() {
        let mut first = watch(&[None]);
        let look = ForceLook {
            from: 100,
            until: 105,
            is_clock_set: true,
            events: &[],
        };
        first.look(&stand(&[Some(5000)]), &look);
        look_at(&mut first, &[Some(5000)], 105, 110);
        assert_eq!(spans(&first), [(0, 100, 105)]);
        let mut second = watch(&[None]);
        look_at(&mut second, &[Some(7)], 100, 105);
        assert_eq!(spans(&second), [], "the log's time stood still before it");
    }

    #[test]
    fn a_list_that_came_while_the_clock_was_ahead_is_in_force_all_the_same() {
        let mut watch = watch(&[None]);
        look_at(&mut watch, &[Some(90_000)], 100, 105);
        look_at(&mut watch, &[Some(90_000)], 105, 110);
        look_at(&mut watch, &[Some(90_000)], 110, 115);
        assert_eq!(spans(&watch), [(0, 100, 106)]);
    }

    #[test]
    fn what_the_journal_tells_holds_before_the_keeper_shows_it() {
        let mut watch = watch(&[None, None]);
        let told = [live("0", 102), live("0", 104)];
        look_with(&mut watch, &[None; 2], (100, 102), &told);
        look_at(&mut watch, &[None; 2], 102, 110);
        look_at(&mut watch, &[None; 2], 110, 120);
        assert_eq!(spans(&watch), [(0, 100, 103), (1, 100, 120)]);
        look_at(&mut watch, &[Some(102), None], 120, 130);
        look_at(&mut watch, &[None; 2], 130, 140);
        assert_eq!(
            spans(&watch),
            [(0, 100, 103), (1, 100, 140), (0, 130, 140)],
            "what was shown and is shown no longer is out of force"
        );
    }

    #[test]
    fn a_list_that_falls_out_of_force_is_out_since_it_was_last_seen_in_force() {
        let mut watch = watch(&[Some(1)]);
        look_at(&mut watch, &[None], 100, 105);
        look_at(&mut watch, &[None], 105, 105);
        look_at(&mut watch, &[None], 105, 106);
        assert_eq!(spans(&watch), [(0, 100, 106)]);
    }
}

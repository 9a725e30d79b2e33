//! Brings the records of one provider's resolvers together: copies are recognised, hours become
//! days and months.

use std::collections::BTreeMap;

use super::merge::{by_resolver, merge};
use crate::clock::UnixSeconds;
use crate::count::{
    Applied, Gap, GapKind, Hourly, ListGap, ListRecord, Papers, Seal, Step, StepKind,
};
use crate::report::month::{DAY_S, Month};

/// All resolvers' days together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gathered {
    /// Resolvers, each counted once.
    pub(super) resolvers: usize,
    /// Records that are copies of another one's resolver.
    pub(super) copies: usize,
    /// By id.
    pub(super) lists: BTreeMap<String, GatheredList>,
    /// All questions by month, in the order of the months asked for.
    pub(super) questions: Vec<u64>,
    /// Gaps by month and kind: how many, and their seconds together.
    pub(super) gaps: Vec<[GapSum; GapKind::ALL.len()]>,
    /// Of each resolver the first checkpoint after these months.
    pub(super) seals: Vec<Seal>,
}

/// How often and how long nothing was on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GapSum {
    /// Gaps that begin or go on in the month, over all resolvers.
    pub count: u64,
    /// Their seconds in the month, over all resolvers.
    pub seconds: u64,
}

impl GapSum {
    const fn add(&mut self, seconds: u64) {
        self.count += 1;
        self.seconds += seconds;
    }
}

/// One list's days on all resolvers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GatheredList {
    /// Who answers for it, each as of its date.
    pub(super) papers: Vec<Papers>,
    /// The days of all months asked for, one after the other.
    pub(super) days: Vec<Day>,
    /// The issues that took effect in these months, by serial.
    pub(super) applied: BTreeMap<u64, AppliedVersion>,
    /// What else was done about it, by month and kind, over all resolvers.
    pub(super) steps: Vec<[u64; StepKind::ALL.len()]>,
    /// When it was not in force although resolvers ran with it, by month, over all resolvers.
    pub(super) absences: Vec<GapSum>,
}

/// A version of a list that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedVersion {
    /// Its serial.
    pub serial: u64,
    /// When its authority published it.
    pub issued: UnixSeconds,
    /// Since when the last of the resolvers blocks by it.
    pub live: UnixSeconds,
    /// On how many resolvers it took effect in these months.
    pub resolvers: u64,
    /// How many of them signed a receipt for it in the month in which it took effect there.
    pub receipts: u64,
}

impl AppliedVersion {
    /// From publication to blocking everywhere, in seconds; none where clocks disagree.
    pub fn seconds(&self) -> u64 {
        (self.live - self.issued).try_into().unwrap_or_default()
    }
}

/// One list on one day, over all resolvers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Day {
    /// Blocked questions; none when it was in force nowhere.
    pub(super) blocked: Option<u64>,
    /// Seconds in force, added up over the resolvers.
    pub(super) in_force_s: u64,
    /// Seconds that it should have been in force, added up over the resolvers.
    pub(super) due_s: u64,
}

/// Adds up the records over these months, which follow each other.
pub(super) fn gather(records: &[Hourly], months: &[Month]) -> Gathered {
    let calendar = Calendar::of(months);
    let mut gathered = Gathered {
        questions: vec![0; months.len()],
        gaps: vec![Default::default(); months.len()],
        ..Gathered::default()
    };
    for copies in by_resolver(records) {
        gathered.resolvers += 1;
        gathered.copies += copies.len() - 1;
        match copies[..] {
            [only] => gathered.add(only, &calendar),
            _ => gathered.add(&merge(&copies), &calendar),
        }
    }
    gathered
}

/// Where a moment falls in the months asked for.
struct Calendar {
    start: UnixSeconds,
    end: UnixSeconds,
    /// The place of the month that each day belongs to.
    month_of_day: Vec<usize>,
    ends: Vec<UnixSeconds>,
}

impl Calendar {
    fn of(months: &[Month]) -> Self {
        let days = months
            .iter()
            .enumerate()
            .flat_map(|(place, month)| std::iter::repeat_n(place, month.day_count()));
        Self {
            start: months.first().map_or(0, |month| month.start()),
            end: months.last().map_or(0, |month| month.end()),
            month_of_day: days.collect(),
            ends: months.iter().map(|month| month.end()).collect(),
        }
    }

    fn day(&self, at: UnixSeconds) -> Option<usize> {
        (self.start..self.end)
            .contains(&at)
            .then(|| usize::try_from((at - self.start) / DAY_S).ok())?
    }

    fn month(&self, at: UnixSeconds) -> Option<usize> {
        self.month_of_day.get(self.day(at)?).copied()
    }

    /// Hands out each month that a time is in, with its seconds in it.
    fn split(&self, from: UnixSeconds, until: UnixSeconds, mut add: impl FnMut(usize, u64)) {
        let mut from = from.max(self.start);
        while let Some(month) = self.month(from) {
            let end = self.ends.get(month).copied().unwrap_or(from).min(until);
            add(month, (end - from).max(0).unsigned_abs());
            if end >= until || end <= from {
                break;
            }
            from = end;
        }
    }
}

impl Gathered {
    /// Adds one resolver.
    fn add(&mut self, record: &Hourly, calendar: &Calendar) {
        for hour in &record.hours {
            if let Some(questions) = calendar
                .month(hour.hour)
                .and_then(|month| self.questions.get_mut(month))
            {
                *questions += hour.questions;
            }
        }
        let mut lists: Vec<GatheredList> = record
            .lists
            .iter()
            .map(|list| self.take_list(list, calendar))
            .collect();
        add_cells(&mut lists, record, calendar);
        for (place, (mut list, known)) in lists.into_iter().zip(&record.lists).enumerate() {
            add_due(&mut list, record, place, calendar);
            let absences = record.list_gaps.iter().filter(|gap| gap.list == known.id);
            add_absences(&mut list, absences, calendar);
            self.lists.insert(known.id.clone(), list);
        }
        self.add_gaps(&record.gaps, calendar);
        self.add_applied(&record.applied, calendar);
        self.add_steps(&record.steps, calendar);
        self.seals.extend(
            record
                .seals
                .iter()
                .find(|seal| seal.at >= calendar.end)
                .cloned(),
        );
    }

    fn add_steps(&mut self, steps: &[Step], calendar: &Calendar) {
        for step in steps {
            let (Some(month), Some(list)) =
                (calendar.month(step.at), self.lists.get_mut(&step.list))
            else {
                continue;
            };
            let kind = StepKind::ALL.iter().position(|kind| *kind == step.kind);
            if let Some(count) = kind.and_then(|kind| list.steps.get_mut(month)?.get_mut(kind)) {
                *count += 1;
            }
        }
    }

    /// A version that is live a second time, after a restart or a rollback, took effect the first
    /// time.
    fn add_applied(&mut self, applied: &[Applied], calendar: &Calendar) {
        let mut first: BTreeMap<(&str, u64), Applied> = BTreeMap::new();
        for version in applied {
            let known = first
                .entry((&version.list, version.serial))
                .or_insert_with(|| version.clone());
            known.live = known.live.min(version.live);
            known.receipt = known.receipt.into_iter().chain(version.receipt).min();
        }
        for version in first.into_values() {
            let month = calendar.month(version.live);
            let end = month.and_then(|month| calendar.ends.get(month).copied());
            let (Some(end), Some(list)) = (end, self.lists.get_mut(&version.list)) else {
                continue;
            };
            let known = list
                .applied
                .entry(version.serial)
                .or_insert(AppliedVersion {
                    serial: version.serial,
                    issued: version.issued,
                    live: version.live,
                    resolvers: 0,
                    receipts: 0,
                });
            known.live = known.live.max(version.live);
            known.resolvers += 1;
            // What is signed later would make the same report say something else then.
            known.receipts += u64::from(version.receipt.is_some_and(|at| at < end));
        }
    }

    /// The list as gathered so far, taken out, with this resolver's papers.
    fn take_list(&mut self, known: &ListRecord, calendar: &Calendar) -> GatheredList {
        let mut list = self.lists.remove(&known.id).unwrap_or_default();
        list.days
            .resize(calendar.month_of_day.len(), Day::default());
        list.steps.resize(calendar.ends.len(), Default::default());
        list.absences.resize(calendar.ends.len(), GapSum::default());
        // Papers from after these months would make the same report say something else later.
        for papers in known
            .papers
            .iter()
            .filter(|papers| papers.since < calendar.end)
        {
            // The same papers reach the resolvers at different moments: the first of them counts.
            let same = |other: &&mut Papers| {
                other.authority == papers.authority && other.legal_basis == papers.legal_basis
            };
            match list.papers.iter_mut().find(same) {
                Some(other) => other.since = other.since.min(papers.since),
                None => list.papers.push(papers.clone()),
            }
        }
        list.papers.sort_by_key(|papers| papers.since);
        list
    }

    /// A gap that goes over the end of a month counts in both.
    fn add_gaps(&mut self, gaps: &[Gap], calendar: &Calendar) {
        for gap in gaps {
            let Some(kind) = GapKind::ALL.iter().position(|kind| *kind == gap.kind) else {
                continue;
            };
            calendar.split(gap.from, gap.until, |month, seconds| {
                let sum = self.gaps.get_mut(month);
                if let Some(sum) = sum.and_then(|kinds| kinds.get_mut(kind)) {
                    sum.add(seconds);
                }
            });
        }
    }
}

/// Adds each hour to its day.
fn add_cells(lists: &mut [GatheredList], record: &Hourly, calendar: &Calendar) {
    let mut hour = (UnixSeconds::MIN, 0, None);
    for cell in &record.cells {
        if cell.hour != hour.0 {
            hour = (
                cell.hour,
                record.recorded_s(cell.hour),
                calendar.day(cell.hour),
            );
        }
        let day = hour
            .2
            .and_then(|day| lists.get_mut(cell.list)?.days.get_mut(day));
        if let Some(day) = day {
            *day.blocked.get_or_insert_default() += cell.blocked;
            day.in_force_s += cell.ran_s.unwrap_or(hour.1);
        }
    }
}

/// Takes off the time in which the list was not in force on this resolver, and sums it up.
fn add_absences<'a>(
    list: &mut GatheredList,
    absences: impl Iterator<Item = &'a ListGap>,
    calendar: &Calendar,
) {
    for gap in absences {
        calendar.split(gap.from, gap.until, |month, seconds| {
            if let Some(sum) = list.absences.get_mut(month) {
                sum.add(seconds);
            }
        });
        let mut start = calendar.start;
        for day in &mut list.days {
            let absent_s = gap.seconds_within(start, start + DAY_S);
            day.in_force_s = day.in_force_s.saturating_sub(absent_s);
            start += DAY_S;
        }
    }
}

/// Adds the time for which a list should have been in force on this resolver: in each month from
/// its first hour to its last, where the resolver has others before and after these, and without
/// orderly stops. No month looks at another one, so that each tells the same in every report.
fn add_due(list: &mut GatheredList, record: &Hourly, place: usize, calendar: &Calendar) {
    let Some(papers) = record.lists.get(place).and_then(|list| list.papers.first()) else {
        return;
    };
    let recorded = ends_by_month(record.hours.iter().map(|hour| hour.hour), calendar);
    let listed = ends_by_month(
        record
            .cells
            .iter()
            .filter(|cell| cell.list == place)
            .map(|cell| cell.hour),
        calendar,
    );
    let mut start = calendar.start;
    for (day, month) in list.days.iter_mut().zip(&calendar.month_of_day) {
        let (first, last) = listed
            .get(month)
            .copied()
            .unwrap_or((UnixSeconds::MAX, UnixSeconds::MIN));
        let begins = recorded.get(month).is_some_and(|(hour, _)| *hour < first);
        let ends = recorded.get(month).is_some_and(|(_, hour)| *hour > last);
        if last >= first {
            let from = start
                .max(papers.since)
                .max(if begins { first } else { UnixSeconds::MIN });
            let until = (start + DAY_S).min(record.read_at).min(if ends {
                last + 3600
            } else {
                UnixSeconds::MAX
            });
            let stops = record
                .gaps
                .iter()
                .filter(|gap| gap.kind == GapKind::Stopped);
            let stopped: i64 = stops
                .map(|gap| (gap.until.min(until) - gap.from.max(from)).max(0))
                .sum();
            day.due_s += ((until - from).max(0) - stopped).max(0).unsigned_abs();
        }
        // Where it was not noted when the list came, its first hour counts whole: no more than
        // what was due.
        day.in_force_s = day.in_force_s.min(day.due_s);
        start += DAY_S;
    }
}

/// The first and the last of these hours in each month.
fn ends_by_month(
    hours: impl Iterator<Item = UnixSeconds>,
    calendar: &Calendar,
) -> BTreeMap<usize, (UnixSeconds, UnixSeconds)> {
    let mut ends = BTreeMap::new();
    for hour in hours {
        if let Some(month) = calendar.month(hour) {
            let known = ends.entry(month).or_insert((hour, hour));
            *known = (known.0.min(hour), known.1.max(hour));
        }
    }
    ends
}

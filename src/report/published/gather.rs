//! Brings the records of one provider's resolvers together: copies are recognised, hours become days and months.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::UnixSeconds;
use crate::count::{Applied, Gap, GapKind, Hourly, ListHour, ListRecord, Papers};

use super::month::{DAY_S, Month};

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
}

/// How often and how long nothing was on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GapSum {
    /// Gaps that begin or go on in the month, over all resolvers.
    pub count: u64,
    /// Their seconds in the month, over all resolvers.
    pub seconds: u64,
}

/// One list's days on all resolvers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GatheredList {
    /// Who answers for it, each as of its date.
    pub(super) papers: Vec<Papers>,
    /// The days of all months asked for, one after the other.
    pub(super) days: Vec<Day>,
    /// Serials that took effect in these months, with when they were issued and when the last resolver blocked by them.
    pub(super) applied: BTreeMap<u64, (UnixSeconds, UnixSeconds)>,
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
    let mut gathered = Gathered { questions: vec![0; months.len()], gaps: vec![Default::default(); months.len()], ..Gathered::default() };
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

/// The records in groups that share a run's mark, for these are copies of one resolver's record.
fn by_resolver(records: &[Hourly]) -> Vec<Vec<&Hourly>> {
    let mut groups: Vec<(BTreeSet<&str>, Vec<&Hourly>)> = Vec::new();
    for record in records {
        let mut boots: BTreeSet<&str> = record.boots.iter().map(String::as_str).collect();
        let mut copies = vec![record];
        // A record may join groups that had nothing in common before.
        groups.retain_mut(|(marks, others)| {
            let same = !marks.is_disjoint(&boots);
            if same {
                boots.append(marks);
                copies.append(others);
            }
            !same
        });
        groups.push((boots, copies));
    }
    groups.into_iter().map(|(_, copies)| copies).collect()
}

/// One record from copies of different age: an hour's counts only grow, so the larger ones are the later ones.
fn merge(copies: &[&Hourly]) -> Hourly {
    let mut lists: BTreeMap<&str, Vec<Papers>> = BTreeMap::new();
    for list in copies.iter().flat_map(|copy| &copy.lists) {
        let papers = lists.entry(&list.id).or_default();
        papers.extend(list.papers.iter().filter(|paper| !papers.contains(paper)).cloned().collect::<Vec<_>>());
        papers.sort_by_key(|papers| papers.since);
    }
    let places: BTreeMap<&str, usize> = lists.keys().enumerate().map(|(place, id)| (*id, place)).collect();
    let (mut hours, mut cells) = (BTreeMap::new(), BTreeMap::new());
    for copy in copies {
        for hour in &copy.hours {
            let questions = hours.entry(hour.hour).or_insert(*hour);
            questions.questions = questions.questions.max(hour.questions);
        }
        for cell in &copy.cells {
            let Some(list) = copy.lists.get(cell.list).and_then(|list| places.get(list.id.as_str()).copied()) else { continue };
            let known = cells.entry((cell.hour, list)).or_insert(ListHour { list, ..*cell });
            known.blocked = known.blocked.max(cell.blocked);
        }
    }
    let latest = copies.iter().max_by_key(|copy| (copy.written_until, copy.read_at));
    Hourly {
        boots: Vec::new(),
        read_at: latest.map_or(0, |latest| latest.read_at),
        complete_until: copies.iter().map(|copy| copy.complete_until).min().unwrap_or_default(),
        written_until: latest.map_or(0, |latest| latest.written_until),
        gaps: latest.map(|latest| latest.gaps.clone()).unwrap_or_default(),
        hours: hours.into_values().collect(),
        cells: cells.into_values().collect(),
        applied: copies.iter().flat_map(|copy| copy.applied.clone()).collect(),
        lists: lists.into_iter().map(|(id, papers)| ListRecord { id: id.to_owned(), papers }).collect(),
    }
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
        let days = months.iter().enumerate().flat_map(|(place, month)| std::iter::repeat_n(place, month.day_count()));
        Self {
            start: months.first().map_or(0, |month| month.start()),
            end: months.last().map_or(0, |month| month.end()),
            month_of_day: days.collect(),
            ends: months.iter().map(|month| month.end()).collect(),
        }
    }

    fn day(&self, at: UnixSeconds) -> Option<usize> {
        (self.start..self.end).contains(&at).then(|| usize::try_from((at - self.start) / DAY_S).ok())?
    }

    fn month(&self, at: UnixSeconds) -> Option<usize> {
        self.month_of_day.get(self.day(at)?).copied()
    }
}

impl Gathered {
    /// Adds one resolver.
    fn add(&mut self, record: &Hourly, calendar: &Calendar) {
        for hour in &record.hours {
            if let Some(questions) = calendar.month(hour.hour).and_then(|month| self.questions.get_mut(month)) {
                *questions += hour.questions;
            }
        }
        let mut lists: Vec<GatheredList> = record.lists.iter().map(|list| self.take_list(list, calendar)).collect();
        add_cells(&mut lists, record, calendar);
        for (place, (mut list, known)) in lists.into_iter().zip(&record.lists).enumerate() {
            add_due(&mut list, record, place, calendar);
            self.lists.insert(known.id.clone(), list);
        }
        self.add_gaps(&record.gaps, calendar);
        self.add_applied(&record.applied, calendar);
    }

    /// A version that is live a second time, after a restart or a rollback, took effect the first time.
    fn add_applied(&mut self, applied: &[Applied], calendar: &Calendar) {
        let mut first: BTreeMap<(&str, u64), &Applied> = BTreeMap::new();
        for version in applied {
            let known = first.entry((&version.list, version.serial)).or_insert(version);
            if version.live < known.live {
                *known = version;
            }
        }
        for version in first.into_values().filter(|version| calendar.day(version.live).is_some()) {
            if let Some(list) = self.lists.get_mut(&version.list) {
                let known = list.applied.entry(version.serial).or_insert((version.issued, version.live));
                known.1 = known.1.max(version.live);
            }
        }
    }

    /// The list as gathered so far, taken out, with this resolver's papers.
    fn take_list(&mut self, known: &ListRecord, calendar: &Calendar) -> GatheredList {
        let mut list = self.lists.remove(&known.id).unwrap_or_default();
        list.days.resize(calendar.month_of_day.len(), Day::default());
        for papers in &known.papers {
            // The same papers reach the resolvers at different moments: the first of them counts.
            let same = |other: &&mut Papers| other.authority == papers.authority && other.legal_basis == papers.legal_basis;
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
            let Some(kind) = GapKind::ALL.iter().position(|kind| *kind == gap.kind) else { continue };
            let mut from = gap.from.max(calendar.start);
            while let Some(month) = calendar.month(from) {
                let end = calendar.ends.get(month).copied().unwrap_or(from).min(gap.until);
                if let Some(sum) = self.gaps.get_mut(month).and_then(|kinds| kinds.get_mut(kind)) {
                    sum.count += 1;
                    sum.seconds += (end - from).max(0).unsigned_abs();
                }
                if end >= gap.until || end <= from {
                    break;
                }
                from = end;
            }
        }
    }
}

/// Adds each hour to its day.
fn add_cells(lists: &mut [GatheredList], record: &Hourly, calendar: &Calendar) {
    let mut hour = (UnixSeconds::MIN, 0, None);
    for cell in &record.cells {
        if cell.hour != hour.0 {
            hour = (cell.hour, record.recorded_s(cell.hour), calendar.day(cell.hour));
        }
        let day = hour.2.and_then(|day| lists.get_mut(cell.list)?.days.get_mut(day));
        if let Some(day) = day {
            *day.blocked.get_or_insert_default() += cell.blocked;
            day.in_force_s += hour.1;
        }
    }
}

/// Adds the time for which a list should have been in force on this resolver: from when it first was, until it was taken off, until the
/// resolver was stopped for good, or to the end.
fn add_due(list: &mut GatheredList, record: &Hourly, place: usize, calendar: &Calendar) {
    let Some(first) = record.lists.get(place).and_then(|list| list.papers.first()) else { return };
    let last = record.cells.iter().rev().find(|cell| cell.list == place).map(|cell| cell.hour);
    let taken_off = last.filter(|last| record.hours.last().is_some_and(|hour| hour.hour > *last)).map(|last| last + 3600);
    let stopped = record.gaps.last().filter(|gap| gap.kind == GapKind::Stopped && gap.until >= calendar.end.min(record.read_at));
    let end =
        calendar.end.min(record.read_at).min(taken_off.unwrap_or(UnixSeconds::MAX)).min(stopped.map_or(UnixSeconds::MAX, |gap| gap.from));
    let mut start = calendar.start;
    for day in &mut list.days {
        let (from, until) = (start.max(first.since), (start + DAY_S).min(end));
        day.due_s += (until - from).max(0).unsigned_abs();
        // An hour in which the list came counts whole, so no more than what was due.
        day.in_force_s = day.in_force_s.min(day.due_s);
        start += DAY_S;
    }
}

//! What the logs of all resolvers add up to, by day and month: the sums that a report is made of.

use std::collections::BTreeMap;

use crate::clock::UnixSeconds;
use crate::count::{GapKind, StepKind};
use crate::report::month::{DAY_S, Month};

/// All resolvers' days together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gathered {
    /// Resolvers with an hour in these months.
    pub(super) resolvers: usize,
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

impl GapSum {
    /// Adds a part of a gap; one that goes on within the month is counted already.
    pub(super) fn add(&mut self, seconds: u64, goes_on: bool) {
        self.count += u64::from(!goes_on);
        self.seconds = self.seconds.saturating_add(seconds);
    }
}

/// One list's days on all resolvers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GatheredList {
    /// The days of all months asked for, one after the other.
    pub(super) days: Vec<Day>,
    /// The issues that took effect in these months, by serial.
    pub(super) applied: BTreeMap<u64, AppliedVersion>,
    /// What else was done about it, by month and kind, over all resolvers.
    pub(super) steps: Vec<[u64; StepKind::ALL.len()]>,
    /// When it was not in force although resolvers ran with it, by month, over all resolvers.
    pub(super) absences: Vec<GapSum>,
}

impl GatheredList {
    fn new(calendar: &Calendar) -> Self {
        Self {
            days: vec![Day::default(); calendar.month_of_day.len()],
            steps: vec![Default::default(); calendar.ends.len()],
            absences: vec![GapSum::default(); calendar.ends.len()],
            ..Self::default()
        }
    }
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

/// Days of lists that one report can have: fifty lists over ten years.
const REPORT_DAYS_MAX: usize = 200_000;

/// One list on one day, over all resolvers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Day {
    /// Blocked questions; none when it had no hour anywhere.
    pub(super) blocked: Option<u64>,
    /// Seconds in force, added up over the resolvers.
    pub(super) in_force_s: u64,
    /// Seconds that it should have been in force, added up over the resolvers.
    pub(super) due_s: u64,
}

impl Gathered {
    pub(super) fn new(calendar: &Calendar) -> Self {
        Self {
            questions: vec![0; calendar.ends.len()],
            gaps: vec![Default::default(); calendar.ends.len()],
            ..Self::default()
        }
    }

    /// The list, which is there from now on; none where that is more than a report can have.
    pub(super) fn list(&mut self, id: &str, calendar: &Calendar) -> Option<&mut GatheredList> {
        let days = (self.lists.len() + 1) * calendar.day_count();
        if days > REPORT_DAYS_MAX && !self.lists.contains_key(id) {
            return None;
        }
        let list = self.lists.entry(id.to_owned());
        Some(list.or_insert_with(|| GatheredList::new(calendar)))
    }
}

/// Where a moment falls in the months asked for.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    pub(super) start: UnixSeconds,
    pub(super) end: UnixSeconds,
    /// The place of the month that each day belongs to.
    month_of_day: Vec<usize>,
    ends: Vec<UnixSeconds>,
}

impl Calendar {
    /// Of months that follow each other.
    pub(super) fn of(months: &[Month]) -> Self {
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

    pub(super) fn day_count(&self) -> usize {
        self.month_of_day.len()
    }

    pub(super) fn day(&self, at: UnixSeconds) -> Option<usize> {
        (self.start..self.end)
            .contains(&at)
            .then(|| usize::try_from((at - self.start) / DAY_S).ok())?
    }

    pub(super) fn month(&self, at: UnixSeconds) -> Option<usize> {
        self.month_of_day.get(self.day(at)?).copied()
    }

    pub(super) fn end_of(&self, month: usize) -> Option<UnixSeconds> {
        self.ends.get(month).copied()
    }

    /// Hands out each month that a time is in, with the time's begin and its seconds in it.
    pub(super) fn split(
        &self,
        from: UnixSeconds,
        until: UnixSeconds,
        mut add: impl FnMut(usize, UnixSeconds, u64),
    ) {
        let mut from = from.max(self.start);
        while let Some(month) = self.month(from).filter(|_| from < until) {
            let end = self.end_of(month).unwrap_or(until).min(until);
            add(month, from, end.abs_diff(from));
            from = end;
        }
    }

    /// Hands out each day that a time is in, with its seconds in it.
    pub(super) fn split_days(
        &self,
        from: UnixSeconds,
        until: UnixSeconds,
        mut add: impl FnMut(usize, u64),
    ) {
        let mut from = from.max(self.start);
        while let Some(day) = self.day(from).filter(|_| from < until) {
            let end = (from - (from - self.start) % DAY_S + DAY_S).min(until);
            add(day, end.abs_diff(from));
            from = end;
        }
    }
}

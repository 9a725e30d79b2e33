//! Reads what a published report says out of the audit logs, leaf by leaf: nothing but leaves
//! counts, so that whoever has the logs can make each figure anew.
//!
//! `docs/report.md` has the rules.

use std::cmp::Reverse;

use super::gather::{AppliedVersion, Calendar, Gathered};
use super::log_so_far::{AppliedHere, HeadPlace, LastGap, LogSoFar, ResolverSoFar};
use crate::clock::{HOUR_S, UnixSeconds};
use crate::count::{GapKind, StepKind};
use crate::record::{EventLeaf, HourLeaf, Leaf, Statement, Withdrawals};
use crate::report::month::Month;

/// Issues that one report can have.
const REPORT_VERSIONS_MAX: usize = 100_000;

/// What the logs of all resolvers say of some months.
#[derive(Debug)]
pub struct LoggedFigures {
    pub(super) months: Vec<Month>,
    pub(super) gathered: Gathered,
    calendar: Calendar,
    resolver: ResolverSoFar,
    log: LogSoFar,
    heads: Vec<HeadPlace>,
    versions: usize,
    is_beyond: bool,
}

/// How logs are brought in an order: those of a resolver one after the other, the longest copy of
/// each first.
pub fn reading_order(origin: &str, size: u64) -> (String, String, Reverse<u64>) {
    let resolver = resolver_of(origin).to_owned();
    (resolver, origin.to_owned(), Reverse(size))
}

/// `PROVIDER/RESOLVER`, the same for all logs of a resolver.
pub fn resolver_of(origin: &str) -> &str {
    let second = origin.match_indices('/').nth(1);
    second.map_or(origin, |(end, _)| origin.get(..end).unwrap_or(origin))
}

impl LoggedFigures {
    /// For these months, which follow each other.
    pub fn new(months: &[Month]) -> Self {
        let calendar = Calendar::of(months);
        Self {
            months: months.to_vec(),
            gathered: Gathered::new(&calendar),
            calendar,
            resolver: ResolverSoFar::default(),
            log: LogSoFar::default(),
            heads: Vec::new(),
            versions: 0,
            is_beyond: false,
        }
    }

    /// The leaves that follow are of this log. The logs of a resolver come one after the other, in
    /// the order of their names.
    pub fn begin_log(&mut self, origin: &str, withdrawals: Withdrawals) {
        self.end_log();
        if self.resolver.name != resolver_of(origin) {
            self.end_resolver();
            self.resolver.name = resolver_of(origin).to_owned();
        }
        self.log.origin = origin.to_owned();
        self.log.withdrawals = withdrawals;
    }

    /// Reads the next leaf.
    pub fn take(&mut self, leaf: &Leaf<'_>) {
        if self.log.size == 0 {
            self.log.begins = leaf.start();
        }
        match leaf {
            Leaf::Hour(leaf) => self.take_hour(leaf),
            Leaf::Event(leaf) => {
                self.end_hour();
                self.take_event(leaf);
            }
        }
        self.log.size += 1;
    }

    /// All leaves are read.
    pub fn finish(&mut self) {
        self.end_log();
        self.end_resolver();
    }

    /// The end of these months; none where there are none.
    pub fn end(&self) -> Option<UnixSeconds> {
        self.months.last().map(|month| month.end())
    }

    /// Is it more than a report can have? Then not all of it is here.
    pub const fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    /// Where each log first tells all of these months, of those that have hours in or before them.
    pub fn heads(&self) -> &[HeadPlace] {
        &self.heads
    }

    fn take_hour(&mut self, leaf: &HourLeaf<'_>) {
        if self.log.withdrawals.withdraw(self.log.size, leaf.hour.0) {
            return self.end_hour();
        }
        if self.log.hour != Some(leaf.hour.0) {
            self.end_hour();
            self.open_hour(leaf);
        }
        let hour = leaf.hour.0;
        let was_there = self.log.was_there(leaf.list, hour);
        if hour + HOUR_S <= self.calendar.start || hour >= self.calendar.end {
            return;
        }
        let Some(list) = self.gathered.list(leaf.list, &self.calendar) else {
            self.is_beyond = true;
            return;
        };
        let day = self.calendar.day(hour);
        if let Some(day) = day.and_then(|day| list.days.get_mut(day)) {
            let blocked = day.blocked.get_or_insert_default();
            *blocked = blocked.saturating_add(leaf.blocked.sum());
            let due_s = leaf.in_force_s.saturating_add(leaf.not_in_force_s());
            day.in_force_s = day.in_force_s.saturating_add(leaf.in_force_s);
            day.due_s = day.due_s.saturating_add(due_s);
        }
        for gap in &leaf.gaps {
            let reach = if was_there { gap.from.0 } else { hour };
            let from = gap.from.0.max(reach).max(self.log.counts_from());
            if gap.kind != GapKind::Stopped.name() {
                let due = |day: usize, seconds| {
                    if let Some(day) = list.days.get_mut(day) {
                        day.due_s = day.due_s.saturating_add(seconds);
                    }
                };
                self.calendar.split_days(from, gap.until.0, due);
            }
        }
        for span in leaf.absences() {
            let before = self.log.absent_until.get(leaf.list).copied();
            let goes_on = before == Some(span.from.0)
                && self.calendar.month(span.from.0) == self.calendar.month(span.from.0 - 1);
            let month = self.calendar.month(span.from.0);
            if let Some(sum) = month.and_then(|month| list.absences.get_mut(month)) {
                sum.add(span.until.0.abs_diff(span.from.0), goes_on);
            }
            self.log
                .absent_until
                .insert(leaf.list.to_owned(), span.until.0);
        }
    }

    /// What is the same in all leaves of an hour.
    fn open_hour(&mut self, leaf: &HourLeaf<'_>) {
        let hour = leaf.hour.0;
        self.log.hour = Some(hour);
        self.log.has_begun |= hour < self.calendar.end;
        if let Some(month) = self.calendar.month(hour) {
            self.resolver.has_hour = true;
            if let Some(questions) = self.gathered.questions.get_mut(month) {
                *questions = questions.saturating_add(leaf.questions);
            }
        }
        for gap in &leaf.gaps {
            let kind = GapKind::ALL.iter().position(|kind| kind.name() == gap.kind);
            if let Some(kind) = kind {
                let from = gap.from.0.max(self.log.counts_from());
                self.add_gap(from, gap.until.0, kind);
            }
        }
    }

    /// A gap counts once in each month that it has a second of.
    fn add_gap(&mut self, from: UnixSeconds, until: UnixSeconds, kind: usize) {
        if from >= until {
            return;
        }
        let last = self.log.gap;
        let joins = last.is_some_and(|last| last.until == from && last.kind == kind);
        let (calendar, gaps) = (&self.calendar, &mut self.gathered.gaps);
        calendar.split(from, until, |month, begin, seconds| {
            let goes_on = joins && begin == from && calendar.month(from - 1) == Some(month);
            let sum = gaps.get_mut(month).and_then(|kinds| kinds.get_mut(kind));
            if let Some(sum) = sum {
                sum.add(seconds, goes_on);
            }
        });
        self.log.gap = Some(LastGap { until, kind });
    }

    /// The leaves of an hour are over.
    fn end_hour(&mut self) {
        let Some(hour) = self.log.hour.take() else {
            return;
        };
        self.log.hour_before = Some(hour);
        if hour + HOUR_S >= self.calendar.end {
            self.log.head.get_or_insert(self.log.size);
        }
        self.resolver
            .told
            .insert(self.log.origin.clone(), hour + HOUR_S);
    }

    fn take_event(&mut self, leaf: &EventLeaf<'_>) {
        let at = self.log.withdrawals.at_the_latest(self.log.size, leaf.at.0);
        match (leaf.said(), leaf.list) {
            (Some(Statement::LogFollows(_)), _) => self.log.is_successor = true,
            (Some(Statement::LogRestored(ended)), _) => {
                let told = self.resolver.told.get(&ended.origin).copied();
                let unrecorded = GapKind::ALL
                    .iter()
                    .position(|kind| *kind == GapKind::Unrecorded);
                if let Some((told, kind)) = told.zip(unrecorded) {
                    self.add_gap(told, self.log.begins, kind);
                }
            }
            (Some(Statement::Live(live)), Some(list)) => {
                self.apply(leaf, list, live.issued, at);
            }
            (Some(said), Some(list)) => {
                let step = match said {
                    Statement::Refused(_) => StepKind::Refused,
                    Statement::Override(_) => StepKind::Override,
                    Statement::Rollback(_) => StepKind::Rollback,
                    Statement::Removal(_) => StepKind::Removal,
                    Statement::Receipt(_) => {
                        self.note_receipt(leaf, list, at);
                        StepKind::Receipt
                    }
                    _ => return,
                };
                self.add_step(at, list, step);
            }
            _ => {}
        }
    }

    fn add_step(&mut self, at: UnixSeconds, list: &str, step: StepKind) {
        let Some(month) = self.calendar.month(at) else {
            return;
        };
        let Some(list) = self.gathered.list(list, &self.calendar) else {
            self.is_beyond = true;
            return;
        };
        let kind = StepKind::ALL.iter().position(|kind| *kind == step);
        if let Some(count) = kind.and_then(|kind| list.steps.get_mut(month)?.get_mut(kind)) {
            *count += 1;
        }
    }

    /// An issue takes effect when it is in force and none with its serial or a higher one was
    /// before: not after a restart, a rollback or a restore.
    fn apply(
        &mut self,
        leaf: &EventLeaf<'_>,
        list: &str,
        issued: Option<UnixSeconds>,
        at: UnixSeconds,
    ) {
        let (Some(serial), Some(issued)) = (leaf.serial, issued) else {
            return;
        };
        if !self.resolver.raise(list, serial) {
            return;
        }
        let month = self.calendar.month(at);
        let Some(month_end) = month.and_then(|month| self.calendar.end_of(month)) else {
            return;
        };
        if self.resolver.applied.len() + self.versions >= REPORT_VERSIONS_MAX {
            self.is_beyond = true;
            return;
        }
        let here = AppliedHere {
            issued,
            live: at,
            month_end,
            has_receipt: false,
        };
        self.resolver
            .applied
            .insert((list.to_owned(), serial), here);
    }

    /// What is signed after the month would make the same report say something else then.
    fn note_receipt(&mut self, leaf: &EventLeaf<'_>, list: &str, at: UnixSeconds) {
        let key = leaf.serial.map(|serial| (list.to_owned(), serial));
        if let Some(here) = key.and_then(|key| self.resolver.applied.get_mut(&key)) {
            here.has_receipt |= at < here.month_end;
        }
    }

    fn end_log(&mut self) {
        self.end_hour();
        let LogSoFar {
            origin,
            head,
            has_begun,
            ..
        } = std::mem::take(&mut self.log);
        if let Some(size) = head.filter(|_| has_begun) {
            self.heads.push(HeadPlace { origin, size });
        }
    }

    fn end_resolver(&mut self) {
        let resolver = std::mem::take(&mut self.resolver);
        self.gathered.resolvers += usize::from(resolver.has_hour);
        for ((list, serial), here) in resolver.applied {
            // A list without any hour in these months is in no report.
            let Some(list) = self.gathered.lists.get_mut(&list) else {
                continue;
            };
            let known = list.applied.entry(serial).or_insert_with(|| {
                self.versions += 1;
                AppliedVersion {
                    serial,
                    issued: here.issued,
                    live: here.live,
                    resolvers: 0,
                    receipts: 0,
                }
            });
            known.issued = known.issued.min(here.issued);
            known.live = known.live.max(here.live);
            known.resolvers += 1;
            known.receipts += u64::from(here.has_receipt);
        }
    }
}

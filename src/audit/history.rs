//! Follows one log leaf by leaf and says where it contradicts itself: hours that are missing, gaps
//! that are none, sums that differ.

use std::collections::{BTreeMap, BTreeSet};

use super::demands::Demands;
use super::entry_counts::Commitments;
use super::log_runs::LogRuns;
use super::told::{ListVersion, ToldEvent};
use super::totals::Totals;
use super::{FINDINGS_MAX, Finding};
use crate::clock::{HOUR_S, UnixSeconds, hour_start};
use crate::record::{
    Carried, Ended, HourLeaf, Leaf, LeafGap, ListVersions, Moment, NUMBER_MAX, Withdrawals,
};

/// Lists that one log names.
const LISTS_MAX: usize = 1000;
/// No list has this id.
const ALL_LISTS: &str = "";
/// One log as far as it has been read.
#[derive(Debug)]
pub(super) struct LogHistory<'d> {
    pub(super) demands: &'d Demands,
    pub(super) origin: String,
    pub(super) time: UnixSeconds,
    /// When its first leaf is of, and its last one.
    pub(super) span: (UnixSeconds, UnixSeconds),
    pub(super) runs: LogRuns,
    /// Where it goes back, as is known beforehand.
    pub(super) withdrawals: Withdrawals,
    /// From when on it accounts for the time.
    pub(super) first: UnixSeconds,
    /// The newest form of an hour so far.
    hour_form: u64,
    pub(super) hour: Option<HistoryHour>,
    /// The hour that comes next; at first that of the log's first leaf.
    pub(super) next_hour: Option<UnixSeconds>,
    carried_out: u64,
    /// What was counted so far: by list, and the questions of all under the id of none.
    sums: BTreeMap<String, u64>,
    /// What was told of each list's versions.
    pub(super) versions: BTreeMap<String, ListVersions>,
    /// An hour's leaves that only a clock set at the hour's end explains.
    pub(super) awaiting: Vec<u64>,
    pub(super) totals: Totals,
    pub(super) commitments: Commitments,
    pub(super) told: ToldEvent,
    pub(super) findings: Vec<Finding>,
    /// The lists that it names.
    pub(super) lists: BTreeSet<String>,
    /// Versions that no curator signed.
    pub(super) unsigned: BTreeSet<ListVersion>,
}

/// The hour whose leaves are being read.
#[derive(Debug)]
pub(super) struct HistoryHour {
    pub(super) hour: UnixSeconds,
    pub(super) boot: String,
    pub(super) form: u64,
    pub(super) stands: bool,
    pub(super) figures: Figures,
    /// Its gaps as its first leaf has them.
    pub(super) gaps: Vec<(UnixSeconds, UnixSeconds, String)>,
    pub(super) lists: BTreeSet<String>,
    pub(super) blocked: u64,
}

/// What is the resolver's and not a list's.
pub(super) type Figures = (u64, Ended, Carried);

impl<'d> LogHistory<'d> {
    /// Nothing has been read but where the log goes back.
    pub(super) fn new(origin: &str, demands: &'d Demands, withdrawals: Withdrawals) -> Self {
        Self {
            demands,
            lists: BTreeSet::new(),
            unsigned: BTreeSet::new(),
            origin: origin.to_owned(),
            withdrawals,
            first: 0,
            time: UnixSeconds::MIN,
            span: (0, 0),
            runs: LogRuns::default(),
            hour_form: 0,
            hour: None,
            next_hour: None,
            carried_out: 0,
            sums: BTreeMap::new(),
            versions: BTreeMap::new(),
            awaiting: Vec::new(),
            totals: Totals::default(),
            commitments: Commitments::default(),
            told: ToldEvent::default(),
            findings: Vec::new(),
        }
    }

    /// Reads the leaf at `seq`.
    pub(super) fn take(&mut self, seq: u64, leaf: &Leaf<'_>) {
        let (provider, resolver) = match leaf {
            Leaf::Hour(leaf) => (leaf.provider, leaf.resolver),
            Leaf::Event(leaf) => (leaf.provider, leaf.resolver),
        };
        if self.next_hour.is_none() {
            self.first = hour_start(leaf.start());
            (self.next_hour, self.span.0) = (Some(self.first), leaf.start());
        }
        if leaf.seq() != seq {
            self.find_at(
                seq,
                "sequence",
                format!("says that it is leaf {}", leaf.seq()),
            );
        }
        if leaf.time() < self.time {
            self.find_at(
                seq,
                "time",
                format!(
                    "is of {}, earlier than the leaf before",
                    Moment(leaf.time())
                ),
            );
        }
        let of_provider = self
            .origin
            .strip_prefix(provider)
            .and_then(|rest| rest.strip_prefix('/'));
        if of_provider != Some(resolver) {
            self.find_at(seq, "author", format!("is of {provider}/{resolver}"));
        }
        self.time = self.time.max(leaf.time());
        self.span.1 = self.time;
        if let Some(list) = leaf.list().filter(|list| !self.lists.contains(*list)) {
            self.lists.insert(list.to_owned());
        }
        match leaf {
            Leaf::Hour(leaf) => self.take_hour(seq, leaf),
            Leaf::Event(leaf) => {
                self.close_hour();
                self.take_event(seq, leaf);
            }
        }
    }

    /// Why the log has more lists, runs or clocks than are kept; nothing where it has not.
    pub(super) fn excess(&self) -> Option<&'static str> {
        let is_beyond = self.lists.len() > LISTS_MAX;
        let message = is_beyond.then_some("the log names more than 1,000 lists");
        message.or(self.runs.excess())
    }

    /// The log ends here.
    pub(super) fn finish(&mut self) {
        self.close_hour();
        self.give_up_clock();
    }

    /// Up to when every hour is told of.
    pub(super) fn until(&self) -> Option<UnixSeconds> {
        self.next_hour
    }

    pub(super) fn open_hour(&mut self, seq: u64, leaf: &HourLeaf<'_>) {
        let hour = leaf.hour.0;
        let before = |gap: &LeafGap<'_>| (gap.until.0.min(hour) - gap.from.0).max(0);
        let missing_s: i64 = leaf.gaps.iter().map(before).sum();
        if let Some(next) = self.next_hour.filter(|next| hour - next != missing_s) {
            let message = match hour - next {
                ..0 => format!("the hour {} was told of before", leaf.hour),
                _ => format!(
                    "of the time from {} to {} nothing is told, and the gaps do not say why",
                    Moment(next),
                    leaf.hour
                ),
            };
            self.find_at(seq, "hour", message);
        }
        if self.next_hour == Some(hour) && leaf.carried.into != self.carried_out {
            let message = format!(
                "{} questions are carried in, but {} were carried out before",
                leaf.carried.into, self.carried_out
            );
            self.find_at(seq, "carried", message);
        }
        if leaf.v < self.hour_form {
            let message = format!(
                "is of the form {}, and hours before it are of the form {}",
                leaf.v, self.hour_form
            );
            self.find_at(seq, "gap", message);
        }
        self.hour_form = self.hour_form.max(leaf.v);
        let gaps = self.runs.times.gaps(self.next_hour.unwrap_or(hour), hour);
        if !leaf.gaps.iter().map(told).eq(gaps) {
            let message = "its gaps are not the times in which, by the log's events, the resolver \
                           did not run, or not for these reasons";
            self.find_at(seq, "gap", message.to_owned());
        }
        self.add_up(seq, ALL_LISTS, leaf.questions);
        let is_busy = leaf.questions > 0 || leaf.ended.sum() > 0;
        if is_busy && !self.runs.times.touch(hour) {
            let message = "questions came or ended in an hour in which the resolver did not run";
            self.find_at(seq, "gap", message.to_owned());
        }
        if leaf.carried.lost > 0 && !self.runs.times.end_in(self.next_hour, hour) {
            let message = "questions were lost, and by the log's events no run ended in the hour";
            self.find_at(seq, "carried", message.to_owned());
        }
        let stands = !self.withdrawals.withdraw(seq, hour);
        if stands {
            self.told.note_hour(leaf);
        }
        self.hour = Some(HistoryHour {
            hour,
            stands,
            boot: leaf.boot.to_owned(),
            form: leaf.v,
            figures: figures(leaf),
            gaps: leaf
                .gaps
                .iter()
                .map(|gap| (gap.from.0, gap.until.0, gap.kind.to_owned()))
                .collect(),
            lists: BTreeSet::new(),
            blocked: 0,
        });
    }

    /// Adds to what the log says in all; a sum that no reader keeps exactly is told once.
    pub(super) fn add_up(&mut self, seq: u64, list: &str, count: u64) {
        let before = self.sums.get(list).copied().unwrap_or_default();
        let sum = before.saturating_add(count);
        self.sums.insert(list.to_owned(), sum);
        if before <= NUMBER_MAX && sum > NUMBER_MAX {
            let message = "with this leaf the log counts more in all than 2^53 - 1".to_owned();
            self.find_at(seq, "sum", message);
        }
    }

    pub(super) fn close_hour(&mut self) {
        let Some(HistoryHour {
            hour,
            boot,
            stands,
            figures: (questions, ended, carried),
            lists,
            blocked,
            ..
        }) = self.hour.take()
        else {
            return;
        };
        let mut expected = self.runs.times.lists_in(hour);
        let of_run = self.runs.lists_of(&boot).into_iter().flatten();
        expected.extend(of_run.map(String::as_str));
        expected.retain(|list| !lists.contains(*list));
        let count = expected.len();
        let missing: Vec<&str> = expected.into_iter().take(3).collect();
        if !missing.is_empty() {
            let message = format!(
                "has no leaf of lists that the resolver ran with, {count} in all: {}",
                missing.join(", ")
            );
            self.find_in(hour, "list", message);
        }
        if blocked != ended.blocked {
            self.find_in(
                hour,
                "sum",
                format!(
                    "the lists blocked {blocked} in all, the resolver {}",
                    ended.blocked
                ),
            );
        }
        self.carried_out = carried.out;
        self.next_hour = Some(hour + HOUR_S);
        self.runs.times.forget(hour + HOUR_S);
        self.runs.standing.tell(hour);
        if stands {
            self.totals.add_questions(questions);
            self.told.hours += 1;
        } else {
            let sum = &mut self.told.withdrawn.questions;
            *sum = sum.saturating_add(questions);
            self.told.withdrawn.hours += 1;
        }
    }

    /// Notes what is wrong with the leaf at `seq`.
    pub(super) fn find_at(&mut self, seq: u64, code: &'static str, message: String) {
        self.find(code, format!("{} leaf {seq}", self.origin), message);
    }

    fn find_in(&mut self, hour: UnixSeconds, code: &'static str, message: String) {
        self.find(
            code,
            format!("{} hour {}", self.origin, Moment(hour)),
            message,
        );
    }

    pub(super) fn find(&mut self, code: &'static str, place: String, message: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding::new(code, place, message));
        }
    }
}

pub(super) const fn figures(leaf: &HourLeaf<'_>) -> Figures {
    (leaf.questions, leaf.ended, leaf.carried)
}

pub(super) const fn told<'a>(gap: &LeafGap<'a>) -> (UnixSeconds, UnixSeconds, &'a str) {
    (gap.from.0, gap.until.0, gap.kind)
}

pub(super) fn as_told(
    (from, until, kind): &(UnixSeconds, UnixSeconds, String),
) -> (UnixSeconds, UnixSeconds, &str) {
    (*from, *until, kind)
}

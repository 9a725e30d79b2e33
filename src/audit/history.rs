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
use crate::record::{Carried, Ended, HourLeaf, Leaf, LeafGap, ListVersions, Moment, NUMBER_MAX};

/// Lists that one log names.
const LISTS_MAX: usize = 1000;
/// No list has this id.
const ALL_LISTS: &str = "";
/// One log as far as it has been read.
#[derive(Debug)]
pub(super) struct LogHistory<'d> {
    pub(super) demands: &'d Demands,
    pub(super) origin: String,
    time: UnixSeconds,
    /// When its first leaf is of, and its last one.
    pub(super) span: (UnixSeconds, UnixSeconds),
    pub(super) runs: LogRuns,
    /// The newest form of an hour so far.
    hour_form: u64,
    hour: Option<HistoryHour>,
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
struct HistoryHour {
    hour: UnixSeconds,
    boot: String,
    form: u64,
    figures: Figures,
    /// Its gaps as its first leaf has them.
    gaps: Vec<(UnixSeconds, UnixSeconds, String)>,
    lists: BTreeSet<String>,
    blocked: u64,
}

/// What is the resolver's and not a list's.
type Figures = (u64, Ended, Carried);

impl<'d> LogHistory<'d> {
    pub(super) fn new(origin: &str, demands: &'d Demands) -> Self {
        Self {
            demands,
            lists: BTreeSet::new(),
            unsigned: BTreeSet::new(),
            origin: origin.to_owned(),
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
        let start = match leaf {
            Leaf::Hour(leaf) => leaf.hour.0,
            Leaf::Event(leaf) => leaf.at.0,
        };
        if self.next_hour.is_none() {
            (self.next_hour, self.span.0) = (Some(hour_start(start)), start);
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
        self.note_lists(leaf);
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

    fn note_lists(&mut self, leaf: &Leaf<'_>) {
        let list = match leaf {
            Leaf::Hour(leaf) => Some(leaf.list),
            Leaf::Event(leaf) => leaf.list,
        };
        if let Some(list) = list.filter(|list| !self.lists.contains(*list)) {
            self.lists.insert(list.to_owned());
        }
    }

    /// The log ends here.
    pub(super) fn finish(&mut self) {
        self.close_hour();
        self.give_up_clock();
    }

    /// The time of the last leaf so far.
    pub(super) const fn time(&self) -> UnixSeconds {
        self.time
    }

    /// Up to when every hour is told of.
    pub(super) fn until(&self) -> Option<UnixSeconds> {
        self.next_hour
    }

    fn take_hour(&mut self, seq: u64, leaf: &HourLeaf<'_>) {
        if self
            .hour
            .as_ref()
            .is_none_or(|open| open.hour != leaf.hour.0)
        {
            self.close_hour();
            self.give_up_clock();
            self.open_hour(seq, leaf);
        }
        if let Some(message) = leaf.imbalance() {
            self.find_at(seq, "sum", message);
        }
        if self.runs.times.awaits_clock(leaf) && self.awaiting.len() < FINDINGS_MAX {
            self.awaiting.push(seq);
        }
        let Some(open) = &self.hour else { return };
        let mut found = Vec::new();
        if open.lists.last().map_or("", String::as_str) >= leaf.list {
            found.push((
                "list",
                format!("list {} is told of twice, or out of order", leaf.list),
            ));
        }
        let is_shared = open.figures == figures(leaf)
            && open.form == leaf.v
            && open.boot == leaf.boot
            && open.gaps.iter().map(as_told).eq(leaf.gaps.iter().map(told));
        if !is_shared {
            found.push((
                "sum",
                "the resolver's figures differ from those in the hour's other leaves".to_owned(),
            ));
        }
        let misplaced = leaf.misplaced_time();
        let misplaced = misplaced.or_else(|| self.runs.times.contradiction(leaf));
        found.extend(misplaced.map(|message| ("gap", message)));
        if !self.runs.has_started(leaf) {
            let message =
                "it is not the boot, software and configuration of the last run that was started";
            found.push(("run", message.to_owned()));
        }
        let standing = self.versions.get(leaf.list).map(|told| &told.standing);
        let standing = standing.map_or((None, None), |(serial, manifest)| {
            (*serial, manifest.as_deref())
        });
        if standing != (leaf.serial, leaf.manifest) {
            found.push((
                "version",
                "serial and manifest are not those of the list's last version".to_owned(),
            ));
        }
        found
            .into_iter()
            .for_each(|(code, message)| self.find_at(seq, code, message));
        self.totals.add_list(leaf.list, leaf.blocked);
        self.add_up(seq, leaf.list, leaf.blocked.sum());
        self.totals.add_absence(leaf.list, leaf.not_in_force_s());
        self.told.note_absences(leaf);
        self.runs.times.note_out(leaf);
        let is_taken_over = self.runs.times.is_taken_over(leaf.hour.0);
        if leaf.in_force_s > 0 || leaf.blocked.sum() > 0 && !is_taken_over {
            let manifest = leaf.manifest.map(str::to_owned);
            self.note_version(seq, (leaf.list.to_owned(), leaf.serial, manifest));
        }
        if let Some(open) = &mut self.hour {
            open.lists.insert(leaf.list.to_owned());
            open.blocked += leaf.blocked.sum();
        }
    }

    fn open_hour(&mut self, seq: u64, leaf: &HourLeaf<'_>) {
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
        self.told.note_hour(leaf);
        self.hour = Some(HistoryHour {
            hour,
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
    fn add_up(&mut self, seq: u64, list: &str, count: u64) {
        let before = self.sums.get(list).copied().unwrap_or_default();
        let sum = before.saturating_add(count);
        self.sums.insert(list.to_owned(), sum);
        if before <= NUMBER_MAX && sum > NUMBER_MAX {
            let message = "with this leaf the log counts more in all than 2^53 - 1".to_owned();
            self.find_at(seq, "sum", message);
        }
    }

    fn close_hour(&mut self) {
        let Some(HistoryHour {
            hour,
            boot,
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
        self.totals.add_questions(questions);
        self.told.hours += 1;
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

const fn figures(leaf: &HourLeaf<'_>) -> Figures {
    (leaf.questions, leaf.ended, leaf.carried)
}

const fn told<'a>(gap: &LeafGap<'a>) -> (UnixSeconds, UnixSeconds, &'a str) {
    (gap.from.0, gap.until.0, gap.kind)
}

fn as_told(
    (from, until, kind): &(UnixSeconds, UnixSeconds, String),
) -> (UnixSeconds, UnixSeconds, &str) {
    (*from, *until, kind)
}

//! Follows one log leaf by leaf and says where it contradicts itself: hours that are missing, gaps
//! that are none, sums that differ.

use std::collections::{BTreeMap, BTreeSet};

use super::begins::{closed_by, ended_by};
use super::entry_counts::Commitments;
use super::log_runs::LogRuns;
use super::told::ToldEvent;
use super::totals::Totals;
use super::{FINDINGS_MAX, Finding};
use crate::clock::{HOUR_S, UnixSeconds, hour_start};
use crate::record::{
    Carried, Ended, EventLeaf, HourLeaf, Leaf, LeafGap, Moment, NUMBER_MAX, Statement, Withdrawals,
};

/// No list has this id.
const ALL_LISTS: &str = "";
/// One log as far as it has been read.
#[derive(Debug)]
pub(super) struct LogHistory {
    origin: String,
    time: UnixSeconds,
    /// When its first leaf is of, and its last one.
    pub(super) span: (UnixSeconds, UnixSeconds),
    runs: LogRuns,
    /// Where it goes back, as is known beforehand.
    withdrawals: Withdrawals,
    /// From when on it accounts for the time.
    first: UnixSeconds,
    /// The newest form of an hour so far.
    hour_form: u64,
    hour: Option<HistoryHour>,
    /// The hour that comes next; at first that of the log's first leaf.
    next_hour: Option<UnixSeconds>,
    carried_out: u64,
    /// What was counted so far: by list, and the questions of all under the id of none.
    sums: BTreeMap<String, u64>,
    /// Serial and manifest of each list in force.
    standing: BTreeMap<String, (Option<u64>, Option<String>)>,
    pub(super) totals: Totals,
    pub(super) commitments: Commitments,
    pub(super) told: ToldEvent,
    pub(super) findings: Vec<Finding>,
}

/// The hour whose leaves are being read.
#[derive(Debug)]
struct HistoryHour {
    hour: UnixSeconds,
    boot: String,
    form: u64,
    stands: bool,
    figures: Figures,
    /// Its gaps as its first leaf has them.
    gaps: Vec<(UnixSeconds, UnixSeconds, String)>,
    lists: BTreeSet<String>,
    blocked: u64,
}

/// What is the resolver's and not a list's.
type Figures = (u64, Ended, Carried);

impl LogHistory {
    /// Nothing has been read but where the log goes back.
    pub(super) fn new(origin: &str, withdrawals: Withdrawals) -> Self {
        Self {
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
            standing: BTreeMap::new(),
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
            self.first = hour_start(start);
            (self.next_hour, self.span.0) = (Some(self.first), start);
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
        match leaf {
            Leaf::Hour(leaf) => self.take_hour(seq, leaf),
            Leaf::Event(leaf) => {
                self.close_hour();
                self.take_event(seq, leaf);
            }
        }
    }

    /// The log ends here.
    pub(super) fn finish(&mut self) {
        self.close_hour();
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
            self.open_hour(seq, leaf);
        }
        if let Some(message) = leaf.imbalance() {
            self.find_at(seq, "sum", message);
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
        let (serial, manifest) = self
            .standing
            .get(leaf.list)
            .map_or((None, None), |(serial, manifest)| {
                (*serial, manifest.as_deref())
            });
        if (serial, manifest) != (leaf.serial, leaf.manifest) {
            found.push((
                "version",
                "serial and manifest are not those of the list's last version".to_owned(),
            ));
        }
        found
            .into_iter()
            .for_each(|(code, message)| self.find_at(seq, code, message));
        self.add_up(seq, leaf.list, leaf.blocked.sum());
        self.runs.times.note_out(leaf);
        if self.hour.as_ref().is_some_and(|open| open.stands) {
            self.totals.add_list(leaf.list, leaf.blocked);
            self.totals.add_absence(leaf.list, leaf.not_in_force_s());
            self.told.note_absences(leaf);
        } else {
            self.told.withdrawn.add(leaf);
        }
        let is_taken_over = self.runs.times.is_taken_over(leaf.hour.0);
        if leaf.in_force_s > 0 || leaf.blocked.sum() > 0 && !is_taken_over {
            let manifest = leaf.manifest.map(str::to_owned);
            self.told
                .note_version(seq, (leaf.list.to_owned(), leaf.serial, manifest));
        }
        if let Some(open) = &mut self.hour {
            open.lists.insert(leaf.list.to_owned());
            open.blocked += leaf.blocked.sum();
        }
    }

    fn open_hour(&mut self, seq: u64, leaf: &HourLeaf<'_>) {
        self.close_hour();
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
        let missing: Vec<&str> = expected.into_iter().collect();
        if !missing.is_empty() {
            let message = format!(
                "has no leaf of a list that the resolver ran with: {}",
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
            self.told.withdrawn.questions += questions;
            self.told.withdrawn.hours += 1;
        }
    }

    fn take_event(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        self.told.note_event(seq, leaf);
        let faults = self.runs.follow(leaf);
        for (code, message) in faults {
            self.find_at(seq, code, message);
        }
        match leaf.kind {
            "live" | "rollback" => self.stand(seq, leaf),
            "restored" if leaf.list.is_none() => self.restored(seq, leaf),
            "follows" => self.follows(seq, leaf),
            "clock" => self.go_back(seq, leaf),
            _ => self.commitments.note(leaf),
        }
    }

    fn restored(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        let begins = self.next_hour.unwrap_or(UnixSeconds::MIN);
        if let Some(ended) = ended_by(seq, leaf, &self.origin, begins) {
            self.told.restored = Some(ended);
            self.runs.times.hand_over(self.next_hour);
        } else {
            let message = "does not stand behind the first start, or does not say which other log \
                           ended, and from when to when nothing is told";
            self.find_at(seq, "restored", message.to_owned());
        }
    }

    fn follows(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        let begins = self.next_hour.unwrap_or(UnixSeconds::MIN);
        if let Some(closed) = closed_by(seq, leaf, &self.origin, begins) {
            self.runs.times.hand_over(self.next_hour);
            // From there on nobody else tells.
            (self.next_hour, self.first) = (Some(closed.until.0), closed.until.0);
            self.told.follows = Some(closed);
        } else {
            let message = "does not stand behind the first start, or does not say which other log \
                           was closed, and up to when that told";
            self.find_at(seq, "follows", message.to_owned());
        }
    }

    /// Goes back, where the event says so.
    fn go_back(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        let Some(Statement::Withdrawn(withdrawal)) = leaf.said() else {
            return;
        };
        let (since, until) = (withdrawal.since.0, withdrawal.until.0);
        let is_known = self.withdrawals.has(seq);
        let standing = &mut self.runs.standing;
        if !is_known || !standing.go_back(leaf.at.0, withdrawal, self.first) {
            let message = "goes back to a time that is none which the clock can have come right \
                           at, or more often than any clock does";
            self.find_at(seq, "clock", message.to_owned());
            return;
        }
        self.told.withdrawn.times += 1;
        self.runs.times.go_back(until);
        self.commitments.withdraw(since);
        self.first = self.first.min(since);
        self.next_hour = Some(since);
        (self.time, self.span.1) = (until, until);
    }

    fn stand(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        let Some(list) = leaf.list else { return };
        self.runs.times.live(list, leaf.at.0);
        let (serial, manifest) = (leaf.serial, leaf.manifest.map(str::to_owned));
        // Rollbacks did not say what they put in force; the `live` behind them did.
        if leaf.kind == "live" || serial.is_some() || manifest.is_some() {
            let version = (list.to_owned(), serial, manifest.clone());
            self.told.note_version(seq, version);
        }
        self.standing.insert(list.to_owned(), (serial, manifest));
    }

    /// Notes what is wrong with the leaf at `seq`.
    fn find_at(&mut self, seq: u64, code: &'static str, message: String) {
        self.find(code, format!("{} leaf {seq}", self.origin), message);
    }

    fn find_in(&mut self, hour: UnixSeconds, code: &'static str, message: String) {
        self.find(
            code,
            format!("{} hour {}", self.origin, Moment(hour)),
            message,
        );
    }

    fn find(&mut self, code: &'static str, place: String, message: String) {
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

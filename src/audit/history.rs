//! Follows one log leaf by leaf and says where it contradicts itself: gaps that are none, hours that are missing, sums that differ.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::clock::{UnixSeconds, hour_start};
use crate::count::{Carried, Ended, EventLeaf, GapKind, HourLeaf, Leaf, LeafGap, Moment};

use super::totals::Totals;
use super::{FINDINGS_MAX, Finding};

const HOUR_S: i64 = 3600;

/// One log as far as it has been read.
#[derive(Debug)]
pub(super) struct History {
    origin: String,
    time: UnixSeconds,
    /// The runs so far, as far as they may still matter; the last one is the present one.
    stretches: Vec<Stretch>,
    hour: Option<Hour>,
    /// The hour that comes next, once there was one.
    next_hour: Option<UnixSeconds>,
    carried_out: u64,
    /// Serial and manifest of each list in force.
    standing: BTreeMap<String, (Option<u64>, Option<String>)>,
    pub(super) totals: Totals,
    pub(super) told: Told,
    pub(super) findings: Vec<Finding>,
}

/// What a log tells, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) first_hour: Option<UnixSeconds>,
    pub(super) hours: u64,
    /// Seconds without record within the time that it covers, by kind.
    pub(super) gap_s: BTreeMap<&'static str, u64>,
    pub(super) events: BTreeMap<String, u64>,
    /// Serial and manifest of each version of a list that was in force.
    pub(super) versions: BTreeSet<(String, u64, String)>,
}

/// A time in which a run was on record.
#[derive(Clone, Debug)]
struct Stretch {
    run: Rc<Run>,
    from: UnixSeconds,
    /// The end; none while it goes on.
    until: Option<UnixSeconds>,
    /// Why there is nothing on record after it.
    kind: GapKind,
}

#[derive(Debug)]
struct Run {
    boot: String,
    software: String,
    configuration: String,
    lists: BTreeSet<String>,
}

/// The hour whose leaves are being read.
#[derive(Debug)]
struct Hour {
    hour: UnixSeconds,
    questions: u64,
    ended: Ended,
    carried: Carried,
    lists: BTreeSet<String>,
    blocked: u64,
    /// What is missing of it, from the runs.
    gaps: Vec<LeafGap<'static>>,
}

impl Stretch {
    fn overlap_s(&self, hour: UnixSeconds) -> u64 {
        let until = self.until.unwrap_or(UnixSeconds::MAX).min(hour + HOUR_S);
        u64::try_from(until - self.from.max(hour)).unwrap_or_default()
    }

    /// Whether it reached into the hour at all, be it for no time.
    fn touches(&self, hour: UnixSeconds) -> bool {
        self.from < hour + HOUR_S && self.until.is_none_or(|until| until >= hour)
    }
}

impl History {
    pub(super) fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            time: UnixSeconds::MIN,
            stretches: Vec::new(),
            hour: None,
            next_hour: None,
            carried_out: 0,
            standing: BTreeMap::new(),
            totals: Totals::default(),
            told: Told::default(),
            findings: Vec::new(),
        }
    }

    /// Reads the leaf at `seq`.
    pub(super) fn take(&mut self, seq: u64, leaf: &Leaf<'_>) {
        let (provider, resolver) = match leaf {
            Leaf::Hour(leaf) => (leaf.provider, leaf.resolver),
            Leaf::Event(leaf) => (leaf.provider, leaf.resolver),
        };
        if leaf.seq() != seq {
            self.find_at(seq, "sequence", format!("says that it is leaf {}", leaf.seq()));
        }
        if self.origin.split_once('/') != Some((provider, resolver)) {
            self.find_at(seq, "author", format!("is of {provider}/{resolver}"));
        }
        if leaf.time() < self.time {
            self.find_at(seq, "time", format!("is of {}, earlier than the leaf before", Moment(leaf.time())));
        }
        self.time = self.time.max(leaf.time());
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
        if self.time > UnixSeconds::MIN {
            self.expect_gaps_before(hour_start(self.time));
        }
    }

    /// Up to when every hour is told of.
    pub(super) fn until(&self) -> Option<UnixSeconds> {
        self.next_hour
    }

    fn take_hour(&mut self, seq: u64, leaf: &HourLeaf<'_>) {
        let hour = leaf.hour.0;
        if self.hour.as_ref().is_none_or(|open| open.hour != hour) {
            self.open_hour(seq, leaf);
        }
        if let Some(message) = leaf.imbalance() {
            self.find_at(seq, "sum", message);
        }
        let Some(open) = &self.hour else { return };
        let mut found = Vec::new();
        if open.lists.last().is_some_and(|last| last.as_str() >= leaf.list) {
            found.push(("list", format!("list {} is told of twice, or out of order", leaf.list)));
        }
        if (open.questions, open.ended, open.carried) != (leaf.questions, leaf.ended, leaf.carried) {
            found.push(("sum", "the resolver's figures differ from those in the hour's other leaves".to_owned()));
        }
        if open.gaps != leaf.gaps {
            found.push(("gap", format!("its gaps are not those between the runs, which miss {}", describe(&open.gaps))));
        }
        let touching = || self.stretches.iter().filter(|stretch| stretch.touches(hour));
        let in_force_s: u64 =
            touching().filter(|stretch| stretch.run.lists.contains(leaf.list)).map(|stretch| stretch.overlap_s(hour)).sum();
        if in_force_s != leaf.in_force_s {
            found.push(("gap", format!("the list was in force for {in_force_s} seconds by the runs, not for {}", leaf.in_force_s)));
        }
        match touching().next_back().map(|stretch| &stretch.run) {
            Some(run)
                if (run.boot.as_str(), run.software.as_str(), run.configuration.as_str())
                    == (leaf.boot, leaf.software, leaf.configuration) => {}
            _ => found.push(("run", "its run, software or configuration is not that of the hour's last start".to_owned())),
        }
        let (serial, manifest) = self.standing.get(leaf.list).map_or((None, None), |(serial, manifest)| (*serial, manifest.as_deref()));
        if (serial, manifest) != (leaf.serial, leaf.manifest) {
            found.push(("version", "serial and manifest are not those of the list's last version".to_owned()));
        }
        found.into_iter().for_each(|(code, message)| self.find_at(seq, code, message));
        self.totals.add_list(hour, leaf.list, leaf.blocked);
        if let Some(open) = &mut self.hour {
            open.lists.insert(leaf.list.to_owned());
            open.blocked += leaf.blocked.sum();
        }
    }

    fn open_hour(&mut self, seq: u64, leaf: &HourLeaf<'_>) {
        self.close_hour();
        let hour = leaf.hour.0;
        if self.next_hour.is_some_and(|next| hour < next) {
            self.find_at(seq, "hour", format!("the hour {} was told of before", leaf.hour));
        }
        if self.told.first_hour.is_none() {
            self.told.first_hour = Some(hour);
        } else {
            self.expect_gaps_before(hour);
        }
        if leaf.carried.into != self.carried_out {
            let message = format!("{} questions are carried in, but {} were carried out before", leaf.carried.into, self.carried_out);
            self.find_at(seq, "carried", message);
        }
        // Nothing before this hour is asked for again, but for the stretch that says why it begins with a gap.
        let old = self.stretches.iter().take_while(|stretch| stretch.until.is_some_and(|until| until < hour)).count();
        self.stretches.drain(..old.saturating_sub(1));
        let gaps = self.gaps(hour);
        for gap in &gaps {
            let length = gap.until.0.abs_diff(gap.from.0);
            *self.told.gap_s.entry(gap.kind).or_default() += length;
        }
        self.hour = Some(Hour {
            hour,
            questions: leaf.questions,
            ended: leaf.ended,
            carried: leaf.carried,
            lists: BTreeSet::new(),
            blocked: 0,
            gaps,
        });
    }

    fn close_hour(&mut self) {
        let Some(Hour { hour, questions, ended, carried, lists, blocked, .. }) = self.hour.take() else { return };
        let touching = self.stretches.iter().filter(|stretch| stretch.touches(hour));
        let expected: BTreeSet<&String> = touching.flat_map(|stretch| &stretch.run.lists).collect();
        let differing: Vec<&str> = expected.symmetric_difference(&lists.iter().collect()).map(|list| list.as_str()).collect();
        let message = format!("the lists of its leaves are not those of its runs; in one of them only: {}", differing.join(", "));
        if !differing.is_empty() {
            self.find_in(hour, "list", message);
        }
        if blocked != ended.blocked {
            self.find_in(hour, "sum", format!("the lists blocked {blocked} in all, the resolver {}", ended.blocked));
        }
        self.carried_out = carried.out;
        self.next_hour = Some(hour + HOUR_S);
        self.totals.add_questions(hour, questions);
        self.told.hours += 1;
    }

    /// Hours without leaves must be hours in which nothing ran.
    fn expect_gaps_before(&mut self, end: UnixSeconds) {
        let Some(start) = self.next_hour.or_else(|| self.stretches.first().map(|stretch| hour_start(stretch.from))) else { return };
        let mut hour = start;
        while hour < end {
            let counted = |stretch: &&Stretch| !stretch.run.lists.is_empty() && stretch.overlap_s(hour) > 0;
            if self.stretches.iter().any(|stretch| counted(&stretch)) {
                self.find_in(hour, "hour", "the resolver ran, and there is no leaf".to_owned());
            } else if let Some(before) = self.stretches.iter().rev().find(|stretch| stretch.from < hour) {
                *self.told.gap_s.entry(before.kind.name()).or_default() += HOUR_S.unsigned_abs();
            }
            hour += HOUR_S;
        }
    }

    /// What the runs leave out of an hour.
    fn gaps(&self, hour: UnixSeconds) -> Vec<LeafGap<'static>> {
        let (mut gaps, mut reached, mut kind) = (Vec::new(), hour, GapKind::Unrecorded);
        let mut add = |from: UnixSeconds, until: UnixSeconds, kind: GapKind| {
            if from < until {
                gaps.push(LeafGap { from: Moment(from), kind: kind.name(), until: Moment(until) });
            }
        };
        for stretch in &self.stretches {
            add(reached, stretch.from.min(hour + HOUR_S), kind);
            reached = reached.max(stretch.until.unwrap_or(UnixSeconds::MAX));
            kind = stretch.kind;
        }
        add(reached, hour + HOUR_S, kind);
        gaps
    }

    fn take_event(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        *self.told.events.entry(leaf.kind.to_owned()).or_default() += 1;
        let is_running = self.stretches.last().is_some_and(|stretch| stretch.until.is_none());
        let boot = self.stretches.last().map(|stretch| stretch.run.boot.clone());
        if leaf.kind == "start" {
            let previous = leaf.body.get("previous").and_then(Value::as_str);
            if is_running || previous != boot.as_deref() || Some(leaf.boot) == previous {
                self.find_at(seq, "run", "a start that does not follow the end of the run before".to_owned());
            }
            return self.start(seq, leaf);
        }
        if boot.as_deref() != Some(leaf.boot) {
            self.find_at(seq, "run", "happened to another run than the one that started last".to_owned());
        }
        match leaf.kind {
            "stop" | "crash" if !is_running => self.find_at(seq, "run", "ends a run that had ended".to_owned()),
            "stop" => self.end_stretch(leaf.at.0, GapKind::Stopped),
            "crash" => self.end_stretch(leaf.at.0, GapKind::Crash),
            "clock" => self.step(seq, leaf, is_running),
            "live" | "rollback" => self.stand(leaf),
            _ => {}
        }
    }

    fn start(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        let word = |key: &str| leaf.body.get(key).and_then(Value::as_str).map(str::to_owned);
        let lists = leaf.body.get("lists").and_then(Value::as_array).map(Vec::as_slice);
        let ids = lists.map(|lists| lists.iter().filter_map(Value::as_str).map(str::to_owned).collect::<BTreeSet<_>>());
        let read =
            || Some(Run { boot: leaf.boot.to_owned(), software: word("software")?, configuration: word("configuration")?, lists: ids? });
        match read() {
            Some(run) => {
                self.stretches.push(Stretch { run: Rc::new(run), from: leaf.at.0, until: None, kind: GapKind::Crash });
            }
            None => self.find_at(seq, "run", "a start that does not name its software, configuration and lists".to_owned()),
        }
    }

    fn end_stretch(&mut self, at: UnixSeconds, kind: GapKind) {
        if let Some(last) = self.stretches.last_mut() {
            (last.until, last.kind) = (Some(at), kind);
        }
    }

    fn step(&mut self, seq: u64, leaf: &EventLeaf<'_>, is_running: bool) {
        let Some((until, by_s)) = read_step(&leaf.body).filter(|(until, by_s)| is_running && *until == leaf.at.0 + by_s.max(&0)) else {
            return self.find_at(seq, "run", "a step of the clock that does not say from when to when".to_owned());
        };
        if by_s > 0
            && let Some(run) = self.stretches.last().map(|stretch| Rc::clone(&stretch.run))
        {
            self.end_stretch(leaf.at.0, GapKind::Unrecorded);
            self.stretches.push(Stretch { run, from: until, until: None, kind: GapKind::Crash });
        }
    }

    fn stand(&mut self, leaf: &EventLeaf<'_>) {
        let Some(list) = leaf.list else { return };
        self.standing.insert(list.to_owned(), (leaf.serial, leaf.manifest.map(str::to_owned)));
        if let Some((serial, manifest)) = leaf.serial.zip(leaf.manifest) {
            self.told.versions.insert((list.to_owned(), serial, manifest.to_owned()));
        }
    }

    fn find_at(&mut self, seq: u64, code: &'static str, message: String) {
        self.find(code, format!("{} leaf {seq}", self.origin), message);
    }

    fn find_in(&mut self, hour: UnixSeconds, code: &'static str, message: String) {
        self.find(code, format!("{} hour {}", self.origin, Moment(hour)), message);
    }

    fn find(&mut self, code: &'static str, place: String, message: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding::new(code, place, message));
        }
    }
}

/// Up to when the clock jumped, and by how many seconds.
fn read_step(body: &Map<String, Value>) -> Option<(UnixSeconds, i64)> {
    let until: Moment = body.get("until")?.as_str()?.parse().ok()?;
    Some((until.0, body.get("by_s")?.as_i64()?))
}

fn describe(gaps: &[LeafGap<'_>]) -> String {
    let gaps: Vec<String> = gaps.iter().map(|gap| format!("{} to {} ({})", gap.from, gap.until, gap.kind)).collect();
    if gaps.is_empty() { "nothing".to_owned() } else { gaps.join(", ") }
}

//! Follows one log leaf by leaf and says where it contradicts itself: hours that are missing, gaps
//! that are none, sums that differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::entry_counts::Commitments;
use super::restored::RestoredLog;
use super::told::ToldEvent;
use super::totals::Totals;
use super::{FINDINGS_MAX, Finding};
use crate::clock::{HOUR_S, UnixSeconds, hour_start};
use crate::count::{Carried, Ended, EventLeaf, HourLeaf, Leaf, LeafGap, Moment};

/// How many keys the body of a start has.
const START_KEYS: usize = 5;
/// Said of a start that stands where it cannot.
const NO_SUCCESSOR: &str = "a start that follows no end of a run, or does not say of what";

/// One log as far as it has been read.
#[derive(Debug)]
pub(super) struct LogHistory {
    origin: String,
    time: UnixSeconds,
    /// The runs that were started, by their boot.
    runs: BTreeMap<String, LogRun>,
    /// The boot of the run that was started last.
    boot: Option<String>,
    is_running: bool,
    /// The runs since the last hour that has leaves, and the one that went on at its end.
    recent: Vec<Option<String>>,
    /// The newest form of an hour so far.
    hour_form: u64,
    hour: Option<HistoryHour>,
    /// The hour that comes next; at first that of the log's first leaf.
    next_hour: Option<UnixSeconds>,
    carried_out: u64,
    /// Serial and manifest of each list in force.
    standing: BTreeMap<String, (Option<u64>, Option<String>)>,
    pub(super) totals: Totals,
    pub(super) commitments: Commitments,
    pub(super) told: ToldEvent,
    pub(super) findings: Vec<Finding>,
}

/// What a start says of its run; the other keys of its body are `previous` and `behind_s`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogRun {
    software: String,
    configuration: String,
    lists: BTreeSet<String>,
    previous: Option<String>,
    #[serde(rename = "behind_s")]
    _behind_s: u64,
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

impl LogHistory {
    pub(super) fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            time: UnixSeconds::MIN,
            runs: BTreeMap::new(),
            boot: None,
            is_running: false,
            recent: Vec::new(),
            hour_form: 0,
            hour: None,
            next_hour: None,
            carried_out: 0,
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
        self.next_hour.get_or_insert(hour_start(start));
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
        let had_list = |boot: &Option<String>| {
            let run = boot.as_ref().and_then(|boot| self.runs.get(boot));
            run.is_some_and(|run| run.lists.contains(leaf.list))
        };
        let untold = || {
            leaf.untold_time()
                .filter(|_| self.recent.iter().all(had_list))
        };
        let misplaced = leaf.misplaced_time().or_else(untold);
        found.extend(misplaced.map(|message| ("gap", message)));
        match self.runs.get(leaf.boot) {
            Some(run)
                if (run.software.as_str(), run.configuration.as_str())
                    == (leaf.software, leaf.configuration) => {}
            _ => found.push((
                "run",
                "no run was started that has its boot, software and configuration".to_owned(),
            )),
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
        self.totals.add_list(leaf.hour.0, leaf.list, leaf.blocked);
        self.totals.add_absence(leaf.list, leaf.not_in_force_s());
        self.told.note_absences(leaf);
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
        let expected = self.runs.get(&boot).into_iter().flat_map(|run| &run.lists);
        let missing: Vec<&str> = expected
            .filter(|list| !lists.contains(*list))
            .map(String::as_str)
            .collect();
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
        self.recent = vec![self.boot.clone()];
        self.next_hour = Some(hour + HOUR_S);
        self.totals.add_questions(hour, questions);
        self.told.hours += 1;
    }

    fn take_event(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        *self.told.events.entry(leaf.kind.to_owned()).or_default() += 1;
        if leaf.kind == "start" {
            return self.start(seq, leaf);
        }
        if !self.is_running || self.boot.as_deref() != Some(leaf.boot) {
            self.find_at(
                seq,
                "run",
                "happened to another run than the one that is going on".to_owned(),
            );
        }
        match leaf.kind {
            "stop" | "crash" => self.is_running = false,
            "live" | "rollback" => self.stand(seq, leaf),
            "restored" if leaf.list.is_none() => self.restored(seq, leaf),
            _ => self.commitments.note(leaf),
        }
    }

    fn start(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        let follows = |run: &LogRun| {
            !self.is_running && run.previous == self.boot && !self.runs.contains_key(leaf.boot)
        };
        let run = read_start(&leaf.body).filter(follows);
        self.boot = run.as_ref().map(|_| leaf.boot.to_owned());
        self.recent.push(self.boot.clone());
        self.is_running = true;
        match run {
            Some(run) => drop(self.runs.insert(leaf.boot.to_owned(), run)),
            None => self.find_at(seq, "run", NO_SUCCESSOR.to_owned()),
        }
    }

    fn restored(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        match RestoredLog::told_at(seq, leaf, &self.origin) {
            Ok(restored) => self.told.restored = Some(restored),
            Err(message) => self.find_at(seq, "restored", message),
        }
    }

    fn stand(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        let Some(list) = leaf.list else { return };
        let version = (leaf.serial, leaf.manifest.map(str::to_owned));
        if let (Some(serial), Some(manifest)) = version.clone() {
            let version = (list.to_owned(), serial, manifest);
            self.told.versions.entry(version).or_insert(seq);
        }
        self.standing.insert(list.to_owned(), version);
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

fn read_start(body: &Map<String, Value>) -> Option<LogRun> {
    // A missing `previous` would be read as one that is null.
    (body.len() == START_KEYS).then(|| serde_json::from_value(Value::Object(body.clone())).ok())?
}

//! What a log tells, for people: its hours, gaps, events and versions, gathered as its leaves are
//! read.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::UnixSeconds;
use crate::count::GapKind;
use crate::record::{
    ClosedLog, EndedLog, EventKind, EventLeaf, HourLeaf, LEAF_VERSION, LeafGap, Moment,
};

/// Times without a list that are told one by one, of one log.
const ABSENCES_MAX: usize = 100;
/// Lists of which withdrawn hours are told, of one log.
const WITHDRAWN_LISTS_MAX: usize = 100;
/// Versions that are told one by one, of one log.
const VERSIONS_MAX: usize = 200;
/// Statements of unknown kinds that are told of one log.
const UNJUDGED_MAX: usize = 10;
/// What events of such kinds are counted under.
const UNKNOWN_KIND: &str = "unknown";

/// What a log tells, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ToldEvent {
    pub(super) first_hour: Option<UnixSeconds>,
    pub(super) hours: u64,
    /// Hours that do not say when their lists were not in force.
    pub(super) silent_hours: u64,
    /// Seconds without record within the time that it covers, by kind.
    pub(super) gap_s: BTreeMap<String, u64>,
    /// By list.
    pub(super) not_in_force: BTreeMap<String, Vec<AbsentTime>>,
    pub(super) events: BTreeMap<String, u64>,
    pub(super) restored: Option<EndedLog>,
    pub(super) follows: Option<ClosedLog>,
    /// What is of a kind that is not known here, and bears on something.
    pub(super) unjudged: Vec<Unjudged>,
    /// What each list was in force with, as far as that is kept.
    pub(super) versions: BTreeSet<ListVersion>,
    pub(super) has_more_versions: bool,
    /// Times without a list that are kept, and whether there are more.
    absences: usize,
    pub(super) has_more_absences: bool,
    /// What it told of times that had not come.
    pub(super) withdrawn: WithdrawnHours,
}

/// Hours that were told while the clock was ahead, and are withdrawn: they are in no sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct WithdrawnHours {
    /// How often the log went back.
    pub times: u64,
    /// How many hours.
    pub hours: u64,
    /// Questions in them.
    pub questions: u64,
    /// What each list blocked in them, of the first hundred lists.
    pub blocked: BTreeMap<String, u64>,
}

/// A list, and the serial and the manifest that it was in force with; none where nobody says.
pub(super) type ListVersion = (String, Option<u64>, Option<String>);

/// A statement of a kind that this program does not know, and that bears on something.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Unjudged {
    /// The leaf's place in the log.
    pub leaf: u64,
    /// Its kind.
    pub kind: String,
    /// What it bears on.
    pub touches: Vec<String>,
}

/// A time in which a list was configured and not in force.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AbsentTime {
    /// Its first second.
    pub from: Moment,
    /// The first second after it.
    pub until: Moment,
    /// How many seconds that is.
    pub seconds: u64,
}

impl WithdrawnHours {
    /// Adds an hour of one list.
    pub(super) fn add(&mut self, leaf: &HourLeaf<'_>) {
        if self.blocked.len() < WITHDRAWN_LISTS_MAX || self.blocked.contains_key(leaf.list) {
            let sum = self.blocked.entry(leaf.list.to_owned()).or_default();
            *sum = sum.saturating_add(leaf.blocked.sum());
        }
    }
}

impl ToldEvent {
    /// Notes what a list is in force with.
    pub(super) fn note_version(&mut self, version: ListVersion) {
        if self.versions.len() < VERSIONS_MAX {
            self.versions.insert(version);
        } else {
            self.has_more_versions |= !self.versions.contains(&version);
        }
    }

    /// Notes an event, and whether it cannot be judged here.
    pub(super) fn note_event(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        let kind = EventKind::parse(leaf.kind).map_or(UNKNOWN_KIND, EventKind::word);
        match self.events.get_mut(kind) {
            Some(count) => *count += 1,
            None => {
                self.events.insert(kind.to_owned(), 1);
            }
        }
        if leaf.is_beyond_judgement() && self.unjudged.len() < UNJUDGED_MAX {
            let touches = leaf.touches.iter().flatten();
            self.unjudged.push(Unjudged {
                leaf: seq,
                kind: leaf.kind.to_owned(),
                touches: touches.map(|word| (*word).to_owned()).collect(),
            });
        }
    }

    /// Notes what the leaves of an hour have in common, by the first of them.
    pub(super) fn note_hour(&mut self, leaf: &HourLeaf<'_>) {
        self.first_hour.get_or_insert(leaf.hour.0);
        self.silent_hours += u64::from(leaf.v == LEAF_VERSION);
        let known = |gap: &&LeafGap<'_>| GapKind::ALL.iter().any(|kind| kind.name() == gap.kind);
        for gap in leaf.gaps.iter().filter(known) {
            *self.gap_s.entry(gap.kind.to_owned()).or_default() += gap.until.0.abs_diff(gap.from.0);
        }
    }

    /// Notes when the leaf's list was not in force; what goes on from the hour before is one time.
    pub(super) fn note_absences(&mut self, leaf: &HourLeaf<'_>) {
        for span in leaf.absences() {
            let times = self.not_in_force.entry(leaf.list.to_owned()).or_default();
            let seconds = span.until.0.abs_diff(span.from.0);
            match times.last_mut().filter(|last| last.until == span.from) {
                Some(last) => {
                    last.until = span.until;
                    last.seconds = last.seconds.saturating_add(seconds);
                }
                None if self.absences == ABSENCES_MAX => self.has_more_absences = true,
                None => {
                    self.absences += 1;
                    times.push(AbsentTime {
                        from: span.from,
                        until: span.until,
                        seconds,
                    });
                }
            }
        }
    }
}

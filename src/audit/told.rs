//! What a log tells, for people: its hours, gaps, events and versions, gathered as its leaves are
//! read.

use std::collections::BTreeMap;

use super::FINDINGS_MAX;
use crate::clock::UnixSeconds;
use crate::record::{ClosedLog, EndedLog, EventLeaf, HourLeaf, LEAF_VERSION, Moment};

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
    /// What it told of times that had not come.
    pub(super) withdrawn: WithdrawnHours,
    /// What each list was in force with, and the leaf that first said so.
    pub(super) versions: BTreeMap<ListVersion, u64>,
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
    /// What each list blocked in them.
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
        let sum = self.blocked.entry(leaf.list.to_owned()).or_default();
        *sum = sum.saturating_add(leaf.blocked.sum());
    }
}

impl ToldEvent {
    /// Notes what a list is in force with.
    pub(super) fn note_version(&mut self, seq: u64, version: ListVersion) {
        self.versions.entry(version).or_insert(seq);
    }

    /// Notes an event, and whether it cannot be judged here.
    pub(super) fn note_event(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        *self.events.entry(leaf.kind.to_owned()).or_default() += 1;
        if leaf.is_beyond_judgement() && self.unjudged.len() < FINDINGS_MAX {
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
        for gap in &leaf.gaps {
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
                None => times.push(AbsentTime {
                    from: span.from,
                    until: span.until,
                    seconds,
                }),
            }
        }
    }
}

//! What one resolver has on record for the published report: each list's blocked questions, hour by
//! hour.

use crate::clock::UnixSeconds;

use super::record::{Gap, ListGap, ListRecord, recorded_s};

/// The hours of one resolver between two moments, without kinds of question: what is published is
/// coarser still.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hourly {
    /// Random marks of its runs: two records that share one are copies of the same resolver's.
    pub boots: Vec<String>,
    /// When the record was read.
    pub read_at: UnixSeconds,
    /// Up to here nothing more can come: what the resolver counts later belongs to later hours.
    pub complete_until: UnixSeconds,
    /// The last moment that the resolver wrote its counts, or 0.
    pub written_until: UnixSeconds,
    /// The lists with an hour on record, by id; their papers are all that there ever were.
    pub lists: Vec<ListRecord>,
    /// The hours in which the resolver ran, earliest first.
    pub hours: Vec<HourTotal>,
    /// Each list's part of these hours, by hour and then by list; a list without a cell was not
    /// configured in that hour.
    pub cells: Vec<ListHour>,
    /// The times for which nothing is on record, earliest first.
    pub gaps: Vec<Gap>,
    /// The times on record in which a list was not in force, by list and earliest first.
    pub list_gaps: Vec<ListGap>,
    /// The versions of lists that took effect.
    pub applied: Vec<Applied>,
    /// What else was done about the lists.
    pub steps: Vec<Step>,
    /// The first checkpoint of each month, earliest first: it seals the months before it.
    pub seals: Vec<Seal>,
}

/// Something that was done about a list on one resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: UnixSeconds,
    /// The list's id.
    pub list: String,
    /// What.
    pub kind: StepKind,
}

/// What was done about a list, as the journal has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A version was refused.
    Refused,
    /// An operator let findings pass.
    Override,
    /// An earlier version was put in force again.
    Rollback,
    /// Entries were taken off at once.
    Removal,
    /// A receipt was signed.
    Receipt,
}

impl StepKind {
    /// All kinds, in the order of the report's columns.
    pub const ALL: [Self; 5] = [
        Self::Refused,
        Self::Override,
        Self::Rollback,
        Self::Removal,
        Self::Receipt,
    ];

    /// The journal's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Override => "override",
            Self::Rollback => "rollback",
            Self::Removal => "removal",
            Self::Receipt => "receipt",
        }
    }
}

/// A checkpoint of the resolver's audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// When it was signed.
    pub at: UnixSeconds,
    /// The signed note (C2SP tlog-checkpoint): the log's name, its size and its root hash on three
    /// lines, then signatures.
    pub note: String,
}

/// A version of a list that took effect on one resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The list's id.
    pub list: String,
    /// Its serial, by its manifest.
    pub serial: u64,
    /// When its authority published it, by its manifest.
    pub issued: UnixSeconds,
    /// Since when the resolver blocks by it.
    pub live: UnixSeconds,
    /// When it signed a receipt for it; none where it did not.
    pub receipt: Option<UnixSeconds>,
}

/// All questions of one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourTotal {
    /// The hour's first second.
    pub hour: UnixSeconds,
    /// All questions.
    pub questions: u64,
}

/// One list in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListHour {
    /// The hour's first second.
    pub hour: UnixSeconds,
    /// The list's place in [`Hourly::lists`].
    pub list: usize,
    /// Blocked questions of every kind.
    pub blocked: u64,
    /// Seconds on record in which the resolver ran with the list in its configuration; none where
    /// that was not noted, as by older programs.
    pub ran_s: Option<u64>,
}

impl Hourly {
    /// How many seconds of an hour are on record.
    pub fn recorded_s(&self, hour: UnixSeconds) -> u64 {
        recorded_s(&self.gaps, self.written_until, hour)
    }
}

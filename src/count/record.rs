//! What was counted over a stretch of time: the store reads it from disk, the report prints it.

use crate::clock::UnixSeconds;

use super::cells::{Event, ListCounts};

/// A list as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListIdentity {
    /// Its id: letters, digits and hyphens.
    pub id: String,
    /// Who made it.
    pub authority: String,
    /// On what ground it is applied.
    pub legal_basis: String,
}

/// Which time a record is wanted for; an open end means all there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// The first second, the start of an hour.
    pub from: Option<UnixSeconds>,
    /// The first second after it, the start of an hour.
    pub until: Option<UnixSeconds>,
}

/// The hours that a log tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldHours {
    /// The first second of the first one.
    pub from: UnixSeconds,
    /// The first second after the last one.
    pub until: UnixSeconds,
}

/// Everything on record between two hours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The first second.
    pub from: UnixSeconds,
    /// The first second after it; what lies after `written_until` is not on record yet.
    pub until: UnixSeconds,
    /// When the record was read.
    pub read_at: UnixSeconds,
    /// The last moment that the resolver wrote its counts, or 0.
    pub written_until: UnixSeconds,
    /// The lists that were configured in one of the hours, by id.
    pub lists: Vec<ListRecord>,
    /// The hours in which the resolver ran, earliest first.
    pub hours: Vec<HourRecord>,
    /// The times for which nothing is on record, earliest first; they may overlap only where the
    /// clock was moved.
    pub gaps: Vec<Gap>,
    /// The times on record in which a configured list was not in force, by list and earliest first.
    pub list_gaps: Vec<ListGap>,
    /// Up to when an older program counted that did not note which lists were not in force; none
    /// where there is no such time in this record.
    pub unnoted_until: Option<UnixSeconds>,
    /// What a clock that was ahead dated, by when the log went back.
    pub withdrawn: Vec<WithdrawnTime>,
}

/// One list of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRecord {
    /// Its id.
    pub id: String,
    /// Its authority and legal basis, each as of its date, earliest first.
    pub papers: Vec<Papers>,
}

/// Who answers for a list from a date on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Papers {
    /// Since when.
    pub since: UnixSeconds,
    /// Who made the list.
    pub authority: String,
    /// On what ground it is applied.
    pub legal_basis: String,
}

/// One hour of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HourRecord {
    /// The hour's first second.
    pub hour: UnixSeconds,
    /// All questions.
    pub questions: u64,
    /// Questions by [`Event`].
    pub events: [u64; Event::ALL.len()],
    /// Blocked questions, in the order of [`Record::lists`]; none for a list that was not
    /// configured then.
    pub lists: Vec<Option<ListCounts>>,
}

/// A time for which nothing is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its first second.
    pub from: UnixSeconds,
    /// The first second after it; equal to `from` after a crash of under a second, or of unknown
    /// length as the clock was set back.
    pub until: UnixSeconds,
    /// Why there is nothing.
    pub kind: GapKind,
}

/// A time on record in which one list was configured and not in force: the resolver answered, and
/// none of the list's names was blocked. What other lists blocked is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListGap {
    /// The list's id.
    pub list: String,
    /// Its first second.
    pub from: UnixSeconds,
    /// The first second after it.
    pub until: UnixSeconds,
}

impl ListGap {
    /// The name of this kind of gap in reports.
    pub const KIND: &'static str = "not-in-force";

    /// Its seconds from `start` up to `end`.
    pub fn seconds_within(&self, start: UnixSeconds, end: UnixSeconds) -> u64 {
        let seconds = self.until.min(end) - self.from.max(start);
        seconds.max(0).unsigned_abs()
    }
}

/// What was counted while the clock was ahead, or before it was known to be: in no hour, since
/// nobody can tell when it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithdrawnTime {
    /// The end of the last hour that stands.
    pub since: UnixSeconds,
    /// How far the clock had come.
    pub until: UnixSeconds,
    /// What the clock said when it had come right again; nothing here was counted later.
    pub back_to: UnixSeconds,
    /// Hours that were counted in.
    pub hours: u64,
    /// All questions.
    pub questions: u64,
    /// What each list blocked, by its id.
    pub lists: Vec<(String, ListCounts)>,
}

/// Why nothing is on record for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapKind {
    /// The resolver ended without writing its counts: what it counted last is lost.
    Crash,
    /// The resolver was stopped in an orderly way: nothing was asked of it.
    Stopped,
    /// The resolver runs, but its counts wait in memory because they cannot be written.
    Unwritten,
    /// Before the first start, or hours that the clock jumped over.
    Unrecorded,
}

impl GapKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::Crash,
        Self::Stopped,
        Self::Unwritten,
        Self::Unrecorded,
    ];

    /// The name used on disk and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Stopped => "stopped",
            Self::Unwritten => "unwritten",
            Self::Unrecorded => "unrecorded",
        }
    }
}

impl Record {
    /// How many seconds of an hour are on record: its length, as far as it has been written, less
    /// the gaps in it.
    pub fn recorded_s(&self, hour: UnixSeconds) -> u64 {
        let written = if self.written_until > hour {
            self.written_until
        } else {
            UnixSeconds::MAX
        };
        let end = written.min(hour.saturating_add(3600));
        let (mut recorded, mut reached) = (0, hour);
        for gap in self.gaps.iter().take_while(|gap| gap.from < end) {
            recorded += (gap.from.min(end) - reached).max(0);
            reached = reached.max(gap.until).min(end);
        }
        (recorded + end - reached).try_into().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_seconds_leave_out_gaps_and_what_is_not_written() {
        let gap = |from, until| Gap {
            from,
            until,
            kind: GapKind::Crash,
        };
        let record = Record {
            written_until: 14_400 + 600,
            gaps: vec![
                gap(0, 3700),
                gap(3650, 3800),
                gap(5000, 5000),
                gap(7100, 10_000),
                gap(10_700, 10_900),
            ],
            ..Record::default()
        };
        let recorded: Vec<_> = [0, 3600, 7200, 10_800, 14_400]
            .map(|hour| record.recorded_s(hour))
            .into();
        assert_eq!(recorded, [0, 3300, 700, 3500, 600]);
        assert_eq!(
            Record::default().recorded_s(3600),
            3600,
            "the clock was set back after this hour"
        );
    }
}

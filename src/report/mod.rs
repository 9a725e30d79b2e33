//! Renders the record of counts for the regulator: as text to read, CSV for a spreadsheet, JSON for machines.
//!
//! A report holds counts by list, hour and kind of question, the lists' papers, and what is missing. It cannot hold an address or a
//! listed name: a [`Record`] has none.

mod csv;
mod json;
mod span;
mod sums;
mod text;

use std::str::FromStr;

use crate::count::{GapKind, ListRecord, Papers, Record};

pub use span::{SpanError, parse_span};

/// What one count means, in every form of the report.
const COUNT_MEANING: &str = "One count is one question that a device put to the resolver. A question is not a person and not a visit: devices ask \
    on their own, ask again and ask several times for one page, and many people stand behind one device. Nothing in these figures \
    says who asked, and no case can be opened from them.";

/// What the report leaves out, in every form of the report.
const LEFT_OUT: &str = "No address of anyone and no name on a list is in this report or in the record that it is made from.";

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned tables to read.
    Text,
    /// One table with a header row (RFC 4180), one figure a row.
    Csv,
    /// One object; its fields keep their names as long as its `version` stays.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "text" => Ok(Self::Text),
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            _ => Err(format!("there is no report form {name:?}: it is text, csv or json")),
        }
    }
}

/// The record in this form, ready to print; ends with a newline.
///
/// Hours in which the resolver ran are shown even if nothing was counted; for other times there are gaps. The sums are those of the
/// rows shown.
pub fn render(record: &Record, format: Format) -> String {
    match format {
        Format::Text => text::render(record),
        Format::Csv => csv::render(record),
        Format::Json => json::render(record),
    }
}

/// What a gap means for the counts.
const fn gap_meaning(kind: GapKind) -> &'static str {
    match kind {
        GapKind::Crash => "the resolver ended unexpectedly; what it counted after its last writing is lost",
        GapKind::Stopped => "the resolver was stopped in an orderly way; nothing was asked of it and nothing is lost",
        GapKind::Unwritten => "the resolver runs but cannot write; its counts wait in memory and will be on record later",
        GapKind::Unrecorded => "there is no record: before the resolver's first start, or the clock was moved",
    }
}

/// The papers that were the last to become valid in this hour or before.
fn papers_of(list: &ListRecord, hour: i64) -> Option<&Papers> {
    list.papers.iter().rev().find(|papers| papers.since < hour + 3600).or_else(|| list.papers.first())
}

#[cfg(test)]
mod sample {
    use crate::count::{Gap, GapKind, HourRecord, ListRecord, Papers, Record};

    /// 2026-01-01T00:00:00Z.
    pub(super) const HOUR: i64 = 1_767_225_600;

    /// Two lists over five hours, of which two were lost to a crash; the second list came later.
    pub(super) fn record() -> Record {
        let papers = |since, basis: &str| Papers { since, authority: "Example \"Authority\", Ltd".into(), legal_basis: basis.into() };
        let hour = |n: i64, questions, lists: [Option<[u64; 4]>; 2]| HourRecord {
            hour: HOUR + 3600 * n,
            questions,
            events: [lists.iter().flatten().flatten().sum(), questions / 2, 0, questions.min(1), 0, 0, 0, 0],
            lists: lists.into(),
        };
        Record {
            from: HOUR,
            until: HOUR + 5 * 3600,
            read_at: HOUR + 4 * 3600 + 1803,
            written_until: HOUR + 4 * 3600 + 1800,
            lists: vec![
                ListRecord { id: "example".into(), papers: vec![papers(HOUR - 90, "Old Act"), papers(HOUR + 3700, "Example Act\u{202e}")] },
                ListRecord { id: "later".into(), papers: vec![papers(HOUR + 3600 * 3 + 600, "Example Act")] },
            ],
            hours: vec![
                hour(0, 1_234_567, [Some([100_000, 20, 3, 4]), None]),
                hour(1, 0, [Some([0; 4]), None]),
                hour(3, 50, [Some([1, 0, 0, 0]), Some([0, 9, 0, 0])]),
                hour(4, 8, [Some([0; 4]), Some([0; 4])]),
            ],
            gaps: vec![
                Gap { from: HOUR + 3600 + 1200, until: HOUR + 3600 * 3 + 600, kind: GapKind::Crash },
                Gap { from: HOUR + 3600 * 4 + 7, until: HOUR + 3600 * 4 + 7, kind: GapKind::Crash },
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_go_by_their_names() {
        assert_eq!("csv".parse(), Ok(Format::Csv));
        assert!("html".parse::<Format>().unwrap_err().contains("text, csv or json"));
    }

    #[test]
    fn papers_are_those_valid_at_the_end_of_the_hour() {
        let list = sample::record().lists.remove(0);
        let basis = |hour| papers_of(&list, sample::HOUR + hour).unwrap().legal_basis.clone();
        assert_eq!([-9000, 0, 3600].map(basis), ["Old Act", "Old Act", "Example Act\u{202e}"]);
    }
}

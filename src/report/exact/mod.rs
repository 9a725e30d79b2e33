//! Renders every count of every hour, for the operator's own eyes: nothing in it is hidden, so it
//! is not for publication.

mod captions;

mod csv;
mod json;
mod sums;
mod text;
use super::ReportFormat;
use crate::count::Record;

/// The record in this form, ready to print; ends with a newline.
///
/// Hours in which the resolver ran are shown even if nothing was counted; for other times there are
/// gaps. The sums are those of the rows shown. There is no page for a browser: what is not
/// published needs none.
pub fn render(record: &Record, format: ReportFormat) -> Option<String> {
    match format {
        ReportFormat::Text => Some(text::render(record)),
        ReportFormat::Csv => Some(csv::render(record)),
        ReportFormat::Json => Some(json::render(record)),
        ReportFormat::Html => None,
    }
}

#[cfg(test)]
mod sample {
    use crate::count::{
        Gap, GapKind, HourRecord, ListGap, ListRecord, Papers, Record, WithdrawnTime,
    };

    /// 2026-01-01T00:00:00Z.
    pub(super) const HOUR: i64 = 1_767_225_600;

    fn withdrawn() -> WithdrawnTime {
        WithdrawnTime {
            since: HOUR,
            until: HOUR + 3600 * 72 + 8,
            back_to: HOUR + 3600 * 3,
            hours: 2,
            questions: 1007,
            lists: vec![("example".into(), [100, 0, 3, 0])],
        }
    }

    /// Two lists over five hours, of which two were lost to a crash; the second list came later,
    /// and came into force after an hour.
    pub(super) fn record() -> Record {
        let papers = |since, basis: &str| Papers {
            since,
            authority: "Example \"Authority\", Ltd".into(),
            legal_basis: basis.into(),
        };
        let hour = |n: i64, questions, lists: [Option<[u64; 4]>; 2]| HourRecord {
            hour: HOUR + 3600 * n,
            questions,
            events: [
                lists.iter().flatten().flatten().sum(),
                questions / 2,
                0,
                questions.min(1),
                0,
                0,
                0,
                0,
            ],
            lists: lists.into(),
        };
        Record {
            from: HOUR,
            until: HOUR + 5 * 3600,
            read_at: HOUR + 4 * 3600 + 1803,
            written_until: HOUR + 4 * 3600 + 1800,
            lists: vec![
                ListRecord {
                    id: "example".into(),
                    papers: vec![
                        papers(HOUR - 90, "Old Act"),
                        papers(HOUR + 3700, "Example Act\u{202e}"),
                    ],
                },
                ListRecord {
                    id: "later".into(),
                    papers: vec![papers(HOUR + 3600 * 3 + 600, "Example Act")],
                },
            ],
            hours: vec![
                hour(0, 1_234_567, [Some([100_000, 20, 3, 4]), None]),
                hour(1, 0, [Some([0; 4]), None]),
                hour(3, 50, [Some([1, 0, 0, 0]), Some([0, 9, 0, 0])]),
                hour(4, 8, [Some([0; 4]), Some([0; 4])]),
            ],
            gaps: vec![
                Gap {
                    from: HOUR + 3600 + 1200,
                    until: HOUR + 3600 * 3 + 600,
                    kind: GapKind::Crash,
                },
                Gap {
                    from: HOUR + 3600 * 4 + 7,
                    until: HOUR + 3600 * 4 + 7,
                    kind: GapKind::Crash,
                },
            ],
            list_gaps: vec![ListGap {
                list: "later".into(),
                from: HOUR + 3600 * 3 + 600,
                until: HOUR + 3600 * 4 + 61,
            }],
            unnoted_until: Some(HOUR + 61),
            withdrawn: vec![withdrawn()],
        }
    }
}
#[cfg(test)]
mod tests {
    use super::captions::papers_of;
    use super::*;

    #[test]
    fn papers_are_those_valid_at_the_end_of_the_hour() {
        let list = sample::record().lists.remove(0);
        let basis = |hour| {
            papers_of(&list, sample::HOUR + hour)
                .unwrap()
                .legal_basis
                .clone()
        };
        assert_eq!(
            [-9000, 0, 3600].map(basis),
            ["Old Act", "Old Act", "Example Act\u{202e}"]
        );
    }
}

//! The exact figures as one CSV table (RFC 4180), one figure a row, so that a spreadsheet can pivot
//! it.

use super::captions::{LEFT_OUT, NOT_FOR_PUBLICATION, papers_of};
use super::sums::Sums;
use crate::count::{Event, Kind, ListCounts, ListGap, Record};
use crate::report::csv::push_row;
use crate::report::meaning::{COUNT_MEANING, LIST_GAP_MEANING, WITHDRAWN_MEANING, gap_meaning};
use crate::report::span::utc;

/// The columns; they stay as they are, new ones come at the end.
///
/// `record` says what `count` is: `blocked` (questions blocked by `list`, by `kind`), `questions`
/// (all), `ended` (how they ended, by `kind`), `recorded` (seconds of the hour on record), `gap`
/// (seconds without a record, by `kind` with its meaning in `note`; of the kind `not-in-force`
/// seconds on record in which `list` was not in force); with `sum_` before it, the same over the
/// whole span; with `withdrawn_` before it, what a clock that was ahead dated, in no
/// hour and in no sum.
const COLUMNS: [&str; 9] = [
    "record",
    "from",
    "until",
    "list",
    "authority",
    "legal_basis",
    "kind",
    "count",
    "note",
];

pub(super) fn render(record: &Record) -> String {
    let mut table = ExactRows(String::new());
    table.row(COLUMNS);
    for hour in &record.hours {
        let span = (utc(hour.hour), utc(hour.hour + 3600));
        for (list, counts) in record.lists.iter().zip(&hour.lists) {
            let Some(counts) = counts else { continue };
            let papers = papers_of(list, hour.hour)
                .map_or(("", ""), |papers| (&papers.authority, &papers.legal_basis));
            table.blocked("blocked", &span, &list.id, papers, counts);
        }
        table.totals(
            "",
            &span,
            hour.questions,
            &hour.events,
            record.recorded_s(hour.hour),
        );
    }
    for gap in &record.gaps {
        let span = (utc(gap.from), utc(gap.until));
        let length_s = (gap.until - gap.from).to_string();
        table.row([
            "gap",
            &span.0,
            &span.1,
            "",
            "",
            "",
            gap.kind.name(),
            &length_s,
            gap_meaning(gap.kind),
        ]);
    }
    for gap in &record.list_gaps {
        let (from, until) = (utc(gap.from), utc(gap.until));
        let length_s = gap.until.abs_diff(gap.from).to_string();
        table.row([
            "gap",
            &from,
            &until,
            &gap.list,
            "",
            "",
            ListGap::KIND,
            &length_s,
            LIST_GAP_MEANING,
        ]);
    }
    table.withdrawn(record);
    let sums = Sums::of(record);
    let span = (utc(record.from), utc(record.until));
    for (list, counts) in record.lists.iter().zip(&sums.lists) {
        table.blocked("sum_blocked", &span, &list.id, ("", ""), counts);
    }
    table.totals("sum_", &span, sums.questions, &sums.events, sums.recorded_s);
    for note in [NOT_FOR_PUBLICATION, COUNT_MEANING, LEFT_OUT] {
        table.row(["note", &span.0, &span.1, "", "", "", "", "", note]);
    }
    table.0
}

struct ExactRows(String);

impl ExactRows {
    fn row(&mut self, fields: [&str; COLUMNS.len()]) {
        push_row(&mut self.0, &fields);
    }

    /// What a clock that was ahead dated.
    fn withdrawn(&mut self, record: &Record) {
        for time in &record.withdrawn {
            let span = (utc(time.since), utc(time.until));
            for (list, counts) in &time.lists {
                self.blocked("withdrawn_blocked", &span, list, ("", ""), counts);
            }
            let questions = time.questions.to_string();
            self.row([
                "withdrawn_questions",
                &span.0,
                &span.1,
                "",
                "",
                "",
                "all",
                &questions,
                WITHDRAWN_MEANING,
            ]);
        }
    }

    fn blocked(
        &mut self,
        record: &str,
        span: &(String, String),
        list: &str,
        papers: (&str, &str),
        counts: &ListCounts,
    ) {
        for (kind, count) in Kind::ALL.into_iter().zip(counts) {
            self.row([
                record,
                &span.0,
                &span.1,
                list,
                papers.0,
                papers.1,
                kind.name(),
                &count.to_string(),
                "",
            ]);
        }
    }

    fn totals(
        &mut self,
        prefix: &str,
        span: &(String, String),
        questions: u64,
        events: &[u64],
        recorded_s: u64,
    ) {
        let mut figure = |record: &str, kind: &str, count: u64| {
            self.row([
                &format!("{prefix}{record}"),
                &span.0,
                &span.1,
                "",
                "",
                "",
                kind,
                &count.to_string(),
                "",
            ]);
        };
        figure("questions", "all", questions);
        for (event, count) in Event::ALL.into_iter().zip(events) {
            figure("ended", event.name(), *count);
        }
        figure("recorded", "seconds", recorded_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::csv::parse;
    use crate::report::exact::sample;

    #[test]
    fn each_row_has_all_columns_and_the_sums_are_those_of_the_rows() {
        let rows = parse(&render(&sample::record()));
        assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
        assert_eq!(rows[0], COLUMNS);
        let sum = |record: &str, list: &str, kind: &str| -> u64 {
            let rows = rows
                .iter()
                .filter(|row| row[0] == record && row[3] == list && row[6] == kind);
            rows.map(|row| row[7].parse::<u64>().unwrap()).sum()
        };
        for kind in Kind::ALL.map(Kind::name) {
            assert_eq!(
                sum("blocked", "example", kind),
                sum("sum_blocked", "example", kind)
            );
        }
        assert_eq!(sum("blocked", "example", "address"), 100_001);
        assert_eq!(
            (sum("questions", "", "all"), sum("sum_questions", "", "all")),
            (1_234_625, 1_234_625)
        );
        assert_eq!(
            (
                sum("recorded", "", "seconds"),
                sum("sum_recorded", "", "seconds")
            ),
            (9600, 9600)
        );
        assert_eq!(sum("gap", "", "crash"), 2 * 3600 - 600);
        assert_eq!(sum("gap", "later", "not-in-force"), 3600 - 600 + 61);
        assert_eq!(rows[1][4], "Example \"Authority\", Ltd");
    }

    #[test]
    fn an_hour_without_the_list_has_no_row_and_a_quiet_one_has_zeros() {
        let rows = parse(&render(&sample::record()));
        let later: Vec<_> = rows
            .iter()
            .filter(|row| row[0] == "blocked" && row[3] == "later")
            .map(|row| row[1].as_str())
            .collect();
        assert_eq!(later.len(), 8);
        assert_eq!(later[0], "2026-01-01T03:00:00Z");
        assert!(
            rows.iter().any(|row| row[0] == "questions"
                && row[1] == "2026-01-01T01:00:00Z"
                && row[7] == "0")
        );
    }

    #[test]
    fn no_field_is_a_formula() {
        let mut record = sample::record();
        record.lists[0].papers[0].authority = "=cmd()".into();
        assert!(render(&record).contains(",\"'=cmd()\","));
    }
}

//! The published report as one CSV table (RFC 4180), one figure a row.

use crate::count::{GapKind, StepKind};
use crate::report::csv::push_row;
use crate::report::span::utc;
use crate::report::{COUNT_MEANING, gap_meaning};

use super::captions::{IN_FORCE, LEFT_OUT, hiding, state, step};
use super::figures::{InForce, Period, Published};
use super::hide::{Figure, Shown};
use super::month::Month;

/// The columns; they stay as they are, new ones come at the end.
///
/// `record` says what `figure` is: `blocked` (questions blocked by `list` in `period`, a day or a
/// month; without a list by all of them), `questions` (all, in millions), `in_force` and `due`
/// (seconds), `gaps` and `gap_seconds` (by kind, in `list`'s place none), `open` (a month that is
/// not published yet), `version` (seconds from publication until the last resolver blocked by it,
/// live at `period`), `refused`, `override`, `rollback`, `removal`, `receipt` (how often), `log`
/// (leaves of an audit log), `paper` (authority and legal basis of `list`, since `period`), `note`.
/// `state` is `shown`, `hidden` or `absent` (the list was not in force).
const COLUMNS: [&str; 6] = ["record", "period", "list", "figure", "state", "note"];

pub(super) fn render(report: &Published) -> String {
    let mut table = Table(String::new());
    table.row(COLUMNS);
    for list in &report.lists {
        for papers in &list.papers {
            let since = utc(papers.since);
            table.row([
                "paper",
                &since,
                &list.id,
                "",
                "",
                &format!("{}; {}", papers.authority, papers.legal_basis),
            ]);
        }
    }
    for (place, month) in report.months.iter().enumerate() {
        for list in &report.lists {
            table.blocked(report.period, *month, &list.id, list.months.get(place));
        }
        table.blocked(report.period, *month, "", report.all.get(place));
        let questions = report.questions.get(place).copied().flatten();
        let figure = questions.map_or_else(String::new, |millions| millions.to_string());
        table.row([
            "questions",
            &month.to_string(),
            "",
            &figure,
            if questions.is_some() {
                "shown"
            } else {
                "hidden"
            },
            "millions",
        ]);
        for list in &report.lists {
            let in_force = list
                .in_force
                .get(place)
                .map(InForce::sum)
                .unwrap_or_default();
            table.row([
                "in_force",
                &month.to_string(),
                &list.id,
                &in_force.seconds.to_string(),
                "shown",
                "seconds",
            ]);
            table.row([
                "due",
                &month.to_string(),
                &list.id,
                &in_force.due_s.to_string(),
                "shown",
                "seconds",
            ]);
        }
        for list in report.lists.iter().filter(|list| list.is_there(place)) {
            for version in list.applied_in(*month) {
                let note = format!("serial {}; issued {}", version.serial, utc(version.issued));
                table.row([
                    "version",
                    &utc(version.live),
                    &list.id,
                    &version.seconds().to_string(),
                    "shown",
                    &note,
                ]);
            }
            for (kind, count) in StepKind::ALL
                .into_iter()
                .zip(list.steps.get(place).into_iter().flatten())
            {
                table.row([
                    kind.word(),
                    &month.to_string(),
                    &list.id,
                    &count.to_string(),
                    "shown",
                    step(kind),
                ]);
            }
        }
        for (kind, sum) in GapKind::ALL
            .into_iter()
            .zip(report.gaps.get(place).into_iter().flatten())
            .filter(|(_, sum)| sum.count > 0)
        {
            let note = format!("{}: {}", kind.name(), gap_meaning(kind));
            table.row([
                "gaps",
                &month.to_string(),
                "",
                &sum.count.to_string(),
                "shown",
                &note,
            ]);
            table.row([
                "gap_seconds",
                &month.to_string(),
                "",
                &sum.seconds.to_string(),
                "shown",
                kind.name(),
            ]);
        }
    }
    for month in &report.open {
        table.row([
            "open",
            &month.to_string(),
            "",
            "",
            "",
            "not over yet, or not all written",
        ]);
    }
    for head in &report.heads {
        table.row([
            "log",
            &utc(head.at),
            "",
            &head.size,
            "shown",
            &format!("{} {}", head.origin, head.root),
        ]);
    }
    for note in [COUNT_MEANING, &hiding(), IN_FORCE, LEFT_OUT] {
        table.row(["note", "", "", "", "", note]);
    }
    table.0
}

struct Table(String);

impl Table {
    fn row(&mut self, fields: [&str; COLUMNS.len()]) {
        push_row(&mut self.0, &fields);
    }

    fn blocked(&mut self, period: Period, month: Month, list: &str, shown: Option<&Shown>) {
        let Some(shown) = shown else { return };
        self.figure(&month.to_string(), list, shown.month);
        for (day, figure) in shown
            .days
            .iter()
            .enumerate()
            .filter(|_| period == Period::Day)
        {
            self.figure(&month.day_name(day), list, *figure);
        }
    }

    fn figure(&mut self, period: &str, list: &str, figure: Figure) {
        let count = figure
            .shown()
            .map_or_else(String::new, |count| count.to_string());
        self.row(["blocked", period, list, &count, state(figure), ""]);
    }
}

//! The published report as one CSV table (RFC 4180), one figure a row.

use super::captions::{IN_FORCE, LEFT_OUT, hiding, state, step};
use super::figures::{InForce, Period, Published, PublishedList};
use super::hide::{Figure, Shown};
use crate::count::{GapKind, ListGap, StepKind};
use crate::report::csv::push_row;
use crate::report::meaning::{COUNT_MEANING, LIST_GAP_MEANING, gap_meaning};
use crate::report::month::Month;
use crate::report::span::utc;

/// The columns; they stay as they are, new ones come at the end.
///
/// `record` says what `figure` is: `blocked` (questions blocked by `list` in `period`, a day or a
/// month; without a list by all of them), `questions` (all, in millions), `in_force` and `due`
/// (seconds), `gaps` and `gap_seconds` (by kind, in `list`'s place none; of the kind `not-in-force`
/// by list: times in which resolvers ran and the list was not in force), `open` (a month that is
/// not published yet), `version` (seconds from publication until the last resolver blocked by it,
/// live at `period`, with the resolvers' receipts), `deadline` (seconds that a version of `list`
/// may take for that), `within_deadline` (versions of the month that took no longer), `complaints`
/// and `upheld` (what the operator received, and was found right; `note` says by whom), `refused`,
/// `override`, `rollback`, `removal`, `receipt` (how often), `log` (leaves of an audit log),
/// `paper` (authority and legal basis of `list`, since `period`), `note`.
/// `state` is `shown`, `hidden` or `absent` (the list was not in force).
const COLUMNS: [&str; 6] = ["record", "period", "list", "figure", "state", "note"];

pub(super) fn render(report: &Published) -> String {
    let mut table = PublishedRows(String::new());
    table.row(COLUMNS);
    for list in &report.lists {
        for papers in &list.papers {
            let note = format!("{}; {}", papers.authority, papers.legal_basis);
            table.row(["paper", &utc(papers.since), &list.id, "", "", &note]);
        }
    }
    for place in 0..report.months.len() {
        table.month(report, place);
    }
    for month in &report.months {
        table.complaints(report, *month);
    }
    for month in &report.open {
        let note = "not over yet, or not all written";
        table.row(["open", &month.to_string(), "", "", "", note]);
    }
    for head in &report.heads {
        let note = format!("{} {}", head.origin, head.root);
        table.row(["log", &utc(head.at), "", &head.size, "shown", &note]);
    }
    for note in [COUNT_MEANING, &hiding(), IN_FORCE, LEFT_OUT] {
        table.row(["note", "", "", "", "", note]);
    }
    table.0
}

struct PublishedRows(String);

impl PublishedRows {
    fn row(&mut self, fields: [&str; COLUMNS.len()]) {
        push_row(&mut self.0, &fields);
    }

    /// A figure that nothing hides.
    fn shown(&mut self, record: &str, period: &str, list: &str, figure: u64, note: &str) {
        self.row([record, period, list, &figure.to_string(), "shown", note]);
    }

    fn month(&mut self, report: &Published, place: usize) {
        let Some(month) = report.months.get(place) else {
            return;
        };
        let period = month.to_string();
        for list in &report.lists {
            self.blocked(report.period, *month, &list.id, list.months.get(place));
        }
        self.blocked(report.period, *month, "", report.all.get(place));
        match report.questions.get(place).copied().flatten() {
            Some(millions) => self.shown("questions", &period, "", millions, "millions"),
            None => self.row(["questions", &period, "", "", "hidden", "millions"]),
        }
        for list in &report.lists {
            let in_force = list.in_force.get(place).map(InForce::sum);
            let InForce { seconds, due_s } = in_force.unwrap_or_default();
            self.shown("in_force", &period, &list.id, seconds, "seconds");
            self.shown("due", &period, &list.id, due_s, "seconds");
        }
        for list in report.lists.iter().filter(|list| list.is_there(place)) {
            self.changes(list, *month, place);
        }
        let sums = report.gaps.get(place).into_iter().flatten();
        for (kind, sum) in GapKind::ALL.into_iter().zip(sums) {
            if sum.count > 0 {
                let note = format!("{}: {}", kind.name(), gap_meaning(kind));
                self.shown("gaps", &period, "", sum.count, &note);
                self.shown("gap_seconds", &period, "", sum.seconds, kind.name());
            }
        }
        for list in &report.lists {
            if let Some(sum) = list.absence(place) {
                let note = format!("{}: {LIST_GAP_MEANING}", ListGap::KIND);
                self.shown("gaps", &period, &list.id, sum.count, &note);
                self.shown("gap_seconds", &period, &list.id, sum.seconds, ListGap::KIND);
            }
        }
    }

    /// How a list changed in a month.
    fn changes(&mut self, list: &PublishedList, month: Month, place: usize) {
        for version in list.applied_in(month) {
            let note = format!(
                "serial {}; issued {}; receipts {} of {}",
                version.serial,
                utc(version.issued),
                version.receipts,
                version.resolvers
            );
            let seconds = version.seconds().to_string();
            let live = utc(version.live);
            self.row(["version", &live, &list.id, &seconds, "shown", &note]);
        }
        let period = month.to_string();
        if let (Some(deadline_s), Some(within)) =
            (list.deadline_s, list.in_time(list.applied_in(month)))
        {
            let note = format!("of {} versions", list.applied_in(month).count());
            self.shown("deadline", &period, &list.id, deadline_s, "seconds");
            self.shown("within_deadline", &period, &list.id, within, &note);
        }
        let counts = list.steps.get(place).into_iter().flatten();
        for (kind, count) in StepKind::ALL.into_iter().zip(counts) {
            self.shown(kind.word(), &period, &list.id, *count, step(kind));
        }
    }

    fn complaints(&mut self, report: &Published, month: Month) {
        let period = month.to_string();
        let complaints = report
            .complaints
            .iter()
            .flat_map(|all| all.of(month).kinds());
        for (kind, count) in complaints {
            if let Some(count) = count {
                self.shown("complaints", &period, "", count.received, kind);
                self.shown("upheld", &period, "", count.upheld, kind);
            }
        }
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

//! The published report as aligned tables for a person to read.

use std::fmt::Write as _;

use super::captions::{
    CHECKING, IN_FORCE, LEFT_OUT, NO_HEADS, STEPS, by, hiding, per_cent, resolvers, step, title,
};
use super::figures::{InForce, Period, Published, median_and_slowest};
use super::hide::{Figure, Shown};
use super::issues;
use crate::count::{GapKind, StepKind};
use crate::report::meaning::{COUNT_MEANING, LIST_GAP_MEANING, gap_meaning};
use crate::report::prose::{grouped, length, plain, push_line, push_prose};
use crate::report::span::utc;

pub(super) fn render(report: &Published) -> String {
    let mut page = String::new();
    push_header(&mut page, report);
    push_lists(&mut page, report);
    if !report.months.is_empty() {
        push_months(&mut page, report);
        if report.period == Period::Day {
            (0..report.months.len()).for_each(|place| push_days(&mut page, report, place));
        }
        push_in_force(&mut page, report);
        push_steps(&mut page, report);
        push_issues(&mut page, report);
        push_complaints(&mut page, report);
        push_gaps(&mut page, report);
        push_absences(&mut page, report);
        push_heads(&mut page, report);
    }
    for paragraph in [IN_FORCE, LEFT_OUT, CHECKING] {
        push_prose(&mut page, paragraph);
        push_line(&mut page, "");
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn push_header(page: &mut String, report: &Published) {
    push_line(page, "Wardline: report of blocked questions");
    push_line(page, "");
    push_line(
        page,
        &format!(
            "months    {}, by {}, in UTC",
            title(report),
            by(report.period)
        ),
    );
    if let Some(open) = report.open.first() {
        push_line(
            page,
            &format!(
                "not yet   {open}: a month's figures are published once it is over and all of it \
                 is written"
            ),
        );
    }
    push_line(
        page,
        &format!(
            "made      from the records of {} by wardline {}",
            resolvers(report),
            env!("CARGO_PKG_VERSION")
        ),
    );
    push_line(page, "");
    for paragraph in [COUNT_MEANING, &hiding()] {
        push_prose(page, paragraph);
        push_line(page, "");
    }
}

fn push_lists(page: &mut String, report: &Published) {
    push_line(page, "Lists");
    if report.lists.is_empty() {
        push_line(page, "  No list was in force in these months.");
    }
    for list in &report.lists {
        for papers in &list.papers {
            let (authority, basis) = (plain(&papers.authority), plain(&papers.legal_basis));
            let since: String = utc(papers.since).chars().take(10).collect();
            push_line(
                page,
                &format!(
                    "  {}: by {authority}, on the ground of {basis}, since {since}",
                    plain(&list.id)
                ),
            );
        }
    }
    push_line(page, "");
}

fn push_months(page: &mut String, report: &Published) {
    push_line(page, "Questions blocked, by month");
    let mut columns = list_columns(report);
    columns.push("all questions".into());
    let mut rows: Vec<_> = report
        .months
        .iter()
        .enumerate()
        .map(|(place, month)| {
            let mut cells = of_lists(report, place, |shown| Some(shown.month));
            cells.push(
                report
                    .questions
                    .get(place)
                    .copied()
                    .flatten()
                    .map_or_else(|| "not told".into(), |n| format!("{} million", grouped(n))),
            );
            (month.to_string(), cells)
        })
        .collect();
    if report.months.len() > 1 {
        let sums = report
            .lists
            .iter()
            .map(|list| list.sum())
            .chain([report.sum()])
            .map(word);
        rows.push(("sum".into(), sums.chain([String::new()]).collect()));
    }
    push_table(page, "month", &columns, &rows);
}

fn push_days(page: &mut String, report: &Published, place: usize) {
    let Some(month) = report.months.get(place) else {
        return;
    };
    push_line(
        page,
        &format!("Questions blocked, by day: {}", month.title()),
    );
    let day = |day: usize| {
        (
            month.day_name(day),
            of_lists(report, place, |shown| shown.days.get(day).copied()),
        )
    };
    push_table(
        page,
        "day",
        &list_columns(report),
        &(0..month.day_count()).map(day).collect::<Vec<_>>(),
    );
}

fn push_in_force(page: &mut String, report: &Published) {
    push_line(page, "Time in force");
    let columns: Vec<_> = report.lists.iter().map(|list| plain(&list.id)).collect();
    let rows = report.months.iter().enumerate().map(|(place, month)| {
        let cells = report.lists.iter().map(|list| {
            let in_force = list
                .in_force
                .get(place)
                .map(InForce::sum)
                .unwrap_or_default();
            in_force.per_10_000().map_or_else(|| "-".into(), per_cent)
        });
        (month.to_string(), cells.collect())
    });
    push_table(page, "month", &columns, &rows.collect::<Vec<_>>());
}

fn push_gaps(page: &mut String, report: &Published) {
    push_line(page, "Times without a record, over all resolvers");
    let mut any = false;
    for (month, kinds) in report.months.iter().zip(&report.gaps) {
        for (kind, sum) in GapKind::ALL
            .into_iter()
            .zip(kinds)
            .filter(|(_, sum)| sum.count > 0)
        {
            let times = times(sum.count);
            push_line(
                page,
                &format!(
                    "  {month}  {}, {times}, {} in all: {}",
                    kind.name(),
                    length(sum.seconds),
                    gap_meaning(kind)
                ),
            );
            any = true;
        }
    }
    if !any {
        push_line(page, "  None.");
    }
    push_line(page, "");
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{} times", grouped(count)),
    }
}

fn push_absences(page: &mut String, report: &Published) {
    push_line(page, "Lists not in force, over all resolvers");
    let mut any = false;
    for (place, month) in report.months.iter().enumerate() {
        for list in &report.lists {
            let Some(sum) = list.absence(place) else {
                continue;
            };
            push_line(
                page,
                &format!(
                    "  {month}  {}, {}, {} in all: {LIST_GAP_MEANING}",
                    plain(&list.id),
                    times(sum.count),
                    length(sum.seconds)
                ),
            );
            any = true;
        }
    }
    if !any {
        push_line(page, "  None on record.");
    }
    push_line(page, "");
}

fn push_steps(page: &mut String, report: &Published) {
    push_line(page, "What was done about the lists");
    let columns = ["versions", "median", "slowest"]
        .into_iter()
        .chain(StepKind::ALL.map(step))
        .map(String::from);
    let mut rows = Vec::new();
    for (place, month) in report.months.iter().enumerate() {
        for list in report.lists.iter().filter(|list| list.is_there(place)) {
            let times = median_and_slowest(list.applied_in(*month))
                .map(|(median, slowest)| [median, slowest].map(length));
            let steps = list
                .steps
                .get(place)
                .into_iter()
                .flatten()
                .map(|count| grouped(*count));
            let versions = grouped(list.applied_in(*month).count() as u64);
            let cells = [versions]
                .into_iter()
                .chain(times.unwrap_or_else(|| ["-", "-"].map(String::from)))
                .chain(steps);
            rows.push((format!("{month} {}", plain(&list.id)), cells.collect()));
        }
    }
    push_table(page, "month", &columns.collect::<Vec<_>>(), &rows);
    push_prose(page, STEPS);
    push_line(page, "");
}

fn push_issues(page: &mut String, report: &Published) {
    let mut any = false;
    for list in &report.lists {
        let Some(rows) = issues::issues(list) else {
            continue;
        };
        let kept = issues::deadline_kept(list, list.applied.iter());
        let kept = kept.map_or_else(String::new, |kept| format!(": {kept}"));
        push_line(page, &format!("Issues of {}{kept}", plain(&list.id)));
        push_table(page, "serial", &rows.columns, &rows.rows);
        any = true;
    }
    if any {
        push_prose(page, issues::ISSUES);
        push_line(page, "");
    }
}

fn push_complaints(page: &mut String, report: &Published) {
    let Some(rows) = issues::complaints(report) else {
        return;
    };
    push_line(page, "Complaints and appeals");
    push_table(page, "month", &rows.columns, &rows.rows);
    push_prose(page, issues::COMPLAINTS);
    push_line(page, "");
}

fn push_heads(page: &mut String, report: &Published) {
    push_line(page, "Heads of the audit logs after these months");
    if report.heads.is_empty() {
        push_line(page, &format!("  {NO_HEADS}"));
    }
    for head in &report.heads {
        push_line(
            page,
            &format!(
                "  {}  {} leaves  root {}  signed {}",
                plain(&head.origin),
                plain(&head.size),
                plain(&head.root),
                utc(head.at)
            ),
        );
    }
    push_line(page, "");
}

fn list_columns(report: &Published) -> Vec<String> {
    report
        .lists
        .iter()
        .map(|list| plain(&list.id))
        .chain(["all lists".into()])
        .collect()
}

/// A cell for each list, and the one of all lists.
fn of_lists(
    report: &Published,
    place: usize,
    figure: impl Fn(&Shown) -> Option<Figure>,
) -> Vec<String> {
    let lists = report
        .lists
        .iter()
        .filter_map(|list| list.months.get(place))
        .chain(report.all.get(place));
    lists
        .map(|shown| word(figure(shown).unwrap_or(Figure::Absent)))
        .collect()
}

fn word(figure: Figure) -> String {
    match figure {
        Figure::Shown(count) => grouped(count),
        Figure::Hidden => "hidden".into(),
        Figure::Absent => "-".into(),
    }
}

fn push_table(page: &mut String, label: &str, columns: &[String], rows: &[(String, Vec<String>)]) {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|(_, cells)| cells.get(column))
            .chain(columns.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<_> = (0..columns.len())
        .map(|column| width(column).unwrap_or_default().max(7))
        .collect();
    let label_width = rows
        .iter()
        .map(|(label, _)| label.chars().count())
        .max()
        .unwrap_or_default()
        .max(10);
    let line = |label: &str, cells: &[String]| {
        let mut line = format!("  {label:<label_width$}");
        for (cell, width) in cells.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "  {cell:>width$}");
        }
        line
    };
    push_line(page, &line(label, columns));
    for (label, cells) in rows {
        push_line(page, &line(label, cells));
    }
    push_line(page, "");
}

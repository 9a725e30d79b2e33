//! The tables behind the page's charts.

use super::captions::{per_cent, step};
use super::figures::{InForce, Period, Published, PublishedList, median_and_slowest};
use super::hide::{Figure, Shown};
use super::issues::{self, IssueRows};
use crate::count::StepKind;
use crate::report::prose::{grouped, length, plain};

/// More rows than this stand closer on paper.
const LONG: usize = 20;

/// A table, ready to be set.
pub(super) struct TextTable {
    /// Above the first table of its kind; empty above the others.
    pub(super) heading: &'static str,
    /// What links lead to.
    pub(super) anchor: &'static str,
    pub(super) caption: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// Whether it has many rows, which stand closer on paper.
    pub(super) is_long: bool,
    /// Whether it has the days of one month, which stay on one sheet.
    pub(super) is_month: bool,
}

pub(super) struct Row {
    pub(super) name: String,
    pub(super) cells: Vec<Cell>,
    pub(super) is_sum: bool,
}

pub(super) struct Cell {
    pub(super) text: String,
    /// Whether it stands in a figure's place and is none.
    pub(super) is_soft: bool,
}

impl Cell {
    const fn of(text: String) -> Self {
        Self {
            text,
            is_soft: false,
        }
    }

    fn figure(figure: Figure) -> Self {
        match figure {
            Figure::Shown(count) => Self::of(grouped(count)),
            Figure::Hidden => Self {
                text: "hidden".into(),
                is_soft: true,
            },
            Figure::Absent => Self {
                text: "–".into(),
                is_soft: true,
            },
        }
    }
}

pub(super) fn tables(report: &Published) -> Vec<TextTable> {
    let mut tables = vec![by_month(report), in_force(report), done(report)];
    let mut issues = report.lists.iter().filter_map(of_issues);
    // One heading stands above all of them.
    tables.extend(issues.next().map(|first| TextTable {
        heading: "Issues of the lists",
        ..first
    }));
    tables.extend(issues);
    tables.extend(of_complaints(report));
    if report.period == Period::Day {
        tables.extend((0..report.months.len()).filter_map(|place| by_day(report, place)));
    }
    tables
}

fn by_month(report: &Published) -> TextTable {
    let row = |(place, month): (usize, &crate::report::Month)| {
        let mut cells = of_lists(report, place, |shown| Some(shown.month));
        let questions = report.questions.get(place).copied().flatten();
        cells.push(questions.map_or_else(
            || Cell {
                text: "not told".into(),
                is_soft: true,
            },
            |millions| Cell::of(format!("{} million", grouped(millions))),
        ));
        Row {
            name: month.title(),
            cells,
            is_sum: false,
        }
    };
    let mut rows: Vec<_> = report.months.iter().enumerate().map(row).collect();
    if report.months.len() > 1 {
        let sums = report
            .lists
            .iter()
            .map(PublishedList::sum)
            .chain([report.sum()])
            .map(Cell::figure);
        rows.push(Row {
            name: "Sum".into(),
            cells: sums.chain([Cell::of(String::new())]).collect(),
            is_sum: true,
        });
    }
    let columns = columns(report, "Month")
        .chain(["All questions".into()])
        .collect();
    TextTable {
        heading: "By month",
        anchor: "by-month",
        caption: "Questions blocked, by list and month".into(),
        columns,
        rows,
        is_long: false,
        is_month: false,
    }
}

fn by_day(report: &Published, place: usize) -> Option<TextTable> {
    let month = report.months.get(place)?;
    let day = |day: usize| Row {
        name: month.day_name(day),
        cells: of_lists(report, place, |shown| shown.days.get(day).copied()),
        is_sum: false,
    };
    let mut rows: Vec<_> = (0..month.day_count()).map(day).collect();
    rows.push(Row {
        name: "Month".into(),
        cells: of_lists(report, place, |shown| Some(shown.month)),
        is_sum: true,
    });
    Some(TextTable {
        heading: if place == 0 { "By day" } else { "" },
        anchor: "by-day",
        caption: format!("Questions blocked, by list and day: {}", month.title()),
        columns: columns(report, "Day").collect(),
        rows,
        is_long: true,
        is_month: true,
    })
}

fn in_force(report: &Published) -> TextTable {
    let months = || report.months.iter().enumerate();
    let row = |list: &PublishedList, place: usize, month: &crate::report::Month| {
        let in_force = list
            .in_force
            .get(place)
            .map(InForce::sum)
            .unwrap_or_default();
        let part = per_cent(in_force.per_10_000()?);
        let lack = in_force.due_s.saturating_sub(in_force.seconds);
        let cells = [
            month.title(),
            length(in_force.due_s),
            length(in_force.seconds),
            length(lack),
            part,
        ];
        Some(Row {
            name: plain(&list.id),
            cells: cells.map(Cell::of).into(),
            is_sum: false,
        })
    };
    let rows = report
        .lists
        .iter()
        .flat_map(|list| months().filter_map(move |(place, month)| row(list, place, month)));
    let rows: Vec<_> = rows.collect();
    TextTable {
        heading: "Time in force",
        anchor: "in-force-table",
        caption: "Time in force, by list and month, added up over the resolvers".into(),
        columns: ["List", "Month", "Due", "In force", "Missing", "Part"]
            .map(String::from)
            .into(),
        is_long: rows.len() > LONG,
        is_month: false,
        rows,
    }
}

/// What was done about the lists, month by month.
fn done(report: &Published) -> TextTable {
    let mut rows = Vec::new();
    for (place, month) in report.months.iter().enumerate() {
        for list in report.lists.iter().filter(|list| list.is_there(place)) {
            let times = median_and_slowest(list.applied_in(*month))
                .map(|(median, slowest)| [median, slowest].map(|time| Cell::of(length(time))));
            let none = || {
                ["–", "–"].map(|text| Cell {
                    text: text.into(),
                    is_soft: true,
                })
            };
            let versions = Cell::of(grouped(list.applied_in(*month).count() as u64));
            let steps = list
                .steps
                .get(place)
                .into_iter()
                .flatten()
                .map(|count| Cell::of(grouped(*count)));
            let cells = [Cell::of(month.title()), versions]
                .into_iter()
                .chain(times.unwrap_or_else(none))
                .chain(steps);
            rows.push(Row {
                name: plain(&list.id),
                cells: cells.collect(),
                is_sum: false,
            });
        }
    }
    let columns = ["list", "month", "versions", "median", "slowest"]
        .into_iter()
        .chain(StepKind::ALL.map(step));
    let capital = |word: &str| {
        word.chars()
            .take(1)
            .flat_map(char::to_uppercase)
            .chain(word.chars().skip(1))
            .collect()
    };
    TextTable {
        heading: "What was done about the lists",
        anchor: "done",
        caption: "By list and month".into(),
        columns: columns.map(capital).collect(),
        is_long: rows.len() > LONG,
        is_month: false,
        rows,
    }
}

/// The issues of a list, where these are on record.
fn of_issues(list: &PublishedList) -> Option<TextTable> {
    let issues = issues::issues(list)?;
    let kept = issues::deadline_kept(list, list.applied.iter());
    let kept = kept.map_or_else(String::new, |kept| format!(": {kept}"));
    let caption = format!("{}, issues that came into force{kept}", plain(&list.id));
    Some(TextTable::of_rows(
        "applied-table",
        caption,
        "Serial",
        issues,
    ))
}

/// Complaints and appeals, where the operator gave an account of them.
fn of_complaints(report: &Published) -> Option<TextTable> {
    let complaints = issues::complaints(report)?;
    let caption = issues::COMPLAINTS.to_owned();
    let table = TextTable::of_rows("complaints", caption, "Month", complaints);
    Some(TextTable {
        heading: "Complaints and appeals",
        ..table
    })
}

impl TextTable {
    fn of_rows(anchor: &'static str, caption: String, first: &str, content: IssueRows) -> Self {
        let IssueRows { columns, rows } = content;
        let rows = rows.into_iter().map(|(name, cells)| Row {
            name,
            cells: cells.into_iter().map(Cell::of).collect(),
            is_sum: false,
        });
        let rows: Vec<_> = rows.collect();
        Self {
            heading: "",
            anchor,
            caption,
            columns: [first.to_owned()].into_iter().chain(columns).collect(),
            is_long: rows.len() > LONG,
            is_month: false,
            rows,
        }
    }
}

fn columns(report: &Published, first: &str) -> impl Iterator<Item = String> {
    let lists = report.lists.iter().map(|list| plain(&list.id));
    [first.to_owned()]
        .into_iter()
        .chain(lists)
        .chain(["All lists".into()])
}

/// A cell for each list, and the one of all lists.
fn of_lists(
    report: &Published,
    place: usize,
    figure: impl Fn(&Shown) -> Option<Figure>,
) -> Vec<Cell> {
    let lists = report
        .lists
        .iter()
        .filter_map(|list| list.months.get(place))
        .chain(report.all.get(place));
    lists
        .map(|shown| Cell::figure(figure(shown).unwrap_or(Figure::Absent)))
        .collect()
}

//! Holds a published report against what the leaves add up to: each figure, hidden or not, is made
//! anew.

use std::collections::BTreeSet;

use super::{Finding, Totals};
use crate::clock::UnixSeconds;
use crate::record::Blocked;
use crate::report::{
    BlockedFigures, ByList, DAY_S, DayFigures, Figure, Month, MonthFigures, PublishedDocument,
    Shown, hide, in_millions,
};

/// The code of all findings about a report.
const REPORT: &str = "report";

/// A published report, as it was read.
#[derive(Debug)]
pub struct PublishedReport(Result<PublishedDocument, String>);

/// A list's months, made anew.
struct MadeAnew {
    id: String,
    months: Vec<Shown>,
}

impl PublishedReport {
    /// Reads it; what is wrong with its form is found when it is checked.
    pub fn read(octets: &[u8]) -> Self {
        Self(PublishedDocument::parse(octets))
    }

    /// Each figure that is not what the leaves of all logs together make it.
    ///
    /// `until` is how far all logs tell.
    pub fn check(&self, totals: &Totals, until: Option<UnixSeconds>) -> Vec<Finding> {
        let document = match &self.0 {
            Ok(document) => document,
            Err(message) => return vec![wrong("form", message)],
        };
        let Some(months) = months_of(document) else {
            let message = "its months are none, or do not follow each other from `from` to \
                           `until`, or their days are not all";
            return vec![wrong("months", message)];
        };
        let end = months.last().map(|month| month.end());
        if end > until {
            let message = "its last month is not over in all logs";
            return vec![wrong("months", message)];
        }
        let lists = make_anew(totals, &months);
        let mut findings = Vec::new();
        let named = document.lists.iter().map(|list| list.id.as_str());
        if !named.eq(lists.iter().map(|list| list.id.as_str())) {
            let message = "its lists are not those that have hours in these months";
            findings.push(wrong("lists", message));
        }
        for (place, (shown, month)) in document.months.iter().zip(&months).enumerate() {
            check_month(shown, place, &lists, &mut findings);
            let questions = questions_of(totals, *month, &lists, place);
            if shown.questions_in_millions != questions {
                let message = format!("the leaves make that {questions:?} millions");
                findings.push(wrong(&format!("{month} questions"), &message));
            }
        }
        let BlockedFigures {
            blocked,
            blocked_by_all,
        } = &document.sums;
        let sum = |list: &MadeAnew| Figure::sum(list.months.iter().map(|month| month.month));
        check_lists("sums", blocked, &lists, sum, &mut findings);
        check_all("sums", *blocked_by_all, &lists, sum, &mut findings);
        findings
    }
}

/// The months of a report, if each follows the one before and has all its days.
fn months_of(document: &PublishedDocument) -> Option<Vec<Month>> {
    let (from, until) = (
        Month::parse(document.from.as_deref()?)?,
        document.until.as_deref()?,
    );
    let following = std::iter::successors(Some(from), |month| Some(month.next()));
    let months: Vec<Month> = following.take(document.months.len()).collect();
    let is_named = |(shown, month): (&MonthFigures, &Month)| {
        let name_day = |day: usize| month.day_name(day);
        let has_days = match (&shown.days, document.by.as_str()) {
            (Some(days), "day") => {
                let named = days.iter().map(|day| day.day.clone());
                named.eq((0..month.day_count()).map(name_day))
            }
            (None, "month") => true,
            _ => false,
        };
        shown.month == month.to_string() && has_days
    };
    let is_whole = months.last()?.next().to_string() == until
        && document.from.as_deref() == Some(from.to_string().as_str());
    let are_named = document.months.iter().zip(&months).all(is_named);
    (is_whole && are_named).then_some(months)
}

/// The lists that have an hour in these months, by id.
fn make_anew(totals: &Totals, months: &[Month]) -> Vec<MadeAnew> {
    let lists = totals.blocked.iter().map(|(id, days)| {
        let months = months.iter().map(|month| {
            let starts = (0..month.day_count()).map(|day| month.start() + day as i64 * DAY_S);
            let counts = starts.map(|start| days.get(&start).map(Blocked::sum));
            hide(&counts.collect::<Vec<_>>())
        });
        MadeAnew {
            id: id.clone(),
            months: months.collect(),
        }
    });
    let is_there = |list: &MadeAnew| {
        list.months
            .iter()
            .any(|month| month.month != Figure::Absent)
    };
    lists.filter(is_there).collect()
}

fn check_month(
    shown: &MonthFigures,
    place: usize,
    lists: &[MadeAnew],
    findings: &mut Vec<Finding>,
) {
    let of_month = |list: &MadeAnew| list.months.get(place).map_or(Figure::Absent, |m| m.month);
    check_lists(&shown.month, &shown.blocked, lists, of_month, findings);
    check_all(
        &shown.month,
        shown.blocked_by_all,
        lists,
        of_month,
        findings,
    );
    for (at, figures) in shown.days.iter().flatten().enumerate() {
        let DayFigures {
            day,
            blocked,
            blocked_by_all,
        } = figures;
        let of_day = |list: &MadeAnew| {
            let days = list.months.get(place).map(|month| &month.days);
            let figure = days.and_then(|days| days.get(at).copied());
            figure.unwrap_or(Figure::Absent)
        };
        check_lists(day, blocked, lists, of_day, findings);
        check_all(day, *blocked_by_all, lists, of_day, findings);
    }
}

/// All questions of a month, as a report may tell them.
fn questions_of(totals: &Totals, month: Month, lists: &[MadeAnew], place: usize) -> Option<u64> {
    let days = totals.questions.range(month.start()..month.end());
    let count = days.map(|(_, questions)| questions).sum();
    let shown = |list: &MadeAnew| list.months.get(place)?.month.shown();
    in_millions(count, lists.iter().filter_map(shown).sum())
}

/// Each list's figure, and that no other list has one.
fn check_lists(
    time: &str,
    shown: &ByList<Figure>,
    lists: &[MadeAnew],
    figure: impl Fn(&MadeAnew) -> Figure,
    findings: &mut Vec<Finding>,
) {
    let ids = shown.0.iter().map(|(id, _)| id.as_str());
    let ids: BTreeSet<&str> = ids
        .chain(lists.iter().map(|list| list.id.as_str()))
        .collect();
    for id in ids {
        let made = lists.iter().find(|list| list.id == id).map(&figure);
        if shown.get(id).copied() != made {
            let message = format!("the leaves make that {}", describe(made));
            findings.push(wrong(&format!("{time} list {id}"), &message));
        }
    }
}

/// The figure of all lists together.
fn check_all(
    time: &str,
    shown: Figure,
    lists: &[MadeAnew],
    figure: impl Fn(&MadeAnew) -> Figure,
    findings: &mut Vec<Finding>,
) {
    let made = Figure::sum(lists.iter().map(figure));
    if shown != made {
        let message = format!("the leaves make that {}", describe(Some(made)));
        findings.push(wrong(&format!("{time} all"), &message));
    }
}

fn describe(figure: Option<Figure>) -> String {
    match figure {
        Some(Figure::Shown(count)) => count.to_string(),
        Some(Figure::Hidden) => "a hidden one".to_owned(),
        Some(Figure::Absent) => "one that says that the list was not in force".to_owned(),
        None => "no figure at all".to_owned(),
    }
}

fn wrong(place: &str, message: &str) -> Finding {
    Finding::new(REPORT, format!("report {place}"), message)
}

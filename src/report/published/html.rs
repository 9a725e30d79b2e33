//! The published report as one page that needs nothing else: for a browser, a screen reader, or
//! paper.

use askama::Template;

use super::captions::{
    APPLIED, CHECKING, IN_FORCE, LEFT_OUT, NO_HEADS, STEPS, by, hiding, per_cent, resolvers, title,
};
use super::chart::{self, Bar, Bars, Dot, Level};
use super::figures::{InForce, LogHead, Period, Published, PublishedList, median_and_slowest};
use super::hide::Figure;
use super::issues;
use super::tables::{TextTable, tables};
use crate::count::GapKind;
use crate::report::meaning::{COUNT_MEANING, LIST_GAP_MEANING, gap_meaning};
use crate::report::month::Month;
use crate::report::prose::{grouped, length, plain};
use crate::report::span::utc;

/// So many names of months have room below a chart.
const MONTHS_NAMED: usize = 18;

/// What the template shows; it escapes every text.
#[derive(Template)]
#[template(path = "report.html")]
struct HtmlPage {
    title: String,
    by: &'static str,
    is_by_day: bool,
    resolvers: String,
    open: Option<String>,
    /// What a question is not, and the rest.
    meaning: (&'static str, &'static str),
    hiding: String,
    in_force_meaning: &'static str,
    applied_meaning: &'static str,
    checking: &'static str,
    left_out: &'static str,
    software: &'static str,
    keys: Vec<LegendKey>,
    papers: Vec<Paper>,
    lists: Vec<ListCharts>,
    applied: Vec<AppliedChart>,
    levels: Vec<Level>,
    months: Vec<MonthLabel>,
    gaps: Vec<GapRow>,
    absences: Vec<AbsenceRow>,
    absences_meaning: &'static str,
    heads: Vec<HeadRow>,
    no_heads: &'static str,
    steps_meaning: &'static str,
    issues_meaning: &'static str,
    tables: Vec<TextTable>,
}

/// A figure at the head of the page.
struct LegendKey {
    name: &'static str,
    figure: String,
    unit: &'static str,
}

struct Paper {
    list: String,
    authority: String,
    legal_basis: String,
    since: String,
}

struct ListCharts {
    id: String,
    sum: String,
    says: String,
    /// From the top down; empty where every figure is hidden.
    scale: Vec<String>,
    bars: Bars,
    in_force: String,
    strip: (Vec<Bar>, Vec<Bar>),
}

struct AppliedChart {
    id: String,
    summary: String,
    dots: Vec<Dot>,
}

struct MonthLabel {
    name: String,
    days: usize,
}

struct HeadRow {
    origin: String,
    size: String,
    root: String,
    at: String,
}

struct GapRow {
    month: String,
    kind: &'static str,
    count: String,
    length: String,
    meaning: &'static str,
}

/// When a list was not in force.
struct AbsenceRow {
    month: String,
    list: String,
    count: String,
    length: String,
}

pub(super) fn render(report: &Published) -> String {
    let page = HtmlPage {
        title: title(report),
        by: by(report.period),
        is_by_day: report.period == Period::Day,
        resolvers: resolvers(report),
        open: report.open.first().map(|month| month.title()),
        meaning: COUNT_MEANING
            .split_once(". ")
            .unwrap_or((COUNT_MEANING, "")),
        hiding: hiding(),
        in_force_meaning: IN_FORCE,
        applied_meaning: APPLIED,
        checking: CHECKING,
        left_out: LEFT_OUT,
        software: concat!("wardline ", env!("CARGO_PKG_VERSION")),
        keys: keys(report),
        papers: papers(report),
        lists: report
            .lists
            .iter()
            .map(|list| list_charts(report, list))
            .collect(),
        applied: report
            .lists
            .iter()
            .filter_map(|list| applied_chart(report, list))
            .collect(),
        levels: chart::levels(),
        months: month_labels(report),
        gaps: gaps(report),
        absences: absences(report),
        absences_meaning: LIST_GAP_MEANING,
        heads: report.heads.iter().map(head).collect(),
        no_heads: NO_HEADS,
        steps_meaning: STEPS,
        issues_meaning: issues::ISSUES,
        tables: tables(report),
    };
    // Writing to a String cannot fail, and the template calls nothing that can.
    page.render().unwrap_or_default()
}

/// The names below a chart; over many months only every so-many-th has one, so that each stands on
/// one line and whole.
fn month_labels(report: &Published) -> Vec<MonthLabel> {
    let every = report.months.len().div_ceil(MONTHS_NAMED).max(1);
    let label = |(place, month): (usize, &Month)| MonthLabel {
        name: if place % every == 0 {
            month.short()
        } else {
            String::new()
        },
        days: month.day_count(),
    };
    report.months.iter().enumerate().map(label).collect()
}

fn keys(report: &Published) -> Vec<LegendKey> {
    if report.lists.is_empty() {
        return Vec::new();
    }
    let (figure, unit) = match report.sum() {
        Figure::Shown(count) => (grouped(count), ""),
        Figure::Hidden | Figure::Absent => ("not told".into(), "a part of it is hidden"),
    };
    let in_force = InForce::sum(
        report
            .lists
            .iter()
            .flat_map(|list| &list.in_force)
            .flatten(),
    );
    let mut keys = vec![
        LegendKey {
            name: "Questions blocked",
            figure,
            unit,
        },
        LegendKey {
            name: "Lists in force",
            figure: report.lists.len().to_string(),
            unit: "",
        },
        LegendKey {
            name: "Time in force",
            figure: in_force.per_10_000().map_or_else(|| "–".into(), per_cent),
            unit: "",
        },
    ];
    if let Some((median, _)) =
        median_and_slowest(report.lists.iter().flat_map(|list| &list.applied))
    {
        keys.push(LegendKey {
            name: "From publication to blocking",
            figure: length(median),
            unit: "median",
        });
    }
    keys
}

fn papers(report: &Published) -> Vec<Paper> {
    let papers = report
        .lists
        .iter()
        .flat_map(|list| list.papers.iter().map(move |papers| (list, papers)));
    let papers = papers.map(|(list, papers)| Paper {
        list: plain(&list.id),
        authority: plain(&papers.authority),
        legal_basis: plain(&papers.legal_basis),
        since: utc(papers.since).chars().take(10).collect(),
    });
    papers.collect()
}

fn list_charts(report: &Published, list: &PublishedList) -> ListCharts {
    let (figures, names): (Vec<_>, Vec<_>) = match report.period {
        Period::Day => (
            list.months
                .iter()
                .flat_map(|month| month.days.clone())
                .collect(),
            day_names(report),
        ),
        Period::Month => (
            list.months.iter().map(|month| month.month).collect(),
            report.months.iter().map(|month| month.title()).collect(),
        ),
    };
    let days = day_names(report);
    let name = |names: &[String], place: usize| names.get(place).cloned().unwrap_or_default();
    let bars = chart::bars(&figures, |place| name(&names, place));
    let sum = match list.sum() {
        Figure::Shown(count) => format!("{} in all", grouped(count)),
        Figure::Hidden | Figure::Absent => {
            "the sum is not told, since a part of it is hidden".into()
        }
    };
    let whole: Vec<_> = list.in_force.iter().flatten().copied().collect();
    let in_force = InForce::sum(&whole);
    let per_cent = in_force.per_10_000().map_or_else(|| "–".into(), per_cent);
    ListCharts {
        id: plain(&list.id),
        says: format!(
            "{}: questions blocked by {}, from 0 to {}; {sum}",
            plain(&list.id),
            by(report.period),
            grouped(bars.top)
        ),
        scale: if bars.bars.is_empty() {
            Vec::new()
        } else {
            [bars.top, bars.top / 2, 0].map(grouped).into()
        },
        bars,
        sum,
        in_force: format!(
            "{per_cent}: {} of {}",
            length(in_force.seconds),
            length(in_force.due_s)
        ),
        strip: chart::strip(&whole, |place| name(&days, place)),
    }
}

fn day_names(report: &Published) -> Vec<String> {
    report
        .months
        .iter()
        .flat_map(|month| (0..month.day_count()).map(|day| month.day_name(day)))
        .collect()
}

/// How long each version took; none for a list whose versions are not on record.
fn applied_chart(report: &Published, list: &PublishedList) -> Option<AppliedChart> {
    let (start, end) = (report.months.first()?.start(), report.months.last()?.end());
    let part = |at: i64| seconds(at - start) / seconds(end - start);
    let dots = list.applied.iter().map(|version| {
        let says = format!(
            "serial {}, {}: {}",
            version.serial,
            utc(version.issued),
            length(version.seconds())
        );
        chart::dot(part(version.live), version.seconds(), says)
    });
    let (median, slowest) = median_and_slowest(list.applied.iter())?;
    let versions = match list.applied.len() {
        1 => "1 version".to_owned(),
        count => format!("{} versions", grouped(count as u64)),
    };
    let kept = issues::deadline_kept(list, list.applied.iter());
    let kept = kept.map_or_else(String::new, |kept| format!("; {kept}"));
    let summary = format!(
        "{versions}; median {}, slowest {}{kept}",
        length(median),
        length(slowest)
    );
    Some(AppliedChart {
        id: plain(&list.id),
        summary,
        dots: dots.collect(),
    })
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a drawing needs no more than a double has"
)]
const fn seconds(length: i64) -> f64 {
    length as f64
}

fn head(head: &LogHead) -> HeadRow {
    let at = utc(head.at).trim_end_matches('Z').replace('T', " ");
    HeadRow {
        origin: plain(&head.origin),
        size: plain(&head.size),
        root: plain(&head.root),
        at,
    }
}

fn gaps(report: &Published) -> Vec<GapRow> {
    let kinds = report
        .months
        .iter()
        .zip(&report.gaps)
        .flat_map(|(month, kinds)| {
            GapKind::ALL
                .into_iter()
                .zip(kinds)
                .map(move |kind| (month, kind))
        });
    let rows = kinds
        .filter(|(_, (_, sum))| sum.count > 0)
        .map(|(month, (kind, sum))| GapRow {
            month: month.title(),
            kind: kind.name(),
            count: grouped(sum.count),
            length: length(sum.seconds),
            meaning: gap_meaning(kind),
        });
    rows.collect()
}

fn absences(report: &Published) -> Vec<AbsenceRow> {
    let months = report.months.iter().enumerate();
    let rows = months.flat_map(|(place, month)| {
        report.lists.iter().filter_map(move |list| {
            let sum = list.absence(place)?;
            Some(AbsenceRow {
                month: month.title(),
                list: plain(&list.id),
                count: grouped(sum.count),
                length: length(sum.seconds),
            })
        })
    });
    rows.collect()
}

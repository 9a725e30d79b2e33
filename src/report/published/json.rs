//! The published report as one JSON object for machines.
//!
//! Field names stay as long as `version` is 1; new ones may come. A figure is a number, `"hidden"`,
//! or `null` where the list was not in force. `until` is the first month after the last one.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::captions::{CHECKING, IN_FORCE, LEFT_OUT, by, hiding};
use super::figures::{InForce, LogHead, Period, Published};
use super::gather::GapSum;
use super::hide::{Figure, K, Shown};
use crate::count::{GapKind, StepKind};
use crate::report::meaning::COUNT_MEANING;
use crate::report::span::utc;

#[derive(Serialize)]
struct PublishedDocument<'a> {
    report: &'static str,
    version: u32,
    software: &'static str,
    by: &'static str,
    from: Option<String>,
    until: Option<String>,
    meaning: &'static str,
    hiding: String,
    hidden_below: u64,
    in_force: &'static str,
    left_out: &'static str,
    checking: &'static str,
    resolvers: usize,
    copies_left_out: usize,
    lists: Vec<PublishedFigures<'a>>,
    months: Vec<MonthFigures<'a>>,
    not_over: Vec<String>,
    sums: BlockedFigures<'a>,
    log_heads: Vec<PublishedHead<'a>>,
}

/// An audit log after these months.
#[derive(Serialize)]
struct PublishedHead<'a> {
    origin: &'a str,
    size: &'a str,
    root: &'a str,
    signed_at: String,
}

#[derive(Serialize)]
struct PublishedFigures<'a> {
    id: &'a str,
    papers: Vec<ListPapers<'a>>,
    versions: Vec<Version>,
}

/// A version that took effect in these months.
#[derive(Serialize)]
struct Version {
    serial: u64,
    issued: String,
    live: String,
    seconds: u64,
}

#[derive(Serialize)]
struct ListPapers<'a> {
    since: String,
    authority: &'a str,
    legal_basis: &'a str,
}

#[derive(Serialize)]
struct MonthFigures<'a> {
    month: String,
    #[serde(flatten)]
    blocked: BlockedFigures<'a>,
    questions_in_millions: Option<u64>,
    in_force: Map<'a, Seconds>,
    done: Map<'a, Map<'static, u64>>,
    gaps: Map<'a, Gaps>,
    not_in_force: Map<'a, Gaps>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<Vec<DayFigures<'a>>>,
}

#[derive(Serialize)]
struct DayFigures<'a> {
    day: String,
    #[serde(flatten)]
    blocked: BlockedFigures<'a>,
}

/// Blocked questions by the list's id, and of all lists together.
#[derive(Serialize)]
struct BlockedFigures<'a> {
    blocked: Map<'a, Figure>,
    blocked_by_all: Figure,
}

#[derive(Serialize)]
struct Seconds {
    seconds: u64,
    due_seconds: u64,
}

#[derive(Serialize)]
struct Gaps {
    count: u64,
    seconds: u64,
}

/// An object whose fields keep the order that they were given in.
struct Map<'a, V>(Vec<(&'a str, V)>);

impl<V: Serialize> Serialize for Map<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Shown(count) => serializer.serialize_u64(*count),
            Self::Hidden => serializer.serialize_str("hidden"),
            Self::Absent => serializer.serialize_none(),
        }
    }
}

pub(super) fn render(report: &Published) -> String {
    let document = PublishedDocument {
        report: "wardline-report",
        version: 1,
        software: concat!("wardline ", env!("CARGO_PKG_VERSION")),
        by: by(report.period),
        from: report.months.first().map(ToString::to_string),
        until: report.months.last().map(|last| last.next().to_string()),
        meaning: COUNT_MEANING,
        hiding: hiding(),
        hidden_below: K,
        in_force: IN_FORCE,
        left_out: LEFT_OUT,
        checking: CHECKING,
        resolvers: report.resolvers,
        copies_left_out: report.copies,
        lists: lists(report),
        months: (0..report.months.len())
            .filter_map(|place| month(report, place))
            .collect(),
        not_over: report.open.iter().map(ToString::to_string).collect(),
        sums: BlockedFigures {
            blocked: Map(report
                .lists
                .iter()
                .map(|list| (list.id.as_str(), list.sum()))
                .collect()),
            blocked_by_all: report.sum(),
        },
        log_heads: report.heads.iter().map(head).collect(),
    };
    // Strings and numbers only: nothing that JSON cannot hold.
    let mut json = serde_json::to_string_pretty(&document).unwrap_or_default();
    json.push('\n');
    json
}

fn head(head: &LogHead) -> PublishedHead<'_> {
    PublishedHead {
        origin: &head.origin,
        size: &head.size,
        root: &head.root,
        signed_at: utc(head.at),
    }
}

fn lists(report: &Published) -> Vec<PublishedFigures<'_>> {
    let lists = report.lists.iter().map(|list| {
        let papers = list.papers.iter().map(|papers| ListPapers {
            since: utc(papers.since),
            authority: &papers.authority,
            legal_basis: &papers.legal_basis,
        });
        let versions = list.applied.iter().map(|version| Version {
            serial: version.serial,
            issued: utc(version.issued),
            live: utc(version.live),
            seconds: version.seconds(),
        });
        PublishedFigures {
            id: &list.id,
            papers: papers.collect(),
            versions: versions.collect(),
        }
    });
    lists.collect()
}

const fn gaps_of(sum: &GapSum) -> Gaps {
    Gaps {
        count: sum.count,
        seconds: sum.seconds,
    }
}

fn month(report: &Published, place: usize) -> Option<MonthFigures<'_>> {
    let month = *report.months.get(place)?;
    let all = report.all.get(place)?;
    let of_lists = |figure: &dyn Fn(&Shown) -> Option<Figure>| {
        let blocked = report
            .lists
            .iter()
            .filter_map(|list| Some((list.id.as_str(), figure(list.months.get(place)?)?)));
        Map(blocked.collect())
    };
    let in_force = report.lists.iter().filter_map(|list| {
        let InForce { seconds, due_s } = InForce::sum(list.in_force.get(place)?);
        Some((
            list.id.as_str(),
            Seconds {
                seconds,
                due_seconds: due_s,
            },
        ))
    });
    let done = report
        .lists
        .iter()
        .filter(|list| list.is_there(place))
        .filter_map(|list| {
            let steps = StepKind::ALL
                .into_iter()
                .map(StepKind::word)
                .zip(list.steps.get(place)?.iter().copied());
            Some((list.id.as_str(), Map(steps.collect())))
        });
    let gaps = GapKind::ALL
        .into_iter()
        .zip(report.gaps.get(place)?)
        .filter(|(_, sum)| sum.count > 0);
    let absences = report.lists.iter().filter_map(|list| {
        let sum = list.absence(place)?;
        Some((list.id.as_str(), gaps_of(&sum)))
    });
    let days = all.days.iter().enumerate().map(|(day, figure)| DayFigures {
        day: month.day_name(day),
        blocked: BlockedFigures {
            blocked: of_lists(&|shown| shown.days.get(day).copied()),
            blocked_by_all: *figure,
        },
    });
    Some(MonthFigures {
        month: month.to_string(),
        blocked: BlockedFigures {
            blocked: of_lists(&|shown| Some(shown.month)),
            blocked_by_all: all.month,
        },
        questions_in_millions: report.questions.get(place).copied().flatten(),
        in_force: Map(in_force.collect()),
        done: Map(done.collect()),
        gaps: Map(gaps
            .map(|(kind, sum)| (kind.name(), gaps_of(sum)))
            .collect()),
        not_in_force: Map(absences.collect()),
        days: (report.period == Period::Day).then(|| days.collect()),
    })
}

//! The published report as JSON.

use super::captions::{CHECKING, IN_FORCE, LEFT_OUT, by, hiding};
use super::document::{
    BlockedFigures, ByList, DayFigures, ForceSeconds, GapFigures, ListPapers, MonthFigures,
    PublishedDocument, PublishedFigures, PublishedHead, PublishedVersion,
};
use super::figures::{InForce, LogHead, Period, Published, PublishedList};
use super::gather::GapSum;
use super::hide::{Figure, K, Shown};
use crate::count::{GapKind, StepKind};
use crate::report::meaning::COUNT_MEANING;
use crate::report::month::Month;
use crate::report::span::utc;

pub(super) fn render(report: &Published) -> String {
    document(report).to_json()
}

/// The report as what its JSON says.
pub fn document(report: &Published) -> PublishedDocument {
    PublishedDocument {
        report: PublishedDocument::KIND.to_owned(),
        version: PublishedDocument::VERSION,
        software: concat!("wardline ", env!("CARGO_PKG_VERSION")).to_owned(),
        by: by(report.period).to_owned(),
        from: report.months.first().map(ToString::to_string),
        until: report.months.last().map(|last| last.next().to_string()),
        meaning: COUNT_MEANING.to_owned(),
        hiding: hiding(),
        hidden_below: K,
        in_force: IN_FORCE.to_owned(),
        left_out: LEFT_OUT.to_owned(),
        checking: CHECKING.to_owned(),
        resolvers: report.resolvers,
        copies_left_out: report.copies,
        lists: lists(report),
        months: (0..report.months.len())
            .filter_map(|place| month(report, place))
            .collect(),
        not_over: report.open.iter().map(ToString::to_string).collect(),
        sums: BlockedFigures {
            blocked: ByList(
                report
                    .lists
                    .iter()
                    .map(|list| (list.id.clone(), list.sum()))
                    .collect(),
            ),
            blocked_by_all: report.sum(),
        },
        log_heads: report.heads.iter().map(head).collect(),
    }
}

fn head(head: &LogHead) -> PublishedHead {
    PublishedHead {
        origin: head.origin.clone(),
        size: head.size.clone(),
        root: head.root.clone(),
        signed_at: utc(head.at),
    }
}

fn lists(report: &Published) -> Vec<PublishedFigures> {
    let lists = report.lists.iter().map(|list| {
        let papers = list.papers.iter().map(|papers| ListPapers {
            since: utc(papers.since),
            authority: papers.authority.clone(),
            legal_basis: papers.legal_basis.clone(),
        });
        let versions = list.applied.iter().map(|version| PublishedVersion {
            serial: version.serial,
            issued: utc(version.issued),
            live: utc(version.live),
            seconds: version.seconds(),
        });
        PublishedFigures {
            id: list.id.clone(),
            papers: papers.collect(),
            versions: versions.collect(),
        }
    });
    lists.collect()
}

/// A list's deadline and how many of a month's versions kept it; nothing where it has none.
fn deadline_of(list: &PublishedList, month: Month) -> Vec<(String, u64)> {
    let (Some(deadline_s), Some(within)) = (list.deadline_s, list.in_time(list.applied_in(month)))
    else {
        return Vec::new();
    };
    let named = [
        ("versions", list.applied_in(month).count() as u64),
        ("within_deadline", within),
        ("deadline_seconds", deadline_s),
    ];
    named.map(|(key, figure)| (key.to_owned(), figure)).into()
}

const fn gaps_of(sum: &GapSum) -> GapFigures {
    GapFigures {
        count: sum.count,
        seconds: sum.seconds,
    }
}

fn month(report: &Published, place: usize) -> Option<MonthFigures> {
    let month = *report.months.get(place)?;
    let all = report.all.get(place)?;
    let of_lists = |figure: &dyn Fn(&Shown) -> Option<Figure>| {
        let blocked = report
            .lists
            .iter()
            .filter_map(|list| Some((list.id.clone(), figure(list.months.get(place)?)?)));
        ByList(blocked.collect())
    };
    let in_force = report.lists.iter().filter_map(|list| {
        let InForce { seconds, due_s } = InForce::sum(list.in_force.get(place)?);
        Some((
            list.id.clone(),
            ForceSeconds {
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
                .map(|kind| kind.word().to_owned())
                .zip(list.steps.get(place)?.iter().copied());
            let steps = steps.chain(deadline_of(list, month));
            Some((list.id.clone(), ByList(steps.collect())))
        });
    let gaps = GapKind::ALL
        .into_iter()
        .zip(report.gaps.get(place)?)
        .filter(|(_, sum)| sum.count > 0);
    let absences = report.lists.iter().filter_map(|list| {
        let sum = list.absence(place)?;
        Some((list.id.clone(), gaps_of(&sum)))
    });
    let days = all.days.iter().enumerate().map(|(day, figure)| DayFigures {
        day: month.day_name(day),
        blocked: of_lists(&|shown| shown.days.get(day).copied()),
        blocked_by_all: *figure,
    });
    Some(MonthFigures {
        month: month.to_string(),
        blocked: of_lists(&|shown| Some(shown.month)),
        blocked_by_all: all.month,
        questions_in_millions: report.questions.get(place).copied().flatten(),
        in_force: ByList(in_force.collect()),
        done: ByList(done.collect()),
        gaps: ByList(
            gaps.map(|(kind, sum)| (kind.name().to_owned(), gaps_of(sum)))
                .collect(),
        ),
        not_in_force: ByList(absences.collect()),
        days: (report.period == Period::Day).then(|| days.collect()),
    })
}

//! What the published report says, before it takes a form.

use std::collections::BTreeMap;

use super::gather::{AppliedVersion, Day, GapSum, Gathered, GatheredList};
use super::hide::{Figure, Shown, hide};
use super::logged::LoggedFigures;
use crate::clock::UnixSeconds;
use crate::count::{GapKind, Papers, StepKind, ToldHours};
use crate::report::complaints::Complaints;
use crate::report::month::Month;
use crate::report::month::Months;

/// A million questions: no closer are they told.
const MILLION: u64 = 1_000_000;

/// How finely figures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// One figure a day, and the month's.
    Day,
    /// One figure a month.
    Month,
}

/// A report that can be published.
///
/// It is made of the figures of whole months that are over, and says the same about a month
/// whatever others it is asked for with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// How finely it is shown.
    pub period: Period,
    /// The months with figures, earliest first; they follow each other.
    pub months: Vec<Month>,
    /// Months that were asked for and are not over, or whose counts are not all written.
    pub open: Vec<Month>,
    /// Resolvers with an hour in these months, each counted once.
    pub resolvers: usize,
    /// Records that were copies of another one's resolver, and not counted again.
    pub copies: usize,
    /// By id.
    pub lists: Vec<PublishedList>,
    /// All lists together, by month: shown where each list's figure is.
    pub all: Vec<Shown>,
    /// All questions by month in millions; none where that would be too few to tell.
    pub questions: Vec<Option<u64>>,
    /// What is missing, by month and kind.
    pub gaps: Vec<[GapSum; GapKind::ALL.len()]>,
    /// The audit logs' heads after these months, by name; none of a resolver that keeps no log, or
    /// whose log does not reach so far.
    pub heads: Vec<LogHead>,
    /// What people complained about, where the operator keeps account of it.
    pub complaints: Option<Complaints>,
}

/// One list in a published report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedList {
    /// Its id.
    pub id: String,
    /// Who answers for it, each as of its date, earliest first; the times are those of the first
    /// resolver.
    pub papers: Vec<Papers>,
    /// Its figures by month.
    pub months: Vec<Shown>,
    /// How long it was in force, by month and day.
    pub in_force: Vec<Vec<InForce>>,
    /// The versions that took effect in these months, by serial.
    pub applied: Vec<AppliedVersion>,
    /// How soon after it was issued a version had to be in force, in seconds; none where nobody
    /// says. See [`Published::with_deadlines`].
    pub deadline_s: Option<u64>,
    /// What else was done about it by month, over all resolvers.
    pub steps: Vec<[u64; StepKind::ALL.len()]>,
    /// When it was not in force although resolvers ran with it, by month.
    pub absences: Vec<GapSum>,
}

/// What the audit log of one resolver said after these months, as its signed checkpoint has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// The log's name: the provider's and the resolver's.
    pub origin: String,
    /// How many leaves it had.
    pub size: String,
    /// The hash over all of them, in base64.
    pub root: String,
    /// When its last leaf is of.
    pub at: UnixSeconds,
}

impl LogHead {
    /// Of a checkpoint whose last leaf is of `at`; none where the note's text is not one's.
    pub fn of(note: &str, at: UnixSeconds) -> Option<Self> {
        let mut lines = note.lines().map(str::to_owned);
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        Some(Self {
            origin,
            size,
            root,
            at,
        })
    }
}

/// How long a list was in force, added up over the resolvers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// Seconds in force.
    pub seconds: u64,
    /// Seconds that it should have been.
    pub due_s: u64,
}

impl InForce {
    /// All of these together.
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        parts.into_iter().fold(Self::default(), |sum, part| Self {
            seconds: sum.seconds + part.seconds,
            due_s: sum.due_s + part.due_s,
        })
    }

    /// Hundredths of a per cent, cut and never rounded up: 10,000 is the whole time and nothing
    /// less.
    pub fn per_10_000(self) -> Option<u64> {
        (self.seconds.min(self.due_s) * 10_000).checked_div(self.due_s)
    }
}

impl PublishedList {
    /// The sum over all months, shown where each month's is.
    pub fn sum(&self) -> Figure {
        Figure::sum(self.months.iter().map(|month| month.month))
    }
}

impl Published {
    /// With the lists' deadlines, in seconds by the list's id, as they are configured: the records
    /// do not have them.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: &BTreeMap<String, u64>) -> Self {
        for list in &mut self.lists {
            list.deadline_s = deadlines.get(&list.id).copied();
        }
        self
    }

    /// With the operator's own account of complaints and appeals.
    #[must_use]
    pub fn with_complaints(mut self, complaints: Option<Complaints>) -> Self {
        self.complaints = complaints;
        self
    }

    /// With who answers for the lists, by the list's id, each as of its date.
    #[must_use]
    pub fn with_papers(mut self, mut papers: BTreeMap<String, Vec<Papers>>) -> Self {
        for list in &mut self.lists {
            list.papers = papers.remove(&list.id).unwrap_or_default();
        }
        self
    }

    /// With the heads of the logs, in the order of their names.
    #[must_use]
    pub fn with_heads(mut self, mut heads: Vec<LogHead>) -> Self {
        heads.sort_by(|one, other| one.origin.cmp(&other.origin));
        self.heads = heads;
        self
    }

    /// With the months that were asked for and are not over, and how many records were copies.
    #[must_use]
    pub fn with_left_out(mut self, open: Vec<Month>, copies: usize) -> Self {
        (self.open, self.copies) = (open, copies);
        self
    }

    /// The sum over all lists and months, shown where each part is.
    pub fn sum(&self) -> Figure {
        Figure::sum(self.lists.iter().map(PublishedList::sum))
    }
}

impl PublishedList {
    /// Whether it was in force in the month at this place.
    pub fn is_there(&self, place: usize) -> bool {
        self.months
            .get(place)
            .is_some_and(|month| month.month != Figure::Absent)
    }

    /// When it was not in force in the month at this place; none where it always was.
    pub fn absence(&self, place: usize) -> Option<GapSum> {
        let sum = self.absences.get(place).copied();
        sum.filter(|sum| sum.count > 0)
    }

    /// How many of these versions were in force within the list's deadline; none where it has none.
    pub fn in_time<'a>(
        &self,
        versions: impl IntoIterator<Item = &'a AppliedVersion>,
    ) -> Option<u64> {
        let deadline_s = self.deadline_s?;
        let within = versions
            .into_iter()
            .filter(|version| version.seconds() <= deadline_s);
        Some(within.count() as u64)
    }

    /// The versions that took effect in a month.
    pub fn applied_in(&self, month: Month) -> impl Iterator<Item = &AppliedVersion> {
        self.applied
            .iter()
            .filter(move |version| (month.start()..month.end()).contains(&version.live))
    }
}

/// The median and the slowest of the times that versions took, in seconds.
pub(super) fn median_and_slowest<'a>(
    versions: impl Iterator<Item = &'a AppliedVersion>,
) -> Option<(u64, u64)> {
    let mut times: Vec<_> = versions.map(AppliedVersion::seconds).collect();
    times.sort_unstable();
    Some((*times.get(times.len() / 2)?, *times.last()?))
}

/// Makes the report of what the logs say.
pub fn publish(logged: LoggedFigures, period: Period) -> Published {
    let LoggedFigures {
        months, gathered, ..
    } = logged;
    let Gathered {
        resolvers,
        lists,
        questions,
        gaps,
    } = gathered;
    let lists: Vec<_> = lists
        .into_iter()
        .map(|(id, list)| publish_list(id, list, &months))
        .collect();
    let lists: Vec<_> = lists
        .into_iter()
        .filter(|list| {
            list.months
                .iter()
                .any(|month| month.month != Figure::Absent)
        })
        .collect();
    let all: Vec<_> = (0..months.len())
        .map(|month| sum_lists(&lists, month))
        .collect();
    let blocked = (0..months.len()).map(|month| {
        lists
            .iter()
            .filter_map(|list| list.months.get(month)?.month.shown())
            .sum()
    });
    let questions = questions
        .into_iter()
        .zip(blocked)
        .map(|(count, blocked)| in_millions(count, blocked))
        .collect();
    Published {
        period,
        months,
        open: Vec::new(),
        resolvers,
        copies: 0,
        lists,
        all,
        questions,
        gaps,
        heads: Vec::new(),
        complaints: None,
    }
}

/// The months that are over on every resolver, without a break, and those after them.
///
/// `complete` is up to when nothing more can come of any, `written` when something was written
/// last.
pub fn choose_months(
    told: &[ToldHours],
    complete: UnixSeconds,
    written: UnixSeconds,
    asked: Months,
) -> (Vec<Month>, Vec<Month>) {
    let first = told.iter().map(|told| Month::of(told.from)).min();
    let last = told.iter().map(|told| told.until).max();
    let (Some(first), Some(last)) = (asked.from.or(first), last) else {
        return (Vec::new(), open_without_hours(written, asked));
    };
    // Months without any hour at the end have nothing to tell.
    let until = asked.until.unwrap_or(Month::of(last - 1).next());
    let asked = std::iter::successors(Some(first), |month| Some(month.next()))
        .take_while(|month| *month < until);
    asked
        .take(MONTHS_MAX)
        .partition(|month| month.end() <= complete)
}

/// The month in which something was written, where no log tells an hour of it yet: it is not over.
fn open_without_hours(written: UnixSeconds, asked: Months) -> Vec<Month> {
    let month = (written > 0).then(|| Month::of(written));
    let is_asked = |month: &Month| {
        asked.from.is_none_or(|from| from <= *month) && asked.until.is_none_or(|end| *month < end)
    };
    month.into_iter().filter(is_asked).collect()
}

/// A hundred years: an end in the far future is a slip.
const MONTHS_MAX: usize = 1200;

fn publish_list(id: String, list: GatheredList, months: &[Month]) -> PublishedList {
    let mut days = list.days.as_slice();
    let (mut shown, mut in_force) = (
        Vec::with_capacity(months.len()),
        Vec::with_capacity(months.len()),
    );
    for month in months {
        let (of_month, rest) = days
            .split_at_checked(month.day_count())
            .unwrap_or((days, &[]));
        days = rest;
        shown.push(hide(
            &of_month.iter().map(|day| day.blocked).collect::<Vec<_>>(),
        ));
        in_force.push(
            of_month
                .iter()
                .map(
                    |&Day {
                         in_force_s, due_s, ..
                     }| InForce {
                        seconds: in_force_s,
                        due_s,
                    },
                )
                .collect(),
        );
    }
    PublishedList {
        id,
        papers: Vec::new(),
        months: shown,
        in_force,
        applied: list.applied.into_values().collect(),
        deadline_s: None,
        steps: list.steps,
        absences: list.absences,
    }
}

fn sum_lists(lists: &[PublishedList], month: usize) -> Shown {
    let of_month = || lists.iter().filter_map(|list| list.months.get(month));
    let days = of_month()
        .map(|shown| shown.days.len())
        .max()
        .unwrap_or_default();
    let day = |day: usize| Figure::sum(of_month().filter_map(|shown| shown.days.get(day).copied()));
    Shown {
        month: Figure::sum(of_month().map(|shown| shown.month)),
        days: (0..days).map(day).collect(),
    }
}

/// All questions are an upper bound of the blocked ones: told so coarsely, and only where they are
/// so many more, they bound nothing.
pub(super) fn in_millions(count: u64, blocked: u64) -> Option<u64> {
    let millions = (count + MILLION / 2) / MILLION;
    (millions > 0 && millions.saturating_mul(MILLION) > 2 * blocked + MILLION).then_some(millions)
}

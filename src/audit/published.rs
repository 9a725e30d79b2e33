//! Holds a published report against the leaves of the logs: whatever follows from them is made
//! anew.

use std::collections::{BTreeMap, BTreeSet};

use super::{FINDINGS_MAX, Finding};
use crate::clock::UnixSeconds;
use crate::record::{Leaf, Moment, Withdrawals};
use crate::report::{
    ByList, Figure, LoggedFigures, Month, MonthFigures, Period, PublishedDocument, PublishedHead,
    document, publish,
};
use crate::seal::tree::Hash;

/// The code of all findings about a report.
const REPORT: &str = "report";
/// Ten years.
const MONTHS_MAX: usize = 120;
/// What a list's `done` has only where the operator named a deadline, which no log knows.
const DEADLINE: &str = "deadline_seconds";

/// A published report, as it was read, and what the logs say of its months so far.
#[derive(Debug)]
pub struct PublishedReport {
    document: Result<PublishedDocument, String>,
    /// None where the report has no months that can be checked.
    figures: Option<LoggedFigures>,
    /// The logs that were read.
    origins: BTreeSet<String>,
    /// What the logs have where the report names their heads.
    heads: BTreeMap<String, PublishedHead>,
}

/// A figure that is held against one made anew, by its place.
struct Held<'a> {
    findings: &'a mut Vec<Finding>,
}

impl PublishedReport {
    /// Reads it; what is wrong with its form is found when it is checked.
    pub fn read(octets: &[u8]) -> Self {
        let document = PublishedDocument::parse(octets);
        let months = document.as_ref().ok().and_then(months_of);
        Self {
            figures: months.map(|months| LoggedFigures::new(&months)),
            document,
            origins: BTreeSet::new(),
            heads: BTreeMap::new(),
        }
    }

    /// The leaves that follow are of this log; false where they count already, or not at all.
    pub(super) fn begin_log(&mut self, origin: &str, withdrawals: &Withdrawals) -> bool {
        let is_new = self.origins.insert(origin.to_owned());
        let figures = self.figures.as_mut().filter(|_| is_new);
        let begun = figures.map(|figures| figures.begin_log(origin, withdrawals.clone()));
        begun.is_some()
    }

    /// Reads a leaf of the log.
    pub(super) fn take(&mut self, leaf: &Leaf<'_>) {
        if let Some(figures) = &mut self.figures {
            figures.take(leaf);
        }
    }

    /// With how many leaves the report has the log's head.
    pub(super) fn head_size(&self, origin: &str) -> Option<u64> {
        let heads = &self.document.as_ref().ok()?.log_heads;
        let head = heads.iter().find(|head| head.origin == origin)?;
        let size = head.size.parse::<u64>().ok()?;
        (size.to_string() == head.size).then_some(size)
    }

    /// The log with so many leaves.
    pub(super) fn note_head(&mut self, origin: &str, size: u64, root: &Hash, at: UnixSeconds) {
        let head = PublishedHead {
            origin: origin.to_owned(),
            size: size.to_string(),
            root: data_encoding::BASE64.encode(root),
            signed_at: Moment(at).to_string(),
        };
        self.heads.insert(origin.to_owned(), head);
    }

    /// Whatever is not what the leaves of all logs together make it.
    ///
    /// `until` is how far all logs tell.
    pub fn check(self, until: Option<UnixSeconds>) -> Vec<Finding> {
        let document = match self.document {
            Ok(document) => document,
            Err(message) => return vec![wrong("form", &message)],
        };
        let Some(mut figures) = self.figures else {
            let message = "its months are none, or do not follow each other from `from` to \
                           `until`, or are more than ten years, or their days are not all";
            return vec![wrong("months", message)];
        };
        figures.finish();
        if figures.end() > until {
            let message = "its last month is not over in all logs";
            return vec![wrong("months", message)];
        }
        if figures.is_beyond() {
            let message = "the logs have more lists and issues in these months than are checked";
            return vec![wrong("months", message)];
        }
        let (mut findings, deadlines) = (Vec::new(), deadlines(&document));
        let mut held = Held {
            findings: &mut findings,
        };
        held.heads(&document, &figures, &self.heads);
        let made = made_anew(figures, &document, &deadlines);
        held.lists(&document, &made);
        for (shown, made) in document.months.iter().zip(&made.months) {
            held.month(shown, made);
        }
        held.figures("sums", &document.sums.blocked, &made.sums.blocked);
        held.all(
            "sums",
            document.sums.blocked_by_all,
            made.sums.blocked_by_all,
        );
        findings.truncate(FINDINGS_MAX);
        findings
    }
}

impl Held<'_> {
    fn find(&mut self, place: &str, message: &str) {
        self.findings.push(wrong(place, message));
    }

    /// The first head after the months of each log that tells all of them.
    fn heads(
        &mut self,
        document: &PublishedDocument,
        figures: &LoggedFigures,
        seen: &BTreeMap<String, PublishedHead>,
    ) {
        let due = figures.heads().iter();
        let due: BTreeMap<&str, u64> = due
            .map(|place| (place.origin.as_str(), place.size))
            .collect();
        let shown = document.log_heads.iter();
        let shown: BTreeMap<&str, &PublishedHead> =
            shown.map(|head| (head.origin.as_str(), head)).collect();
        let origins: BTreeSet<&str> = due.keys().chain(shown.keys()).copied().collect();
        for origin in origins {
            let size = seen.get(origin).and_then(|seen| seen.size.parse().ok());
            let is_due = due.get(origin).copied() <= size && due.contains_key(origin);
            if !is_due || shown.get(origin).copied() != seen.get(origin) {
                let message = "is not a head of the log, or not one behind these months";
                self.find(&format!("head {origin}"), message);
            }
        }
    }

    fn lists(&mut self, document: &PublishedDocument, made: &PublishedDocument) {
        let ids = |document: &PublishedDocument| -> Vec<String> {
            document.lists.iter().map(|list| list.id.clone()).collect()
        };
        if ids(document) != ids(made) {
            let message = "its lists are not those that have hours in these months";
            self.find("lists", message);
        }
        for list in &made.lists {
            let shown = document.lists.iter().find(|shown| shown.id == list.id);
            if shown.is_some_and(|shown| shown.versions != list.versions) {
                let message = "are not those that the leaves say came into force, and when";
                self.find(&format!("versions {}", list.id), message);
            }
        }
        if document.resolvers != made.resolvers {
            let message = format!("{} have an hour in these months", made.resolvers);
            self.find("resolvers", &message);
        }
    }

    fn month(&mut self, shown: &MonthFigures, made: &MonthFigures) {
        let month = &shown.month;
        self.figures(month, &shown.blocked, &made.blocked);
        self.all(month, shown.blocked_by_all, made.blocked_by_all);
        let days = shown.days.iter().flatten();
        for (shown, made) in days.zip(made.days.iter().flatten()) {
            self.figures(&shown.day, &shown.blocked, &made.blocked);
            self.all(&shown.day, shown.blocked_by_all, made.blocked_by_all);
        }
        if shown.questions_in_millions != made.questions_in_millions {
            let message = format!(
                "the leaves make that {:?} millions",
                made.questions_in_millions
            );
            self.find(&format!("{month} questions"), &message);
        }
        let seconds = "is not what the leaves add up to";
        self.by_list(&shown.in_force, &made.in_force, |id, _| {
            (format!("{month} in-force {id}"), seconds.to_owned())
        });
        self.by_list(&shown.done, &made.done, |id, _| {
            (format!("{month} done {id}"), seconds.to_owned())
        });
        if shown.gaps != made.gaps {
            self.find(&format!("{month} gaps"), seconds);
        }
        self.by_list(&shown.not_in_force, &made.not_in_force, |id, _| {
            (format!("{month} not-in-force {id}"), seconds.to_owned())
        });
    }

    /// Each list's figure, and that no other list has one.
    fn figures(&mut self, time: &str, shown: &ByList<Figure>, made: &ByList<Figure>) {
        self.by_list(shown, made, |id, made| {
            let message = format!("the leaves make that {}", describe(made.copied()));
            (format!("{time} list {id}"), message)
        });
    }

    fn all(&mut self, time: &str, shown: Figure, made: Figure) {
        if shown != made {
            let message = format!("the leaves make that {}", describe(Some(made)));
            self.find(&format!("{time} all"), &message);
        }
    }

    fn by_list<V: PartialEq>(
        &mut self,
        shown: &ByList<V>,
        made: &ByList<V>,
        explain: impl Fn(&str, Option<&V>) -> (String, String),
    ) {
        // Both are sorted by the lists' ids.
        let mut left = shown.0.iter().peekable();
        let mut right = made.0.iter().peekable();
        while let Some(id) = first_of(left.peek(), right.peek()) {
            let shown = left.next_if(|(other, _)| *other == id);
            let made = right.next_if(|(other, _)| *other == id);
            let (shown, made) = (shown.map(|(_, v)| v), made.map(|(_, v)| v));
            if shown != made {
                let (place, message) = explain(&id, made);
                self.find(&place, &message);
            }
        }
    }
}

fn first_of<V>(left: Option<&&(String, V)>, right: Option<&&(String, V)>) -> Option<String> {
    let ids = left.into_iter().chain(right).map(|(id, _)| id);
    ids.min().cloned()
}

/// The deadlines that the report itself names, by list: no log knows them, but they must be the
/// same in all months.
fn deadlines(document: &PublishedDocument) -> BTreeMap<String, u64> {
    let (mut deadlines, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for (list, done) in document.months.iter().flat_map(|month| &month.done.0) {
        if seen.insert(list) {
            deadlines.extend(done.get(DEADLINE).map(|deadline| (list.clone(), *deadline)));
        }
    }
    deadlines
}

fn made_anew(
    figures: LoggedFigures,
    document_read: &PublishedDocument,
    deadlines: &BTreeMap<String, u64>,
) -> PublishedDocument {
    let period = match document_read.by.as_str() {
        "day" => Period::Day,
        _ => Period::Month,
    };
    document(&publish(figures, period).with_deadlines(deadlines))
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
    (is_whole && are_named && months.len() <= MONTHS_MAX).then_some(months)
}

fn describe(figure: Option<Figure>) -> String {
    match figure {
        Some(Figure::Shown(count)) => count.to_string(),
        Some(Figure::Hidden) => "a hidden one".to_owned(),
        Some(Figure::Absent) => "one that says that the list had no hour".to_owned(),
        None => "no figure at all".to_owned(),
    }
}

fn wrong(place: &str, message: &str) -> Finding {
    Finding::new(REPORT, format!("report {place}"), message)
}

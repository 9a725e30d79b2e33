//! Adds up what the leaves of all logs say, by day and list, to be held against what was published.

use std::collections::BTreeMap;

use crate::clock::UnixSeconds;
use crate::record::Blocked;

const DAY_S: i64 = 86_400;

/// The first second of a UTC day.
pub type Day = UnixSeconds;

/// What the leaves of several logs add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Blocked questions by list and day.
    pub blocked: BTreeMap<String, BTreeMap<Day, Blocked>>,
    /// All questions by day.
    pub questions: BTreeMap<Day, u64>,
    /// Seconds in which lists were configured and not in force, by list; none that always was.
    pub not_in_force_s: BTreeMap<String, u64>,
}

impl Totals {
    /// Adds an hour of one list.
    pub(super) fn add_list(&mut self, hour: UnixSeconds, list: &str, blocked: Blocked) {
        let day = hour - hour.rem_euclid(DAY_S);
        if !self.blocked.contains_key(list) {
            self.blocked.insert(list.to_owned(), BTreeMap::new());
        }
        if let Some(days) = self.blocked.get_mut(list) {
            days.entry(day).or_default().add(blocked);
        }
    }

    /// Adds an hour's questions.
    pub(super) fn add_questions(&mut self, hour: UnixSeconds, questions: u64) {
        *self
            .questions
            .entry(hour - hour.rem_euclid(DAY_S))
            .or_default() += questions;
    }

    /// Adds seconds in which a list was not in force.
    pub(super) fn add_absence(&mut self, list: &str, seconds: u64) {
        if seconds > 0 {
            let sum = self.not_in_force_s.entry(list.to_owned()).or_default();
            *sum = sum.saturating_add(seconds);
        }
    }

    /// Adds what another log says.
    pub fn add(&mut self, other: &Self) {
        for (list, days) in &other.blocked {
            for (day, blocked) in days {
                self.add_list(*day, list, *blocked);
            }
        }
        for (day, questions) in &other.questions {
            self.add_questions(*day, *questions);
        }
        for (list, seconds) in &other.not_in_force_s {
            self.add_absence(list, *seconds);
        }
    }

    /// What a list blocked from the day `from` up to, and without, the day `until`.
    pub fn blocked(&self, list: &str, from: Day, until: Day) -> Blocked {
        let mut sum = Blocked::default();
        let days = self
            .blocked
            .get(list)
            .into_iter()
            .flat_map(|days| days.range(from..until));
        days.for_each(|(_, blocked)| sum.add(*blocked));
        sum
    }
}

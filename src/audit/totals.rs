//! Adds up what the leaves of all logs say, by list.

use std::collections::BTreeMap;

use crate::record::Blocked;

/// What the leaves of several logs add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Blocked questions by list.
    pub blocked: BTreeMap<String, Blocked>,
    /// All questions.
    pub questions: u64,
    /// Seconds in which lists were configured and not in force, by list; none that always was.
    pub not_in_force_s: BTreeMap<String, u64>,
}

impl Totals {
    /// Adds an hour of one list.
    pub(super) fn add_list(&mut self, list: &str, blocked: Blocked) {
        match self.blocked.get_mut(list) {
            Some(sum) => sum.add(blocked),
            None => {
                self.blocked.insert(list.to_owned(), blocked);
            }
        }
    }

    /// Adds an hour's questions.
    pub(super) fn add_questions(&mut self, questions: u64) {
        self.questions = self.questions.saturating_add(questions);
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
        for (list, blocked) in &other.blocked {
            self.add_list(list, *blocked);
        }
        self.add_questions(other.questions);
        for (list, seconds) in &other.not_in_force_s {
            self.add_absence(list, *seconds);
        }
    }
}

//! Adds up the hours of a record; every form of the report shows these sums.

use crate::count::{Event, ListCounts, Record};

/// The sums over all hours of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sums {
    /// Blocked questions, in the order of [`Record::lists`].
    pub(super) lists: Vec<ListCounts>,
    /// All questions.
    pub(super) questions: u64,
    /// Questions by [`Event`].
    pub(super) events: [u64; Event::ALL.len()],
    /// Seconds on record.
    pub(super) recorded_s: u64,
}

impl Sums {
    pub(super) fn of(record: &Record) -> Self {
        let mut sums = Self {
            lists: vec![ListCounts::default(); record.lists.len()],
            questions: 0,
            events: Default::default(),
            recorded_s: 0,
        };
        for hour in &record.hours {
            for (sum, counts) in sums.lists.iter_mut().zip(&hour.lists) {
                add_each(sum, &counts.unwrap_or_default());
            }
            sums.questions += hour.questions;
            add_each(&mut sums.events, &hour.events);
            sums.recorded_s += record.recorded_s(hour.hour);
        }
        sums
    }
}

fn add_each(sums: &mut [u64], counts: &[u64]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::exact::sample;

    #[test]
    fn sums_are_those_of_the_rows() {
        let sums = Sums::of(&sample::record());
        assert_eq!(sums.lists, [[100_001, 20, 3, 4], [0, 9, 0, 0]]);
        assert_eq!(
            (sums.questions, sums.events[Event::Blocked as usize]),
            (1_234_625, 100_037)
        );
        assert_eq!(sums.recorded_s, 3600 + 1200 + 3000 + 1800);
    }
}

//! Cuts the ever-growing tally into what belongs to each UTC hour.

use std::collections::BTreeMap;

use super::cells::{EntryCounts, Event, ListCounts, Tally};
use crate::clock::{UnixSeconds, hour_start};
use crate::list::ListIndex;

/// What was counted in one UTC hour since it was last taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HourCounts {
    /// The hour's first second.
    pub hour: UnixSeconds,
    /// Blocked questions by list index.
    pub lists: Vec<ListCounts>,
    /// All questions.
    pub questions: u64,
    /// Questions by [`Event`].
    pub events: [u64; Event::ALL.len()],
    /// Blocked questions by entry, of the lists alone that are counted so.
    pub entries: BTreeMap<ListIndex, EntryCounts>,
}

impl HourCounts {
    /// The same of the lists in these places alone, in their order.
    pub fn of_lists(self, places: &[ListIndex]) -> Self {
        let count = |place: &ListIndex| self.lists.get(usize::from(*place)).copied();
        let lists = places.iter().map(|place| count(place).unwrap_or_default());
        let lists = lists.collect();
        let mut entries = self.entries;
        let of_list = |(index, place)| Some((index, entries.remove(place)?));
        let entries = (0..).zip(places).filter_map(of_list).collect();
        Self {
            lists,
            entries,
            ..self
        }
    }

    /// Adds what was counted later in the same hour.
    pub fn add(&mut self, later: &Self) {
        if self.lists.len() < later.lists.len() {
            self.lists.resize(later.lists.len(), ListCounts::default());
        }
        for (sums, counts) in self.lists.iter_mut().zip(&later.lists) {
            add_each(sums, counts);
        }
        self.questions += later.questions;
        add_each(&mut self.events, &later.events);
        for (list, counts) in &later.entries {
            let sums = self.entries.entry(*list).or_default();
            counts
                .iter()
                .for_each(|(number, count)| *sums.entry(*number).or_default() += count);
        }
    }
}

fn add_each(sums: &mut [u64], counts: &[u64]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count;
    }
}

/// Remembers the tally at the last taking, so that each count is taken once.
#[derive(Debug, Default)]
pub struct Meter {
    taken: Tally,
    questions: u64,
}

impl Meter {
    /// What has been counted since the last taking, booked on the hour of `at`; entries are not
    /// among it.
    ///
    /// Call it at each change of the hour, with an `at` in the hour that ends; what was counted
    /// between the change and the call is booked there too.
    pub fn take(&mut self, now: Tally, at: UnixSeconds) -> HourCounts {
        let lists = now.lists.iter().enumerate().map(|(index, counts)| {
            let before = self.taken.lists.get(index).copied().unwrap_or_default();
            difference(*counts, before)
        });
        // The two are read one after the other while others count: a question that ended has come,
        // whether its coming was seen or not.
        let questions = now
            .questions()
            .max(now.events.iter().sum())
            .max(self.questions);
        let counts = HourCounts {
            hour: hour_start(at),
            lists: lists.collect(),
            questions: questions - self.questions,
            events: difference(now.events, self.taken.events),
            entries: BTreeMap::new(),
        };
        (self.taken, self.questions) = (now, questions);
        counts
    }
}

fn difference<const N: usize>(mut now: [u64; N], before: [u64; N]) -> [u64; N] {
    for (now, before) in now.iter_mut().zip(before) {
        *now -= before;
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::{Board, Door, Kind};

    #[test]
    fn two_takings_of_an_hour_add_up() {
        let mut sum = HourCounts {
            hour: 7200,
            questions: 1,
            ..HourCounts::default()
        };
        let entries =
            BTreeMap::from([(0, EntryCounts::from([(4711, 2)])), (1, EntryCounts::new())]);
        let later = HourCounts {
            hour: 7200,
            lists: vec![[1, 2, 3, 4]],
            questions: 2,
            events: [1; 8],
            entries,
        };
        sum.add(&later);
        sum.add(&later);
        let entries =
            BTreeMap::from([(0, EntryCounts::from([(4711, 4)])), (1, EntryCounts::new())]);
        assert_eq!(
            sum,
            HourCounts {
                hour: 7200,
                lists: vec![[2, 4, 6, 8]],
                questions: 5,
                events: [2; 8],
                entries
            }
        );
    }

    #[test]
    fn each_count_is_taken_once() {
        let board = Board::new(1);
        let cells = board.cells();
        let mut meter = Meter::default();
        cells.note_question(Door::Tcp);
        cells.note_blocked(0, Kind::Address);
        let first = meter.take(board.sum(), 7205);
        assert_eq!(
            (first.hour, first.questions, first.lists),
            (7200, 1, vec![[1, 0, 0, 0]])
        );
        cells.note_question(Door::Tcp);
        cells.note_blocked(0, Kind::Other);
        assert_eq!(meter.take(board.sum(), 10_801).lists, [[0, 0, 1, 0]]);
        assert_eq!(meter.take(board.sum(), 10_802).questions, 0);
    }

    #[test]
    fn a_question_under_way_has_come_and_not_ended() {
        let board = Board::new(1);
        let cells = board.cells();
        let mut meter = Meter::default();
        cells.note_question(Door::Udp);
        let first = meter.take(board.sum(), 7205);
        assert_eq!((first.questions, first.events.iter().sum::<u64>()), (1, 0));
        cells.note_blocked(0, Kind::Address);
        let second = meter.take(board.sum(), 7206);
        assert_eq!(
            (second.questions, second.events.iter().sum::<u64>()),
            (0, 1)
        );
    }
}

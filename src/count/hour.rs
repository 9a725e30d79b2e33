//! Cuts the ever-growing tally into what belongs to each UTC hour.

use crate::clock::{UnixSeconds, hour_start};

use super::cells::{Event, ListCounts, Tally};

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
}

/// Remembers the tally at the last taking, so that each count is taken once.
#[derive(Debug, Default)]
pub struct Meter {
    taken: Tally,
}

impl Meter {
    /// What has been counted since the last taking, booked on the hour of `now`.
    ///
    /// Call it at each change of the hour; what was counted between the change and the call falls into the new hour.
    pub fn take(&mut self, now: Tally, at: UnixSeconds) -> HourCounts {
        let lists = now.lists.iter().enumerate().map(|(index, counts)| {
            let before = self.taken.lists.get(index).copied().unwrap_or_default();
            difference(*counts, before)
        });
        let counts = HourCounts {
            hour: hour_start(at),
            lists: lists.collect(),
            questions: now.questions() - self.taken.questions(),
            events: difference(now.events, self.taken.events),
        };
        self.taken = now;
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
    fn each_count_is_taken_once() {
        let board = Board::new(1);
        let cells = board.cells();
        let mut meter = Meter::default();
        cells.note_question(Door::Tcp);
        cells.note_blocked(0, Kind::Address);
        let first = meter.take(board.sum(), 7205);
        assert_eq!((first.hour, first.questions, first.lists), (7200, 1, vec![[1, 0, 0, 0]]));
        cells.note_question(Door::Tcp);
        cells.note_blocked(0, Kind::Other);
        assert_eq!(meter.take(board.sum(), 10_801).lists, [[0, 0, 1, 0]]);
        assert_eq!(meter.take(board.sum(), 10_802).questions, 0);
    }
}

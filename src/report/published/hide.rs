//! Decides which figures of a month are shown, so that none under [`K`] can be seen or computed.
//!
//! The figures are one list's blocked questions, day by day, and their sum over the month. What is
//! shown depends on nothing but these, so the same month shows the same figures in every report.
//! `docs/report.md` says why nobody gets behind it.

use std::ops::Range;

/// Figures below this are hidden.
pub const K: u64 = 10;

/// The days of a month that are shown or hidden together: the last of its four weeks has 7 to 10
/// days.
const WEEK_STARTS: [usize; 4] = [0, 7, 14, 21];

/// A figure as it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// It is at least [`K`], and nothing hidden follows from it.
    Shown(u64),
    /// It is below [`K`], or stands beside one that is.
    Hidden,
    /// The list was not in force.
    Absent,
}

impl Figure {
    /// The number, if there is one to show.
    pub const fn shown(self) -> Option<u64> {
        match self {
            Self::Shown(count) => Some(count),
            Self::Hidden | Self::Absent => None,
        }
    }

    /// The sum of figures that are all shown: it says nothing that they do not say.
    pub fn sum(parts: impl IntoIterator<Item = Self>) -> Self {
        parts
            .into_iter()
            .fold(Self::Absent, |sum, part| match (sum, part) {
                (Self::Hidden, _) | (_, Self::Hidden) => Self::Hidden,
                (sum, Self::Absent) => sum,
                (Self::Absent, part) => part,
                (Self::Shown(sum), Self::Shown(part)) => Self::Shown(sum + part),
            })
    }
}

/// One list's month as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The sum over the month.
    pub month: Figure,
    /// Each of its days.
    pub days: Vec<Figure>,
}

/// What is shown of these days; none is a day on which the list was not in force, which everybody
/// may know.
pub(super) fn hide(days: &[Option<u64>]) -> Shown {
    hide_below(K, days)
}

fn hide_below(k: u64, days: &[Option<u64>]) -> Shown {
    let sum: u64 = days.iter().flatten().sum();
    let blocks = blocks(days);
    let hidden = if sum < k {
        vec![true; blocks.len()]
    } else {
        hidden_blocks(k, &blocks, days)
    };
    let shown = blocks.iter().zip(&hidden).flat_map(|(block, hidden)| {
        let figure = |count: &Option<u64>| match count {
            None => Figure::Absent,
            Some(_) if *hidden => Figure::Hidden,
            Some(count) => Figure::Shown(*count),
        };
        days.get(block.clone())
            .unwrap_or_default()
            .iter()
            .map(figure)
    });
    let month = match sum {
        _ if days.iter().all(Option::is_none) => Figure::Absent,
        sum if sum < k => Figure::Hidden,
        sum => Figure::Shown(sum),
    };
    Shown {
        month,
        days: shown.collect(),
    }
}

/// The weeks, those with less than two days in force joined to the next one and at the end to the
/// one before: a hidden day always has another one beside it that can make up for it.
fn blocks(days: &[Option<u64>]) -> Vec<Range<usize>> {
    let starts = WEEK_STARTS.into_iter().map(|start| start.min(days.len()));
    let ends = starts.clone().skip(1).chain([days.len()]);
    let in_force = |block: &Range<usize>| {
        days.get(block.clone())
            .unwrap_or_default()
            .iter()
            .flatten()
            .count()
    };
    let mut blocks: Vec<Range<usize>> = Vec::with_capacity(WEEK_STARTS.len());
    for week in starts.zip(ends).map(|(start, end)| start..end) {
        match blocks.last_mut() {
            Some(last) if in_force(last) < 2 => last.end = week.end,
            _ => blocks.push(week),
        }
    }
    if let Some(last) = blocks.pop_if(|last| in_force(last) < 2) {
        match blocks.last_mut() {
            Some(before) => before.end = last.end,
            None => blocks.push(last),
        }
    }
    blocks
}

/// Blocks with a day under `k` are hidden. If all hidden days together are still under `k`, the
/// month's sum would give them away to who takes the other days from it: then the block after them
/// is hidden too.
fn hidden_blocks(k: u64, blocks: &[Range<usize>], days: &[Option<u64>]) -> Vec<bool> {
    let counts =
        |block: &Range<usize>| days.get(block.clone()).unwrap_or_default().iter().flatten();
    let mut hidden: Vec<bool> = blocks
        .iter()
        .map(|block| counts(block).any(|count| *count < k))
        .collect();
    let Some(first) = hidden.iter().position(|hidden| *hidden) else {
        return hidden;
    };
    let behind: u64 = blocks
        .iter()
        .zip(&hidden)
        .filter(|(_, hidden)| **hidden)
        .flat_map(|(block, _)| counts(block))
        .sum();
    if behind < k {
        let mut after = (1..blocks.len()).map(|step| (first + step) % blocks.len());
        let shown = after.find(|block| hidden.get(*block) == Some(&false));
        if let Some(hidden) = shown.and_then(|block| hidden.get_mut(block)) {
            *hidden = true;
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn month(quiet: &[(usize, u64)]) -> Vec<Option<u64>> {
        let mut days = vec![Some(50); 31];
        quiet
            .iter()
            .for_each(|(day, count)| days[*day] = Some(*count));
        days
    }

    fn hidden(days: &[Option<u64>]) -> Vec<usize> {
        hide(days)
            .days
            .iter()
            .enumerate()
            .filter(|(_, figure)| **figure == Figure::Hidden)
            .map(|(day, _)| day)
            .collect()
    }

    #[test]
    fn a_quiet_day_takes_its_week_along() {
        assert_eq!(hide(&month(&[])).month, Figure::Shown(1550));
        assert!(hidden(&month(&[])).is_empty());
        assert!(hidden(&month(&[(3, 10)])).is_empty());
        assert_eq!(hidden(&month(&[(3, 9)])), (0..7).collect::<Vec<_>>());
        assert_eq!(
            hidden(&month(&[(30, 0), (8, 0)])),
            (7..14).chain(21..31).collect::<Vec<_>>()
        );
        assert_eq!(hide(&month(&[(3, 9)])).month, Figure::Shown(1509));
    }

    #[test]
    fn a_sum_under_k_hides_the_month_and_a_list_that_was_not_there_is_absent() {
        let quiet = [[Some(1)].as_slice(), &[Some(0); 27]].concat();
        assert_eq!(
            hide(&quiet),
            Shown {
                month: Figure::Hidden,
                days: vec![Figure::Hidden; 28]
            }
        );
        assert_eq!(
            hide(&[None; 30]),
            Shown {
                month: Figure::Absent,
                days: vec![Figure::Absent; 30]
            }
        );
    }

    #[test]
    fn a_week_with_one_day_in_force_goes_with_its_neighbour() {
        let mut days = month(&[]);
        days[..6].fill(None);
        days[6] = Some(3);
        assert_eq!(hidden(&days), (6..14).collect::<Vec<_>>());
        let mut days = month(&[]);
        days[7..30].fill(None);
        days[30] = Some(3);
        assert_eq!(
            hidden(&days),
            (0..7).chain([30]).collect::<Vec<_>>(),
            "the last one with the one before"
        );
    }

    #[test]
    fn days_that_are_too_few_together_take_the_next_week_along() {
        let mut days = month(&[]);
        days[..5].fill(None);
        (days[5], days[6]) = (Some(3), Some(1));
        assert_eq!(hidden(&days), (5..14).collect::<Vec<_>>());
        let mut days = month(&[]);
        days[21..29].fill(None);
        (days[29], days[30]) = (Some(0), Some(9));
        assert_eq!(
            hidden(&days),
            (0..7).chain([29, 30]).collect::<Vec<_>>(),
            "round to the first week"
        );
    }

    #[test]
    fn a_sum_is_shown_only_with_all_its_parts() {
        use Figure::{Absent, Hidden, Shown};
        assert_eq!(Figure::sum([Shown(10), Absent, Shown(30)]), Shown(40));
        assert_eq!(Figure::sum([Shown(10), Hidden, Absent]), Hidden);
        assert_eq!(Figure::sum([Absent, Absent]), Absent);
    }

    /// All months of these days with figures up to `most`.
    fn all_months(places: &[usize], most: u64) -> Vec<Vec<Option<u64>>> {
        let mut months = vec![vec![None; 28]];
        for place in places {
            let with = |month: &Vec<Option<u64>>, count| {
                let mut month = month.clone();
                month[*place] = Some(count);
                month
            };
            months = months
                .iter()
                .flat_map(|month| {
                    (0..=most)
                        .map(|count| with(month, count))
                        .collect::<Vec<_>>()
                })
                .collect();
        }
        months
    }

    /// The strongest attacker knows this very code and tries every month there could have been:
    /// whatever is published, each hidden day could have been any number under k, and k or more,
    /// except where the whole month is under k.
    #[test]
    fn who_tries_every_possible_month_learns_nothing_about_a_hidden_figure() {
        const SMALL: u64 = 3;
        const MOST: u64 = 9;
        let placings: [&[usize]; 12] = [
            &[0],
            &[27],
            &[0, 1],
            &[6, 7],
            &[0, 1, 2],
            &[0, 7, 8],
            &[0, 7, 21],
            &[0, 1, 7, 14],
            &[0, 7, 14, 21],
            &[0, 1, 14, 15],
            &[0, 1, 7, 8, 27],
            &[6, 7, 14, 20, 21],
        ];
        let mut checked = 0;
        for places in placings {
            let mut possible: HashMap<String, Vec<Vec<Option<u64>>>> = HashMap::new();
            for month in all_months(places, MOST) {
                possible
                    .entry(format!("{:?}", hide_below(SMALL, &month)))
                    .or_default()
                    .push(month);
            }
            for months in possible.values() {
                let shown = hide_below(SMALL, &months[0]);
                let hidden: Vec<_> = places
                    .iter()
                    .filter(|place| shown.days[**place] == Figure::Hidden)
                    .collect();
                let behind: u64 = hidden.iter().filter_map(|place| months[0][**place]).sum();
                for place in hidden.iter().filter(|_| behind <= MOST) {
                    // The enumeration ends at MOST: where more could be behind the sum, it says too
                    // little.
                    let seen = |count| months.iter().any(|month| month[**place] == Some(count));
                    let is_whole = shown.month == Figure::Hidden;
                    let over =
                        |count: u64| months.iter().any(|month| month[**place] >= Some(count));
                    assert!(
                        (0..SMALL).all(seen) && (is_whole || over(SMALL)),
                        "{places:?} {place}: {months:?}"
                    );
                    checked += 1;
                }
            }
        }
        assert!(checked > 1000, "{checked}");
    }
}

//! The commitments to entry counts in a log, and what the curator is given to open them, held
//! against each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::{HOUR_S, UnixSeconds};
use crate::count::{EntryCounts, Opening, Openings};
use crate::record::{Moment, Statement};

use super::Finding;

/// The code of a finding about an opening.
const OPENING: &str = "opening";

/// The commitments in one log, by list and hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commitments {
    /// Of hours that stand.
    standing: BTreeMap<(String, UnixSeconds), Vec<String>>,
    /// Of hours that were told while the clock was ahead.
    withdrawn: BTreeMap<(String, UnixSeconds), Vec<String>>,
}

/// What openings come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The sums of all hours whose commitment holds.
    pub counts: EntryCounts,
    /// How many hours these are.
    pub hours: u64,
    /// The first of them.
    pub from: Option<UnixSeconds>,
    /// The end of the last one.
    pub until: Option<UnixSeconds>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

impl Commitments {
    /// Notes an event of the log, if it is a commitment.
    pub(super) fn note(&mut self, list: Option<&str>, said: Option<&Statement>) {
        if let (Some(list), Some(Statement::EntryCounts(said))) = (list, said) {
            let of_hour = self.standing.entry((list.to_owned(), said.hour.0));
            of_hour.or_default().push(said.commitment.clone());
        }
    }

    /// Adds those of another log.
    pub fn extend(&mut self, other: &Self) {
        for (own, others) in [
            (&mut self.standing, &other.standing),
            (&mut self.withdrawn, &other.withdrawn),
        ] {
            for (of_hour, commitments) in others {
                let known = own.entry(of_hour.clone()).or_default();
                known.extend(commitments.iter().cloned());
            }
        }
    }

    /// What was told of the hours from there on is withdrawn; its openings hold all the same.
    pub(super) fn withdraw(&mut self, since: UnixSeconds) {
        let withdrawn = self.standing.extract_if(.., |(_, hour), _| *hour >= since);
        for (of_hour, commitments) in withdrawn.collect::<Vec<_>>() {
            self.withdrawn
                .entry(of_hour)
                .or_default()
                .extend(commitments);
        }
    }

    /// Holds openings against the commitments; an hour whose opening is refused is in no sum.
    pub fn open(&self, openings: &Openings) -> Opened {
        let (mut opened, mut seen) = (Opened::default(), BTreeSet::new());
        let mut seen_withdrawn = BTreeSet::new();
        let Openings {
            origin,
            list,
            openings,
        } = openings;
        let find = |hour: UnixSeconds, message: &str| {
            Finding::new(OPENING, format!("{origin} hour {}", Moment(hour)), message)
        };
        for opening in openings {
            let hour = opening.hour;
            let commitment = opening.commitment();
            let withdrawn = self.withdrawn.get(&(list.to_owned(), hour));
            let is_withdrawn = withdrawn.is_some_and(|all| all.contains(&commitment));
            if is_withdrawn && seen_withdrawn.insert(commitment.clone()) {
                opened.add(opening);
                continue;
            }
            let refusal = match self.of(list, hour) {
                _ if !seen.insert(hour) => Some("the file opens this hour twice"),
                [] => Some(
                    "the log has no commitment to this hour's entry counts: export it anew, and \
                     the one that it follows (--ended) into a folder beside it, or ask for the \
                     right file",
                ),
                [committed] if *committed == commitment => None,
                [_] => Some("the counts are not those that the log commits to"),
                _ => Some("the log has several commitments to this hour's entry counts"),
            };
            if let Some(message) = refusal {
                opened.findings.push(find(hour, message));
                continue;
            }
            opened.add(opening);
        }
        // What lies between the first and the last hour was asked for too.
        let span = seen.first().copied().zip(seen.last().copied());
        let withheld = self
            .standing
            .keys()
            .filter(|(of, hour)| of == list && !seen.contains(hour));
        let withheld = withheld
            .filter(|(_, hour)| span.is_some_and(|(first, last)| (first..=last).contains(hour)));
        opened.findings.extend(withheld.map(|(_, hour)| {
            find(
                *hour,
                "the log commits to this hour's entry counts, and the file does not open them",
            )
        }));
        opened
    }

    fn of(&self, list: &str, hour: UnixSeconds) -> &[String] {
        self.standing
            .get(&(list.to_owned(), hour))
            .map_or(&[], Vec::as_slice)
    }
}

impl Opened {
    fn add(&mut self, opening: &Opening) {
        let hour = opening.hour;
        self.hours += 1;
        self.from = Some(self.from.map_or(hour, |from| from.min(hour)));
        self.until = self.until.max(Some(hour + HOUR_S));
        opening.counts.iter().for_each(|(number, count)| {
            let sum = self.counts.entry(*number).or_default();
            *sum = sum.saturating_add(*count);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::Opening;
    use crate::record::EntriesCommitted;

    const HOUR: UnixSeconds = 1_767_225_600;

    fn opening(n: i64, counts: &[(u32, u64)]) -> Opening {
        Opening {
            hour: HOUR + 3600 * n,
            salt: [n as u8; 32],
            counts: counts.iter().copied().collect(),
        }
    }

    fn commitments(openings: &[Opening]) -> Commitments {
        let mut commitments = Commitments::default();
        for opening in openings {
            let said = Statement::EntryCounts(EntriesCommitted {
                commitment: opening.commitment(),
                entries: 1,
                hour: Moment(opening.hour),
            });
            commitments.note(Some("law"), Some(&said));
        }
        commitments
    }

    fn open(
        commitments: &Commitments,
        list: &str,
        openings: &[Opening],
    ) -> (Vec<(u32, u64)>, Vec<String>) {
        let openings = Openings {
            origin: "p/r".into(),
            list: list.into(),
            openings: openings.to_vec(),
        };
        let opened = commitments.open(&openings);
        let findings = opened
            .findings
            .iter()
            .map(|finding| format!("{} {}", finding.place, finding.message));
        (opened.counts.into_iter().collect(), findings.collect())
    }

    #[test]
    fn what_was_committed_to_is_summed_and_all_else_is_refused_by_its_hour() {
        let hours = [
            opening(0, &[(9, 1), (4711, 2)]),
            opening(1, &[(9, 5)]),
            opening(2, &[]),
            opening(3, &[(7, 7)]),
        ];
        let log = commitments(&hours);
        assert_eq!(
            open(&log, "law", &hours[..3]),
            (vec![(9, 6), (4711, 2)], vec![])
        );
        let refused = |list: &str, openings: &[Opening], hour: &str, words: &str| {
            let (_, findings) = open(&log, list, openings);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(
                findings[0].starts_with(&format!("p/r hour 2026-01-01T{hour}:00:00Z "))
                    && findings[0].contains(words),
                "{findings:?}"
            );
        };
        refused(
            "law",
            &[opening(0, &[(9, 2), (4711, 2)])],
            "00",
            "not those that the log commits to",
        );
        refused(
            "law",
            &[Opening {
                hour: HOUR + 3600,
                ..hours[0].clone()
            }],
            "01",
            "not those that the log commits to",
        );
        refused(
            "law",
            &[hours[0].clone(), hours[2].clone()],
            "01",
            "does not open them",
        );
        refused("law", &[hours[0].clone(), hours[0].clone()], "00", "twice");
        refused("law", &[opening(4, &[])], "04", "no commitment");
        refused("other", &hours[..1], "00", "no commitment");
        let twice = commitments(&[hours[0].clone(), hours[0].clone()]);
        assert!(open(&twice, "law", &hours[..1]).1[0].contains("several commitments"));
    }
}

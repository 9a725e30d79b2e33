//! A closed hour of one list, as the log has it.

use serde::{Deserialize, Serialize};

use super::form::{
    HOUR_LEAF_VERSION, LEAF_VERSION, NUMBER_MAX, SALTED_LEAF_VERSION, is_plain_word, is_salt,
};
use super::moment::Moment;
use super::parts::{Blocked, Carried, Ended, LeafGap, LeafSpan};
use crate::clock::UnixSeconds;

const HOUR_S: u64 = 3600;

/// The kind of a leaf that is a closed hour; every other kind is an event.
pub const HOUR_KIND: &str = "hour";

/// A closed hour of one list. The figures without a list are those of the whole resolver, the same
/// in all leaves of an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HourLeaf<'a> {
    /// Questions that the list blocked, by kind.
    pub blocked: Blocked,
    /// The run that counted last in the hour: 16 hexadecimal digits.
    pub boot: &'a str,
    /// Questions on their way at the ends of the hour.
    pub carried: Carried,
    /// SHA-256 of the configuration file, in hexadecimal.
    pub configuration: &'a str,
    /// Questions of the resolver by how they ended.
    pub ended: Ended,
    /// Seconds since the end of the last hour that has leaves which are not on record.
    pub gap_s: u64,
    /// When they were, and why; the first may reach back over hours that have no leaves.
    pub gaps: Vec<LeafGap<'a>>,
    /// The hour's first second.
    pub hour: Moment,
    /// Seconds of the hour in which the resolver ran with the list in force; in the form 1 those
    /// in which the list was not are among them.
    pub in_force_s: u64,
    /// Always [`HOUR_KIND`].
    pub kind: &'a str,
    /// The list's id.
    pub list: &'a str,
    /// SHA-256 of the manifest that the list last came into force with, in hexadecimal; none for a
    /// list without one.
    pub manifest: Option<&'a str>,
    /// When the resolver ran and answered without the list's entries, as the list was not in
    /// force; none in the form 1, which does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_in_force: Option<Vec<LeafSpan>>,
    /// Whose resolver it is.
    pub provider: &'a str,
    /// Questions that came to the resolver.
    pub questions: u64,
    /// Which of the provider's resolvers.
    pub resolver: &'a str,
    /// 16 random octets in hexadecimal, by which nobody can guess the leaf from its hash; none in
    /// the forms before 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<&'a str>,
    /// The leaf's place in the log, from 0.
    pub seq: u64,
    /// The serial that the list last came into force with; none for a list without a manifest.
    pub serial: Option<u64>,
    /// The program and its version.
    pub software: &'a str,
    /// [`SALTED_LEAF_VERSION`]; in older logs [`HOUR_LEAF_VERSION`], or [`LEAF_VERSION`] in an hour
    /// of which nobody knows when its lists were not in force.
    pub v: u64,
}

impl HourLeaf<'_> {
    /// Has it what an hour of its form has, and nothing else?
    pub(super) fn is_in_form(&self) -> bool {
        let gaps = self.gaps.iter().flat_map(|gap| [gap.from, gap.until]);
        let spans = self.absences().flat_map(|span| [span.from, span.until]);
        let in_time = gaps.chain(spans).chain([self.hour]).all(Moment::is_in_time);
        let version = match (self.salt, &self.not_in_force) {
            (Some(_), Some(_)) => SALTED_LEAF_VERSION,
            (None, Some(_)) => HOUR_LEAF_VERSION,
            (None, None) => LEAF_VERSION,
            (Some(_), None) => return false,
        };
        self.kind == HOUR_KIND
            && self.v == version
            && self.salt.is_none_or(is_salt)
            && in_time
            && self.hour.0 % HOUR_S as i64 == 0
            && self.has_small_numbers()
            && self.has_plain_words()
    }

    fn has_plain_words(&self) -> bool {
        let words = [self.boot, self.software, self.configuration, self.list];
        let author = [self.provider, self.resolver];
        let kinds = self.gaps.iter().map(|gap| gap.kind);
        let all = words.into_iter().chain(author).chain(kinds);
        all.chain(self.manifest).all(is_plain_word)
    }

    fn has_small_numbers(&self) -> bool {
        let blocked = [
            self.blocked.address,
            self.blocked.https,
            self.blocked.other,
            self.blocked.via_cname,
        ];
        let carried = [self.carried.into, self.carried.lost, self.carried.out];
        let others = [
            self.questions,
            self.seq,
            self.serial.unwrap_or_default(),
            self.gap_s,
            self.in_force_s,
        ];
        blocked
            .into_iter()
            .chain(carried)
            .chain(others)
            .chain(self.ended.all())
            .all(|number| number <= NUMBER_MAX)
    }

    /// What does not add up in this leaf by itself; nothing where all does.
    pub fn imbalance(&self) -> Option<String> {
        let Carried { into, lost, out } = self.carried;
        let (came, went) = (into + self.questions, self.ended.sum() + lost + out);
        if came != went {
            return Some(format!(
                "{came} questions came in or were carried in, but {went} ended, were lost or \
                 carried out"
            ));
        }
        if self.blocked.sum() > self.ended.blocked {
            return Some(format!(
                "the list blocked {}, the resolver only {}",
                self.blocked.sum(),
                self.ended.blocked
            ));
        }
        None
    }

    /// What is wrong with its seconds; nothing where gaps and time in force fit together.
    pub fn misplaced_time(&self) -> Option<String> {
        let (hour, end) = (self.hour.0, self.hour.0 + HOUR_S as UnixSeconds);
        let gaps: Vec<_> = self.gaps.iter().map(|gap| (gap.from, gap.until)).collect();
        let spans = self.absences();
        let spans: Vec<_> = spans.map(|span| (span.from, span.until)).collect();
        let mut both = [gaps.as_slice(), &spans].concat();
        both.sort_unstable();
        let disorder = disorder(&gaps, UnixSeconds::MIN, end)
            .or_else(|| disorder(&spans, hour, end))
            .or_else(|| disorder(&both, UnixSeconds::MIN, end));
        if disorder.is_some() {
            return disorder;
        }
        let gap_s: u64 = gaps
            .iter()
            .map(|(from, until)| until.0.abs_diff(from.0))
            .sum();
        if gap_s != self.gap_s {
            return Some(format!(
                "its gaps have {gap_s} seconds, and it says {}",
                self.gap_s
            ));
        }
        (self.told_s() > HOUR_S).then(|| {
            format!(
                "the list was in force for {} seconds and not in force for {}, and {} are not on \
                 record: more than the hour has",
                self.in_force_s,
                self.not_in_force_s(),
                self.unrecorded_s()
            )
        })
    }

    /// When the list was not in force, as far as the leaf says.
    pub fn absences(&self) -> impl Iterator<Item = &LeafSpan> {
        self.not_in_force.iter().flatten()
    }

    /// Seconds in which the list was not in force, as far as the leaf says.
    pub fn not_in_force_s(&self) -> u64 {
        let spans = self.absences();
        spans
            .map(|span| (span.until.0 - span.from.0).max(0).unsigned_abs())
            .sum()
    }

    /// Seconds of the hour that are in gaps.
    fn unrecorded_s(&self) -> u64 {
        let within = |gap: &LeafGap<'_>| gap.until.0 - gap.from.0.max(self.hour.0);
        let gaps = self.gaps.iter();
        gaps.map(|gap| within(gap).max(0).unsigned_abs()).sum()
    }

    /// Seconds of the hour of which the leaf says something.
    fn told_s(&self) -> u64 {
        self.in_force_s
            .saturating_add(self.unrecorded_s() + self.not_in_force_s())
    }
}

/// What is wrong with stretches of time that must be one after the other from `start` up to `end`.
fn disorder(spans: &[(Moment, Moment)], start: UnixSeconds, end: UnixSeconds) -> Option<String> {
    let mut reached = start;
    for (from, until) in spans {
        if from.0 < reached || until <= from || until.0 > end {
            return Some(format!(
                "its gap, or its time without the list, from {from} to {until} is not one after \
                 the other within its time"
            ));
        }
        reached = until.0;
    }
    None
}

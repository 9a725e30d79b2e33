//! Where a log goes back: known before its leaves are read one by one, since a leaf says so of
//! hours that stand before it.

use super::bodies::Withdrawal;
use super::leaf::Leaf;
use super::statement::Statement;
use crate::clock::UnixSeconds;

/// How often a log may go back: more than once a day for ten years.
const WITHDRAWALS_MAX: usize = 4096;

/// Where a log goes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withdrawals {
    /// In their order; once all are known, each with what it or a later one says.
    of: Vec<PlacedWithdrawal>,
}

/// One of these leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PlacedWithdrawal {
    seq: u64,
    /// From when on hours told before are withdrawn.
    since: UnixSeconds,
    /// When the clock was right: nothing before can have happened later.
    until: UnixSeconds,
}

impl Withdrawals {
    /// Notes a leaf, if it is one; more than a log may have are left out.
    pub fn note(&mut self, seq: u64, octets: &[u8]) {
        if self.of.len() < WITHDRAWALS_MAX
            && let Some(Withdrawal { since, until }) = withdrawal_in(octets)
        {
            let (since, until) = (since.0, until.0);
            self.of.push(PlacedWithdrawal { seq, since, until });
        }
    }

    /// All leaves were noted.
    pub fn finish(&mut self) {
        let mut earliest = (UnixSeconds::MAX, UnixSeconds::MAX);
        for placed in self.of.iter_mut().rev() {
            earliest = (earliest.0.min(placed.since), earliest.1.min(placed.until));
            (placed.since, placed.until) = earliest;
        }
    }

    /// From when on anything is withdrawn; nothing where the log never goes back.
    pub fn first(&self) -> Option<UnixSeconds> {
        self.of.first().map(|placed| placed.since)
    }

    /// Was the leaf at `seq` seen beforehand?
    pub fn has(&self, seq: u64) -> bool {
        self.of
            .binary_search_by_key(&seq, |placed| placed.seq)
            .is_ok()
    }

    /// Is an hour that the leaf at `seq` tells of withdrawn behind it?
    pub fn withdraw(&self, seq: u64, hour: UnixSeconds) -> bool {
        self.next(seq).is_some_and(|placed| placed.since <= hour)
    }

    /// Up to when a log stands whose last hour with leaves, at `seq`, ends at `end`.
    pub fn stands_until(&self, seq: u64, end: UnixSeconds) -> UnixSeconds {
        self.next(seq).map_or(end, |placed| placed.since.min(end))
    }

    /// When what the leaf at `seq` dates `at` happened, at the latest.
    pub fn at_the_latest(&self, seq: u64, at: UnixSeconds) -> UnixSeconds {
        self.next(seq).map_or(at, |placed| placed.until.min(at))
    }

    fn next(&self, seq: u64) -> Option<&PlacedWithdrawal> {
        let next = self.of.partition_point(|placed| placed.seq <= seq);
        self.of.get(next)
    }
}

/// What the leaf withdraws. Most leaves are not even read for that.
fn withdrawal_in(octets: &[u8]) -> Option<Withdrawal> {
    memchr::memmem::find(octets, br#""since":"#)?;
    match Leaf::parse(octets) {
        Ok(Leaf::Event(leaf)) if leaf.salt.is_some() => match leaf.said() {
            Some(Statement::Withdrawn(withdrawal)) => Some(withdrawal),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_withdrawn_by_what_stands_behind_it() {
        let placed = |seq, since, until| PlacedWithdrawal { seq, since, until };
        let mut withdrawals = Withdrawals {
            of: vec![
                placed(10, 7200, 8000),
                placed(20, 3600, 9000),
                placed(30, 9 * 3600, 40_000),
            ],
        };
        withdrawals.finish();
        for (seq, hour, is_withdrawn) in [
            (9, 3600, true),
            (9, 0, false),
            (10, 3600, true),
            (21, 8 * 3600, false),
            (29, 9 * 3600, true),
            (30, 9 * 3600, false),
        ] {
            assert_eq!(
                withdrawals.withdraw(seq, hour),
                is_withdrawn,
                "{seq} {hour}"
            );
        }
        let latest = [
            (0, 50_000),
            (0, 7),
            (10, 50_000),
            (29, 50_000),
            (30, 50_000),
        ];
        let latest = latest.map(|(seq, at)| withdrawals.at_the_latest(seq, at));
        assert_eq!(latest, [8000, 7, 9000, 40_000, 50_000]);
    }
}

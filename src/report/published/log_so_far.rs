//! What is remembered of one resolver and one of its logs while their leaves are read.

use std::collections::BTreeMap;

use crate::clock::UnixSeconds;
use crate::record::Withdrawals;

/// Where a log first tells all of the months.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadPlace {
    /// The log's name.
    pub origin: String,
    /// With how many leaves.
    pub size: u64,
}

/// One resolver, whose logs follow each other.
#[derive(Debug, Default)]
pub(super) struct ResolverSoFar {
    /// `PROVIDER/RESOLVER`.
    pub(super) name: String,
    pub(super) has_hour: bool,
    /// The highest serial that was in force of each list.
    pub(super) highest: BTreeMap<String, u64>,
    /// What took effect in these months.
    pub(super) applied: BTreeMap<(String, u64), AppliedHere>,
    /// Up to when each of its logs told.
    pub(super) told: BTreeMap<String, UnixSeconds>,
}

/// An issue that took effect on one resolver.
#[derive(Debug)]
pub(super) struct AppliedHere {
    pub(super) issued: UnixSeconds,
    pub(super) live: UnixSeconds,
    pub(super) month_end: UnixSeconds,
    pub(super) has_receipt: bool,
}

/// One log as far as it was read.
#[derive(Debug, Default)]
pub(super) struct LogSoFar {
    pub(super) origin: String,
    /// Where it goes back: what was told while the clock was ahead is of no month.
    pub(super) withdrawals: Withdrawals,
    pub(super) size: u64,
    /// When its first leaf is of.
    pub(super) begins: UnixSeconds,
    /// It goes on in the place of another one, and tells from where that ends.
    pub(super) is_successor: bool,
    pub(super) hour: Option<UnixSeconds>,
    /// The hour with leaves before that one.
    pub(super) hour_before: Option<UnixSeconds>,
    /// The last hour that each list has a leaf of.
    pub(super) last: BTreeMap<String, UnixSeconds>,
    /// Has it an hour before the end of these months?
    pub(super) has_begun: bool,
    pub(super) head: Option<u64>,
    pub(super) gap: Option<LastGap>,
    pub(super) absent_until: BTreeMap<String, UnixSeconds>,
}

/// Where the last gap ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastGap {
    pub(super) until: UnixSeconds,
    pub(super) kind: usize,
}

impl ResolverSoFar {
    /// Is the serial above all of the list before? It is not from now on.
    pub(super) fn raise(&mut self, list: &str, serial: u64) -> bool {
        let highest = self.highest.get(list).copied();
        let rises = highest.is_none_or(|highest| serial > highest);
        if rises {
            self.highest.insert(list.to_owned(), serial);
        }
        rises
    }
}

impl LogSoFar {
    /// Had the list a leaf in the hour before? It has one in this hour.
    pub(super) fn was_there(&mut self, list: &str, hour: UnixSeconds) -> bool {
        if let Some(last) = self.last.get_mut(list) {
            let was_there = self.hour_before == Some(*last);
            *last = hour;
            return was_there;
        }
        self.last.insert(list.to_owned(), hour);
        false
    }

    /// What lies before the first start of a resolver says nothing.
    pub(super) const fn counts_from(&self) -> UnixSeconds {
        if self.is_successor {
            UnixSeconds::MIN
        } else {
            self.begins
        }
    }
}

//! The parts that leaves of the log are made of.

use serde::{Deserialize, Serialize};

use super::moment::Moment;

/// Blocked questions by what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocked {
    /// A and AAAA.
    pub address: u64,
    /// HTTPS and SVCB.
    pub https: u64,
    /// Any other type.
    pub other: u64,
    /// By an alias.
    pub via_cname: u64,
}

/// Questions by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Blocked, by any list.
    pub blocked: u64,
    /// SERVFAIL.
    pub failed: u64,
    /// Not readable.
    pub fault: u64,
    /// Answered from the cache.
    pub hit: u64,
    /// Over the rate limit.
    pub limited: u64,
    /// Answered from outside.
    pub miss: u64,
    /// Answered by the resolver itself.
    pub own: u64,
    /// From a client that may not ask.
    pub refused: u64,
}

/// Questions on their way: what came in with what was carried in is what ended, what was lost and
/// what is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// Came in in an earlier hour.
    #[serde(rename = "in")]
    pub into: u64,
    /// Came in, and the run ended before they did.
    pub lost: u64,
    /// Will end in a later hour.
    pub out: u64,
}

/// A stretch of an hour that is not on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafGap<'a> {
    /// Its first second.
    pub from: Moment,
    /// Why: `crash`, `stopped` or `unrecorded`.
    pub kind: &'a str,
    /// The first second after it.
    pub until: Moment,
}

/// A stretch of an hour in which the leaf's list was configured and not in force, while the
/// resolver answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafSpan {
    /// Its first second.
    pub from: Moment,
    /// The first second after it.
    pub until: Moment,
}

impl Blocked {
    /// Blocked questions of all kinds.
    pub const fn sum(&self) -> u64 {
        self.address + self.https + self.other + self.via_cname
    }

    /// Adds what was counted elsewhere.
    pub const fn add(&mut self, other: Self) {
        self.address = self.address.saturating_add(other.address);
        self.https = self.https.saturating_add(other.https);
        self.other = self.other.saturating_add(other.other);
        self.via_cname = self.via_cname.saturating_add(other.via_cname);
    }
}

impl From<[u64; 4]> for Blocked {
    /// From counts in the order in which the resolver keeps them.
    fn from([address, https, other, via_cname]: [u64; 4]) -> Self {
        Self {
            address,
            https,
            other,
            via_cname,
        }
    }
}

impl Ended {
    /// Questions however they ended.
    pub fn sum(&self) -> u64 {
        self.all().iter().sum()
    }

    pub(super) const fn all(&self) -> [u64; 8] {
        [
            self.blocked,
            self.hit,
            self.miss,
            self.own,
            self.refused,
            self.limited,
            self.fault,
            self.failed,
        ]
    }
}

impl From<[u64; 8]> for Ended {
    /// From counts in the order in which the resolver keeps them.
    fn from([blocked, hit, miss, own, refused, limited, fault, failed]: [u64; 8]) -> Self {
        Self {
            blocked,
            failed,
            fault,
            hit,
            limited,
            miss,
            own,
            refused,
        }
    }
}

//! The parts that leaves of the log are made of.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cells::{Event, ListCounts};
use crate::clock::UnixSeconds;

/// The version of the form of events, and of hours that do not say when their list was not in
/// force.
pub const LEAF_VERSION: u64 = 1;

/// The version of the form of hours that say when their list was not in force.
pub const HOUR_LEAF_VERSION: u64 = 2;

/// Blocked questions by [`Kind`](super::Kind).
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

/// Questions by [`Event`].
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
    /// Why: the name of a [`GapKind`](super::GapKind).
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

/// Why octets are no leaf.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafFault {
    /// Not JSON, a field too many or too few, or one that is not of its kind.
    #[error(
        "is no leaf of a form that this wardline knows (up to {HOUR_LEAF_VERSION} for hours, \
         {LEAF_VERSION} for events); a newer wardline may read it"
    )]
    Form,
    /// It says the same as another text would.
    #[error("is not written in the one canonical way")]
    Canonical,
}

impl Blocked {
    /// Blocked questions of all kinds.
    pub const fn sum(&self) -> u64 {
        self.address + self.https + self.other + self.via_cname
    }

    /// Adds what was counted elsewhere.
    pub const fn add(&mut self, other: Self) {
        self.address += other.address;
        self.https += other.https;
        self.other += other.other;
        self.via_cname += other.via_cname;
    }
}

impl From<ListCounts> for Blocked {
    fn from([address, https, other, via_cname]: ListCounts) -> Self {
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

    pub(super) const fn all(&self) -> [u64; Event::ALL.len()] {
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

impl From<[u64; Event::ALL.len()]> for Ended {
    /// From counts in the order of [`Event::ALL`].
    fn from(
        [blocked, hit, miss, own, refused, limited, fault, failed]: [u64; Event::ALL.len()],
    ) -> Self {
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

/// The first second of the year 3000: a leaf's times have four digits of year everywhere.
const TIME_END: UnixSeconds = 32_503_680_000;

/// A time in a leaf: RFC 3339, UTC, whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub UnixSeconds);

impl Moment {
    /// From 1970 on, and before 3000.
    pub(super) fn is_in_time(self) -> bool {
        (0..TIME_END).contains(&self.0)
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => self.0.fmt(f),
        }
    }
}

impl std::str::FromStr for Moment {
    type Err = LeafFault;

    fn from_str(text: &str) -> Result<Self, LeafFault> {
        let time: Timestamp = text.parse().map_err(|_| LeafFault::Form)?;
        Ok(Self(time.as_second()))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    /// Other spellings of the same time are refused with the whole leaf, which is not canonical
    /// then.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

//! Times as leaves have them.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::leaf_fault::LeafFault;
use crate::clock::UnixSeconds;

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
        let moment = Self(time.as_second());
        if moment.is_in_time() {
            Ok(moment)
        } else {
            Err(LeafFault::Form)
        }
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
        // Bodies of events come as texts of their own.
        <std::borrow::Cow<'_, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

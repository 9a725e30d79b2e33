//! How what stands outside stands: servers, upstreams, anchors, and the questions under way. These
//! shapes are what `--json` prints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;
use crate::resolve::{AnchorStatus, ZoneStanding};

/// Who serves a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServersReply {
    /// The zone that was asked for, absolute, in A-labels.
    pub asked: String,
    /// The closest zone at or above it whose delegation is known; none where resolvers are asked
    /// about it.
    pub known: Option<ZoneStanding>,
}

/// All upstream resolvers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamsReply {
    /// In the order of the configuration, then those of single zones.
    pub upstreams: Vec<UpstreamStatus>,
}

/// How one upstream resolver stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// Its address, with the name that its certificate must have behind it where it is asked over
    /// TLS.
    pub address: String,
    /// The zone that it is asked about; none where that is everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Is it asked at present? Otherwise it is passed over until it answers again.
    pub is_up: bool,
    /// Questions sent to it since the start.
    pub asked: u64,
    /// Those without a usable answer.
    pub failed: u64,
    /// Since when it is passed over, by the wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_since: Option<UnixSeconds>,
    /// Tries in a row without a usable answer.
    #[serde(default)]
    pub failures_in_a_row: u32,
    /// What it takes at the most nineteen times out of twenty, in microseconds.
    #[serde(default)]
    pub usual_us: u32,
    /// UDP does not seem to get through to it: TCP is asked too.
    #[serde(default)]
    pub needs_tcp: bool,
    /// Tries under way.
    #[serde(default)]
    pub under_way: u32,
}

/// All trust anchors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorsReply {
    /// Keys that are believed, or may be.
    pub anchors: Vec<AnchorStatus>,
    /// Names below which nothing is checked (RFC 7646).
    pub negative: Vec<NegativeAnchorStatus>,
}

/// A name at and below which no signatures are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NegativeAnchorStatus {
    /// The name.
    pub name: String,
    /// By whose word.
    pub origin: NegativeAnchorOrigin,
}

/// Where a negative anchor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NegativeAnchorOrigin {
    /// `negative_anchors` in the configuration.
    Configuration,
    /// A zone there with `validate = false`.
    Zone,
    /// `wardline negative-anchor add`, until the next start.
    Temporary,
}

/// The questions that are under way. What customers ask for is not shown: names end at their
/// top-level domain, and one with few questions is not named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionsReply {
    /// Questions that are being asked outside; many clients may wait for one.
    pub under_way: u64,
    /// Clients that wait for them.
    pub waiting: u64,
    /// Milliseconds since the oldest of the questions came.
    pub oldest_ms: Option<u64>,
    /// Exchanges with authorities that are under way, by top-level domain.
    pub by_top_level: BTreeMap<String, u64>,
    /// Those below top-level domains that have fewer than ten, and at the root.
    pub others: u64,
    /// Questions in the zone in which most are; which zone that is, is not told.
    pub in_fullest_zone: u32,
    /// As many may be in one zone; more fail.
    pub in_zone_max: u32,
}

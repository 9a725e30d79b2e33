//! `[cache]`: how much is kept, and for how long.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::review::{Review, unwritten};

/// A shortest TTL of more than an hour would do harm when records change (as Unbound's manual
/// says).
const TTL_S_MIN_MAX: u32 = 3600;

/// Answers are given after their end for three days at the most (RFC 8767 section 5).
const STALE_S_MAX: u32 = 259_200;

/// The longest TTL that is believed (RFC 8767 section 4: seven days).
const TTL_S_MAX: u32 = 604_800;

/// What the cache keeps and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Memory for answers, in octets.
    pub octets_max: u64,
    /// The shortest an answer is kept, in seconds.
    pub ttl_s_min: u32,
    /// The longest an answer is kept, in seconds.
    pub ttl_s_max: u32,
    /// The longest a negative answer is kept, in seconds.
    pub negative_ttl_s_max: u32,
    /// How long after its end an answer may still be given, in seconds; 0 for not at all.
    pub stale_s_max: u32,
    /// How long a client waits before it is given such a one.
    pub stale_after: Duration,
    /// Renew popular answers before they run out.
    pub prefetch: bool,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CacheSection {
    size_mib: Spanned<u64>,
    ttl_s_min: Spanned<u32>,
    ttl_s_max: Spanned<u32>,
    negative_ttl_s_max: Spanned<u32>,
    stale_s_max: Spanned<u32>,
    stale_after_ms: Spanned<u64>,
    prefetch: bool,
}

impl Default for CacheSection {
    fn default() -> Self {
        Self {
            size_mib: unwritten(256),
            ttl_s_min: unwritten(0),
            ttl_s_max: unwritten(86_400),
            negative_ttl_s_max: unwritten(3600),
            stale_s_max: unwritten(86_400),
            stale_after_ms: unwritten(1800),
            prefetch: true,
        }
    }
}

impl CacheSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> CacheLimits {
        CacheLimits {
            octets_max: review.number("size_mib", &self.size_mib, 1..=1_048_576) * 1024 * 1024,
            ttl_s_min: review.number(
                "ttl_s_min",
                &self.ttl_s_min,
                0..=TTL_S_MIN_MAX.min(*self.ttl_s_max.get_ref()),
            ),
            ttl_s_max: review.number("ttl_s_max", &self.ttl_s_max, 1..=TTL_S_MAX),
            negative_ttl_s_max: review.number(
                "negative_ttl_s_max",
                &self.negative_ttl_s_max,
                1..=TTL_S_MAX,
            ),
            stale_s_max: review.number("stale_s_max", &self.stale_s_max, 0..=STALE_S_MAX),
            stale_after: review.milliseconds("stale_after_ms", &self.stale_after_ms, 100..=10_000),
            prefetch: self.prefetch,
        }
    }
}

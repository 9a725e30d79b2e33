//! Zones whose standing is known: their keys, or that they are insecure; bounded in octets.

use hickory_proto::rr::Name;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::zone::ZoneTrust;
use crate::clock::UnixSeconds;

/// What an entry takes beside its keys, about.
const ENTRY_OCTETS: usize = 160;

#[derive(Clone)]
struct KeptTrust {
    zone: ZoneTrust,
    since: UnixSeconds,
    until: UnixSeconds,
}

#[derive(Clone)]
struct TrustOctets;

impl Weighter<Name, KeptTrust> for TrustOctets {
    fn weight(&self, name: &Name, kept: &KeptTrust) -> u64 {
        let keys = match &kept.zone {
            ZoneTrust::Secure(keys) => keys.weight(),
            ZoneTrust::Insecure(_) => 0,
        };
        (ENTRY_OCTETS + name.len() + keys) as u64
    }
}

/// The zones by their apex.
pub(super) struct TrustCache {
    shelf: Cache<Name, KeptTrust, TrustOctets>,
}

impl TrustCache {
    /// Room for `octets_max` octets.
    pub(super) fn new(octets_max: u64) -> Self {
        let items = octets_max as usize / (4 * ENTRY_OCTETS);
        Self {
            shelf: Cache::with_weighter(items, octets_max, TrustOctets),
        }
    }

    /// What is known of the zone, if it still holds.
    pub(super) fn recall(&self, apex: &Name, now: UnixSeconds) -> Option<ZoneTrust> {
        // A clock that went back before the entry was made says nothing about its age.
        self.shelf
            .get(apex)
            .filter(|kept| (kept.since..kept.until).contains(&now))
            .map(|kept| kept.zone)
    }

    /// The memory that it takes, in octets.
    pub(super) fn octets(&self) -> u64 {
        self.shelf.weight()
    }

    /// Forget the zones at and below a name.
    pub(super) fn forget(&self, below: &Name) {
        self.shelf.retain(|apex, _| !below.zone_of(apex));
    }

    /// Keep it for so many seconds.
    pub(super) fn keep(&self, apex: &Name, zone: &ZoneTrust, ttl_s: u32, now: UnixSeconds) {
        self.shelf.insert(
            apex.clone(),
            KeptTrust {
                zone: zone.clone(),
                since: now,
                until: now + i64::from(ttl_s),
            },
        );
    }
}

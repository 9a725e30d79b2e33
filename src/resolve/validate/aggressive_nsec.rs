//! Proofs of absence seen before, to answer for other names and types without asking (RFC 8198):
//! random names below a signed zone cost nothing.
//!
//! Only proofs without opt-out are kept, and those of zones that make them up for each name are of
//! no use. The records are put together anew for each question and go through the same checks as a
//! server's.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hickory_proto::rr::{Name, RecordType};

use super::proof::wildcard;
use super::zone_spans::TTL_S_MAX;
use super::zone_spans::{KeptProof, WantedProof, ZoneSpans, is_useful, negative_ttl_s};
use crate::clock::UnixSeconds;
use crate::resolve::budget::Budget;
use crate::resolve::convert::lowest_zone;
use crate::resolve::failure::Failure;
use crate::resolve::rrset::{RrSet, Said};

/// What a set with its signature takes in memory, about.
const SET_OCTETS: usize = 900;

/// One zone's share of the memory.
const ZONE_SHARE: usize = 8;

/// All zones' proofs, bounded in octets.
pub(super) struct Spans {
    zones: Mutex<HashMap<Name, ZoneSpans>>,
    sets_max: usize,
}

impl Spans {
    /// Room for `octets_max` octets.
    pub(super) fn new(octets_max: u64) -> Self {
        Self {
            zones: Mutex::new(HashMap::new()),
            sets_max: octets_max as usize / SET_OCTETS,
        }
    }

    /// Keep validated proofs of a zone; without SOA the denials could not be told again.
    pub(super) fn note(
        &self,
        zone: &Name,
        soa: Option<&RrSet>,
        proofs: &[RrSet],
        now: UnixSeconds,
    ) {
        let Some((soa, ttl_s)) = soa.and_then(|soa| Some((soa, negative_ttl_s(soa)?))) else {
            return;
        };
        self.change(zone, proofs, ttl_s, now, |spans| {
            spans.soa = Some(KeptProof::new(soa.clone(), ttl_s, now))
        });
    }

    /// Keep a set that a wildcard of `labels` labels made, with the proof that it was right to (RFC
    /// 8198 section 5.3).
    pub(super) fn note_wildcard(
        &self,
        zone: &Name,
        set: &RrSet,
        labels: usize,
        proofs: &[RrSet],
        now: UnixSeconds,
    ) {
        let Some(owner) = wildcard(&set.name.trim_to(labels)) else {
            return;
        };
        self.change(zone, proofs, TTL_S_MAX, now, |spans| {
            spans.wildcards.insert(
                (owner, set.rtype),
                KeptProof::new(set.clone(), TTL_S_MAX, now),
            );
        });
    }

    fn change(
        &self,
        zone: &Name,
        proofs: &[RrSet],
        ttl_s: u32,
        now: UnixSeconds,
        first: impl FnOnce(&mut ZoneSpans),
    ) {
        let proofs: Vec<&RrSet> = proofs.iter().filter(|set| is_useful(set)).collect();
        if proofs.is_empty() || ttl_s == 0 {
            return;
        }
        let mut zones = self.lock();
        let spans = zones.entry(zone.clone()).or_default();
        if spans.len() + proofs.len() > self.sets_max / ZONE_SHARE {
            *spans = ZoneSpans::default();
        }
        first(spans);
        for set in proofs {
            spans.note(zone, set, KeptProof::new(set.clone(), ttl_s, now));
        }
        self.make_room(&mut zones, zone);
    }

    /// Forget the proofs of zones at, below and above a name.
    pub(super) fn forget(&self, below: &Name) {
        self.lock()
            .retain(|zone, _| !below.zone_of(zone) && !zone.zone_of(below));
    }

    /// What the closest zone would say to name and type, if what is kept proves it and `is_close`
    /// lets it speak.
    pub(super) fn foresee(
        &self,
        name: &Name,
        rtype: RecordType,
        is_close: impl FnOnce(&Name) -> bool,
        now: UnixSeconds,
        budget: &Budget,
    ) -> Result<Option<Said>, Failure> {
        if matches!(
            rtype,
            RecordType::ANY | RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3
        ) {
            return Ok(None);
        }
        let zones = self.lock();
        let mut zone = lowest_zone(name, rtype);
        let spans = loop {
            match zones.get(&zone) {
                Some(spans) => break spans,
                None if zone.is_root() => return Ok(None),
                None => zone = zone.base_name(),
            }
        };
        if !is_close(&zone) {
            return Ok(None);
        }
        let wanted = WantedProof {
            zone: &zone,
            name,
            rtype,
            now,
            budget,
        };
        match spans.deny(&wanted)? {
            None => spans.expand(&wanted),
            denial => Ok(denial),
        }
    }

    /// Forget zones at random until there is room; never the one just noted.
    fn make_room(&self, zones: &mut HashMap<Name, ZoneSpans>, spared: &Name) {
        let mut sets: usize = zones.values().map(ZoneSpans::len).sum();
        if sets <= self.sets_max {
            return;
        }
        zones.retain(|zone, spans| {
            let stays = zone == spared || sets <= self.sets_max / 4 * 3;
            sets -= if stays { 0 } else { spans.len() };
            stays
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, ZoneSpans>> {
        self.zones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::Nsec3HashAlgorithm;
    use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC3};
    use hickory_proto::rr::RData;

    use super::super::nsec3::{Hash, Parameters};
    use super::super::tests::{name, set};
    use super::*;

    fn nsec3(owner: Hash, next: Hash) -> RrSet {
        let label = data_encoding::BASE32HEX_NOPAD.encode(&owner).to_lowercase();
        let record = NSEC3::new(
            Nsec3HashAlgorithm::SHA1,
            false,
            1,
            vec![1],
            next.to_vec(),
            [RecordType::TXT],
        );
        set(
            &format!("{label}.a.test."),
            vec![RData::DNSSEC(DNSSECRData::NSEC3(record))],
        )
    }

    #[test]
    fn proofs_that_were_made_up_for_one_name_are_not_used_for_others() {
        let hash = |first: u8, last: u8| {
            let mut hash = [0xff; 20];
            (hash[0], hash[19]) = (first, last);
            hash
        };
        for (owner, next, useful) in [
            (hash(1, 5), hash(1, 6), false),
            (hash(1, 5), hash(1, 7), false),
            (hash(1, 5), hash(1, 8), true),
            (hash(1, 5), hash(2, 6), true),
            (
                hash(1, 0xff),
                *b"\x02\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                true,
            ),
            ([0xff; 20], [0; 20], false),
            (hash(1, 5), hash(1, 5), true),
        ] {
            assert_eq!(is_useful(&nsec3(owner, next)), useful, "{owner:?} {next:?}");
        }
        // What such a zone proved for one type is not held against another.
        let (zone, soa) = (name("a.test."), super::super::tests::soa("a.test."));
        let parameters = Parameters {
            iterations: 1,
            salt: vec![1],
        };
        let own = parameters
            .hash(&name("www.a.test."), &super::super::tests::budget())
            .unwrap();
        for (reach, found) in [(1, false), (9, true)] {
            let mut next = own;
            next[19] = next[19].wrapping_add(reach);
            let spans = Spans::new(1 << 20);
            spans.note(&zone, Some(&soa), &[nsec3(own, next)], 0);
            let said = spans
                .foresee(
                    &name("www.a.test."),
                    RecordType::A,
                    |_| true,
                    1,
                    &super::super::tests::budget(),
                )
                .unwrap();
            assert_eq!(said.is_some(), found, "{reach}");
        }
    }
}

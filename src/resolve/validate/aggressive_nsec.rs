//! Proofs of absence seen before, to answer for other names and types without asking (RFC 8198):
//! random names below a signed zone cost nothing.
//!
//! Only proofs without opt-out are kept, and those of zones that make them up for each name are of
//! no use. The records are put together anew for each question and go through the same checks as a
//! server's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC3};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, RecordType};

use super::denial::{Denial, Proof, wildcard};
use super::nsec3::{Hash, ITERATIONS_MAX, Parameters, owner_hash};
use crate::clock::UnixSeconds;
use crate::resolve::Failure;
use crate::resolve::budget::Budget;
use crate::resolve::convert::label_count;
use crate::resolve::rrset::{RrSet, Said};

/// The longest that a proof is used (RFC 8198 section 5.4 leaves it to the negative TTL).
const TTL_S_MAX: u32 = 3600;
/// What a set with its signature takes in memory, about.
const SET_OCTETS: usize = 900;
/// One zone's share of the memory.
const ZONE_SHARE: usize = 8;

/// All zones' proofs, bounded in octets.
pub(super) struct Spans {
    zones: Mutex<HashMap<Name, ZoneSpans>>,
    sets_max: usize,
}

/// One zone's proofs.
#[derive(Default)]
struct ZoneSpans {
    soa: Option<Kept>,
    plain: BTreeMap<Name, Kept>,
    hashed: Option<(Parameters, BTreeMap<Hash, Kept>)>,
    /// What wildcards hold, by their names.
    wildcards: BTreeMap<(Name, RecordType), Kept>,
}

struct Kept {
    set: RrSet,
    since: UnixSeconds,
    until: UnixSeconds,
}

impl Kept {
    fn new(set: RrSet, ttl_s_max: u32, now: UnixSeconds) -> Self {
        let ttl_s = set.ttl_s.min(ttl_s_max);
        Self {
            set: RrSet { ttl_s, ..set },
            since: now,
            until: now + i64::from(ttl_s),
        }
    }

    /// The set with what is left of its TTL, while it holds.
    fn fresh(&self, now: UnixSeconds) -> Option<RrSet> {
        let age_s = u32::try_from(now - self.since)
            .ok()
            .filter(|_| now < self.until)?;
        Some(RrSet {
            ttl_s: self.set.ttl_s.saturating_sub(age_s),
            ..self.set.clone()
        })
    }
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
            spans.soa = Some(Kept::new(soa.clone(), ttl_s, now))
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
            spans
                .wildcards
                .insert((owner, set.rtype), Kept::new(set.clone(), TTL_S_MAX, now));
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
            spans.note(zone, set, Kept::new(set.clone(), ttl_s, now));
        }
        self.make_room(&mut zones, zone);
    }

    /// Forget the proofs of zones at, below and above a name.
    pub(super) fn forget(&self, below: &Name) {
        self.lock()
            .retain(|zone, _| !below.zone_of(zone) && !zone.zone_of(below));
    }

    /// What the zone would say to name and type, if what is kept proves it.
    pub(super) fn foresee(
        &self,
        name: &Name,
        rtype: RecordType,
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
        let mut zone = if rtype == RecordType::DS && !name.is_root() {
            name.base_name()
        } else {
            name.clone()
        };
        let spans = loop {
            match zones.get(&zone) {
                Some(spans) => break spans,
                None if zone.is_root() => return Ok(None),
                None => zone = zone.base_name(),
            }
        };
        let wanted = Wanted {
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

/// A question, and where an answer is looked for.
struct Wanted<'a> {
    zone: &'a Name,
    name: &'a Name,
    rtype: RecordType,
    now: UnixSeconds,
    budget: &'a Budget,
}

impl Wanted<'_> {
    fn said(&self, rcode: ResponseCode, answer: Vec<RrSet>, authority: Vec<RrSet>) -> Said {
        Said {
            rcode,
            answer,
            authority,
            servers: Vec::new(),
            zone: self.zone.clone(),
            from: None,
            authoritative: false,
            contradicts: false,
        }
    }
}

impl ZoneSpans {
    /// Sets kept, the SOA too.
    fn len(&self) -> usize {
        1 + self.plain.len()
            + self.hashed.as_ref().map_or(0, |(_, spans)| spans.len())
            + self.wildcards.len()
    }

    /// No such name, or no such type at it.
    fn deny(&self, wanted: &Wanted<'_>) -> Result<Option<Said>, Failure> {
        let Some(soa) = self.soa.as_ref().and_then(|soa| soa.fresh(wanted.now)) else {
            return Ok(None);
        };
        let mut proofs = self.gather_plain(wanted.name, wanted.now);
        if proofs.is_empty() {
            proofs = self.gather_hashed(wanted)?;
        }
        let denial = Denial::new(wanted.zone, &proofs);
        let rcode = if proofs.is_empty() {
            return Ok(None);
        } else if denial.no_data(wanted.name, wanted.rtype, wanted.budget)? == Proof::Holds {
            ResponseCode::NoError
        } else if denial.name_error(wanted.name, wanted.budget)? == Proof::Holds {
            ResponseCode::NXDomain
        } else {
            return Ok(None);
        };
        Ok(Some(wanted.said(
            rcode,
            Vec::new(),
            std::iter::once(soa).chain(proofs).collect(),
        )))
    }

    /// What a wildcard above the name holds, if it is proven that nothing stands closer.
    fn expand(&self, wanted: &Wanted<'_>) -> Result<Option<Said>, Failure> {
        if self.wildcards.is_empty() {
            return Ok(None);
        }
        for labels in (label_count(wanted.zone)..label_count(wanted.name)).rev() {
            let Some(owner) = wildcard(&wanted.name.trim_to(labels)) else {
                return Ok(None);
            };
            let at = |rtype| {
                self.wildcards
                    .get(&(owner.clone(), rtype))
                    .and_then(|kept| kept.fresh(wanted.now))
            };
            let Some(mut set) = at(wanted.rtype).or_else(|| at(RecordType::CNAME)) else {
                continue;
            };
            let proof = match &self.hashed {
                Some((parameters, spans)) if self.plain.is_empty() => {
                    let hash = parameters.hash(&wanted.name.trim_to(labels + 1), wanted.budget)?;
                    before_hash(spans, &hash, wanted.now)
                }
                _ => self.before(wanted.name, wanted.now),
            };
            let proofs = Vec::from_iter(proof);
            if Denial::new(wanted.zone, &proofs).wildcard_answer(
                wanted.name,
                labels,
                wanted.budget,
            )? != Proof::Holds
            {
                return Ok(None);
            }
            set.name = wanted.name.clone();
            for record in set.records.iter_mut().chain(&mut set.signatures) {
                record.name = wanted.name.clone();
            }
            return Ok(Some(wanted.said(ResponseCode::NoError, vec![set], proofs)));
        }
        Ok(None)
    }

    fn note(&mut self, zone: &Name, set: &RrSet, kept: Kept) {
        let Some(record) = nsec3(set) else {
            self.plain.insert(set.name.clone(), kept);
            return;
        };
        let (Some(hash), parameters) = (owner_hash(zone, &set.name), Parameters::of(record)) else {
            return;
        };
        match &mut self.hashed {
            Some((ours, spans)) if *ours == parameters => _ = spans.insert(hash, kept),
            // A zone with a new salt: the old chain is gone.
            other => *other = Some((parameters, BTreeMap::from([(hash, kept)]))),
        }
    }

    /// The record at or before the name.
    fn before(&self, name: &Name, now: UnixSeconds) -> Option<RrSet> {
        self.plain
            .range(..=name.clone())
            .next_back()
            .and_then(|(_, kept)| kept.fresh(now))
    }

    /// The record at or before the name, and the one at or before the wildcard that would stand for
    /// it.
    fn gather_plain(&self, name: &Name, now: UnixSeconds) -> Vec<RrSet> {
        let Some(first) = self.before(name, now) else {
            return Vec::new();
        };
        let next = first.records.first().and_then(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::NSEC(nsec)) => Some(nsec.next_domain_name()),
            _ => None,
        });
        let shared = |other: &Name| {
            name.iter()
                .rev()
                .zip(other.iter().rev())
                .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
                .count()
        };
        let labels = shared(&first.name).max(next.map_or(0, shared));
        let second =
            wildcard(&name.trim_to(labels)).and_then(|wildcard| self.before(&wildcard, now));
        let second = second.filter(|second| second.name != first.name && first.name != *name);
        std::iter::once(first).chain(second).collect()
    }

    /// The records at the name, or else those of its closest encloser, of the name one label longer
    /// and of the wildcard.
    fn gather_hashed(&self, wanted: &Wanted<'_>) -> Result<Vec<RrSet>, Failure> {
        let Wanted {
            zone,
            name,
            now,
            budget,
            ..
        } = *wanted;
        let Some((parameters, spans)) = &self.hashed else {
            return Ok(Vec::new());
        };
        let at = |hash: &Hash| spans.get(hash).and_then(|kept| kept.fresh(now));
        let before = |hash: &Hash| before_hash(spans, hash, now);
        let mut longer = parameters.hash(name, budget)?;
        if let Some(set) = at(&longer) {
            return Ok(vec![set]);
        }
        for labels in (label_count(zone)..label_count(name)).rev() {
            let candidate = name.trim_to(labels);
            let hash = parameters.hash(&candidate, budget)?;
            let Some(encloser) = at(&hash) else {
                longer = hash;
                continue;
            };
            let Some(wildcard) = wildcard(&candidate) else {
                return Ok(Vec::new());
            };
            let wildcard = parameters.hash(&wildcard, budget)?;
            let mut sets = vec![encloser];
            for set in [before(&longer), at(&wildcard).or_else(|| before(&wildcard))]
                .into_iter()
                .flatten()
            {
                if sets.iter().all(|kept| kept.name != set.name) {
                    sets.push(set);
                }
            }
            return Ok(sets);
        }
        Ok(Vec::new())
    }
}

/// The record before a hash; the last one of a zone goes round to the first.
fn before_hash(spans: &BTreeMap<Hash, Kept>, hash: &Hash, now: UnixSeconds) -> Option<RrSet> {
    let span = spans
        .range(..*hash)
        .next_back()
        .or_else(|| spans.iter().next_back());
    span.and_then(|(_, kept)| kept.fresh(now))
}

/// Proofs that may deny another name than the one that was asked: no opt-out, few iterations, not
/// made up for one name (RFC 4470). Of servers that make them up, some deny types that the name
/// has, as long as nobody asks for those.
fn is_useful(set: &RrSet) -> bool {
    let made_up = |next: &Name| next.iter().next() == Some(&[0]);
    match set.records.first().map(|record| &record.data) {
        Some(RData::DNSSEC(DNSSECRData::NSEC(nsec))) => !made_up(nsec.next_domain_name()),
        Some(RData::DNSSEC(DNSSECRData::NSEC3(nsec3))) => {
            !nsec3.opt_out()
                && nsec3.iterations() <= ITERATIONS_MAX
                && !is_narrow(&set.name, nsec3.next_hashed_owner_name())
        }
        _ => false,
    }
}

/// Does the span hold one hash at the most (RFC 7129 appendix B)? Its ends were made up, before and
/// behind a name's own hash or at it.
fn is_narrow(owner: &Name, next: &[u8]) -> bool {
    let (Some(owner), Ok(next)) = (owner_hash(&owner.base_name(), owner), next.try_into()) else {
        return true;
    };
    let number = |[a, b, c, d, rest @ ..]: Hash| {
        (u32::from_be_bytes([a, b, c, d]), u128::from_be_bytes(rest))
    };
    let (high, low) = number(owner);
    [1, 2].into_iter().any(|gap| {
        let (low, is_over) = low.overflowing_add(gap);
        number(next) == (high.wrapping_add(u32::from(is_over)), low)
    })
}

fn nsec3(set: &RrSet) -> Option<&NSEC3> {
    set.records.iter().find_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => Some(nsec3),
        _ => None,
    })
}

/// How long denials of the zone hold (RFC 2308 section 5, RFC 9077).
fn negative_ttl_s(soa: &RrSet) -> Option<u32> {
    soa.records.iter().find_map(|record| match &record.data {
        RData::SOA(data) => Some(soa.ttl_s.min(data.minimum).min(TTL_S_MAX)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::Nsec3HashAlgorithm;

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
                    1,
                    &super::super::tests::budget(),
                )
                .unwrap();
            assert_eq!(said.is_some(), found, "{reach}");
        }
    }
}

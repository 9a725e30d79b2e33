//! One zone's proofs of absence: which names they deny or expand, without asking again (RFC 8198).

use std::collections::BTreeMap;

use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC3};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, RecordType};

use super::denial::Denial;
use super::nsec3::{Hash, ITERATIONS_MAX, Parameters, owner_hash};
use super::proof::{Proof, wildcard};
use crate::clock::UnixSeconds;
use crate::resolve::budget::Budget;
use crate::resolve::convert::label_count;
use crate::resolve::failure::Failure;
use crate::resolve::rrset::{RrSet, Said};

/// The longest that a proof is used (RFC 8198 section 5.4 leaves it to the negative TTL).
pub(super) const TTL_S_MAX: u32 = 3600;

/// One zone's proofs.
#[derive(Default)]
pub(super) struct ZoneSpans {
    pub(super) soa: Option<KeptProof>,
    plain: BTreeMap<Name, KeptProof>,
    hashed: Option<(Parameters, BTreeMap<Hash, KeptProof>)>,
    /// What wildcards hold, by their names.
    pub(super) wildcards: BTreeMap<(Name, RecordType), KeptProof>,
}

pub(super) struct KeptProof {
    pub(super) set: RrSet,
    since: UnixSeconds,
    pub(super) until: UnixSeconds,
}

impl KeptProof {
    pub(super) fn new(set: RrSet, ttl_s_max: u32, now: UnixSeconds) -> Self {
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

/// A question, and where an answer is looked for.
pub(super) struct WantedProof<'a> {
    pub(super) zone: &'a Name,
    pub(super) name: &'a Name,
    pub(super) rtype: RecordType,
    pub(super) now: UnixSeconds,
    pub(super) budget: &'a Budget,
}

impl WantedProof<'_> {
    pub(super) fn said(
        &self,
        rcode: ResponseCode,
        answer: Vec<RrSet>,
        authority: Vec<RrSet>,
    ) -> Said {
        Said {
            rcode,
            answer,
            authority,
            servers: Vec::new(),
            zone: self.zone.clone(),
            from: None,
            age_s: 0,
            authoritative: false,
            contradicts: false,
            blocked: None,
        }
    }
}

impl ZoneSpans {
    /// Sets kept, the SOA too.
    pub(super) fn len(&self) -> usize {
        1 + self.plain.len()
            + self.hashed.as_ref().map_or(0, |(_, spans)| spans.len())
            + self.wildcards.len()
    }

    /// No such name, or no such type at it.
    pub(super) fn deny(&self, wanted: &WantedProof<'_>) -> Result<Option<Said>, Failure> {
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
    pub(super) fn expand(&self, wanted: &WantedProof<'_>) -> Result<Option<Said>, Failure> {
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

    pub(super) fn note(&mut self, zone: &Name, set: &RrSet, kept: KeptProof) {
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
    pub(super) fn before(&self, name: &Name, now: UnixSeconds) -> Option<RrSet> {
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
    fn gather_hashed(&self, wanted: &WantedProof<'_>) -> Result<Vec<RrSet>, Failure> {
        let WantedProof {
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
fn before_hash(spans: &BTreeMap<Hash, KeptProof>, hash: &Hash, now: UnixSeconds) -> Option<RrSet> {
    let span = spans
        .range(..*hash)
        .next_back()
        .or_else(|| spans.iter().next_back());
    span.and_then(|(_, kept)| kept.fresh(now))
}

/// Proofs that may deny another name than the one that was asked: no opt-out, few iterations, not
/// made up for one name (RFC 4470). Of servers that make them up, some deny types that the name
/// has, as long as nobody asks for those.
pub(super) fn is_useful(set: &RrSet) -> bool {
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

pub(super) fn nsec3(set: &RrSet) -> Option<&NSEC3> {
    set.records.iter().find_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => Some(nsec3),
        _ => None,
    })
}

/// How long denials of the zone hold (RFC 2308 section 5, RFC 9077).
pub(super) fn negative_ttl_s(soa: &RrSet) -> Option<u32> {
    soa.records.iter().find_map(|record| match &record.data {
        RData::SOA(data) => Some(soa.ttl_s.min(data.minimum).min(TTL_S_MAX)),
        _ => None,
    })
}

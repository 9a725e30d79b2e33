//! What servers said a while ago and may be taken as said again: for name servers' addresses, keys,
//! aliases, and clients with other flags.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, RecordType};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::super::convert::wire_of;
use super::super::rrset::{RrSet, Said};
use crate::clock::UnixSeconds;
use crate::name::is_within;

/// The longest that a denial is (RFC 2308 section 5).
const NEGATIVE_TTL_S_MAX: u32 = 3600;
/// What a reply takes in memory beside its records, about.
const SAID_OCTETS: usize = 400;
/// What a record takes: hickory keeps each with its name in full.
const RECORD_OCTETS: usize = 320;
/// A name that does not exist has no type (RFC 2308 section 5): it is kept under none. But that it
/// does not exist for the zone above, which is asked for DS, does not keep the operator's servers
/// from having it: there the word about DS is of DS alone.
const NO_TYPE: u16 = 0;

/// Name and type.
type Key = (Box<[u8]>, u16);

#[derive(Clone)]
struct KeptRrset {
    said: Arc<Said>,
    since: UnixSeconds,
    until: UnixSeconds,
}

#[derive(Clone)]
struct RrsetOctets;

impl Weighter<Key, KeptRrset> for RrsetOctets {
    fn weight(&self, key: &Key, kept: &KeptRrset) -> u64 {
        let sets = kept.said.answer.iter().chain(&kept.said.authority);
        let records: usize = sets
            .map(|set| set.records.len() + set.signatures.len())
            .sum();
        (SAID_OCTETS + key.0.len() + RECORD_OCTETS * records) as u64
    }
}

/// Replies by name and type, bounded in octets.
pub(super) struct Memory {
    shelf: Cache<Key, KeptRrset, RrsetOctets>,
    ttl_s_max: u32,
}

impl Memory {
    /// Room for `octets_max` octets, each kept for `ttl_s_max` seconds at the most.
    pub(super) fn new(octets_max: u64, ttl_s_max: u32) -> Self {
        let items = octets_max as usize / (SAID_OCTETS + 4 * RECORD_OCTETS);
        Self {
            shelf: Cache::with_weighter(items, octets_max, RrsetOctets),
            ttl_s_max,
        }
    }

    /// What was said about name and type, its TTLs as much shorter as time has passed; nothing from
    /// servers to avoid. What those said was bogus, and is forgotten, whatever its TTLs: where
    /// nobody else can be asked, the next question asks them again.
    pub(super) fn recall(
        &self,
        name: &Name,
        rtype: RecordType,
        avoid: &[IpAddr],
        now: UnixSeconds,
    ) -> Option<Arc<Said>> {
        let mut key: Key = (wire_of(name).into(), rtype.into());
        let kept = self.shelf.get(&key).or_else(|| {
            key.1 = NO_TYPE;
            let is_of_child = |kept: &KeptRrset| rtype == RecordType::DS && kept.said.zone == *name;
            self.shelf.get(&key).filter(|kept| !is_of_child(kept))
        })?;
        if kept.said.from.is_some_and(|from| avoid.contains(&from)) {
            self.shelf.remove(&key);
            return None;
        }
        if now >= kept.until || now < kept.since {
            return None;
        }
        let age_s = u32::try_from(now - kept.since).unwrap_or(u32::MAX);
        Some(if age_s == 0 {
            kept.said
        } else {
            Arc::new(aged(&kept.said, age_s))
        })
    }

    /// The memory that it takes, in octets.
    pub(super) fn octets(&self) -> u64 {
        self.shelf.weight()
    }

    /// Forget what was said about a name and all below it.
    pub(super) fn forget(&self, below: &Name) {
        let below = wire_of(below);
        self.shelf.retain(|(wire, _), _| !is_within(wire, &below));
    }

    /// Forget what was said about one name and type.
    pub(super) fn forget_rrset(&self, name: &Name, rtype: RecordType) {
        self.shelf.remove(&(wire_of(name).into(), rtype.into()));
    }

    /// Keep what was said as long as its TTLs allow; a denial without SOA is not kept at all (RFC
    /// 2308 section 5).
    pub(super) fn keep(&self, name: &Name, rtype: RecordType, said: &Arc<Said>, now: UnixSeconds) {
        let ttl_s = said
            .answer
            .iter()
            .map(|set| set.ttl_s)
            .min()
            .or_else(|| negative_ttl_s(&said.authority));
        let Some(ttl_s) = ttl_s.filter(|ttl_s| *ttl_s > 0) else {
            return;
        };
        let is_nobody = said.rcode == ResponseCode::NXDomain
            && said.answer.is_empty()
            && rtype != RecordType::DS;
        let key = (
            wire_of(name).into(),
            if is_nobody { NO_TYPE } else { rtype.into() },
        );
        let until = now + i64::from(ttl_s.min(self.ttl_s_max));
        self.shelf.insert(
            key,
            KeptRrset {
                said: Arc::clone(said),
                since: now,
                until,
            },
        );
    }
}

/// How long a denial holds: the SOA's own TTL or its MINIMUM, whichever is less.
pub(super) fn negative_ttl_s(authority: &[RrSet]) -> Option<u32> {
    let soa = authority.iter().find(|set| set.rtype == RecordType::SOA)?;
    let minimum = soa.records.first().and_then(|record| match &record.data {
        RData::SOA(soa) => Some(soa.minimum),
        _ => None,
    })?;
    Some(soa.ttl_s.min(minimum).min(NEGATIVE_TTL_S_MAX))
}

fn aged(said: &Said, age_s: u32) -> Said {
    let mut said = said.clone();
    said.age_s = said.age_s.saturating_add(age_s);
    for set in said.answer.iter_mut().chain(&mut said.authority) {
        set.ttl_s = set.ttl_s.saturating_sub(age_s);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{A, SOA};

    fn said(rcode: ResponseCode, answer: &[RData], authority: &[RData]) -> Arc<Said> {
        let set = |data: &RData| RrSet {
            name: Name::root(),
            rtype: data.record_type(),
            ttl_s: 60,
            records: vec![Record::from_rdata(Name::root(), 60, data.clone())],
            signatures: Vec::new(),
        };
        let (answer, authority) = (
            answer.iter().map(set).collect(),
            authority.iter().map(set).collect(),
        );
        Arc::new(Said {
            rcode,
            answer,
            authority,
            servers: Vec::new(),
            zone: Name::root(),
            from: "192.0.2.1".parse().ok(),
            age_s: 0,
            authoritative: true,
            contradicts: false,
            blocked: None,
        })
    }

    #[test]
    fn what_was_said_grows_old() {
        let (memory, name) = (
            Memory::new(1 << 20, 86_400),
            Name::from_ascii("www.test.").unwrap(),
        );
        memory.keep(
            &name,
            RecordType::A,
            &said(
                ResponseCode::NoError,
                &[RData::A(A::new(192, 0, 2, 9))],
                &[],
            ),
            1000,
        );
        let ttl_s = |now| {
            memory
                .recall(&name, RecordType::A, &[], now)
                .map(|said| said.answer[0].ttl_s)
        };
        assert_eq!(
            [ttl_s(1000), ttl_s(1059), ttl_s(1060), ttl_s(999)],
            [Some(60), Some(1), None, None]
        );
        let age_s = |now| {
            let said = memory.recall(&name, RecordType::A, &[], now);
            said.map(|said| said.age_s)
        };
        assert_eq!([age_s(1000), age_s(1059)], [Some(0), Some(59)]);
        assert!(
            memory
                .recall(&name, RecordType::A, &["192.0.2.1".parse().unwrap()], 1000)
                .is_none()
        );
        assert!(memory.recall(&name, RecordType::AAAA, &[], 1000).is_none());
    }

    #[test]
    fn a_name_that_does_not_exist_has_no_type_and_no_soa_means_no_memory() {
        let (memory, name) = (
            Memory::new(1 << 20, 86_400),
            Name::from_ascii("no.test.").unwrap(),
        );
        memory.keep(
            &name,
            RecordType::A,
            &said(ResponseCode::NXDomain, &[], &[]),
            1000,
        );
        assert!(memory.recall(&name, RecordType::A, &[], 1000).is_none());
        let soa = RData::SOA(SOA::new(Name::root(), Name::root(), 1, 2, 3, 4, 30));
        memory.keep(
            &name,
            RecordType::A,
            &said(ResponseCode::NXDomain, &[], std::slice::from_ref(&soa)),
            1000,
        );
        assert!(memory.recall(&name, RecordType::TXT, &[], 1029).is_some());
        assert!(memory.recall(&name, RecordType::TXT, &[], 1030).is_none());
        let name = Name::from_ascii("ds.test.").unwrap();
        let denial = said(ResponseCode::NXDomain, &[], &[soa]);
        memory.keep(&name, RecordType::DS, &denial, 1000);
        assert!(memory.recall(&name, RecordType::DS, &[], 1000).is_some());
        assert!(
            memory.recall(&name, RecordType::A, &[], 1000).is_none(),
            "the zone above has no say about it"
        );
    }
}

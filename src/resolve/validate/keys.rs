//! A zone's keys: fetched, and held against what vouches for them.

use std::sync::Arc;

use hickory_proto::dnssec::DigestType;
use hickory_proto::dnssec::rdata::{DNSSECRData, DS};
use hickory_proto::rr::{Name, RData, RecordType};

use super::Validator;
use super::anchor::Anchor;
use super::retry::Retry;
use super::signature::{self, ZoneKeys};
use super::verdict::Insecurity;
use super::zone::ZoneTrust;
use crate::clock;
use crate::resolve::budget::Budget;
use crate::resolve::failure::Failure;
use crate::resolve::rrset::{Ask, RrSet};

/// The wall clock as signatures count it.
pub(super) fn now_s() -> u32 {
    // Serial numbers go round: RFC 4034 section 3.1.5.
    clock::wall_s() as u32
}

/// Who vouches for keys.
#[derive(Clone, Copy)]
pub(super) enum Vouching<'a> {
    Anchor(&'a Anchor),
    Parent(&'a [DS]),
}

/// What became of a set's signatures.
pub(super) enum KeysSigned {
    Held(u32, Arc<ZoneKeys>),
    Insecure(Insecurity),
    Not,
}

pub(super) fn digests(set: &RrSet) -> Vec<DS> {
    let digests = set.records.iter().filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::DS(ds)) => Some(ds.clone()),
        _ => None,
    });
    digests.collect()
}

impl Validator {
    /// The keys of a zone, asked for and checked against who vouches for them, or that they are too
    /// short to vouch for anything themselves; and for how many seconds.
    pub(super) async fn keys<A: Ask>(
        &self,
        ask: &A,
        apex: &Name,
        vouching: Vouching<'_>,
        budget: &Budget,
    ) -> Result<(ZoneTrust, u32), Failure> {
        let mut retry = Retry::default();
        loop {
            let said = ask
                .ask(apex, RecordType::DNSKEY, retry.avoid(), budget)
                .await
                .map_err(|failure| retry.unheard(failure))?;
            let set = said
                .answer
                .iter()
                .find(|set| set.rtype == RecordType::DNSKEY && set.name == *apex);
            if set.is_none() && !said.authoritative && said.authority.is_empty() {
                // Nobody has said anything: a network that catches all DNS does so.
                return Err(retry.unheard(Failure::Unreachable));
            }
            let judged = set.map_or(Err(Failure::KeyMissing), |set| {
                self.judge_keys(set, vouching, budget)
            });
            if let Some(keys) = retry.settle(judged, said.from)? {
                return Ok(keys);
            }
        }
    }

    fn judge_keys(
        &self,
        set: &RrSet,
        vouching: Vouching<'_>,
        budget: &Budget,
    ) -> Result<(ZoneTrust, u32), Failure> {
        let keys = ZoneKeys::of(set, self.rules);
        let vouched = match vouching {
            Vouching::Anchor(anchor) => keys.vouched_by_anchor(anchor),
            Vouching::Parent(signers) => keys.vouched_by(signers),
        };
        if vouched.is_empty() {
            return Err(Failure::KeyMissing);
        }
        let (short, strong) = (ZoneTrust::Insecure(Insecurity::Algorithm), vouched.strong());
        if strong.is_empty() {
            return Ok((short, set.ttl_s));
        }
        let held = signature::check(set, &strong, self.rules, now_s(), budget)?;
        if keys.has_short() {
            return Ok((short, held.ttl_s));
        }
        Ok((ZoneTrust::Secure(Arc::new(keys)), held.ttl_s))
    }

    /// Why none of the digests can be checked, if none can (RFC 4035 section 5.2, RFC 6840 section
    /// 5.2).
    pub(super) fn unknown(&self, signers: &[DS]) -> Option<Insecurity> {
        let knows = |ds: &DS| self.rules.knows(ds.algorithm());
        if signers
            .iter()
            .any(|ds| knows(ds) && self.rules.digests(ds.digest_type()))
        {
            return None;
        }
        Some(if signers.iter().any(knows) {
            Insecurity::Digest
        } else {
            Insecurity::Algorithm
        })
    }

    /// Those that can be checked; the ones with SHA-1 only where no other can (RFC 4509 section 3).
    pub(super) fn strongest(&self, mut signers: Vec<DS>) -> Vec<DS> {
        signers
            .retain(|ds| self.rules.knows(ds.algorithm()) && self.rules.digests(ds.digest_type()));
        if signers
            .iter()
            .any(|ds| ds.digest_type() != DigestType::SHA1)
        {
            signers.retain(|ds| ds.digest_type() != DigestType::SHA1);
        }
        signers
    }
}

//! A zone's keys: fetched, and held against what vouches for them.

use std::sync::Arc;

use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_proto::dnssec::{DigestType, PublicKey, PublicKeyBuf};
use hickory_proto::rr::{Name, RData, RecordType};

use super::Validator;
use super::anchor::Anchors;
use super::retry::Retry;
use super::rsa::is_short;
use super::signature::{self, ZoneKeys};
use super::verdict::Insecurity;
use super::zone::ZoneTrust;
use crate::clock::{self, ClockReading};
use crate::resolve::budget::Budget;
use crate::resolve::failure::Failure;
use crate::resolve::rrset::{Ask, RrSet};

/// The flag of a key whose owner has revoked it (RFC 5011 section 7).
const REVOKE: u16 = 0x0080;

/// The wall clock as signatures count it.
pub(super) fn now_s() -> u32 {
    // Serial numbers go round: RFC 4034 section 3.1.5.
    clock::wall_s() as u32
}

/// Who vouches for keys.
#[derive(Clone, Copy)]
pub(super) enum Vouching<'a> {
    /// The anchor of the zone itself that is in force.
    Anchor,
    Parent(&'a [DS]),
}

/// The keys of a DNSKEY set.
fn shown(set: &RrSet) -> impl Iterator<Item = &DNSKEY> {
    set.records.iter().filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
        _ => None,
    })
}

/// The key as it was before its owner set the REVOKE bit, which is part of its tag and its digests.
fn unrevoked(key: &DNSKEY) -> DNSKEY {
    let public = key.public_key();
    let public = PublicKeyBuf::new(public.public_bytes().to_vec(), public.algorithm());
    DNSKEY::with_flags(key.flags() & !REVOKE, public)
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
                self.judge_keys(set, said.age_s, vouching, budget)
            });
            if let Some(keys) = retry.settle(judged, said.from, budget)? {
                return Ok(keys);
            }
        }
    }

    /// The same for a set of keys that the zone has said `age_s` ago.
    fn judge_keys(
        &self,
        set: &RrSet,
        age_s: u32,
        vouching: Vouching<'_>,
        budget: &Budget,
    ) -> Result<(ZoneTrust, u32), Failure> {
        let keys = ZoneKeys::of(set, self.rules);
        let (vouched, anchors) = match vouching {
            Vouching::Anchor => {
                self.note_revoked(set, budget)?;
                let anchors = self.anchors.in_force();
                let anchor = anchors.at(&set.name).ok_or(Failure::KeyMissing)?;
                (keys.vouched_by_anchor(anchor), Some(anchors))
            }
            Vouching::Parent(signers) => (keys.vouched_by(signers), None),
        };
        if vouched.is_empty() {
            return Err(Failure::KeyMissing);
        }
        let (short, strong) = (ZoneTrust::Insecure(Insecurity::Algorithm), vouched.strong());
        if strong.is_empty() {
            if anchors.is_some() {
                self.anchors.note_had(&set.name, set.ttl_s);
            }
            return Ok((short, set.ttl_s));
        }
        let held = signature::check(set, &strong, self.rules, now_s(), budget)?;
        if let Some(by) = anchors {
            // What was kept meanwhile, by us or by an upstream, was seen when the zone said it.
            let said_at = ClockReading::now().before(age_s.max(held.aged_s));
            if !self.note_shown(set, &by, held.ttl_s, said_at) {
                // Meanwhile the key that has signed may have been revoked.
                return self.judge_keys(set, age_s, vouching, budget);
            }
        }
        if keys.has_short() {
            return Ok((short, held.ttl_s));
        }
        Ok((ZoneTrust::Secure(Arc::new(keys)), held.ttl_s))
    }

    /// Take out of the anchors what the set says is revoked: keys with the REVOKE bit that have
    /// signed the set themselves, whoever else has or has not (RFC 5011 section 2.1).
    fn note_revoked(&self, set: &RrSet, budget: &Budget) -> Result<(), Failure> {
        for revoked in shown(set).filter(|key| key.revoke() && key.zone_key()) {
            let before = unrevoked(revoked);
            if !self.anchors.may_be_revoked(&set.name, &before) {
                continue;
            }
            let alone = ZoneKeys::one(&set.name, revoked);
            match signature::check(set, &alone, self.rules, now_s(), budget) {
                Ok(_) => {
                    self.anchors.revoke(&set.name, &before, ClockReading::now());
                    // What is below the zone is believed, or denied, by its keys of before.
                    self.forget(&set.name);
                }
                Err(failure) if failure.is_bogus() => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Let the anchors follow the keys that one of them has signed. Only keys that may sign others
    /// (SEP bit) and that can be checked here become anchors by themselves. Not where other anchors
    /// than those that it was held against, `by`, are in force by now.
    fn note_shown(
        &self,
        set: &RrSet,
        by: &Arc<Anchors>,
        ttl_s: u32,
        said_at: ClockReading,
    ) -> bool {
        let keys: Vec<DNSKEY> = shown(set)
            .filter(|key| key.zone_key() && !key.revoke())
            .cloned()
            .collect();
        let may_be_new = |key: &DNSKEY| {
            key.secure_entry_point()
                && !key.public_key().public_bytes().is_empty()
                && self.rules.knows(key.public_key().algorithm())
                && !is_short(key)
        };
        self.anchors
            .observe(&set.name, by, &keys, may_be_new, ttl_s, said_at)
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

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Record;

    use super::super::kept_anchors::KeptAnchors;
    use super::super::tests::{Signer, budget, set};
    use super::super::trust_anchors::TrustAnchors;
    use super::super::{Settings, Validator};
    use super::*;

    /// A validator that follows the root's keys from these on.
    fn validator(anchors: &[&Signer]) -> Validator {
        let texts = anchors
            .iter()
            .map(|signer| format!(". DNSKEY {}", signer.dnskey));
        let texts: Vec<_> = texts.collect();
        let anchors = Anchors::read(&texts, &[]).unwrap();
        let anchors = TrustAnchors::followed(anchors, &KeptAnchors::default());
        Validator::new(Settings {
            anchors: Arc::new(anchors),
            boundaries: Vec::new(),
            sha1: false,
            aggressive: false,
            memory_octets_max: 1 << 20,
        })
    }

    /// The root's key set, signed by these.
    fn key_set(shown: &[&DNSKEY], signers: &[&Signer]) -> RrSet {
        let records = shown
            .iter()
            .map(|key| RData::DNSSEC(DNSSECRData::DNSKEY((*key).clone())));
        let keys = set(".", records.collect());
        signers.iter().fold(keys, |keys, signer| signer.sign(keys))
    }

    fn judged(validator: &Validator, set: &RrSet) -> Result<(), Failure> {
        validator
            .judge_keys(set, 0, Vouching::Anchor, &budget())
            .map(drop)
    }

    fn believes(validator: &Validator, signer: &Signer) -> bool {
        let in_force = validator.anchors.in_force();
        let root = in_force.at(&Name::root()).unwrap();
        root.vouches_for(&Name::root(), &signer.dnskey)
    }

    #[test]
    fn a_key_that_signs_its_own_revocation_is_not_believed_from_then_on() {
        let (old, new, zone_key) = (Signer::new("."), Signer::new("."), Signer::new("."));
        let validator = validator(&[&old, &new]);
        assert!(judged(&validator, &key_set(&[&old.dnskey], &[&old])).is_ok());
        let revoked = old.revoked();
        // Somebody else's word is none, and neither is a signature that does not hold.
        let by_others = key_set(&[&revoked.dnskey, &new.dnskey], &[&new]);
        assert!(judged(&validator, &by_others).is_ok());
        assert!(believes(&validator, &old));
        let mut spoilt = key_set(&[&revoked.dnskey, &new.dnskey], &[&revoked, &new]);
        let added = Record::clone(&spoilt.records[0]);
        spoilt.records.push(Record::from_rdata(
            added.name,
            added.ttl,
            RData::DNSSEC(DNSSECRData::DNSKEY(zone_key.dnskey.clone())),
        ));
        assert!(judged(&validator, &spoilt).is_err() && believes(&validator, &old));
        // By itself it is enough, though nobody else vouches for the set.
        let alone = key_set(&[&revoked.dnskey, &zone_key.dnskey], &[&revoked]);
        assert_eq!(judged(&validator, &alone), Err(Failure::KeyMissing));
        assert!(!believes(&validator, &old) && believes(&validator, &new));
        let replayed = key_set(&[&old.dnskey], &[&old]);
        assert_eq!(judged(&validator, &replayed), Err(Failure::KeyMissing));
        assert!(!believes(&validator, &zone_key));
    }

    #[test]
    fn a_new_key_is_not_believed_before_its_time_and_only_by_a_believed_ones_word() {
        let (old, new) = (Signer::new("."), Signer::new("."));
        let validator = validator(&[&old]);
        let stranger = key_set(&[&old.dnskey, &new.dnskey], &[&new]);
        assert!(judged(&validator, &stranger).is_err());
        assert_eq!(validator.anchors.status().len(), 1, "nothing is pending");
        assert!(judged(&validator, &key_set(&[&old.dnskey, &new.dnskey], &[&old])).is_ok());
        assert_eq!(validator.anchors.status().len(), 2);
        let by_new = key_set(&[&new.dnskey], &[&new]);
        assert_eq!(judged(&validator, &by_new), Err(Failure::KeyMissing));
        assert!(!believes(&validator, &new));
    }

    /// From memory, from a copy of the root, or by the TTL that an upstream's cache has left.
    #[test]
    fn keys_are_seen_when_the_zone_said_them() {
        let (old, new) = (Signer::new("."), Signer::new("."));
        for (age_s, ttl_s) in [(200, 300), (0, 100), (150, 100)] {
            let validator = validator(&[&old]);
            let mut set = key_set(&[&old.dnskey, &new.dnskey], &[&old]);
            set.ttl_s = ttl_s;
            let before = clock::wall_s();
            let judged = validator.judge_keys(&set, age_s, Vouching::Anchor, &budget());
            assert!(judged.is_ok());
            let seen_at = validator.anchors.status().into_iter().map(|one| one.since);
            let ages: Vec<_> = seen_at.map(|since| before - since).collect();
            // The clock may have gone on.
            assert!(ages.iter().all(|age| (190..=200).contains(age)), "{ages:?}");
        }
    }

    #[test]
    fn keys_that_are_too_short_are_no_fault_of_before() {
        let mut octets = vec![3, 1, 0, 1];
        octets.extend([0xff; 64]);
        let public = PublicKeyBuf::new(octets, hickory_proto::dnssec::Algorithm::RSASHA256);
        let mut short = Signer::new(".");
        short.dnskey = DNSKEY::with_flags(257, public);
        let validator = validator(&[&short]);
        let zone = Name::root();
        validator.anchors.note_failure(&zone, Failure::Unreachable);
        let fault = || {
            validator
                .anchors
                .status()
                .into_iter()
                .find_map(|one| one.fault)
        };
        assert!(fault().is_some());
        let (trust, _) = validator
            .judge_keys(
                &key_set(&[&short.dnskey], &[]),
                0,
                Vouching::Anchor,
                &budget(),
            )
            .unwrap();
        assert!(matches!(trust, ZoneTrust::Insecure(Insecurity::Algorithm)));
        assert_eq!(fault(), None);
    }

    #[test]
    fn keys_that_sign_no_keys_are_not_followed() {
        let (old, zone_key) = (Signer::new("."), Signer::new("."));
        let validator = validator(&[&old]);
        let mut plain = unrevoked(&zone_key.dnskey);
        plain = DNSKEY::with_flags(256, plain.public_key().clone());
        assert!(judged(&validator, &key_set(&[&old.dnskey, &plain], &[&old])).is_ok());
        assert_eq!(validator.anchors.status().len(), 1);
    }
}

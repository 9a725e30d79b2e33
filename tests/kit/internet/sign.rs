//! Signs zones of the tests' internet (RFC 4034, 4035), rightly or with the fault that the zone is there to show.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, NSEC, RRSIG};
use hickory_proto::dnssec::{Algorithm, DigestType, DnssecSigner, SigningKey, TBS};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordSet, RecordType, SerialNumber};

use super::zone::{Dnssec, Zone};

const DAY_S: u32 = 86_400;
const NSEC_TTL_S: u32 = 60;

/// The one key of a zone.
pub(crate) struct Key {
    signer: DnssecSigner,
    origin: Name,
}

impl Key {
    /// A new ECDSA P-256 key.
    pub(crate) fn make(origin: &Name) -> Self {
        let pkcs8 = EcdsaSigningKey::generate_pkcs8(Algorithm::ECDSAP256SHA256).expect("a key");
        let key = EcdsaSigningKey::from_pkcs8(&pkcs8, Algorithm::ECDSAP256SHA256).expect("a key");
        let dnskey = DNSKEY::with_flags(257, key.to_public_key().expect("a public key"));
        Self { signer: DnssecSigner::new(dnskey, Box::new(key), origin.clone(), Duration::from_secs(DAY_S.into())), origin: origin.clone() }
    }

    /// The DS for the parent (SHA-256).
    pub(crate) fn ds(&self) -> RData {
        let dnskey = self.signer.dnskey();
        let digest = dnskey.to_digest(&self.origin, DigestType::SHA256).expect("a digest").as_ref().to_vec();
        let tag = dnskey.calculate_key_tag().expect("a key tag");
        RData::DNSSEC(DNSSECRData::DS(DS::new(tag, Algorithm::ECDSAP256SHA256, DigestType::SHA256, digest)))
    }

    /// The DNSKEY record.
    pub(crate) fn dnskey(&self) -> Record {
        Record::from_rdata(self.origin.clone(), 300, RData::DNSSEC(DNSSECRData::DNSKEY(self.signer.to_dnskey())))
    }

    /// Adds DNSKEY, NSEC and RRSIG as the zone's `dnssec` says.
    pub(crate) fn sign(&self, zone: &mut Zone) {
        if zone.dnssec == Dnssec::Unsigned {
            return;
        }
        zone.insert(self.dnskey());
        if zone.dnssec != Dnssec::NoSignatures {
            self.add_nsec(zone);
        }
        let cuts: Vec<(Name, Option<Name>)> = zone.nodes.keys().map(|owner| (owner.clone(), zone.cut(owner))).collect();
        let dnssec = zone.dnssec;
        for (owner, cut) in cuts {
            for (kind, set) in zone.nodes.get_mut(&owner).expect("a node") {
                let ours = match &cut {
                    None => true,
                    Some(cut) => *cut == owner && matches!(*kind, RecordType::DS | RecordType::NSEC),
                };
                match (dnssec, *kind) {
                    _ if !ours => {}
                    (_, RecordType::DNSKEY) => set.insert_rrsig(self.signature(set, Dnssec::Signed)),
                    (Dnssec::NoSignatures, _) => {}
                    (dnssec, _) => set.insert_rrsig(self.signature(set, dnssec)),
                }
            }
        }
    }

    fn add_nsec(&self, zone: &mut Zone) {
        let owners: Vec<Name> = zone.nodes.keys().filter(|owner| zone.cut(owner).is_none_or(|cut| cut == **owner)).cloned().collect();
        for (i, owner) in owners.iter().enumerate() {
            let delegated = zone.cut(owner).is_some();
            let kinds = zone.nodes[owner].keys().copied();
            let kinds = kinds.filter(|kind| !delegated || matches!(kind, RecordType::NS | RecordType::DS));
            let nsec = NSEC::new_cover_self(owners[(i + 1) % owners.len()].clone(), kinds);
            zone.insert(Record::from_rdata(owner.clone(), NSEC_TTL_S, RData::DNSSEC(DNSSECRData::NSEC(nsec))));
        }
    }

    fn signature(&self, set: &RecordSet, dnssec: Dnssec) -> Record {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs() as u32;
        let (inception_s, expiration_s) = match dnssec {
            Dnssec::Expired => (now_s - 20 * DAY_S, now_s - 10 * DAY_S),
            _ => (now_s - DAY_S, now_s + 10 * DAY_S),
        };
        let input = SigInput {
            type_covered: set.record_type(),
            algorithm: Algorithm::ECDSAP256SHA256,
            num_labels: set.name().num_labels(),
            original_ttl: set.ttl(),
            sig_expiration: SerialNumber::new(expiration_s),
            sig_inception: SerialNumber::new(inception_s),
            key_tag: self.signer.calculate_key_tag().expect("a key tag"),
            signer_name: self.origin.clone(),
        };
        let tbs = TBS::from_input(set.name(), DNSClass::IN, &input, set.records_without_rrsigs()).expect("a set to sign");
        let mut signature = self.signer.sign(&tbs).expect("a signature");
        if dnssec == Dnssec::BadSignatures {
            signature[40] ^= 1;
        }
        Record::from_rdata(set.name().clone(), set.ttl(), RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, signature))))
    }
}

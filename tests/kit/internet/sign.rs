//! Signs what zones of the tests' internet say (RFC 4034, 4035), as they say it, rightly or with
//! the fault that the zone is there to show.

use std::time::{SystemTime, UNIX_EPOCH};

use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::dnssec::{Algorithm, DigestType, PublicKey as _, PublicKeyBuf, SigningKey, TBS};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordSet, RecordType, SerialNumber};

use super::zone::{Dnssec, name};

const DAY_S: u32 = 86_400;
const KEY_TTL_S: u32 = 300;
/// Numbers that no standard gives to an algorithm or a digest.
const ALGORITHM_UNKNOWN: Algorithm = Algorithm::Unknown(200);
const DIGEST_UNKNOWN: DigestType = DigestType::Unknown(200);
/// KeyTrap (CVE-2023-50387): so many keys share a tag, and so many signatures name it.
const COLLISIONS: usize = 100;
const COLLIDING_TAG: u16 = 0x1234;
const RSA_OCTETS: usize = 256;

/// The one key of a zone.
pub(crate) struct Key {
    signer: EcdsaSigningKey,
    dnskey: DNSKEY,
    tag: u16,
    origin: Name,
}

impl Key {
    /// A new ECDSA P-256 key, which says that it is of another algorithm where the zone is there to
    /// show that.
    pub(crate) fn make(origin: &Name, dnssec: Dnssec) -> Self {
        let pkcs8 = EcdsaSigningKey::generate_pkcs8(Algorithm::ECDSAP256SHA256).expect("a key");
        let signer =
            EcdsaSigningKey::from_pkcs8(&pkcs8, Algorithm::ECDSAP256SHA256).expect("a key");
        let mut public = signer.to_public_key().expect("a public key");
        if dnssec == Dnssec::UnknownAlgorithm {
            public = PublicKeyBuf::new(public.into_inner(), ALGORITHM_UNKNOWN);
        }
        let dnskey = DNSKEY::with_flags(257, public);
        let tag = dnskey.calculate_key_tag().expect("a key tag");
        Self {
            signer,
            dnskey,
            tag,
            origin: origin.clone(),
        }
    }

    /// The DS for the parent (SHA-256).
    pub(crate) fn ds(&self, dnssec: Dnssec) -> RData {
        let digest = self
            .dnskey
            .to_digest(&self.origin, DigestType::SHA256)
            .expect("a digest")
            .as_ref()
            .to_vec();
        let kind = if dnssec == Dnssec::UnknownDigest {
            DIGEST_UNKNOWN
        } else {
            DigestType::SHA256
        };
        RData::DNSSEC(DNSSECRData::DS(DS::new(
            self.tag,
            self.dnskey.public_key().algorithm(),
            kind,
            digest,
        )))
    }

    /// The DNSKEY record.
    pub(crate) fn dnskey(&self) -> Record {
        record(&self.origin, DNSSECRData::DNSKEY(self.dnskey.clone()))
    }

    /// Every DNSKEY record of the zone.
    pub(crate) fn dnskeys(&self, dnssec: Dnssec) -> Vec<Record> {
        let others = if dnssec == Dnssec::CollidingKeys {
            COLLISIONS
        } else {
            0
        };
        let colliding =
            (0..others).map(|n| record(&self.origin, DNSSECRData::DNSKEY(colliding_key(n))));
        [self.dnskey()].into_iter().chain(colliding).collect()
    }

    /// The signatures over a set, as the zone's `dnssec` says.
    pub(crate) fn signatures(&self, set: &RecordSet, dnssec: Dnssec) -> Vec<Record> {
        let of_keys = set.record_type() == RecordType::DNSKEY;
        match dnssec {
            Dnssec::Unsigned | Dnssec::NoKeys => vec![],
            _ if of_keys => {
                vec![self.signature(set, self.input(set, Dnssec::Signed), Signing::Right)]
            }
            Dnssec::NoSignatures => vec![],
            Dnssec::CollidingKeys => (0..COLLISIONS)
                .map(|n| self.colliding_signature(set, n))
                .collect(),
            Dnssec::BadSignatures => {
                vec![self.signature(set, self.input(set, dnssec), Signing::Wrong)]
            }
            _ => vec![self.signature(set, self.input(set, dnssec), Signing::Right)],
        }
    }

    /// A signature which says that the name had so many labels; right where it may have had.
    pub(crate) fn relabelled(&self, set: &RecordSet, labels: u8) -> Record {
        let input = self.input(set, Dnssec::Signed);
        let signed = SigInput {
            num_labels: labels.min(input.num_labels),
            ..input.clone()
        };
        let told = SigInput {
            num_labels: labels,
            ..input
        };
        let mut record = self.signature(set, signed, Signing::Right);
        if let RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) = &record.data {
            let signature = rrsig.sig().to_vec();
            record.data = RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(told, signature)));
        }
        record
    }

    fn input(&self, set: &RecordSet, dnssec: Dnssec) -> SigInput {
        let now_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970")
            .as_secs() as u32;
        let (inception_s, expiration_s) = match dnssec {
            Dnssec::Expired => (now_s - 20 * DAY_S, now_s - 10 * DAY_S),
            Dnssec::Future => (now_s + 10 * DAY_S, now_s + 20 * DAY_S),
            _ => (now_s - DAY_S, now_s + 10 * DAY_S),
        };
        SigInput {
            type_covered: set.record_type(),
            algorithm: self.dnskey.public_key().algorithm(),
            num_labels: set.name().num_labels(),
            original_ttl: set.ttl(),
            sig_expiration: SerialNumber::new(expiration_s),
            sig_inception: SerialNumber::new(inception_s),
            key_tag: self.tag,
            signer_name: if dnssec == Dnssec::WrongSigner {
                name("good.test.")
            } else {
                self.origin.clone()
            },
        }
    }

    fn signature(&self, set: &RecordSet, input: SigInput, signing: Signing) -> Record {
        let tbs = TBS::from_input(
            set.name(),
            DNSClass::IN,
            &input,
            set.records_without_rrsigs(),
        )
        .expect("a set to sign");
        let mut signature = self.signer.sign(&tbs).expect("a signature");
        if signing == Signing::Wrong {
            signature[40] ^= 1;
        }
        Record::from_rdata(
            set.name().clone(),
            set.ttl(),
            RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, signature))),
        )
    }

    /// A signature that every colliding key has to be tried for, in vain.
    fn colliding_signature(&self, set: &RecordSet, n: usize) -> Record {
        let input = SigInput {
            algorithm: Algorithm::RSASHA256,
            key_tag: COLLIDING_TAG,
            ..self.input(set, Dnssec::Signed)
        };
        let signature = RRSIG::from_sig(input, octets(n + COLLISIONS, 0x3f));
        Record::from_rdata(
            set.name().clone(),
            set.ttl(),
            RData::DNSSEC(DNSSECRData::RRSIG(signature)),
        )
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signing {
    Right,
    Wrong,
}

fn record(origin: &Name, data: DNSSECRData) -> Record {
    Record::from_rdata(origin.clone(), KEY_TTL_S, RData::DNSSEC(data))
}

/// The `n`th RSA key with [`COLLIDING_TAG`]: the tag is a sum of octet pairs (RFC 4034 appendix B),
/// so one pair makes up for the others.
fn colliding_key(n: usize) -> DNSKEY {
    let mut modulus = octets(n, 0xff);
    let key = |modulus: &[u8]| {
        // Exponent 65537, and an odd modulus with its highest bit set.
        let public = [&[3, 1, 0, 1], modulus].concat();
        DNSKEY::with_flags(256, PublicKeyBuf::new(public, Algorithm::RSASHA256))
    };
    for pair in 0..=u16::MAX {
        let tag = key(&modulus).calculate_key_tag().expect("a key tag");
        if tag == COLLIDING_TAG {
            return key(&modulus);
        }
        // The first guess is right but for a carry.
        let held = u16::from_be_bytes([modulus[100], modulus[101]]);
        let guess = held
            .wrapping_add(COLLIDING_TAG.wrapping_sub(tag))
            .wrapping_add(pair / 2);
        modulus[100..102].copy_from_slice(&guess.to_be_bytes());
    }
    panic!("no key with the tag {COLLIDING_TAG}");
}

/// Octets of an odd number as long as a key's modulus, different for each `n`.
fn octets(n: usize, first: u8) -> Vec<u8> {
    let mut order = crate::kit::in_process::Order(n as u64);
    let mut octets: Vec<u8> = (0..RSA_OCTETS).map(|_| order.next() as u8).collect();
    octets[0] = first;
    octets[RSA_OCTETS - 1] |= 1;
    octets
}

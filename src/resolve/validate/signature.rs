//! Does a set's signature hold (RFC 4034 section 3, RFC 4035 section 5.3, RFC 6840)? The costly
//! step, paid for before it is done.

use hickory_proto::dnssec::PublicKey;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

use super::anchor::Anchor;
use super::rsa::is_short;
use super::rules::Rules;
use crate::resolve::budget::Budget;
use crate::resolve::failure::Failure;
use crate::resolve::rrset::RrSet;
use crate::resolve::trace::TraceEvent;

/// Signatures looked at in one set; the rest is not (KeyTrap, CVE-2023-50387).
const SIGNATURES_MAX: usize = 8;

/// Keys of one tag and algorithm tried for one signature.
const TWINS_MAX: usize = 2;

/// Keys kept of one zone.
const KEYS_MAX: usize = 32;

/// The keys that may sign a zone.
#[derive(Debug)]
pub(super) struct ZoneKeys {
    /// The zone's apex, lower-case.
    pub(super) zone: Name,
    keys: Vec<ZoneKey>,
}

#[derive(Debug)]
struct ZoneKey {
    tag: u16,
    key: DNSKEY,
}

impl ZoneKeys {
    /// The zone keys of a DNSKEY set that are not revoked (RFC 5011 section 2.1) and of an
    /// algorithm that we know.
    pub(super) fn of(set: &RrSet, rules: Rules) -> Self {
        let keys = set.records.iter().filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
            _ => None,
        });
        let usable = keys.filter(|key| {
            key.zone_key() && !key.revoke() && rules.knows(key.public_key().algorithm())
        });
        let tagged = usable.filter_map(|key| {
            Some(ZoneKey {
                tag: key.calculate_key_tag().ok()?,
                key: key.clone(),
            })
        });
        Self {
            zone: set.name.clone(),
            keys: tagged.take(KEYS_MAX).collect(),
        }
    }

    /// One key alone, which may be revoked.
    pub(super) fn one(zone: &Name, key: &DNSKEY) -> Self {
        let tagged = key.calculate_key_tag().map(|tag| ZoneKey {
            tag,
            key: key.clone(),
        });
        Self {
            zone: zone.clone(),
            keys: tagged.into_iter().collect(),
        }
    }

    /// Only those that the parent vouches for.
    pub(super) fn vouched_by(&self, signers: &[DS]) -> Self {
        let vouched = |key: &&ZoneKey| {
            signers.iter().any(|ds| {
                ds.key_tag() == key.tag
                    && ds.algorithm() == key.key.public_key().algorithm()
                    && ds.covers(&self.zone, &key.key).unwrap_or(false)
            })
        };
        self.only(vouched)
    }

    /// Only those that the operator vouches for.
    pub(super) fn vouched_by_anchor(&self, anchor: &Anchor) -> Self {
        let by_digest = self.vouched_by(&anchor.digests);
        self.only(|key| {
            anchor.names(&key.key) || by_digest.keys.iter().any(|other| other.key == key.key)
        })
    }

    fn only(&self, wanted: impl Fn(&&ZoneKey) -> bool) -> Self {
        let keys = self
            .keys
            .iter()
            .filter(wanted)
            .map(|key| ZoneKey {
                tag: key.tag,
                key: key.key.clone(),
            })
            .collect();
        Self {
            zone: self.zone.clone(),
            keys,
        }
    }

    /// Those that are long enough to vouch for anything.
    pub(super) fn strong(&self) -> Self {
        self.only(|key| !is_short(&key.key))
    }

    /// Is there one among them that somebody may have broken?
    pub(super) fn has_short(&self) -> bool {
        self.keys.iter().any(|key| is_short(&key.key))
    }

    /// Their tags.
    pub(super) fn tags(&self) -> Vec<u16> {
        self.keys.iter().map(|key| key.tag).collect()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Octets in memory, about.
    pub(super) fn weight(&self) -> usize {
        let octets: usize = self
            .keys
            .iter()
            .map(|key| key.key.public_key().public_bytes().len() + size_of::<ZoneKey>())
            .sum();
        octets + size_of::<Self>() + self.zone.len()
    }
}

/// A signature that holds, and what it says about the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldSignature {
    /// How many labels the signed name had; fewer than the owner when a wildcard made the set (RFC
    /// 4035 section 5.3.4).
    pub(super) expanded_from: Option<usize>,
    /// Seconds for which the set may be kept (RFC 4035 section 5.3.3).
    pub(super) ttl_s: u32,
    /// Seconds by which its TTL is shorter than the zone has it: it was kept for so long by others.
    pub(super) aged_s: u32,
    /// The tag and the algorithm of the key by which it holds.
    pub(super) key: (u16, u8),
}

/// Who claims to have signed the set, each zone once: at or above the owner, for DS truly above
/// (RFC 4035 sections 2.4 and 5.3.1).
pub(super) fn signers(set: &RrSet) -> Vec<Name> {
    let mut signers: Vec<Name> = Vec::with_capacity(1);
    for signature in read(set) {
        let signer = &signature.input().signer_name;
        let above = signer.zone_of(&set.name)
            && (set.rtype != RecordType::DS || *signer != set.name || signer.is_root());
        if above && !signers.contains(signer) {
            signers.push(signer.to_lowercase());
        }
    }
    signers
}

/// Check the set against a zone's keys: the first signature that holds, or why none does. `now_s`
/// is the wall clock.
pub(super) fn check(
    set: &RrSet,
    keys: &ZoneKeys,
    rules: Rules,
    now_s: u32,
    budget: &Budget,
) -> Result<HeldSignature, Failure> {
    let checked = first_that_holds(set, keys, rules, now_s, budget);
    budget.note(|| {
        let key = checked.as_ref().ok().map(|held| held.key);
        TraceEvent::Signature {
            name: set.name.to_ascii(),
            rtype: set.rtype.to_string(),
            zone: keys.zone.to_ascii(),
            key_tag: key.map(|(tag, _)| tag),
            algorithm: key.map(|(_, algorithm)| algorithm),
            fault: checked.err().map(|failure| failure.to_string()),
        }
    });
    checked
}

fn first_that_holds(
    set: &RrSet,
    keys: &ZoneKeys,
    rules: Rules,
    now_s: u32,
    budget: &Budget,
) -> Result<HeldSignature, Failure> {
    let mut blame = Failure::Unsigned;
    let mut rows: Option<Vec<Vec<u8>>> = None;
    for signature in read(set).filter(|signature| signature.input().signer_name == keys.zone) {
        let input = signature.input();
        if let Err(failure) = is_timely(input, now_s) {
            blame = worse(blame, failure);
            continue;
        }
        let Some(name) = signed_name(set, input).filter(|_| rules.knows(input.algorithm)) else {
            blame = worse(blame, Failure::Bogus);
            continue;
        };
        let twins = keys.keys.iter().filter(|key| {
            key.tag == input.key_tag && key.key.public_key().algorithm() == input.algorithm
        });
        for key in twins.take(TWINS_MAX) {
            budget.pay_check()?;
            let rows = rows.get_or_insert_with(|| canonical(set));
            if signed_data(input, &name, rows)
                .is_some_and(|message| holds(&key.key, &message, signature.sig()))
            {
                return Ok(held(set, input, now_s));
            }
            budget.note_failed_check()?;
        }
        blame = worse(blame, Failure::Bogus);
    }
    Err(blame)
}

/// Of several reasons the one that tells most: dates over wrong signatures, both over none.
fn worse(one: Failure, other: Failure) -> Failure {
    let rank = |failure| match failure {
        Failure::Expired => 3,
        Failure::NotYetValid => 2,
        Failure::Bogus => 1,
        _ => 0,
    };
    if rank(other) > rank(one) { other } else { one }
}

fn read(set: &RrSet) -> impl Iterator<Item = &RRSIG> {
    let covering = set
        .signatures
        .iter()
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
            _ => None,
        });
    covering
        .filter(|signature| signature.input().type_covered == set.rtype)
        .take(SIGNATURES_MAX)
}

/// Dates are compared in serial number arithmetic (RFC 4034 section 3.1.5, RFC 1982), which goes on
/// after 2106.
fn is_timely(input: &SigInput, now_s: u32) -> Result<(), Failure> {
    let (inception_s, expiration_s) = (input.sig_inception.get(), input.sig_expiration.get());
    let is_after = |one: u32, other: u32| one != other && one.wrapping_sub(other) < 1 << 31;
    if is_after(now_s, expiration_s) || is_after(inception_s, expiration_s) {
        return Err(Failure::Expired);
    }
    if is_after(inception_s, now_s) {
        Err(Failure::NotYetValid)
    } else {
        Ok(())
    }
}

/// The name that was signed (RFC 4035 section 5.3.2): the owner, or the wildcard that it came from;
/// `None` where there can be none.
fn signed_name(set: &RrSet, input: &SigInput) -> Option<Name> {
    let (labels, owner_labels) = (
        usize::from(input.num_labels),
        usize::from(set.name.num_labels()),
    );
    if labels == owner_labels {
        return Some(set.name.clone());
    }
    // What describes one name or zone never comes from a wildcard. The NSEC at a wildcard does, for
    // who asks for it, and then proves nothing.
    let is_single = matches!(
        set.rtype,
        RecordType::NSEC3 | RecordType::DNSKEY | RecordType::DS | RecordType::SOA | RecordType::NS
    );
    let within = labels < owner_labels && labels >= usize::from(input.signer_name.num_labels());
    (within && !is_single).then(|| set.name.trim_to(labels).prepend_label("*").ok())?
}

/// The data of each record in canonical form, in canonical order, each once (RFC 4034 section 6).
fn canonical(set: &RrSet) -> Vec<Vec<u8>> {
    let encode = |data: &RData| {
        let mut octets = Vec::with_capacity(64);
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_canonical_form(true);
        encoder.set_name_encoding(NameEncoding::Uncompressed);
        data.emit(&mut encoder).ok()?;
        if let RData::Unknown { .. } = data {
            lower(set.rtype, &mut octets);
        }
        Some(octets)
    };
    let mut rows: Vec<Vec<u8>> = set
        .records
        .iter()
        .filter_map(|record| encode(&record.data))
        .collect();
    rows.sort();
    rows.dedup();
    rows
}

/// Names within data that hickory keeps as octets are lower-case in canonical form for the types of
/// RFC 4034 section 6.2. A label's length is below the letters.
fn lower(rtype: RecordType, octets: &mut [u8]) {
    let names_from = match u16::from(rtype) {
        // MD, MF, MB, MG, MR, MINFO, RP, DNAME
        3 | 4 | 7..=9 | 14 | 17 | 39 => 0,
        // AFSDB, RT, PX, KX
        18 | 21 | 26 | 36 => 2,
        _ => return,
    };
    if let Some(names) = octets.get_mut(names_from..) {
        names.make_ascii_lowercase();
    }
}

/// What the signature was made over (RFC 4034 section 3.1.8.1).
fn signed_data(input: &SigInput, name: &Name, rows: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut owner = Vec::with_capacity(64);
    name.emit(
        &mut BinEncoder::new(&mut owner).with_name_encoding(NameEncoding::UncompressedLowercase),
    )
    .ok()?;
    let mut message = Vec::with_capacity(512);
    let mut encoder = BinEncoder::new(&mut message);
    encoder.set_canonical_form(true);
    input.emit(&mut encoder).ok()?;
    for row in rows {
        message.extend_from_slice(&owner);
        message.extend_from_slice(&u16::from(input.type_covered).to_be_bytes());
        message.extend_from_slice(&1_u16.to_be_bytes());
        message.extend_from_slice(&input.original_ttl.to_be_bytes());
        message.extend_from_slice(&u16::try_from(row.len()).ok()?.to_be_bytes());
        message.extend_from_slice(row);
    }
    Some(message)
}

fn holds(key: &DNSKEY, message: &[u8], signature: &[u8]) -> bool {
    key.public_key().verify(message, signature).is_ok()
}

fn held(set: &RrSet, input: &SigInput, now_s: u32) -> HeldSignature {
    let labels = usize::from(input.num_labels);
    let left_s = input.sig_expiration.get().wrapping_sub(now_s);
    HeldSignature {
        expanded_from: (labels < usize::from(set.name.num_labels())).then_some(labels),
        ttl_s: set.ttl_s.min(input.original_ttl).min(left_s),
        aged_s: input.original_ttl.saturating_sub(set.ttl_s),
        key: (input.key_tag, input.algorithm.into()),
    }
}

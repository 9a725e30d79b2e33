//! The proof behind an answer that a wildcard made, where hickory's own check asks too much.
//!
//! hickory 0.26.3 wants an NSEC record that covers the wildcard itself, which no zone can have when the wildcard stands right above the
//! name: every such answer of a zone signed with NSEC would be bogus. The rule of RFC 4035 section 5.3.4 is applied here instead.

use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC};
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, RecordType};

/// Does a validated NSEC record prove that nothing stands closer to the name than the wildcard that answered?
///
/// `response` has been through the validator. For an answer that no wildcard made, and for zones with NSEC3, the answer is no.
pub(super) fn is_proven(response: &Message) -> bool {
    let Some(name) = response.queries.first().map(|query| query.name()) else { return false };
    let Some(labels) = expanded_from(response, name) else { return false };
    response.authorities.iter().filter(|record| record.proof.is_secure()).any(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC(nsec)) => covers(&record.name, nsec, name) && closest_encloser(&record.name, nsec, name) == labels,
        _ => false,
    })
}

/// How many labels stand below the asterisk of the wildcard that made the answer, by the one validated signature at the name.
fn expanded_from(response: &Message, name: &Name) -> Option<u8> {
    response.answers.iter().filter(|record| record.proof.is_secure() && record.name == *name).find_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature.input().num_labels).filter(|labels| *labels < name.num_labels()),
        _ => None,
    })
}

/// Does the NSEC record say that the name does not exist (RFC 4035 section 5.4)?
fn covers(owner: &Name, nsec: &NSEC, name: &Name) -> bool {
    let types = nsec.type_set();
    // RFC 6840 section 4.1: the parent's record at a zone cut, or one at a DNAME, says nothing about names below.
    let cut = types.contains(RecordType::NS) && !types.contains(RecordType::SOA) || types.contains(RecordType::DNAME);
    let next = nsec.next_domain_name();
    // The last record of a zone points back to the apex.
    let before_next = name < next || next <= owner && next.zone_of(name);
    owner < name && before_next && !(cut && owner.zone_of(name)) && !name.zone_of(next)
}

/// The labels of the longest name above `name` that must exist because one of the record's two names does.
fn closest_encloser(owner: &Name, nsec: &NSEC, name: &Name) -> u8 {
    let shared = |other: &Name| {
        let pairs = name.iter().rev().zip(other.iter().rev());
        pairs.take_while(|(one, other)| one.eq_ignore_ascii_case(other)).count() as u8
    };
    shared(owner).max(shared(nsec.next_domain_name()))
}

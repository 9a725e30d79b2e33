//! Putting the hops of an answer together into one message for the cache and the client.

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Record, RecordType};

use super::hop::Hop;
use crate::clock;
use crate::resolve::convert::{expiration_of, their_name};
use crate::resolve::failure::Failure;
use crate::resolve::question::{AnswerTrust, Fetched, Question};
use crate::resolve::reply::later;
use crate::resolve::rrset::RrSet;

/// How a chain of aliases ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With what was asked for, or its denial.
    Answer,
    /// Nowhere: it leads back into itself, or further than it is followed.
    Nowhere,
}

/// The whole chain: each hop's answer, and with the last one's denial what proves it. Signatures
/// and proofs only for those who set DO or asked for them (RFC 4035 section 3.2.1).
pub(super) fn encode(question: &Question, hops: &[Hop], end: End) -> Result<Fetched, Failure> {
    let qtype = RecordType::from(question.qtype);
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.metadata.recursion_available = true;
    message.metadata.authentic_data = hops.iter().all(|hop| hop.secure);
    message.add_query(Query::query(their_name(&question.name)?, qtype));
    for hop in hops {
        message.metadata.response_code = hop.said.rcode;
        for set in &hop.said.answer {
            // A chain may go through one DNAME twice.
            if set.rtype == RecordType::DNAME && is_there(&message.answers, set) {
                continue;
            }
            add(&mut message.answers, set, question.dnssec_ok);
        }
        for set in hop.said.servers.iter().filter(|_| !hop.secure) {
            add(&mut message.authorities, set, false);
        }
        for set in &hop.said.authority {
            // Proofs for several hops may share records.
            if is_there(&message.authorities, set) {
                continue;
            }
            let is_denial = set.rtype == RecordType::SOA && hop.said.answer.is_empty();
            if is_denial || question.dnssec_ok && set.rtype != RecordType::SOA {
                add(&mut message.authorities, set, question.dnssec_ok);
            }
        }
    }
    if end == End::Nowhere {
        message.metadata.response_code = ResponseCode::ServFail;
        message.metadata.authentic_data = false;
    }
    let wire = message.to_vec().map_err(|_| Failure::Unusable)?;
    let nowhere = (end == End::Nowhere).then(|| (Failure::TooMuchWork.ede(), Box::default()));
    let error = nowhere.or_else(|| hops.iter().find_map(Hop::error));
    let (ede, text) = error.unzip();
    Ok(Fetched {
        text: text.unwrap_or_default(),
        signed_until_s: signed_until_s(hops, clock::wall_u32_s()),
        trust: trust(hops),
        ..Fetched::new(wire, ede)
    })
}

/// What may be believed of all of it.
fn trust(hops: &[Hop]) -> AnswerTrust {
    if hops.iter().all(|hop| hop.secure) {
        AnswerTrust::Secure
    } else if hops.iter().all(|hop| hop.secure || hop.insecure) {
        AnswerTrust::Insecure
    } else {
        AnswerTrust::Unchecked
    }
}

/// When the first set that is believed for its signatures has none any more that is in time.
fn signed_until_s(hops: &[Hop], now_s: u32) -> Option<u32> {
    let secure = hops.iter().filter(|hop| hop.secure);
    let sets = secure.flat_map(|hop| hop.said.answer.iter().chain(&hop.said.authority));
    sets.filter_map(|set| {
        let ends = set.signatures.iter().filter_map(expiration_of);
        ends.reduce(|one, other| later(one, other, now_s))
    })
    .min_by_key(|end| end.wrapping_sub(now_s).cast_signed())
}

fn is_there(section: &[Record], set: &RrSet) -> bool {
    section
        .iter()
        .any(|record| record.name == set.name && record.record_type() == set.rtype)
}

fn add(section: &mut Vec<Record>, set: &RrSet, signed: bool) {
    let signatures = set.signatures.iter().filter(|_| signed);
    section.extend(set.records.iter().chain(signatures).map(|record| {
        // One TTL for the whole set, and the name in one spelling: servers repeat the question's,
        // which was drawn by lot.
        let mut record = record.clone();
        record.name = set.name.clone();
        record.ttl = set.ttl_s;
        record
    }));
}

//! Whether a parent's reply to a question for DS says that its name is a zone cut.

use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};

use super::denial::{Denial, NoDs};
use crate::resolve::budget::Budget;
use crate::resolve::rrset::RrSet;

/// Is the name a zone cut by the parent's word: are there DS records and nothing else, or the proof
/// that a delegation has none (RFC 4035 section 5.2, RFC 5155 section 8.9)? A reply without proofs
/// says nothing of that, nor does an alias.
pub fn is_zone_cut(reply: &[u8]) -> bool {
    let Ok(message) = Message::from_vec(reply) else {
        return false;
    };
    let Some(query) = message.queries.first() else {
        return false;
    };
    if message.metadata.response_code != ResponseCode::NoError {
        return false;
    }
    if !message.answers.is_empty() {
        let mut answers = message.answers.iter();
        return answers.all(|record| {
            let is_ds = matches!(record.record_type(), RecordType::DS | RecordType::RRSIG);
            is_ds && record.name == *query.name()
        });
    }
    has_no_ds(query.name(), &message.authorities)
}

/// Signatures were checked where anybody checks them here.
fn has_no_ds(name: &Name, authorities: &[Record]) -> bool {
    let is_soa = |record: &&Record| record.record_type() == RecordType::SOA;
    let Some(soa) = authorities.iter().find(is_soa) else {
        return false;
    };
    let sets: Vec<RrSet> = authorities.iter().map(alone).collect();
    let denial = Denial::new(&soa.name, &sets);
    matches!(
        denial.no_ds(name, &Budget::new(Duration::ZERO)),
        Ok(NoDs::Delegation | NoDs::OptOut | NoDs::TooCostly)
    )
}

/// Proofs are sets of one record each.
fn alone(record: &Record) -> RrSet {
    RrSet {
        name: record.name.to_lowercase(),
        rtype: record.record_type(),
        ttl_s: record.ttl,
        records: vec![record.clone()],
        signatures: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::rdata::{DNSSECRData, DS, NSEC};
    use hickory_proto::dnssec::{Algorithm, DigestType};
    use hickory_proto::op::{MessageType, OpCode, Query};
    use hickory_proto::rr::RData;
    use hickory_proto::rr::rdata::{CNAME, SOA};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn record(owner: &str, data: RData) -> Record {
        Record::from_rdata(name(owner), 300, data)
    }

    fn ds() -> RData {
        let ds = DS::new(
            1,
            Algorithm::ECDSAP256SHA256,
            DigestType::SHA256,
            vec![0; 32],
        );
        RData::DNSSEC(DNSSECRData::DS(ds))
    }

    fn nsec(types: &[RecordType]) -> RData {
        let nsec = NSEC::new(name("z.test."), types.iter().copied());
        RData::DNSSEC(DNSSECRData::NSEC(nsec))
    }

    fn says(rcode: ResponseCode, answers: Vec<Record>, mut authorities: Vec<Record>) -> bool {
        let soa = SOA::new(name("ns.test."), name("test."), 1, 2, 3, 4, 5);
        authorities.push(record("test.", RData::SOA(soa)));
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        message.metadata.response_code = rcode;
        message.add_query(Query::query(name("a.test."), RecordType::DS));
        message.answers = answers;
        message.authorities = authorities;
        is_zone_cut(&message.to_vec().unwrap())
    }

    #[test]
    fn a_zone_cut_has_ds_or_is_proven_to_have_none() {
        use RecordType::{A, CNAME as Alias, DS as Ds, NS, SOA as Soa};
        let ok = ResponseCode::NoError;
        assert!(says(ok, vec![record("A.test.", ds())], vec![]));
        let denied = |owner, types: &[_]| says(ok, vec![], vec![record(owner, nsec(types))]);
        assert!(denied("a.test.", &[NS]));
        for (owner, types, why) in [
            ("a.test.", &[A][..], "a name within the zone"),
            ("a.test.", &[Alias], "an alias"),
            (
                "a.test.",
                &[NS, Soa],
                "the child's own word (RFC 6840 section 4.1)",
            ),
            ("a.test.", &[NS, Ds], "there is a DS"),
            ("0.test.", &[NS], "another name's"),
        ] {
            assert!(!denied(owner, types), "{why}");
        }
    }

    #[test]
    fn nothing_else_is_one() {
        let ok = ResponseCode::NoError;
        assert!(!says(ok, vec![], vec![]), "no proof");
        let alias = record("a.test.", RData::CNAME(CNAME(name("b.test."))));
        assert!(!says(ok, vec![alias.clone()], vec![]));
        assert!(!says(ok, vec![alias, record("b.test.", ds())], vec![]));
        let proof = vec![record("a.test.", nsec(&[RecordType::NS]))];
        for rcode in [ResponseCode::NXDomain, ResponseCode::ServFail] {
            assert!(!says(rcode, vec![], proof.clone()), "{rcode}");
        }
        assert!(!is_zone_cut(b""));
    }
}

//! The denial of a zone as that of a name within it, so that nobody needs to be asked about the
//! name itself.

use super::question::Question;
use super::reply::{Authentic, ServerReply};

/// The reply to `question` that follows from the `denial` of a zone that its name is in: what
/// proves that the zone does not exist covers all names below (RFC 8020, RFC 4035 section 5.4, RFC
/// 5155 section 8.4). `None` where it proves nothing.
pub fn deny_below(denial: &[u8], question: &Question) -> Option<Vec<u8>> {
    let denial = ServerReply::read(denial).ok()?;
    if !denial.proves_absence() {
        return None;
    }
    let authentic = if denial.authentic {
        Authentic::Yes
    } else {
        Authentic::No
    };
    denial.lay_out(question, authentic).ok()
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
    use hickory_proto::rr::rdata::SOA;
    use hickory_proto::rr::{Name as HickoryName, RData, Record, RecordType};

    use super::*;
    use crate::name::Name;

    fn name(text: &str) -> HickoryName {
        HickoryName::from_ascii(text).unwrap()
    }

    /// The denial of `local.` with an NSEC, of which only the owner and the type are looked at.
    fn denial(rcode: ResponseCode, proof: RecordType) -> Vec<u8> {
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        message.metadata.response_code = rcode;
        message.metadata.authentic_data = true;
        message.add_query(Query::query(name("local."), RecordType::DS));
        let soa = SOA::new(name("a.local."), name("b.local."), 1, 2, 3, 4, 5);
        let soa = Record::from_rdata(HickoryName::root(), 300, RData::SOA(soa));
        message.authorities.push(soa);
        let data = RData::Unknown {
            code: proof,
            rdata: hickory_proto::rr::rdata::NULL::with(b"\x06locker\0\0\x01\x40".to_vec()),
        };
        message
            .authorities
            .push(Record::from_rdata(name("loans."), 300, data));
        message.to_vec().unwrap()
    }

    fn asked(text: &str) -> Question {
        Question {
            name: Name::parse(text).unwrap(),
            qtype: 1,
            dnssec_ok: true,
            checking_disabled: false,
        }
    }

    #[test]
    fn the_proof_is_the_zones_and_the_question_the_clients() {
        let question = asked("a-much-longer-name.printer.local");
        let wire = denial(ResponseCode::NXDomain, RecordType::NSEC);
        let reply = Message::from_vec(&deny_below(&wire, &question).unwrap()).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
        assert!(reply.metadata.authentic_data);
        let query = Query::query(name("a-much-longer-name.printer.local."), RecordType::A);
        assert_eq!(reply.queries, [query]);
        let RData::SOA(soa) = &reply.authorities[0].data else {
            panic!("{reply:?}");
        };
        assert_eq!(soa.mname, name("a.local."), "pointers lead where they led");
        assert_eq!(reply.authorities[1].name, name("loans."));
    }

    #[test]
    fn without_a_proof_nothing_is_denied() {
        for (rcode, proof) in [
            (ResponseCode::NXDomain, RecordType::TXT),
            (ResponseCode::NoError, RecordType::NSEC),
            (ResponseCode::ServFail, RecordType::NSEC),
        ] {
            let wire = denial(rcode, proof);
            assert_eq!(
                deny_below(&wire, &asked("a.local")),
                None,
                "{rcode} {proof}"
            );
        }
        assert_eq!(deny_below(b"", &asked("a.local")), None);
    }
}

//! What a name has where it has no alias, as the signed denial of the alias says: so that ANY gets
//! one of the name's sets with its signatures (RFC 8482 sections 4.1 and 7).

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::Message;
use hickory_proto::rr::{Name as HickoryName, RData, Record, RecordType, RecordTypeSet};

use super::convert::{covered_type, their_name};
use crate::name::Name;

/// NXNAME and all above that are no data but questions (RFC 9824 section 3.4, RFC 6895 section
/// 3.1).
const NO_DATA: std::ops::RangeInclusive<u16> = 128..=255;

/// What a denial of an alias at a name says of the name's other types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BesideAlias {
    /// It has this one, by its number.
    Type(u16),
    /// The denial is signed, and names none that could be asked for: nothing stands at the name, or
    /// its NSEC3 cannot be told from others.
    Unknown,
    /// The denial is not signed, or no signatures were asked for.
    Unsigned,
}

impl BesideAlias {
    /// Read `denial`, a whole message that says that `name` has no CNAME record.
    pub fn read(denial: &[u8], name: &Name) -> Self {
        let (Ok(message), Ok(name)) = (Message::from_vec(denial), their_name(name)) else {
            return Self::Unsigned;
        };
        let authorities = &message.authorities;
        if !authorities
            .iter()
            .any(|record| covered_type(record).is_some())
        {
            return Self::Unsigned;
        }
        let types = plain(authorities, &name).or_else(|| hashed(authorities));
        let shown = types.into_iter().flat_map(RecordTypeSet::iter);
        let first = shown.filter(is_data).map(u16::from).min();
        first.map_or(Self::Unknown, Self::Type)
    }
}

/// A type that one can ask for, other than those that belong to the denial itself.
fn is_data(rtype: &RecordType) -> bool {
    let is_proof = matches!(
        rtype,
        RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3
    );
    !is_proof && !NO_DATA.contains(&u16::from(*rtype))
}

/// The types in the NSEC of the name, or of the wildcard that stands for it.
fn plain<'a>(authorities: &'a [Record], name: &HickoryName) -> Option<&'a RecordTypeSet> {
    let stands_for = |owner: &HickoryName| {
        owner == name || owner.is_wildcard() && owner.base_name().zone_of(name)
    };
    authorities.iter().find_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC(nsec)) if stands_for(&record.name) => Some(nsec.type_set()),
        _ => None,
    })
}

/// The types in the only NSEC3: it is the name's own then (RFC 5155 section 7.2.3).
fn hashed(authorities: &[Record]) -> Option<&RecordTypeSet> {
    let mut all = authorities.iter().filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => Some(nsec3.type_set()),
        _ => None,
    });
    all.next().filter(|_| all.next().is_none())
}

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::Nsec3HashAlgorithm;
    use hickory_proto::dnssec::rdata::{NSEC, NSEC3};
    use hickory_proto::op::{MessageType, OpCode};
    use hickory_proto::rr::rdata::NULL;

    use super::*;

    use RecordType::{A, MX, NSEC as TYPE_NSEC, RRSIG, TXT};

    fn record(owner: &str, data: RData) -> Record {
        Record::from_rdata(HickoryName::from_ascii(owner).unwrap(), 60, data)
    }

    fn nsec(owner: &str, types: &[RecordType]) -> Record {
        let next = HickoryName::from_ascii("zz.test.").unwrap();
        let nsec = NSEC::new(next, types.iter().copied());
        record(owner, RData::DNSSEC(DNSSECRData::NSEC(nsec)))
    }

    fn nsec3(owner: &str, types: &[RecordType]) -> Record {
        let (salt, next) = (vec![], vec![7; 20]);
        let types = types.iter().copied();
        let nsec3 = NSEC3::new(Nsec3HashAlgorithm::SHA1, false, 0, salt, next, types);
        record(owner, RData::DNSSEC(DNSSECRData::NSEC3(nsec3)))
    }

    /// An RRSIG of an NSEC by `test.`.
    fn signature() -> Record {
        let data = b"\0\x2f\x0f\x02\0\0\0\x3c\0\0\0\x02\0\0\0\x01\0\x01\x04test\0\0";
        let wire = [
            &b"\x01x\x04test\0\0\x2e\0\x01\0\0\0\x3c\0"[..],
            &[data.len() as u8],
            data,
        ];
        use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
        Record::read(&mut BinDecoder::new(&wire.concat())).unwrap()
    }

    fn beside(authorities: Vec<Record>) -> BesideAlias {
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        message.authorities = authorities;
        let name = Name::parse("www.test").unwrap();
        BesideAlias::read(&message.to_vec().unwrap(), &name)
    }

    #[test]
    fn a_signed_denial_names_a_type_to_ask_for() {
        let lying = RecordType::Unknown(128);
        for (proofs, wanted) in [
            (
                vec![nsec("www.test.", &[TXT, MX, RRSIG])],
                BesideAlias::Type(15),
            ),
            (vec![nsec("*.test.", &[TXT, A])], BesideAlias::Type(1)),
            (vec![nsec("a.test.", &[A])], BesideAlias::Unknown),
            (
                vec![nsec("www.test.", &[RRSIG, TYPE_NSEC, lying])],
                BesideAlias::Unknown,
            ),
            (vec![nsec3("h.test.", &[MX])], BesideAlias::Type(15)),
            (vec![nsec3("h.test.", &[])], BesideAlias::Unknown),
            (
                vec![nsec3("h.test.", &[MX]), nsec3("i.test.", &[A])],
                BesideAlias::Unknown,
            ),
        ] {
            let signed = [proofs.clone(), vec![signature()]].concat();
            assert_eq!(beside(signed), wanted, "{proofs:?}");
            assert_eq!(beside(proofs), BesideAlias::Unsigned);
        }
        let name = Name::parse("www.test").unwrap();
        assert_eq!(BesideAlias::read(b"", &name), BesideAlias::Unsigned);
        let other = record("x.test.", RData::NULL(NULL::new()));
        assert_eq!(beside(vec![other]), BesideAlias::Unsigned);
    }
}

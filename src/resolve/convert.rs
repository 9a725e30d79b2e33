//! Names and records between our own form and hickory's, and what both the iterator and the
//! validator read from records.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::rr::{Name as HickoryName, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::failure::Failure;
use crate::name::{NAME_OCTETS_MAX, Name};

/// Our name in hickory's form.
pub(super) fn their_name(name: &Name) -> Result<HickoryName, Failure> {
    HickoryName::read(&mut BinDecoder::new(name.as_wire())).map_err(|_| Failure::Unusable)
}

/// hickory's name in ours, lower-case.
pub(super) fn our_name(name: &HickoryName) -> Option<Name> {
    Name::from_wire(&wire_of(name)).ok()
}

/// The octets of a name, lower-case and uncompressed.
pub(super) fn wire_of(name: &HickoryName) -> Vec<u8> {
    let mut wire = Vec::with_capacity(name.len() + 2);
    for label in name.iter() {
        wire.push(label.len() as u8);
        wire.extend(label.iter().map(u8::to_ascii_lowercase));
    }
    wire.push(0);
    wire
}

/// The address in the data of an A or AAAA record.
pub(super) fn address_of(data: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(data).map(|octets| Ipv4Addr::from(octets).into());
    v4.or_else(|_| <[u8; 16]>::try_from(data).map(|octets| Ipv6Addr::from(octets).into()))
        .ok()
}

/// How many labels a name has, an asterisk counted, the root not.
pub(super) fn label_count(name: &HickoryName) -> usize {
    name.iter().len()
}

/// Is `name` below `parent`, and not `parent` itself?
pub(super) fn is_below(name: &HickoryName, parent: &HickoryName) -> bool {
    label_count(name) > label_count(parent) && parent.zone_of(name)
}

/// The lowest name that the zone may have which holds a name's records of a type: DS belong to the
/// zone above (RFC 4035 section 2.4).
pub(super) fn lowest_zone(name: &HickoryName, rtype: RecordType) -> HickoryName {
    if rtype == RecordType::DS && !name.is_root() {
        name.base_name()
    } else {
        name.clone()
    }
}

/// The type that a signature covers; `None` for everything that is no signature.
pub(super) fn covered_type(record: &Record) -> Option<RecordType> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature.input().type_covered),
        _ => None,
    }
}

/// Who says to have made a signature.
pub(super) fn signer_of(record: &Record) -> Option<&HickoryName> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(&signature.input().signer_name),
        _ => None,
    }
}

/// Until when a signature holds, as 32 bits of the wall clock (RFC 4034 section 3.1.5).
pub(super) fn expiration_of(record: &Record) -> Option<u32> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => {
            Some(signature.input().sig_expiration.get())
        }
        _ => None,
    }
}

/// Is it an alias whose data are no whole name? hickory does not look into a DNAME's data, in which
/// a name must not be compressed (RFC 6672 section 2.5), and passes over empty ones.
pub(super) fn names_nothing(record: &Record) -> bool {
    match (record.record_type(), &record.data) {
        (RecordType::CNAME, RData::CNAME(_)) => false,
        (RecordType::DNAME, RData::Unknown { rdata, .. }) => !Name::from_wire(&rdata.anything)
            .is_ok_and(|name| name.as_wire().len() == rdata.anything.len()),
        (rtype, _) => matches!(rtype, RecordType::CNAME | RecordType::DNAME),
    }
}

/// Where a DNAME record leads `name` (RFC 6672 section 2.2).
pub(super) fn redirect(name: &HickoryName, dname: &Record) -> Redirection {
    let RData::Unknown { rdata, .. } = &dname.data else {
        return Redirection::None;
    };
    let (name, owner) = (wire_of(name), wire_of(&dname.name));
    let kept = name
        .len()
        .checked_sub(owner.len())
        .and_then(|kept| name.get(..kept));
    let Some(mut wire) = kept.filter(|kept| !kept.is_empty()).map(<[u8]>::to_vec) else {
        return Redirection::None;
    };
    wire.extend_from_slice(&rdata.anything);
    if wire.len() > NAME_OCTETS_MAX {
        return Redirection::TooLong;
    }
    let target = HickoryName::read(&mut BinDecoder::new(&wire));
    target.map_or(Redirection::None, |target| {
        Redirection::To(target.to_lowercase())
    })
}

/// What a DNAME makes of a name below it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirection {
    /// The name that stands for it, lower-case.
    To(HickoryName),
    /// It does not fit into a name: YXDOMAIN.
    TooLong,
    /// The record is no DNAME above the name, or is broken.
    None,
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::NULL;

    use super::*;

    #[test]
    fn a_dname_replaces_the_end_of_a_name() {
        let dname = |owner: &str, target: &str| {
            let rdata = NULL::with(Name::parse(target).unwrap().as_wire().to_vec());
            let data = RData::Unknown {
                code: RecordType::DNAME,
                rdata,
            };
            Record::from_rdata(HickoryName::from_ascii(owner).unwrap(), 60, data)
        };
        let name = HickoryName::from_ascii("a.b.old.test.").unwrap();
        let to = |text: &str| Redirection::To(HickoryName::from_ascii(text).unwrap());
        assert_eq!(
            redirect(&name, &dname("old.test.", "new.example")),
            to("a.b.new.example.")
        );
        assert_eq!(redirect(&name, &dname("old.test.", ".")), to("a.b."));
        assert_eq!(
            redirect(&name, &dname("a.b.old.test.", "new.example")),
            Redirection::None
        );
        let long = [
            "a".repeat(63),
            "b".repeat(63),
            "c".repeat(63),
            "d".repeat(57),
        ]
        .join(".");
        assert_eq!(
            redirect(&name, &dname("old.test.", &long)),
            to(&format!("a.b.{long}."))
        );
        assert_eq!(
            redirect(&name, &dname("old.test.", &format!("{long}ee"))),
            Redirection::TooLong
        );
        assert!(is_below(&name, &HickoryName::root()) && !is_below(&name, &name));
    }
}

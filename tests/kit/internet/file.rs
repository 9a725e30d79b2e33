//! A zone of the tests' internet as a zone file, one record a line, as the root zone is published.

use data_encoding::{BASE64, HEXUPPER};
use hickory_proto::rr::{Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

use super::zone::Zone;

/// The whole zone with its signatures, the SOA record first.
pub(super) fn text(zone: &Zone) -> String {
    let mut records: Vec<Record> = Vec::new();
    for (owner, set) in zone
        .nodes
        .iter()
        .flat_map(|(owner, sets)| sets.values().map(move |set| (owner, set)))
    {
        records.extend(set.records_without_rrsigs().cloned());
        // At and below a cut the zone signs only what is its own (RFC 4035 section 2.2).
        if zone.cut(owner).is_none()
            || matches!(set.record_type(), RecordType::DS | RecordType::NSEC)
        {
            records.extend(zone.signatures(set));
        }
    }
    records.sort_by_key(|record| record.record_type() != RecordType::SOA);
    records
        .iter()
        .map(|record| {
            format!(
                "{} {} IN {} {}\n",
                record.name,
                record.ttl,
                record.record_type(),
                data(record)
            )
        })
        .collect()
}

fn data(record: &Record) -> String {
    let mut wire = Vec::new();
    record
        .data
        .emit(&mut BinEncoder::new(&mut wire))
        .expect("octets");
    let number = |at: usize| u16::from_be_bytes([wire[at], wire[at + 1]]);
    let long = |at: usize| u32::from_be_bytes([wire[at], wire[at + 1], wire[at + 2], wire[at + 3]]);
    match record.record_type() {
        RecordType::DS => format!(
            "{} {} {} {}",
            number(0),
            wire[2],
            wire[3],
            HEXUPPER.encode(&wire[4..])
        ),
        RecordType::DNSKEY => format!(
            "{} {} {} {}",
            number(0),
            wire[2],
            wire[3],
            BASE64.encode(&wire[4..])
        ),
        // The signer is the root.
        RecordType::RRSIG => {
            let numbers = format!(
                "TYPE{} {} {} {} {} {} {}",
                number(0),
                wire[2],
                wire[3],
                long(4),
                long(8),
                long(12),
                number(16)
            );
            format!("{numbers} . {}", BASE64.encode(&wire[19..]))
        }
        RecordType::NSEC => {
            let next_octets = 1 + wire
                .iter()
                .position(|octet| *octet == 0)
                .expect("a name's end");
            let mut types = Vec::new();
            let mut rest = &wire[next_octets..];
            while let [window, length, tail @ ..] = rest {
                let (bits, tail) = tail.split_at(usize::from(*length));
                let set = (0..8 * bits.len()).filter(|at| bits[at / 8] & (0x80 >> (at % 8)) != 0);
                types.extend(set.map(|at| format!("TYPE{}", usize::from(*window) << 8 | at)));
                rest = tail;
            }
            let labels = wire[..next_octets - 1].to_vec();
            format!("{} {}", dotted(&labels), types.join(" "))
        }
        _ => record.data.to_string(),
    }
}

fn dotted(mut labels: &[u8]) -> String {
    let mut text = String::new();
    while let [length, tail @ ..] = labels {
        let (label, tail) = tail.split_at(usize::from(*length));
        text += &String::from_utf8_lossy(label);
        text.push('.');
        labels = tail;
    }
    if text.is_empty() {
        ".".to_owned()
    } else {
        text
    }
}

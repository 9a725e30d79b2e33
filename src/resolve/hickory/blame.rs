//! Why signatures do not hold, told apart for the client's extended error (RFC 8914).

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::rr::{Name, RData, Record, SerialNumber};

use crate::clock;
use crate::resolve::Failure;

/// As far as the signatures among the records tell: missing, out of date, or plainly wrong.
pub(super) fn blame<'a>(records: impl Iterator<Item = &'a Record>) -> Failure {
    let now = SerialNumber::new(clock::wall_s() as u32);
    let (mut signatures, mut expired) = (0, 0);
    for record in records {
        if let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &record.data {
            signatures += 1;
            expired += usize::from(signature.input().sig_expiration < now);
        }
    }
    match (signatures, expired) {
        (0, _) => Failure::Unsigned,
        (all, old) if all == old => Failure::Expired,
        _ => Failure::Bogus,
    }
}

/// Are there DS records, and is none of the keys one that they name (RFC 4035 section 5.2)?
pub(super) fn is_key_missing(zone: &Name, signers: &[Record], keys: &[Record]) -> bool {
    let keys = || {
        keys.iter().filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
            _ => None,
        })
    };
    let mut named = signers
        .iter()
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DS(signer)) => Some(keys().any(|key| signer.covers(zone, key).unwrap_or(false))),
            _ => None,
        })
        .peekable();
    named.peek().is_some() && !named.any(|is_there| is_there)
}

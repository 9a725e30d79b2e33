//! Until when a certificate is valid, so that the operator hears of its end before the clients do.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock::UnixSeconds;

/// ASN.1 tags (X.690): those that a certificate's head has.
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The version, where it is not the first.
const VERSION: u8 = 0xa0;

/// `notAfter` of a certificate in DER (RFC 5280 section 4.1); nothing where that is none.
pub(super) fn not_after(certificate: &[u8]) -> Option<UnixSeconds> {
    let (certificate, _) = element(SEQUENCE, certificate)?;
    let (signed, _) = element(SEQUENCE, certificate)?;
    let rest = element(VERSION, signed).map_or(signed, |(_, rest)| rest);
    let (_serial, rest) = element(INTEGER, rest)?;
    let (_algorithm, rest) = element(SEQUENCE, rest)?;
    let (_issuer, rest) = element(SEQUENCE, rest)?;
    let (validity, _) = element(SEQUENCE, rest)?;
    let (_, end) = moment(validity)?;
    let (end, _) = moment(end)?;
    Some(end)
}

/// The content of the element in front, which must have this tag, and what comes after it.
fn element(tag: u8, octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = octets.split_first()?;
    if *found != tag {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match usize::from(*first) {
        len @ ..0x80 => (len, rest),
        // How many octets the length has; four are more than any certificate needs.
        long => {
            let (len, rest) = rest.split_at_checked(long - 0x80)?;
            if !(1..=4).contains(&len.len()) {
                return None;
            }
            let add = |sum: usize, octet: &u8| sum << 8 | usize::from(*octet);
            (len.iter().fold(0, add), rest)
        }
    };
    rest.split_at_checked(len)
}

/// A time in front (RFC 5280 section 4.1.2.5), and what comes after it.
fn moment(octets: &[u8]) -> Option<(UnixSeconds, &[u8])> {
    let (text, rest) = match octets.first()? {
        &UTC_TIME => {
            let (text, rest) = element(UTC_TIME, octets)?;
            let text = std::str::from_utf8(text).ok()?;
            let century = if text.get(..2)?.parse::<u8>().ok()? < 50 {
                "20"
            } else {
                "19"
            };
            (format!("{century}{text}"), rest)
        }
        _ => {
            let (text, rest) = element(GENERALIZED_TIME, octets)?;
            (std::str::from_utf8(text).ok()?.to_owned(), rest)
        }
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    let time = TimeZone::UTC.to_timestamp(time).ok()?;
    Some((time.as_second(), rest))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn sample() -> CertificateDer<'static> {
        let pem = include_bytes!("../../tests/cases/tls/cert.pem");
        CertificateDer::from_pem_slice(pem).unwrap()
    }

    #[test]
    fn the_end_is_read_as_openssl_shows_it() {
        // openssl x509 -enddate: Oct 29 12:54:15 2126 GMT.
        assert_eq!(not_after(&sample()), Some(4_948_952_055));
        let of = |time: &[u8]| moment(time).map(|(at, _)| at);
        assert_eq!(of(b"\x17\x0d491231235959Z"), Some(2_524_607_999));
        assert_eq!(of(b"\x17\x0d700101000000Z"), Some(0));
        assert_eq!(of(b"\x18\x0f20500101000000Z"), Some(2_524_608_000));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let whole = sample();
        for len in 0..whole.len() {
            let cut = whole.get(..len).unwrap();
            assert_eq!(not_after(cut), None, "{len}");
        }
        for (at, _) in whole.iter().enumerate().take(200) {
            let mut other = whole.to_vec();
            other[at] = 0xff;
            // It is read or not, and nothing else happens.
            let _ = not_after(&other);
        }
        assert_eq!(moment(b"\x17\x0dnot a time!!Z"), None);
    }
}

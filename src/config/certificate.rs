//! What a client would have against a certificate: its time, its name, and its key.

use std::path::Path;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

use crate::clock::UnixSeconds;
use crate::serve::tls::TlsIdentity;

/// The tags of DER (X.690) that are met on the way to the time.
const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// All that is wrong with a chain and its key, PEM both, at this time; `name` is the one that
/// clients hold it against, where they have one.
pub(super) fn faults(
    chain: &Path,
    key: &Path,
    name: Option<&str>,
    now: UnixSeconds,
) -> Vec<String> {
    let mut faults: Vec<String> = TlsIdentity::load(chain, key)
        .err()
        .map(|fault| fault.to_string())
        .into_iter()
        .collect();
    let certificates = CertificateDer::pem_file_iter(chain).map(|found| found.flatten());
    let certificates: Vec<_> = certificates.into_iter().flatten().collect();
    let place = chain.display();
    for (certificate, number) in certificates.iter().zip(1..) {
        if let Some(fault) = fault_of_time(certificate, now) {
            let which = if certificates.len() > 1 {
                format!("certificate {number}")
            } else {
                "the certificate".to_owned()
            };
            faults.push(format!("{place}: {which} {fault}"));
        }
    }
    let named = name.zip(certificates.first());
    if let Some((name, certificate)) = named
        && !is_for(certificate, name)
    {
        faults.push(format!(
            "{place}: the certificate is not for {name}: have one made with that name (subject \
             alternative name), or set the name that it has"
        ));
    }
    faults
}

/// Until when the chain is valid: as long as the first of its certificates that ends.
pub(super) fn until(chain: &Path) -> Option<UnixSeconds> {
    let certificates = CertificateDer::pem_file_iter(chain).ok()?.flatten();
    let ends = certificates.filter_map(|certificate| validity(&certificate).map(|(_, end)| end));
    ends.min()
}

/// That it has not begun, or has ended; what has no time that can be read is left to the clients.
fn fault_of_time(certificate: &[u8], now: UnixSeconds) -> Option<String> {
    let (begin, end) = validity(certificate)?;
    let date =
        |at| jiff::Timestamp::from_second(at).map_or_else(|_| at.to_string(), |at| at.to_string());
    if now < begin {
        return Some(format!(
            "is not valid before {}: set the clock, or take the one before",
            date(begin)
        ));
    }
    (end < now).then(|| format!("expired on {}: put a renewed one in its place", date(end)))
}

fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let name = name.trim_end_matches('.');
    // What cannot be read is told already.
    let (Ok(certificate), Ok(name)) = (
        ParsedCertificate::try_from(certificate),
        ServerName::try_from(name),
    ) else {
        return true;
    };
    verify_server_name(&certificate, &name).is_ok()
}

/// From when and until when a certificate is valid (RFC 5280 section 4.1.2.5), both ends included.
fn validity(certificate: &[u8]) -> Option<(UnixSeconds, UnixSeconds)> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (signed, _) = element(certificate, SEQUENCE)?;
    let signed = element(signed, VERSION).map_or(signed, |(_, rest)| rest);
    let (_, rest) = element(signed, INTEGER)?; // the serial number
    let (_, rest) = element(rest, SEQUENCE)?; // the signature's algorithm
    let (_, rest) = element(rest, SEQUENCE)?; // the issuer
    let (times, _) = element(rest, SEQUENCE)?;
    let (begin, rest) = time(times)?;
    let (end, _) = time(rest)?;
    Some((begin, end))
}

/// The first element's content and what stands behind it; nothing where it has another tag.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    if *first < 0x80 {
        return rest.split_at_checked(usize::from(*first));
    }
    let octets = usize::from(first & 0x7f);
    // No certificate is longer than four octets can say.
    let (length, rest) = rest.split_at_checked(octets).filter(|_| octets <= 4)?;
    let length = length
        .iter()
        .fold(0, |length, octet| length << 8 | usize::from(*octet));
    rest.split_at_checked(length)
}

/// A time, and what stands behind it.
fn time(der: &[u8]) -> Option<(UnixSeconds, &[u8])> {
    let (text, rest, is_short) = match element(der, UTC_TIME) {
        Some((text, rest)) => (text, rest, true),
        None => element(der, GENERALIZED_TIME).map(|(text, rest)| (text, rest, false))?,
    };
    let text = str::from_utf8(text).ok()?.strip_suffix('Z')?;
    // Two digits of the year mean 1950 to 2049.
    let century = match text.as_bytes().first()? {
        _ if !is_short => "",
        b'0'..=b'4' => "20",
        _ => "19",
    };
    let text = format!("{century}{text}");
    let digits = |from: usize, to: usize| text.get(from..to)?.parse::<i8>().ok();
    let year = text.get(..4)?.parse().ok()?;
    let time = jiff::civil::DateTime::new(
        year,
        digits(4, 6)?,
        digits(6, 8)?,
        digits(8, 10)?,
        digits(10, 12)?,
        digits(12, 14).filter(|_| text.len() == 14)?,
        0,
    );
    let zoned = time.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some((zoned.timestamp().as_second(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str) -> std::path::PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/tls");
        folder.join(name)
    }

    /// `openssl x509 -in tests/cases/tls/cert.pem -noout -dates`
    const BEGIN: i64 = 1_795_352_055;
    const END: i64 = 4_948_952_055;

    #[test]
    fn the_time_is_read_as_openssl_reads_it() {
        let certificate = CertificateDer::from_pem_file(case("cert.pem")).unwrap();
        assert_eq!(validity(&certificate), Some((BEGIN, END)));
        for length in 0..certificate.len() {
            // Nothing that is cut off keeps anybody from reading the rest.
            let _ = validity(&certificate[..length]);
        }
    }

    #[test]
    fn times_are_written_in_two_ways() {
        let read = |tag: u8, text: &str| {
            let der = [&[tag, text.len() as u8], text.as_bytes()].concat();
            time(&der).map(|(at, _)| at)
        };
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "20500101000000", None),
            (GENERALIZED_TIME, "20501301000000Z", None),
            (GENERALIZED_TIME, "205001010000Z", None),
            (GENERALIZED_TIME, "20500101000000.5Z", None),
            (UTC_TIME, "", None),
            (INTEGER, "700101000000Z", None),
        ] {
            assert_eq!(read(tag, text), expected, "{text}");
        }
    }

    #[test]
    fn each_fault_of_a_certificate_is_told() {
        let told = |chain: &str, key: &str, name: Option<&str>, now| {
            faults(&case(chain), &case(key), name, now).join("\n")
        };
        let good = |now| told("cert.pem", "key.pem", Some("resolver.test."), now);
        assert_eq!((good(BEGIN), good(END)), (String::new(), String::new()));
        assert!(
            good(BEGIN - 1).contains("is not valid before 2026-11-22T12:54:15Z: set the clock")
        );
        assert!(good(END + 1).contains("expired on 2126-10-29T12:54:15Z: put a renewed one"));
        let other = told("cert.pem", "key.pem", Some("other.test"), BEGIN);
        assert!(
            other.contains("the certificate is not for other.test: have one made"),
            "{other}"
        );
        let other = told("cert.pem", "other-key.pem", Some("a.test"), END + 1);
        assert_eq!(other.lines().count(), 3, "{other}");
        assert!(other.contains("the key must be the one"), "{other}");
        let junk = told("key.pem", "cert.pem", Some("a.test"), BEGIN);
        assert!(
            junk.contains("cannot read the certificate") && junk.lines().count() == 1,
            "{junk}"
        );
    }
}

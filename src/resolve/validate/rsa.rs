//! How long RSA keys are: shorter ones than the crypto library takes vouch for nothing.

use hickory_proto::dnssec::PublicKey;
use hickory_proto::dnssec::rdata::DNSKEY;

/// Shorter keys can be broken, and then sign whatever somebody likes: a zone that has one is as
/// good as unsigned. BIND and Unbound draw the line here too; 829 bits were broken in public
/// (RSA-250).
const BITS_MIN: usize = 1024;

/// Is it an RSA key that is too short to count?
pub(super) fn is_short(key: &DNSKEY) -> bool {
    let public = key.public_key();
    matches!(u8::from(public.algorithm()), 1 | 5 | 7 | 8 | 10)
        && modulus_bits(public.public_bytes()).is_some_and(|bits| bits < BITS_MIN)
}

/// The length of the modulus in a DNSKEY's octets (RFC 3110 section 2).
fn modulus_bits(octets: &[u8]) -> Option<usize> {
    let (length, rest) = match octets {
        [0, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        [length, rest @ ..] => (usize::from(*length), rest),
        [] => return None,
    };
    let modulus = rest.get(length..)?;
    let zeros = modulus.iter().take_while(|octet| **octet == 0).count();
    let modulus = modulus.get(zeros..)?;
    Some(modulus.len() * 8 - modulus.first()?.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::{Algorithm, PublicKeyBuf};

    use super::*;

    #[test]
    fn lengths_are_those_of_the_modulus() {
        let bits = |head: &[u8], modulus: &[u8]| modulus_bits(&[head, modulus].concat());
        let usual = &[3, 1, 0, 1];
        assert_eq!(bits(usual, &[0x80; 128]), Some(1024));
        assert_eq!(bits(usual, &[0x7f; 128]), Some(1023));
        assert_eq!(bits(usual, &[&[0; 9][..], &[0x80; 64]].concat()), Some(512));
        assert_eq!(bits(&[0, 0, 1, 3], &[1; 16]), Some(121));
        for broken in [&[][..], &[9, 1], &[0, 1, 2], &[1, 3], &[1, 3, 0, 0]] {
            assert_eq!(modulus_bits(broken), None, "{broken:?}");
        }
        let key = |octets: usize, algorithm| {
            let public = [usual, vec![0xff; octets].as_slice()].concat();
            DNSKEY::with_flags(256, PublicKeyBuf::new(public, algorithm))
        };
        assert!(is_short(&key(127, Algorithm::RSASHA256)));
        assert!(!is_short(&key(128, Algorithm::RSASHA256)));
        assert!(!is_short(&key(60, Algorithm::ECDSAP256SHA256)));
    }
}

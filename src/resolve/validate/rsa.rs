//! RSA signatures of keys from 512 to 1,023 bits, which RFC 3110 and RFC 5702 allow and the crypto
//! library does not take.
//!
//! Nothing here is secret, so that nothing has to take constant time.

use aws_lc_rs::digest;

/// The shortest modulus (RFC 5702 section 2.1).
const BITS_MIN: usize = 512;
/// From here on the library does it.
const BITS_END: usize = 1024;
/// The longest exponent in octets; each bit costs a multiplication.
const EXPONENT_OCTETS_MAX: usize = 4;

/// What stands before the digest in a signed block (RFC 8017 section 9.2, note 1).
const SHA1: &[u8] = &[
    0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14,
];
const SHA256: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
const SHA512: &[u8] = &[
    0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05,
    0x00, 0x04, 0x40,
];

/// A public key that is too short for the library.
pub(super) struct ShortKey<'a> {
    modulus: &'a [u8],
    exponent: &'a [u8],
}

impl<'a> ShortKey<'a> {
    /// Take the octets of a DNSKEY apart (RFC 3110 section 2); `None` if they are no RSA key of
    /// these sizes.
    pub(super) fn read(octets: &'a [u8]) -> Option<Self> {
        let (length, rest) = match octets {
            [0, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            [length, rest @ ..] => (usize::from(*length), rest),
            [] => return None,
        };
        let (exponent, modulus) = rest.split_at_checked(length)?;
        let modulus = strip(modulus);
        let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
        let is_odd = modulus.last().is_some_and(|last| last % 2 == 1);
        (is_odd && (BITS_MIN..BITS_END).contains(&bits)).then(|| Self {
            modulus,
            exponent: strip(exponent),
        })
    }

    /// Does the signature hold over the message (RFC 8017 section 8.2.2)? `algorithm` is DNSSEC's
    /// number.
    pub(super) fn verify(&self, algorithm: u8, message: &[u8], signature: &[u8]) -> bool {
        let (hash, prefix) = match algorithm {
            5 | 7 => (&digest::SHA1_FOR_LEGACY_USE_ONLY, SHA1),
            8 => (&digest::SHA256, SHA256),
            10 => (&digest::SHA512, SHA512),
            _ => return false,
        };
        let digest = digest::digest(hash, message);
        let fixed = 3 + prefix.len() + digest.as_ref().len();
        let Some(padding) = self
            .modulus
            .len()
            .checked_sub(fixed)
            .filter(|padding| *padding >= 8)
        else {
            return false;
        };
        let mut expected = vec![0, 1];
        expected.resize(2 + padding, 0xff);
        expected.push(0);
        expected.extend_from_slice(prefix);
        expected.extend_from_slice(digest.as_ref());
        signature.len() == self.modulus.len()
            && self.raise(signature).is_some_and(|block| block == expected)
    }

    /// The signature to the power of the exponent, as many octets as the modulus has.
    fn raise(&self, signature: &[u8]) -> Option<Vec<u8>> {
        if self.exponent.is_empty() || self.exponent.len() > EXPONENT_OCTETS_MAX {
            return None;
        }
        let modulus = Modulus::new(self.modulus)?;
        let base = limbs(signature, modulus.limbs.len());
        if !is_less(&base, &modulus.limbs) {
            return None;
        }
        let base = modulus.multiply(&base, &modulus.square);
        let mut power: Option<Vec<u64>> = None;
        for octet in self.exponent {
            for bit in (0..8).rev() {
                power = power.map(|power| modulus.multiply(&power, &power));
                if octet >> bit & 1 == 1 {
                    power = Some(
                        power.map_or_else(|| base.clone(), |power| modulus.multiply(&power, &base)),
                    );
                }
            }
        }
        let mut one = vec![0; modulus.limbs.len()];
        *one.first_mut()? = 1;
        let power = modulus.multiply(&power?, &one);
        let octets: Vec<u8> = power
            .iter()
            .rev()
            .flat_map(|limb| limb.to_be_bytes())
            .collect();
        octets
            .get(octets.len().checked_sub(self.modulus.len())?..)
            .map(<[u8]>::to_vec)
    }
}

/// An odd number that is reckoned by in Montgomery's form; limbs are little-endian.
struct Modulus {
    limbs: Vec<u64>,
    /// −1 divided by the lowest limb, modulo 2⁶⁴.
    inverse: u64,
    /// R² modulo the number, where R is one more than fits in the limbs.
    square: Vec<u64>,
}

impl Modulus {
    fn new(octets: &[u8]) -> Option<Self> {
        let limbs = limbs(octets, octets.len().div_ceil(8));
        let lowest = *limbs.first()?;
        // Newton: each round doubles the number of bits that are right, beginning with three.
        let inverse = (0..5).fold(lowest, |inverse, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(lowest.wrapping_mul(inverse)))
        });
        let mut square = vec![0; limbs.len()];
        *square.first_mut()? = 1;
        for _ in 0..limbs.len() * 128 {
            square = double(&square, &limbs);
        }
        Some(Self {
            limbs,
            inverse: inverse.wrapping_neg(),
            square,
        })
    }

    /// The product, divided by R.
    fn multiply(&self, left: &[u64], right: &[u64]) -> Vec<u64> {
        let size = self.limbs.len();
        let mut sum = vec![0_u64; size + 2];
        for limb in left {
            add_product(&mut sum, right, *limb);
            let factor = sum
                .first()
                .copied()
                .unwrap_or_default()
                .wrapping_mul(self.inverse);
            add_product(&mut sum, &self.limbs, factor);
            sum.remove(0);
            sum.push(0);
        }
        sum.truncate(size + 1);
        let carried = sum.pop().unwrap_or_default();
        if carried > 0 || !is_less(&sum, &self.limbs) {
            subtract(&mut sum, &self.limbs);
        }
        sum
    }
}

/// Add `right` times `factor`.
fn add_product(sum: &mut [u64], right: &[u64], factor: u64) {
    let mut carry = 0_u128;
    let (low, high) = sum.split_at_mut(right.len());
    for (limb, right) in low.iter_mut().zip(right) {
        carry += u128::from(*limb) + u128::from(*right) * u128::from(factor);
        *limb = carry as u64;
        carry >>= 64;
    }
    for limb in high {
        carry += u128::from(*limb);
        *limb = carry as u64;
        carry >>= 64;
    }
}

/// Twice the number, modulo `modulus`.
fn double(number: &[u64], modulus: &[u64]) -> Vec<u64> {
    let mut carried = 0;
    let mut doubled: Vec<u64> = Vec::with_capacity(number.len());
    for limb in number {
        doubled.push(limb << 1 | carried);
        carried = limb >> 63;
    }
    if carried > 0 || !is_less(&doubled, modulus) {
        subtract(&mut doubled, modulus);
    }
    doubled
}

fn subtract(number: &mut [u64], other: &[u64]) {
    let mut borrowed = false;
    for (limb, other) in number.iter_mut().zip(other) {
        let (once, under) = limb.overflowing_sub(*other);
        let (twice, again) = once.overflowing_sub(u64::from(borrowed));
        (*limb, borrowed) = (twice, under || again);
    }
}

fn is_less(left: &[u64], right: &[u64]) -> bool {
    left.iter().rev().lt(right.iter().rev())
}

/// Big-endian octets as `size` little-endian limbs.
fn limbs(octets: &[u8], size: usize) -> Vec<u64> {
    let mut limbs: Vec<u64> = octets
        .rchunks(8)
        .map(|chunk| {
            chunk
                .iter()
                .fold(0, |limb, octet| limb << 8 | u64::from(*octet))
        })
        .collect();
    limbs.resize(size, 0);
    limbs
}

fn strip(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    octets.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with OpenSSL 3.0: a key of 512 and one of 1,016 bits, the exponent 65537, signatures
    /// over "a message".
    const MODULUS: &str = "AD44C4C65B096AAE47FB28033627112D29CF931569255E34F656FAAE5D37C31B\
                           ABDBEBD0FDD9E6A1696CB1F2224BF9FDDFD92F4E03F0DA00B1368BD61987DCC7";
    const BY_SHA1: &str = "69AE7640294B29AB0CB73C32D4C528A7C3BC2F058F4724568301008FFAB1D9E7\
                           A4045D38BCFDD16DD0D804D037F92D91025E23A4D5BA35F775CA89F30F86B4CE";
    const BY_SHA256: &str = "A379C352F6C4E99AD2A5300964895F4B0524C98A7D26FE7D93D3540D707D88BB\
                             8B0B6400CA7A32D6E6A8D860BA31B183A0EE8CFC50681AAB88F5208DE6A186F9";
    const LONG_MODULUS: &str = "A4D9B81E0D375ECEC5C84F320499AF2EA499C0F65FE781A3F98AF05BD95EBFC4\
                                807AD395E89FA44FD0430A6480A8DD60CB805F5E4F1DA724E61C7829DF80C168\
                                CAF4383FF95B4B11D52D105A49ABFA94700B9B8608B32AC0DBD0D6653127D433\
                                3A8C95127B3C415443AE8EBD773D15CB1BEE38CDDDD40F4EC4ACCB50D26EE7";
    const BY_SHA512: &str = "9B87F52D1B9ABC1050DB807FEAB415E144F4D91BA452183B923E5A2E1B016F4B\
                             AB185B1B33085FADFB1CE90C8712C38816BDBA38781064CBF73CEA4F34E32EC7\
                             C71A5D1A3F43AB95B574969609FAD2E181969509A62C0EABD0D24EEE07C91166\
                             3219D6E7A91BD84B225C6838D4F48A979C94D95AD4E3C380C54CA9D471E87C";

    fn octets(hex: &str) -> Vec<u8> {
        data_encoding::HEXUPPER.decode(hex.as_bytes()).unwrap()
    }

    fn key(modulus: &str) -> Vec<u8> {
        [&[3, 1, 0, 1][..], &octets(modulus)].concat()
    }

    #[test]
    fn short_keys_verify_what_they_signed_and_nothing_else() {
        for (modulus, algorithm, signature) in [
            (MODULUS, 5, BY_SHA1),
            (MODULUS, 7, BY_SHA1),
            (MODULUS, 8, BY_SHA256),
            (LONG_MODULUS, 10, BY_SHA512),
        ] {
            let (octets_of_key, signature) = (key(modulus), octets(signature));
            let key = ShortKey::read(&octets_of_key).unwrap();
            assert!(
                key.verify(algorithm, b"a message", &signature),
                "{algorithm}"
            );
            assert!(!key.verify(algorithm, b"A message", &signature));
            assert!(!key.verify(13, b"a message", &signature));
            for at in [0, 20, signature.len() - 1] {
                let mut spoilt = signature.clone();
                spoilt[at] ^= 1;
                assert!(!key.verify(algorithm, b"a message", &spoilt));
            }
            assert!(!key.verify(algorithm, b"a message", &signature[1..]));
            assert!(!key.verify(algorithm, b"a message", &vec![0xff; signature.len()]));
        }
        // A block for SHA-512 does not fit into 64 octets.
        assert!(!ShortKey::read(&key(MODULUS)).unwrap().verify(
            10,
            b"a message",
            &octets(BY_SHA256)
        ));
    }

    #[test]
    fn keys_of_other_sizes_are_left_to_the_library() {
        let long = format!("{LONG_MODULUS}AB");
        let even = format!("{}C6", &MODULUS[..126]);
        for hex in ["", "AB", &MODULUS[..120], &long, &even] {
            assert!(ShortKey::read(&key(hex)).is_none(), "{}", hex.len());
        }
        assert!(
            ShortKey::read(&[]).is_none()
                && ShortKey::read(&[0, 1]).is_none()
                && ShortKey::read(&[9, 1]).is_none()
        );
        let huge = [&[9][..], &[0xff; 9], &octets(MODULUS)].concat();
        assert!(
            !ShortKey::read(&huge)
                .unwrap()
                .verify(8, b"a message", &octets(BY_SHA256))
        );
    }
}

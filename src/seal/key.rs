//! Keys of signed notes: how they are made, written, named, and what they sign (C2SP signed-note,
//! "Signature types").

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::sha256;

/// The octets of an Ed25519 signature (RFC 8032 section 5.1.6).
pub const SIGNATURE_OCTETS: usize = 64;
/// The most octets of a key's name that we read; the standard sets no bound.
pub const KEY_NAME_OCTETS_MAX: usize = 255;
/// The octets of an Ed25519 seed and of a public key (RFC 8032 section 5.1.5).
const KEY_OCTETS: usize = 32;
/// The octets of a cosignature's time, which stand before the signature (C2SP tlog-cosignature).
const TIME_OCTETS: usize = 8;
const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

/// What a public key's signatures are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// 0x01: Ed25519 over the note's text.
    Ed25519,
    /// 0x04: a witness's Ed25519 signature over a time and the note's text (C2SP tlog-cosignature,
    /// cosignature/v1).
    Cosignature,
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A name that no signed note can carry.
    #[error(
        "the name of a key has 1 to 255 octets, and neither white space, control characters nor `+`"
    )]
    Name,
    /// Not the three parts of a public key.
    #[error("a public key is written NAME+ID+KEY: the name, eight hexadecimal digits and base64")]
    Public,
    /// Not the parts of a private key.
    #[error(
        "a private key is written PRIVATE+KEY+NAME+ID+KEY: the name, eight hexadecimal digits and \
         base64"
    )]
    Private,
    /// An algorithm other than Ed25519 and cosignature/v1.
    #[error("the key is for an algorithm other than Ed25519")]
    Algorithm,
    /// A key that belongs to another id: it was mistyped or cut.
    #[error("the key does not fit its id: it was changed or copied in part")]
    Id,
    /// Neither randomness nor a key could be had from the system.
    #[error("the system gave no random key")]
    Random,
}

/// A private key; there is no way to print it but [`SigningKey::to_text`].
pub struct SigningKey {
    name: Box<str>,
    seed: Zeroizing<[u8; KEY_OCTETS]>,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A new key under `name`.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; KEY_OCTETS]);
        getrandom::fill(&mut *seed).map_err(|_| KeyError::Random)?;
        Self::from_seed(name, seed)
    }

    /// Read `PRIVATE+KEY+<name>+<id>+<base64>`; white space around it is passed over.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let rest = text
            .trim()
            .strip_prefix(PRIVATE_PREFIX)
            .ok_or(KeyError::Private)?;
        let (name, id, octets) = split(rest).ok_or(KeyError::Private)?;
        let octets = Zeroizing::new(octets);
        let (algorithm, seed) = octets.split_first().ok_or(KeyError::Private)?;
        if *algorithm != Algorithm::Ed25519.octet() {
            return Err(KeyError::Algorithm);
        }
        let seed =
            Zeroizing::new(<[u8; KEY_OCTETS]>::try_from(seed).map_err(|_| KeyError::Private)?);
        let key = Self::from_seed(name, seed)?;
        if key.public().id() == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }

    /// The text that [`SigningKey::parse`] reads, without a line's end.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut octets = Zeroizing::new([0; KEY_OCTETS + 1]);
        let all = std::iter::once(Algorithm::Ed25519.octet()).chain(*self.seed);
        octets.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        let base64 = Zeroizing::new(BASE64.encode(&*octets));
        let public = self.public();
        // Written into room that is large enough, so that no part of it is left behind by a move.
        let mut text = Zeroizing::new(String::with_capacity(
            PRIVATE_PREFIX.len() + self.name.len() + base64.len() + 10,
        ));
        for part in [
            PRIVATE_PREFIX,
            &self.name,
            "+",
            &format!("{:08x}", public.id()),
            "+",
            base64.as_str(),
        ] {
            text.push_str(part);
        }
        text
    }

    /// Whose key it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key that others check its signatures with.
    pub fn public(&self) -> VerifyKey {
        VerifyKey {
            name: self.name.clone(),
            algorithm: Algorithm::Ed25519,
            octets: self.public_octets(),
        }
    }

    /// The key that others check its cosignatures with: another algorithm and therefore another id.
    pub fn public_cosigner(&self) -> VerifyKey {
        VerifyKey {
            name: self.name.clone(),
            algorithm: Algorithm::Cosignature,
            octets: self.public_octets(),
        }
    }

    /// Sign a message; the same message gives the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_OCTETS] {
        let mut octets = [0; SIGNATURE_OCTETS];
        let signature = self.pair.sign(message);
        octets
            .iter_mut()
            .zip(signature.as_ref())
            .for_each(|(to, from)| *to = *from);
        octets
    }

    fn from_seed(name: &str, seed: Zeroizing<[u8; KEY_OCTETS]>) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| KeyError::Private)?;
        Ok(Self {
            name: name.into(),
            seed,
            pair,
        })
    }

    fn public_octets(&self) -> [u8; KEY_OCTETS] {
        let mut octets = [0; KEY_OCTETS];
        octets
            .iter_mut()
            .zip(self.pair.public_key().as_ref())
            .for_each(|(to, from)| *to = *from);
        octets
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A public key: whose signature, and how to check it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifyKey {
    name: Box<str>,
    algorithm: Algorithm,
    octets: [u8; KEY_OCTETS],
}

impl VerifyKey {
    /// Read `<name>+<id>+<base64>`; white space around it is passed over.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, id, octets) = split(text.trim()).ok_or(KeyError::Public)?;
        let (algorithm, octets) = octets.split_first().ok_or(KeyError::Public)?;
        let algorithm = Algorithm::from_octet(*algorithm).ok_or(KeyError::Algorithm)?;
        let octets = octets.try_into().map_err(|_| KeyError::Public)?;
        let key = Self {
            name: name.into(),
            algorithm,
            octets,
        };
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        if key.id() == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }

    /// Whose key it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its signatures are made of.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The 32 octets of the key itself; two keys that share them are one signer, whatever their
    /// names.
    pub const fn octets(&self) -> &[u8; KEY_OCTETS] {
        &self.octets
    }

    /// The first four octets of SHA-256(name ‖ LF ‖ algorithm ‖ key), big endian: a hint for
    /// finding the key, not a proof.
    pub fn id(&self) -> u32 {
        let mut hashed = Vec::with_capacity(self.name.len() + 2 + KEY_OCTETS);
        hashed.extend_from_slice(self.name.as_bytes());
        hashed.extend_from_slice(&[b'\n', self.algorithm.octet()]);
        hashed.extend_from_slice(&self.octets);
        sha256(&hashed)
            .iter()
            .take(4)
            .fold(0, |id, octet| id << 8 | u32::from(*octet))
    }

    /// Does `signature` hold for `message`? For a cosigner's key it is a big-endian time and an
    /// Ed25519 signature over `cosignature/v1`, that time and the message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.octets);
        match self.algorithm {
            Algorithm::Ed25519 => key.verify(message, signature).is_ok(),
            Algorithm::Cosignature => {
                let Some((time, signature)) = signature.split_first_chunk::<TIME_OCTETS>() else {
                    return false;
                };
                let head = format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time));
                key.verify(&[head.as_bytes(), message].concat(), signature)
                    .is_ok()
            }
        }
    }
}

impl fmt::Display for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets: Vec<u8> = std::iter::once(self.algorithm.octet())
            .chain(self.octets)
            .collect();
        write!(
            f,
            "{}+{:08x}+{}",
            self.name,
            self.id(),
            BASE64.encode(&octets)
        )
    }
}

impl Algorithm {
    const fn octet(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }

    const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::Cosignature),
            _ => None,
        }
    }
}

/// Can a signed note carry a signature under this name? Control characters are refused beyond the
/// standard: no note may hold one.
pub fn is_key_name(name: &str) -> bool {
    let is_refused = |c: char| c == '+' || c.is_whitespace() || c.is_control();
    !name.is_empty() && name.len() <= KEY_NAME_OCTETS_MAX && !name.contains(is_refused)
}

/// The name, id and octets of `<name>+<8 hexadecimal digits>+<base64>`; base64 itself may hold a
/// `+`, a name may not.
fn split(text: &str) -> Option<(&str, u32, Vec<u8>)> {
    let (name, rest) = text.split_once('+')?;
    let (id, base64) = rest.split_once('+')?;
    let is_id = id.len() == 8
        && id
            .bytes()
            .all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
    let id = is_id.then(|| u32::from_str_radix(id, 16).ok())??;
    Some((name, id, BASE64.decode(base64.as_bytes()).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of the Go package golang.org/x/mod/sumdb/note.
    const PRIVATE: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn keys_of_others_are_read() {
        let key = SigningKey::parse(PRIVATE).unwrap();
        assert_eq!(key.public().to_string(), PUBLIC);
        assert_eq!(key.to_text().as_str(), PRIVATE);
        assert_eq!(VerifyKey::parse(&format!(" {PUBLIC}\n")), Ok(key.public()));
        assert_eq!(key.public().id(), 0xc74f_20a3);
    }

    /// RFC 8032 section 7.1, test 2.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let seed: [u8; 32] =
            hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
                .try_into()
                .unwrap();
        let key = SigningKey::from_seed("a", Zeroizing::new(seed)).unwrap();
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(
            key.public().octets().to_vec(),
            hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        );
        assert_eq!(key.sign(&[0x72]).to_vec(), hex(signature));
        assert!(
            key.public().verify(&[0x72], &hex(signature))
                && !key.public().verify(&[0x73], &hex(signature))
        );
    }

    #[test]
    fn a_cosignature_holds_for_its_time_alone() {
        let key = SigningKey::generate("witness.example").unwrap();
        let signature = key.sign(b"cosignature/v1\ntime 1700000000\norigin.example\n1\nAAA=\n");
        let with = |time: u64| [time.to_be_bytes().as_slice(), &signature].concat();
        let cosigner = key.public_cosigner();
        assert!(cosigner.verify(b"origin.example\n1\nAAA=\n", &with(1_700_000_000)));
        assert!(!cosigner.verify(b"origin.example\n1\nAAA=\n", &with(1_700_000_001)));
        assert!(!cosigner.verify(b"origin.example\n1\nAAA=\n", &signature[..7]));
        assert_ne!(cosigner.id(), key.public().id());
        assert_eq!(VerifyKey::parse(&cosigner.to_string()), Ok(cosigner));
    }

    #[test]
    fn every_broken_key_has_its_reason() {
        let cases = [
            ("", KeyError::Public),
            ("a+b", KeyError::Public),
            (&PUBLIC.replace("c74f20a3", "c74f20a4"), KeyError::Id),
            (&PUBLIC.replace("c74f20a3", "C74F20A3"), KeyError::Public),
            (&PUBLIC.replace("PeterNeumann", "PeterNeuman"), KeyError::Id),
            (
                &PUBLIC.replace("PeterNeumann", "Peter Neumann"),
                KeyError::Name,
            ),
            (&PUBLIC.replace("+ARpc", "+AhpC"), KeyError::Algorithm),
            (&PUBLIC.replace("10TW", "10Ta"), KeyError::Id),
            (PRIVATE, KeyError::Public),
        ];
        for (text, reason) in cases {
            assert_eq!(VerifyKey::parse(text), Err(reason), "{text}");
        }
        assert_eq!(SigningKey::parse(PUBLIC).unwrap_err(), KeyError::Private);
        assert_eq!(
            SigningKey::parse(&PRIVATE.replace("KDFz", "KDFw")).unwrap_err(),
            KeyError::Id
        );
        for name in ["", "a b", "a+b", "a\u{a0}b", "a\u{7}b"] {
            assert_eq!(
                SigningKey::generate(name).unwrap_err(),
                KeyError::Name,
                "{name:?}"
            );
        }
    }

    #[test]
    fn debugging_shows_no_seed() {
        let shown = format!("{:?}", SigningKey::parse(PRIVATE).unwrap());
        assert_eq!(shown, "SigningKey { name: \"PeterNeumann\", .. }");
    }

    proptest! {
        #[test]
        fn written_keys_are_read_again(name in "[^\\s+\\pC]{1,20}", message: Vec<u8>) {
            let key = SigningKey::generate(&name).unwrap();
            let again = SigningKey::parse(&key.to_text()).unwrap();
            prop_assert_eq!(key.public(), again.public());
            prop_assert!(VerifyKey::parse(&key.public().to_string()).unwrap().verify(&message, &again.sign(&message)));
        }
    }
}

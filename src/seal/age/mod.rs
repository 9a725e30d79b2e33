//! Files that only those may read to whom they were encrypted: age with X25519 keys
//! (age-encryption.org/v1), on aws-lc-rs.
//!
//! The age crate does more than we need and brings 78 crates that nothing else here uses. This is
//! the one recipient type that `age-keygen` makes; Debian's `age` reads what we write and the other
//! way round, which the tests show.

mod armor;
mod bech32;

use std::fmt;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use data_encoding::BASE64_NOPAD;
use zeroize::Zeroizing;

pub use armor::{armor, is_armored, split_armored, unarmor};

/// The most readers of one file.
pub const RECIPIENTS_MAX: usize = 1000;
const KEY_OCTETS: usize = 32;
const FILE_KEY_OCTETS: usize = 16;
const TAG_OCTETS: usize = 16;
const NONCE_OCTETS: usize = 16;
const CHUNK_OCTETS: usize = 64 << 10;
const VERSION: &str = "age-encryption.org/v1\n";
const STANZA: &str = "-> X25519 ";
const END: &str = "---";
const RECIPIENT_PREFIX: &str = "age";
const IDENTITY_PREFIX: &str = "age-secret-key-";
const WRAP_INFO: &[u8] = b"age-encryption.org/v1/X25519";

/// Why nothing was encrypted or decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    /// Not a public key.
    #[error("not an age recipient: it is written age1…, as `age-keygen` prints it")]
    Recipient,
    /// Not a private key.
    #[error("not an age identity: it is written AGE-SECRET-KEY-1…, as `age-keygen` prints it")]
    Identity,
    /// Nobody to encrypt to, or too many.
    #[error("a file is encrypted to 1 to 1000 recipients")]
    Recipients,
    /// Not an age file, or one of another version.
    #[error("not an age file: encrypt with `age` or `wardline list encrypt`, without armour")]
    Format,
    /// None of our keys opens it.
    #[error("the file is encrypted to other recipients than ours")]
    NotForUs,
    /// Header or content were changed, or the file was cut.
    #[error("the encrypted file was changed or cut")]
    Broken,
    /// The system gave no randomness.
    #[error("the system gave no random octets")]
    Random,
}

/// A public key: somebody who may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient([u8; KEY_OCTETS]);

impl Recipient {
    /// Read `age1…`; white space around it is passed over.
    pub fn parse(text: &str) -> Result<Self, AgeError> {
        let octets = bech32::decode(RECIPIENT_PREFIX, text.trim()).ok_or(AgeError::Recipient)?;
        octets.try_into().map(Self).map_err(|_| AgeError::Recipient)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode(RECIPIENT_PREFIX, &self.0))
    }
}

/// A private key, wiped when it is dropped; there is no way to print it but [`Identity::to_text`].
#[derive(Clone, PartialEq, Eq)]
pub struct Identity(Zeroizing<[u8; KEY_OCTETS]>);

impl Identity {
    /// A new key.
    pub fn generate() -> Result<Self, AgeError> {
        let mut octets = Zeroizing::new([0; KEY_OCTETS]);
        getrandom::fill(&mut *octets).map_err(|_| AgeError::Random)?;
        Ok(Self(octets))
    }

    /// Read `AGE-SECRET-KEY-1…`; white space around it is passed over.
    pub fn parse(text: &str) -> Result<Self, AgeError> {
        let octets =
            Zeroizing::new(bech32::decode(IDENTITY_PREFIX, text.trim()).ok_or(AgeError::Identity)?);
        octets
            .as_slice()
            .try_into()
            .map(|octets| Self(Zeroizing::new(octets)))
            .map_err(|_| AgeError::Identity)
    }

    /// Read a file as `age-keygen` writes it: a key a line, `#` starts a comment.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, AgeError> {
        let keys = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys: Vec<Self> = keys.map(Self::parse).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            Err(AgeError::Identity)
        } else {
            Ok(keys)
        }
    }

    /// The text that [`Identity::parse`] reads.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(bech32::encode(IDENTITY_PREFIX, &*self.0).to_ascii_uppercase())
    }

    /// The key that others encrypt to.
    pub fn recipient(&self) -> Result<Recipient, AgeError> {
        public_of(&self.private()?)
            .map(Recipient)
            .ok_or(AgeError::Identity)
    }

    fn private(&self) -> Result<PrivateKey, AgeError> {
        PrivateKey::from_private_key(&X25519, &*self.0).map_err(|_| AgeError::Identity)
    }
}

/// Encrypt to everybody in `recipients`: each of them alone can read all of it.
pub fn encrypt(plain: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>, AgeError> {
    if !(1..=RECIPIENTS_MAX).contains(&recipients.len()) {
        return Err(AgeError::Recipients);
    }
    let mut file_key = Zeroizing::new([0; FILE_KEY_OCTETS]);
    getrandom::fill(&mut *file_key).map_err(|_| AgeError::Random)?;
    let mut header = VERSION.to_owned();
    for recipient in recipients {
        let ephemeral = PrivateKey::generate(&X25519).map_err(|_| AgeError::Random)?;
        let share = public_of(&ephemeral).ok_or(AgeError::Random)?;
        let key =
            wrap_key(&ephemeral, &recipient.0, &share, &recipient.0).ok_or(AgeError::Recipient)?;
        let body = seal_chunk(&key, [0; 12], &*file_key).ok_or(AgeError::Broken)?;
        header.push_str(&format!(
            "{STANZA}{}\n{}\n",
            BASE64_NOPAD.encode(&share),
            BASE64_NOPAD.encode(&body)
        ));
    }
    header.push_str(END);
    let tag = hmac::sign(&mac_key(&file_key)?, header.as_bytes());
    let mut nonce = [0; NONCE_OCTETS];
    getrandom::fill(&mut nonce).map_err(|_| AgeError::Random)?;
    let key = aead(&*derive(&*file_key, &nonce, b"payload")?)?;
    let mut out = format!("{header} {}\n", BASE64_NOPAD.encode(tag.as_ref())).into_bytes();
    out.reserve(NONCE_OCTETS + plain.len() + (plain.len() / CHUNK_OCTETS + 1) * TAG_OCTETS);
    out.extend_from_slice(&nonce);
    // An empty text is one empty chunk.
    let count = plain.len().div_ceil(CHUNK_OCTETS).max(1);
    for at in 0..count {
        let chunk = plain
            .get(at * CHUNK_OCTETS..)
            .map_or(&[][..], |rest| rest.get(..CHUNK_OCTETS).unwrap_or(rest));
        out.extend(
            seal_chunk(&key, chunk_nonce(at, at + 1 == count), chunk).ok_or(AgeError::Broken)?,
        );
    }
    Ok(out)
}

/// Decrypt with the first of `identities` that opens it. Nothing comes out of a file that was
/// changed or cut.
pub fn decrypt(octets: &[u8], identities: &[Identity]) -> Result<Zeroizing<Vec<u8>>, AgeError> {
    let header = AgeHeader::read(octets).ok_or(AgeError::Format)?;
    let file_key = header.open(identities)?.ok_or(AgeError::NotForUs)?;
    hmac::verify(&mac_key(&file_key)?, header.signed, &header.mac).map_err(|_| AgeError::Broken)?;
    let (nonce, mut rest) = header
        .payload
        .split_at_checked(NONCE_OCTETS)
        .ok_or(AgeError::Broken)?;
    let key = aead(&*derive(&*file_key, nonce, b"payload")?)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(rest.len()));
    let mut chunk = Zeroizing::new(Vec::with_capacity(CHUNK_OCTETS + TAG_OCTETS));
    for at in 0.. {
        let (sealed, behind) = rest
            .split_at_checked(CHUNK_OCTETS + TAG_OCTETS)
            .unwrap_or((rest, &[]));
        let is_last = behind.is_empty();
        chunk.clear();
        chunk.extend_from_slice(sealed);
        let nonce = Nonce::assume_unique_for_key(chunk_nonce(at, is_last));
        let opened = key
            .open_in_place(nonce, Aad::empty(), &mut chunk)
            .map_err(|_| AgeError::Broken)?;
        if opened.is_empty() && at > 0 {
            return Err(AgeError::Broken);
        }
        plain.extend_from_slice(opened);
        if is_last {
            break;
        }
        rest = behind;
    }
    Ok(plain)
}

/// Which of `identities` open a file, in their order: one that opens none of a resolver's files is
/// not encrypted to any more. Only the header is read; [`decrypt`] says whether the file is whole.
///
/// # Errors
/// When it is no age file.
pub fn openers(octets: &[u8], identities: &[Identity]) -> Result<Vec<bool>, AgeError> {
    let header = AgeHeader::read(octets).ok_or(AgeError::Format)?;
    let opens = |identity| {
        let file_key = header.open(std::slice::from_ref(identity))?;
        Ok(file_key.is_some())
    };
    identities.iter().map(opens).collect()
}

/// The parts of a file before its content.
struct AgeHeader<'a> {
    /// Share and wrapped file key for each X25519 recipient.
    stanzas: Vec<([u8; KEY_OCTETS], Vec<u8>)>,
    /// What the header's code is made over: up to and with the three hyphens.
    signed: &'a [u8],
    mac: Vec<u8>,
    payload: &'a [u8],
}

impl<'a> AgeHeader<'a> {
    fn read(octets: &'a [u8]) -> Option<Self> {
        let mut at = VERSION.len();
        let mut next_line = || {
            let rest = octets.get(at..)?;
            let end = memchr::memchr(b'\n', rest)?;
            let start = at;
            at += end + 1;
            Some((start, str::from_utf8(rest.get(..end)?).ok()?, at))
        };
        octets.strip_prefix(VERSION.as_bytes())?;
        let mut stanzas = Vec::new();
        let mut count = 0;
        loop {
            let (start, line, end) = next_line()?;
            if let Some(mac) = line.strip_prefix("--- ") {
                let signed = octets.get(..start + END.len())?;
                return Some(Self {
                    stanzas,
                    signed,
                    mac: BASE64_NOPAD.decode(mac.as_bytes()).ok()?,
                    payload: octets.get(end..)?,
                });
            }
            count += 1;
            if !line.starts_with("-> ") || count > RECIPIENTS_MAX {
                return None;
            }
            // The body of a stanza ends with the first line of fewer than 64 letters, which may be
            // empty.
            let mut body = String::new();
            loop {
                let (_, part, _) = next_line()?;
                body.push_str(part);
                match part.len() {
                    ..64 => break,
                    64 if body.len() <= CHUNK_OCTETS => {}
                    _ => return None,
                }
            }
            // Stanzas of other kinds belong to others, and some are there so that nobody forgets to
            // pass over them.
            if let Some(share) = line.strip_prefix(STANZA) {
                let share = BASE64_NOPAD
                    .decode(share.as_bytes())
                    .ok()?
                    .try_into()
                    .ok()?;
                stanzas.push((share, BASE64_NOPAD.decode(body.as_bytes()).ok()?));
            }
        }
    }

    fn open(
        &self,
        identities: &[Identity],
    ) -> Result<Option<Zeroizing<[u8; FILE_KEY_OCTETS]>>, AgeError> {
        for identity in identities {
            let private = identity.private()?;
            let public = identity.recipient()?;
            for (share, body) in &self.stanzas {
                let Some(key) = wrap_key(&private, share, share, &public.0) else {
                    continue;
                };
                let mut body = Zeroizing::new(body.clone());
                let nonce = Nonce::assume_unique_for_key([0; 12]);
                let Ok(opened) = key.open_in_place(nonce, Aad::empty(), &mut body) else {
                    continue;
                };
                if let Ok(file_key) = <[u8; FILE_KEY_OCTETS]>::try_from(&*opened) {
                    return Ok(Some(Zeroizing::new(file_key)));
                }
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

fn public_of(private: &PrivateKey) -> Option<[u8; KEY_OCTETS]> {
    private.compute_public_key().ok()?.as_ref().try_into().ok()
}

/// The key that the file key is wrapped in: from the secret that `private` and `peer` share. None
/// where that secret is all zeros.
fn wrap_key(
    private: &PrivateKey,
    peer: &[u8],
    share: &[u8],
    recipient: &[u8],
) -> Option<LessSafeKey> {
    let salt = [share, recipient].concat();
    let peer = UnparsedPublicKey::new(&X25519, peer);
    let key = agree(private, peer, AgeError::Broken, |secret| {
        derive(secret, &salt, WRAP_INFO)
    })
    .ok()?;
    aead(&*key).ok()
}

fn derive(
    secret: &[u8],
    salt: &[u8],
    info: &[u8],
) -> Result<Zeroizing<[u8; KEY_OCTETS]>, AgeError> {
    let mut key = Zeroizing::new([0; KEY_OCTETS]);
    let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
    let filled = prk
        .expand(&[info], HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut *key));
    filled.map_err(|_| AgeError::Broken)?;
    Ok(key)
}

fn mac_key(file_key: &[u8; FILE_KEY_OCTETS]) -> Result<hmac::Key, AgeError> {
    Ok(hmac::Key::new(
        hmac::HMAC_SHA256,
        &*derive(file_key, &[], b"header")?,
    ))
}

fn aead(key: &[u8]) -> Result<LessSafeKey, AgeError> {
    UnboundKey::new(&CHACHA20_POLY1305, key)
        .map(LessSafeKey::new)
        .map_err(|_| AgeError::Broken)
}

/// The chunk's number in eleven octets and whether it is the last (the STREAM construction).
fn chunk_nonce(number: usize, is_last: bool) -> [u8; 12] {
    (((number as u128) << 8 | u128::from(is_last)) << 32)
        .to_be_bytes()
        .first_chunk()
        .copied()
        .unwrap_or_default()
}

fn seal_chunk(key: &LessSafeKey, nonce: [u8; 12], plain: &[u8]) -> Option<Vec<u8>> {
    let mut sealed = Vec::with_capacity(plain.len() + TAG_OCTETS);
    sealed.extend_from_slice(plain);
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::empty(),
        &mut sealed,
    )
    .ok()?;
    Some(sealed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made with Debian's age-keygen for this test alone.
    const IDENTITY: &str =
        "# a comment\nAGE-SECRET-KEY-14KVP3EVD5VCMJ48R9H8LQX8WGHDLMYDGXRK95YQ4X2DVXXD9TKFSU5P6NW\n";
    const RECIPIENT: &str = "age144cgps466rgkkvrdpdyww3s36v6hd4g0m0th27q7gp2wgeutnsyq5vevpj";
    /// `hello of others`, encrypted with Debian's age.
    const FILE: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBhN1Z2OG5hUWNSQ3hUSFd0Mm9tSzMxcm1rcnl1aTk3YStNTFNZV0NGcG5JClM5R0hYMllMSTFiMm9RTDNQ\
        c01oc2Yrbzg1eEdlZitsc3hIZXlJZitwWm8KLS0tIHVGaWlnRks3aUVOV2drU0l3eXZvT2RKUUpVYnVoakliY3JKTXJuSUJtWWcKZrrjJOk/mLckEQ0lmGElZXOHDiSlHsy1\
        aBmKRFA6xiFU/GsDPoXI1Jx94IIcgPij";

    fn file() -> Vec<u8> {
        data_encoding::BASE64.decode(FILE.as_bytes()).unwrap()
    }

    fn key() -> (Identity, Recipient) {
        let identity = Identity::generate().unwrap();
        let recipient = identity.recipient().unwrap();
        (identity, recipient)
    }

    #[test]
    fn each_identity_that_opens_a_file_is_known() {
        let [(old, old_public), (new, new_public), (stranger, _)] = [key(), key(), key()];
        let identities = [old, stranger, new];
        let both = encrypt(b"a", &[old_public, new_public.clone()]).unwrap();
        assert_eq!(openers(&both, &identities), Ok(vec![true, false, true]));
        let one = encrypt(b"a", &[new_public]).unwrap();
        assert_eq!(openers(&one, &identities), Ok(vec![false, false, true]));
        assert_eq!(openers(b"a", &identities), Err(AgeError::Format));
    }

    #[test]
    fn files_and_keys_of_others_are_read() {
        let identities = Identity::parse_file(IDENTITY).unwrap();
        assert_eq!(identities[0].recipient().unwrap().to_string(), RECIPIENT);
        assert_eq!(Recipient::parse(RECIPIENT), identities[0].recipient());
        assert!(IDENTITY.contains(identities[0].to_text().as_str()));
        assert_eq!(
            decrypt(&file(), &identities).unwrap().as_slice(),
            b"hello of others\n"
        );
        assert_eq!(
            decrypt(&file(), &[key().0]).unwrap_err(),
            AgeError::NotForUs
        );
    }

    #[test]
    fn no_changed_or_cut_file_is_read() {
        let identities = Identity::parse_file(IDENTITY).unwrap();
        let whole = file();
        for at in 0..whole.len() {
            for flip in [0x01, 0x20, 0x80, 0xff] {
                let mut octets = whole.clone();
                octets[at] ^= flip;
                assert!(
                    decrypt(&octets, &identities).is_err(),
                    "octet {at}, {flip:#x}"
                );
            }
            assert!(decrypt(&whole[..at], &identities).is_err(), "cut at {at}");
        }
        assert!(decrypt(&[whole.as_slice(), b"x"].concat(), &identities).is_err());
    }

    #[test]
    fn stanzas_of_other_kinds_are_passed_over() {
        let (identity, recipient) = key();
        let whole = encrypt(b"a", &[recipient]).unwrap();
        let text = String::from_utf8_lossy(&whole).into_owned();
        assert!(text.starts_with("age-encryption.org/v1\n-> X25519 "));
        // The header's code covers it: a stanza that was put in afterwards is found, but only after
        // the file key was.
        let other = format!(
            "age-encryption.org/v1\n-> grease a b\n{}\n\n",
            "A".repeat(64)
        );
        let octets = [other.as_bytes(), &whole[VERSION.len()..]].concat();
        assert_eq!(decrypt(&octets, &[identity]).unwrap_err(), AgeError::Broken);
        assert_eq!(encrypt(b"a", &[]).unwrap_err(), AgeError::Recipients);
    }

    #[test]
    fn every_size_is_read_again() {
        let (one, other) = (key(), key());
        let recipients = [one.1, other.1];
        for size in [
            0,
            1,
            CHUNK_OCTETS - 1,
            CHUNK_OCTETS,
            CHUNK_OCTETS + 1,
            3 * CHUNK_OCTETS,
        ] {
            let plain: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let octets = encrypt(&plain, &recipients).unwrap();
            for identity in [&one.0, &other.0] {
                let identity = [Identity::parse(&identity.to_text()).unwrap()];
                assert!(*decrypt(&octets, &identity).unwrap() == plain, "{size}");
            }
            // A chunk that is left out at the end is missed.
            if size > CHUNK_OCTETS {
                let cut = octets.len() - (size - 1) % CHUNK_OCTETS - 1 - TAG_OCTETS;
                assert_eq!(
                    decrypt(
                        &octets[..cut],
                        &[Identity::parse(&one.0.to_text()).unwrap()]
                    )
                    .unwrap_err(),
                    AgeError::Broken
                );
            }
        }
    }

    #[test]
    fn broken_keys_are_refused() {
        for text in [
            "",
            "age1",
            "age1qqqq",
            &RECIPIENT.to_uppercase().replace("AGE1", "age1"),
            &RECIPIENT.replace("vpj", "vpk"),
        ] {
            assert_eq!(Recipient::parse(text), Err(AgeError::Recipient), "{text}");
        }
        assert!(
            Identity::parse(RECIPIENT).is_err() && Identity::parse_file("# nothing\n").is_err()
        );
    }

    #[test]
    fn chunks_are_numbered_big_endian() {
        assert_eq!(chunk_nonce(0, false), [0; 12]);
        assert_eq!(chunk_nonce(0, true), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(
            chunk_nonce(0x0102, false),
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0]
        );
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            let head = [VERSION.as_bytes(), &octets].concat();
            prop_assert!(decrypt(&head, &[]).is_err() && decrypt(&octets, &[]).is_err());
        }
    }
}

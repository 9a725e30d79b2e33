//! Signed and secret things for everybody above: Ed25519 keys, signed notes (C2SP), Merkle trees,
//! their checkpoints and what witnesses are brought, age files; knows nothing of DNS.

pub mod age;
pub mod checkpoint;
pub mod growth;
mod key;
mod note;
mod proof;
pub mod submission;
pub mod tree;

pub use key::{
    Algorithm, KEY_NAME_OCTETS_MAX, KeyError, SIGNATURE_OCTETS, SigningKey, VerifyKey, is_key_name,
};
pub use note::{NOTE_OCTETS_MAX, Note, NoteError, SIGNATURES_MAX, Signature};
pub use proof::{EntryProof, PROOF_OCTETS_MAX};

/// The SHA-256 of `octets` (FIPS 180-4).
pub fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets);
    // The digest of SHA-256 has 32 octets, so that all of it is copied.
    hash.iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    hash
}

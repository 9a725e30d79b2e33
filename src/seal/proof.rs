//! The proof that one entry is in a log, as a file of its own (C2SP tlog-proof): its place, the
//! hashes beside its way to the root, and the checkpoint with that root.

use std::fmt;

use data_encoding::BASE64;

use super::note::{NOTE_OCTETS_MAX, Note};
use super::submission::{parse_hash, parse_size};
use super::tree::{Hash, is_included, leaf_hash};
use crate::seal::checkpoint::Checkpoint;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// More hashes than any tree has levels.
const HASHES_MAX: usize = 64;
/// The longest proof: hashes, words on its content that we do not write, and the checkpoint.
pub const PROOF_OCTETS_MAX: usize = NOTE_OCTETS_MAX + (64 << 10);

/// The proof that one entry is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryProof {
    /// The entry's place, from 0.
    pub index: u64,
    /// From the leaf up.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint.
    pub note: Note,
}

impl EntryProof {
    /// Reads a proof; nothing where it is none. What it says on its content (`extra`) is passed
    /// over, since nobody signed it.
    pub fn parse(octets: &[u8]) -> Option<Self> {
        if octets.len() > PROOF_OCTETS_MAX {
            return None;
        }
        let (head, note) = str::from_utf8(octets).ok()?.split_once("\n\n")?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return None;
        }
        if let Some(extra) = lines.next_if(|line| line.starts_with("extra ")) {
            BASE64
                .decode(extra.strip_prefix("extra ")?.as_bytes())
                .ok()?;
        }
        let index = parse_size(lines.next()?.strip_prefix("index ")?)?;
        let hashes: Vec<Hash> = lines.map(parse_hash).collect::<Option<_>>()?;
        let note = Note::parse(note.as_bytes()).ok()?;
        (hashes.len() <= HASHES_MAX).then_some(Self {
            index,
            hashes,
            note,
        })
    }

    /// The checkpoint that the entry is in by this proof; nothing where the proof does not hold.
    /// Who signed the checkpoint is for the caller to see.
    pub fn checkpoint_of(&self, entry: &[u8]) -> Option<Checkpoint> {
        let checkpoint = Checkpoint::parse(self.note.text()).ok()?;
        let (leaf, root) = (leaf_hash(entry), &checkpoint.root);
        is_included(&leaf, self.index, checkpoint.size, root, &self.hashes).then_some(checkpoint)
    }
}

/// The proof as a file.
impl fmt::Display for EntryProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}\nindex {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SigningKey;
    use crate::seal::tree::{inclusion_proof, root_of};

    const ENTRIES: [&[u8]; 5] = [b"a", b"b", b"c", b"d", b"e"];

    fn proofs() -> Vec<EntryProof> {
        let key = SigningKey::generate("p.example/one").unwrap();
        let leaves = ENTRIES.map(leaf_hash);
        let checkpoint = Checkpoint {
            origin: "p.example/one".to_owned(),
            size: 5,
            root: root_of(&leaves),
        };
        let note = checkpoint.sign(&key).unwrap();
        let proof = |index| EntryProof {
            index: index as u64,
            hashes: inclusion_proof(&leaves, index).unwrap(),
            note: note.clone(),
        };
        (0..5).map(proof).collect()
    }

    #[test]
    fn each_entry_is_proven_and_no_other() {
        for (at, proof) in proofs().iter().enumerate() {
            assert_eq!(
                EntryProof::parse(proof.to_string().as_bytes()).as_ref(),
                Some(proof)
            );
            for (other, entry) in ENTRIES.iter().enumerate() {
                assert_eq!(
                    proof.checkpoint_of(entry).is_some(),
                    at == other,
                    "{at} {other}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_proof_is_refused() {
        let good = proofs().remove(3).to_string();
        let with = |from: &str, to: &str| EntryProof::parse(good.replacen(from, to, 1).as_bytes());
        assert!(with("index", "extra YWdl\nindex").is_some());
        for (from, to) in [
            ("@v1", "@v2"),
            ("index 3", "index 03"),
            ("index 3", "index"),
            ("index", "extra !\nindex"),
            ("index 3\n", "index 3\nYWdl\n"),
            ("\n\n", "\n"),
            ("\u{2014}", "-"),
        ] {
            assert_eq!(with(from, to), None, "{to}");
        }
        let long = "AAAA".repeat(PROOF_OCTETS_MAX);
        assert_eq!(EntryProof::parse(long.as_bytes()), None);
    }
}

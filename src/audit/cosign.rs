//! Vouches for a log that somebody else keeps: each new checkpoint must be a continuation of the
//! one that was vouched for before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::seal::checkpoint;
use crate::seal::tree::{Hash, TILE_WIDTH, consistency_proof, is_consistent, leaf_hash, root_of};
use crate::seal::{Note, SigningKey, VerifyKey};

use super::folder::{CHECKPOINT, Folder, check_author};

/// The checkpoints that one cosigner vouched for last, by the logs' origins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(BTreeMap<String, SeenLog>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenLog {
    size: u64,
    /// In hexadecimal.
    root: String,
    /// The author's public key as it was when the log was seen first.
    key: String,
}

impl Seen {
    /// The keys of the logs' authors.
    pub fn authors(&self) -> Vec<VerifyKey> {
        self.0
            .values()
            .filter_map(|log| VerifyKey::parse(&log.key).ok())
            .collect()
    }
}

/// Why a checkpoint is not cosigned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CosignError {
    /// The files are not those of a log.
    #[error("{0}")]
    Unreadable(String),
    /// The author's signature is missing or does not hold.
    #[error("{0}")]
    Signature(String),
    /// What the checkpoint is signed for is not what is in the files.
    #[error(
        "{origin}: the leaves are not those that the checkpoint was signed for: do not trust this \
         copy"
    )]
    Root {
        /// The log.
        origin: String,
    },
    /// The log is shorter than it was.
    #[error(
        "{origin}: the checkpoint speaks of {size} leaves, and one of {seen} was cosigned before: \
         the end was cut off, or this is an old copy"
    )]
    Shorter {
        /// The log.
        origin: String,
        /// How large it says it is.
        size: u64,
        /// How large it was.
        seen: u64,
    },
    /// The log tells another story than before.
    #[error(
        "{origin}: the first {seen} leaves are not those that were cosigned before: the log was \
         forked; keep both copies as evidence"
    )]
    Fork {
        /// The log.
        origin: String,
        /// How large the log was that was seen before.
        seen: u64,
    },
    /// Another key than before signs.
    #[error("{origin}: its key is another one than the one that was seen first: ask the author")]
    Key {
        /// The log.
        origin: String,
    },
}

/// Cosigns the checkpoint in `folder` at `at` (seconds since 1970) if the author of the log, whose
/// key is in `authors`, signed it and it continues what was `seen` before; gives the note with the
/// cosignature, and remembers the log.
///
/// # Errors
/// When any of that is not so; then nothing is signed and nothing remembered.
pub fn cosign(
    folder: &Folder,
    key: &SigningKey,
    authors: &[VerifyKey],
    seen: &mut Seen,
    at: u64,
) -> Result<Note, CosignError> {
    let unreadable = |message: String| {
        CosignError::Unreadable(format!("{}: {message}", folder.path().display()))
    };
    let (mut note, last) = folder
        .checkpoint(CHECKPOINT)
        .map_err(|message| unreadable(format!("{CHECKPOINT} {message}")))?;
    let origin = last.origin.clone();
    let place = format!("{origin} {CHECKPOINT}");
    let authors = folder.known_keys(authors);
    check_author(&note, &origin, &authors, &place).map_err(|finding| {
        let message = finding.message;
        CosignError::Signature(format!("{place}: {message} (--author, once for each log)"))
    })?;
    let author = authors
        .iter()
        .find(|key| key.name() == origin)
        .map(ToString::to_string)
        .unwrap_or_default();
    let leaves = leaf_hashes(folder, last.size).map_err(unreadable)?;
    if root_of(&leaves) != last.root {
        return Err(CosignError::Root { origin });
    }
    if let Some(before) = seen.0.get(&origin) {
        before.check(&origin, &author, (last.size, &last.root), &leaves)?;
    }
    checkpoint::cosign(&mut note, key, at).map_err(|error| unreadable(error.to_string()))?;
    let root = data_encoding::HEXLOWER.encode(&last.root);
    seen.0.insert(
        origin,
        SeenLog {
            size: last.size,
            root,
            key: author,
        },
    );
    Ok(note)
}

impl SeenLog {
    fn check(
        &self,
        origin: &str,
        author: &str,
        last: (u64, &Hash),
        leaves: &[Hash],
    ) -> Result<(), CosignError> {
        let origin = origin.to_owned();
        if self.key != author {
            return Err(CosignError::Key { origin });
        }
        if last.0 < self.size {
            return Err(CosignError::Shorter {
                origin,
                size: last.0,
                seen: self.size,
            });
        }
        let root = data_encoding::HEXLOWER
            .decode(self.root.as_bytes())
            .ok()
            .and_then(|root| Hash::try_from(root).ok())
            .unwrap_or_default();
        let proof = usize::try_from(self.size)
            .ok()
            .and_then(|size| consistency_proof(leaves, size))
            .unwrap_or_default();
        if is_consistent((self.size, &root), last, &proof) {
            Ok(())
        } else {
            Err(CosignError::Fork {
                origin,
                seen: self.size,
            })
        }
    }
}

fn leaf_hashes(folder: &Folder, size: u64) -> Result<Vec<Hash>, String> {
    let mut hashes = Vec::new();
    for index in 0..size.div_ceil(TILE_WIDTH) {
        let width = TILE_WIDTH.min(size - index * TILE_WIDTH);
        let bundle = folder
            .bundle(index, width)
            .map_err(|message| format!("bundle {index} of the entries {message}"))?;
        hashes.extend(bundle.entries().map(leaf_hash));
    }
    Ok(hashes)
}

//! Why a chain of key links is not followed, in words for the operator and the curator.

use super::super::form::FormFault;
use crate::seal::NoteError;

/// Which of a link's two quorums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkQuorum {
    /// The keys before, without those that the link revokes.
    Old,
    /// The keys that it names.
    New,
}

/// Why a chain is not to be followed. Links are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// More octets than [`super::CHAIN_OCTETS_MAX`], or more links than [`super::CHAIN_LINKS_MAX`].
    #[error(
        "a chain has at most 1 MiB and 256 links: start a new one from a configuration with \
         today's keys"
    )]
    Large,
    /// Something that is no signed note, or a signature that does not hold.
    #[error("link {link} (from line {line} of the file): {error}")]
    Note {
        /// Which.
        link: u64,
        /// Where its note starts, from 1.
        line: usize,
        /// What is wrong; its lines are counted from there.
        error: NoteError,
    },
    /// A signature of a known key that does not hold.
    #[error("link {link}: {error}")]
    Forged {
        /// Which.
        link: u64,
        /// What is wrong.
        error: NoteError,
    },
    /// A note that says something else than a link.
    #[error("link {link}: {fault}")]
    Form {
        /// Which.
        link: u64,
        /// What is wrong; its lines are counted from the start of its note.
        fault: FormFault,
    },
    /// A link of another list.
    #[error("link {link} belongs to another list")]
    OtherList {
        /// Which.
        link: u64,
    },
    /// Not the next link.
    #[error("link {expected} is expected, but this is link {found}: take the whole chain")]
    Number {
        /// Which should stand here.
        expected: u64,
        /// Which does.
        found: u64,
    },
    /// The chain starts from other keys than the configuration's.
    #[error(
        "the chain starts from other keys, or another number of signatures, than are configured: \
         it is void here until the configuration has what its first link was made for"
    )]
    Anchor,
    /// The link follows another one than ours.
    #[error("link {link} follows another link {} than ours: somebody signed two", link - 1)]
    Previous {
        /// Which.
        link: u64,
    },
    /// Too few have signed.
    #[error("link {link} is signed by {signed} of the {needed} {quorum} keys that it needs")]
    Signatures {
        /// Which.
        link: u64,
        /// Which of its quorums.
        quorum: LinkQuorum,
        /// How many have.
        signed: usize,
        /// How many must have.
        needed: usize,
    },
    /// It names a key that was revoked before.
    #[error("link {link} names the key {key}, which was revoked")]
    NamesRevoked {
        /// Which.
        link: u64,
        /// The key's name.
        key: String,
    },
    /// It revokes a key again, and not from an earlier serial.
    #[error("link {link} revokes the key {key}, which is revoked from serial {from_serial} on")]
    RevokedAlready {
        /// Which.
        link: u64,
        /// The key's name.
        key: String,
        /// From when on.
        from_serial: u64,
    },
    /// The chain ends before a link that was followed already.
    #[error("the chain ends at link {found}, but link {number} was followed already")]
    Behind {
        /// The highest link followed.
        number: u64,
        /// Where this one ends.
        found: u64,
    },
    /// It has another link in the place of one that was followed already.
    #[error("link {number} is another one than was followed already: somebody signed two")]
    Fork {
        /// Which.
        number: u64,
    },
}

impl std::fmt::Display for LinkQuorum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Old => "old",
            Self::New => "new",
        })
    }
}

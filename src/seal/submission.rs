//! What a log brings to a witness: the size that the witness cosigned last, the proof that the log
//! has only grown since, and its checkpoint (C2SP tlog-witness, `add-checkpoint`).

use std::fmt;

use data_encoding::BASE64;

use super::tree::Hash;
use super::{Note, NoteError};

/// The most hashes of a proof (C2SP tlog-witness, "add-checkpoint").
pub const PROOF_HASHES_MAX: usize = 63;
/// The most octets of a submission that we read: a proof and a checkpoint with as many signatures
/// as we read.
pub const SUBMISSION_OCTETS_MAX: usize = 64 * 1024;
/// A hash in base64.
const HASH_CHARACTERS: usize = 44;

/// The body of an `add-checkpoint` request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// How many leaves the last checkpoint had that the witness cosigned; 0 where there is none.
    pub old: u64,
    /// The consistency proof from there to the checkpoint.
    pub proof: Vec<Hash>,
    /// The checkpoint.
    pub note: Note,
}

/// Why some octets are no submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionFault {
    /// More than [`SUBMISSION_OCTETS_MAX`].
    #[error("the submission is larger than 64 KiB")]
    Large,
    /// No empty line between the proof and the checkpoint, or octets that are not UTF-8.
    #[error(
        "a submission is a line `old SIZE`, the lines of a proof, an empty line and a checkpoint"
    )]
    Parts,
    /// The first line is not a size.
    #[error("line 1: write `old SIZE` with a decimal number without leading zeros")]
    Old,
    /// A line of the proof is no hash.
    #[error("line {0}: a line of the proof is one hash in base64")]
    Hash(usize),
    /// More than [`PROOF_HASHES_MAX`].
    #[error("a proof has at most 63 hashes")]
    Long,
    /// The checkpoint is no signed note.
    #[error("the checkpoint: {0}")]
    Note(#[from] NoteError),
}

impl Submission {
    /// Reads the body of a request. Nothing of it may be believed yet.
    ///
    /// # Errors
    /// When it is not written as the protocol has it.
    pub fn parse(octets: &[u8]) -> Result<Self, SubmissionFault> {
        if octets.len() > SUBMISSION_OCTETS_MAX {
            return Err(SubmissionFault::Large);
        }
        let text = str::from_utf8(octets).map_err(|_| SubmissionFault::Parts)?;
        let (head, note) = text.split_once("\n\n").ok_or(SubmissionFault::Parts)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.and_then(parse_size).ok_or(SubmissionFault::Old)?;
        let mut proof = Vec::new();
        for (at, line) in lines.enumerate() {
            if proof.len() == PROOF_HASHES_MAX {
                return Err(SubmissionFault::Long);
            }
            proof.push(parse_hash(line).ok_or(SubmissionFault::Hash(at + 2))?);
        }
        let note = Note::parse(note.as_bytes())?;
        Ok(Self { old, proof, note })
    }
}

/// A size in decimal digits, written in the one way that the protocol allows.
pub fn parse_size(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    // Signs and leading zeros would be read too.
    (size.to_string() == text).then_some(size)
}

/// A hash in base64, as a line of a proof has it.
pub(super) fn parse_hash(line: &str) -> Option<Hash> {
    (line.len() == HASH_CHARACTERS)
        .then(|| BASE64.decode(line.as_bytes()).ok()?.try_into().ok())
        .flatten()
}

/// The body as it is sent.
impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::checkpoint::Checkpoint;

    /// The example of the specification, with the checkpoint and the proof that stand in it.
    const EXAMPLE: &str = "old 20852014\n\
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
        \n\
        example.com/behind-the-sofa\n\
        20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
        \n\
        — example.com/behind-the-sofa \
        Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — example.com/behind-the-sofa \
        opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";

    #[test]
    fn the_example_of_the_specification_is_read_and_written_alike() {
        let submission = Submission::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!((submission.old, submission.proof.len()), (20_852_014, 4));
        assert_eq!(submission.to_string(), EXAMPLE);
        let checkpoint = Checkpoint::parse(submission.note.text()).unwrap();
        assert_eq!(
            (checkpoint.origin.as_str(), checkpoint.size),
            ("example.com/behind-the-sofa", 20_852_163)
        );
        assert_eq!(submission.note.signatures().len(), 2);
    }

    #[test]
    fn a_first_submission_has_no_proof() {
        let (_, note) = EXAMPLE.split_once("\n\n").unwrap();
        let first = Submission::parse(format!("old 0\n\n{note}").as_bytes()).unwrap();
        assert_eq!((first.old, first.proof.len()), (0, 0));
    }

    #[test]
    fn what_is_written_otherwise_is_refused() {
        let hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=";
        let long = EXAMPLE.replacen(&format!("{hash}\n"), &format!("{hash}\n").repeat(61), 1);
        let cases = [
            (EXAMPLE.replacen("old 2", "old 02", 1), SubmissionFault::Old),
            (EXAMPLE.replacen("old 2", "old +2", 1), SubmissionFault::Old),
            (EXAMPLE.replacen("old 2", "old  2", 1), SubmissionFault::Old),
            (EXAMPLE.replacen("old ", "new ", 1), SubmissionFault::Old),
            (
                EXAMPLE.replacen("20852014", "18446744073709551616", 1),
                SubmissionFault::Old,
            ),
            (
                EXAMPLE.replacen("kaw=", "kax=", 1),
                SubmissionFault::Hash(2),
            ),
            (
                EXAMPLE.replacen("swk=\n", "swk=\r\n", 1),
                SubmissionFault::Hash(3),
            ),
            (EXAMPLE.replacen("swk=", "", 1), SubmissionFault::Hash(3)),
            (long, SubmissionFault::Long),
            (EXAMPLE.replace("\n\n", "\n"), SubmissionFault::Parts),
            (String::new(), SubmissionFault::Parts),
            (
                EXAMPLE.replace("— ", "- "),
                SubmissionFault::Note(NoteError::Line(5)),
            ),
            (EXAMPLE.repeat(150), SubmissionFault::Large),
        ];
        for (text, fault) in cases {
            let refused = Submission::parse(text.as_bytes());
            assert!(refused == Err(fault), "{fault}: {:.200}", text);
        }
    }
}

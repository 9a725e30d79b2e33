//! Checkpoints: the signed word on how large a log is and what its root is (C2SP tlog-checkpoint),
//! and cosignatures under it (C2SP tlog-cosignature).

use std::fmt;

use data_encoding::BASE64;

use super::tree::Hash;
use super::{Note, NoteError, Signature, SigningKey};

/// What a log's author vouches for at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Names the log; its author's key has this name too.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
}

/// Why a text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not its three lines.
    #[error(
        "a checkpoint has three lines: the log's origin, its size in decimal digits, and its root \
         in base64"
    )]
    Form,
}

impl Checkpoint {
    /// Reads the text of a checkpoint's note; extension lines, which the format would allow, are
    /// refused.
    ///
    /// # Errors
    /// When it has other lines than [`Checkpoint`]'s text.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split('\n');
        let [Some(origin), Some(size), Some(root), Some(""), None] =
            std::array::from_fn(|_| lines.next())
        else {
            return Err(CheckpointError::Form);
        };
        let root = BASE64
            .decode(root.as_bytes())
            .ok()
            .and_then(|root| root.try_into().ok())
            .ok_or(CheckpointError::Form)?;
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| CheckpointError::Form)?,
            root,
        };
        // Signs and leading zeros would be read too.
        if origin.is_empty() || checkpoint.to_string() != text {
            Err(CheckpointError::Form)
        } else {
            Ok(checkpoint)
        }
    }

    /// As [`Checkpoint::parse`], with extension lines passed over: other logs may write them, and
    /// cosignatures say nothing of what is in them (C2SP tlog-cosignature).
    ///
    /// # Errors
    /// When its first three lines are not those of a checkpoint, or an extension line is empty.
    pub fn parse_extended(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split_inclusive('\n');
        let first: String = lines.by_ref().take(3).collect();
        let checkpoint = Self::parse(&first)?;
        let is_extension = |line: &str| line != "\n" && line.ends_with('\n');
        if lines.all(is_extension) {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Form)
        }
    }

    /// The note that its author signs.
    ///
    /// # Errors
    /// When the origin has control characters.
    pub fn sign(&self, key: &SigningKey) -> Result<Note, NoteError> {
        let mut note = Note::new(&self.to_string())?;
        note.sign(key)?;
        Ok(note)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}\n{}\n{}",
            self.origin,
            self.size,
            BASE64.encode(&self.root)
        )
    }
}

/// Adds a cosignature made at `at`, in seconds since 1970: "I saw this, and it fits all that I saw
/// before."
///
/// # Errors
/// When the note has as many signatures as a note may have.
pub fn cosign(note: &mut Note, key: &SigningKey, at: u64) -> Result<(), NoteError> {
    let public = key.public_cosigner();
    let signed = key.sign(format!("cosignature/v1\ntime {at}\n{}", note.text()).as_bytes());
    note.add(Signature {
        name: public.name().to_owned(),
        id: public.id(),
        octets: [at.to_be_bytes().as_slice(), &signed].concat(),
    })
}

/// When a cosignature says that it was made, in seconds since 1970; none for a signature too short
/// to be one.
pub fn cosigned_at(signature: &Signature) -> Option<u64> {
    signature
        .octets
        .first_chunk()
        .map(|time| u64::from_be_bytes(*time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: "provider.example/one".into(),
            size: 15_368_405,
            root: [7; 32],
        }
    }

    #[test]
    fn a_checkpoint_is_three_lines_and_comes_back() {
        let text = checkpoint().to_string();
        assert_eq!(
            text,
            "provider.example/one\n15368405\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n"
        );
        assert_eq!(Checkpoint::parse(&text), Ok(checkpoint()));
        let others = [
            text.replace("15368405", "+15368405"),
            text.replace("15368405", "015368405"),
            text.replace("15368405", "-1"),
            text.replace("15368405", ""),
            text.replace("BwcH", ""),
            text.replace("wc=", "w=="),
            format!("{text}extension\n"),
            format!("\n{text}"),
            text.trim_end().to_owned(),
            text.replacen("provider.example/one", "", 1),
            String::new(),
        ];
        for other in others {
            assert_eq!(
                Checkpoint::parse(&other),
                Err(CheckpointError::Form),
                "{other:?}"
            );
        }
    }

    #[test]
    fn extension_lines_are_passed_over_where_that_is_wanted() {
        let text = checkpoint().to_string();
        for whole in [
            text.clone(),
            format!("{text}one\n"),
            format!("{text}one\ntwo\n"),
        ] {
            assert_eq!(Checkpoint::parse_extended(&whole), Ok(checkpoint()));
        }
        for other in [
            format!("{text}\n"),
            format!("{text}one"),
            format!("{text}\none\n"),
        ] {
            let refused = Checkpoint::parse_extended(&other);
            assert_eq!(refused, Err(CheckpointError::Form), "{other:?}");
        }
    }

    /// The example of C2SP tlog-cosignature.
    #[test]
    fn the_time_of_a_cosignature_is_read_as_the_specification_has_it() {
        let note = "example.com/behind-the-sofa\n20852163\n\
            CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            \u{2014} witness.example.com/w1 \
            jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
        let note = Note::parse(note.as_bytes()).unwrap();
        assert_eq!(cosigned_at(&note.signatures()[0]), Some(1_679_315_147));
    }

    #[test]
    fn author_and_cosigner_sign_the_same_text() {
        let (author, witness) = (
            SigningKey::generate("provider.example/one").unwrap(),
            SigningKey::generate("regulator.example").unwrap(),
        );
        let mut note = checkpoint().sign(&author).unwrap();
        cosign(&mut note, &witness, 1_767_225_600).unwrap();
        let note = Note::parse(note.to_string().as_bytes()).unwrap();
        let keys = [author.public(), witness.public_cosigner()];
        assert_eq!(note.signers(&keys).unwrap(), [&keys[0], &keys[1]]);
        assert_eq!(cosigned_at(&note.signatures()[1]), Some(1_767_225_600));
        assert_eq!(Checkpoint::parse(note.text()), Ok(checkpoint()));
    }
}

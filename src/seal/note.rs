//! Signed notes: a readable text and the signatures under it, in the C2SP signed-note format that
//! Go's note package reads too.

use std::fmt;

use data_encoding::BASE64;

use super::key::{SigningKey, VerifyKey, is_key_name};

/// The most octets of a note, signatures included.
pub const NOTE_OCTETS_MAX: usize = 1 << 20;
/// The most signatures under a note.
pub const SIGNATURES_MAX: usize = 100;
/// What a signature's line starts with: an em dash and a space.
const DASH: &str = "\u{2014} ";
/// The octets of a key's id before the signature itself.
const ID_OCTETS: usize = 4;

/// A text and its signatures; whether they hold is for [`Note::signers`] to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One line under a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Whose key it claims to be.
    pub name: String,
    /// The key's id.
    pub id: u32,
    /// The signature without the id; its length is the algorithm's, at least one octet.
    pub octets: Vec<u8>,
}

/// Why some octets are not a signed note, or a note is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// More than [`NOTE_OCTETS_MAX`].
    #[error("the note is larger than 1 MiB")]
    Large,
    /// Octets that are not UTF-8.
    #[error("the note is not UTF-8")]
    Encoding,
    /// A control character other than the line feed, CR included.
    #[error("line {0}: a control character; lines end with a line feed alone")]
    Control(usize),
    /// The text is empty or does not end with a line feed.
    #[error("the text of a note has at least one line, and each ends with a line feed")]
    Text,
    /// No empty line with signatures behind it.
    #[error("the note is not signed: an empty line and a signature line are missing at its end")]
    Unsigned,
    /// A line under the text that is no signature.
    #[error("line {0}: not a signature line: an em dash, a key's name, and base64")]
    Line(usize),
    /// More than [`SIGNATURES_MAX`] signatures.
    #[error("the note has more than 100 signatures")]
    Many,
    /// The signature of a known key does not hold: text or signature were changed.
    #[error("signature {0} does not hold: the text or the signature was changed after signing")]
    Forged(usize),
}

impl Note {
    /// A text that nobody signed yet; each of its lines ends with a line feed.
    pub fn new(text: &str) -> Result<Self, NoteError> {
        check_characters(text)?;
        if text.is_empty() || !text.ends_with('\n') {
            return Err(NoteError::Text);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures: Vec::new(),
        })
    }

    /// Read a note with at least one signature. Nothing of it may be believed yet.
    pub fn parse(octets: &[u8]) -> Result<Self, NoteError> {
        if octets.len() > NOTE_OCTETS_MAX {
            return Err(NoteError::Large);
        }
        let all = str::from_utf8(octets).map_err(|_| NoteError::Encoding)?;
        check_characters(all)?;
        // The last empty line ends the text, so that the text may have empty lines of its own.
        let end = all.rfind("\n\n").ok_or(NoteError::Unsigned)?;
        let (text, rest) = all.split_at_checked(end + 1).ok_or(NoteError::Unsigned)?;
        let lines = rest
            .strip_prefix('\n')
            .and_then(|rest| rest.strip_suffix('\n'))
            .ok_or(NoteError::Unsigned)?;
        if text == "\n" {
            return Err(NoteError::Text);
        }
        let mut signatures = Vec::new();
        for (at, line) in lines.split('\n').enumerate() {
            if at == SIGNATURES_MAX {
                return Err(NoteError::Many);
            }
            let number = text.lines().count() + 2 + at;
            signatures.push(Signature::parse(line).ok_or(NoteError::Line(number))?);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// What was signed; ends with a line feed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order, believed or not.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Add the signature of `key`, in place of an older one of the same key.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), NoteError> {
        let public = key.public();
        let octets = key.sign(self.text.as_bytes()).to_vec();
        self.add(Signature {
            name: public.name().to_owned(),
            id: public.id(),
            octets,
        })
    }

    /// Add a signature made elsewhere, in place of an older one under the same name and id. It is
    /// not checked here.
    pub fn add(&mut self, signature: Signature) -> Result<(), NoteError> {
        self.signatures
            .retain(|old| (&old.name, old.id) != (&signature.name, signature.id));
        if self.signatures.len() >= SIGNATURES_MAX {
            return Err(NoteError::Many);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Which of `keys` signed: each whose signature holds, once, in the order of `keys`. Signatures
    /// of unknown keys mean nothing; one of a known key that does not hold means that the note was
    /// tampered with. A key that stands in `keys` under two names counts once, since "m of n"
    /// speaks of signers.
    pub fn signers<'k>(&self, keys: &'k [VerifyKey]) -> Result<Vec<&'k VerifyKey>, NoteError> {
        let mut signers: Vec<&VerifyKey> = Vec::new();
        for key in keys {
            let id = key.id();
            for (at, signature) in self.signatures.iter().enumerate() {
                if signature.id != id || signature.name != key.name() {
                    continue;
                }
                if !key.verify(self.text.as_bytes(), &signature.octets) {
                    return Err(NoteError::Forged(at + 1));
                }
                if !signers.iter().any(|signer| signer.octets() == key.octets()) {
                    signers.push(key);
                }
            }
        }
        Ok(signers)
    }
}

/// The note as it is stored and sent. Without a signature it is the text and an empty line, which
/// [`Note::parse`] does not take.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    /// Read a line without its line feed.
    fn parse(line: &str) -> Option<Self> {
        let (name, base64) = line.strip_prefix(DASH)?.split_once(' ')?;
        let octets = BASE64.decode(base64.as_bytes()).ok()?;
        let (id, octets) = octets.split_first_chunk::<ID_OCTETS>()?;
        let signature = Self {
            name: name.to_owned(),
            id: u32::from_be_bytes(*id),
            octets: octets.to_vec(),
        };
        // The decoder also takes several padded texts one behind the other.
        let is_signature = is_key_name(name) && !octets.is_empty() && signature.to_string() == line;
        is_signature.then_some(signature)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = [self.id.to_be_bytes().as_slice(), &self.octets].concat();
        write!(f, "{DASH}{} {}", self.name, BASE64.encode(&octets))
    }
}

/// The standard refuses control characters below U+0020; we refuse DEL and those behind it too,
/// which terminals obey as well.
fn check_characters(text: &str) -> Result<(), NoteError> {
    let is_refused = |line: &str| line.contains(char::is_control);
    text.split('\n')
        .position(is_refused)
        .map_or(Ok(()), |line| Err(NoteError::Control(line + 1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't \
                        know what your problem is.\n";
    /// The example of the Go package golang.org/x/mod/sumdb/note.
    const SIGNED: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} \
        PeterNeumann \
        x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const PRIVATE: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    fn keys(names: &[&str]) -> (Vec<SigningKey>, Vec<VerifyKey>) {
        let keys: Vec<SigningKey> = names
            .iter()
            .map(|name| SigningKey::generate(name).unwrap())
            .collect();
        let public = keys.iter().map(SigningKey::public).collect();
        (keys, public)
    }

    fn signed_by(keys: &[SigningKey]) -> Note {
        let mut note = Note::new(TEXT).unwrap();
        keys.iter().for_each(|key| note.sign(key).unwrap());
        note
    }

    #[test]
    fn a_note_of_others_is_read_and_made_alike() {
        let key = SigningKey::parse(PRIVATE).unwrap();
        let note = Note::parse(SIGNED.as_bytes()).unwrap();
        let known = [key.public()];
        assert_eq!(note.text(), TEXT);
        assert_eq!(note.signers(&known).unwrap(), [&known[0]]);
        assert_eq!(note.to_string(), SIGNED);
        assert_eq!(signed_by(&[key]).to_string(), SIGNED);
    }

    #[test]
    fn signers_are_the_distinct_known_keys() {
        let (private, public) = keys(&["a", "b", "c"]);
        let mut note = signed_by(&private[..2]);
        assert_eq!(note.signers(&public).unwrap(), [&public[0], &public[1]]);
        assert_eq!(note.signers(&public[1..]).unwrap(), [&public[1]]);
        assert_eq!(
            note.signers(&public[2..]).unwrap(),
            Vec::<&VerifyKey>::new()
        );
        note.sign(&private[0]).unwrap();
        assert_eq!(note.signatures().len(), 2, "signing again changes nothing");

        // One key under two names is one signer.
        let twin = SigningKey::parse(&rename(&private[0], "twin")).unwrap();
        let note = signed_by(&[SigningKey::parse(&private[0].to_text()).unwrap(), twin]);
        let both = [
            public[0].clone(),
            SigningKey::parse(&rename(&private[0], "twin"))
                .unwrap()
                .public(),
        ];
        assert_eq!(note.signers(&both).unwrap().len(), 1);
    }

    /// The same seed under another name, as text.
    fn rename(key: &SigningKey, name: &str) -> String {
        let text = key.to_text();
        let base64 = text.splitn(5, '+').last().unwrap();
        let octets: Vec<u8> = key.public().octets().to_vec();
        let hashed = [name.as_bytes(), b"\n\x01", &octets].concat();
        let id = data_encoding::HEXLOWER.encode(&crate::seal::sha256(&hashed)[..4]);
        format!("PRIVATE+KEY+{name}+{id}+{base64}")
    }

    #[test]
    fn no_mutated_octet_leaves_a_note_with_its_signers() {
        let (private, public) = keys(&["agency-1.example", "agency-2.example"]);
        let whole = signed_by(&private).to_string().into_bytes();
        let signers = |octets: &[u8]| {
            Note::parse(octets)
                .and_then(|note| note.signers(&public).map(|signers| signers.len()))
                .unwrap_or(0)
        };
        for at in 0..whole.len() {
            for flip in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
                let mut octets = whole.clone();
                octets[at] ^= flip;
                assert!(signers(&octets) < 2, "octet {at}, {flip:#x}");
            }
            assert!(signers(&whole[..at]) < 2, "cut at {at}");
        }
        assert_eq!(signers(&whole), 2);
    }

    #[test]
    fn every_bad_note_has_its_reason() {
        let line = SIGNED.lines().last().unwrap();
        let cases = [
            (
                format!("a\n\n{line}\n{}", "x".repeat(NOTE_OCTETS_MAX)),
                NoteError::Large,
            ),
            (format!("a\n{line}\n"), NoteError::Unsigned),
            ("a\n\n".to_owned(), NoteError::Unsigned),
            (format!("a\n\n{line}"), NoteError::Unsigned),
            (format!("\n\n{line}\n"), NoteError::Text),
            (format!("a\r\n\n{line}\n"), NoteError::Control(1)),
            (format!("a\nb\u{7f}\n\n{line}\n"), NoteError::Control(2)),
            (format!("a\n\n{line}\nb\n"), NoteError::Line(4)),
            (
                format!("a\n\n{}\n", line.replace('\u{2014}', "-")),
                NoteError::Line(3),
            ),
            (format!("a\n\n{} \n", line), NoteError::Line(3)),
            ("a\n\n\u{2014} x AAAAAA==\n".to_owned(), NoteError::Line(3)),
            (
                "a\n\n\u{2014} x AAAAAAA=AAAA\n".to_owned(),
                NoteError::Line(3),
            ),
            (
                "a\n\n\u{2014} x+y AAAAAAA=\n".to_owned(),
                NoteError::Line(3),
            ),
            (
                format!("a\n\n{}", format!("{line}\n").repeat(SIGNATURES_MAX + 1)),
                NoteError::Many,
            ),
        ];
        for (text, reason) in cases {
            assert_eq!(Note::parse(text.as_bytes()), Err(reason), "{:.80}", text);
        }
        assert_eq!(Note::parse(b"\xff\n\n"), Err(NoteError::Encoding));
        assert_eq!(Note::new("no line feed"), Err(NoteError::Text));
        assert_eq!(Note::new(""), Err(NoteError::Text));
        let key = [SigningKey::parse(PRIVATE).unwrap().public()];
        let changed = Note::parse(SIGNED.replacen("answer", "reason", 1).as_bytes()).unwrap();
        assert_eq!(changed.signers(&key), Err(NoteError::Forged(1)));
    }

    proptest! {
        #[test]
        fn written_notes_are_read_again(lines in proptest::collection::vec("\\PC{0,30}", 1..8), signers in 1_usize..4) {
            let text = format!("first\n{}\n", lines.join("\n"));
            let (private, public) = keys(&["a", "b", "c"]);
            let mut note = Note::new(&text).unwrap();
            private.iter().take(signers).for_each(|key| note.sign(key).unwrap());
            let again = Note::parse(note.to_string().as_bytes()).unwrap();
            prop_assert_eq!(&again, &note);
            prop_assert_eq!(again.signers(&public).unwrap().len(), signers);
        }

        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            let _ = Note::parse(&octets);
        }
    }
}

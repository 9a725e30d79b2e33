//! An emergency removal: names that must stop being blocked at once, for a stated time, without a
//! new issue of the list. Signed as a note; one of the list's keys is enough, since taking back is
//! never slower than putting in.
//!
//! `<id>.removal` holds the removals that have not ended, one right behind the other, each in the
//! clear or encrypted.

use super::form::{
    FormFault, FormProblem, FormReader, Hash, MAY_ID, MAY_TIME, MAY_WORDS, id, time, words,
    write_time,
};
use super::{Scope, parse};
use crate::clock::{HOUR_S, UnixSeconds};
use crate::name::Name;
use crate::seal::age::{armor, is_armored, split_armored, unarmor};
use crate::seal::{NOTE_OCTETS_MAX, Note, NoteError};

const VERSION: &str = "wardline-removal/v1";
/// The most names in one removal; more want a new issue of the list.
pub const REMOVED_NAMES_MAX: usize = 1000;
/// The longest that a removal may hold: one signer alone must not be able to undo for good what
/// several have signed.
pub const REMOVAL_S_MAX: i64 = 31 * 86_400;
/// How far ahead of the clock a removal may begin; one that begins later is held back.
pub const REMOVAL_AHEAD_S_MAX: i64 = 24 * HOUR_S;
/// The most removals in one file.
pub const REMOVALS_MAX: usize = 200;
/// The most octets of such a file.
pub const REMOVALS_OCTETS_MAX: usize = NOTE_OCTETS_MAX;

/// What the text of a removal's note says.
#[derive(Clone, PartialEq, Eq)]
pub struct Removal {
    /// The list's id.
    pub list: String,
    /// From when on, in seconds since 1970.
    pub from: UnixSeconds,
    /// Until when; the list must have been mended by then.
    pub until: UnixSeconds,
    /// Why, in words; it may be shown and must hold no name.
    pub reason: String,
    /// The entries, each as the list has it: the name, and whether it covers those below it.
    pub entries: Vec<(Name, Scope)>,
}

impl Removal {
    /// Read the text of a note; whether the note is to be believed is another question.
    pub fn parse(text: &str) -> Result<Self, FormFault> {
        let mut lines = FormReader::new(text, VERSION)?;
        let list = lines.required("list", MAY_ID, id)?;
        let from = lines.required("from", MAY_TIME, time)?;
        let until = lines.required("until", MAY_TIME, time)?;
        let reason = lines.required("reason", MAY_WORDS, words)?;
        let may =
            "a name as the list has it, in lower case, with `=` in front where the entry is exact";
        let mut entries = vec![lines.required("remove", may, entry)?];
        while let Some(entry) = lines.optional("remove", may, entry)? {
            if entries.len() == REMOVED_NAMES_MAX {
                return Err(FormFault {
                    line: 6 + entries.len(),
                    problem: FormProblem::Value("remove", "there at most 1000 times"),
                });
            }
            entries.push(entry);
        }
        lines.finish()?;
        if !(1..=REMOVAL_S_MAX).contains(&until.saturating_sub(from)) {
            return Err(FormFault {
                line: 4,
                problem: FormProblem::Value("until", "later than `from`, and by 31 days at most"),
            });
        }
        Ok(Self {
            list,
            from,
            until,
            reason,
            entries,
        })
    }

    /// The one text of this removal: what is signed.
    pub fn to_text(&self) -> String {
        let (from, until) = (write_time(self.from), write_time(self.until));
        let mut text = format!(
            "{VERSION}\nlist: {}\nfrom: {from}\nuntil: {until}\nreason: {}\n",
            self.list, self.reason
        );
        for (name, scope) in &self.entries {
            text.push_str(&format!("remove: {}{name}\n", scope.mark()));
        }
        text
    }

    /// The SHA-256 of the signed text: what a removal is known by.
    pub fn hash(&self) -> Hash {
        Hash::of(self.to_text().as_bytes())
    }

    /// Does it hold at this time?
    pub const fn holds_at(&self, now: UnixSeconds) -> bool {
        self.from <= now && now < self.until
    }

    /// Is it over at this time?
    pub const fn is_over_at(&self, now: UnixSeconds) -> bool {
        self.until <= now
    }

    /// Does it begin so far ahead that a clock must be wrong, or somebody's intention?
    pub const fn is_too_far_ahead(&self, now: UnixSeconds) -> bool {
        self.from.saturating_sub(now) > REMOVAL_AHEAD_S_MAX
    }

    /// The name of the file beside the manifest's.
    pub fn file(list: &str) -> String {
        format!("{list}.removal")
    }
}

/// Without the names: a removal may end up in a message about something else.
impl std::fmt::Debug for Removal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Removal")
            .field("list", &self.list)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

fn entry(text: &str) -> Option<(Name, Scope)> {
    let (name, scope) = parse::read_name(text.as_bytes()).ok()?;
    // One spelling only, so that the same removal always has the same hash.
    (format!("{}{name}", scope.mark()) == text).then_some((name, scope))
}

/// A removal as it travels; nothing of it is believed yet.
#[derive(Clone, PartialEq, Eq)]
pub enum CarriedRemoval {
    /// A signed note in the clear.
    Open(Note),
    /// The same encrypted, in age's text form with its usual line ends.
    Sealed(String),
}

impl CarriedRemoval {
    /// The hash by which desks and resolvers speak of it in public: of the note's text without its
    /// signatures ([`Removal::hash`]); where it is encrypted, of what is encrypted, since names
    /// could be tried against a hash of them.
    pub fn known_by(&self) -> Hash {
        match self {
            Self::Open(note) => Hash::of(note.text().as_bytes()),
            Self::Sealed(text) => Hash::of(text.as_bytes()),
        }
    }

    /// The text that [`parse_several`] reads.
    pub fn to_text(&self) -> String {
        match self {
            Self::Open(note) => note.to_string(),
            Self::Sealed(text) => text.clone(),
        }
    }
}

/// Without the names, as [`Removal`]'s.
impl std::fmt::Debug for CarriedRemoval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open(_) => "Open(..)",
            Self::Sealed(_) => "Sealed(..)",
        })
    }
}

/// Why a file does not hold removals; it repeats nothing that stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemovalFileFault {
    /// More than [`REMOVALS_OCTETS_MAX`].
    #[error("the removals are larger than 1 MiB")]
    Large,
    /// Octets that are not UTF-8.
    #[error("the removals are not UTF-8")]
    Encoding,
    /// Nothing stands there.
    #[error("there is no removal in it")]
    Empty,
    /// More than [`REMOVALS_MAX`].
    #[error("there are more than 200 removals in it")]
    Many,
    /// The removal at this place, from 1, is no signed note.
    #[error("removal {0}: {1}")]
    Note(usize, NoteError),
    /// The removal at this place, from 1, is encrypted and its armour is not whole.
    #[error("removal {0}: its armour is not whole")]
    Armor(usize),
}

/// Read the removals of a file, in their order: one right behind the other, with or without empty
/// lines between them. Each is a signed note, which ends with its last signature, or an armoured
/// age file, which ends with its last line.
///
/// # Errors
/// When one of them is not whole: the file may be half written, and is better read again.
pub fn parse_several(octets: &[u8]) -> Result<Vec<CarriedRemoval>, RemovalFileFault> {
    if octets.len() > REMOVALS_OCTETS_MAX {
        return Err(RemovalFileFault::Large);
    }
    let mut rest = str::from_utf8(octets).map_err(|_| RemovalFileFault::Encoding)?;
    let mut removals = Vec::new();
    loop {
        rest = rest.trim_start_matches(['\n', '\r']);
        if rest.is_empty() {
            break;
        }
        if removals.len() == REMOVALS_MAX {
            return Err(RemovalFileFault::Many);
        }
        let place = removals.len() + 1;
        if is_armored(rest.as_bytes()) {
            let broken = RemovalFileFault::Armor(place);
            let (text, behind) = split_armored(rest).ok_or(broken)?;
            let sealed = unarmor(text.as_bytes()).ok_or(broken)?;
            // Whoever carries it may change its line ends, but not what it is known by.
            removals.push(CarriedRemoval::Sealed(armor(&sealed)));
            rest = behind;
        } else if rest.starts_with('\u{2014}') {
            // Without the empty line before it, it would be the last note's.
            return Err(RemovalFileFault::Note(place, NoteError::Line(1)));
        } else {
            let (text, behind) = split_note(rest);
            let note = Note::parse(text.as_bytes());
            removals.push(CarriedRemoval::Open(
                note.map_err(|fault| RemovalFileFault::Note(place, fault))?,
            ));
            rest = behind;
        }
    }
    if removals.is_empty() {
        return Err(RemovalFileFault::Empty);
    }
    Ok(removals)
}

/// The note that a text begins with, and what stands behind its signatures. The text of a removal
/// has no empty line: the first one ends it.
fn split_note(text: &str) -> (&str, &str) {
    let text_end = text.find("\n\n").map_or(text.len(), |at| at + 2);
    let signatures = text.get(text_end..).unwrap_or_default();
    let signatures_end: usize = signatures
        .split_inclusive('\n')
        .take_while(|line| line.starts_with('\u{2014}'))
        .map(str::len)
        .sum();
    text.split_at_checked(text_end + signatures_end)
        .unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seal::SigningKey;

    const TEXT: &str = "wardline-removal/v1\nlist: example\nfrom: 2026-03-01T14:00:00Z\nuntil: 2026-03-08T14:00:00Z\n\
        reason: listed by mistake\nremove: blocked.example\nremove: =exact.example\n";

    #[test]
    fn a_stray_signature_is_no_removal() {
        let mut note = Note::new(TEXT).unwrap();
        note.sign(&SigningKey::generate("a.test").unwrap()).unwrap();
        let stray = format!("{note}\n\u{2014} a line\n\n\u{2014} another\n");
        assert_eq!(
            parse_several(stray.as_bytes()),
            Err(RemovalFileFault::Note(2, NoteError::Line(1)))
        );
    }

    #[test]
    fn a_removal_has_one_text() {
        let removal = Removal::parse(TEXT).unwrap();
        assert_eq!(removal.to_text(), TEXT);
        let entries: Vec<String> = removal
            .entries
            .iter()
            .map(|(name, scope)| format!("{name} {scope:?}"))
            .collect();
        assert_eq!(entries, ["blocked.example Below", "exact.example Exact"]);
        assert!(
            removal.holds_at(removal.from)
                && !removal.holds_at(removal.until)
                && !removal.holds_at(removal.from - 1)
        );
        assert!(!format!("{removal:?}").contains("blocked"));
    }

    #[test]
    fn every_fault_has_its_line() {
        let refused = |from: &str, to: &str| {
            Removal::parse(&TEXT.replacen(from, to, 1))
                .unwrap_err()
                .to_string()
        };
        let name = "`remove` must be a name as the list has it, in lower case, with `=` in front \
                    where the entry is exact";
        let cases = [
            (
                "removal/v1",
                "list/v1",
                "line 1: the first line must be `wardline-removal/v1`".to_owned(),
            ),
            (
                "03-08T14",
                "03-01T14",
                "line 4: `until` must be later than `from`, and by 31 days at most".to_owned(),
            ),
            (
                "03-08T14",
                "04-02T14",
                "line 4: `until` must be later than `from`, and by 31 days at most".to_owned(),
            ),
            (
                "reason: listed by mistake\n",
                "",
                "line 5: `reason:` is expected here; the keys have a fixed order".to_owned(),
            ),
            (
                "remove: blocked.example",
                "remove: Blocked.example",
                format!("line 6: {name}"),
            ),
            (
                "remove: blocked.example",
                "remove: blocked.example.",
                format!("line 6: {name}"),
            ),
            (
                "remove: =exact.example",
                "remove: example",
                format!("line 7: {name}"),
            ),
            (
                "remove: =exact.example",
                "removed: a.example",
                "line 7: a key that is unknown, in the wrong place, or given twice".to_owned(),
            ),
            (
                "remove: blocked.example\nremove: =exact.example\n",
                "",
                "line 6: `remove:` is expected here; the keys have a fixed order".to_owned(),
            ),
        ];
        for (from, to, message) in cases {
            let said = refused(from, to);
            assert_eq!(said, message);
        }
        let many = TEXT.to_owned() + &"remove: a.example\n".repeat(REMOVED_NAMES_MAX);
        assert_eq!(
            Removal::parse(&many).unwrap_err().to_string(),
            "line 1006: `remove` must be there at most 1000 times"
        );
    }

    #[test]
    fn a_removal_has_its_time() {
        let removal = Removal::parse(TEXT).unwrap();
        let day = 24 * HOUR_S;
        assert!(!removal.is_too_far_ahead(removal.from - day));
        assert!(removal.is_too_far_ahead(removal.from - day - 1));
        assert!(!removal.is_over_at(removal.until - 1) && removal.is_over_at(removal.until));
    }

    fn signed(text: &str, signers: usize) -> Note {
        let mut note = Note::new(text).unwrap();
        for at in 0..signers {
            let key = SigningKey::generate(&format!("agency-{at}.example")).unwrap();
            note.sign(&key).unwrap();
        }
        note
    }

    #[test]
    fn removals_stand_one_behind_the_other() {
        let one = CarriedRemoval::Open(signed(TEXT, 1));
        let two = CarriedRemoval::Open(signed(&TEXT.replace("blocked", "other"), 2));
        let secret = CarriedRemoval::Sealed(armor(b"what nobody can read"));
        for all in [
            vec![one.clone()],
            vec![secret.clone()],
            vec![one.clone(), two.clone(), secret.clone(), one.clone()],
            vec![secret.clone(), secret.clone(), two],
        ] {
            let texts: Vec<String> = all.iter().map(CarriedRemoval::to_text).collect();
            assert_eq!(parse_several(texts.concat().as_bytes()).as_ref(), Ok(&all));
            let apart = texts.join("\n") + "\n\n";
            assert_eq!(parse_several(apart.as_bytes()).as_ref(), Ok(&all));
        }
        assert_eq!(one.known_by(), Removal::parse(TEXT).unwrap().hash());
        let CarriedRemoval::Sealed(text) = &secret else {
            panic!("it is sealed")
        };
        assert_eq!(secret.known_by(), Hash::of(text.as_bytes()));
        let carried = text.replace('\n', "\r\n");
        assert_eq!(parse_several(carried.as_bytes()), Ok(vec![secret]));
    }

    #[test]
    fn every_bad_file_has_its_reason() {
        let note = signed(TEXT, 1).to_string();
        let sealed = armor(b"what nobody can read");
        let cut = |text: &str, octets: usize| text[..text.len() - octets].to_owned();
        let cases = [
            (String::new(), RemovalFileFault::Empty),
            ("\n\n".to_owned(), RemovalFileFault::Empty),
            (
                TEXT.to_owned(),
                RemovalFileFault::Note(1, NoteError::Unsigned),
            ),
            (
                note.clone() + TEXT,
                RemovalFileFault::Note(2, NoteError::Unsigned),
            ),
            (
                cut(&note, 1),
                RemovalFileFault::Note(1, NoteError::Unsigned),
            ),
            (
                cut(&note, 9),
                RemovalFileFault::Note(1, NoteError::Unsigned),
            ),
            (note.clone() + &cut(&sealed, 2), RemovalFileFault::Armor(2)),
            (sealed.replacen('\n', "\n!", 1), RemovalFileFault::Armor(1)),
            (note.repeat(REMOVALS_MAX + 1), RemovalFileFault::Many),
            ("x".repeat(REMOVALS_OCTETS_MAX + 1), RemovalFileFault::Large),
        ];
        for (text, fault) in cases {
            assert_eq!(parse_several(text.as_bytes()), Err(fault), "{text:.80}");
        }
        assert_eq!(parse_several(b"\xff"), Err(RemovalFileFault::Encoding));
        assert_eq!(
            parse_several(note.repeat(REMOVALS_MAX).as_bytes()).map(|all| all.len()),
            Ok(REMOVALS_MAX)
        );
    }

    proptest! {
        #[test]
        fn removals_that_are_read_are_written_alike(octets: Vec<u8>, at: prop::sample::Index) {
            let mut text = signed(TEXT, 1).to_string().into_bytes();
            text.extend(armor(b"secret").into_bytes());
            text.splice(at.index(text.len()).., octets);
            if let Ok(all) = parse_several(&text) {
                let written: String = all.iter().map(CarriedRemoval::to_text).collect();
                prop_assert_eq!(parse_several(written.as_bytes()), Ok(all));
            }
        }
    }
}

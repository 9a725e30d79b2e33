//! The papers of a list: who made it, on what ground, from when to when, and the hash of its
//! entries. Signed as a note.
//!
//! A list is two files: `<id>.manifest`, the signed note, and the entries under the name that
//! [`Manifest::entries_file`] gives. What is signed is the hash of the entries in the clear, so
//! that they can be encrypted for one more resolver without signing again; the entries' random
//! numbers keep that hash from being tried against guessed lists.

use super::form::{
    FormFault, FormProblem, FormReader, Hash, MAY_HASH, MAY_ID, MAY_NUMBER, MAY_SERIAL, MAY_TIME,
    MAY_WORDS, id, number, serial, time, words, write_time,
};
use crate::clock::UnixSeconds;
use crate::seal::Note;

const VERSION: &str = "wardline-list/v1";

/// The most removals that one issue may settle.
pub const SETTLED_MAX: usize = 200;

/// What the text of a list's note says. Fields are written in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The list's id: letters, digits and hyphens.
    pub list: String,
    /// Who answers for the list; clients may be shown it.
    pub authority: String,
    /// On what kind of ground.
    pub basis: ManifestBasis,
    /// The law or rule in words.
    pub legal_basis: String,
    /// What a blocked client is to be answered.
    pub action: ListAction,
    /// Rises with each issue of the list, from 1 to
    /// [`SERIAL_MAX`](super::serial::SERIAL_MAX).
    pub serial: u64,
    /// When it was made, in seconds since 1970.
    pub issued: UnixSeconds,
    /// From when on it wants renewal; an expired list keeps blocking and raises the alarm.
    pub expires: UnixSeconds,
    /// [`Manifest::hash`] of the issue before; none for the first.
    pub previous: Option<Hash>,
    /// How many entries.
    pub entries: u64,
    /// SHA-256 of the entries file in the clear.
    pub sha256: Hash,
    /// The number of an entry that harms nobody, which resolvers may ask their own doors for.
    pub test_entry: Option<u32>,
    /// Whether the entries travel and are kept encrypted (age) only.
    pub secrecy: Secrecy,
    /// Which emergency removals it has taken up.
    pub settles: Settlement,
}

/// Which emergency removals end with an issue, because its entries take account of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Those from before it was issued: it is of the older form, which does not say.
    ByDate,
    /// Those that are known by these hashes (`CarriedRemoval::known_by`), in ascending order, each
    /// once, [`SETTLED_MAX`] at most.
    Named(Vec<Hash>),
}

impl Settlement {
    /// The hashes that it names; none in the older form.
    pub fn named(&self) -> &[Hash] {
        match self {
            Self::ByDate => &[],
            Self::Named(hashes) => hashes,
        }
    }
}

/// On what ground a list is applied; it decides the extended error that clients see (RFC 8914).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestBasis {
    /// A law or an order.
    Law,
    /// The provider's own policy.
    Provider,
    /// The subscriber asked for it.
    Subscriber,
}

/// What a blocked client is answered, as the authority asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAction {
    /// The stop page's addresses.
    StopPage,
    /// The name does not exist.
    NxDomain,
}

/// Who may read the entries on their way and on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrecy {
    /// Everybody who has the file.
    #[default]
    Open,
    /// Those whose age keys they are encrypted to.
    Age,
}

/// Gives an enum of this file its word in the papers, both ways.
macro_rules! words_of {
    ($kind:ident { $($variant:ident = $word:literal),+ }) => {
        impl $kind {
            /// The word in the papers.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The meaning of a word in the papers.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words_of!(ManifestBasis { Law = "law", Provider = "provider", Subscriber = "subscriber" });
words_of!(ListAction { StopPage = "stop-page", NxDomain = "nxdomain" });

impl Manifest {
    /// Read the text of a note; whether the note is to be believed is another question. Only the
    /// text that [`Manifest::to_text`] writes is accepted.
    pub fn parse(text: &str) -> Result<Self, FormFault> {
        let mut lines = FormReader::new(text, VERSION)?;
        let manifest = Self {
            list: lines.required("list", MAY_ID, id)?,
            authority: lines.required("authority", MAY_WORDS, words)?,
            basis: lines.required("basis", "law, provider or subscriber", ManifestBasis::parse)?,
            legal_basis: lines.required("legal-basis", MAY_WORDS, words)?,
            action: lines.required("action", "stop-page or nxdomain", ListAction::parse)?,
            serial: lines.required("serial", MAY_SERIAL, serial)?,
            issued: lines.required("issued", MAY_TIME, time)?,
            expires: lines.required("expires", MAY_TIME, time)?,
            previous: lines.required(
                "previous",
                "`none` or 64 hexadecimal digits in lower case",
                |text| match text {
                    "none" => Some(None),
                    _ => Hash::parse(text).map(Some),
                },
            )?,
            entries: lines.required("entries", MAY_NUMBER, number)?,
            sha256: lines.required("sha256", MAY_HASH, Hash::parse)?,
            test_entry: lines.optional("test-entry", MAY_NUMBER, number)?,
            secrecy: lines
                .optional("encrypted", "`age`, or left out", |text| {
                    (text == "age").then_some(Secrecy::Age)
                })?
                .unwrap_or_default(),
            settles: read_settlement(&mut lines)?,
        };
        lines.finish()?;
        if manifest.expires <= manifest.issued {
            return Err(FormFault {
                line: 9,
                problem: FormProblem::Value("expires", "later than `issued`"),
            });
        }
        Ok(manifest)
    }

    /// The one text of this manifest: what is signed.
    pub fn to_text(&self) -> String {
        let previous = self
            .previous
            .map_or_else(|| "none".to_owned(), |hash| hash.to_string());
        let mut text = format!(
            "{VERSION}\nlist: {}\nauthority: {}\nbasis: {}\nlegal-basis: {}\naction: {}\n\
             serial: {}\nissued: {}\nexpires: {}\n\
             previous: {previous}\nentries: {}\nsha256: {}\n",
            self.list,
            self.authority,
            self.basis.as_str(),
            self.legal_basis,
            self.action.as_str(),
            self.serial,
            write_time(self.issued),
            write_time(self.expires),
            self.entries,
            self.sha256,
        );
        if let Some(number) = self.test_entry {
            text.push_str(&format!("test-entry: {number}\n"));
        }
        if self.secrecy == Secrecy::Age {
            text.push_str("encrypted: age\n");
        }
        match &self.settles {
            Settlement::ByDate => {}
            Settlement::Named(hashes) if hashes.is_empty() => text.push_str("settles: none\n"),
            Settlement::Named(hashes) => {
                for hash in hashes {
                    text.push_str(&format!("settles: {hash}\n"));
                }
            }
        }
        text
    }

    /// Does a removal end with this issue? It does where the issue names what the removal is known
    /// by; where the issue is of the older form, if it was issued after the removal's `from`.
    pub fn has_settled(&self, known_by: Hash, from: UnixSeconds) -> bool {
        match &self.settles {
            Settlement::ByDate => self.issued > from,
            Settlement::Named(hashes) => hashes.binary_search(&known_by).is_ok(),
        }
    }

    /// The SHA-256 of the signed text without its signatures: the same however many have signed.
    pub fn hash(&self) -> Hash {
        Hash::of(self.to_text().as_bytes())
    }

    /// [`Manifest::hash`] of a note that was read.
    pub fn hash_of(note: &Note) -> Hash {
        Hash::of(note.text().as_bytes())
    }

    /// The name of the note's file.
    pub fn file(list: &str) -> String {
        format!("{list}.manifest")
    }

    /// The name of the entries' file: their hash, with `.age` behind it where they are encrypted.
    pub fn entries_file(&self) -> String {
        match self.secrecy {
            Secrecy::Open => format!("{}.entries", self.sha256),
            Secrecy::Age => format!("{}.entries.age", self.sha256),
        }
    }
}

/// The `settles` lines at the end; without any it is the older form.
fn read_settlement(lines: &mut FormReader<'_>) -> Result<Settlement, FormFault> {
    let may = "`none` or 64 hexadecimal digits in lower case";
    let first = lines.optional("settles", may, |text| match text {
        "none" => Some(None),
        _ => Hash::parse(text).map(Some),
    })?;
    let mut hashes = match first {
        None => return Ok(Settlement::ByDate),
        Some(None) => return Ok(Settlement::Named(Vec::new())),
        Some(Some(hash)) => vec![hash],
    };
    let may = "64 hexadecimal digits in lower case, above those of the line before, and there at \
               most 200 times";
    let mut last = hashes.last().copied();
    while let Some(hash) = last {
        last = lines.optional("settles", may, |text| {
            Hash::parse(text).filter(|next| *next > hash && hashes.len() < SETTLED_MAX)
        })?;
        hashes.extend(last);
    }
    Ok(Settlement::Named(hashes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
wardline-list/v1
list: example
authority: Example Authority
basis: law
legal-basis: Example Act, section 1
action: stop-page
serial: 7
issued: 2026-03-01T14:00:00Z
expires: 2026-06-01T14:00:00Z
previous: none
entries: 2
sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
";

    /// What is changed in `TEXT` into what (`\n` for the end of a line), and what is said.
    const FAULTS: &str = r"
list/v1 -> list/v2
    line 1: the first line must be `wardline-list/v1`
list: example -> list: ex ample
    line 2: `list` must be 1 to 63 letters, digits and hyphens, no hyphen in front
basis: law\n ->
    line 4: `basis:` is expected here; the keys have a fixed order
basis: law -> basis: whim
    line 4: `basis` must be law, provider or subscriber
basis: law -> basis:  law
    line 4: `basis` must be law, provider or subscriber
action: stop-page -> Action: stop-page
    line 6: `action:` is expected here; the keys have a fixed order
serial: 7 -> serial: 0
    line 7: `serial` must be a whole number from 1 to 9007199254740991
serial: 7 -> serial: 07
    line 7: `serial` must be a whole number from 1 to 9007199254740991
serial: 7 -> serial: 9007199254740992
    line 7: `serial` must be a whole number from 1 to 9007199254740991
serial: 7 -> serial: 18446744073709551616
    line 7: `serial` must be a whole number from 1 to 9007199254740991
issued: 2026-03-01 -> issued: 2026-02-30
    line 8: `issued` must be a time in UTC such as 2026-03-01T14:00:00Z
2026-06-01T14:00:00Z -> 2026-03-01T14:00:00Z
    line 9: `expires` must be later than `issued`
previous: none -> previous: 00
    line 10: `previous` must be `none` or 64 hexadecimal digits in lower case
entries: 2 -> entries: -2
    line 11: `entries` must be a whole number without sign or leading zeros
b855\n -> b855\nencrypted: age\ntest-entry: 1\n
    line 14: a key that is unknown, in the wrong place, or given twice
b855\n -> b855\nencrypted: yes\n
    line 13: `encrypted` must be `age`, or left out
b855\n -> b855\nsha256: 00\n
    line 13: a key that is unknown, in the wrong place, or given twice
b855\n -> b855\n\n
    line 13: a key that is unknown, in the wrong place, or given twice
b855\n -> b855\nsettles: \n
    line 13: `settles` must be `none` or 64 hexadecimal digits in lower case
b855\n -> b855\nsettles: none\nsettles: none\n
    line 14: a key that is unknown, in the wrong place, or given twice
b855\n -> b855\nsettles: none\ntest-entry: 1\n
    line 14: a key that is unknown, in the wrong place, or given twice
sha256: e3b0 -> sha256: E3B0
    line 12: `sha256` must be 64 hexadecimal digits in lower case
";

    #[test]
    fn a_manifest_has_one_text() {
        let mut manifest = Manifest::parse(TEXT).unwrap();
        assert_eq!(
            (manifest.list.as_str(), manifest.serial, manifest.entries),
            ("example", 7, 2)
        );
        assert_eq!(
            (manifest.basis, manifest.action, manifest.previous),
            (ManifestBasis::Law, ListAction::StopPage, None)
        );
        assert_eq!(manifest.to_text(), TEXT);
        assert_eq!(manifest.hash(), Hash::of(TEXT.as_bytes()));
        assert_eq!(
            manifest.entries_file(),
            format!("{}.entries", manifest.sha256)
        );
        manifest.test_entry = Some(4711);
        manifest.secrecy = Secrecy::Age;
        manifest.previous = Some(Hash::of(TEXT.as_bytes()));
        assert_eq!(
            manifest.to_text().lines().skip(12).collect::<Vec<_>>(),
            ["test-entry: 4711", "encrypted: age"]
        );
        assert_eq!(Manifest::parse(&manifest.to_text()).as_ref(), Ok(&manifest));
        assert!(manifest.entries_file().ends_with(".entries.age"));
    }

    /// Some hashes in ascending order.
    fn hashes(count: u8) -> Vec<Hash> {
        (0..count).map(|at| Hash([at; 32])).collect()
    }

    #[test]
    fn an_issue_names_what_it_settles() {
        let older = Manifest::parse(TEXT).unwrap();
        assert_eq!(older.settles, Settlement::ByDate);
        let [one, two] = [Hash([1; 32]), Hash([2; 32])];
        assert!(older.has_settled(one, older.issued - 1));
        assert!(!older.has_settled(one, older.issued));

        let none = Manifest::parse(&(TEXT.to_owned() + "settles: none\n")).unwrap();
        assert_eq!(none.settles, Settlement::Named(vec![]));
        assert_ne!(none.hash(), older.hash());
        assert!(!none.has_settled(one, none.issued - 1));

        let text = format!("{TEXT}test-entry: 1\nencrypted: age\nsettles: {one}\n");
        let named = Manifest::parse(&text).unwrap();
        assert_eq!(named.to_text(), text);
        assert!(named.has_settled(one, named.issued + 1));
        assert!(!named.has_settled(two, named.issued - 1));
    }

    #[test]
    fn what_is_settled_has_one_order_and_a_bound() {
        let with = |hashes: &[Hash]| {
            let lines = hashes.iter().map(|hash| format!("settles: {hash}\n"));
            let text = TEXT.to_owned() + &lines.collect::<String>();
            Manifest::parse(&text).map(|manifest| manifest.settles)
        };
        let most = hashes(200);
        assert_eq!(with(&most), Ok(Settlement::Named(most.clone())));
        let may = "`settles` must be 64 hexadecimal digits in lower case, above those of the line \
                   before, and there at most 200 times";
        let [one, two] = [Hash([1; 32]), Hash([2; 32])];
        for (hashes, line) in [
            (hashes(201), 213),
            (vec![two, one], 14),
            (vec![one, one], 14),
        ] {
            let fault = with(&hashes).unwrap_err();
            assert_eq!(fault.to_string(), format!("line {line}: {may}"));
        }
    }

    #[test]
    fn every_fault_has_its_line() {
        let lines: Vec<&str> = FAULTS.trim().lines().collect();
        for case in lines.chunks(2) {
            let (from, to) = case[0].split_once(" ->").expect("an arrow");
            let [from, to] = [from, to.trim_start()].map(|text| text.replace(r"\n", "\n"));
            let fault = Manifest::parse(&TEXT.replacen(&from, &to, 1)).unwrap_err();
            assert_eq!(fault.to_string(), case[1].trim_start(), "{}", case[0]);
        }
        for lines in 0..12 {
            let cut: String = TEXT.split_inclusive('\n').take(lines).collect();
            assert!(Manifest::parse(&cut).is_err(), "{lines} lines");
        }
    }

    fn settlements() -> impl Strategy<Value = Settlement> {
        let hashes = proptest::collection::btree_set(any::<[u8; 32]>(), 0..5);
        proptest::option::of(hashes).prop_map(|hashes| {
            hashes.map_or(Settlement::ByDate, |hashes| {
                Settlement::Named(hashes.into_iter().map(Hash).collect())
            })
        })
    }

    prop_compose! {
        fn manifests()(
            list in "[a-z0-9][a-z0-9-]{0,20}",
            authority in "[A-Z][a-z]{0,9}( [A-Z][a-z]{1,9}){0,2}",
            serial in 1..=crate::list::serial::SERIAL_MAX,
            issued in 0..2_000_000_000_i64,
            days in 1..400_i64,
            entries: u64,
            octets: [u8; 32],
            previous: Option<[u8; 32]>,
            test_entry: Option<u32>,
            is_secret: bool,
            law: bool,
            settles in settlements(),
        ) -> Manifest {
            Manifest {
                list,
                authority,
                serial,
                issued,
                expires: issued + days * 86_400,
                entries,
                test_entry,
                sha256: Hash(octets),
                previous: previous.map(Hash),
                legal_basis: "Example Act".to_owned(),
                basis: if law { ManifestBasis::Law } else { ManifestBasis::Subscriber },
                action: if law { ListAction::StopPage } else { ListAction::NxDomain },
                secrecy: if is_secret { Secrecy::Age } else { Secrecy::Open },
                settles,
            }
        }
    }

    proptest! {
        #[test]
        fn written_manifests_are_read_again(manifest in manifests()) {
            prop_assert_eq!(Manifest::parse(&manifest.to_text()), Ok(manifest));
        }

        #[test]
        fn what_is_read_is_what_is_written(
            settles in settlements(),
            at: proptest::sample::Index,
            octet in 0x20_u8..0x7f,
        ) {
            let manifest = Manifest { settles, ..Manifest::parse(TEXT).unwrap() };
            let mut octets = manifest.to_text().into_bytes();
            let at = at.index(octets.len());
            octets[at] = octet;
            let text = String::from_utf8(octets).unwrap();
            if let Ok(manifest) = Manifest::parse(&text) {
                prop_assert_eq!(manifest.to_text(), text);
            }
        }
    }
}

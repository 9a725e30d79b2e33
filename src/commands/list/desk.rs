//! A list's folder on the curator's desk: its settings, its entries at work, its last issue, and
//! what is handed out.
//!
//! `list.toml` the settings · `entries.txt` the entries at work · `issued.txt` those of the last
//! issue, `before.txt` and `before.manifest` the last one before it that had all its signatures ·
//! `removals/` the removals that have not run out · `recipients.txt` the age keys of the
//! resolvers · `next.keys` the change of keys that waits for signatures · `issue/` what resolvers
//! take: the manifest, the entries under their hash, the removals and the chain of keys. Only
//! `issue/` leaves the desk.

use std::fs::File;
use std::io::{self};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::super::failure::CommandFailure;
use super::super::files::{read, read_text, unreadable, write_file};
use super::super::key_file::read_public;
use super::super::output::number;
use crate::clock::wall_s;
use crate::list::key_chain::{ChainFault, KeyChain, parse_chain};
use crate::list::key_link::KeyLink;
use crate::list::manifest::{ListAction, Manifest, ManifestBasis, Secrecy};
use crate::list::parse::Parsed;
use crate::list::records::{self, EntryRecord};
use crate::list::{is_list_id, is_words};
use crate::seal::age::Recipient;
use crate::seal::{Note, SigningKey, VerifyKey};

/// The manifest of the last issue before this one that had all its signatures.
pub(super) const WHOLE_BEFORE: &str = "before.manifest";

/// The settings of a list, as `list.toml` holds them.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::commands) struct Settings {
    pub(super) id: String,
    pub(super) authority: String,
    pub(super) basis: String,
    pub(super) legal_basis: String,
    pub(super) action: String,
    /// Signatures of different keys that an issue needs, as the resolvers' configurations have it.
    pub(super) signatures: usize,
    /// The public keys that may sign, as the resolvers' configurations have them; the chain of
    /// keys starts from them.
    pub(super) keys: Vec<String>,
    /// An issue expires after so many days.
    pub(super) valid_days: u32,
    /// An entry is due for verification after so many days.
    pub(super) verify_days: u32,
    /// Do the entries leave the desk encrypted only?
    pub(super) encrypted: bool,
    /// The public keys that resolvers sign their receipts with.
    #[serde(default)]
    pub(super) receipt_keys: Vec<String>,
}

/// A list's folder.
pub(in crate::commands) struct Desk {
    folder: PathBuf,
    pub(super) settings: Settings,
    pub(super) basis: ManifestBasis,
    pub(super) action: ListAction,
    /// The keys that sign today.
    pub(super) keys: Vec<VerifyKey>,
    /// How many of them must.
    pub(super) signatures: usize,
    chain: KeyChain,
}

/// The issue that lies in the folder.
pub(super) struct Issue {
    pub(super) note: Note,
    pub(super) manifest: Manifest,
}

impl Desk {
    /// Open a folder, check its settings and follow its chain of keys.
    pub(in crate::commands) fn open(folder: &Path) -> Result<Self, CommandFailure> {
        let place = folder.join("list.toml");
        let text = read_text(&place)?;
        let settings: Settings = toml::from_str(&text)
            .map_err(|error| CommandFailure::Usage(format!("{}: {error}", place.display())))?;
        let mut desk = Self::check(folder, settings).map_err(|failure| match failure {
            CommandFailure::Usage(message) => {
                CommandFailure::Usage(format!("{}: {message}", place.display()))
            }
            other => other,
        })?;
        desk.follow_keys()?;
        Ok(desk)
    }

    fn follow_keys(&mut self) -> Result<(), CommandFailure> {
        let place = self.chain_place();
        let notes = self.chain_notes()?;
        let list = &self.settings.id;
        let chain = KeyChain::follow(list, &self.keys, self.signatures, &notes);
        self.chain = chain.map_err(|fault| {
            let remedy = match fault {
                ChainFault::Anchor => {
                    "; list.toml keeps the `keys` and `signatures` of the resolvers' \
                     configurations: put them back, or delete the chain where the configurations \
                     were changed too"
                }
                _ => "",
            };
            CommandFailure::Failed(format!("{}: {fault}{remedy}", place.display()))
        })?;
        let today = self.chain.today();
        (self.keys, self.signatures) = (today.keys, today.threshold);
        Ok(())
    }

    /// The chain of keys; without a link, where those of list.toml sign.
    pub(in crate::commands) const fn chain(&self) -> &KeyChain {
        &self.chain
    }

    /// The chain's file.
    pub(in crate::commands) fn chain_place(&self) -> PathBuf {
        self.handed_out(&KeyLink::file(&self.settings.id))
    }

    /// Its notes; none before the first link.
    pub(in crate::commands) fn chain_notes(&self) -> Result<Vec<Note>, CommandFailure> {
        let place = self.chain_place();
        if !place.exists() {
            return Ok(Vec::new());
        }
        parse_chain(&read(&place)?)
            .map_err(|fault| CommandFailure::Failed(format!("{}: {fault}", place.display())))
    }

    /// Refuse a key whose signature under the list nobody would believe.
    pub(super) fn check_signer(&self, key: &SigningKey) -> Result<(), CommandFailure> {
        if self.keys.contains(&key.public()) {
            return Ok(());
        }
        let whose = match self.chain.number() {
            0 => "of list.toml".to_owned(),
            link => format!("that sign the list since link {link}"),
        };
        Err(CommandFailure::Failed(format!(
            "the key {} is not among the keys {whose}: nobody would believe it",
            key.name()
        )))
    }

    /// A desk with these settings, which are checked; nothing is written.
    pub(super) fn check(folder: &Path, settings: Settings) -> Result<Self, CommandFailure> {
        let wrong = |what: &str| Err(CommandFailure::Usage(what.to_owned()));
        if !is_list_id(&settings.id) {
            return wrong("the id is 1 to 63 letters, digits and hyphens, no hyphen in front");
        }
        if !is_words(&settings.authority) || !is_words(&settings.legal_basis) {
            return wrong(
                "authority and legal basis are 1 to 200 octets of text without control characters",
            );
        }
        let Some(basis) = ManifestBasis::parse(&settings.basis) else {
            return wrong("the basis is law, provider or subscriber");
        };
        let Some(action) = ListAction::parse(&settings.action) else {
            return wrong("the action is stop-page or nxdomain");
        };
        let keys = settings
            .keys
            .iter()
            .map(|key| read_public(key))
            .collect::<Result<Vec<VerifyKey>, _>>()?;
        if !(1..=keys.len().max(1)).contains(&settings.signatures) {
            return wrong(
                "an issue needs at least one signature, and not more than there are keys: name \
                 more keys with --key, or fewer signatures with --signatures",
            );
        }
        if !(1..=3660).contains(&settings.valid_days) || settings.verify_days == 0 {
            return wrong(
                "an issue is valid for 1 to 3660 days, and an entry is due after one day or more",
            );
        }
        let chain = KeyChain::start(&settings.id, &keys, settings.signatures);
        Ok(Self {
            folder: folder.to_path_buf(),
            signatures: settings.signatures,
            settings,
            basis,
            action,
            keys,
            chain,
        })
    }

    pub(super) fn secrecy(&self) -> Secrecy {
        if self.settings.encrypted {
            Secrecy::Age
        } else {
            Secrecy::Open
        }
    }

    pub(in crate::commands) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// A file that resolvers take.
    pub(super) fn handed_out(&self, file: &str) -> PathBuf {
        self.folder.join("issue").join(file)
    }

    /// The entries at work, each with its line.
    pub(super) fn entries(&self) -> Result<(Vec<(u64, EntryRecord)>, Parsed), CommandFailure> {
        read_entries(&self.path("entries.txt"))
    }

    /// The entries at work, where every line is one.
    pub(super) fn sound_entries(&self) -> Result<Vec<EntryRecord>, CommandFailure> {
        let (entries, parsed) = self.entries()?;
        if let Some(reject) = parsed.rejects_shown.first() {
            let place = self.path("entries.txt");
            let more = if parsed.rejects > 1 {
                format!(" ({} more lines like it)", parsed.rejects - 1)
            } else {
                String::new()
            };
            return Err(CommandFailure::Failed(format!(
                "{}:{}: {}{more}",
                place.display(),
                reject.line,
                reject.reason
            )));
        }
        Ok(entries.into_iter().map(|(_, record)| record).collect())
    }

    pub(super) fn save_entries(&self, entries: &[EntryRecord]) -> Result<(), CommandFailure> {
        write_file(
            &self.path("entries.txt"),
            records::write(entries).as_bytes(),
        )
    }

    /// The entries of the last issue; none before the first.
    pub(super) fn issued_entries(&self) -> Result<Option<Vec<EntryRecord>>, CommandFailure> {
        self.entries_in("issued.txt")
    }

    /// The entries of the last issue that has all its signatures, which is what resolvers have;
    /// none before the first.
    pub(super) fn whole_entries(&self) -> Result<Option<Vec<EntryRecord>>, CommandFailure> {
        let is_whole = self.issue()?.is_some_and(|issue| self.is_whole(&issue));
        self.entries_in(if is_whole { "issued.txt" } else { "before.txt" })
    }

    /// Has an issue all its signatures, of the keys that sign today or signed before?
    pub(super) fn is_whole(&self, issue: &Issue) -> bool {
        self.chain.vouched_once(&issue.note, issue.manifest.serial)
    }

    fn entries_in(&self, file: &str) -> Result<Option<Vec<EntryRecord>>, CommandFailure> {
        let place = self.path(file);
        if !place.exists() {
            return Ok(None);
        }
        Ok(Some(
            read_entries(&place)?
                .0
                .into_iter()
                .map(|(_, record)| record)
                .collect(),
        ))
    }

    /// The last issue; none before the first.
    pub(super) fn issue(&self) -> Result<Option<Issue>, CommandFailure> {
        let place = self.handed_out(&Manifest::file(&self.settings.id));
        if place.exists() {
            Issue::read(&place).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The last issue that has all its signatures, which is what resolvers have; none before the
    /// first.
    pub(super) fn whole_issue(&self) -> Result<Option<Issue>, CommandFailure> {
        let issue = self.issue()?;
        let place = self.path(WHOLE_BEFORE);
        if issue.as_ref().is_some_and(|issue| self.is_whole(issue)) || !place.exists() {
            return Ok(issue.filter(|issue| self.is_whole(issue)));
        }
        Issue::read(&place).map(Some)
    }

    /// The age keys of the resolvers.
    pub(super) fn recipients(&self) -> Result<Vec<Recipient>, CommandFailure> {
        let place = self.path("recipients.txt");
        if !place.exists() {
            return Ok(Vec::new());
        }
        let text = read_text(&place)?;
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let read = |(at, line): (usize, &str)| {
            Recipient::parse(line).map_err(|error| {
                CommandFailure::Failed(format!("{}:{}: {error}", place.display(), at + 1))
            })
        };
        lines.map(read).collect()
    }
}

impl Issue {
    /// Read a manifest's file; its signatures are not looked at.
    pub(super) fn read(place: &Path) -> Result<Self, CommandFailure> {
        let failed = |what: String| CommandFailure::Failed(format!("{}: {what}", place.display()));
        let note = Note::parse(&read(place)?).map_err(|error| failed(error.to_string()))?;
        let manifest = Manifest::parse(note.text()).map_err(|error| failed(error.to_string()))?;
        Ok(Self { note, manifest })
    }
}

/// Entries in our own format from a file.
pub(super) fn read_entries(
    place: &Path,
) -> Result<(Vec<(u64, EntryRecord)>, Parsed), CommandFailure> {
    let file = File::open(place).map_err(|error| unreadable(place, &error))?;
    records::read(io::BufReader::new(file)).map_err(|error| unreadable(place, &error))
}

/// Today in UTC.
pub(super) fn today() -> Date {
    let now = jiff::Timestamp::from_second(wall_s()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Give each entry without a number one that no other entry has, from the system's randomness.
pub(super) fn number_entries(entries: &mut [EntryRecord]) -> Result<(), CommandFailure> {
    let mut taken: std::collections::HashSet<u32> =
        entries.iter().filter_map(|record| record.number).collect();
    for record in entries.iter_mut().filter(|record| record.number.is_none()) {
        let mut octets = [0; 4];
        while record.number.is_none() {
            getrandom::fill(&mut octets).map_err(|_| {
                CommandFailure::Failed("the system gave no random number".to_owned())
            })?;
            let number = u32::from_be_bytes(octets);
            if number > 0 && taken.insert(number) {
                record.number = Some(number);
            }
        }
    }
    Ok(())
}

/// `1 entry`, `12 entries`.
pub(super) fn count_entries(count: usize) -> String {
    if count == 1 {
        "1 entry".to_owned()
    } else {
        format!("{} entries", number(count as u64))
    }
}

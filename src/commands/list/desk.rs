//! A list's folder on the curator's desk: its settings, its entries at work, its last issue, and
//! what is handed out.
//!
//! `list.toml` the settings · `entries.txt` the entries at work · `issued.txt` those of the last
//! issue, `before.txt` and `before.manifest` the last one before it that had all its signatures ·
//! `removals/` the removals that have not run out · `recipients.txt` the age keys of the
//! resolvers · `issue/` what resolvers take: the manifest, the entries under their hash, the
//! removals. Only `issue/` leaves the desk.

use std::fs::File;
use std::io::{self};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::super::failure::CommandFailure;
use super::super::files::{read, read_text, unreadable, write_file};
use super::super::key::read_public;
use super::super::output::number;
use crate::clock::wall_s;
use crate::list::manifest::{ListAction, Manifest, ManifestBasis, Secrecy};
use crate::list::parse::Parsed;
use crate::list::records::{self, EntryRecord};
use crate::list::{is_list_id, is_words};
use crate::seal::age::Recipient;
use crate::seal::{Note, VerifyKey};

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
    /// Signatures of different keys that an issue needs.
    pub(super) signatures: usize,
    /// The public keys that may sign.
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
    pub(super) keys: Vec<VerifyKey>,
}

/// The issue that lies in the folder.
pub(super) struct Issue {
    pub(super) note: Note,
    pub(super) manifest: Manifest,
}

impl Desk {
    /// Open a folder and check its settings.
    pub(super) fn open(folder: &Path) -> Result<Self, CommandFailure> {
        let place = folder.join("list.toml");
        let text = read_text(&place)?;
        let settings: Settings = toml::from_str(&text)
            .map_err(|error| CommandFailure::Usage(format!("{}: {error}", place.display())))?;
        Self::check(folder, settings).map_err(|failure| match failure {
            CommandFailure::Usage(message) => {
                CommandFailure::Usage(format!("{}: {message}", place.display()))
            }
            other => other,
        })
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
                "an issue needs at least one signature, and not more than there are keys",
            );
        }
        if !(1..=3660).contains(&settings.valid_days) || settings.verify_days == 0 {
            return wrong(
                "an issue is valid for 1 to 3660 days, and an entry is due after one day or more",
            );
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            settings,
            basis,
            action,
            keys,
        })
    }

    pub(super) fn secrecy(&self) -> Secrecy {
        if self.settings.encrypted {
            Secrecy::Age
        } else {
            Secrecy::Open
        }
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
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

    /// Has an issue all its signatures?
    pub(super) fn is_whole(&self, issue: &Issue) -> bool {
        issue
            .note
            .signers(&self.keys)
            .is_ok_and(|signers| signers.len() >= self.settings.signatures)
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

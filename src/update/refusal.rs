//! Why a list is not put in force: said with the file, the line where there is one, and what to do;
//! never with a listed name.

use std::fmt;
use std::io;
use std::path::Path;

use crate::list::FormFault;
use crate::list::guard::GuardFinding;
use crate::list::key_chain::ChainFault;
use crate::list::parse::Reject;
use crate::list::removal::RemovalFileFault;
use crate::seal::NoteError;

/// Rejected lines that a refusal shows.
const LINES_SHOWN_MAX: usize = 5;

/// A list that was held back.
#[derive(Debug)]
pub struct Refusal {
    /// The list's id.
    pub id: String,
    /// Its file, or where the built-in text comes from.
    pub place: String,
    /// What is wrong with it.
    pub cause: Cause,
}

/// What is wrong with a list.
#[derive(Debug)]
pub enum Cause {
    /// The file is not there.
    Missing,
    /// The path leads to a folder, a pipe or a device.
    NotAFile,
    /// The system cannot read the file.
    Unreadable(io::Error),
    /// The system has no memory for its table.
    NoMemory(io::Error),
    /// Reading it met a fault of the program.
    Panic,
    /// Somebody goes on writing to the file.
    StillWritten,
    /// The file became another one between its first and its last octet.
    Changed,
    /// No entry in it.
    Empty,
    /// More lines than any list has.
    Lines,
    /// It has no manifest, and the configuration wants one.
    Unsigned,
    /// The zone that it comes from cannot be transferred.
    Transfer(String),
    /// Its note is none, or a signature under it does not hold.
    Note(NoteError),
    /// Too few of the list's keys have signed.
    Signatures {
        /// How many have.
        signed: usize,
        /// How many must have.
        needed: usize,
    },
    /// The note's text cannot be read.
    Papers(FormFault),
    /// The note speaks of another list.
    OtherList,
    /// Its serial is below one that was accepted.
    OldSerial {
        /// Its serial.
        serial: u64,
        /// The highest accepted one.
        highest: u64,
    },
    /// Another manifest with the same serial was accepted.
    SameSerial {
        /// The serial of both.
        serial: u64,
    },
    /// It was issued in the future.
    Future {
        /// How far.
        ahead_s: i64,
    },
    /// It has run out.
    Expired {
        /// How long ago.
        since_s: i64,
    },
    /// The removal is dated too far ahead.
    RemovalAhead {
        /// How far.
        ahead_s: i64,
    },
    /// A chain of keys is not to be followed.
    Keys(ChainFault),
    /// A file of removals cannot be read.
    Removals(RemovalFileFault),
    /// It was tried out and held back; what was said of it then.
    HeldBack(String),
    /// It was signed when it was accepted, and its manifest is gone.
    NoPapers,
    /// It needs a key that was revoked.
    Revoked,
    /// The program stops.
    Stopping,
    /// The removal has run out.
    RemovalOver {
        /// How long ago.
        since_s: i64,
    },
    /// The entries that the manifest names are not beside it.
    NoEntries,
    /// The entries are not those that the manifest names.
    Hash,
    /// The entries are not as many as the manifest says.
    Count {
        /// How many there are.
        found: u64,
        /// How many there should be.
        stated: u64,
    },
    /// It is encrypted, and cannot be decrypted here.
    Secret(String),
    /// The guard found what nobody has let pass.
    Guard(Vec<GuardFinding>),
    /// There is no such generation to go back to.
    NoGeneration,
    /// It cannot be remembered on disk, so that it must not come in force.
    State {
        /// The folder.
        place: String,
        /// The system's reason.
        error: io::Error,
    },
    /// More lines than allowed are no entries.
    Rejects {
        /// Rejected lines in per cent of the lines meant as entries.
        percent: f64,
        /// The share that is allowed.
        percent_max: f64,
        /// How many lines.
        count: u64,
        /// The first of them.
        first: Vec<Reject>,
    },
}

impl Cause {
    /// Is it over by itself some day, with nobody changing the list?
    pub(super) const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreadable(_)
                | Self::NoMemory(_)
                | Self::State { .. }
                | Self::Changed
                | Self::Secret(_)
                | Self::Future { .. }
                | Self::Expired { .. }
        )
    }

    /// May other keys, of which we do not know yet, be the remedy?
    pub(super) const fn awaits_keys(&self) -> bool {
        matches!(
            self,
            Self::Signatures { .. } | Self::Keys(ChainFault::Behind { .. })
        )
    }

    /// The cause behind an error of the file system.
    pub(super) fn from_io(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing
        } else {
            Self::Unreadable(error)
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: list {}: ", self.place, self.id)?;
        match &self.cause {
            Cause::Missing => f.write_str(
                "the file is not there: put it back, or correct `file` \
                                           in the configuration",
            ),
            Cause::NotAFile => f.write_str("not a regular file: name a file in the configuration"),
            Cause::Unreadable(error) => write!(
                f,
                "cannot be read ({error}): check the file's \
                                                   owner, mode and disk"
            ),
            Cause::NoMemory(error) => write!(
                f,
                "its table finds no memory ({error}): give the \
                                                 program more, or shorten the list"
            ),
            Cause::Panic => f.write_str(
                "cannot be read for a fault of this program: please report it, with \
                             what the log says of the panic",
            ),
            Cause::StillWritten => f.write_str(
                "is still being written to: write a new file and \
                                                rename it over this one",
            ),
            Cause::Changed => f.write_str(
                "changed while it was read: it is read again when it has \
                                           been quiet",
            ),
            Cause::Empty => f.write_str(
                "has no entry: an empty list is never put in force; take the list out \
                             of the configuration instead",
            ),
            Cause::Lines => f.write_str(
                "has more than 50,000,000 lines: split it into several \
                                         lists",
            ),
            Cause::Unsigned => f.write_str(
                "has no manifest: have it signed, or set unsigned = \
                                            \"allow\" for this list",
            ),
            Cause::Transfer(fault) => f.write_str(fault),
            Cause::Rejects { .. } => self.write_rejects(f),
            cause => write_papers(cause, f),
        }
    }
}

impl Refusal {
    fn write_rejects(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cause::Rejects {
            percent,
            percent_max,
            count,
            first,
        } = &self.cause
        else {
            return Ok(());
        };
        let lines = if *count == 1 { "line is" } else { "lines are" };
        write!(
            f,
            "{count} {lines} no entry ({percent:.1} %, allowed are {percent_max:.1} %): correct"
        )?;
        for (index, reject) in first.iter().take(LINES_SHOWN_MAX).enumerate() {
            let mark = if index == 0 { "" } else { ";" };
            write!(
                f,
                "{mark} {}:{}: {}",
                self.place, reject.line, reject.reason
            )?;
        }
        if *count > first.len().min(LINES_SHOWN_MAX) as u64 {
            f.write_str("; `wardline check` shows more")?;
        }
        Ok(())
    }
}

/// What is wrong with a list's papers, or with the list by its papers.
fn write_papers(cause: &Cause, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match cause {
        Cause::Note(fault) => write!(
            f,
            "the note is not to be believed: {fault}; fetch it again, or have it signed again"
        ),
        Cause::Signatures { signed, needed } => {
            write!(
                f,
                "{signed} of its keys have signed, {needed} must: have it signed by more, or \
                 correct `keys`"
            )
        }
        Cause::Papers(fault) => write!(f, "the note's text is no paper of a list: {fault}"),
        Cause::OtherList => {
            f.write_str("the note speaks of another list: put it where that list is looked for")
        }
        Cause::OldSerial { serial, highest } => {
            write!(
                f,
                "serial {serial} is below {highest}, which was accepted before: issue the list \
                 with a higher serial"
            )
        }
        Cause::SameSerial { serial } => {
            write!(
                f,
                "another manifest with serial {serial} was accepted before: issue the list with a \
                 higher serial"
            )
        }
        Cause::Future { ahead_s } => write!(
            f,
            "it is issued {ahead_s} s in the future: check the clocks here and at the curator's"
        ),
        Cause::Expired { since_s } => write!(f, "it ran out {since_s} s ago: have it issued anew"),
        Cause::NoEntries => f.write_str(
            "the entries that the manifest names are not beside it: put both files there",
        ),
        Cause::Hash => f.write_str(
            "the entries are not those that the manifest names (SHA-256 differs): fetch both again",
        ),
        Cause::Count { found, stated } => write!(
            f,
            "{found} entries where the manifest says {stated}: have it issued anew"
        ),
        Cause::Secret(reason) => write!(f, "it is encrypted: {reason}"),
        Cause::Guard(findings) => {
            for (index, finding) in findings.iter().enumerate() {
                write!(f, "{}{finding}", if index == 0 { "" } else { "; " })?;
            }
            Ok(())
        }
        cause => write_kept(cause, f),
    }
}

/// What is wrong with a removal, or with what is kept.
fn write_kept(cause: &Cause, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match cause {
        Cause::RemovalOver { since_s } => {
            write!(f, "the removal ran out {since_s} s ago: issue a new one")
        }
        Cause::RemovalAhead { ahead_s } => write!(
            f,
            "the removal is dated {ahead_s} s ahead, which is more than a day: check the clocks \
             here and at the curator's, then have it issued anew"
        ),
        Cause::Keys(fault) => write!(f, "the chain of keys is not followed: {fault}"),
        Cause::Removals(fault) => write!(f, "{fault}: fetch the file again, or have it made anew"),
        Cause::HeldBack(message) => f.write_str(message),
        Cause::NoPapers => f.write_str(
            "it was signed when it was accepted, and its manifest is gone: it is not taken for a \
             list without one",
        ),
        Cause::Revoked => {
            f.write_str("it needs a key that was revoked: it comes into force nowhere any more")
        }
        Cause::Stopping => f.write_str("the program stops"),
        Cause::NoGeneration => f.write_str(
            "there is no such generation on disk, or none before the present one: `wardline \
             history LIST` shows what there is",
        ),
        Cause::State { place, error } => {
            write!(
                f,
                "cannot be remembered in {place} ({error}): check the folder's owner, mode and \
                 disk, then `wardline reload`"
            )
        }
        // The others have been said.
        _ => Ok(()),
    }
}

/// Describes a path for messages, with anything that could break a log line made visible.
pub(super) fn place_of(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}

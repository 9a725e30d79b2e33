//! Why a list is not put in force: said with the file, the line where there is one, and what to do; never with a listed name.

use std::fmt;
use std::io;
use std::path::Path;

use crate::list::parse::Reject;

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
    /// Somebody goes on writing to the file.
    StillWritten,
    /// The file became another one between its first and its last octet.
    Changed,
    /// No entry in it.
    Empty,
    /// It has no manifest, and the configuration wants one.
    Unsigned,
    /// The zone that it comes from cannot be transferred.
    Transfer(String),
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
    /// The cause behind an error of the file system.
    pub(super) fn from_io(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Missing } else { Self::Unreadable(error) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: list {}: ", self.place, self.id)?;
        match &self.cause {
            Cause::Missing => f.write_str("the file is not there: put it back, or correct `file` in the configuration"),
            Cause::NotAFile => f.write_str("not a regular file: name a file in the configuration"),
            Cause::Unreadable(error) => write!(f, "cannot be read ({error}): check the file's owner, mode and disk"),
            Cause::NoMemory(error) => write!(f, "its table finds no memory ({error}): give the program more, or shorten the list"),
            Cause::StillWritten => f.write_str("is still being written to: write a new file and rename it over this one"),
            Cause::Changed => f.write_str("changed while it was read: it is read again when it has been quiet"),
            Cause::Empty => {
                f.write_str("has no entry: an empty list is never put in force; take the list out of the configuration instead")
            }
            Cause::Unsigned => f.write_str("has no manifest: have it signed, or set unsigned = \"allow\" for this list"),
            Cause::Transfer(fault) => f.write_str(fault),
            Cause::Rejects { percent, percent_max, count, first } => {
                let lines = if *count == 1 { "line is" } else { "lines are" };
                write!(f, "{count} {lines} no entry ({percent:.1} %, allowed are {percent_max:.1} %): correct")?;
                for (index, reject) in first.iter().take(LINES_SHOWN_MAX).enumerate() {
                    let mark = if index == 0 { "" } else { ";" };
                    write!(f, "{mark} {}:{}: {}", self.place, reject.line, reject.reason)?;
                }
                if *count > first.len().min(LINES_SHOWN_MAX) as u64 {
                    f.write_str("; `wardline check` shows more")?;
                }
                Ok(())
            }
        }
    }
}

/// Why the first load of the lists failed; at start every refusal is fatal.
#[derive(Debug)]
pub enum StartRefusal {
    /// These lists were refused.
    Lists(Vec<Refusal>),
    /// The system gave no random octets for the table's key.
    NoRandom(getrandom::Error),
}

impl fmt::Display for StartRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lists(refusals) => {
                for (index, refusal) in refusals.iter().enumerate() {
                    let mark = if index == 0 { "" } else { "\n" };
                    write!(f, "{mark}{refusal}")?;
                }
                Ok(())
            }
            Self::NoRandom(error) => {
                write!(f, "the system's random source failed ({error}): it is needed to hide the lists' names in memory")
            }
        }
    }
}

impl std::error::Error for StartRefusal {}

/// Describes a path for messages, with anything that could break a log line made visible.
pub(super) fn place_of(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}

//! Why a list cannot be kept at all, whatever stands in it.

use std::fmt;
use std::io;

use crate::list::LIST_PLACES_MAX;

/// Why nothing can be answered at all; a refused list is no such reason.
#[derive(Debug)]
pub enum StartRefusal {
    /// The system has no memory for a table without an entry.
    NoMemory,
    /// The system gave no random octets for the table's key.
    NoRandom(getrandom::Error),
    /// The system starts no thread.
    NoThread(io::Error),
    /// More different lists came and went than there are places.
    NoPlace,
    /// None with this id is there.
    NoSuchList,
    /// The program stops, and takes no list any more.
    Stopping,
}

impl fmt::Display for StartRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory => f.write_str("the system has no memory: give the program more"),
            Self::NoPlace => {
                write!(
                    f,
                    "more than {LIST_PLACES_MAX} different lists came and went: restart the program"
                )
            }
            Self::NoSuchList => f.write_str("there is no such list"),
            Self::Stopping => f.write_str("the program stops"),
            Self::NoThread(error) => write!(
                f,
                "a list's thread cannot be started ({error}): raise the limit of processes"
            ),
            Self::NoRandom(error) => {
                write!(
                    f,
                    "the system's random source failed ({error}): it is needed to hide the lists' \
                     names in memory"
                )
            }
        }
    }
}

impl std::error::Error for StartRefusal {}

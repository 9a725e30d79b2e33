//! What a source hands to the updater: a list's text, its papers if it has any, and where it came
//! from.

use std::fmt;

use super::source::Text;
use crate::list::ListIndex;
use crate::seal::Note;

/// A list as a source found it, not yet believed.
///
/// The same list may come by several sources: the highest serial that verifies wins, and one that
/// is in force already changes nothing.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Which of the configured lists it claims to be.
    pub list: ListIndex,
    /// The manifest with its signatures; none where the source knows no papers (a plain file, a
    /// zone transfer).
    pub manifest: Option<Note>,
    /// The entries. With a manifest they are the file that it names by its hash, in our plain
    /// format; else in the list's own format.
    pub text: Text,
    /// Where it was found.
    pub origin: Origin,
}

/// Where a bundle was found, for messages and the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The kind of way it came.
    pub way: Way,
    /// The file, address or zone, as messages call it; never an entry.
    pub place: String,
}

/// The ways a list comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A plain file.
    File,
    /// A watched folder.
    Folder,
    /// Fetched over HTTPS.
    Pull,
    /// Pushed to our listener.
    Push,
    /// A zone transfer.
    Transfer,
    /// Kept in the state folder from before.
    Kept,
    /// Given by the operator.
    Operator,
}

impl Way {
    /// The word in the journal.
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Transfer => "transfer",
            Self::Kept => "kept",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

//! Lists as data: their text and entries, the papers around them, what guards them, and the table
//! that answers "is this name listed?".

pub mod diff;
mod entry_cells;
pub mod expiry;
mod form;
pub mod guard;
pub mod key_chain;
pub mod key_link;
pub mod lint;
pub mod manifest;
pub mod parse;
pub mod receipt;
pub mod records;
pub mod removal;
pub mod serial;
mod table;

pub use entry_cells::EntryTally;
pub(crate) use form::write_time;
pub use form::{
    FormFault, FormProblem, Hash, LIST_ID_OCTETS_MAX, WORDS_OCTETS_MAX, is_list_id, is_words,
};
pub use table::{Match, Overfull, Table, TableBuilder};

/// The place of a list in the configuration, from 0; it names the list wherever the process speaks
/// of it to itself.
pub type ListIndex = u16;

/// So many lists have a place while a program runs, those that went included.
pub const LIST_PLACES_MAX: usize = 512;

/// How far an entry reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The name and everything below it.
    Below,
    /// The name alone.
    Exact,
}

impl Scope {
    /// What stands in front of the name in our own format.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Below => "",
            Self::Exact => "=",
        }
    }
}

//! Lists as data: reading their text into entries, and the compiled table that answers "is this name listed?".

pub mod parse;
mod table;

pub use table::{Match, Overfull, Table, TableBuilder};

/// The place of a list in the configuration, from 0; it names the list wherever the process speaks of it to itself.
pub type ListIndex = u16;

/// How far an entry reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The name and everything below it.
    Below,
    /// The name alone.
    Exact,
}

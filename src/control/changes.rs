//! What an operator asks to be forgotten, or changed until the next start.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A kind of kept answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AnswerKind {
    /// Those that could not be validated.
    Bogus,
    /// Those that say that there is nothing.
    Negative,
    /// Those to questions for this type.
    Type {
        /// The type's number.
        number: u16,
    },
}

/// What is changed until the next start, or until it is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TemporaryChange {
    /// Check no signatures at and below this name.
    AddNegativeAnchor {
        /// The name, as text.
        name: String,
    },
    /// Check them again.
    RemoveNegativeAnchor {
        /// The name, as text.
        name: String,
    },
    /// Answer this name here.
    AddLocal {
        /// The name, as text.
        name: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// Leave it to others again.
    RemoveLocal {
        /// The name, as text.
        name: String,
    },
    /// Log this much.
    Log {
        /// As `level` in the configuration.
        level: String,
        /// For so long, in seconds.
        for_s: u64,
    },
    /// Say that clients are to go elsewhere; questions are answered all the same.
    Drain,
    /// Say that clients may come again.
    Resume,
}

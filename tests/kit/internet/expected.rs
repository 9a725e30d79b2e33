//! The table of what each name of the tests' internet must resolve to, read from `tests/cases/internet.toml`.

use serde::Deserialize;

/// One line of the table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    /// Absolute, with the final dot.
    pub(crate) name: String,
    /// The record type's mnemonic.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// `NOERROR`, `NXDOMAIN` or `SERVFAIL`.
    pub(crate) rcode: String,
    /// `owner type rdata`, without RRSIGs, in any order.
    #[serde(default)]
    pub(crate) answer: Vec<String>,
    /// The AD flag of a validating resolver, when it was asked for with DO or AD.
    #[serde(default)]
    pub(crate) ad: bool,
    /// The extended error that goes with a SERVFAIL (RFC 8914).
    pub(crate) ede: Option<u16>,
    /// What of it is listed, when `blocked.example` and `=exact.example` are: `question` or `alias`.
    pub(crate) listed: Option<String>,
    /// Why the program cannot do it yet when it recurses; the test fails when it can.
    pub(crate) recurse_gap: Option<String>,
    /// What the line shows.
    #[serde(default)]
    pub(crate) note: String,
}

/// Every line of the table.
pub(crate) fn expected_answers() -> Vec<Expected> {
    #[derive(Deserialize)]
    struct Table {
        answers: Vec<Expected>,
    }
    let table: Table = toml::from_str(include_str!("../../cases/internet.toml")).expect("internet.toml");
    table.answers
}

//! What names of the tests' internet must resolve to: a line of `tests/cases/internet.toml`, or of
//! a zone in `hostile*.toml`.

use serde::Deserialize;

use super::plan::HUGE;
use crate::kit::ask::Response;
use crate::kit::program::STOP;

const CENSORED: u16 = 16;

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
    /// The most packets that it may cost upstream, when nothing is known yet.
    pub(crate) packets: Option<usize>,
    /// The TTL of the answer's first record.
    pub(crate) ttl: Option<u32>,
    /// Where resolvers differ: the document that says who is right.
    pub(crate) decided_by: Option<String>,
    /// What of it is listed, when `blocked.example` and `=exact.example` are: `question` or
    /// `alias`.
    pub(crate) listed: Option<String>,
    /// Why the program cannot do it yet when it recurses; the test fails when it can.
    pub(crate) recurse_gap: Option<String>,
    /// What the line shows.
    #[serde(default)]
    pub(crate) note: String,
}

impl Expected {
    /// The answer section, sorted.
    pub(crate) fn sorted_answer(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .answer
            .iter()
            .map(|line| line.replace("{huge}", &"x".repeat(HUGE)))
            .collect();
        lines.sort();
        lines
    }

    /// What of a response is not as it should be: rcode, answers, flags, TTL, extended error. `ad`
    /// says whether AD was asked for, `ede` what must stand beside a SERVFAIL, if that is known.
    pub(crate) fn faults_of(&self, response: &Response, ad: bool, ede: Option<u16>) -> Vec<String> {
        let mut faults = vec![];
        let mut check = |what: &str, got: String, wanted: String| {
            if got != wanted {
                faults.push(format!("{what} {}, not {}", shorten(got), shorten(wanted)));
            }
        };
        check("rcode", response.rcode(), self.rcode.clone());
        check(
            "answers",
            format!("{:?}", response.answers()),
            format!("{:?}", self.sorted_answer()),
        );
        check(
            "AD",
            response.message.authentic_data.to_string(),
            (ad && self.ad).to_string(),
        );
        check(
            "AA",
            response.message.authoritative.to_string(),
            "false".to_owned(),
        );
        check(
            "RA",
            response.message.recursion_available.to_string(),
            "true".to_owned(),
        );
        if self.ttl.is_some() {
            check(
                "TTL",
                format!(
                    "{:?}",
                    response.message.answers.first().map(|record| record.ttl)
                ),
                format!("{:?}", self.ttl),
            );
        }
        let (got, failed) = (response.ede(), self.rcode == "SERVFAIL");
        if failed && ede.is_some() {
            check(
                "EDE",
                format!("{:?}", got.first().copied()),
                format!("{ede:?}"),
            );
        } else if !failed {
            check(
                "EDE",
                format!("{got:?}"),
                format!("{:?}", Vec::from_iter(self.ede)),
            );
        }
        faults
    }

    /// The same where a list is in force on which the question or what it leads to stands: it is
    /// blocked, whole.
    pub(crate) fn faults_when_listed(&self, response: &Response) -> Vec<String> {
        let wanted = if self.kind == "A" {
            vec![format!("{} A {}", self.name, STOP[0])]
        } else {
            vec![]
        };
        let (rcode, answers) = (response.rcode(), response.answers());
        let is_blocked = rcode == "NOERROR"
            && answers == wanted
            && response.ede().contains(&CENSORED)
            && !response.message.authentic_data;
        if is_blocked {
            vec![]
        } else {
            vec![format!(
                "{rcode} {answers:?} {:?} instead of the stop page",
                response.ede()
            )]
        }
    }
}

fn shorten(text: String) -> String {
    if text.len() > 1000 {
        format!("{} octets of text", text.len())
    } else {
        text
    }
}

/// Every line of `internet.toml`.
pub(crate) fn expected_answers() -> Vec<Expected> {
    #[derive(Deserialize)]
    struct Table {
        answers: Vec<Expected>,
    }
    let table: Table =
        toml::from_str(include_str!("../../cases/internet.toml")).expect("internet.toml");
    table.answers
}

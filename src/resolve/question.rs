//! What is asked of the outside world, and what comes back to be cached.

use std::str::FromStr as _;

use hickory_proto::rr::RecordType;

use crate::name::Name;
use crate::wire::ede;

/// What is asked of the outside world: one name and type in class IN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name, lower-case.
    pub name: Name,
    /// The record type's number.
    pub qtype: u16,
    /// The client set DO: signatures are wanted in the answer (RFC 4035 section 3.2.1).
    pub dnssec_ok: bool,
    /// The client set CD: it validates by itself (RFC 4035 section 3.2.2).
    pub checking_disabled: bool,
}

/// Why an upstream resolver keeps an answer back, in its own words (RFC 8914).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UpstreamBlock {
    /// The INFO-CODE.
    pub(super) code: u16,
    /// The EXTRA-TEXT.
    pub(super) text: Box<str>,
}

impl UpstreamBlock {
    /// Forged, Blocked, Censored, Filtered, and Blocked by Upstream Server.
    pub(super) const fn is_one(code: u16) -> bool {
        matches!(
            code,
            ede::FORGED | ede::BLOCKED | ede::CENSORED | ede::FILTERED | ede::BLOCKED_UPSTREAM
        )
    }

    /// An upstream's code as it is passed on: who says Blocked speaks of a policy of its own, which
    /// to our clients is not ours (draft-ietf-dnsop-structured-dns-error).
    pub(super) const fn pass_on(code: u16) -> u16 {
        match code {
            ede::BLOCKED => ede::BLOCKED_UPSTREAM,
            code => code,
        }
    }
}

/// How far an answer from outside may be believed; one that is wrong is a
/// [`Failure`](super::Failure).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerTrust {
    /// All of it was validated.
    Secure,
    /// It was looked into, and for some of it nobody vouches.
    Insecure,
    /// Some of it was not looked into, as configured or as the client asked.
    Unchecked,
}

/// A reply from outside, ready to be cached.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// A whole DNS message: header (id 0, QR, RA, AD and RCODE as they are to be served), the
    /// question with the lower-case name uncompressed at octet 12, then the answer and authority
    /// sections. Without additional records and without OPT.
    pub wire: Vec<u8>,
    /// The extended error that goes with it, if any (RFC 8914 INFO-CODE).
    pub ede: Option<u16>,
    /// What is told with it (EXTRA-TEXT).
    pub text: Box<str>,
    /// When the first of the signatures that vouch for it runs out, as 32 bits of the wall clock
    /// (RFC 4034 section 3.1.5); `None` where nobody vouches.
    pub signed_until_s: Option<u32>,
    /// How far it may be believed.
    pub trust: AnswerTrust,
}

impl Fetched {
    /// A reply without anything more to tell.
    pub fn new(wire: Vec<u8>, ede: Option<u16>) -> Self {
        Self {
            wire,
            ede,
            text: Box::default(),
            signed_until_s: None,
            trust: AnswerTrust::Unchecked,
        }
    }

    /// Does somebody keep the answer back, and say so?
    pub fn is_kept_back(&self) -> bool {
        self.ede.is_some_and(UpstreamBlock::is_one)
    }
}

/// The number of a record type in words, as "AAAA", "aaaa" or "TYPE65" (RFC 3597 section 5).
pub fn type_number(text: &str) -> Option<u16> {
    let upper = text.to_ascii_uppercase();
    let numbered = upper.strip_prefix("TYPE").map(str::parse);
    match numbered {
        Some(number) => number.ok(),
        None => RecordType::from_str(&upper).ok().map(u16::from),
    }
}

/// The mnemonic of a record type's number, or TYPE65280 (RFC 3597 section 5).
pub fn type_name(number: u16) -> String {
    match RecordType::from(number) {
        RecordType::Unknown(number) => format!("TYPE{number}"),
        known => known.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names_and_numbers() {
        for (number, name) in [(1, "A"), (28, "AAAA"), (65, "HTTPS"), (65_280, "TYPE65280")] {
            assert_eq!(type_name(number), name);
            assert_eq!(type_number(name), Some(number));
        }
    }

    #[test]
    fn an_upstream_s_own_policy_is_not_passed_on_as_ours() {
        let told = [4, 15, 16, 17, 35, 22].map(UpstreamBlock::pass_on);
        assert_eq!(told, [4, 35, 16, 17, 35, 22]);
        assert!(UpstreamBlock::is_one(UpstreamBlock::pass_on(15)));
    }
}

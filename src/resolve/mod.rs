//! Finding the real answer for names that are not listed, by recursion or by asking the provider's own resolvers.

use crate::name::Name;

/// What is asked of the outside world: one name and type in class IN.
#[derive(Clone, Debug)]
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

/// A reply from outside, ready to be cached.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// A whole DNS message: header (id 0, QR, RA, AD and RCODE as they are to be served), the question with the lower-case
    /// name uncompressed at octet 12, then the sections. Without OPT.
    pub wire: Vec<u8>,
    /// The extended error that goes with it, if any (RFC 8914 INFO-CODE).
    pub ede: Option<u16>,
}

/// Why there is no answer; each becomes SERVFAIL with its extended error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing was heard in time (EDE 22, No Reachable Authority).
    #[error("no server answered in time")]
    Unreachable,
    /// Servers answered, but with nothing usable (EDE 23, Network Error).
    #[error("no server gave a usable answer")]
    Unusable,
    /// Signatures do not hold (EDE 6, DNSSEC Bogus).
    #[error("the answer fails DNSSEC validation")]
    Bogus,
    /// A limit of ours was reached first (EDE 0, Other).
    #[error("the question needs more work than is allowed")]
    TooMuchWork,
}

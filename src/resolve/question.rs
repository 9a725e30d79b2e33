//! What is asked of the outside world, and what comes back to be cached.

use crate::name::Name;

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

/// A reply from outside, ready to be cached.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// A whole DNS message: header (id 0, QR, RA, AD and RCODE as they are to be served), the
    /// question with the lower-case name uncompressed at octet 12, then the answer and authority
    /// sections. Without additional records and without OPT.
    pub wire: Vec<u8>,
    /// The extended error that goes with it, if any (RFC 8914 INFO-CODE).
    pub ede: Option<u16>,
}

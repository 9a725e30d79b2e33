//! The records of a reply with their names in full, between reading them and laying them out anew.

/// The largest message (RFC 1035 section 4.2.2).
pub(super) const MESSAGE_OCTETS_MAX: usize = 65_535;
/// A reply that breaks the format, or does not fit when it is laid out anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// One record with its names in full.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReplyRecord {
    pub(super) owner: Vec<u8>,
    pub(super) rtype: u16,
    pub(super) ttl: u32,
    pub(super) rdata: Vec<Part>,
}

/// A piece of a record's data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Octets(Vec<u8>),
    Name(Vec<u8>),
}

//! One record of the root's copy.

/// A record, ready to be sent.
#[derive(Debug)]
pub(super) struct CopyRecord {
    /// Its type; what it covers for a signature.
    pub(super) rtype: u16,
    pub(super) is_signature: bool,
    /// Owner, type, class, TTL, length and data.
    pub(super) wire: Box<[u8]>,
}

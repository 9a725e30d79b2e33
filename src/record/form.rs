//! What every leaf keeps to.

use crate::list::serial::SERIAL_MAX;

/// The longest leaf in octets: an entry of a bundle has a length of 16 bits (C2SP tlog-tiles).
pub const LEAF_OCTETS_MAX: usize = u16::MAX as usize;

/// The version of the form of events, and of hours that do not say when their list was not in
/// force.
pub const LEAF_VERSION: u64 = 1;

/// The version of the form of hours that say when their list was not in force.
pub const HOUR_LEAF_VERSION: u64 = 2;

/// The largest number that every reader of JSON keeps exactly (RFC 8785 section 3.2.2.3).
pub const NUMBER_MAX: u64 = (1 << 53) - 1;
// A serial that a manifest may have is one that a leaf may have.
const _: () = assert!(SERIAL_MAX == NUMBER_MAX);

//! What every leaf keeps to.

use crate::list::serial::SERIAL_MAX;

/// The longest leaf in octets: an entry of a bundle has a length of 16 bits (C2SP tlog-tiles).
pub const LEAF_OCTETS_MAX: usize = u16::MAX as usize;

/// The version of the form of all leaves of a log whose leaves have salts.
pub const SALTED_LEAF_VERSION: u64 = 3;

/// Hexadecimal digits of a salt: 16 octets.
pub const SALT_DIGITS: usize = 32;

/// The version of the older form of events, and of hours that do not say when their list was not in
/// force.
pub const LEAF_VERSION: u64 = 1;

/// The version of the older form of hours that say when their list was not in force.
pub const HOUR_LEAF_VERSION: u64 = 2;

/// The largest number that every reader of JSON keeps exactly (RFC 8785 section 3.2.2.3).
pub const NUMBER_MAX: u64 = (1 << 53) - 1;
// A serial that a manifest may have is one that a leaf may have.
const _: () = assert!(SERIAL_MAX == NUMBER_MAX);

/// Is it a salt as leaves have it?
pub(super) fn is_salt(text: &str) -> bool {
    let is_digit = |octet: u8| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet);
    text.len() == SALT_DIGITS && text.bytes().all(is_digit)
}

/// The longest word of an envelope in octets.
pub(super) const WORD_OCTETS_MAX: usize = 255;
/// What an event may say that it bears on, in words.
pub(super) const TOUCHES_MAX: usize = 8;

/// Whether a word can be printed as it is. One with an escape is not even read, since words are
/// read without a copy.
pub(super) fn is_plain_word(word: &str) -> bool {
    word.len() <= WORD_OCTETS_MAX && !word.contains(char::is_control)
}

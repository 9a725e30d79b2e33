//! One zone's part of an answer that goes through aliases.

use std::sync::Arc;

use crate::resolve::rrset::Said;

/// What one name says.
pub(super) struct Hop {
    pub(super) said: Arc<Said>,
    pub(super) secure: bool,
    /// Why it is not, where there is a number for it (RFC 8914).
    pub(super) ede: Option<u16>,
}

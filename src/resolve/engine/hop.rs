//! One zone's part of an answer that goes through aliases.

use std::sync::Arc;

use crate::resolve::rrset::Said;

/// What one name says.
pub(super) struct Hop {
    pub(super) said: Arc<Said>,
    pub(super) secure: bool,
    /// Nobody vouches for it, which was found out.
    pub(super) insecure: bool,
    /// Why it is not, where there is a number for it (RFC 8914).
    pub(super) ede: Option<u16>,
}

impl Hop {
    /// What nobody vouches for.
    pub(super) fn unchecked(said: Arc<Said>) -> Self {
        Self {
            said,
            secure: false,
            insecure: false,
            ede: None,
        }
    }

    /// What was validated.
    pub(super) fn secure(said: Arc<Said>) -> Self {
        Self {
            secure: true,
            ..Self::unchecked(said)
        }
    }

    /// The extended error that goes with it, and its text: that an upstream keeps it back, or why
    /// it is not secure.
    pub(super) fn error(&self) -> Option<(u16, Box<str>)> {
        let blocked = self.said.blocked.as_ref();
        blocked
            .map(|block| (block.code, block.text.clone()))
            .or_else(|| Some((self.ede?, Box::default())))
    }
}

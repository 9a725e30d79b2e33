//! The kinds of kept answers that can be forgotten.

use super::entry::Entry;
use crate::name::Name;
use crate::wire::{HEADER_OCTETS, rcode};

/// Which of these answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlushKind {
    /// Whatever they say.
    #[default]
    Any,
    /// Those that could not be validated.
    Bogus,
    /// Those that say that there is nothing: no such name, or nothing of the type.
    Negative,
    /// Those to questions for this type.
    Type(u16),
}

impl Entry {
    /// Is it one of these?
    pub(super) fn is_of(&self, kind: FlushKind) -> bool {
        let head = self.octets.first_chunk::<HEADER_OCTETS>();
        match kind {
            FlushKind::Any => true,
            FlushKind::Bogus => self.is_failure() && self.ede.is_some_and(is_of_validation),
            FlushKind::Negative => head.is_some_and(|head| {
                let code = u16::from(head[3] & 0xf);
                let has_answer = head[6..8] != [0, 0];
                code == rcode::NXDOMAIN || code == rcode::NOERROR && !has_answer
            }),
            FlushKind::Type(wanted) => self.qtype() == Some(wanted),
        }
    }

    /// The type that was asked for.
    fn qtype(&self) -> Option<u16> {
        let question = self.octets.get(HEADER_OCTETS..)?;
        let name = Name::from_wire(question).ok()?;
        let qtype = question.get(name.as_wire().len()..)?.first_chunk()?;
        Some(u16::from_be_bytes(*qtype))
    }
}

/// Does the code (RFC 8914 section 4) say that an answer could not be validated?
const fn is_of_validation(ede: u16) -> bool {
    matches!(ede, 5..=12)
}

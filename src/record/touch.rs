//! What an event bears on, so that who does not know its kind knows whether to judge the log.

/// What a statement can bear on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// The figures and the seconds that hours tell of.
    Counts,
    /// Which version of a list is in force, and which entries of it.
    InForce,
}

impl Touch {
    /// The word in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::InForce => "in-force",
        }
    }
}

/// As leaves say it.
pub(super) fn words_of(touches: &[Touch]) -> impl Iterator<Item = &'static str> + '_ {
    touches.iter().map(|touch| touch.word())
}

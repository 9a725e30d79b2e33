//! The kinds of kept answers that can be forgotten.

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

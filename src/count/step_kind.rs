//! What is done about lists besides putting versions in force, as the report sums it up.

/// What was done about a list, as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A version was refused.
    Refused,
    /// An operator let findings pass.
    Override,
    /// An earlier version was put in force again.
    Rollback,
    /// Entries were taken off at once.
    Removal,
    /// A receipt was signed.
    Receipt,
}

impl StepKind {
    /// All kinds, in the order of the report's columns.
    pub const ALL: [Self; 5] = [
        Self::Refused,
        Self::Override,
        Self::Rollback,
        Self::Removal,
        Self::Receipt,
    ];

    /// The log's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Override => "override",
            Self::Rollback => "rollback",
            Self::Removal => "removal",
            Self::Receipt => "receipt",
        }
    }
}

//! The words for what the guard finds.

/// What a finding is about. Its word is stable: overrides and the journal speak of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// An entry covers every name there is.
    Root,
    /// An entry is a top-level domain.
    Tld,
    /// An entry is a public suffix of either section of the public suffix list, or covers one.
    PublicSuffix,
    /// An entry covers a name that must never be blocked.
    NeverBlock,
    /// An entry lies below a name under which nothing may be blocked.
    BelowNeverBlock,
    /// No entry at all.
    Empty,
    /// More entries added than may be.
    Added,
    /// The same in per cent.
    AddedPercent,
    /// More entries removed than may be.
    Removed,
    /// The same in per cent.
    RemovedPercent,
    /// More questions would be blocked than may be, found by trying the list out.
    Shadow,
    /// The serial leaps farther than serials do by themselves.
    Serial,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Root,
        Self::Tld,
        Self::PublicSuffix,
        Self::NeverBlock,
        Self::BelowNeverBlock,
        Self::Empty,
        Self::Added,
        Self::AddedPercent,
        Self::Removed,
        Self::RemovedPercent,
        Self::Shadow,
        Self::Serial,
    ];

    /// Those that an operator may let pass for good, each for a number of entries. What covers
    /// names that must never be blocked, or lies below them, is not among them, nor what has a
    /// limit of its own.
    pub const PASSABLE: [Self; 2] = [Self::Tld, Self::PublicSuffix];

    /// The word by which it is overridden.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "guard.root",
            Self::Tld => "guard.tld",
            Self::PublicSuffix => "guard.public-suffix",
            Self::NeverBlock => "guard.never-block",
            Self::BelowNeverBlock => "guard.below-never-block",
            Self::Empty => "guard.empty",
            Self::Added => "guard.added",
            Self::AddedPercent => "guard.added-percent",
            Self::Removed => "guard.removed",
            Self::RemovedPercent => "guard.removed-percent",
            Self::Shadow => "guard.shadow",
            Self::Serial => "guard.serial",
        }
    }

    /// The meaning of such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == word)
    }
}

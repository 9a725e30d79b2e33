//! The kinds of events.

use serde::{Deserialize, Serialize};

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A run began, and the program answers.
    Start,
    /// The run ended in order.
    Stop,
    /// The run had ended without a word; written by the next one.
    Crash,
    /// The clock was set, or hours were slept through.
    Clock,
    /// For a time nothing could be written.
    Unwritten,
    /// The log follows another one, or a list's record is older than what was promised: the state
    /// was restored, copied or emptied.
    Restored,
    /// The log follows another one, which was closed for a new form or a new key.
    Follows,
    /// The run ended in order, and the log goes on at another place alone.
    Moved,
    /// The configuration was changed; the run began with it.
    Configured,
    /// A source found a list that is not in force.
    Received,
    /// Its papers are in order.
    Verified,
    /// It was held back.
    Refused,
    /// An operator let named findings pass for one manifest.
    Override,
    /// It is tried out beside the list in force, or was.
    Staged,
    /// It is in force.
    Live,
    /// Our own doors were asked about it.
    Probed,
    /// A receipt was signed.
    Receipt,
    /// An earlier generation was put in force again.
    Rollback,
    /// Entries were taken off at once, or are so no longer.
    Removal,
    /// A list in force has run out, and goes on blocking.
    Expired,
    /// The counts of a list's entries in one hour, behind a commitment.
    EntryCounts,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 21] = [
        Self::Start,
        Self::Stop,
        Self::Crash,
        Self::Clock,
        Self::Unwritten,
        Self::Restored,
        Self::Follows,
        Self::Moved,
        Self::Configured,
        Self::Received,
        Self::Verified,
        Self::Refused,
        Self::Override,
        Self::Staged,
        Self::Live,
        Self::Probed,
        Self::Receipt,
        Self::Rollback,
        Self::Removal,
        Self::Expired,
        Self::EntryCounts,
    ];

    /// The word in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Crash => "crash",
            Self::Clock => "clock",
            Self::Unwritten => "unwritten",
            Self::Restored => "restored",
            Self::Follows => "follows",
            Self::Moved => "moved",
            Self::Configured => "configured",
            Self::Received => "received",
            Self::Verified => "verified",
            Self::Refused => "refused",
            Self::Override => "override",
            Self::Staged => "staged",
            Self::Live => "live",
            Self::Probed => "probed",
            Self::Receipt => "receipt",
            Self::Rollback => "rollback",
            Self::Removal => "removal",
            Self::Expired => "expired",
            Self::EntryCounts => "entry-counts",
        }
    }

    /// The kind of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

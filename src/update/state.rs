//! How lists stand and what became of them, for status, metrics and the commands.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::decisions::Generation;
use super::text::Stamp;
use crate::clock::UnixSeconds;
use crate::policy::{Shadow, Trial};

/// How a list stands, for status and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListState {
    /// The list's id.
    pub id: String,
    /// SHA-256 of the text in force, in hexadecimal; empty where none is.
    pub sha256: String,
    /// Different entries in force.
    pub entries: u64,
    /// Lines of the text in force that were no entries.
    pub rejects: u64,
    /// Memory of its table, in octets.
    pub octets: u64,
    /// Since when it is in force.
    pub live_since: UnixSeconds,
    /// The snapshot that it came in force with.
    pub generation: u64,
    /// The serial of its manifest; none where it has none.
    #[serde(default)]
    pub serial: Option<u64>,
    /// SHA-256 of its manifest's text, in hexadecimal; none where it has none.
    #[serde(default)]
    pub manifest: Option<String>,
    /// How soon after it is issued an issue must be in force, in seconds; none where nobody says.
    #[serde(default)]
    pub apply_within_s: Option<u64>,
    /// Seconds from being issued to being in force, of an issue that first came into force in this
    /// run; none of any other.
    #[serde(default)]
    pub in_force_after_s: Option<u64>,
    /// Issues that came into force later than that, since the start.
    #[serde(default)]
    pub deadlines_missed: u64,
    /// When it runs out; it goes on blocking, and that is an alarm.
    #[serde(default)]
    pub expires: Option<UnixSeconds>,
    /// It has run out.
    #[serde(default)]
    pub is_expired: bool,
    /// Its number among those kept on disk; none where it is not kept.
    #[serde(default)]
    pub kept: Option<u64>,
    /// The operator went back to it from a later one.
    #[serde(default)]
    pub is_rolled_back: bool,
    /// Entries in force that were taken off at once by removals.
    #[serde(default)]
    pub removed: u64,
    /// What is tried out to follow it; none where nothing is.
    #[serde(default)]
    pub trial: Option<TrialState>,
    /// When the last receipt was signed for it; none where none was.
    #[serde(default)]
    pub receipt: Option<UnixSeconds>,
    /// The age keys that do not open what is in force, where there are several.
    #[serde(default)]
    pub unused_identities: Vec<String>,
    /// What the operator let pass of it, and why.
    #[serde(default)]
    pub overrides: Vec<String>,
    /// When a source of it was last reached; none since the start.
    #[serde(default)]
    pub reached: Option<UnixSeconds>,
    /// What somebody must see to, though the list is in force.
    #[serde(default)]
    pub alarms: Vec<ListAlarm>,
    /// Why what was last offered is not in force; none when it is.
    pub last_refusal: Option<LastRefusal>,
}

/// Something about a list that somebody must see to, until it is mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListAlarm {
    /// What it is about.
    pub kind: ListAlarmKind,
    /// What is wrong, and what to do.
    pub message: String,
}

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListAlarmKind {
    /// The issue in force expires soon, or has expired.
    Expiry,
    /// The configuration does otherwise than the manifest asks.
    Difference,
    /// Today's keys have not signed what is in force.
    Unvouched,
    /// None of its sources has been reached for long.
    Silent,
    /// The state folder was restored from an older copy, copied or emptied.
    Restored,
}

impl ListAlarmKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Expiry,
        Self::Difference,
        Self::Unvouched,
        Self::Silent,
        Self::Restored,
    ];

    /// The word in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Expiry => "expiry",
            Self::Difference => "difference",
            Self::Unvouched => "unvouched",
            Self::Silent => "silent",
            Self::Restored => "restored",
        }
    }
}

/// An issue that is tried out: questions are held against it and counted, and it blocks nothing
/// yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialState {
    /// Its serial; none where it has no manifest.
    pub serial: Option<u64>,
    /// Its different entries.
    pub entries: u64,
    /// Since when.
    pub since: UnixSeconds,
    /// When it comes in force at the latest, or is refused.
    pub until: UnixSeconds,
    /// Questions so far.
    pub questions: u64,
    /// Those of them that it would block and that nothing in force blocks.
    pub hits: u64,
}

/// A refusal that stands until the list is in order again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRefusal {
    /// When it was spoken.
    pub at: UnixSeconds,
    /// What is wrong and what to do.
    pub message: String,
    /// SHA-256 of the text of the manifest that was refused, in hexadecimal; none where there was
    /// none to be believed.
    #[serde(default)]
    pub manifest: Option<String>,
}

/// What became of one list in a reload, or of one bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListOutcome {
    /// The list's id.
    pub id: String,
    /// What changed.
    #[serde(flatten)]
    pub change: ListChange,
}

/// What a reload or a bundle changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum ListChange {
    /// The new text is in force.
    Swapped {
        /// Different entries now.
        entries: u64,
        /// Lines that are no entries.
        rejects: u64,
    },
    /// It is in order and tried out first; what is in force stays until then.
    Staged {
        /// Its different entries.
        entries: u64,
        /// For how long at the most, in seconds from now.
        left_s: u64,
    },
    /// Its sources are looked at again, which takes a moment.
    Asked,
    /// The text is the one in force already.
    Unchanged,
    /// Entries were taken off at once.
    Removed {
        /// How many of those named were in force.
        entries: u64,
    },
    /// The removal will hold from this moment on.
    RemovalWaits {
        /// From when on.
        from: UnixSeconds,
    },
    /// The issue in force has taken the removal up already.
    Settled,
    /// Other keys may sign the list from now on.
    Keys {
        /// The last link of the chain.
        link: u64,
    },
    /// It was refused; what is in force stays.
    Refused {
        /// What is wrong and what to do.
        message: String,
        /// It may be over by itself, as with a full disk: it is tried again without being asked
        /// for.
        #[serde(default)]
        is_passing: bool,
    },
}

impl ListChange {
    /// Was it refused for a reason that may be over by itself?
    pub(super) const fn is_refused_for_now(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                is_passing: true,
                ..
            }
        )
    }

    /// Refused for something that somebody must mend.
    pub(super) const fn refused(message: String) -> Self {
        Self::Refused {
            message,
            is_passing: false,
        }
    }
}

/// What others may see of a list, published whole by its keeper.
#[derive(Clone, Default)]
pub(super) struct ListView {
    pub(super) state: ListState,
    pub(super) generations: Vec<Generation>,
    /// What is tried out, and what was counted of it in earlier runs.
    pub(super) shadow: Option<(Arc<Shadow>, Trial)>,
    /// Where it is kept; nothing where it is not.
    pub(super) folder: Option<PathBuf>,
    /// The file as it was when it was last judged.
    pub(super) attempted: Option<Stamp>,
    /// How often somebody asked for the sources to be looked at again.
    pub(super) asked: u64,
}

impl ListView {
    /// How it stands now, with what a trial has counted up to this moment.
    pub(super) fn state(&self) -> ListState {
        let mut state = self.state.clone();
        if let (Some((shadow, earlier)), Some(trial)) = (&self.shadow, &mut state.trial) {
            let now = shadow.trial();
            (trial.questions, trial.hits) =
                (earlier.questions + now.questions, earlier.hits + now.hits);
        }
        state
    }
}

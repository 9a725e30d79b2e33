//! What events say, each kind by a type of its own: the body of its leaf.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::bodies::{
    ClockLeaf, ClosedLog, ConfigurationChanged, EndedLog, EntriesCommitted, FoundSerial,
    IssueExpired, IssueLive, IssueReceipt, IssueReceived, IssueRefused, IssueVerified, LetPass,
    ListRemoval, MovedLog, ProbeResult, RemovalOver, RolledBack, RunStart, TrialBegun, TrialOver,
    Until, Withdrawal,
};
use super::event_kind::EventKind;
use super::moment::Moment;
use super::touch::Touch;

/// What an event says. Nothing in it is a listed name, or what somebody typed as a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A run began.
    Start(RunStart),
    /// The run ended in order.
    Stop,
    /// The run had ended without a word.
    Crash,
    /// The clock was set, or hours were slept through.
    Clock(ClockLeaf),
    /// The hour ends early in the log, which is about to go back.
    HourCutShort(Until),
    /// The log goes back to a time that is earlier than its own.
    Withdrawn(Withdrawal),
    /// Nothing could be written up to this moment.
    Unwritten(Until),
    /// This log follows another one, whose state was restored, copied or emptied.
    LogRestored(EndedLog),
    /// This log follows another one, which was closed in order.
    LogFollows(ClosedLog),
    /// The run ended in order, and the log goes on at another place.
    Moved(MovedLog),
    /// The configuration was changed; the run began with it.
    Configured(ConfigurationChanged),
    /// What is kept of a list is older than what was promised.
    ListRestored(FoundSerial),
    /// A source found an issue that is not in force.
    Received(IssueReceived),
    /// Its papers are in order.
    Verified(IssueVerified),
    /// It was held back.
    Refused(IssueRefused),
    /// An operator let findings pass.
    Override(LetPass),
    /// It is tried out.
    TrialBegun(TrialBegun),
    /// It was tried out.
    TrialOver(TrialOver),
    /// It is in force.
    Live(IssueLive),
    /// Our own doors were asked about it.
    Probed(ProbeResult),
    /// A receipt was signed.
    Receipt(IssueReceipt),
    /// An earlier generation was put in force again.
    Rollback(RolledBack),
    /// Entries were taken off at once.
    Removal(ListRemoval),
    /// A removal is over.
    RemovalOver(RemovalOver),
    /// The issue in force has run out.
    Expired(IssueExpired),
    /// The counts of a list's entries in one hour.
    EntryCounts(EntriesCommitted),
}

/// How the body of `clock` is written: one of the two keys says which way.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    back_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forward_s: Option<u64>,
    until: Moment,
}

impl Statement {
    /// Of which kind it is.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Start(_) => EventKind::Start,
            Self::Stop => EventKind::Stop,
            Self::Crash => EventKind::Crash,
            Self::Clock(_) | Self::HourCutShort(_) | Self::Withdrawn(_) => EventKind::Clock,
            Self::Unwritten(_) => EventKind::Unwritten,
            Self::LogRestored(_) | Self::ListRestored(_) => EventKind::Restored,
            Self::LogFollows(_) => EventKind::Follows,
            Self::Moved(_) => EventKind::Moved,
            Self::Configured(_) => EventKind::Configured,
            Self::Received(_) => EventKind::Received,
            Self::Verified(_) => EventKind::Verified,
            Self::Refused(_) => EventKind::Refused,
            Self::Override(_) => EventKind::Override,
            Self::TrialBegun(_) | Self::TrialOver(_) => EventKind::Staged,
            Self::Live(_) => EventKind::Live,
            Self::Probed(_) => EventKind::Probed,
            Self::Receipt(_) => EventKind::Receipt,
            Self::Rollback(_) => EventKind::Rollback,
            Self::Removal(_) | Self::RemovalOver(_) => EventKind::Removal,
            Self::Expired(_) => EventKind::Expired,
            Self::EntryCounts(_) => EventKind::EntryCounts,
        }
    }

    /// Is it about one list?
    pub const fn is_of_list(&self) -> bool {
        !matches!(
            self,
            Self::Start(_)
                | Self::Stop
                | Self::Crash
                | Self::Clock(_)
                | Self::HourCutShort(_)
                | Self::Withdrawn(_)
                | Self::Unwritten(_)
                | Self::LogRestored(_)
                | Self::LogFollows(_)
                | Self::Moved(_)
                | Self::Configured(_)
        )
    }

    /// What it bears on.
    pub const fn touches(&self) -> &'static [Touch] {
        match self {
            Self::Start(_) | Self::Live(_) | Self::Rollback(_) => &[Touch::Counts, Touch::InForce],
            Self::Stop | Self::Crash => &[Touch::Counts],
            Self::Clock(_) | Self::HourCutShort(_) | Self::Withdrawn(_) => &[Touch::Counts],
            Self::LogRestored(_) | Self::LogFollows(_) | Self::Moved(_) => &[Touch::Counts],
            Self::Removal(_) | Self::RemovalOver(_) => &[Touch::InForce],
            Self::Unwritten(_)
            | Self::Configured(_)
            | Self::ListRestored(_)
            | Self::Received(_)
            | Self::Verified(_)
            | Self::Refused(_)
            | Self::Override(_)
            | Self::TrialBegun(_)
            | Self::TrialOver(_)
            | Self::Probed(_)
            | Self::Receipt(_)
            | Self::Expired(_)
            | Self::EntryCounts(_) => &[],
        }
    }

    /// The body of its leaf.
    pub fn body(&self) -> Map<String, Value> {
        match self {
            Self::Stop | Self::Crash => Map::new(),
            Self::Start(body) => written(body),
            Self::Clock(ClockLeaf { by_s, until }) => {
                let by = Some(by_s.unsigned_abs());
                let (back_s, forward_s) = if *by_s < 0 { (by, None) } else { (None, by) };
                written(&ClockBody {
                    back_s,
                    forward_s,
                    until: *until,
                })
            }
            Self::HourCutShort(body) | Self::Unwritten(body) => written(body),
            Self::Withdrawn(body) => written(body),
            Self::LogRestored(body) => written(body),
            Self::LogFollows(body) => written(body),
            Self::Moved(body) => written(body),
            Self::Configured(body) => written(body),
            Self::ListRestored(body) => written(body),
            Self::Received(body) => written(body),
            Self::Verified(body) => written(body),
            Self::Refused(body) => written(body),
            Self::Override(body) => written(body),
            Self::TrialBegun(body) => written(body),
            Self::TrialOver(body) => written(body),
            Self::Live(body) => written(body),
            Self::Probed(body) => written(body),
            Self::Receipt(body) => written(body),
            Self::Rollback(body) => written(body),
            Self::Removal(body) => written(body),
            Self::RemovalOver(body) => written(body),
            Self::Expired(body) => written(body),
            Self::EntryCounts(body) => written(body),
        }
    }

    /// What an event of this kind says, of a list or of the program; nothing where it does not say
    /// exactly what such an event must.
    pub fn read(kind: EventKind, of_list: bool, body: &Map<String, Value>) -> Option<Self> {
        let statement = match kind {
            EventKind::Start => Self::Start(read(body)?),
            EventKind::Stop => Self::Stop,
            EventKind::Crash => Self::Crash,
            EventKind::Clock if body.contains_key("since") => Self::Withdrawn(read(body)?),
            EventKind::Clock if body.len() == 1 => Self::HourCutShort(read(body)?),
            EventKind::Clock => Self::Clock(read_clock(body)?),
            EventKind::Unwritten => Self::Unwritten(read(body)?),
            EventKind::Restored if of_list => Self::ListRestored(read(body)?),
            EventKind::Restored => Self::LogRestored(read(body)?),
            EventKind::Follows => Self::LogFollows(read(body)?),
            EventKind::Moved => Self::Moved(read(body)?),
            EventKind::Configured => Self::Configured(read(body)?),
            EventKind::Received => Self::Received(read(body)?),
            EventKind::Verified => Self::Verified(read(body)?),
            EventKind::Refused => Self::Refused(read(body)?),
            EventKind::Override => Self::Override(read(body)?),
            EventKind::Staged if body.contains_key("seconds") => Self::TrialBegun(read(body)?),
            EventKind::Staged => Self::TrialOver(read(body)?),
            EventKind::Live => Self::Live(read(body)?),
            EventKind::Probed => Self::Probed(read(body)?),
            EventKind::Receipt => Self::Receipt(read(body)?),
            EventKind::Rollback => Self::Rollback(read(body)?),
            EventKind::Removal if body.contains_key("end") => Self::RemovalOver(read(body)?),
            EventKind::Removal => Self::Removal(read(body)?),
            EventKind::Expired => Self::Expired(read(body)?),
            EventKind::EntryCounts => Self::EntryCounts(read(body)?),
        };
        // What may be left out must not be: there is one body for one meaning.
        (statement.is_of_list() == of_list && statement.body() == *body).then_some(statement)
    }
}

fn written<T: Serialize>(body: &T) -> Map<String, Value> {
    match serde_json::to_value(body) {
        Ok(Value::Object(body)) => body,
        // All bodies are structs of texts, numbers and lists of texts.
        _ => Map::new(),
    }
}

fn read<T: DeserializeOwned>(body: &Map<String, Value>) -> Option<T> {
    serde_json::from_value(Value::Object(body.clone())).ok()
}

fn read_clock(body: &Map<String, Value>) -> Option<ClockLeaf> {
    let ClockBody {
        back_s,
        forward_s,
        until,
    } = read(body)?;
    let by_s = match (back_s, forward_s) {
        (Some(back), None) => -i64::try_from(back).ok()?,
        (None, Some(forward)) => i64::try_from(forward).ok()?,
        _ => return None,
    };
    Some(ClockLeaf { by_s, until })
}

//! The bodies of events: what each kind says beside its time, its list and its run.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use crate::clock::{HOUR_S, UnixSeconds};
use crate::list::Hash;

/// The longest words that a leaf has room for beside the rest, in characters.
const WORDS_MAX: usize = 4_000;

/// How a run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStart {
    /// What shows that the log goes on where it was moved to; see [`MovedLog::admits`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived: Option<String>,
    /// By how many seconds the clock was behind the log.
    pub behind_s: u64,
    /// SHA-256 of the configuration file, in hexadecimal.
    pub configuration: String,
    /// The ids of its lists.
    pub lists: BTreeSet<String>,
    /// The boot of the run before; none at the first start of the log.
    pub previous: Option<String>,
    /// The public key that may name another key of the log, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
    /// The program and its version.
    pub software: String,
}

/// What was changed while the program ran: names of keys, never what they say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationChanged {
    /// The keys of the configuration that are in force as they stand now, and were otherwise
    /// before.
    pub changed: BTreeSet<String>,
    /// Those that were changed too, and wait for the next start.
    pub waiting: BTreeSet<String>,
}

impl ConfigurationChanged {
    /// The most keys that are named; a whole configuration may have more.
    const KEYS_MAX: usize = 200;

    /// With these keys, as far as a leaf has room for them.
    pub fn new(changed: Vec<String>, waiting: Vec<String>) -> Self {
        let named = |mut keys: Vec<String>| {
            if keys.len() > Self::KEYS_MAX {
                let more = keys.len() - Self::KEYS_MAX;
                keys.truncate(Self::KEYS_MAX);
                keys.push(format!("and {more} more"));
            }
            keys.into_iter().collect()
        };
        Self {
            changed: named(changed),
            waiting: named(waiting),
        }
    }
}

/// How the clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockLeaf {
    /// By how many seconds: forward, or back where it is negative.
    pub by_s: i64,
    /// From when on all is on record again; the event's own time where it was set back.
    pub until: Moment,
}

/// What the log told of this time and later is withdrawn: a clock that was ahead had dated it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// The end of the last hour that stands: hours that were told since are withdrawn.
    pub since: Moment,
    /// The log's time from here on.
    pub until: Moment,
}

/// A time up to which something lasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// The first second after it.
    pub until: Moment,
}

/// The log that ended, as the one that follows it tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndedLog {
    /// How many of its leaves were found.
    pub found: u64,
    /// Up to when what was found tells; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Moment>,
    /// Its name.
    pub origin: String,
    /// The root of their tree, in hexadecimal.
    pub root: String,
    /// How many of its leaves were signed, as far as is known.
    pub size: u64,
    /// From when on this log tells; none in older leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// `shorter`, `other`, `unknown`, `backup`, `damaged`, `newer` or `moved`.
    pub why: String,
}

/// The log goes on at another place, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedLog {
    /// SHA-256 of the octets that the next start has to show, in hexadecimal.
    pub to: String,
}

/// The log that was closed in order, as the one that goes on in its place tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedLog {
    /// Its name.
    pub origin: String,
    /// The root of its tree, in hexadecimal.
    pub root: String,
    /// How many leaves it has.
    pub size: u64,
    /// Up to when its hours are told: from there on this log tells them.
    pub until: Moment,
    /// `form` or `key`: what is new.
    pub why: String,
}

/// What is kept of a list whose record is older than what was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundSerial {
    /// The highest serial among it.
    pub found: Option<u64>,
}

/// How an issue came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IssueReceived {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// By which way: `file`, `folder`, `pull`, `push` or `transfer`.
    pub way: String,
}

/// When an issue's papers were found in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IssueVerified {
    /// In milliseconds since 1970.
    pub at_ms: i64,
}

/// Why an issue was held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueRefused {
    /// What the guard found, by its codes; none where it was something else.
    pub codes: Vec<String>,
    /// In words.
    pub message: String,
}

/// What an operator let pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LetPass {
    /// Which findings, by their codes.
    pub codes: Vec<String>,
    /// SHA-256 of the issue's manifest, or of the text where it has none, in hexadecimal.
    pub known_by: String,
}

/// An issue is tried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrialBegun {
    /// Its different entries.
    pub entries: u64,
    /// As in [`LetPass`].
    pub known_by: String,
    /// For how long.
    pub seconds: u64,
}

/// An issue was tried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrialOver {
    /// Questions meanwhile.
    pub questions: u64,
    /// Those that the issue would block, and what is in force does not.
    pub would_be_blocked: u64,
}

/// An issue is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueLive {
    /// Its different entries.
    pub entries: u64,
    /// Its number among those that are kept; none where it is not kept.
    pub generation: Option<u64>,
    /// When it was issued, in seconds since 1970; none without a manifest.
    pub issued: Option<UnixSeconds>,
    /// Lines that are no entries.
    pub rejects: u64,
    /// SHA-256 of its text, in hexadecimal.
    pub sha256: String,
}

/// What our own doors answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeResult {
    /// Questions to them.
    pub asked: u64,
    /// Those that were answered as the list demands.
    pub right: u64,
}

/// What a receipt says, each in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IssueReceipt {
    /// When it was in force.
    pub live_ms: i64,
    /// When it was proven.
    pub probed_ms: i64,
    /// When it came.
    pub received_ms: i64,
    /// When it was believed.
    pub verified_ms: i64,
}

/// An earlier generation was put in force again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolledBack {
    /// SHA-256 of its manifest, in hexadecimal.
    pub manifest: Option<String>,
    /// Its serial.
    pub serial: Option<u64>,
    /// Its number.
    pub to: u64,
}

/// Entries were taken off a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRemoval {
    /// How many entries of what is in force are taken off.
    pub entries: u64,
    /// From when on, as the removal says, in seconds since 1970.
    pub from: UnixSeconds,
    /// How many entries the removal names.
    pub named: u64,
    /// SHA-256 of the removal's text, in hexadecimal.
    pub removal: String,
    /// Until when, as the removal says.
    pub until: UnixSeconds,
}

/// A removal is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalOver {
    /// `settled` by an issue, or `ran out`.
    pub end: String,
    /// SHA-256 of the removal's text, in hexadecimal.
    pub removal: String,
    /// The serial in force.
    pub serial: Option<u64>,
}

/// The issue in force has run out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueExpired {
    /// When, in seconds since 1970.
    pub expires: Option<UnixSeconds>,
    /// SHA-256 of its manifest, in hexadecimal.
    pub manifest: Option<String>,
    /// Its serial.
    pub serial: Option<u64>,
}

/// What the log says of the counts of a list's entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntriesCommitted {
    /// SHA-256 of the salt and the counts, in hexadecimal.
    pub commitment: String,
    /// How many different entries blocked something.
    pub entries: u64,
    /// The hour's first second.
    pub hour: Moment,
}

impl ClockLeaf {
    /// Can it be of this moment? Where the clock was set back, nothing is missing.
    pub fn is_of(self, at: Moment) -> bool {
        if self.by_s < 0 {
            self.until == at
        } else {
            self.until >= at
        }
    }
}

impl MovedLog {
    /// The move to whoever has `token`.
    pub fn to(token: &Hash) -> Self {
        Self {
            to: Hash::of(&token.0).to_string(),
        }
    }

    /// Does a start that shows this go on with the log?
    pub fn admits(&self, arrived: &str) -> bool {
        Hash::parse(arrived).is_some_and(|token| Self::to(&token) == *self)
    }
}

impl EndedLog {
    /// Can a log whose first leaf is of the hour `begins` say this of when it tells?
    pub fn is_told_by(&self, begins: UnixSeconds) -> bool {
        let is_hour = |at: Moment| at.0 % HOUR_S == 0;
        match (self.from, self.until) {
            (from, Some(until)) => {
                until.0 == begins && from.is_none_or(|from| is_hour(from) && from <= until)
            }
            (None, None) => true,
            (Some(_), None) => false,
        }
    }
}

impl IssueRefused {
    /// With as much of the message as a leaf has room for.
    pub fn new(message: &str, codes: &[&str]) -> Self {
        let mut message: String = message.to_owned();
        if let Some((end, _)) = message.char_indices().nth(WORDS_MAX) {
            message.truncate(end);
            message.push('…');
        }
        let codes = codes.iter().map(|&code| code.to_owned());
        Self {
            codes: codes.collect(),
            message,
        }
    }
}

//! What is said over the control socket; the same shapes are what `--json` prints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::changes::{AnswerKind, TemporaryChange};
use super::lookup_reply::{LookupReply, LookupRequest};
use super::standings::{
    AnchorsReply, QuestionsReply, ServersReply, UpstreamStatus, UpstreamsReply,
};
use super::verdict::Why;
use crate::clock::UnixSeconds;
use crate::measure::Readiness;
use crate::resolve::AnchorStatus;
use crate::store::Flushing;
use crate::update::{Generation, ListOutcome, ListState};
use crate::witness::WitnessStanding;

/// What an operator asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How everything stands.
    Status,
    /// Read the configuration and all lists again, or one list.
    Reload {
        /// One list's id; everything without it.
        list: Option<String>,
        /// Only say what would be changed in the configuration.
        #[serde(default)]
        dry_run: bool,
    },
    /// Let findings of the guard pass, for what it holds back of a list now.
    Override {
        /// The list's id.
        list: String,
        /// The findings' codes.
        codes: Vec<String>,
        /// Why; written into the journal.
        reason: String,
    },
    /// Put an earlier generation of a list in force.
    Rollback {
        /// The list's id.
        list: String,
        /// Its number; the one before the present without it.
        generation: Option<u64>,
        /// Why; written into the journal.
        reason: String,
    },
    /// Take entries off a list at once.
    Remove {
        /// The signed note.
        note: String,
    },
    /// The generations of a list that are on disk.
    Generations {
        /// The list's id.
        list: String,
    },
    /// The receipts that were signed.
    Receipts {
        /// One list's id; all lists without it.
        list: Option<String>,
    },
    /// Would this name be blocked?
    Why {
        /// The name, as text.
        name: String,
    },
    /// Answer a question like a client's, and say how.
    Lookup(LookupRequest),
    /// Who serves a zone, and how these servers stand.
    Servers {
        /// The zone's name, as text.
        zone: String,
    },
    /// How the upstream resolvers stand.
    Upstreams,
    /// The trust anchors and the negative ones.
    Anchors,
    /// The questions that are under way.
    Questions,
    /// Forget cached answers.
    Flush {
        /// This name's; all without it.
        name: Option<String>,
        /// And those of all names below it.
        #[serde(default)]
        below: bool,
        /// Only those of this kind.
        #[serde(default)]
        kind: Option<AnswerKind>,
    },
    /// Change something until the next start.
    Change {
        /// What.
        change: TemporaryChange,
    },
}

/// What the running program says to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum ControlReply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Reload`], [`Request::Override`], [`Request::Rollback`] and
    /// [`Request::Remove`].
    Reload(Reloaded),
    /// To [`Request::Generations`].
    Generations {
        /// Oldest first.
        generations: Vec<Generation>,
    },
    /// To [`Request::Receipts`].
    Receipts {
        /// The notes, list by list, oldest first.
        receipts: Vec<String>,
    },
    /// To [`Request::Why`].
    Why(Why),
    /// To [`Request::Lookup`].
    Lookup(Box<LookupReply>),
    /// To [`Request::Servers`].
    Servers(ServersReply),
    /// To [`Request::Upstreams`].
    Upstreams(UpstreamsReply),
    /// To [`Request::Anchors`].
    Anchors(AnchorsReply),
    /// To [`Request::Questions`].
    Questions(QuestionsReply),
    /// To [`Request::Flush`].
    Flush(Flushed),
    /// To [`Request::Change`].
    Temporary {
        /// All that is changed until the next start, in words.
        temporary: Vec<String>,
    },
    /// The request could not be fulfilled.
    Failed {
        /// Why, and what to do.
        message: String,
    },
}

/// How everything stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The program's process.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// The number of the snapshot in force.
    pub generation: u64,
    /// The doors that are open, like "udp 127.0.0.1:5300".
    pub doors: Vec<String>,
    /// Keys of the configuration that wait for the next start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// What an operator changed until the next start, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub temporary: Vec<String>,
    /// Clients are to go elsewhere, before a stop.
    #[serde(default)]
    pub is_leaving: bool,
    /// Until when the certificate of the TLS doors is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_until: Option<UnixSeconds>,
    /// Whether clients can be sent here.
    #[serde(default)]
    pub readiness: Readiness,
    /// What takes its time now, the oldest first: the start, a reload, a change of a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub underway: Vec<UnderwayStatus>,
    /// The lists in the order of the configuration.
    pub lists: Vec<ListStatus>,
    /// Questions since the start.
    pub questions: Questions,
    /// Its memory.
    #[serde(default)]
    pub memory: MemoryStatus,
    /// The cache.
    pub cache: CacheStatus,
    /// How the writing of the counts goes.
    pub counts: Flushing,
    /// The copy of the root zone, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_copy: Option<RootCopyStatus>,
    /// The trust anchors, where signatures are checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_anchors: Vec<AnchorStatus>,
    /// Answers refused because they lead into private networks, where that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebindings: Option<u64>,
    /// The resolvers that are asked, about everything or about single zones; none where the
    /// authorities are.
    pub upstreams: Vec<UpstreamStatus>,
    /// Who cosigns the audit log, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<WitnessStanding>,
}

/// One thing that takes its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderwayStatus {
    /// What it is, such as "the lists are read".
    pub what: String,
    /// For so many seconds so far.
    pub for_s: u64,
}

/// How one list stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListStatus {
    /// What is in force.
    #[serde(flatten)]
    pub state: ListState,
    /// Who made the list.
    pub authority: String,
    /// Questions that it blocked since the start.
    pub blocked: u64,
}

/// Questions since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Questions {
    /// All.
    pub total: u64,
    /// By how they ended.
    pub ended: BTreeMap<String, u64>,
    /// By the door that they came by.
    #[serde(default)]
    pub doors: BTreeMap<String, u64>,
    /// How long replies took.
    #[serde(default)]
    pub latency: Vec<LatencyBucket>,
}

/// Replies that took longer than the bucket before allows, and no longer than this one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyBucket {
    /// The longest time, in microseconds; none of the last bucket.
    pub us_max: Option<u64>,
    /// The replies.
    pub replies: u64,
}

/// How much memory the program takes, in octets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryStatus {
    /// What it has now.
    pub resident: u64,
    /// The most that it may take: cache, twice the lists' tables, resolver, connections, waiting
    /// questions.
    pub budget: u64,
}

/// How the cache stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStatus {
    /// Answers kept.
    pub answers: u64,
    /// Memory they take, in octets.
    pub octets: u64,
    /// Memory they may take, in octets.
    pub octets_max: u64,
    /// Questions answered from it since the start.
    #[serde(default)]
    pub hits: u64,
    /// Questions answered from outside since the start.
    #[serde(default)]
    pub misses: u64,
    /// Of these, those answered with what had run out, since nobody could be reached (RFC 8767).
    #[serde(default)]
    pub stale: u64,
    /// Answers renewed ahead of time.
    #[serde(default)]
    pub renewed: u64,
}

/// How the copy of the root zone stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootCopyStatus {
    /// The zone's serial number.
    pub serial: u32,
    /// Until when it holds, in seconds since 1970.
    pub until: i64,
    /// Does it hold now? Otherwise the root's servers are asked.
    pub holds: bool,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// List by list.
    pub lists: Vec<ListOutcome>,
    /// What became of the configuration, where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ConfigReload>,
}

/// What a reload did to the configuration, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigReload {
    /// What is otherwise than before, in words, such as "limits.waiting: 2000 -> 3000".
    pub changed: Vec<String>,
    /// What is otherwise in the file and can be in force only after a restart, in words.
    pub waiting: Vec<String>,
    /// It was only looked at.
    pub dry_run: bool,
}

/// What a flush did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flushed {
    /// Answers forgotten.
    pub removed: u64,
}

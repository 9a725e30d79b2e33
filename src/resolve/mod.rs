//! Finding the real answer for names that are not listed, by recursion or by asking the provider's
//! own resolvers.
//!
//! Both ways stand behind [`Resolver`], which asks never longer than patience allows. Whoever asks
//! sees to it that a question is asked once.

mod budget;
mod convert;
pub mod dns64;
mod exchange;
pub mod forward;
mod iterate;
mod rebinding;
pub mod recurse;
mod renumber;
mod reply;
mod reply_writer;
mod routes;
mod rrset;
mod validate;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

pub use self::iterate::RootStanding;
use self::rebinding::Rebinding;
pub use self::renumber::Renumbering;
pub use self::routes::{Route, Target};
use crate::clock::UnixSeconds;
use crate::name::Name;

/// The most memory that is learnt on the way to answers: delegations, servers' words, keys, proofs.
pub const MEMORY_OCTETS_MAX: u64 = recurse::MEMORY_OCTETS_MAX + recurse::PROOFS_OCTETS_MAX;

/// What is asked of the outside world: one name and type in class IN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name, lower-case.
    pub name: Name,
    /// The record type's number.
    pub qtype: u16,
    /// The client set DO: signatures are wanted in the answer (RFC 4035 section 3.2.1).
    pub dnssec_ok: bool,
    /// The client set CD: it validates by itself (RFC 4035 section 3.2.2).
    pub checking_disabled: bool,
}

/// A reply from outside, ready to be cached.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// A whole DNS message: header (id 0, QR, RA, AD and RCODE as they are to be served), the
    /// question with the lower-case name uncompressed at octet 12, then the answer and authority
    /// sections. Without additional records and without OPT.
    pub wire: Vec<u8>,
    /// The extended error that goes with it, if any (RFC 8914 INFO-CODE).
    pub ede: Option<u16>,
}

/// Why there is no answer; each becomes SERVFAIL with its extended error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing was heard in time, or no authority that was would answer (EDE 22, No Reachable
    /// Authority).
    #[error("no server answered in time")]
    Unreachable,
    /// What was heard is of no use (EDE 23, Network Error).
    #[error("no server gave a usable answer")]
    Unusable,
    /// Signatures do not hold (EDE 6, DNSSEC Bogus).
    #[error("the answer fails DNSSEC validation")]
    Bogus,
    /// Signatures would hold but are past their date (EDE 7, Signature Expired).
    #[error("the answer's signatures have expired")]
    Expired,
    /// Signatures would hold but not before a date to come (EDE 8, Signature Not Yet Valid).
    #[error("the answer's signatures are not valid yet")]
    NotYetValid,
    /// No key of a zone is the one that its parent vouches for (EDE 9, DNSKEY Missing).
    #[error("the zone's keys are not those that its parent names")]
    KeyMissing,
    /// A signed zone's answer came without signatures (EDE 10, RRSIGs Missing).
    #[error("the answer's signatures are missing")]
    Unsigned,
    /// A signed zone denies without the proof (EDE 12, NSEC Missing).
    #[error("the answer's proof that something does not exist is missing")]
    Unproven,
    /// The name asks, in the manner of RFC 8509, whether a key is among the root's anchors, and
    /// this is how to say no (EDE 0, Other).
    #[error("the root key sentinel says no")]
    Sentinel,
    /// A limit of ours was reached first (EDE 0, Other).
    #[error("the question needs more work than is allowed")]
    TooMuchWork,
    /// More questions are waiting than are allowed in all (EDE 23, Network Error).
    #[error("too many questions are waiting")]
    Crowded,
}

impl Failure {
    /// Is it one of the network or of load, which an answer of before helps over (RFC 8767)? What
    /// fails validation is none.
    pub const fn is_outage(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Unusable | Self::TooMuchWork | Self::Crowded
        )
    }

    /// The INFO-CODE of RFC 8914 section 4 that tells the client.
    pub const fn ede(self) -> u16 {
        match self {
            Self::TooMuchWork | Self::Sentinel => 0,
            Self::Bogus => 6,
            Self::Expired => 7,
            Self::NotYetValid => 8,
            Self::KeyMissing => 9,
            Self::Unsigned => 10,
            Self::Unproven => 12,
            Self::Unreachable => 22,
            Self::Unusable | Self::Crowded => 23,
        }
    }
}

/// How the outside world is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The way, with its own settings.
    pub mode: Mode,
    /// Zones for which there is another way, each with all below it.
    pub zones: Vec<Route>,
    /// Names that alone may have addresses of private networks, with all below them; without it all
    /// may.
    pub private_names: Option<Vec<Name>>,
    /// The longest a question waits for its answer.
    pub patience: Duration,
    /// Make IPv6 addresses of IPv4 ones, behind this prefix, for names that have no others.
    pub dns64: Option<dns64::Prefix>,
    /// Networks whose addresses are given as those of others.
    pub renumbering: Vec<Renumbering>,
}

/// The two ways to find an answer.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Ask the authorities, from the root down.
    Recurse(recurse::Settings),
    /// Ask resolvers that recurse themselves.
    Forward(forward::Settings),
}

/// Why the resolver cannot be started; always a matter of configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A line of the root hints that is neither NS, A nor AAAA.
    #[error("root hints, line {line}: want an NS, A or AAAA record, one a line")]
    RootHints {
        /// Counted from 1.
        line: usize,
    },
    /// The copy of the root zone is none.
    #[error("{0}")]
    RootCopy(String),
    /// No address to begin with.
    #[error("the root hints hold no usable address")]
    NoRoot,
    /// A trust anchor cannot be read; says which text and line.
    #[error("trust anchors: {0}")]
    TrustAnchors(String),
    /// Forwarding without anybody to forward to.
    #[error("forwarding needs at least one upstream address")]
    NoUpstream,
    /// A name that cannot be that of a zone.
    #[error("{0}: this name cannot be that of a zone")]
    NoZone(String),
    /// The file that upstreams' certificates are checked by is of no use.
    #[error("{0}")]
    Authorities(String),
    /// The recursor refuses its settings.
    #[error("the recursor cannot be built: {0}")]
    Recursor(String),
}

/// Asks the outside world; cheap to clone, all clones are one.
#[derive(Clone)]
pub struct Resolver {
    source: Arc<Source>,
    rebinding: Option<Arc<Rebinding>>,
    patience: Duration,
    dns64: Option<dns64::Prefix>,
    renumbering: Arc<[Renumbering]>,
}

enum Source {
    Recurse(recurse::Recursion),
    Forward(forward::Forwarder),
}

impl Resolver {
    /// Check the settings and get ready; nothing is asked yet. Needs a tokio runtime around it.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let own: Vec<Name> = settings
            .zones
            .iter()
            .map(|zone| zone.name.clone())
            .collect();
        let rebinding = settings
            .private_names
            .map(|names| Arc::new(Rebinding::new([names, own].concat())));
        let zones = routes::OwnRoutes::start(settings.zones)?;
        let source = match settings.mode {
            Mode::Recurse(mode) => Source::Recurse(recurse::Recursion::start(mode, zones)?),
            Mode::Forward(mode) => {
                Source::Forward(forward::Forwarder::start(mode, zones, settings.patience)?)
            }
        };
        Ok(Self {
            source: Arc::new(source),
            rebinding,
            patience: settings.patience,
            dns64: settings.dns64,
            renumbering: settings.renumbering.into(),
        })
    }

    /// The longest that a question is to wait for its answer, as the settings have it.
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// The answer from outside, or why there is none, within `patience`. With DNS64 an answer may
    /// take two questions.
    pub async fn fetch(&self, question: &Question, patience: Duration) -> Result<Fetched, Failure> {
        let deadline = Instant::now() + patience;
        let fetched = self.fetch_one(question, patience).await?;
        match &self.dns64 {
            Some(prefix) => prefix.complete(self, question, fetched, deadline).await,
            None => Ok(fetched),
        }
    }

    async fn fetch_one(&self, question: &Question, patience: Duration) -> Result<Fetched, Failure> {
        let answer = async {
            match &*self.source {
                Source::Recurse(recursion) => recursion.fetch(question, patience).await,
                Source::Forward(forwarder) => forwarder.fetch(question).await,
            }
        };
        let fetched = tokio::time::timeout(patience, answer)
            .await
            .unwrap_or(Err(Failure::Unreachable))?;
        let fetched = match &self.rebinding {
            Some(rebinding) => rebinding.hold_back(question, fetched),
            None => fetched,
        };
        Ok(renumber::renumber(&self.renumbering, question, fetched))
    }

    /// The upstream resolvers in the order of the settings, then those of single zones.
    pub fn upstreams(&self) -> Vec<Upstream> {
        match &*self.source {
            Source::Recurse(recursion) => recursion.upstreams(),
            Source::Forward(forwarder) => forwarder.upstreams(),
        }
    }

    /// How the copy of the root zone stands, if there is one.
    pub fn root_copy(&self) -> Option<RootStanding> {
        match &*self.source {
            Source::Recurse(recursion) => recursion.root_copy(),
            Source::Forward(_) => None,
        }
    }

    /// What all servers asked so far did.
    pub fn totals(&self) -> ResolveTotals {
        let tally = match &*self.source {
            Source::Recurse(recursion) => recursion.tally(),
            Source::Forward(forwarder) => forwarder.tally(),
        };
        ResolveTotals {
            answers: tally.answers.load(Ordering::Relaxed),
            failures: tally.failures.load(Ordering::Relaxed),
            rebindings: self.rebinding.as_ref().map(|rebinding| rebinding.refused()),
        }
    }

    /// Forget what was learnt from outside (delegations, keys, answers kept by the recursor), all
    /// or of one name and those below it, for `wardline flush`.
    pub fn forget(&self, below: Option<&Name>) -> Result<(), StartError> {
        match &*self.source {
            Source::Recurse(recursion) => recursion.forget(below),
            Source::Forward(forwarder) => forwarder.forget(below),
        }
    }
}

/// One upstream resolver as status and metrics show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Who it is.
    pub server: forward::Server,
    /// The zone that it is asked about; none where that is everything.
    pub zone: Option<Name>,
    /// Usable replies so far.
    pub answers: u64,
    /// Tries that brought no usable reply so far.
    pub failures: u64,
    /// Since when it is passed over, if it is.
    pub down_since: Option<UnixSeconds>,
}

/// Sums over all servers since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolveTotals {
    /// Usable replies.
    pub answers: u64,
    /// Tries that brought no usable reply.
    pub failures: u64,
    /// Answers held back for their private addresses, where that is asked for.
    pub rebindings: Option<u64>,
}

/// The counters behind [`ResolveTotals`] and [`Upstream`].
#[derive(Debug, Default)]
struct ResolveTally {
    answers: AtomicU64,
    failures: AtomicU64,
}

impl ResolveTally {
    fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

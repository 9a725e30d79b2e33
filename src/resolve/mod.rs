//! Finding the real answer for names that are not listed, by recursion or by asking the provider's
//! own resolvers.
//!
//! Both ways stand behind [`Resolver`], which asks never longer than patience allows. Whoever asks
//! sees to it that a question is asked once.

mod beside_alias;
mod budget;
mod convert;
mod deny_below;
pub mod dns64;
mod engine;
mod exchange;
mod failure;
pub mod forward;
mod iterate;
mod presentation;
mod question;
mod rebinding;
pub mod recurse;
mod renumber;
mod reply;
mod reply_record;
mod reply_writer;
mod routes;
mod rrset;
mod start_error;
mod tally;
mod trace;
mod under_way;
mod validate;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

pub use self::beside_alias::BesideAlias;
pub use self::deny_below::deny_below;
pub use self::failure::Failure;
pub use self::forward::Upstream;
pub use self::iterate::RootStanding;
pub use self::presentation::{PresentedError, PresentedReply, present, rcode_name};
pub use self::question::{AnswerTrust, Fetched, Question, type_name, type_number};
pub use self::renumber::Renumbering;
pub use self::routes::{Route, Target};
pub use self::start_error::StartError;
pub use self::trace::{
    ExchangeOutcome, ExchangeStep, KeysKnownBy, ReplySeen, ServerStanding, TcpReason, Trace,
    TraceEvent, TraceReport, TraceStep, ZoneStanding,
};
pub use self::under_way::UnderWayOutside;
pub use self::validate::is_zone_cut;
pub use self::validate::{AnchorStatus, KeptAnchors, KeyState};

use self::budget::Budget;
use self::convert::their_name;
use self::engine::{Engine, Foundation};
use self::forward::Upstreams;
use self::rebinding::Rebinding;
use self::routes::OwnRoutes;
use self::tally::ResolveTally;
use crate::name::Name;

/// The most memory that is learnt on the way to answers: delegations, servers' words, keys, proofs.
pub const MEMORY_OCTETS_MAX: u64 = recurse::MEMORY_OCTETS_MAX + recurse::PROOFS_OCTETS_MAX;

/// How the outside world is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How authorities are asked, and what is believed, whoever says it.
    pub recurse: recurse::Settings,
    /// The resolvers that are asked about everything but the zones; without it the authorities are
    /// asked, from the root down.
    pub forward: Option<forward::Settings>,
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

/// Asks the outside world; cheap to clone, all clones are one.
#[derive(Clone)]
pub struct Resolver {
    source: Arc<Source>,
    rebinding: Option<Arc<Rebinding>>,
    patience: Duration,
    dns64: Option<dns64::Prefix>,
    renumbering: Arc<[Renumbering]>,
    /// Records what is done; usually nothing is recorded.
    trace: Option<Arc<Trace>>,
}

struct Source {
    foundation: Arc<Foundation>,
    /// Replaced as a whole to forget everything; questions in flight finish with the old one.
    engine: RwLock<Arc<Engine>>,
}

impl Source {
    fn start(
        recurse: recurse::Settings,
        forward: Option<forward::Settings>,
        zones: OwnRoutes,
    ) -> Result<Self, StartError> {
        let upstreams = forward
            .map(|settings| Upstreams::new(settings, None).map(Arc::new))
            .transpose()?;
        let (roots, root_copy) = if upstreams.is_some() {
            (Vec::new(), None)
        } else {
            (recurse.roots()?, recurse.open_root_copy()?)
        };
        let tally = upstreams
            .as_ref()
            .map_or_else(Arc::<ResolveTally>::default, |upstreams| {
                Arc::clone(upstreams.tally())
            });
        let foundation = Arc::new(Foundation {
            anchors: Arc::new(recurse::build_anchors(&recurse)?),
            recurse,
            roots,
            root_copy,
            upstreams,
            zones,
            tally,
        });
        let engine = RwLock::new(Arc::new(Engine::build(&foundation)?));
        Ok(Self { foundation, engine })
    }

    fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine.read().unwrap_or_else(PoisonError::into_inner))
    }
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
            .map(|names| Arc::new(Rebinding::new([names, own].concat(), settings.dns64)));
        let zones = OwnRoutes::start(settings.zones)?;
        Ok(Self {
            source: Arc::new(Source::start(settings.recurse, settings.forward, zones)?),
            rebinding,
            patience: settings.patience,
            dns64: settings.dns64,
            renumbering: settings.renumbering.into(),
            trace: None,
        })
    }

    /// The same, with a record of what it does for the one question that it is asked.
    ///
    /// # Errors
    /// As at the start, where all is to be learnt anew.
    pub fn traced(&self, knowing: Knowledge) -> Result<(Self, Arc<Trace>), StartError> {
        let source = match knowing {
            Knowledge::Everything => Arc::clone(&self.source),
            Knowledge::Nothing => {
                let foundation = Arc::clone(&self.source.foundation);
                let engine = self.source.engine().anew(&foundation)?;
                Arc::new(Source {
                    foundation,
                    engine: RwLock::new(Arc::new(engine)),
                })
            }
        };
        let trace = Arc::new(Trace::begin());
        let traced = Self {
            source,
            trace: Some(Arc::clone(&trace)),
            ..self.clone()
        };
        Ok((traced, trace))
    }

    /// The longest that a question is to wait for its answer, as the settings have it.
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// The answer from outside, or why there is none, within `patience`. With DNS64 an answer may
    /// take two questions.
    pub async fn fetch(&self, question: &Question, patience: Duration) -> Result<Fetched, Failure> {
        let deadline = Instant::now() + patience;
        if let Some(prefix) = &self.dns64
            && let Some(wanted) = self.reversed(question)
        {
            let found = self.fetch_one(&wanted, patience).await?;
            return prefix.lead_to(question, &wanted, found);
        }
        let fetched = self.fetch_one(question, patience).await?;
        let wanted = self
            .dns64
            .as_ref()
            .and_then(|prefix| Some((prefix, prefix.wants(question, &fetched)?)));
        let Some((prefix, wanted)) = wanted else {
            return Ok(fetched);
        };
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        let found = self.fetch_one(&wanted.question, left).await?;
        let made = prefix.complete(question, &fetched, found, wanted.ttl_s_max);
        Ok(made.unwrap_or(fetched))
    }

    /// The question that is asked in place of one for the name of an address made by DNS64.
    pub fn reversed(&self, question: &Question) -> Option<Question> {
        self.dns64.as_ref()?.reversed(question)
    }

    async fn fetch_one(&self, question: &Question, patience: Duration) -> Result<Fetched, Failure> {
        let engine = self.source.engine();
        let fetching = engine.fetch(question, patience, self.trace.as_ref());
        let fetched = tokio::time::timeout(patience, fetching)
            .await
            .unwrap_or(Err(Failure::Unreachable));
        if let (Some(trace), Err(failure)) = (&self.trace, &fetched) {
            trace.note(TraceEvent::Failure {
                why: failure.to_string(),
                ede: failure.ede(),
            });
        }
        let fetched = fetched?;
        let fetched = match &self.rebinding {
            Some(rebinding) => rebinding.hold_back(question, fetched),
            None => fetched,
        };
        Ok(renumber::renumber(&self.renumbering, question, fetched))
    }

    /// The closest zone at or above a name that is known, and how its servers stand; nothing where
    /// resolvers are asked about it.
    pub fn zone_standing(&self, name: &Name) -> Option<ZoneStanding> {
        self.source.engine().zone_standing(&their_name(name).ok()?)
    }

    /// What is being asked of authorities now.
    pub fn under_way(&self) -> UnderWayOutside {
        UnderWayOutside::of(self.source.engine().under_way())
    }

    /// The upstream resolvers in the order of the settings, then those of single zones.
    pub fn upstreams(&self) -> Vec<Upstream> {
        let Foundation {
            upstreams, zones, ..
        } = &*self.source.foundation;
        let all = upstreams.iter().chain(zones.upstreams());
        all.flat_map(|upstreams| upstreams.show()).collect()
    }

    /// How the copy of the root zone stands, if there is one.
    pub fn root_copy(&self) -> Option<RootStanding> {
        self.source
            .foundation
            .root_copy
            .as_ref()
            .and_then(|copy| copy.standing())
    }

    /// How the trust anchors stand.
    pub fn anchors(&self) -> Vec<AnchorStatus> {
        self.source.foundation.anchors.status()
    }

    /// What is to be kept of the trust anchors over a restart, with its version, which is another
    /// one whenever there is news. Nothing where they are not followed.
    pub fn anchors_to_keep(&self, known: u64) -> Option<(u64, String)> {
        let anchors = &self.source.foundation.anchors;
        let version = anchors.version();
        (version != known).then(|| (version, anchors.text()))
    }

    /// Ask for the keys of the zones with anchors where that is due (RFC 5011 section 2.3), and
    /// tell their servers which anchors are in force (RFC 8145), if that is wanted.
    pub async fn refresh_anchors(&self) {
        let Foundation {
            anchors, recurse, ..
        } = &*self.source.foundation;
        for zone in anchors.due() {
            let (engine, budget) = (self.source.engine(), Budget::new(self.patience));
            let refreshed = engine.refresh_keys(&zone, &budget);
            let refreshed = tokio::time::timeout(self.patience, refreshed).await;
            anchors.note_asked(&zone);
            if let Err(failure) = refreshed.unwrap_or(Err(Failure::Unreachable)) {
                anchors.note_failure(&zone, failure);
            }
            if let Some(signal) = anchors.signal(&zone).filter(|_| recurse.signal_anchors) {
                let budget = Budget::new(self.patience);
                let signalled = engine.signal(&signal, &budget);
                let _ = tokio::time::timeout(self.patience, signalled).await;
            }
        }
    }

    /// What all servers asked so far did.
    pub fn totals(&self) -> ResolveTotals {
        let tally = &self.source.foundation.tally;
        ResolveTotals {
            answers: tally.answers.load(Ordering::Relaxed),
            failures: tally.failures.load(Ordering::Relaxed),
            rebindings: self.rebinding.as_ref().map(|rebinding| rebinding.refused()),
        }
    }

    /// The memory of what was learnt on the way to answers (delegations, servers' words, keys), in
    /// octets; proofs of absence are not in it.
    pub fn octets(&self) -> u64 {
        self.source.engine().octets()
    }

    /// Forget what was learnt from outside (delegations, keys, answers kept by the recursor), all
    /// or of one name and those below it, for `wardline flush`.
    pub fn forget(&self, below: Option<&Name>) -> Result<(), StartError> {
        if let Some(below) = below {
            let below = their_name(below).map_err(|_| StartError::NoZone(below.to_string()))?;
            self.source.engine().forget(&below);
            return Ok(());
        }
        let anew = Arc::new(Engine::build(&self.source.foundation)?);
        *self
            .source
            .engine
            .write()
            .unwrap_or_else(PoisonError::into_inner) = anew;
        Ok(())
    }
}

/// What of all that was learnt a question is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// All of it: delegations, what was said, keys, proofs.
    Everything,
    /// How servers stand, and the trust anchors.
    Nothing,
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

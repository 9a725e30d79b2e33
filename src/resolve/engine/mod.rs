//! The engine that resolves: whom to ask about each name, what was learnt from them, how it is
//! checked, and the chase along aliases; one for both ways to resolve.

mod encode;
mod hop;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::{Name as HickoryName, RData, RecordType};

use self::encode::{End, encode};
use self::hop::Hop;
use super::budget::Budget;
use super::convert::their_name;
use super::failure::Failure;
use super::forward::Upstreams;
use super::iterate::{RootCopy, UnderWayExchanges, Walker};
use super::question::{Fetched, Question};
use super::recurse::{self, build_validator, build_walker};
use super::routes::{OwnRoutes, RouteTarget, Routes};
use super::rrset::{Ask, FROM_COPY, Said};
use super::start_error::StartError;
use super::tally::ResolveTally;
use super::trace::{Trace, TraceEvent, ZoneStanding};
use super::validate::{Security, TrustAnchors, Validator};

/// Aliases followed for one question; Unbound follows 11, Knot Resolver 12.
const ALIASES_MAX: usize = 12;

/// What an engine is built from, and what outlives the memory of one.
pub(super) struct Foundation {
    /// How authorities are asked and what is believed.
    pub(super) recurse: recurse::Settings,
    /// Whose keys are believed.
    pub(super) anchors: Arc<TrustAnchors>,
    /// Where recursion begins; none where `upstreams` are asked.
    pub(super) roots: Vec<IpAddr>,
    /// The copy of the root zone, if there is one.
    pub(super) root_copy: Option<Arc<RootCopy>>,
    /// Whom to ask about everything but the zones; nobody in order to recurse.
    pub(super) upstreams: Option<Arc<Upstreams>>,
    /// The operator's own zones.
    pub(super) zones: OwnRoutes,
    /// What servers did.
    pub(super) tally: Arc<ResolveTally>,
}

/// What is learnt from outside, and how it is checked.
pub(super) struct Engine<A = Routes> {
    /// Whom to ask.
    routes: A,
    /// Walks from zone to zone, where anybody does.
    walker: Option<Arc<Walker>>,
    /// `None` when nothing is checked at all.
    validator: Option<Validator>,
}

impl Engine {
    /// An engine that has learnt nothing yet.
    pub(super) fn build(from: &Foundation) -> Result<Self, StartError> {
        // Beside a forwarder the walker is there for stubs alone. Names of servers elsewhere are
        // looked up by their addresses in delegations then: the roots may be out of reach.
        let is_walking = from.upstreams.is_none() || !from.zones.stubs().is_empty();
        let walker = is_walking.then(|| {
            Arc::new(build_walker(
                &from.recurse,
                &from.roots,
                &from.zones,
                from.root_copy.as_ref(),
                &from.tally,
            ))
        });
        Self::build_on(walker, from, recurse::PROOFS_OCTETS_MAX)
    }

    /// An engine for a single question, which has learnt nothing of names; how servers stand it
    /// shares with this one.
    pub(super) fn anew(&self, from: &Foundation) -> Result<Self, StartError> {
        let walker = self.walker.as_ref();
        let share = |octets_max| octets_max / recurse::ONE_QUESTION_SHARE;
        let walker = walker.map(|walker| Arc::new(walker.anew(share(recurse::MEMORY_OCTETS_MAX))));
        let proofs_octets = share(recurse::PROOFS_OCTETS_MAX);
        Self::build_on(walker, from, proofs_octets)
    }

    fn build_on(
        walker: Option<Arc<Walker>>,
        from: &Foundation,
        proofs_octets_max: u64,
    ) -> Result<Self, StartError> {
        let usual = match (&from.upstreams, &walker) {
            (Some(upstreams), _) => RouteTarget::Forward(Arc::clone(upstreams)),
            (None, Some(walker)) => RouteTarget::Walk(Arc::clone(walker)),
            (None, None) => return Err(StartError::NoUpstream),
        };
        let (recurse, zones) = (&from.recurse, &from.zones);
        Ok(Self {
            routes: Routes::new(usual, zones, walker.as_ref()),
            walker,
            validator: build_validator(recurse, &from.anchors, zones, proofs_octets_max)?,
        })
    }

    /// The closest zone at or above a name that is known, and its servers; nothing where resolvers
    /// are asked about it.
    pub(super) fn zone_standing(&self, name: &HickoryName) -> Option<ZoneStanding> {
        Some(self.routes.walker_for(name)?.zone_standing(name))
    }

    /// What is being asked of authorities now.
    pub(super) fn under_way(&self) -> UnderWayExchanges {
        let walker = self.walker.as_ref();
        walker.map_or_else(UnderWayExchanges::default, |walker| walker.under_way())
    }

    /// Forget what was learnt about a name and all below it.
    pub(super) fn forget(&self, below: &HickoryName) {
        self.routes.forget(below);
        if let Some(validator) = &self.validator {
            validator.forget(below);
        }
    }

    /// The memory of what was learnt, in octets.
    pub(super) fn octets(&self) -> u64 {
        let keys = self.validator.as_ref().map_or(0, Validator::octets);
        self.routes.octets() + keys
    }

    /// Ask for the keys of a zone with an anchor, whatever is remembered of them.
    pub(super) async fn refresh_keys(
        &self,
        zone: &HickoryName,
        budget: &Budget,
    ) -> Result<(), Failure> {
        let Some(validator) = &self.validator else {
            return Ok(());
        };
        self.routes.forget_rrset(zone, RecordType::DNSKEY);
        validator.refresh_keys(&self.routes, zone, budget).await
    }

    /// Ask for a name whose answer does not matter: those who are asked take note of it. So it is
    /// taken neither from memory nor from the root's copy.
    pub(super) async fn signal(&self, name: &HickoryName, budget: &Budget) {
        self.routes.forget(name);
        let asking = self
            .routes
            .ask(name, RecordType::NULL, &[FROM_COPY], budget);
        let answered = asking.await;
        if let Err(failure) = answered {
            tracing::debug!(%name, %failure, "a signal of trust anchors was not answered");
        }
    }

    /// Find the answer within the question's budget, of which the time is `patience`.
    ///
    /// What upstreams say is passed on as it is where nobody checks it here, and neither the name
    /// nor an alias of it is in a zone that others are asked about.
    pub(super) async fn fetch(
        &self,
        question: &Question,
        patience: Duration,
        trace: Option<&Arc<Trace>>,
    ) -> Result<Fetched, Failure> {
        let wants_check = question.dnssec_ok || !question.checking_disabled;
        let is_checked = self.validator.is_some() && wants_check;
        if !is_checked && let Some(upstreams) = self.routes.usual_upstreams(&question.name)? {
            let fetched = upstreams.fetch(question, trace).await?;
            if !self.routes.is_led_into(&fetched.wire) {
                return Ok(fetched);
            }
        }
        let budget = Budget::new(patience).traced(trace.cloned());
        self.chase(question, &budget).await
    }
}

impl<A: Ask> Engine<A> {
    /// Follow the aliases one by one: each hop has its own servers and its own chain of trust.
    /// Clients that set CD get the answer whatever is found out about it: all of it is there before
    /// any of it is checked.
    pub(super) async fn chase(
        &self,
        question: &Question,
        budget: &Budget,
    ) -> Result<Fetched, Failure> {
        let rtype = RecordType::from(question.qtype);
        let mut hops: Vec<Hop> = Vec::with_capacity(1);
        let mut visited = vec![their_name(&question.name)?];
        while let Some(name) = visited.last() {
            let hop = self.hop(question, name, budget).await?;
            let next = alias(&hop.said, rtype);
            if let Some(target) = &next {
                budget.note(|| TraceEvent::Alias {
                    name: name.to_ascii(),
                    target: target.to_ascii(),
                });
            }
            hops.push(hop);
            match next {
                None => break,
                // Chains that lead round or too far are an error, and shown as far as they go (RFC
                // 1034 section 3.6.2).
                Some(target) if visited.len() > ALIASES_MAX || visited.contains(&target) => {
                    return encode(question, &hops, End::Nowhere);
                }
                Some(target) => visited.push(target),
            }
        }
        if question.checking_disabled && question.dnssec_ok {
            self.vouch(rtype, &visited, &mut hops, budget).await;
        }
        encode(question, &hops, End::Answer)
    }

    /// Check the hops from `names` with what finding them has left of the budget, for AD, which
    /// stands for all of them: the first that is not secure ends it.
    async fn vouch(
        &self,
        rtype: RecordType,
        names: &[HickoryName],
        hops: &mut [Hop],
        budget: &Budget,
    ) {
        let Some(validator) = &self.validator else {
            return;
        };
        for (name, hop) in names.iter().zip(hops) {
            let vouched = validator.vouch(&self.routes, name, rtype, &hop.said, budget);
            let Some(said) = vouched.await else {
                return;
            };
            *hop = Hop::secure(said);
        }
    }

    async fn hop(
        &self,
        question: &Question,
        name: &HickoryName,
        budget: &Budget,
    ) -> Result<Hop, Failure> {
        let rtype = RecordType::from(question.qtype);
        budget.note(|| TraceEvent::Question {
            name: name.to_ascii(),
            rtype: rtype.to_string(),
        });
        let checks = !question.checking_disabled;
        let Some(validator) = self.validator.as_ref().filter(|_| checks) else {
            let said = self.routes.ask(name, rtype, &[], budget).await?;
            budget.note(|| TraceEvent::Verdict {
                name: name.to_ascii(),
                rtype: rtype.to_string(),
                verdict: "unchecked".to_owned(),
                ede: None,
            });
            return Ok(Hop::unchecked(said));
        };
        let judged = validator.ask(&self.routes, name, rtype, budget).await?;
        Ok(match judged.verdict {
            Security::Secure => Hop::secure(judged.said),
            Security::Insecure(why) => Hop {
                insecure: true,
                ede: why.ede(),
                ..Hop::unchecked(judged.said)
            },
        })
    }
}

/// Where an answer leads on; nowhere if it is what was asked for.
fn alias(said: &Said, rtype: RecordType) -> Option<HickoryName> {
    if matches!(
        rtype,
        RecordType::CNAME | RecordType::ANY | RecordType::RRSIG
    ) {
        return None;
    }
    let set = said
        .answer
        .last()
        .filter(|set| set.rtype == RecordType::CNAME)?;
    match &set.records.first()?.data {
        RData::CNAME(target) => Some(target.0.to_lowercase()),
        _ => None,
    }
}

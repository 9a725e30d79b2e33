//! Which way each name goes: the usual one, or the one that the operator chose for a zone; the most
//! specific zone counts.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_proto::rr::{Name, RecordType};

use super::budget::Budget;
use super::convert::{label_count, their_name, wire_of};
use super::failure::Failure;
use super::forward::{self, Upstreams};
use super::iterate::Walker;
use super::rrset::{Ask, Cut, Said};
use super::start_error::StartError;
use crate::name::is_within;
use crate::wire::{Message, rtype};

/// A zone that is resolved in another way than everything else, with all below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name.
    pub name: crate::name::Name,
    /// Whom to ask.
    pub target: Target,
}

/// Who is asked about a zone.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Its authoritative servers; zones that they delegate are found from there.
    Stub(Vec<SocketAddr>),
    /// Resolvers that recurse themselves.
    Forward(Box<forward::Settings>),
}

/// A way to ask.
#[derive(Clone)]
pub(super) enum RouteTarget {
    /// From zone to zone.
    Walk(Arc<Walker>),
    /// Other resolvers.
    Forward(Arc<Upstreams>),
}

/// The zones with their ways, ready for use: the resolvers' health outlives what is learnt from
/// them.
pub(super) struct OwnRoutes {
    stubs: Vec<(Name, Vec<SocketAddr>)>,
    forwards: Vec<(Name, Arc<Upstreams>)>,
}

impl OwnRoutes {
    pub(super) fn start(zones: Vec<Route>) -> Result<Self, StartError> {
        let mut ready = Self {
            stubs: Vec::new(),
            forwards: Vec::new(),
        };
        for Route { name, target } in zones {
            let apex = their_name(&name).map_err(|_| StartError::NoZone(name.to_string()))?;
            match target {
                Target::Stub(servers) => ready.stubs.push((apex, servers)),
                Target::Forward(settings) => ready
                    .forwards
                    .push((apex, Arc::new(Upstreams::new(*settings, Some(&name))?))),
            }
        }
        Ok(ready)
    }

    /// Those whose servers are known by address.
    pub(super) fn stubs(&self) -> &[(Name, Vec<SocketAddr>)] {
        &self.stubs
    }

    /// The resolvers of all zones.
    pub(super) fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstreams>> {
        self.forwards.iter().map(|(_, upstreams)| upstreams)
    }

    /// All zones' names.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        let stubs = self.stubs.iter().map(|(name, _)| name);
        stubs.chain(self.forwards.iter().map(|(name, _)| name))
    }
}

/// All ways together, for the validator and the chase along aliases.
pub(super) struct Routes {
    usual: RouteTarget,
    /// The deepest zones first.
    zones: Vec<(Name, RouteTarget)>,
}

impl Routes {
    /// Everything goes the `usual` way but the zones; `walker` knows the stubs among them.
    pub(super) fn new(usual: RouteTarget, zones: &OwnRoutes, walker: Option<&Arc<Walker>>) -> Self {
        let stubs = zones
            .stubs
            .iter()
            .filter_map(|(name, _)| Some((name.clone(), RouteTarget::Walk(Arc::clone(walker?)))));
        let forwards = zones
            .forwards
            .iter()
            .map(|(name, upstreams)| (name.clone(), RouteTarget::Forward(Arc::clone(upstreams))));
        let mut zones: Vec<_> = stubs.chain(forwards).collect();
        zones.sort_by_key(|(name, _)| std::cmp::Reverse(label_count(name)));
        Self { usual, zones }
    }

    /// The resolvers that are asked about the name, where that is the usual way.
    pub(super) fn usual_upstreams(
        &self,
        name: &crate::name::Name,
    ) -> Result<Option<&Upstreams>, Failure> {
        let RouteTarget::Forward(upstreams) = &self.usual else {
            return Ok(None);
        };
        if self.zones.is_empty() {
            return Ok(Some(upstreams));
        }
        let name = their_name(name)?;
        let is_apart = self.zones.iter().any(|(zone, _)| zone.zone_of(&name));
        Ok(Some(&**upstreams).filter(|_| !is_apart))
    }

    /// Does a reply's chain of aliases lead into one of the zones? A DNAME may, as far as it goes
    /// without the alias that it makes.
    pub(super) fn is_led_into(&self, reply: &[u8]) -> bool {
        if self.zones.is_empty() {
            return false;
        }
        let Ok(message) = Message::new(reply) else {
            return false;
        };
        let zones: Vec<_> = self.zones.iter().map(|(name, _)| wire_of(name)).collect();
        let mut is_led = false;
        let walked = message.walk(|record| {
            let mut target = Vec::new();
            let is_alias = matches!(record.rtype, rtype::CNAME | rtype::DNAME);
            if is_alias && message.read_name(record.data_at, &mut target).is_ok() {
                is_led |= zones.iter().any(|zone| {
                    is_within(&target, zone)
                        || record.rtype == rtype::DNAME && is_within(zone, &target)
                });
            }
        });
        walked.is_ok() && is_led
    }

    /// The memory of what was learnt, in octets. The ways that walk share one walker.
    pub(super) fn octets(&self) -> u64 {
        let ways = self.zones.iter().map(|(_, way)| way).chain([&self.usual]);
        let mut walkers = ways.filter_map(|way| match way {
            RouteTarget::Walk(walker) => Some(walker.octets()),
            _ => None,
        });
        walkers.next().unwrap_or(0)
    }

    /// Forget what was learnt about a name and all below it.
    pub(super) fn forget(&self, below: &Name) {
        let ways = self.zones.iter().map(|(_, way)| way).chain([&self.usual]);
        ways.for_each(|way| {
            if let RouteTarget::Walk(walker) = way {
                walker.forget(below);
            }
        });
    }

    /// Forget what was said about one name and type.
    pub(super) fn forget_rrset(&self, name: &Name, rtype: RecordType) {
        if let RouteTarget::Walk(walker) = self.way(name, rtype) {
            walker.forget_rrset(name, rtype);
        }
    }

    /// Who walks to a name, where its authorities are asked.
    pub(super) fn walker_for(&self, name: &Name) -> Option<&Walker> {
        match self.way(name, RecordType::NS) {
            RouteTarget::Walk(walker) => Some(walker),
            RouteTarget::Forward(_) => None,
        }
    }

    /// The way of a question: DS is the parent's to answer.
    fn way(&self, name: &Name, rtype: RecordType) -> &RouteTarget {
        let is_for = |zone: &Name| zone.zone_of(name) && (rtype != RecordType::DS || zone != name);
        self.zones
            .iter()
            .find(|(zone, _)| is_for(zone))
            .map_or(&self.usual, |(_, way)| way)
    }
}

impl Ask for Routes {
    async fn ask(
        &self,
        name: &Name,
        rtype: RecordType,
        avoid: &[IpAddr],
        budget: &Budget,
    ) -> Result<Arc<Said>, Failure> {
        match self.way(name, rtype) {
            RouteTarget::Walk(walker) => walker.ask(name, rtype, avoid, budget).await,
            RouteTarget::Forward(upstreams) => upstreams.ask(name, rtype, avoid, budget).await,
        }
    }

    async fn cut(
        &self,
        zone: &Name,
        avoid: &[IpAddr],
        budget: &Budget,
    ) -> Result<Arc<Cut>, Failure> {
        match self.way(zone, RecordType::DS) {
            RouteTarget::Walk(walker) => walker.cut(zone, avoid, budget).await,
            RouteTarget::Forward(upstreams) => upstreams.cut(zone, avoid, budget).await,
        }
    }

    fn apex(&self, name: &Name) -> Name {
        match self.way(name, RecordType::A) {
            RouteTarget::Walk(walker) => walker.apex(name),
            RouteTarget::Forward(upstreams) => upstreams.apex(name),
        }
    }
}

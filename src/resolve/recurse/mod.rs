//! Asking the authorities ourselves, from the root down: settings, root hints, and the chase along
//! aliases.

mod hop;
use hop::Hop;

mod reply;
#[cfg(test)]
mod tests;
use self::reply::{End, encode};
use super::budget::Budget;
use super::convert::their_name;
use super::iterate::{self, RootCopy, RootStanding, Walker};
use super::routes::{OwnRoutes, RouteTarget, Routes};
use super::rrset::{Ask, Said};
use super::validate::{self, Anchors, Security, Validator};
use super::{Failure, Fetched, Question, ResolveTally, StartError, Upstream};
use crate::name::Name;
use hickory_proto::rr::{Name as HickoryName, RData, RecordType};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The root servers' addresses, for the first question.
const ROOT_HINTS: &str = include_str!("root.hints");

/// Aliases followed for one question; Unbound follows 11, Knot Resolver 12.
const ALIASES_MAX: usize = 12;

/// Questions under way in one zone: a quarter of all that may wait, as shipped.
const PER_ZONE_MAX: u32 = 2_500;

/// Memory for delegations, keys and what was said on the way to answers.
pub(super) const MEMORY_OCTETS_MAX: u64 = 64 << 20;

/// Memory for zones' keys and for proofs of absence.
pub(super) const PROOFS_OCTETS_MAX: u64 = 32 << 20;

/// How authorities are asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Root hints as zone file text, one record a line; without it the built-in ones.
    pub root_hints: Option<String>,
    /// A copy of the root zone as a zone file, which is read again when it changes (RFC 8806).
    pub root_copy: Option<PathBuf>,
    /// Trust anchors as zone file texts, one text a file, of DS or DNSKEY records; without it the
    /// built-in root anchors (key tags 20326 and 38696). No text at all is no anchor at all:
    /// nothing is validated.
    pub trust_anchors: Option<Vec<String>>,
    /// Zones whose signatures are not checked, with all below them (negative trust anchors, RFC
    /// 7646).
    pub negative_anchors: Vec<Name>,
    /// Check signatures (RFC 4035).
    pub validate: bool,
    /// Believe signatures and DS digests made with SHA-1 (algorithms 5 and 7, digest type 1), which
    /// RFC 9905 deprecates.
    pub sha1: bool,
    /// Tell each server no more of the name than it needs (RFC 9156).
    pub minimise: bool,
    /// Ask authorities over IPv4.
    pub ipv4: bool,
    /// Ask authorities over IPv6.
    pub ipv6: bool,
    /// Authorities may stand on loopback addresses.
    pub loopback: bool,
    /// Authorities may stand on private and documentation addresses (RFC 1918, RFC 4193, RFC 5737,
    /// RFC 3849).
    pub private: bool,
    /// Believe addresses that a referral brings along only for names within the zone that refers.
    pub harden_glue: bool,
    /// Zones whose servers are asked in lower case, with all below them: some answer nothing else
    /// (0x20).
    pub plain_spelling: Vec<Name>,
    /// The port of all authorities.
    pub port: u16,
    /// The largest UDP reply asked for, in octets (RFC 6891 section 6.2.5).
    pub edns_octets: u16,
    /// The addresses that questions go out from, at most one of each family; without one the system
    /// chooses.
    pub outgoing: Vec<IpAddr>,
    /// The longest that anything said is believed, in seconds.
    pub ttl_s_max: u32,
    /// Ask the roots for their own names and addresses first (RFC 8109).
    pub prime: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            root_hints: None,
            root_copy: None,
            trust_anchors: None,
            negative_anchors: Vec::new(),
            validate: true,
            sha1: false,
            minimise: true,
            ipv4: true,
            ipv6: true,
            loopback: false,
            private: false,
            harden_glue: true,
            plain_spelling: Vec::new(),
            port: 53,
            edns_octets: 1232,
            outgoing: Vec::new(),
            ttl_s_max: 86_400,
            prime: true,
        }
    }
}

impl Settings {
    /// Are signatures checked at all?
    pub fn validates(&self) -> bool {
        self.validate
            && self
                .trust_anchors
                .as_ref()
                .is_none_or(|anchors| !anchors.is_empty())
    }
}

/// The way from the root down.
pub(super) struct Recursion {
    engine: RwLock<Arc<Engine>>,
    settings: Settings,
    roots: Vec<IpAddr>,
    zones: OwnRoutes,
    root_copy: Option<Arc<RootCopy>>,
    tally: Arc<ResolveTally>,
}

/// What is learnt from outside, and how it is checked.
pub(super) struct Engine<A = Routes> {
    /// Whom to ask.
    pub(super) walker: A,
    /// `None` when nothing is checked at all.
    pub(super) validator: Option<Validator>,
}

impl Recursion {
    pub(super) fn start(settings: Settings, zones: OwnRoutes) -> Result<Self, StartError> {
        let mut roots = parse_hints(settings.root_hints.as_deref().unwrap_or(ROOT_HINTS))?;
        roots.retain(|address| {
            if address.is_ipv4() {
                settings.ipv4
            } else {
                settings.ipv6
            }
        });
        if roots.is_empty() {
            return Err(StartError::NoRoot);
        }
        let tally = Arc::new(ResolveTally::default());
        let root_copy = settings.root_copy.as_ref().map(|file| {
            let copy = RootCopy::open(file)
                .map_err(|fault| StartError::RootCopy(format!("{}: {fault}", file.display())))?;
            Ok::<_, StartError>(Arc::new(copy))
        });
        let root_copy = root_copy.transpose()?;
        let engine = RwLock::new(Arc::new(Engine::build(
            &settings,
            &roots,
            &zones,
            root_copy.as_ref(),
            &tally,
        )?));
        Ok(Self {
            engine,
            settings,
            roots,
            zones,
            root_copy,
            tally,
        })
    }

    pub(super) fn tally(&self) -> &ResolveTally {
        &self.tally
    }

    /// How the copy of the root zone stands, if there is one.
    pub(super) fn root_copy(&self) -> Option<RootStanding> {
        self.root_copy.as_ref().and_then(|copy| copy.standing())
    }

    /// The resolvers of single zones.
    pub(super) fn upstreams(&self) -> Vec<Upstream> {
        self.zones
            .upstreams()
            .flat_map(|upstreams| upstreams.show())
            .collect()
    }

    /// Forget what was learnt about a name and those below it; or begin anew with empty caches,
    /// while questions in flight finish with the old ones.
    pub(super) fn forget(&self, below: Option<&Name>) -> Result<(), StartError> {
        if let Some(below) = below {
            let below = their_name(below).map_err(|_| StartError::NoZone(below.to_string()))?;
            self.engine().forget(&below);
            return Ok(());
        }
        let engine = Arc::new(Engine::build(
            &self.settings,
            &self.roots,
            &self.zones,
            self.root_copy.as_ref(),
            &self.tally,
        )?);
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = engine;
        Ok(())
    }

    fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Find the answer, alias after alias, within the question's budget, of which the time is
    /// `patience`.
    pub(super) async fn fetch(
        &self,
        question: &Question,
        patience: Duration,
    ) -> Result<Fetched, Failure> {
        self.engine().chase(question, &Budget::new(patience)).await
    }
}

impl Engine {
    fn build(
        settings: &Settings,
        roots: &[IpAddr],
        zones: &OwnRoutes,
        root_copy: Option<&Arc<RootCopy>>,
        tally: &Arc<ResolveTally>,
    ) -> Result<Self, StartError> {
        let walker = Arc::new(build_walker(settings, roots, zones, root_copy, tally));
        let routes = Routes::new(RouteTarget::Walk(Arc::clone(&walker)), zones, Some(&walker));
        Ok(Self {
            walker: routes,
            validator: build_validator(settings)?,
        })
    }

    /// Forget what was learnt about a name and all below it.
    pub(super) fn forget(&self, below: &HickoryName) {
        self.walker.forget(below);
        if let Some(validator) = &self.validator {
            validator.forget(below);
        }
    }
}

/// The iterator that the settings ask for.
pub(super) fn build_walker(
    settings: &Settings,
    roots: &[IpAddr],
    zones: &OwnRoutes,
    root_copy: Option<&Arc<RootCopy>>,
    tally: &Arc<ResolveTally>,
) -> Walker {
    let v4 = settings.outgoing.iter().find_map(|address| {
        if let IpAddr::V4(v4) = address {
            Some(*v4)
        } else {
            None
        }
    });
    let v6 = settings.outgoing.iter().find_map(|address| {
        if let IpAddr::V6(v6) = address {
            Some(*v6)
        } else {
            None
        }
    });
    let walking = iterate::Settings {
        roots: roots.to_vec(),
        root_copy: root_copy.cloned(),
        stubs: zones.stubs().to_vec(),
        port: settings.port,
        ipv4: settings.ipv4,
        ipv6: settings.ipv6,
        loopback: settings.loopback,
        private: settings.private,
        prime: settings.prime && !roots.is_empty(),
        minimise: settings.minimise,
        harden_glue: settings.harden_glue,
        plain_spelling: settings.plain_spelling.clone(),
        udp_octets: settings.edns_octets,
        local: (v4, v6),
        ttl_s_max: settings.ttl_s_max,
        memory_octets_max: MEMORY_OCTETS_MAX,
        per_zone_max: PER_ZONE_MAX,
    };
    Walker::new(walking, Arc::clone(tally))
}

impl<A: Ask> Engine<A> {
    /// Follow the aliases one by one: each hop has its own servers and its own chain of trust.
    pub(super) async fn chase(
        &self,
        question: &Question,
        budget: &Budget,
    ) -> Result<Fetched, Failure> {
        let rtype = RecordType::from(question.qtype);
        let mut hops: Vec<Hop> = Vec::with_capacity(1);
        let mut visited = vec![their_name(&question.name)?];
        while let Some(name) = visited.last() {
            let hop = self
                .hop(name, rtype, question.checking_disabled, budget)
                .await?;
            let next = alias(&hop.said, rtype);
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
        encode(question, &hops, End::Answer)
    }

    async fn hop(
        &self,
        name: &HickoryName,
        rtype: RecordType,
        unchecked: bool,
        budget: &Budget,
    ) -> Result<Hop, Failure> {
        let Some(validator) = self.validator.as_ref().filter(|_| !unchecked) else {
            let said = self.walker.ask(name, rtype, &[], budget).await?;
            return Ok(Hop {
                said,
                secure: false,
                ede: None,
            });
        };
        let judged = validator.ask(&self.walker, name, rtype, budget).await?;
        let (secure, ede) = match judged.verdict {
            Security::Secure => (true, None),
            Security::Insecure(why) => (false, why.ede()),
        };
        Ok(Hop {
            said: judged.said,
            secure,
            ede,
        })
    }
}

/// The validator that the settings ask for, if they ask for one.
pub(super) fn build_validator(settings: &Settings) -> Result<Option<Validator>, StartError> {
    if !settings.validates() {
        return Ok(None);
    }
    let texts = settings.trust_anchors.clone().unwrap_or_else(Anchors::root);
    let negative = settings
        .negative_anchors
        .iter()
        .map(their_name)
        .collect::<Result<Vec<_>, _>>();
    let negative = negative
        .map_err(|_| StartError::TrustAnchors("a negative anchor is not a name".to_owned()))?;
    let anchors = Anchors::read(&texts, &negative)?;
    let wanted = !anchors.is_empty();
    let settings = validate::Settings {
        anchors,
        sha1: settings.sha1,
        aggressive: true,
        memory_octets_max: PROOFS_OCTETS_MAX,
    };
    Ok(wanted.then(|| Validator::new(settings)))
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

/// The addresses in a hints file (RFC 8109 section 2): A and AAAA records, one a line, names and
/// TTLs ignored.
fn parse_hints(text: &str) -> Result<Vec<IpAddr>, StartError> {
    let mut addresses = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fault = || StartError::RootHints { line: index + 1 };
        let fields: Vec<&str> = line
            .split(';')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        match fields.as_slice() {
            [] => {}
            [.., rtype, _] if rtype.eq_ignore_ascii_case("NS") => {}
            [.., rtype, address]
                if rtype.eq_ignore_ascii_case("A") || rtype.eq_ignore_ascii_case("AAAA") =>
            {
                let address: IpAddr = address.parse().map_err(|_| fault())?;
                if address.is_ipv4() != rtype.eq_ignore_ascii_case("A") {
                    return Err(fault());
                }
                addresses.push(address);
            }
            _ => return Err(fault()),
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod hints_tests {
    use super::*;

    #[test]
    fn the_built_in_hints_are_the_thirteen_letters() {
        let roots = parse_hints(ROOT_HINTS).unwrap();
        assert_eq!(roots.iter().filter(|address| address.is_ipv4()).count(), 13);
        assert_eq!(roots.iter().filter(|address| address.is_ipv6()).count(), 13);
    }

    #[test]
    fn bad_hints_are_refused_with_their_line() {
        for (text, line) in [
            ("\n. NS a.\na. A 2001:db8::1", 3),
            ("a. A 192.0.2.999", 1),
            ("a. TXT x", 1),
            ("$TTL 60", 1),
        ] {
            match parse_hints(text) {
                Err(StartError::RootHints { line: found }) => assert_eq!(found, line, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}

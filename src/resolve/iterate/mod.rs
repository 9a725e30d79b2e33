//! Our own iterator: from the closest zone that is known down to the servers that answer a name
//! (RFC 1034 section 5.3.3).
//!
//! [`judge`] says what a reply is, [`zones`] keeps delegations, [`memory`] what was said,
//! [`servers`] how fast and healthy servers are, [`ask`] puts one question to one zone's servers.
//! Nothing here validates; see [`Ask`] for the contract.

mod addresses;
mod for_validator;

mod descend;

mod address_scope;
mod ask;
mod ask_server;
mod candidates;
mod coalesce;
mod judge;
mod lame_servers;
mod root_copy;
mod rrset_cache;
mod second_best;
mod servers;
mod shown;
mod walk;
mod zone_limits;
mod zones;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use hickory_proto::rr::{Name, RecordType};

use self::coalesce::UnderWayPackets;
use self::judge::{AskedZone, Glue, Judgement, ServerRole};
pub(super) use self::root_copy::RootCopy;
pub use self::root_copy::RootStanding;
use self::rrset_cache::Memory;
use self::servers::Servers;
pub(super) use self::shown::UnderWayExchanges;
use self::zone_limits::Crowds;
use self::zones::{NameServer, Zone, Zones};
use super::budget::Budget;
use super::exchange::{LocalAddress, Sockets};
use super::rrset::Said;
use super::tally::ResolveTally;
use crate::clock::UnixSeconds;

/// The longest that a delegation is believed (RFC 9609 has two days for the root's).
pub(super) const DELEGATION_TTL_S_MAX: u32 = 172_800;

/// How long after asking the roots who they are they may be asked again, at the least.
const PRIME_AGAIN_AFTER_S: UnixSeconds = 60;

/// How the iterator asks; the switches beside those of the public settings are for labs.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The root servers.
    pub(super) roots: Vec<IpAddr>,
    /// The copy of the root zone on this machine, if there is one.
    pub(super) root_copy: Option<Arc<RootCopy>>,
    /// Zones whose servers are known from the operator, not from their parents.
    pub(super) stubs: Vec<(Name, Vec<SocketAddr>)>,
    /// The port of all authorities but the stubs'.
    pub(super) port: u16,
    /// Ask over IPv4.
    pub(super) ipv4: bool,
    /// Ask over IPv6.
    pub(super) ipv6: bool,
    /// Servers may stand on loopback addresses.
    pub(super) loopback: bool,
    /// Servers may stand on private and documentation addresses.
    pub(super) private: bool,
    /// Ask the roots who they are before anything else (RFC 9609).
    pub(super) prime: bool,
    /// Show each zone no more of a name than it needs (RFC 9156).
    pub(super) minimise: bool,
    /// Believe addresses in referrals only within the zone that refers.
    pub(super) harden_glue: bool,
    /// Zones whose servers are asked in lower case, with all below them.
    pub(super) plain_spelling: Vec<crate::name::Name>,
    /// The largest UDP reply to ask for, in octets.
    pub(super) udp_octets: u16,
    /// The addresses to ask from.
    pub(super) local: LocalAddress,
    /// The longest that anything said is believed, in seconds.
    pub(super) ttl_s_max: u32,
    /// Memory for delegations and what was said, in octets.
    pub(super) memory_octets_max: u64,
    /// Questions under way in one zone.
    pub(super) per_zone_max: u32,
}

/// Walks from zone to zone; shared by all questions.
pub(super) struct Walker {
    settings: Settings,
    zones: Zones,
    memory: Memory,
    servers: Arc<Servers>,
    crowds: Arc<Crowds>,
    sockets: Sockets,
    shared: UnderWayPackets,
    /// Wall-clock second from which on the roots are to be asked who they are.
    prime_at: AtomicI64,
    tally: Arc<ResolveTally>,
}

/// Why something is asked: the question of a client, or the address of a server that is needed for
/// it, or of one needed for that.
#[derive(Clone, Copy)]
pub(super) struct Trip<'a> {
    budget: &'a Budget,
    avoid: &'a [IpAddr],
    /// The server's name that is looked for, and what for.
    errand: Option<(&'a Name, &'a Self)>,
}

impl Trip<'_> {
    /// How many servers' names deep.
    fn depth(&self) -> usize {
        self.errand.map_or(0, |(_, above)| above.depth() + 1)
    }

    /// Is this server's name being looked for already? Then looking again leads round in a circle.
    fn looks_for(&self, name: &Name) -> bool {
        self.errand
            .is_some_and(|(sought, above)| sought == name || above.looks_for(name))
    }
}

impl Walker {
    pub(super) fn new(settings: Settings, tally: Arc<ResolveTally>) -> Self {
        let (servers, crowds) = (Arc::new(Servers::new()), Arc::new(Crowds::new()));
        Self::beside(settings, tally, servers, crowds)
    }

    /// A walker that has learnt nothing of names.
    fn beside(
        settings: Settings,
        tally: Arc<ResolveTally>,
        servers: Arc<Servers>,
        crowds: Arc<Crowds>,
    ) -> Self {
        let hints = NameServer {
            name: Name::root(),
            addresses: settings.roots.clone(),
            port: None,
        };
        let root = Zone {
            name: Name::root(),
            servers: vec![hints],
            since: 0,
            until: UnixSeconds::MAX,
            cut: None,
            is_cut_doubted: false,
            lame: Arc::default(),
        };
        let half = settings.memory_octets_max / 2;
        Self {
            zones: Zones::new(
                root,
                settings
                    .stubs
                    .iter()
                    .map(|(name, servers)| stub(name, servers))
                    .collect(),
                half,
            ),
            memory: Memory::new(half, settings.ttl_s_max),
            servers,
            crowds,
            sockets: Sockets::default(),
            shared: UnderWayPackets::new(),
            prime_at: AtomicI64::new(if settings.prime { 0 } else { UnixSeconds::MAX }),
            settings,
            tally,
        }
    }

    /// The memory of what was said and of who serves it, in octets.
    pub(super) fn octets(&self) -> u64 {
        self.memory.octets() + self.zones.octets()
    }

    /// One that has learnt nothing of names, for a single question; it shares with this one how
    /// servers stand, and the places in each zone.
    pub(super) fn anew(&self, memory_octets_max: u64) -> Self {
        let settings = Settings {
            memory_octets_max,
            ..self.settings.clone()
        };
        let (servers, crowds) = (Arc::clone(&self.servers), Arc::clone(&self.crowds));
        Self::beside(settings, Arc::clone(&self.tally), servers, crowds)
    }

    /// Forget what was said about a name and all below it, and who serves it.
    pub(super) fn forget(&self, below: &Name) {
        self.memory.forget(below);
        self.zones.forget(below);
    }

    /// Forget what was said about one name and type.
    pub(super) fn forget_rrset(&self, name: &Name, rtype: RecordType) {
        self.memory.forget_rrset(name, rtype);
    }

    /// Ask the roots for their own names and addresses, one question for all, where that is due
    /// (RFC 9609). What fails is tried again later; the hints serve meanwhile, and stay beside what
    /// was learnt. Returns whether there is news.
    async fn prime(&self, trip: &Trip<'_>, now: UnixSeconds) -> bool {
        let due = self.prime_at.load(Relaxed);
        if now < due
            || self
                .prime_at
                .compare_exchange(due, now + PRIME_AGAIN_AFTER_S, Relaxed, Relaxed)
                .is_err()
        {
            return false;
        }
        let (root, name) = (self.zones.root(), Name::root());
        let asked = AskedZone {
            zone: &name,
            name: &name,
            rtype: RecordType::NS,
            is_partial: true,
            glue: Glue::InBailiwick,
            role: ServerRole::Authoritative,
        };
        let Ok(Judgement::Apex(found)) = self.ask_zone(&root, &asked, trip).await else {
            return false;
        };
        if found.servers.is_empty() {
            return false;
        }
        let mut servers = found.servers;
        servers.push(NameServer {
            name,
            addresses: self.settings.roots.clone(),
            port: None,
        });
        self.zones.set_root(Zone {
            name: Name::root(),
            servers,
            since: now,
            until: UnixSeconds::MAX,
            cut: None,
            is_cut_doubted: false,
            lame: Arc::default(),
        });
        self.prime_at.store(
            now + i64::from(found.ttl_s).max(PRIME_AGAIN_AFTER_S),
            Relaxed,
        );
        true
    }
}

/// What another resolver's reply says about name and type; `None` where it is of no use. Such a one
/// may speak for all zones.
pub(super) fn read_forwarded(
    octets: &[u8],
    name: &Name,
    rtype: RecordType,
    from: IpAddr,
) -> Option<Said> {
    let root = Name::root();
    let asked = AskedZone {
        zone: &root,
        name,
        rtype,
        is_partial: false,
        glue: Glue::InBailiwick,
        role: ServerRole::Recursive,
    };
    match judge::judge(octets, &asked, from) {
        Judgement::Answer(said, _) => Some(Said { from: None, ..said }),
        _ => None,
    }
}

/// A zone whose servers the operator names: it never runs out, and its parent is not asked about
/// it.
fn stub(name: &Name, servers: &[SocketAddr]) -> Zone {
    let server = |at: &SocketAddr| NameServer {
        name: Name::root(),
        addresses: vec![at.ip()],
        port: Some(at.port()),
    };
    let servers = servers.iter().map(server).collect();
    Zone {
        name: name.clone(),
        servers,
        since: UnixSeconds::MAX,
        until: UnixSeconds::MAX,
        cut: None,
        is_cut_doubted: false,
        lame: Arc::default(),
    }
}

/// The octets of the name above; the root's are its own.
pub(super) fn parent(wire: &[u8]) -> &[u8] {
    match wire.split_first() {
        Some((&length, rest)) if length > 0 => rest.get(usize::from(length)..).unwrap_or(wire),
        _ => wire,
    }
}

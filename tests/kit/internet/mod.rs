//! A small internet on loopback: a signed root and, under it, the zones of
//! `tests/cases/zones.toml`, those of `hostile*.toml` that each do one thing wrong, or thousands
//! that a seed makes.

mod authority;
mod expected;
mod file;
mod forwarder;
mod ledger;
mod manner;
mod plan;
mod proof;
mod script;
mod seeded;
mod serve;
mod sign;
mod zone;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;

use hickory_proto::op::ResponseCode;
use tokio::sync::oneshot;

use authority::Reply;
pub(crate) use expected::{Expected, expected_answers};
use forwarder::{DenialSoa, Knows};
use ledger::{Entry, Ledger};
use manner::Manner;
pub(crate) use manner::SLOW;
pub(crate) use plan::hostile_answers;
pub(crate) use seeded::{Asking, Seeded};
use serve::{Answer, Asked, Reaction, Sockets, Transport};
use zone::{Dnssec, Zone, Zones, address, name, zone_of};

use super::weather::{Proxy, Weather};

/// The last octets of the zones' servers; those above are the forwarders'.
const HOST_MAX: u8 = 247;
const FORWARDER: u8 = 250;
const FORWARDER_SILENT: u8 = 251;
const FORWARDER_FAILING: u8 = 252;
const FORWARDER_SLOW: u8 = 253;
/// Knows the private zones too.
const FORWARDER_PRIVATE: u8 = 254;
/// Sends denials without their SOA.
const FORWARDER_TERSE: u8 = 248;
/// Keeps a zone back.
const FORWARDER_BLOCKING: u8 = 249;
const BLOCKED_BY_FORWARDER: &str = "good.test.";
const FORWARDERS: [(u8, Manner); 7] = [
    (FORWARDER_BLOCKING, Manner::Answer),
    (FORWARDER_PRIVATE, Manner::Answer),
    (FORWARDER, Manner::Answer),
    (FORWARDER_SILENT, Manner::Silent),
    (FORWARDER_FAILING, Manner::Fail),
    (FORWARDER_SLOW, Manner::Slow),
    (FORWARDER_TERSE, Manner::Answer),
];
const BIND_ATTEMPTS: usize = 50;
/// Where resolvers that cannot be told otherwise look for authorities.
pub(crate) const DNS_PORT: u16 = 53;

/// The running internet; it ends when dropped.
pub(crate) struct Internet {
    prefix: [u8; 2],
    port: u16,
    zones: Arc<RwLock<Zones>>,
    ledger: Arc<Ledger>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _proxy: Option<Proxy>,
}

impl Internet {
    /// Starts every server of `zones.toml`, on addresses `127.x.y.*` of its own and one port.
    pub(crate) fn start() -> Self {
        let plans = plan::read_plans(&[plan::GOOD]);
        Self::serve(None, &FORWARDERS, None, |prefix| {
            plan::build_zones(&plans, prefix)
        })
    }

    /// The same, with this weather between each server and whoever asks it.
    pub(crate) fn start_in(weather: Weather) -> Self {
        let plans = plan::read_plans(&[plan::GOOD]);
        Self::serve(None, &[], Some(weather), |prefix| {
            plan::build_zones(&plans, prefix)
        })
    }

    /// The same and the zones of `hostile*.toml`, without forwarders.
    pub(crate) fn hostile() -> Self {
        Self::hostile_at(None)
    }

    /// The hostile internet at this port: resolvers other than ours know only [`DNS_PORT`].
    pub(crate) fn hostile_at(port: Option<u16>) -> Self {
        let texts: Vec<&str> = [plan::GOOD].into_iter().chain(plan::HOSTILE).collect();
        let plans = plan::read_plans(&texts);
        Self::serve(port, &[], None, |prefix| plan::build_zones(&plans, prefix))
    }

    /// The zones that a seed makes, and a forwarder that knows them all.
    pub(crate) fn seeded(seeded: &Seeded, port: Option<u16>) -> Self {
        Self::serve(port, &FORWARDERS[2..3], None, |prefix| {
            seeded.build_zones(prefix)
        })
    }

    fn serve(
        port: Option<u16>,
        forwarders: &[(u8, Manner)],
        weather: Option<Weather>,
        build: impl FnOnce([u8; 2]) -> Zones,
    ) -> Self {
        let prefix = free_prefix();
        let zones = build(prefix);
        let mut manners: BTreeMap<u8, Manner> = forwarders.iter().copied().collect();
        manners.extend(
            zones
                .values()
                .flat_map(|zone| &zone.servers)
                .map(|server| (server.host, server.manner)),
        );
        let hosts: Vec<u8> = manners.keys().copied().collect();
        // In bad weather the zones' addresses are the proxy's, and the servers stand behind it.
        let behind = if weather.is_some() {
            free_prefix()
        } else {
            prefix
        };
        let (port, mut sockets) = bind_free(behind, port, &hosts);
        let at = |prefix, host| SocketAddr::new(address(prefix, host).into(), port);
        let proxy = weather.map(|weather| {
            Proxy::start(
                hosts
                    .iter()
                    .map(|host| (at(prefix, *host), at(behind, *host))),
                weather,
            )
        });
        let (zones, ledger) = (Arc::new(RwLock::new(zones)), Arc::new(Ledger::default()));
        let mut served: Vec<(Sockets, Answer, bool)> = vec![];
        for (host, manner) in manners
            .into_iter()
            .filter(|(_, manner)| *manner != Manner::Absent)
        {
            let (zones, ledger) = (Arc::clone(&zones), Arc::clone(&ledger));
            let answer: Answer = Arc::new(move |bytes, client, transport| {
                let Some(asked) = Asked::read(bytes) else {
                    return Reaction::none();
                };
                ledger.note(client, host, &asked, transport);
                let zones = zones.read().expect("the zones");
                if host <= HOST_MAX {
                    answer_as((host, manner), &zones, &asked, transport)
                } else {
                    forward_as((host, manner), &zones, &asked, transport)
                }
            });
            served.push((
                sockets.remove(&host).expect("bound"),
                answer,
                manner.takes_tcp(),
            ));
        }
        drop(sockets);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || serve_until(served, stopped));
        Self {
            prefix,
            port,
            zones,
            ledger,
            stop: Some(stop),
            thread: Some(thread),
            _proxy: proxy,
        }
    }

    /// The port of every server.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The root's name server and its address, as a zone file.
    pub(crate) fn root_hints(&self) -> String {
        format!(
            ". 3600 IN NS root.test.\nroot.test. 3600 IN A {}\n",
            address(self.prefix, 1)
        )
    }

    /// The root's key, as a zone file with one DNSKEY.
    pub(crate) fn trust_anchor(&self) -> String {
        self.zone(".").key.dnskey().to_string() + "\n"
    }

    /// The root's key as its DS: key tag, algorithm, digest type and digest.
    pub(crate) fn trust_anchor_ds(&self) -> String {
        self.zone(".").key.ds(Dnssec::Signed).to_string()
    }

    /// The root zone with its signatures, as a zone file.
    pub(crate) fn root_zone(&self) -> String {
        file::text(&self.zone("."))
    }

    /// How often the root's server was asked anything.
    pub(crate) fn asked_root(&self) -> usize {
        self.ledger.count(|entry| entry.host == 1)
    }

    /// The first server of a zone, that answers as it should if one does.
    pub(crate) fn authority(&self, zone: &str) -> SocketAddr {
        let zone = self.zone(zone);
        let server = zone
            .servers
            .iter()
            .find(|server| server.manner.answers())
            .unwrap_or(&zone.servers[0]);
        self.at(server.host)
    }

    /// All servers of a zone, in the order of the file.
    pub(crate) fn authorities(&self, zone: &str) -> Vec<SocketAddr> {
        self.zone(zone)
            .servers
            .iter()
            .map(|server| self.at(server.host))
            .collect()
    }

    /// How often the servers of the zone that holds this name were asked for it; a repetition over
    /// TCP counts too.
    pub(crate) fn asked(&self, question: &str, kind: &str) -> usize {
        let (question, kind) = (name(question), kind.parse().expect("a record type"));
        let zone = zone_of(&self.zones(), &question, kind, |_| true)
            .expect("a root")
            .clone();
        let is_host = |host: u8| zone.servers.iter().any(|server| server.host == host);
        self.ledger
            .count(|entry| is_host(entry.host) && entry.name == question && entry.kind == kind)
    }

    /// How often anybody, the forwarders included, was asked for this name or one below it,
    /// whatever the type; but for the root's servers, by whom a resolver tries whether anybody
    /// answers.
    pub(crate) fn asked_below(&self, top: &str) -> usize {
        let top = name(top);
        self.ledger
            .count(|entry| top.zone_of(&entry.name) && !is_try(entry))
    }

    /// How often anybody was asked for this name and type.
    pub(crate) fn asked_anybody(&self, question: &str, kind: &str) -> usize {
        let (question, kind) = (name(question), kind.parse().expect("a record type"));
        self.ledger
            .count(|entry| entry.name == question && entry.kind == kind)
    }

    /// How often the forwarders were asked for a name and type.
    pub(crate) fn forwarded(&self, question: &str, kind: &str) -> usize {
        let (question, kind) = (name(question), kind.parse().expect("a record type"));
        self.ledger
            .count(|entry| entry.host > HOST_MAX && entry.name == question && entry.kind == kind)
    }

    /// How many packets this client sent to anybody.
    pub(crate) fn packets_of(&self, client: IpAddr) -> usize {
        self.ledger.count(|entry| entry.client == client)
    }

    /// The packets of this client as text.
    pub(crate) fn packet_lines(&self, client: IpAddr) -> Vec<String> {
        self.ledger.lines(|entry| entry.client == client)
    }

    /// How many packets the servers of a zone got, about anything.
    pub(crate) fn packets_at(&self, zone: &str) -> usize {
        let zone = self.zone(zone);
        self.ledger
            .count(|entry| zone.servers.iter().any(|server| server.host == entry.host))
    }

    /// How many packets the servers of a zone got over UDP, and how many of them without a capital
    /// letter.
    pub(crate) fn udp_packets_at(&self, zone: &str) -> (usize, usize) {
        let zone = self.zone(zone);
        let is_its = |entry: &Entry| {
            entry.transport == Transport::Udp
                && zone.servers.iter().any(|server| server.host == entry.host)
        };
        (
            self.ledger.count(is_its),
            self.ledger.count(|entry| is_its(entry) && entry.is_lower),
        )
    }

    /// How many packets the servers of a zone got without EDNS.
    pub(crate) fn packets_without_edns_at(&self, zone: &str) -> usize {
        let zone = self.zone(zone);
        self.ledger.count(|entry| {
            !entry.has_edns && zone.servers.iter().any(|server| server.host == entry.host)
        })
    }

    /// Sets every count to nought.
    pub(crate) fn forget(&self) {
        self.ledger.forget(|_| true);
    }

    /// Sets the counts of one client to nought.
    pub(crate) fn forget_client(&self, client: IpAddr) {
        self.ledger.forget(|entry: &Entry| entry.client == client);
    }

    /// Takes a delegation out of an unsigned zone; the zone below goes on answering.
    pub(crate) fn withdraw(&self, child: &str) {
        let child = name(child);
        let mut zones = self.zones.write().expect("the zones");
        let parent = zone_of(
            &zones,
            &child.base_name(),
            hickory_proto::rr::RecordType::NS,
            |_| true,
        )
        .expect("a parent")
        .clone();
        assert_eq!(
            parent.dnssec,
            Dnssec::Unsigned,
            "the signatures of {} would not fit any more",
            parent.origin
        );
        let mut left = Zone::new(parent.origin.clone(), parent.dnssec, parent.servers.clone());
        left.nodes = parent.nodes.clone();
        left.nodes.retain(|owner, _| !child.zone_of(owner));
        zones.insert(parent.origin.clone(), Arc::new(left));
    }

    /// Has a zone sign everything wrongly from now on, but for its keys.
    pub(crate) fn spoil(&self, zone: &str) {
        self.sign_anew(zone, Dnssec::BadSignatures);
    }

    /// Has a zone that was spoilt sign rightly again.
    pub(crate) fn mend(&self, zone: &str) {
        self.sign_anew(zone, Dnssec::Signed);
    }

    fn sign_anew(&self, zone: &str, dnssec: Dnssec) {
        let origin = name(zone);
        let mut zones = self.zones.write().expect("the zones");
        let good = Arc::clone(&zones[&origin]);
        let mut anew = Zone::new(origin.clone(), dnssec, good.servers.clone());
        anew.nodes = good.nodes.clone();
        anew.key = Arc::clone(&good.key);
        zones.insert(origin, Arc::new(anew));
    }

    /// A resolver that keeps back good.test and all below it: NXDOMAIN, and why.
    pub(crate) fn forwarder_blocking(&self) -> SocketAddr {
        self.at(FORWARDER_BLOCKING)
    }

    /// A resolver that answers like the next one, and leaves the SOA out of denials.
    pub(crate) fn forwarder_terse(&self) -> SocketAddr {
        self.at(FORWARDER_TERSE)
    }

    /// A resolver that answers every question from the zones.
    pub(crate) fn forwarder(&self) -> SocketAddr {
        self.at(FORWARDER)
    }

    /// One that knows the private zones too.
    pub(crate) fn forwarder_private(&self) -> SocketAddr {
        self.at(FORWARDER_PRIVATE)
    }

    /// A resolver that never answers.
    pub(crate) fn forwarder_silent(&self) -> SocketAddr {
        self.at(FORWARDER_SILENT)
    }

    /// A resolver that says SERVFAIL to everything.
    pub(crate) fn forwarder_failing(&self) -> SocketAddr {
        self.at(FORWARDER_FAILING)
    }

    /// A resolver that takes [`SLOW`] for each answer.
    pub(crate) fn forwarder_slow(&self) -> SocketAddr {
        self.at(FORWARDER_SLOW)
    }

    fn zones(&self) -> RwLockReadGuard<'_, Zones> {
        self.zones.read().expect("the zones")
    }

    fn zone(&self, origin: &str) -> Arc<Zone> {
        Arc::clone(&self.zones()[&name(origin)])
    }

    fn at(&self, host: u8) -> SocketAddr {
        SocketAddr::new(address(self.prefix, host).into(), self.port)
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A question for the root's servers.
fn is_try(entry: &Entry) -> bool {
    entry.name.is_root() && entry.kind == hickory_proto::rr::RecordType::NS
}

/// Two octets for the middle of the addresses: 127.0.* is left to the tests' clients, 127.255.* to
/// broadcasts.
pub(crate) fn free_prefix() -> [u8; 2] {
    let random = getrandom::u32().expect("randomness").to_be_bytes();
    [1 + random[0] % 254, random[1]]
}

/// A port that is free on the addresses of all these hosts, or the one that was asked for, and the
/// sockets that keep it so.
fn bind_free(prefix: [u8; 2], port: Option<u16>, hosts: &[u8]) -> (u16, HashMap<u8, Sockets>) {
    for _ in 0..BIND_ATTEMPTS {
        let probe = || {
            std::net::UdpSocket::bind((address(prefix, hosts[0]), 0))
                .and_then(|socket| socket.local_addr())
        };
        let Some(port) = port.or_else(|| probe().ok().map(|at| at.port())) else {
            continue;
        };
        let bind = |host: &u8| {
            Ok((
                *host,
                Sockets::bind(SocketAddr::new(address(prefix, *host).into(), port))?,
            ))
        };
        let bound: std::io::Result<_> = hosts.iter().map(bind).collect();
        if let Ok(sockets) = bound {
            return (port, sockets);
        }
    }
    panic!("no free port on loopback after {BIND_ATTEMPTS} attempts");
}

/// What the authority at this host says, of the deepest of its zones.
fn answer_as(
    (host, manner): (u8, Manner),
    zones: &Zones,
    asked: &Asked,
    transport: Transport,
) -> Reaction {
    let serves = |zone: &Zone| zone.servers.iter().any(|server| server.host == host);
    match zone_of(zones, asked.query.name(), asked.query.query_type(), serves) {
        Some(zone) => manner.react(asked, zone, transport),
        None if manner == Manner::Silent => Reaction::none(),
        // A liar speaks for zones that are not its own.
        None if manner == Manner::Lie => Reaction::one(manner::forged(asked)),
        None => Reaction::one(asked.encode(Reply::bare(ResponseCode::Refused), transport, |_| {})),
    }
}

/// What a resolver that knows all zones says.
fn forward_as(
    (host, manner): (u8, Manner),
    zones: &Zones,
    asked: &Asked,
    transport: Transport,
) -> Reaction {
    let knows = match host {
        FORWARDER_PRIVATE => Knows::PrivateZones,
        _ => Knows::PublicZones,
    };
    let soa = if host == FORWARDER_TERSE {
        DenialSoa::Left
    } else {
        DenialSoa::Sent
    };
    let answer = || forwarder::answer_forwarded(zones, knows, soa, asked, transport);
    match manner {
        Manner::Silent => Reaction::none(),
        Manner::Fail => {
            Reaction::one(asked.encode(Reply::bare(ResponseCode::ServFail), transport, |_| {}))
        }
        Manner::Slow => Reaction {
            delay: SLOW,
            ..Reaction::one(answer())
        },
        _ if host == FORWARDER_BLOCKING
            && name(BLOCKED_BY_FORWARDER).zone_of(asked.query.name()) =>
        {
            Reaction::one(forwarder::keep_back(asked, transport))
        }
        _ => Reaction::one(answer()),
    }
}

fn serve_until(served: Vec<(Sockets, Answer, bool)>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for (sockets, answer, takes_tcp) in served {
            sockets.serve(answer, takes_tcp);
        }
        let _ = stopped.await;
    });
}

//! A small internet on loopback: a signed root, two top-level domains and the zones of `tests/cases/zones.toml` under them.

mod authority;
mod expected;
mod forwarder;
mod serve;
mod sign;
mod zone;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};
use tokio::sync::oneshot;

use authority::Reply;
pub(crate) use expected::{Expected, expected_answers};
use serve::{Answer, Asked, Sockets, Transport};
pub(crate) use zone::SLOW;
use zone::{Manner, Zones, address, name, zone_of};

const FORWARDER: u8 = 250;
const FORWARDER_SILENT: u8 = 251;
const FORWARDER_FAILING: u8 = 252;
const FORWARDER_SLOW: u8 = 253;
const FORWARDERS: [(u8, Manner); 4] =
    [(FORWARDER, Manner::Answer), (FORWARDER_SILENT, Manner::Silent), (FORWARDER_FAILING, Manner::Fail), (FORWARDER_SLOW, Manner::Slow)];
const BIND_ATTEMPTS: usize = 50;

/// The running internet; it ends when dropped.
pub(crate) struct Internet {
    prefix: [u8; 2],
    port: u16,
    zones: Arc<Zones>,
    anchor: String,
    ledger: Arc<Ledger>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Questions by the host that got them, name and type.
#[derive(Default)]
struct Ledger(Mutex<HashMap<(u8, Name, RecordType), usize>>);

impl Ledger {
    fn note(&self, host: u8, asked: &Asked) {
        let key = (host, asked.query.name().to_lowercase(), asked.query.query_type());
        *self.0.lock().expect("the ledger").entry(key).or_default() += 1;
    }

    fn count(&self, wanted: impl Fn(u8, &Name, RecordType) -> bool) -> usize {
        let ledger = self.0.lock().expect("the ledger");
        ledger.iter().filter(|((host, name, kind), _)| wanted(*host, name, *kind)).map(|(_, n)| n).sum()
    }
}

impl Internet {
    /// Starts every server, on addresses `127.x.y.*` of its own and one port.
    pub(crate) fn start() -> Self {
        // 127.0.* is left to the tests' clients, 127.255.* to broadcasts.
        let random = getrandom::u32().expect("randomness").to_be_bytes();
        let prefix = [1 + random[0] % 254, random[1]];
        let (zones, root_key) = zone::build_zones(prefix);
        let servers = zones.values().flat_map(|zone| &zone.servers).map(|server| server.host);
        let hosts: Vec<u8> = servers.chain(FORWARDERS.map(|(host, _)| host)).collect();
        let (port, mut sockets) = bind_free(prefix, &hosts);
        let (zones, ledger) = (Arc::new(zones), Arc::new(Ledger::default()));
        let mut served: Vec<(Sockets, Answer, Duration)> = vec![];
        for zone in zones.values() {
            for server in zone.servers.iter().filter(|server| server.manner != Manner::Absent) {
                let zone = Arc::clone(zone);
                let answer = behave(server.manner, server.host, &ledger, move |asked, transport| {
                    let (question, kind) = (asked.query.name(), asked.query.query_type());
                    let reply = asked.refusal().unwrap_or_else(|| zone.answer(question, kind, asked.signatures()));
                    asked.encode(reply, transport, |_| {})
                });
                served.push((sockets.remove(&server.host).expect("one zone a host"), answer, server.manner.delay()));
            }
        }
        for (host, manner) in FORWARDERS {
            let zones = Arc::clone(&zones);
            let forward = move |asked: &Asked, transport| forwarder::answer_forwarded(&zones, asked, transport);
            served.push((sockets.remove(&host).expect("bound"), behave(manner, host, &ledger, forward), manner.delay()));
        }
        drop(sockets);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || serve_until(served, stopped));
        let anchor = root_key.dnskey().to_string() + "\n";
        Self { prefix, port, zones, anchor, ledger, stop: Some(stop), thread: Some(thread) }
    }

    /// The port of every server.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The root's name server and its address, as a zone file.
    pub(crate) fn root_hints(&self) -> String {
        format!(". 3600 IN NS root.test.\nroot.test. 3600 IN A {}\n", address(self.prefix, 1))
    }

    /// The root's key, as a zone file with one DNSKEY.
    pub(crate) fn trust_anchor(&self) -> String {
        self.anchor.clone()
    }

    /// The first server of a zone, that answers as it should if one does.
    pub(crate) fn authority(&self, zone: &str) -> SocketAddr {
        let servers = &self.zones[&name(zone)].servers;
        let server = servers.iter().find(|server| server.manner.answers()).unwrap_or(&servers[0]);
        self.at(server.host)
    }

    /// All servers of a zone, in the order of `zones.toml`.
    pub(crate) fn authorities(&self, zone: &str) -> Vec<SocketAddr> {
        self.zones[&name(zone)].servers.iter().map(|server| self.at(server.host)).collect()
    }

    /// How often the servers of the zone that holds this name were asked for it; a repetition over TCP counts too.
    pub(crate) fn asked(&self, question: &str, kind: &str) -> usize {
        let (question, kind) = (name(question), kind.parse().expect("a record type"));
        let hosts: Vec<u8> = zone_of(&self.zones, &question, kind).servers.iter().map(|server| server.host).collect();
        self.ledger.count(|host, at, of| hosts.contains(&host) && *at == question && of == kind)
    }

    /// How often anybody, the forwarders included, was asked for this name or one below it, whatever the type.
    pub(crate) fn asked_below(&self, top: &str) -> usize {
        let top = name(top);
        self.ledger.count(|_, at, _| top.zone_of(at))
    }

    /// How often the forwarders were asked for a name and type.
    pub(crate) fn forwarded(&self, question: &str, kind: &str) -> usize {
        let (question, kind) = (name(question), kind.parse().expect("a record type"));
        self.ledger.count(|host, at, of| host >= FORWARDER && *at == question && of == kind)
    }

    /// Sets every count to nought.
    pub(crate) fn forget(&self) {
        self.ledger.0.lock().expect("the ledger").clear();
    }

    /// A resolver that answers every question from the zones.
    pub(crate) fn forwarder(&self) -> SocketAddr {
        self.at(FORWARDER)
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

/// A port that is free on the addresses of all these hosts, and the sockets that keep it so.
fn bind_free(prefix: [u8; 2], hosts: &[u8]) -> (u16, HashMap<u8, Sockets>) {
    for _ in 0..BIND_ATTEMPTS {
        let probe = std::net::UdpSocket::bind((address(prefix, hosts[0]), 0)).and_then(|socket| socket.local_addr());
        let Ok(port) = probe.map(|at| at.port()) else { continue };
        let bind = |host: &u8| Ok((*host, Sockets::bind(SocketAddr::new(address(prefix, *host).into(), port))?));
        let bound: std::io::Result<_> = hosts.iter().map(bind).collect();
        if let Ok(sockets) = bound {
            return (port, sockets);
        }
    }
    panic!("no free port on loopback after {BIND_ATTEMPTS} attempts");
}

/// What a server does with the questions it gets, all of them counted.
fn behave<A>(manner: Manner, host: u8, ledger: &Arc<Ledger>, answer: A) -> Answer
where
    A: Fn(&Asked, Transport) -> Vec<u8> + Send + Sync + 'static,
{
    let ledger = Arc::clone(ledger);
    Arc::new(move |bytes, transport| {
        let asked = Asked::read(bytes)?;
        ledger.note(host, &asked);
        let rcode = match manner {
            Manner::Answer | Manner::Slow => return Some(answer(&asked, transport)),
            Manner::Silent | Manner::Absent => return None,
            Manner::Refuse => ResponseCode::Refused,
            Manner::Fail => ResponseCode::ServFail,
        };
        Some(asked.encode(Reply::bare(rcode), transport, |_| {}))
    })
}

fn serve_until(served: Vec<(Sockets, Answer, Duration)>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for (sockets, answer, delay) in served {
            sockets.serve(answer, delay);
        }
        let _ = stopped.await;
    });
}

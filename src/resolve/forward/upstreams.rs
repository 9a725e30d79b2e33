//! Asks the provider's own resolvers: in the order they are configured, those that fail passed over
//! for a while.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::dot;
use super::peer::{Peer, PeerHeard, attempt};
use super::server::{Server, Upstream};
use crate::clock;
use crate::name::Name;
use crate::resolve::exchange::{
    LocalAddress, Outgoing, OutgoingEdns, Spelling, UDP_PAYLOAD_OCTETS,
};
use crate::resolve::failure::Failure;
use crate::resolve::question::{Fetched, Question, UpstreamBlock};
use crate::resolve::reply::{Authentic, ServerReply};
use crate::resolve::start_error::StartError;
use crate::resolve::tally::ResolveTally;
use crate::resolve::trace::Trace;

/// Tries against upstreams that are down, beside the questions that wait for others.
const PROBES_MAX: usize = 16;

/// Whom to ask and how patiently.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Upstream resolvers, the preferred one first.
    pub upstreams: Vec<Server>,
    /// The certificates of the authorities (PEM) that vouch for the upstreams' names; read only
    /// where an upstream has one.
    pub authorities: PathBuf,
    /// How long one try may take.
    pub timeout: Duration,
    /// Tries for one question in all.
    pub attempts: usize,
    /// The largest UDP reply asked for, in octets.
    pub edns_octets: u16,
    /// The addresses that questions go out from, at most one of each family; without one the system
    /// chooses.
    pub outgoing: Vec<IpAddr>,
    /// Pass on the upstreams' AD bit (RFC 4035 section 4.9.3).
    pub trust_ad: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            upstreams: Vec::new(),
            authorities: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            timeout: Duration::from_secs(1),
            attempts: 3,
            edns_octets: UDP_PAYLOAD_OCTETS,
            outgoing: Vec::new(),
            trust_ad: false,
        }
    }
}

/// Whom to ask, and how it stands with them.
pub(in crate::resolve) struct Upstreams {
    peers: Vec<Arc<Peer>>,
    settings: Settings,
    probes: Arc<AtomicUsize>,
    tally: Arc<ResolveTally>,
}

impl Upstreams {
    /// Get ready to ask these resolvers about everything, or about one zone.
    pub(in crate::resolve) fn new(
        settings: Settings,
        zone: Option<&Name>,
    ) -> Result<Self, StartError> {
        if settings.upstreams.is_empty() {
            return Err(StartError::NoUpstream);
        }
        let is_secure = settings
            .upstreams
            .iter()
            .any(|server| server.name.is_some());
        let secure = if is_secure {
            Some(dot::client_config(&settings.authorities)?)
        } else {
            None
        };
        let servers = settings.upstreams.iter().cloned();
        let peers = servers.map(|server| {
            Ok(Arc::new(Peer::new(
                server,
                zone.cloned(),
                secure.as_ref(),
                settings.timeout,
            )?))
        });
        Ok(Self {
            peers: peers.collect::<Result<_, StartError>>()?,
            settings,
            probes: Arc::default(),
            tally: Arc::default(),
        })
    }

    /// What they did so far.
    pub(in crate::resolve) const fn tally(&self) -> &Arc<ResolveTally> {
        &self.tally
    }

    /// How it stands with each.
    pub(in crate::resolve) fn show(&self) -> Vec<Upstream> {
        self.peers.iter().map(|peer| peer.show()).collect()
    }

    /// Ask one upstream after the other, as often as the settings allow, until one answers. The
    /// next one is asked too when the first takes longer than it does nineteen times out of twenty,
    /// so that one slow upstream holds nobody up.
    pub(in crate::resolve) async fn fetch(
        &self,
        question: &Question,
        trace: Option<&Arc<Trace>>,
    ) -> Result<Fetched, Failure> {
        let outgoing = self.outgoing(question);
        let order = self.order(&outgoing);
        let mut next = order.iter().cycle().take(self.settings.attempts).peekable();
        let mut failure = Failure::Unreachable;
        let mut asked = JoinSet::new();
        let mut hedge_at = tokio::time::Instant::now();
        loop {
            if asked.is_empty() {
                let Some(peer) = next.next() else {
                    return Err(failure);
                };
                hedge_at = tokio::time::Instant::now() + peer.usual();
                self.start(&mut asked, peer, &outgoing, trace);
            }
            let may_hedge = asked.len() == 1 && order.len() > 1 && next.peek().is_some();
            let heard = tokio::select! {
                heard = asked.join_next() => {
                    heard.and_then(Result::ok).unwrap_or(PeerHeard::Unusable)
                }
                () = tokio::time::sleep_until(hedge_at), if may_hedge => {
                    if let Some(peer) = next.next() {
                        self.start(&mut asked, peer, &outgoing, trace);
                    }
                    continue;
                }
            };
            match heard {
                PeerHeard::Answer(reply) => match self.lay_out(&reply, question) {
                    Some(fetched) => {
                        // The slower one goes on, so that what it does is known.
                        asked.detach_all();
                        return Ok(fetched);
                    }
                    None => failure = worse(failure, Failure::Unusable),
                },
                PeerHeard::Unable(ede) => failure = worse(failure, judge(ede)),
                PeerHeard::Unusable | PeerHeard::Broken => {
                    failure = worse(failure, Failure::Unusable)
                }
                PeerHeard::Silence => {}
            }
        }
    }

    fn outgoing(&self, question: &Question) -> Outgoing {
        Outgoing {
            name: question.name.clone(),
            qtype: question.qtype,
            recursion_desired: true,
            checking_disabled: question.checking_disabled,
            edns: OutgoingEdns::WantSignatures(self.settings.edns_octets),
            spelling: Spelling::Drawn,
            local: LocalAddress::of(&self.settings.outgoing),
            watch: None,
        }
    }

    fn start(
        &self,
        asked: &mut JoinSet<PeerHeard>,
        peer: &Arc<Peer>,
        outgoing: &Outgoing,
        trace: Option<&Arc<Trace>>,
    ) {
        let (peer, outgoing, tally, timeout, trace) = (
            Arc::clone(peer),
            outgoing.clone(),
            Arc::clone(&self.tally),
            self.settings.timeout,
            trace.cloned(),
        );
        asked.spawn(async move { attempt(&peer, outgoing, timeout, &tally, trace.as_ref()).await });
    }

    fn lay_out(&self, reply: &ServerReply, question: &Question) -> Option<Fetched> {
        let authentic = if self.settings.trust_ad && reply.authentic {
            Authentic::Yes
        } else {
            Authentic::No
        };
        let wire = reply.lay_out(question, authentic).ok()?;
        Some(Fetched {
            text: reply.text.clone(),
            signed_until_s: reply.signed_until_s(clock::wall_u32_s()),
            ..Fetched::new(wire, reply.ede.map(UpstreamBlock::pass_on))
        })
    }

    /// The upstreams that are up as configured, then those that are down. One that is due for
    /// another try gets this question on the side, so that nobody waits for it.
    fn order(&self, outgoing: &Outgoing) -> Vec<Arc<Peer>> {
        let (up, down): (Vec<_>, Vec<_>) =
            self.peers.iter().cloned().partition(|peer| peer.is_up());
        if !up.is_empty() {
            down.iter()
                .filter(|peer| peer.is_due())
                .for_each(|peer| self.probe(Arc::clone(peer), outgoing.clone()));
        }
        up.into_iter().chain(down).collect()
    }

    fn probe(&self, peer: Arc<Peer>, outgoing: Outgoing) {
        if self.probes.fetch_add(1, Ordering::Relaxed) >= PROBES_MAX {
            self.probes.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (probes, tally, timeout) = (
            Arc::clone(&self.probes),
            Arc::clone(&self.tally),
            self.settings.timeout,
        );
        tokio::spawn(async move {
            attempt(&peer, outgoing, timeout, &tally, None).await;
            probes.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// What an upstream's extended error says about its SERVFAIL.
const fn judge(ede: Option<u16>) -> Failure {
    match ede {
        Some(7) => Failure::Expired,
        Some(9) => Failure::KeyMissing,
        Some(10) => Failure::Unsigned,
        Some(5 | 6 | 8 | 11 | 12) => Failure::Bogus,
        Some(22) => Failure::Unreachable,
        _ => Failure::Unusable,
    }
}

/// Of two failures the one that says more.
const fn worse(one: Failure, other: Failure) -> Failure {
    match (one, other) {
        (Failure::Unreachable, _) => other,
        (
            Failure::Unusable,
            Failure::Bogus | Failure::Expired | Failure::KeyMissing | Failure::Unsigned,
        ) => other,
        _ => one,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::resolve::{Resolver, recurse};

    /// What a scripted upstream does with the next question over UDP.
    #[derive(Clone, Copy)]
    enum Act {
        Answer,
        Refuse,
        Fail,
        /// TC set; TCP has the answer.
        Truncate,
        /// First with another id, then about another name, then right.
        WrongThenRight,
        /// The right header and question, and then rubbish.
        Garble,
        /// FORMERR while there is an OPT record.
        DislikeEdns,
        /// NOTIMP while there is an OPT record.
        NotImplementEdns,
        Keep,
        /// Silent over UDP; TCP answers.
        KeepUdp,
    }

    /// An upstream at `address` that acts by the script, and by its last line when that is over.
    async fn upstream(address: &str, script: &[Act]) -> (SocketAddr, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind((address, 0)).await.unwrap();
        let at = socket.local_addr().unwrap();
        let listener = TcpListener::bind(at).await.unwrap();
        let takes_tcp = script
            .iter()
            .any(|act| matches!(act, Act::Truncate | Act::WrongThenRight | Act::KeepUdp));
        let (asked, counted, script) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
            script.to_vec(),
        );
        let counter = Arc::clone(&counted);
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let turn = asked.fetch_add(1, Ordering::Relaxed);
                counter.fetch_add(1, Ordering::Relaxed);
                for reply in replies(&buffer[..length], script[turn.min(script.len() - 1)]) {
                    socket.send_to(&reply, from).await.unwrap();
                }
            }
        });
        if !takes_tcp {
            return (at, counted);
        }
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut asked).await.unwrap();
                let reply = answer(&asked);
                stream.write_u16(reply.len() as u16).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        });
        (at, counted)
    }

    fn header_and_question(asked: &[u8], rcode: u8) -> Vec<u8> {
        let end = 12 + asked[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
        let mut reply = asked[..end].to_vec();
        reply[2] |= 0x80;
        reply[3] = 0xa0 | rcode;
        reply[6..12].fill(0);
        reply
    }

    fn answer(asked: &[u8]) -> Vec<u8> {
        let mut reply = header_and_question(asked, 0);
        reply[7] = 1;
        reply
            .extend_from_slice(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07");
        reply
    }

    fn replies(asked: &[u8], act: Act) -> Vec<Vec<u8>> {
        match act {
            Act::Answer => vec![answer(asked)],
            Act::Refuse => vec![header_and_question(asked, 5)],
            Act::Fail => vec![header_and_question(asked, 2)],
            Act::Truncate => {
                let mut reply = header_and_question(asked, 0);
                reply[2] |= 0x02;
                vec![reply]
            }
            Act::WrongThenRight => {
                let (mut id, mut name) = (answer(asked), answer(asked));
                id[0] ^= 1;
                name[13] = if name[13] == b'x' { b'y' } else { b'x' };
                vec![id, name, answer(asked)]
            }
            Act::Garble => {
                let mut reply = answer(asked);
                reply.truncate(reply.len() - 2);
                vec![reply]
            }
            Act::DislikeEdns if asked[11] == 1 => {
                vec![header_and_question(asked, 1)[..12].to_vec()]
                    .into_iter()
                    .map(|mut reply| {
                        reply[5] = 0;
                        reply
                    })
                    .collect()
            }
            Act::NotImplementEdns if asked[11] == 1 => vec![header_and_question(asked, 4)],
            Act::DislikeEdns | Act::NotImplementEdns => vec![answer(asked)],
            Act::Keep | Act::KeepUdp => Vec::new(),
        }
    }

    fn resolver(upstreams: &[SocketAddr], attempts: usize, trust_ad: bool) -> Resolver {
        let upstreams = upstreams.iter().map(|address| (*address).into()).collect();
        let settings = Settings {
            upstreams,
            timeout: Duration::from_millis(150),
            attempts,
            trust_ad,
            ..Settings::default()
        };
        let settings = crate::resolve::Settings {
            forward: Some(settings),
            recurse: recurse::Settings {
                validate: false,
                ..recurse::Settings::default()
            },
            zones: Vec::new(),
            private_names: None,
            patience: Duration::from_millis(1000),
            dns64: None,
            renumbering: Vec::new(),
        };
        Resolver::start(settings).unwrap()
    }

    fn question(name: &str) -> Question {
        Question {
            name: Name::parse(name).unwrap(),
            qtype: 1,
            dnssec_ok: false,
            checking_disabled: false,
        }
    }

    async fn ask_one(resolver: &Resolver) -> Result<Vec<u8>, Failure> {
        resolver
            .fetch(&question("www.example"), resolver.patience())
            .await
            .map(|fetched| fetched.wire)
    }

    /// Waits until the books say so.
    async fn settle(is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(2);
        while !is_so() {
            assert!(Instant::now() < deadline, "the books are kept");
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn what_is_usual_leaves_out_the_few_that_are_slow() {
        let server = SocketAddr::from(([127, 0, 0, 1], 53)).into();
        let peer = Peer::new(server, None, None, Duration::from_secs(1))
            .ok()
            .unwrap();
        for nth in 0..20_000 {
            peer.note_latency(Duration::from_millis(if nth % 25 == 0 {
                400
            } else {
                1 + nth * 7919 % 50
            }));
        }
        assert!(
            (30..120).contains(&peer.usual().as_millis()),
            "{:?}",
            peer.usual()
        );
    }

    const WIRE: &[u8] =
        b"\x00\x00\x80\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03www\x07example\x00\x00\x01\x00\x01\
        \xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07";

    #[tokio::test]
    async fn each_act_ends_well() {
        for (act, asked) in [
            (Act::Answer, 1),
            (Act::Truncate, 1),
            (Act::WrongThenRight, 1),
            (Act::DislikeEdns, 2),
            (Act::NotImplementEdns, 2),
        ] {
            let (at, counted) = upstream("127.9.1.1", &[act]).await;
            assert_eq!(ask_one(&resolver(&[at], 1, false)).await.unwrap(), WIRE);
            assert_eq!(counted.load(Ordering::Relaxed), asked);
        }
    }

    #[tokio::test]
    async fn a_bad_first_upstream_costs_no_answer() {
        for act in [Act::Keep, Act::Refuse, Act::Fail, Act::Garble] {
            let (bad, _) = upstream("127.9.2.1", &[act]).await;
            let (good, _) = upstream("127.9.2.2", &[Act::Answer]).await;
            let resolver = resolver(&[bad, good], 2, false);
            assert_eq!(ask_one(&resolver).await.unwrap(), WIRE);
            // The silent one is still being waited for when the other has answered.
            settle(|| resolver.totals().failures == 1).await;
            let [first, second] = &resolver.upstreams()[..] else {
                panic!("two upstreams")
            };
            assert_eq!(
                (
                    first.failures,
                    first.answers,
                    second.failures,
                    second.answers
                ),
                (1, 0, 0, 1)
            );
            assert_eq!(resolver.totals().failures, 1);
        }
    }

    #[tokio::test]
    async fn tcp_is_asked_where_udp_does_not_get_through() {
        let (at, counted) = upstream("127.9.7.1", &[Act::KeepUdp]).await;
        let resolver = resolver(&[at], 3, false);
        assert_eq!(ask_one(&resolver).await.unwrap(), WIRE);
        assert_eq!(counted.load(Ordering::Relaxed), 3);
        assert_eq!(resolver.totals().failures, 2);
        assert_eq!(ask_one(&resolver).await.unwrap(), WIRE);
        assert_eq!(resolver.totals().failures, 2, "known by now");
    }

    /// An upstream that refuses is not silent: it is not asked over TCP, and nobody says that it
    /// does not answer.
    #[tokio::test]
    async fn a_refusal_is_no_silence() {
        let server: Server = SocketAddr::from(([127, 0, 0, 1], 53)).into();
        let peer = Peer::new(server, None, None, Duration::from_secs(1)).ok();
        let peer = peer.unwrap();
        let refused = [PeerHeard::Unusable, PeerHeard::Unusable, PeerHeard::Silence];
        for heard in &refused {
            peer.note(heard);
            assert!(!peer.is_mute());
        }
        assert!(!peer.is_up());
        peer.note(&PeerHeard::Silence);
        assert!(peer.is_mute());
        peer.note(&PeerHeard::Unable(None));
        assert!(!peer.is_mute() && peer.is_up());
        let (at, counted) = upstream("127.9.8.1", &[Act::Refuse]).await;
        let resolver = resolver(&[at], 5, false);
        assert_eq!(ask_one(&resolver).await, Err(Failure::Unusable));
        assert_eq!(counted.load(Ordering::Relaxed), 5);
    }

    #[tokio::test]
    async fn failures_say_what_was_heard() {
        for (act, failure) in [
            (Act::Keep, Failure::Unreachable),
            (Act::Refuse, Failure::Unusable),
            (Act::Garble, Failure::Unusable),
        ] {
            let (at, counted) = upstream("127.9.3.1", &[act]).await;
            let start = Instant::now();
            assert_eq!(
                ask_one(&resolver(&[at], 3, false)).await.unwrap_err(),
                failure
            );
            assert!(start.elapsed() < Duration::from_millis(1000));
            assert_eq!(counted.load(Ordering::Relaxed), 3);
        }
        let (at, _) = upstream("127.9.3.2", &[Act::Keep]).await;
        let start = Instant::now();
        assert_eq!(
            ask_one(&resolver(&[at], 100, false)).await.unwrap_err(),
            Failure::Unreachable
        );
        assert!(
            start.elapsed() < Duration::from_millis(1300),
            "patience ends it"
        );
    }

    #[tokio::test]
    async fn a_dead_upstream_is_passed_over_and_comes_back() {
        let (bad, bad_asked) =
            upstream("127.9.4.1", &[Act::Keep, Act::Keep, Act::Keep, Act::Answer]).await;
        let (good, _) = upstream("127.9.4.2", &[Act::Answer]).await;
        let resolver = resolver(&[bad, good], 2, false);
        for asked in 1..=6 {
            ask_one(&resolver).await.unwrap();
            settle(|| resolver.upstreams()[0].failures == asked.min(3)).await;
        }
        assert_eq!(bad_asked.load(Ordering::Relaxed), 3);
        assert!(resolver.upstreams()[0].down_since.is_some());
        let deadline = Instant::now() + Duration::from_secs(5);
        while resolver.upstreams()[0].down_since.is_some() {
            assert!(Instant::now() < deadline, "the probe brings it back");
            let start = Instant::now();
            ask_one(&resolver).await.unwrap();
            assert!(
                start.elapsed() < Duration::from_millis(100),
                "nobody waits for the probe"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn the_upstreams_word_on_signatures_counts_only_when_trusted() {
        let (at, _) = upstream("127.9.5.1", &[Act::Answer]).await;
        assert_eq!(
            ask_one(&resolver(&[at], 1, false)).await.unwrap()[3] & 0x20,
            0
        );
        assert_eq!(
            ask_one(&resolver(&[at], 1, true)).await.unwrap()[3] & 0x20,
            0x20
        );
    }
}

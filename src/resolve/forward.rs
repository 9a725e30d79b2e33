//! Asking the provider's own resolvers: in the order they are configured, those that fail passed over for a while.

mod checked;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::budget::Budget;
use super::exchange::{Edns, Fault, Local, Outgoing, Spelling, UDP_PAYLOAD_OCTETS, ask};
use super::recurse;
use super::reply::{Authentic, Reply};
use super::{Failure, Fetched, Question, StartError, Tally, Upstream};
use crate::clock;

/// So many tries in a row without a usable reply, and an upstream is passed over.
const FAILURES_IN_A_ROW_MAX: u32 = 3;
/// How long it is passed over at first; doubled each time it fails again.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
/// The longest it is passed over before it is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Tries against upstreams that are down, beside the questions that wait for others.
const PROBES_MAX: usize = 16;

/// An upstream of which nothing is known takes this share of the time-out.
const USUAL_SHARE_FIRST: u32 = 4;
/// No upstream is so quick that a second one is asked sooner.
const USUAL_MIN: Duration = Duration::from_millis(10);

/// Whom to ask and how patiently.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Upstream resolvers, the preferred one first.
    pub upstreams: Vec<SocketAddr>,
    /// How long one try may take.
    pub timeout: Duration,
    /// Tries for one question in all.
    pub attempts: usize,
    /// The largest UDP reply asked for, in octets.
    pub edns_octets: u16,
    /// The addresses that questions go out from, at most one of each family; without one the system chooses.
    pub outgoing: Vec<IpAddr>,
    /// Pass on the upstreams' AD bit (RFC 4035 section 4.9.3).
    pub trust_ad: bool,
    /// Check signatures by ourselves, with the anchors and the algorithms of these settings.
    pub validate: Option<recurse::Settings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            upstreams: Vec::new(),
            timeout: Duration::from_secs(1),
            attempts: 3,
            edns_octets: UDP_PAYLOAD_OCTETS,
            outgoing: Vec::new(),
            trust_ad: false,
            validate: None,
        }
    }
}

/// The upstream resolvers with what is known about them.
pub(super) struct Forwarder {
    upstreams: Arc<Upstreams>,
    /// Checks what they say, where that is asked for.
    checked: RwLock<Option<Arc<checked::Checked>>>,
    patience: Duration,
}

/// Whom to ask, and how it stands with them.
struct Upstreams {
    peers: Vec<Arc<Peer>>,
    settings: Settings,
    probes: Arc<AtomicUsize>,
    tally: Arc<Tally>,
}

/// One upstream resolver.
struct Peer {
    address: SocketAddr,
    tally: Tally,
    failures_in_a_row: AtomicU32,
    /// Wall-clock seconds; 0 while it is up.
    down_since: AtomicI64,
    /// When it may be tried again.
    retry_at: Mutex<Option<Instant>>,
    /// What it takes at the most nineteen times out of twenty, in microseconds.
    usual_us: AtomicU32,
}

/// What one try brought.
enum Heard {
    /// An answer, positive or negative.
    Answer(Box<Reply>),
    /// A living server that cannot answer this question; with its extended error.
    Unable(Option<u16>),
    /// Something that is no use, from a server that may be down for us.
    Unusable,
    /// Nothing.
    Silence,
}

impl Forwarder {
    pub(super) fn start(settings: Settings, patience: Duration) -> Result<Self, StartError> {
        if settings.upstreams.is_empty() {
            return Err(StartError::NoUpstream);
        }
        let upstreams = Arc::new(Upstreams::new(settings));
        let checked = RwLock::new(checked::build(&upstreams)?);
        Ok(Self { upstreams, checked, patience })
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.upstreams.tally
    }

    pub(super) fn upstreams(&self) -> Vec<Upstream> {
        self.upstreams.peers.iter().map(|peer| peer.show()).collect()
    }

    /// Forget the keys and proofs that were learnt; questions in flight finish with the old ones.
    pub(super) fn forget(&self) -> Result<(), StartError> {
        let anew = checked::build(&self.upstreams)?;
        *self.checked.write().unwrap_or_else(PoisonError::into_inner) = anew;
        Ok(())
    }

    /// The upstreams' answer, checked by ourselves where that is asked for and the client does not do it.
    pub(super) async fn fetch(&self, question: &Question) -> Result<Fetched, Failure> {
        let checked = self.checked.read().unwrap_or_else(PoisonError::into_inner).clone();
        match checked.filter(|_| !question.checking_disabled) {
            Some(checked) => checked.chase(question, &Budget::new(self.patience)).await,
            None => self.upstreams.fetch(question).await,
        }
    }
}

impl Upstreams {
    fn new(settings: Settings) -> Self {
        let peers = settings.upstreams.iter().map(|address| Arc::new(Peer::new(*address, settings.timeout))).collect();
        Self { peers, settings, probes: Arc::default(), tally: Arc::default() }
    }

    /// Ask one upstream after the other, as often as the settings allow, until one answers. The next one is asked too when the first takes
    /// longer than it does nineteen times out of twenty, so that one slow upstream holds nobody up.
    async fn fetch(&self, question: &Question) -> Result<Fetched, Failure> {
        let outgoing = self.outgoing(question);
        let order = self.order(&outgoing);
        let mut next = order.iter().cycle().take(self.settings.attempts).peekable();
        let mut failure = Failure::Unreachable;
        let mut asked = JoinSet::new();
        let mut hedge_at = tokio::time::Instant::now();
        loop {
            if asked.is_empty() {
                let Some(peer) = next.next() else { return Err(failure) };
                hedge_at = tokio::time::Instant::now() + peer.usual();
                self.start(&mut asked, peer, &outgoing);
            }
            let heard = tokio::select! {
                heard = asked.join_next() => heard.and_then(Result::ok).unwrap_or(Heard::Unusable),
                () = tokio::time::sleep_until(hedge_at), if asked.len() == 1 && order.len() > 1 && next.peek().is_some() => {
                    if let Some(peer) = next.next() {
                        self.start(&mut asked, peer, &outgoing);
                    }
                    continue;
                }
            };
            match heard {
                Heard::Answer(reply) => match self.lay_out(&reply, question) {
                    Some(fetched) => {
                        // The slower one goes on, so that what it does is known.
                        asked.detach_all();
                        return Ok(fetched);
                    }
                    None => failure = worse(failure, Failure::Unusable),
                },
                Heard::Unable(ede) => failure = worse(failure, judge(ede)),
                Heard::Unusable => failure = worse(failure, Failure::Unusable),
                Heard::Silence => {}
            }
        }
    }

    fn outgoing(&self, question: &Question) -> Outgoing {
        let addresses = &self.settings.outgoing;
        let v4 = addresses.iter().find_map(|address| if let IpAddr::V4(v4) = address { Some(*v4) } else { None });
        let v6 = addresses.iter().find_map(|address| if let IpAddr::V6(v6) = address { Some(*v6) } else { None });
        Outgoing {
            name: question.name.clone(),
            qtype: question.qtype,
            recursion_desired: true,
            checking_disabled: question.checking_disabled,
            edns: Edns::WantSignatures(self.settings.edns_octets),
            spelling: Spelling::Drawn,
            local: Local { v4, v6 },
        }
    }

    fn start(&self, asked: &mut JoinSet<Heard>, peer: &Arc<Peer>, outgoing: &Outgoing) {
        let (peer, outgoing, tally, timeout) = (Arc::clone(peer), outgoing.clone(), Arc::clone(&self.tally), self.settings.timeout);
        asked.spawn(async move { attempt(&peer, &outgoing, timeout, &tally).await });
    }

    fn lay_out(&self, reply: &Reply, question: &Question) -> Option<Fetched> {
        let authentic = if self.settings.trust_ad && reply.authentic { Authentic::Yes } else { Authentic::No };
        let wire = reply.lay_out(question, authentic).ok()?;
        Some(Fetched { wire, ede: reply.ede })
    }

    /// The upstreams that are up as configured, then those that are down. One that is due for another try gets this question on the side,
    /// so that nobody waits for it.
    fn order(&self, outgoing: &Outgoing) -> Vec<Arc<Peer>> {
        let (up, down): (Vec<_>, Vec<_>) = self.peers.iter().cloned().partition(|peer| peer.is_up());
        if !up.is_empty() {
            down.iter().filter(|peer| peer.is_due()).for_each(|peer| self.probe(Arc::clone(peer), outgoing.clone()));
        }
        up.into_iter().chain(down).collect()
    }

    fn probe(&self, peer: Arc<Peer>, outgoing: Outgoing) {
        if self.probes.fetch_add(1, Ordering::Relaxed) >= PROBES_MAX {
            self.probes.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (probes, tally, timeout) = (Arc::clone(&self.probes), Arc::clone(&self.tally), self.settings.timeout);
        tokio::spawn(async move {
            attempt(&peer, &outgoing, timeout, &tally).await;
            probes.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// One try, once more without EDNS where the server cannot read it (RFC 6891 section 7), and the books kept.
async fn attempt(peer: &Peer, outgoing: &Outgoing, timeout: Duration, tally: &Tally) -> Heard {
    let begun = clock::monotonic();
    let mut heard = ask(peer.address, outgoing, timeout).await.map(|octets| Reply::read(&octets));
    peer.note_latency(begun.elapsed());
    if matches!(&heard, Ok(Ok(reply)) if is_edns_fault(reply.rcode)) {
        let plain = Outgoing { edns: Edns::Leave, ..outgoing.clone() };
        heard = ask(peer.address, &plain, timeout).await.map(|octets| Reply::read(&octets));
    }
    let heard = match heard {
        Ok(Ok(reply)) => match reply.rcode {
            // NOERROR, NXDOMAIN, and YXDOMAIN for a DNAME that leads to a name too long (RFC 6672 section 2.2).
            0 | 3 | 6 => Heard::Answer(Box::new(reply)),
            // SERVFAIL, NOTIMP: it is there, but not for this question.
            2 | 4 => Heard::Unable(reply.ede),
            _ => Heard::Unusable,
        },
        Ok(Err(_)) | Err(Fault::Broken | Fault::Unsent) => Heard::Unusable,
        Err(Fault::Silent) => Heard::Silence,
    };
    match heard {
        Heard::Answer(_) => {
            tally.note_answer();
            peer.tally.note_answer();
            peer.note_alive();
        }
        Heard::Unable(_) => {
            tally.note_failure();
            peer.tally.note_failure();
            peer.note_alive();
        }
        Heard::Unusable | Heard::Silence => {
            tally.note_failure();
            peer.tally.note_failure();
            peer.note_useless();
        }
    }
    heard
}

/// FORMERR, or BADVERS (RFC 6891 section 9).
const fn is_edns_fault(rcode: u16) -> bool {
    matches!(rcode, 1 | 16)
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
        (Failure::Unusable, Failure::Bogus | Failure::Expired | Failure::KeyMissing | Failure::Unsigned) => other,
        _ => one,
    }
}

fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

impl Peer {
    fn new(address: SocketAddr, timeout: Duration) -> Self {
        Self {
            usual_us: AtomicU32::new(micros(timeout / USUAL_SHARE_FIRST)),
            address,
            tally: Tally::default(),
            failures_in_a_row: AtomicU32::new(0),
            down_since: AtomicI64::new(0),
            retry_at: Mutex::default(),
        }
    }

    fn show(&self) -> Upstream {
        Upstream {
            address: self.address,
            answers: self.tally.answers.load(Ordering::Relaxed),
            failures: self.tally.failures.load(Ordering::Relaxed),
            down_since: Some(self.down_since.load(Ordering::Relaxed)).filter(|_| !self.is_up()),
        }
    }

    /// What it takes at the most nineteen times out of twenty.
    fn usual(&self) -> Duration {
        Duration::from_micros(self.usual_us.load(Ordering::Relaxed).into()).max(USUAL_MIN)
    }

    /// Move the estimate a nineteenth as far down for each quick reply as up for each slow one: it comes to rest where one in twenty is slow.
    fn note_latency(&self, took: Duration) {
        let usual_us = self.usual_us.load(Ordering::Relaxed);
        let step = (usual_us / 64).max(19);
        let moved = if micros(took) > usual_us { usual_us.saturating_add(step) } else { usual_us.saturating_sub(step / 19) };
        self.usual_us.store(moved, Ordering::Relaxed);
    }

    fn is_up(&self) -> bool {
        self.failures_in_a_row.load(Ordering::Relaxed) < FAILURES_IN_A_ROW_MAX
    }

    /// May it be tried again? Yes for the first who asks after its pause; the next pause begins.
    fn is_due(&self) -> bool {
        let now = clock::monotonic();
        let mut retry_at = self.retry_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = retry_at.is_none_or(|at| at <= now);
        if due {
            *retry_at = Some(now + self.pause());
        }
        due
    }

    fn pause(&self) -> Duration {
        let extra = self.failures_in_a_row.load(Ordering::Relaxed).saturating_sub(FAILURES_IN_A_ROW_MAX);
        PAUSE_MAX.min(PAUSE_FIRST * 2u32.pow(extra.min(5)))
    }

    fn note_alive(&self) {
        self.failures_in_a_row.store(0, Ordering::Relaxed);
    }

    fn note_useless(&self) {
        let failures = self.failures_in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures >= FAILURES_IN_A_ROW_MAX {
            *self.retry_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::monotonic() + self.pause());
        }
        if failures == FAILURES_IN_A_ROW_MAX {
            self.down_since.store(clock::wall_s(), Ordering::Relaxed);
            tracing::warn!(upstream = %self.address, "an upstream resolver does not answer; it is passed over for a while");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::name::Name;
    use crate::resolve::{Mode, Resolver};

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
        Keep,
    }

    /// An upstream at `address` that acts by the script, and by its last line when that is over.
    async fn upstream(address: &str, script: &[Act]) -> (SocketAddr, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind((address, 0)).await.unwrap();
        let at = socket.local_addr().unwrap();
        let listener = TcpListener::bind(at).await.unwrap();
        let (asked, counted, script) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), script.to_vec());
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
        reply.extend_from_slice(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07");
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
            Act::DislikeEdns if asked[11] == 1 => vec![header_and_question(asked, 1)[..12].to_vec()]
                .into_iter()
                .map(|mut reply| {
                    reply[5] = 0;
                    reply
                })
                .collect(),
            Act::DislikeEdns => vec![answer(asked)],
            Act::Keep => Vec::new(),
        }
    }

    fn resolver(upstreams: &[SocketAddr], attempts: usize, trust_ad: bool) -> Resolver {
        let settings =
            Settings { upstreams: upstreams.to_vec(), timeout: Duration::from_millis(150), attempts, trust_ad, ..Settings::default() };
        let settings = crate::resolve::Settings { mode: Mode::Forward(settings), patience: Duration::from_millis(1000), waiting_max: 100 };
        Resolver::start(settings).unwrap()
    }

    fn question(name: &str) -> Question {
        Question { name: Name::parse(name).unwrap(), qtype: 1, dnssec_ok: false, checking_disabled: false }
    }

    async fn ask_one(resolver: &Resolver) -> Result<Vec<u8>, Failure> {
        resolver.fetch(&question("www.example")).await.map(|fetched| fetched.wire)
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
        let peer = Peer::new(([127, 0, 0, 1], 53).into(), Duration::from_secs(1));
        for nth in 0..20_000 {
            peer.note_latency(Duration::from_millis(if nth % 25 == 0 { 400 } else { 1 + nth * 7919 % 50 }));
        }
        assert!((30..120).contains(&peer.usual().as_millis()), "{:?}", peer.usual());
    }

    const WIRE: &[u8] = b"\x00\x00\x80\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03www\x07example\x00\x00\x01\x00\x01\
        \xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07";

    #[tokio::test]
    async fn each_act_ends_well() {
        for (act, asked) in [(Act::Answer, 1), (Act::Truncate, 1), (Act::WrongThenRight, 1), (Act::DislikeEdns, 2)] {
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
            let [first, second] = resolver.upstreams()[..] else { panic!("two upstreams") };
            assert_eq!((first.failures, first.answers, second.failures, second.answers), (1, 0, 0, 1));
            assert_eq!(resolver.totals().failures, 1);
        }
    }

    #[tokio::test]
    async fn failures_say_what_was_heard() {
        for (act, failure) in [(Act::Keep, Failure::Unreachable), (Act::Refuse, Failure::Unusable), (Act::Garble, Failure::Unusable)] {
            let (at, counted) = upstream("127.9.3.1", &[act]).await;
            let start = Instant::now();
            assert_eq!(ask_one(&resolver(&[at], 3, false)).await.unwrap_err(), failure);
            assert!(start.elapsed() < Duration::from_millis(1000));
            assert_eq!(counted.load(Ordering::Relaxed), 3);
        }
        let (at, _) = upstream("127.9.3.2", &[Act::Keep]).await;
        let start = Instant::now();
        assert_eq!(ask_one(&resolver(&[at], 100, false)).await.unwrap_err(), Failure::Unreachable);
        assert!(start.elapsed() < Duration::from_millis(1300), "patience ends it");
    }

    #[tokio::test]
    async fn a_dead_upstream_is_passed_over_and_comes_back() {
        let (bad, bad_asked) = upstream("127.9.4.1", &[Act::Keep, Act::Keep, Act::Keep, Act::Answer]).await;
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
            assert!(start.elapsed() < Duration::from_millis(100), "nobody waits for the probe");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn the_upstreams_word_on_signatures_counts_only_when_trusted() {
        let (at, _) = upstream("127.9.5.1", &[Act::Answer]).await;
        assert_eq!(ask_one(&resolver(&[at], 1, false)).await.unwrap()[3] & 0x20, 0);
        assert_eq!(ask_one(&resolver(&[at], 1, true)).await.unwrap()[3] & 0x20, 0x20);
    }
}

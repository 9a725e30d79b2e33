//! One upstream resolver: how it is asked, how long it takes, and whether it is passed over.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use rustls::ClientConfig;

use super::dot::TlsLine;
use super::server::{Server, Upstream};
use crate::clock;
use crate::name::Name;
use crate::resolve::exchange::{
    ExchangeFault, First, Outgoing, OutgoingEdns, Sockets, Wait, ask, ask_both, ask_tcp, ask_udp,
};
use crate::resolve::question::UpstreamBlock;
use crate::resolve::reply::ServerReply;
use crate::resolve::reply_record::Malformed;
use crate::resolve::start_error::StartError;
use crate::resolve::tally::ResolveTally;
use crate::resolve::trace::{ExchangeOutcome, OpenExchange, TcpReason, Trace};

/// So many tries in a row without a usable reply, and an upstream is passed over.
const FAILURES_IN_A_ROW_MAX: u32 = 3;
/// After so many silences in a row TCP is tried beside UDP.
const SILENCES_BEFORE_TCP: u32 = 2;
/// How long it is passed over at first; doubled each time it fails again.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
/// The longest it is passed over before it is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// An upstream of which nothing is known takes this share of the time-out.
const USUAL_SHARE_FIRST: u32 = 4;
/// No upstream is so quick that a second one is asked sooner.
const USUAL_MIN: Duration = Duration::from_millis(10);

/// One upstream resolver.
pub(super) struct Peer {
    server: Server,
    /// For whom it is asked; nobody's zone where it is asked about everything.
    zone: Option<Name>,
    /// The way to it over TLS, where that is wanted.
    line: Option<TlsLine>,
    sockets: Sockets,
    tally: ResolveTally,
    failures_in_a_row: AtomicU32,
    /// Tries in a row without a word of its own.
    silences_in_a_row: AtomicU32,
    /// TCP alone got through to it last.
    needs_tcp: AtomicBool,
    /// Wall-clock seconds; 0 while it is up.
    down_since: AtomicI64,
    /// When it may be tried again.
    retry_at: Mutex<Option<Instant>>,
    /// What it takes at the most nineteen times out of twenty, in microseconds.
    usual_us: AtomicU32,
    /// Tries that have not ended yet.
    under_way: AtomicU32,
}

/// What one try brought.
pub(super) enum PeerHeard {
    /// An answer, positive or negative.
    Answer(Box<ServerReply>),
    /// A living server that cannot answer this question; with its extended error.
    Unable(Option<u16>),
    /// Something that is no use, from a server that may be down for us.
    Unusable,
    /// The network's or its host's word that nobody is there.
    Broken,
    /// Nothing.
    Silence,
}

/// One try, once more without EDNS where the server cannot read it (RFC 6891 section 7), and the
/// books kept.
pub(super) async fn attempt(
    peer: &Peer,
    mut outgoing: Outgoing,
    timeout: Duration,
    tally: &ResolveTally,
    trace: Option<&Arc<Trace>>,
) -> PeerHeard {
    let _under_way = PeerUnderWay::begin(peer);
    let begun = clock::monotonic();
    let mut heard = peer.ask_once(&mut outgoing, timeout, trace).await;
    peer.note_latency(begun.elapsed());
    if matches!(&heard, Ok(Ok(reply)) if is_edns_fault(reply.rcode)) {
        outgoing.edns = OutgoingEdns::Leave;
        heard = peer.ask_once(&mut outgoing, timeout, trace).await;
    }
    let heard = match heard {
        Ok(Ok(reply)) => match reply.rcode {
            // NOERROR, NXDOMAIN, and YXDOMAIN for a DNAME that leads to a name too long (RFC 6672
            // section 2.2).
            0 | 3 | 6 => PeerHeard::Answer(Box::new(reply)),
            // What an upstream keeps back is its answer, whatever its code.
            _ if reply.ede.is_some_and(UpstreamBlock::is_one) => PeerHeard::Answer(Box::new(reply)),
            // SERVFAIL, NOTIMP: it is there, but not for this question.
            2 | 4 => PeerHeard::Unable(reply.ede),
            _ => PeerHeard::Unusable,
        },
        Ok(Err(_)) => PeerHeard::Unusable,
        Err(ExchangeFault::Broken | ExchangeFault::Unsent) => PeerHeard::Broken,
        Err(ExchangeFault::Silent) => PeerHeard::Silence,
    };
    match heard {
        PeerHeard::Answer(_) => {
            tally.note_answer();
            peer.tally.note_answer();
        }
        _ => {
            tally.note_failure();
            peer.tally.note_failure();
        }
    }
    peer.note(&heard);
    heard
}

/// FORMERR, NOTIMP (RFC 6891 section 7), or BADVERS (section 9).
const fn is_edns_fault(rcode: u16) -> bool {
    matches!(rcode, 1 | 4 | 16)
}

/// What a resolver's reply is, in the words of a trace.
fn outcome_of(reply: &ServerReply) -> ExchangeOutcome {
    match reply.rcode {
        0 if !reply.has_answer() => ExchangeOutcome::NoData,
        0 | 6 => ExchangeOutcome::Answer { second_hand: false },
        3 => ExchangeOutcome::NoSuchName,
        rcode if is_edns_fault(rcode) => ExchangeOutcome::NoEdns,
        _ => ExchangeOutcome::Refuses,
    }
}

/// A try that is under way, until it is dropped.
struct PeerUnderWay<'a>(&'a AtomicU32);

impl<'a> PeerUnderWay<'a> {
    fn begin(peer: &'a Peer) -> Self {
        peer.under_way.fetch_add(1, Ordering::Relaxed);
        Self(&peer.under_way)
    }
}

impl Drop for PeerUnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

impl Peer {
    /// An upstream of which nothing is known yet; `secure` is how those are asked that have a name.
    pub(super) fn new(
        server: Server,
        zone: Option<Name>,
        secure: Option<&Arc<ClientConfig>>,
        timeout: Duration,
    ) -> Result<Self, StartError> {
        let line = match (&server.name, secure) {
            (Some(name), Some(secure)) => Some(TlsLine::new(server.address, name, secure)?),
            _ => None,
        };
        Ok(Self {
            usual_us: AtomicU32::new(micros(timeout / USUAL_SHARE_FIRST)),
            server,
            zone,
            line,
            sockets: Sockets::default(),
            tally: ResolveTally::default(),
            failures_in_a_row: AtomicU32::new(0),
            silences_in_a_row: AtomicU32::new(0),
            needs_tcp: AtomicBool::new(false),
            down_since: AtomicI64::new(0),
            retry_at: Mutex::default(),
            under_way: AtomicU32::new(0),
        })
    }

    /// One exchange, which is recorded where that is wanted.
    async fn ask_once(
        &self,
        outgoing: &mut Outgoing,
        timeout: Duration,
        trace: Option<&Arc<Trace>>,
    ) -> Result<Result<ServerReply, Malformed>, ExchangeFault> {
        let open = trace.map(|trace| {
            let rtype = RecordType::from(outgoing.qtype).to_string();
            let asked = (outgoing.name.to_string(), rtype);
            let open = OpenExchange::begin(trace, None, asked, self.server.address);
            match outgoing.edns {
                OutgoingEdns::Leave => open.without_edns(),
                OutgoingEdns::WantSignatures(_) => open,
            }
        });
        outgoing.watch = open.as_ref().map(OpenExchange::watch);
        let heard = self.ask(outgoing, timeout).await;
        let read = heard.as_deref().map(ServerReply::read);
        if let Some(mut open) = open {
            let outcome = match (&heard, &read) {
                (Ok(octets), Ok(read)) => {
                    open.heard(octets);
                    read.as_ref().map_or(ExchangeOutcome::Malformed, outcome_of)
                }
                (Err(fault), _) => fault.outcome(),
                (_, Err(fault)) => fault.outcome(),
            };
            open.end(outcome);
        }
        read.map_err(|fault| *fault)
    }

    async fn ask(&self, outgoing: &Outgoing, timeout: Duration) -> Result<Vec<u8>, ExchangeFault> {
        match &self.line {
            Some(line) => line.ask(outgoing, timeout).await,
            None if self.needs_tcp.load(Ordering::Relaxed) || self.is_mute() => {
                self.ask_beside(outgoing, timeout).await
            }
            None => ask(&self.sockets, self.server.address, outgoing, timeout).await,
        }
    }

    /// Over UDP and TCP at once, where UDP does not seem to get through.
    async fn ask_beside(
        &self,
        outgoing: &Outgoing,
        timeout: Duration,
    ) -> Result<Vec<u8>, ExchangeFault> {
        outgoing.note_tcp(TcpReason::SilentUdp);
        let at = self.server.address;
        let udp = ask_udp(&self.sockets, at, outgoing, Wait::once(timeout), || false);
        let plain = outgoing.in_lower_case();
        let tcp = async { Ok(ask_tcp(at, &plain, timeout).await?.octets) };
        let first = ask_both(udp, tcp).await;
        self.needs_tcp
            .store(matches!(first, Ok(First::TcpAlone(_))), Ordering::Relaxed);
        first.map(|first| match first {
            First::Udp(octets)
            | First::TcpAlone(octets)
            | First::TcpToo(octets)
            | First::UdpLate(octets) => octets,
        })
    }

    /// Did it keep silent more than once?
    pub(super) fn is_mute(&self) -> bool {
        self.silences_in_a_row.load(Ordering::Relaxed) >= SILENCES_BEFORE_TCP
    }

    pub(super) fn show(&self) -> Upstream {
        Upstream {
            server: self.server.clone(),
            zone: self.zone.clone(),
            answers: self.tally.answers.load(Ordering::Relaxed),
            failures: self.tally.failures.load(Ordering::Relaxed),
            down_since: Some(self.down_since.load(Ordering::Relaxed)).filter(|_| !self.is_up()),
            usual_us: self.usual_us.load(Ordering::Relaxed),
            failures_in_a_row: self.failures_in_a_row.load(Ordering::Relaxed),
            needs_tcp: self.needs_tcp.load(Ordering::Relaxed) || self.is_mute(),
            under_way: self.under_way.load(Ordering::Relaxed),
        }
    }

    /// What it takes at the most nineteen times out of twenty.
    pub(super) fn usual(&self) -> Duration {
        Duration::from_micros(self.usual_us.load(Ordering::Relaxed).into()).max(USUAL_MIN)
    }

    /// Move the estimate a nineteenth as far down for each quick reply as up for each slow one: it
    /// comes to rest where one in twenty is slow.
    pub(super) fn note_latency(&self, took: Duration) {
        let usual_us = self.usual_us.load(Ordering::Relaxed);
        let step = (usual_us / 64).max(19);
        let moved = if micros(took) > usual_us {
            usual_us.saturating_add(step)
        } else {
            usual_us.saturating_sub(step / 19)
        };
        self.usual_us.store(moved, Ordering::Relaxed);
    }

    pub(super) fn is_up(&self) -> bool {
        self.failures_in_a_row.load(Ordering::Relaxed) < FAILURES_IN_A_ROW_MAX
    }

    /// May it be tried again? Yes for the first who asks after its pause; the next pause begins.
    pub(super) fn is_due(&self) -> bool {
        let now = clock::monotonic();
        let mut retry_at = self.retry_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = retry_at.is_none_or(|at| at <= now);
        if due {
            *retry_at = Some(now + self.pause());
        }
        due
    }

    fn pause(&self) -> Duration {
        let extra = self
            .failures_in_a_row
            .load(Ordering::Relaxed)
            .saturating_sub(FAILURES_IN_A_ROW_MAX);
        PAUSE_MAX.min(PAUSE_FIRST * 2u32.pow(extra.min(5)))
    }

    /// Keep the books on what one try brought.
    pub(super) fn note(&self, heard: &PeerHeard) {
        let silences = if matches!(heard, PeerHeard::Silence | PeerHeard::Broken) {
            self.silences_in_a_row.fetch_add(1, Ordering::Relaxed) + 1
        } else {
            self.silences_in_a_row.store(0, Ordering::Relaxed);
            0
        };
        if matches!(heard, PeerHeard::Answer(_) | PeerHeard::Unable(_)) {
            self.failures_in_a_row.store(0, Ordering::Relaxed);
            return;
        }
        let failures = self
            .failures_in_a_row
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        if failures >= FAILURES_IN_A_ROW_MAX {
            *self.retry_at.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(clock::monotonic() + self.pause());
        }
        if failures == FAILURES_IN_A_ROW_MAX {
            self.down_since.store(clock::wall_s(), Ordering::Relaxed);
            let why = if silences >= failures {
                "an upstream resolver does not answer"
            } else {
                "an upstream resolver gives no answer that is of use"
            };
            tracing::warn!(upstream = %self.server, "{why}; it is passed over for a while");
        }
    }
}

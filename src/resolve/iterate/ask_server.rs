//! One question to one server: with EDNS or without, in which spelling, how long, and over what.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::convert::our_name;
use super::super::exchange::{
    ExchangeFault, First, Heard, Outgoing, OutgoingEdns, REPEATS_MAX, Spelling, TcpReply, Wait,
    ask_both, ask_tcp, ask_udp,
};
use super::candidates::{AddressCandidate, TRIES_MAX};
use super::coalesce::{PacketKey, Reply};
use super::judge::{AskedZone, Judgement, Useless, is_from_memory, judge};
use super::servers::{ServerRecord, UnderWay};
use super::shown::{end_exchange, open_exchange, outcome_of};
use super::{Trip, Walker};
use crate::resolve::failure::Failure;
use crate::resolve::trace::{OpenExchange, TcpReason};

/// TCP takes a round trip more to begin with, and some servers their time.
const TCP_WAIT_MIN: Duration = Duration::from_millis(800);
const TCP_WAIT_MAX: Duration = Duration::from_millis(2000);

/// After so many tries over UDP without a word from a server, TCP is tried beside.
const UDP_TRIES: u32 = 2;

/// What asking one server brought.
pub(super) enum Attempt {
    Judged(Box<Judgement>),
    /// An answer that the server has from others (RA without AA).
    FromMemory(Box<Judgement>),
    Silence,
    /// Nothing went out, or the server's host said no.
    Unreachable,
}

impl Attempt {
    const fn of_fault(fault: ExchangeFault) -> Self {
        match fault {
            ExchangeFault::Broken | ExchangeFault::Unsent => Self::Unreachable,
            ExchangeFault::Silent => Self::Silence,
        }
    }
}

impl Walker {
    /// Ask one server, without EDNS where it cannot read that.
    pub(super) async fn ask_server(
        &self,
        candidate: &AddressCandidate,
        asked: &AskedZone<'_>,
        is_signed: bool,
        trip: &Trip<'_>,
    ) -> Result<Attempt, Failure> {
        let (server, at) = (&*candidate.server, candidate.at);
        // A server that was never heard with EDNS may be one that drops what has it (RFC 6891
        // section 6.2.2); but without EDNS a signed zone's answers come without their signatures,
        // and are worth nothing.
        let is_mute = candidate.tries + 1 == TRIES_MAX && server.may_drop_edns();
        let want = OutgoingEdns::WantSignatures(self.settings.udp_octets);
        let is_plain = !is_signed && (is_mute || server.is_plain(self.servers.now_ms()));
        let name = our_name(asked.name).ok_or(Failure::Unusable)?;
        // One that was found to change or to drop capital letters answered well over TCP.
        let is_delicate = server.respells(self.servers.now_ms())
            || self
                .settings
                .plain_spelling
                .iter()
                .any(|zone| name.is_within(zone));
        let mut outgoing = Outgoing {
            name,
            qtype: asked.rtype.into(),
            recursion_desired: false,
            checking_disabled: false,
            edns: if is_plain { OutgoingEdns::Leave } else { want },
            spelling: if is_delicate {
                Spelling::Plain
            } else {
                Spelling::Drawn
            },
            local: self.settings.local,
            watch: None,
        };
        loop {
            let mut open = open_exchange(asked, at, &outgoing, trip);
            outgoing.watch = open.as_ref().map(OpenExchange::watch);
            let key = PacketKey::new(at, &outgoing);
            let work = self.exchange(at, server, &outgoing, candidate.tries, trip);
            let octets = match self.shared.join(&key, work).await? {
                Ok(octets) => octets,
                Err(fault) => {
                    end_exchange(open, || fault.outcome());
                    return Ok(Attempt::of_fault(fault));
                }
            };
            if let Some(open) = &mut open {
                open.heard(&octets);
            }
            trip.budget.pay_octets(octets.len())?;
            let judgement = judge(&octets, asked, at.ip());
            end_exchange(open, || outcome_of(&judgement, is_from_memory(&octets)));
            if matches!(judgement, Judgement::Useless(_)) {
                self.tally.note_failure();
                if matches!(judgement, Judgement::Useless(Useless::DislikesEdns))
                    && outgoing.edns != OutgoingEdns::Leave
                {
                    outgoing.edns = OutgoingEdns::Leave;
                    continue;
                }
            } else {
                self.tally.note_answer();
                let now_ms = self.servers.now_ms();
                match outgoing.edns {
                    OutgoingEdns::Leave if server.is_plain(now_ms) => {}
                    OutgoingEdns::Leave => server.note_refuses_edns(now_ms),
                    _ => server.note_reads_edns(),
                }
            }
            let is_second_hand =
                matches!(judgement, Judgement::Answer(..)) && is_from_memory(&octets);
            return Ok(match is_second_hand {
                true => Attempt::FromMemory(Box::new(judgement)),
                false => Attempt::Judged(Box::new(judgement)),
            });
        }
    }

    /// One exchange with a server, over UDP as long as that gets through.
    async fn exchange(
        &self,
        at: SocketAddr,
        server: &ServerRecord,
        outgoing: &Outgoing,
        tries: u32,
        trip: &Trip<'_>,
    ) -> Result<Reply, Failure> {
        trip.budget.pay_packet()?;
        let _under_way = UnderWay::begin(server);
        let asked_ms = self.servers.now_ms();
        let exchange = Exchange {
            at,
            server,
            outgoing,
            wait: server.wait(tries),
            began: Instant::now(),
            trip,
        };
        let reply = if tries == UDP_TRIES || server.needs_tcp(asked_ms) {
            self.exchange_beside(&exchange).await
        } else {
            self.exchange_in_turn(&exchange).await?
        };
        if let Err(fault) = &reply {
            match fault {
                ExchangeFault::Unsent => trip.budget.refund_packet(),
                ExchangeFault::Silent => server.note_silence(asked_ms, self.servers.now_ms()),
                ExchangeFault::Broken => {}
            }
            self.tally.note_failure();
        }
        Ok(reply.map(Arc::new))
    }

    /// Over UDP, and then over TCP where the reply is cut short or does not match.
    async fn exchange_in_turn(
        &self,
        exchange: &Exchange<'_>,
    ) -> Result<Result<Vec<u8>, ExchangeFault>, Failure> {
        let Exchange {
            at,
            server,
            outgoing,
            wait,
            began,
            trip,
        } = *exchange;
        let before_repeat = server.wait_before_repeat();
        let may_repeat = || before_repeat.is_some() && trip.budget.pay_packet().is_ok();
        // The last packet has its whole time too.
        let whole = wait + before_repeat.unwrap_or_default() * REPEATS_MAX;
        let patience = Wait {
            whole: whole.min(exchange.left()),
            before_repeat: before_repeat.unwrap_or(whole),
        };
        let heard = match ask_udp(&self.sockets, at, outgoing, patience, may_repeat).await {
            Ok(heard) => heard,
            Err(fault) => return Ok(Err(fault)),
        };
        // What almost matches may be a stranger's, from whom nothing is learnt of the server.
        if !matches!(heard, Heard::NearMiss(_)) {
            server.note_reply(began.elapsed());
        }
        let plain = outgoing.in_lower_case();
        let over_tcp = match heard {
            Heard::Whole(octets) => return Ok(Ok(octets)),
            Heard::Truncated => {
                outgoing.note_tcp(TcpReason::Truncated);
                self.exchange_tcp(exchange, &plain).await?
            }
            // Whoever guessed the rest may have changed a letter: only over TCP the server itself
            // shows that it cannot keep a spelling.
            Heard::Respelled => {
                outgoing.note_tcp(TcpReason::Respelled);
                let reply = self.exchange_tcp(exchange, outgoing).await?;
                if matches!(&reply, Ok(reply) if reply.is_respelled) {
                    server.note_respells(self.servers.now_ms());
                }
                reply
            }
            Heard::NearMiss(listening) => {
                outgoing.note_tcp(TcpReason::NearMiss);
                match self.exchange_tcp(exchange, &plain).await? {
                    Ok(reply) => {
                        server.note_heard();
                        Ok(reply)
                    }
                    Err(_) => return Ok(listening.go_on().await),
                }
            }
        };
        // The server is there, but for this question it may be of no use.
        Ok(match over_tcp {
            Ok(reply) => Ok(reply.octets),
            Err(_) => Err(ExchangeFault::Broken),
        })
    }

    /// Over TCP, within what such a server may take.
    async fn exchange_tcp(
        &self,
        exchange: &Exchange<'_>,
        outgoing: &Outgoing,
    ) -> Result<Result<TcpReply, ExchangeFault>, Failure> {
        let Some(_connection) = UnderWay::connect(exchange.server) else {
            return Ok(Err(ExchangeFault::Broken));
        };
        exchange.trip.budget.pay_packet()?;
        let patience = (exchange.wait * 3)
            .clamp(TCP_WAIT_MIN, TCP_WAIT_MAX)
            .min(exchange.left());
        Ok(ask_tcp(exchange.at, outgoing, patience).await)
    }

    /// Over UDP and TCP at once. Where TCP alone gets through, that is remembered, also where the
    /// server is silent over UDP because of the capital letters: the spelling is drawn there as
    /// ever, since nobody can tell whose a reply in lower case would be.
    async fn exchange_beside(&self, exchange: &Exchange<'_>) -> Result<Vec<u8>, ExchangeFault> {
        let Exchange {
            at,
            server,
            outgoing,
            wait,
            began,
            ..
        } = *exchange;
        outgoing.note_tcp(TcpReason::SilentUdp);
        let plain = outgoing.in_lower_case();
        let patience = Wait {
            whole: wait.min(exchange.left()),
            before_repeat: wait,
        };
        let udp = ask_udp(&self.sockets, at, outgoing, patience, || false);
        let tcp = async {
            match self.exchange_tcp(exchange, &plain).await {
                Ok(reply) => reply.map(|reply| reply.octets),
                Err(_) => Err(ExchangeFault::Broken),
            }
        };
        let first = ask_both(udp, tcp).await;
        if let Ok(First::TcpAlone(_)) = first {
            server.note_tcp_alone(self.servers.now_ms());
        } else {
            server.note_no_need_of_tcp();
        }
        match first? {
            First::Udp(octets) => {
                server.note_reply(began.elapsed());
                Ok(octets)
            }
            First::TcpAlone(octets) => Ok(octets),
            First::TcpToo(octets) | First::UdpLate(octets) => {
                server.note_heard();
                Ok(octets)
            }
        }
    }
}

/// One question under way to one server.
struct Exchange<'a> {
    at: SocketAddr,
    server: &'a ServerRecord,
    outgoing: &'a Outgoing,
    /// How long to wait for one reply.
    wait: Duration,
    began: Instant,
    trip: &'a Trip<'a>,
}

impl Exchange<'_> {
    /// The time that the whole question has left.
    fn left(&self) -> Duration {
        let deadline = self.trip.budget.deadline();
        deadline.saturating_duration_since(Instant::now())
    }
}

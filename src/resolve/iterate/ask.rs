//! One question to one zone: which of its servers is asked when, how long, and over what, until one
//! is of help.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::Name;
use tokio::time::Instant;

use super::super::convert::{our_name, wire_of};
use super::super::exchange::{
    ExchangeFault, First, Heard, Outgoing, OutgoingEdns, REPEATS_MAX, Spelling, TcpReply, Wait,
    ask_both, ask_tcp, ask_udp,
};
use super::candidates::AddressCandidate;
use super::candidates::TRIES_MAX;
use super::coalesce::Reply;
use super::judge::{AskedZone, Judgement, Useless, judge};
use super::servers::{ServerRecord, UnderWay};
use super::zones::Zone;
use super::{Trip, Walker};
use crate::clock;
use crate::resolve::failure::Failure;

/// How deep looking for servers' addresses may lead.
const DEPTH_MAX: usize = 5;

/// TCP takes a round trip more to begin with, and some servers their time.
const TCP_WAIT_MIN: Duration = Duration::from_millis(800);
const TCP_WAIT_MAX: Duration = Duration::from_millis(2000);

/// After so many tries over UDP without a word from a server, TCP is tried beside.
const UDP_TRIES: u32 = 2;

/// What asking one server brought.
enum Attempt {
    Judged(Box<Judgement>),
    Silence,
    /// Nothing went out, or the server's host said no.
    Unreachable,
}

impl Walker {
    /// Ask a zone's servers one after the other until one is of help; [`Judgement::Useless`] is
    /// what the last of them said where none is.
    pub(super) async fn ask_zone(
        &self,
        zone: &Zone,
        asked: &AskedZone<'_>,
        trip: &Trip<'_>,
    ) -> Result<Judgement, Failure> {
        if zone.name.is_root()
            && let Some(judgement) = self.ask_copy(asked, trip)
        {
            return Ok(judgement);
        }
        let _present = self
            .crowds
            .enter(&zone.name, self.settings.per_zone_max)
            .ok_or(Failure::Crowded)?;
        let mut candidates = self.candidates(zone, asked, trip);
        let is_signed =
            zone.name.is_root() || zone.cut.as_ref().is_some_and(|cut| cut.ds.is_some());
        let mut useless = None;
        let end =
            |useless: Option<Useless>| useless.map(Judgement::Useless).ok_or(Failure::Unreachable);
        loop {
            if Instant::now() >= trip.budget.deadline() {
                return Err(Failure::Unreachable);
            }
            let Some(index) = candidates.pick(self.servers.now_ms()) else {
                // For part of a name nobody else is looked for: those who would not say who serves
                // it may answer for the whole.
                if asked.is_partial && useless.is_some() {
                    return end(useless);
                }
                let Some(name) = candidates.next_name() else {
                    return end(useless);
                };
                let word = self.word_of(zone);
                for address in self.look_up(&name, trip).await {
                    self.admit(address, None, word, trip, &mut candidates.known);
                }
                continue;
            };
            let Some(candidate) = candidates.known.get_mut(index) else {
                return end(useless);
            };
            let outcome = self.ask_server(candidate, asked, is_signed, trip).await?;
            candidate.tries += 1;
            match outcome {
                Attempt::Judged(judgement) => {
                    let Judgement::Useless(why) = *judgement else {
                        return Ok(*judgement);
                    };
                    candidate.useless = true;
                    useless = Some(why);
                    // A server that will not say who serves part of a name may still answer for the
                    // whole of it.
                    if why == Useless::Refuses && asked.is_partial {
                        return end(useless);
                    }
                }
                Attempt::Silence => {}
                Attempt::Unreachable => candidate.useless = true,
            }
        }
    }

    /// What the copy of the root zone on this machine says, if there is one and it was not found to
    /// be bogus.
    fn ask_copy(&self, asked: &AskedZone<'_>, trip: &Trip<'_>) -> Option<Judgement> {
        let copy = self.settings.root_copy.as_ref()?;
        let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        if trip.avoid.contains(&nobody) {
            return None;
        }
        let octets = copy.reply(&wire_of(asked.name), asked.rtype.into())?;
        Some(judge(&octets, asked, nobody))
            .filter(|judgement| !matches!(judgement, Judgement::Useless(_)))
    }

    /// Ask for a server's addresses, for IPv6 ones only where there are no others.
    async fn look_up(&self, name: &Name, trip: &Trip<'_>) -> Vec<IpAddr> {
        if trip.depth() >= DEPTH_MAX || trip.looks_for(name) {
            return Vec::new();
        }
        let errand = Trip {
            budget: trip.budget,
            avoid: trip.avoid,
            errand: Some((name, trip)),
        };
        let mut addresses = Vec::new();
        for rtype in self.address_types() {
            if addresses.is_empty()
                && let Ok(said) = Box::pin(self.walk(name, rtype, &errand)).await
            {
                addresses.extend(
                    said.answer
                        .iter()
                        .flat_map(|set| &set.records)
                        .filter_map(|record| record.data.ip_addr()),
                );
            }
        }
        // What a delegation said is better than nothing, and better than a server's word that leads
        // nowhere.
        addresses.extend(self.zones.glue(name, clock::wall_s()));
        addresses
    }

    /// Ask one server, without EDNS where it cannot read that.
    async fn ask_server(
        &self,
        candidate: &AddressCandidate,
        asked: &AskedZone<'_>,
        is_signed: bool,
        trip: &Trip<'_>,
    ) -> Result<Attempt, Failure> {
        let (server, at) = (&*candidate.server, candidate.at);
        // A server that was never heard may be one that drops what has EDNS (RFC 6891 section
        // 6.2.2); but without EDNS a signed zone's answers come without their signatures, and are
        // worth nothing.
        let is_mute = candidate.tries + 1 == TRIES_MAX && server.round_trip_us().is_none();
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
        };
        loop {
            let key = (at, Box::from(outgoing.name.as_wire()), outgoing.qtype);
            let work = self.exchange(at, server, &outgoing, candidate.tries, trip);
            let octets = match self.shared.join(&key, work).await? {
                Ok(octets) => octets,
                Err(ExchangeFault::Broken | ExchangeFault::Unsent) => {
                    return Ok(Attempt::Unreachable);
                }
                Err(ExchangeFault::Silent) => return Ok(Attempt::Silence),
            };
            trip.budget.pay_octets(octets.len())?;
            let judgement = judge(&octets, asked, at.ip());
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
                if outgoing.edns == OutgoingEdns::Leave && !server.is_plain(self.servers.now_ms()) {
                    server.note_plain(self.servers.now_ms());
                }
            }
            return Ok(Attempt::Judged(Box::new(judgement)));
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
            Heard::Truncated => self.exchange_tcp(exchange, &plain).await?,
            // Whoever guessed the rest may have changed a letter: only over TCP the server itself
            // shows that it cannot keep a spelling.
            Heard::Respelled => {
                let reply = self.exchange_tcp(exchange, outgoing).await?;
                if matches!(&reply, Ok(reply) if reply.is_respelled) {
                    server.note_respells(self.servers.now_ms());
                }
                reply
            }
            Heard::NearMiss(listening) => match self.exchange_tcp(exchange, &plain).await? {
                Ok(reply) => {
                    server.note_heard();
                    Ok(reply)
                }
                Err(_) => return Ok(listening.go_on().await),
            },
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

    /// Over UDP and TCP at once. Where TCP alone gets through, that is remembered; the question
    /// over UDP is in lower case from then on, in case that it was the capital letters.
    async fn exchange_beside(&self, exchange: &Exchange<'_>) -> Result<Vec<u8>, ExchangeFault> {
        let Exchange {
            at,
            server,
            outgoing,
            wait,
            began,
            ..
        } = *exchange;
        let is_tcp_known = server.needs_tcp(self.servers.now_ms());
        let plain = outgoing.in_lower_case();
        let over_udp = if is_tcp_known { &plain } else { outgoing };
        let patience = Wait {
            whole: wait.min(exchange.left()),
            before_repeat: wait,
        };
        let udp = ask_udp(&self.sockets, at, over_udp, patience, || false);
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
                if is_tcp_known && outgoing.spelling == Spelling::Drawn {
                    server.note_respells(self.servers.now_ms());
                }
                Ok(octets)
            }
            First::TcpAlone(octets) => Ok(octets),
            First::TcpToo(octets) => {
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

//! One question to one zone: which of its servers is asked when, how long, and over what, until one
//! is of help.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::{Name, RecordType};
use tokio::time::Instant;

use super::super::convert::{our_name, wire_of};
use super::super::exchange::{
    Edns, Fault, Heard, Local, Outgoing, REPEATS_MAX, Spelling, Wait, ask_tcp, ask_udp,
};
use super::address_scope::{Place, place};
use super::coalesce::Reply;
use super::judge::{Asked, Judgement, Useless, judge};
use super::servers::{Health, Server, UnderWay};
use super::zones::Zone;
use super::{Trip, Walker};
use crate::clock;
use crate::resolve::Failure;

/// How often one server is asked in vain for the same thing, each time with as many repetitions as
/// there may be.
const TRIES_MAX: u32 = 5;
/// One in so many questions goes to a server that is not the fastest, to learn whether it has
/// become so.
const EXPLORE_ONE_IN: u64 = 20;
/// What an unknown server's round trip is taken to be.
const ROUND_TRIP_UNKNOWN_US: u32 = 120_000;
/// Servers whose address is looked for on behalf of one zone (NXNSAttack).
const LOOKUPS_MAX: usize = 5;
/// How deep looking for servers' addresses may lead.
const DEPTH_MAX: usize = 5;
/// TCP takes a round trip more to begin with, and some servers their time.
const TCP_WAIT_MIN: Duration = Duration::from_millis(800);
const TCP_WAIT_MAX: Duration = Duration::from_millis(2000);

/// A server that may be asked.
struct Candidate {
    at: SocketAddr,
    server: Arc<Server>,
    tries: u32,
    useless: bool,
}

/// All of a zone's servers as far as their addresses are known, and the names of the others.
struct Candidates {
    known: Vec<Candidate>,
    names: Vec<Name>,
    lookups: usize,
}

/// Who says that a server is to be asked at its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// The operator, who may name any.
    Operator,
    /// A zone of the operator's, which may stand on private addresses.
    OwnZone,
    /// Anybody.
    Anybody,
}

/// What asking one server brought.
enum Outcome {
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
        asked: &Asked<'_>,
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
                Outcome::Judged(judgement) => {
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
                Outcome::Silence => {}
                Outcome::Unreachable => candidate.useless = true,
            }
        }
    }

    /// What the copy of the root zone on this machine says, if there is one and it was not found to
    /// be bogus.
    fn ask_copy(&self, asked: &Asked<'_>, trip: &Trip<'_>) -> Option<Judgement> {
        let copy = self.settings.root_copy.as_ref()?;
        let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        if trip.avoid.contains(&nobody) {
            return None;
        }
        let octets = copy.reply(&wire_of(asked.name), asked.rtype.into())?;
        Some(judge(&octets, asked, nobody))
            .filter(|judgement| !matches!(judgement, Judgement::Useless(_)))
    }

    fn candidates(&self, zone: &Zone, asked: &Asked<'_>, trip: &Trip<'_>) -> Candidates {
        let mut candidates = Candidates {
            known: Vec::with_capacity(zone.servers.len()),
            names: Vec::new(),
            lookups: 0,
        };
        let word = self.word_of(zone);
        for server in &zone.servers {
            let word = if server.port.is_some() {
                Word::Operator
            } else {
                word
            };
            for address in &server.addresses {
                self.admit(*address, server.port, word, trip, &mut candidates.known);
            }
            // The operator's servers have no names.
            if server.port.is_some() {
                continue;
            }
            // A server within the zone cannot be found by asking the zone, nor can one below a name
            // whose keys are wanted.
            let is_inside = zone.name.zone_of(&server.name);
            if is_inside || asked.rtype == RecordType::DNSKEY && asked.name.zone_of(&server.name) {
                continue;
            }
            if server.addresses.is_empty() {
                for address in self.remembered(&server.name, trip) {
                    self.admit(address, None, word, trip, &mut candidates.known);
                }
            }
            candidates.names.push(server.name.clone());
        }
        // Who is looked for first is left to chance, so that a zone's servers share the load.
        let names = candidates.names.len();
        if names > 1 {
            candidates.names.rotate_left(chance() as usize % names);
        }
        candidates
    }

    /// A server's addresses from memory: its own word, or a delegation's.
    fn remembered(&self, name: &Name, trip: &Trip<'_>) -> Vec<IpAddr> {
        let now = clock::wall_s();
        let mut addresses = Vec::new();
        for rtype in self.address_types() {
            if let Some(said) = self.memory.recall(name, rtype, trip.avoid, now) {
                addresses.extend(
                    said.answer
                        .iter()
                        .flat_map(|set| &set.records)
                        .filter_map(|record| record.data.ip_addr()),
                );
            }
        }
        if addresses.is_empty() {
            self.zones.glue(name, now)
        } else {
            addresses
        }
    }

    fn address_types(&self) -> impl Iterator<Item = RecordType> {
        let v4 = self.settings.ipv4.then_some(RecordType::A);
        v4.into_iter()
            .chain(self.settings.ipv6.then_some(RecordType::AAAA))
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

    fn word_of(&self, zone: &Zone) -> Word {
        if self.zones.is_in_stub(&zone.name) {
            Word::OwnZone
        } else {
            Word::Anybody
        }
    }

    /// Let an address in among those that may be asked.
    fn admit(
        &self,
        address: IpAddr,
        port: Option<u16>,
        word: Word,
        trip: &Trip<'_>,
        known: &mut Vec<Candidate>,
    ) {
        let at = SocketAddr::new(address, port.unwrap_or(self.settings.port));
        let is_wanted = if address.is_ipv4() {
            self.settings.ipv4
        } else {
            self.settings.ipv6
        };
        let is_allowed = match place(address) {
            Place::Public => true,
            Place::Loopback => {
                self.settings.loopback
                    || word == Word::Operator
                    || self.settings.roots.contains(&address)
            }
            Place::Private => {
                self.settings.private
                    || word != Word::Anybody
                    || self.settings.roots.contains(&address)
            }
            Place::Nowhere => false,
        };
        let is_new = !known.iter().any(|candidate| candidate.at == at);
        if is_wanted && is_allowed && is_new && !trip.avoid.contains(&address) {
            known.push(Candidate {
                at,
                server: self.servers.at(at),
                tries: 0,
                useless: false,
            });
        }
    }

    /// Ask one server: over UDP, without EDNS where it cannot read that, over TCP where the reply
    /// was cut short or came back respelled.
    async fn ask_server(
        &self,
        candidate: &Candidate,
        asked: &Asked<'_>,
        is_signed: bool,
        trip: &Trip<'_>,
    ) -> Result<Outcome, Failure> {
        let (server, at) = (&*candidate.server, candidate.at);
        // A server that was never heard may be one that drops what has EDNS (RFC 6891 section
        // 6.2.2); but without EDNS a signed zone's answers come without their signatures, and are
        // worth nothing.
        let is_mute = candidate.tries + 1 == TRIES_MAX && server.round_trip_us().is_none();
        let want = Edns::WantSignatures(self.settings.udp_octets);
        let is_plain = !is_signed && (is_mute || server.is_plain(self.servers.now_ms()));
        let name = our_name(asked.name).ok_or(Failure::Unusable)?;
        // The last two tries are in lower case: some servers drop what has capital letters.
        let is_delicate = candidate.tries + 2 >= TRIES_MAX
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
            edns: if is_plain { Edns::Leave } else { want },
            spelling: if is_delicate {
                Spelling::Plain
            } else {
                Spelling::Drawn
            },
            local: Local {
                v4: self.settings.local.0,
                v6: self.settings.local.1,
            },
        };
        loop {
            let key = (at, Box::from(outgoing.name.as_wire()), outgoing.qtype);
            let work = self.exchange(at, server, &outgoing, candidate.tries, trip);
            let octets = match self.shared.join(&key, work).await? {
                Ok(Some(octets)) => octets,
                // Neither the spelling came back nor TCP works: then without the spelling.
                Ok(None) if outgoing.spelling == Spelling::Drawn => {
                    outgoing.spelling = Spelling::Plain;
                    continue;
                }
                Ok(None) | Err(Fault::Broken | Fault::Unsent) => return Ok(Outcome::Unreachable),
                Err(Fault::Silent) => return Ok(Outcome::Silence),
            };
            trip.budget.pay_octets(octets.len())?;
            let judgement = judge(&octets, asked, at.ip());
            if matches!(judgement, Judgement::Useless(_)) {
                self.tally.note_failure();
                if matches!(judgement, Judgement::Useless(Useless::DislikesEdns))
                    && outgoing.edns != Edns::Leave
                {
                    outgoing.edns = Edns::Leave;
                    continue;
                }
            } else {
                self.tally.note_answer();
                if outgoing.edns == Edns::Leave && !server.is_plain(self.servers.now_ms()) {
                    server.note_plain(self.servers.now_ms());
                }
            }
            return Ok(Outcome::Judged(Box::new(judgement)));
        }
    }

    /// One exchange over UDP and where needed over TCP; `None` where the reply was respelled and
    /// TCP is of no use.
    async fn exchange(
        &self,
        at: SocketAddr,
        server: &Server,
        outgoing: &Outgoing,
        tries: u32,
        trip: &Trip<'_>,
    ) -> Result<Reply, Failure> {
        trip.budget.pay_packet()?;
        let _under_way = UnderWay::begin(server);
        let (began, asked_ms) = (Instant::now(), self.servers.now_ms());
        let left = trip.budget.deadline().saturating_duration_since(began);
        let wait = server.wait(tries);
        let before_repeat = server.wait_before_repeat();
        let may_repeat = || before_repeat.is_some() && trip.budget.pay_packet().is_ok();
        // The last packet has its whole time too.
        let whole = wait + before_repeat.unwrap_or_default() * REPEATS_MAX;
        let patience = Wait {
            whole: whole.min(left),
            before_repeat: before_repeat.unwrap_or(whole),
        };
        let heard = match ask_udp(&self.sockets, at, outgoing, patience, may_repeat).await {
            Ok(heard) => heard,
            Err(fault) => {
                match fault {
                    Fault::Unsent => trip.budget.refund_packet(),
                    Fault::Silent => server.note_silence(asked_ms, self.servers.now_ms()),
                    Fault::Broken => {}
                }
                self.tally.note_failure();
                return Ok(Err(fault));
            }
        };
        server.note_reply(began.elapsed());
        let is_respelled = match heard {
            Heard::Whole(octets) => return Ok(Ok(Some(Arc::new(octets)))),
            Heard::Respelled => true,
            Heard::Truncated => false,
        };
        let Some(_connection) = UnderWay::connect(server) else {
            return Ok(Err(Fault::Broken));
        };
        trip.budget.pay_packet()?;
        let left = trip
            .budget
            .deadline()
            .saturating_duration_since(Instant::now());
        match ask_tcp(
            at,
            outgoing,
            (wait * 3).clamp(TCP_WAIT_MIN, TCP_WAIT_MAX).min(left),
        )
        .await
        {
            Ok(octets) => Ok(Ok(Some(Arc::new(octets)))),
            Err(_) if is_respelled => Ok(Ok(None)),
            // The server is there, but for this question it is of no use.
            Err(_) => Ok(Err(Fault::Broken)),
        }
    }
}

impl Candidates {
    /// Whom to ask next: someone not asked yet, then whoever was silent once but is known to
    /// answer, then nobody until all names are looked up, then the silent ones again.
    fn pick(&mut self, now_ms: u64) -> Option<usize> {
        let patience = if self.has_names() { 2 } else { TRIES_MAX };
        loop {
            let index = self.best(patience)?;
            let candidate = self.known.get_mut(index)?;
            match candidate.server.health(now_ms) {
                Health::Up => return Some(index),
                // One question alone finds out whether it is back, by one try.
                Health::Due => {
                    candidate.tries = TRIES_MAX - 1;
                    return Some(index);
                }
                Health::Down => candidate.useless = true,
            }
        }
    }

    fn best(&self, patience: u32) -> Option<usize> {
        let is_open = |candidate: &Candidate| {
            let known = candidate.tries == 0
                || patience == TRIES_MAX
                || candidate.server.round_trip_us().is_some();
            !candidate.useless && candidate.tries < patience && known
        };
        let luck = chance();
        let fresh = self
            .known
            .iter()
            .filter(|candidate| is_open(candidate) && candidate.tries == 0)
            .count();
        if fresh > 1 && luck.is_multiple_of(EXPLORE_ONE_IN) {
            let skip = (luck / EXPLORE_ONE_IN) as usize % fresh;
            let open = self
                .known
                .iter()
                .enumerate()
                .filter(|(_, candidate)| is_open(candidate) && candidate.tries == 0);
            return open.skip(skip).map(|(index, _)| index).next();
        }
        let open = self
            .known
            .iter()
            .enumerate()
            .filter(|(_, candidate)| is_open(candidate));
        open.min_by_key(|(index, candidate)| {
            let round_trip_us = candidate
                .server
                .round_trip_us()
                .unwrap_or(ROUND_TRIP_UNKNOWN_US);
            // Among equals chance decides, and a silence weighs as much as a slow server.
            let cost = u64::from(round_trip_us) + 200_000 * u64::from(candidate.server.silences());
            (
                candidate.tries,
                cost,
                luck.rotate_left(*index as u32 * 7) & 0xffff,
            )
        })
        .map(|(index, _)| index)
    }

    fn has_names(&self) -> bool {
        !self.names.is_empty() && self.lookups < LOOKUPS_MAX
    }

    fn next_name(&mut self) -> Option<Name> {
        if !self.has_names() {
            return None;
        }
        self.lookups += 1;
        self.names.pop()
    }
}

/// A number that servers and addresses are drawn by; nothing depends on nobody guessing it.
fn chance() -> u64 {
    RandomState::new().hash_one(0u8)
}

//! The whole way of a question: read, who asks, is it ours, is it listed, is it cached, and only
//! then the world outside.

mod fetch;
mod renew;
mod single_flight;

use std::sync::Arc;

use arc_swap::Guard;
use fetch::{Outside, as_asked};
use renew::Renewer;
pub use renew::{Due, Renewals, Settings as RenewalSettings};

use crate::answer::blocked::{Page, Way};
use crate::answer::local::Local;
use crate::answer::minimal;
use crate::answer::special_use::{self, SpecialUse};
use crate::cache::{Cache, Entry, Front, Key, Lifetimes};
use crate::clock;
use crate::count::{Board, Cells, Door, Event, Kind, OwnCells};
use crate::list::{ListIndex, Match};
use crate::name::SuffixHashes;
use crate::policy::{Clients, Group, Live, Snapshot, Standing, Verdict};
use crate::resolve::Resolver;
use crate::wire::{self, Fault, HEADER_OCTETS, Question, UDP_OCTETS_MAX, ede, rcode, rtype};

/// Everything a question needs on its way; one for the process, shared by all doors.
pub struct Answering {
    live: Arc<Live>,
    clients: Arc<Clients>,
    pages: Vec<Page>,
    all_lists: Box<[ListIndex]>,
    board: Arc<Board>,
    outside: Outside,
    special_use: SpecialUse,
    local: Local,
    renewer: Renewer,
    udp_octets_max: usize,
}

/// The parts that [`Answering`] is built from.
pub struct Parts {
    /// The lists in force.
    pub live: Arc<Live>,
    /// Who may ask.
    pub clients: Arc<Clients>,
    /// What to answer for each list, in the order of the configuration.
    pub pages: Vec<Page>,
    /// Where to count.
    pub board: Arc<Board>,
    /// Kept answers.
    pub cache: Cache,
    /// How long to keep them.
    pub lifetimes: Lifetimes,
    /// Who answers the special-use names.
    pub special_use: SpecialUse,
    /// Names that the operator has answered here.
    pub local: Local,
    /// The way outside.
    pub resolver: Resolver,
    /// Questions that may wait for an answer from outside; more fail with
    /// [`Failure::Crowded`](crate::resolve::Failure).
    pub waiting_max: usize,
    /// How answers are kept alive.
    pub renewal: RenewalSettings,
    /// The largest UDP reply with an answer that has just come from outside, in octets.
    pub udp_octets_max: usize,
}

/// One question as a door hands it in.
pub struct Asked<'a> {
    /// The packet as it came, without the length that TCP puts in front.
    pub packet: &'a [u8],
    /// Who asks, as far as may be known.
    pub standing: Standing,
    /// By which door.
    pub door: Door,
    /// Whether the client's network is within its rate limit.
    pub rate: Rate,
    /// Its place in a batch that was foreseen; 0 for a single question.
    pub seat: usize,
}

/// How a client's network stands to its rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Below it: answer.
    Within,
    /// Above it: a truncated reply, so that a real client can come back over TCP.
    Slip,
    /// Above it: silence.
    Over,
}

/// What became of a question.
pub enum Outcome {
    /// The reply is in the buffer and has this many octets.
    Reply(usize),
    /// Nothing is to be sent.
    Silence,
    /// The answer has to be fetched: hand this to [`Answering::answer_later`].
    Later(Later),
}

/// A question that waits for an answer from outside. Holds no address: the door remembers where the
/// reply goes.
pub struct Later {
    packet: Box<[u8]>,
    key: Key,
    group: Group,
    door: Door,
}

/// The lists and the time that a batch of questions is answered by.
pub struct Round {
    snapshot: Guard<Arc<Snapshot>>,
    now_s: u32,
}

impl Round {
    /// The wall clock of the batch.
    pub const fn now_s(&self) -> u32 {
        self.now_s
    }
}

/// One thread's own things: its counters and its working memory.
pub struct Desk {
    cells: OwnCells,
    front: Front,
    /// The hashes of the names of a batch's questions; of a single question in the first.
    seats: Box<[SuffixHashes]>,
    /// The seats in front that are taken by [`Answering::foresee`].
    foreseen: usize,
}

impl Desk {
    fn new(cells: OwnCells, seats: usize, front_entries: usize) -> Self {
        let seats = (0..seats.max(1)).map(|_| SuffixHashes::new()).collect();
        Self {
            cells,
            front: Front::new(front_entries),
            seats,
            foreseen: 0,
        }
    }

    /// The desk's counters.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }
}

/// A question on the way to its answer.
struct Wanted<'a> {
    question: &'a Question<'a>,
    hashes: &'a SuffixHashes,
    group: Group,
    door: Door,
    now_s: u32,
}

impl Answering {
    /// Put the parts together. What is to be renewed goes to [`Answering::renew`].
    pub fn new(parts: Parts) -> (Self, Due) {
        let list_count = parts.live.load().list_count() as ListIndex;
        let Parts {
            live,
            clients,
            pages,
            board,
            cache,
            lifetimes,
            special_use,
            local,
            resolver,
            waiting_max,
            renewal,
            udp_octets_max,
        } = parts;
        let all_lists = (0..list_count).collect();
        let (renewer, due) = Renewer::new(renewal);
        let outside = Outside::new(resolver, cache, lifetimes, waiting_max);
        (
            Self {
                live,
                clients,
                pages,
                all_lists,
                board,
                outside,
                special_use,
                local,
                renewer,
                udp_octets_max,
            },
            due,
        )
    }

    /// Who may ask.
    pub const fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }

    /// The kept answers.
    pub fn cache(&self) -> &Cache {
        &self.outside.cache
    }

    /// The way outside.
    pub const fn resolver(&self) -> &Resolver {
        &self.outside.resolver
    }

    /// A desk for one more thread that takes questions one by one.
    pub fn desk(&self) -> Desk {
        Desk::new(self.board.own_cells(), 1, 0)
    }

    /// Counters for tasks that run on any thread.
    pub fn shared_cells(&self) -> Arc<Cells> {
        self.board.cells()
    }

    /// A desk for one of `threads` threads that take questions in batches of up to `seats`.
    pub fn desk_for_batches(&self, seats: usize, threads: usize) -> Desk {
        Desk::new(
            self.board.own_cells(),
            seats,
            self.outside.cache.front_entries(threads),
        )
    }

    /// Look up the lists in force and the time, once for a batch of questions.
    pub fn round(&self, desk: &mut Desk) -> Round {
        desk.front.follow(self.outside.cache.flushes());
        Round {
            snapshot: self.live.load(),
            now_s: clock::wall_u32_s(),
        }
    }

    /// Have everything in the CPU's cache that answering these packets will read, all at once
    /// instead of one after the other.
    ///
    /// Nothing is decided here: the packets are not even known to be questions.
    pub fn foresee<'p>(
        &self,
        round: &Round,
        desk: &mut Desk,
        packets: impl Iterator<Item = &'p [u8]>,
    ) {
        let (key, depths) = (round.snapshot.key(), round.snapshot.depths());
        desk.foreseen = 0;
        for (seat, packet) in desk.seats.iter_mut().zip(packets) {
            seat.fill_for(key, packet.get(HEADER_OCTETS..).unwrap_or_default(), depths);
            desk.foreseen += 1;
        }
        let seats = desk.seats.get(..desk.foreseen).unwrap_or_default();
        let lines = seats
            .iter()
            .fold(0, |sum, seat| sum ^ desk.front.touch(seat.whole()));
        let generation = round.snapshot.generation();
        let kept = seats.iter().fold(0, |sum, seat| {
            let free = desk
                .front
                .guess(seat.whole())
                .filter(|entry| entry.is_clear_under(generation));
            sum ^ free.map_or_else(
                || round.snapshot.touch(seat),
                |entry| u64::from(entry.touch()),
            )
        });
        std::hint::black_box((lines, kept));
    }

    /// Answer a question at once if that can be done without asking outside; the reply goes into
    /// `out`.
    ///
    /// The order of decisions is the product's promise: readable, allowed, ours, listed, the
    /// operator's, cached.
    pub fn answer(
        &self,
        round: &Round,
        desk: &mut Desk,
        asked: &Asked<'_>,
        out: &mut [u8],
    ) -> Outcome {
        desk.cells.note_question(asked.door);
        let question = match wire::read(asked.packet) {
            Ok(question) => question,
            Err(fault) => return answer_fault(&desk.cells, fault, asked.packet, out),
        };
        let room = match asked.door {
            Door::Udp => question.udp_octets_max(UDP_OCTETS_MAX),
            Door::Tcp | Door::Tls => out.len(),
        };
        let Some(out) = out.get_mut(..room) else {
            return Outcome::Silence;
        };
        let Standing::Allowed(group) = asked.standing else {
            return end(
                &desk.cells,
                Event::Refused,
                minimal::empty(&question, rcode::REFUSED, &[(ede::PROHIBITED, "")], out),
            );
        };
        match asked.rate {
            Rate::Within => {}
            Rate::Slip => {
                return end(
                    &desk.cells,
                    Event::Limited,
                    minimal::truncated(&question, out),
                );
            }
            Rate::Over => return end(&desk.cells, Event::Limited, None),
        }
        if let Some(len) = special_use::answer(&question, &self.special_use, out) {
            return end(&desk.cells, Event::Own, Some(len));
        }
        let Some(hashes) = desk.seats.get_mut(asked.seat) else {
            return Outcome::Silence;
        };
        if asked.seat >= desk.foreseen {
            hashes.fill_for(round.snapshot.key(), question.name, round.snapshot.depths());
        }
        if round.snapshot.has_shadow() {
            round
                .snapshot
                .note_shadows(self.clients.lists(group), hashes);
        }
        let wanted = Wanted {
            question: &question,
            hashes,
            group,
            door: asked.door,
            now_s: round.now_s,
        };
        let key = key_of(&wanted);
        let near = desk
            .front
            .find(key, wanted.now_s)
            .filter(|entry| entry.is_for(&question));
        if let Some(entry) = near.filter(|entry| entry.is_clear_under(round.snapshot.generation()))
        {
            // No list in force has the name: that was found when this answer was last given, and it
            // is the same snapshot.
            self.prefetch(entry, &wanted);
            return write(&desk.cells, entry, &wanted, Event::Hit, out);
        }
        if let Verdict::Block { list, found } = round
            .snapshot
            .decide(self.clients.lists(group), wanted.hashes)
        {
            return self.block(
                &desk.cells,
                &round.snapshot,
                (list, found),
                Kind::of_type(question.qtype),
                &wanted,
                out,
            );
        }
        if let Some(len) = self.local.answer(&question, asked.door == Door::Udp, out) {
            return end(&desk.cells, Event::Own, Some(len));
        }
        if question.qtype == rtype::ANY {
            return end(&desk.cells, Event::Own, minimal::any(&question, out));
        }
        if let Some(entry) = near {
            self.prefetch(entry, &wanted);
            return self.serve(
                &desk.cells,
                &round.snapshot,
                entry,
                &wanted,
                Event::Hit,
                out,
            );
        }
        if let Some(entry) = self
            .outside
            .cache
            .find(key, wanted.now_s)
            .filter(|entry| entry.is_for(&question))
        {
            self.prefetch(&entry, &wanted);
            let outcome = self.serve(
                &desk.cells,
                &round.snapshot,
                &entry,
                &wanted,
                Event::Hit,
                out,
            );
            desk.front.keep(key, entry);
            return outcome;
        }
        if !question.recursion_desired {
            return end(
                &desk.cells,
                Event::Own,
                minimal::empty(
                    &question,
                    rcode::REFUSED,
                    &[(ede::NOT_AUTHORITATIVE, "")],
                    out,
                ),
            );
        }
        Outcome::Later(Later {
            packet: asked.packet.into(),
            key,
            group,
            door: asked.door,
        })
    }

    /// Fetch the answer to a question and put the whole reply into `out`, which stays empty where
    /// nothing is to be sent.
    pub async fn answer_later(&self, later: Later, cells: &Cells, out: &mut Vec<u8>) {
        out.clear();
        let Ok(question) = wire::read(&later.packet) else {
            return;
        };
        let Some(asked) = as_asked(&question) else {
            return;
        };
        let entry = self.fetch_or_stale(asked, later.key).await;
        let room = match later.door {
            Door::Udp => question.udp_octets_max(self.udp_octets_max),
            Door::Tcp | Door::Tls => usize::from(u16::MAX),
        };
        out.resize(room, 0);
        let outcome = self.end_wait(&later, &question, &entry, cells, out);
        out.truncate(if let Outcome::Reply(len) = outcome {
            len
        } else {
            0
        });
    }

    /// Answer a question that nobody has time to fetch the answer for: with one that has run out
    /// (RFC 8767), or with SERVFAIL, so that the client asks another resolver, or with nothing at
    /// all where it is not refused `aloud`.
    pub fn shed(&self, later: &Later, aloud: bool, cells: &Cells, out: &mut [u8]) -> Outcome {
        let stale = self.find_stale(later.key);
        if stale.is_none() && !aloud {
            return end(cells, Event::Failed, None);
        }
        let Ok(question) = wire::read(&later.packet) else {
            return Outcome::Silence;
        };
        match stale {
            Some(stale) => self.end_wait(later, &question, &stale, cells, out),
            None => end(
                cells,
                Event::Failed,
                minimal::empty(&question, rcode::SERVFAIL, &[(ede::NETWORK, "")], out),
            ),
        }
    }

    /// Answer a question that has waited, unless its name or its alias chain is listed by now.
    fn end_wait(
        &self,
        later: &Later,
        question: &Question<'_>,
        entry: &Entry,
        cells: &Cells,
        out: &mut [u8],
    ) -> Outcome {
        let snapshot = self.live.load();
        let mut hashes = SuffixHashes::new();
        hashes.fill_for(snapshot.key(), question.name, snapshot.depths());
        let wanted = Wanted {
            question,
            hashes: &hashes,
            group: later.group,
            door: later.door,
            now_s: clock::wall_u32_s(),
        };
        if let Verdict::Block { list, found } =
            snapshot.decide(self.clients.lists(wanted.group), wanted.hashes)
        {
            return self.block(
                cells,
                &snapshot,
                (list, found),
                Kind::of_type(question.qtype),
                &wanted,
                out,
            );
        }
        self.serve(cells, &snapshot, entry, &wanted, Event::Miss, out)
    }

    /// Answer with an entry for a name that is not listed for this client, unless its alias chain
    /// goes through a listed name.
    fn serve(
        &self,
        cells: &Cells,
        snapshot: &Snapshot,
        entry: &Entry,
        wanted: &Wanted<'_>,
        event: Event,
        out: &mut [u8],
    ) -> Outcome {
        if !entry.is_clear_under(snapshot.generation())
            && let Verdict::Block { list, found } = self.decide_chain(snapshot, entry, wanted)
        {
            return self.block(cells, snapshot, (list, found), Kind::ViaCname, wanted, out);
        }
        write(cells, entry, wanted, event, out)
    }

    /// Hold each name of the alias chain against the lists, and remember it where no list at all
    /// has any of them nor the name asked for.
    fn decide_chain(&self, snapshot: &Snapshot, entry: &Entry, wanted: &Wanted<'_>) -> Verdict {
        let lists = self.clients.lists(wanted.group);
        let mut is_clear = snapshot.decide(&self.all_lists, wanted.hashes) == Verdict::Pass;
        let mut hashes = SuffixHashes::new();
        for name in entry.chain() {
            hashes.fill_for(snapshot.key(), name, snapshot.depths());
            if snapshot.decide(&self.all_lists, &hashes) == Verdict::Pass {
                continue;
            }
            is_clear = false;
            let verdict = snapshot.decide(lists, &hashes);
            if verdict != Verdict::Pass {
                return verdict;
            }
        }
        if is_clear {
            entry.note_clear_under(snapshot.generation());
        }
        Verdict::Pass
    }

    /// Answer as this list asks, by the entry that was found in this very snapshot.
    fn block(
        &self,
        cells: &Cells,
        snapshot: &Snapshot,
        (list, found): (ListIndex, Match),
        kind: Kind,
        wanted: &Wanted<'_>,
        out: &mut [u8],
    ) -> Outcome {
        cells.note_blocked(list, kind);
        snapshot.note_blocked(list, found);
        let page = self.pages.get(usize::from(list));
        let way = if wanted.door == Door::Tls {
            Way::Encrypted
        } else {
            Way::Open
        };
        page.and_then(|page| page.write(wanted.question, way, out))
            .map_or(Outcome::Silence, Outcome::Reply)
    }
}

fn key_of(
    Wanted {
        question, hashes, ..
    }: &Wanted<'_>,
) -> Key {
    Key::new(
        hashes.whole(),
        question.qtype,
        question.dnssec_ok(),
        question.checking_disabled,
    )
}

/// Answer with an entry that is clear.
fn write(
    cells: &Cells,
    entry: &Entry,
    wanted: &Wanted<'_>,
    event: Event,
    out: &mut [u8],
) -> Outcome {
    let event = if entry.is_failure() {
        Event::Failed
    } else {
        event
    };
    end(
        cells,
        event,
        entry.write(wanted.question, wanted.now_s, out),
    )
}

/// Count how a question ended and send what was written for it.
fn end(cells: &Cells, event: Event, len: Option<usize>) -> Outcome {
    cells.note_event(event);
    len.map_or(Outcome::Silence, Outcome::Reply)
}

/// FORMERR or NOTIMP with the id echoed and nothing else, since the rest could not be read; or
/// silence.
fn answer_fault(cells: &Cells, fault: Fault, packet: &[u8], out: &mut [u8]) -> Outcome {
    let code = match fault {
        Fault::Silence => return end(cells, Event::Fault, None),
        Fault::Format => rcode::FORMERR,
        Fault::Opcode => rcode::NOTIMP,
    };
    let (Some(&[id_high, id_low, flags, ..]), Some(out)) = (
        packet.first_chunk::<HEADER_OCTETS>(),
        out.get_mut(..HEADER_OCTETS),
    ) else {
        return end(cells, Event::Fault, None);
    };
    out.copy_from_slice(&[
        id_high,
        id_low,
        0x80 | flags & 0x79,
        0x80 | code as u8,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    end(cells, Event::Fault, Some(HEADER_OCTETS))
}

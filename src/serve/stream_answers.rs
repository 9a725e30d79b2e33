//! What the connections of TCP and TLS ask of the one answering function: a question in, its reply
//! or the wait for it out.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use super::edns_options::Addenda;
use super::in_service::Current;
use crate::clock;
use crate::count::{Cells, Refusal};
use crate::policy::Standing;
use crate::query::{AnswerDesk, Asked, Outcome};

/// What a connection needs; a seam, so that tests can answer in its place.
pub(super) trait StreamAnswers: Send + Sync + 'static {
    /// What the client at `address` may do.
    fn classify(&self, address: IpAddr) -> Standing;

    /// Count that something of a client was turned away.
    fn note_refusal(&self, why: Refusal);

    /// Add the reply to `replies` at once; where it has to be fetched, hand back the wait for it.
    /// An empty reply is not sent.
    fn answer(
        &self,
        asked: &Asked<'_>,
        replies: &mut Replies,
    ) -> Option<impl Future<Output = Vec<u8>> + Send + 'static>;
}

/// Replies ready for a stream, each with its length in front (RFC 1035 section 4.2.2).
#[derive(Default)]
pub(super) struct Replies {
    pub(super) octets: Vec<u8>,
}

impl Replies {
    /// Add one; none, and what is too long for its length field, is left out.
    pub(super) fn push(&mut self, reply: &[u8]) {
        if let Ok(len @ 1..) = u16::try_from(reply.len()) {
            self.octets.extend_from_slice(&len.to_be_bytes());
            self.octets.extend_from_slice(reply);
        }
    }
}

impl Replies {
    /// Add to the last reply, which begins with its length at `start`, what else is to go out with
    /// it.
    pub(super) fn complete(&mut self, start: usize, addenda: Addenda) {
        if addenda.is_empty() || self.octets.len() <= start + 2 {
            return;
        }
        let mut reply = self.octets.split_off(start + 2);
        self.octets.truncate(start);
        addenda.add_to(&mut reply);
        self.push(&reply);
    }
}

/// The most octets of a reply over a stream.
const REPLY_OCTETS_MAX: usize = u16::MAX as usize;

/// As many desks as threads answer at the same time: connections come and go, but counters are kept
/// for ever.
pub struct Desks {
    current: Arc<Current>,
    seats: Box<[Mutex<Seat>]>,
    /// Where answers are counted that had to be waited for.
    cells: Arc<Cells>,
    turn: AtomicUsize,
}

struct Seat {
    desk: AnswerDesk,
    reply: Box<[u8]>,
}

impl Desks {
    /// Desks for a runtime of this many threads.
    pub fn new(current: Arc<Current>, threads: usize) -> Self {
        let answering = Arc::clone(&current.load().answering);
        let seat = |_| {
            Mutex::new(Seat {
                desk: answering.desk(),
                reply: vec![0; REPLY_OCTETS_MAX].into(),
            })
        };
        let seats = (0..threads.max(1)).map(seat).collect();
        let cells = answering.shared_cells();
        Self {
            current,
            seats,
            cells,
            turn: AtomicUsize::new(0),
        }
    }

    /// A free seat; where each is taken for the moment, the next in turn.
    fn sit(&self) -> Option<MutexGuard<'_, Seat>> {
        let free = self.seats.iter().find_map(|seat| match seat.try_lock() {
            Ok(seat) => Some(seat),
            Err(TryLockError::Poisoned(seat)) => Some(seat.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        free.or_else(|| {
            let turn = self.turn.fetch_add(1, Relaxed) % self.seats.len();
            Some(
                self.seats
                    .get(turn)?
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            )
        })
    }
}

impl StreamAnswers for Desks {
    fn classify(&self, address: IpAddr) -> Standing {
        self.current.load().answering.clients().classify(address)
    }

    fn note_refusal(&self, why: Refusal) {
        self.cells.note_refusal(why);
    }

    fn answer(
        &self,
        asked: &Asked<'_>,
        replies: &mut Replies,
    ) -> Option<impl Future<Output = Vec<u8>> + Send + 'static> {
        let arrived = clock::monotonic();
        let mut seat = self.sit()?;
        let Seat { desk, reply } = &mut *seat;
        let serving = self.current.load();
        let round = serving.answering.round(desk);
        match serving.answering.answer(&round, desk, asked, reply) {
            Outcome::Reply(len) => {
                replies.push(reply.get(..len).unwrap_or_default());
                note_latency(desk.cells(), arrived);
                None
            }
            Outcome::Silence => None,
            Outcome::Later(later) => {
                let (answering, cells) = (Arc::clone(&serving.answering), Arc::clone(&self.cells));
                Some(async move {
                    let mut reply = Vec::new();
                    answering.answer_later(later, &cells, &mut reply).await;
                    note_latency(&cells, arrived);
                    reply
                })
            }
        }
    }
}

fn note_latency(cells: &Cells, arrived: Instant) {
    let taken = clock::monotonic().saturating_duration_since(arrived);
    cells.note_latency(taken.as_micros() as u64, 1);
}

#[cfg(test)]
pub(super) mod stand_in {
    //! Answers in place of the real ones: what happens to a question is in the octet after its
    //! header.

    use tokio::sync::Semaphore;

    use super::*;
    use crate::policy::Clients;

    /// The reply is the question.
    pub(in super::super) const NOW: u8 = b'n';
    /// The reply is the question, once the gate has a permit for it.
    pub(in super::super) const LATER: u8 = b'l';
    /// No reply.
    pub(in super::super) const NEVER: u8 = b's';
    /// The reply has 60,000 octets.
    pub(in super::super) const BIG: u8 = b'b';

    pub(in super::super) struct StandIn {
        clients: Clients,
        pub(in super::super) gate: Arc<Semaphore>,
        asked: AtomicUsize,
        waiting: Arc<AtomicUsize>,
        waiting_max: AtomicUsize,
        refusals: Mutex<Vec<Refusal>>,
    }

    impl StandIn {
        pub(in super::super) fn new() -> Self {
            Self {
                clients: Clients::new(&["127.0.0.0/8".parse().unwrap()], &[], &[]),
                gate: Arc::new(Semaphore::new(0)),
                asked: AtomicUsize::new(0),
                waiting: Arc::default(),
                waiting_max: AtomicUsize::new(0),
                refusals: Mutex::default(),
            }
        }

        /// How many questions came.
        pub(in super::super) fn asked(&self) -> usize {
            self.asked.load(Relaxed)
        }

        /// What was turned away, in order.
        pub(in super::super) fn refusals(&self) -> Vec<Refusal> {
            self.refusals.lock().unwrap().clone()
        }

        /// How many waited at the gate at once.
        pub(in super::super) fn waiting_max(&self) -> usize {
            self.waiting_max.load(Relaxed)
        }
    }

    impl StreamAnswers for StandIn {
        fn classify(&self, address: IpAddr) -> Standing {
            self.clients.classify(address)
        }

        fn note_refusal(&self, why: Refusal) {
            self.refusals.lock().unwrap().push(why);
        }

        fn answer(
            &self,
            asked: &Asked<'_>,
            replies: &mut Replies,
        ) -> Option<impl Future<Output = Vec<u8>> + Send + 'static> {
            let reply = asked.packet.to_vec();
            self.asked.fetch_add(1, Relaxed);
            match reply[12] {
                NOW => replies.push(&reply),
                BIG => replies.push(&[BIG; 60_000]),
                LATER => {
                    let (gate, waiting) = (Arc::clone(&self.gate), Arc::clone(&self.waiting));
                    self.waiting_max
                        .fetch_max(1 + waiting.fetch_add(1, Relaxed), Relaxed);
                    return Some(async move {
                        gate.acquire().await.unwrap().forget();
                        waiting.fetch_sub(1, Relaxed);
                        reply
                    });
                }
                _ => {}
            }
            None
        }
    }

    /// A question with its length in front.
    pub(in super::super) fn question(id: u8, fate: u8) -> [u8; 15] {
        let mut framed = [0; 15];
        [framed[1], framed[3], framed[14]] = [13, id, fate];
        framed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_goes_out_with_its_length_or_not_at_all() {
        let mut replies = Replies::default();
        replies.push(&[]);
        replies.push(b"abc");
        replies.push(&[0; REPLY_OCTETS_MAX + 1]);
        assert_eq!(replies.octets, b"\0\x03abc");
        replies.push(&[0; REPLY_OCTETS_MAX]);
        assert_eq!(replies.octets.len(), 5 + 2 + REPLY_OCTETS_MAX);
    }
}

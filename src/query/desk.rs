//! What a door's thread has of its own: its counters, its working memory, and the batch that it
//! answers.

use std::sync::Arc;

use arc_swap::Guard;

use crate::cache::Front;
use crate::count::{Cells, OwnCells};
use crate::name::SuffixHashes;
use crate::policy::Snapshot;
use crate::wire::HEADER_OCTETS;

/// The lists and the time that a batch of questions is answered by.
pub struct Round {
    pub(super) snapshot: Guard<Arc<Snapshot>>,
    pub(super) now_s: u32,
}

impl Round {
    /// The wall clock of the batch.
    pub const fn now_s(&self) -> u32 {
        self.now_s
    }
}

/// One thread's own things: its counters and its working memory.
pub struct AnswerDesk {
    pub(super) cells: OwnCells,
    pub(super) front: Front,
    /// How many threads share what may be kept in fronts; none where there is no front.
    pub(super) threads: Option<usize>,
    /// The hashes of the names of a batch's questions; of a single question in the first.
    pub(super) seats: Box<[SuffixHashes]>,
    /// The seats in front that are taken by [`AnswerDesk::foresee`].
    pub(super) foreseen: usize,
}

impl AnswerDesk {
    pub(super) fn new(cells: OwnCells, seats: usize, front: Front, threads: Option<usize>) -> Self {
        let seats = (0..seats.max(1)).map(|_| SuffixHashes::new()).collect();
        Self {
            cells,
            front,
            threads,
            seats,
            foreseen: 0,
        }
    }

    /// The desk's counters.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// Have everything in the CPU's cache that answering these packets will read, all at once
    /// instead of one after the other.
    ///
    /// Nothing is decided here: the packets are not even known to be questions.
    pub fn foresee<'p>(&mut self, round: &Round, packets: impl Iterator<Item = &'p [u8]>) {
        let (key, depths) = (round.snapshot.key(), round.snapshot.depths());
        self.foreseen = 0;
        for (seat, packet) in self.seats.iter_mut().zip(packets) {
            seat.fill_for(key, packet.get(HEADER_OCTETS..).unwrap_or_default(), depths);
            self.foreseen += 1;
        }
        let seats = self.seats.get(..self.foreseen).unwrap_or_default();
        let lines = seats
            .iter()
            .fold(0, |sum, seat| sum ^ self.front.touch(seat.whole()));
        let generation = round.snapshot.generation();
        let kept = seats.iter().fold(0, |sum, seat| {
            let free = self
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
}

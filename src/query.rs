//! The whole way of a question: read, who asks, is it ours, is it listed, is it cached, and only then the world outside.

use std::sync::Arc;

use crate::count::{Board, Cells, Door};
use crate::policy::{Clients, Group, Standing};

/// Everything a question needs on its way; one for the process, shared by all doors.
pub struct Answering {
    clients: Clients,
    board: Board,
}

/// One question as a door hands it in.
pub struct Asked<'a> {
    /// The packet as it came, without the length that TCP puts in front.
    pub packet: &'a [u8],
    /// Who asks, as far as may be known.
    pub standing: Standing,
    /// By which door.
    pub door: Door,
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

/// A question that waits for an answer from outside. Holds no address: the door remembers where the reply goes.
pub struct Later {
    packet: Box<[u8]>,
    group: Group,
    door: Door,
}

/// One thread's own things: its counters and its working memory.
pub struct Desk {
    cells: Arc<Cells>,
}

impl Answering {
    /// Answer at once, where that is possible.
    pub fn answer(&self, _desk: &mut Desk, _asked: &Asked<'_>, _out: &mut [u8]) -> Outcome {
        Outcome::Silence
    }

    /// Fetch and answer.
    pub async fn answer_later(&self, _later: Later, _cells: &Cells, _out: &mut Vec<u8>) {}

    /// Who may ask.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }
}

impl Desk {
    /// A desk for one thread.
    pub fn new(answering: &Answering) -> Self {
        Self { cells: answering.board.cells() }
    }

    /// This thread's counters.
    pub const fn cells(&self) -> &Arc<Cells> {
        &self.cells
    }
}

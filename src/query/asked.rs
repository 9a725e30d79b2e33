//! A question on its way: as a door hands it in, as it is answered, as it waits, and what became of
//! it.

use crate::cache::CacheKey;
use crate::count::{Cells, Door, Event, ReplyCode};
use crate::name::SuffixHashes;
use crate::policy::{Group, Snapshot, Standing};
use crate::wire::{Fault, HEADER_OCTETS, Question, rcode, reply_code};

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
    /// Above it: a truncated reply, so that a real client can come back over TCP. FORMERR, NOTIMP
    /// and REFUSED go out as they are: TCP would bring nothing else, and they are as short.
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
    /// The answer has to be fetched: hand this to
    /// [`Answering::answer_later`](super::Answering::answer_later).
    Later(Later),
}

/// A question that waits for an answer from outside. Holds no address: the door remembers where the
/// reply goes.
pub struct Later {
    pub(super) packet: Box<[u8]>,
    pub(super) key: CacheKey,
    pub(super) group: Group,
    pub(super) door: Door,
}

/// A question on the way to its answer, with the lists and the time that it is answered by.
pub(super) struct Wanted<'a> {
    pub(super) packet: &'a [u8],
    pub(super) question: &'a Question<'a>,
    pub(super) hashes: &'a SuffixHashes,
    pub(super) snapshot: &'a Snapshot,
    pub(super) cells: &'a Cells,
    pub(super) group: Group,
    pub(super) door: Door,
    pub(super) now_s: u32,
}

impl Wanted<'_> {
    #[inline]
    pub(super) fn key(&self) -> CacheKey {
        let question = self.question;
        CacheKey::new(
            self.hashes.whole(),
            question.qtype,
            question.dnssec_ok(),
            question.checking_disabled,
        )
    }

    /// It has to wait for what comes from outside for this key.
    pub(super) fn wait_for(&self, key: CacheKey) -> Outcome {
        Outcome::Later(Later {
            packet: self.packet.into(),
            key,
            group: self.group,
            door: self.door,
        })
    }

    #[inline]
    pub(super) fn end(&self, event: Event, len: Option<usize>) -> Outcome {
        end(self.cells, event, len)
    }
}

/// Count how a question ended and send what was written for it.
#[inline]
pub(super) fn end(cells: &Cells, event: Event, len: Option<usize>) -> Outcome {
    cells.note_event(event);
    len.map_or(Outcome::Silence, Outcome::Reply)
}

/// Count the reply that was made, if any.
#[inline]
pub(super) fn note_reply(cells: &Cells, outcome: &Outcome, out: &[u8]) {
    if let Outcome::Reply(len) = outcome {
        let reply = out.get(..*len).unwrap_or_default();
        cells.note_reply(ReplyCode::of(reply_code(reply)));
    }
}

/// FORMERR or NOTIMP with the id echoed and nothing else, since the rest could not be read; or
/// silence.
pub(super) fn answer_fault(cells: &Cells, fault: Fault, packet: &[u8], out: &mut [u8]) -> Outcome {
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

//! Replies without anybody's data: no records at all, "ask again over TCP", and the minimal answer
//! to ANY.

use super::blocked::push_head;
use crate::wire::{Flags, HEADER_OCTETS, Question, Reply, class, rcode, rtype};

const ANY_TTL_S: u32 = 3600;
/// "RFC8482" and an empty string as HINFO (RFC 8482, section 4.2).
const MINIMAL_ANY: &[u8] = b"\x07RFC8482\0";
const TYPE_HINFO: u16 = 13;

/// QR and RA, no error, one question, one answer.
const ANY_HEADER: [u8; HEADER_OCTETS] = [0, 0, 0x80, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];

/// The minimal answer to ANY (RFC 8482) as a whole message, about a name that exists.
pub fn any(name: &[u8]) -> Vec<u8> {
    let mut message = [&ANY_HEADER, name].concat();
    message.extend_from_slice(&rtype::ANY.to_be_bytes());
    message.extend_from_slice(&class::IN.to_be_bytes());
    push_head(
        &mut message,
        TYPE_HINFO,
        ANY_TTL_S,
        MINIMAL_ANY.len() as u16,
    );
    message.extend_from_slice(MINIMAL_ANY);
    message
}

/// A reply without records.
pub fn empty(
    question: &Question<'_>,
    rcode: u16,
    errors: &[(u16, &str)],
    out: &mut [u8],
) -> Option<usize> {
    Some(Reply::start(out, question, rcode, Flags::default())?.finish(question, rcode, errors))
}

/// A reply that says nothing but "ask again over TCP", and with `errors` why.
pub fn truncated(question: &Question<'_>, errors: &[(u16, &str)], out: &mut [u8]) -> Option<usize> {
    let flags = Flags {
        truncated: true,
        ..Flags::default()
    };
    let reply = Reply::start(out, question, rcode::NOERROR, flags)?;
    Some(reply.finish(question, rcode::NOERROR, errors))
}

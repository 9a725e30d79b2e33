//! Replies without anybody's data: no records at all, "ask again over TCP", and the minimal answer
//! to ANY.

use super::blocked::push_head;
use crate::wire::{Flags, Question, Reply, rcode};

const ANY_TTL_S: u32 = 3600;
/// "RFC8482" and an empty string as HINFO (RFC 8482, section 4.2).
const MINIMAL_ANY: &[u8] = b"\x07RFC8482\0";
const TYPE_HINFO: u16 = 13;

/// The minimal answer to ANY (RFC 8482), given when the name is not listed.
pub fn any(question: &Question<'_>, out: &mut [u8]) -> Option<usize> {
    let mut record = Vec::new();
    push_head(&mut record, TYPE_HINFO, ANY_TTL_S, MINIMAL_ANY.len() as u16);
    record.extend_from_slice(MINIMAL_ANY);
    let mut reply = Reply::start(out, question, rcode::NOERROR, Flags::default())?;
    reply.push_answers(&record, 1);
    Some(reply.finish(question, rcode::NOERROR, &[]))
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

//! Writes a reply into the caller's buffer: header, the question as the client spelled it, records,
//! and the OPT record.

use super::{HEADER_OCTETS, Question, UDP_OCTETS_MAX, class, rtype};
use crate::name::Name;

const OPTION_EDE: u16 = 15;
const OPT_OCTETS: usize = 11;
const EDE_OCTETS: usize = 6;

/// The header flags that a reply chooses; the rest follows from the question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// TC: cut short, ask again over TCP.
    pub truncated: bool,
    /// AD: all data is validated.
    pub authentic: bool,
    /// AA: the name is the replier's own.
    pub authoritative: bool,
}

/// A reply without a record, as if from outside: a header with these flags, and the question.
pub fn bare_reply([flags_high, flags_low]: [u8; 2], name: &Name, qtype: u16) -> Vec<u8> {
    let header = [0, 0, flags_high, flags_low, 0, 1, 0, 0, 0, 0, 0, 0];
    [
        &header[..],
        name.as_wire(),
        &qtype.to_be_bytes(),
        &class::IN.to_be_bytes(),
    ]
    .concat()
}

/// A reply in the making; nothing is written past the room it was given.
pub struct Reply<'b> {
    out: &'b mut [u8],
    len: usize,
    counts: [u16; 3],
}

impl<'b> Reply<'b> {
    /// Start with header and question. `None` where not even they fit into `out`.
    pub fn start(
        out: &'b mut [u8],
        question: &Question<'_>,
        rcode: u16,
        flags: Flags,
    ) -> Option<Self> {
        let head = header(question, rcode, flags);
        out.get_mut(..HEADER_OCTETS)?.copy_from_slice(&head);
        let len = HEADER_OCTETS + question.octets.len();
        out.get_mut(HEADER_OCTETS..len)?
            .copy_from_slice(question.octets);
        Some(Self {
            out,
            len,
            counts: [0; 3],
        })
    }

    /// Append whole records to the answer section; `false` and nothing written where they do not
    /// fit.
    pub fn push_answers(&mut self, records: &[u8], count: u16) -> bool {
        self.push(0, records, count)
    }

    /// Append whole records to the authority section, after all answers.
    pub fn push_authorities(&mut self, records: &[u8], count: u16) -> bool {
        self.push(1, records, count)
    }

    fn push(&mut self, section: usize, records: &[u8], count: u16) -> bool {
        let Some(room) = self.out.get_mut(self.len..self.len + records.len()) else {
            return false;
        };
        room.copy_from_slice(records);
        self.len += records.len();
        if let Some(total) = self.counts.get_mut(section) {
            *total += count;
        }
        true
    }

    /// Octets so far.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Is there nothing yet? Never: a reply starts with its header.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Close the reply with an OPT record if the question had one; `errors` are left out where they
    /// do not fit.
    ///
    /// Each error is an INFO-CODE with its EXTRA-TEXT (RFC 8914). Returns the octets of the reply.
    pub fn finish(mut self, question: &Question<'_>, rcode: u16, errors: &[(u16, &str)]) -> usize {
        if let Some(edns) = question.edns {
            let data_octets = errors
                .iter()
                .map(|(_, text)| EDE_OCTETS + text.len())
                .sum::<usize>();
            let data_octets = if self.len + OPT_OCTETS + data_octets <= self.out.len() {
                data_octets
            } else {
                0
            };
            let mut opt = [
                0,
                0,
                rtype::OPT as u8,
                0,
                0,
                (rcode >> 4) as u8,
                0,
                u8::from(edns.dnssec_ok) << 7,
                0,
                0,
                0,
            ];
            [opt[3], opt[4]] = (UDP_OCTETS_MAX as u16).to_be_bytes();
            [opt[9], opt[10]] = (data_octets as u16).to_be_bytes();
            let written = self.push(2, &opt, 1);
            if written && data_octets > 0 {
                for (code, text) in errors {
                    self.push_error(*code, text);
                }
            }
        }
        for (section, count) in self.counts.into_iter().enumerate() {
            let at = 6 + 2 * section;
            if let Some(field) = self.out.get_mut(at..at + 2) {
                field.copy_from_slice(&count.to_be_bytes());
            }
        }
        self.len
    }

    fn push_error(&mut self, code: u16, text: &str) {
        let mut head = [0; EDE_OCTETS];
        [head[0], head[1]] = OPTION_EDE.to_be_bytes();
        [head[2], head[3]] = (2 + text.len() as u16).to_be_bytes();
        [head[4], head[5]] = code.to_be_bytes();
        self.push(2, &head, 0);
        self.push(2, text.as_bytes(), 0);
    }
}

/// A reply's header with all counts but the question's at 0; RA is always set, RD and CD are the
/// client's.
fn header(question: &Question<'_>, rcode: u16, flags: Flags) -> [u8; HEADER_OCTETS] {
    let [id_high, id_low] = question.id.to_be_bytes();
    let high = 0x80
        | u8::from(flags.authoritative) << 2
        | u8::from(flags.truncated) << 1
        | u8::from(question.recursion_desired);
    let low = 0x80
        | u8::from(flags.authentic) << 5
        | u8::from(question.checking_disabled) << 4
        | (rcode & 0xf) as u8;
    [id_high, id_low, high, low, 0, 1, 0, 0, 0, 0, 0, 0]
}

/// The response code of a reply of ours, with the bits of it that OPT has where that is its only
/// record (RFC 6891 section 6.1.3); 0 where it is too short to have one.
pub fn reply_code(reply: &[u8]) -> u16 {
    const OPT_ALONE: [u8; 6] = [0, 0, 0, 0, 0, 1];
    let low = reply.get(3).map_or(0, |flags| u16::from(flags & 0x0f));
    if low != 0 || reply.get(6..HEADER_OCTETS) != Some(&OPT_ALONE) {
        return low;
    }
    let mut at = HEADER_OCTETS;
    while let Some(label @ 1..) = reply.get(at) {
        at += 1 + usize::from(*label);
    }
    // The root's octet, type and class; then OPT's own name, type and class.
    let high = reply.get(at + 1 + 4 + 1 + 4).copied().unwrap_or_default();
    u16::from(high) << 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{class, rcode, read};

    const ASKED: &[u8] =
        b"\x12\x34\x01\x10\0\x01\0\0\0\0\0\x01\x01A\0\0\x01\0\x01\0\0\x29\x02\0\0\0\x80\0\0\0";

    #[test]
    fn a_reply_echoes_the_question_and_counts_its_records() {
        let question = read(ASKED).ok().unwrap();
        assert_eq!(question.qclass, class::IN);
        let mut out = [0; 100];
        let mut reply =
            Reply::start(&mut out, &question, rcode::NOERROR, Flags::default()).unwrap();
        assert!(reply.push_answers(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01", 1));
        let len = reply.finish(&question, rcode::NOERROR, &[(16, "why")]);
        assert_eq!(
            &out[..len],
            b"\x12\x34\x81\x90\0\x01\0\x01\0\0\0\x01\x01A\0\0\x01\0\x01\
              \xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01\
              \0\0\x29\x04\xd0\0\0\x80\0\0\x09\0\x0f\0\x05\0\x10why"
        );
    }

    /// We give no delegations by DELEG, and must not say that we do: DE is clear in replies whatever
    /// the question says (draft-ietf-deleg section 5.1), and so is every flag but DO.
    #[test]
    fn of_the_flags_of_edns_only_do_comes_back() {
        let mut asked = ASKED.to_vec();
        let flags_at = asked.len() - 4;
        asked[flags_at..flags_at + 2].copy_from_slice(&[0xff, 0xff]);
        let question = read(&asked).ok().unwrap();
        let mut out = [0; 100];
        let reply = Reply::start(&mut out, &question, rcode::NOERROR, Flags::default()).unwrap();
        let len = reply.finish(&question, rcode::NOERROR, &[]);
        assert_eq!(&out[19..len], b"\0\0\x29\x04\xd0\0\0\x80\0\0\0");
    }

    #[test]
    fn what_does_not_fit_is_left_out_whole() {
        let question = read(ASKED).ok().unwrap();
        let mut out = [0; 32];
        let mut reply =
            Reply::start(&mut out, &question, rcode::BADVERS, Flags::default()).unwrap();
        assert!(!reply.push_answers(&[0; 14], 1));
        let len = reply.finish(&question, rcode::BADVERS, &[(16, "a text")]);
        assert_eq!(reply_code(&out[..len]), rcode::BADVERS);
        assert_eq!(reply_code(b"\0\0\x81\x83\0\x01"), rcode::NXDOMAIN);
        assert_eq!(reply_code(&[0; 3]), 0);
        assert_eq!(&out[19..len], b"\0\0\x29\x04\xd0\x01\0\x80\0\0\0");
        assert!(Reply::start(&mut [0; 18], &question, 0, Flags::default()).is_none());
    }
}

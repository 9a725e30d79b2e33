//! Writing a reply from a kept answer: the TTLs as they are now, the flags and the EDNS of the
//! question.

use super::entry::{Entry, OPT_OCTETS, STALE_TTL_S};
use crate::wire::{Flags, HEADER_OCTETS, Question, UDP_OCTETS_MAX, ede, rcode, rtype};

impl Entry {
    /// Write it as the reply to `question`, with the TTLs counted down; cut short where it does not
    /// fit into `out`.
    ///
    /// `None` where not even the question fits.
    pub fn write(&self, question: &Question<'_>, now_s: u32, out: &mut [u8]) -> Option<usize> {
        let age_s = now_s.wrapping_sub(self.kept_at_s);
        let opt_octets = self.opt_octets(question, age_s);
        let wire = self.wire();
        let len = wire.len();
        if len + opt_octets > out.len() {
            return self.write_truncated(question, out);
        }
        let reply = out.get_mut(..len)?;
        reply.copy_from_slice(wire);
        reply
            .get_mut(HEADER_OCTETS..HEADER_OCTETS + question.octets.len())?
            .copy_from_slice(question.octets);
        let is_stale = self.ttl_s > 0 && age_s >= self.ttl_s;
        for at in self.ttls_at() {
            let ttl = reply.get_mut(at..)?.first_chunk_mut::<4>()?;
            let left_s = if is_stale {
                STALE_TTL_S
            } else {
                u32::from_be_bytes(*ttl).saturating_sub(age_s)
            };
            *ttl = left_s.to_be_bytes();
        }
        self.write_head(question, Flags::default(), reply.first_chunk_mut()?);
        Some(len + self.write_opt(question, age_s, out.get_mut(len..len + opt_octets)?))
    }

    fn write_truncated(&self, question: &Question<'_>, out: &mut [u8]) -> Option<usize> {
        let len = HEADER_OCTETS + question.octets.len();
        let opt_octets = self.opt_octets(question, 0);
        let reply = out.get_mut(..len)?;
        let (head, asked) = reply.split_first_chunk_mut::<HEADER_OCTETS>()?;
        head.copy_from_slice(self.octets.first_chunk::<HEADER_OCTETS>()?);
        head.get_mut(6..)?.fill(0);
        asked.copy_from_slice(question.octets);
        self.write_head(
            question,
            Flags {
                truncated: true,
                ..Flags::default()
            },
            head,
        );
        Some(len + self.write_opt(question, 0, out.get_mut(len..len + opt_octets)?))
    }

    /// Id, flags and the OPT record's count; AD only for clients that understand it (RFC 6840
    /// section 5.8).
    #[inline]
    fn write_head(&self, question: &Question<'_>, flags: Flags, head: &mut [u8; HEADER_OCTETS]) {
        let wants_ad = question.authentic_wanted || question.dnssec_ok();
        [head[0], head[1]] = question.id.to_be_bytes();
        head[2] = 0x80 | u8::from(flags.truncated) << 1 | u8::from(question.recursion_desired);
        let kept = if wants_ad && !flags.truncated {
            head[3] & 0x2f
        } else {
            head[3] & 0x0f
        };
        head[3] = 0x80 | kept | u8::from(question.checking_disabled) << 4;
        if question.edns.is_some() {
            head[11] = head[11].wrapping_add(1);
        }
    }

    /// What is to be said besides the answer's own extended error: that it is a failure of before,
    /// or that it has run out.
    #[inline]
    fn extra_error(&self, age_s: u32) -> Option<u16> {
        if self.is_failure() {
            return (age_s > 0).then_some(ede::CACHED_ERROR);
        }
        let is_nobody = self
            .octets
            .get(3)
            .is_some_and(|octet| u16::from(octet & 0xf) == rcode::NXDOMAIN);
        (self.ttl_s > 0 && age_s >= self.ttl_s).then_some(if is_nobody {
            ede::STALE_NXDOMAIN
        } else {
            ede::STALE
        })
    }

    #[inline]
    fn opt_octets(&self, question: &Question<'_>, age_s: u32) -> usize {
        let errors =
            usize::from(self.ede.is_some()) + usize::from(self.extra_error(age_s).is_some());
        if question.edns.is_some() {
            OPT_OCTETS + 6 * errors
        } else {
            0
        }
    }

    /// The OPT record, with the extended error and, for a kept failure, Cached Error.
    #[inline]
    fn write_opt(&self, question: &Question<'_>, age_s: u32, room: &mut [u8]) -> usize {
        let Some(edns) = question.edns else { return 0 };
        let extra = self.extra_error(age_s);
        let codes = self.ede.into_iter().chain(extra);
        let [size_high, size_low] = (UDP_OCTETS_MAX as u16).to_be_bytes();
        let data_octets = 6 * codes.clone().count();
        let opt = [
            0,
            0,
            rtype::OPT as u8,
            size_high,
            size_low,
            0,
            0,
            u8::from(edns.dnssec_ok) << 7,
            0,
            0,
            data_octets as u8,
        ];
        let Some(place) = room.get_mut(..OPT_OCTETS) else {
            return 0;
        };
        place.copy_from_slice(&opt);
        let mut at = OPT_OCTETS;
        for code in codes {
            let [high, low] = code.to_be_bytes();
            if let Some(place) = room.get_mut(at..at + 6) {
                place.copy_from_slice(&[0, 15, 0, 2, high, low]);
                at += 6;
            }
        }
        at
    }
}

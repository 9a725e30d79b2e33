//! Writing a reply from a kept answer: the TTLs as they are now, the flags and the EDNS of the
//! question.

use super::entry::{Entry, Lifetimes, OPT_OCTETS, STALE_TTL_S, UnusableReply};
use crate::wire::{Flags, HEADER_OCTETS, Question, UDP_OCTETS_MAX, ede, rcode, rtype};

impl Entry {
    /// For how many seconds it is within its time to live; below nought for how long it is not any
    /// more.
    pub fn left_s(&self, now_s: u32) -> i64 {
        i64::from(self.ttl_s) - i64::from(now_s.wrapping_sub(self.kept_at_s))
    }

    /// What this reply says, as `wire` puts it for another question: as old, and told with the same
    /// error.
    pub fn reworded(&self, wire: Vec<u8>, lifetimes: Lifetimes) -> Result<Self, UnusableReply> {
        let reworded = Self::from_wire(wire, self.ede, self.kept_at_s, lifetimes)?;
        Ok(reworded.told(self.text.clone()))
    }

    /// Write it as the reply to `question`, with the TTLs counted down; cut short where it does not
    /// fit into `out`.
    ///
    /// `None` where not even the question fits.
    pub fn write(&self, question: &Question<'_>, now_s: u32, out: &mut [u8]) -> Option<usize> {
        let age_s = now_s.wrapping_sub(self.kept_at_s);
        let opt_octets = self.opt_octets(question, age_s, &self.text);
        let len = self.wire().len();
        if len + opt_octets > out.len() {
            return self.write_truncated(question, age_s, out);
        }
        self.write_records(question, age_s, out.get_mut(..len)?)?;
        self.write_head(question, Flags::default(), out.first_chunk_mut()?);
        Some(
            len + self.write_opt(
                question,
                age_s,
                &self.text,
                out.get_mut(len..len + opt_octets)?,
            ),
        )
    }

    /// As much of the reply as there is room for: the question in the client's spelling, and the
    /// records behind it with what is left of their TTLs.
    #[inline]
    fn write_records(&self, question: &Question<'_>, age_s: u32, reply: &mut [u8]) -> Option<()> {
        reply.copy_from_slice(self.wire().get(..reply.len())?);
        reply
            .get_mut(HEADER_OCTETS..HEADER_OCTETS + question.octets.len())?
            .copy_from_slice(question.octets);
        let is_stale = self.ttl_s > 0 && age_s >= self.ttl_s;
        for at in self.ttls_at() {
            let Some(ttl) = reply.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) else {
                break;
            };
            let left_s = if is_stale {
                STALE_TTL_S
            } else {
                u32::from_be_bytes(*ttl).saturating_sub(age_s)
            };
            *ttl = left_s.to_be_bytes();
        }
        Some(())
    }

    /// With TC set, and as many whole records of the answer as fit: some clients never ask over
    /// TCP, and others know that they have not seen all (RFC 2181 section 9).
    fn write_truncated(
        &self,
        question: &Question<'_>,
        age_s: u32,
        out: &mut [u8],
    ) -> Option<usize> {
        let opt_octets = self.opt_octets(question, age_s, "");
        let (len, count) = self.fitting(
            HEADER_OCTETS + question.octets.len(),
            out.len().checked_sub(opt_octets)?,
        );
        self.write_records(question, age_s, out.get_mut(..len)?)?;
        let head = out.first_chunk_mut::<HEADER_OCTETS>()?;
        head.get_mut(6..)?.fill(0);
        head.get_mut(6..8)?.copy_from_slice(&count.to_be_bytes());
        self.write_head(
            question,
            Flags {
                truncated: true,
                ..Flags::default()
            },
            head,
        );
        Some(len + self.write_opt(question, age_s, "", out.get_mut(len..len + opt_octets)?))
    }

    /// Where the last record of the answer ends that fits into so many octets, and how many do;
    /// where there is none, where the question ends.
    fn fitting(&self, question_end: usize, octets_max: usize) -> (usize, u16) {
        let wire = self.wire();
        let number = |at: usize| {
            wire.get(at..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |octets| usize::from(u16::from_be_bytes(*octets)))
        };
        let ends = self.ttls_at().map(|at| at + 6 + number(at + 4));
        ends.take(number(6))
            .take_while(|end| *end <= octets_max)
            .fold((question_end, 0), |(_, count), end| (end, count + 1))
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
    fn opt_octets(&self, question: &Question<'_>, age_s: u32, text: &str) -> usize {
        let errors =
            usize::from(self.ede.is_some()) + usize::from(self.extra_error(age_s).is_some());
        if question.edns.is_some() {
            OPT_OCTETS + 6 * errors + text.len()
        } else {
            0
        }
    }

    /// The OPT record, with the extended error and, for a kept failure, Cached Error.
    #[inline]
    fn write_opt(&self, question: &Question<'_>, age_s: u32, text: &str, room: &mut [u8]) -> usize {
        let Some(edns) = question.edns else { return 0 };
        let extra = self.extra_error(age_s);
        let own = self.ede.map(|code| (code, text.as_bytes()));
        let errors = own.into_iter().chain(extra.map(|code| (code, &[][..])));
        let [size_high, size_low] = (UDP_OCTETS_MAX as u16).to_be_bytes();
        let data_octets: usize = errors.clone().map(|(_, text)| 6 + text.len()).sum();
        let [octets_high, octets_low] = (data_octets as u16).to_be_bytes();
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
            octets_high,
            octets_low,
        ];
        let Some(place) = room.get_mut(..OPT_OCTETS) else {
            return 0;
        };
        place.copy_from_slice(&opt);
        let mut at = OPT_OCTETS;
        for (code, text) in errors {
            let [high, low] = code.to_be_bytes();
            let [length_high, length_low] = (2 + text.len() as u16).to_be_bytes();
            let place = room.get_mut(at..at + 6 + text.len());
            if let Some((head, rest)) = place.and_then(|place| place.split_at_mut_checked(6)) {
                head.copy_from_slice(&[0, 15, length_high, length_low, high, low]);
                rest.copy_from_slice(text);
                at += 6 + text.len();
            }
        }
        at
    }
}

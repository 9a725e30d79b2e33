//! Walks over the records of a whole message, following compression pointers backwards only.

use super::HEADER_OCTETS;
use crate::name::{LABEL_OCTETS_MAX, LABELS_MAX, NAME_OCTETS_MAX};

/// A message whose records can be walked.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    octets: &'a [u8],
}

/// The section a record stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Answer.
    Answer,
    /// Authority.
    Authority,
    /// Additional.
    Additional,
}

/// One record's place in the message.
#[derive(Clone, Copy, Debug)]
pub struct WireRecord {
    /// The section it stands in.
    pub section: Section,
    /// Where its owner name starts.
    pub start: usize,
    /// Where its TTL stands (4 octets).
    pub ttl_at: usize,
    /// The record type's number.
    pub rtype: u16,
    /// The time to live in seconds; a value with its top bit set reads as 0 (RFC 2181 section 8).
    pub ttl_s: u32,
    /// Where its data starts.
    pub data_at: usize,
    /// Where its data ends and the next record starts.
    pub end: usize,
}

/// The octets are no whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message ends early or a name in it is broken")]
pub struct WalkFault;

impl<'a> Message<'a> {
    /// Look at `octets` as a message; nothing is checked yet but the header's presence.
    pub fn new(octets: &'a [u8]) -> Result<Self, WalkFault> {
        if octets.len() < HEADER_OCTETS {
            Err(WalkFault)
        } else {
            Ok(Self { octets })
        }
    }

    /// The low four bits of the response code.
    pub fn rcode(&self) -> u16 {
        self.octets.get(3).map_or(0, |octet| u16::from(octet & 0xf))
    }

    /// The type that the first question asks for.
    pub fn question_type(&self) -> Result<u16, WalkFault> {
        self.u16_at(self.skip_name(HEADER_OCTETS)?)
    }

    /// Call `visit` for each record in order.
    pub fn walk(&self, mut visit: impl FnMut(WireRecord)) -> Result<(), WalkFault> {
        let mut at = HEADER_OCTETS;
        for _ in 0..self.u16_at(4)? {
            at = self.skip_name(at)? + 4;
        }
        for (section, count_at) in [
            (Section::Answer, 6),
            (Section::Authority, 8),
            (Section::Additional, 10),
        ] {
            for _ in 0..self.u16_at(count_at)? {
                let record = self.record(section, at)?;
                visit(record);
                at = record.end;
            }
        }
        Ok(())
    }

    /// Append the uncompressed, lower-case wire form of the name at `at` to `wire`.
    pub fn read_name(&self, at: usize, wire: &mut Vec<u8>) -> Result<(), WalkFault> {
        let start = wire.len();
        let (mut at, mut floor, mut jumps_left) = (at, at, LABELS_MAX);
        loop {
            let len = usize::from(*self.octets.get(at).ok_or(WalkFault)?);
            if len >= 0xc0 {
                let target = usize::from(self.u16_at(at)? & 0x3fff);
                // Each jump goes before everything read so far, so the walk must end; and no honest
                // name needs more of them than it has labels, while thousands of names that share a
                // long way would cost the square of the message.
                if target >= floor || jumps_left == 0 {
                    return Err(WalkFault);
                }
                (at, floor, jumps_left) = (target, target, jumps_left - 1);
                continue;
            }
            if len > LABEL_OCTETS_MAX || wire.len() - start + 1 + len > NAME_OCTETS_MAX {
                return Err(WalkFault);
            }
            let label = self.octets.get(at..at + 1 + len).ok_or(WalkFault)?;
            wire.extend(label.iter().map(u8::to_ascii_lowercase));
            if len == 0 {
                return Ok(());
            }
            at += 1 + len;
        }
    }

    /// The number in the four octets before `end`, such as an SOA record's minimum.
    pub fn u32_before(&self, end: usize) -> Result<u32, WalkFault> {
        let octets = end
            .checked_sub(4)
            .and_then(|at| self.octets.get(at..end))
            .and_then(<[u8]>::first_chunk::<4>)
            .ok_or(WalkFault)?;
        Ok(u32::from_be_bytes(*octets))
    }

    fn record(&self, section: Section, start: usize) -> Result<WireRecord, WalkFault> {
        let at = self.skip_name(start)?;
        let data_at = at + 10;
        let end = data_at + usize::from(self.u16_at(at + 8)?);
        if end > self.octets.len() {
            return Err(WalkFault);
        }
        let ttl_s = u32::from(self.u16_at(at + 4)?) << 16 | u32::from(self.u16_at(at + 6)?);
        let ttl_s = if ttl_s >> 31 == 1 { 0 } else { ttl_s };
        Ok(WireRecord {
            section,
            start,
            ttl_at: at + 4,
            rtype: self.u16_at(at)?,
            ttl_s,
            data_at,
            end,
        })
    }

    fn skip_name(&self, mut at: usize) -> Result<usize, WalkFault> {
        loop {
            let len = usize::from(*self.octets.get(at).ok_or(WalkFault)?);
            match len {
                0 => return Ok(at + 1),
                0xc0.. => return Ok(at + 2),
                _ if len > LABEL_OCTETS_MAX => return Err(WalkFault),
                _ => at += 1 + len,
            }
        }
    }

    fn u16_at(&self, at: usize) -> Result<u16, WalkFault> {
        let octets = self
            .octets
            .get(at..)
            .and_then(<[u8]>::first_chunk::<2>)
            .ok_or(WalkFault)?;
        Ok(u16::from_be_bytes(*octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &[u8] = b"\0\0\x81\x80\0\x01\0\x02\0\0\0\0\x01A\x04test\0\0\x01\0\x01\
        \xc0\x0c\0\x05\0\x01\0\0\x01\x2c\0\x04\x01b\xc0\x0e\
        \xc0\x24\0\x01\0\x01\x80\0\0\0\0\x04\xc0\0\x02\x01";

    #[test]
    fn records_and_their_names_are_found() {
        let message = Message::new(CHAIN).unwrap();
        let mut records = Vec::new();
        message.walk(|record| records.push(record)).unwrap();
        assert_eq!(
            records
                .iter()
                .map(|record| (record.rtype, record.ttl_s))
                .collect::<Vec<_>>(),
            [(5, 300), (1, 0)]
        );
        assert_eq!(message.question_type(), Ok(1));
        let mut name = Vec::new();
        message.read_name(records[0].data_at, &mut name).unwrap();
        assert_eq!(name, b"\x01b\x04test\0");
        name.clear();
        message.read_name(records[1].start, &mut name).unwrap();
        assert_eq!(name, b"\x01b\x04test\0");
    }

    #[test]
    fn cut_messages_and_pointer_loops_are_refused() {
        for end in 0..CHAIN.len() {
            assert!(
                Message::new(&CHAIN[..end])
                    .and_then(|message| message.walk(|_| ()))
                    .is_err(),
                "cut at {end}"
            );
        }
        let mut looped = CHAIN.to_vec();
        looped[25] = 24;
        assert_eq!(
            Message::new(&looped)
                .unwrap()
                .read_name(24, &mut Vec::new()),
            Err(WalkFault)
        );
    }
}

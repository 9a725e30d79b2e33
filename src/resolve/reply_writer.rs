//! Lays out the records of a reply, with names compressed where the type allows it.

use std::collections::HashMap;

use super::exchange::CLASS_IN;
use super::reply_record::{MESSAGE_OCTETS_MAX, Malformed, Part, ReplyRecord};

/// RFC 3597 section 4: only the types of RFC 1035 may be compressed when sending.
pub(super) const fn compress(rtype: u16) -> Compress {
    if matches!(rtype, 2 | 5 | 6 | 12 | 15) {
        Compress::Allowed
    } else {
        Compress::Forbidden
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compress {
    Allowed,
    Forbidden,
}

pub(super) struct ReplyWriter {
    pub(super) octets: Vec<u8>,
    /// Where each suffix was written first, by its octets.
    pub(super) offsets: HashMap<Vec<u8>, u16>,
}

impl ReplyWriter {
    pub(super) fn record(&mut self, record: &ReplyRecord) -> Result<(), Malformed> {
        self.name(&record.owner, Compress::Allowed);
        self.octets.extend_from_slice(&record.rtype.to_be_bytes());
        self.octets.extend_from_slice(&CLASS_IN.to_be_bytes());
        self.octets.extend_from_slice(&record.ttl.to_be_bytes());
        let length_at = self.octets.len();
        self.octets.extend_from_slice(&[0, 0]);
        for part in &record.rdata {
            match part {
                Part::Octets(octets) => self.octets.extend_from_slice(octets),
                Part::Name(name) => self.name(name, compress(record.rtype)),
            }
        }
        if self.octets.len() > MESSAGE_OCTETS_MAX {
            return Err(Malformed);
        }
        let length = (self.octets.len() - length_at - 2) as u16;
        if let Some(place) = self.octets.get_mut(length_at..length_at + 2) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }

    pub(super) fn name(&mut self, name: &[u8], compress: Compress) {
        let mut rest = name;
        while let Some((&length, _)) = rest.split_first().filter(|(length, _)| **length > 0) {
            if compress == Compress::Allowed {
                if let Some(offset) = self.offsets.get(rest) {
                    self.octets
                        .extend_from_slice(&(0xc000 | offset).to_be_bytes());
                    return;
                }
                if self.octets.len() < 0x4000 {
                    self.offsets.insert(rest.to_vec(), self.octets.len() as u16);
                }
            }
            let (label, tail) = rest
                .split_at_checked(1 + usize::from(length))
                .unwrap_or((rest, &[]));
            self.octets.extend_from_slice(label);
            rest = tail;
        }
        self.octets.push(0);
    }
}

//! A reply of the root's copy, laid out as a server would send it.

use super::record::CopyRecord;
use crate::wire::{HEADER_OCTETS, class, rcode};

/// A reply in the making.
pub(super) struct CopyReply<'a> {
    pub(super) name: Vec<u8>,
    pub(super) qtype: u16,
    pub(super) rcode: u16,
    pub(super) authoritative: bool,
    pub(super) answers: Vec<&'a CopyRecord>,
    pub(super) authorities: Vec<&'a CopyRecord>,
    pub(super) additionals: Vec<&'a CopyRecord>,
}

impl CopyReply<'_> {
    pub(super) fn new(name: &[u8], qtype: u16) -> Self {
        Self {
            name: name.to_vec(),
            qtype,
            rcode: rcode::NOERROR,
            authoritative: false,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
        }
    }

    pub(super) fn lay_out(&self) -> Vec<u8> {
        let sections = [&self.answers, &self.authorities, &self.additionals];
        let records: usize = sections
            .iter()
            .flat_map(|section| section.iter())
            .map(|record| record.wire.len())
            .sum();
        let mut octets = Vec::with_capacity(HEADER_OCTETS + self.name.len() + 4 + records);
        let flags = 0x80 | if self.authoritative { 4 } else { 0 };
        octets.extend([0, 0, flags, self.rcode as u8, 0, 1]);
        for section in sections {
            octets.extend((section.len() as u16).to_be_bytes());
        }
        octets.extend(&self.name);
        octets.extend(self.qtype.to_be_bytes());
        octets.extend(class::IN.to_be_bytes());
        for record in sections.iter().flat_map(|section| section.iter()) {
            octets.extend(&record.wire);
        }
        octets
    }
}

//! The questions we ask a primary, and its records as lines of zone text.

use zeroize::Zeroizing;

use crate::name::{NAME_OCTETS_MAX, Name, is_within};
use crate::wire::{Message, WalkFault, WireRecord, class, rtype};

/// The question type of a whole zone (RFC 5936).
pub(super) const AXFR: u16 = 252;
/// The question type of a zone's changes (RFC 1995).
pub(super) const IXFR: u16 = 251;
/// The octets of an SOA record's numbers: serial, refresh, retry, expire, minimum.
const SOA_NUMBERS: usize = 20;

/// What a zone says of itself (RFC 1035 section 3.3.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Soa {
    pub(super) serial: u32,
    pub(super) refresh_s: u32,
    pub(super) retry_s: u32,
    pub(super) expire_s: u32,
}

/// A question about `zone`; for its changes with the serial that we have.
pub(super) fn question(id: u16, zone: &Name, qtype: u16, have: Option<u32>) -> Vec<u8> {
    let mut octets = Vec::with_capacity(512);
    octets.extend(id.to_be_bytes());
    octets.extend([0, 0, 0, 1, 0, 0, 0, u8::from(have.is_some()), 0, 0]);
    octets.extend(zone.as_wire());
    octets.extend(qtype.to_be_bytes());
    octets.extend(class::IN.to_be_bytes());
    if let Some(serial) = have {
        octets.extend(zone.as_wire());
        octets.extend(rtype::SOA.to_be_bytes());
        octets.extend(class::IN.to_be_bytes());
        octets.extend([0, 0, 0, 0, 0, 22, 0, 0]);
        octets.extend(serial.to_be_bytes());
        octets.extend([0; 16]);
    }
    octets
}

/// One message of a primary, with what is needed to read its records.
#[derive(Clone, Copy)]
pub(super) struct Answer<'m> {
    octets: &'m [u8],
    message: Message<'m>,
}

impl<'m> Answer<'m> {
    pub(super) fn new(octets: &'m [u8]) -> Result<Self, WalkFault> {
        Ok(Self {
            octets,
            message: Message::new(octets)?,
        })
    }

    pub(super) const fn message(&self) -> Message<'m> {
        self.message
    }

    pub(super) fn is_in_class(&self, record: &WireRecord) -> bool {
        self.octets.get(record.ttl_at - 2..record.ttl_at) == Some(&class::IN.to_be_bytes())
    }

    /// The owner's wire name, lower-case, into `owner`.
    pub(super) fn owner(&self, record: &WireRecord, owner: &mut Vec<u8>) -> Result<(), WalkFault> {
        owner.clear();
        self.message.read_name(record.start, owner)
    }

    /// What an SOA record says.
    pub(super) fn soa(&self, record: &WireRecord) -> Result<Soa, WalkFault> {
        let number = |before_end| self.message.u32_before(record.end - before_end);
        if record.end - record.data_at < SOA_NUMBERS + 2 {
            return Err(WalkFault);
        }
        Ok(Soa {
            serial: number(16)?,
            refresh_s: number(12)?,
            retry_s: number(8)?,
            expire_s: number(4)?,
        })
    }

    /// Write the record as a line of zone text into `line`: its owner below `apex`, its type and
    /// its data, always in the same spelling.
    ///
    /// The lifetime is left out: a list has none, and primaries differ in whether they repeat it
    /// when they take a record away.
    pub(super) fn write_line(
        &self,
        record: &WireRecord,
        owner: &[u8],
        apex: &[u8],
        line: &mut Vec<u8>,
    ) -> Result<(), WalkFault> {
        line.clear();
        let below = owner
            .len()
            .checked_sub(apex.len())
            .filter(|_| is_within(owner, apex))
            .ok_or(WalkFault)?;
        match owner.get(..below).unwrap_or_default() {
            [] => line.push(b'@'),
            labels => write_name(labels, line),
        }
        let data = octets_of(self.octets, record)?;
        if record.rtype == rtype::CNAME {
            let mut target = Zeroizing::new(Vec::with_capacity(NAME_OCTETS_MAX));
            self.message.read_name(record.data_at, &mut target)?;
            line.extend_from_slice(b" CNAME ");
            write_name(&target, line);
            line.push(b'.');
        } else {
            self.write_generic(record, data, line)?;
        }
        line.push(b'\n');
        Ok(())
    }

    /// Any type, in the form of RFC 3597 section 5, with the names that may be compressed written
    /// out.
    fn write_generic(
        &self,
        record: &WireRecord,
        data: &[u8],
        line: &mut Vec<u8>,
    ) -> Result<(), WalkFault> {
        let mut full = Zeroizing::new(Vec::with_capacity(data.len() + 2 * NAME_OCTETS_MAX));
        if let Some(lead) = octets_before_name(record.rtype) {
            full.extend_from_slice(data.get(..lead).ok_or(WalkFault)?);
            self.message.read_name(record.data_at + lead, &mut full)?;
        } else {
            full.extend_from_slice(data);
        }
        line.extend_from_slice(format!(" TYPE{} \\# {} ", record.rtype, full.len()).as_bytes());
        let start = line.len();
        line.resize(start + 2 * full.len(), 0);
        data_encoding::HEXUPPER.encode_mut(&full, line.get_mut(start..).ok_or(WalkFault)?);
        Ok(())
    }
}

fn octets_of<'m>(octets: &'m [u8], record: &WireRecord) -> Result<&'m [u8], WalkFault> {
    octets.get(record.data_at..record.end).ok_or(WalkFault)
}

/// The octets in front of the one name that ends a record's data, for the types whose name may be
/// compressed (RFC 3597 section 4).
const fn octets_before_name(kind: u16) -> Option<usize> {
    const PTR: u16 = 12;
    const MX: u16 = 15;
    const SRV: u16 = 33;
    match kind {
        rtype::NS | rtype::CNAME | PTR | rtype::DNAME => Some(0),
        MX => Some(2),
        SRV => Some(6),
        _ => None,
    }
}

/// Write labels with dots between them; what is no plain letter, digit, hyphen, underscore or
/// asterisk is escaped as `\DDD`.
fn write_name(labels: &[u8], line: &mut Vec<u8>) {
    let mut rest = labels;
    let mut is_first = true;
    while let Some((&len, tail)) = rest.split_first() {
        if len == 0 {
            break;
        }
        let (label, tail) = tail
            .split_at_checked(usize::from(len))
            .unwrap_or((tail, &[]));
        if !is_first {
            line.push(b'.');
        }
        for &octet in label {
            if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'*') {
                line.push(octet);
            } else {
                line.push(b'\\');
                line.extend([octet / 100, octet / 10 % 10, octet % 10].map(|digit| b'0' + digit));
            }
        }
        (rest, is_first) = (tail, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with one answer whose owner is `apex` under `labels`.
    fn line(labels: &[u8], kind: u16, data: &[u8]) -> Option<String> {
        let apex = Name::parse("rpz.example").unwrap();
        let mut octets = question(1, &apex, AXFR, None);
        octets[7] = 1;
        octets.extend(labels);
        octets.extend([0xc0, 12]);
        octets.extend(kind.to_be_bytes());
        octets.extend([0, 1, 0, 0, 0, 0, 0, data.len() as u8]);
        octets.extend(data);
        let answer = Answer::new(&octets).unwrap();
        let mut found = None;
        answer
            .message()
            .walk(|record| found = Some(record))
            .unwrap();
        let (record, mut owner, mut line) = (found.unwrap(), Vec::new(), Vec::new());
        answer.owner(&record, &mut owner).unwrap();
        answer
            .write_line(&record, &owner, apex.as_wire(), &mut line)
            .ok()?;
        Some(String::from_utf8(line).unwrap())
    }

    #[test]
    fn records_become_lines() {
        for (labels, kind, data, expected) in [
            (&b"\x01A\x04test"[..], 5, &b"\0"[..], "a.test CNAME .\n"),
            (b"\x01*\x01a\x04test", 5, b"\x01*\0", "*.a.test CNAME *.\n"),
            (
                b"\x01a\x04test",
                5,
                b"\x0crpz-passthru\0",
                "a.test CNAME rpz-passthru.\n",
            ),
            (
                b"\x03a;b\x04test",
                5,
                b"\x02n.\xc0\x0c",
                "a\\059b.test CNAME n\\046.rpz.example.\n",
            ),
            (
                b"",
                2,
                b"\x02nS\xc0\x10",
                "@ TYPE2 \\# 12 026E73076578616D706C6500\n",
            ),
            (b"\x01a", 1, b"\xc0\0\x02\x01", "a TYPE1 \\# 4 C0000201\n"),
            (b"\x01a", 16, b"", "a TYPE16 \\# 0 \n"),
        ] {
            assert_eq!(line(labels, kind, data).as_deref(), Some(expected));
        }
        assert_eq!(line(b"", 5, b"\x05ab"), None);
        assert_eq!(line(b"", 15, b"\0"), None);
    }

    #[test]
    fn an_soa_is_read_from_its_end() {
        let mut octets = question(1, &Name::parse("rpz.example").unwrap(), IXFR, Some(7));
        octets[7] = 1;
        octets[9] = 0;
        let answer = Answer::new(&octets).unwrap();
        let mut found = None;
        answer
            .message()
            .walk(|record| found = Some(answer.soa(&record)))
            .unwrap();
        assert_eq!(
            found,
            Some(Ok(Soa {
                serial: 7,
                refresh_s: 0,
                retry_s: 0,
                expire_s: 0
            }))
        );
    }
}

//! Reading a server's reply with suspicion, and laying it out anew so that nothing of the old
//! layout can do harm later.
//!
//! Every record is walked with bounds checks; compression pointers go backward only and their
//! number is bounded by the message, so the work is linear. The new layout carries its names in
//! full or with pointers of our own (RFC 1035 section 4.1.4, RFC 3597).

use std::collections::HashMap;

use super::exchange::{CLASS_IN, HEADER_OCTETS};
use super::question::{Question, UpstreamBlock};
use super::reply_record::{MESSAGE_OCTETS_MAX, Malformed, Part, ReplyRecord};
use super::reply_writer::{Compress, ReplyWriter};
use crate::name::{LABEL_OCTETS_MAX, NAME_OCTETS_MAX};
use crate::wire::{OptionWalk, rcode};

const CNAME: u16 = 5;
const DNAME: u16 = 39;
const OPT: u16 = 41;
const RRSIG: u16 = 46;
const NSEC: u16 = 47;
const NSEC3: u16 = 50;

/// The EDNS option that carries an extended error (RFC 8914 section 2).
const OPTION_EDE: u16 = 15;

/// The longest text that is passed on with an extended error.
const EXTRA_TEXT_OCTETS_MAX: usize = 600;

/// A reply that has been read to its last record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerReply {
    /// The RCODE with the extended bits of the OPT record (RFC 6891 section 6.1.3).
    pub(super) rcode: u16,
    /// AD: the server says that it has validated all of it.
    pub(super) authentic: bool,
    /// The extended error's INFO-CODE, if one came along.
    pub(super) ede: Option<u16>,
    /// What was told with it, where it says that the answer is kept back.
    pub(super) text: Box<str>,
    answers: Vec<ReplyRecord>,
    authorities: Vec<ReplyRecord>,
}

impl ServerReply {
    /// Are there records in the answer section?
    pub(super) const fn has_answer(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Read a whole message; every record of every section must be in order.
    pub(super) fn read(octets: &[u8]) -> Result<Self, Malformed> {
        let mut reader = ReplyReader {
            octets,
            at: 0,
            pointers_left: octets.len(),
            written: 0,
        };
        reader.u16()?;
        let flags = reader.u16()?;
        let [questions, answers, authorities, additionals] =
            [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        for _ in 0..questions {
            reader.name()?;
            reader.take(4)?;
        }
        let mut reply = Self {
            rcode: flags & 0x0f,
            authentic: flags & 0x20 != 0,
            ede: None,
            text: Box::default(),
            answers: Vec::new(),
            authorities: Vec::new(),
        };
        reply.answers = reader.section(answers)?;
        forget_spelling(&mut reply.answers);
        reply.authorities = reader.section(authorities)?;
        for record in reader.section(additionals)? {
            if record.rtype == OPT {
                reply.rcode |= (record.ttl >> 24 << 4) as u16;
                (reply.ede, reply.text) = find_ede(&record);
            }
        }
        Ok(reply)
    }

    /// When the first set that is signed has no signature any more that is in time.
    pub(super) fn signed_until_s(&self, now_s: u32) -> Option<u32> {
        let mut ends: HashMap<(&[u8], u16), u32> = HashMap::new();
        for record in self.answers.iter().chain(&self.authorities) {
            if let (RRSIG, [Part::Octets(head), ..]) = (record.rtype, record.rdata.as_slice())
                && let Some((covered, rest)) = head.split_first_chunk::<2>()
                && let Some(end) = rest.get(6..10).and_then(|rest| rest.first_chunk::<4>())
            {
                let end = u32::from_be_bytes(*end);
                let last = ends
                    .entry((&record.owner, u16::from_be_bytes(*covered)))
                    .or_insert(end);
                *last = later(*last, end, now_s);
            }
        }
        earliest(ends.into_values(), now_s)
    }

    /// That the name does not exist, with the proof (RFC 4035 section 5.4, RFC 5155 section 8.4).
    pub(super) fn proves_absence(&self) -> bool {
        let is_proof = |record: &ReplyRecord| matches!(record.rtype, NSEC | NSEC3);
        self.rcode == rcode::NXDOMAIN
            && self.answers.is_empty()
            && self.authorities.iter().any(is_proof)
    }

    /// The message as [`super::Fetched`] wants it: without additional records, without signatures
    /// and proofs unless they were asked for.
    pub(super) fn lay_out(
        &self,
        question: &Question,
        authentic: Authentic,
    ) -> Result<Vec<u8>, Malformed> {
        let mut writer = ReplyWriter {
            octets: Vec::with_capacity(512),
            offsets: HashMap::new(),
        };
        let keep = |record: &&ReplyRecord| is_wanted(record.rtype, question);
        let counts = [&self.answers, &self.authorities]
            .map(|records| records.iter().filter(keep).count() as u16);
        let (rcode, ad) = (
            self.rcode as u8 & 0x0f,
            if authentic == Authentic::Yes { 0x20 } else { 0 },
        );
        writer
            .octets
            .extend_from_slice(&[0, 0, 0x80, 0x80 | ad | rcode, 0, 1]);
        counts
            .iter()
            .for_each(|count| writer.octets.extend_from_slice(&count.to_be_bytes()));
        writer.octets.extend_from_slice(&[0, 0]);
        writer.name(question.name.as_wire(), Compress::Allowed);
        writer
            .octets
            .extend_from_slice(&question.qtype.to_be_bytes());
        writer.octets.extend_from_slice(&CLASS_IN.to_be_bytes());
        for record in self.answers.iter().chain(&self.authorities).filter(keep) {
            writer.record(record)?;
        }
        Ok(writer.octets)
    }
}

/// The later of two moments in serial number arithmetic (RFC 4034 section 3.1.5).
pub(super) fn later(one: u32, other: u32, now_s: u32) -> u32 {
    let from_now = |moment: u32| moment.wrapping_sub(now_s).cast_signed();
    if from_now(one) < from_now(other) {
        other
    } else {
        one
    }
}

/// The earliest of such moments, if there are any.
pub(super) fn earliest(moments: impl IntoIterator<Item = u32>, now_s: u32) -> Option<u32> {
    let moments = moments.into_iter();
    moments.min_by_key(|moment| moment.wrapping_sub(now_s).cast_signed())
}

/// Does the AD bit go out set?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authentic {
    /// All data is known to be validated.
    Yes,
    /// It is not, or nobody says so.
    No,
}

/// RFC 4035 section 3.2.1: no RRSIG, NSEC (and NSEC3) unless DO is set or the type was asked for by
/// name. OPT is never data.
fn is_wanted(rtype: u16, question: &Question) -> bool {
    match rtype {
        OPT => false,
        RRSIG | NSEC | NSEC3 => question.dnssec_ok || rtype == question.qtype,
        _ => true,
    }
}

/// Owners in the answer section, and aliases made from a DNAME, repeat the question's spelling,
/// which was drawn at random.
fn forget_spelling(answers: &mut [ReplyRecord]) {
    let is_redirected = answers.iter().any(|record| record.rtype == DNAME);
    for record in answers {
        record.owner.make_ascii_lowercase();
        for part in &mut record.rdata {
            if let (Part::Name(target), CNAME, true) = (part, record.rtype, is_redirected) {
                target.make_ascii_lowercase();
            }
        }
    }
}

/// The extended error that says the most: that somebody keeps the answer back, with the text, or
/// the first.
fn find_ede(opt: &ReplyRecord) -> (Option<u16>, Box<str>) {
    let [Part::Octets(options)] = opt.rdata.as_slice() else {
        return (None, Box::default());
    };
    let mut first = None;
    let errors = OptionWalk::new(options).filter(|(option, _)| *option == OPTION_EDE);
    for (code, text) in errors.filter_map(|(_, value)| value.split_first_chunk::<2>()) {
        let code = u16::from_be_bytes(*code);
        if UpstreamBlock::is_one(code) {
            return (Some(code), extra_text(text));
        }
        first.get_or_insert(code);
    }
    (first, Box::default())
}

/// Text that may be shown: not too long, UTF-8 and without control characters; else none.
fn extra_text(octets: &[u8]) -> Box<str> {
    let text = std::str::from_utf8(octets).unwrap_or_default();
    let text = text.trim_end_matches('\0');
    let may_be_shown = text.len() <= EXTRA_TEXT_OCTETS_MAX && !text.chars().any(char::is_control);
    if may_be_shown {
        text.into()
    } else {
        Box::default()
    }
}

/// A field of a record's data that has to be known to find names in it.
#[derive(Clone, Copy)]
enum Field {
    Octets(usize),
    Text,
    Name,
    Rest,
}

/// The data of those types that old or careless servers compress (RFC 3597 section 4); everything
/// else is taken as it is.
fn fields(rtype: u16) -> &'static [Field] {
    use Field::{Name, Octets, Rest, Text};
    match rtype {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
        2..=5 | 7..=9 | 12 | 39 => &[Name],
        // SOA
        6 => &[Name, Name, Octets(20)],
        // MINFO, RP
        14 | 17 => &[Name, Name],
        // MX, AFSDB, RT, KX
        15 | 18 | 21 | 36 => &[Octets(2), Name],
        // SIG, RRSIG
        24 | 46 => &[Octets(18), Name, Rest],
        // PX
        26 => &[Octets(2), Name, Name],
        // NXT, NSEC
        30 | 47 => &[Name, Rest],
        // SRV
        33 => &[Octets(6), Name],
        // NAPTR
        35 => &[Octets(4), Text, Text, Text, Name],
        // SVCB, HTTPS
        64 | 65 => &[Octets(2), Name, Rest],
        _ => &[Rest],
    }
}

struct ReplyReader<'a> {
    octets: &'a [u8],
    at: usize,
    pointers_left: usize,
    written: usize,
}

impl<'a> ReplyReader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let octets = self
            .octets
            .get(self.at..)
            .and_then(|rest| rest.get(..count))
            .ok_or(Malformed)?;
        self.at += count;
        Ok(octets)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.take(2)?
            .first_chunk::<2>()
            .map(|octets| u16::from_be_bytes(*octets))
            .ok_or(Malformed)
    }

    /// A name in full; pointers must lead to before the place where they, and all pointers before
    /// them, stand.
    pub(super) fn name(&mut self) -> Result<Vec<u8>, Malformed> {
        let mut name = Vec::with_capacity(32);
        let (mut at, mut start, mut after) = (self.at, self.at, None);
        loop {
            let length = usize::from(*self.octets.get(at).ok_or(Malformed)?);
            if length & 0xc0 == 0xc0 {
                let low = usize::from(*self.octets.get(at + 1).ok_or(Malformed)?);
                after.get_or_insert(at + 2);
                at = (length & 0x3f) << 8 | low;
                self.pointers_left = self.pointers_left.checked_sub(1).ok_or(Malformed)?;
                if at >= start || at < HEADER_OCTETS {
                    return Err(Malformed);
                }
                start = at;
                continue;
            }
            if length > LABEL_OCTETS_MAX {
                return Err(Malformed);
            }
            name.extend_from_slice(self.octets.get(at..=at + length).ok_or(Malformed)?);
            at += 1 + length;
            if name.len() > NAME_OCTETS_MAX {
                return Err(Malformed);
            }
            if length == 0 {
                break;
            }
        }
        self.at = after.unwrap_or(at);
        // Many pointers to one long name would grow the message without end; twice the largest
        // message is room for any honest one.
        self.written += name.len();
        if self.written > 2 * MESSAGE_OCTETS_MAX {
            Err(Malformed)
        } else {
            Ok(name)
        }
    }

    /// The records of one section, those of foreign classes left out.
    fn section(&mut self, count: u16) -> Result<Vec<ReplyRecord>, Malformed> {
        let mut records = Vec::new();
        for _ in 0..count {
            let owner = self.name()?;
            let (rtype, class) = (self.u16()?, self.u16()?);
            let ttl = self
                .take(4)?
                .first_chunk::<4>()
                .map(|ttl| u32::from_be_bytes(*ttl))
                .ok_or(Malformed)?;
            let length = usize::from(self.u16()?);
            let rdata = self.rdata(rtype, length)?;
            if class == CLASS_IN || rtype == OPT {
                records.push(ReplyRecord {
                    owner,
                    rtype,
                    ttl,
                    rdata,
                });
            }
        }
        Ok(records)
    }

    pub(super) fn rdata(&mut self, rtype: u16, length: usize) -> Result<Vec<Part>, Malformed> {
        let end = self.at + length;
        let whole = self.octets;
        let mut parts = Vec::with_capacity(1);
        // Names inside must end where the data ends, so nothing behind it is visible while it is
        // read.
        self.octets = whole.get(..end).ok_or(Malformed)?;
        for field in fields(rtype) {
            match field {
                Field::Octets(count) => parts.push(Part::Octets(self.take(*count)?.to_vec())),
                Field::Text => {
                    let count = usize::from(*self.octets.get(self.at).ok_or(Malformed)?);
                    parts.push(Part::Octets(self.take(1 + count)?.to_vec()));
                }
                Field::Name => parts.push(Part::Name(self.name()?)),
                Field::Rest => parts.push(Part::Octets(
                    self.take(end.saturating_sub(self.at))?.to_vec(),
                )),
            }
        }
        self.octets = whole;
        if self.at == end {
            Ok(parts)
        } else {
            Err(Malformed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    fn question(qtype: u16) -> Question {
        Question {
            name: Name::parse("www.example").unwrap(),
            qtype,
            dnssec_ok: false,
            checking_disabled: false,
        }
    }

    /// A message about `www.example` with the given counts and the octets behind the question.
    fn message(counts: [u8; 3], qtype: u8, rest: &[u8]) -> Vec<u8> {
        let mut octets = vec![
            7, 7, 0x81, 0xa0, 0, 1, 0, counts[0], 0, counts[1], 0, counts[2],
        ];
        octets.extend_from_slice(b"\x03www\x07example\x00\x00");
        octets.extend_from_slice(&[qtype, 0, 1]);
        octets.extend_from_slice(rest);
        octets
    }

    #[test]
    fn the_extended_error_that_says_the_most_is_taken() {
        let told = |options: &[u8]| {
            let opt = ReplyRecord {
                owner: vec![0],
                rtype: OPT,
                ttl: 0,
                rdata: vec![Part::Octets(options.to_vec())],
            };
            let (code, text) = find_ede(&opt);
            (code, text.into_string())
        };
        let nothing = String::new;
        for (options, expected) in [
            (&b""[..], (None, nothing())),
            (b"\0\x0f\0\x02\0\x06", (Some(6), nothing())),
            (b"\0\x0f\0\x03\0\x06x", (Some(6), nothing())),
            (b"\0\x0f\0\x05\0\x10law", (Some(16), "law".to_owned())),
            (
                b"\0\x0f\0\x02\0\x06\0\x0f\0\x05\0\x10law\0\x03\0\0",
                (Some(16), "law".to_owned()),
            ),
            (b"\0\x0f\0\x04\0\x0fa\x07", (Some(15), nothing())),
            (b"\0\x0f\0\x03\0\x0f\xff", (Some(15), nothing())),
            (b"\0\x0f\0\x01\0\0\x0f\0\x02\0\x11", (Some(17), nothing())),
            (b"\0\x0f\0\x09\0\x0f", (None, nothing())),
        ] {
            assert_eq!(told(options), expected, "{options:?}");
        }
        let long = [b"\0\x0f\x02\x5b\0\x0f".as_slice(), &[b'x'; 601]].concat();
        assert_eq!(told(&long), (Some(15), nothing()));
    }

    #[test]
    fn a_reply_is_laid_out_anew_without_what_was_not_asked_for() {
        // CNAME to "Alias.example" with a pointer to the question, then a signature that was not
        // asked for, then an OPT with an EDE.
        let mut rest =
            b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x08\x05Alias\xc0\x10".to_vec();
        rest.extend_from_slice(b"\xc0\x0c\x00\x2e\x00\x01\x00\x00\x00\x3c\x00\x14");
        rest.extend_from_slice(&[0; 18]);
        rest.extend_from_slice(&[0, 9]);
        rest.extend_from_slice(
            b"\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x06\x00\x0f\x00\x02\x00\x03",
        );
        let octets = message([2, 0, 1], 1, &rest);
        let reply = ServerReply::read(&octets).unwrap();
        assert_eq!(
            (reply.rcode, reply.authentic, reply.ede),
            (0, true, Some(3))
        );
        let wire = reply.lay_out(&question(1), Authentic::No).unwrap();
        let mut want = b"\x00\x00\x80\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03www\x07example\x00\x00\x01\x00\x01".to_vec();
        want.extend_from_slice(
            b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x08\x05Alias\xc0\x10",
        );
        assert_eq!(wire, want);
        let signed = reply
            .lay_out(
                &Question {
                    dnssec_ok: true,
                    ..question(1)
                },
                Authentic::Yes,
            )
            .unwrap();
        assert_eq!((signed[3], signed[7]), (0xa0, 2));
        assert_eq!(ServerReply::read(&signed).unwrap().answers, reply.answers);
    }

    #[test]
    fn every_cut_and_every_wild_pointer_is_malformed() {
        let soa = b"\xc0\x10\x00\x06\x00\x01\x00\x00\x00\x3c\x00\x20\x02ns\xc0\x10\x04root\xc0\x10\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05";
        let octets = message([0, 1, 0], 1, soa);
        assert!(ServerReply::read(&octets).is_ok());
        for length in 0..octets.len() {
            assert_eq!(
                ServerReply::read(&octets[..length]),
                Err(Malformed),
                "cut to {length}"
            );
        }
        let owner_at = octets.len() - soa.len();
        for (offset, why) in [
            (owner_at, "itself"),
            (owner_at + 12, "forward"),
            (4, "header"),
            (0x3fff, "outside"),
        ] {
            let mut octets = octets.clone();
            octets[owner_at..owner_at + 2].copy_from_slice(&(0xc000 | offset as u16).to_be_bytes());
            assert_eq!(ServerReply::read(&octets), Err(Malformed), "{why}");
        }
    }

    #[test]
    fn bombs_cost_little() {
        // 5,000 records that all point to the end of a long ladder of pointers.
        let mut octets = message([0, 0, 0], 1, &[]);
        octets[6..8].copy_from_slice(&5000u16.to_be_bytes());
        let ladder = octets.len() + 12;
        octets.extend_from_slice(b"\xc0\x0c\x00\x63\x00\x01\x00\x00\x00\x3c\x02\x00");
        octets.extend_from_slice(&(0xc00cu16).to_be_bytes());
        for rung in 0..255 {
            octets.extend_from_slice(&(0xc000 | (ladder + 2 * rung) as u16).to_be_bytes());
        }
        for _ in 1..5000 {
            octets.extend_from_slice(&(0xc000 | (ladder + 2 * 255) as u16).to_be_bytes());
            octets.extend_from_slice(b"\x00\x63\x00\x01\x00\x00\x00\x3c\x00\x00");
        }
        let start = std::time::Instant::now();
        assert_eq!(ServerReply::read(&octets), Err(Malformed));
        assert!(start.elapsed().as_millis() < 20);
    }

    #[test]
    fn foreign_classes_and_data_over_the_end_are_not_believed() {
        let chaos = message(
            [1, 0, 0],
            1,
            b"\xc0\x0c\x00\x01\x00\x03\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01",
        );
        assert!(ServerReply::read(&chaos).unwrap().answers.is_empty());
        let long = message(
            [1, 0, 0],
            2,
            b"\xc0\x0c\x00\x02\x00\x01\x00\x00\x00\x3c\x00\x05\xc0\x0c\x01\x02\x03",
        );
        assert_eq!(
            ServerReply::read(&long),
            Err(Malformed),
            "octets behind the name"
        );
    }

    proptest::proptest! {
        #[test]
        fn what_was_laid_out_reads_the_same(mut octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), counts in 0..4u8) {
            // Few records of a known type, so that many of these messages are in order.
            for (at, octet) in octets.iter_mut().enumerate() {
                *octet &= if at % 3 == 0 { 0x0f } else { 0xc3 };
            }
            let octets = message([counts & 1, counts >> 1, 0], 1, &octets);
            if let Ok(reply) = ServerReply::read(&octets) {
                let question = Question { dnssec_ok: true, ..question(1) };
                let wire = reply.lay_out(&question, Authentic::No).unwrap();
                let again = ServerReply::read(&wire).unwrap();
                assert_eq!(again.lay_out(&question, Authentic::No).unwrap(), wire);
            }
        }

        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
            let _ = ServerReply::read(&octets);
            let _ = ServerReply::read(&message([3, 3, 3], 1, &octets));
        }
    }
}

//! Reads a client's question in place: header, one name, type, class and the EDNS record.

use super::option_walk::OptionWalk;
use super::{HEADER_OCTETS, UDP_OCTETS_PLAIN, rtype};
use crate::name::{LABEL_OCTETS_MAX, NAME_OCTETS_MAX};

/// Octets of a question behind the header: the name, type and class.
pub type QuestionBytes<'a> = &'a [u8];

const FLAG_QR: u8 = 0x80;
const FLAG_RD: u8 = 0x01;
const FLAG_AD: u8 = 0x20;
const FLAG_CD: u8 = 0x10;
const OPTION_COOKIE: u16 = 10;
const OPTION_KEEPALIVE: u16 = 11;
const OPTION_PADDING: u16 = 12;
const OPTION_STRUCTURED_ERROR: u16 = 26;
const TYPE_IXFR: u16 = 251;

/// One readable question; borrows the packet.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The message id.
    pub id: u16,
    /// RD: the client wants recursion.
    pub recursion_desired: bool,
    /// CD: the client validates by itself.
    pub checking_disabled: bool,
    /// AD in a question: the client wants to see AD in the answer (RFC 6840 section 5.7).
    pub authentic_wanted: bool,
    /// The name's wire form as spelled by the client, root label included.
    pub name: &'a [u8],
    /// Name, type and class as they stand in the packet.
    pub octets: QuestionBytes<'a>,
    /// The record type's number.
    pub qtype: u16,
    /// The class's number.
    pub qclass: u16,
    /// What the OPT record says, if there is one.
    pub edns: Option<Edns>,
}

/// The client's EDNS record (RFC 6891).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edns {
    /// The largest UDP reply the client takes, at least 512 octets.
    pub udp_octets_max: u16,
    /// DO: signatures are wanted.
    pub dnssec_ok: bool,
    /// The version the client speaks; only 0 exists.
    pub version: u8,
    /// The client sent a cookie (RFC 7873).
    pub cookie: bool,
    /// The client asks how long a connection may stay idle (RFC 7828).
    pub keepalive: bool,
    /// The client pads, so the reply is padded on encrypted doors (RFC 7830).
    pub padding: bool,
    /// The client would rather read why it is blocked than see a page
    /// (draft-ietf-dnsop-structured-dns-error).
    pub structured_error: bool,
}

/// Why a packet is no question we answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A reply, or too short for a header: silence, so that two servers never talk to each other
    /// for ever.
    Silence,
    /// Not readable: FORMERR.
    Format,
    /// An opcode other than QUERY: NOTIMP (RFC 8906 section 3.1.4).
    Opcode,
}

impl Question<'_> {
    /// DO was set.
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// The most octets a reply over UDP may have: what the client takes, but not more than `ours`.
    pub fn udp_octets_max(&self, ours: usize) -> usize {
        self.edns.map_or(UDP_OCTETS_PLAIN, |edns| {
            usize::from(edns.udp_octets_max).clamp(UDP_OCTETS_PLAIN, ours)
        })
    }
}

/// Read the question in `packet`.
///
/// A question section of exactly one entry is required (RFC 9619), without compression; records
/// other than OPT in the additional section are passed over, and so is anything behind the counted
/// records.
pub fn read(packet: &[u8]) -> Result<Question<'_>, Fault> {
    let (header, body) = packet
        .split_first_chunk::<HEADER_OCTETS>()
        .ok_or(Fault::Silence)?;
    let [
        id_high,
        id_low,
        flags_high,
        flags_low,
        qd_high,
        qd_low,
        an_high,
        an_low,
        ns_high,
        ns_low,
        ar_high,
        ar_low,
    ] = *header;
    if flags_high & FLAG_QR != 0 {
        return Err(Fault::Silence);
    }
    if flags_high & 0x78 != 0 {
        return Err(Fault::Opcode);
    }
    if u16::from_be_bytes([qd_high, qd_low]) != 1 || u16::from_be_bytes([an_high, an_low]) != 0 {
        return Err(Fault::Format);
    }
    let name_octets = measure_name(body)?;
    let (name, rest) = body.split_at_checked(name_octets).ok_or(Fault::Format)?;
    let ([type_high, type_low, class_high, class_low], rest) =
        rest.split_first_chunk::<4>().ok_or(Fault::Format)?;
    let qtype = u16::from_be_bytes([*type_high, *type_low]);
    let authority_count = u16::from_be_bytes([ns_high, ns_low]);
    if authority_count != 0 && qtype != TYPE_IXFR {
        return Err(Fault::Format);
    }
    let additional_count = u16::from_be_bytes([ar_high, ar_low]);
    let edns = if authority_count | additional_count == 0 {
        None
    } else {
        read_records(rest, authority_count, additional_count)?
    };
    Ok(Question {
        id: u16::from_be_bytes([id_high, id_low]),
        recursion_desired: flags_high & FLAG_RD != 0,
        checking_disabled: flags_low & FLAG_CD != 0,
        authentic_wanted: flags_low & FLAG_AD != 0,
        name,
        octets: body.get(..name_octets + 4).ok_or(Fault::Format)?,
        qtype,
        qclass: u16::from_be_bytes([*class_high, *class_low]),
        edns,
    })
}

/// The octets of the uncompressed name at the front of `body`.
fn measure_name(body: &[u8]) -> Result<usize, Fault> {
    let mut at = 0;
    loop {
        let len = usize::from(*body.get(at).ok_or(Fault::Format)?);
        at += 1;
        if len == 0 {
            return Ok(at);
        }
        at += len;
        if len > LABEL_OCTETS_MAX || at >= NAME_OCTETS_MAX {
            return Err(Fault::Format);
        }
    }
}

/// Go over the records behind the question and read the one OPT record among the additional ones.
fn read_records(
    mut rest: &[u8],
    authority_count: u16,
    additional_count: u16,
) -> Result<Option<Edns>, Fault> {
    let mut edns = None;
    for index in 0..u32::from(authority_count) + u32::from(additional_count) {
        let owner_octets = skip_owner(rest)?;
        let fixed = rest
            .get(owner_octets..owner_octets + 10)
            .and_then(<[u8]>::first_chunk::<10>)
            .ok_or(Fault::Format)?;
        let [
            type_high,
            type_low,
            size_high,
            size_low,
            _,
            version,
            do_high,
            _,
            len_high,
            len_low,
        ] = *fixed;
        let data_at = owner_octets + 10;
        let data_octets = usize::from(u16::from_be_bytes([len_high, len_low]));
        let data = rest
            .get(data_at..data_at + data_octets)
            .ok_or(Fault::Format)?;
        rest = rest.get(data_at + data_octets..).ok_or(Fault::Format)?;
        if u16::from_be_bytes([type_high, type_low]) != rtype::OPT {
            continue;
        }
        if owner_octets != 1 || edns.is_some() || index < u32::from(authority_count) {
            return Err(Fault::Format);
        }
        let mut opt = Edns {
            udp_octets_max: u16::from_be_bytes([size_high, size_low]).max(UDP_OCTETS_PLAIN as u16),
            dnssec_ok: do_high & 0x80 != 0,
            version,
            ..Edns::default()
        };
        read_options(data, &mut opt)?;
        edns = Some(opt);
    }
    Ok(edns)
}

/// The octets of a record's owner name, which may end in a compression pointer.
fn skip_owner(octets: &[u8]) -> Result<usize, Fault> {
    let mut at = 0;
    loop {
        let len = usize::from(*octets.get(at).ok_or(Fault::Format)?);
        match len {
            0 => return Ok(at + 1),
            0xc0.. => return Ok(at + 2),
            _ if len > LABEL_OCTETS_MAX || at + len >= NAME_OCTETS_MAX => {
                return Err(Fault::Format);
            }
            _ => at += 1 + len,
        }
    }
}

fn read_options(octets: &[u8], edns: &mut Edns) -> Result<(), Fault> {
    let mut options = OptionWalk::new(octets);
    for (code, value) in options.by_ref() {
        match code {
            // RFC 7873 section 5.2.2: any other length is a format error.
            OPTION_COOKIE if !matches!(value.len(), 8 | 16..=40) => return Err(Fault::Format),
            OPTION_COOKIE => edns.cookie = true,
            OPTION_KEEPALIVE => edns.keepalive = true,
            OPTION_PADDING => edns.padding = true,
            OPTION_STRUCTURED_ERROR if value.is_empty() => edns.structured_error = true,
            _ => {}
        }
    }
    if options.is_at_end() {
        Ok(())
    } else {
        Err(Fault::Format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"\x12\x34\x01\x10\0\x01\0\0\0\0\0\0\x07BLocked\x07example\0\0\x1c\0\x01";

    fn with_opt(opt: &[u8]) -> Vec<u8> {
        let mut packet = PLAIN.to_vec();
        packet[11] = 1;
        packet.extend_from_slice(opt);
        packet
    }

    #[test]
    fn a_plain_question_is_read_in_place() {
        let question = read(PLAIN).ok().unwrap();
        assert_eq!(
            (question.id, question.qtype, question.qclass),
            (0x1234, 28, 1)
        );
        assert!(
            question.recursion_desired && question.checking_disabled && !question.authentic_wanted
        );
        assert_eq!(question.name, b"\x07BLocked\x07example\0");
        assert_eq!(question.octets, &PLAIN[12..]);
        assert_eq!(question.edns, None);
        assert_eq!(question.udp_octets_max(1232), 512);
    }

    #[test]
    fn the_opt_record_is_read() {
        let packet = with_opt(b"\0\0\x29\x10\0\0\0\x80\0\0\x0c\0\x0a\0\x08cookie!!");
        let edns = read(&packet).ok().unwrap().edns.unwrap();
        assert!(edns.dnssec_ok && edns.cookie);
        assert_eq!((edns.udp_octets_max, edns.version), (4096, 0));
        assert_eq!(read(&packet).ok().unwrap().udp_octets_max(1232), 1232);
    }

    #[test]
    fn faults_are_told_apart() {
        let fault = |packet: &[u8]| read(packet).err().unwrap();
        let with = |at: usize, octet: u8| {
            let mut packet = PLAIN.to_vec();
            packet[at] = octet;
            packet
        };
        assert_eq!(fault(&PLAIN[..11]), Fault::Silence);
        assert_eq!(fault(&with(2, 0x81)), Fault::Silence);
        assert_eq!(fault(&with(2, 0x29)), Fault::Opcode);
        for (at, octet) in [
            (5, 0),
            (5, 2),
            (7, 1),
            (9, 1),
            (11, 1),
            (12, 0xc0),
            (12, 0x40),
        ] {
            assert_eq!(
                fault(&with(at, octet)),
                Fault::Format,
                "octet {at} = {octet}"
            );
        }
        for end in 12..PLAIN.len() {
            assert_eq!(fault(&PLAIN[..end]), Fault::Format, "cut at {end}");
        }
        let opt = b"\0\0\x29\x10\0\0\0\0\0\0\0".as_slice();
        let mut twice = with_opt(&[opt, opt].concat());
        twice[11] = 2;
        assert_eq!(fault(&twice), Fault::Format);
        assert_eq!(
            fault(&with_opt(b"\x01a\0\0\x29\x10\0\0\0\0\0\0\0")),
            Fault::Format
        );
        assert_eq!(
            fault(&with_opt(b"\0\0\x29\x10\0\0\0\0\0\0\x05\0\x0a\0\x01x")),
            Fault::Format
        );
        assert_eq!(
            fault(&with_opt(b"\0\0\x29\x10\0\0\0\0\0\0\x03\0\x0a\0")),
            Fault::Format
        );
    }
}

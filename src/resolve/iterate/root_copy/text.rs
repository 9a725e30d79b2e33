//! Reads a root zone as it is published: one record a line, each with its owner, TTL, class and
//! type (RFC 1035 section 5, RFC 4034).

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE64, HEXUPPER_PERMISSIVE};
use hickory_proto::rr::RecordType;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::name::Name;

/// ZONEMD (RFC 8976), which only stands in type lists here.
const TYPE_ZONEMD: u16 = 63;

/// One record.
pub(super) struct ZoneLine {
    pub(super) owner: Name,
    pub(super) ttl_s: u32,
    pub(super) rtype: u16,
    /// Its data in wire form.
    pub(super) data: Vec<u8>,
}

/// Call `add` for each record whose data somebody asks for; the line (from 1) of the first that
/// cannot be read.
pub(super) fn read(text: &str, mut add: impl FnMut(ZoneLine)) -> Result<(), usize> {
    for (line, number) in text.lines().zip(1..) {
        let words: Vec<&str> = line
            .split(';')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let [owner, ttl_s, class, rtype, data @ ..] = words.as_slice() else {
            if words.is_empty() {
                continue;
            }
            return Err(number);
        };
        if !class.eq_ignore_ascii_case("IN") {
            return Err(number);
        }
        let rtype = type_number(rtype).ok_or(number)?;
        // Nobody asks the root for anything else.
        if !is_known(rtype) {
            continue;
        }
        add(ZoneLine {
            owner: name(owner).ok_or(number)?,
            ttl_s: ttl_s.parse().map_err(|_| number)?,
            rtype,
            data: data_of(rtype, data).ok_or(number)?,
        });
    }
    Ok(())
}

const fn is_known(rtype: u16) -> bool {
    matches!(rtype, 1 | 2 | 6 | 28 | 43 | 46 | 47 | 48)
}

fn type_number(word: &str) -> Option<u16> {
    let word = word.to_ascii_uppercase();
    match word.strip_prefix("TYPE") {
        _ if word == "ZONEMD" => Some(TYPE_ZONEMD),
        Some(number) => number.parse().ok(),
        None => word.parse::<RecordType>().ok().map(u16::from),
    }
}

fn name(word: &str) -> Option<Name> {
    if word == "." {
        Some(Name::root())
    } else {
        Name::parse(word).ok()
    }
}

/// The data of the types that [`is_known`] names.
fn data_of(rtype: u16, words: &[&str]) -> Option<Vec<u8>> {
    let mut data = Data(Vec::new());
    match (rtype, words) {
        (1, [address]) => data.0.extend(address.parse::<Ipv4Addr>().ok()?.octets()),
        (28, [address]) => data.0.extend(address.parse::<Ipv6Addr>().ok()?.octets()),
        (2, [server]) => data.name(server)?,
        (6, [server, mailbox, numbers @ ..]) => {
            data.name(server)?;
            data.name(mailbox)?;
            let &[serial, refresh, retry, expire, minimum] = numbers else {
                return None;
            };
            [serial, refresh, retry, expire, minimum]
                .into_iter()
                .try_for_each(|number| data.u32(number))?;
        }
        (43, [tag, algorithm, digest_type, digest @ ..]) => {
            data.u16(tag)?;
            data.u8(algorithm)?;
            data.u8(digest_type)?;
            data.0.extend(
                HEXUPPER_PERMISSIVE
                    .decode(digest.concat().as_bytes())
                    .ok()
                    .filter(|digest| !digest.is_empty())?,
            );
        }
        (48, [flags, protocol, algorithm, key @ ..]) => {
            data.u16(flags)?;
            data.u8(protocol)?;
            data.u8(algorithm)?;
            data.0.extend(BASE64.decode(key.concat().as_bytes()).ok()?);
        }
        (
            46,
            [
                covered,
                algorithm,
                labels,
                ttl_s,
                expiration,
                inception,
                tag,
                signer,
                signature @ ..,
            ],
        ) => {
            data.0.extend(type_number(covered)?.to_be_bytes());
            data.u8(algorithm)?;
            data.u8(labels)?;
            data.u32(ttl_s)?;
            data.0.extend(time(expiration)?.to_be_bytes());
            data.0.extend(time(inception)?.to_be_bytes());
            data.u16(tag)?;
            data.name(signer)?;
            data.0
                .extend(BASE64.decode(signature.concat().as_bytes()).ok()?);
        }
        (47, [next, types @ ..]) => {
            data.name(next)?;
            data.0.extend(bitmap(types)?);
        }
        _ => return None,
    }
    Some(data.0)
}

/// Data in the making.
struct Data(Vec<u8>);

impl Data {
    fn name(&mut self, word: &str) -> Option<()> {
        self.0.extend_from_slice(name(word)?.as_wire());
        Some(())
    }

    fn u8(&mut self, word: &str) -> Option<()> {
        self.0.push(word.parse().ok()?);
        Some(())
    }

    fn u16(&mut self, word: &str) -> Option<()> {
        self.0.extend(word.parse::<u16>().ok()?.to_be_bytes());
        Some(())
    }

    fn u32(&mut self, word: &str) -> Option<()> {
        self.0.extend(word.parse::<u32>().ok()?.to_be_bytes());
        Some(())
    }
}

/// A signature's time: YYYYMMDDHHmmSS, or seconds since 1970 (RFC 4034 section 3.2).
fn time(word: &str) -> Option<u32> {
    if word.len() != 14 {
        return word.parse().ok();
    }
    let time = DateTime::strptime("%Y%m%d%H%M%S", word)
        .ok()?
        .to_zoned(TimeZone::UTC)
        .ok()?;
    u32::try_from(time.timestamp().as_second()).ok()
}

/// Types as windows of bits (RFC 4034 section 4.1.2).
fn bitmap(words: &[&str]) -> Option<Vec<u8>> {
    let mut types = words
        .iter()
        .map(|word| type_number(word))
        .collect::<Option<Vec<u16>>>()?;
    types.sort_unstable();
    let mut octets = Vec::new();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut bits = [0u8; 32];
        let mut length = 0;
        for rtype in window {
            let at = usize::from(rtype & 0xff) / 8;
            if let Some(octet) = bits.get_mut(at) {
                *octet |= 0x80 >> (rtype % 8);
            }
            length = length.max(at + 1);
        }
        octets.push((window.first()? >> 8) as u8);
        octets.push(length as u8);
        octets.extend(bits.get(..length)?);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Option<Vec<u8>> {
        let mut found = None;
        read(text, |line| found = Some(line.data)).ok()?;
        found
    }

    #[test]
    fn records_are_read_as_the_standards_write_them() {
        assert_eq!(
            data("a. 60 IN NSEC c.b. A MX RRSIG NSEC TYPE1234").unwrap()[..11],
            *b"\x01c\x01b\0\0\x06\x40\x01\0\0"
        );
        let bits = data("a. 60 IN NSEC . A MX RRSIG NSEC TYPE1234").unwrap();
        // The example of RFC 4034 section 4.3.
        assert_eq!(bits[1..9], [0, 6, 0x40, 1, 0, 0, 0, 3]);
        assert_eq!((bits[9], bits[10], bits[bits.len() - 1]), (4, 0x1b, 0x20));
        let signature =
            data("a. 60 IN RRSIG DS 8 1 60 20300101000000 1767225600 7 . AAEC").unwrap();
        assert_eq!(signature[..8], [0, 43, 8, 1, 0, 0, 0, 60]);
        assert_eq!(
            signature[8..16],
            [
                1_893_456_000_u32.to_be_bytes(),
                1_767_225_600_u32.to_be_bytes()
            ]
            .concat()
        );
        assert_eq!(signature[16..], [0, 7, 0, 0, 1, 2]);
        assert_eq!(
            data("a. 60 IN DS 1 8 2 ab CD").unwrap(),
            [0, 1, 8, 2, 0xab, 0xcd]
        );
    }

    #[test]
    fn broken_lines_are_told() {
        for text in [
            "a. 60 IN A 192.0.2",
            "a. x IN A 192.0.2.1",
            "a. 60 CH A 192.0.2.1",
            "a. 60 IN NSEC b. NOTYPE",
            "a. 60",
            "a. 60 IN RRSIG DS",
        ] {
            assert_eq!(
                read(&format!("; comment\n\n{text}"), |_| ()),
                Err(3),
                "{text}"
            );
        }
        assert_eq!(
            read("a. 60 IN ZONEMD 1 1 1 AB\n", |_| panic!("not asked for")),
            Ok(())
        );
    }
}

//! The EDNS options that belong to the way between a client and a door: read from a question, added
//! to a finished reply.
//!
//! Answers know nothing of them: what goes out with a cookie or with padding is the reply that
//! would have gone out without.

use super::option_walk::OptionWalk;
use super::{HEADER_OCTETS, Message, UDP_OCTETS_PLAIN, rtype};

/// COOKIE (RFC 7873).
pub const COOKIE: u16 = 10;
/// edns-tcp-keepalive (RFC 7828).
pub const KEEPALIVE: u16 = 11;
/// Padding (RFC 7830).
pub const PADDING: u16 = 12;

/// Octets of a cookie that are the client's own.
pub const COOKIE_OCTETS_CLIENT: usize = 8;

/// An option's code and length.
const HEAD_OCTETS: usize = 4;
/// An OPT record without options: root, type, size, TTL, length (RFC 6891 section 6.1.2).
const BARE_OPT_OCTETS: usize = 11;

/// What a client asks of the door itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoorOptions<'a> {
    /// Its cookie: 8 octets of its own, and 8 to 32 of a server's behind them.
    pub cookie: Option<&'a [u8]>,
    /// It wants to know how long a connection may be idle.
    pub keepalive: bool,
    /// It pads, and wants replies to be padded.
    pub padding: bool,
    /// The largest UDP reply it takes.
    pub udp_octets_max: usize,
}

/// The options in a question; nothing where it has none, which is known at a glance.
pub fn door_options(packet: &[u8]) -> Option<DoorOptions<'_>> {
    let head = packet.first_chunk::<HEADER_OCTETS>()?;
    if head[10] | head[11] == 0 || is_bare(packet) {
        return None;
    }
    let mut opt = None;
    Message::new(packet)
        .ok()?
        .walk(|record| opt = (record.rtype == rtype::OPT).then_some(record).or(opt))
        .ok()?;
    let opt = opt?;
    let size = packet
        .get(opt.ttl_at.checked_sub(2)?..)?
        .first_chunk::<2>()?;
    let udp_octets_max = usize::from(u16::from_be_bytes(*size)).max(UDP_OCTETS_PLAIN);
    let mut options = DoorOptions {
        udp_octets_max,
        ..DoorOptions::default()
    };
    let mut all = OptionWalk::new(packet.get(opt.data_at..opt.end)?);
    for (code, value) in all.by_ref() {
        match code {
            // The first counts (RFC 7873 section 5.2).
            COOKIE if matches!(value.len(), 8 | 16..=40) => {
                options.cookie = options.cookie.or(Some(value))
            }
            KEEPALIVE => options.keepalive = true,
            PADDING => options.padding = true,
            _ => {}
        }
    }
    all.is_at_end().then_some(options)
}

/// Does the packet end in an OPT record without options, right behind the question? Most do.
fn is_bare(packet: &[u8]) -> bool {
    let Some(at) = packet.len().checked_sub(BARE_OPT_OCTETS) else {
        return false;
    };
    let is_opt = packet
        .get(at..)
        .is_some_and(|opt| opt.starts_with(&[0, 0, rtype::OPT as u8]) && opt.ends_with(&[0, 0]));
    is_opt && question_end(packet) == Some(at)
}

fn question_end(packet: &[u8]) -> Option<usize> {
    let mut at = HEADER_OCTETS;
    loop {
        let len = usize::from(*packet.get(at)?);
        at += 1 + len;
        if len == 0 {
            return Some(at + 4);
        }
    }
}

/// Add an option to a reply of `len` octets in `out` if it ends in an OPT record and stays within
/// `len_max`; returns its octets.
pub fn add_option(out: &mut [u8], len: usize, len_max: usize, code: u16, value: &[u8]) -> usize {
    let end = len + HEAD_OCTETS + value.len();
    let Some(length_at) = out
        .get(..len)
        .filter(|_| end <= len_max.min(out.len()))
        .and_then(opt_length_at)
    else {
        return len;
    };
    let Some(length) = out
        .get(length_at..)
        .and_then(|length| length.first_chunk::<2>())
        .map(|length| u16::from_be_bytes(*length))
    else {
        return len;
    };
    let added = length.checked_add((HEAD_OCTETS + value.len()) as u16);
    let (Some(added), Some(place)) = (added, out.get_mut(len..end)) else {
        return len;
    };
    let (head, data) = place.split_at_mut(HEAD_OCTETS);
    let [code_high, code_low] = code.to_be_bytes();
    let [len_high, len_low] = (value.len() as u16).to_be_bytes();
    head.copy_from_slice(&[code_high, code_low, len_high, len_low]);
    data.copy_from_slice(value);
    if let Some(place) = out.get_mut(length_at..length_at + 2) {
        place.copy_from_slice(&added.to_be_bytes());
    }
    end
}

/// As [`add_option`], for a reply that may grow.
pub fn push_option(reply: &mut Vec<u8>, len_max: usize, code: u16, value: &[u8]) {
    let len = reply.len();
    reply.resize(len + HEAD_OCTETS + value.len(), 0);
    let end = add_option(reply, len, len_max, code, value);
    reply.truncate(end);
}

/// Pad a reply that ends in an OPT record to a multiple of `block` octets.
pub fn pad(reply: &mut Vec<u8>, block: usize) {
    let bare = reply.len() + HEAD_OCTETS;
    let padding = bare.next_multiple_of(block) - bare;
    push_option(reply, usize::from(u16::MAX), PADDING, &vec![0; padding]);
}

/// Where the length of the OPT record's data stands, if that is the last record.
fn opt_length_at(reply: &[u8]) -> Option<usize> {
    let mut last = None;
    Message::new(reply)
        .ok()?
        .walk(|record| last = Some(record))
        .ok()?;
    let opt = last.filter(|record| record.rtype == rtype::OPT && record.end == reply.len())?;
    opt.data_at.checked_sub(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(options: &[u8]) -> Vec<u8> {
        let mut packet = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01a\x07example\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0".to_vec();
        packet.extend((options.len() as u16).to_be_bytes());
        packet.extend(options);
        packet
    }

    #[test]
    fn options_of_the_door_are_read() {
        assert_eq!(door_options(&question(b"")), None);
        assert_eq!(door_options(&question(b"")[..12]), None);
        let packet =
            question(b"\0\x0b\0\0\0\x0a\0\x08cookie!!\0\x0a\0\x08another!\0\x0c\0\x01\0\0\x63\0\0");
        let options = door_options(&packet).unwrap();
        assert_eq!(
            options,
            DoorOptions {
                cookie: Some(b"cookie!!"),
                keepalive: true,
                padding: true,
                udp_octets_max: 1232
            }
        );
        let mut plain = question(b"");
        plain[11] = 0;
        plain.truncate(12 + 15);
        assert_eq!(door_options(&plain), None);
        // A record in front of the OPT record, and options that look like a bare OPT record.
        let mut packet = question(b"\0\x0a\0\x08cookie!!");
        packet.splice(27..27, *b"\0\0\x01\0\xff\0\0\0\0\0\0");
        packet[11] = 2;
        assert_eq!(
            door_options(&packet).unwrap().cookie,
            Some(&b"cookie!!"[..])
        );
        let odd = question(b"\0\x0a\0\x08coo\0\0\x29oo\0\x0c\0\0");
        assert!(door_options(&odd).unwrap().padding);
        assert_eq!(
            door_options(&question(b"\0\x0a\0\x09cookie!!")),
            None,
            "an option over the end"
        );
    }

    #[test]
    fn options_are_added_behind_what_is_there() {
        let mut reply = question(b"\0\x0f\0\x02\0\x16");
        reply[2] |= 0x80;
        let len = reply.len();
        push_option(&mut reply, 1232, COOKIE, b"cookie!!server!!");
        assert_eq!(
            door_options(&reply).unwrap().cookie,
            Some(&b"cookie!!server!!"[..])
        );
        assert_eq!(reply.len(), len + 20);
        pad(&mut reply, 468);
        assert_eq!(reply.len(), 468);
        let options = door_options(&reply).unwrap();
        assert!(options.padding && options.cookie.is_some());
        let before = reply.clone();
        push_option(&mut reply, 470, KEEPALIVE, &[0, 1]);
        assert_eq!(reply, before, "no room");
        for len in 451..=465 {
            let mut reply = question(
                &[
                    &[0, 99][..],
                    &((len - 42) as u16).to_be_bytes(),
                    &vec![0; len - 42],
                ]
                .concat(),
            );
            assert_eq!(reply.len(), len);
            pad(&mut reply, 468);
            assert_eq!(reply.len() % 468, 0, "{len}");
        }
        let mut without = question(b"")[..27].to_vec();
        without[11] = 0;
        let before = without.clone();
        pad(&mut without, 468);
        assert_eq!(without, before, "no OPT record, no option");
    }
}

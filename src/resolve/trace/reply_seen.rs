//! What a reply's header and its OPT record say, read from its octets.

use super::step::ReplySeen;
use crate::wire::{Message, OptionWalk, rtype};

/// The option code of extended errors (RFC 8914 section 2).
const EDE: u16 = 15;

impl ReplySeen {
    /// Read a reply; what cannot be read is left out.
    pub(in crate::resolve) fn read(octets: &[u8]) -> Self {
        let word = |at: usize| {
            let pair = octets.get(at..at + 2).and_then(|pair| pair.first_chunk());
            pair.map_or(0, |pair| u16::from_be_bytes(*pair))
        };
        let bits = word(2);
        let flags = [
            (0x0400, "aa"),
            (0x0200, "tc"),
            (0x0080, "ra"),
            (0x0020, "ad"),
        ];
        let flags = flags.iter().filter(|(bit, _)| bits & bit != 0);
        let mut seen = Self {
            rcode: bits & 0x0f,
            flags: flags.map(|(_, name)| (*name).to_owned()).collect(),
            counts: [word(6), word(8), word(10)],
            octets: octets.len(),
            edns_octets: None,
            ede: Vec::new(),
        };
        let Ok(message) = Message::new(octets) else {
            return seen;
        };
        // A message that is broken further on has told this much.
        let _ = message.walk(|record| {
            if record.rtype != rtype::OPT || seen.edns_octets.is_some() {
                return;
            }
            // RFC 6891 section 6.1.3: the size stands for the class, the code's upper bits begin
            // the TTL.
            seen.edns_octets = Some(word(record.ttl_at - 2));
            let upper = octets.get(record.ttl_at).copied().unwrap_or_default();
            seen.rcode |= u16::from(upper) << 4;
            let options = octets.get(record.data_at..record.end).unwrap_or_default();
            let errors = OptionWalk::new(options).filter(|(code, _)| *code == EDE);
            let codes = errors.filter_map(|(_, value)| value.first_chunk().copied());
            seen.ede.extend(codes.map(u16::from_be_bytes));
        });
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_opt_are_read() {
        let mut octets = b"\0\x01\x84\xa3\0\x01\0\0\0\0\0\x01\x01a\0\0\x01\0\x01".to_vec();
        octets.extend(b"\0\0\x29\x04\xd0\x01\0\x80\0\0\x06\0\x0f\0\x02\0\x16");
        let whole = ReplySeen {
            rcode: 0x13,
            flags: ["aa", "ra", "ad"].map(str::to_owned).into(),
            counts: [0, 0, 1],
            octets: octets.len(),
            edns_octets: Some(1232),
            ede: vec![22],
        };
        assert_eq!(ReplySeen::read(&octets), whole);
        let cut = ReplySeen::read(&octets[..20]);
        assert_eq!(
            (cut.rcode, cut.edns_octets, cut.counts),
            (3, None, [0, 0, 1])
        );
        assert_eq!(ReplySeen::read(b"").rcode, 0);
    }
}

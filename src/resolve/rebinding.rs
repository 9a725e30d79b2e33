//! Holds back answers in which a name of the internet has an address of a private network: DNS
//! rebinding.
//!
//! A web page whose name first leads to its own server and then into its reader's network is
//! trusted with what it finds there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ipnet::Ipv6Net;

use super::convert::address_of;
use super::dns64::Prefix;
use super::question::{Fetched, Question};
use crate::name::Name;
use crate::wire::{Message, OptionWalk, Section, bare_reply, ede, rcode, rtype};

/// SvcParamKeys that carry addresses (RFC 9460 section 7.3).
const IPV4_HINT: u16 = 4;
const IPV6_HINT: u16 = 6;

/// What is held back, and how often it was.
pub(super) struct Rebinding {
    /// Names that may have private addresses, with all below them.
    private_names: Vec<Name>,
    /// Behind it, the operator's own translator reaches all IPv4 addresses.
    dns64: Option<Prefix>,
    refused: AtomicU64,
}

impl Rebinding {
    pub(super) const fn new(private_names: Vec<Name>, dns64: Option<Prefix>) -> Self {
        Self {
            private_names,
            dns64,
            refused: AtomicU64::new(0),
        }
    }

    /// How many answers were held back.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// The answer, or in its place that it is refused: without its records, so that what is signed
    /// is not changed but left out.
    pub(super) fn hold_back(&self, question: &Question, fetched: Fetched) -> Fetched {
        if self
            .private_names
            .iter()
            .any(|zone| question.name.is_within(zone))
            || !self.has_private_address(&fetched.wire)
        {
            return fetched;
        }
        self.refused.fetch_add(1, Relaxed);
        let wire = bare_reply(
            [0x80, 0x80 | rcode::REFUSED as u8],
            &question.name,
            question.qtype,
        );
        Fetched::new(wire, Some(ede::BLOCKED))
    }

    fn has_private_address(&self, wire: &[u8]) -> bool {
        let Ok(message) = Message::new(wire) else {
            return false;
        };
        let mut is_private = false;
        let walked = message.walk(|record| {
            let data = wire.get(record.data_at..record.end).unwrap_or_default();
            is_private |= record.section == Section::Answer
                && match record.rtype {
                    rtype::A | rtype::AAAA => {
                        addresses(data, data.len()).any(|address| self.is_within_reach(address))
                    }
                    rtype::SVCB | rtype::HTTPS => {
                        hints(data).any(|address| self.is_within_reach(address))
                    }
                    _ => false,
                };
        });
        walked.is_ok() && is_private
    }

    /// Does the address lead to this host, its network, or a private one (RFC 6890), be it through
    /// a translator or a tunnel?
    fn is_within_reach(&self, address: IpAddr) -> bool {
        let v6 = match address {
            IpAddr::V4(v4) => return is_private(v4),
            IpAddr::V6(v6) => v6,
        };
        let [first, ..] = v6.segments();
        // The operator's own translator is known; of another one the length must be guessed.
        let own = self.dns64.and_then(|prefix| prefix.reached(v6));
        let translated = own.or_else(|| embedded_for_local_use(v6));
        v6.is_loopback()
            || v6.is_unspecified()
            || first & 0xfe00 == 0xfc00
            || first & 0xffc0 == 0xfe80
            || embedded(v6).is_some_and(is_private)
            || translated.is_some_and(is_private)
    }
}

/// Addresses of `octets` octets each, one behind the other.
fn addresses(data: &[u8], octets: usize) -> impl Iterator<Item = IpAddr> {
    data.chunks_exact(octets.max(1)).filter_map(address_of)
}

/// The addresses that an SVCB or HTTPS record brings along: priority, target, and parameters with
/// their lengths (RFC 9460 section 2.2).
fn hints(data: &[u8]) -> impl Iterator<Item = IpAddr> {
    let mut at = 2;
    while let Some(&length) = data.get(at).filter(|length| **length > 0) {
        at += 1 + usize::from(length);
    }
    OptionWalk::new(data.get(at + 1..).unwrap_or_default()).flat_map(|(key, value)| {
        let octets = match key {
            IPV4_HINT => 4,
            IPV6_HINT => 16,
            _ => return Vec::new(),
        };
        addresses(value, octets).collect()
    })
}

fn is_private(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    a == 0
        || v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || a == 100 && b & 0xc0 == 64
}

/// The IPv4 address that a packet to this one ends up at, whoever translates for this network:
/// mapped and compatible ones (RFC 4291 section 2.5.5), those of translators (RFC 2765 section 2.1,
/// RFC 6052 section 2.1), 6to4 (RFC 3056 section 2) and ISATAP (RFC 5214 section 6.1). Not Teredo's
/// (RFC 4380 section 4): a packet to such an address ends up inside another one at a UDP port.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let address = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low]
        | [0x2002, high, low, ..] => Some(address(high, low)),
        _ => None,
    }
}

/// The IPv4 address that one in `64:ff9b:1::/48` stands for: each network has a translator there
/// behind a prefix of the length that it likes (RFC 8215 section 5).
///
/// The length shows in the address, since all behind the embedded one is zero (RFC 6052 section
/// 2.2): it is the shortest that fits, unless the last octet of the IPv4 address is 0. To try all
/// of them would find private addresses in public ones: 203.0.10.5 behind 48 bits is 10.5.0.0
/// behind 64.
fn embedded_for_local_use(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    if !matches!(v6.segments(), [0x64, 0xff9b, 1, ..]) {
        return None;
    }
    [48, 56, 64, 96].into_iter().find_map(|length| {
        let prefix = Prefix::new(Ipv6Net::new(v6, length).ok()?)?;
        prefix.extract(v6)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(rtype: u16, data: &[u8]) -> Fetched {
        let mut wire = b"\0\0\x80\x80\0\x01\0\x01\0\0\0\0\x01a\x07example\0".to_vec();
        wire.extend(
            [
                &rtype.to_be_bytes()[..],
                &[0, 1, 0xc0, 12],
                &rtype.to_be_bytes(),
                &[0, 1, 0, 0, 0, 60],
            ]
            .concat(),
        );
        wire.extend((data.len() as u16).to_be_bytes());
        wire.extend(data);
        Fetched::new(wire, None)
    }

    fn is_refused(rebinding: &Rebinding, rtype: u16, data: &[u8]) -> bool {
        let question = Question {
            name: Name::parse("a.example").unwrap(),
            qtype: rtype,
            dnssec_ok: false,
            checking_disabled: false,
        };
        let answer = rebinding.hold_back(&question, fetched(rtype, data));
        let message = Message::new(&answer.wire).unwrap();
        assert_eq!(message.question_type(), Ok(rtype));
        assert_eq!(
            message.rcode() == rcode::REFUSED,
            answer.ede == Some(ede::BLOCKED)
        );
        message.rcode() == rcode::REFUSED
    }

    #[test]
    fn addresses_within_reach_are_refused() {
        let rebinding = Rebinding::new(vec![Name::parse("other.example").unwrap()], None);
        for (address, refused) in [
            ("10.0.0.1", true),
            ("127.0.0.1", true),
            ("169.254.1.1", true),
            ("100.64.0.1", true),
            ("0.0.0.0", true),
            ("192.168.1.1", true),
            ("192.0.2.1", false),
            ("100.128.0.1", false),
            ("::1", true),
            ("::", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:10.0.0.1", true),
            ("::10.0.0.1", true),
            ("64:ff9b::10.0.0.1", true),
            ("64:ff9b:1::c0a8:1", true),
            ("64:ff9b:1:2:3:4:a00:1", true),
            ("64:ff9b:1:a00:0:100::", true),
            ("64:ff9b:1:c0:a8:100::", true),
            ("64:ff9b:1:20a:0:1::", true),
            ("64:ff9b:1:2:a:0:100::", true),
            ("64:ff9b:1:2:c0:2:100::", false),
            ("64:ff9b:1:cb01:71:500::", false),
            ("64:ff9b:1:cb00:a:500::", false),
            ("64:ff9b:1:cb0a:1:100::", false),
            ("64:ff9b:1:cb:0:7105::", false),
            ("64:ff9b:1:2:c6:330a:100::", false),
            ("::ffff:0:10.0.0.1", true),
            ("::ffff:0:192.0.2.1", false),
            ("2001:db8:1:2:0:5efe:a00:1", true),
            ("fd00:1:2:3:0:5efe:c000:201", true),
            ("2001:db8:1:2:200:5efe:a00:1", true),
            ("2001:db8:1:2:200:5efe:c000:201", false),
            ("2001:0:a00:1:0:0:f5ff:fffe", false),
            ("2002:a00:1::1", true),
            ("::ffff:192.0.2.1", false),
            ("64:ff9b::192.0.2.1", false),
            ("2002:c000:201::1", false),
            ("2001:db8::10.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            let data = match address.parse().unwrap() {
                IpAddr::V4(v4) => (rtype::A, v4.octets().to_vec()),
                IpAddr::V6(v6) => (rtype::AAAA, v6.octets().to_vec()),
            };
            assert_eq!(
                is_refused(&rebinding, data.0, &data.1),
                refused,
                "{address}"
            );
        }
        assert_eq!(rebinding.refused(), 24);
        assert!(!is_refused(&rebinding, rtype::TXT, &[10, 0, 0, 1]));
    }

    /// What the operator's own translator turns into a private address leads there, whichever length
    /// of RFC 6052 section 2.2 its prefix has.
    #[test]
    fn the_own_translator_leads_within_reach() {
        for net in [
            "2001:db8::/32",
            "2001:db8:100::/40",
            "2001:db8:122::/48",
            "2001:db8:122:300::/56",
            "2001:db8:122:344::/64",
            "2001:db8:122:344::/96",
        ] {
            let prefix = Prefix::new(net.parse().unwrap()).unwrap();
            let [without, with] =
                [None, Some(prefix)].map(|dns64| Rebinding::new(Vec::new(), dns64));
            for (v4, refused) in [
                (Ipv4Addr::new(192, 168, 1, 1), true),
                (Ipv4Addr::new(127, 0, 0, 1), true),
                (Ipv4Addr::new(192, 0, 2, 1), false),
            ] {
                let mut address = prefix.embed(v4).octets();
                assert!(!is_refused(&without, rtype::AAAA, &address), "{net} {v4}");
                let is_refused = |address: [u8; 16]| is_refused(&with, rtype::AAAA, &address);
                assert_eq!(is_refused(address), refused, "{net} {v4}");
                // A translator need not look at what is reserved behind the address.
                if !net.ends_with("/96") {
                    address[15] = 1;
                    assert_eq!(is_refused(address), refused, "{net} {v4}");
                }
            }
        }
    }

    #[test]
    fn hints_count_as_addresses() {
        let rebinding = Rebinding::new(Vec::new(), None);
        let public = b"\0\x01\x03www\0\0\x01\0\x03\x02h2\0\x04\0\x04\xc0\0\x02\x01";
        assert!(!is_refused(&rebinding, rtype::HTTPS, public));
        assert!(is_refused(
            &rebinding,
            rtype::HTTPS,
            b"\0\x01\0\0\x04\0\x08\xc0\0\x02\x01\x0a\0\0\x01"
        ));
        assert!(is_refused(
            &rebinding,
            rtype::SVCB,
            &[&b"\0\x01\0\0\x06\0\x10"[..], &[0xfd; 16]].concat()
        ));
        for end in 0..public.len() {
            assert!(
                !is_refused(&rebinding, rtype::HTTPS, &public[..end]),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn names_of_private_networks_may_have_their_addresses() {
        let rebinding = Rebinding::new(vec![Name::parse("example").unwrap()], None);
        assert!(!is_refused(&rebinding, rtype::A, &[10, 0, 0, 1]));
    }
}

//! Gives addresses of one network as those of another, for clients that reach the same hosts under
//! other addresses.

use std::net::IpAddr;

use ipnet::IpNet;

use super::convert::address_of;
use super::question::{Fetched, Question};
use crate::wire::{Message, Section, rtype};

/// The flag AD, in a header's fourth octet.
const AUTHENTIC_DATA: u8 = 0x20;

/// A network, and the one in whose place it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renumbering {
    from: IpNet,
    to: IpAddr,
}

impl Renumbering {
    /// `to` is any address of the new network, which is as large as the old one; `None` where one
    /// is IPv4 and the other IPv6.
    pub fn new(from: IpNet, to: IpAddr) -> Option<Self> {
        (from.addr().is_ipv4() == to.is_ipv4()).then(|| Self {
            from: from.trunc(),
            to,
        })
    }

    /// The octets of the address that stands for this one.
    fn translate(&self, address: IpAddr) -> Option<Vec<u8>> {
        if !self.from.contains(&address) {
            return None;
        }
        Some(match (address, self.to, self.from.hostmask()) {
            (IpAddr::V4(address), IpAddr::V4(to), IpAddr::V4(host)) => {
                (to & !host | address & host).octets().to_vec()
            }
            (IpAddr::V6(address), IpAddr::V6(to), IpAddr::V6(host)) => {
                (to & !host | address & host).octets().to_vec()
            }
            _ => return None,
        })
    }
}

/// Put the new addresses into an answer; it is no longer what was signed, so AD goes. Whoever
/// checks signatures (DO or CD is set) gets the answer as it is.
pub(super) fn renumber(all: &[Renumbering], question: &Question, mut fetched: Fetched) -> Fetched {
    if all.is_empty() || question.dnssec_ok || question.checking_disabled {
        return fetched;
    }
    let mut places = Vec::new();
    if let Ok(message) = Message::new(&fetched.wire) {
        let walked = message.walk(|record| {
            if record.section == Section::Answer && matches!(record.rtype, rtype::A | rtype::AAAA) {
                places.push(record.data_at..record.end);
            }
        });
        if walked.is_err() {
            return fetched;
        }
    }
    for place in places {
        let Some(data) = fetched.wire.get_mut(place) else {
            continue;
        };
        let found =
            address_of(data).and_then(|address| all.iter().find_map(|one| one.translate(address)));
        if let Some(octets) = found {
            data.copy_from_slice(&octets);
            if let Some(flags) = fetched.wire.get_mut(3) {
                *flags &= !AUTHENTIC_DATA;
            }
        }
    }
    fetched
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    fn answer(address: IpAddr, dnssec_ok: bool) -> (u8, IpAddr) {
        let (rtype, octets) = match address {
            IpAddr::V4(v4) => (rtype::A, v4.octets().to_vec()),
            IpAddr::V6(v6) => (rtype::AAAA, v6.octets().to_vec()),
        };
        let mut wire = b"\0\0\x80\xa0\0\x01\0\x01\0\0\0\0\x01a\0".to_vec();
        wire.extend(
            [
                &rtype.to_be_bytes()[..],
                &[0, 1, 0xc0, 12],
                &rtype.to_be_bytes(),
                &[0, 1, 0, 0, 0, 60],
            ]
            .concat(),
        );
        wire.extend((octets.len() as u16).to_be_bytes());
        wire.extend(&octets);
        let question = Question {
            name: Name::parse("a").unwrap(),
            qtype: rtype,
            dnssec_ok,
            checking_disabled: false,
        };
        let all = [
            ("198.51.100.0/24", "10.1.2.3"),
            ("2001:db8::/64", "fd00::1"),
        ]
        .map(|(from, to)| Renumbering::new(from.parse().unwrap(), to.parse().unwrap()).unwrap());
        let wire = renumber(&all, &question, Fetched::new(wire, None)).wire;
        let data = wire.len() - octets.len();
        (wire[3], address_of(&wire[data..]).unwrap())
    }

    #[test]
    fn addresses_move_to_the_other_network() {
        for (from, to, flags) in [
            ("198.51.100.77", "10.1.2.77", 0x80),
            ("198.51.101.77", "198.51.101.77", 0xa0),
            ("2001:db8::7", "fd00::7", 0x80),
            ("2001:db8:1::7", "2001:db8:1::7", 0xa0),
        ] {
            assert_eq!(
                answer(from.parse().unwrap(), false),
                (flags, to.parse().unwrap()),
                "{from}"
            );
            assert_eq!(
                answer(from.parse().unwrap(), true),
                (0xa0, from.parse().unwrap()),
                "with DO"
            );
        }
        assert_eq!(
            Renumbering::new(
                "198.51.100.0/24".parse().unwrap(),
                "fd00::1".parse().unwrap()
            ),
            None
        );
    }
}

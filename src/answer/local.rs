//! Names that the operator gives addresses to, takes out of the DNS, or has asked over TCP only,
//! answered here without asking anybody.

use std::collections::HashMap;
use std::net::IpAddr;

use super::blocked::{push_head, soa};
use super::minimal::truncated;
use crate::name::{Name, is_within};
use crate::wire::{Flags, Question, Reply, class, rcode, rtype};

const TTL_S: u32 = 3600;

/// What the operator wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Names with their addresses, each of which leads back to them.
    pub addresses: Vec<(Name, IpAddr)>,
    /// Names that do not exist, with all below them.
    pub nowhere: Vec<Name>,
    /// Names below those that exist all the same, with all below them.
    pub nowhere_except: Vec<Name>,
    /// Names that are answered over TCP only, with all below them: over UDP clients are told to
    /// come back.
    pub tcp_only: Vec<Name>,
}

/// The names in wire form, lower-case, with what they hold.
#[derive(Clone, Debug, Default)]
pub struct Local {
    addresses: HashMap<Box<[u8]>, Vec<IpAddr>>,
    reverse: HashMap<Box<[u8]>, Vec<Name>>,
    nowhere: Vec<Name>,
    nowhere_except: Vec<Name>,
    tcp_only: Vec<Name>,
}

impl Local {
    /// Get ready to answer for these names.
    pub fn new(settings: Settings) -> Self {
        let (mut addresses, mut reverse) = (
            HashMap::<Box<[u8]>, Vec<IpAddr>>::new(),
            HashMap::<Box<[u8]>, Vec<Name>>::new(),
        );
        let Settings {
            addresses: given,
            nowhere,
            nowhere_except,
            tcp_only,
        } = settings;
        for (name, address) in given {
            addresses
                .entry(name.as_wire().into())
                .or_default()
                .push(address);
            reverse
                .entry(Name::reverse_of(address).as_wire().into())
                .or_default()
                .push(name);
        }
        Self {
            addresses,
            reverse,
            nowhere,
            nowhere_except,
            tcp_only,
        }
    }

    /// Answer a question in class IN; `None`: the name is not here. Names that do not exist are
    /// ours alone, so that AA is set for them.
    pub fn answer(&self, question: &Question<'_>, is_udp: bool, out: &mut [u8]) -> Option<usize> {
        if question.qclass != class::IN
            || self.addresses.is_empty() && self.nowhere.is_empty() && self.tcp_only.is_empty()
        {
            return None;
        }
        let name = question.name.to_ascii_lowercase();
        if let Some(addresses) = self.addresses.get(name.as_slice()) {
            let data = addresses
                .iter()
                .filter_map(|address| match (address, question.qtype) {
                    (IpAddr::V4(address), rtype::A | rtype::ANY) => {
                        Some((rtype::A, address.octets().to_vec()))
                    }
                    (IpAddr::V6(address), rtype::AAAA | rtype::ANY) => {
                        Some((rtype::AAAA, address.octets().to_vec()))
                    }
                    _ => None,
                });
            return records(question, data, out);
        }
        if let Some(names) = self.reverse.get(name.as_slice()) {
            let is_wanted = matches!(question.qtype, rtype::PTR | rtype::ANY);
            return records(
                question,
                names
                    .iter()
                    .filter(|_| is_wanted)
                    .map(|name| (rtype::PTR, name.as_wire().to_vec())),
                out,
            );
        }
        let is_among = |names: &[Name]| names.iter().any(|zone| is_within(&name, zone.as_wire()));
        if is_udp && is_among(&self.tcp_only) {
            return truncated(question, &[], out);
        }
        if !is_among(&self.nowhere) || is_among(&self.nowhere_except) {
            return None;
        }
        let flags = Flags {
            authoritative: true,
            ..Flags::default()
        };
        let mut reply = Reply::start(out, question, rcode::NXDOMAIN, flags)?;
        reply.push_authorities(&soa(TTL_S), 1);
        Some(reply.finish(question, rcode::NXDOMAIN, &[]))
    }
}

/// All records that fit, or no data.
fn records(
    question: &Question<'_>,
    data: impl Iterator<Item = (u16, Vec<u8>)>,
    out: &mut [u8],
) -> Option<usize> {
    let mut reply = Reply::start(out, question, rcode::NOERROR, Flags::default())?;
    let mut is_empty = true;
    for (rtype, data) in data {
        let mut record = Vec::new();
        push_head(&mut record, rtype, TTL_S, data.len() as u16);
        record.extend_from_slice(&data);
        is_empty &= !reply.push_answers(&record, 1);
    }
    if is_empty {
        reply.push_authorities(&soa(TTL_S), 1);
    }
    Some(reply.finish(question, rcode::NOERROR, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{self, Message};

    /// Response code, AA, and types and data of all records.
    type Told = (u16, bool, Vec<(u16, Vec<u8>)>);

    /// `None` where the name is not here.
    fn ask(name: &str, qtype: u16) -> Option<Told> {
        ask_over(true, name, qtype)
    }

    fn ask_over(is_udp: bool, name: &str, qtype: u16) -> Option<Told> {
        let name_of = |text| Name::parse(text).unwrap();
        let at = |name, address: &str| (name_of(name), address.parse().unwrap());
        let portal = [
            at("portal.example", "192.0.2.10"),
            at("portal.example", "192.0.2.11"),
            at("portal.example", "2001:db8::10"),
        ];
        let local = Local::new(Settings {
            addresses: [&portal[..], &[at("v4.example", "192.0.2.10")]].concat(),
            nowhere: vec![name_of("gone.example")],
            nowhere_except: vec![name_of("back.gone.example")],
            tcp_only: vec![name_of("tcp.example")],
        });
        let mut packet = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
        packet.extend(name_of(name).as_wire().to_ascii_uppercase());
        packet.extend([qtype.to_be_bytes(), class::IN.to_be_bytes()].concat());
        let mut out = [0; 512];
        let len = local.answer(&wire::read(&packet).ok().unwrap(), is_udp, &mut out)?;
        let message = Message::new(&out[..len]).unwrap();
        let mut records = Vec::new();
        message
            .walk(|record| records.push((record.rtype, out[record.data_at..record.end].to_vec())))
            .unwrap();
        Some((message.rcode(), out[2] & 4 > 0, records))
    }

    #[test]
    fn names_have_the_addresses_that_they_were_given() {
        let (rcode, is_ours, records) = ask("portal.example", rtype::A).unwrap();
        assert_eq!((rcode, is_ours), (rcode::NOERROR, false));
        assert_eq!(
            records,
            [
                (rtype::A, vec![192, 0, 2, 10]),
                (rtype::A, vec![192, 0, 2, 11])
            ]
        );
        assert_eq!(ask("portal.example", rtype::AAAA).unwrap().2.len(), 1);
        assert_eq!(ask("portal.example", rtype::ANY).unwrap().2.len(), 3);
        for (name, qtype) in [("portal.example", rtype::TXT), ("v4.example", rtype::AAAA)] {
            let (rcode, _, records) = ask(name, qtype).unwrap();
            assert_eq!(
                (rcode, records[0].0, records.len()),
                (rcode::NOERROR, rtype::SOA, 1),
                "{name} {qtype}"
            );
        }
        assert_eq!(ask("www.portal.example", rtype::A), None);
        assert_eq!(ask("example", rtype::A), None);
    }

    #[test]
    fn addresses_lead_back_to_their_names() {
        let (_, _, records) = ask("10.2.0.192.in-addr.arpa", rtype::PTR).unwrap();
        assert_eq!(
            records,
            [
                (rtype::PTR, b"\x06portal\x07example\0".to_vec()),
                (rtype::PTR, b"\x02v4\x07example\0".to_vec())
            ]
        );
        let v6 = "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(
            ask(v6, rtype::PTR).unwrap().2,
            [(rtype::PTR, b"\x06portal\x07example\0".to_vec())]
        );
        assert_eq!(ask(v6, rtype::A).unwrap().2[0].0, rtype::SOA);
        assert_eq!(ask("12.2.0.192.in-addr.arpa", rtype::PTR), None);
    }

    #[test]
    fn what_is_nowhere_does_not_exist() {
        for name in ["gone.example", "below.gone.example"] {
            let (rcode, is_ours, records) = ask(name, rtype::A).unwrap();
            assert_eq!(
                (rcode, is_ours, records[0].0),
                (rcode::NXDOMAIN, true, rtype::SOA),
                "{name}"
            );
        }
        assert_eq!(ask("www.back.gone.example", rtype::A), None);
    }

    #[test]
    fn what_is_for_tcp_is_cut_short_over_udp() {
        assert_eq!(
            ask("www.tcp.example", rtype::A),
            Some((rcode::NOERROR, false, vec![]))
        );
        assert_eq!(ask_over(false, "www.tcp.example", rtype::A), None);
    }
}

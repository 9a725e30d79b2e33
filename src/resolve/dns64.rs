//! Addresses in IPv6 for names that have none, made of their IPv4 addresses, for clients behind a
//! translator (DNS64, RFC 6147).

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{RData, Record, RecordType};
use ipnet::Ipv6Net;

use super::convert::{covered_type, their_name};
use super::failure::Failure;
use super::question::{Fetched, Question};
use super::reply::earliest;
use crate::clock;
use crate::name::Name;

/// The octet that is always zero (RFC 6052 section 2.2).
const RESERVED_OCTET: usize = 8;
/// How long made addresses hold where the denial says nothing, in seconds (RFC 6147 section 5.1.7).
const TTL_S_UNSAID: u32 = 600;

/// The question for a name's IPv4 addresses.
pub(super) struct WantedAddresses {
    pub(super) question: Question,
    /// The longest that addresses made of them hold.
    pub(super) ttl_s_max: u32,
}

/// A translator's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    octets: [u8; 16],
    length: usize,
}

impl Prefix {
    /// `None` for lengths other than 32, 40, 48, 56, 64 and 96 bits, and where the octet that must
    /// be zero is not (RFC 6052 section 2.2); in a prefix of 96 bits it is the operator's own.
    pub fn new(net: Ipv6Net) -> Option<Self> {
        let (octets, length) = (net.trunc().addr().octets(), usize::from(net.prefix_len()));
        let is_sound = matches!(length, 32 | 40 | 48 | 56 | 64 | 96)
            && (net.prefix_len() == 96 || octets.get(RESERVED_OCTET) == Some(&0));
        is_sound.then_some(Self {
            octets,
            length: length / 8,
        })
    }

    /// The places of an IPv4 address's octets in one that is made of it: behind the prefix, but for
    /// the octet that is reserved.
    fn places(&self) -> impl Iterator<Item = usize> {
        (self.length..16).filter(|at| *at != RESERVED_OCTET)
    }

    /// The address that stands for `address` (RFC 6052 section 2.2).
    pub fn embed(&self, address: Ipv4Addr) -> Ipv6Addr {
        let mut octets = self.octets;
        for (at, octet) in self.places().zip(address.octets()) {
            if let Some(place) = octets.get_mut(at) {
                *place = octet;
            }
        }
        octets.into()
    }

    /// The address that `address` stands for, if it stands for one.
    pub fn extract(&self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        self.reached(address)
            .filter(|v4| self.embed(*v4) == address)
    }

    /// The address that a packet to `address` ends up at, if it goes to the translator, which may
    /// pass over what is reserved (RFC 6052 section 2.2).
    pub(super) fn reached(&self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let octets = address.octets();
        if octets.get(..self.length) != self.octets.get(..self.length) {
            return None;
        }
        let mut v4 = [0; 4];
        for (place, at) in v4.iter_mut().zip(self.places()) {
            *place = *octets.get(at)?;
        }
        Some(v4.into())
    }

    /// The question that leads to the answer where a made address is asked for its name (RFC 6147
    /// section 5.3.1): for the name of the address that it is made of.
    pub(super) fn reversed(&self, question: &Question) -> Option<Question> {
        if RecordType::from(question.qtype) != RecordType::PTR || question.checking_disabled {
            return None;
        }
        let within = self.extract(reverse_address(&question.name)?)?;
        Some(Question {
            name: Name::reverse_of(within.into()),
            ..question.clone()
        })
    }

    /// What was `found` for the name in `in-addr.arpa`, with the alias that leads there.
    pub(super) fn lead_to(
        &self,
        question: &Question,
        wanted: &Question,
        found: Fetched,
    ) -> Result<Fetched, Failure> {
        let mut message = Message::from_vec(&found.wire).map_err(|_| Failure::Unusable)?;
        let (from, to) = (their_name(&question.name)?, their_name(&wanted.name)?);
        let alias = Record::from_rdata(from.clone(), TTL_S_UNSAID, RData::CNAME(CNAME(to)));
        message.metadata.authentic_data = false;
        message.queries = vec![Query::query(from, RecordType::PTR)];
        message.answers.insert(0, alias);
        let wire = message.to_vec().map_err(|_| Failure::Unusable)?;
        Ok(Fetched { wire, ..found })
    }

    /// What must be asked before a question can be answered of which `fetched` is the answer from
    /// outside: nothing, or the name's IPv4 addresses.
    pub(super) fn wants(&self, question: &Question, fetched: &Fetched) -> Option<WantedAddresses> {
        let ttl_s_max = lacks_addresses(question, fetched)?;
        let question = Question {
            qtype: RecordType::A.into(),
            ..question.clone()
        };
        Some(WantedAddresses {
            question,
            ttl_s_max,
        })
    }

    /// What is to be said to the question: addresses made of those that were `found`, or nothing
    /// else than the `denial` where there are none. They hold as long as both that they are made
    /// of.
    ///
    /// An error is passed on as it is, against RFC 6147 section 5.1.2: data that fails validation
    /// must not lead around it.
    pub(super) fn complete(
        &self,
        question: &Question,
        denial: &Fetched,
        found: Fetched,
        ttl_s_max: u32,
    ) -> Option<Fetched> {
        let wire = self.translate(question, denial, &found, ttl_s_max)?;
        let ends = denial
            .signed_until_s
            .into_iter()
            .chain(found.signed_until_s);
        Some(Fetched {
            wire,
            signed_until_s: earliest(ends, clock::wall_u32_s()),
            ..found
        })
    }

    /// The IPv4 answer with the addresses made of it; `None` where it has none. Its signatures over
    /// them go, and AD stays if both the denial and the addresses were secure (RFC 6147 section
    /// 5.5).
    fn translate(
        &self,
        question: &Question,
        denial: &Fetched,
        found: &Fetched,
        ttl_s_max: u32,
    ) -> Option<Vec<u8>> {
        let (denial, found) = (
            Message::from_vec(&denial.wire).ok()?,
            Message::from_vec(&found.wire).ok()?,
        );
        let has_addresses = found
            .answers
            .iter()
            .any(|record| record.record_type() == RecordType::A);
        if found.metadata.response_code != ResponseCode::NoError || !has_addresses {
            return None;
        }
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        message.metadata.recursion_available = true;
        message.metadata.authentic_data =
            denial.metadata.authentic_data && found.metadata.authentic_data;
        message.add_query(Query::query(
            their_name(&question.name).ok()?,
            RecordType::AAAA,
        ));
        let kept = found
            .answers
            .into_iter()
            .filter(|record| covered_type(record) != Some(RecordType::A));
        message.answers = kept
            .map(|record| match record.data {
                RData::A(A(address)) => Record::from_rdata(
                    record.name,
                    record.ttl.min(ttl_s_max),
                    RData::AAAA(AAAA(self.embed(address))),
                ),
                _ => record,
            })
            .collect();
        message.to_vec().ok()
    }
}

/// The address in a name under `ip6.arpa` (RFC 3596 section 2.5).
fn reverse_address(name: &Name) -> Option<Ipv6Addr> {
    let nibbles = name.as_wire().strip_suffix(b"\x03ip6\x04arpa\0")?;
    let (labels, rest) = nibbles.as_chunks::<2>();
    if labels.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut address = 0_u128;
    for [length, digit] in labels.iter().rev() {
        let nibble = char::from(*digit).to_digit(16).filter(|_| *length == 1)?;
        address = address << 4 | u128::from(nibble);
    }
    Some(address.into())
}

/// Does the name exist without an address in IPv6, and may one be made (RFC 6147 sections 5.1 and
/// 5.5)? Then for how many seconds at the most. Mapped addresses are none (section 5.1.4).
fn lacks_addresses(question: &Question, fetched: &Fetched) -> Option<u32> {
    if RecordType::from(question.qtype) != RecordType::AAAA || question.checking_disabled {
        return None;
    }
    let message = Message::from_vec(&fetched.wire)
        .ok()
        .filter(|message| message.metadata.response_code == ResponseCode::NoError)?;
    let is_address = |record: &Record| match record.data {
        RData::AAAA(AAAA(address)) => address.to_ipv4_mapped().is_none(),
        _ => false,
    };
    let ttl_s = message
        .authorities
        .iter()
        .find_map(|record| match &record.data {
            RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
            _ => None,
        });
    (!message.answers.iter().any(is_address)).then_some(ttl_s.unwrap_or(TTL_S_UNSAID))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_embedded_as_the_standard_has_it() {
        // RFC 6052 section 2.4.
        for (net, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::c000:221"),
            ("64:ff9b::/96", "64:ff9b::c000:221"),
            ("2001:db8:0:0:100::/96", "2001:db8:0:0:100:0:c000:221"),
        ] {
            let prefix = Prefix::new(net.parse().unwrap()).unwrap();
            let made: Ipv6Addr = address.parse().unwrap();
            assert_eq!(
                prefix.extract(made),
                Some(Ipv4Addr::new(192, 0, 2, 33)),
                "{net}"
            );
            assert_eq!(prefix.extract("2001:db9::1".parse().unwrap()), None);
            assert_eq!(
                prefix.embed(Ipv4Addr::new(192, 0, 2, 33)),
                address.parse::<Ipv6Addr>().unwrap(),
                "{net}"
            );
        }
        let prefix = Prefix::new("2001:db8:122:344::/64".parse().unwrap()).unwrap();
        let beside = "2001:db8:122:344:1c0:2:2100::".parse().unwrap();
        assert_eq!(prefix.extract(beside), None, "what is reserved is zero");
        for net in ["2001:db8::/33", "2001:db8::/128"] {
            assert_eq!(Prefix::new(net.parse().unwrap()), None, "{net}");
        }
    }

    /// What is made of two answers is signed no longer than either: a stale answer must not outlive
    /// the signatures of the denial that it rests on.
    #[test]
    fn made_addresses_are_signed_as_long_as_all_they_are_made_of() {
        let prefix = Prefix::new("64:ff9b::/96".parse().unwrap()).unwrap();
        let question = Question {
            name: Name::parse("a.example").unwrap(),
            qtype: RecordType::AAAA.into(),
            dnssec_ok: false,
            checking_disabled: false,
        };
        let owner = their_name(&question.name).unwrap();
        let denial = Message::new(0, MessageType::Response, OpCode::Query);
        let mut found = Message::new(0, MessageType::Response, OpCode::Query);
        let address = RData::A(A(Ipv4Addr::new(192, 0, 2, 33)));
        found.answers = vec![Record::from_rdata(owner, 60, address)];
        let now_s = clock::wall_u32_s();
        let [sooner, later] = [now_s.wrapping_add(10), now_s.wrapping_add(1000)];
        for (of_denial, of_found, of_both) in [
            (Some(sooner), Some(later), Some(sooner)),
            (Some(later), Some(sooner), Some(sooner)),
            (Some(sooner), None, Some(sooner)),
            (None, Some(later), Some(later)),
            (None, None, None),
        ] {
            let fetched = |message: &Message, signed_until_s| Fetched {
                signed_until_s,
                ..Fetched::new(message.to_vec().unwrap(), None)
            };
            let denial = fetched(&denial, of_denial);
            let made = prefix.complete(&question, &denial, fetched(&found, of_found), 600);
            assert_eq!(made.unwrap().signed_until_s, of_both);
        }
    }

    #[test]
    fn made_addresses_have_the_names_of_those_that_they_are_made_of() {
        let prefix = Prefix::new("64:ff9b::/96".parse().unwrap()).unwrap();
        let nibbles = "1.2.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa";
        let question = |name: &str| Question {
            name: Name::parse(name).unwrap(),
            qtype: RecordType::PTR.into(),
            dnssec_ok: false,
            checking_disabled: false,
        };
        let asked = question(nibbles);
        let wanted = prefix.reversed(&asked).unwrap();
        assert_eq!(wanted.name, Name::parse("33.2.0.192.in-addr.arpa").unwrap());
        for other in [
            question("33.2.0.192.in-addr.arpa"),
            question(nibbles.split_once('.').unwrap().1),
            question(&format!("x.{nibbles}")),
            question(&nibbles.replace("b.9.f.f", "b.9.f.e")),
            question(&nibbles.replacen('1', "g", 1)),
            Question {
                qtype: 1,
                ..asked.clone()
            },
            Question {
                checking_disabled: true,
                ..asked.clone()
            },
        ] {
            assert_eq!(prefix.reversed(&other), None, "{other:?}");
        }
        let mut found = Message::new(0, MessageType::Response, OpCode::Query);
        found.metadata.response_code = ResponseCode::NXDomain;
        found.metadata.authentic_data = true;
        let found = Fetched::new(found.to_vec().unwrap(), None);
        let led = prefix.lead_to(&asked, &wanted, found).unwrap();
        let message = Message::from_vec(&led.wire).unwrap();
        assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
        assert!(!message.metadata.authentic_data);
        let alias = RData::CNAME(CNAME(their_name(&wanted.name).unwrap()));
        assert_eq!(message.answers[0].data, alias);
        assert_eq!(message.queries[0].name(), &their_name(&asked.name).unwrap());
    }
}

//! Addresses in IPv6 for names that have none, made of their IPv4 addresses, for clients behind a
//! translator (DNS64, RFC 6147).

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};
use ipnet::Ipv6Net;

use super::convert::{covered_type, their_name};
use super::question::{Fetched, Question};

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

    /// The address that stands for `address` (RFC 6052 section 2.2).
    fn embed(&self, address: Ipv4Addr) -> Ipv6Addr {
        let mut octets = self.octets;
        let places = octets
            .iter_mut()
            .enumerate()
            .skip(self.length)
            .filter(|(at, _)| *at != RESERVED_OCTET);
        for ((_, place), octet) in places.zip(address.octets()) {
            *place = octet;
        }
        octets.into()
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

    /// What is to be said to the question: `fetched` as it is, or addresses made of those that were
    /// `found`.
    ///
    /// An error is passed on as it is, against RFC 6147 section 5.1.2: data that fails validation
    /// must not lead around it.
    pub(super) fn complete(
        &self,
        question: &Question,
        fetched: Fetched,
        found: &Fetched,
        ttl_s_max: u32,
    ) -> Fetched {
        match self.translate(question, &fetched, found, ttl_s_max) {
            Some(wire) => Fetched {
                wire,
                ede: found.ede,
            },
            None => fetched,
        }
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
            assert_eq!(
                prefix.embed(Ipv4Addr::new(192, 0, 2, 33)),
                address.parse::<Ipv6Addr>().unwrap(),
                "{net}"
            );
        }
        for net in ["2001:db8::/33", "2001:db8::/128"] {
            assert_eq!(Prefix::new(net.parse().unwrap()), None, "{net}");
        }
    }
}

//! A question as it goes out, and how what comes back relates to it: with an id and a spelling of
//! the name (0x20) from the system's random source (RFC 5452).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::fault::ExchangeFault;
use crate::name::Name;
use crate::resolve::trace::{ExchangeWatch, TcpReason, Transport};

/// Octets in a message header (RFC 1035 section 4.1.1).
pub(in crate::resolve) const HEADER_OCTETS: usize = 12;
/// The largest UDP reply asked for, so that none is fragmented (RFC 9715).
pub(in crate::resolve) const UDP_PAYLOAD_OCTETS: u16 = 1232;
/// The class of all we ask.
pub(in crate::resolve) const CLASS_IN: u16 = 1;

/// A question as it goes out.
#[derive(Clone, Debug)]
pub(in crate::resolve) struct Outgoing {
    /// The name, lower-case; its letters' case is drawn anew for every try.
    pub(in crate::resolve) name: Name,
    /// The record type's number.
    pub(in crate::resolve) qtype: u16,
    /// RD: set for resolvers, clear for authorities.
    pub(in crate::resolve) recursion_desired: bool,
    /// CD, for resolvers that validate.
    pub(in crate::resolve) checking_disabled: bool,
    /// What the OPT record says, if there is one.
    pub(in crate::resolve) edns: OutgoingEdns,
    /// The case of the name's letters.
    pub(in crate::resolve) spelling: Spelling,
    /// Where it goes out.
    pub(in crate::resolve) local: LocalAddress,
    /// Who watches it; usually nobody.
    pub(in crate::resolve) watch: Option<Arc<ExchangeWatch>>,
}

impl Outgoing {
    /// The same in lower case: for TCP, where who cannot see the question cannot answer it.
    pub(in crate::resolve) fn in_lower_case(&self) -> Self {
        Self {
            spelling: Spelling::Plain,
            ..self.clone()
        }
    }

    /// It went out once more.
    pub(in crate::resolve) fn note_sent(&self, over: Transport) {
        if let Some(watch) = &self.watch {
            watch.note_sent(over);
        }
    }

    /// It goes over TCP.
    pub(in crate::resolve) fn note_tcp(&self, why: TcpReason) {
        if let Some(watch) = &self.watch {
            watch.note_tcp(why);
        }
    }
}

/// The case in which a name goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resolve) enum Spelling {
    /// Drawn by lot for every try, and expected back (0x20).
    Drawn,
    /// Lower-case, in whatever case it comes back: for servers that cannot keep a spelling.
    Plain,
}

/// The addresses that questions go out from; the system's choice where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::resolve) struct LocalAddress {
    /// For servers with an IPv4 address.
    pub(in crate::resolve) v4: Option<Ipv4Addr>,
    /// For servers with an IPv6 address.
    pub(in crate::resolve) v6: Option<Ipv6Addr>,
}

impl LocalAddress {
    /// The first of each family.
    pub(in crate::resolve) fn of(addresses: &[IpAddr]) -> Self {
        let mut local = Self::default();
        for address in addresses {
            match *address {
                IpAddr::V4(v4) => local.v4 = local.v4.or(Some(v4)),
                IpAddr::V6(v6) => local.v6 = local.v6.or(Some(v6)),
            }
        }
        local
    }

    /// The address to bind to before asking `server`; its port is the system's choice.
    pub(super) fn address_for(self, server: SocketAddr) -> SocketAddr {
        let ip = match server {
            SocketAddr::V4(_) => IpAddr::V4(self.v4.unwrap_or(Ipv4Addr::UNSPECIFIED)),
            SocketAddr::V6(_) => IpAddr::V6(self.v6.unwrap_or(Ipv6Addr::UNSPECIFIED)),
        };
        SocketAddr::new(ip, 0)
    }
}

/// The OPT record of a question; never with a client subnet (RFC 7871).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::resolve) enum OutgoingEdns {
    /// No OPT record, for servers that cannot read one.
    Leave,
    /// An OPT record with DO set: signatures are wanted. With the largest UDP reply that is asked
    /// for, in octets.
    WantSignatures(u16),
}

pub(in crate::resolve) fn is_truncated(octets: &[u8]) -> bool {
    octets.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

/// How a message relates to the question that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resolve) enum Likeness {
    /// It is the reply.
    Same,
    /// It would be, but for the case of the name's letters.
    Respelled,
    /// It would be, but for the id or the question: a guess, or a broken server.
    Near,
    /// It is not.
    Other,
}

/// A question's octets as they went out.
pub(in crate::resolve) struct Sent {
    pub(in crate::resolve) octets: Vec<u8>,
    question_end: usize,
}

impl Sent {
    /// Lay out the question with a fresh id and a fresh spelling.
    pub(in crate::resolve) fn draw(outgoing: &Outgoing) -> Result<Self, ExchangeFault> {
        let mut luck = [0u8; 34];
        // From a generator of this thread, which the system's random source seeds.
        aws_lc_rs::rand::fill(&mut luck).map_err(|_| ExchangeFault::Broken)?;
        let (id, coins) = luck.split_at(2);
        let mut octets = Vec::with_capacity(HEADER_OCTETS + outgoing.name.as_wire().len() + 4 + 11);
        octets.extend_from_slice(id);
        octets.push(u8::from(outgoing.recursion_desired));
        octets.push(if outgoing.checking_disabled { 0x10 } else { 0 });
        let opt_count = u8::from(outgoing.edns != OutgoingEdns::Leave);
        octets.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, opt_count]);
        match outgoing.spelling {
            Spelling::Drawn => spell(outgoing.name.as_wire(), coins, &mut octets),
            Spelling::Plain => octets.extend_from_slice(outgoing.name.as_wire()),
        }
        octets.extend_from_slice(&outgoing.qtype.to_be_bytes());
        octets.extend_from_slice(&CLASS_IN.to_be_bytes());
        let question_end = octets.len();
        if let OutgoingEdns::WantSignatures(octets_max) = outgoing.edns {
            octets.extend_from_slice(&[0, 0, 41]);
            octets.extend_from_slice(&octets_max.to_be_bytes());
            octets.extend_from_slice(&[0, 0, 0x80, 0, 0, 0]);
        }
        Ok(Self {
            octets,
            question_end,
        })
    }

    pub(in crate::resolve) fn compare(&self, reply: &[u8]) -> Likeness {
        let Some(header) = reply.first_chunk::<HEADER_OCTETS>() else {
            return Likeness::Other;
        };
        let [id_high, id_low, flags, rcode, qd_high, qd_low, ..] = *header;
        // QR set and opcode QUERY.
        if flags & 0xf8 != 0x80 {
            return Likeness::Other;
        }
        let has_id = self.octets.starts_with(&[id_high, id_low]);
        match (qd_high, qd_low) {
            // Servers that could not read the question do not always repeat it.
            (0, 0) if has_id && !matches!(rcode & 0x0f, 0 | 3) => Likeness::Same,
            (0, 1) => {
                let sent = self
                    .octets
                    .get(HEADER_OCTETS..self.question_end)
                    .unwrap_or_default();
                match reply.get(HEADER_OCTETS..self.question_end) {
                    Some(got) if has_id && got == sent => Likeness::Same,
                    Some(got) if got.eq_ignore_ascii_case(sent) => match has_id {
                        true => Likeness::Respelled,
                        false => Likeness::Near,
                    },
                    _ if has_id => Likeness::Near,
                    _ => Likeness::Other,
                }
            }
            _ => Likeness::Other,
        }
    }

    /// Undo the spelling in the question of a reply, and so in every name that points to it.
    pub(in crate::resolve) fn restore(&self, mut reply: Vec<u8>) -> Vec<u8> {
        let without_question = reply.get(4..6) == Some(&[0, 0]);
        if let Some(name) = reply
            .get_mut(HEADER_OCTETS..self.question_end - 4)
            .filter(|_| !without_question)
        {
            name.make_ascii_lowercase();
        }
        reply
    }
}

/// Append the name with each letter's case as the coins fall.
fn spell(name: &[u8], coins: &[u8], octets: &mut Vec<u8>) {
    for (index, octet) in name.iter().enumerate() {
        let coin = coins.get(index / 8).copied().unwrap_or_default() >> (index % 8) & 1;
        // Length octets are below 64 and so never letters.
        octets.push(if coin == 1 {
            octet.to_ascii_uppercase()
        } else {
            *octet
        });
    }
}

/// A question as tests ask it.
#[cfg(test)]
pub(super) fn outgoing() -> Outgoing {
    Outgoing {
        name: Name::parse("www.some-long-name.example").unwrap(),
        qtype: 1,
        recursion_desired: true,
        checking_disabled: true,
        edns: OutgoingEdns::WantSignatures(UDP_PAYLOAD_OCTETS),
        spelling: Spelling::Drawn,
        local: LocalAddress::default(),
        watch: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_laid_out_as_rfc_1035_says() {
        let sent = Sent::draw(&outgoing()).unwrap();
        assert_eq!(sent.octets[2..12], [0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(
            sent.octets[12..sent.question_end - 4].to_ascii_lowercase(),
            outgoing().name.as_wire()
        );
        assert_eq!(
            sent.octets[sent.question_end - 4..],
            [0, 1, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0]
        );
        let again = Sent::draw(&outgoing()).unwrap();
        assert_ne!(sent.octets, again.octets, "id and spelling are drawn anew");
        let plain = Sent::draw(&Outgoing {
            edns: OutgoingEdns::Leave,
            ..outgoing()
        })
        .unwrap();
        assert_eq!(plain.octets.len(), plain.question_end);
    }

    #[test]
    fn only_the_reply_to_this_question_is_alike() {
        let sent = Sent::draw(&outgoing()).unwrap();
        let mut reply = sent.octets.clone();
        reply[2] |= 0x80;
        assert_eq!(sent.compare(&reply), Likeness::Same);
        assert_eq!(sent.compare(&sent.octets), Likeness::Other, "QR is clear");
        assert_eq!(sent.compare(&reply[..11]), Likeness::Other);
        assert_eq!(
            sent.compare(&reply[..sent.question_end - 1]),
            Likeness::Near
        );
        let mut stranger = reply.clone();
        (stranger[0], stranger[13]) = (stranger[0] ^ 0xff, stranger[13] ^ 1);
        assert_eq!(sent.compare(&stranger), Likeness::Other);
        for (at, with) in [
            (0, 0xff),
            (2, 0x08),
            (13, 0x01),
            (sent.question_end - 3, 0x10),
        ] {
            let mut other = reply.clone();
            other[at] ^= with;
            let expected = if at == 2 {
                Likeness::Other
            } else {
                Likeness::Near
            };
            assert_eq!(sent.compare(&other), expected, "octet {at}");
        }
        let mut respelled = reply.clone();
        respelled[13] ^= 0x20;
        assert_eq!(sent.compare(&respelled), Likeness::Respelled);
        let mut terse = reply[..12].to_vec();
        terse[4..12].fill(0);
        assert_eq!(sent.compare(&terse), Likeness::Other);
        terse[3] |= 1;
        assert_eq!(
            sent.compare(&terse),
            Likeness::Same,
            "FORMERR without the question"
        );
    }
}

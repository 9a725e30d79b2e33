//! Names and question forms that we answer by ourselves, before any list, cache or server is asked.

use std::net::IpAddr;

use super::blocked::{push_head, soa};
use super::minimal::empty;
use crate::name::{Name, is_within};
use crate::wire::{Flags, Question, Reply, class, ede, rcode, rtype};

/// Which of the special-use names (RFC 6761, RFC 6303) are ours, and which are resolved like any
/// other.
///
/// `resolver.arpa` and `version.bind` are always ours.
#[derive(Clone, Debug)]
pub struct SpecialUse {
    resolved: Vec<Name>,
    about: About,
}

/// What this resolver tells of itself at `resolver.arpa`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// It tells servers no more of a name than they need (RFC 9156).
    pub minimises: bool,
    /// Where it is reached over TLS, by which name (RFC 9462).
    pub designated: Option<Designated>,
}

/// An encrypted door of this resolver's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Designated {
    /// The name in its certificate.
    pub name: Name,
    /// The port of DNS over TLS.
    pub port: u16,
    /// Its addresses, where they are known.
    pub addresses: Vec<IpAddr>,
}

impl About {
    /// RESINFO's data (RFC 9606 section 5).
    fn resinfo(&self) -> Vec<u8> {
        if self.minimises {
            [RESINFO_MINIMISES, RESINFO].concat()
        } else {
            RESINFO.to_vec()
        }
    }
}

impl Designated {
    /// An SVCB record's data: priority, name, and the parameters in the order of their keys (RFC
    /// 9460 section 2.2, RFC 9461 section 4).
    fn svcb(&self) -> Vec<u8> {
        let mut data = vec![0, 1];
        data.extend_from_slice(self.name.as_wire());
        let mut push = |key: u16, value: &[u8]| {
            data.extend(key.to_be_bytes());
            data.extend((value.len() as u16).to_be_bytes());
            data.extend_from_slice(value);
        };
        push(KEY_ALPN, b"\x03dot");
        push(KEY_PORT, &self.port.to_be_bytes());
        let v4: Vec<u8> = self
            .addresses
            .iter()
            .filter_map(|at| {
                if let IpAddr::V4(v4) = at {
                    Some(v4.octets())
                } else {
                    None
                }
            })
            .flatten()
            .collect();
        let v6: Vec<u8> = self
            .addresses
            .iter()
            .filter_map(|at| {
                if let IpAddr::V6(v6) = at {
                    Some(v6.octets())
                } else {
                    None
                }
            })
            .flatten()
            .collect();
        if !v4.is_empty() {
            push(KEY_IPV4_HINT, &v4);
        }
        if !v6.is_empty() {
            push(KEY_IPV6_HINT, &v6);
        }
        data
    }
}

impl SpecialUse {
    /// All are answered here.
    pub fn ours() -> Self {
        Self::ours_except(Vec::new())
    }

    /// For laboratories: none is answered here.
    pub fn resolved() -> Self {
        Self::ours_except(vec![Name::root()])
    }

    /// All are answered here but `resolved` and what is below them, such as a provider's own
    /// reverse zones.
    pub fn ours_except(resolved: Vec<Name>) -> Self {
        Self {
            resolved,
            about: About::default(),
        }
    }

    /// And this is told of ourselves.
    pub fn telling(self, about: About) -> Self {
        Self { about, ..self }
    }

    fn resolves(&self, name: &[u8]) -> bool {
        self.resolved
            .iter()
            .any(|zone| is_within(name, zone.as_wire()))
    }
}

const OWN_TTL_S: u32 = 3600;
const TYPE_AXFR: u16 = 252;
const TYPE_IXFR: u16 = 251;
const VERSION: &str = concat!("wardline ", env!("CARGO_PKG_VERSION"));
/// What this resolver does, for clients that ask (RFC 9606).
const RESINFO: &[u8] = b"\x0cexterr=15-17";
const RESINFO_MINIMISES: &[u8] = b"\x08qnamemin";
/// SvcParamKeys (RFC 9460 section 14.3.2).
const KEY_ALPN: u16 = 1;
const KEY_PORT: u16 = 3;
const KEY_IPV4_HINT: u16 = 4;
const KEY_IPV6_HINT: u16 = 6;

/// What a special-use zone answers.
#[derive(Clone, Copy)]
enum ZoneAnswer {
    /// The loopback addresses (RFC 6761 section 6.3).
    Loopback,
    /// The one name has the other as its own (RFC 1912 section 4.1, RFC 6303 sections 4.2 and 4.3).
    LoopbackReverse,
    /// The apex exists without data, everything below does not exist (RFC 6303).
    Empty,
}

/// Where a resolver tells of itself (RFC 9462 section 4, RFC 9606).
const RESOLVER_ARPA: &[u8] = b"\x08resolver\x04arpa\0";

/// The reverse name of ::1.
const LOOPBACK_V6: &[u8] = b"\x011\
    \x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\
    \x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\
    \x03ip6\x04arpa\0";

/// Zones in lower-case wire form that are answered here while no [`SpecialUse`] says otherwise.
const ZONES: [(&[u8], ZoneAnswer); 38] = [
    (
        b"\x011\x010\x010\x03127\x07in-addr\x04arpa\0",
        ZoneAnswer::LoopbackReverse,
    ),
    (LOOPBACK_V6, ZoneAnswer::LoopbackReverse),
    (b"\x09localhost\0", ZoneAnswer::Loopback),
    (b"\x07invalid\0", ZoneAnswer::Empty),
    (b"\x04test\0", ZoneAnswer::Empty),
    (b"\x05onion\0", ZoneAnswer::Empty),
    (b"\x03alt\0", ZoneAnswer::Empty),
    (b"\x05local\0", ZoneAnswer::Empty),
    (b"\x04home\x04arpa\0", ZoneAnswer::Empty),
    (b"\x07service\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0210\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0216\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0217\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0218\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0219\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0220\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0221\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0222\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0223\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0224\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0225\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0226\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0227\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0228\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0229\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0230\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x0231\x03172\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x03168\x03192\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x010\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x03127\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x03254\x03169\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (
        b"\x03255\x03255\x03255\x03255\x07in-addr\x04arpa\0",
        ZoneAnswer::Empty,
    ),
    (b"\x012\x010\x03192\x07in-addr\x04arpa\0", ZoneAnswer::Empty),
    (b"\x01d\x01f\x03ip6\x04arpa\0", ZoneAnswer::Empty),
    (b"\x018\x01e\x01f\x03ip6\x04arpa\0", ZoneAnswer::Empty),
    (b"\x019\x01e\x01f\x03ip6\x04arpa\0", ZoneAnswer::Empty),
    (b"\x01a\x01e\x01f\x03ip6\x04arpa\0", ZoneAnswer::Empty),
    (b"\x01b\x01e\x01f\x03ip6\x04arpa\0", ZoneAnswer::Empty),
];

/// Last labels that one of our names can have.
const LAST_LABELS: [&[u8]; 9] = [
    b"arpa",
    b"localhost",
    b"invalid",
    b"test",
    b"onion",
    b"alt",
    b"local",
    b"bind",
    b"server",
];

/// Answer a question for a name of ours, and one of a form that nobody gets an answer to. `None`:
/// not ours.
pub fn answer(question: &Question<'_>, special_use: &SpecialUse, out: &mut [u8]) -> Option<usize> {
    if question.edns.is_some_and(|edns| edns.version > 0) {
        return empty(question, rcode::BADVERS, &[], out);
    }
    match (question.qclass, question.qtype) {
        (_, rtype::OPT | 0) => return empty(question, rcode::FORMERR, &[], out),
        (_, TYPE_AXFR | TYPE_IXFR) => {
            return empty(question, rcode::REFUSED, &[(ede::PROHIBITED, "")], out);
        }
        (_, qtype) if rtype::TRANSFERS.contains(&qtype) => {
            return empty(question, rcode::NOTIMP, &[], out);
        }
        (class::CH, _) => return chaos(question, out),
        (class::IN, _) => {}
        _ => return empty(question, rcode::REFUSED, &[], out),
    }
    if !may_be_ours(question.name) {
        return None;
    }
    let name = question.name.to_ascii_lowercase();
    match name.as_slice() {
        RESOLVER_ARPA if question.qtype == rtype::RESINFO => {
            return records(question, &special_use.about.resinfo(), out);
        }
        _ if is_within(&name, RESOLVER_ARPA) => {
            let is_asked =
                question.qtype == rtype::SVCB && name == b"\x04_dns\x08resolver\x04arpa\0";
            return match special_use.about.designated.as_ref().filter(|_| is_asked) {
                Some(designated) => records(question, &designated.svcb(), out),
                None => nothing(question, rcode::NOERROR, out),
            };
        }
        _ => {}
    }
    if special_use.resolves(&name) {
        return None;
    }
    let (zone, kind) = ZONES.iter().find(|(zone, _)| is_within(&name, zone))?;
    match (kind, question.qtype) {
        (ZoneAnswer::Loopback, rtype::A) => records(question, &[127, 0, 0, 1], out),
        (ZoneAnswer::Loopback, rtype::AAAA) => records(question, &1u128.to_be_bytes(), out),
        (ZoneAnswer::Loopback, _) => nothing(question, rcode::NOERROR, out),
        (ZoneAnswer::LoopbackReverse, rtype::PTR) if name.as_slice() == *zone => {
            records(question, b"\x09localhost\0", out)
        }
        (ZoneAnswer::Empty | ZoneAnswer::LoopbackReverse, _) if name.as_slice() == *zone => {
            nothing(question, rcode::NOERROR, out)
        }
        // Above a name that exists (RFC 8020).
        _ if ZONES.iter().any(|(below, _)| is_within(below, &name)) => {
            nothing(question, rcode::NOERROR, out)
        }
        _ => nothing(question, rcode::NXDOMAIN, out),
    }
}

/// The special-use zone of which the zone above must have spoken for this question, since the
/// client validates: it believes our answer only where the zone is proven to be unsigned, and its
/// absence only with the proof (RFC 8375 section 4).
///
/// Nobody is ever asked about more than this zone's own DS. Names whose addresses are ours alone
/// are not among these: no proof agrees with them.
pub fn zone_to_prove(question: &Question<'_>, special_use: &SpecialUse) -> Option<&'static [u8]> {
    if question.qclass != class::IN || !question.dnssec_ok() || !may_be_ours(question.name) {
        return None;
    }
    // What gets no answer at any name.
    let is_no_data = matches!(question.qtype, rtype::OPT | 0 | TYPE_AXFR | TYPE_IXFR)
        || rtype::TRANSFERS.contains(&question.qtype);
    if is_no_data || question.edns.is_some_and(|edns| edns.version > 0) {
        return None;
    }
    let name = question.name.to_ascii_lowercase();
    if question.qtype == rtype::DS && name == RESOLVER_ARPA {
        return Some(RESOLVER_ARPA);
    }
    if special_use.resolves(&name) {
        return None;
    }
    let (zone, kind) = ZONES.iter().find(|(zone, _)| is_within(&name, zone))?;
    matches!(kind, ZoneAnswer::Empty).then_some(*zone)
}

/// `version.bind` and `version.server` (RFC 4892); every other name in class CH is refused.
fn chaos(question: &Question<'_>, out: &mut [u8]) -> Option<usize> {
    let name = question.name.to_ascii_lowercase();
    let is_version = matches!(
        name.as_slice(),
        b"\x07version\x04bind\0" | b"\x07version\x06server\0"
    );
    if !is_version {
        return empty(question, rcode::REFUSED, &[], out);
    }
    if !matches!(question.qtype, rtype::TXT | rtype::ANY) {
        return empty(question, rcode::NOERROR, &[], out);
    }
    let mut record = Vec::new();
    push_head(&mut record, rtype::TXT, 0, VERSION.len() as u16 + 1);
    if let Some(class) = record.get_mut(4..6) {
        class.copy_from_slice(&class::CH.to_be_bytes());
    }
    record.push(VERSION.len() as u8);
    record.extend_from_slice(VERSION.as_bytes());
    let mut reply = Reply::start(out, question, rcode::NOERROR, Flags::default())?;
    reply.push_answers(&record, 1);
    Some(reply.finish(question, rcode::NOERROR, &[]))
}

/// One record of the type that was asked for.
fn records(question: &Question<'_>, data: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut record = Vec::new();
    push_head(&mut record, question.qtype, OWN_TTL_S, data.len() as u16);
    record.extend_from_slice(data);
    let mut reply = Reply::start(out, question, rcode::NOERROR, Flags::default())?;
    reply.push_answers(&record, 1);
    Some(reply.finish(question, rcode::NOERROR, &[]))
}

/// No data or no such name, with the SOA that lets it be cached.
fn nothing(question: &Question<'_>, rcode: u16, out: &mut [u8]) -> Option<usize> {
    let mut reply = Reply::start(out, question, rcode, Flags::default())?;
    reply.push_authorities(&soa(OWN_TTL_S), 1);
    Some(reply.finish(question, rcode, &[]))
}

/// Most names are told apart from ours by their last label.
fn may_be_ours(name: &[u8]) -> bool {
    LAST_LABELS.iter().any(|label| ends_with(name, label))
}

fn ends_with(wire: &[u8], label: &[u8]) -> bool {
    let Some(at) = wire.len().checked_sub(label.len() + 2) else {
        return false;
    };
    wire.get(at)
        .is_some_and(|len| usize::from(*len) == label.len())
        && wire
            .get(at + 1..wire.len() - 1)
            .is_some_and(|last| last.eq_ignore_ascii_case(label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::wire::{self, Message};

    /// Response code and the data of all records but OPT; `None` where the name is not ours.
    fn ask(
        name: &str,
        qtype: u16,
        qclass: u16,
        special_use: &SpecialUse,
    ) -> Option<(u16, Vec<Vec<u8>>)> {
        let mut packet = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
        packet.extend(Name::parse(name).unwrap().as_wire().to_ascii_uppercase());
        packet.extend([qtype.to_be_bytes(), qclass.to_be_bytes()].concat());
        let mut out = [0; 512];
        let len = answer(&wire::read(&packet).ok().unwrap(), special_use, &mut out)?;
        let message = Message::new(&out[..len]).unwrap();
        let mut data = Vec::new();
        message
            .walk(|record| data.push(out[record.data_at..record.end].to_vec()))
            .unwrap();
        Some((message.rcode(), data))
    }

    #[test]
    fn our_names_are_answered() {
        let ours = |name, qtype| {
            ask(name, qtype, class::IN, &SpecialUse::ours())
                .map(|(rcode, data)| (rcode, data.len()))
        };
        assert_eq!(
            ask("localhost", rtype::A, 1, &SpecialUse::ours())
                .unwrap()
                .1,
            [[127, 0, 0, 1]]
        );
        assert_eq!(ours("a.localhost", rtype::AAAA), Some((rcode::NOERROR, 1)));
        assert_eq!(ours("localhost", rtype::TXT), Some((rcode::NOERROR, 1)));
        assert_eq!(ours("test", rtype::SOA), Some((rcode::NOERROR, 1)));
        assert_eq!(ours("a.test", rtype::A), Some((rcode::NXDOMAIN, 1)));
        assert_eq!(
            ours("1.1.168.192.in-addr.arpa", 12),
            Some((rcode::NXDOMAIN, 1))
        );
        let localhost = b"\x09localhost\0".to_vec();
        let reverse = Name::from_wire(LOOPBACK_V6).unwrap().to_string();
        let below = format!("x.{reverse}");
        for name in ["1.0.0.127.in-addr.arpa", &reverse] {
            let told = ask(name, 12, 1, &SpecialUse::ours()).unwrap();
            assert_eq!(told, (rcode::NOERROR, vec![localhost.clone()]), "{name}");
            assert_eq!(ours(name, rtype::A), Some((rcode::NOERROR, 1)));
        }
        assert_eq!(ours(&below, 12), Some((rcode::NXDOMAIN, 1)));
        assert_eq!(ours("0.127.in-addr.arpa", 12), Some((rcode::NOERROR, 1)));
        assert_eq!(
            ours("2.0.0.127.in-addr.arpa", 12),
            Some((rcode::NXDOMAIN, 1))
        );
        assert_eq!(
            ours("_dns.resolver.arpa", rtype::SVCB),
            Some((rcode::NOERROR, 1))
        );
        assert_eq!(
            ask("resolver.arpa", rtype::RESINFO, 1, &SpecialUse::ours())
                .unwrap()
                .1,
            [RESINFO]
        );
        assert_eq!(ours("example", rtype::A), None);
        assert_eq!(ours("atest", rtype::A), None);
        assert_eq!(ours("1.1.1.1.in-addr.arpa", 12), None);
        assert_eq!(ask("a.test", rtype::A, 1, &SpecialUse::resolved()), None);
        let lab = SpecialUse::ours_except(vec![
            Name::parse("test").unwrap(),
            Name::parse("1.10.in-addr.arpa").unwrap(),
        ]);
        for (name, is_ours) in [
            ("a.test", false),
            ("1.1.10.in-addr.arpa", false),
            ("1.2.10.in-addr.arpa", true),
            ("a.invalid", true),
        ] {
            assert_eq!(ask(name, rtype::A, 1, &lab).is_some(), is_ours, "{name}");
        }
    }

    #[test]
    fn the_zone_above_must_have_spoken_where_a_client_validates() {
        let needed = |name: &str, qtype: u16, flags: u8, special_use: &SpecialUse| {
            let mut packet = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01".to_vec();
            packet.extend(Name::parse(name).unwrap().as_wire().to_ascii_uppercase());
            packet.extend([qtype.to_be_bytes(), class::IN.to_be_bytes()].concat());
            packet.extend([0, 0, 41, 4, 208, 0, 0, flags, 0, 0, 0]);
            let question = wire::read(&packet).ok().unwrap();
            zone_to_prove(&question, special_use)
                .map(|zone| Name::from_wire(zone).unwrap().to_string())
        };
        let ours = SpecialUse::ours();
        for (name, qtype, zone) in [
            ("printer.local", rtype::A, Some("local")),
            ("local", rtype::DS, Some("local")),
            ("1.1.168.192.in-addr.arpa", 12, Some("168.192.in-addr.arpa")),
            ("2.0.0.127.in-addr.arpa", 12, Some("127.in-addr.arpa")),
            ("resolver.arpa", rtype::DS, Some("resolver.arpa")),
            ("resolver.arpa", rtype::A, None),
            ("_dns.resolver.arpa", rtype::SVCB, None),
            ("a.localhost", rtype::A, None),
            // Of a form that nobody gets an answer to.
            ("printer.local", 252, None),
            ("printer.local", 0, None),
            ("1.0.0.127.in-addr.arpa", 12, None),
            ("1.1.1.1.in-addr.arpa", 12, None),
            ("local.example", rtype::A, None),
        ] {
            let needs = needed(name, qtype, 0x80, &ours);
            let zone = zone.map(|zone| Name::parse(zone).unwrap().to_string());
            assert_eq!(needs, zone, "{name} {qtype}");
            assert_eq!(needed(name, qtype, 0, &ours), None, "{name} without DO");
        }
        let resolved = SpecialUse::ours_except(vec![Name::parse("local").unwrap()]);
        assert_eq!(needed("printer.local", rtype::A, 0x80, &resolved), None);
    }

    #[test]
    fn the_resolver_tells_of_itself() {
        let designated = Designated {
            name: Name::parse("dns.example").unwrap(),
            port: 853,
            addresses: vec![
                "192.0.2.53".parse().unwrap(),
                "2001:db8::53".parse().unwrap(),
            ],
        };
        let ours = SpecialUse::ours().telling(About {
            minimises: true,
            designated: Some(designated),
        });
        assert_eq!(
            ask("resolver.arpa", rtype::RESINFO, 1, &ours).unwrap().1,
            [b"\x08qnamemin\x0cexterr=15-17"]
        );
        let svcb = ask("_dns.resolver.arpa", rtype::SVCB, 1, &ours)
            .unwrap()
            .1
            .remove(0);
        let start =
            b"\0\x01\x03dns\x07example\0\0\x01\0\x04\x03dot\0\x03\0\x02\x03\x55\0\x04\0\x04\xc0\0\x02\x35\0\x06\0\x10\x20\x01\x0d\xb8";
        assert!(
            svcb.starts_with(start) && svcb.len() == start.len() + 12,
            "{svcb:02x?}"
        );
        assert_eq!(
            ask("_dns.resolver.arpa", rtype::A, 1, &ours).unwrap().0,
            rcode::NOERROR
        );
    }

    #[test]
    fn chaos_tells_the_version_alone() {
        let (rcode, data) =
            ask("version.bind", rtype::TXT, class::CH, &SpecialUse::ours()).unwrap();
        assert_eq!((rcode, &data[0][1..]), (rcode::NOERROR, VERSION.as_bytes()));
        assert_eq!(
            ask("a.bind", rtype::TXT, class::CH, &SpecialUse::ours())
                .unwrap()
                .0,
            rcode::REFUSED
        );
    }

    #[test]
    fn question_forms_without_an_answer_are_refused() {
        let form = |qtype, qclass| {
            ask("a.example", qtype, qclass, &SpecialUse::ours()).map(|(rcode, _)| rcode)
        };
        assert_eq!(form(252, 1), Some(rcode::REFUSED));
        assert_eq!(form(251, 1), Some(rcode::REFUSED));
        assert_eq!(form(249, 1), Some(rcode::NOTIMP));
        assert_eq!(form(41, 1), Some(rcode::FORMERR));
        assert_eq!(form(1, 4), Some(rcode::REFUSED));
        assert_eq!(form(1, 255), Some(rcode::REFUSED));
        assert_eq!(form(1000, 1), None);
    }
}

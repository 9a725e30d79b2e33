//! The blocked answer, prepared once for each list and written into a reply without allocation.

use crate::policy::{Action, Basis, ListRules};
use crate::wire::{Flags, HEADER_OCTETS, Question, Reply, class, ede, rcode, rtype};

/// A blocked reply is at most this many times its question, so that nobody can amplify with it.
const GROWTH_MAX: usize = 3;
const OPT_OCTETS: usize = 11;
const EDE_OCTETS: usize = 6;

/// What clients are told who ask for a name on one list.
#[derive(Clone, Debug)]
pub struct Page {
    v4: Records,
    v6: Records,
    soa: Box<[u8]>,
    nodata_rcode: u16,
    code: u16,
    authority: Box<str>,
    /// Why, as clients' programs read it: all of it, then ever less. None without anybody to
    /// complain to and any public record.
    why: Option<[Box<str>; 3]>,
}

/// Who can read a reply on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Anybody.
    Open,
    /// The client alone.
    Encrypted,
}

/// Whole records with the question's name as their owner.
#[derive(Clone, Debug)]
struct Records {
    octets: Box<[u8]>,
    count: u16,
}

impl Page {
    /// Prepare the answers for a list.
    pub fn new(rules: &ListRules) -> Self {
        let (v4, v6, nodata_rcode) = match &rules.action {
            Action::StopPage { v4, v6 } => (
                Records::new(
                    rtype::A,
                    rules.ttl_s,
                    v4.iter().map(|address| address.octets()),
                ),
                Records::new(
                    rtype::AAAA,
                    rules.ttl_s,
                    v6.iter().map(|address| address.octets()),
                ),
                rcode::NOERROR,
            ),
            Action::NxDomain => (Records::none(), Records::none(), rcode::NXDOMAIN),
        };
        let code = match rules.basis {
            Basis::Law => ede::CENSORED,
            Basis::Provider => ede::BLOCKED,
            Basis::Subscriber => ede::FILTERED,
        };
        Self {
            v4,
            v6,
            soa: soa(rules.ttl_s),
            nodata_rcode,
            code,
            authority: rules.authority.as_str().into(),
            why: explain(rules),
        }
    }

    /// Write the blocked answer to `question`. `None` where `out` has no room even for the
    /// question.
    ///
    /// A client that asked for it over an encrypted way is told why in a form that its program can
    /// read, and is not led to a page (draft-ietf-dnsop-structured-dns-error section 5).
    pub fn write(&self, question: &Question<'_>, way: Channel, out: &mut [u8]) -> Option<usize> {
        if let (Channel::Encrypted, Some(why), true) = (
            way,
            &self.why,
            question.edns.is_some_and(|edns| edns.structured_error),
        ) {
            return self.write_why(question, why, out);
        }
        let none = Records::none();
        let (first, second) = match question.qtype {
            rtype::A => (&self.v4, &none),
            rtype::AAAA => (&self.v6, &none),
            rtype::ANY => (&self.v4, &self.v6),
            _ => (&none, &none),
        };
        let is_forged = first.count + second.count > 0;
        let rcode = if is_forged {
            rcode::NOERROR
        } else {
            self.nodata_rcode
        };
        let opt_octets = if question.edns.is_some() {
            OPT_OCTETS
        } else {
            0
        };
        let codes_octets = if question.edns.is_some() {
            EDE_OCTETS * (1 + usize::from(is_forged))
        } else {
            0
        };
        let room = (HEADER_OCTETS + question.octets.len() + opt_octets) * GROWTH_MAX;
        let mut reply = Reply::start(out, question, rcode, Flags::default())?;
        if is_forged {
            for records in [first, second] {
                let (octets, count) =
                    records.fit(room.saturating_sub(reply.len() + opt_octets + codes_octets));
                reply.push_answers(octets, count);
            }
        } else {
            reply.push_authorities(&self.soa, 1);
        }
        let untold = reply.len() + opt_octets + codes_octets;
        let text = if untold + self.authority.len() <= room {
            &*self.authority
        } else {
            ""
        };
        let errors = [(ede::FORGED, ""), (self.code, text)];
        let errors = if is_forged {
            errors.as_slice()
        } else {
            errors.get(1..)?
        };
        Some(reply.finish(question, rcode, errors))
    }
}

impl Page {
    fn write_why(
        &self,
        question: &Question<'_>,
        why: &[Box<str>; 3],
        out: &mut [u8],
    ) -> Option<usize> {
        let room = out.len();
        let mut reply = Reply::start(out, question, self.nodata_rcode, Flags::default())?;
        reply.push_authorities(&self.soa, 1);
        let left = room.saturating_sub(reply.len() + OPT_OCTETS + EDE_OCTETS);
        let text = why
            .iter()
            .find(|text| text.len() <= left)
            .map_or("", |text| &**text);
        Some(reply.finish(question, self.nodata_rcode, &[(self.code, text)]))
    }
}

/// The I-JSON of a list, with and without what may be left out: `c` whom to ask, `j` why, `o` who
/// says so, `l` in which language; `fdbs` where it is on public record
/// (draft-ietf-dnsop-filtering-transparency section 2.2).
fn explain(rules: &ListRules) -> Option<[Box<str>; 3]> {
    if rules.contact.is_empty() && rules.filtering_databases.is_empty() {
        return None;
    }
    let array = |key: &str, values: Vec<String>| {
        let is_told = !values.is_empty();
        is_told.then(|| format!("\"{key}\":[{}]", values.join(",")))
    };
    let contact = rules.contact.iter().map(|contact| quote(contact));
    let contact = array("c", contact.collect());
    let databases = rules.filtering_databases.iter().map(|entry| {
        format!(
            "{{\"db\":{},\"id\":{}}}",
            quote(&entry.db),
            quote(&entry.id)
        )
    });
    let databases = array("fdbs", databases.collect());
    let words = Some(format!(
        "\"j\":{},\"o\":{},\"l\":{}",
        quote(&rules.legal_basis),
        quote(&rules.authority),
        quote(&rules.language),
    ));
    let object = |members: &[&Option<String>]| {
        let members: Vec<&str> = members
            .iter()
            .filter_map(|member| member.as_deref())
            .collect();
        format!("{{{}}}", members.join(",")).into_boxed_str()
    };
    let least = if contact.is_some() {
        &contact
    } else {
        &databases
    };
    Some([
        object(&[&contact, &words, &databases]),
        object(&[&contact, &databases]),
        object(&[least]),
    ])
}

/// A JSON string; there are no control characters in it.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Records {
    fn none() -> Self {
        Self {
            octets: Box::default(),
            count: 0,
        }
    }

    fn new<const N: usize>(
        rtype: u16,
        ttl_s: u32,
        addresses: impl Iterator<Item = [u8; N]>,
    ) -> Self {
        let mut octets = Vec::new();
        let mut count = 0;
        for address in addresses {
            push_head(&mut octets, rtype, ttl_s, N as u16);
            octets.extend_from_slice(&address);
            count += 1;
        }
        Self {
            octets: octets.into(),
            count,
        }
    }

    /// As many of the first records as fit into `room`, all being of one length; any question
    /// leaves room for one.
    fn fit(&self, room: usize) -> (&[u8], u16) {
        let each = self
            .octets
            .len()
            .checked_div(usize::from(self.count))
            .unwrap_or(0);
        let count = room
            .checked_div(each)
            .map_or(0, |fitting| fitting.min(usize::from(self.count)));
        (
            self.octets.get(..count * each).unwrap_or_default(),
            count as u16,
        )
    }
}

/// The SOA record of a negative answer (RFC 2308), owned by the question's name: a parent would
/// show where the entry stands.
pub(super) fn soa(ttl_s: u32) -> Box<[u8]> {
    let mut data = vec![0xc0, HEADER_OCTETS as u8, 0];
    for number in [1, 3600, 1200, 604_800, ttl_s] {
        data.extend_from_slice(&u32::to_be_bytes(number));
    }
    let mut octets = Vec::new();
    push_head(&mut octets, rtype::SOA, ttl_s, data.len() as u16);
    octets.extend_from_slice(&data);
    octets.into()
}

/// A record's owner (a pointer to the question), type, class, TTL and data length.
pub(super) fn push_head(octets: &mut Vec<u8>, rtype: u16, ttl_s: u32, data_octets: u16) {
    octets.extend_from_slice(&[0xc0, HEADER_OCTETS as u8]);
    octets.extend_from_slice(&rtype.to_be_bytes());
    octets.extend_from_slice(&class::IN.to_be_bytes());
    octets.extend_from_slice(&ttl_s.to_be_bytes());
    octets.extend_from_slice(&data_octets.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::FilteringDatabaseEntry;
    use crate::wire::{self, Message};

    /// What a reply says: response code, flag octets, (type, ttl, data) of its records, and its
    /// extended errors.
    #[derive(Debug, PartialEq)]
    struct Said {
        rcode: u16,
        flags: [u8; 2],
        records: Vec<(u16, u32, Vec<u8>)>,
        errors: Vec<(u16, String)>,
    }

    fn ask(action: Action, qtype: u16, edns: bool) -> Said {
        let mut packet = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07BLocked\x07example\0".to_vec();
        packet.extend([qtype.to_be_bytes(), 1u16.to_be_bytes()].concat());
        if edns {
            packet[11] = 1;
            packet.extend(b"\0\0\x29\x10\0\0\0\0\0\0\0");
        }
        let rules = ListRules {
            id: "example".to_owned(),
            authority: "Example Authority".to_owned(),
            legal_basis: "Example Act".to_owned(),
            basis: Basis::Law,
            contact: Vec::new(),
            filtering_databases: Vec::new(),
            language: "en".to_owned(),
            action,
            ttl_s: 60,
        };
        let question = wire::read(&packet).ok().unwrap();
        let mut out = [0; 1232];
        let len = Page::new(&rules)
            .write(&question, Channel::Open, &mut out)
            .unwrap();
        assert!(
            len <= packet.len() * GROWTH_MAX,
            "{len} octets for a question of {}",
            packet.len()
        );
        assert_eq!(out[12..33], packet[12..33], "the spelling comes back");
        read(&out[..len])
    }

    fn read(reply: &[u8]) -> Said {
        let message = Message::new(reply).unwrap();
        let mut said = Said {
            rcode: message.rcode(),
            flags: [reply[2], reply[3]],
            records: Vec::new(),
            errors: Vec::new(),
        };
        message
            .walk(|record| {
                let mut data = &reply[record.data_at..record.end];
                if record.rtype != rtype::OPT {
                    said.records
                        .push((record.rtype, record.ttl_s, data.to_vec()));
                    return;
                }
                while let [0, 15, _, len, high, low, rest @ ..] = data {
                    let (text, rest) = rest.split_at(usize::from(*len) - 2);
                    said.errors.push((
                        u16::from_be_bytes([*high, *low]),
                        String::from_utf8(text.to_vec()).unwrap(),
                    ));
                    data = rest;
                }
            })
            .unwrap();
        said
    }

    fn stop_page() -> Action {
        Action::StopPage {
            v4: vec!["192.0.2.1".parse().unwrap()],
            v6: vec!["2001:db8::1".parse().unwrap()],
        }
    }

    #[test]
    fn addresses_are_forged_and_said_to_be() {
        let said = ask(stop_page(), rtype::A, true);
        assert_eq!((said.rcode, said.flags), (rcode::NOERROR, [0x81, 0x80]));
        assert_eq!(said.records, [(rtype::A, 60, vec![192, 0, 2, 1])]);
        assert_eq!(
            said.errors,
            [(4, String::new()), (16, "Example Authority".to_owned())]
        );
        assert_eq!(
            ask(stop_page(), rtype::AAAA, false).records[0].2[..4],
            [0x20, 0x01, 0x0d, 0xb8]
        );
        assert_eq!(ask(stop_page(), rtype::ANY, false).records.len(), 2);
    }

    #[test]
    fn many_addresses_do_not_amplify() {
        let v4 = (1..=200).map(|host| [192, 0, 2, host].into()).collect();
        let v6 = (1..=200)
            .map(|host: u128| (0x2001_0db8 << 96 | host).into())
            .collect();
        let many = Action::StopPage { v4, v6 };
        // Of three times 33 octets, or 44 with OPT, the question and the extended errors leave 66,
        // or 76.
        for (qtype, edns, count) in [
            (rtype::A, false, 4),
            (rtype::AAAA, false, 2),
            (rtype::ANY, false, 4),
            (rtype::A, true, 4),
            (rtype::AAAA, true, 2),
        ] {
            assert_eq!(
                ask(many.clone(), qtype, edns).records.len(),
                count,
                "type {qtype}"
            );
        }
    }

    #[test]
    fn other_types_have_no_data() {
        for qtype in [
            rtype::HTTPS,
            rtype::SVCB,
            rtype::TXT,
            2,
            6,
            12,
            15,
            33,
            43,
            46,
            47,
            48,
            50,
            1000,
        ] {
            let said = ask(stop_page(), qtype, true);
            assert_eq!(said.rcode, rcode::NOERROR, "type {qtype}");
            assert!(
                matches!(said.records.as_slice(), [(rtype::SOA, 60, _)]),
                "type {qtype}"
            );
            assert_eq!(
                said.errors,
                [(16, "Example Authority".to_owned())],
                "type {qtype}"
            );
        }
        let v4_alone = Action::StopPage {
            v4: vec!["192.0.2.1".parse().unwrap()],
            v6: vec![],
        };
        assert!(matches!(
            ask(v4_alone, rtype::AAAA, false).records.as_slice(),
            [(rtype::SOA, ..)]
        ));
    }

    #[test]
    fn nxdomain_is_said_for_every_type() {
        for qtype in [rtype::A, rtype::AAAA, rtype::ANY, rtype::HTTPS, rtype::TXT] {
            let said = ask(Action::NxDomain, qtype, true);
            assert_eq!(
                (said.rcode, said.records.len()),
                (rcode::NXDOMAIN, 1),
                "type {qtype}"
            );
            assert_eq!(said.errors.len(), 1);
        }
    }

    /// A question for structured errors.
    const STRUCTURED: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01a\0\0\x01\0\x01\
        \0\0\x29\x10\0\0\0\0\0\0\x04\0\x1a\0\0";
    const CONTACT: &str = r#"{"c":["mailto:a@authority.example","tel:+1-555-0100"]"#;

    fn with_contact() -> ListRules {
        ListRules {
            id: "example".to_owned(),
            authority: "The \"Authority\"".to_owned(),
            legal_basis: "Act".to_owned(),
            basis: Basis::Law,
            contact: vec![
                "mailto:a@authority.example".to_owned(),
                "tel:+1-555-0100".to_owned(),
            ],
            filtering_databases: Vec::new(),
            language: "en".to_owned(),
            action: Action::StopPage {
                v4: vec![[192, 0, 2, 1].into()],
                v6: vec![],
            },
            ttl_s: 60,
        }
    }

    fn told(rules: &ListRules, packet: &[u8], way: Channel, room: usize) -> Said {
        let mut out = [0; 1232];
        let len = Page::new(rules)
            .write(&wire::read(packet).ok().unwrap(), way, &mut out[..room])
            .unwrap();
        read(&out[..len])
    }

    #[test]
    fn programs_are_told_why_over_an_encrypted_way_alone() {
        let (mut packet, mut rules) = (STRUCTURED.to_vec(), with_contact());
        let why = told(&rules, &packet, Channel::Encrypted, 1232);
        assert_eq!((why.rcode, why.records[0].0), (rcode::NOERROR, rtype::SOA));
        let json = format!(r#"{CONTACT},"j":"Act","o":"The \"Authority\"","l":"en"}}"#);
        assert_eq!(why.errors, [(ede::CENSORED, json)]);
        let least = told(&rules, &packet, Channel::Encrypted, 160);
        assert_eq!(least.errors, [(ede::CENSORED, format!("{CONTACT}}}"))]);
        let is_page =
            |said: &Said| said.records[0].0 == rtype::A && said.errors[0].0 == ede::FORGED;
        assert!(
            is_page(&told(&rules, &packet, Channel::Open, 1232)),
            "in the open"
        );
        rules.contact.clear();
        assert!(
            is_page(&told(&rules, &packet, Channel::Encrypted, 1232)),
            "nobody to complain to"
        );
        rules.contact.push("tel:1".to_owned());
        packet.truncate(packet.len() - 4);
        let at = packet.len() - 1;
        packet[at] = 0;
        assert!(
            is_page(&told(&rules, &packet, Channel::Encrypted, 1232)),
            "unasked"
        );
    }

    /// The form of draft-ietf-dnsop-filtering-transparency sections 1.1 and 2.2.
    #[test]
    fn programs_are_told_where_it_is_on_record() {
        let entry = |db: &str, id: &str| FilteringDatabaseEntry {
            db: db.to_owned(),
            id: id.to_owned(),
        };
        let mut rules = ListRules {
            filtering_databases: vec![entry("example", "abc123"), entry("lumen", "def456")],
            ..with_contact()
        };
        let databases = r#""fdbs":[{"db":"example","id":"abc123"},{"db":"lumen","id":"def456"}]"#;
        let words = r#""j":"Act","o":"The \"Authority\"","l":"en""#;
        for (room, text) in [
            (1232, format!("{CONTACT},{words},{databases}}}")),
            (230, format!("{CONTACT},{databases}}}")),
            (160, format!("{CONTACT}}}")),
            (100, String::new()),
        ] {
            let why = told(&rules, STRUCTURED, Channel::Encrypted, room);
            assert_eq!(why.errors, [(ede::CENSORED, text)], "{room} octets");
        }
        rules.contact.clear();
        assert_eq!(
            told(&rules, STRUCTURED, Channel::Encrypted, 180).errors,
            [(ede::CENSORED, format!("{{{databases}}}"))]
        );
    }
}

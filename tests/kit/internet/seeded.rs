//! Thousands of zones that a seed makes, and random questions about them: the same seed gives the
//! same names, records and questions.

use std::sync::Arc;

use hickory_proto::rr::rdata::svcb::SVCB;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, HTTPS, MX, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record};

use super::manner::Manner;
use super::zone::{Dnssec, Server, Zone, Zones, address, name};
use crate::kit::ask::Question;
use crate::kit::in_process::Order;

/// Codes that ISO 3166 leaves to its users, so that they never become anybody's top-level domain.
const TLDS: [&str; 30] = [
    "aa", "qm", "qn", "qo", "qp", "qq", "qr", "qs", "qt", "qu", "qv", "qw", "qx", "qy", "qz", "xa",
    "xb", "xc", "xd", "xe", "xf", "xg", "xh", "xi", "xj", "xk", "xl", "xm", "xn", "xo",
];
const ROOT_HOST: u8 = 1;
const TLD_HOST: u8 = 2;
/// The hosts that the zones below share.
const HOSTING: [u8; 40] = {
    let mut hosts = [0; 40];
    let mut i = 0;
    while i < 40 {
        hosts[i] = 40 + i as u8;
        i += 1;
    }
    hosts
};
const TTL_S: u32 = 3600;
/// Types that are asked for, the usual ones more often.
const KINDS: [&str; 24] = [
    "A",
    "A",
    "A",
    "A",
    "A",
    "A",
    "A",
    "A",
    "AAAA",
    "AAAA",
    "AAAA",
    "AAAA",
    "HTTPS",
    "HTTPS",
    "MX",
    "TXT",
    "NS",
    "SOA",
    "DS",
    "DNSKEY",
    "CNAME",
    "SRV",
    "CAA",
    "TYPE65280",
];
const OWNERS: [&str; 14] = [
    "",
    "www",
    "www",
    "www",
    "mail",
    "alias",
    "far",
    "any.w",
    "b.c.w",
    "deep.down.ent",
    "down.ent",
    "ent",
    "www.old",
    "missing",
];

/// What makes it all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeded {
    pub(crate) seed: u64,
    pub(crate) zones: usize,
}

/// A random question, and of what class its name is.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) dnssec_ok: bool,
    pub(crate) unchecked: bool,
    /// The part below the zone, or what else was asked for.
    pub(crate) class: &'static str,
}

impl Asking {
    pub(crate) fn question(&self) -> Question {
        let question = Question::new(&self.name, self.kind);
        let question = if self.dnssec_ok {
            question.dnssec_ok()
        } else {
            question.edns(crate::kit::ask::Edns::default()).wanting_ad()
        };
        if self.unchecked {
            question.unchecked()
        } else {
            question
        }
    }
}

impl Seeded {
    /// How the `n`th zone is called.
    pub(crate) fn zone_name(&self, n: usize) -> String {
        format!(
            "z{n}-{:x}.{}.",
            self.luck(n, 0) % 0xffff,
            TLDS[n % TLDS.len()]
        )
    }

    /// Where the `n`th zone's `far` and `old` lead.
    pub(crate) fn neighbour(&self, n: usize) -> usize {
        self.luck(n, 1) % self.zones
    }

    /// The question with this number.
    pub(crate) fn asking(&self, number: usize) -> Asking {
        let mut order = Order(self.seed ^ (number as u64).wrapping_mul(0x9e37_79b9));
        let zone = self.zone_name(order.next() % self.zones);
        let kind = KINDS[order.next() % KINDS.len()];
        let (dnssec_ok, unchecked) = (
            order.next().is_multiple_of(2),
            order.next().is_multiple_of(5),
        );
        let (name, class) = match order.next() % 20 {
            0 => (
                format!(
                    "nobody-{}.{}.",
                    order.next() % 5000,
                    TLDS[order.next() % TLDS.len()]
                ),
                "no such zone",
            ),
            1 => (
                format!("{}.", TLDS[order.next() % TLDS.len()]),
                "top-level domain",
            ),
            2 => (format!("x{}.{zone}", order.next() % 1000), "no such name"),
            3 => (
                format!("a.b.x{}.{zone}", order.next() % 1000),
                "no such name, three labels",
            ),
            _ => match OWNERS[order.next() % OWNERS.len()] {
                "" => (zone, "apex"),
                owner => (format!("{owner}.{zone}"), owner),
            },
        };
        Asking {
            name,
            kind,
            dnssec_ok,
            unchecked,
            class,
        }
    }

    fn luck(&self, n: usize, draw: u64) -> usize {
        Order(self.seed ^ (n as u64) << 8 ^ draw).next()
    }

    /// All zones: the root, thirty top-level domains and those below them.
    pub(super) fn build_zones(&self, prefix: [u8; 2]) -> Zones {
        let mut root = Zone::new(
            Name::root(),
            Dnssec::Signed,
            vec![Server::new(ROOT_HOST, Manner::Answer)],
        );
        insert_apex(&mut root, &[(name("root.test."), None)]);
        let tlds: Vec<Zone> = (0..TLDS.len()).map(build_tld).collect();
        let mut above: Vec<Zone> = tlds;
        for (i, tld) in above.iter_mut().enumerate() {
            let server = name(&format!("ns1.{}.", TLDS[i]));
            let servers = [(server, Some(address(prefix, TLD_HOST + i as u8).into()))];
            insert_apex(tld, &servers);
            delegate(&mut root, tld, &servers);
        }
        let mut zones = Zones::new();
        let mut settle = |mut zone: Zone| {
            zone.finish();
            zones.insert(zone.origin.clone(), Arc::new(zone));
        };
        for (zone, servers) in [self.build_hosting(prefix)]
            .into_iter()
            .chain((0..self.zones).map(|n| self.build_zone(n, prefix)))
        {
            let tld = above
                .iter_mut()
                .find(|tld| tld.origin.zone_of(&zone.origin))
                .expect("a top-level domain");
            delegate(tld, &zone, &servers);
            settle(zone);
        }
        above.into_iter().for_each(&mut settle);
        settle(root);
        zones
    }

    /// The zone that half of the others' servers have their names in.
    fn build_hosting(&self, prefix: [u8; 2]) -> (Zone, Servers) {
        let mut zone = Zone::new(
            name("hosting.aa."),
            Dnssec::Signed,
            vec![Server::new(HOSTING[0], Manner::Answer)],
        );
        let servers = vec![(
            name("ns40.hosting.aa."),
            Some(address(prefix, HOSTING[0]).into()),
        )];
        insert_apex(&mut zone, &servers);
        for host in HOSTING.into_iter().skip(1) {
            zone.insert(Record::from_rdata(
                name(&format!("ns{host}.hosting.aa.")),
                TTL_S,
                RData::A(A(address(prefix, host))),
            ));
        }
        (zone, servers)
    }

    fn build_zone(&self, n: usize, prefix: [u8; 2]) -> (Zone, Servers) {
        let dnssec = [
            Dnssec::Signed,
            Dnssec::Nsec3,
            Dnssec::Unsigned,
            Dnssec::Signed,
            Dnssec::Unsigned,
        ][self.luck(n, 2) % 5];
        let hosts = [0, 20].map(|offset| HOSTING[offset + self.luck(n, 3) % 20]);
        let origin = self.zone_name(n);
        let mut zone = Zone::new(
            name(&origin),
            dnssec,
            hosts.map(|host| Server::new(host, Manner::Answer)).to_vec(),
        );
        let servers: Servers = hosts
            .into_iter()
            .map(|host| match self.luck(n, 4) % 2 {
                0 => (
                    name(&format!("ns{host}.{origin}")),
                    Some(address(prefix, host).into()),
                ),
                _ => (name(&format!("ns{host}.hosting.aa.")), None),
            })
            .collect();
        insert_apex(&mut zone, &servers);
        let at = |owner: &str| {
            if owner.is_empty() {
                name(&origin)
            } else {
                name(&format!("{owner}.{origin}"))
            }
        };
        let (far, [high, low]) = (self.zone_name(self.neighbour(n)), (n as u16).to_be_bytes());
        let mut add =
            |owner: &str, data: RData| zone.insert(Record::from_rdata(at(owner), TTL_S, data));
        add("", RData::A(A::new(198, 18, high, low)));
        add("", RData::MX(MX::new(10, at("mail"))));
        add("", RData::TXT(TXT::new(vec![format!("zone {n}")])));
        add("www", RData::A(A::new(198, 19, high, low)));
        if n.is_multiple_of(2) {
            add(
                "www",
                RData::AAAA(AAAA::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, n as u16)),
            );
        }
        if n.is_multiple_of(3) {
            add(
                "www",
                RData::HTTPS(HTTPS(SVCB::new(1, Name::root(), vec![]))),
            );
        }
        add("mail", RData::A(A::new(198, 19, high, low)));
        add("alias", RData::CNAME(CNAME(at("www"))));
        add("far", RData::CNAME(CNAME(name(&format!("www.{far}")))));
        add("deep.down.ent", RData::A(A::new(198, 19, high, low)));
        if n.is_multiple_of(4) {
            add("*.w", RData::A(A::new(198, 19, high, low)));
            add(
                "*.w",
                RData::TXT(TXT::new(vec!["from a wildcard".to_owned()])),
            );
        }
        if n.is_multiple_of(5) {
            zone.insert(Zone::dname(&at("old"), &name(&far), TTL_S));
        }
        (zone, servers)
    }
}

/// Name servers and their glue.
type Servers = Vec<(Name, Option<std::net::IpAddr>)>;

fn build_tld(i: usize) -> Zone {
    let dnssec = [Dnssec::Signed, Dnssec::Nsec3OptOut, Dnssec::Unsigned][i % 3];
    Zone::new(
        name(&format!("{}.", TLDS[i])),
        dnssec,
        vec![Server::new(TLD_HOST + i as u8, Manner::Answer)],
    )
}

fn insert_apex(zone: &mut Zone, servers: &[(Name, Option<std::net::IpAddr>)]) {
    let origin = zone.origin.clone();
    let soa = SOA::new(
        servers[0].0.clone(),
        name("hostmaster.test."),
        1,
        3600,
        600,
        86_400,
        60,
    );
    zone.insert(Record::from_rdata(origin.clone(), TTL_S, RData::SOA(soa)));
    insert_servers(zone, &origin, servers);
}

fn insert_servers(zone: &mut Zone, of: &Name, servers: &[(Name, Option<std::net::IpAddr>)]) {
    for (server, glue) in servers {
        zone.insert(Record::from_rdata(
            of.clone(),
            TTL_S,
            RData::NS(NS(server.clone())),
        ));
        if let Some(std::net::IpAddr::V4(glue)) = glue {
            zone.insert(Record::from_rdata(
                server.clone(),
                TTL_S,
                RData::A(A(*glue)),
            ));
        }
    }
}

/// Puts a zone's servers and DS into its parent.
fn delegate(parent: &mut Zone, child: &Zone, servers: &[(Name, Option<std::net::IpAddr>)]) {
    insert_servers(parent, &child.origin, servers);
    if let Some(ds) = child.ds() {
        parent.insert(ds);
    }
}

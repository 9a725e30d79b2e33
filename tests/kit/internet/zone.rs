//! Zones for the tests' internet: read from `tests/cases/zones.toml`, completed with name servers and glue.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name, RData, Record, RecordSet, RecordType};
use hickory_proto::serialize::txt::Parser;
use serde::Deserialize;

use super::sign::Key;

const TTL_S: u32 = 300;

/// How long a slow server takes for each answer.
pub(crate) const SLOW: Duration = Duration::from_millis(300);

/// How a zone is signed, rightly or wrongly.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dnssec {
    Signed,
    Unsigned,
    BadSignatures,
    Expired,
    NoSignatures,
    WrongDs,
}

/// What a server does with a question.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Manner {
    #[default]
    Answer,
    Slow,
    Silent,
    Refuse,
    Fail,
    Absent,
}

impl Manner {
    /// Whether answers come, soon or late.
    pub(crate) fn answers(self) -> bool {
        matches!(self, Self::Answer | Self::Slow)
    }

    /// How long an answer takes.
    pub(crate) fn delay(self) -> Duration {
        if self == Self::Slow { SLOW } else { Duration::ZERO }
    }
}

/// A name server of a zone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerPlan {
    pub(crate) host: u8,
    #[serde(default)]
    pub(crate) manner: Manner,
    name: Option<String>,
}

/// A zone as `zones.toml` writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ZonePlan {
    name: String,
    dnssec: Dnssec,
    servers: Vec<ServerPlan>,
    #[serde(default)]
    records: String,
    #[serde(default)]
    dnames: BTreeMap<String, String>,
}

/// Record sets by name, in canonical order (RFC 4034 section 6.1), and by type.
pub(crate) type Nodes = BTreeMap<Name, BTreeMap<RecordType, RecordSet>>;

/// One zone, ready to answer.
pub(crate) struct Zone {
    pub(crate) origin: Name,
    pub(crate) dnssec: Dnssec,
    pub(crate) servers: Vec<ServerPlan>,
    pub(crate) nodes: Nodes,
}

/// All zones, by their origin.
pub(crate) type Zones = HashMap<Name, Arc<Zone>>;

/// Builds and signs every zone of `zones.toml` for servers under `prefix` (two octets after 127); also gives the root's key.
pub(crate) fn build_zones(prefix: [u8; 2]) -> (Zones, Key) {
    #[derive(Deserialize)]
    struct Plans {
        zone: Vec<ZonePlan>,
    }
    let plans: Plans = toml::from_str(include_str!("../../cases/zones.toml")).expect("zones.toml");
    let keyed: Vec<(ZonePlan, Key)> = plans
        .zone
        .into_iter()
        .map(|plan| {
            let key = Key::make(&name(&plan.name));
            (plan, key)
        })
        .collect();
    let mut zones = Zones::new();
    for (plan, key) in &keyed {
        let origin = name(&plan.name);
        let children = keyed.iter().filter(|(child, _)| parent(&keyed, child) == Some(&plan.name));
        let mut zone = Zone {
            nodes: parse(&zone_text(plan, children.clone().map(|(child, _)| child), prefix), &origin),
            origin: origin.clone(),
            dnssec: plan.dnssec,
            servers: plan.servers.clone(),
        };
        for (owner, target) in &plan.dnames {
            let rdata = RData::Unknown { code: RecordType::DNAME, rdata: NULL::with(wire(&name(target))) };
            zone.insert(Record::from_rdata(name(owner), TTL_S, rdata));
        }
        for (child, child_key) in children.filter(|(child, _)| child.dnssec != Dnssec::Unsigned) {
            let child_name = name(&child.name);
            let stranger = (child.dnssec == Dnssec::WrongDs).then(|| Key::make(&child_name));
            zone.insert(Record::from_rdata(child_name, TTL_S, stranger.as_ref().unwrap_or(child_key).ds()));
        }
        key.sign(&mut zone);
        zones.insert(origin, Arc::new(zone));
    }
    let root = keyed.into_iter().find(|(plan, _)| plan.name == ".").expect("a root zone").1;
    (zones, root)
}

/// The zone that holds `question`: the deepest one around it, or for a DS (RFC 4035 section 3.1.4.1) the one above the cut.
pub(crate) fn zone_of<'a>(zones: &'a Zones, question: &Name, kind: RecordType) -> &'a Arc<Zone> {
    let mut at = question.to_lowercase();
    if kind == RecordType::DS && !at.is_root() {
        at = at.base_name();
    }
    loop {
        match zones.get(&at) {
            Some(zone) => return zone,
            None => at = at.base_name(),
        }
    }
}

impl Zone {
    /// Adds one record to its set.
    pub(crate) fn insert(&mut self, record: Record) {
        let (owner, kind, ttl) = (record.name.clone(), record.record_type(), record.ttl);
        let sets = self.nodes.entry(owner.clone()).or_default();
        sets.entry(kind).or_insert_with(|| RecordSet::with_ttl(owner, kind, ttl)).insert(record, 1);
    }

    /// The delegation at or above `at`, nearest to the zone's own top.
    pub(crate) fn cut(&self, at: &Name) -> Option<Name> {
        let (top, labels) = (self.origin.iter().count(), at.iter().count());
        (top + 1..=labels).map(|n| at.trim_to(n)).find(|above| self.set(above, RecordType::NS).is_some())
    }

    /// The record set of a name and type.
    pub(crate) fn set(&self, owner: &Name, kind: RecordType) -> Option<&RecordSet> {
        self.nodes.get(owner)?.get(&kind)
    }
}

/// An absolute name from text.
pub(crate) fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    name.set_fqdn(true);
    name
}

fn wire(name: &Name) -> Vec<u8> {
    name.iter().flat_map(|label| [&[label.len() as u8], label].concat()).chain([0]).collect()
}

fn parent<'a>(plans: &'a [(ZonePlan, Key)], child: &ZonePlan) -> Option<&'a String> {
    let child_name = name(&child.name);
    let above = plans.iter().map(|(plan, _)| &plan.name).filter(|above| **above != child.name && name(above).zone_of(&child_name));
    above.max_by_key(|above| name(above).iter().count())
}

fn zone_text<'a>(plan: &'a ZonePlan, children: impl Iterator<Item = &'a ZonePlan>, prefix: [u8; 2]) -> String {
    let mut text = format!("$TTL {TTL_S}\n@ SOA {} hostmaster.test. 1 3600 600 86400 60\n", server_name(plan, 0));
    for zone in std::iter::once(plan).chain(children) {
        for (i, server) in zone.servers.iter().enumerate() {
            let host_name = server_name(zone, i);
            text += &format!("{} NS {host_name}\n", zone.name);
            if server.name.is_none() {
                text += &format!("{host_name} A {}\n", address(prefix, server.host));
            }
        }
    }
    text += &plan.records;
    for host in 1..=u8::MAX {
        text = text.replace(&format!("{{{host}}}"), &address(prefix, host).to_string());
    }
    text.replace("{long}", &vec![format!("\"{}\"", "long text ".repeat(25)); 6].join(" ")) + "\n"
}

fn server_name(plan: &ZonePlan, i: usize) -> String {
    plan.servers[i].name.clone().unwrap_or_else(|| format!("ns{}.{}", i + 1, plan.name))
}

/// The address of a host of the internet.
pub(crate) fn address(prefix: [u8; 2], host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, prefix[0], prefix[1], host)
}

fn parse(text: &str, origin: &Name) -> Nodes {
    let (_, sets) = Parser::new(text, None, Some(origin.clone())).parse().unwrap_or_else(|e| panic!("zone {origin}: {e}\n{text}"));
    let mut nodes = Nodes::new();
    for (key, set) in sets {
        nodes.entry(Name::from(key.name)).or_default().insert(key.record_type, set);
    }
    nodes
}

//! Reads zones from `tests/cases/zones.toml` and `hostile*.toml` and completes them with name
//! servers, glue and DS.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use hickory_proto::rr::{Name, Record};
use serde::Deserialize;

use super::expected::Expected;
use super::manner::Manner;
use super::script::Script;
use super::zone::{Dnssec, Server, Zone, Zones, address, name, parse};

const TTL_S: u32 = 300;
/// Octets of the text that `{huge}` stands for.
pub(crate) const HUGE: usize = 60_000;

/// Which zones there are.
pub(crate) const GOOD: &str = include_str!("../../cases/zones.toml");
pub(crate) const HOSTILE: [&str; 3] = [
    include_str!("../../cases/hostile.toml"),
    include_str!("../../cases/hostile_proofs.toml"),
    include_str!("../../cases/hostile_replies.toml"),
];

/// A zone as the files write it; `zones.toml` says what each key means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ZonePlan {
    name: String,
    #[serde(default = "unsigned")]
    dnssec: Dnssec,
    #[serde(default)]
    servers: Vec<Server>,
    /// For zones with one server.
    manner: Option<Manner>,
    #[serde(default)]
    records: String,
    #[serde(default)]
    dnames: BTreeMap<String, String>,
    /// Nobody delegates it: only the operator's own servers know of it.
    #[serde(default)]
    private: bool,
    /// How many zones like this one there are.
    times: Option<usize>,
    /// Name servers of which there is nothing but a name: how many, and the pattern with `#` for
    /// the number.
    namesakes: Option<(usize, String)>,
    #[serde(default)]
    extra: String,
    #[serde(default)]
    says: Vec<Script>,
    #[serde(default)]
    asks: Vec<Expected>,
}

const fn unsigned() -> Dnssec {
    Dnssec::Unsigned
}

/// The zones of these files.
pub(crate) fn read_plans(texts: &[&str]) -> Vec<ZonePlan> {
    #[derive(Deserialize)]
    struct Plans {
        zone: Vec<ZonePlan>,
    }
    let read = |text: &&str| {
        toml::from_str::<Plans>(&text.replace("{255}", &longest()))
            .unwrap_or_else(|e| panic!("zones: {e}"))
            .zone
    };
    let mut plans: Vec<ZonePlan> = texts
        .iter()
        .flat_map(read)
        .flat_map(ZonePlan::repeat)
        .collect();
    for plan in plans
        .iter_mut()
        .filter(|plan| plan.servers.is_empty() && plan.namesakes.is_none())
    {
        plan.servers
            .push(Server::new(0, plan.manner.unwrap_or_default()));
    }
    number_hosts(&mut plans);
    plans
}

/// Labels that make a name of 255 octets above `longest.test.`.
fn longest() -> String {
    [63, 63, 63, 48].map(|octets| "x".repeat(octets)).join(".")
}

/// What is asked of the zones of `hostile*.toml`, and what must come of it.
pub(crate) fn hostile_answers() -> Vec<Expected> {
    read_plans(&HOSTILE)
        .into_iter()
        .flat_map(|plan| plan.asks)
        .collect()
}

/// Builds every zone for servers under `prefix` (two octets after 127).
pub(crate) fn build_zones(plans: &[ZonePlan], prefix: [u8; 2]) -> Zones {
    let origins: HashMap<Name, usize> = plans
        .iter()
        .enumerate()
        .map(|(i, plan)| (name(&plan.name), i))
        .collect();
    let mut zones: Vec<Zone> = plans.iter().map(|plan| plan.build(prefix)).collect();
    for (child, plan) in plans.iter().enumerate() {
        let origin = zones[child].origin.clone();
        let Some(parent) = parent(&origins, &origin).map(|parent| match plan.private {
            true => child,
            false => parent,
        }) else {
            continue;
        };
        if zones[child].dnssec == Dnssec::AncestorProofs {
            zones[child].proof_key = Some(Arc::clone(&zones[parent].key));
        }
        let delegation = parse(&plan.name_servers(prefix), &origin);
        let records = delegation
            .values()
            .flat_map(|sets| sets.values())
            .flat_map(|set| set.records_without_rrsigs().cloned());
        let records: Vec<Record> = records.chain(zones[child].ds()).collect();
        for record in records {
            if plan.private && record.record_type() == hickory_proto::rr::RecordType::DS {
                continue;
            }
            zones[parent].insert(record.clone());
            if parent != child
                && zones[child].origin.zone_of(&record.name)
                && record.record_type() != hickory_proto::rr::RecordType::DS
            {
                zones[child].insert(record);
            }
        }
    }
    let finished = zones.into_iter().map(|mut zone| {
        zone.finish();
        (zone.origin.clone(), Arc::new(zone))
    });
    finished.collect()
}

fn parent(origins: &HashMap<Name, usize>, child: &Name) -> Option<usize> {
    let mut at = child.clone();
    while !at.is_root() {
        at = at.base_name();
        if let Some(parent) = origins.get(&at) {
            return Some(*parent);
        }
    }
    None
}

/// Gives each server that has none a host of its own.
fn number_hosts(plans: &mut [ZonePlan]) {
    let taken: HashSet<u8> = plans
        .iter()
        .flat_map(|plan| &plan.servers)
        .map(|server| server.host)
        .collect();
    let mut free = (1..=super::HOST_MAX).filter(|host| !taken.contains(host));
    for server in plans
        .iter_mut()
        .flat_map(|plan| &mut plan.servers)
        .filter(|server| server.host == 0)
    {
        server.host = free.next().expect("a free host");
    }
}

impl ZonePlan {
    /// The zones that one plan stands for: `#` is the number of each, `##` the next one's.
    fn repeat(self) -> Vec<Self> {
        let Some(times) = self.times else {
            return vec![self];
        };
        let numbered = |n: usize| {
            let fill = |text: &str| {
                text.replace("##", &(n + 1).to_string())
                    .replace('#', &n.to_string())
            };
            let mut plan = self.clone();
            plan.name = fill(&plan.name);
            plan.records = fill(&plan.records);
            plan.servers
                .iter_mut()
                .for_each(|server| server.name = server.name.as_deref().map(fill));
            // The namesakes have numbers of their own; only the next zone's is ours to fill in.
            plan.namesakes = plan
                .namesakes
                .map(|(count, pattern)| (count, pattern.replace("##", &(n + 1).to_string())));
            plan.asks.retain(|_| n == 1);
            plan
        };
        (1..=times).map(numbered).collect()
    }

    fn build(&self, prefix: [u8; 2]) -> Zone {
        let origin = name(&self.name);
        let mut zone = Zone::new(origin.clone(), self.dnssec, self.servers.clone());
        let text = format!(
            "$TTL {TTL_S}\n@ SOA {} hostmaster.test. 1 3600 600 86400 60\n{}\n",
            self.server_name(0),
            self.records
        );
        zone.private = self.private;
        zone.nodes = parse(&fill(&text, prefix), &origin);
        for set in parse(
            &fill(&format!("$TTL {TTL_S}\n{}\n", self.extra), prefix),
            &Name::root(),
        )
        .values()
        .flat_map(|sets| sets.values())
        {
            zone.extra.extend(set.records_without_rrsigs().cloned());
        }
        // The root has no parent that would tell of its servers.
        if origin.is_root() {
            for (owner, sets) in parse(&self.name_servers(prefix), &origin) {
                zone.nodes.entry(owner).or_default().extend(sets);
            }
        }
        for (owner, target) in &self.dnames {
            zone.insert(Zone::dname(&name(owner), &name(target), TTL_S));
        }
        zone.scripts = self
            .says
            .iter()
            .map(|script| script.keyed(&origin))
            .collect();
        zone
    }

    /// NS records and glue.
    fn name_servers(&self, prefix: [u8; 2]) -> String {
        let mut text = format!("$TTL {TTL_S}\n");
        for (i, server) in self.servers.iter().enumerate() {
            let host_name = self.server_name(i);
            text += &format!("{} NS {host_name}\n", self.name);
            let glue = server
                .glue
                .clone()
                .unwrap_or_else(|| address(prefix, server.host).to_string());
            if !glue.is_empty() && (server.name.is_none() || server.glue.is_some()) {
                text += &format!("{host_name} A {glue}\n");
            }
        }
        if let Some((count, pattern)) = &self.namesakes {
            (1..=*count).for_each(|n| {
                text += &format!(
                    "{} NS {}\n",
                    self.name,
                    pattern.replace('#', &n.to_string())
                )
            });
        }
        fill(&text, prefix)
    }

    fn server_name(&self, i: usize) -> String {
        let named = self.servers.get(i).and_then(|server| server.name.clone());
        named.unwrap_or_else(|| format!("ns{}.{}", i + 1, self.name))
    }
}

/// Puts addresses for `{host}` and texts for `{long}` and `{huge}`.
fn fill(text: &str, prefix: [u8; 2]) -> String {
    let mut text = text.to_owned();
    if text.contains('{') {
        for host in 1..=u8::MAX {
            text = text.replace(&format!("{{{host}}}"), &address(prefix, host).to_string());
        }
        text = text.replace(
            "{long}",
            &vec![format!("\"{}\"", "long text ".repeat(25)); 6].join(" "),
        );
        text = text.replace(
            "{huge}",
            &vec![format!("\"{}\"", "x".repeat(250)); HUGE / 250].join(" "),
        );
    }
    text
}

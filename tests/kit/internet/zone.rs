//! A zone of the tests' internet: its records by name, its key, and what is wrong with it.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name, RData, Record, RecordSet, RecordType};
use hickory_proto::serialize::txt::Parser;
use serde::Deserialize;

use super::manner::Manner;
use super::proof::{Hashed, Proofs};
use super::script::Scripts;
use super::sign::Key;

/// How a zone is signed, rightly or wrongly.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dnssec {
    Signed,
    Unsigned,
    Nsec3,
    Nsec3OptOut,
    Nsec3At50,
    Nsec3At51,
    Nsec3At2500,
    BadSignatures,
    Expired,
    Future,
    WrongSigner,
    NoSignatures,
    NoProofs,
    NoKeys,
    WrongDs,
    UnknownAlgorithm,
    UnknownDigest,
    CollidingKeys,
    AncestorProofs,
}

impl Dnssec {
    /// Whether a validating resolver finds the zone secure.
    pub(crate) fn is_secure(self) -> bool {
        matches!(
            self,
            Self::Signed | Self::Nsec3 | Self::Nsec3OptOut | Self::Nsec3At50
        )
    }

    /// Whether a validating resolver can find neither that it is signed nor that it is bogus.
    pub(crate) fn is_insecure(self) -> bool {
        matches!(
            self,
            Self::Unsigned | Self::UnknownAlgorithm | Self::UnknownDigest
        )
    }

    fn proofs(self) -> Proofs {
        let nsec3 = |iterations, opt_out| Proofs::Nsec3 {
            iterations,
            opt_out,
        };
        match self {
            Self::Unsigned | Self::NoKeys | Self::NoProofs | Self::NoSignatures => Proofs::None,
            Self::Nsec3 => nsec3(0, false),
            Self::Nsec3OptOut => nsec3(0, true),
            Self::Nsec3At50 => nsec3(50, false),
            Self::Nsec3At51 => nsec3(51, false),
            Self::Nsec3At2500 => nsec3(2500, false),
            _ => Proofs::Nsec,
        }
    }
}

/// A name server of a zone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// The last octet of its address.
    #[serde(default)]
    pub(crate) host: u8,
    #[serde(default)]
    pub(crate) manner: Manner,
    /// Its host name; by default one in the zone itself, with glue.
    pub(super) name: Option<String>,
    /// What the glue says instead of its address; empty for no glue at all.
    pub(super) glue: Option<String>,
}

impl Server {
    /// A good one without a name of its own.
    pub(super) fn new(host: u8, manner: Manner) -> Self {
        Self {
            host,
            manner,
            name: None,
            glue: None,
        }
    }
}

/// Record sets by name, in canonical order (RFC 4034 section 6.1), and by type.
pub(crate) type Nodes = BTreeMap<Name, BTreeMap<RecordType, RecordSet>>;

/// One zone, ready to answer.
pub(crate) struct Zone {
    pub(crate) origin: Name,
    pub(crate) dnssec: Dnssec,
    pub(crate) servers: Vec<Server>,
    pub(crate) nodes: Nodes,
    /// Nobody delegates it.
    pub(crate) private: bool,
    /// Records that come along with every answer, whoever they belong to.
    pub(super) extra: Vec<Record>,
    /// What it says to some questions whatever it holds.
    pub(super) scripts: Scripts,
    pub(super) key: Arc<Key>,
    /// Signs its proofs of absence in the place of its own key.
    pub(super) proof_key: Option<Arc<Key>>,
    pub(super) hashed: Option<Hashed>,
}

/// Zones by their origin.
pub(crate) type Zones = HashMap<Name, Arc<Zone>>;

/// The deepest of the wanted zones that holds `question`; for a DS (RFC 4035 section 3.1.4.1) the
/// one above the cut, where it is wanted.
pub(crate) fn zone_of<'a>(
    zones: &'a Zones,
    question: &Name,
    kind: RecordType,
    wanted: impl Fn(&Zone) -> bool,
) -> Option<&'a Arc<Zone>> {
    let question = question.to_lowercase();
    let above = (0..=question.iter().count())
        .rev()
        .map(|labels| question.trim_to(labels));
    let mut around = above
        .filter_map(|origin| zones.get(&origin))
        .filter(|zone| wanted(zone));
    let deepest = around.next()?;
    if kind == RecordType::DS && deepest.origin == question {
        around.next().or(Some(deepest))
    } else {
        Some(deepest)
    }
}

impl Zone {
    /// A zone with a key and nothing in it.
    pub(super) fn new(origin: Name, dnssec: Dnssec, servers: Vec<Server>) -> Self {
        let key = Arc::new(Key::make(&origin, dnssec));
        Self {
            proof_key: None,
            origin,
            dnssec,
            servers,
            nodes: Nodes::new(),
            private: false,
            extra: vec![],
            scripts: Scripts::new(),
            key,
            hashed: None,
        }
    }

    /// Adds its keys and proofs, when everything else is there.
    pub(super) fn finish(&mut self) {
        if !matches!(self.dnssec, Dnssec::Unsigned | Dnssec::NoKeys) {
            self.key
                .dnskeys(self.dnssec)
                .into_iter()
                .for_each(|key| self.insert(key));
        }
        self.hashed = self.add_proofs(self.dnssec.proofs());
    }

    /// The DS that its parent has of it, fitting or not.
    pub(super) fn ds(&self) -> Option<Record> {
        let key = match self.dnssec {
            Dnssec::Unsigned => return None,
            Dnssec::WrongDs => &Key::make(&self.origin, self.dnssec),
            _ => &*self.key,
        };
        Some(Record::from_rdata(
            self.origin.clone(),
            300,
            key.ds(self.dnssec),
        ))
    }

    /// The signatures that go with a set.
    pub(super) fn signatures(&self, set: &RecordSet) -> Vec<Record> {
        let is_proof = matches!(set.record_type(), RecordType::NSEC | RecordType::NSEC3);
        let key = self.proof_key.as_ref().filter(|_| is_proof);
        key.unwrap_or(&self.key).signatures(set, self.dnssec)
    }

    /// Signatures that say to go with a set, and do not.
    pub(super) fn rotten_signatures(&self, set: &RecordSet) -> Vec<Record> {
        self.key.signatures(set, Dnssec::BadSignatures)
    }

    /// Signatures over a set, which say that its name had so many labels.
    pub(super) fn relabelled_signatures(&self, set: &RecordSet, labels: u8) -> Vec<Record> {
        vec![self.key.relabelled(set, labels)]
    }

    /// Adds one record to its set.
    pub(crate) fn insert(&mut self, record: Record) {
        let (owner, kind, ttl) = (record.name.clone(), record.record_type(), record.ttl);
        let sets = self.nodes.entry(owner.clone()).or_default();
        sets.entry(kind)
            .or_insert_with(|| RecordSet::with_ttl(owner, kind, ttl))
            .insert(record, 1);
    }

    /// A DNAME, which hickory cannot read.
    pub(super) fn dname(owner: &Name, target: &Name, ttl_s: u32) -> Record {
        let wire = target
            .iter()
            .flat_map(|label| [&[label.len() as u8], label].concat())
            .chain([0])
            .collect();
        let rdata = RData::Unknown {
            code: RecordType::DNAME,
            rdata: NULL::with(wire),
        };
        Record::from_rdata(owner.clone(), ttl_s, rdata)
    }

    /// The delegation at or above `at`, nearest to the zone's own top.
    pub(crate) fn cut(&self, at: &Name) -> Option<Name> {
        let (top, labels) = (self.origin.iter().count(), at.iter().count());
        (top + 1..=labels)
            .map(|n| at.trim_to(n))
            .find(|above| self.set(above, RecordType::NS).is_some())
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

/// The address of a host of the internet.
pub(crate) fn address(prefix: [u8; 2], host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, prefix[0], prefix[1], host)
}

/// The sets of zone file lines.
pub(super) fn parse(text: &str, origin: &Name) -> Nodes {
    let (_, sets) = Parser::new(text, None, Some(origin.clone()))
        .parse()
        .unwrap_or_else(|e| panic!("zone {origin}: {e}\n{text}"));
    let mut nodes = Nodes::new();
    for (key, set) in sets {
        nodes
            .entry(Name::from(key.name))
            .or_default()
            .insert(key.record_type, set);
    }
    nodes
}

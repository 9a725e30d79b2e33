//! The proofs of absence of a zone of the tests' internet: a chain of NSEC (RFC 4034) or of NSEC3
//! records (RFC 5155).

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::dnssec::Nsec3HashAlgorithm;
use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC, NSEC3};
use hickory_proto::rr::{Name, RData, Record, RecordSet, RecordType};

use super::zone::Zone;

const TTL_S: u32 = 60;
const SALT: [u8; 2] = [0xab, 0xcd];

/// How a zone proves what it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proofs {
    None,
    Nsec,
    Nsec3 { iterations: u16, opt_out: bool },
}

/// The NSEC3 records of a zone, by hash.
pub(crate) struct Hashed {
    iterations: u16,
    chain: BTreeMap<Vec<u8>, RecordSet>,
}

impl Zone {
    /// Adds the NSEC chain, or gives the NSEC3 chain, over all that the zone has now.
    pub(crate) fn add_proofs(&mut self, proofs: Proofs) -> Option<Hashed> {
        match proofs {
            Proofs::None => None,
            Proofs::Nsec => {
                let chain = self.nsec_chain();
                chain.into_iter().for_each(|record| self.insert(record));
                None
            }
            Proofs::Nsec3 {
                iterations,
                opt_out,
            } => Some(Hashed {
                iterations,
                chain: self.nsec3_chain(iterations, opt_out),
            }),
        }
    }

    fn nsec_chain(&self) -> Vec<Record> {
        let owners: Vec<&Name> = self
            .nodes
            .keys()
            .filter(|owner| self.cut(owner).is_none_or(|cut| cut == **owner))
            .collect();
        let record = |(i, owner): (usize, &&Name)| {
            let nsec =
                NSEC::new_cover_self(owners[(i + 1) % owners.len()].clone(), self.types_at(owner));
            Record::from_rdata(
                (*owner).clone(),
                TTL_S,
                RData::DNSSEC(DNSSECRData::NSEC(nsec)),
            )
        };
        owners.iter().enumerate().map(record).collect()
    }

    fn nsec3_chain(&self, iterations: u16, opt_out: bool) -> BTreeMap<Vec<u8>, RecordSet> {
        let top = self.origin.iter().count();
        let mut names = BTreeSet::new();
        for owner in self.nodes.keys() {
            let is_left_out = self.cut(owner).is_some_and(|cut| {
                cut != *owner || opt_out && self.set(owner, RecordType::DS).is_none()
            });
            if !is_left_out {
                // Empty non-terminals have a hash too.
                names.extend((top..=owner.iter().count()).map(|labels| owner.trim_to(labels)));
            }
        }
        let hashes: BTreeMap<Vec<u8>, Name> = names
            .into_iter()
            .map(|name| (hash(&name, iterations), name))
            .collect();
        let nexts = hashes.keys().cycle().skip(1);
        let record = |((hash, name), next): ((&Vec<u8>, &Name), &Vec<u8>)| {
            let types = self.types_at(name).collect::<Vec<_>>();
            let is_signed = types.iter().any(|kind| *kind != RecordType::NS);
            let types = types
                .into_iter()
                .chain(is_signed.then_some(RecordType::RRSIG));
            let nsec3 = NSEC3::new(
                Nsec3HashAlgorithm::SHA1,
                opt_out,
                iterations,
                SALT.to_vec(),
                next.clone(),
                types,
            );
            let owner = self
                .origin
                .prepend_label(data_encoding::BASE32_DNSSEC.encode(hash))
                .expect("a short name");
            let mut set = RecordSet::with_ttl(owner.clone(), RecordType::NSEC3, TTL_S);
            set.insert(
                Record::from_rdata(owner, TTL_S, RData::DNSSEC(DNSSECRData::NSEC3(nsec3))),
                1,
            );
            (hash.clone(), set)
        };
        hashes.iter().zip(nexts).map(record).collect()
    }

    /// The types at a name; above a cut only those that are the parent's.
    fn types_at(&self, owner: &Name) -> impl Iterator<Item = RecordType> {
        let is_cut = self.cut(owner).is_some();
        let kinds = self
            .nodes
            .get(owner)
            .into_iter()
            .flat_map(|sets| sets.keys().copied());
        kinds.filter(move |kind| !is_cut || matches!(kind, RecordType::NS | RecordType::DS))
    }
}

impl Hashed {
    /// The record that stands at the name.
    pub(crate) fn matching(&self, name: &Name) -> Option<&RecordSet> {
        self.chain.get(&hash(name, self.iterations))
    }

    /// The record whose gap the name falls into.
    pub(crate) fn covering(&self, name: &Name) -> Option<&RecordSet> {
        let before = self.chain.range(..hash(name, self.iterations)).next_back();
        before
            .or_else(|| self.chain.iter().next_back())
            .map(|(_, set)| set)
    }
}

fn hash(name: &Name, iterations: u16) -> Vec<u8> {
    Nsec3HashAlgorithm::SHA1
        .hash(&SALT, &name.to_lowercase(), iterations)
        .expect("a hash")
        .as_ref()
        .to_vec()
}

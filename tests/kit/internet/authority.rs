//! Answers a question from one zone as an authority does (RFC 1034 section 4.3.2, RFC 4035 section
//! 3.1, RFC 6672).
//!
//! Written by hand, because an oracle should not share the mistakes of the library under test:
//! hickory-server's zone handlers set AA on referrals, send no DS or NSEC with them, let a wildcard
//! answer for a name that exists, and know no DNAME.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordSet, RecordType};

use super::zone::Zone;

/// What an authority says.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) rcode: ResponseCode,
    pub(crate) authoritative: bool,
    /// RA: the server says that it would ask others too.
    pub(crate) recursive: bool,
    pub(crate) answers: Vec<Record>,
    pub(crate) authorities: Vec<Record>,
    pub(crate) additionals: Vec<Record>,
}

impl Reply {
    /// A reply without records.
    pub(crate) fn bare(rcode: ResponseCode) -> Self {
        Self {
            rcode,
            authoritative: false,
            recursive: false,
            answers: vec![],
            authorities: vec![],
            additionals: vec![],
        }
    }
}

/// Whether the asker wants signatures (the DO bit, RFC 3225).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signatures {
    Wanted,
    Unwanted,
}

impl Zone {
    /// The answer, CNAMEs followed as far as this zone goes.
    pub(crate) fn answer(
        &self,
        question: &Name,
        kind: RecordType,
        signatures: Signatures,
    ) -> Reply {
        if !self.origin.zone_of(question) {
            return Reply::bare(ResponseCode::Refused);
        }
        if let Some(script) = self.scripts.get(&(question.to_lowercase(), kind)) {
            return script.reply(self, signatures);
        }
        let mut answering = Answering {
            zone: self,
            kind,
            signatures,
            reply: Reply {
                authoritative: true,
                ..Reply::bare(ResponseCode::NoError)
            },
        };
        let mut at = question.clone();
        let mut seen = vec![];
        while let Some(target) = answering.step(&at) {
            seen.push(std::mem::replace(&mut at, target));
            if seen.contains(&at) || !self.origin.zone_of(&at) {
                break;
            }
        }
        // Records that nobody asked for, in every section where they may be believed.
        answering.reply.authorities.extend(
            self.extra
                .iter()
                .filter(|record| record.record_type() == RecordType::NS)
                .cloned(),
        );
        answering.reply.additionals.extend(
            self.extra
                .iter()
                .filter(|record| record.record_type() != RecordType::NS)
                .cloned(),
        );
        answering.reply
    }
}

struct Answering<'z> {
    zone: &'z Zone,
    kind: RecordType,
    signatures: Signatures,
    reply: Reply,
}

impl Answering<'_> {
    /// Adds what the zone knows of one name; returns where an alias points.
    fn step(&mut self, at: &Name) -> Option<Name> {
        if let Some(cut) = self
            .zone
            .cut(at)
            .filter(|cut| !(cut == at && self.kind == RecordType::DS))
        {
            if self.reply.answers.is_empty() {
                self.refer(&cut);
            }
            return None;
        }
        if let Some((owner, target)) = self.dname(at) {
            return self.rename(at, &owner, &target);
        }
        if self.exists(at) {
            return self.tell(at, at);
        }
        let encloser = self.encloser(at);
        let wildcard = encloser.prepend_label("*").expect("a short name");
        if self.exists(&wildcard) {
            self.prove_absent(at, &encloser);
            return self.tell(at, &wildcard);
        }
        self.reply.rcode = ResponseCode::NXDomain;
        self.deny();
        self.prove_at(&encloser);
        self.prove_absent(at, &encloser);
        self.prove_around(&wildcard);
        None
    }

    /// The deepest name at or above `at` that exists.
    fn encloser(&self, at: &Name) -> Name {
        (0..at.iter().count())
            .rev()
            .map(|n| at.trim_to(n))
            .find(|above| self.exists(above))
            .expect("the top exists")
    }

    fn exists(&self, at: &Name) -> bool {
        self.zone
            .nodes
            .range(at.clone()..)
            .next()
            .is_some_and(|(owner, _)| at.zone_of(owner))
    }

    /// Answers for `at` with what stands at `source`: the name itself or a wildcard.
    fn tell(&mut self, at: &Name, source: &Name) -> Option<Name> {
        let zone = self.zone;
        let sets = zone.nodes.get(source);
        let wanted =
            |set: &&RecordSet| self.kind == RecordType::ANY || set.record_type() == self.kind;
        let found: Vec<&RecordSet> = sets
            .into_iter()
            .flat_map(|sets| sets.values())
            .filter(wanted)
            .collect();
        if !found.is_empty() {
            for set in found {
                let records = self.records(set, at);
                self.reply.answers.extend(records);
            }
            return None;
        }
        if let Some(set) = zone.set(source, RecordType::CNAME) {
            let records = self.records(set, at);
            self.reply.answers.extend(records);
            return set
                .records_without_rrsigs()
                .find_map(|record| match &record.data {
                    RData::CNAME(cname) => Some(cname.0.clone()),
                    _ => None,
                });
        }
        self.deny();
        if let Some(hashed) = &zone.hashed {
            if source != at {
                self.prove_at(&source.base_name());
            }
            match hashed.matching(source) {
                Some(_) => self.prove_at(source),
                // A delegation that opt-out left out, asked for its DS.
                None => self.prove_unsigned(source),
            }
        } else if sets.is_some_and(|sets| sets.contains_key(&RecordType::NSEC)) {
            self.prove(source);
        } else {
            self.prove_around(source);
        }
        None
    }

    /// A referral: authority stays with the child, the parent adds its DS or the proof that there
    /// is none.
    fn refer(&mut self, cut: &Name) {
        self.reply.authoritative = false;
        let zone = self.zone;
        let Some(ns) = zone.set(cut, RecordType::NS) else {
            return;
        };
        self.reply
            .authorities
            .extend(ns.records_without_rrsigs().cloned());
        match zone.set(cut, RecordType::DS) {
            Some(ds) if self.signatures == Signatures::Wanted => {
                let records = self.records(ds, cut);
                self.reply.authorities.extend(records);
            }
            Some(_) => {}
            None => self.prove_unsigned(cut),
        }
        for record in ns.records_without_rrsigs() {
            let RData::NS(host) = &record.data else {
                continue;
            };
            if let Some(glue) = zone.set(&host.0, RecordType::A) {
                self.reply
                    .additionals
                    .extend(glue.records_without_rrsigs().cloned());
            }
        }
    }

    fn dname(&self, at: &Name) -> Option<(Name, Name)> {
        let owner = (0..at.iter().count())
            .map(|n| at.trim_to(n))
            .find(|above| self.zone.set(above, RecordType::DNAME).is_some())?;
        let record = self.zone.set(&owner, RecordType::DNAME)?.record()?;
        let RData::Unknown { rdata, .. } = &record.data else {
            return None;
        };
        Some((owner, name_from_wire(&rdata.anything)))
    }

    /// Adds the DNAME and the CNAME made from it.
    fn rename(&mut self, at: &Name, owner: &Name, target: &Name) -> Option<Name> {
        let zone = self.zone;
        let set = zone.set(owner, RecordType::DNAME)?;
        let records = self.records(set, owner);
        self.reply.answers.extend(records);
        let front = at.iter().take(at.iter().count() - owner.iter().count());
        let alias = Name::from_labels(front.chain(target.iter())).ok()?;
        self.reply.answers.push(Record::from_rdata(
            at.clone(),
            set.ttl(),
            RData::CNAME(CNAME(alias.clone())),
        ));
        Some(alias)
    }

    fn deny(&mut self) {
        if let Some(soa) = self.zone.set(&self.zone.origin, RecordType::SOA) {
            let mut records = self.records(soa, &self.zone.origin);
            records.iter_mut().for_each(|record| record.ttl = 60);
            self.reply.authorities.extend(records);
        }
    }

    /// The NSEC at `owner`.
    fn prove(&mut self, owner: &Name) {
        let nsec = self.zone.set(owner, RecordType::NSEC);
        self.prove_with(nsec);
    }

    /// The NSEC3 of `owner`, where there are such.
    fn prove_at(&mut self, owner: &Name) {
        let nsec3 = self
            .zone
            .hashed
            .as_ref()
            .and_then(|hashed| hashed.matching(owner));
        self.prove_with(nsec3);
    }

    /// That nothing at or above `at` and below `encloser` exists.
    fn prove_absent(&mut self, at: &Name, encloser: &Name) {
        match self.zone.hashed {
            Some(_) => self.prove_around(&at.trim_to(encloser.iter().count() + 1)),
            None => self.prove_around(at),
        }
    }

    /// That the delegation at `cut` has no DS.
    fn prove_unsigned(&mut self, cut: &Name) {
        match &self.zone.hashed {
            None => self.prove(cut),
            Some(hashed) if hashed.matching(cut).is_some() => self.prove_at(cut),
            // Opt-out left the delegation out, and perhaps names above it too.
            Some(hashed) => {
                let above = (0..cut.iter().count())
                    .rev()
                    .map(|labels| cut.trim_to(labels));
                let encloser = above
                    .into_iter()
                    .find(|above| hashed.matching(above).is_some())
                    .expect("the top has a hash");
                self.prove_at(&encloser);
                self.prove_absent(cut, &encloser);
            }
        }
    }

    fn prove_with(&mut self, proof: Option<&RecordSet>) {
        let Some(proof) = proof.filter(|_| self.signatures == Signatures::Wanted) else {
            return;
        };
        let records = self.records(proof, proof.name());
        if records
            .first()
            .is_some_and(|proof| !self.reply.authorities.contains(proof))
        {
            self.reply.authorities.extend(records);
        }
    }

    /// The NSEC or NSEC3 that says that `at` itself does not exist.
    fn prove_around(&mut self, at: &Name) {
        if let Some(hashed) = &self.zone.hashed {
            self.prove_with(hashed.covering(at));
            return;
        }
        let before = self
            .zone
            .nodes
            .range(..=at.clone())
            .rev()
            .find(|(_, sets)| sets.contains_key(&RecordType::NSEC));
        if let Some((owner, _)) = before {
            self.prove(&owner.clone());
        }
    }

    fn records(&self, set: &RecordSet, owner: &Name) -> Vec<Record> {
        let mut records: Vec<Record> = set.records_without_rrsigs().cloned().collect();
        if self.signatures == Signatures::Wanted {
            records.extend(self.zone.signatures(set));
        }
        records
            .iter_mut()
            .for_each(|record| record.name = owner.clone());
        records
    }
}

fn name_from_wire(mut wire: &[u8]) -> Name {
    let mut labels = vec![];
    while let [length, rest @ ..] = wire
        && *length > 0
    {
        let (label, next) = rest.split_at(usize::from(*length));
        labels.push(label);
        wire = next;
    }
    Name::from_labels(labels).expect("a name")
}

//! What validated NSEC3 records prove (RFC 5155 section 8), within the limits of RFC 9276.

use hickory_proto::dnssec::Nsec3HashAlgorithm;
use hickory_proto::dnssec::rdata::NSEC3;
use hickory_proto::rr::{Name, RecordType, RecordTypeSet};

use super::denial::{Proof, is_delegation, lacks, wildcard};
use crate::resolve::Failure;
use crate::resolve::budget::Budget;
use crate::resolve::words::label_count;

/// More iterations than these are not done: the answer is insecure (RFC 9276 section 3.2; BIND and Knot Resolver draw the line here).
pub(super) const ITERATIONS_MAX: u16 = 50;
/// Octets of a SHA-1 hash, the only algorithm there is.
pub(super) const HASH_OCTETS: usize = 20;

/// A hashed name.
pub(super) type Hash = [u8; HASH_OCTETS];

/// How a zone hashes its names (RFC 5155 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    /// Repetitions after the first.
    pub(super) iterations: u16,
    /// Appended before each.
    pub(super) salt: Vec<u8>,
}

impl Parameters {
    /// Those of one record.
    pub(super) fn of(record: &NSEC3) -> Self {
        Self { iterations: record.iterations(), salt: record.salt().to_vec() }
    }

    /// Hash a name, paid for by the block of SHA-1.
    pub(super) fn hash(&self, name: &Name, budget: &Budget) -> Result<Hash, Failure> {
        budget.pay_hashes(u32::from(self.iterations) + 1)?;
        let digest = Nsec3HashAlgorithm::SHA1.hash(&self.salt, name, self.iterations).map_err(|_| Failure::Bogus)?;
        digest.as_ref().try_into().map_err(|_| Failure::Bogus)
    }
}

/// The hash that a record's owner name carries in its first label, if it is one.
pub(super) fn owner_hash(zone: &Name, owner: &Name) -> Option<Hash> {
    let label = owner.iter().next().filter(|_| label_count(owner) == label_count(zone) + 1)?;
    let octets = data_encoding::BASE32HEX_NOPAD.decode(&label.to_ascii_uppercase()).ok()?;
    octets.try_into().ok()
}

/// A gap between two hashes, and what stands at its beginning.
struct Span<'a> {
    owner: Hash,
    next: Hash,
    record: &'a NSEC3,
}

impl Span<'_> {
    /// The last span goes round to the first hash; a span onto itself covers everything but its owner.
    fn covers(&self, hash: &Hash) -> bool {
        let (owner, next) = (&self.owner, &self.next);
        if owner < next { owner < hash && hash < next } else { hash > owner || hash < next }
    }
}

/// The NSEC3 records of one zone with the same parameters.
pub(super) struct Hashed<'a> {
    zone: &'a Name,
    parameters: Option<Parameters>,
    spans: Vec<Span<'a>>,
}

/// The closest name that exists, and the record that covers the name one label longer (RFC 5155 section 8.3).
struct Encloser<'s, 'a> {
    name: Name,
    next_closer: &'s Span<'a>,
}

impl<'a> Hashed<'a> {
    /// Records with other parameters than the first one's are left out (RFC 5155 section 8.2); those with unknown flags are not even read.
    pub(super) fn new(zone: &'a Name, records: Vec<(&'a Name, &'a NSEC3)>) -> Self {
        let parameters = records.first().map(|(_, record)| Parameters::of(record));
        let span = |(owner, record): (&Name, &'a NSEC3)| {
            let is_same = parameters.as_ref() == Some(&Parameters::of(record));
            let next = record.next_hashed_owner_name().try_into().ok().filter(|_| is_same)?;
            Some(Span { owner: owner_hash(zone, owner)?, next, record })
        };
        let spans = records.into_iter().filter_map(span).collect();
        Self { zone, parameters, spans }
    }

    /// The name does not exist, nor does the wildcard that would stand for it (RFC 5155 section 8.4).
    pub(super) fn name_error(&self, name: &Name, budget: &Budget) -> Result<Proof, Failure> {
        let Some(parameters) = self.affordable() else { return Ok(self.costly()) };
        let Some(encloser) = self.encloser(parameters, name, budget)? else { return Ok(Proof::Fails) };
        let Some(wildcard) = wildcard(&encloser.name) else { return Ok(Proof::Fails) };
        let Some(covering) = self.cover(&parameters.hash(&wildcard, budget)?) else { return Ok(Proof::Fails) };
        let opt_out = encloser.next_closer.record.opt_out() || covering.record.opt_out();
        Ok(if opt_out { Proof::OptOut } else { Proof::Holds })
    }

    /// The name, or the wildcard that stands for it, has none of the type (RFC 5155 sections 8.5 to 8.7, erratum 3441).
    pub(super) fn no_data(&self, name: &Name, rtype: RecordType, budget: &Budget) -> Result<Proof, Failure> {
        let Some(parameters) = self.affordable() else { return Ok(self.costly()) };
        if let Some(span) = self.find(&parameters.hash(name, budget)?) {
            return Ok(if lacks(span.record.type_set(), rtype, name) { Proof::Holds } else { Proof::Fails });
        }
        let Some(encloser) = self.encloser(parameters, name, budget)? else { return Ok(Proof::Fails) };
        let opt_out = encloser.next_closer.record.opt_out();
        let Some(wildcard) = wildcard(&encloser.name) else { return Ok(Proof::Fails) };
        let at_wildcard = self.find(&parameters.hash(&wildcard, budget)?);
        let denied = at_wildcard.is_some_and(|span| lacks(span.record.type_set(), rtype, &wildcard));
        Ok(match (denied, opt_out) {
            (_, true) => Proof::OptOut,
            (true, false) => Proof::Holds,
            (false, false) => Proof::Fails,
        })
    }

    /// Nothing stands closer to the name than the wildcard that answered (RFC 5155 section 8.8).
    pub(super) fn wildcard_answer(&self, name: &Name, labels: usize, budget: &Budget) -> Result<Proof, Failure> {
        let Some(parameters) = self.affordable() else { return Ok(self.costly()) };
        let next_closer = name.trim_to(labels + 1);
        Ok(match self.cover(&parameters.hash(&next_closer, budget)?) {
            Some(span) if span.record.opt_out() => Proof::OptOut,
            Some(_) => Proof::Holds,
            None => Proof::Fails,
        })
    }

    /// The types of the record that stands at the name, if one does; `None` too where hashing would cost too much.
    pub(super) fn at(&self, name: &Name, budget: &Budget) -> Result<Option<&'a RecordTypeSet>, Failure> {
        let Some(parameters) = self.affordable() else { return Ok(None) };
        let hash = parameters.hash(name, budget)?;
        Ok(self.find(&hash).map(|span| span.record.type_set()))
    }

    fn affordable(&self) -> Option<&Parameters> {
        self.parameters.as_ref().filter(|parameters| parameters.iterations <= ITERATIONS_MAX)
    }

    /// What to say where nothing is affordable.
    const fn costly(&self) -> Proof {
        if self.parameters.is_some() { Proof::TooCostly } else { Proof::Fails }
    }

    fn encloser(&self, parameters: &Parameters, name: &Name, budget: &Budget) -> Result<Option<Encloser<'_, 'a>>, Failure> {
        let zone_labels = label_count(self.zone);
        let mut longer = parameters.hash(name, budget)?;
        for labels in (zone_labels..label_count(name)).rev() {
            let candidate = name.trim_to(labels);
            let hash = parameters.hash(&candidate, budget)?;
            if let Some(span) = self.find(&hash) {
                // RFC 5155 section 8.3: a delegation or a DNAME is no proof for names below it.
                let types = span.record.type_set();
                let leads_away = is_delegation(types) || types.contains(RecordType::DNAME);
                let next_closer = self.cover(&longer).filter(|_| !leads_away);
                return Ok(next_closer.map(|next_closer| Encloser { name: candidate, next_closer }));
            }
            longer = hash;
        }
        Ok(None)
    }

    fn find(&self, hash: &Hash) -> Option<&Span<'a>> {
        self.spans.iter().find(|span| span.owner == *hash)
    }

    fn cover(&self, hash: &Hash) -> Option<&Span<'a>> {
        self.spans.iter().find(|span| span.covers(hash))
    }
}

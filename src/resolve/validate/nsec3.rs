//! What validated NSEC3 records prove (RFC 5155 section 8), within the limits of RFC 9276.

use hickory_proto::dnssec::Nsec3HashAlgorithm;
use hickory_proto::dnssec::rdata::NSEC3;
use hickory_proto::rr::{Name, RecordType, RecordTypeSet};

use super::proof::{Proof, is_delegation, lacks, wildcard};
use crate::resolve::budget::Budget;
use crate::resolve::convert::label_count;
use crate::resolve::failure::Failure;

/// More iterations than these are not done: the answer is insecure (RFC 9276 section 3.2; BIND and
/// Knot Resolver draw the line here).
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
        Self {
            iterations: record.iterations(),
            salt: record.salt().to_vec(),
        }
    }

    /// Hash a name, paid for by the block of SHA-1.
    pub(super) fn hash(&self, name: &Name, budget: &Budget) -> Result<Hash, Failure> {
        budget.pay_hashes(u32::from(self.iterations) + 1)?;
        let digest = Nsec3HashAlgorithm::SHA1
            .hash(&self.salt, name, self.iterations)
            .map_err(|_| Failure::Bogus)?;
        digest.as_ref().try_into().map_err(|_| Failure::Bogus)
    }
}

/// The hash that a record's owner name carries in its first label, if it is one.
pub(super) fn owner_hash(zone: &Name, owner: &Name) -> Option<Hash> {
    let label = owner
        .iter()
        .next()
        .filter(|_| label_count(owner) == label_count(zone) + 1)?;
    let octets = data_encoding::BASE32HEX_NOPAD
        .decode(&label.to_ascii_uppercase())
        .ok()?;
    octets.try_into().ok()
}

/// A gap between two hashes, and what stands at its beginning.
struct HashSpan<'a> {
    owner: Hash,
    next: Hash,
    record: &'a NSEC3,
}

impl HashSpan<'_> {
    /// The last span goes round to the first hash; a span onto itself covers everything but its
    /// owner.
    fn covers(&self, hash: &Hash) -> bool {
        let (owner, next) = (&self.owner, &self.next);
        if owner < next {
            owner < hash && hash < next
        } else {
            hash > owner || hash < next
        }
    }
}

/// The NSEC3 records of one zone with the same parameters.
pub(super) struct Hashed<'a> {
    zone: &'a Name,
    parameters: Option<Parameters>,
    spans: Vec<HashSpan<'a>>,
}

/// The closest name that exists, and the record that covers the name one label longer (RFC 5155
/// section 8.3).
struct Encloser<'s, 'a> {
    name: Name,
    next_closer: &'s HashSpan<'a>,
}

impl<'a> Hashed<'a> {
    /// Records with other parameters than the first one's are left out (RFC 5155 section 8.2);
    /// those with unknown flags are not even read.
    pub(super) fn new(zone: &'a Name, records: Vec<(&'a Name, &'a NSEC3)>) -> Self {
        let parameters = records.first().map(|(_, record)| Parameters::of(record));
        let span = |(owner, record): (&Name, &'a NSEC3)| {
            let is_same = parameters.as_ref() == Some(&Parameters::of(record));
            let next = record
                .next_hashed_owner_name()
                .try_into()
                .ok()
                .filter(|_| is_same)?;
            Some(HashSpan {
                owner: owner_hash(zone, owner)?,
                next,
                record,
            })
        };
        let spans = records.into_iter().filter_map(span).collect();
        Self {
            zone,
            parameters,
            spans,
        }
    }

    /// The name does not exist, nor does the wildcard that would stand for it (RFC 5155 section
    /// 8.4).
    pub(super) fn name_error(&self, name: &Name, budget: &Budget) -> Result<Proof, Failure> {
        let Some(parameters) = self.affordable() else {
            return Ok(self.costly());
        };
        let Some(encloser) = self.encloser(parameters, name, budget)? else {
            return Ok(Proof::Fails);
        };
        let Some(wildcard) = wildcard(&encloser.name) else {
            return Ok(Proof::Fails);
        };
        if self.cover(&parameters.hash(&wildcard, budget)?).is_none() {
            return Ok(Proof::Fails);
        }
        // An unsigned delegation could stand in the next closer name's span alone (RFC 5155
        // sections 6 and 9.2): what the wildcard's span leaves out is not at or above the name.
        let opt_out = encloser.next_closer.record.opt_out();
        Ok(if opt_out { Proof::OptOut } else { Proof::Holds })
    }

    /// The name, or the wildcard that stands for it, has none of the type (RFC 5155 sections 8.5 to
    /// 8.7, erratum 3441).
    pub(super) fn no_data(
        &self,
        name: &Name,
        rtype: RecordType,
        budget: &Budget,
    ) -> Result<Proof, Failure> {
        let Some(parameters) = self.affordable() else {
            return Ok(self.costly());
        };
        if let Some(span) = self.find(&parameters.hash(name, budget)?) {
            return Ok(if lacks(span.record.type_set(), rtype, name) {
                Proof::Holds
            } else {
                Proof::Fails
            });
        }
        let Some(encloser) = self.encloser(parameters, name, budget)? else {
            return Ok(Proof::Fails);
        };
        let opt_out = encloser.next_closer.record.opt_out();
        let Some(wildcard) = wildcard(&encloser.name) else {
            return Ok(Proof::Fails);
        };
        let at_wildcard = self.find(&parameters.hash(&wildcard, budget)?);
        let denied =
            at_wildcard.is_some_and(|span| lacks(span.record.type_set(), rtype, &wildcard));
        Ok(match (denied, opt_out) {
            (_, true) => Proof::OptOut,
            (true, false) => Proof::Holds,
            (false, false) => Proof::Fails,
        })
    }

    /// Nothing stands closer to the name than the wildcard that answered (RFC 5155 section 8.8).
    pub(super) fn wildcard_answer(
        &self,
        name: &Name,
        labels: usize,
        budget: &Budget,
    ) -> Result<Proof, Failure> {
        let Some(parameters) = self.affordable() else {
            return Ok(self.costly());
        };
        let next_closer = name.trim_to(labels + 1);
        Ok(match self.cover(&parameters.hash(&next_closer, budget)?) {
            Some(span) if span.record.opt_out() => Proof::OptOut,
            Some(_) => Proof::Holds,
            None => Proof::Fails,
        })
    }

    /// The types of the record that stands at the name, if one does; `None` too where hashing would
    /// cost too much.
    pub(super) fn at(
        &self,
        name: &Name,
        budget: &Budget,
    ) -> Result<Option<&'a RecordTypeSet>, Failure> {
        let Some(parameters) = self.affordable() else {
            return Ok(None);
        };
        let hash = parameters.hash(name, budget)?;
        Ok(self.find(&hash).map(|span| span.record.type_set()))
    }

    fn affordable(&self) -> Option<&Parameters> {
        self.parameters
            .as_ref()
            .filter(|parameters| parameters.iterations <= ITERATIONS_MAX)
    }

    /// What to say where nothing is affordable.
    const fn costly(&self) -> Proof {
        if self.parameters.is_some() {
            Proof::TooCostly
        } else {
            Proof::Fails
        }
    }

    fn encloser(
        &self,
        parameters: &Parameters,
        name: &Name,
        budget: &Budget,
    ) -> Result<Option<Encloser<'_, 'a>>, Failure> {
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
                return Ok(next_closer.map(|next_closer| Encloser {
                    name: candidate,
                    next_closer,
                }));
            }
            longer = hash;
        }
        Ok(None)
    }

    fn find(&self, hash: &Hash) -> Option<&HashSpan<'a>> {
        self.spans.iter().find(|span| span.owner == *hash)
    }

    fn cover(&self, hash: &Hash) -> Option<&HashSpan<'a>> {
        self.spans.iter().find(|span| span.covers(hash))
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::rdata::DNSSECRData;
    use hickory_proto::rr::RData;

    use super::super::denial::{Denial, NoDs};
    use super::super::tests::{budget, name, set};
    use super::*;
    use crate::resolve::rrset::RrSet;

    use RecordType::{A, AAAA, DNSKEY, DS, MX, NS, SOA};

    /// Owner, its hash, its types.
    type Row = (&'static str, &'static str, &'static [RecordType]);

    const OWNERS: [Row; 12] = [
        (
            "example.",
            "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom",
            &[MX, DNSKEY, NS, SOA],
        ),
        ("ns1.example.", "2t7b4g4vsa5smi47k61mv5bv1a22bojr", &[A]),
        ("x.y.w.example.", "2vptu5timamqttgl4luu9kg21e0aor3s", &[MX]),
        ("a.example.", "35mthgpgcu1qg68fab165klnsnk3dpvl", &[NS, DS]),
        ("x.w.example.", "b4um86eghhds6nea196smvmlo4ors995", &[MX]),
        (
            "ai.example.",
            "gjeqe526plbf1g8mklp59enfd789njgi",
            &[A, AAAA],
        ),
        ("y.w.example.", "ji6neoaepv8b5o6k4ev33abha8ht9fgc", &[]),
        ("w.example.", "k8udemvp1j2f7eg6jebps17vp3n8i58h", &[]),
        (
            "2t7b4g4vsa5smi47k61mv5bv1a22bojr.example.",
            "kohar7mbb8dc2ce8a9qvl8hon4k53uhi",
            &[A],
        ),
        ("ns2.example.", "q04jkcevqvmu85r014c7dkba38o0ji5r", &[A]),
        ("*.w.example.", "r53bq7cc2uvmubfu5ocmm6pers9tk9en", &[MX]),
        (
            "xx.example.",
            "t644ebqk9bibcna874givr6joj62mlhv",
            &[A, AAAA],
        ),
    ];

    /// The zone of RFC 5155 appendix A: twelve iterations, the salt aabbccdd.
    fn chain(opt_out: bool, iterations: u16) -> Vec<RrSet> {
        chain_of(|_| opt_out, iterations)
    }

    /// The same with opt-out in the spans that begin at some of the owners.
    fn chain_of(has_opt_out: impl Fn(&str) -> bool, iterations: u16) -> Vec<RrSet> {
        let next = OWNERS.iter().cycle().skip(1);
        let record = |((owner, hash, types), (_, next, _)): (&Row, &Row)| {
            let next = data_encoding::BASE32HEX_NOPAD
                .decode(next.to_uppercase().as_bytes())
                .unwrap();
            let salt = vec![0xaa, 0xbb, 0xcc, 0xdd];
            let record = NSEC3::new(
                Nsec3HashAlgorithm::SHA1,
                has_opt_out(owner),
                iterations,
                salt,
                next,
                types.iter().copied(),
            );
            set(
                &format!("{hash}.example."),
                vec![RData::DNSSEC(DNSSECRData::NSEC3(record))],
            )
        };
        OWNERS.iter().zip(next).map(record).collect()
    }

    fn proof<T>(
        opt_out: bool,
        owners: &[&str],
        ask: impl FnOnce(&Denial<'_>) -> Result<T, Failure>,
    ) -> T {
        let (zone, chain) = (name("example."), chain(opt_out, 12));
        let at = |owner: &&str| OWNERS.iter().position(|(name, ..)| name == owner).unwrap();
        let sets: Vec<&RrSet> = owners.iter().map(|owner| &chain[at(owner)]).collect();
        ask(&Denial::new(&zone, sets)).unwrap()
    }

    #[test]
    fn names_hash_as_the_standard_has_it() {
        let parameters = Parameters {
            iterations: 12,
            salt: vec![0xaa, 0xbb, 0xcc, 0xdd],
        };
        for (owner, hash, _) in OWNERS {
            let expected =
                owner_hash(&name("example."), &name(&format!("{hash}.example."))).unwrap();
            assert_eq!(
                parameters.hash(&name(owner), &budget()).unwrap(),
                expected,
                "{owner}"
            );
        }
        assert_eq!(owner_hash(&name("example."), &name("0p9m.example.")), None);
        let budget = budget();
        let costly = Parameters {
            iterations: 50,
            ..parameters
        };
        assert_eq!(
            (0..100).find_map(|_| costly.hash(&name("a."), &budget).err()),
            Some(Failure::TooMuchWork)
        );
    }

    #[test]
    fn names_that_do_not_exist() {
        let all = ["example.", "x.w.example.", "a.example."];
        let asked = name("a.c.x.w.example.");
        for (owners, expected) in [
            (&all[..], Proof::Holds),
            (&all[..2], Proof::Fails),
            (&all[1..], Proof::Fails),
            (&["example.", "a.example."], Proof::Fails),
        ] {
            assert_eq!(
                proof(false, owners, |denial| denial.name_error(&asked, &budget())),
                expected,
                "{owners:?}"
            );
        }
        assert_eq!(
            proof(true, &all, |denial| denial.name_error(&asked, &budget())),
            Proof::OptOut
        );
        // Nothing stands below a delegation in the parent.
        let all: Vec<&str> = OWNERS.iter().map(|(owner, ..)| *owner).collect();
        assert_eq!(
            proof(false, &all, |denial| denial
                .name_error(&name("b.a.example."), &budget())),
            Proof::Fails
        );
    }

    /// The span that covers the wildcard may leave out unsigned delegations; none of them has the
    /// name (RFC 5155 sections 8.6 and 9.2).
    #[test]
    fn opt_out_counts_in_the_span_of_the_next_closer_name_alone() {
        let (zone, asked) = (name("example."), name("a.c.x.w.example."));
        let (of_next_closer, of_wildcard) = ("example.", "a.example.");
        for (opted_out, error, no_ds) in [
            (of_next_closer, Proof::OptOut, NoDs::OptOut),
            (of_wildcard, Proof::Holds, NoDs::NoCut),
            ("x.w.example.", Proof::Holds, NoDs::NoCut),
        ] {
            let chain = chain_of(|owner| owner == opted_out, 12);
            let used = OWNERS.iter().zip(&chain).filter(|((owner, ..), _)| {
                [of_next_closer, of_wildcard, "x.w.example."].contains(owner)
            });
            let denial = Denial::new(&zone, used.map(|(_, set)| set));
            let found = (
                denial.name_error(&asked, &budget()),
                denial.no_ds(&asked, &budget()),
            );
            assert_eq!(found, (Ok(error), Ok(no_ds)), "{opted_out}");
        }
    }

    #[test]
    fn types_that_a_name_has_not() {
        let wildcard = ["w.example.", "ns2.example.", "*.w.example."];
        for (asked, rtype, owners, plain, opt_out) in [
            (
                "ns1.example.",
                MX,
                &["ns1.example."][..],
                Proof::Holds,
                Proof::Holds,
            ),
            (
                "ns1.example.",
                A,
                &["ns1.example."],
                Proof::Fails,
                Proof::Fails,
            ),
            (
                "y.w.example.",
                A,
                &["y.w.example."],
                Proof::Holds,
                Proof::Holds,
            ),
            (
                "a.example.",
                MX,
                &["a.example."],
                Proof::Fails,
                Proof::Fails,
            ),
            (
                "a.z.w.example.",
                AAAA,
                &wildcard,
                Proof::Holds,
                Proof::OptOut,
            ),
            ("a.z.w.example.", MX, &wildcard, Proof::Fails, Proof::OptOut),
            (
                "a.z.w.example.",
                AAAA,
                &wildcard[1..],
                Proof::Fails,
                Proof::Fails,
            ),
            (
                "a.z.w.example.",
                AAAA,
                &wildcard[..2],
                Proof::Fails,
                Proof::OptOut,
            ),
        ] {
            for (flag, expected) in [(false, plain), (true, opt_out)] {
                let found = proof(flag, owners, |denial| {
                    denial.no_data(&name(asked), rtype, &budget())
                });
                assert_eq!(found, expected, "{asked} {rtype} {owners:?} {flag}");
            }
        }
        let found = proof(false, &["ns2.example."], |denial| {
            denial.wildcard_answer(&name("a.z.w.example."), 2, &budget())
        });
        assert_eq!(found, Proof::Holds);
    }

    #[test]
    fn delegations_without_ds_and_too_many_iterations() {
        for (opt_out, expected) in [(true, NoDs::OptOut), (false, NoDs::Fails)] {
            let owners = ["example.", "a.example."];
            assert_eq!(
                proof(opt_out, &owners, |denial| denial
                    .no_ds(&name("c.example."), &budget())),
                expected
            );
        }
        assert_eq!(
            proof(true, &["a.example."], |denial| denial
                .no_ds(&name("a.example."), &budget())),
            NoDs::Fails
        );
        assert_eq!(
            proof(true, &["ns1.example."], |denial| denial
                .no_ds(&name("ns1.example."), &budget())),
            NoDs::NoCut
        );
        for (iterations, expected) in [(50, Proof::Fails), (51, Proof::TooCostly)] {
            let (zone, chain) = (name("example."), chain(false, iterations));
            assert_eq!(
                Denial::new(&zone, &chain).name_error(&name("c.example."), &budget()),
                Ok(expected)
            );
        }
    }
}

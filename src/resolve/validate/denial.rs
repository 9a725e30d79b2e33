//! What validated NSEC records prove (RFC 4035 section 5.4, RFC 6840 section 4), and the common
//! form of all proofs of absence.

use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC, NSEC3};
use hickory_proto::rr::{Name, RData, RecordType};

use super::nsec3::Hashed;
use super::proof::{Proof, is_delegation, lacks, wildcard};
use crate::resolve::budget::Budget;
use crate::resolve::convert::label_count;
use crate::resolve::failure::Failure;
use crate::resolve::rrset::RrSet;

/// What a parent's records say of a name that has no DS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoDs {
    /// A delegation without DS: the zone below is insecure.
    Delegation,
    /// The zone below, if there is one, is not vouched for (opt-out).
    OptOut,
    /// The proof cannot be followed within limits: insecure.
    TooCostly,
    /// No delegation stands at the name, which is in the parent's own zone.
    NoCut,
    /// Not proven.
    Fails,
}

/// Validated records of one zone that speak of absence.
///
/// NSEC and NSEC3 prove each by themselves: a zone that changes from the one to the other may send
/// both (RFC 5155 section 10.4), and half a proof of each is none.
pub(super) struct Denial<'a> {
    zone: &'a Name,
    plain: Vec<(&'a Name, &'a NSEC)>,
    hashed: Hashed<'a>,
}

impl<'a> Denial<'a> {
    /// Take what `sets` hold of NSEC and NSEC3; all of them must have been validated with the keys
    /// of `zone`. An NSEC whose next name is none of the zone proves nothing (RFC 4034 section
    /// 4.1.1).
    pub(super) fn new(zone: &'a Name, sets: impl IntoIterator<Item = &'a RrSet>) -> Self {
        let mut plain: Vec<(&Name, &NSEC)> = Vec::new();
        let mut hashed: Vec<(&Name, &NSEC3)> = Vec::new();
        for set in sets.into_iter().filter(|set| zone.zone_of(&set.name)) {
            for record in &set.records {
                match &record.data {
                    RData::DNSSEC(DNSSECRData::NSEC(nsec))
                        if zone.zone_of(nsec.next_domain_name()) =>
                    {
                        plain.push((&set.name, nsec));
                    }
                    RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => hashed.push((&set.name, nsec3)),
                    _ => {}
                }
            }
        }
        Self {
            zone,
            plain,
            hashed: Hashed::new(zone, hashed),
        }
    }

    /// The name does not exist, nor does a wildcard that would stand for it.
    pub(super) fn name_error(&self, name: &Name, budget: &Budget) -> Result<Proof, Failure> {
        if !self.zone.zone_of(name) {
            return Ok(Proof::Fails);
        }
        let encloser = self.closest_encloser(name);
        let wildcard = encloser.and_then(|encloser| wildcard(&encloser));
        if wildcard.is_some_and(|wildcard| self.cover(&wildcard).is_some()) {
            return Ok(Proof::Holds);
        }
        self.hashed.name_error(name, budget)
    }

    /// The name, or the wildcard that stands for it, has no records of the type, and no alias.
    pub(super) fn no_data(
        &self,
        name: &Name,
        rtype: RecordType,
        budget: &Budget,
    ) -> Result<Proof, Failure> {
        if !self.zone.zone_of(name) {
            return Ok(Proof::Fails);
        }
        let denies = |name: &Name| {
            self.plain
                .iter()
                .any(|(owner, nsec)| *owner == name && lacks(nsec.type_set(), rtype, name))
        };
        if denies(name) {
            return Ok(Proof::Holds);
        }
        // The next name stands below this one: it exists, with nothing at it (an empty
        // non-terminal).
        if self.plain.iter().any(|(owner, nsec)| {
            self.is_between(owner, nsec, name) && name.zone_of(nsec.next_domain_name())
        }) {
            return Ok(Proof::Holds);
        }
        let encloser = self.closest_encloser(name);
        let at_wildcard = encloser
            .and_then(|encloser| wildcard(&encloser))
            .is_some_and(|wildcard| denies(&wildcard));
        if at_wildcard {
            return Ok(Proof::Holds);
        }
        self.hashed.no_data(name, rtype, budget)
    }

    /// Nothing stands closer to the name than the wildcard of `labels` labels, asterisk not
    /// counted, that made the answer.
    pub(super) fn wildcard_answer(
        &self,
        name: &Name,
        labels: usize,
        budget: &Budget,
    ) -> Result<Proof, Failure> {
        let encloser = self.closest_encloser(name);
        if encloser.is_some_and(|encloser| label_count(&encloser) == labels) {
            return Ok(Proof::Holds);
        }
        self.hashed.wildcard_answer(name, labels, budget)
    }

    /// What is said of a delegation at `name` (RFC 4035 section 5.2, RFC 5155 section 8.9).
    pub(super) fn no_ds(&self, name: &Name, budget: &Budget) -> Result<NoDs, Failure> {
        let plain = self
            .plain
            .iter()
            .find(|(owner, _)| *owner == name)
            .map(|(_, nsec)| nsec.type_set());
        let types = match plain {
            Some(types) => Some(types),
            None => self.hashed.at(name, budget)?,
        };
        if let Some(types) = types {
            // With SOA it is the child's own record, which knows nothing of DS.
            let is_childs = types.contains(RecordType::SOA);
            return Ok(match types.contains(RecordType::DS) || is_childs {
                true => NoDs::Fails,
                false if types.contains(RecordType::NS) => NoDs::Delegation,
                false => NoDs::NoCut,
            });
        }
        let proof = match self.no_data(name, RecordType::DS, budget)? {
            Proof::Fails => self.name_error(name, budget)?,
            other => other,
        };
        Ok(match proof {
            Proof::Holds => NoDs::NoCut,
            Proof::OptOut => NoDs::OptOut,
            Proof::TooCostly => NoDs::TooCostly,
            Proof::Fails => NoDs::Fails,
        })
    }

    /// The closest name above that exists, as the record that covers the name shows; `None` when
    /// none covers it.
    fn closest_encloser(&self, name: &Name) -> Option<Name> {
        let (owner, nsec) = self.cover(name)?;
        let labels = shared(name, owner).max(shared(name, nsec.next_domain_name()));
        Some(name.trim_to(labels))
    }

    /// The record that says that the name does not exist.
    fn cover(&self, name: &Name) -> Option<(&'a Name, &'a NSEC)> {
        self.plain.iter().copied().find(|(owner, nsec)| {
            // RFC 6840 section 4.1: the parent's record at a zone cut, or one at a DNAME, says
            // nothing about names below.
            let types = nsec.type_set();
            let leads_away = owner.zone_of(name)
                && (is_delegation(nsec.type_set()) || types.contains(RecordType::DNAME));
            self.is_between(owner, nsec, name)
                && !leads_away
                && !name.zone_of(nsec.next_domain_name())
        })
    }

    /// Does the name stand in the gap after the owner? The last record of a zone points back to the
    /// apex.
    fn is_between(&self, owner: &Name, nsec: &NSEC, name: &Name) -> bool {
        let next = nsec.next_domain_name();
        owner < name && (name < next || next == self.zone && next.zone_of(name))
    }
}

/// Labels that two names share, from the root down.
fn shared(one: &Name, other: &Name) -> usize {
    one.iter()
        .rev()
        .zip(other.iter().rev())
        .take_while(|(one, other)| one.eq_ignore_ascii_case(other))
        .count()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{budget, name, nsec};
    use super::*;

    use RecordType::{A, AAAA, DNSKEY, DS, MX, NS, SOA};

    /// The zone of RFC 4035 appendix A.
    fn chain() -> Vec<RrSet> {
        let owners: [(&str, &[RecordType]); 10] = [
            ("example.", &[NS, SOA, MX, DNSKEY]),
            ("a.example.", &[NS, DS]),
            ("ai.example.", &[A, AAAA]),
            ("b.example.", &[NS]),
            ("ns1.example.", &[A]),
            ("ns2.example.", &[A]),
            ("*.w.example.", &[MX]),
            ("x.w.example.", &[MX]),
            ("x.y.w.example.", &[MX]),
            ("xx.example.", &[A, AAAA]),
        ];
        let next = owners.iter().cycle().skip(1);
        owners
            .iter()
            .zip(next)
            .map(|((owner, types), (next, _))| nsec(owner, next, types))
            .collect()
    }

    /// What some of the chain's records prove, by their owners.
    fn proof<T>(owners: &[&str], ask: impl FnOnce(&Denial<'_>) -> Result<T, Failure>) -> T {
        let (zone, chain) = (name("example."), chain());
        let sets: Vec<&RrSet> = owners
            .iter()
            .map(|owner| chain.iter().find(|set| set.name == name(owner)).unwrap())
            .collect();
        ask(&Denial::new(&zone, sets)).unwrap()
    }

    #[test]
    fn names_that_do_not_exist() {
        for (asked, owners, expected) in [
            ("ml.example.", ["b.example.", "example."], Proof::Holds),
            ("ml.example.", ["b.example.", "b.example."], Proof::Fails),
            ("ml.example.", ["example.", "example."], Proof::Fails),
            // It exists; it is an empty non-terminal; it is below a delegation; a wildcard stands
            // for it; it is of another zone.
            ("ns1.example.", ["ns1.example.", "example."], Proof::Fails),
            (
                "y.w.example.",
                ["x.w.example.", "ns2.example."],
                Proof::Fails,
            ),
            ("x.b.example.", ["b.example.", "example."], Proof::Fails),
            (
                "z.w.example.",
                ["x.y.w.example.", "*.w.example."],
                Proof::Fails,
            ),
            ("ml.test.", ["xx.example.", "example."], Proof::Fails),
            // After the last name the gap goes round to the apex.
            ("zz.example.", ["xx.example.", "example."], Proof::Holds),
        ] {
            assert_eq!(
                proof(&owners, |denial| denial.name_error(&name(asked), &budget())),
                expected,
                "{asked} {owners:?}"
            );
        }
    }

    #[test]
    fn types_that_a_name_has_not() {
        for (asked, rtype, owners, expected) in [
            (
                "ns1.example.",
                MX,
                ["ns1.example.", "ns1.example."],
                Proof::Holds,
            ),
            (
                "ns1.example.",
                A,
                ["ns1.example.", "ns1.example."],
                Proof::Fails,
            ),
            (
                "y.w.example.",
                A,
                ["x.w.example.", "x.w.example."],
                Proof::Holds,
            ),
            (
                "a.z.w.example.",
                AAAA,
                ["x.y.w.example.", "*.w.example."],
                Proof::Holds,
            ),
            (
                "a.z.w.example.",
                MX,
                ["x.y.w.example.", "*.w.example."],
                Proof::Fails,
            ),
            (
                "a.z.w.example.",
                AAAA,
                ["*.w.example.", "*.w.example."],
                Proof::Fails,
            ),
            // The parent's record at a cut says nothing of the child, the child's nothing of DS.
            ("b.example.", A, ["b.example.", "b.example."], Proof::Fails),
            ("example.", DS, ["example.", "example."], Proof::Fails),
        ] {
            assert_eq!(
                proof(&owners, |denial| denial.no_data(
                    &name(asked),
                    rtype,
                    &budget()
                )),
                expected,
                "{asked} {rtype} {owners:?}"
            );
        }
    }

    /// RFC 4034 section 4.1.1: the next name is one of the zone's, and after the last its apex.
    #[test]
    fn a_gap_that_leads_out_of_the_zone_is_none() {
        let zone = name("example.");
        let apex = nsec("example.", "a.example.", &[NS, SOA]);
        for (owner, next, expected) in [
            ("b.example.", "zz.example.", Proof::Holds),
            ("b.example.", "example.", Proof::Holds),
            ("b.example.", "zz.test.", Proof::Fails),
            ("b.example.", "test.", Proof::Fails),
            ("b.example.", ".", Proof::Fails),
            ("x.b.example.", "b.example.", Proof::Fails),
        ] {
            let gap = nsec(owner, next, &[A]);
            let denial = Denial::new(&zone, [&gap, &apex]);
            assert_eq!(
                denial.name_error(&name("ml.example."), &budget()).unwrap(),
                expected,
                "{owner} {next}"
            );
        }
    }

    #[test]
    fn delegations_without_ds_and_wildcards() {
        for (asked, owner, expected) in [
            ("b.example.", "b.example.", NoDs::Delegation),
            ("a.example.", "a.example.", NoDs::Fails),
            ("ns1.example.", "ns1.example.", NoDs::NoCut),
            ("y.w.example.", "x.w.example.", NoDs::NoCut),
            ("example.", "example.", NoDs::Fails),
            ("x.b.example.", "b.example.", NoDs::Fails),
            ("c.example.", "example.", NoDs::Fails),
        ] {
            assert_eq!(
                proof(&[owner], |denial| denial.no_ds(&name(asked), &budget())),
                expected,
                "{asked}"
            );
        }
        for (owner, labels, expected) in [
            ("x.y.w.example.", 2, Proof::Holds),
            ("x.y.w.example.", 1, Proof::Fails),
            ("*.w.example.", 2, Proof::Fails),
        ] {
            let found = proof(&[owner], |denial| {
                denial.wildcard_answer(&name("a.z.w.example."), labels, &budget())
            });
            assert_eq!(found, expected, "{owner} {labels}");
        }
    }
}

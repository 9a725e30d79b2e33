//! One reply's verdict: every set of the answer signed, every absence proven, or the zone insecure
//! (RFC 4035 sections 5.3 and 5.4).

use std::sync::Arc;

use hickory_proto::rr::{Name, RecordType};

use super::Validator;
use super::anchor::AnchorStanding;
use super::denial::Denial;
use super::keys::now_s;
use super::proof::Proof;
use super::signature::{self, HeldSignature, ZoneKeys};
use super::signer::{FoundZone, Provenance};
use super::verdict::{Insecurity, Judged, Security};
use super::zone::ZoneTrust;
use crate::clock;
use crate::resolve::budget::Budget;
use crate::resolve::convert::lowest_zone;
use crate::resolve::failure::Failure;
use crate::resolve::rrset::{Ask, RrSet, Said};

/// What became of one set.
pub(super) enum Checked {
    /// A signature holds by these keys.
    HeldSignature(HeldSignature, Arc<ZoneKeys>),
    /// The set's zone is insecure.
    Insecure(Insecurity),
}

impl Validator {
    /// May this answer to name and type be believed?
    pub(super) async fn judge<A: Ask>(
        &self,
        ask: &A,
        name: &Name,
        rtype: RecordType,
        said: &Arc<Said>,
        budget: &Budget,
    ) -> Result<Judged, Failure> {
        let insecure = |why| Ok(Judged::insecure(said, why));
        let anchors = self.anchors.in_force();
        if let AnchorStanding::Outside(why) = anchors.standing_of(name, rtype) {
            return insecure(why);
        }
        // Signatures are not signed (RFC 4035 section 2.2).
        if rtype == RecordType::RRSIG && !said.answer.is_empty() {
            return insecure(Insecurity::Unsignable);
        }
        if said.answer.is_empty() {
            return self.judge_denial(ask, name, rtype, said, budget).await;
        }
        // What is signed must be what was asked for, or the alias on the way there.
        let fits = |set: &RrSet| {
            set.name == *name || set.rtype == RecordType::DNAME && set.name.zone_of(name)
        };
        if !said.answer.iter().all(fits) {
            return Err(Failure::Bogus);
        }
        self.judge_answer(ask, name, said, budget).await
    }

    async fn judge_answer<A: Ask>(
        &self,
        ask: &A,
        name: &Name,
        said: &Arc<Said>,
        budget: &Budget,
    ) -> Result<Judged, Failure> {
        let mut believed = Said {
            authority: Vec::new(),
            ..Said::clone(said)
        };
        let mut verdict = Security::Secure;
        let mut above: Option<(RecordType, u32)> = None;
        for set in &mut believed.answer {
            // A CNAME made from a DNAME has no signature of its own, and is as good as the DNAME
            // (RFC 6672 section 5.3.1).
            if let Some((RecordType::DNAME, ttl_s)) =
                above.filter(|_| set.rtype == RecordType::CNAME && set.signatures.is_empty())
            {
                set.ttl_s = set.ttl_s.min(ttl_s);
                continue;
            }
            match self.check_set(ask, set, name, &said.zone, budget).await? {
                Checked::Insecure(why) => verdict = Security::Insecure(why),
                Checked::HeldSignature(held, keys) => {
                    set.ttl_s = held.ttl_s;
                    if let Some(labels) = held.expanded_from {
                        let proof = self.check_expansion(
                            set,
                            labels,
                            &keys,
                            said,
                            &mut believed.authority,
                            budget,
                        )?;
                        verdict = proof.map_or(verdict, Security::Insecure);
                    }
                }
            }
            above = Some((set.rtype, set.ttl_s));
        }
        // Signed or not, a CNAME beside a DNAME that would have made another one is nobody's
        // mistake (RFC 6672 section 5.3.1).
        if verdict == Security::Secure && said.contradicts {
            return Err(Failure::Bogus);
        }
        if verdict == Security::Secure || !believed.authority.is_empty() {
            return Ok(Judged {
                said: Arc::new(believed),
                verdict,
            });
        }
        Ok(Judged {
            said: Arc::clone(said),
            verdict,
        })
    }

    /// A wildcard made the set: is it proven that nothing stands closer to the name? Puts the proof
    /// into `authority`.
    fn check_expansion(
        &self,
        set: &RrSet,
        labels: usize,
        keys: &ZoneKeys,
        said: &Said,
        authority: &mut Vec<RrSet>,
        budget: &Budget,
    ) -> Result<Option<Insecurity>, Failure> {
        let (mut proofs, mut blame) = (Vec::new(), Failure::Unproven);
        for proof in said
            .authority
            .iter()
            .filter(|set| matches!(set.rtype, RecordType::NSEC | RecordType::NSEC3))
        {
            match signature::check(proof, keys, self.rules, now_s(), budget) {
                Ok(held) if held.expanded_from.is_some() => {}
                Ok(held) => proofs.push(RrSet {
                    ttl_s: held.ttl_s,
                    ..proof.clone()
                }),
                Err(failure) if failure.is_bogus() => blame = failure,
                Err(failure) => return Err(failure),
            }
        }
        let proof = Denial::new(&keys.zone, &proofs).wildcard_answer(&set.name, labels, budget)?;
        let outcome = insecurity(proof).ok_or(blame)?;
        let is_beyond = self.boundaries.separate(&keys.zone, &set.name);
        if let (None, Some(spans), false) = (outcome, &self.spans, is_beyond) {
            spans.note_wildcard(&keys.zone, set, labels, &proofs, clock::wall_s());
        }
        let new = proofs.into_iter().filter(|set| {
            !authority
                .iter()
                .any(|kept| kept.name == set.name && kept.rtype == set.rtype)
        });
        let new: Vec<RrSet> = new.collect();
        authority.extend(new);
        Ok(outcome)
    }

    /// Check one set of an answer against the keys of whoever signed it.
    async fn check_set<A: Ask>(
        &self,
        ask: &A,
        set: &RrSet,
        name: &Name,
        said_by: &Name,
        budget: &Budget,
    ) -> Result<Checked, Failure> {
        let anchors = self.anchors.in_force();
        let top = match anchors.standing_of(&set.name, set.rtype) {
            AnchorStanding::Below(top, _) => top,
            AnchorStanding::Outside(why) => return Ok(Checked::Insecure(why)),
        };
        // Both zones at a cut have an NSEC there (RFC 4035 section 2.3); a DNAME speaks for all
        // names below it, the one that was asked for among them.
        let lowest = match set.rtype {
            RecordType::NSEC => lowest_zone(name, RecordType::DS),
            rtype => lowest_zone(name, rtype),
        };
        let origin = Provenance {
            lowest: &lowest,
            said_by,
            proven: None,
        };
        if let Some(checked) = self
            .check_signed(ask, set, origin, |signer| top.zone_of(signer), budget)
            .await?
        {
            return Ok(checked);
        }
        let above = self
            .insecure_above(ask, &set.name, set.rtype, said_by, budget)
            .await?;
        above.map(Checked::Insecure).ok_or(Failure::Unsigned)
    }

    /// Check a set against the signers that may have a say; `None` when it is signed by none of
    /// them.
    pub(super) async fn check_signed<A: Ask>(
        &self,
        ask: &A,
        set: &RrSet,
        origin: Provenance<'_>,
        may_sign: impl Fn(&Name) -> bool + Send,
        budget: &Budget,
    ) -> Result<Option<Checked>, Failure> {
        let mut fault = None;
        for signer in signature::signers(set)
            .iter()
            .filter(|signer| may_sign(signer))
        {
            match self.between(ask, signer, origin, budget).await? {
                FoundZone::Nothing => {}
                FoundZone::Signed => continue,
                FoundZone::Insecure(why) => return Ok(Some(Checked::Insecure(why))),
            }
            match self.zone(ask, signer, budget).await? {
                ZoneTrust::Insecure(why) => return Ok(Some(Checked::Insecure(why))),
                ZoneTrust::Secure(keys) => {
                    match signature::check(set, &keys, self.rules, now_s(), budget) {
                        Ok(held) => return Ok(Some(Checked::HeldSignature(held, keys))),
                        Err(failure) if failure.is_bogus() => fault = Some(failure),
                        Err(failure) => return Err(failure),
                    }
                }
            }
        }
        fault.map_or(Ok(None), Err)
    }
}

/// What a proof makes of the answer; `None` when it proves nothing.
pub(super) const fn insecurity(proof: Proof) -> Option<Option<Insecurity>> {
    match proof {
        Proof::Holds => Some(None),
        Proof::OptOut => Some(Some(Insecurity::OptOut)),
        Proof::TooCostly => Some(Some(Insecurity::Iterations)),
        Proof::Fails => None,
    }
}

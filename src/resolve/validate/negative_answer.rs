//! The verdict on a reply without an answer: what its proofs come to, whatever else came along (RFC
//! 4035 section 5.4, RFC 5155 section 8).

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};

use super::Validator;
use super::anchor::AnchorStanding;
use super::answer::{Checked, insecurity};
use super::denial::Denial;
use super::proof::Proof;
use super::signature::ZoneKeys;
use super::signer::Provenance;
use super::verdict::{Insecurity, Judged, Security};
use crate::clock;
use crate::resolve::budget::Budget;
use crate::resolve::convert::lowest_zone;
use crate::resolve::failure::Failure;
use crate::resolve::rrset::{Ask, RrSet, Said};

/// The sets of a denial whose signatures hold, all of one zone.
struct Evidence {
    keys: Arc<ZoneKeys>,
    /// NSEC and NSEC3.
    proofs: Vec<RrSet>,
    soa: Option<RrSet>,
    /// What is wrong where they prove nothing.
    blame: Failure,
}

impl Evidence {
    /// Add a proof whose signature holds; those of another zone than the first one's are left out.
    fn add(evidence: &mut Option<Self>, proof: RrSet, keys: &Arc<ZoneKeys>) {
        let evidence = evidence.get_or_insert_with(|| Self {
            keys: Arc::clone(keys),
            proofs: Vec::new(),
            soa: None,
            blame: Failure::Unproven,
        });
        if evidence.keys.zone == keys.zone {
            evidence.proofs.push(proof);
        }
    }
}

impl Validator {
    /// May this reply be believed, which says that there is no such name or type?
    pub(super) async fn judge_denial<A: Ask>(
        &self,
        ask: &A,
        name: &Name,
        rtype: RecordType,
        said: &Arc<Said>,
        budget: &Budget,
    ) -> Result<Judged, Failure> {
        let insecure = |why| Ok(Judged::insecure(said, why));
        let evidence = match self.gather(ask, name, rtype, said, budget).await? {
            Ok(evidence) => evidence,
            Err(why) => return insecure(why),
        };
        let denial = Denial::new(&evidence.keys.zone, &evidence.proofs);
        let (rcode, proof) = prove(&denial, name, rtype, said.rcode, budget)?;
        let verdict = match insecurity(proof).ok_or(evidence.blame)? {
            None => Security::Secure,
            Some(Insecurity::Iterations) => return insecure(Insecurity::Iterations),
            Some(why) => Security::Insecure(why),
        };
        let is_beyond = self
            .boundaries
            .separate(&evidence.keys.zone, &lowest_zone(name, rtype));
        if let (Security::Secure, Some(spans), false) = (verdict, &self.spans, is_beyond) {
            spans.note(
                &evidence.keys.zone,
                evidence.soa.as_ref(),
                &evidence.proofs,
                clock::wall_s(),
            );
        }
        let authority = evidence.soa.into_iter().chain(evidence.proofs).collect();
        let believed = Said {
            rcode,
            authority,
            ..Said::clone(said)
        };
        Ok(Judged {
            said: Arc::new(believed),
            verdict,
        })
    }

    /// Check the authority section of a denial: what of it holds, or why it needs not.
    async fn gather<A: Ask>(
        &self,
        ask: &A,
        name: &Name,
        rtype: RecordType,
        said: &Said,
        budget: &Budget,
    ) -> Result<Result<Evidence, Insecurity>, Failure> {
        let anchors = self.anchors.in_force();
        let top = match anchors.standing_of(name, rtype) {
            AnchorStanding::Below(top, _) => top,
            AnchorStanding::Outside(why) => return Ok(Err(why)),
        };
        // Only the zone that the name may be in can say that it is not, or be insecure and thereby
        // make its absence so. The child's own word about its DS counts for nothing (RFC 6840
        // section 4.4).
        let lowest = lowest_zone(name, rtype);
        let is_about = |signer: &Name| top.zone_of(signer) && signer.zone_of(&lowest);
        let origin = Provenance {
            lowest: &lowest,
            said_by: &said.zone,
            proven: None,
        };
        let mut evidence: Option<Evidence> = None;
        let (mut soa, mut any_signed, mut fault) = (None, false, None);
        for set in &said.authority {
            any_signed |= !set.signatures.is_empty();
            let is_proof = matches!(set.rtype, RecordType::NSEC | RecordType::NSEC3);
            if !is_proof && set.rtype != RecordType::SOA {
                continue;
            }
            let (held, keys) = match self.check_signed(ask, set, origin, is_about, budget).await {
                // From a wildcard: it speaks of the wildcard.
                Ok(Some(Checked::HeldSignature(held, _))) if held.expanded_from.is_some() => {
                    continue;
                }
                Ok(Some(Checked::HeldSignature(held, keys))) => (held, keys),
                Ok(Some(Checked::Insecure(why))) => return Ok(Err(why)),
                Ok(None) => continue,
                // A proof holds whatever else came along (RFC 4035 section 5.4).
                Err(failure) if failure.is_bogus() => {
                    fault.get_or_insert(failure);
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let set = RrSet {
                ttl_s: held.ttl_s,
                ..set.clone()
            };
            if !is_proof {
                soa = Some(set);
                continue;
            }
            Evidence::add(&mut evidence, set, &keys);
        }
        if let Some(mut evidence) = evidence {
            evidence.soa = soa.filter(|soa| soa.name == evidence.keys.zone);
            evidence.blame = fault.unwrap_or(Failure::Unproven);
            return Ok(Ok(evidence));
        }
        if let Some(failure) = fault {
            return Err(failure);
        }
        // The zone's own signature stands beside the gap.
        if soa.is_some() {
            return Err(Failure::Unproven);
        }
        let blame = if any_signed {
            Failure::Unproven
        } else {
            Failure::Unsigned
        };
        self.insecure_above(ask, name, rtype, &said.zone, budget)
            .await?
            .map(Err)
            .ok_or(blame)
    }
}

/// What the records prove of the name and type, and the code that this is. The code that came
/// along is not signed: where the records prove that the name exists it is not NXDOMAIN, and the
/// other way round.
fn prove(
    denial: &Denial<'_>,
    name: &Name,
    rtype: RecordType,
    rcode: ResponseCode,
    budget: &Budget,
) -> Result<(ResponseCode, Proof), Failure> {
    let prove = |rcode| match rcode {
        ResponseCode::NXDomain => denial.name_error(name, budget),
        _ => denial.no_data(name, rtype, budget),
    };
    let told = prove(rcode)?;
    if told != Proof::Fails {
        return Ok((rcode, told));
    }
    let other = match rcode {
        ResponseCode::NXDomain => ResponseCode::NoError,
        _ => ResponseCode::NXDomain,
    };
    Ok(match prove(other)? {
        Proof::Holds => (other, Proof::Holds),
        _ => (rcode, Proof::Fails),
    })
}

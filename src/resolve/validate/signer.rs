//! Which zone may speak for a name: the one that holds it by what is proven already, and none above
//! (RFC 4035 sections 5.2 and 5.3.1, RFC 6840 sections 4.1 and 4.4).

use hickory_proto::rr::Name;

use super::Validator;
use super::verdict::Insecurity;
use super::zone::ZoneTrust;
use crate::clock::{self, UnixSeconds};
use crate::resolve::budget::Budget;
use crate::resolve::convert::{is_below, label_count};
use crate::resolve::failure::Failure;
use crate::resolve::rrset::Ask;

/// A zone that is looked for at a name, or between a signer and a name.
pub(super) enum FoundZone {
    /// There is none, as far as is known: the zone above holds the name.
    Nothing,
    /// One whose keys are vouched for: a signer's word from above does not reach below its
    /// delegation.
    Signed,
    /// One for which nobody vouches, and about which nobody can say anything.
    Insecure(Insecurity),
}

/// Who said something, and what is known of the zones above the name.
#[derive(Clone, Copy)]
pub(super) struct Provenance<'a> {
    /// The lowest name that the zone may have which holds what was said.
    pub(super) lowest: &'a Name,
    /// The zone whose servers said it, as far as delegations tell.
    pub(super) said_by: &'a Name,
    /// A zone that was just proven to be signed, if one was.
    pub(super) proven: Option<&'a Name>,
}

impl Validator {
    /// Is there a zone between that holds the name in the signer's place? Known are those whose
    /// keys were checked a while ago, and the one whose servers spoke.
    pub(super) async fn between<A: Ask>(
        &self,
        ask: &A,
        signer: &Name,
        origin: Provenance<'_>,
        budget: &Budget,
    ) -> Result<FoundZone, Failure> {
        let Provenance {
            lowest,
            said_by,
            proven,
        } = origin;
        if let Some(known) = self.known_between(signer, lowest, clock::wall_s()) {
            return Ok(known);
        }
        if proven.is_some_and(|proven| is_below(proven, signer) && proven.zone_of(lowest)) {
            return Ok(FoundZone::Signed);
        }
        if !is_below(said_by, signer) || !said_by.zone_of(lowest) {
            return Ok(FoundZone::Nothing);
        }
        Ok(match self.trust(ask, said_by, budget).await? {
            None => FoundZone::Nothing,
            Some(ZoneTrust::Secure(_)) => FoundZone::Signed,
            Some(ZoneTrust::Insecure(why)) => insecure(why),
        })
    }

    /// The zone between the two that is known from before, the lowest if there are several.
    pub(super) fn known_between(
        &self,
        signer: &Name,
        lowest: &Name,
        now: UnixSeconds,
    ) -> Option<FoundZone> {
        let between = label_count(signer) + 1..=label_count(lowest);
        between.rev().find_map(
            |labels| match self.zones.recall(&lowest.trim_to(labels), now)? {
                ZoneTrust::Secure(_) => Some(FoundZone::Signed),
                ZoneTrust::Insecure(why) => {
                    Some(insecure(why)).filter(|known| !matches!(known, FoundZone::Nothing))
                }
            },
        )
    }
}

/// A zone that is unsigned by its parent's word, or nothing where there may be none at all: opt-out
/// and proofs that nobody follows leave that open.
const fn insecure(why: Insecurity) -> FoundZone {
    match why {
        Insecurity::OptOut | Insecurity::Iterations => FoundZone::Nothing,
        why => FoundZone::Insecure(why),
    }
}

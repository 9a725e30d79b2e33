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

/// What stands between a signer and a name.
pub(super) enum Between {
    /// No zone that is known.
    Nothing,
    /// A signed zone: the signer's word does not reach below its delegation.
    Secure,
    /// An unsigned zone, about which nobody can say anything.
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
    ) -> Result<Between, Failure> {
        let Provenance {
            lowest,
            said_by,
            proven,
        } = origin;
        if let Some(known) = self.known_between(signer, lowest, clock::wall_s()) {
            return Ok(known);
        }
        if proven.is_some_and(|proven| is_below(proven, signer) && proven.zone_of(lowest)) {
            return Ok(Between::Secure);
        }
        if !is_below(said_by, signer) || !said_by.zone_of(lowest) {
            return Ok(Between::Nothing);
        }
        Ok(match self.trust(ask, said_by, budget).await? {
            None => Between::Nothing,
            Some(ZoneTrust::Secure(_)) => Between::Secure,
            Some(ZoneTrust::Insecure(why)) => insecure(why),
        })
    }

    /// The zone between the two that is known from before, the lowest if there are several.
    pub(super) fn known_between(
        &self,
        signer: &Name,
        lowest: &Name,
        now: UnixSeconds,
    ) -> Option<Between> {
        let between = label_count(signer) + 1..=label_count(lowest);
        between.rev().find_map(
            |labels| match self.zones.recall(&lowest.trim_to(labels), now)? {
                ZoneTrust::Secure(_) => Some(Between::Secure),
                ZoneTrust::Insecure(why) => {
                    Some(insecure(why)).filter(|known| !matches!(known, Between::Nothing))
                }
            },
        )
    }
}

/// A zone that is unsigned by its parent's word, or nothing where there may be none at all: opt-out
/// and proofs that nobody follows leave that open.
const fn insecure(why: Insecurity) -> Between {
    match why {
        Insecurity::OptOut | Insecurity::Iterations => Between::Nothing,
        why => Between::Insecure(why),
    }
}

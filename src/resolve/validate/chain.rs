//! From a trust anchor down to a zone's keys: DS, DNSKEY, and the proofs that a zone has none (RFC
//! 4035 section 5.2).
//!
//! A zone's parent is whoever signed its DS records or their denial, so that cuts nobody told us of
//! are found where they matter.

use std::pin::Pin;

use hickory_proto::dnssec::rdata::DS;
use hickory_proto::rr::{Name, RecordType};

use super::Validator;
use super::anchor::AnchorStanding;
use super::answer::Checked;
use super::denial::{Denial, NoDs};
use super::keys::{Vouching, digests};
use super::retry::Retry;
use super::shown::{note_delegation, note_keys};
use super::signature;
use super::signer::{FoundZone, Provenance};
use super::verdict::Insecurity;
use super::zone::ZoneTrust;
use crate::clock::{self, UnixSeconds};
use crate::resolve::budget::Budget;
use crate::resolve::convert::{is_below, label_count, lowest_zone};
use crate::resolve::failure::Failure;
use crate::resolve::rrset::{Ask, Cut, RrSet};
use crate::resolve::trace::KeysKnownBy;

/// The longest that keys and insecure delegations are believed; RFC 4035 leaves it to their TTLs,
/// which may be weeks.
const TTL_S_MAX: u32 = 3600;

/// What a signed zone's denial without a TTL of its own is worth.
const DENIAL_TTL_S: u32 = 60;

/// A future in a box, since the way down a chain calls itself.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// What a validated delegation says.
enum Delegation {
    /// These keys are vouched for, for so many seconds.
    KeysSigned(Vec<DS>, u32),
    /// The zone below is insecure, for so many seconds.
    Insecure(Insecurity, u32),
    /// There is no delegation at all.
    NoCut,
}

impl Delegation {
    /// The DS records, or why there are none.
    fn says(&self) -> Result<&[DS], Option<Insecurity>> {
        match self {
            Self::KeysSigned(signers, _) => Ok(signers),
            Self::Insecure(why, _) => Err(Some(*why)),
            Self::NoCut => Err(None),
        }
    }
}

impl Validator {
    /// The keys of the zone at `apex`, or that it is insecure.
    pub(super) async fn zone<A: Ask>(
        &self,
        ask: &A,
        apex: &Name,
        budget: &Budget,
    ) -> Result<ZoneTrust, Failure> {
        // Somebody claims to have signed as a zone that is none.
        let trust = self.trust(ask, apex, budget).await?;
        trust.ok_or(Failure::Bogus)
    }

    /// The same; nothing where the zone above proves that there is no such zone.
    pub(super) fn trust<'a, A: Ask>(
        &'a self,
        ask: &'a A,
        apex: &'a Name,
        budget: &'a Budget,
    ) -> Boxed<'a, Option<ZoneTrust>> {
        Box::pin(async move {
            let anchors = self.anchors.in_force();
            let top = match anchors.standing(apex) {
                AnchorStanding::Below(top, _) => top,
                AnchorStanding::Outside(why) => return Ok(Some(ZoneTrust::Insecure(why))),
            };
            let now = clock::wall_s();
            if let Some(zone) = self.zones.recall(apex, now) {
                note_keys(budget, apex, &zone, KeysKnownBy::Kept);
                return Ok(Some(zone));
            }
            budget.pay_step().await?;
            if top == apex {
                return self.anchored(ask, apex, budget).await.map(Some);
            }
            let (trust, ttl_s) = match self.delegation(ask, apex, None, budget).await? {
                Delegation::KeysSigned(signers, ds_ttl_s) => match self.unknown(&signers) {
                    Some(why) => (ZoneTrust::Insecure(why), ds_ttl_s),
                    None => {
                        let signers = self.strongest(signers);
                        let vouching = Vouching::Parent(&signers);
                        let (trust, ttl_s) = self.keys(ask, apex, vouching, budget).await?;
                        (trust, ttl_s.min(ds_ttl_s))
                    }
                },
                Delegation::Insecure(why, ttl_s) => (ZoneTrust::Insecure(why), ttl_s),
                Delegation::NoCut => return Ok(None),
            };
            note_keys(budget, apex, &trust, KeysKnownBy::Parent);
            Ok(Some(self.settle(apex, trust, ttl_s, now)))
        })
    }

    /// The keys of a zone with an anchor, asked for anew.
    pub(super) async fn anchored<A: Ask>(
        &self,
        ask: &A,
        apex: &Name,
        budget: &Budget,
    ) -> Result<ZoneTrust, Failure> {
        let now = clock::wall_s();
        let (trust, ttl_s) = self.keys(ask, apex, Vouching::Anchor, budget).await?;
        note_keys(budget, apex, &trust, KeysKnownBy::Anchor);
        Ok(self.settle(apex, trust, ttl_s, now))
    }

    /// Is the name below an insecure delegation that nobody has told of yet? Asked when data came
    /// without signatures: the servers of a signed zone may serve an unsigned one below it too.
    /// `None` when every delegation on the way is signed.
    pub(super) fn insecure_above<'a, A: Ask>(
        &'a self,
        ask: &'a A,
        name: &'a Name,
        rtype: RecordType,
        said_by: &'a Name,
        budget: &'a Budget,
    ) -> Boxed<'a, Option<Insecurity>> {
        Box::pin(async move {
            let lowest = lowest_zone(name, rtype);
            let anchors = self.anchors.in_force();
            let anchored = match anchors.standing(&lowest) {
                AnchorStanding::Below(anchored, _) => anchored,
                AnchorStanding::Outside(why) => return Ok(Some(why)),
            };
            // What stands above the anchor says nothing about what is below it.
            let told = if said_by.zone_of(&lowest) {
                said_by.clone()
            } else {
                ask.apex(&lowest)
            };
            let top = if anchored.zone_of(&told) {
                told
            } else {
                anchored.clone()
            };
            if let ZoneTrust::Insecure(why) = self.zone(ask, &top, budget).await? {
                return Ok(Some(why));
            }
            let mut proven = top;
            for labels in label_count(&proven) + 1..=label_count(&lowest) {
                budget.pay_step().await?;
                let name = lowest.trim_to(labels);
                match self.begins_at(ask, &name, &proven, budget).await {
                    Ok(FoundZone::Nothing) => {}
                    Ok(FoundZone::Signed) => proven = name,
                    Ok(FoundZone::Insecure(why)) => return Ok(Some(why)),
                    // That the servers prove nothing is no news: what they said came without
                    // signatures already.
                    Err(Failure::Unproven) => return Ok(None),
                    Err(failure) => return Err(failure),
                }
            }
            Ok(None)
        })
    }

    /// The zone that holds `lowest` as far as can be proven, where whoever spoke tells of no
    /// delegations, as upstreams do not: between the signer of what was said and the name there may
    /// be a zone that the signer itself has delegated. `said_by` where the signer is no deeper.
    pub(super) fn holder<'a, A: Ask>(
        &'a self,
        ask: &'a A,
        said: impl Iterator<Item = &'a RrSet>,
        lowest: &'a Name,
        said_by: &'a Name,
        budget: &'a Budget,
    ) -> Boxed<'a, Name> {
        let signers = said.flat_map(signature::signers);
        let signer = signers
            .filter(|signer| is_below(signer, said_by) && signer.zone_of(lowest))
            .max_by_key(label_count);
        Box::pin(async move {
            let Some(mut holder) = signer else {
                return Ok(said_by.clone());
            };
            // Each label is asked about once: what was found above it is known by then.
            let mut is_signed = true;
            for labels in label_count(&holder) + 1..=label_count(lowest) {
                budget.pay_step().await?;
                let name = lowest.trim_to(labels);
                if !is_signed && self.anchors.in_force().at(&name).is_none() {
                    continue;
                }
                match self.begins_at(ask, &name, &holder, budget).await? {
                    FoundZone::Nothing => {}
                    FoundZone::Signed => (holder, is_signed) = (name, true),
                    FoundZone::Insecure(_) => (holder, is_signed) = (name, false),
                }
            }
            Ok(holder)
        })
    }

    /// Does a zone begin at the name, below the signed zone that is `proven`?
    async fn begins_at<A: Ask>(
        &self,
        ask: &A,
        name: &Name,
        proven: &Name,
        budget: &Budget,
    ) -> Result<FoundZone, Failure> {
        match self.anchors.in_force().standing(name) {
            AnchorStanding::Outside(why) => return Ok(FoundZone::Insecure(why)),
            AnchorStanding::Below(top, _) if top == name => return Ok(FoundZone::Signed),
            AnchorStanding::Below(..) => {}
        }
        let now = clock::wall_s();
        match self.zones.recall(name, now) {
            Some(ZoneTrust::Insecure(why)) => return Ok(FoundZone::Insecure(why)),
            Some(ZoneTrust::Secure(_)) => return Ok(FoundZone::Signed),
            None => {}
        }
        let delegation = self.delegation(ask, name, Some(proven), budget).await?;
        Ok(match delegation {
            Delegation::Insecure(why, ttl_s) => {
                self.settle(name, ZoneTrust::Insecure(why), ttl_s, now);
                FoundZone::Insecure(why)
            }
            Delegation::KeysSigned(signers, _) => self
                .unknown(&signers)
                .map_or(FoundZone::Signed, FoundZone::Insecure),
            Delegation::NoCut => FoundZone::Nothing,
        })
    }

    fn settle(&self, apex: &Name, zone: ZoneTrust, ttl_s: u32, now: UnixSeconds) -> ZoneTrust {
        self.zones.keep(apex, &zone, ttl_s.min(TTL_S_MAX), now);
        zone
    }

    /// What the parent says about a delegation at `child`; another server is asked where one's word
    /// is bogus. Zones above the one that is `proven` to be signed have no say.
    async fn delegation<A: Ask>(
        &self,
        ask: &A,
        child: &Name,
        proven: Option<&Name>,
        budget: &Budget,
    ) -> Result<Delegation, Failure> {
        let mut retry = Retry::default();
        loop {
            let cut = ask
                .cut(child, retry.avoid(), budget)
                .await
                .map_err(|failure| retry.unheard(failure))?;
            let judged = self.judge_cut(ask, &cut, proven, budget).await;
            if let Some(delegation) = retry.settle(judged, cut.from, budget)? {
                note_delegation(budget, child, &delegation.says());
                return Ok(delegation);
            }
        }
    }

    async fn judge_cut<A: Ask>(
        &self,
        ask: &A,
        cut: &Cut,
        proven: Option<&Name>,
        budget: &Budget,
    ) -> Result<Delegation, Failure> {
        let (child, lowest) = (&cut.child, cut.child.base_name());
        let said_by = if proven.is_some() {
            cut.parent.clone()
        } else {
            let sets = cut.ds.iter().chain(&cut.denial);
            self.holder(ask, sets, &lowest, &cut.parent, budget).await?
        };
        let origin = Provenance {
            lowest: &lowest,
            said_by: &said_by,
            proven,
        };
        if let Some(ds) = cut.ds.as_ref().filter(|ds| ds.name == *child) {
            return Ok(match self.check_above(ask, ds, origin, budget).await? {
                Some(Checked::HeldSignature(held, _)) => {
                    Delegation::KeysSigned(digests(ds), held.ttl_s)
                }
                Some(Checked::Insecure(why)) => Delegation::Insecure(why, ds.ttl_s),
                None => {
                    self.unsigned_cut(ask, cut, ds.ttl_s, Failure::Unsigned, budget)
                        .await?
                }
            });
        }
        let (mut held, mut zone, mut ttl_s, mut fault) = (Vec::new(), None, u32::MAX, None);
        for set in cut
            .denial
            .iter()
            .filter(|set| matches!(set.rtype, RecordType::NSEC | RecordType::NSEC3))
        {
            match self.check_above(ask, set, origin, budget).await {
                Ok(Some(Checked::HeldSignature(signature, keys))) => {
                    ttl_s = ttl_s.min(signature.ttl_s);
                    zone = Some(keys);
                    held.push(set);
                }
                Ok(Some(Checked::Insecure(why))) => {
                    return Ok(Delegation::Insecure(why, set.ttl_s));
                }
                Ok(None) => {}
                // A proof holds whatever else came along (RFC 4035 section 5.4).
                Err(failure) if failure.is_bogus() => {
                    fault.get_or_insert(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        if let (None, Some(failure)) = (&zone, fault) {
            return Err(failure);
        }
        let Some(keys) = zone else {
            return self
                .unsigned_cut(ask, cut, DENIAL_TTL_S, Failure::Unproven, budget)
                .await;
        };
        let held = held.into_iter().filter(|set| keys.zone.zone_of(&set.name));
        Ok(match Denial::new(&keys.zone, held).no_ds(child, budget)? {
            NoDs::Delegation => Delegation::Insecure(Insecurity::Unsigned, ttl_s),
            NoDs::OptOut => Delegation::Insecure(Insecurity::OptOut, ttl_s),
            NoDs::TooCostly => Delegation::Insecure(Insecurity::Iterations, ttl_s),
            NoDs::NoCut => Delegation::NoCut,
            NoDs::Fails => return Err(fault.unwrap_or(Failure::Unproven)),
        })
    }

    /// A delegation about which nothing is signed: right if the parent is insecure itself.
    async fn unsigned_cut<A: Ask>(
        &self,
        ask: &A,
        cut: &Cut,
        ttl_s: u32,
        otherwise: Failure,
        budget: &Budget,
    ) -> Result<Delegation, Failure> {
        if !is_below(&cut.child, &cut.parent) {
            return Err(Failure::Bogus);
        }
        let above = self
            .insecure_above(ask, &cut.child, RecordType::DS, &cut.parent, budget)
            .await?;
        above
            .map(|why| Delegation::Insecure(why, ttl_s))
            .ok_or(otherwise)
    }

    /// Check a set that only the zone above a cut may have signed; `None` when it did not. What a
    /// wildcard made speaks of the wildcard.
    async fn check_above<A: Ask>(
        &self,
        ask: &A,
        set: &RrSet,
        origin: Provenance<'_>,
        budget: &Budget,
    ) -> Result<Option<Checked>, Failure> {
        let may_sign = |signer: &Name| signer.zone_of(origin.lowest);
        let checked = self
            .check_signed(ask, set, origin, may_sign, budget)
            .await?;
        let is_expanded = |checked: &Checked| match checked {
            Checked::HeldSignature(held, _) => held.expanded_from.is_some(),
            Checked::Insecure(_) => false,
        };
        Ok(checked.filter(|checked| !is_expanded(checked)))
    }
}

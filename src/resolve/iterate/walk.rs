//! The walk to one name: from the closest zone that is known, down to the servers that answer.

use std::sync::Arc;

use hickory_proto::rr::{Name, RecordType};

use super::judge::{AskedZone, Continuation, Glue, Judgement, ServerRole};
use super::zones::{Zone, one_below};
use super::{Trip, Walker, parent};
use crate::clock::{self, UnixSeconds};
use crate::resolve::convert::wire_of;
use crate::resolve::failure::Failure;
use crate::resolve::rrset::Said;

/// Zones and partial names gone through for one name; IPv6 reverse names have 34 labels.
const STEPS_MAX: usize = 80;

/// A delegation that is older than this is asked for again when none of its servers is of use: they
/// may have moved.
const REFRESH_AFTER_S: UnixSeconds = 30;

/// Where a walk stands.
struct Position {
    zone: Arc<Zone>,
    minimise: bool,
    /// The parent was asked again because no server was of use.
    refreshed: bool,
}

impl Walker {
    /// What the authorities say about name and type.
    pub(super) async fn walk(
        &self,
        name: &Name,
        rtype: RecordType,
        trip: &Trip<'_>,
    ) -> Result<Arc<Said>, Failure> {
        trip.budget.pay_step().await?;
        let now = clock::wall_s();
        if let Some(said) = self.memory.recall(name, rtype, trip.avoid, now) {
            trip.note_kept(name, rtype, &said);
            return Ok(said);
        }
        self.prime(trip, now).await;
        let start = self.start(name, rtype, now);
        if let Some(said) = self.recall_dname(name, &start, trip, now) {
            trip.note_kept(name, rtype, &said);
            return Ok(said);
        }
        let zone = if self.prime(trip, now).await {
            self.start(name, rtype, now)
        } else {
            start
        };
        trip.note_start(name, rtype, &zone);
        let mut place = Position {
            zone,
            minimise: self.settings.minimise,
            refreshed: false,
        };
        for _ in 0..STEPS_MAX {
            let partial = if place.minimise {
                one_below(name, &place.zone.name)
            } else {
                name.clone()
            };
            let whole = partial == *name;
            let asked = self.part_asked(&place.zone, &partial, rtype, whole);
            match self.ask_zone(&place.zone, &asked, trip).await {
                Ok(Judgement::Answer(said, continuations)) if whole => {
                    for Continuation { name, said } in continuations {
                        // The servers of another zone have the word about it, above all where the
                        // operator names them.
                        if self.start(&name, rtype, now).name == place.zone.name {
                            self.settle(&name, rtype, said, &place.zone);
                        }
                    }
                    return Ok(self.settle(name, rtype, said, &place.zone));
                }
                Ok(Judgement::Answer(..)) => place.minimise = false,
                Ok(Judgement::Apex(referral)) => place.zone = self.find_apex(referral, &place.zone),
                Ok(Judgement::Referral(referral))
                    if rtype == RecordType::DS && referral.child == *name =>
                {
                    let said = Self::said_by_referral(referral, &place.zone);
                    return Ok(self.settle(name, rtype, said, &place.zone));
                }
                Ok(Judgement::Referral(referral)) => {
                    place.zone = self.descend(referral, &place.zone)
                }
                Ok(Judgement::Useless(_)) if !whole => {
                    trip.note_whole(&partial);
                    place.minimise = false;
                }
                Ok(Judgement::Useless(why)) => self.step_back(&mut place, why.failure(), trip)?,
                Err(failure) => self.step_back(&mut place, failure, trip)?,
            }
        }
        Err(Failure::TooMuchWork)
    }

    /// The question for a zone's servers: for the whole name, or for who serves a part of it.
    fn part_asked<'a>(
        &self,
        zone: &'a Zone,
        name: &'a Name,
        rtype: RecordType,
        is_whole: bool,
    ) -> AskedZone<'a> {
        AskedZone {
            zone: &zone.name,
            name,
            rtype: if is_whole { rtype } else { RecordType::NS },
            is_partial: !is_whole,
            glue: if self.settings.harden_glue {
                Glue::InBailiwick
            } else {
                Glue::Any
            },
            role: ServerRole::Authoritative,
        }
    }

    /// The closest known zone whose servers know about the name: for DS it must be above the name
    /// itself.
    fn start(&self, name: &Name, rtype: RecordType, now: UnixSeconds) -> Arc<Zone> {
        let wire = wire_of(name);
        self.zones.closest(
            if rtype == RecordType::DS {
                parent(&wire)
            } else {
                &wire
            },
            now,
        )
    }

    /// When no server of a zone that was known for a while is of use, its parent may know others by
    /// now.
    fn step_back(
        &self,
        place: &mut Position,
        failure: Failure,
        trip: &Trip<'_>,
    ) -> Result<(), Failure> {
        let now = clock::wall_s();
        let is_old =
            now.saturating_sub(place.zone.since) > REFRESH_AFTER_S && !place.zone.name.is_root();
        if place.refreshed
            || !is_old
            || !matches!(failure, Failure::Unusable | Failure::Unreachable)
        {
            return Err(failure);
        }
        trip.note_step_back(&place.zone);
        place.refreshed = true;
        place.zone = self.zones.closest(parent(&wire_of(&place.zone.name)), now);
        Ok(())
    }
}

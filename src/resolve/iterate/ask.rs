//! One question to one zone: which of its servers is asked when, until one is of help.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::Name;
use tokio::time::Instant;

use super::super::convert::wire_of;
use super::ask_server::Attempt;
use super::judge::{AskedZone, Judgement, Useless, judge};
use super::second_best::SecondBest;
use super::shown::outcome_of;
use super::zones::Zone;
use super::{Trip, Walker};
use crate::clock;
use crate::resolve::failure::Failure;
use crate::resolve::rrset::{FROM_COPY, Said};
use crate::resolve::trace::TraceEvent;

/// How deep looking for servers' addresses may lead.
const DEPTH_MAX: usize = 5;

/// Remember, or forget, that a server is lame for the zone.
fn note_lameness(zone: &Zone, at: SocketAddr, outcome: &Attempt) {
    match outcome {
        Attempt::Judged(judgement) => match **judgement {
            Judgement::Useless(Useless::Lame) => zone.lame.note_lame(at, clock::wall_s()),
            Judgement::Useless(_) => {}
            _ => zone.lame.note_helpful(at),
        },
        Attempt::FromMemory(_) | Attempt::Silence | Attempt::Unreachable => {}
    }
}

impl Walker {
    /// Ask a zone's servers one after the other until one is of help; [`Judgement::Useless`] is
    /// what the last of them said where none is. What a server has from others counts where none of
    /// them has an answer of its own.
    pub(super) async fn ask_zone(
        &self,
        zone: &Zone,
        asked: &AskedZone<'_>,
        trip: &Trip<'_>,
    ) -> Result<Judgement, Failure> {
        if zone.name.is_root()
            && let Some(judgement) = self.ask_copy(asked, trip)
        {
            return Ok(judgement);
        }
        let _present = self
            .crowds
            .enter(&zone.name, self.settings.per_zone_max)
            .ok_or(Failure::Crowded)?;
        let mut candidates = self.candidates(zone, asked, trip);
        let is_signed =
            zone.name.is_root() || zone.cut.as_ref().is_some_and(|cut| cut.ds.is_some());
        // For part of a name a hint is all that is wanted, and the operator may name resolvers.
        let takes_memories = asked.is_partial || self.zones.is_in_stub(&zone.name);
        let mut second = SecondBest::default();
        loop {
            if Instant::now() >= trip.budget.deadline() {
                return second.from_memory.ok_or(Failure::Unreachable);
            }
            let Some(index) = candidates.pick(self.servers.now_ms()) else {
                // What is in hand is not lost to a search for others.
                if second.from_memory.is_some() {
                    return second.end();
                }
                // For part of a name nobody else is looked for: those who would not say who serves
                // it may answer for the whole.
                if asked.is_partial && second.useless.is_some() {
                    return second.end();
                }
                let Some(name) = candidates.next_name() else {
                    return second.end();
                };
                let word = self.word_of(zone);
                for address in self.look_up(&name, trip).await {
                    self.admit(address, None, word, trip, &mut candidates.known);
                }
                continue;
            };
            let Some(candidate) = candidates.known.get_mut(index) else {
                return second.end();
            };
            // Whoever may know better is asked once.
            if second.from_memory.is_some() && candidate.tries > 0 {
                return second.end();
            }
            let outcome = match self.ask_server(candidate, asked, is_signed, trip).await {
                Err(_) if second.from_memory.is_some() => return second.end(),
                outcome => outcome?,
            };
            candidate.tries += 1;
            note_lameness(zone, candidate.at, &outcome);
            match outcome {
                Attempt::Judged(judgement) => {
                    let Judgement::Useless(why) = *judgement else {
                        return Ok(*judgement);
                    };
                    candidate.useless = true;
                    second.useless = Some(why);
                    // A server that will not say who serves part of a name may still answer for the
                    // whole of it.
                    if why == Useless::Refuses && asked.is_partial {
                        return second.end();
                    }
                }
                Attempt::FromMemory(judgement) if takes_memories => return Ok(*judgement),
                Attempt::FromMemory(judgement) => {
                    candidate.useless = true;
                    if second.is_enough_with(*judgement) {
                        return second.end();
                    }
                }
                Attempt::Silence => {}
                Attempt::Unreachable => candidate.useless = true,
            }
        }
    }

    /// What the copy of the root zone on this machine says, if there is one and it need not be
    /// avoided.
    fn ask_copy(&self, asked: &AskedZone<'_>, trip: &Trip<'_>) -> Option<Judgement> {
        let copy = self.settings.root_copy.as_ref()?;
        if trip.avoid.contains(&FROM_COPY) {
            return None;
        }
        let (octets, age_s) = copy.reply(&wire_of(asked.name), asked.rtype.into())?;
        let judgement = match judge(&octets, asked, FROM_COPY) {
            Judgement::Useless(_) => None,
            Judgement::Answer(said, further) => {
                Some(Judgement::Answer(Said { age_s, ..said }, further))
            }
            judgement => Some(judgement),
        };
        if let Some(judgement) = &judgement {
            trip.budget.note(|| TraceEvent::RootCopy {
                name: asked.name.to_ascii(),
                rtype: asked.rtype.to_string(),
                outcome: outcome_of(judgement, false),
            });
        }
        judgement
    }

    /// Ask for a server's addresses, for IPv6 ones only where there are no others.
    async fn look_up(&self, name: &Name, trip: &Trip<'_>) -> Vec<IpAddr> {
        if trip.depth() >= DEPTH_MAX || trip.looks_for(name) {
            return Vec::new();
        }
        trip.budget.note(|| TraceEvent::Address {
            server: name.to_ascii(),
        });
        let errand = Trip {
            budget: trip.budget,
            avoid: trip.avoid,
            errand: Some((name, trip)),
        };
        let mut addresses = Vec::new();
        for rtype in self.address_types() {
            if addresses.is_empty()
                && let Ok(said) = Box::pin(self.walk(name, rtype, &errand)).await
            {
                addresses.extend(
                    said.answer
                        .iter()
                        .flat_map(|set| &set.records)
                        .filter_map(|record| record.data.ip_addr()),
                );
            }
        }
        // What a delegation said is better than nothing, and better than a server's word that leads
        // nowhere.
        addresses.extend(self.zones.glue(name, clock::wall_s()));
        addresses
    }
}

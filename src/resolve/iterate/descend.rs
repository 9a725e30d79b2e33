//! One step down: what a referral or an answer means for where the walk goes on.

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};

use super::super::convert::label_count;
use super::super::rrset::Said;
use super::judge::{Referral, follow};
use super::zones::{NameServer, Zone};
use super::{DELEGATION_TTL_S_MAX, Trip, Walker};
use crate::clock::{self, UnixSeconds};

impl Walker {
    /// Servers of parent and child alike answer where others refer, and some servers answer for a
    /// child that others serve.
    pub(super) fn find_apex(&self, apex: Referral, zone: &Arc<Zone>) -> Arc<Zone> {
        let is_shared = |server: &NameServer| {
            let known = zone.servers.iter();
            known.clone().any(|other| {
                other.name == server.name
                    || server
                        .addresses
                        .iter()
                        .any(|address| other.addresses.contains(address))
            })
        };
        if apex.servers.is_empty() || apex.servers.iter().any(is_shared) {
            self.zones.note_apex(&apex.child, zone, clock::wall_s())
        } else {
            self.descend(apex, zone)
        }
    }

    /// Take note of a referral.
    pub(super) fn descend(&self, referral: Referral, parent: &Zone) -> Arc<Zone> {
        let now = clock::wall_s();
        let until = parent
            .until
            .min(now + i64::from(referral.ttl_s.min(DELEGATION_TTL_S_MAX)));
        let cut = referral.cut.map(Arc::new);
        let zone = Arc::new(Zone {
            name: referral.child,
            servers: referral.servers,
            since: now,
            until,
            cut,
            is_cut_doubted: false,
            lame: Arc::default(),
        });
        self.zones.keep(Arc::clone(&zone));
        zone
    }

    /// The alias that a DNAME from memory makes of a name below it.
    pub(super) fn recall_dname(
        &self,
        name: &Name,
        zone: &Zone,
        trip: &Trip<'_>,
        now: UnixSeconds,
    ) -> Option<Arc<Said>> {
        let between = label_count(&zone.name)..label_count(name);
        let (said, answer) =
            between
                .rev()
                .map(|labels| name.trim_to(labels))
                .find_map(|owner| {
                    let said = self
                        .memory
                        .recall(&owner, RecordType::DNAME, trip.avoid, now)?;
                    let set = said
                        .answer
                        .iter()
                        .find(|set| set.rtype == RecordType::DNAME && set.name == owner)?;
                    let answer = follow(name, set.clone())?;
                    Some((said, answer))
                })?;
        let rcode = if answer.len() > 1 {
            ResponseCode::NoError
        } else {
            ResponseCode::YXDomain
        };
        Some(Arc::new(Said {
            rcode,
            answer,
            authority: Vec::new(),
            servers: Vec::new(),
            ..(*said).clone()
        }))
    }

    /// Take note of an answer.
    pub(super) fn settle(
        &self,
        name: &Name,
        rtype: RecordType,
        said: Said,
        zone: &Arc<Zone>,
    ) -> Arc<Said> {
        let (said, now) = (Arc::new(said), clock::wall_s());
        self.zones.note_apex(&said.zone, zone, now);
        if !said.contradicts {
            self.memory.keep(name, rtype, &said, now);
        }
        // A DNAME holds whatever alias came with it.
        if let [dname, ..] = said.answer.as_slice()
            && dname.rtype == RecordType::DNAME
            && dname.name != *name
        {
            let alone = Said {
                rcode: ResponseCode::NoError,
                answer: vec![dname.clone()],
                authority: Vec::new(),
                contradicts: false,
                blocked: None,
                ..(*said).clone()
            };
            self.memory
                .keep(&dname.name, RecordType::DNAME, &Arc::new(alone), now);
        }
        said
    }

    /// A parent's servers that answer a DS question with the referral to the child: what they say
    /// about DS there is the answer.
    pub(super) fn said_by_referral(referral: Referral, zone: &Zone) -> Said {
        let (ds, denial, from) = referral.cut.map_or((None, Vec::new(), None), |cut| {
            (cut.ds, cut.denial, cut.from)
        });
        let answer = Vec::from_iter(ds);
        Said {
            rcode: ResponseCode::NoError,
            answer,
            authority: denial,
            servers: Vec::new(),
            zone: zone.name.clone(),
            from,
            age_s: 0,
            authoritative: false,
            contradicts: false,
            blocked: None,
        }
    }
}

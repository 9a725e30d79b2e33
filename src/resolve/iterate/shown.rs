//! What the walk shows an operator who asks how a question is resolved: its steps, and how servers
//! stand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};

use super::super::budget::Budget;
use super::super::convert::wire_of;
use super::super::exchange::{Outgoing, OutgoingEdns};
use super::super::rrset::Said;
use super::candidates::Candidates;
use super::judge::{AskedZone, Judgement, Referral, Useless};
use super::zones::Zone;
use super::{Trip, Walker};
use crate::clock;
use crate::resolve::trace::{
    ExchangeOutcome, OpenExchange, ServerStanding, TraceEvent, ZoneStanding,
};

/// The exchange that is about to begin, where it is to be shown.
pub(super) fn open_exchange(
    asked: &AskedZone<'_>,
    at: SocketAddr,
    outgoing: &Outgoing,
    trip: &Trip<'_>,
) -> Option<OpenExchange> {
    let trace = trip.budget.trace()?;
    let what = (asked.name.to_ascii(), asked.rtype.to_string());
    let open = OpenExchange::begin(trace, Some(asked.zone.to_ascii()), what, at);
    Some(match outgoing.edns {
        OutgoingEdns::Leave => open.without_edns(),
        OutgoingEdns::WantSignatures(_) => open,
    })
}

/// An exchange has ended.
pub(super) fn end_exchange(open: Option<OpenExchange>, outcome: impl FnOnce() -> ExchangeOutcome) {
    if let Some(open) = open {
        open.end(outcome());
    }
}

/// What a reply turned out to be, in the words of a trace.
pub(super) fn outcome_of(judgement: &Judgement, second_hand: bool) -> ExchangeOutcome {
    match judgement {
        Judgement::Answer(said, _) => match (said.answer.last(), said.rcode) {
            (Some(set), _) if set.rtype == RecordType::CNAME => ExchangeOutcome::Alias,
            (Some(_), _) => ExchangeOutcome::Answer { second_hand },
            (None, ResponseCode::NXDomain) => ExchangeOutcome::NoSuchName,
            (None, _) => ExchangeOutcome::NoData,
        },
        Judgement::Referral(Referral {
            child,
            servers,
            cut,
            ..
        }) => ExchangeOutcome::Referral {
            child: child.to_ascii(),
            servers: servers.len(),
            is_signed: cut.as_ref().map(|cut| cut.ds.is_some()),
        },
        Judgement::Apex(referral) => ExchangeOutcome::Apex {
            child: referral.child.to_ascii(),
        },
        Judgement::Useless(why) => match why {
            Useless::Malformed => ExchangeOutcome::Malformed,
            Useless::DislikesEdns => ExchangeOutcome::NoEdns,
            Useless::Refuses => ExchangeOutcome::Refuses,
            Useless::Lame => ExchangeOutcome::Lame,
        },
    }
}

/// The exchanges with servers that are under way.
#[derive(Debug, Default)]
pub(in crate::resolve) struct UnderWayExchanges {
    /// By the last label of what is asked for; the root's is empty.
    pub(in crate::resolve) by_top: BTreeMap<Vec<u8>, u64>,
    /// Questions in the zone in which most are.
    pub(in crate::resolve) in_fullest_zone: u32,
    /// As many may be in one.
    pub(in crate::resolve) in_zone_max: u32,
}

/// The last label of a name; empty for the root.
fn top_label(wire: &[u8]) -> &[u8] {
    let (mut rest, mut top) = (wire, &[][..]);
    while let Some((&length, tail)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, behind) = tail.split_at_checked(length.into()).unwrap_or((tail, &[]));
        (top, rest) = (label, behind);
    }
    top
}

impl Trip<'_> {
    /// What servers said a while ago serves.
    pub(super) fn note_kept(&self, name: &Name, rtype: RecordType, said: &Said) {
        self.budget.note(|| {
            let sets = said.answer.iter().chain(&said.authority);
            TraceEvent::Kept {
                name: name.to_ascii(),
                rtype: rtype.to_string(),
                zone: said.zone.to_ascii(),
                age_s: said.age_s,
                left_s: sets.map(|set| set.ttl_s).min(),
                sets: said.answer.len(),
            }
        });
    }

    /// The walk begins at this zone.
    pub(super) fn note_start(&self, name: &Name, rtype: RecordType, zone: &Zone) {
        self.budget.note(|| TraceEvent::Start {
            name: name.to_ascii(),
            rtype: rtype.to_string(),
            zone: zone.name.to_ascii(),
            left_s: zone.left_s(clock::wall_s()),
        });
    }

    /// No server says who serves a part of the name.
    pub(super) fn note_whole(&self, partial: &Name) {
        self.budget.note(|| TraceEvent::Retry {
            why: format!("no server says who serves {partial}: the whole name is asked for"),
        });
    }

    /// No server of a zone that was known is of use.
    pub(super) fn note_step_back(&self, zone: &Zone) {
        let zone = &zone.name;
        self.budget.note(|| TraceEvent::Retry {
            why: format!("no server of {zone} is of use: the zone above may know others"),
        });
    }
}

impl Walker {
    /// These servers of a zone may be asked.
    pub(super) fn note_zone(&self, zone: &Zone, candidates: &Candidates, trip: &Trip<'_>) {
        trip.budget.note(|| TraceEvent::Zone {
            zone: zone.name.to_ascii(),
            servers: candidates
                .known
                .iter()
                .map(|candidate| self.standing(zone, candidate.at))
                .collect(),
            names: candidates.names.iter().map(Name::to_ascii).collect(),
        });
    }

    /// The closest zone at or above a name that is known, and how its servers stand.
    pub(in crate::resolve) fn zone_standing(&self, name: &Name) -> ZoneStanding {
        let now = clock::wall_s();
        let zone = self.zones.closest(&wire_of(name), now);
        let budget = Budget::new(Duration::ZERO);
        let trip = Trip {
            budget: &budget,
            avoid: &[],
            errand: None,
        };
        let (mut servers, mut without_address) = (Vec::new(), Vec::new());
        for server in &zone.servers {
            let addresses = if server.addresses.is_empty() {
                self.remembered(&server.name, &trip)
            } else {
                server.addresses.clone()
            };
            if addresses.is_empty() {
                without_address.push(server.name.to_ascii());
            }
            let port = server.port.unwrap_or(self.settings.port);
            let named = Some(server.name.to_ascii()).filter(|_| !server.name.is_root());
            servers.extend(addresses.into_iter().map(|address| ServerStanding {
                name: named.clone(),
                ..self.standing(&zone, SocketAddr::new(address, port))
            }));
        }
        ZoneStanding {
            zone: zone.name.to_ascii(),
            left_s: zone.left_s(now),
            is_signed: zone.cut.as_ref().map(|cut| cut.ds.is_some()),
            servers,
            without_address,
        }
    }

    /// What is being asked of servers now: by the last label of the name, in lower case.
    pub(in crate::resolve) fn under_way(&self) -> UnderWayExchanges {
        let mut by_top: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        self.shared.for_each_name(|wire| {
            *by_top.entry(top_label(wire).to_vec()).or_default() += 1;
        });
        UnderWayExchanges {
            by_top,
            in_fullest_zone: self.crowds.fullest(),
            in_zone_max: self.settings.per_zone_max,
        }
    }

    /// How a server of a zone stands.
    pub(super) fn standing(&self, zone: &Zone, at: SocketAddr) -> ServerStanding {
        let name = zone
            .servers
            .iter()
            .find(|server| server.addresses.contains(&at.ip()) && !server.name.is_root())
            .map(|server| server.name.to_ascii());
        let lame_since = zone.lame.since(at);
        let server = self.servers.at(at);
        ServerStanding {
            name,
            lame_since,
            ..server.standing(at, self.servers.now_ms())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_label_is_the_top() {
        let cases: [(&[u8], &[u8]); 4] = [
            (b"\x03www\x01a\x04test\0", b"test"),
            (b"\x03com\0", b"com"),
            (b"\0", b""),
            (b"", b""),
        ];
        for (wire, top) in cases {
            assert_eq!(top_label(wire), top);
        }
    }
}

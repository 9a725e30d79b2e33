//! Which addresses of servers may be asked, by whose word.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::{Name, RecordType};

use super::address_scope::{AddressScope, place};
use super::candidates::{AddressCandidate, Candidates, chance};
use super::judge::AskedZone;
use super::zones::Zone;
use super::{Trip, Walker};
use crate::clock;

/// Who says that a server is to be asked at its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The operator, who may name any.
    Operator,
    /// A zone of the operator's, which may stand on private addresses.
    OwnZone,
    /// Anybody.
    Anybody,
}

impl Walker {
    pub(super) fn candidates(
        &self,
        zone: &Zone,
        asked: &AskedZone<'_>,
        trip: &Trip<'_>,
    ) -> Candidates {
        let mut candidates = Candidates {
            known: Vec::with_capacity(zone.servers.len()),
            names: Vec::new(),
            lookups: 0,
        };
        let word = self.word_of(zone);
        for server in &zone.servers {
            let word = if server.port.is_some() {
                Word::Operator
            } else {
                word
            };
            for address in &server.addresses {
                self.admit(*address, server.port, word, trip, &mut candidates.known);
            }
            // The operator's servers have no names.
            if server.port.is_some() {
                continue;
            }
            // A server within the zone cannot be found by asking the zone, nor can one below a name
            // whose keys are wanted.
            let is_inside = zone.name.zone_of(&server.name);
            if is_inside || asked.rtype == RecordType::DNSKEY && asked.name.zone_of(&server.name) {
                continue;
            }
            if server.addresses.is_empty() {
                for address in self.remembered(&server.name, trip) {
                    self.admit(address, None, word, trip, &mut candidates.known);
                }
            }
            candidates.names.push(server.name.clone());
        }
        // Who is looked for first is left to chance, so that a zone's servers share the load.
        let names = candidates.names.len();
        if names > 1 {
            candidates.names.rotate_left(chance() as usize % names);
        }
        self.note_zone(zone, &candidates, trip);
        candidates
    }

    /// A server's addresses from memory: its own word, or a delegation's.
    pub(super) fn remembered(&self, name: &Name, trip: &Trip<'_>) -> Vec<IpAddr> {
        let now = clock::wall_s();
        let mut addresses = Vec::new();
        for rtype in self.address_types() {
            if let Some(said) = self.memory.recall(name, rtype, trip.avoid, now) {
                addresses.extend(
                    said.answer
                        .iter()
                        .flat_map(|set| &set.records)
                        .filter_map(|record| record.data.ip_addr()),
                );
            }
        }
        if addresses.is_empty() {
            self.zones.glue(name, now)
        } else {
            addresses
        }
    }

    pub(super) fn address_types(&self) -> impl Iterator<Item = RecordType> {
        let v4 = self.settings.ipv4.then_some(RecordType::A);
        v4.into_iter()
            .chain(self.settings.ipv6.then_some(RecordType::AAAA))
    }

    pub(super) fn word_of(&self, zone: &Zone) -> Word {
        if self.zones.is_in_stub(&zone.name) {
            Word::OwnZone
        } else {
            Word::Anybody
        }
    }

    /// Let an address in among those that may be asked.
    pub(super) fn admit(
        &self,
        address: IpAddr,
        port: Option<u16>,
        word: Word,
        trip: &Trip<'_>,
        known: &mut Vec<AddressCandidate>,
    ) {
        let at = SocketAddr::new(address, port.unwrap_or(self.settings.port));
        let is_wanted = if address.is_ipv4() {
            self.settings.ipv4
        } else {
            self.settings.ipv6
        };
        let is_allowed = match place(address) {
            AddressScope::Public => true,
            AddressScope::Loopback => {
                self.settings.loopback
                    || word == Word::Operator
                    || self.settings.roots.contains(&address)
            }
            AddressScope::Private => {
                self.settings.private
                    || word != Word::Anybody
                    || self.settings.roots.contains(&address)
            }
            AddressScope::Nowhere => false,
        };
        let is_new = !known.iter().any(|candidate| candidate.at == at);
        if is_wanted && is_allowed && is_new && !trip.avoid.contains(&address) {
            known.push(AddressCandidate {
                at,
                server: self.servers.at(at),
                tries: 0,
                useless: false,
            });
        }
    }
}

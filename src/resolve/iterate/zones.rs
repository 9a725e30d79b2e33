//! The delegations that are known: which servers answer for which zone, as the zones' parents say.
//!
//! Only referrals of the parent's servers get in, and none outlives its parent's own: a zone that
//! was taken away is gone when its delegation ends, whatever its servers say meanwhile (ghost
//! domains).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hickory_proto::rr::Name;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::super::convert::{is_below, label_count, wire_of};
use super::super::rrset::Cut;
use super::lame_servers::LameServers;
use crate::clock::UnixSeconds;

/// What a zone takes in memory beside its servers, about.
const ZONE_OCTETS: usize = 400;
/// What a server of it takes.
const SERVER_OCTETS: usize = 160;
/// What DS records or their denial take.
const CUT_OCTETS: usize = 1500;

/// The longest that a zone is taken to share its parent's servers, in seconds.
const APEX_TTL_S: u32 = 86_400;

/// One zone and who answers for it.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    /// Its apex, lower-case.
    pub(super) name: Name,
    /// Its servers, in the parent's order.
    pub(super) servers: Vec<NameServer>,
    /// Wall-clock second in which the parent said so.
    pub(super) since: UnixSeconds,
    /// Wall-clock second from which on the parent must be asked again.
    pub(super) until: UnixSeconds,
    /// What the referral said about DS; `None` where it said neither that there are some nor that
    /// there are none, or where the zone is known from its parent's servers answering for it too.
    pub(super) cut: Option<Arc<Cut>>,
    /// It was found to be bogus: the parent is asked about DS anew. Until that has an answer, what
    /// is known stays: whether the zone is signed says how its servers may be asked.
    pub(super) is_cut_doubted: bool,
    /// Servers that do not know the zone.
    pub(super) lame: Arc<LameServers>,
}

impl Zone {
    /// For how many seconds the delegation holds; nothing where it always does.
    pub(super) fn left_s(&self, now: UnixSeconds) -> Option<i64> {
        (self.until < UnixSeconds::MAX).then(|| self.until.saturating_sub(now).max(0))
    }
}

/// A server's name and its addresses as the parent said them.
#[derive(Clone, Debug)]
pub(super) struct NameServer {
    /// Its name, lower-case; the root for servers known by address alone.
    pub(super) name: Name,
    /// Its glue, if there was any that may be believed.
    pub(super) addresses: Vec<IpAddr>,
    /// The port that the operator named with these addresses; everybody's port where nobody did.
    pub(super) port: Option<u16>,
}

#[derive(Clone)]
struct DelegationOctets;

impl Weighter<Box<[u8]>, Arc<Zone>> for DelegationOctets {
    fn weight(&self, key: &Box<[u8]>, zone: &Arc<Zone>) -> u64 {
        let cut = if zone.cut.is_some() { CUT_OCTETS } else { 0 };
        (ZONE_OCTETS + key.len() + SERVER_OCTETS * zone.servers.len() + cut) as u64
    }
}

/// All of them.
pub(super) struct Zones {
    shelf: Cache<Box<[u8]>, Arc<Zone>, DelegationOctets>,
    /// From the hints or from priming; never forgotten.
    root: ArcSwap<Zone>,
    /// Those whose servers the operator names, whatever their parents say.
    stubs: HashMap<Box<[u8]>, Arc<Zone>>,
}

impl Zones {
    /// Room for `octets_max` octets of delegations below `root` and the operator's own zones.
    pub(super) fn new(root: Zone, stubs: Vec<Zone>, octets_max: u64) -> Self {
        let items = octets_max as usize / (ZONE_OCTETS + 4 * SERVER_OCTETS);
        let stubs = stubs
            .into_iter()
            .map(|zone| (wire_of(&zone.name).into(), Arc::new(zone)))
            .collect();
        Self {
            shelf: Cache::with_weighter(items, octets_max, DelegationOctets),
            root: ArcSwap::from_pointee(root),
            stubs,
        }
    }

    /// The deepest zone at or above the name with these octets.
    pub(super) fn closest(&self, wire: &[u8], now: UnixSeconds) -> Arc<Zone> {
        let mut rest = wire;
        while let Some((&length, tail)) = rest.split_first().filter(|(length, _)| **length > 0) {
            if let Some(zone) = self.stubs.get(rest) {
                return Arc::clone(zone);
            }
            if let Some(zone) = self.shelf.get(rest).filter(|zone| now < zone.until) {
                return zone;
            }
            rest = tail.get(usize::from(length)..).unwrap_or_default();
        }
        self.root.load_full()
    }

    /// The zone with this very apex.
    pub(super) fn find(&self, wire: &[u8], now: UnixSeconds) -> Option<Arc<Zone>> {
        if wire == [0] {
            return Some(self.root.load_full());
        }
        self.stubs
            .get(wire)
            .cloned()
            .or_else(|| self.shelf.get(wire).filter(|zone| now < zone.until))
    }

    /// Is the name at or below a zone whose servers the operator names?
    pub(super) fn is_in_stub(&self, name: &Name) -> bool {
        self.stubs.values().any(|stub| stub.name.zone_of(name))
    }

    /// The memory that it takes, in octets.
    pub(super) fn octets(&self) -> u64 {
        self.shelf.weight()
    }

    /// Forget the delegations at and below a name.
    pub(super) fn forget(&self, below: &Name) {
        self.shelf.retain(|_, zone| !below.zone_of(&zone.name));
    }

    /// Keep a zone, in the place of an older delegation.
    pub(super) fn keep(&self, zone: Arc<Zone>) {
        self.shelf.insert(wire_of(&zone.name).into(), zone);
    }

    /// The servers of `parent` answer for `child` too: an apex is known, and nothing about its cut.
    /// Returns the child.
    pub(super) fn note_apex(
        &self,
        child: &Name,
        parent: &Arc<Zone>,
        now: UnixSeconds,
    ) -> Arc<Zone> {
        if !is_below(child, &parent.name) {
            return Arc::clone(parent);
        }
        let wire = wire_of(child);
        self.find(&wire, now).unwrap_or_else(|| {
            let (name, servers) = (child.clone(), parent.servers.clone());
            // The root and the operator's own zones hold for ever; that they serve a zone below as
            // well need not.
            let until = parent.until.min(now + UnixSeconds::from(APEX_TTL_S));
            let zone = Arc::new(Zone {
                name,
                servers,
                since: now,
                until,
                cut: None,
                is_cut_doubted: false,
                lame: Arc::default(),
            });
            self.shelf.insert(wire.into(), Arc::clone(&zone));
            zone
        })
    }

    /// What was asked about a cut that the referral left open, or of which the word was bogus.
    pub(super) fn note_cut(&self, cut: &Arc<Cut>, now: UnixSeconds) {
        self.change(&cut.child, now, |zone| Zone {
            cut: Some(Arc::clone(cut)),
            is_cut_doubted: false,
            ..zone
        });
    }

    /// What a parent said of a cut is bogus.
    pub(super) fn doubt_cut(&self, child: &Name, now: UnixSeconds) {
        self.change(child, now, |zone| Zone {
            is_cut_doubted: true,
            ..zone
        });
    }

    fn change(&self, name: &Name, now: UnixSeconds, change: impl FnOnce(Zone) -> Zone) {
        let wire = wire_of(name);
        let known = self.shelf.get(wire.as_slice());
        if let Some(zone) = known.filter(|zone| now < zone.until) {
            let changed = change(Zone::clone(&zone));
            self.shelf.insert(wire.into(), Arc::new(changed));
        }
    }

    /// Addresses for a server's name that a delegation at or above it brought along.
    pub(super) fn glue(&self, name: &Name, now: UnixSeconds) -> Vec<IpAddr> {
        let wire = wire_of(name);
        let mut rest = wire.as_slice();
        while let Some((&length, tail)) = rest.split_first().filter(|(length, _)| **length > 0) {
            if let Some(zone) = self.find(rest, now)
                && let Some(server) = zone.servers.iter().find(|server| server.name == *name)
            {
                return server.addresses.clone();
            }
            rest = tail.get(usize::from(length)..).unwrap_or_default();
        }
        Vec::new()
    }

    /// New servers for the root.
    pub(super) fn set_root(&self, root: Zone) {
        self.root.store(Arc::new(root));
    }

    /// The root's servers.
    pub(super) fn root(&self) -> Arc<Zone> {
        self.root.load_full()
    }
}

/// The part of `name` that has one label more than `zone`, or the whole of it.
pub(super) fn one_below(name: &Name, zone: &Name) -> Name {
    name.trim_to(label_count(zone) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str, until: UnixSeconds) -> Arc<Zone> {
        Arc::new(Zone {
            name: Name::from_ascii(name).unwrap(),
            servers: Vec::new(),
            since: 0,
            until,
            cut: None,
            is_cut_doubted: false,
            lame: Arc::default(),
        })
    }

    #[test]
    fn the_closest_zone_that_still_holds_is_found() {
        let root = Zone {
            name: Name::root(),
            servers: Vec::new(),
            since: 0,
            until: UnixSeconds::MAX,
            cut: None,
            is_cut_doubted: false,
            lame: Arc::default(),
        };
        let own = Arc::into_inner(zone("own.test.", UnixSeconds::MAX)).unwrap();
        let zones = Zones::new(root, vec![own], 1 << 20);
        zones.keep(zone("test.", 100));
        zones.keep(zone("a.test.", 50));
        let closest = |now| {
            zones
                .closest(b"\x03www\x01a\x04test\x00", now)
                .name
                .to_ascii()
        };
        assert_eq!(
            [closest(0), closest(50), closest(100)],
            ["a.test.", "test.", "."]
        );
        assert_eq!(zones.closest(b"\x00", 0).name, Name::root());
        zones.note_apex(
            &Name::from_ascii("www.a.test.").unwrap(),
            &zone("a.test.", 50),
            0,
        );
        assert_eq!([closest(0), closest(50)], ["www.a.test.", "test."]);
        zones.note_apex(
            &Name::from_ascii("other.").unwrap(),
            &zone("a.test.", 50),
            0,
        );
        assert_eq!(zones.closest(b"\x05other\x00", 0).name, Name::root());
        zones.keep(zone("own.test.", 10));
        zones.keep(zone("a.own.test.", 10));
        let own = |wire: &[u8]| {
            (
                zones.closest(wire, 0).name.to_ascii(),
                zones.closest(wire, 10).name.to_ascii(),
            )
        };
        assert_eq!(
            own(b"\x01a\x03own\x04test\x00"),
            ("a.own.test.".to_owned(), "own.test.".to_owned())
        );
        assert!(
            zones.is_in_stub(&Name::from_ascii("x.own.test.").unwrap())
                && !zones.is_in_stub(&Name::from_ascii("test.").unwrap())
        );
        zones.forget(&Name::from_ascii("own.test.").unwrap());
        assert_eq!(
            own(b"\x01a\x03own\x04test\x00").0,
            "own.test.",
            "the operator's word is not forgotten"
        );
    }

    #[test]
    fn names_are_cut_to_one_label_below() {
        let name = |text| Name::from_ascii(text).unwrap();
        assert_eq!(
            one_below(&name("www.a.test."), &Name::root()),
            name("test.")
        );
        assert_eq!(
            one_below(&name("www.a.test."), &name("test.")),
            name("a.test.")
        );
        assert_eq!(one_below(&name("test."), &name("test.")), name("test."));
    }
}

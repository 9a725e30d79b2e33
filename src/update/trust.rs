//! Who may sign a list: the keys of the configuration, or those that a chain of links leads to from
//! there. Another configuration voids the chain.

use std::fs;
use std::io;
use std::path::Path;

use super::listed::ListSource;
use super::refusal::Cause;
use crate::list::key_chain::{ChainFloor, KeyChain, KeySet, parse_chain, write_chain};
use crate::list::manifest::Manifest;
use crate::seal::{Note, VerifyKey};
use crate::store::write_whole;

/// The chain in the list's folder.
const FILE: &str = "chain.keys";

/// The chain of a list, as far as it is followed.
#[derive(Clone)]
pub(super) struct ListTrust {
    chain: KeyChain,
}

/// How a kept issue stands to today's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyStanding {
    /// They have signed it, or it was accepted before they took over from those that have.
    Vouched,
    /// They have not.
    Unvouched,
    /// It needs a key that was revoked: it is not put in force any more.
    Revoked,
}

impl ListTrust {
    /// The chain that is kept in the list's folder, as far as it holds under today's configuration;
    /// with the reason where it does not.
    pub(super) fn open(list: &ListSource, folder: Option<&Path>) -> (Self, Option<String>) {
        let start = Self {
            chain: KeyChain::start(&list.id, &list.papers.keys, list.papers.threshold),
        };
        let Some(octets) = folder.and_then(|folder| fs::read(folder.join(FILE)).ok()) else {
            return (start, None);
        };
        match start.follow(&octets) {
            Ok(trust) => (trust, None),
            Err(Cause::Keys(fault)) => (start, Some(fault.to_string())),
            Err(_) => (start, None),
        }
    }

    /// The chain that a file holds, from the configuration's keys on.
    pub(super) fn follow(&self, octets: &[u8]) -> Result<Self, Cause> {
        let notes = parse_chain(octets).map_err(Cause::Keys)?;
        let KeySet { keys, threshold } = self.chain.configured();
        let chain = KeyChain::follow(self.chain.list(), keys, *threshold, &notes);
        Ok(Self {
            chain: chain.map_err(Cause::Keys)?,
        })
    }

    /// Keep the chain's file; on disk when this returns.
    pub(super) fn keep(folder: &Path, octets: &[u8]) -> io::Result<()> {
        // As it is written, whatever else stands around it.
        let notes = parse_chain(octets).map_err(io::Error::other)?;
        write_whole(folder, FILE, write_chain(&notes).as_bytes())
    }

    /// How far the chain has come; 0 without a link.
    pub(super) fn number(&self) -> u64 {
        self.chain.number()
    }

    pub(super) fn floor(&self) -> Option<ChainFloor> {
        self.chain.floor()
    }

    /// May it be followed where an earlier one came so far?
    pub(super) fn check_floor(&self, floor: &ChainFloor) -> Result<(), Cause> {
        self.chain.check_floor(floor).map_err(Cause::Keys)
    }

    /// The keys whose signatures count under a note, and how many of them must have signed.
    pub(super) fn quorum(&self, note: &Note) -> KeySet {
        let serial = Manifest::parse(note.text()).map_or(0, |manifest| manifest.serial);
        let mut today = self.chain.today();
        let counts = |key: &VerifyKey| {
            let from = self.chain.revoked_from(key);
            from.is_none_or(|from| serial < from)
        };
        today.keys.retain(counts);
        today
    }

    /// The keys of which one is enough under a removal: all that have been followed, but for those
    /// that were revoked.
    pub(super) fn removers(&self) -> Vec<VerifyKey> {
        let links = self.chain.links().flat_map(|link| &link.keys);
        let mut keys: Vec<VerifyKey> = Vec::new();
        for key in self.chain.configured().keys.iter().chain(links) {
            if !keys.contains(key) && self.chain.revoked_from(key).is_none() {
                keys.push(key.clone());
            }
        }
        keys
    }

    /// How an issue stands that was accepted before.
    pub(super) fn vouching(&self, note: &Note, serial: u64) -> KeyStanding {
        if self.chain.needs_revoked(note, serial) {
            KeyStanding::Revoked
        } else if self.chain.vouched_once(note, serial) {
            KeyStanding::Vouched
        } else {
            KeyStanding::Unvouched
        }
    }
}

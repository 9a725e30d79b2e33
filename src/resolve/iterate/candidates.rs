//! The addresses that a zone's servers can be asked at, and which of them is asked next.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::rr::Name;

use super::servers::{ServerHealth, ServerRecord};

/// How often one server is asked in vain for the same thing, each time with as many repetitions as
/// there may be.
pub(super) const TRIES_MAX: u32 = 5;

/// Servers whose address is looked for on behalf of one zone (NXNSAttack).
pub(super) const LOOKUPS_MAX: usize = 5;

/// One in so many questions goes to a server that is not the fastest, to learn whether it has
/// become so.
const EXPLORE_ONE_IN: u64 = 20;

/// What an unknown server's round trip is taken to be.
const ROUND_TRIP_UNKNOWN_US: u32 = 120_000;

/// A server that may be asked.
pub(super) struct AddressCandidate {
    pub(super) at: SocketAddr,
    pub(super) server: Arc<ServerRecord>,
    pub(super) tries: u32,
    pub(super) useless: bool,
}

/// All of a zone's servers as far as their addresses are known, and the names of the others.
pub(super) struct Candidates {
    pub(super) known: Vec<AddressCandidate>,
    pub(super) names: Vec<Name>,
    pub(super) lookups: usize,
}

impl Candidates {
    /// Whom to ask next: someone not asked yet, then whoever was silent once but is known to
    /// answer, then nobody until all names are looked up, then the silent ones again.
    pub(super) fn pick(&mut self, now_ms: u64) -> Option<usize> {
        let patience = if self.has_names() { 2 } else { TRIES_MAX };
        loop {
            let index = self.best(patience)?;
            let candidate = self.known.get_mut(index)?;
            match candidate.server.health(now_ms) {
                ServerHealth::Up => return Some(index),
                // One question alone finds out whether it is back, by one try.
                ServerHealth::Due => {
                    candidate.tries = TRIES_MAX - 1;
                    return Some(index);
                }
                ServerHealth::Down => candidate.useless = true,
            }
        }
    }

    fn best(&self, patience: u32) -> Option<usize> {
        let is_open = |candidate: &AddressCandidate| {
            let known = candidate.tries == 0
                || patience == TRIES_MAX
                || candidate.server.round_trip_us().is_some();
            !candidate.useless && candidate.tries < patience && known
        };
        let luck = chance();
        let fresh = self
            .known
            .iter()
            .filter(|candidate| is_open(candidate) && candidate.tries == 0)
            .count();
        if fresh > 1 && luck.is_multiple_of(EXPLORE_ONE_IN) {
            let skip = (luck / EXPLORE_ONE_IN) as usize % fresh;
            let open = self
                .known
                .iter()
                .enumerate()
                .filter(|(_, candidate)| is_open(candidate) && candidate.tries == 0);
            return open.skip(skip).map(|(index, _)| index).next();
        }
        let open = self
            .known
            .iter()
            .enumerate()
            .filter(|(_, candidate)| is_open(candidate));
        open.min_by_key(|(index, candidate)| {
            let round_trip_us = candidate
                .server
                .round_trip_us()
                .unwrap_or(ROUND_TRIP_UNKNOWN_US);
            // Among equals chance decides, and a silence weighs as much as a slow server.
            let cost = u64::from(round_trip_us) + 200_000 * u64::from(candidate.server.silences());
            (
                candidate.tries,
                cost,
                luck.rotate_left(*index as u32 * 7) & 0xffff,
            )
        })
        .map(|(index, _)| index)
    }

    fn has_names(&self) -> bool {
        !self.names.is_empty() && self.lookups < LOOKUPS_MAX
    }

    pub(super) fn next_name(&mut self) -> Option<Name> {
        if !self.has_names() {
            return None;
        }
        self.lookups += 1;
        self.names.pop()
    }
}

/// A number that servers and addresses are drawn by; nothing depends on nobody guessing it.
pub(super) fn chance() -> u64 {
    RandomState::new().hash_one(0u8)
}

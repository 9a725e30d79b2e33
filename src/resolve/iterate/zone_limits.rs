//! How many questions are under way in each zone, so that no zone can take all places for itself
//! (water torture).
//!
//! Zones are told apart by a keyed hash alone: nothing is allocated, nothing grows, and nobody
//! outside can choose whom to share a place with.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use hickory_proto::rr::Name;

/// Places for zones; two that share one share its cap.
const PLACES: usize = 1 << 12;

/// The questions under way by zone.
pub(super) struct Crowds {
    places: Box<[AtomicU32]>,
    hasher: RandomState,
}

/// A question under way in a zone, until it is dropped.
pub(super) struct Present<'a>(&'a AtomicU32);

impl Crowds {
    pub(super) fn new() -> Self {
        Self {
            places: (0..PLACES).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// How many there are in the zone in which most are.
    pub(super) fn fullest(&self) -> u32 {
        let counts = self.places.iter().map(|place| place.load(Relaxed));
        counts.max().unwrap_or(0)
    }

    /// One more question in `zone`, where that has fewer than `max`.
    pub(super) fn enter(&self, zone: &Name, max: u32) -> Option<Present<'_>> {
        let place = self
            .places
            .get(self.hasher.hash_one(zone) as usize % PLACES)?;
        if place.fetch_add(1, Relaxed) < max {
            return Some(Present(place));
        }
        place.fetch_sub(1, Relaxed);
        None
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_zone_leaves_room_for_others() {
        let (crowds, zone) = (Crowds::new(), |text: &str| Name::from_ascii(text).unwrap());
        let mut present: Vec<_> = (0..5)
            .map_while(|_| crowds.enter(&zone("crowded.test."), 3))
            .collect();
        assert_eq!(present.len(), 3);
        assert!((0..10).any(|n| crowds.enter(&zone(&format!("other{n}.test.")), 3).is_some()));
        assert_eq!(crowds.fullest(), 3);
        present.pop();
        assert!(crowds.enter(&zone("crowded.test."), 3).is_some());
        drop(present);
        assert!(crowds.places.iter().all(|place| place.load(Relaxed) == 0));
    }
}

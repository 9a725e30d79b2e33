//! The answers that one thread serves most, found without a lock or a count of references; behind
//! it stands the shared cache.
//!
//! An answer comes here when the shared cache had it, so names that are asked once never do. Where
//! it lies depends on the name alone, so that it can be fetched from memory before the question is
//! read.

use std::sync::Arc;

use super::{CacheKey, Entry};
use crate::name::SuffixHash;

const WAYS: usize = 4;

/// One cache line: the lower half of each key, and its answer.
#[derive(Default)]
#[repr(align(64))]
struct Set([(u64, Option<Arc<Entry>>); WAYS]);

/// One thread's own answers.
pub struct Front {
    sets: Box<[Set]>,
    /// The next way to be given up, counted over all sets.
    turn: usize,
    flushes: u64,
}

impl Front {
    /// Room for about `entries` answers; none for 0.
    pub fn new(entries: usize) -> Self {
        Self {
            sets: (0..entries / WAYS).map(|_| Set::default()).collect(),
            turn: 0,
            flushes: 0,
        }
    }

    /// Forget everything if something was flushed since the last call, and have room for `entries`
    /// from then on.
    pub fn follow(&mut self, flushes: u64, entries: impl FnOnce() -> usize) {
        if flushes != self.flushes {
            *self = Self {
                flushes,
                ..Self::new(entries())
            };
        }
    }

    /// The answer under `key`, if it is still good at `now_s`.
    pub fn find(&self, key: CacheKey, now_s: u32) -> Option<&Arc<Entry>> {
        let tag = key.0 as u64;
        let ways = &self.sets.get(self.home(key.0))?.0;
        let (_, entry) = ways
            .iter()
            .find(|(seen, entry)| *seen == tag && entry.is_some())?;
        entry.as_ref().filter(|entry| entry.is_good(now_s))
    }

    /// Some answer for the name with this hash, whatever its type, to be fetched from memory ahead
    /// of time.
    pub fn guess(&self, name: SuffixHash) -> Option<&Entry> {
        let ways = &self.sets.get(self.home(name))?.0;
        let differs = |tag: u64| (tag ^ name as u64) & !(CacheKey::OF_QUESTION as u64) != 0;
        ways.iter()
            .find(|(tag, _)| !differs(*tag))
            .and_then(|(_, entry)| entry.as_deref())
    }

    /// Read the line on which answers for the name with this hash would be found.
    pub fn touch(&self, name: SuffixHash) -> u64 {
        self.sets.get(self.home(name)).map_or(0, |set| set.0[0].0)
    }

    /// Keep an answer, in the place of an older one for the same question or of another one.
    pub fn keep(&mut self, key: CacheKey, entry: Arc<Entry>) {
        let tag = key.0 as u64;
        let home = self.home(key.0);
        self.turn = self.turn.wrapping_add(1);
        let Some(Set(ways)) = self.sets.get_mut(home) else {
            return;
        };
        let same = ways
            .iter()
            .position(|(seen, entry)| *seen == tag || entry.is_none());
        let way = same.unwrap_or(self.turn % WAYS);
        if let Some(place) = ways.get_mut(way) {
            *place = (tag, Some(entry));
        }
    }

    /// The set for a key or a name's hash: by the upper half, in which a name's questions do not
    /// differ.
    const fn home(&self, hash: u128) -> usize {
        (((hash >> 64) * self.sets.len() as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    fn entry(now_s: u32) -> Arc<Entry> {
        Arc::new(Entry::failure(&Name::parse("a").unwrap(), 1, 22, now_s, 5))
    }

    fn name(n: u128) -> SuffixHash {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    #[test]
    fn answers_are_found_by_question_and_guessed_by_name() {
        let mut front = Front::new(1024);
        for n in 1..=200 {
            front.keep(CacheKey::new(name(n), 1, false, false), entry(10));
        }
        for n in 1..=200 {
            assert!(
                front
                    .find(CacheKey::new(name(n), 1, false, false), 12)
                    .is_some(),
                "{n}"
            );
            assert!(front.guess(name(n)).is_some());
        }
        assert!(
            front
                .find(CacheKey::new(name(1), 28, false, false), 12)
                .is_none()
        );
        assert!(
            front
                .find(CacheKey::new(name(1), 1, false, false), 15)
                .is_none(),
            "too old"
        );
        assert!(front.guess(name(201)).is_none());
    }

    #[test]
    fn a_full_set_gives_one_up_and_a_flush_all() {
        let mut front = Front::new(WAYS);
        for n in 1..=10 {
            front.keep(CacheKey::new(name(n), 1, false, false), entry(10));
        }
        let kept = (1..=10).filter(|n| front.guess(name(*n)).is_some()).count();
        assert_eq!(kept, WAYS);
        assert!(
            front
                .find(CacheKey::new(name(10), 1, false, false), 10)
                .is_some()
        );
        front.follow(0, || 1024);
        assert!(front.guess(name(10)).is_some());
        front.follow(1, || 1024);
        assert!(front.guess(name(10)).is_none());
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let mut front = Front::new(0);
        front.keep(CacheKey::new(1, 1, false, false), entry(1));
        assert!(front.guess(1).is_none());
        assert_eq!(front.touch(1), 0);
    }
}

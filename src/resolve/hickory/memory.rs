//! A small memory for what is asked again and again on the way to answers: keys, DS records, and names that are no zone cuts.
//!
//! hickory's own response cache is off. Its referrals from the cache cost a question nothing, and a few dozen zones that name each
//! other's servers without addresses keep it walking through them for as long as they live, in one poll that nothing can interrupt.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;

/// Two generations: when the young one is full the old one is forgotten, so that nothing has to be counted or sorted.
pub(super) struct Memory<K, V> {
    generations: Mutex<Generations<K, V>>,
    young_max: usize,
}

struct Generations<K, V> {
    young: HashMap<K, Kept<V>>,
    old: HashMap<K, Kept<V>>,
}

struct Kept<V> {
    since: Instant,
    until: Instant,
    value: V,
}

impl<K: Eq + Hash, V: Clone> Memory<K, V> {
    /// Keeps at most `entries_max` entries.
    pub(super) fn new(entries_max: usize) -> Self {
        Self { generations: Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }), young_max: entries_max / 2 }
    }

    /// What is kept under `key` and the whole seconds since it was kept.
    pub(super) fn recall(&self, key: &K) -> Option<(V, u32)> {
        let now = clock::monotonic();
        let generations = self.lock();
        let kept = generations.young.get(key).or_else(|| generations.old.get(key)).filter(|kept| now < kept.until)?;
        let age_s = now.duration_since(kept.since).as_secs().try_into().unwrap_or(u32::MAX);
        Some((kept.value.clone(), age_s))
    }

    /// Keep `value` for `ttl`.
    pub(super) fn keep(&self, key: K, value: V, ttl: Duration) {
        let since = clock::monotonic();
        let mut generations = self.lock();
        if generations.young.len() >= self.young_max {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(key, Kept { since, until: since + ttl, value });
    }

    fn lock(&self) -> MutexGuard<'_, Generations<K, V>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_by_age_and_by_number() {
        let memory = Memory::new(4);
        memory.keep(0, 'a', Duration::ZERO);
        assert_eq!(memory.recall(&0), None);
        for (key, value) in [(1, 'b'), (2, 'c'), (3, 'd')] {
            memory.keep(key, value, Duration::from_secs(60));
        }
        assert_eq!([1, 2, 3].map(|key| memory.recall(&key)), [Some(('b', 0)), Some(('c', 0)), Some(('d', 0))]);
        for key in 4..8 {
            memory.keep(key, 'e', Duration::from_secs(60));
        }
        assert_eq!(memory.recall(&1), None);
        assert_eq!(memory.recall(&7), Some(('e', 0)));
    }
}

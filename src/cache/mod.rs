//! Answers from outside, kept as octets so that serving one is a copy; bounded in octets,
//! thread-safe.

mod entry;
mod flush_kind;
mod front;
mod write;

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use quick_cache::sync::{Cache as Shelf, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::name::{Name, SuffixHash};
use entry::FAILURE_TTL_S;
pub use entry::{Entry, Lifetimes, UnusableReply};
pub use flush_kind::FlushKind;
pub use front::Front;

/// What an answer is found by: the name's keyed hash, the type, and whether DO and CD were set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey(u128);

impl CacheKey {
    /// The bits in which the keys of one name's questions may differ.
    const OF_QUESTION: u128 = 0x3_ffff;

    /// The key of a question in class IN.
    pub const fn new(
        name: SuffixHash,
        qtype: u16,
        dnssec_ok: bool,
        checking_disabled: bool,
    ) -> Self {
        // The hash is uniform and keyed, so flipping a few of its bits by the rest of the question
        // keeps keys apart.
        Self(name ^ ((qtype as u128) << 2 | (dnssec_ok as u128) << 1 | checking_disabled as u128))
    }
}

/// The key is a uniform hash already: fold it and be done.
#[derive(Default)]
pub struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = (number >> 64) as u64 ^ (number as u64).rotate_left(32);
    }
}

#[derive(Clone)]
struct EntryOctets;

impl Weighter<CacheKey, Arc<Entry>> for EntryOctets {
    fn weight(&self, _: &CacheKey, entry: &Arc<Entry>) -> u64 {
        entry.octets() as u64
    }
}

type Folding = BuildHasherDefault<Fold>;
type Lifecycle = DefaultLifecycle<CacheKey, Arc<Entry>>;

/// The cache of all answers.
pub struct Cache {
    shelf: Shelf<CacheKey, Arc<Entry>, EntryOctets, Folding, Lifecycle>,
    /// Grows with each flush and change of size, so that the threads' fronts know when to forget.
    flushes: AtomicU64,
}

/// What is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush<'a> {
    /// Everything.
    All,
    /// The answers for one name.
    Name(&'a Name),
    /// The answers for a name and all below it.
    Below(&'a Name),
}

/// How full a cache is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Answers held.
    pub entries: usize,
    /// Memory they take.
    pub octets: u64,
    /// Memory they may take.
    pub octets_max: u64,
}

/// A guess at what an answer takes, to size the index.
const ENTRY_OCTETS_TYPICAL: u64 = 350;

/// The most that one thread's front holds: 2 MiB of lines.
const FRONT_ENTRIES_MAX: usize = 1 << 17;

/// The cache cannot be made with these sizes.
#[derive(Debug, thiserror::Error)]
#[error("a cache of {octets_max} octets cannot be made")]
pub struct CacheSizeError {
    octets_max: u64,
}

impl Flush<'_> {
    fn has(self, entry: &Entry) -> bool {
        match self {
            Self::All => true,
            Self::Name(name) => entry.name().as_ref() == Some(name),
            Self::Below(parent) => entry.name().is_some_and(|name| name.is_within(parent)),
        }
    }
}

impl Cache {
    /// A cache that takes about `octets_max` octets at the most.
    pub fn new(octets_max: u64) -> Result<Self, CacheSizeError> {
        let options = OptionsBuilder::new()
            .estimated_items_capacity((octets_max / ENTRY_OCTETS_TYPICAL) as usize)
            .weight_capacity(octets_max)
            .build()
            .map_err(|_| CacheSizeError { octets_max })?;
        let shelf = Shelf::with_options(
            options,
            EntryOctets,
            Folding::default(),
            Lifecycle::default(),
        );
        Ok(Self {
            shelf,
            flushes: AtomicU64::new(0),
        })
    }

    /// The answer kept under `key` if it is still good at `now_s`.
    pub fn find(&self, key: CacheKey, now_s: u32) -> Option<Arc<Entry>> {
        self.shelf.get(&key).filter(|entry| entry.is_good(now_s))
    }

    /// The answer kept under `key` that has run out, if it may still be given (RFC 8767).
    pub fn find_stale(&self, key: CacheKey, now_s: u32, stale_s_max: u32) -> Option<Arc<Entry>> {
        self.shelf
            .get(&key)
            .filter(|entry| entry.is_stale(now_s, stale_s_max))
    }

    /// How long a failure found at `now_s` is to be kept: longer each time that it comes again (RFC
    /// 9520 section 3.2).
    pub fn failure_ttl_s(&self, key: CacheKey, now_s: u32) -> u32 {
        self.shelf
            .get(&key)
            .map_or(FAILURE_TTL_S, |entry| entry.next_failure_ttl_s(now_s))
    }

    /// Keep an answer, in the place of an older one.
    pub fn keep(&self, key: CacheKey, entry: Arc<Entry>) {
        self.shelf.insert(key, entry);
    }

    /// Forget the answer under this key.
    pub fn forget(&self, key: CacheKey) {
        self.shelf.remove(&key);
    }

    /// Forget answers of this kind. Returns how many there were.
    pub fn flush(&self, what: Flush<'_>, kind: FlushKind) -> usize {
        let before = self.shelf.len();
        // Counted before, so that nothing is kept any more that was asked before it, and after, so
        // that no front keeps what it found meanwhile.
        self.flushes.fetch_add(1, SeqCst);
        match (what, kind) {
            (Flush::All, FlushKind::Any) => self.shelf.clear(),
            _ => self
                .shelf
                .retain(|_, entry| !(what.has(entry) && entry.is_of(kind))),
        }
        self.flushes.fetch_add(1, SeqCst);
        before.saturating_sub(self.shelf.len())
    }

    /// How many answers each of `threads` fronts may hold: together a quarter of the cache's octets
    /// at the most, even where the cache itself gave them up meanwhile.
    pub fn front_entries(&self, threads: usize) -> usize {
        let fair = self.shelf.capacity() / 4 / ENTRY_OCTETS_TYPICAL / threads.max(1) as u64;
        (fair as usize).min(FRONT_ENTRIES_MAX)
    }

    /// Take about `octets_max` octets at the most from now on; what is too much goes at once.
    pub fn resize(&self, octets_max: u64) {
        self.shelf.set_capacity(octets_max);
        self.flushes.fetch_add(1, SeqCst);
    }

    /// Grows with each flush and each change of size.
    pub fn flushes(&self) -> u64 {
        self.flushes.load(SeqCst)
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        Fill {
            entries: self.shelf.len(),
            octets: self.shelf.weight(),
            octets_max: self.shelf.capacity(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{HashKey, SuffixHashes};

    const LIFETIMES: Lifetimes = Lifetimes {
        ttl_s_min: 0,
        stale_s_max: 86400,
        ttl_s_max: 86400,
        negative_ttl_s_max: 3600,
    };

    fn answer(label: u8) -> (CacheKey, Arc<Entry>) {
        let mut wire = b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0".to_vec();
        wire.extend([1, label, 4, b't', b'e', b's', b't', 0, 0, 1, 0, 1]);
        wire.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
        let mut hashes = SuffixHashes::new();
        hashes.fill(HashKey::fixed([1; 16]), &wire[12..]);
        (
            CacheKey::new(hashes.whole(), 1, false, false),
            Arc::new(Entry::from_wire(wire, None, 100, LIFETIMES).unwrap()),
        )
    }

    #[test]
    fn answers_are_kept_until_they_are_too_old() {
        let cache = Cache::new(1 << 20).unwrap();
        let (key, entry) = answer(b'a');
        cache.keep(key, entry);
        assert!(cache.find(key, 159).is_some());
        assert!(cache.find(key, 160).is_none());
        assert_ne!(key, CacheKey::new(0, 1, false, false));
    }

    #[test]
    fn the_octets_are_bounded() {
        let cache = Cache::new(100_000).unwrap();
        for _ in 0..10 {
            for label in 0..=255 {
                let (key, entry) = answer(label);
                for n in 0..100 {
                    cache.keep(CacheKey(key.0 ^ (n << 70)), Arc::clone(&entry));
                }
            }
        }
        let fill = cache.fill();
        assert!(fill.entries > 300 && fill.octets <= 100_000, "{fill:?}");
    }

    /// What is asked for again and again must outlast a scan of random names that is many times as
    /// large as the cache.
    #[test]
    fn a_scan_does_not_push_out_what_is_popular() {
        let cache = Cache::new(1 << 20).unwrap();
        let (key, entry) = answer(b'a');
        let spread =
            |n: u128| CacheKey(key.0 ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let popular = 1..=500;
        for n in popular.clone() {
            cache.keep(spread(n), Arc::clone(&entry));
        }
        for scanned in 1000..50_000 {
            cache.keep(spread(scanned), Arc::clone(&entry));
            // Ten popular questions for each random one.
            for n in 0..10 {
                cache.find(spread(1 + (scanned * 10 + n) % 500), 100);
            }
        }
        let kept = popular
            .filter(|n| cache.find(spread(*n), 100).is_some())
            .count();
        assert!(kept >= 495, "{kept} of 500");
    }

    #[test]
    fn flushing_follows_the_names() {
        let cache = Cache::new(1 << 20).unwrap();
        for label in [b'a', b'b', b'c'] {
            let (key, entry) = answer(label);
            cache.keep(key, entry);
        }
        let name = |text| Name::parse(text).unwrap();
        assert_eq!(
            cache.flush(Flush::Below(&name("b.test")), FlushKind::Any),
            1
        );
        assert_eq!(
            cache.flush(Flush::Below(&name("x.test")), FlushKind::Any),
            0
        );
        assert_eq!(cache.flush(Flush::Name(&name("test")), FlushKind::Any), 0);
        assert_eq!(cache.flush(Flush::Name(&name("a.test")), FlushKind::Any), 1);
        assert_eq!(cache.flush(Flush::Below(&name("test")), FlushKind::Any), 1);
        cache.keep(answer(b'a').0, answer(b'a').1);
        assert_eq!(cache.flush(Flush::All, FlushKind::Any), 1);
    }

    #[test]
    fn a_failure_that_comes_again_is_kept_longer() {
        let cache = Cache::new(1 << 20).unwrap();
        let name = Name::parse("a").unwrap();
        let key = CacheKey::new(7, 1, false, false);
        let mut now_s = 100;
        let mut kept = Vec::new();
        for _ in 0..6 {
            let ttl_s = cache.failure_ttl_s(key, now_s);
            kept.push(ttl_s);
            cache.keep(key, Arc::new(Entry::failure(&name, 1, 22, now_s, ttl_s)));
            now_s += ttl_s;
        }
        assert_eq!(kept, [5, 10, 20, 40, 60, 60]);
        assert_eq!(cache.failure_ttl_s(key, now_s + 300), 5, "long ago");
        cache.keep(key, answer(b'a').1);
        assert_eq!(cache.failure_ttl_s(key, 100), 5, "after an answer");
    }
}

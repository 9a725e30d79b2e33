//! The keyed hashes of a name and of its parents, by which lists and cache find it.
//!
//! SipHash-1-3-128 runs once over the labels from the root down; each label is its length octet and
//! its lower-case octets, filled up with zeros to whole 64-bit words, which is unambiguous. The
//! hash of each parent is the same hash finished early, so a name of 127 labels costs no more than
//! its octets.

use std::fmt;

use zeroize::Zeroizing;

use super::{LABEL_OCTETS_MAX, LABELS_MAX, NAME_OCTETS_MAX};

/// The secret under which this process hashes names; new at each start, never printed.
#[derive(Clone, Copy)]
pub struct HashKey(u64, u64);

impl HashKey {
    /// A key from the system's random source.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        Ok(Self::fixed(key))
    }

    /// A fixed key, for tests and benches that must repeat.
    pub const fn fixed(key: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(key);
        Self(key as u64, (key >> 64) as u64)
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

/// The 128-bit keyed hash of a name or of one of its parents.
pub type SuffixHash = u128;
/// A set of numbers of labels: bit n stands for the suffix of n labels.
pub type Depths = u128;
/// Every suffix.
pub const ALL_DEPTHS: Depths = Depths::MAX;

/// Room for a name's octets in whole words.
const LOWER_OCTETS: usize = 2 * (NAME_OCTETS_MAX + 1);

/// The hashes of a name and of those of its parents that are wanted; index 0 is the root, index
/// `depth()` the name itself.
///
/// Kept by the caller and filled again for each name, so that nothing is allocated or cleared per
/// question.
pub struct SuffixHashes {
    depth: usize,
    filled: Depths,
    /// Wiped in the end: it may have held a listed name.
    lower: Zeroizing<[u8; LOWER_OCTETS]>,
    starts: [u8; LABELS_MAX],
    hashes: [SuffixHash; LABELS_MAX + 1],
}

impl SuffixHashes {
    /// An empty set.
    pub fn new() -> Self {
        Self {
            depth: 0,
            filled: 0,
            lower: Zeroizing::new([0; LOWER_OCTETS]),
            starts: [0; LABELS_MAX],
            hashes: [0; LABELS_MAX + 1],
        }
    }

    /// Hash `wire` (an uncompressed name of any case, with its root label) and each of its parents.
    pub fn fill(&mut self, key: HashKey, wire: &[u8]) {
        self.fill_for(key, wire, ALL_DEPTHS);
    }

    /// Hash `wire` and those of its parents that have a `wanted` number of labels.
    ///
    /// What follows the name in `wire` is not looked at; octets that are no name give hashes that
    /// mean nothing.
    pub fn fill_for(&mut self, key: HashKey, wire: &[u8], wanted: Depths) {
        let mut end = self.find_labels(wire);
        let wanted = wanted | 1 << self.depth;
        self.filled = wanted;
        let mut state = Sip::new(key);
        self.put(0, wanted, &state);
        for labels in 1..=self.depth {
            let start = self
                .starts
                .get(self.depth - labels)
                .copied()
                .map_or(end, usize::from);
            let mut left = end - start;
            for word in self
                .lower
                .get(start..)
                .unwrap_or_default()
                .as_chunks::<8>()
                .0
            {
                let word = u64::from_le_bytes(*word);
                if left <= 8 {
                    state.take(word & u64::MAX >> (64 - 8 * left));
                    break;
                }
                state.take(word);
                left -= 8;
            }
            self.put(labels, wanted, &state);
            end = start;
        }
    }

    /// How many labels the name has.
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// The hash of the whole name.
    pub fn whole(&self) -> SuffixHash {
        self.at(self.depth)
    }

    /// The hash of the suffix with `labels` labels; 0 where it was not wanted.
    pub fn at(&self, labels: usize) -> SuffixHash {
        if self.filled >> labels & 1 == 0 {
            0
        } else {
            self.hashes.get(labels).copied().unwrap_or_default()
        }
    }

    /// Note where the labels start and take the name over in lower case. Returns where its root
    /// label stands.
    fn find_labels(&mut self, wire: &[u8]) -> usize {
        let mut at = 0;
        self.depth = 0;
        while let Some(&len) = wire.get(at) {
            let len = usize::from(len);
            if len == 0 || len > LABEL_OCTETS_MAX || at + 1 + len >= NAME_OCTETS_MAX {
                break;
            }
            let Some(start) = self.starts.get_mut(self.depth) else {
                break;
            };
            *start = at as u8;
            self.depth += 1;
            at += 1 + len;
        }
        let words = wire.get(..at.next_multiple_of(8)).unwrap_or(wire).chunks(8);
        for (octets, room) in words.zip(self.lower.as_chunks_mut::<8>().0) {
            let word = octets
                .first_chunk::<8>()
                .map_or_else(|| word_of(octets), |octets| u64::from_le_bytes(*octets));
            *room = lower(word).to_le_bytes();
        }
        at
    }

    fn put(&mut self, labels: usize, wanted: Depths, state: &Sip) {
        if wanted >> labels & 1 == 1
            && let Some(slot) = self.hashes.get_mut(labels)
        {
            *slot = state.finish();
        }
    }
}

impl Default for SuffixHashes {
    fn default() -> Self {
        Self::new()
    }
}

/// Fewer than eight octets as a word, zeros on top.
fn word_of(octets: &[u8]) -> u64 {
    octets
        .iter()
        .rev()
        .fold(0, |word, &octet| word << 8 | u64::from(octet))
}

/// Eight octets with their ASCII letters in lower case; a length octet is below every letter and
/// stays as it is.
const fn lower(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = word & (0x7f * ONES);
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let over_z = low + (0x7f - b'Z' as u64) * ONES;
    let upper = (from_a ^ over_z) & !word & (0x80 * ONES);
    word | upper >> 2
}

/// SipHash-1-3 with 128 bits out, for messages of whole words.
#[derive(Clone, Copy)]
struct Sip {
    v: [u64; 4],
    words: u64,
}

impl Sip {
    const fn new(HashKey(k0, k1): HashKey) -> Self {
        let v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        Self { v, words: 0 }
    }

    const fn take(&mut self, word: u64) {
        self.v[3] ^= word;
        self.round();
        self.v[0] ^= word;
        self.words += 1;
    }

    const fn finish(mut self) -> u128 {
        // The last word holds the message's length in octets, modulo 256.
        self.take((self.words * 8) << 56);
        self.v[2] ^= 0xee;
        let low = self.squeeze();
        self.v[1] ^= 0xdd;
        (self.squeeze() as u128) << 64 | low as u128
    }

    const fn squeeze(&mut self) -> u64 {
        self.round();
        self.round();
        self.round();
        self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
    }

    const fn round(&mut self) {
        let [a, b, c, d] = &mut self.v;
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use proptest::prelude::*;
    use siphasher::sip128::{Hasher128, SipHasher13};

    use super::*;
    use crate::name::Name;

    const KEY: [u8; 16] = [7; 16];

    fn hashes(wire: &[u8]) -> SuffixHashes {
        let mut hashes = SuffixHashes::new();
        hashes.fill(HashKey::fixed(KEY), wire);
        hashes
    }

    #[test]
    fn a_parents_hash_is_its_own() {
        let (child, parent) = (
            hashes(b"\x01x\x07BLOCKED\x07example\x00"),
            hashes(b"\x07blocked\x07example\x00rest"),
        );
        assert_eq!((child.depth(), parent.depth()), (3, 2));
        assert_eq!(child.at(2), parent.whole());
        assert_ne!(child.whole(), parent.whole());
        assert_eq!(child.at(0), parent.at(0));
    }

    #[test]
    fn only_what_is_wanted_is_there() {
        let all = hashes(b"\x01a\x01b\x01c\x01d\x00");
        let mut some = SuffixHashes::new();
        some.fill_for(HashKey::fixed(KEY), b"\x01A\x01b\x01c\x01d\x00", 1 << 2);
        assert_eq!(
            [0, 1, 2, 3, 4].map(|labels| some.at(labels)),
            [0, 0, all.at(2), 0, all.at(4)]
        );
    }

    proptest! {
        /// The library's SipHash over the same words is the same hash, whatever the case.
        #[test]
        fn it_is_siphash(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=63), 0..20)) {
            let mut wire = Vec::new();
            for label in &labels {
                if wire.len() + label.len() + 2 <= 255 {
                    wire.push(label.len() as u8);
                    wire.extend(label);
                }
            }
            wire.push(0);
            let name = Name::from_wire(&wire).unwrap();
            let mut oracle = SipHasher13::new_with_key(&KEY);
            let kept: Vec<&[u8]> = name.labels().collect();
            for label in kept.iter().rev() {
                let mut octets = vec![label.len() as u8];
                octets.extend(*label);
                octets.resize(octets.len().next_multiple_of(8), 0);
                oracle.write(&octets);
            }
            prop_assert_eq!(hashes(&wire).whole(), oracle.finish128().as_u128());
            wire.extend(b"behind");
            prop_assert_eq!(hashes(&wire).whole(), oracle.finish128().as_u128());
        }
    }
}

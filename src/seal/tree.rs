//! The Merkle tree of an append-only log (RFC 6962 section 2.1), its proofs, and its tiles (C2SP
//! tlog-tiles).

use aws_lc_rs::digest::{Context, SHA256};

use super::sha256;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;

const LEAF_PREFIX: u8 = 0;
const NODE_PREFIX: u8 = 1;

/// The hash of a leaf: SHA-256 of 0x00 and its octets.
pub fn leaf_hash(octets: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[LEAF_PREFIX]);
    context.update(octets);
    let mut hash = Hash::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of a node: SHA-256 of 0x01 and the hashes of its two children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut octets = [NODE_PREFIX; 65];
    let (_, children) = octets.split_at_mut(1);
    let (first, second) = children.split_at_mut(left.len());
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    sha256(&octets)
}

/// A growing tree, of which only the roots of its full subtrees are kept: at most 64 hashes,
/// whatever its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// One for each binary digit 1 of the size, the largest subtree first.
    peaks: Vec<Hash>,
}

impl Tree {
    /// The tree whose size and peaks were kept; none when they do not fit each other.
    pub fn from_peaks(size: u64, octets: &[u8]) -> Option<Self> {
        let (peaks, rest) = octets.as_chunks::<32>();
        let fits = rest.is_empty() && peaks.len() == size.count_ones() as usize;
        fits.then(|| Self {
            size,
            peaks: peaks.to_vec(),
        })
    }

    /// The peaks, for [`Tree::from_peaks`].
    pub fn peaks(&self) -> Vec<u8> {
        self.peaks.concat()
    }

    /// How many leaves it has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its hash.
    pub fn append(&mut self, leaf: Hash) {
        let mut node = leaf;
        // As many peaks are as large as what they are joined with as the size ends in binary digits
        // 1.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root of the tree as it is now; that of the empty tree is the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(&last) = peaks.next() else {
            return sha256(&[]);
        };
        peaks.fold(last, |root, peak| node_hash(peak, &root))
    }
}

/// The root of a tree of these leaves.
pub fn root_of(leaves: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.append(*leaf));
    tree.root()
}

/// Where a tree of this size (at least 2) divides: at the largest power of two below it.
pub(super) const fn division(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The leaves on both sides of that place.
fn divide(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
    leaves.split_at(division(leaves.len() as u64) as usize)
}

/// The proof that the leaf at `index` is in the tree of `leaves` (RFC 6962 section 2.1.1); none
/// beyond its end.
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let (left, right) = divide(leaves);
    let (mut proof, sibling) = match index.checked_sub(left.len()) {
        None => (inclusion_proof(left, index)?, root_of(right)),
        Some(index) => (inclusion_proof(right, index)?, root_of(left)),
    };
    proof.push(sibling);
    Some(proof)
}

/// Whether `proof` shows that `leaf` is at `index` in the tree of `size` leaves with this root (RFC
/// 9162 section 2.1.3.2).
pub fn is_included(leaf: &Hash, index: u64, size: u64, root: &Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// The proof that the tree of the first `old_size` of `leaves` is the start of the tree of all (RFC
/// 6962 section 2.1.2); none where there is nothing to prove from or to.
pub fn consistency_proof(leaves: &[Hash], old_size: usize) -> Option<Vec<Hash>> {
    (old_size > 0 && old_size <= leaves.len()).then(|| subproof(leaves, old_size, true))
}

fn subproof(leaves: &[Hash], old_size: usize, is_whole: bool) -> Vec<Hash> {
    if old_size == leaves.len() {
        return if is_whole {
            Vec::new()
        } else {
            vec![root_of(leaves)]
        };
    }
    let (left, right) = divide(leaves);
    let (mut proof, sibling) = match old_size.checked_sub(left.len()).filter(|rest| *rest > 0) {
        None => (subproof(left, old_size, is_whole), root_of(right)),
        Some(rest) => (subproof(right, rest, false), root_of(left)),
    };
    proof.push(sibling);
    proof
}

/// Whether `proof` shows that the tree of `old` is the start of the tree of `new`, each given as
/// size and root (RFC 9162 section 2.1.4.2).
pub fn is_consistent(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    if old_size == 0 || old_size > new_size {
        return false;
    }
    // A full old tree is itself the first node of the path, and left out of the proof.
    let mut path = proof.iter();
    let Some(&first) = (if old_size.is_power_of_two() {
        Some(old_root)
    } else {
        path.next()
    }) else {
        return false;
    };
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    let shift = node.trailing_ones();
    (node, last) = (node >> shift, last >> shift);
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// One tile: up to 256 neighbouring hashes of one level of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// 0 holds leaf hashes; each level above, the roots of full tiles of the one below.
    pub level: u8,
    /// Its place in its level.
    pub index: u64,
    /// The hashes, one after the other.
    pub octets: Vec<u8>,
}

impl Tile {
    /// Its path below the log's folder, such as `tile/0/x001/067` or, where it is not full,
    /// `tile/1/000.p/5`.
    pub fn path(&self) -> String {
        tile_path(self.level, self.index, self.octets.len() as u64 / 32)
    }
}

/// The path of the tile of `level` with the hashes from `256 * index` on, `width` of them.
pub fn tile_path(level: u8, index: u64, width: u64) -> String {
    format!("tile/{level}/{}", tile_name(index, width))
}

/// The path of the bundle with the entries from `256 * index` on, `width` of them.
pub fn bundle_path(index: u64, width: u64) -> String {
    format!("tile/entries/{}", tile_name(index, width))
}

/// Three digits a folder, an `x` before all but the last.
fn tile_name(index: u64, width: u64) -> String {
    let mut name = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        name = format!("x{:03}/{name}", rest % 1000);
        rest /= 1000;
    }
    if width < TILE_WIDTH {
        format!("{name}.p/{width}")
    } else {
        name
    }
}

/// Makes all tiles of a tree from its leaf hashes in order; keeps at most one unfinished tile a
/// level.
#[derive(Debug, Default)]
pub struct Tiler {
    unfinished: Vec<Tile>,
}

impl Tiler {
    /// Adds a leaf by its hash; gives the tiles that are full with it.
    pub fn append(&mut self, leaf: &Hash) -> Vec<Tile> {
        let (mut full, mut hash) = (Vec::new(), *leaf);
        for level in 0.. {
            if self.unfinished.len() <= usize::from(level) {
                self.unfinished.push(Tile {
                    level,
                    index: 0,
                    octets: Vec::new(),
                });
            }
            let Some(tile) = self.unfinished.get_mut(usize::from(level)) else {
                break;
            };
            tile.octets.extend_from_slice(&hash);
            if (tile.octets.len() as u64) < TILE_WIDTH * 32 {
                break;
            }
            hash = root_of(tile.octets.as_chunks::<32>().0);
            let next = Tile {
                level,
                index: tile.index + 1,
                octets: Vec::new(),
            };
            full.push(std::mem::replace(tile, next));
        }
        full
    }

    /// The tiles that are not full.
    pub fn finish(self) -> impl Iterator<Item = Tile> {
        self.unfinished
            .into_iter()
            .filter(|tile| !tile.octets.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The leaves of the test tree in the reference implementation of RFC 6962, and the roots of
    /// its first leaves.
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn octets(hex: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    #[test]
    fn the_known_tree_has_the_known_roots() {
        let mut tree = Tree::default();
        for (size, root) in ROOTS.iter().enumerate() {
            assert_eq!(tree.root().to_vec(), octets(root), "size {size}");
            assert_eq!(
                Tree::from_peaks(size as u64, &tree.peaks()),
                Some(tree.clone())
            );
            assert_eq!(
                Tree::from_peaks(size as u64 + 1, &tree.peaks()).is_some(),
                tree.size().count_ones() == (tree.size() + 1).count_ones()
            );
            if let Some(leaf) = LEAVES.get(size) {
                tree.append(leaf_hash(&octets(leaf)));
            }
        }
    }

    #[test]
    fn every_proof_of_small_trees_holds_and_no_other_does() {
        for size in 1..=33 {
            let leaves = leaves(size);
            let root = root_of(&leaves);
            for at in 0..size {
                let proof = inclusion_proof(&leaves, at).unwrap();
                assert!(
                    is_included(&leaves[at], at as u64, size as u64, &root, &proof),
                    "{at} of {size}"
                );
                assert!(
                    !is_included(&leaves[at], at as u64 + 1, size as u64, &root, &proof),
                    "{at} of {size}"
                );
                assert!(!is_included(&root, at as u64, size as u64, &root, &proof) || size == 1);
                let (old, old_root) = (at + 1, root_of(&leaves[..=at]));
                let mut proof = consistency_proof(&leaves, old).unwrap();
                assert!(
                    is_consistent((old as u64, &old_root), (size as u64, &root), &proof),
                    "{old} of {size}"
                );
                assert!(
                    !is_consistent(
                        (old as u64, &leaf_hash(b"other")),
                        (size as u64, &root),
                        &proof
                    ),
                    "{old} of {size}"
                );
                proof.push(root);
                assert!(
                    !is_consistent((old as u64, &old_root), (size as u64, &root), &proof),
                    "{old} of {size}"
                );
            }
            assert_eq!(
                (
                    inclusion_proof(&leaves, size),
                    consistency_proof(&leaves, size + 1),
                    consistency_proof(&leaves, 0)
                ),
                (None, None, None)
            );
        }
    }

    #[test]
    fn tiles_are_named_and_filled_as_the_format_says() {
        assert_eq!(
            [bundle_path(0, 256), bundle_path(1_234_067, 256)],
            ["tile/entries/000", "tile/entries/x001/x234/067"]
        );
        assert_eq!(bundle_path(1000, 5), "tile/entries/x001/000.p/5");
        let leaves = leaves(70_000);
        let mut tiler = Tiler::default();
        let mut tiles: Vec<Tile> = leaves.iter().flat_map(|leaf| tiler.append(leaf)).collect();
        tiles.extend(tiler.finish());
        let named = |path: &str| {
            tiles
                .iter()
                .find(|tile| tile.path() == path)
                .unwrap()
                .octets
                .as_chunks::<32>()
                .0
                .to_vec()
        };
        assert_eq!(named("tile/0/005"), leaves[5 * 256..6 * 256]);
        assert_eq!(named("tile/0/273.p/112"), leaves[273 * 256..]);
        assert_eq!(named("tile/1/000")[3], root_of(&leaves[3 * 256..4 * 256]));
        assert_eq!(named("tile/1/001.p/17").len(), 17);
        assert_eq!(named("tile/2/000.p/1"), [root_of(&leaves[..65_536])]);
        assert_eq!(tiles.len(), 274 + 2 + 1);
    }

    proptest! {
        #[test]
        fn a_changed_proof_holds_for_nothing(size in 2_usize..300, at in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let leaves = leaves(size);
            let (root, at) = (root_of(&leaves), at.index(size));
            let mut proof = inclusion_proof(&leaves, at).unwrap();
            let hash = place.index(proof.len());
            proof[hash][usize::from(bit)] ^= 1 << bit;
            prop_assert!(!is_included(&leaves[at], at as u64, size as u64, &root, &proof));
            let mut proof = consistency_proof(&leaves, at + 1).unwrap();
            if !proof.is_empty() {
                let hash = place.index(proof.len());
                proof[hash][usize::from(bit)] ^= 1 << bit;
                prop_assert!(!is_consistent((at as u64 + 1, &root_of(&leaves[..=at])), (size as u64, &root), &proof));
            }
        }
    }
}

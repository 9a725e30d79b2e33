//! Consistency proofs of a log that is too long to be hashed anew for each of them: the roots of
//! its full blocks are kept, and the leaves are read beside them (RFC 6962 section 2.1.2).

use super::tree::{Hash, TILE_WIDTH, division, node_hash, root_of};

/// The roots of the full blocks of 256 leaves of one growing log, as far as they were needed; 32
/// octets for 256 leaves.
#[derive(Clone, Debug, Default)]
pub struct BlockRoots {
    roots: Vec<Hash>,
}

/// That a log has grown from one size to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The root at the greater size.
    pub root: Hash,
    /// The proof from the smaller size on; empty where that is 0 or the greater one.
    pub proof: Vec<Hash>,
}

impl BlockRoots {
    /// Proves that the log has grown from `old` to `new` leaves. `leaves` gives the hashes of the
    /// leaves from one place up to, and without, another, at most 256 of them; those of a block
    /// that was full before are read again only where the proof divides it.
    ///
    /// # Errors
    /// Those of `leaves`. A proof from a greater size to a smaller one is empty.
    pub fn prove<E>(
        &mut self,
        old: u64,
        new: u64,
        mut leaves: impl FnMut(u64, u64) -> Result<Vec<Hash>, E>,
    ) -> Result<Growth, E> {
        while (self.roots.len() as u64 + 1) * TILE_WIDTH <= new {
            let from = self.roots.len() as u64 * TILE_WIDTH;
            self.roots.push(root_of(&leaves(from, from + TILE_WIDTH)?));
        }
        let mut part = LogParts {
            roots: &self.roots,
            leaves,
        };
        let mut proof = Vec::new();
        if 0 < old && old < new {
            part.prove(old, (0, new), true, &mut proof)?;
        }
        let root = part.root(0, new)?;
        Ok(Growth { root, proof })
    }
}

/// Subtrees of a log, each given as its first leaf and the one behind its last.
struct LogParts<'r, F> {
    roots: &'r [Hash],
    leaves: F,
}

impl<E, F: FnMut(u64, u64) -> Result<Vec<Hash>, E>> LogParts<'_, F> {
    fn root(&mut self, from: u64, until: u64) -> Result<Hash, E> {
        let size = until - from;
        if size == TILE_WIDTH
            && let Some(root) = usize::try_from(from / TILE_WIDTH)
                .ok()
                .and_then(|at| self.roots.get(at))
        {
            return Ok(*root);
        }
        if size == 0 {
            return Ok(root_of(&[]));
        }
        if size <= TILE_WIDTH {
            return Ok(root_of(&(self.leaves)(from, until)?));
        }
        let middle = from + division(size);
        Ok(node_hash(
            &self.root(from, middle)?,
            &self.root(middle, until)?,
        ))
    }

    /// `is_whole` says whether the old tree begins where the subtree does, so that whoever checks
    /// the proof knows its root.
    fn prove(
        &mut self,
        old: u64,
        (from, until): (u64, u64),
        is_whole: bool,
        proof: &mut Vec<Hash>,
    ) -> Result<(), E> {
        if old == until {
            if !is_whole {
                proof.push(self.root(from, until)?);
            }
            return Ok(());
        }
        let middle = from + division(until - from);
        let sibling = if old <= middle {
            self.prove(old, (from, middle), is_whole, proof)?;
            self.root(middle, until)?
        } else {
            self.prove(old, (middle, until), false, proof)?;
            self.root(from, middle)?
        };
        proof.push(sibling);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::seal::tree::{consistency_proof, is_consistent, leaf_hash};

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    fn prove(roots: &mut BlockRoots, leaves: &[Hash], old: u64, new: u64) -> Growth {
        let read = |from: u64, until: u64| {
            assert!(from < until && until - from <= TILE_WIDTH && until <= new);
            Ok::<_, Infallible>(leaves[from as usize..until as usize].to_vec())
        };
        let Ok(growth) = roots.prove(old, new, read);
        growth
    }

    /// The proof as RFC 6962 section 2.1.2 writes it down, over lists and without any memory.
    fn proof_of_the_standard(old: usize, leaves: &[Hash], is_whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if is_whole {
                vec![]
            } else {
                vec![root_of(leaves)]
            };
        }
        let mut k = 1;
        while 2 * k < leaves.len() {
            k *= 2;
        }
        let (left, right) = leaves.split_at(k);
        let (mut proof, last) = if old <= k {
            (proof_of_the_standard(old, left, is_whole), root_of(right))
        } else {
            (proof_of_the_standard(old - k, right, false), root_of(left))
        };
        proof.push(last);
        proof
    }

    #[test]
    fn every_proof_of_small_logs_is_that_of_the_standard_and_no_other_holds() {
        let all = leaves(70);
        for new in 0..=70 {
            let root = root_of(&all[..new]);
            for old in 0..=new {
                let place = format!("{old} of {new}");
                let sizes = (old as u64, new as u64);
                let mut roots = BlockRoots::default();
                let growth = prove(&mut roots, &all, sizes.0, sizes.1);
                assert_eq!(growth.root, root, "{place}");
                if old == 0 {
                    assert!(growth.proof.is_empty(), "{place}");
                    continue;
                }
                let expected = proof_of_the_standard(old, &all[..new], true);
                assert_eq!(growth.proof, expected, "{place}");
                assert_eq!(consistency_proof(&all[..new], old), Some(expected));
                refuses_all_others(&place, sizes, (&root_of(&all[..old]), &root), &growth.proof);
            }
        }
    }

    fn refuses_all_others(place: &str, sizes: (u64, u64), roots: (&Hash, &Hash), proof: &[Hash]) {
        let holds = |old: u64, new: u64, proof: &[Hash]| {
            is_consistent((old, roots.0), (new, roots.1), proof)
        };
        assert!(holds(sizes.0, sizes.1, proof), "{place}");
        assert!(!holds(sizes.0, sizes.1, &[proof, &[*roots.1]].concat()));
        for at in 0..proof.len() {
            let mut other = proof.to_vec();
            other[at][31] ^= 1;
            assert!(!holds(sizes.0, sizes.1, &other), "{place}: hash {at}");
            other.remove(at);
            assert!(!holds(sizes.0, sizes.1, &other), "{place}: without {at}");
        }
        if sizes.0 < sizes.1 {
            let other = leaf_hash(b"other");
            assert!(!is_consistent((sizes.0, &other), (sizes.1, roots.1), proof));
            assert!(!is_consistent((sizes.0, roots.0), (sizes.1, &other), proof));
            assert!(!holds(sizes.1, sizes.0, proof), "{place}: backwards");
        }
    }

    #[test]
    fn proofs_over_many_blocks_need_few_leaves() {
        let all = leaves(5000);
        let mut roots = BlockRoots::default();
        for (old, new) in [(1, 300), (255, 512), (256, 513), (700, 4999), (4096, 5000)] {
            let growth = prove(&mut roots, &all, old, new);
            let expected = consistency_proof(&all[..new as usize], old as usize);
            assert_eq!(Some(growth.proof), expected, "{old} of {new}");
            assert_eq!(growth.root, root_of(&all[..new as usize]));
        }
        let mut read = 0;
        let count = |from: u64, until: u64| {
            read += until - from;
            Ok::<_, Infallible>(all[from as usize..until as usize].to_vec())
        };
        let Ok(growth) = roots.prove(4900, 5000, count);
        assert_eq!(Some(growth.proof), consistency_proof(&all, 4900));
        assert!(read < 3 * TILE_WIDTH, "{read} of 5000 leaves were read");
    }
}

//! Proof that one tree continues another (RFC 6962 §2.1.2, checked as in RFC 9162 §2.1.4.2).

use tlog_tiles::{Hash, node_hash};

use crate::{Digest, ProofError};

/// What a checkpoint says of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// How many leaves.
    pub size: u64,
    /// The root over them (RFC 6962 §2.1).
    pub root: Digest,
}

/// The hashes that lead from an earlier tree to a later one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsistencyProof {
    /// From the leaves upward; none between equal sizes and from the empty tree.
    pub path: Vec<Digest>,
}

impl ConsistencyProof {
    /// Checks that the tree `new` begins with the leaves of `old`.
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`] if `new` is the smaller one, [`ProofError::Mismatch`].
    pub fn verify(&self, old: &TreeHead, new: &TreeHead) -> Result<(), ProofError> {
        let (old_root, new_root) = self.roots(old, new.size)?;
        if old_root == old.root && new_root == new.root {
            Ok(())
        } else {
            Err(ProofError::Mismatch)
        }
    }

    /// The roots at `old.size` and `new_size` to which the path leads.
    ///
    /// `old.root` enters only where the path leaves it out: if `old.size` is a power of two, or equal to
    /// `new_size`. From an empty tree nothing follows; `old.root` is returned, and the new root is not known.
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`] or, if the path has another length than such a proof,
    /// [`ProofError::Mismatch`].
    pub fn roots(&self, old: &TreeHead, new_size: u64) -> Result<(Digest, Digest), ProofError> {
        if old.size > new_size {
            return Err(ProofError::OutOfRange { index: old.size, size: new_size });
        }
        let mut path = self.path.iter().map(|digest| Hash(digest.0));
        if old.size == new_size || old.size == 0 {
            let empty = path.next().is_none();
            return empty.then_some((old.root, old.root)).ok_or(ProofError::Mismatch);
        }
        // The node where both trees part, as index of the last leaf at its level.
        let (mut node, mut last) = (old.size - 1, new_size - 1);
        let level = node.trailing_ones();
        (node, last) = (node.checked_shr(level).unwrap_or(0), last.checked_shr(level).unwrap_or(0));
        let first = if old.size.is_power_of_two() { Some(Hash(old.root.0)) } else { path.next() };
        let first = first.ok_or(ProofError::Mismatch)?;
        let (mut old_root, mut new_root) = (first, first);
        for hash in path {
            if last == 0 {
                return Err(ProofError::Mismatch);
            }
            if node & 1 == 1 || node == last {
                old_root = node_hash(hash, old_root);
                new_root = node_hash(hash, new_root);
                while node & 1 == 0 && node != 0 {
                    (node, last) = (node >> 1, last >> 1);
                }
            } else {
                new_root = node_hash(new_root, hash);
            }
            (node, last) = (node >> 1, last >> 1);
        }
        if last != 0 {
            return Err(ProofError::Mismatch);
        }
        Ok((Digest(old_root.0), Digest(new_root.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MerkleTree;

    const LEAVES: u64 = 70;

    fn head(tree: &MerkleTree, size: u64) -> TreeHead {
        TreeHead { size, root: tree.root_at(size).unwrap() }
    }

    fn tree(prefix: u8) -> MerkleTree {
        let leaves: Vec<[u8; 2]> = (0_u8..).take(70).map(|number| [prefix, number]).collect();
        MerkleTree::from_leaves(leaves.iter().map(<[u8; 2]>::as_slice))
    }

    #[test]
    fn every_pair_of_sizes_is_proven_as_the_other_implementation_proves_it() {
        let tree = tree(1);
        for new in 1..=LEAVES {
            for old in 0..=new {
                let proof = tree.prove_consistency(old, new).unwrap();
                let (old, new) = (head(&tree, old), head(&tree, new));
                if old.size == 0 {
                    assert_eq!(proof, ConsistencyProof::default());
                    continue;
                }
                proof.verify(&old, &new).unwrap();
                let hashes: Vec<Hash> = proof.path.iter().map(|digest| Hash(digest.0)).collect();
                let (new_root, old_root) = (Hash(new.root.0), Hash(old.root.0));
                tlog_tiles::check_tree(&hashes, new.size, new_root, old.size, old_root).unwrap();
            }
        }
        assert!(tree.prove_consistency(1, LEAVES + 1).is_err());
        assert!(tree.prove_consistency(3, 2).is_err());
    }

    #[test]
    fn a_changed_shortened_or_lengthened_proof_proves_nothing() {
        let tree = tree(1);
        for (old, new) in [(1, 2), (3, 7), (6, 70), (8, 64), (63, 64), (64, 70), (69, 70)] {
            let proof = tree.prove_consistency(old, new).unwrap();
            let (old, new) = (head(&tree, old), head(&tree, new));
            for place in 0..proof.path.len() {
                let mut changed = proof.clone();
                changed.path[place].0[5] ^= 1;
                assert_eq!(changed.verify(&old, &new), Err(ProofError::Mismatch));
                let mut shorter = proof.clone();
                shorter.path.remove(place);
                assert_eq!(shorter.verify(&old, &new), Err(ProofError::Mismatch));
            }
            let mut longer = proof.clone();
            longer.path.push(Digest([0; 32]));
            assert_eq!(longer.verify(&old, &new), Err(ProofError::Mismatch));
        }
    }

    #[test]
    fn a_tree_with_another_past_is_no_continuation_and_its_own_past_comes_out() {
        let (honest, forked) = (tree(1), tree(2));
        for old in 1..LEAVES {
            let proof = forked.prove_consistency(old, LEAVES).unwrap();
            let (seen, shown) = (head(&honest, old), head(&forked, LEAVES));
            assert_eq!(proof.verify(&seen, &shown), Err(ProofError::Mismatch), "{old}");
            if !old.is_power_of_two() {
                let roots = proof.roots(&seen, LEAVES).unwrap();
                assert_eq!(roots, (forked.root_at(old).unwrap(), shown.root), "{old}");
            }
        }
        let same_size = ConsistencyProof::default();
        let (seen, shown) = (head(&honest, 5), head(&forked, 5));
        assert_eq!(same_size.verify(&seen, &shown), Err(ProofError::Mismatch));
        assert_eq!(same_size.verify(&seen, &seen), Ok(()));
    }

    #[test]
    fn sizes_at_the_edge_of_64_bits_do_not_overflow() {
        let head = |size| TreeHead { size, root: Digest([1; 32]) };
        for (old, new) in [(1 << 63, u64::MAX), (u64::MAX - 1, u64::MAX), (1, u64::MAX)] {
            for hashes in [0, 1, 63, 64, 65, 200] {
                let proof = ConsistencyProof { path: vec![Digest([2; 32]); hashes] };
                assert!(proof.verify(&head(old), &head(new)).is_err());
            }
        }
    }
}

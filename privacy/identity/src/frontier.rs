//! The right edge of a Merkle tree: enough to append and to know the root, in at most 64 hashes.

use sha2::Digest as _;
use tlog_tiles::{Hash, node_hash, record_hash};

use crate::Digest;

/// A tree of RFC 6962 that has forgotten everything but the roots of its largest perfect subtrees.
///
/// Memory does not grow with the tree: an audit of any length, and a batch that may still be taken
/// back, need no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Largest subtree first: one for each bit that is set in `size`.
    subtrees: Vec<Digest>,
}

/// The hash of a leaf (RFC 6962 §2.1).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest(record_hash(leaf).0)
}

impl Frontier {
    /// Appends a leaf and returns its hash.
    pub fn push(&mut self, leaf: &[u8]) -> Digest {
        let hash = leaf_hash(leaf);
        self.push_hash(&hash);
        hash
    }

    /// Appends a leaf whose hash is known.
    pub fn push_hash(&mut self, hash: &Digest) {
        let mut subtree = *hash;
        // Every subtree of the same size as the new one becomes its left half.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                subtree = node(left, subtree);
            }
        }
        self.subtrees.push(subtree);
        self.size += 1;
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root (RFC 6962 §2.1); of an empty tree, the SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Digest {
        let smallest_first = self.subtrees.iter().rev().copied();
        let root = smallest_first.reduce(|right, left| node(left, right));
        root.unwrap_or_else(|| Digest(sha2::Sha256::digest([]).into()))
    }
}

fn node(left: Digest, right: Digest) -> Digest {
    Digest(node_hash(Hash(left.0), Hash(right.0)).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MerkleTree;

    #[test]
    fn roots_are_those_of_the_whole_tree() {
        let (mut frontier, mut tree) = (Frontier::default(), MerkleTree::default());
        assert_eq!(frontier.root(), tree.root());
        for number in 0..600_u64 {
            let leaf = number.to_be_bytes();
            let hash = frontier.push(&leaf);
            tree.push(&leaf);
            assert_eq!(hash, tree.leaf_hash(number).unwrap());
            assert_eq!((frontier.size(), frontier.root()), (tree.size(), tree.root()), "{number}");
            assert_eq!(frontier.subtrees.len(), frontier.size.count_ones() as usize);
        }
    }
}

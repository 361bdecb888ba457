//! Merkle trees of RFC 6962 (SHA-256), kept by the crate `tlog_tiles`.

use thiserror::Error;
use tlog_tiles::{Hash, HashReader, RecordProof, check_record, prove_record, prove_tree};
use tlog_tiles::{record_hash, stored_hash_index, stored_hashes_for_record_hash, tree_hash};

use crate::{
    ConsistencyProof, Decode, DecodeError, Digest, Encode, Reader, TreeHead, Writer, leaf_hash,
};

/// Longest proof that is decoded: a tree of 2^64 leaves.
const PROOF_HASHES_MAX: usize = 64;

/// Why a proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// There is no leaf with this index.
    #[error("leaf {index} is not in a tree of {size}")]
    OutOfRange {
        /// The index asked for.
        index: u64,
        /// The number of leaves.
        size: u64,
    },
    /// The proof does not lead from the leaf to the root.
    #[error("proof does not connect the leaf to the root")]
    Mismatch,
}

/// A tree that keeps all its hashes in memory and grows at the right.
#[derive(Debug, Clone, Default)]
pub struct MerkleTree {
    /// In the order of `stored_hash_index`: about two per leaf.
    hashes: Vec<Hash>,
    size: u64,
}

struct Stored<'a>(&'a [Hash]);

impl HashReader for Stored<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let at = |index: &u64| {
            let index = usize::try_from(*index).expect("held in memory, so it fits usize");
            self.0[index]
        };
        Ok(indexes.iter().map(at).collect())
    }
}

impl MerkleTree {
    /// The tree over `leaves` in their order.
    pub fn from_leaves<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut tree = Self::default();
        for leaf in leaves {
            tree.push(leaf);
        }
        tree
    }

    /// Appends a leaf and returns the hashes that its arrival completed, in storage order.
    ///
    /// # Panics
    /// Never: every hash that the step reads was stored before.
    pub fn push(&mut self, leaf: &[u8]) -> &[Hash] {
        self.push_hash(&leaf_hash(leaf))
    }

    /// Appends a leaf whose hash is known, as [`Self::push`].
    ///
    /// # Panics
    /// Never: every hash that the step reads was stored before.
    pub fn push_hash(&mut self, hash: &Digest) -> &[Hash] {
        let from = self.hashes.len();
        let new = stored_hashes_for_record_hash(self.size, Hash(hash.0), &Stored(&self.hashes))
            .expect("all earlier hashes are in memory");
        self.hashes.extend(new);
        self.size += 1;
        &self.hashes[from..]
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root (RFC 6962 §2.1); of an empty tree, the SHA-256 of nothing.
    ///
    /// # Panics
    /// Never: the whole tree is in range.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.root_at(self.size).expect("the whole tree is in range")
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }

    /// The root that the tree had when it held `size` leaves.
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`].
    ///
    /// # Panics
    /// Never: all hashes are in memory.
    pub fn root_at(&self, size: u64) -> Result<Digest, ProofError> {
        if size > self.size {
            return Err(ProofError::OutOfRange { index: size, size: self.size });
        }
        if size == 0 {
            return Ok(empty_root());
        }
        let hash = tree_hash(size, &Stored(&self.hashes)).expect("all hashes are in memory");
        Ok(Digest(hash.0))
    }

    /// The hash of the leaf `index`.
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`].
    ///
    /// # Panics
    /// Never: an index in range fits `usize`, as all hashes are in memory.
    pub fn leaf_hash(&self, index: u64) -> Result<Digest, ProofError> {
        self.in_range(index)?;
        let at = usize::try_from(stored_hash_index(0, index)).expect("held in memory");
        Ok(Digest(self.hashes[at].0))
    }

    /// All stored hashes, in the order in which tiles are cut from them.
    #[must_use]
    pub fn stored(&self) -> &[Hash] {
        &self.hashes
    }

    /// The proof that the leaf `index` is in this tree (RFC 6962 §2.1.1).
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`].
    ///
    /// # Panics
    /// Never: all hashes are in memory.
    pub fn prove(&self, index: u64) -> Result<InclusionProof, ProofError> {
        self.prove_at(index, self.size)
    }

    /// The proof that the leaf `index` was in the tree when that had `size` leaves.
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`].
    ///
    /// # Panics
    /// Never: all hashes are in memory.
    pub fn prove_at(&self, index: u64, size: u64) -> Result<InclusionProof, ProofError> {
        if index >= size || size > self.size {
            return Err(ProofError::OutOfRange { index, size: size.min(self.size) });
        }
        let hashes =
            prove_record(size, index, &Stored(&self.hashes)).expect("all hashes are in memory");
        let path = hashes.into_iter().map(|hash| Digest(hash.0)).collect();
        Ok(InclusionProof { index, size, path })
    }

    /// The proof that the tree of `new` leaves continues that of `old` (RFC 6962 §2.1.2).
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`] unless `old` ≤ `new` ≤ the tree's size.
    ///
    /// # Panics
    /// Never: all hashes are in memory.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<ConsistencyProof, ProofError> {
        if old > new || new > self.size {
            return Err(ProofError::OutOfRange { index: old, size: new.min(self.size) });
        }
        if old == 0 || old == new {
            return Ok(ConsistencyProof::default());
        }
        let hashes = prove_tree(new, old, &Stored(&self.hashes)).expect("all hashes are in memory");
        Ok(ConsistencyProof { path: hashes.into_iter().map(|hash| Digest(hash.0)).collect() })
    }

    const fn in_range(&self, index: u64) -> Result<(), ProofError> {
        if index < self.size {
            Ok(())
        } else {
            Err(ProofError::OutOfRange { index, size: self.size })
        }
    }
}

fn empty_root() -> Digest {
    use sha2::Digest as _;
    Digest(sha2::Sha256::digest([]).into())
}

/// The path from a leaf to the root of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Which leaf, 0-based.
    pub index: u64,
    /// How many leaves the tree has.
    pub size: u64,
    /// Sibling hashes, from the leaf upward.
    pub path: Vec<Digest>,
}

impl InclusionProof {
    /// Checks that `leaf` stands at [`Self::index`] of the tree with `root`.
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`] or [`ProofError::Mismatch`].
    pub fn verify(&self, leaf: &[u8], root: &Digest) -> Result<(), ProofError> {
        if self.index >= self.size {
            return Err(ProofError::OutOfRange { index: self.index, size: self.size });
        }
        let proof: RecordProof = self.path.iter().map(|digest| Hash(digest.0)).collect();
        check_record(&proof, self.size, Hash(root.0), self.index, record_hash(leaf))
            .map_err(|_source| ProofError::Mismatch)
    }
}

impl Encode for InclusionProof {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.index);
        writer.u64(self.size);
        crate::list_to_writer(&self.path, writer);
    }
}

impl Decode for InclusionProof {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (index, size) = (reader.u64()?, reader.u64()?);
        let path = crate::list_from_reader(reader, "proof", PROOF_HASHES_MAX)?;
        Ok(Self { index, size, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1, written down without any library but SHA-256.
    fn reference_root(leaves: &[Vec<u8>]) -> [u8; 32] {
        use sha2::Digest as _;
        match leaves {
            [] => sha2::Sha256::digest([]).into(),
            [leaf] => sha2::Sha256::new().chain_update([0]).chain_update(leaf).finalize().into(),
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(split);
                let node = sha2::Sha256::new().chain_update([1]);
                let node = node.chain_update(reference_root(left));
                node.chain_update(reference_root(right)).finalize().into()
            }
        }
    }

    fn leaves(count: u8) -> Vec<Vec<u8>> {
        (0..count).map(|index| vec![index; usize::from(index)]).collect()
    }

    #[test]
    fn roots_are_those_of_rfc_6962() {
        for count in 0..40 {
            let leaves = leaves(count);
            let tree = MerkleTree::from_leaves(leaves.iter().map(Vec::as_slice));
            assert_eq!(tree.root().0, reference_root(&leaves), "{count} leaves");
        }
    }

    #[test]
    fn each_leaf_is_proven_and_no_other_passes() {
        let leaves = leaves(21);
        let tree = MerkleTree::from_leaves(leaves.iter().map(Vec::as_slice));
        for (index, leaf) in (0..).zip(&leaves) {
            let proof = tree.prove(index).unwrap();
            assert!(proof.verify(leaf, &tree.root()).is_ok());
            assert_eq!(proof.verify(b"other", &tree.root()), Err(ProofError::Mismatch));
            let moved = InclusionProof { index: (index + 1) % 21, ..proof };
            assert_eq!(moved.verify(leaf, &tree.root()), Err(ProofError::Mismatch));
        }
        assert_eq!(tree.prove(21), Err(ProofError::OutOfRange { index: 21, size: 21 }));
    }

    #[test]
    fn earlier_roots_are_kept() {
        let leaves = leaves(9);
        let tree = MerkleTree::from_leaves(leaves.iter().map(Vec::as_slice));
        for size in 0..=9_u8 {
            let earlier = reference_root(&leaves[..usize::from(size)]);
            assert_eq!(tree.root_at(u64::from(size)).unwrap().0, earlier);
        }
    }
}

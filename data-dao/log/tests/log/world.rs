//! Two trees that part at a leaf, a log that signs both, and witnesses.

use data_dao_log::{Checkpoint, LogKey, Verifier, Witness, WitnessKey, add_checkpoint_body};
use privacy_identity::{MerkleTree, SigningKey, TreeHead};

pub(crate) const ORIGIN: &str = "dao.example/ledger";
pub(crate) const NOW_S: u64 = 1_679_315_147;

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

pub(crate) fn log() -> LogKey {
    LogKey::new(ORIGIN, &key(1)).unwrap()
}

pub(crate) fn verifier() -> Verifier {
    log().verifier().clone()
}

/// A hundred leaves; `past` makes those from 40 on different.
pub(crate) fn tree(past: u8) -> MerkleTree {
    let leaf = |number: u8| if number < 40 { vec![number] } else { vec![number, past] };
    let leaves: Vec<Vec<u8>> = (0..100).map(leaf).collect();
    MerkleTree::from_leaves(leaves.iter().map(Vec::as_slice))
}

pub(crate) fn head(tree: &MerkleTree, size: u64) -> TreeHead {
    TreeHead { size, root: tree.root_at(size).unwrap() }
}

pub(crate) fn signed(tree: &MerkleTree, size: u64) -> Checkpoint {
    Checkpoint::parse(&log().sign(&head(tree, size))).unwrap()
}

pub(crate) fn witness_key(number: u8) -> WitnessKey {
    WitnessKey::new(&format!("witness.example/{number}"), &key(100 + number)).unwrap()
}

pub(crate) fn witness(number: u8) -> Witness {
    let mut witness = Witness::new(witness_key(number));
    witness.add_log(verifier(), None).unwrap();
    witness
}

/// The request that takes a witness from `old` to `new` entries of this tree.
pub(crate) fn request(tree: &MerkleTree, old: u64, new: u64) -> String {
    let proof = tree.prove_consistency(old, new).unwrap();
    add_checkpoint_body(old, &proof, &signed(tree, new))
}

/// The checkpoint with the cosignatures of these witnesses, each of whom sees the log for the first time.
pub(crate) fn cosigned(tree: &MerkleTree, size: u64, witnesses: &[u8]) -> Checkpoint {
    let mut checkpoint = signed(tree, size);
    for number in witnesses {
        let line = witness(*number).check(request(tree, 0, size).as_bytes(), NOW_S).unwrap().line;
        checkpoint = checkpoint.with_lines(&line).unwrap();
    }
    checkpoint
}

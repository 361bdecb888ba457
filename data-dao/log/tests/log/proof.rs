//! Receipts.

use data_dao_log::{Policy, TlogProof, TlogProofError};
use privacy_identity::InclusionProof;

use crate::world::{cosigned, tree, verifier, witness_key};

fn receipt(index: u64, leaf: &[u8]) -> TlogProof {
    let tree = tree(0);
    let inclusion = tree.prove_at(index, 90).unwrap();
    TlogProof { extra: Some(leaf.to_vec()), inclusion, checkpoint: cosigned(&tree, 90, &[1]) }
}

#[test]
fn a_receipt_is_one_file_that_is_checked_offline() {
    let text = receipt(7, &[7]).to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra Bw==\nindex 7\n"), "{text}");
    let read = TlogProof::parse(&text).unwrap();
    assert_eq!((&read, read.to_string()), (&receipt(7, &[7]), text));
    assert_eq!(read.verify(None).unwrap(), [7]);
    let policy = format!("log {}\nwitness W {}\nquorum W\n", verifier(), witness_key(1).verifier());
    Policy::parse(policy.as_bytes()).unwrap().check(&read.checkpoint, None).unwrap();
    assert_eq!(read.verify(Some(&[7])).unwrap(), [7]);
    assert!(matches!(read.verify(Some(&[8])), Err(TlogProofError::NotIncluded(_))));
}

#[test]
fn the_entry_of_another_place_or_log_is_not_proven() {
    assert!(receipt(8, &[7]).verify(None).is_err());
    let mut moved = receipt(7, &[7]);
    moved.inclusion.index = 6;
    assert!(moved.verify(None).is_err());
    let mut beyond = receipt(7, &[7]);
    beyond.inclusion.index = 90;
    assert!(beyond.verify(None).is_err());
    let other = TlogProof { checkpoint: cosigned(&tree(1), 90, &[1]), ..receipt(7, &[7]) };
    assert!(other.verify(None).is_err());
    let without = TlogProof { extra: None, ..receipt(7, &[7]) };
    assert_eq!(without.verify(None), Err(TlogProofError::NoLeaf));
    assert_eq!(TlogProof::parse(&without.to_string()).unwrap(), without);
}

#[test]
fn what_is_no_receipt_is_refused_with_its_line() {
    let sound = receipt(7, &[7]).to_string();
    for (from, to, line) in [
        ("@v1", "@v2", 1),
        ("index 7", "index 07", 3),
        ("index 7", "index", 3),
        ("index 7", "extra Bw==", 3),
        ("index 7\n", "index 7\nindex 7\n", 4),
        ("extra Bw==\n", "extra B\n", 2),
        ("extra Bw==\n", "extra Bx==\n", 2),
        ("index 7\n", "index 7\nAAAA\n", 4),
    ] {
        let refused = TlogProof::parse(&sound.replacen(from, to, 1)).unwrap_err();
        let TlogProofError::Malformed { line: got, .. } = refused else { panic!("{refused:?}") };
        assert_eq!(got, line, "{to}");
    }
    let long =
        InclusionProof { path: receipt(7, &[7]).inclusion.path.repeat(20), index: 7, size: 90 };
    let long = TlogProof { inclusion: long, ..receipt(7, &[7]) }.to_string();
    assert!(TlogProof::parse(&long).is_err());
}

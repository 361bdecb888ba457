//! Arbitrary bytes, and real files with bytes changed, never panic and never come out as something that was not signed.

use data_dao_log::{Checkpoint, ForkProof, Policy, TlogProof, Verifier};
use privacy_identity::ConsistencyProof;
use proptest::prelude::*;

use crate::world::{NOW_S, cosigned, request, signed, tree, verifier, witness, witness_key};

/// A real file of each form.
fn files() -> Vec<String> {
    let (honest, forked) = (tree(0), tree(1));
    let pair = (signed(&honest, 50), signed(&forked, 50));
    let prefix = forked.root_at(50).unwrap();
    let fork = ForkProof::new(pair, prefix, ConsistencyProof::default(), &verifier()).unwrap();
    let checkpoint = cosigned(&honest, 50, &[1, 2]);
    let inclusion = honest.prove_at(3, 50).unwrap();
    let proof = TlogProof { extra: Some(vec![3]), inclusion, checkpoint: checkpoint.clone() };
    let policy = format!("log {}\nwitness W {}\nquorum W\n", verifier(), witness_key(1).verifier());
    vec![
        checkpoint.to_string(),
        fork.to_string(),
        proof.to_string(),
        policy,
        request(&honest, 0, 50),
    ]
}

fn read_all(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let known = [witness_key(1).verifier().clone(), witness_key(2).verifier().clone()];
    if let Ok(checkpoint) = Checkpoint::parse(&text) {
        assert_eq!(checkpoint.to_string(), text);
        let believed = checkpoint.signed_by(&verifier()).is_ok();
        assert!(!believed || checkpoint.head() == signed(&tree(0), 50).head());
        let _cosigned = checkpoint.cosignatures(&known);
    }
    if let Ok(fork) = ForkProof::parse(&text) {
        assert_eq!(fork.to_string(), text);
        assert!(fork.verify(&verifier()).is_err() || fork.first().head().size == 50);
    }
    if let Ok(proof) = TlogProof::parse(&text) {
        assert_eq!(proof.to_string(), text);
        let proven = proof.verify(None).is_ok() && proof.checkpoint.signed_by(&verifier()).is_ok();
        assert!(!proven || (proof.inclusion.index, proof.extra.as_deref()) == (3, Some(&[3][..])));
    }
    let _policy = Policy::parse(bytes);
    if let Ok(key) = text.parse::<Verifier>() {
        assert_eq!(key.to_string().parse::<Verifier>(), Ok(key));
    }
    if let Ok(cosigned) = witness(1).check(bytes, NOW_S) {
        assert_eq!(cosigned.checkpoint.head(), signed(&tree(0), 50).head());
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn real_files_with_changes_are_never_more_than_they_were(
        file in 0..5_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..4),
    ) {
        let mut bytes = files().swap_remove(file).into_bytes();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        read_all(&bytes);
    }
}

//! A log that shows two pasts.

use data_dao_log::{ForkError, ForkProof, LogKey, Witness};
use privacy_identity::ConsistencyProof;

use crate::world::{NOW_S, ORIGIN, key, request, signed, tree, verifier, witness};

fn shown(mut witness: Witness, past: u8, sizes: &[u64]) -> Witness {
    let (tree, mut old) = (tree(past), 0);
    for new in sizes {
        let cosigned = witness.check(request(&tree, old, *new).as_bytes(), NOW_S).unwrap();
        witness.accept(&cosigned);
        old = *new;
    }
    witness
}

/// Each witness sees a log that only grows. Laid side by side, what they keep convicts it.
#[test]
fn a_fork_shown_to_two_witnesses_is_found_when_they_compare() {
    for (one_size, other_size) in [(50, 50), (50, 70), (70, 50), (64, 90), (41, 100), (100, 41)] {
        let one = shown(witness(1), 0, &[20, one_size]);
        let other = shown(witness(2), 1, &[30, other_size]);
        let (one, other) = (one.latest(ORIGIN).unwrap(), other.latest(ORIGIN).unwrap());
        // Whoever has the leaves of the longer one (a monitor that copied its tiles) has the path.
        let (small, large) = (one_size.min(other_size), one_size.max(other_size));
        let of_large = tree(u8::from(other_size > one_size || one_size == other_size));
        let path = of_large.prove_consistency(small, large).unwrap();
        let prefix = of_large.root_at(small).unwrap();
        let pair = (one.clone(), other.clone());
        let fork = ForkProof::new(pair, prefix, path, &verifier()).unwrap();
        let file = fork.to_string();
        let read = ForkProof::parse(&file).unwrap();
        assert_eq!((&read, read.to_string()), (&fork, file));
        read.verify(&verifier()).unwrap();
    }
}

#[test]
fn an_honest_log_is_not_convicted() {
    let tree = tree(0);
    for (small, large) in [(5, 5), (5, 8), (8, 9), (50, 100), (64, 100)] {
        let path = tree.prove_consistency(small, large).unwrap();
        let pair = (signed(&tree, small), signed(&tree, large));
        let prefix = tree.root_at(small).unwrap();
        let refused = ForkProof::new(pair.clone(), prefix, path.clone(), &verifier());
        assert_eq!(refused, Err(ForkError::Consistent), "{small} {large}");
        // A made-up past has no path.
        let mut made_up = prefix;
        made_up.0[0] ^= 1;
        let refused = ForkProof::new(pair.clone(), made_up, path.clone(), &verifier());
        assert_eq!(refused, Err(ForkError::NoPath), "{small} {large}");
        assert_eq!(ForkProof::from_failed(&pair.0, &pair.1, &path, &verifier()), None);
    }
    let empty = (signed(&tree, 0), signed(&tree, 9));
    let prefix = tree.root_at(9).unwrap();
    let refused = ForkProof::new(empty, prefix, ConsistencyProof::default(), &verifier());
    assert_eq!(refused, Err(ForkError::Consistent));
}

#[test]
fn nobody_but_the_log_can_be_made_to_convict_it() {
    let (honest, forked) = (tree(0), tree(1));
    let stranger = LogKey::new(ORIGIN, &key(2)).unwrap();
    let by_stranger = stranger.sign(&forked.head());
    let by_stranger = data_dao_log::Checkpoint::parse(&by_stranger).unwrap();
    let pair = (signed(&honest, 100), by_stranger);
    let refused = ForkProof::new(pair, forked.root(), ConsistencyProof::default(), &verifier());
    assert!(matches!(refused, Err(ForkError::Checkpoint(_))), "{refused:?}");
}

#[test]
fn a_failed_proof_convicts_where_it_says_what_the_other_past_was() {
    let (honest, forked) = (tree(0), tree(1));
    for seen in 41..100 {
        let path = forked.prove_consistency(seen, 100).unwrap();
        let pair = (signed(&honest, seen), signed(&forked, 100));
        let found = ForkProof::from_failed(&pair.0, &pair.1, &path, &verifier());
        assert_eq!(found.is_some(), seen != 64, "{seen}");
    }
}

//! The witness, status by status.

use data_dao_log::{Checkpoint, LogKey, Rejected, Witness, WitnessKey, add_checkpoint_body};
use privacy_identity::{ConsistencyProof, Digest, TreeHead};

use crate::world::{
    NOW_S, ORIGIN, head, key, log, request, signed, tree, verifier, witness, witness_key,
};

/// The request of the specification, byte for byte. Its hashes and signatures are made up.
const EXAMPLE: &str = "old 20852014\n\
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
\n\
example.com/behind-the-sofa\n\
20852163\n\
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
\n\
\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
\u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";

fn status(witness: &Witness, body: &str) -> u16 {
    witness.check(body.as_bytes(), NOW_S).map_or_else(|r| r.reply().status, |c| c.reply().status)
}

/// Submits and accepts.
fn advance(witness: &mut Witness, body: &str) {
    let cosigned = witness.check(body.as_bytes(), NOW_S).unwrap();
    witness.accept(&cosigned);
}

#[test]
fn status_200_a_checkpoint_that_continues_the_last_is_cosigned() {
    let (tree, mut witness) = (tree(0), witness(1));
    for (old, new) in [(0, 5), (5, 5), (5, 64), (64, 65), (65, 100), (100, 100)] {
        let cosigned = witness.check(request(&tree, old, new).as_bytes(), NOW_S).unwrap();
        let reply = cosigned.reply();
        assert_eq!(reply.status, 200);
        assert!(
            reply.body.starts_with("\u{2014} witness.example/1 ") && reply.body.ends_with('\n')
        );
        let checkpoint = signed(&tree, new).with_lines(&reply.body).unwrap();
        let by = checkpoint.cosignatures(&[witness.verifier().clone()]).unwrap();
        assert_eq!((by.len(), by[0].time_s), (1, NOW_S));
        // Nothing has happened before it is accepted.
        assert_eq!(witness.latest(ORIGIN).map_or(0, |latest| latest.head().size), old);
        witness.accept(&cosigned);
        assert_eq!(*witness.latest(ORIGIN).unwrap().head(), head(&tree, new));
    }
}

#[test]
fn status_400_what_is_malformed_and_a_tree_that_shrinks() {
    let (tree, mut witness) = (tree(0), witness(1));
    advance(&mut witness, &request(&tree, 0, 10));
    let sound = request(&tree, 10, 20);
    for (from, to) in [
        ("old 10\n", ""),
        ("old 10\n", "old 010\n"),
        ("old 10\n", "old -10\n"),
        ("old 10\n", "old +10\n"),
        ("old 10\n", "old  10\n"),
        ("old 10\n", "old 18446744073709551616\n"),
        ("old 10\n", "old 10\n\n"),
        ("old 10\n", "old 10\nno hash\n"),
        ("old 10\n", "old 10\nAAAA\n"),
        ("old 10\n", "old 10\r\n"),
        ("\n20\n", "\ntwenty\n"),
        ("\u{2014}", "-"),
    ] {
        assert_eq!(status(&witness, &sound.replacen(from, to, 1)), 400, "{to:?}");
    }
    let hash = format!("{}=\n", "A".repeat(43));
    let long = sound.replacen("old 10\n", &format!("old 10\n{}", hash.repeat(64)), 1);
    assert_eq!(status(&witness, &long), 400);
    assert_eq!(witness.check(&[0xFF, 0xFE], NOW_S).unwrap_err().reply().status, 400);
    assert_eq!(status(&witness, ""), 400);
    let shrinks = add_checkpoint_body(10, &ConsistencyProof::default(), &signed(&tree, 9));
    assert_eq!(status(&witness, &shrinks), 400);
    assert_eq!(witness.latest(ORIGIN).unwrap().head().size, 10);
}

#[test]
fn status_403_a_checkpoint_without_the_logs_signature_or_with_a_false_one() {
    let (tree, witness) = (tree(0), witness(1));
    let by_stranger = LogKey::new(ORIGIN, &key(2)).unwrap().sign(&head(&tree, 5));
    let by_stranger = Checkpoint::parse(&by_stranger).unwrap();
    let nothing = ConsistencyProof::default();
    assert_eq!(status(&witness, &add_checkpoint_body(0, &nothing, &by_stranger)), 403);
    let altered = request(&tree, 0, 5).replacen("\n5\n", "\n6\n", 1);
    assert_eq!(status(&witness, &altered), 403);
    // The stranger's line beside the log's is no reason; a false one of the log's key is, whatever stands beside it.
    let both = signed(&tree, 5).with_lines(by_stranger.as_str().lines().last().unwrap()).unwrap();
    assert_eq!(status(&witness, &add_checkpoint_body(0, &nothing, &both)), 200);
    let false_line = signed(&tree, 6).as_str().lines().last().unwrap().to_owned();
    let spoiled = signed(&tree, 5).with_lines(&false_line).unwrap();
    let spoiled = spoiled.as_str().replacen(
        signed(&tree, 5).as_str().lines().last().unwrap(),
        &false_line,
        1,
    );
    assert_eq!(
        status(
            &witness,
            &format!(
                "old 0\n\n{}",
                spoiled.replace(&format!("{false_line}\n{false_line}"), &false_line)
            )
        ),
        403
    );
}

#[test]
fn status_404_a_log_that_is_not_known() {
    let (tree, witness) = (tree(0), witness(1));
    assert_eq!(status(&witness, EXAMPLE), 404);
    let other = LogKey::new("other.example", &key(1)).unwrap().sign(&head(&tree, 5));
    assert_eq!(status(&witness, &format!("old 0\n\n{other}")), 404);
    assert_eq!(status(&Witness::new(witness_key(1)), &request(&tree, 0, 5)), 404);
}

#[test]
fn status_409_with_the_size_where_the_request_begins_elsewhere() {
    let (tree, mut witness) = (tree(0), witness(1));
    let first = witness.check(request(&tree, 3, 5).as_bytes(), NOW_S).unwrap_err().reply();
    assert_eq!((first.status, &*first.body, first.content_type), (409, "0\n", "text/x.tlog.size"));
    advance(&mut witness, &request(&tree, 0, 10));
    for old in [0, 9, 11] {
        let reply = witness.check(request(&tree, old, 20).as_bytes(), NOW_S).unwrap_err().reply();
        assert_eq!(
            (reply.status, &*reply.body, reply.content_type),
            (409, "10\n", "text/x.tlog.size")
        );
    }
}

#[test]
fn status_409_another_root_of_the_same_size_convicts_the_log() {
    let (honest, forked, mut witness) = (tree(0), tree(1), witness(1));
    advance(&mut witness, &request(&honest, 0, 50));
    for old in [50, 0, 7] {
        let refused = witness.check(request(&forked, old, 50).as_bytes(), NOW_S).unwrap_err();
        assert_eq!(refused.reply().status, 409);
        refused.fork().unwrap().verify(&verifier()).unwrap();
    }
    // Equal up to there: no fork, and no reason to say so.
    advance(&mut witness, &request(&honest, 50, 50));
    assert!(witness.check(request(&honest, 7, 50).as_bytes(), NOW_S).unwrap_err().fork().is_none());
}

#[test]
fn status_422_a_proof_that_does_not_hold() {
    let (honest, forked, mut witness) = (tree(0), tree(1), witness(1));
    advance(&mut witness, &request(&honest, 0, 50));
    let empty = add_checkpoint_body(50, &ConsistencyProof::default(), &signed(&honest, 60));
    assert_eq!(status(&witness, &empty), 422);
    let noise = ConsistencyProof { path: vec![Digest([7; 32]); 6] };
    let refused =
        witness.check(add_checkpoint_body(50, &noise, &signed(&honest, 60)).as_bytes(), NOW_S);
    let refused = refused.unwrap_err();
    assert_eq!((refused.reply().status, refused.fork()), (422, None));
    // What proves the log's other past is kept.
    let refused = witness.check(request(&forked, 50, 60).as_bytes(), NOW_S).unwrap_err();
    assert!(matches!(refused, Rejected::Inconsistent { old: 50, new: 60, .. }));
    assert_eq!(refused.reply().status, 422);
    refused.fork().unwrap().verify(&verifier()).unwrap();
    // From nothing, a proof is none; and of the empty tree there is one root.
    let fresh = crate::world::witness(2);
    let more = ConsistencyProof { path: vec![Digest([7; 32])] };
    assert_eq!(status(&fresh, &add_checkpoint_body(0, &more, &signed(&honest, 5))), 422);
    let empty = log().sign(&TreeHead { size: 0, root: Digest([7; 32]) });
    assert_eq!(status(&fresh, &format!("old 0\n\n{empty}")), 422);
}

#[test]
fn requests_that_cross_do_not_roll_a_witness_back() {
    let (tree, mut witness) = (tree(0), witness(1));
    advance(&mut witness, &request(&tree, 0, 10));
    let (shorter, longer) = (request(&tree, 10, 20), request(&tree, 10, 30));
    advance(&mut witness, &longer);
    assert_eq!(witness.check(shorter.as_bytes(), NOW_S).unwrap_err().reply().body, "30\n");
    assert_eq!(witness.latest(ORIGIN).unwrap().head().size, 30);
}

#[test]
fn a_witness_goes_on_where_it_was_and_its_clock_does_not_show_going_back() {
    let tree = tree(0);
    let mut witness = witness(1);
    advance(&mut witness, &request(&tree, 0, 10));
    let kept = Checkpoint::parse(witness.latest(ORIGIN).unwrap().as_str()).unwrap();
    let mut again = Witness::new(witness_key(1));
    again.add_log(verifier(), Some(kept.clone())).unwrap();
    assert_eq!(status(&again, &request(&tree, 0, 20)), 409);
    for now_s in [0, 5, NOW_S - 1] {
        let cosigned = again.check(request(&tree, 10, 20).as_bytes(), now_s).unwrap();
        let by = cosigned.checkpoint.cosignatures(&[again.verifier().clone()]).unwrap();
        assert_eq!(by[0].time_s, NOW_S);
    }
    // What was kept is this witness's and this log's, or it is not believed.
    let mut other = Witness::new(witness_key(2));
    assert!(other.add_log(verifier(), Some(kept.clone())).is_err());
    let stranger = LogKey::new(ORIGIN, &key(2)).unwrap().verifier().clone();
    assert!(Witness::new(witness_key(1)).add_log(stranger, Some(kept)).is_err());
    assert!(other.add_log(witness_key(2).verifier().clone(), None).is_err());
}

#[test]
fn extension_lines_are_cosigned_as_they_are() {
    let tree = tree(0);
    let body = signed(&tree, 5).as_str().split_once("\n\n").unwrap().0.to_owned() + "\nmore\n";
    let secret = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let signature = ed25519_dalek::Signer::sign(&secret, body.as_bytes()).to_bytes();
    let bytes = [verifier().id().to_be_bytes().as_slice(), &signature].concat();
    let line = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
    let request = format!("old 0\n\n{body}\n\u{2014} {ORIGIN} {line}\n");
    let cosigned = witness(1).check(request.as_bytes(), NOW_S).unwrap();
    assert!(cosigned.checkpoint.as_str().contains("\nmore\n\n"));
    let by = cosigned.checkpoint.cosignatures(&[witness_key(1).verifier().clone()]).unwrap();
    assert_eq!(by.len(), 1);
    assert!(WitnessKey::new("a name", &key(1)).is_err());
}

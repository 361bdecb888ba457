use data_dao_log::{LogKey, Witness, WitnessKey, add_checkpoint_body};
use privacy_identity::{MerkleTree, SigningKey, TreeHead};
use serde_json::json;
use tlog_tiles::HashReader;

use super::*;

fn log() -> LogKey {
    LogKey::new("dao.example/ledger", &SigningKey::from_seed(&[1; 32])).unwrap()
}

fn witness_key() -> WitnessKey {
    WitnessKey::new("witness.example/1", &SigningKey::from_seed(&[101; 32])).unwrap()
}

fn leaf(number: u64, past: &str) -> Vec<u8> {
    let part = json!({"member": "me", "credits": number.to_string()});
    let body = json!({"round_settled": {"round": number, "participants": [part], "past": past}});
    json!({"time_ms": 1, "body": body}).to_string().into_bytes()
}

/// Leaves of which those from 300 on depend on the past.
fn tree(past: &str, size: u64) -> MerkleTree {
    let leaves: Vec<_> = (0..size).map(|at| leaf(at, if at < 300 { "" } else { past })).collect();
    MerkleTree::from_leaves(leaves.iter().map(Vec::as_slice))
}

fn signed(tree: &MerkleTree) -> Checkpoint {
    Checkpoint::parse(&log().sign(&tree.head())).unwrap()
}

/// As a node shows entry `index`.
fn shown(tree: &MerkleTree, index: u64, checkpoint: Checkpoint) -> Value {
    let inclusion = tree.prove(index).unwrap();
    let proof = TlogProof { extra: Some(leaf(index, "")), inclusion, checkpoint };
    json!({"proof": {"tlog_proof": proof.to_string()}})
}

fn trusted(witnesses: &[String], quorum: usize) -> Log {
    Log::new(&log().verifier().to_string(), None, (witnesses, quorum)).unwrap()
}

fn claim(credits: &str) -> Claim {
    Claim { index: 7, round: 7, member: "me".to_owned(), credits: credits.to_owned() }
}

#[test]
fn what_the_log_has_is_proven_and_what_it_does_not_say_is_found_out() {
    let (tree, fork) = (tree("", 400), tree("x", 400));
    let (said, _) = trusted(&[], 0).entry(&shown(&tree, 7, signed(&tree)), 7).unwrap();
    assert_eq!(pays(&said, &claim("7")), Some(true));
    assert_eq!(pays(&said, &claim("8")), Some(false));
    assert_eq!(pays(&said, &Claim { member: "you".to_owned(), ..claim("7") }), Some(false));
    assert_eq!(pays(&said, &Claim { round: 8, ..claim("7") }), Some(false));
    let other = trusted(&[], 0).entry(&shown(&tree, 8, signed(&tree)), 7);
    assert!(matches!(other, Err(Unproven::OtherEntry { expected: 7, got: 8 })));
    // The proof of one tree under the checkpoint of another.
    let forged = trusted(&[], 0).entry(&shown(&tree, 7, signed(&fork)), 7);
    assert!(matches!(forged, Err(Unproven::Proof(_))), "{forged:?}");
    let none = trusted(&[], 0).entry(&json!({}), 7);
    assert!(matches!(none, Err(Unproven::Proof(_))));
}

#[test]
fn parts_of_a_settlement_are_looked_through() {
    let head = json!({"body": {"round_settling": {"round": 7}}});
    let part = |member: &str| {
        let part = json!({"member": member, "credits": "7"});
        json!({"body": {"settled_part": {"round": 7, "participants": [part]}}})
    };
    let looks = [head, part("you"), part("me"), json!({"body": {"genesis": {}}})];
    let found = looks.each_ref().map(|said| pays(said, &claim("7")));
    assert_eq!(found, [None, None, Some(true), Some(false)]);
}

#[test]
fn a_log_with_another_key_or_signature_is_refused() {
    let stranger = LogKey::new("dao.example/ledger", &SigningKey::from_seed(&[2; 32])).unwrap();
    let (known, now) = (log().verifier().to_string(), stranger.verifier().to_string());
    let refused = Log::new(&now, Some(&known), (&[], 0)).unwrap_err();
    assert!(matches!(refused, Unproven::OtherLog { .. }));
    assert!(matches!(Log::new("x", None, (&[], 0)), Err(Unproven::Key(_))));
    let forged = Checkpoint::parse(&stranger.sign(&tree("", 9).head())).unwrap();
    assert!(matches!(trusted(&[], 0).believes(&forged), Err(Unproven::Policy(_))));
}

#[test]
fn a_checkpoint_needs_as_many_witnesses_as_were_voted() {
    let tree = tree("", 20);
    let keys = [witness_key().verifier().to_string()];
    let refused = trusted(&keys, 1).believes(&signed(&tree));
    assert!(matches!(refused, Err(Unproven::Policy(_))));
    let mut witness = Witness::new(witness_key());
    witness.add_log(log().verifier().clone(), None).unwrap();
    let proof = tree.prove_consistency(0, 20).unwrap();
    let request = add_checkpoint_body(0, &proof, &signed(&tree));
    let line = witness.check(request.as_bytes(), 1_700_000_000).unwrap().line;
    let cosigned = signed(&tree).with_lines(&line).unwrap();
    let seen = trusted(&keys, 1).believes(&cosigned).unwrap();
    assert_eq!((seen.size, &seen.witnesses[..]), (20, &["witness.example/1".to_owned()][..]));
}

/// Hashes as a node has them stored.
struct Stored<'a>(&'a MerkleTree);

impl HashReader for Stored<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let at = |index: &u64| self.0.stored()[usize::try_from(*index).unwrap()];
        Ok(indexes.iter().map(at).collect())
    }
}

fn tile(tree: &MerkleTree, path: &str) -> anyhow::Result<Vec<u8>> {
    let tile = Tile::from_path(&path.replacen("tile/", "tile/8/", 1)).unwrap();
    Ok(tile.read_data(&Stored(tree))?)
}

#[test]
fn a_log_that_grows_is_believed_and_one_that_was_rewritten_is_not() {
    let (long, fork) = (tree("", 700), tree("x", 700));
    for size in [1, 5, 256, 300, 512, 700] {
        let head = TreeHead { size, root: long.root_at(size).unwrap() };
        let before = Checkpoint::parse(&log().sign(&head)).unwrap();
        let read = |path: &str| tile(&long, path);
        continues(&before, &signed(&long), &read).unwrap();
        let forked = continues(&before, &signed(&fork), &|path| tile(&fork, path));
        // Up to entry 300 both are one.
        assert_eq!(forked.is_ok(), size <= 300, "{size}: {forked:?}");
        if size > 300 {
            assert!(matches!(forked, Err(Unproven::Rewritten { before }) if before == size));
        }
    }
    let shorter = continues(&signed(&long), &signed(&tree("", 600)), &|path| tile(&long, path));
    assert!(matches!(shorter, Err(Unproven::Shorter { before: 700, got: 600 })));
}

#[test]
fn tiles_that_do_not_lead_to_the_root_prove_nothing() {
    let (long, fork, short) = (tree("", 700), tree("x", 700), tree("", 5));
    let wrong = continues(&signed(&short), &signed(&long), &|path| tile(&fork, path));
    assert!(matches!(wrong, Err(Unproven::Tiles(_))), "{wrong:?}");
    let gone = continues(&signed(&short), &signed(&long), &|_| anyhow::bail!("no such tile"));
    assert!(matches!(gone, Err(Unproven::Tiles(why)) if why == "no such tile"));
}

//! What an auditor asks beyond that a log can be recomputed, and what is served to anybody.

use std::{fs, path::Path};

use data_dao_log::{Checkpoint, Policy, Verifier, Witness, WitnessKey, add_checkpoint_body};
use data_dao_store::{Audit, Seen, Store, StoreError, TilePath, TilesError, audit_tiles};
use privacy_identity::ConsistencyProof;
use tempfile::tempdir;

use crate::world::{ORIGIN, aborted_round, admitted, founded, key, node_key, open};

fn verifier(store: &Store) -> Verifier {
    store.vkey().parse().unwrap()
}

fn witness(store: &Store, number: u8) -> Witness {
    let key = WitnessKey::new(&format!("witness.example/{number}"), &key(number)).unwrap();
    let mut witness = Witness::new(key);
    witness.add_log(verifier(store), None).unwrap();
    witness
}

/// The newest checkpoint of a store with a line of each witness, none of whom saw it before.
fn cosigned(store: &Store, witnesses: &[u8]) -> Checkpoint {
    let mut checkpoint = Checkpoint::parse(&store.checkpoint()).unwrap();
    let body = add_checkpoint_body(0, &ConsistencyProof::default(), &checkpoint);
    for number in witnesses {
        let line = witness(store, *number).check(body.as_bytes(), 1_000).unwrap().line;
        checkpoint = checkpoint.with_lines(&line).unwrap();
    }
    checkpoint
}

async fn grown(dir: &Path, rounds: u64) -> Store {
    let store = founded(dir).await;
    store.append(9_000, (0..rounds).flat_map(aborted_round).collect()).await.unwrap();
    store
}

#[tokio::test]
async fn what_is_served_is_what_is_exported_for_every_size_there_was() {
    let (dir, tiles) = (tempdir().unwrap(), tempdir().unwrap());
    let store = founded(dir.path()).await;
    for rounds in 0..8 {
        let bodies = (rounds * 40..(rounds + 1) * 40).flat_map(aborted_round).collect();
        store.append(9_000, bodies).await.unwrap();
        store.export_tiles(tiles.path()).await.unwrap();
    }
    let size = store.size();
    assert_eq!(size, 646);
    let mut files = 0;
    for level in ["tile/0", "tile/1", "tile/entries"] {
        for full in [true, false] {
            for index in 0..3_u64 {
                for width in 1..=256 {
                    let index = format!("{index:03}");
                    let path = if full { index } else { format!("{index}.p/{width}") };
                    let path = format!("{level}/{path}");
                    let Ok(bytes) = fs::read(tiles.path().join(&path)) else { continue };
                    let served = store.tile(&path.parse().unwrap()).await.unwrap();
                    assert_eq!(served.as_ref(), Some(&bytes), "{path}");
                    files += 1;
                    if full {
                        break;
                    }
                }
            }
        }
    }
    assert!(files > 20, "{files}");
    for beyond in [
        "tile/0/002.p/135",
        "tile/0/002",
        "tile/0/003",
        "tile/1/000",
        "tile/2/000.p/1",
        "tile/entries/002.p/135",
    ] {
        assert_eq!(store.tile(&beyond.parse().unwrap()).await.unwrap(), None, "{beyond}");
    }
    // Any earlier size, too.
    let path: TilePath = "tile/entries/002.p/7".parse().unwrap();
    assert!(store.tile(&path).await.unwrap().is_some());
}

#[tokio::test]
async fn a_quorum_of_witnesses_is_asked_for() {
    let (dir, tiles) = (tempdir().unwrap(), tempdir().unwrap());
    let store = founded(dir.path()).await;
    let (one, two) = (witness(&store, 1), witness(&store, 2));
    let policy = format!(
        "log {}\nwitness A {}\nwitness B {}\ngroup both all A B\nquorum both\n",
        store.vkey(),
        one.verifier(),
        two.verifier(),
    );
    let policy = Some(Policy::parse(policy.as_bytes()).unwrap());
    let audit = Audit { policy, ..Audit::default() };
    for witnesses in [&[][..], &[1], &[1, 3]] {
        store.keep_cosigned(cosigned(&store, witnesses)).unwrap();
        store.export_tiles(tiles.path()).await.unwrap();
        let refused = audit.run(tiles.path()).unwrap_err();
        assert!(matches!(refused, TilesError::Policy(_)), "{refused:?}");
    }
    store.keep_cosigned(cosigned(&store, &[1, 2])).unwrap();
    // What comes later is not served before it is cosigned.
    store.append(9_000, vec![admitted(9)]).await.unwrap();
    store.export_tiles(tiles.path()).await.unwrap();
    let (replay, checkpoint, witnessed) = audit.run(tiles.path()).unwrap();
    assert_eq!((replay.tree().size(), checkpoint.head().size), (6, 6));
    assert_eq!(witnessed.unwrap().cosignatures.len(), 2);
    assert_eq!(store.prove(3).unwrap().checkpoint, checkpoint);
    // What is not cosigned yet is proven to the newest.
    assert_eq!(store.prove(6).unwrap().checkpoint.head().size, 7);
    store.keep_cosigned(cosigned(&store, &[1, 2])).unwrap();
    store.export_tiles(tiles.path()).await.unwrap();
    assert_eq!(audit.run(tiles.path()).unwrap().0.tree().size(), 7);
}

#[tokio::test]
async fn a_cosigned_checkpoint_of_another_log_or_past_is_not_kept() {
    let (dir, other) = (tempdir().unwrap(), tempdir().unwrap());
    let (store, fork) = (founded(dir.path()).await, open(other.path()).await);
    fork.append(1, vec![crate::world::genesis(), crate::world::federation()]).await.unwrap();
    let refused = store.keep_cosigned(cosigned(&fork, &[1])).unwrap_err();
    assert!(matches!(refused, StoreError::Tampered { .. }), "{refused:?}");
    let dir = tempdir().unwrap();
    let stranger = Store::open(dir.path(), &key(66), ORIGIN).await.unwrap();
    stranger.append(1, vec![crate::world::genesis()]).await.unwrap();
    let refused = store.keep_cosigned(cosigned(&stranger, &[1])).unwrap_err();
    assert!(matches!(refused, StoreError::Checkpoint(_)), "{refused:?}");
    assert_eq!(store.cosigned(), None);
}

#[tokio::test]
async fn a_log_that_was_seen_before_has_to_continue() {
    let (dir, tiles, memory) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    let store = founded(dir.path()).await;
    let seen = Seen::of(memory.path(), store.vkey());
    let audit = || {
        let audit = Audit { seen: seen.last()?.into_iter().collect(), ..Audit::default() };
        let (_, checkpoint, _) = audit.run(tiles.path())?;
        seen.remember(&checkpoint)?;
        Ok::<_, TilesError>(checkpoint.head().size)
    };
    for rounds in [0, 3, 0, 150] {
        let from = store.size();
        store.append(9_000, (from..from + rounds).flat_map(aborted_round).collect()).await.unwrap();
        store.export_tiles(tiles.path()).await.unwrap();
        assert_eq!(audit().unwrap(), store.size());
    }
    // An older copy.
    let old = tempdir().unwrap();
    let short = founded(old.path()).await;
    let last = seen.last().unwrap().into_iter().collect();
    let audit_old = Audit { seen: last, ..Audit::default() };
    short.export_tiles(&old.path().join("tiles")).await.unwrap();
    let refused = audit_old.run(&old.path().join("tiles")).unwrap_err();
    assert!(matches!(refused, TilesError::Shrunk { seen: 312, got: 6 }), "{refused:?}");
    // A log with another key is another log.
    let stranger = data_dao_store::log_vkey(ORIGIN, &key(66).verifying_key()).unwrap();
    assert_eq!(Seen::of(memory.path(), &stranger).last().unwrap(), None);
}

#[tokio::test]
async fn a_log_with_another_past_is_convicted_by_its_own_signatures() {
    let (one, other, memory) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    for (shown_first, shown_later) in [(150, 200), (150, 150), (125, 400)] {
        let (one, other) = (
            one.path().join(format!("{shown_later}")),
            other.path().join(format!("{shown_later}")),
        );
        let honest = grown(&one, shown_first).await;
        let fork = open(&other).await;
        let bodies = [crate::world::genesis(), crate::world::federation(), admitted(5)];
        fork.append(1_000, bodies.to_vec()).await.unwrap();
        for number in [6, 7, 8] {
            fork.append(1_000, vec![admitted(number)]).await.unwrap();
        }
        fork.append(9_000, (0..shown_later).flat_map(aborted_round).collect()).await.unwrap();
        fork.export_tiles(&other.join("tiles")).await.unwrap();
        assert!(audit_tiles(&other.join("tiles"), None).is_ok(), "by itself it looks honest");
        let last = Checkpoint::parse(&honest.checkpoint()).unwrap();
        let audit = Audit { seen: vec![last], ..Audit::default() };
        let refused = audit.run(&other.join("tiles")).unwrap_err();
        let TilesError::Forked { fork: proof } = refused else { panic!("{refused:?}") };
        proof.verify(&verifier(&honest)).unwrap();
        let kept = Seen::of(memory.path(), honest.vkey()).keep_fork(&proof).unwrap();
        let read = data_dao_log::ForkProof::parse(&fs::read_to_string(kept).unwrap()).unwrap();
        assert_eq!(read, *proof);
    }
    assert_eq!(node_key().verifying_key(), key(200).verifying_key());
}

#[tokio::test]
async fn an_entry_that_claims_too_much_is_named_in_a_long_log() {
    let (dir, tiles) = (tempdir().unwrap(), tempdir().unwrap());
    let store = grown(dir.path(), 600).await;
    store.export_tiles(tiles.path()).await.unwrap();
    let report = audit_tiles(tiles.path(), None).unwrap();
    assert_eq!((report.entries, report.root), (1_206, store.root()));
    // The third bundle: entry 600 with another number.
    let path = tiles.path().join("tile/entries/002");
    let mut bytes = fs::read(&path).unwrap();
    let mut at = 0;
    for _ in 0..(600 - 512) {
        at += 2 + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    }
    let place = bytes[at..].windows(7).position(|window| window == b"\"round\"").unwrap();
    bytes[at + place + 8] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = audit_tiles(tiles.path(), None).unwrap_err();
    assert_eq!(error.index(), Some(600), "{error:?}");
}

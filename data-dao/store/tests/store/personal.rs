//! Erasing a person leaves the log as it was.

use std::fs;

use data_dao_journal::{Body, KeyIssued, MemberAdmitted};
use data_dao_ledger::Name;
use privacy_identity::{Digest, MerkleTree};

use crate::world::{Place, key, wine};

const NAME: &str = "Estate of Ada Lovelace \u{0} '; --";

fn issued(number: u8, buyer: String) -> Body {
    let key_id = Name::new(format!("k-{number}")).unwrap();
    KeyIssued { key_id, key_hash: Digest([number; 32]), buyer }.into()
}

fn member(number: u8, label: String) -> Body {
    MemberAdmitted { federation: wine(), member: key(number).verifying_key(), label }.into()
}

async fn erased(place: Place) {
    let store = place.founded().await;
    let label = store.conceal(NAME, &[1; 32]).await.unwrap();
    let buyer = store.conceal(NAME, &[2; 32]).await.unwrap();
    let other = store.conceal("Cellar", &[3; 32]).await.unwrap();
    assert_ne!(label, buyer, "that it is the same name is not seen");
    let bodies =
        vec![member(50, label.clone()), issued(1, buyer.clone()), issued(2, other.clone())];
    store.append(2_000, bodies).await.unwrap();
    assert_eq!(store.reveal(&label).as_deref(), Some(NAME));
    assert_eq!(store.reveal("winery 1").as_deref(), Some("winery 1"), "in the clear from before");
    let (root, state, receipt) = (store.root(), store.view(Clone::clone), store.prove(6).unwrap());

    assert!(store.erase(&label).await.unwrap() && store.erase(&buyer).await.unwrap());
    assert!(!store.erase(&label).await.unwrap() && !store.erase(NAME).await.unwrap());
    assert_eq!((store.reveal(&label), store.reveal(&buyer)), (None, None));
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert_eq!((store.reveal(&label), store.reveal(&buyer)), (None, None));
    assert_eq!(store.reveal(&other).as_deref(), Some("Cellar"));
    // The same log, replayed to the same state, and every proof holds, old and new.
    assert_eq!((store.root(), store.view(Clone::clone)), (root, state));
    let leaves = store.entries(0, 100).await.unwrap();
    for entry in &leaves {
        store.prove(entry.index).unwrap().inclusion.verify(&entry.leaf, &root).unwrap();
        assert!(!String::from_utf8_lossy(&entry.leaf).contains("Lovelace"));
    }
    receipt.inclusion.verify(&leaves[6].leaf, &receipt.checkpoint.head().root).unwrap();
    assert_eq!(MerkleTree::from_leaves(leaves.iter().map(|e| e.leaf.as_slice())).root(), root);
    // Nor is it left in a file; what is not erased is.
    if let Place::Sqlite(dir) = &place {
        let mut kept = false;
        for file in fs::read_dir(dir.path()).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
            assert!(!has(b"Lovelace"));
            kept |= has(b"Cellar");
        }
        assert!(kept);
    }
}

#[tokio::test]
async fn erasing_a_name_keeps_every_proof_and_the_replay_in_sqlite() {
    erased(Place::sqlite()).await;
}

#[tokio::test]
async fn erasing_a_name_keeps_every_proof_and_the_replay_in_postgresql() {
    let Some(place) = Place::postgres("erasing a name") else { return };
    erased(place).await;
}

#[tokio::test]
async fn a_name_that_was_changed_behind_the_stores_back_is_not_shown() {
    let place = Place::sqlite();
    let store = place.founded().await;
    let label = store.conceal("Cellar", &[4; 32]).await.unwrap();
    store.close().await;
    drop(store);
    place.execute("UPDATE personal_data SET content = CAST('Castle' AS BLOB)").await.unwrap();
    assert_eq!(place.open().await.reveal(&label), None);
}

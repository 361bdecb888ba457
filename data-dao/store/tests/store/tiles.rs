//! The log as files: whoever copies them audits them offline.

use std::{collections::BTreeMap, fs, path::Path};

use data_dao_journal::Difference;
use data_dao_store::{Store, TilesError, audit_tiles, log_vkey, read_tiles};
use tempfile::tempdir;

use crate::world::{ORIGIN, aborted_round, admitted, founded, key, node_key, open};

async fn grow(store: &Store, rounds: std::ops::Range<u64>) {
    let bodies = rounds.flat_map(aborted_round).collect();
    store.append(9_000, bodies).await.unwrap();
}

/// Every file below `dir` with its bytes.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(next) = left.pop() {
        for item in fs::read_dir(next).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[tokio::test]
async fn tiles_have_the_paths_of_c2sp_and_lead_to_the_nodes_root() {
    let (dir, tiles) = (tempdir().unwrap(), tempdir().unwrap());
    let store = founded(dir.path()).await;
    grow(&store, 0..150).await;
    store.export_tiles(tiles.path()).await.unwrap();
    let files = files(tiles.path());
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected = [
        "checkpoint",
        "log.vkey",
        "tile/0/000",
        "tile/0/001.p/50",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/50",
    ];
    assert_eq!(names, expected);
    assert_eq!((files["tile/0/000"].len(), files["tile/0/001.p/50"].len()), (8_192, 50 * 32));

    let log = read_tiles(tiles.path(), None).unwrap();
    assert_eq!((log.head.size, log.head.root), (306, store.root()));
    let report = audit_tiles(tiles.path(), Some(store.vkey())).unwrap();
    assert_eq!((report.entries, report.root), (306, store.root()));
    assert_eq!((report.rounds_aborted, report.members), (150, 4));
}

#[tokio::test]
async fn an_export_in_steps_leaves_what_one_export_leaves() {
    let (dir, steps, whole) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    let store = founded(dir.path()).await;
    for step in 0..6 {
        store.export_tiles(steps.path()).await.unwrap();
        grow(&store, step * 50..(step + 1) * 50).await;
    }
    store.export_tiles(steps.path()).await.unwrap();
    store.export_tiles(steps.path()).await.unwrap();
    store.export_tiles(whole.path()).await.unwrap();
    let steps_files = files(steps.path());
    for (name, bytes) in files(whole.path()) {
        assert_eq!(steps_files.get(&name), Some(&bytes), "{name}");
    }
    assert_eq!(audit_tiles(steps.path(), None).unwrap().root, store.root());
}

#[tokio::test]
async fn an_altered_leaf_is_found_with_its_index() {
    let (dir, tiles) = (tempdir().unwrap(), tempdir().unwrap());
    let store = founded(dir.path()).await;
    store.export_tiles(tiles.path()).await.unwrap();
    let bundle = tiles.path().join("tile/entries/000.p/6");
    let sound = fs::read(&bundle).unwrap();
    let place = sound.windows(8).position(|window| window == b"winery 2").unwrap();
    let mut altered = sound.clone();
    altered[place + 7] = b'7';
    fs::write(&bundle, &altered).unwrap();
    let error = audit_tiles(tiles.path(), None).unwrap_err();
    assert_eq!(error.index(), Some(3), "{error:?}");
    fs::write(&bundle, &sound[..sound.len() - 1]).unwrap();
    assert!(matches!(audit_tiles(tiles.path(), None), Err(TilesError::Bundle { index: 5 })));
    fs::write(&bundle, [&sound[..], b"x"].concat()).unwrap();
    assert!(matches!(audit_tiles(tiles.path(), None), Err(TilesError::Bundle { index: 6 })));
    fs::remove_file(&bundle).unwrap();
    assert!(matches!(audit_tiles(tiles.path(), None), Err(TilesError::File { .. })));
}

#[tokio::test]
async fn a_leaf_altered_with_its_tile_leads_to_another_root() {
    let (dir, tiles) = (tempdir().unwrap(), tempdir().unwrap());
    let store = founded(dir.path()).await;
    store.export_tiles(tiles.path()).await.unwrap();
    let log = read_tiles(tiles.path(), None).unwrap();
    let leaf = String::from_utf8(log.leaves[5].clone()).unwrap().replace("winery 4", "winery 5");
    let hash = privacy_identity::MerkleTree::from_leaves([leaf.as_bytes()]).root();
    let (bundle, tile) = ("tile/entries/000.p/6", "tile/0/000.p/6");
    let mut bytes = fs::read(tiles.path().join(bundle)).unwrap();
    let at = bytes.len() - leaf.len();
    bytes[at..].copy_from_slice(leaf.as_bytes());
    fs::write(tiles.path().join(bundle), bytes).unwrap();
    let mut bytes = fs::read(tiles.path().join(tile)).unwrap();
    bytes[5 * 32..].copy_from_slice(&hash.0);
    fs::write(tiles.path().join(tile), bytes).unwrap();
    let error = audit_tiles(tiles.path(), None).unwrap_err();
    assert!(matches!(error.difference(), Some(Difference::Root { size: 6, .. })), "{error:?}");
}

#[tokio::test]
async fn a_stranger_cannot_sign_a_log_for_the_node_of_its_genesis() {
    let (dir, tiles) = (tempdir().unwrap(), tempdir().unwrap());
    let stranger = Store::open(dir.path(), &key(66), ORIGIN).await.unwrap();
    stranger
        .append(1, vec![crate::world::genesis(), crate::world::federation(), admitted(1)])
        .await
        .unwrap();
    stranger.export_tiles(tiles.path()).await.unwrap();
    let error = audit_tiles(tiles.path(), None).unwrap_err();
    assert!(matches!(error, TilesError::OtherNode { .. }), "{error:?}");
    let known = log_vkey(ORIGIN, &node_key().verifying_key()).unwrap();
    let error = audit_tiles(tiles.path(), Some(&known)).unwrap_err();
    assert!(matches!(error, TilesError::Checkpoint(_)), "{error:?}");
}

#[tokio::test]
async fn tiles_of_another_log_are_not_overwritten() {
    let (dir, other, tiles) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    let store = founded(dir.path()).await;
    store.export_tiles(tiles.path()).await.unwrap();
    let fork = Store::open(other.path(), &node_key(), ORIGIN).await.unwrap();
    fork.append(1, vec![crate::world::genesis()]).await.unwrap();
    let shorter = fork.export_tiles(tiles.path()).await.unwrap_err();
    assert!(matches!(shorter, TilesError::OtherLog { size: 1, got: 6 }), "{shorter:?}");
    fork.append(1, vec![crate::world::federation()]).await.unwrap();
    grow(&fork, 0..10).await;
    let longer = fork.export_tiles(tiles.path()).await.unwrap_err();
    assert!(matches!(longer, TilesError::OtherLog { size: 22, got: 6 }), "{longer:?}");
    assert_eq!(audit_tiles(tiles.path(), None).unwrap().root, store.root());
}

#[tokio::test]
async fn a_tile_that_a_power_loss_left_cut_or_empty_is_written_again() {
    let (dir, tiles) = (tempdir().unwrap(), tempdir().unwrap());
    let store = founded(dir.path()).await;
    grow(&store, 0..150).await;
    store.export_tiles(tiles.path()).await.unwrap();
    let whole = files(tiles.path());
    drop(store);
    let damaged = |name: &str| tiles.path().join(name);
    let bundle = &whole["tile/entries/000"];
    fs::write(damaged("tile/entries/000"), b"").unwrap();
    fs::write(damaged("tile/entries/001.p/50"), vec![0; whole["tile/entries/001.p/50"].len()])
        .unwrap();
    fs::write(damaged("tile/0/000"), &whole["tile/0/000"][..4_096]).unwrap();
    fs::remove_file(damaged("tile/1/000.p/1")).unwrap();
    assert!(read_tiles(tiles.path(), None).is_err(), "under a checkpoint that covers them");
    let store = open(dir.path()).await;
    store.export_tiles(tiles.path()).await.unwrap();
    assert_eq!(files(tiles.path()), whole);
    drop(store);
    // Cut in an entry, with the log longer meanwhile: the bundle is full, and no export would come to it again.
    fs::write(damaged("tile/entries/000"), &bundle[..bundle.len() / 2]).unwrap();
    let store = open(dir.path()).await;
    grow(&store, 150..300).await;
    store.export_tiles(tiles.path()).await.unwrap();
    assert_eq!(&files(tiles.path())["tile/entries/000"], bundle);
    assert_eq!(audit_tiles(tiles.path(), None).unwrap().root, store.root());
}

#[tokio::test]
async fn a_checkpoint_waits_until_all_that_it_covers_is_written() {
    let (dir, tiles) = (tempdir().unwrap(), tempdir().unwrap());
    let store = founded(dir.path()).await;
    store.export_tiles(tiles.path()).await.unwrap();
    let before = files(tiles.path());
    grow(&store, 0..150).await;
    // The last bundle cannot be written: a folder has its name.
    let in_the_way = tiles.path().join("tile/entries/001.p/50");
    fs::create_dir_all(in_the_way.join("x")).unwrap();
    assert!(matches!(store.export_tiles(tiles.path()).await, Err(TilesError::File { .. })));
    let after = files(tiles.path());
    assert_eq!(after["checkpoint"], before["checkpoint"]);
    assert!(after.contains_key("tile/entries/000"), "what came before it is there");
    fs::remove_dir_all(in_the_way).unwrap();
    store.export_tiles(tiles.path()).await.unwrap();
    assert_eq!(audit_tiles(tiles.path(), None).unwrap().root, store.root());
}

//! What was acknowledged is on disk; what is on disk is what was written.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod world;

use std::{fs, path::Path};

use data_dao_store::{AppendError, StoreError, checkpoint_head, log_vkey};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::tempdir;
use world::{
    ORIGIN, aborted_round, admitted, founded, genesis, key, node_key, open, try_open, wine,
};

async fn database(dir: &Path) -> SqliteConnection {
    let url = format!("sqlite://{}", dir.join("ledger.sqlite").display());
    SqliteConnection::connect(&url).await.unwrap()
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let dir = tempdir().unwrap();
    let store = founded(dir.path()).await;
    let (root, checkpoint) = (store.root(), store.checkpoint());
    let state = store.view(Clone::clone);
    store.close().await;
    drop(store);

    let store = open(dir.path()).await;
    assert_eq!((store.size(), store.root(), store.checkpoint()), (6, root, checkpoint));
    assert_eq!(store.view(Clone::clone), state);
    let appended = store.append(1, vec![admitted(5)]).await.unwrap();
    assert_eq!((appended.index, appended.count), (6, 1));
    assert_eq!(appended.time_ms, 1_005, "time does not go back before the last entry");
    assert_eq!(store.view(|state| state.federation(&wine()).unwrap().members().len()), 5);
}

#[tokio::test]
async fn what_is_read_is_what_was_appended_and_each_entry_is_proven() {
    let dir = tempdir().unwrap();
    let store = founded(dir.path()).await;
    let entries = store.entries(1, 3).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(store.entry(2).await.unwrap().unwrap().entry.body, admitted(1));
    assert_eq!(store.entry(6).await.unwrap(), None);
    for entry in store.entries(0, 100).await.unwrap() {
        let proof = store.prove(entry.index).unwrap();
        let head = checkpoint_head(&proof.checkpoint, store.vkey()).unwrap();
        assert_eq!(head.size, 6);
        proof.inclusion.verify(&entry.leaf, &head.root).unwrap();
        let file = proof.to_tlog_proof();
        let start = format!("c2sp.org/tlog-proof@v1\nindex {}\n", entry.index);
        assert!(file.starts_with(&start) && file.contains("\n\ndao.example/ledger\n6\n"), "{file}");
    }
    assert!(matches!(store.prove(6), Err(StoreError::Proof(_))));
    assert_eq!(store.vkey(), log_vkey(ORIGIN, &node_key().verifying_key()).unwrap());
}

#[tokio::test]
async fn a_refused_batch_keeps_none_of_its_entries() {
    let dir = tempdir().unwrap();
    let store = founded(dir.path()).await;
    let before = (store.size(), store.root(), store.view(Clone::clone));
    let refused = store.append(2_000, vec![admitted(5), admitted(6), genesis()]).await;
    assert!(matches!(refused, Err(AppendError::Refused { position: 2, .. })), "{refused:?}");
    assert_eq!((store.size(), store.root(), store.view(Clone::clone)), before);
    store.append(2_000, vec![admitted(6), admitted(5)]).await.unwrap();
    let nothing = store.append(9_000, vec![]).await.unwrap();
    assert_eq!((nothing.index, nothing.count), (8, 0));
    drop(store);
    assert_eq!(open(dir.path()).await.size(), 8);
}

#[tokio::test]
async fn one_process_at_a_time() {
    let dir = tempdir().unwrap();
    let store = founded(dir.path()).await;
    let second = try_open(dir.path()).await.unwrap_err();
    assert!(matches!(second, StoreError::InUse { .. }), "{second:?}");
    assert!(second.to_string().contains("is in use by another process"));
    drop(store);
    open(dir.path()).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_named() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("a-file");
    fs::write(&file, "x").unwrap();
    let error = try_open(&file.join("ledger")).await.unwrap_err();
    assert!(error.to_string().contains("a-file"), "{error}");
}

/// A copy of the files while a transaction is open is what a kill at that moment leaves.
#[tokio::test]
async fn a_kill_in_the_middle_loses_only_what_was_not_acknowledged() {
    let (dir, killed) = (tempdir().unwrap(), tempdir().unwrap());
    let store = founded(dir.path()).await;
    let mut half_done = database(dir.path()).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut half_done).await.unwrap();
    let insert = "INSERT INTO entries VALUES (6, x'7b7d', zeroblob(32), zeroblob(32))";
    sqlx::query(insert).execute(&mut half_done).await.unwrap();
    for file in fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), killed.path().join(file.file_name())).unwrap();
    }
    sqlx::query("ROLLBACK").execute(&mut half_done).await.unwrap();
    half_done.close().await.unwrap();

    let survived = open(killed.path()).await;
    assert_eq!((survived.size(), survived.root()), (6, store.root()));
    survived.append(3_000, vec![admitted(9)]).await.unwrap();
}

#[tokio::test]
async fn an_append_goes_on_when_its_caller_goes_away() {
    let dir = tempdir().unwrap();
    let store = founded(dir.path()).await;
    for round in 0..20 {
        let append = store.append(3_000, aborted_round(round));
        // Polled once at most: started, then dropped.
        let gone = tokio::time::timeout(std::time::Duration::ZERO, append).await;
        drop(gone);
    }
    // Appends queue behind those; after this one they have all ended.
    store.append(3_000, vec![admitted(5)]).await.unwrap();
    let (size, root) = (store.size(), store.root());
    assert_eq!(size, 6 + 40 + 1);
    store.close().await;
    drop(store);
    let store = open(dir.path()).await;
    assert_eq!((store.size(), store.root()), (size, root));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_are_serialised() {
    let dir = tempdir().unwrap();
    let store = founded(dir.path()).await;
    let append = |number: u8| {
        let store = store.clone();
        tokio::spawn(async move { store.append(5_000, vec![admitted(number)]).await })
    };
    let tasks: Vec<_> = (10..50).map(append).collect();
    let mut indexes = Vec::new();
    for task in tasks {
        indexes.push(task.await.unwrap().unwrap().index);
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (6..46).collect::<Vec<_>>());
    let (size, root) = (store.size(), store.root());
    store.close().await;
    drop(store);
    let store = open(dir.path()).await;
    assert_eq!((store.size(), store.root()), (size, root));
}

#[tokio::test]
async fn a_closed_store_refuses_appends() {
    let dir = tempdir().unwrap();
    let store = founded(dir.path()).await;
    store.close().await;
    let refused = store.append(9_000, vec![admitted(5)]).await;
    assert!(matches!(refused, Err(AppendError::Storage(StoreError::Broken))));
}

#[tokio::test]
async fn another_key_or_name_does_not_open_the_ledger() {
    let dir = tempdir().unwrap();
    drop(founded(dir.path()).await);
    let stranger = data_dao_store::Store::open(dir.path(), &key(9), ORIGIN).await.unwrap_err();
    assert!(matches!(stranger, StoreError::Checkpoint(_)), "{stranger:?}");
    let renamed = data_dao_store::Store::open(dir.path(), &node_key(), "other").await.unwrap_err();
    assert!(matches!(renamed, StoreError::Checkpoint(_)), "{renamed:?}");
}

/// Changes the database behind the store's back, then opens it.
async fn opened_after(change: &str) -> StoreError {
    let dir = tempdir().unwrap();
    let store = founded(dir.path()).await;
    store.close().await;
    drop(store);
    let mut database = database(dir.path()).await;
    for statement in
        ["DROP TRIGGER entries_are_not_changed", "DROP TRIGGER entries_are_not_deleted", change]
    {
        sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
    try_open(dir.path()).await.unwrap_err()
}

#[tokio::test]
async fn a_tampered_row_is_refused_at_open_with_its_index() {
    let leaf = "replace(CAST(leaf AS TEXT), 'winery 2', 'winery 7')";
    let changes = [
        (format!("UPDATE entries SET leaf = CAST({leaf} AS BLOB) WHERE entry_index = 3"), 3),
        ("UPDATE entries SET leaf_hash = zeroblob(32) WHERE entry_index = 2".to_owned(), 2),
        ("UPDATE entries SET previous_hash = zeroblob(32) WHERE entry_index = 4".to_owned(), 4),
        ("DELETE FROM entries WHERE entry_index = 2".to_owned(), 2),
        ("DELETE FROM entries WHERE entry_index = 5".to_owned(), 5),
        ("DELETE FROM checkpoints WHERE size = 6".to_owned(), 5),
    ];
    for (change, expected) in changes {
        let error = opened_after(&change).await;
        let StoreError::Tampered { index, .. } = error else { panic!("{change}: {error:?}") };
        assert_eq!(index, expected, "{change}: {error}");
    }
    let error = opened_after("UPDATE checkpoints SET note = replace(note, '6', '7')").await;
    assert!(matches!(error, StoreError::Checkpoint(_)), "{error:?}");
}

#[tokio::test]
async fn a_row_changed_with_its_hash_is_found_by_the_signed_root() {
    let dir = tempdir().unwrap();
    let store = founded(dir.path()).await;
    let last = store.entry(5).await.unwrap().unwrap();
    store.close().await;
    drop(store);
    let text = String::from_utf8(last.leaf).unwrap().replace("winery 4", "winery 5");
    let hash = privacy_identity::MerkleTree::from_leaves([text.as_bytes()]).root();
    let mut database = database(dir.path()).await;
    sqlx::query("DROP TRIGGER entries_are_not_changed").execute(&mut database).await.unwrap();
    sqlx::query("UPDATE entries SET leaf = ?, leaf_hash = ? WHERE entry_index = 5")
        .bind(text.into_bytes())
        .bind(hash.0.as_slice())
        .execute(&mut database)
        .await
        .unwrap();
    database.close().await.unwrap();
    let error = try_open(dir.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Tampered { index: 5, .. }), "{error:?}");
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_or_delete_an_entry() {
    let dir = tempdir().unwrap();
    let store = founded(dir.path()).await;
    let mut database = database(dir.path()).await;
    for statement in ["UPDATE entries SET leaf = x'00'", "DELETE FROM entries"] {
        let refused = sqlx::query(statement).execute(&mut database).await.unwrap_err();
        assert!(refused.to_string().contains("entries are append-only"), "{refused}");
    }
    assert_eq!(store.size(), 6);
}

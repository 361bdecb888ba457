//! What only a ledger in a directory has: a lock, and files.

use std::{fs, path::Path};

use data_dao_store::StoreError;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::tempdir;

use crate::world::{admitted, founded, open, try_open};

async fn database(dir: &Path) -> SqliteConnection {
    let url = format!("sqlite://{}", dir.join("ledger.sqlite").display());
    SqliteConnection::connect(&url).await.unwrap()
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

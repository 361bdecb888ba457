//! Back-up and restore, across engines.

use data_dao_store::{CopyError, Ledger, Store, StoreError, export_ledger, import_ledger};
use tempfile::{TempDir, tempdir};

use crate::world::{ORIGIN, Place, aborted_round, admitted, founded, key, node_key};

fn ledger(place: &Place) -> Ledger {
    match place {
        Place::Sqlite(dir) => Ledger::Directory(dir.path().to_owned()),
        Place::Postgres(url) => Ledger::Postgres(url.clone()),
    }
}

async fn exported(ledger: &Ledger, after: u64) -> Vec<u8> {
    let mut copy = Vec::new();
    export_ledger(ledger, after, &mut copy).await.unwrap();
    copy
}

async fn imported(place: &Place, copy: &[u8]) -> Result<u64, CopyError> {
    Ok(import_ledger(&ledger(place), None, &mut &copy[..]).await?.entries)
}

/// A ledger in a directory with 306 entries, in use.
async fn grown() -> (TempDir, Store) {
    let dir = tempdir().unwrap();
    let store = founded(dir.path()).await;
    for rounds in 0..3 {
        let bodies = (rounds * 50..(rounds + 1) * 50).flat_map(aborted_round).collect();
        store.append(9_000, bodies).await.unwrap();
    }
    (dir, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_ledger_in_use_restores_to_the_same_root_in_either_engine() {
    let (dir, store) = grown().await;
    let copy = exported(&Ledger::Directory(dir.path().to_owned()), 0).await;
    assert_eq!(copy.iter().filter(|byte| **byte == b'\n').count(), 1 + 306 + 9);
    let places = [Some(Place::sqlite()), Place::postgres("a ledger restored to PostgreSQL")];
    for place in places.into_iter().flatten() {
        assert_eq!(imported(&place, &copy).await.unwrap(), 306);
        let again = place.open().await;
        assert_eq!((again.size(), again.root()), (306, store.root()));
        assert_eq!(again.view(Clone::clone), store.view(Clone::clone));
        again.close().await;
        drop(again);
        // A copy of the copy is the copy, and importing it twice does nothing.
        assert_eq!(exported(&ledger(&place), 0).await, copy);
        assert_eq!(imported(&place, &copy).await.unwrap(), 0);
        // What came later is a copy of its own.
        let later = place.open().await;
        later.append(9_000, vec![admitted(9)]).await.unwrap();
        later.close().await;
        drop(later);
        let rest = exported(&ledger(&place), 306).await;
        assert_eq!(rest.iter().filter(|byte| **byte == b'\n').count(), 3);
        let third = Place::sqlite();
        let refused = imported(&third, &rest).await.unwrap_err();
        assert!(matches!(refused, CopyError::Differs { index: 0 }), "{refused:?}");
        assert_eq!(imported(&third, &copy).await.unwrap(), 306);
        assert_eq!(imported(&third, &rest).await.unwrap(), 1);
        assert_eq!(third.open().await.size(), 307);
        // The shorter one is a beginning of it.
        drop(third);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_was_changed_or_cut_is_refused() {
    let (dir, _store) = grown().await;
    let copy = exported(&Ledger::Directory(dir.path().to_owned()), 0).await;
    let text = String::from_utf8(copy.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let without = |number: usize| {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != number).map(|(_, line)| *line);
        kept.fold(String::new(), |text, line| text + line + "\n")
    };
    let stranger = data_dao_store::log_vkey(ORIGIN, &key(66).verifying_key()).unwrap();
    let vkey = data_dao_store::log_vkey(ORIGIN, &node_key().verifying_key()).unwrap();
    let copies = [
        ("an altered leaf", text.replacen("winery 2", "winery 7", 1)),
        ("an altered checkpoint", text.replacen("\\n6\\n", "\\n7\\n", 1)),
        ("another key", text.replacen(&vkey, &stranger, 1)),
        ("no header", without(0)),
        ("a missing entry", without(5)),
        ("cut in the middle of an append", lines[..200].join("\n") + "\n"),
        ("cut in a line", text[..text.len() - 5].to_owned()),
        ("a later format", text.replacen("\"format\":1", "\"format\":2", 1)),
        ("an unknown line", text.clone() + "{\"note\":1}\n"),
        ("an empty copy", String::new()),
        ("a long line", "x".repeat(1 << 20)),
    ];
    for (what, copy) in copies {
        let place = Place::sqlite();
        assert!(imported(&place, copy.as_bytes()).await.is_err(), "{what}");
        // Nothing of it but, perhaps, a shorter copy of the same log.
        let size = place.open().await.size();
        assert_eq!(size, 0, "{what}");
    }
    let place = Place::sqlite();
    let refused =
        import_ledger(&ledger(&place), Some(&stranger), &mut &copy[..]).await.unwrap_err();
    assert!(matches!(refused, CopyError::OtherLog { .. }), "{refused:?}");
}

#[tokio::test]
async fn another_ledger_is_not_written_over() {
    let (dir, _store) = grown().await;
    let copy = exported(&Ledger::Directory(dir.path().to_owned()), 0).await;
    let place = Place::sqlite();
    let other = place.open().await;
    other.append(5, vec![crate::world::genesis()]).await.unwrap();
    other.close().await;
    drop(other);
    let refused = imported(&place, &copy).await.unwrap_err();
    assert!(matches!(refused, CopyError::Differs { index: 0 }), "{refused:?}");
    assert_eq!(place.open().await.size(), 1);
}

#[tokio::test]
async fn there_is_nothing_to_copy_from_an_empty_or_missing_ledger() {
    let dir = tempdir().unwrap();
    let missing =
        export_ledger(&Ledger::Directory(dir.path().to_owned()), 0, &mut Vec::new()).await;
    assert!(matches!(missing, Err(CopyError::Store(StoreError::Database(_)))), "{missing:?}");
    let place = Place::sqlite();
    let store = place.open().await;
    let nothing = export_ledger(&ledger(&place), 0, &mut Vec::new()).await;
    assert!(matches!(nothing, Err(CopyError::Nothing { size: 0, after: 0 })), "{nothing:?}");
    drop(store);
    // In use, a ledger is not imported into.
    let held = place.open().await;
    let refused = imported(&place, b"").await;
    assert!(matches!(refused, Err(CopyError::Store(StoreError::InUse { .. }))), "{refused:?}");
    drop(held);
}

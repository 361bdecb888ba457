//! The same promises in either engine: each test runs on SQLite, and on PostgreSQL where there is one.

use data_dao_journal::{Body, FederationOpened, MemberAdmitted};
use data_dao_ledger::Name;
use data_dao_log::TlogProof;
use data_dao_store::{AppendError, CLOCK_LEAP_MS_MAX, StoreError, checkpoint_head, log_vkey};

use crate::world::{ORIGIN, Place, aborted_round, admitted, genesis, key, node_key, wine};

macro_rules! on_each_engine {
    ($($claim:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                super::$claim(super::Place::sqlite()).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                let Some(place) = super::Place::postgres(stringify!($claim)) else { return };
                super::$claim(place).await;
            })*
        }
    };
}

on_each_engine! {
    a_restart_keeps_everything,
    what_is_read_is_what_was_appended_and_each_entry_is_proven,
    a_refused_batch_keeps_none_of_its_entries,
    an_append_goes_on_when_its_caller_goes_away,
    concurrent_appends_are_serialised,
    a_closed_store_refuses_appends,
    another_key_or_name_does_not_open_the_ledger,
    a_row_changed_with_its_hash_is_found_by_the_signed_root,
    the_database_itself_refuses_to_change_or_delete_an_entry,
    a_tampered_row_is_refused_at_open_with_its_index,
    a_checkpoint_that_covers_nothing_or_something_else_is_refused,
    words_of_sql_are_words,
    an_entry_too_long_for_a_leaf_is_refused_and_changes_nothing,
    a_clock_that_goes_backwards_does_not_take_the_ledger_with_it,
    a_clock_that_leaps_ahead_appends_nothing_until_a_person_confirms_it,
    a_batch_larger_than_a_statement_is_one_transaction,
}

async fn a_restart_keeps_everything(place: Place) {
    let store = place.founded().await;
    let (root, checkpoint) = (store.root(), store.checkpoint());
    let state = store.view(Clone::clone);
    store.close().await;
    drop(store);

    let store = place.open().await;
    assert_eq!((store.size(), store.root(), store.checkpoint()), (6, root, checkpoint));
    assert_eq!(store.view(Clone::clone), state);
    let appended = store.append(1, vec![admitted(5)]).await.unwrap();
    assert_eq!((appended.index, appended.count), (6, 1));
    assert_eq!(appended.time_ms, 1_005, "time does not go back before the last entry");
    assert_eq!(store.view(|state| state.federation(&wine()).unwrap().members().len()), 5);
}

async fn what_is_read_is_what_was_appended_and_each_entry_is_proven(place: Place) {
    let store = place.founded().await;
    let entries = store.entries(1, 3).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(store.entry(2).await.unwrap().unwrap().entry.body, admitted(1));
    assert_eq!(store.entry(6).await.unwrap(), None);
    for entry in store.entries(0, 100).await.unwrap() {
        let proof = store.prove(entry.index).unwrap();
        let head = checkpoint_head(proof.checkpoint.as_str(), store.vkey()).unwrap();
        assert_eq!(head.size, 6);
        proof.inclusion.verify(&entry.leaf, &head.root).unwrap();
        let file = proof.to_tlog_proof(None);
        let start = format!("c2sp.org/tlog-proof@v1\nindex {}\n", entry.index);
        assert!(file.starts_with(&start) && file.contains("\n\ndao.example/ledger\n6\n"), "{file}");
    }
    let leaf = store.entry(3).await.unwrap().unwrap().leaf;
    let receipt = TlogProof::parse(&store.prove(3).unwrap().to_tlog_proof(Some(&leaf))).unwrap();
    assert_eq!(receipt.verify(None).unwrap(), leaf);
    assert!(matches!(store.prove(6), Err(StoreError::Proof(_))));
    assert_eq!(store.vkey(), log_vkey(ORIGIN, &node_key().verifying_key()).unwrap());
}

async fn a_refused_batch_keeps_none_of_its_entries(place: Place) {
    let store = place.founded().await;
    let before = (store.size(), store.root(), store.view(Clone::clone));
    let refused = store.append(2_000, vec![admitted(5), admitted(6), genesis()]).await;
    assert!(matches!(refused, Err(AppendError::Refused { position: 2, .. })), "{refused:?}");
    assert_eq!((store.size(), store.root(), store.view(Clone::clone)), before);
    store.append(2_000, vec![admitted(6), admitted(5)]).await.unwrap();
    let nothing = store.append(9_000, vec![]).await.unwrap();
    assert_eq!((nothing.index, nothing.count), (8, 0));
    drop(store);
    assert_eq!(place.open().await.size(), 8);
}

async fn an_append_goes_on_when_its_caller_goes_away(place: Place) {
    let store = place.founded().await;
    for number in 20..60 {
        let append = store.append(3_000, vec![admitted(number)]);
        // Polled once at most: started, then dropped.
        let gone = tokio::time::timeout(std::time::Duration::ZERO, append).await;
        drop(gone);
    }
    while store.size() < 6 + 40 {
        tokio::task::yield_now().await;
    }
    let root = store.root();
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert_eq!((store.size(), store.root()), (46, root));
}

async fn concurrent_appends_are_serialised(place: Place) {
    let store = place.founded().await;
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
    let store = place.open().await;
    assert_eq!((store.size(), store.root()), (size, root));
}

async fn a_closed_store_refuses_appends(place: Place) {
    let store = place.founded().await;
    store.close().await;
    let refused = store.append(9_000, vec![admitted(5)]).await;
    assert!(matches!(refused, Err(AppendError::Storage(StoreError::Broken))));
}

async fn another_key_or_name_does_not_open_the_ledger(place: Place) {
    let store = place.founded().await;
    store.close().await;
    drop(store);
    let stranger = place.open_as(&key(9), ORIGIN).await.unwrap_err();
    assert!(matches!(stranger, StoreError::Checkpoint(_)), "{stranger:?}");
    let renamed = place.open_as(&node_key(), "other").await.unwrap_err();
    assert!(matches!(renamed, StoreError::Checkpoint(_)), "{renamed:?}");
}

async fn a_row_changed_with_its_hash_is_found_by_the_signed_root(place: Place) {
    let store = place.founded().await;
    let last = store.entry(5).await.unwrap().unwrap();
    store.close().await;
    drop(store);
    let text = String::from_utf8(last.leaf).unwrap().replace("winery 4", "winery 5");
    let hash = privacy_identity::leaf_hash(text.as_bytes());
    place.disarm().await;
    let (leaf, hash) = (place.literal(text.as_bytes()), place.literal(&hash.0));
    let change =
        format!("UPDATE entries SET leaf = {leaf}, leaf_hash = {hash} WHERE entry_index = 5");
    place.execute(&change).await.unwrap();
    let error = place.open_as(&node_key(), ORIGIN).await.unwrap_err();
    assert!(matches!(error, StoreError::Tampered { index: 5, .. }), "{error:?}");
}

async fn the_database_itself_refuses_to_change_or_delete_an_entry(place: Place) {
    let store = place.founded().await;
    let change = format!("UPDATE entries SET leaf = {}", place.literal(b"x"));
    let mut statements = vec![change.as_str(), "DELETE FROM entries"];
    if matches!(place, Place::Postgres(_)) {
        statements.push("TRUNCATE entries");
    }
    for statement in statements {
        let refused = place.execute(statement).await.unwrap_err();
        assert!(refused.to_string().contains("entries are append-only"), "{refused}");
    }
    assert_eq!(store.size(), 6);
}

/// Changes the database behind the store's back, tries to open it, and changes it back.
async fn opened_after(place: &Place, change: &str) -> StoreError {
    place.execute(change).await.unwrap();
    place.open_as(&node_key(), ORIGIN).await.unwrap_err()
}

async fn a_tampered_row_is_refused_at_open_with_its_index(place: Place) {
    let store = place.founded().await;
    let leaf = store.entry(3).await.unwrap().unwrap().leaf;
    store.close().await;
    drop(store);
    place.disarm().await;
    let altered = String::from_utf8(leaf).unwrap().replace("winery 2", "winery 7");
    let (altered, zeros) = (place.literal(altered.as_bytes()), place.literal(&[0; 32]));
    // From the last to the first: of several differences the first is named.
    let changes = [
        ("DELETE FROM checkpoints WHERE size = 6".to_owned(), 5),
        ("DELETE FROM entries WHERE entry_index = 5".to_owned(), 4),
        (format!("UPDATE entries SET previous_hash = {zeros} WHERE entry_index = 4"), 4),
        (format!("UPDATE entries SET leaf = {altered} WHERE entry_index = 3"), 3),
        (format!("UPDATE entries SET leaf_hash = {zeros} WHERE entry_index = 2"), 2),
        ("DELETE FROM entries WHERE entry_index = 2".to_owned(), 2),
    ];
    for (change, expected) in changes {
        if expected == 4 && change.starts_with("DELETE") {
            // An entry and the checkpoint over it, both gone: only who kept that checkpoint can tell.
            place.execute(&change).await.unwrap();
            assert_eq!(place.open().await.size(), 5);
            continue;
        }
        let error = opened_after(&place, &change).await;
        let StoreError::Tampered { index, .. } = error else { panic!("{change}: {error:?}") };
        assert_eq!(index, expected, "{change}: {error}");
    }
    let error = opened_after(&place, "UPDATE checkpoints SET note = replace(note, '5', '7')").await;
    assert!(matches!(error, StoreError::Checkpoint(_)), "{error:?}");
}

async fn a_checkpoint_that_covers_nothing_or_something_else_is_refused(place: Place) {
    let store = place.founded().await;
    store.close().await;
    drop(store);
    let older = "(SELECT note FROM checkpoints WHERE size = 2)";
    let moved = format!("UPDATE checkpoints SET note = {older} WHERE size = 4");
    let error = opened_after(&place, &moved).await;
    assert!(matches!(error, StoreError::Tampered { index: 3, .. }), "{error:?}");
    let newest = format!("UPDATE checkpoints SET note = {older} WHERE size = 6");
    let error = opened_after(&place, &newest).await;
    assert!(matches!(error, StoreError::Tampered { index: 5, .. }), "{error:?}");
    place.disarm().await;
    let cut = "DELETE FROM checkpoints WHERE size = 6; DELETE FROM entries WHERE entry_index = 3";
    let error = opened_after(&place, cut).await;
    assert!(matches!(error, StoreError::Tampered { index: 3, .. }), "{error:?}");
}

async fn words_of_sql_are_words(place: Place) {
    let store = place.founded().await;
    let words = [
        "'); DROP TABLE entries; --",
        "\\'; DELETE FROM checkpoints; --",
        "$1 ? ?1 %s %n",
        "\"\"; ATTACH DATABASE 'x' AS y; --",
        "日本 \u{0} \u{1f377} \r\n\t",
        "' UNION SELECT note FROM checkpoints --",
    ];
    for (number, word) in (10..).zip(words) {
        let (federation, member) = (wine(), key(number).verifying_key());
        let admitted = MemberAdmitted { federation, member, label: word.to_owned() };
        store.append(2_000, vec![admitted.into()]).await.unwrap();
    }
    let (size, root) = (store.size(), store.root());
    assert_eq!(size, 12);
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert_eq!((store.size(), store.root()), (size, root));
    for (number, word) in (10..).zip(words) {
        let label = store.view(|state| {
            let federation = state.federation(&wine()).unwrap();
            federation.members()[&key(number).verifying_key()].label.clone()
        });
        assert_eq!(label, word);
    }
    // A name is refused before it gets anywhere near the database.
    for word in words {
        assert!(Name::new(word).is_err(), "{word:?}");
    }
}

async fn an_entry_too_long_for_a_leaf_is_refused_and_changes_nothing(place: Place) {
    let store = place.founded().await;
    let before = (store.size(), store.root(), store.view(Clone::clone));
    let opened = |terms: String| {
        let federation = Name::new("beer").unwrap();
        let Body::FederationOpened(opened) = crate::world::federation() else { unreachable!() };
        Body::from(FederationOpened { federation, terms, ..opened })
    };
    for length in [40_000, 70_000, 1 << 20] {
        let refused = store.append(2_000, vec![admitted(7), opened("x".repeat(length))]).await;
        let Err(AppendError::Refused { position: 1, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!((store.size(), store.root(), store.view(Clone::clone)), before);
    }
    // Each quote takes two bytes in the leaf.
    let refused = store.append(2_000, vec![opened("\"".repeat(32_768))]).await;
    let Err(AppendError::Refused { position: 0, refusal }) = refused else { panic!("{refused:?}") };
    assert!(format!("{refusal:?}").contains("TooLong"), "{refusal:?}");
    store.append(2_000, vec![opened("x".repeat(32_768))]).await.unwrap();
}

async fn a_clock_that_goes_backwards_does_not_take_the_ledger_with_it(place: Place) {
    let store = place.founded().await;
    let mut times = Vec::new();
    store.confirm_clock(u64::MAX);
    for (number, now_ms) in (10..).zip([5_000, 4_999, 0, 5_001, u64::MAX, 1]) {
        times.push(store.append(now_ms, vec![admitted(number)]).await.unwrap().time_ms);
    }
    assert_eq!(times, [5_000, 5_000, 5_000, 5_001, u64::MAX, u64::MAX]);
    store.close().await;
    drop(store);
    assert_eq!(place.open().await.view(data_dao_journal::State::time_ms), u64::MAX);
}

async fn a_clock_that_leaps_ahead_appends_nothing_until_a_person_confirms_it(place: Place) {
    let empty = place.open().await;
    // The first entry has whatever time it is.
    empty.check_clock(1_795_000_000_000).unwrap();
    empty.close().await;
    drop(empty);
    let store = place.founded().await;
    let before = (store.size(), store.root(), store.view(Clone::clone));
    let (last_ms, years_ahead_ms) = (1_005, 1_005 + 100 * CLOCK_LEAP_MS_MAX);
    // Neither an entry nor what fell due by itself.
    for bodies in [vec![admitted(9)], vec![]] {
        let refused = store.append(years_ahead_ms, bodies).await.unwrap_err();
        assert!(matches!(refused, AppendError::ClockAhead { known_ms: 1_005, .. }), "{refused:?}");
        let told = refused.to_string();
        assert!(told.contains("3100 days ahead") && told.contains("set the clock"), "{told}");
    }
    assert!(store.check_clock(years_ahead_ms).is_err());
    assert_eq!((store.size(), store.root(), store.view(Clone::clone)), before);
    // The clock was set right: nothing is left of it.
    let appended = store.append(last_ms + CLOCK_LEAP_MS_MAX, vec![admitted(9)]).await.unwrap();
    assert_eq!(appended.time_ms, last_ms + CLOCK_LEAP_MS_MAX);
    // It was right: somebody says so, and that alone changes nothing.
    store.confirm_clock(years_ahead_ms);
    assert_eq!(store.size(), 7);
    store.append(years_ahead_ms, vec![admitted(10)]).await.unwrap();
    store.close().await;
    drop(store);
    // The log is read by its own rules: a gap of years is no fault of it.
    let store = place.open().await;
    assert_eq!(store.view(data_dao_journal::State::time_ms), years_ahead_ms);
    store.append(1, vec![admitted(11)]).await.unwrap();
}

async fn a_batch_larger_than_a_statement_is_one_transaction(place: Place) {
    let store = place.founded().await;
    let bodies: Vec<Body> = (0..700).flat_map(aborted_round).collect();
    let appended = store.append(2_000, bodies).await.unwrap();
    assert_eq!((appended.index, appended.count), (6, 1_400));
    let root = store.root();
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert_eq!((store.size(), store.root()), (1_406, root));
    let page = store.entries(1_000, 1_000).await.unwrap();
    assert_eq!(
        page.iter().map(|entry| entry.index).collect::<Vec<_>>(),
        (1_000..1_406).collect::<Vec<_>>()
    );
}

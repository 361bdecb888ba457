//! Several processes on one PostgreSQL, and a server that crashes.

use std::collections::BTreeSet;

use benches_postgres::Cluster;
use data_dao_store::{AppendError, Store, StoreError};

use crate::world::{ORIGIN, Place, aborted_round, admitted, node_key};

async fn several(what: &str, count: usize) -> Option<(Place, Vec<Store>)> {
    let place = Place::postgres(what)?;
    let mut stores = vec![place.founded().await];
    while stores.len() < count {
        stores.push(place.open().await);
    }
    Some((place, stores))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_appends_another_follows() {
    let Some((_, stores)) = several("following", 2).await else { return };
    let [one, other] = stores.as_slice() else { unreachable!() };
    assert!(!other.follow().await.unwrap());
    one.append(2_000, aborted_round(0)).await.unwrap();
    assert_eq!(other.size(), 6);
    assert!(other.follow().await.unwrap());
    assert_eq!((other.size(), other.root()), (one.size(), one.root()));
    assert_eq!(other.checkpoint(), one.checkpoint());
    assert_eq!(other.view(Clone::clone), one.view(Clone::clone));
    // Without following: what the other one did is taken over before this one's turn.
    one.append(2_000, vec![admitted(9)]).await.unwrap();
    let refused = other.append(2_000, vec![admitted(9)]).await;
    assert!(matches!(refused, Err(AppendError::Refused { position: 0, .. })), "{refused:?}");
    assert_eq!(other.root(), one.root());
    let appended = other.append(2_000, vec![admitted(10)]).await.unwrap();
    assert_eq!(appended.index, 9);
}

/// Three processes post the same forty things: each happens once, whoever came first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_requests_to_several_processes_are_posted_once() {
    let Some((place, stores)) = several("posting once", 3).await else { return };
    let tasks: Vec<_> = stores
        .iter()
        .map(|store| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut indexes = Vec::new();
                for number in 20..60 {
                    match store.append(3_000, vec![admitted(number)]).await {
                        Ok(appended) => indexes.push(appended.index),
                        Err(AppendError::Refused { .. }) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
                indexes
            })
        })
        .collect();
    let mut indexes = Vec::new();
    for task in tasks {
        indexes.extend(task.await.unwrap());
    }
    assert_eq!(indexes.len(), 40);
    assert_eq!(indexes.into_iter().collect::<BTreeSet<_>>(), (6..46).collect());
    for store in &stores {
        store.follow().await.unwrap();
    }
    let fresh = place.open().await;
    assert_eq!(fresh.size(), 46);
    assert!(stores.iter().all(|store| store.root() == fresh.root()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_another_process_forged_is_not_followed() {
    let Some((place, stores)) = several("a forged entry", 1).await else { return };
    let (before, note) = (stores[0].root(), stores[0].checkpoint());
    let leaf = place.literal(br#"{"time_ms":9,"body":"forged"}"#);
    let zeros = place.literal(&[0; 32]);
    let forged = format!(
        "INSERT INTO entries VALUES (6, {leaf}, {zeros}, {zeros}); \
         INSERT INTO checkpoints VALUES (7, '{note}')"
    );
    place.execute(&forged).await.unwrap();
    for _ in 0..2 {
        assert!(stores[0].follow().await.is_err());
        let refused = stores[0].append(2_000, vec![admitted(9)]).await;
        assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
        assert_eq!((stores[0].size(), stores[0].root()), (6, before));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_url_of_postgresql_is_refused_without_repeating_it() {
    for url in ["", "sqlite://x", "postgres//x", "http://secret@host", "postgres://a:secret@h:x/y"]
    {
        let error = Store::connect(url, &node_key(), ORIGIN).await.unwrap_err();
        assert!(matches!(error, StoreError::Url), "{url}: {error:?}");
        assert!(!format!("{error:?} {error}").contains("secret"));
    }
}

/// The server is killed while batches are posted; what was acknowledged is there, once, and the same
/// process goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_a_crash_of_the_server_loses_and_doubles_nothing() {
    let Some(mut cluster) = Cluster::start("a server that crashes") else { return };
    let place = Place::Postgres(cluster.database().unwrap());
    let store = place.founded().await;
    let mut posted = BTreeSet::new();
    for crash in 0..3_u64 {
        let writer = store.clone();
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            for number in 0..400 {
                let round = crash * 1_000 + number;
                match writer.append(3_000, aborted_round(round)).await {
                    Ok(_) => said.send(round).unwrap(),
                    Err(AppendError::Unavailable(_) | AppendError::Storage(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
        // In the middle of things.
        for _ in 0..20 {
            posted.insert(heard.recv().await.unwrap());
        }
        cluster = tokio::task::spawn_blocking(move || {
            cluster.crash_and_recover().unwrap();
            cluster
        })
        .await
        .unwrap();
        task.await.unwrap();
        while let Some(round) = heard.recv().await {
            posted.insert(round);
        }
    }
    store.append(3_000, vec![admitted(77)]).await.unwrap();
    let fresh = place.open().await;
    assert_eq!((fresh.size(), fresh.root()), (store.size(), store.root()));
    let aborted = fresh.view(|state| state.counts().rounds_aborted);
    // An append that was not acknowledged may be there; one that was, is.
    assert!(aborted >= posted.len() as u64, "{aborted} of {}", posted.len());
    assert_eq!(fresh.size(), 6 + 2 * aborted + 1);
}

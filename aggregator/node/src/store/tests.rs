use std::{path::PathBuf, time::Duration};

use aggregator_protocol::{RoundAbort, RoundId};
use aggregator_round::Ended;
use benches_postgres::Cluster;
use privacy_identity::{Digest, Signed, SigningKey, Tag};

use super::*;

/// Where a store is: each test runs once for each.
#[derive(Clone)]
enum Place {
    File(PathBuf),
    Postgres(Box<DatabaseUrl>),
}

impl Place {
    async fn open(&self) -> Store {
        match self {
            Self::File(folder) => Store::file(folder).await.unwrap(),
            Self::Postgres(url) => Store::postgres(url).await.unwrap(),
        }
    }
}

/// Runs `test` on an empty file, and on an empty PostgreSQL database where there is one.
async fn on_both(what: &str, test: impl AsyncFn(Place)) {
    let folder = tempfile::tempdir().unwrap();
    test(Place::File(folder.path().to_owned())).await;
    if let Some(url) = benches_postgres::database(what) {
        test(Place::Postgres(Box::new(url.parse().unwrap()))).await;
    }
}

/// Ends the process's connections, as its end would.
async fn close(store: Store) {
    match store.database {
        Database::Sqlite(pool) => pool.close().await,
        // The server sees it, and frees the lock.
        Database::Postgres(connection) => drop(connection),
    }
}

/// Something that can be an input.
fn bytes(number: u64) -> Vec<u8> {
    RoundId(number).to_bytes()
}

fn aborted(round: u64) -> Ended {
    let (federation, reason) = (Digest([1; 32]), format!("of round {round}"));
    let abort = RoundAbort { federation, round: RoundId(round), reason };
    let key = SigningKey::from_seed(&[1; 32]);
    Ended::Aborted(Box::new(Signed::new(abort, Tag::RoundAbort, &key)))
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_come_back_in_their_order_and_a_newer_round_replaces_them() {
    on_both("inputs", async |place| {
        let store = place.open().await;
        for number in 0..300_u64 {
            store.append(1_000 + number, &bytes(number)).await.unwrap();
        }
        close(store).await;
        let store = place.open().await;
        let inputs = store.inputs::<RoundId>().await.unwrap();
        assert_eq!(inputs, (0..300_u64).map(|n| (1_000 + n, RoundId(n))).collect::<Vec<_>>());
        store.restart_from(7, &bytes(9)).await.unwrap();
        store.append(8, &bytes(1)).await.unwrap();
        close(store).await;
        let inputs = place.open().await.inputs::<RoundId>().await.unwrap();
        assert_eq!(inputs, [(7, RoundId(9)), (8, RoundId(1))]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_round_ended_is_kept_and_its_inputs_are_not() {
    on_both("ended rounds", async |place| {
        let store = place.open().await;
        store.append(1, &bytes(1)).await.unwrap();
        for round in [2, 1, 10] {
            store.conclude(&aborted(round)).await.unwrap();
        }
        // The same again, after a crash between the two.
        store.conclude(&aborted(10)).await.unwrap();
        close(store).await;
        let store = place.open().await;
        assert_eq!(store.ended().await.unwrap(), [aborted(1), aborted(2), aborted(10)]);
        assert!(store.inputs::<RoundId>().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mailbox_is_replaced_whole_and_an_input_that_cannot_be_read_is_an_error() {
    on_both("the mailbox", async |place| {
        let store = place.open().await;
        assert_eq!(store.mailbox().await.unwrap(), None);
        assert!(store.terms().await.unwrap().is_none());
        for _ in 0..2 {
            store.keep_mailbox(&Mailbox::default()).await.unwrap();
        }
        assert_eq!(store.mailbox().await.unwrap(), Some(Mailbox::default()));
        store.append(1, &[1; 7]).await.unwrap();
        let error = store.inputs::<RoundId>().await.unwrap_err();
        assert!(error.to_string().contains("an input that cannot be read"), "{error:#}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_terms_replace_what_is_of_former_ones_and_no_round_is_answered_twice() {
    on_both("followed terms", async |place| {
        let store = place.open().await;
        assert_eq!(store.followed().await.unwrap(), None);
        store.append(1, &bytes(1)).await.unwrap();
        store.conclude(&aborted(7)).await.unwrap();
        store.append(2, &bytes(2)).await.unwrap();
        store.keep_mailbox(&Mailbox::default()).await.unwrap();
        let answered = [Some(8), None, Some(3), Some(9)];
        for ((entry, answered), floor) in (40..).zip(answered).zip([8, 8, 8, 9]) {
            let terms = crate::following::tests::signed_terms(entry);
            let followed =
                Followed { terms: terms.clone(), entry, answered: answered.map(RoundId) };
            store.follow(&followed).await.unwrap();
            let kept = store.followed().await.unwrap().unwrap();
            assert_eq!(kept, FollowedTerms { entry, floor: Some(RoundId(floor)) });
            assert_eq!(store.terms().await.unwrap(), Some(terms));
        }
        close(store).await;
        let store = place.open().await;
        assert_eq!(store.followed().await.unwrap().map(|kept| kept.entry), Some(43));
        assert!(store.inputs::<RoundId>().await.unwrap().is_empty());
        assert_eq!(store.mailbox().await.unwrap(), None);
        assert_eq!(store.ended().await.unwrap(), [aborted(7)], "members still ask for it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_belongs_to_one_aggregator() {
    let [one, other] = [1, 2].map(|seed| SigningKey::from_seed(&[seed; 32]).verifying_key());
    on_both("owners", async |place| {
        let store = place.open().await;
        store.claim(&one).await.unwrap();
        close(store).await;
        let store = place.open().await;
        store.claim(&one).await.unwrap();
        let error = store.claim(&other).await.unwrap_err();
        assert!(error.to_string().contains("another aggregator's"), "{error:#}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_at_a_time_runs_with_a_postgresql_database() {
    let Some(url) = benches_postgres::database("the lock") else { return };
    let url: DatabaseUrl = url.parse().unwrap();
    let first = Store::postgres(&url).await.unwrap();
    let second = Database::postgres(&url, Duration::from_millis(300)).await;
    let error = format!("{:#}", second.unwrap_err());
    assert!(error.contains("another process runs with it"), "{error}");
    first.append(1, &bytes(1)).await.unwrap();
    close(first).await;
    let second = Store::postgres(&url).await.unwrap();
    assert_eq!(second.inputs::<RoundId>().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_appended_survives_a_crash_of_postgresql_whatever_the_server_is_set_to() {
    let Some(mut cluster) = Cluster::start("a crash of the server") else { return };
    let url: DatabaseUrl = cluster.database().unwrap().parse().unwrap();
    let store = Store::postgres(&url).await.unwrap();
    let Database::Postgres(connection) = &store.database else { unreachable!("opened by URL") };
    let lazy = sqlx::query("ALTER ROLE sahakar SET synchronous_commit = off");
    lazy.execute(&mut *connection.lock().await).await.unwrap();
    close(store).await;
    let store = Store::postgres(&url).await.unwrap();
    let Database::Postgres(connection) = &store.database else { unreachable!("opened by URL") };
    let setting = sqlx::query_scalar("SHOW synchronous_commit");
    let setting: String = setting.fetch_one(&mut *connection.lock().await).await.unwrap();
    assert_eq!(setting, "on");
    for number in 0..100_u64 {
        store.append(number, &bytes(number)).await.unwrap();
    }
    cluster.crash_and_recover().unwrap();
    // Its lock was lost with its connection: somebody else may have gone on meanwhile.
    assert!(store.append(100, &bytes(100)).await.is_err());
    assert!(store.append(100, &bytes(100)).await.is_err());
    close(store).await;
    assert_eq!(Store::postgres(&url).await.unwrap().inputs::<RoundId>().await.unwrap().len(), 100);
}

#[test]
fn a_url_hides_its_password_and_other_databases_are_refused() {
    let url: DatabaseUrl = "postgres://me:hush@db.example:5433/rounds".parse().unwrap();
    assert_eq!(format!("{url:?}"), "DatabaseUrl(the PostgreSQL database rounds at db.example)");
    for wrong in ["mysql://localhost/rounds", "rounds.sqlite", "postgres://host:port/x"] {
        let error = wrong.parse::<DatabaseUrl>().unwrap_err().to_string();
        assert!(error.starts_with("not the URL of a PostgreSQL database"), "{error}");
    }
}

//! The shared place by itself: what is in it are bytes. Expiry is by the server's clock: tests shorten a lease to
//! nothing instead of waiting for it.

use std::collections::BTreeSet;

use super::*;
use crate::store::Store;

const WORK: Digest = Digest([7; 32]);
const LONG: Duration = Duration::from_secs(600);

/// An aggregator's own process with `batches` batches put up, and where it is; none without PostgreSQL.
async fn posted(what: &str, batches: u32) -> Option<(DatabaseUrl, Board)> {
    let url: DatabaseUrl = benches_postgres::database(what)?.parse().unwrap();
    // Makes the tables.
    drop(Store::postgres(&url).await.unwrap());
    let owner = Board::connect(&url, Role::Owner, LONG).await.unwrap();
    owner.post(WORK, b"work", batches).await.unwrap();
    Some((url, owner))
}

async fn worker(url: &DatabaseUrl, lease: Duration) -> Board {
    Board::connect(url, Role::Worker, lease).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_take_each_batch_once() {
    const BATCHES: u32 = 200;
    let Some((url, owner)) = posted("leases", BATCHES).await else { return };
    let mut hands = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let board = worker(&url, LONG).await;
        hands.spawn(async move {
            let mut taken = Vec::new();
            while let Some(leased) = board.lease().await.unwrap() {
                assert_eq!((leased.work, leased.attempt), (WORK, 1));
                assert!(board.submit(&leased, &leased.batch.to_be_bytes()).await.unwrap());
                taken.push(leased.batch);
            }
            taken
        });
    }
    let taken: Vec<_> = hands.join_all().await.concat();
    assert_eq!(taken.len(), BATCHES as usize);
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), (0..BATCHES).collect());
    assert_eq!(owner.unfinished(WORK).await.unwrap(), 0);
    for batch in 0..BATCHES {
        let result = owner.result(WORK, batch).await.unwrap();
        assert_eq!(result.as_deref(), Some(batch.to_be_bytes().as_slice()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_not_renewed_expires_and_of_two_results_the_first_stands() {
    let Some((url, owner)) = posted("expiry", 1).await else { return };
    let (slow, quick) = (worker(&url, Duration::ZERO).await, worker(&url, LONG).await);
    let first = slow.lease().await.unwrap().unwrap();
    let second = quick.lease().await.unwrap().unwrap();
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert!(!slow.renew(&first).await.unwrap(), "it is another's now");
    assert!(quick.renew(&second).await.unwrap());
    assert_eq!(slow.lease().await.unwrap(), None, "a lease that is renewed does not expire");
    // The slow one was not dead: its result is as good.
    assert!(slow.submit(&first, b"one").await.unwrap());
    assert!(!quick.submit(&second, b"other").await.unwrap());
    assert_eq!(owner.result(WORK, 0).await.unwrap().unwrap(), b"one");
    assert_eq!(owner.unfinished(WORK).await.unwrap(), 0);
    assert_eq!(owner.lease().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_declined_is_left_to_the_owner() {
    let Some((url, owner)) = posted("declined batches", 2).await else { return };
    let (one, other) = (worker(&url, LONG).await, worker(&url, LONG).await);
    let leased = one.lease().await.unwrap().unwrap();
    one.decline(&leased).await.unwrap();
    let next = other.lease().await.unwrap().unwrap();
    assert_ne!(next.batch, leased.batch);
    assert_eq!(other.lease().await.unwrap(), None);
    let own = owner.lease().await.unwrap().unwrap();
    assert_eq!((own.batch, own.attempt), (leased.batch, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_put_up_again_keeps_what_is_done_and_other_work_is_taken_away() {
    let Some((url, owner)) = posted("posting", 3).await else { return };
    let helper = worker(&url, LONG).await;
    let done = helper.lease().await.unwrap().unwrap();
    helper.submit(&done, b"done").await.unwrap();
    let under_way = helper.lease().await.unwrap().unwrap();
    // The owner was killed and starts again.
    owner.post(WORK, b"work", 3).await.unwrap();
    assert_eq!(owner.unfinished(WORK).await.unwrap(), 2);
    assert!(helper.renew(&under_way).await.unwrap());
    owner.reject(WORK, done.batch).await.unwrap();
    assert_eq!(owner.unfinished(WORK).await.unwrap(), 3);
    let next = Digest([8; 32]);
    owner.post(next, b"next", 1).await.unwrap();
    assert_eq!(owner.work(WORK).await.unwrap(), None);
    assert_eq!(owner.work(next).await.unwrap().unwrap(), b"next");
    assert!(!helper.submit(&under_way, b"late").await.unwrap());
    assert_eq!(helper.lease().await.unwrap().unwrap().work, next);
    owner.clear().await.unwrap();
    assert_eq!(helper.lease().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_wakes_whoever_waits() {
    let Some((url, owner)) = posted("waking", 1).await else { return };
    let helper = worker(&url, LONG).await;
    let leased = helper.lease().await.unwrap().unwrap();
    let mut changes = owner.changes().await.unwrap();
    helper.submit(&leased, b"done").await.unwrap();
    // Far below this patience, or the test runs into its limit.
    changes.wait(LONG).await.unwrap();
    assert_eq!(owner.unfinished(WORK).await.unwrap(), 0);
}

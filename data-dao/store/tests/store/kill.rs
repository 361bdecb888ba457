//! `kill -9` of a process that posts, again and again: nothing acknowledged is lost, nothing is posted twice.
//!
//! The process is this test binary, started again with a place to post to. It retries what it does not know to be posted,
//! as a client would. `SAHAKAR_KILLS` says how often it is killed.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use data_dao_journal::{Body, Deposited, KeyIssued, Refusal};
use data_dao_ledger::{AccountId, Name};
use data_dao_store::{AppendError, Store};
use privacy_identity::Digest;

use crate::world::{ORIGIN, Place, node_key};

const PLACE: &str = "SAHAKAR_POSTER_PLACE";
const FROM: &str = "SAHAKAR_POSTER_FROM";
/// Kills by default: a test, not an experiment.
const KILLS: u64 = 24;
/// Each deposit.
const AMOUNT: u128 = 7;

fn buyer() -> Name {
    Name::new("k-1").unwrap()
}

fn deposit(number: u64) -> Body {
    let (key_id, idempotency_key) = (buyer(), format!("d-{number}"));
    Deposited { key_id, amount: AMOUNT, idempotency_key }.into()
}

async fn open(place: &str) -> Store {
    if place.starts_with("postgres") {
        Store::connect(place, &node_key(), ORIGIN).await.unwrap()
    } else {
        Store::open(place.as_ref(), &node_key(), ORIGIN).await.unwrap()
    }
}

/// Does nothing unless it is the process that posts: then, without end.
#[tokio::test]
async fn poster() {
    #[expect(clippy::disallowed_methods, reason = "how the parent tells this process what it is")]
    let (Ok(place), Ok(from)) = (std::env::var(PLACE), std::env::var(FROM)) else { return };
    let store = open(&place).await;
    for number in from.parse::<u64>().unwrap().. {
        println!("posting {number}");
        match store.append(2_000, vec![deposit(number)]).await {
            Ok(_) => println!("posted {number}"),
            // It was posted, and the process was killed before it could say so.
            Err(AppendError::Refused { refusal: Refusal::AlreadyBooked { .. }, .. }) => {
                println!("posted {number}");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Starts a poster, lets it go on for a while after its first word, and kills it. Returns what it said that it posted, and
/// what it was at.
fn post_and_kill(place: &str, from: u64, after: Duration) -> (Vec<u64>, u64) {
    let mut poster = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::poster", "--nocapture", "--test-threads=1"])
        .env(PLACE, place)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(poster.stdout.take().unwrap());
    let (send, receive) = mpsc::channel();
    let reader = thread::spawn(move || {
        // The last line may be cut by the kill: it was not said, then.
        for line in said.lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    let (mut posted, mut at) = (Vec::new(), from);
    let mut hear = |line: String| {
        let mut words = line.split(' ');
        match (words.next(), words.next().and_then(|number| number.parse().ok())) {
            (Some("posting"), Some(number)) => at = number,
            (Some("posted"), Some(number)) => posted.push(number),
            _ => {}
        }
        line.starts_with("posting")
    };
    while !hear(receive.recv_timeout(Duration::from_secs(60)).unwrap()) {}
    // Not a wait for something to happen: the moment of the kill.
    thread::park_timeout(after);
    poster.kill().unwrap();
    poster.wait().unwrap();
    while let Ok(line) = receive.recv() {
        hear(line);
    }
    reader.join().unwrap();
    (posted, at)
}

async fn killed_again_and_again(place: Place) {
    let path = match &place {
        Place::Sqlite(dir) => dir.path().to_str().unwrap().to_owned(),
        Place::Postgres(url) => url.clone(),
    };
    let store = place.founded().await;
    let key_hash = Digest([9; 32]);
    let issued = KeyIssued { key_id: buyer(), key_hash, buyer: "Wine shop".into() };
    store.append(1_500, vec![issued.into()]).await.unwrap();
    let before = store.size();
    store.close().await;
    drop(store);
    #[expect(clippy::disallowed_methods, reason = "how often, for whoever wants more")]
    let kills = std::env::var("SAHAKAR_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let (mut acknowledged, mut from) = (BTreeSet::new(), 0);
    for kill in 0..kills {
        // From before the transaction to many posts later, in steps that share no divisor with anything.
        let after = Duration::from_micros(kill * 397 % 9_001);
        let (path, at) = (path.clone(), from);
        let killed = tokio::task::spawn_blocking(move || post_and_kill(&path, at, after));
        let (posted, at) = killed.await.unwrap();
        acknowledged.extend(posted);
        from = at;
        if kill % 50 == 49 || kill + 1 == kills {
            // Opening recomputes all of it, to the signed root.
            let store = place.open().await;
            let deposits = store.size() - before;
            for number in &acknowledged {
                let booked = store.view(|state| state.booked(&buyer(), &format!("d-{number}")));
                assert!(booked.is_some(), "deposit {number} was acknowledged and is lost");
            }
            // Numbers are posted in order, and what was not acknowledged is tried again: each once.
            let known = acknowledged.len() as u64;
            assert!(
                deposits == known || deposits == known + 1,
                "{deposits} deposits, {known} known"
            );
            let currency = "EUR".parse().unwrap();
            let balance = store.view(|state| {
                state.accounts().account(&AccountId::buyer(currency, buyer())).balance()
            });
            assert_eq!(balance, u128::from(deposits) * AMOUNT);
            store.close().await;
        }
    }
    assert!(!acknowledged.is_empty());
    eprintln!("killed {kills} times, {} deposits", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_kill_9_at_any_step_of_posting_loses_and_doubles_nothing_in_sqlite() {
    killed_again_and_again(Place::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_kill_9_at_any_step_of_posting_loses_and_doubles_nothing_in_postgresql() {
    let Some(place) = Place::postgres("kill -9 of who posts to PostgreSQL") else { return };
    killed_again_and_again(place).await;
}

//! `kill -9` of a process that posts, again and again: nothing acknowledged is lost, nothing is posted twice.
//!
//! ```text
//!  parent ──place, what was acknowledged──► poster: opens (recomputes all), checks, four tasks post
//!     ▲                                        │ checked · posting t n · posted t n
//!     └────────────────────────────────────────┘ … kill -9, and again
//! ```
//! The process is this test binary, started again with a place to post to. Its tasks try again what they do not know to be
//! posted, as clients would. `SAHAKAR_KILLS` says how often it is killed: 1 000 in the record of `benches/ledger/README.md`.

use std::{
    io::{BufRead as _, BufReader},
    process::{ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use data_dao_journal::{Body, Deposited, KeyIssued, Refusal, TreeHead, audit};
use data_dao_ledger::{AccountId, Name};
use data_dao_store::{AppendError, Store};
use privacy_identity::Digest;

use crate::world::{ORIGIN, Place, node_key};

const PLACE: &str = "SAHAKAR_POSTER_PLACE";
const ACKNOWLEDGED: &str = "SAHAKAR_POSTER_ACKNOWLEDGED";
/// Kills by default: a test, not an experiment.
const KILLS: u64 = 16;
/// Each deposit; an append has two, which happen both or not at all.
const AMOUNT: u128 = 7;
/// How many post at once: appends wait for each other, and for the disk.
const TASKS: usize = 4;
/// Every so many kills the log is audited from its leaves alone, by somebody who never posted.
const AUDITED_EVERY: u64 = 100;

fn buyer() -> Name {
    Name::new("k-1").unwrap()
}

fn name(task: usize, number: u64, half: char) -> String {
    format!("d-{task}-{number}-{half}")
}

fn deposits(task: usize, number: u64) -> Vec<Body> {
    let deposit = |half| {
        let (key_id, idempotency_key) = (buyer(), name(task, number, half));
        Deposited { key_id, amount: AMOUNT, idempotency_key }.into()
    };
    ['a', 'b'].map(deposit).into()
}

async fn open(place: &str) -> Store {
    if place.starts_with("postgres") {
        Store::connect(place, &node_key(), ORIGIN).await.unwrap()
    } else {
        Store::open(place.as_ref(), &node_key(), ORIGIN).await.unwrap()
    }
}

/// Whether an append is in the ledger: wholly, or not at all.
fn is_booked(store: &Store, task: usize, number: u64) -> bool {
    let half = |half| store.view(|s| s.booked(&buyer(), &name(task, number, half)).is_some());
    let (a, b) = (half('a'), half('b'));
    assert_eq!(a, b, "one half of append {number} of task {task}");
    a
}

/// Whether the ledger is what it has to be after all of `acknowledged`: of each task that many appends, and at most the one
/// more that was under way; each of them once.
fn check(store: &Store, acknowledged: &[u64]) {
    let mut booked = 0;
    for (task, &known) in acknowledged.iter().enumerate() {
        for number in 0..known {
            assert!(is_booked(store, task, number), "{number} of task {task} is lost");
        }
        assert!(!is_booked(store, task, known + 1), "nobody was at {} of {task}", known + 1);
        booked += known + u64::from(is_booked(store, task, known));
    }
    let account = AccountId::buyer("EUR".parse().unwrap(), buyer());
    let balance = store.view(|state| state.accounts().account(&account).balance());
    assert_eq!(balance, u128::from(booked) * 2 * AMOUNT, "something was posted twice, or half");
}

/// Does nothing unless it is the process that posts: then, without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poster() {
    #[expect(clippy::disallowed_methods, reason = "how the parent tells this process what it is")]
    let (Ok(place), Ok(known)) = (std::env::var(PLACE), std::env::var(ACKNOWLEDGED)) else {
        return;
    };
    let known: Vec<u64> = known.split(',').map(|number| number.parse().unwrap()).collect();
    // Opening recomputes the log, and holds it against the signed root.
    let store = open(&place).await;
    check(&store, &known);
    // On a line of its own: the harness has begun one.
    println!("\nchecked {} 0", store.size());
    let post = |(task, from)| tokio::spawn(post(store.clone(), task, from));
    let tasks: Vec<_> = known.into_iter().enumerate().map(post).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn post(store: Store, task: usize, from: u64) {
    for number in from.. {
        println!("posting {task} {number}");
        match store.append(2_000, deposits(task, number)).await {
            Ok(_) => {}
            // It was posted, and the process was killed before it could say so.
            Err(AppendError::Refused { refusal: Refusal::AlreadyBooked { .. }, .. })
                if number == from => {}
            Err(error) => panic!("{error:?}"),
        }
        println!("posted {task} {number}");
    }
}

/// What a poster says: a word, a task, a number. A line that the kill cut was not said.
fn listen(said: ChildStdout, tell: &mpsc::Sender<(String, usize, u64)>) {
    let (mut said, mut line) = (BufReader::new(said), String::new());
    while said.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [word, first, second] = words.as_slice()
            && let (Ok(first), Ok(second)) = (first.parse(), second.parse())
            && tell.send(((*word).to_owned(), first, second)).is_err()
        {
            return;
        }
        line.clear();
    }
}

/// Starts a poster and kills it `after` its first word of posting, or, `early`, after its start. Returns whether it had checked.
fn post_and_kill(place: &str, known: &mut [u64], (after, early): (Duration, bool)) -> bool {
    let acknowledged: Vec<String> = known.iter().map(u64::to_string).collect();
    let mut poster = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::poster", "--nocapture", "--test-threads=1"])
        .env(PLACE, place)
        .env(ACKNOWLEDGED, acknowledged.join(","))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = poster.stdout.take().unwrap();
    let (tell, told) = mpsc::channel();
    let listener = thread::spawn(move || listen(said, &tell));
    let mut checked = false;
    let mut hear = |(word, task, number): (String, usize, u64)| {
        checked |= word == "checked";
        if word == "posted" {
            known[task] = known[task].max(number + 1);
        }
        word == "posting"
    };
    // A poster that finds something wrong ends, and its pipe with it.
    while !early && !hear(told.recv_timeout(Duration::from_secs(300)).expect("it posts")) {}
    // Not a wait for something to happen: the moment of the kill.
    thread::park_timeout(after);
    poster.kill().unwrap();
    poster.wait().unwrap();
    while let Ok(line) = told.recv() {
        hear(line);
    }
    listener.join().unwrap();
    checked
}

async fn killed_again_and_again(place: Place, share: u64) {
    let path = match &place {
        Place::Sqlite(dir) => dir.path().to_str().unwrap().to_owned(),
        Place::Postgres(url) => url.clone(),
    };
    let store = place.founded().await;
    let key_hash = Digest([9; 32]);
    let issued = KeyIssued { key_id: buyer(), key_hash, buyer: "Wine shop".into() };
    store.append(1_500, vec![issued.into()]).await.unwrap();
    store.close().await;
    drop(store);
    #[expect(clippy::disallowed_methods, reason = "how often, for whoever wants more")]
    let kills = std::env::var("SAHAKAR_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let kills = kills / share;
    let (mut known, mut checks) = (vec![0; TASKS], 0);
    for kill in 0..kills {
        // From before the transaction to many posts later, in steps that share no divisor with anything; every eighth time
        // while the log is opened and SQLite recovers what the last kill left.
        let early = kill % 8 == 7;
        let after = Duration::from_micros(kill * 397 % if early { 60_013 } else { 9_001 });
        let (path, mut so_far) = (path.clone(), known.clone());
        let killed = tokio::task::spawn_blocking(move || {
            (post_and_kill(&path, &mut so_far, (after, early)), so_far)
        });
        let (checked, so_far) = killed.await.unwrap();
        (checks, known) = (checks + u64::from(checked), so_far);
        if kill % AUDITED_EVERY == AUDITED_EVERY - 1 || kill + 1 == kills {
            let store = place.open().await;
            check(&store, &known);
            audit_leaves(&store).await;
            store.close().await;
        }
    }
    assert!(known.iter().sum::<u64>() > 0, "somebody was acknowledged: {known:?}");
    assert!(checks >= kills * 7 / 8, "{checks} restarts were checked");
    eprintln!("killed {kills} times, {checks} restarts checked, appends acknowledged {known:?}");
}

/// The leaves lead to the root that readers are shown, recomputed without the store.
async fn audit_leaves(store: &Store) {
    let (mut leaves, head) = (Vec::new(), TreeHead { size: store.size(), root: store.root() });
    while let Some(from) = (leaves.len() as u64 != head.size).then_some(leaves.len() as u64) {
        let page = store.entries(from, 1_000).await.unwrap();
        leaves.extend(page.into_iter().map(|entry| entry.leaf));
    }
    audit(&leaves, Some(&head)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_kill_9_at_any_step_of_posting_loses_and_doubles_nothing_in_sqlite() {
    killed_again_and_again(Place::sqlite(), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_kill_9_at_any_step_of_posting_loses_and_doubles_nothing_in_postgresql() {
    let Some(place) = Place::postgres("kill -9 of who posts to PostgreSQL") else { return };
    killed_again_and_again(place, 2).await;
}

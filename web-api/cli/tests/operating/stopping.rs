//! A node that is told to stop while it sells.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use sahakar::{
    demo::{
        children::{ChildNews, End},
        cooperative::{Cooperative, DAO},
    },
    rest::Rest,
    serve::SealingMode,
};
use serde_json::{Value, json};

use crate::node::{END_SECONDS_MAX, signal};
use crate::world::{Setup, next, until};

/// What the co-operative sells.
const MODEL: &str = "wine-quality";
/// Buyers who ask all the time.
const BUYERS: usize = 8;
/// Answers before the node is told to stop.
const ANSWERED_MIN: usize = 40;
/// Paid calls: more than are made.
const CALLS: u32 = 100_000;

/// What one buyer saw until the node was gone.
fn buy(url: &str, api_key: &str, answered: &AtomicUsize) -> usize {
    let rest = Rest::new(url).with_bearer(api_key);
    let tensor =
        json!({"name": "input", "shape": [1, 11], "datatype": "FP32", "data": vec![0.5; 11]});
    let body = json!({"inputs": [tensor]});
    let mut own = 0;
    // Whole or not at all: an answer that breaks off is an error.
    while let Ok(answer) = rest.post(&format!("/v2/models/{MODEL}/infer"), None, &body) {
        assert!(answer["outputs"][0]["data"].is_array(), "{answer}");
        own += 1;
        answered.fetch_add(1, Ordering::SeqCst);
    }
    own
}

async fn blocking<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(task).await.unwrap()
}

/// A federation that has a model for sale, wide enough to be computed in the queue, and a buyer's key.
async fn market(dir: &std::path::Path) -> (Cooperative, String) {
    let mut setup = Setup::new(SealingMode::Mpc, dir, 2, 1);
    setup.adjust = |federation| federation.hidden = vec![128, 256];
    let (mut cooperative, _vintage) = setup.start().await;
    until(&mut cooperative, DAO, "released", &mut Vec::new()).await;
    let (url, token) = (cooperative.http().to_owned(), cooperative.operator_token().to_owned());
    let api_key = blocking(move || {
        let order = json!({"buyer": "Cellar", "deposit": "1000000000"});
        let operator = Rest::new(&url).with_bearer(&token);
        let issued = operator.post("/v1/keys", Some("order"), &order).unwrap();
        let api_key = issued["api_key"].as_str().unwrap().to_owned();
        let calls = json!({"model": MODEL, "calls": CALLS});
        Rest::new(&url).with_bearer(&api_key).post("/v1/purchases", Some("calls"), &calls).unwrap();
        api_key
    });
    let api_key = api_key.await;
    (cooperative, api_key)
}

async fn get(cooperative: &Cooperative, path: &'static str, api_key: &str) -> Value {
    let (url, api_key) = (cooperative.http().to_owned(), api_key.to_owned());
    blocking(move || Rest::new(&url).with_bearer(&api_key).get(path).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_told_to_stop_answers_what_it_has_begun_and_charges_for_what_it_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cooperative, api_key) = market(dir.path()).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let buyers: Vec<_> = (0..BUYERS)
        .map(|_| {
            let (url, api_key) = (cooperative.http().to_owned(), api_key.clone());
            let answered = Arc::clone(&answered);
            thread::spawn(move || buy(&url, &api_key, &answered))
        })
        .collect();
    while answered.load(Ordering::SeqCst) < ANSWERED_MIN {
        assert!(buyers.iter().any(|buyer| !buyer.is_finished()), "nobody is answered");
        tokio::task::yield_now().await;
    }
    let pid = cooperative.pids().find(|(who, _)| *who == DAO).unwrap().1;
    signal(pid, "TERM");
    let ended = async {
        loop {
            match next(&mut cooperative).await {
                news if news.pid != Some(pid) => {}
                news => {
                    if let ChildNews::Ended(status) = news.what {
                        break status;
                    }
                }
            }
        }
    };
    let status = tokio::time::timeout(Duration::from_secs(END_SECONDS_MAX), ended).await;
    assert!(status.expect("within its time").is_some_and(|status| status.success()));
    let answered: usize = buyers.into_iter().map(|buyer| buyer.join().unwrap()).sum();
    cooperative.end(DAO, End::Kill).await;
    cooperative.start_dao_again().await.unwrap();
    let ledger = get(&cooperative, "/v1/ledger", &api_key).await;
    assert_eq!(ledger["predictions"], answered, "{answered} were answered");
    let balance = get(&cooperative, "/v1/balance", &api_key).await;
    let left = (u64::from(CALLS) - answered as u64).to_string();
    // Nor is one held by a reservation that nobody completes.
    assert_eq!(balance["calls"][0]["left"], left, "{balance}");
    println!("{answered} predictions were answered, each was charged once");
    cooperative.end_all().await;
}

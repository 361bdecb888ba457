//! A node that dies between any two steps of what moves money: nobody is charged for nothing, nobody is served for nothing,
//! and whoever asks again by the same name gets what was paid for.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::disallowed_methods, reason = "more kills on demand")]

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};
use tempfile::TempDir;
use web_api::RESERVATION_MS;

use super::child::{Asked, Child, ask};
use super::support::{OPERATOR, START_MS, two_rows};

/// More readings of the clock than any request makes.
const STEPS_MAX: u32 = 40;
/// Requests at once before a kill from outside.
const VOLLEY: u32 = 8;

fn post(token: &str, path: &str, name: &str, body: Value) -> Asked {
    let (token, path, name) = (token.to_owned(), path.to_owned(), Some(name.to_owned()));
    Asked { method: "POST", path, token, name, body: Some(body), signature: None }
}

/// How many entries there are of each kind.
async fn entries(child: &Child) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut path = "/v1/ledger/entries?limit=200".to_owned();
    loop {
        let asked = Asked {
            method: "GET",
            path,
            token: String::new(),
            name: None,
            body: None,
            signature: None,
        };
        let (status, page) = child.ask(&asked).await.unwrap();
        assert_eq!(status, 200, "{page}");
        for entry in page["entries"].as_array().unwrap() {
            *counts.entry(entry["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let Some(next) = page["next"].as_str() else { return counts };
        path = format!("/v1/ledger/entries?limit=200&cursor={next}");
    }
}

async fn count(child: &Child, kind: &str) -> usize {
    entries(child).await.get(kind).copied().unwrap_or(0)
}

/// A node with a buyer who has money, calls and a name. Returns key and id.
async fn with_buyer(child: &Child, calls: u32) -> (String, String) {
    let order = json!({"buyer": "Cellar", "deposit": "1000000"});
    let (status, key) = child.ask(&post(OPERATOR, "/v1/keys", "buyer", order)).await.unwrap();
    assert_eq!(status, 201, "{key}");
    let (id, key) = (key["key_id"].as_str().unwrap(), key["api_key"].as_str().unwrap());
    let order = json!({"model": "wine", "calls": calls});
    let bought = child.ask(&post(key, "/v1/purchases", "calls", order)).await.unwrap();
    assert_eq!(bought.0, 201, "{}", bought.1);
    (key.to_owned(), id.to_owned())
}

#[expect(clippy::too_many_lines, reason = "one table of requests, each with what it books")]
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_at_any_step_of_what_moves_money_did_it_once_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let mut child = Child::start(dir.path(), None);
    let (key, id) = with_buyer(&child, 200).await;
    // Without reasons reservation and payment are one transaction, with them they are two.
    let mut explained = two_rows();
    explained["parameters"] = json!({"explain": true});
    let acts: [(&str, &str, String, Value, &str); 7] = [
        (
            OPERATOR,
            "key",
            "/v1/keys".to_owned(),
            json!({"buyer": "Till", "deposit": "70"}),
            "key_granted",
        ),
        (
            OPERATOR,
            "deposit",
            format!("/v1/keys/{id}/deposits"),
            json!({"amount": "50"}),
            "deposited",
        ),
        (
            OPERATOR,
            "withdrawal",
            format!("/v1/keys/{id}/withdrawals"),
            json!({"amount": "10"}),
            "withdrawn",
        ),
        (
            &key,
            "purchase",
            "/v1/purchases".to_owned(),
            json!({"model": "wine", "calls": 2}),
            "purchased",
        ),
        (
            &key,
            "refund",
            "/v1/refunds".to_owned(),
            json!({"model": "wine", "lot": 0, "calls": 1}),
            "calls_refunded",
        ),
        (&key, "infer", "/v2/models/wine/infer".to_owned(), two_rows(), "predicted"),
        (&key, "explain", "/v2/models/wine/infer".to_owned(), explained, "predicted"),
    ];
    let mut now_ms = START_MS;
    for (token, act, path, body, kind) in acts {
        let (mut deaths, mut done_before_death) = (0, 0);
        for step in 0..STEPS_MAX {
            let before = count(&child, kind).await;
            let request = post(token, &path, &format!("{act}-{step}"), body.clone());
            child.tell(&format!("die {step}"));
            if let Some((status, answer)) = child.ask(&request).await {
                assert!(status < 300, "{act} {step}: {status} {answer}");
                child.tell("die -1");
                break;
            }
            deaths += 1;
            child = child.again();
            child.tell(&format!("time {now_ms}"));
            done_before_death += usize::from(count(&child, kind).await > before);
            // What was reserved and never paid is void after its time, and not before.
            let (mut status, mut answer) = child.ask(&request).await.unwrap();
            if status == 409 {
                assert_eq!(act, "explain", "{answer}");
                now_ms += RESERVATION_MS + 1;
                child.tell(&format!("time {now_ms}"));
                (status, answer) = child.ask(&request).await.unwrap();
            }
            assert!(status < 300, "{act} {step}: {status} {answer}");
            assert_eq!(child.ask(&request).await.unwrap().0, status, "{act} {step}, repeated");
            assert_eq!(count(&child, kind).await, before + 1, "{act} {step}");
        }
        println!("{act}: died {deaths} times, {done_before_death} times after it was done");
        assert!(deaths >= 2, "{act}: it reads the clock when it is asked and when it books");
    }
    check_money(&child, &key).await;
}

/// Each step has a buyer of its own: a licence is bought once.
#[tokio::test(flavor = "multi_thread")]
async fn a_month_and_a_licence_are_paid_once_or_not_at_all_whenever_the_node_dies() {
    let dir = TempDir::new().unwrap();
    let mut child = Child::start(dir.path(), None);
    for (plan, price, kind) in
        [("month", 160, "month_bought"), ("download", 1_000, "licence_bought")]
    {
        let mut deaths = 0;
        for step in 0..STEPS_MAX {
            let order = json!({"buyer": "Cellar", "deposit": "5000"});
            let buyer = post(OPERATOR, "/v1/keys", &format!("{plan}-{step}"), order);
            let (status, key) = child.ask(&buyer).await.unwrap();
            assert_eq!(status, 201, "{key}");
            let key = key["api_key"].as_str().unwrap();
            let before = count(&child, kind).await;
            let request = json!({"model": "wine", "plan": plan});
            let request = post(key, "/v1/purchases", "once", request);
            child.tell(&format!("die {step}"));
            let answered = child.ask(&request).await;
            if answered.is_some() {
                child.tell("die -1");
            } else {
                deaths += 1;
                child = child.again();
                child.tell(&format!("time {START_MS}"));
            }
            for _ in 0..2 {
                let (status, answer) = child.ask(&request).await.unwrap();
                assert_eq!(
                    (status, &answer["total"]),
                    (201, &json!(price.to_string())),
                    "{plan} {step}"
                );
            }
            assert_eq!(count(&child, kind).await, before + 1, "{plan} {step}");
            let (path, token) = ("/v1/balance".to_owned(), key.to_owned());
            let asked =
                Asked { method: "GET", path, token, name: None, body: None, signature: None };
            let balance = child.ask(&asked).await.unwrap().1;
            assert_eq!(balance["balance"], (5_000 - price).to_string(), "{plan} {step}");
            if answered.is_some() {
                break;
            }
        }
        assert!(deaths >= 2, "{plan}: it reads the clock when it is asked and when it books");
    }
}

/// Every call and every amount is somewhere: calls left, calls made, money left, money spent.
async fn check_money(child: &Child, key: &str) {
    let (path, token) = ("/v1/balance".to_owned(), key.to_owned());
    let asked = Asked { method: "GET", path, token, name: None, body: None, signature: None };
    let (_, balance) = child.ask(&asked).await.unwrap();
    let number = |value: &Value| value.as_str().unwrap().parse::<usize>().unwrap();
    let counts = entries(child).await;
    let of = |kind: &str| counts.get(kind).copied().unwrap_or(0);
    let bought = 200 + 2 * (of("purchased") - 1);
    let lots = of("key_granted") - 1;
    assert_eq!(
        number(&balance["calls"][0]["left"]),
        bought - of("calls_refunded") - of("predicted")
    );
    // The keys of the sweep have 70 each, which are deposits, too.
    let deposited = 1_000_000 + 50 * (of("deposited") - 1 - lots);
    let spent = 250 * (bought - of("calls_refunded")) + 10 * of("withdrawn");
    assert_eq!(number(&balance["balance"]), deposited - spent);
}

/// `SAHAKAR_KILLS`: how often; each kill comes in the middle of [`VOLLEY`] calls at once, behind an answer that is drawn.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_under_load_charges_each_call_once() {
    let kills = std::env::var("SAHAKAR_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let dir = TempDir::new().unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut child = Child::start(dir.path(), None);
    let (key, _) = with_buyer(&child, VOLLEY * (kills + 1)).await;
    let (mut now_ms, mut unanswered, mut paid_unanswered) = (START_MS, 0, 0);
    for kill in 0..kills {
        let before = count(&child, "predicted").await;
        let calls: Vec<_> = (0..VOLLEY)
            .map(|call| post(&key, "/v2/models/wine/infer", &format!("{kill}-{call}"), two_rows()))
            .collect();
        let mut tasks = tokio::task::JoinSet::new();
        for (number, call) in calls.iter().cloned().enumerate() {
            let address = child.address;
            tasks.spawn(async move { (number, ask(address, &call).await) });
        }
        let mut answers: BTreeMap<usize, String> = BTreeMap::new();
        let killed_after = rng.random_range(0..VOLLEY as usize);
        while let Some(done) = tasks.join_next().await {
            if let (number, Some((200, answer))) = done.unwrap() {
                answers
                    .insert(number, answer["parameters"]["receipt"].as_str().unwrap().to_owned());
            }
            if answers.len() >= killed_after {
                child.kill();
            }
        }
        unanswered += VOLLEY as usize - answers.len();
        child = child.again();
        now_ms += RESERVATION_MS + 1;
        child.tell(&format!("time {now_ms}"));
        let paid = count(&child, "predicted").await - before;
        assert!(paid >= answers.len(), "{} answers, {paid} payments", answers.len());
        paid_unanswered += paid - answers.len();
        for (number, call) in calls.iter().enumerate() {
            let (status, answer) = child.ask(call).await.unwrap();
            assert_eq!(status, 200, "{answer}");
            if let Some(receipt) = answers.get(&number) {
                assert_eq!(answer["parameters"]["receipt"], *receipt);
            }
        }
        assert_eq!(count(&child, "predicted").await - before, VOLLEY as usize);
    }
    println!("{kills} kills: {unanswered} calls unanswered, {paid_unanswered} of them paid");
    assert!(unanswered > 0, "no kill came before an answer");
    let asked = Asked {
        method: "GET",
        path: "/v1/balance".to_owned(),
        token: key,
        name: None,
        body: None,
        signature: None,
    };
    let balance = child.ask(&asked).await.unwrap().1;
    assert_eq!(balance["calls"][0]["left"], VOLLEY.to_string());
}

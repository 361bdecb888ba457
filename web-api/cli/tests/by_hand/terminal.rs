//! The program itself at a terminal, while answers are lost: nothing is paid twice, and nothing that was paid is lost.

use std::{
    fs,
    process::{Command, Output},
};

use aggregator_network::{KeyProtection, restore_key};
use data_dao_journal::{
    Body, FederationOpened, MemberAdmitted, Participation, RoundOpened, RoundSettled,
    RoundSettling, SafeguardsSet, SettledPart,
};
use data_dao_ledger::Name;
use privacy_identity::{Digest, SigningKey};
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use serde_json::{Value, json};

use super::node::{Node, START_MS};

const ROW: &str = "1.0,2.0";

/// What it printed, after it succeeded.
#[track_caller]
pub(crate) fn done(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Its error, after it failed.
#[track_caller]
pub(crate) fn failed(output: &Output, code: i32) -> String {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{error}");
    error
}

/// The word after `--idempotency-key` in a message.
#[track_caller]
fn name_in(message: &str) -> String {
    let (_, after) = message.split_once("--idempotency-key ").expect(message);
    after.split_whitespace().next().unwrap().to_owned()
}

/// How many predictions were sold.
async fn sold(node: &Node) -> u64 {
    let ledger = node.by_hand(|rest, _| rest.get("/v1/ledger").unwrap()).await;
    ledger["predictions"].as_u64().unwrap()
}

async fn with_calls(calls: &str) -> (Node, String) {
    let node = Node::start().await;
    let key = node.new_key(Value::Null).await;
    done(&node.sahakar(&key, &["buy", "--model", "wine", "--calls", calls]).await);
    (node, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prediction_whose_receipt_cannot_be_kept_is_not_paid() {
    let (node, key) = with_calls("2").await;
    let receipt = node.file("receipt.json");
    let ask = ["predict", "--model", "wine", "--input", ROW, "--receipt", &receipt];
    let said = done(&node.sahakar(&key, &ask).await);
    assert!(said.contains("who earns"), "{said}");
    let kept = fs::read(&receipt).unwrap();
    let error = failed(&node.sahakar(&key, &ask).await, 1);
    assert!(error.contains("receipt.json"), "{error}");
    assert_eq!((sold(&node).await, fs::read(&receipt).unwrap()), (1, kept));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prediction_is_shown_even_if_its_receipt_does_not_come_and_repeated_without_paying() {
    let (node, key) = with_calls("2").await;
    let receipt = node.file("receipt.json");
    let ask = ["predict", "--model", "wine", "--input", ROW, "--receipt", &receipt];
    node.lose_answers("GET /v1/receipts");
    let output = node.sahakar(&key, &ask).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("probabilities"), "{output:?}");
    let error = failed(&output, 1);
    assert!(error.contains("made and paid"), "{error}");
    let left = fs::read_dir(node.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("receipt")).collect();
    assert!(left.is_empty(), "{left:?}");

    node.lose_answers("");
    let name = name_in(&error);
    done(&node.sahakar(&key, &[&ask[..], &["--idempotency-key", &name]].concat()).await);
    let kept: Value = serde_json::from_slice(&fs::read(&receipt).unwrap()).unwrap();
    assert_eq!((sold(&node).await, &kept["price"]), (1, &json!("250")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_booked_before_its_answer_was_lost_is_repeated_by_the_name_that_is_told() {
    let (node, key) = with_calls("2").await;
    let repeated = async |what: &str, command: &[&str]| {
        node.lose_answers(what);
        let error = failed(&node.sahakar(&key, command).await, 1);
        assert!(error.contains("is not known"), "{error}");
        node.lose_answers("");
        let name = name_in(&error);
        done(&node.sahakar(&key, &[command, &["--idempotency-key", &name]].concat()).await)
    };
    repeated("POST /v2/", &["predict", "--model", "wine", "--input", ROW]).await;
    assert_eq!(sold(&node).await, 1);
    let bought = repeated("POST /v1/purchases", &["buy", "--model", "wine", "--calls", "1"]).await;
    // 1000 less two calls and, once, one.
    assert!(bought.contains("0.0250 EUR are left"), "{bought}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_only_buy_buys_and_is_told_so() {
    let node = Node::start().await;
    let key = node.new_key(json!({"scopes": ["buy"]})).await;
    let said = done(&node.sahakar(&key, &["buy", "--model", "wine", "--calls", "2"]).await);
    assert!(said.contains("2 calls of wine at 0.0250 EUR: 0.0500 EUR"), "{said}");
    assert!(said.contains("what is left is not shown"), "{said}");
    let refused = node.sahakar(&key, &["buy", "--model", "wine", "--calls", "200"]).await;
    let refused = failed(&refused, 1);
    assert!(refused.contains("nothing was bought") && refused.contains("402"), "{refused}");
}

/// A round of another federation, settled by a head and one part, whose pay can be challenged.
async fn announce(node: &Node) {
    let federation = || Name::new("beer").unwrap();
    let member = node.member.verifying_key();
    let participation = Participation {
        member,
        value: 5,
        innovation: 5,
        contrast: None,
        credits: 100,
        update: Digest([17; 32]),
    };
    let part = SettledPart {
        federation: federation(),
        round: 0,
        part: 0,
        participants: vec![participation],
        dropped: vec![],
    };
    let bodies: Vec<Body> = vec![
        Body::FederationOpened(FederationOpened {
            federation: federation(),
            terms_digest: Digest([5; 32]),
            terms: "{}".to_owned(),
            rounds: 1,
            round_budget: 100,
            minimum_cohort: 1,
            novelty_percent: 50,
            validation_commitment: Digest([2; 32]),
        }),
        Body::MemberAdmitted(MemberAdmitted {
            federation: federation(),
            member,
            label: "Brewer".to_owned(),
        }),
        Body::SafeguardsSet(SafeguardsSet {
            federation: federation(),
            epsilon_micro_max: None,
            challenge_window_ms: 500,
            reveal_by_rounds: None,
        }),
        Body::RoundOpened(RoundOpened {
            federation: federation(),
            round: 0,
            model: Digest([13; 32]),
            cohort_size: 1,
            epsilon_micro: None,
        }),
        Body::RoundSettling(RoundSettling {
            settled: RoundSettled {
                federation: federation(),
                round: 0,
                model_before: Digest([13; 32]),
                model_after: Digest([16; 32]),
                receipt: Digest([14; 32]),
                test_accuracy_ppm: None,
                test_loss_micro: 600_000,
                participants: vec![],
                refused: vec![],
                dropped: vec![],
            },
            participants: 1,
            dropped: 0,
            parts: vec![part.digest()],
        }),
        Body::SettledPart(part),
    ];
    node.api.store().append(START_MS, bodies).await.unwrap();
}

/// The member's key in a file.
pub(crate) fn key_file(node: &Node) -> String {
    let path = node.file("member.key");
    let rng = &mut UnwrapErr(SysRng);
    restore_key(path.as_ref(), &node.member.seed(), KeyProtection::Clear, rng).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn an_objection_that_was_taken_is_told_as_taken() {
    let node = Node::start().await;
    announce(&node).await;
    let (key, evidence) = (key_file(&node), node.file("evidence.txt"));
    fs::write(&evidence, "look at this").unwrap();
    let object = [
        "dispute",
        "--federation",
        "beer",
        "--round",
        "0",
        "--reason",
        "made up",
        "--evidence",
        &evidence,
        "--key",
        &key,
    ];
    let said = done(&node.sahakar("", &object).await);
    assert!(said.contains("the objection was taken; 100 credits"), "{said}");
    let again = failed(&node.sahakar("", &object).await, 1);
    assert!(again.contains("not taken") && again.contains("409"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_proposed_by_name_and_the_log_has_no_name() {
    let node = Node::start().await;
    let (key, draft) = (key_file(&node), node.file("draft.json"));
    let newcomer = SigningKey::from_seed(&[60; 32]).verifying_key();
    let admit = format!("{newcomer}=Château Inconnu");
    let words = ["proposal", "new", "--title", "Welcome", "--description", "Why.", "--key", &key];
    let admitting = [&words[..], &["--admit", &admit]].concat();
    let at_once = done(&node.sahakar("", &[&admitting[..], &["--json"]].concat()).await);
    let drafted = done(&node.sahakar("", &[&admitting[..], &["--draft", &draft]].concat()).await);
    let from = ["proposal", "new", "--from", &draft, "--key", &key];
    let made = done(&node.sahakar("", &[&from[..], &["--json"]].concat()).await);
    let id = serde_json::from_str::<Value>(&made).unwrap()["id"].as_str().unwrap().to_owned();
    assert!(drafted.starts_with(&id), "{drafted}");
    assert!(at_once.contains("salted:"), "{at_once}");
    let page = node.by_hand(|rest, _| rest.get("/v1/ledger/entries?limit=200").unwrap()).await;
    let log = page.to_string();
    assert!(!log.contains("Inconnu"), "{log}");
    for label in labels_in(&page) {
        assert_eq!(node.api.store().reveal(&label).as_deref(), Some("Château Inconnu"), "{label}");
    }
    assert_eq!(labels_in(&page).len(), 2);

    for flag in
        [&["--set-price", "wine=1"][..], &["--admit", &admit], &["--sealed"], &["--royalty", "5"]]
    {
        let refused = failed(&node.sahakar("", &[&from[..], flag].concat()).await, 2);
        assert!(refused.contains("--from") && refused.contains(flag[0]), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_got_of_pay_in_parts_and_of_sealed_and_opened_ballots() {
    let node = Node::start().await;
    announce(&node).await;
    let (key, member) = (key_file(&node), node.member.verifying_key().to_string());
    let vkey = node.api.store().vkey().to_owned();
    let proven = async |what: &[&str]| {
        let out = node.file("entry.tlog-proof");
        done(&node.sahakar("", &[&["receipt", "get", "--out", &out], what].concat()).await);
        let said = done(&node.sahakar("", &["receipt", "verify", &out, "--vkey", &vkey]).await);
        fs::remove_file(&out).unwrap();
        said
    };
    let said = proven(&["--round", "beer/0", "--member", &member]).await;
    assert!(said.contains(", settled_part: ") && said.contains(&member), "{said}");
    assert!(proven(&["--round", "beer/0"]).await.contains(", round_settling: "));
    assert!(
        proven(&["--round", "wine/1", "--member", &member]).await.contains(", round_settled: ")
    );
    let stranger = SigningKey::from_seed(&[60; 32]).verifying_key().to_string();
    let out = node.file("none.tlog-proof");
    let nothing = ["receipt", "get", "--out", &out, "--round", "beer/0", "--member", &stranger];
    assert!(failed(&node.sahakar("", &nothing).await, 1).contains("no such entry"));

    let words =
        ["proposal", "new", "--title", "Words", "--description", "Why.", "--sealed", "--json"];
    let made = done(&node.sahakar("", &[&words[..], &["--key", &key]].concat()).await);
    let id = serde_json::from_str::<Value>(&made).unwrap()["id"].as_str().unwrap().to_owned();
    node.pass_time(20).await;
    let opening = node.file("opening.json");
    let vote = ["vote", "--proposal", &id, "--choice", "for", "--seal", &opening, "--key", &key];
    done(&node.sahakar("", &vote).await);
    let ballot = ["--proposal", &id, "--member", &member];
    assert!(proven(&ballot).await.contains(", ballot_sealed: "));
    node.pass_time(115).await;
    done(&node.sahakar("", &["vote", "--open", &opening]).await);
    let said = proven(&ballot).await;
    assert!(said.contains(", ballot_revealed: ") && said.contains("\"for\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_failed_is_not_in_the_way_of_the_next_and_state_is_not_in_conflict_with_the_environment()
 {
    let node = Node::start().await;
    let (nowhere, state) = (node.file("nowhere"), node.dir.path().to_str().unwrap());
    let copy = node.file("copy.jsonl");
    let export = |state: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
        // As it is set for the node's own commands.
        command.env("SAHAKAR_DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing");
        command.args(["ledger", "export", "--out", &copy, "--state", state]).output().unwrap()
    };
    failed(&export(&nowhere), 1);
    let said = done(&export(state));
    assert!(said.contains("exported 6 entries"), "{said}");
    let again = failed(&export(state), 1);
    assert!(again.contains("copy.jsonl"), "{again}");
    let of_copies = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().contains("copy");
    let copies = fs::read_dir(state).unwrap().map(Result::unwrap).filter(of_copies).count();
    assert_eq!(copies, 1);
}

/// What proposals in a page of the log call those to be admitted.
fn labels_in(page: &Value) -> Vec<String> {
    let entries = page["entries"].as_array().unwrap().iter();
    let actions = entries.flat_map(|entry| {
        entry["body"]["content"]["actions"].as_array().cloned().unwrap_or_default()
    });
    actions
        .filter_map(|action| action["admit_member"]["label"].as_str().map(str::to_owned))
        .collect()
}

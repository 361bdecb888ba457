//! What members, buyers and auditors do by hand, against a node that serves REST on loopback.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

mod lying;
mod node;
mod terminal;

use std::{fs, path::Path};

use data_dao_governance::{Action, BallotSecrecy, Capacity, Choice, ProposalId, Vote};
use data_dao_journal::{Body, Deposited};
use data_dao_ledger::Name;
use node::{Node, START_MS};
use privacy_identity::SigningKey;
use sahakar::{
    commands::{
        audit, buy, federation, key, member, predict,
        proposal::{self, Motion},
        receipt::{ReceiptCommand, VerifyArgs, ballot::BallotReceipt},
        vote::{self, Voice},
    },
    rest::Rest,
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn id_of(answer: &Value) -> ProposalId {
    answer["id"].as_str().unwrap().parse().unwrap()
}

fn whole(proposal: ProposalId, choice: Choice) -> Voice {
    Voice { proposal, vote: Vote::Whole(choice), capacity: Capacity::Entrusted, reason: None }
}

fn motion(actions: Vec<Action>) -> Motion {
    let (title, description) = ("Title".to_owned(), "Why.".to_owned());
    Motion { title, description, actions, ballots: BallotSecrecy::Open }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_proposes_votes_and_sees_it_done() {
    let node = Node::start().await;
    let fewer = motion(vec![Action::SetRoundBudget { federation: "wine".to_owned(), credits: 50 }]);
    let made = node.by_hand(|rest, key| proposal::create(rest, key, fewer)).await.unwrap();
    let id = id_of(&made);
    let early = node.by_hand(move |rest, key| vote::cast(rest, key, &whole(id, Choice::For))).await;
    let early = format!("{:#}", early.unwrap_err());
    assert!(early.contains("not counted") && early.contains("409"), "{early}");
    node.pass_time(20).await;
    let voted = node
        .by_hand(move |rest, key| vote::cast(rest, key, &whole(id, Choice::For)))
        .await
        .unwrap();
    assert_eq!(voted["tally"]["for"], "100");
    // The proof that the ballot is in the log holds, and for this ballot and log alone.
    let vkey = node.api.store().vkey().to_owned();
    let receipt = BallotReceipt::from_answer(&voted, &vkey).unwrap();
    let entry = receipt.check(&vkey).unwrap();
    assert_eq!(
        entry["body"]["ballot_cast"]["ballot"]["voter"],
        node.member.verifying_key().to_string()
    );
    let mut altered = receipt.clone();
    altered.leaf = altered.leaf.replace("\"for\"", "\"against\"");
    assert!(altered.check(&vkey).is_err());
    let mut elsewhere = receipt.clone();
    elsewhere.index -= 1;
    assert!(elsewhere.check(&vkey).is_err());
    let stranger = SigningKey::from_seed(&[50; 32]).verifying_key();
    assert!(receipt.check(&data_dao_store::log_vkey("test/hand", &stranger).unwrap()).is_err());

    node.pass_time(200).await;
    node.pass_time(210).await;
    let done = node.by_hand(move |rest, _| proposal::show(rest, id)).await.unwrap();
    assert_eq!(done["state"], "executed");
    let wine = node.by_hand(|rest, _| federation::show(rest, "wine")).await.unwrap();
    assert_eq!(wine["round_budget"], "50");
    let key = node.member.verifying_key().to_string();
    let shown = node.by_hand(move |rest, _| member::show(rest, &key)).await.unwrap();
    assert_eq!(shown["credits"], "100");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_proposer_withdraws() {
    let node = Node::start().await;
    let words = motion(vec![Action::Text]);
    let made = node.by_hand(|rest, key| proposal::create(rest, key, words)).await.unwrap();
    let id = id_of(&made);
    let stranger = SigningKey::from_seed(&[50; 32]);
    let refused = node.by_hand(move |rest, _| proposal::cancel(rest, &stranger, id)).await;
    assert!(refused.is_err());
    let withdrawn = node.by_hand(move |rest, key| proposal::cancel(rest, key, id)).await.unwrap();
    assert_eq!(withdrawn["state"], "canceled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_buys_predicts_and_runs_out_of_calls() {
    let node = Node::start().await;
    let buyer = node.new_buyer().await;
    let bought = |buyer: Rest| {
        tokio::task::spawn_blocking(move || buy::buy(&buyer, "order-1", ("wine", 1)).unwrap())
    };
    let first = bought(buyer.clone()).await.unwrap();
    assert_eq!((&first["total"], &bought(buyer.clone()).await.unwrap()), (&json!("250"), &first));
    let ask = |rest: Rest| {
        tokio::task::spawn_blocking(move || {
            predict::predict(&rest, "wine", &[vec![1.0, 2.0], vec![-1.0, 0.5]])
        })
    };
    let prediction = ask(buyer.clone()).await.unwrap().unwrap();
    assert_eq!(prediction["outputs"][1]["shape"], json!([2]));
    let refused = format!("{:#}", ask(buyer).await.unwrap().unwrap_err());
    assert!(refused.contains("no call of wine left") && refused.contains("402"), "{refused}");
    let refused = format!("{:#}", ask(node.rest.clone()).await.unwrap().unwrap_err());
    assert!(refused.contains("401"), "{refused}");
}

/// Where every text, number and null of a document is, in its order.
fn leaves_of(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| leaves_of(value, &format!("{at}/{name}")))
            .collect(),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(index, value)| leaves_of(value, &format!("{at}/{index}"))).collect()
        }
        _ => vec![at.to_owned()],
    }
}

/// Makes it another one of its kind: the last letter of a text, one more of a number.
fn alter(value: &mut Value) {
    *value = match value {
        Value::String(text) => {
            let end = text.trim_end().len();
            let mut bytes = text.clone().into_bytes();
            // A proof and a checkpoint end in a line feed, and before it is the last digit of a signature or a hash.
            let at = if end > 40 { end / 2 } else { end - 1 };
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            String::from_utf8(bytes).unwrap().into()
        }
        Value::Number(number) => match number.as_u64() {
            Some(whole) => (whole + 1).into(),
            None => (number.as_f64().unwrap() + 0.001).into(),
        },
        _ => Value::from("something"),
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prediction_s_receipt_is_checked_offline_and_an_altered_one_is_found_out() {
    let node = Node::start().await;
    let buyer = node.new_buyer().await;
    let receipt = tokio::task::spawn_blocking(move || {
        buy::buy(&buyer, "order-1", ("wine", 1)).unwrap();
        let made = predict::predict(&buyer, "wine", &[vec![1.0, 2.0]]).unwrap();
        let id = made["parameters"]["receipt"].as_str().unwrap().to_owned();
        buyer.get(&format!("/v1/receipts/{id}")).unwrap()
    });
    let receipt = receipt.await.unwrap().to_string();
    let path = node.dir.path().join("receipt.json");
    let vkey: data_dao_log::Verifier = node.api.store().vkey().parse().unwrap();
    let verify = |text: &str, vkey: data_dao_log::Verifier| {
        fs::write(&path, text).unwrap();
        let (receipt, vkey) = (path.clone(), Some(vkey));
        let args = VerifyArgs { receipt, terms: None, vkey, policy: None, leaf: None };
        ReceiptCommand::Verify(args).run()
    };
    verify(&receipt, vkey.clone()).unwrap();
    let receipt_json: Value = serde_json::from_str(&receipt).unwrap();
    let altered: Vec<String> = leaves_of(&receipt_json, "");
    assert!(altered.len() > 25, "{altered:?}");
    let believed = altered.into_iter().filter(|pointer| {
        let mut other = receipt_json.clone();
        alter(other.pointer_mut(pointer).unwrap());
        verify(&other.to_string(), vkey.clone()).is_ok()
    });
    // What `receipt verify` says itself that it does not check.
    let believed: Vec<_> = believed.collect();
    let unchecked =
        ["/currency", "/lines/0/label", "/lines/1/label", "/model/epsilon", "/model/licence"];
    assert_eq!(believed, unchecked);
    let mut shorter = receipt_json.clone();
    shorter["lines"].as_array_mut().unwrap().pop();
    assert!(verify(&shorter.to_string(), vkey.clone()).is_err());
    let stranger = SigningKey::from_seed(&[77; 32]).verifying_key();
    let stranger = data_dao_log::Verifier::new("x", data_dao_log::Kind::Log, stranger).unwrap();
    assert!(verify(&receipt, stranger).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_downloaded_ledger_is_recomputed_and_an_altered_one_is_found_out() {
    let node = Node::start().await;
    node.new_buyer().await;
    let copy = node.dir.path().join("copy");
    let to = copy.clone();
    let vkey = node.by_hand(move |rest, _| audit::download(rest, None, &to)).await.unwrap();
    let report = audit::audit_dir(&copy, Some(&vkey)).unwrap();
    assert_eq!((report.entries, report.rounds_settled, report.credits_issued), (11, 1, 100));
    assert_eq!(audit::json_from_report(&report)["audit"], "ok");
    // The node's own folder holds the tiles below it, which it writes now and then.
    node.api.export_tiles().await.unwrap();
    assert_eq!(audit::audit_dir(node.dir.path(), None).unwrap(), report);

    let bundle = bundle_of(&copy);
    let mut bytes = fs::read(&bundle).unwrap();
    let price = b"\"price\":\"250\"";
    let at = bytes.windows(price.len()).position(|window| window == price).unwrap();
    bytes[at + price.len() - 2] = b'1';
    fs::write(&bundle, bytes).unwrap();
    let error = audit::audit_dir(&copy, Some(&vkey)).unwrap_err();
    assert_eq!(error.index(), Some(6), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_waits_as_it_is_told_and_does_not_ask_again_for_what_it_has() {
    let node = Node::start().await;
    let buyer = node.new_buyer().await;
    let balance = tokio::task::spawn_blocking(move || buyer.get("/v1/balance").unwrap());
    let key_id = Name::new(balance.await.unwrap()["key_id"].as_str().unwrap()).unwrap();
    let copy = node.dir.path().join("copy");
    let download = async || {
        let to = copy.clone();
        node.by_hand(move |rest, _| audit::download(rest, None, &to)).await.unwrap()
    };
    let deposit = |number: u32| {
        let idempotency_key = format!("transfer-{number}");
        Body::Deposited(Deposited { key_id: key_id.clone(), amount: 1, idempotency_key })
    };
    node.api.store().append(START_MS, (0..260).map(deposit).collect()).await.unwrap();
    node.be_busy(1);
    let vkey = download().await;
    let entries = node.api.store().size();
    assert_eq!(audit::audit_dir(&copy, Some(&vkey)).unwrap().entries, entries);

    // What is there is believed to be the log's: to find that it is not is the audit's part.
    let full = copy.join("tile/entries/000");
    fs::write(&full, "altered").unwrap();
    download().await;
    assert!(fs::read(&full).unwrap() == b"altered", "it was asked for again");
    audit::audit_dir(&copy, Some(&vkey)).unwrap_err();
    fs::remove_file(&full).unwrap();
    download().await;
    assert_eq!(audit::audit_dir(&copy, Some(&vkey)).unwrap().entries, entries);
}

fn bundle_of(dir: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(dir.join("tile/entries/000.p")).unwrap();
    entries.map(|entry| entry.unwrap().path()).next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_node_is_named_with_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let asked = tokio::task::spawn_blocking(move || federation::list(&Rest::new(&url)));
    let error = format!("{:#}", asked.await.unwrap().unwrap_err());
    assert!(error.contains("is the node running"), "{error}");
}

#[test]
fn a_key_file_signs_as_its_owner() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("member.key");
    let public = key::new_key_file(&path).unwrap().verifying_key();
    assert_eq!(key::read_key_file(&path).unwrap().verifying_key(), public);
}

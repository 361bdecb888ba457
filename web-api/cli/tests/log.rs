//! The log as others see it: witnesses, receipts, audits, a fork, back-ups, and two nodes on one PostgreSQL. Real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod served;

use std::{
    fs,
    path::{Path, PathBuf},
};

use data_dao_journal::{Body, Genesis};
use data_dao_log::{Checkpoint, ForkProof, Verifier, add_checkpoint_body};
use data_dao_store::{Store, export_ledger};
use privacy_identity::{ConsistencyProof, SigningKey};
use sahakar::rest::Rest;
use serde_json::{Value, json};
use served::{Running, config, fails, passes, sahakar, serve, text, until};
use tempfile::TempDir;

fn witness(dir: &Path, log: &str) -> (Running, String, String) {
    let mut witness = Running::start(&["witness", "--state", text(dir), "--log", log], &[]);
    let said = witness.until("witnessing");
    let of = |name: &str| said[name].as_str().unwrap().to_owned();
    (witness, of("http"), of("vkey"))
}

fn issue_key(url: &str, buyer: &str) -> String {
    let order = json!({"buyer": buyer, "deposit": "1000"});
    let name = format!("order-{}", hex::encode(buyer));
    let issued = Rest::new(url).with_bearer("o").post("/v1/keys", Some(&name), &order).unwrap();
    issued["ledger_index"].as_u64().unwrap().to_string()
}

fn post(url: &str, body: &str) -> (u16, String, String) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.post(format!("{url}/add-checkpoint")).send(body).unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.body_mut().read_to_string().unwrap())
}

struct World {
    dir: TempDir,
    node: Running,
    url: String,
    vkey: String,
    policy: PathBuf,
    witnesses: Vec<(Running, String)>,
}

/// A node whose checkpoints two witnesses cosign.
fn witnessed() -> World {
    let dir = TempDir::new().unwrap();
    let config = config(dir.path(), "state");
    let (node, url) = serve(&["--config", text(&config)], &[]);
    let vkey = Rest::new(&url).get("/v1/ledger").unwrap()["vkey"].as_str().unwrap().to_owned();
    node.kill();
    let mut policy = format!("log {vkey}\n");
    let mut witnesses = Vec::new();
    for name in ["one", "two"] {
        let (witness, url, key) = witness(&dir.path().join(name), &vkey);
        policy += &format!("witness {name} {key} {url}\n");
        witnesses.push((witness, url));
    }
    let path = dir.path().join("policy");
    fs::write(&path, policy + "group both all one two\nquorum both\n").unwrap();
    let (node, url) = serve(&["--config", text(&config), "--policy", text(&path)], &[]);
    World { dir, node, url, vkey, policy: path, witnesses }
}

impl World {
    /// Waits until all entries are cosigned, and returns how many they are.
    fn settled(&self) -> u64 {
        let rest = Rest::new(&self.url);
        until(|| {
            let ledger = rest.get("/v1/ledger").unwrap();
            let cosigned = Checkpoint::parse(ledger["cosigned"].as_str()?).unwrap();
            let size = ledger["size"].as_u64().unwrap();
            (cosigned.head().size == size).then_some(size)
        })
    }
}

#[test]
fn witnesses_cosign_what_is_audited_and_kept_as_receipts() {
    let mut world = witnessed();
    let index = issue_key(&world.url, "Cellar'); DROP TABLE entries; --");
    let size = world.settled();
    world.witnesses[0].0.until("cosigned");
    let (policy, memory) = (text(&world.policy).to_owned(), world.dir.path().join("memory"));
    let audit = ["audit", "--url", &world.url, "--policy", &policy, "--remember", text(&memory)];
    let first = passes(&audit, &format!("audit passed: {size} entries"));
    assert!(
        first.contains("cosigned by: sahakar/witness/") && first.contains("not seen before"),
        "{first}"
    );
    issue_key(&world.url, "Bar");
    world.settled();
    passes(&audit, &format!("it continues the log of {size} entries"));

    let receipt = world.dir.path().join("mine.tlog-proof");
    let receipt = text(&receipt);
    passes(
        &["receipt", "get", "--url", &world.url, "--entry", &index, "--out", receipt],
        "is proven",
    );
    let verified = passes(&["receipt", "verify", receipt, "--policy", &policy], "key_granted");
    assert_eq!(verified.matches("and cosigned by sahakar/witness/").count(), 2, "{verified}");
    passes(&["receipt", "verify", receipt, "--vkey", &world.vkey], "no policy with witnesses");
    fails(&["receipt", "verify", receipt], "--vkey or --policy");
    let strict = world.dir.path().join("strict");
    let stranger = Verifier::new(
        "w",
        data_dao_log::Kind::Witness,
        SigningKey::from_seed(&[8; 32]).verifying_key(),
    );
    let stranger = format!("log {}\nwitness W {}\nquorum W\n", world.vkey, stranger.unwrap());
    fs::write(&strict, stranger).unwrap();
    fails(&["receipt", "verify", receipt, "--policy", text(&strict)], "quorum is not reached");
    let altered = fs::read_to_string(receipt).unwrap().replacen("index ", "index 1", 1);
    fs::write(receipt, altered).unwrap();
    fails(&["receipt", "verify", receipt, "--policy", &policy], "not proven");

    // A witness that is away holds the served checkpoint back, and gets what it missed when it is there again.
    let (two, _) = world.witnesses.pop().unwrap();
    two.kill();
    issue_key(&world.url, "Kitchen");
    assert_eq!(world.witnesses[0].0.until("cosigned")["log"], "sahakar/test");
    let ledger = Rest::new(&world.url).get("/v1/ledger").unwrap();
    let cosigned = Checkpoint::parse(ledger["cosigned"].as_str().unwrap()).unwrap();
    assert!(cosigned.head().size < ledger["size"].as_u64().unwrap());
    passes(
        &["audit", "--url", &world.url, "--policy", &policy, "--offline", "--forget"],
        "audit passed",
    );
    drop(world.node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_refused_by_witness_and_auditor_and_the_proof_is_kept() {
    let mut world = witnessed();
    let url = world.url.clone();
    tokio::task::spawn_blocking(move || issue_key(&url, "Cellar")).await.unwrap();
    let world = tokio::task::spawn_blocking(move || {
        world.settled();
        world.node.child.kill().unwrap();
        world.node.child.wait().unwrap();
        world
    });
    let mut world = world.await.unwrap();
    // The node's own key signs another past, longer than the first.
    let seed = aggregator_network::load_key(&world.dir.path().join("state/key")).unwrap();
    let other = world.dir.path().join("other");
    let fork = Store::open(&other, &SigningKey::from_seed(&seed), "sahakar/test").await.unwrap();
    let mut copy = Vec::new();
    let ledger = data_dao_store::Ledger::Directory(world.dir.path().join("state/ledger"));
    let size = export_ledger(&ledger, 0, &mut copy).await.unwrap().size;
    let line: Value =
        serde_json::from_slice(copy.split(|byte| *byte == b'\n').nth(1).unwrap()).unwrap();
    let leaf = line["entry"]["leaf"].as_str().unwrap();
    let entry = data_dao_journal::Entry::from_leaf(leaf.as_bytes()).unwrap();
    let Body::Genesis(genesis) = entry.body else { panic!("{leaf}") };
    let other_past = Genesis { dao_name: "Another".to_owned(), ..genesis };
    fork.append(1, vec![other_past.into()]).await.unwrap();
    for number in 1..size + 2 {
        let key_id = data_dao_ledger::Name::new(format!("k-{number}")).unwrap();
        let key_hash = privacy_identity::Digest([u8::try_from(number).unwrap(); 32]);
        let buyer = data_dao_store::SaltedName::new("x".into(), key_hash.0).commitment();
        let issued = data_dao_journal::KeyIssued { key_id, key_hash, buyer };
        fork.append(1, vec![issued.into()]).await.unwrap();
    }
    fork.export_tiles(&other.join("tiles")).await.unwrap();
    let shown = Checkpoint::parse(&fork.checkpoint()).unwrap();
    let path = fork.prove_consistency(size, size + 2).unwrap();
    tokio::task::spawn_blocking(move || {
        let log: Verifier = world.vkey.parse().unwrap();
        let (one, url) = &mut world.witnesses[0];
        let (status, _, body) = post(url, &add_checkpoint_body(size, &path, &shown));
        assert_eq!(status, 422, "{body}");
        if !size.is_power_of_two() {
            let kept = one.until("fork")["file"].as_str().unwrap().to_owned();
            ForkProof::parse(&fs::read_to_string(kept).unwrap()).unwrap().verify(&log).unwrap();
        }
        let (status, kind, body) =
            post(url, &add_checkpoint_body(0, &ConsistencyProof::default(), &shown));
        assert_eq!((status, &*kind, body), (409, "text/x.tlog.size", format!("{size}\n")));
        assert_eq!(post(url, "old 0\n").0, 400);
        // By itself the other past looks sound; the witnesses remember the first.
        let tiles = text(&other).to_owned();
        passes(&["audit", "--dir", &tiles, "--forget"], "audit passed");
        let policy =
            fs::read_to_string(&world.policy).unwrap().replace("quorum both", "quorum none");
        fs::write(&world.policy, policy).unwrap();
        let (policy, memory) = (text(&world.policy), world.dir.path().join("memory"));
        let refused = fails(
            &["audit", "--dir", &tiles, "--policy", policy, "--remember", text(&memory)],
            "another past",
        );
        assert!(refused.contains("the proof is kept in"), "{refused}");
        let folder = fs::read_dir(&memory).unwrap().next().unwrap().unwrap().path();
        let kept = fs::read_to_string(folder.join(format!("fork-{size}-{}", size + 2))).unwrap();
        ForkProof::parse(&kept).unwrap().verify(&log).unwrap();
    })
    .await
    .unwrap();
}

#[test]
fn a_ledger_in_use_is_backed_up_and_restored() {
    let dir = TempDir::new().unwrap();
    let config = config(dir.path(), "state");
    let (node, url) = serve(&["--config", text(&config)], &[]);
    issue_key(&url, "Cellar");
    let ledger = Rest::new(&url).get("/v1/ledger").unwrap();
    let (copy, state) = (dir.path().join("copy.jsonl"), dir.path().join("state"));
    let (copy, state) = (text(&copy), text(&state));
    passes(&["ledger", "export", "--state", state, "--out", copy], "exported 6 entries");
    fails(&["ledger", "export", "--state", state, "--out", copy], "copy.jsonl");
    node.kill();
    // The disk is lost but for the node's key and its other files.
    fs::remove_dir_all(dir.path().join("state/ledger")).unwrap();
    let vkey = ledger["vkey"].as_str().unwrap();
    passes(
        &["ledger", "import", "--state", state, "--from", copy, "--vkey", vkey],
        "imported 6 entries",
    );
    passes(&["ledger", "import", "--state", state, "--from", copy], "imported 0 entries");
    let (_node, url) = serve(&["--config", text(&config)], &[]);
    let again = Rest::new(&url).get("/v1/ledger").unwrap();
    assert_eq!((&again["root"], &again["size"]), (&ledger["root"], &ledger["size"]));
}

#[test]
fn two_nodes_on_one_postgresql_book_each_request_once() {
    let Some(database) = benches_postgres::database("two nodes on one database") else { return };
    let dir = TempDir::new().unwrap();
    let environment = [("SAHAKAR_DATABASE_URL", database.as_str())];
    let (one, two) = (config(dir.path(), "one"), config(dir.path(), "two"));
    let (_one, first) = serve(&["--config", text(&one)], &environment);
    fs::create_dir(dir.path().join("two")).unwrap();
    for file in ["key", "terms.bin"] {
        fs::copy(dir.path().join("one").join(file), dir.path().join("two").join(file)).unwrap();
    }
    let (_two, second) = serve(&["--config", text(&two), "--rest-only"], &environment);
    let operator = |url: &str| Rest::new(url).with_bearer("o");
    let order = json!({"buyer": "Cellar", "deposit": "0"});
    let order = order.as_object().map(|o| json!({"buyer": o["buyer"]})).unwrap();
    let issued = operator(&first).post("/v1/keys", Some("order"), &order).unwrap();
    let key_id = issued["api_key"].as_str().unwrap().to_owned();
    let accounts = |url: &str| Rest::new(url).get("/v1/ledger").unwrap();
    let size = accounts(&first)["size"].clone();
    until(|| (accounts(&second)["size"] == size).then_some(()));
    // The key's public name: what the entry says.
    let entry =
        Rest::new(&second).get(&format!("/v1/ledger/entries/{}", issued["ledger_index"])).unwrap();
    let name = entry["body"]["key_id"].as_str().unwrap().to_owned();
    assert_ne!(name, key_id);
    let path = format!("/v1/keys/{name}/deposits");
    let threads: Vec<_> = [&first, &second, &first, &second]
        .map(|url| {
            let (rest, path) = (operator(url), path.clone());
            std::thread::spawn(move || {
                (0..10)
                    .map(|number| {
                        let key = format!("d-{number}");
                        let booked = rest.post(&path, Some(&key), &json!({"amount": "7"})).unwrap();
                        booked["ledger_index"].as_u64().unwrap()
                    })
                    .collect::<Vec<_>>()
            })
        })
        .into_iter()
        .collect();
    let booked: Vec<Vec<u64>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(booked.iter().all(|indexes| *indexes == booked[0]), "{booked:?}");
    // Each deposit is an entry, and who made it another.
    let expected = size.as_u64().unwrap() + 20;
    for url in [&first, &second] {
        until(|| (accounts(url)["size"] == expected).then_some(()));
    }
    assert_eq!(accounts(&first)["root"], accounts(&second)["root"]);
    let nobody = ["--database-url", "postgres://nobody:secret@127.0.0.1:1/x"];
    let refused =
        fails(&[&["serve", "--config", text(&two)], &nobody[..]].concat(), "database failed");
    assert!(!refused.contains("secret"), "{refused}");
    assert_eq!(
        sahakar(&["serve", "--config", text(&two), "--database-url", "mysql://x"]).status.code(),
        Some(2)
    );
    assert_eq!(sahakar(&["serve", "--config", text(&two), "--rest-only"]).status.code(), Some(2));
}

//! `aggregator --witness`: a real aggregator cosigns what continues the log, whatever becomes of its process.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpStream, UdpSocket},
    path::{Path, PathBuf},
};

use aggregator_network::{KeyProtection, restore_key};
use data_dao_governance::CharterParameters;
use data_dao_journal::{Body, BoundsKind, Genesis, KeyIssued, NamesKind, Rules};
use data_dao_log::{Checkpoint, Verifier, add_checkpoint_body, origin_digest};
use data_dao_store::{SaltedName, Store, log_vkey};
use privacy_identity::{ConsistencyProof, Digest, SigningKey};
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use sahakar::rest::Rest;
use serde_json::json;
use tempfile::TempDir;

use crate::served::{Running, config, fails, passes, serve, text, until};

/// The name of a log that only this test keeps.
const ORIGIN: &str = "members.example/log";
/// How often the aggregator is killed.
const KILLS: usize = 12;

/// A node and an aggregator of its federation that witnesses logs.
struct World {
    dir: TempDir,
    node: Option<Running>,
    config: PathBuf,
    /// Verifier key of the node's log.
    vkey: String,
    /// The node's address on the link.
    dao: String,
    aggregator: Option<Running>,
    /// Where the witness listens, and its verifier key.
    witness: (String, String),
}

impl World {
    /// The node, and its second aggregator as a witness of its log and of `other`.
    fn start(other: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let config = config(dir.path(), "state");
        // The aggregator looks for the node where it was.
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let fixed = fs::read_to_string(&config).unwrap().replace("udp/0", &format!("udp/{port}"));
        fs::write(&config, fixed).unwrap();
        let serve = ["serve", "--device", "cpu", "--config", text(&config)];
        let mut node = Running::start(&serve, &[]);
        let listening = node.until("listening");
        let dao = listening["addresses"][0].as_str().unwrap().to_owned();
        let rest = Rest::new(listening["http"].as_str().unwrap());
        let vkey = rest.get("/v1/ledger").unwrap()["vkey"].as_str().unwrap().to_owned();
        let state = dir.path().join("aggregator");
        fs::create_dir(&state).unwrap();
        let rng = &mut UnwrapErr(SysRng);
        restore_key(&state.join("key"), &[2; 32], KeyProtection::Clear, rng).unwrap();
        let (node, aggregator, witness) = (Some(node), None, (String::new(), String::new()));
        let mut world = Self { dir, node, config, vkey, dao, aggregator, witness };
        world.start_aggregator("127.0.0.1:0", other);
        world
    }

    fn start_aggregator(&mut self, listen: &str, other: &[&str]) {
        let state = self.dir.path().join("aggregator");
        let begin = ["aggregator", "--state", text(&state), "--dao", &self.dao];
        let duty = ["--witness", listen, "--log", &self.vkey];
        let others = other.iter().flat_map(|vkey| ["--log", *vkey]);
        let arguments: Vec<&str> = begin.into_iter().chain(duty).chain(others).collect();
        let mut aggregator = Running::start(&arguments, &[]);
        let said = aggregator.until("witnessing");
        let of = |name: &str| said[name].as_str().unwrap().to_owned();
        (self.witness, self.aggregator) = ((of("http"), of("vkey")), Some(aggregator));
    }

    /// `kill -9`, and a start at the same address.
    fn restart_aggregator(&mut self, other: &[&str]) {
        let (url, vkey) = self.witness.clone();
        self.start_aggregator(url.strip_prefix("http://").unwrap(), other);
        assert_eq!(self.witness, (url, vkey), "the same witness");
    }

    fn kill_aggregator(&mut self) {
        self.aggregator.take().unwrap().kill();
    }

    /// What the aggregator keeps on its disk of a log, if anything: whole, signed by the log and by the witness.
    fn kept(&self, log: &str) -> Option<Checkpoint> {
        let log: Verifier = log.parse().unwrap();
        let folder = self.dir.path().join("aggregator/witness");
        let path = folder.join(origin_digest(log.name()).to_string()).join("checkpoint");
        let kept = Checkpoint::parse(&fs::read_to_string(path).ok()?).unwrap();
        kept.signed_by(&log).unwrap();
        assert_eq!(kept.cosignatures(&[self.witness.1.parse().unwrap()]).unwrap().len(), 1);
        Some(kept)
    }
}

fn policy(path: &Path, (log, witness): (&str, &str), url: &str) {
    let written = format!("log {log}\nwitness aggregator {witness} {url}\nquorum aggregator\n");
    fs::write(path, written).unwrap();
}

#[test]
fn an_aggregator_s_cosignature_makes_a_checkpoint_believable_to_whoever_asks_for_a_quorum() {
    let mut world = World::start(&[]);
    world.node.take().unwrap().kill();
    let path = world.dir.path().join("policy");
    policy(&path, (&world.vkey, &world.witness.1), &world.witness.0);
    let (_node, url) = serve(&["--config", text(&world.config), "--policy", text(&path)], &[]);
    let rest = Rest::new(&url);
    let order = json!({"buyer": "Cellar", "deposit": "1000"});
    let issued = rest.with_bearer("o").post("/v1/keys", Some("order"), &order).unwrap();
    let index = issued["ledger_index"].as_u64().unwrap().to_string();
    let cosigned = || {
        until(|| {
            let ledger = rest.get("/v1/ledger").unwrap();
            let cosigned = Checkpoint::parse(ledger["cosigned"].as_str()?).unwrap();
            (ledger["size"] == cosigned.head().size).then_some(cosigned)
        })
    };
    let first = cosigned();
    assert_eq!(world.kept(&world.vkey).unwrap().head(), first.head());
    let believed = ["audit", "--url", &url, "--policy", text(&path), "--forget"];
    let said = passes(&believed, "audit passed");
    assert!(said.contains("cosigned by: sahakar/witness/"), "{said}");
    let receipt = world.dir.path().join("mine.tlog-proof");
    passes(
        &["receipt", "get", "--url", &url, "--entry", &index, "--out", text(&receipt)],
        "proven",
    );
    let verify = ["receipt", "verify", text(&receipt), "--policy"];
    passes(&[&verify[..], &[text(&path)]].concat(), "and cosigned by sahakar/witness/");
    // A policy that asks for somebody else believes neither.
    let stranger = SigningKey::from_seed(&[8; 32]).verifying_key();
    let stranger = Verifier::new("w", data_dao_log::Kind::Witness, stranger).unwrap().to_string();
    let strict = world.dir.path().join("strict");
    policy(&strict, (&world.vkey, &stranger), "http://127.0.0.1:9");
    fails(&[&verify[..], &[text(&strict)]].concat(), "quorum is not reached");
    let offline = ["audit", "--url", &url, "--policy", text(&strict), "--offline", "--forget"];
    fails(&offline, "quorum");

    // Killed and started again it goes on from what it had, for the same node.
    world.kill_aggregator();
    rest.with_bearer("o").post("/v1/keys", Some("other"), &order).unwrap();
    world.restart_aggregator(&[]);
    let next = cosigned();
    assert!(next.head().size > first.head().size);
    assert_eq!(world.kept(&world.vkey).unwrap().head(), next.head());
    passes(&believed, "audit passed");
}

/// A log of the test's own, signed by its key.
struct Log {
    store: Store,
    shown: Vec<Checkpoint>,
}

fn log_key() -> SigningKey {
    SigningKey::from_seed(&[40; 32])
}

impl Log {
    async fn found(dir: &Path, dao_name: &str) -> Self {
        let key = log_key();
        let store = Store::open(dir, &key, ORIGIN).await.unwrap();
        let genesis = Genesis {
            names: NamesKind::Salted,
            rules: Rules::NEWEST,
            dao_name: dao_name.to_owned(),
            bounds: BoundsKind::Demonstration,
            charter: CharterParameters::DEMONSTRATION,
            currency: "EUR".parse().unwrap(),
            treasury_percent: 10,
            operator: key.verifying_key(),
            dao_node: key.verifying_key(),
            aggregators: vec![],
        };
        store.append(1, vec![genesis.into()]).await.unwrap();
        let shown = vec![Checkpoint::parse(&store.checkpoint()).unwrap()];
        Self { store, shown }
    }

    async fn grow(&mut self) {
        let number = u8::try_from(self.shown.len()).unwrap();
        let key_id = data_dao_ledger::Name::new(format!("k-{number}")).unwrap();
        let buyer = SaltedName::new("x".into(), [number; 32]).commitment();
        let issued = KeyIssued { key_id, key_hash: Digest([number; 32]), buyer };
        self.store.append(1, vec![Body::KeyIssued(issued)]).await.unwrap();
        self.shown.push(Checkpoint::parse(&self.store.checkpoint()).unwrap());
    }

    /// The request to cosign what the log had when it had `new` entries, for a witness that stands at `old`.
    fn request(&self, old: u64, new: u64) -> String {
        let proof = if old < new {
            self.store.prove_consistency(old, new).unwrap()
        } else {
            ConsistencyProof::default()
        };
        add_checkpoint_body(old, &proof, &self.shown[usize::try_from(new).unwrap() - 1])
    }
}

/// When the witness is killed, seen from whoever asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    /// As soon as the request is written.
    AtOnce,
    /// When the checkpoint is on its disk, whether the answer is out or not.
    OnceKept,
    /// When the whole answer is there.
    Answered,
}

fn send(url: &str, body: &str) -> TcpStream {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /add-checkpoint HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    stream
}

/// Status and body of an answer; nothing if the connection broke before it was whole.
fn answer(mut stream: TcpStream) -> Option<(u16, String)> {
    let mut bytes = Vec::new();
    let _cut_off = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() == length.trim().parse::<usize>().ok()?).then(|| (status, body.to_owned()))
}

/// Everything that the witness ever signed: of each size one root.
#[derive(Default)]
struct Signed(BTreeMap<u64, Digest>);

impl Signed {
    fn note(&mut self, checkpoint: &Checkpoint) {
        let head = checkpoint.head();
        let root = *self.0.entry(head.size).or_insert(head.root);
        assert_eq!(root, head.root, "two pasts of {} entries were signed", head.size);
    }
}

#[test]
fn killed_at_any_moment_an_aggregator_never_cosigns_a_smaller_or_another_log() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let vkey = log_vkey(ORIGIN, &log_key().verifying_key()).unwrap();
    let mut world = World::start(&[&vkey]);
    let (mine, forked) = (world.dir.path().join("mine"), world.dir.path().join("forked"));
    let mut log = runtime.block_on(Log::found(&mine, "Mine"));
    let mut fork = runtime.block_on(Log::found(&forked, "Another past"));
    let (mut signed, mut at) = (Signed::default(), 0);
    for attempt in 0..KILLS {
        if attempt > 0 {
            runtime.block_on(async {
                log.grow().await;
                fork.grow().await;
            });
        }
        let (size, killed) =
            (log.store.size(), [Killed::AtOnce, Killed::OnceKept, Killed::Answered][attempt % 3]);
        let stream = send(&world.witness.0, &log.request(at, size));
        let has_it = |world: &World| world.kept(&vkey).is_some_and(|kept| kept.head().size == size);
        let answered = match killed {
            Killed::AtOnce => None,
            Killed::OnceKept => {
                until(|| has_it(&world).then_some(()));
                None
            }
            Killed::Answered => Some(answer(stream.try_clone().unwrap()).unwrap()),
        };
        world.kill_aggregator();
        // What was on its way when the process died is believed, too, if it is whole.
        if let Some((status, line)) = answered.or_else(|| answer(stream)) {
            assert_eq!(status, 200, "{line}");
            signed.note(&log.shown.last().unwrap().with_lines(&line).unwrap());
            assert!(has_it(&world), "signed, and forgotten with the process");
        }
        assert!(killed == Killed::AtOnce || has_it(&world));
        world.restart_aggregator(&[&vkey]);
        let stands = world.kept(&vkey);
        let stands_at = stands.as_ref().map_or(0, |kept| kept.head().size);
        assert!(stands_at == at || stands_at == size, "{stands_at} is neither {at} nor {size}");
        if let Some(kept) = &stands {
            signed.note(kept);
            nothing_else_is_cosigned(&world.witness.0, (&log, &fork), stands_at);
            assert_eq!(world.kept(&vkey).as_ref(), Some(kept));
        }
        at = stands_at;
    }
    let size = log.store.size();
    let (status, line) = answer(send(&world.witness.0, &log.request(at, size))).unwrap();
    assert_eq!(status, 200, "{line}");
    assert_eq!(world.kept(&vkey).unwrap().head().size, size);
    assert!(signed.0.len() >= KILLS / 2, "too few were cosigned to say anything");
}

/// No smaller tree, no other past of the same size, none that is longer.
fn nothing_else_is_cosigned(url: &str, (log, fork): (&Log, &Log), at: u64) {
    let longest = fork.store.size();
    let mut requests = vec![(fork.request(at, at), 409), (fork.request(0, longest), 409)];
    if longest > at {
        requests.push((fork.request(at, longest), 422));
    }
    if at > 1 {
        requests.extend([(log.request(at, at - 1), 400), (log.request(0, at - 1), 409)]);
        requests.push((log.request(at - 1, at - 1), 409));
    }
    for (request, expected) in requests {
        let (status, said) = answer(send(url, &request)).unwrap();
        assert_eq!(status, expected, "{request}: {said}");
    }
}

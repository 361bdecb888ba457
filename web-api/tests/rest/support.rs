//! A DAO with three members, one settled round and one model for sale.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    body::Body as HttpBody,
    http::{HeaderMap, Request},
};
use data_dao_governance::{CharterParameters, MonthTerms, PricePolicy};
use data_dao_journal::{
    Body, BoundsKind, FederationOpened, Genesis, MemberAdmitted, ModelReleased, Participation,
    PricePolicySet, RoundOpened, RoundSettled,
};
use data_dao_ledger::Name;
use data_dao_store::Store;
use datasets::{Schema, Standardiser};
use privacy_identity::{Digest, SigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use trainer_model::{Architecture, ComputeDevice, MlpShape, Parameters};
use web_api::{
    ApiParts, ApiState, Clock, HttpPolicy, ModelShelf, ShelvedModel, WebhookSecret, router,
    secret_hash,
};

pub(crate) const OPERATOR: &str = "operator-token";
pub(crate) const WEBHOOK: &str = "whsec_0123456789abcdef";
pub(crate) const START_MS: u64 = 1_000_000;
/// At this time the clock panics: a bug in whatever reads it.
pub(crate) const BROKEN_CLOCK: u64 = u64::MAX;
const ORIGIN: &str = "test.example/ledger";

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Checks a problem's status and type, and that the body has the form of RFC 9457.
    pub(crate) fn assert_problem(&self, status: u16, slug: &str) {
        let body = self.json();
        assert_eq!(body["type"], format!("/problems/{slug}"), "{body}");
        assert_eq!(self.status, status, "{body}");
        assert_eq!(body["status"], status);
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.headers.contains_key("www-authenticate"), status == 401);
    }

    pub(crate) fn status_is(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text());
    }

    /// Checks an error of the Open Inference Protocol.
    pub(crate) fn assert_oip_error(&self, status: u16, part: &str) {
        let body = self.json();
        assert_eq!(self.status, status, "{body}");
        assert!(body["error"].as_str().unwrap().contains(part), "{body}");
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    }
}

/// The node under test.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) state: ApiState,
    pub(crate) members: Vec<SigningKey>,
    pub(crate) dao: Digest,
    router: Router,
    clock: Arc<AtomicU64>,
    /// Orders of keys so far.
    orders: AtomicU64,
    pub(crate) dir: TempDir,
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn model() -> ShelvedModel {
    model_with(vec![1.0, -1.0, 0.5, -0.5, 0.0, 0.25])
}

/// A logistic regression of two features with these parameters.
pub(crate) fn model_with(values: Vec<f32>) -> ShelvedModel {
    let shape = MlpShape { inputs: 2, hidden: vec![], classes: 2 };
    let architecture = Architecture::mlp(shape).unwrap();
    let parameters = Parameters::new(&architecture.layout(), values).unwrap();
    let standardiser = Standardiser::new(vec![1.0, 10.0], vec![0.5, 2.0]).unwrap();
    let texts = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let schema =
        Schema::new(texts(["acidity", "alcohol"]), "quality".to_owned(), texts(["plain", "fine"]));
    ShelvedModel::new(architecture, parameters, standardiser, schema.unwrap()).unwrap()
}

fn genesis(node_key: &SigningKey) -> Genesis {
    Genesis {
        names: data_dao_journal::NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "Test <DAO>".to_owned(),
        bounds: BoundsKind::Demonstration,
        charter: CharterParameters {
            voting_delay_ms: 10,
            voting_period_ms: 100,
            quorum_percent: 10,
            minimum_voters: 2,
            proposal_threshold_per_mille: 0,
            timelock_ms: 50,
            grace_ms: 1_000,
            ..CharterParameters::DEMONSTRATION
        },
        currency: "EUR".parse().unwrap(),
        treasury_percent: 10,
        operator: node_key.verifying_key(),
        dao_node: node_key.verifying_key(),
        aggregators: vec![],
    }
}

async fn found(store: &Store, node_key: &SigningKey, members: &[SigningKey], model: Digest) {
    let opened = FederationOpened {
        federation: name("wine"),
        terms_digest: Digest([1; 32]),
        terms: r#"{"purpose":"tests","value_unit":0.5}"#.to_owned(),
        rounds: 5,
        round_budget: 1_000,
        minimum_cohort: 2,
        novelty_percent: 50,
        validation_commitment: Digest([2; 32]),
    };
    let mut bodies = vec![Body::Genesis(genesis(node_key)), Body::FederationOpened(opened)];
    for (index, member) in members.iter().enumerate() {
        bodies.push(Body::MemberAdmitted(MemberAdmitted {
            federation: name("wine"),
            member: member.verifying_key(),
            label: format!("Winery {index} & Sons"),
        }));
    }
    store.append(START_MS, bodies).await.unwrap();
    settle(store, members, (0, Digest([3; 32]), model)).await;
    release(store, 1, model).await;
}

/// Runs a round from one model to the next.
pub(crate) async fn settle(store: &Store, members: &[SigningKey], round: (u8, Digest, Digest)) {
    settle_with(store, members, round, [50; 3]).await;
}

/// The same with the members' innovations.
pub(crate) async fn settle_with(
    store: &Store,
    members: &[SigningKey],
    (round, before, after): (u8, Digest, Digest),
    innovations: [i64; 3],
) {
    let opened = RoundOpened {
        federation: name("wine"),
        round: round.into(),
        model: before,
        cohort_size: 3,
        epsilon_micro: None,
    };
    store.append(START_MS, vec![Body::RoundOpened(opened)]).await.unwrap();
    let mut scalars: Vec<_> = (1..)
        .zip(members.iter().zip(innovations))
        .map(|(weight, (member, innovation))| (member.verifying_key(), 100 * weight, innovation))
        .collect();
    scalars.sort();
    let credits = store.view(|state| state.round_credits(&name("wine"), &scalars)).unwrap();
    let part = |(index, ((member, value, innovation), credits)): (u8, (&(_, i64, i64), u128))| {
        let update = Digest([100 + 10 * round + index; 32]);
        Participation {
            member: *member,
            value: *value,
            innovation: *innovation,
            contrast: None,
            credits,
            update,
        }
    };
    let settled = RoundSettled {
        federation: name("wine"),
        round: round.into(),
        model_before: before,
        model_after: after,
        receipt: Digest([4 + round; 32]),
        test_accuracy_ppm: Some(750_000),
        test_loss_micro: 512_345,
        participants: (0..).zip(scalars.iter().zip(credits)).map(part).collect(),
        refused: vec![],
        dropped: vec![],
    };
    store.append(START_MS, vec![Body::RoundSettled(settled)]).await.unwrap();
}

/// Puts the model of the last round into the catalogue.
pub(crate) async fn release(store: &Store, version: u32, model: Digest) {
    let weights = store.view(|state| state.release_weights(&name("wine"))).unwrap();
    let released = ModelReleased {
        model: name("wine"),
        version,
        digest: model,
        federation: name("wine"),
        rounds: version.into(),
        test_accuracy_ppm: Some(750_000),
        weights,
    };
    store.append(START_MS, vec![Body::ModelReleased(released)]).await.unwrap();
}

impl Node {
    /// A founded DAO with a released model that has no price yet.
    pub(crate) async fn new() -> Self {
        Self::under(HttpPolicy {
            authorities: vec!["node.example".to_owned()],
            webhook_secrets: WebhookSecret::new(WEBHOOK.to_owned()).into_iter().collect(),
            ..HttpPolicy::default()
        })
        .await
    }

    /// The same under another policy, with a buyer. Returns the API key, too.
    pub(crate) async fn with_policy(policy: HttpPolicy) -> (Self, String) {
        let node = Self::under(policy).await;
        let order = json!({"buyer": "Cellar", "deposit": "1000"});
        let key = node.post_as(OPERATOR, "/v1/keys", &order).await;
        let key = key.json()["api_key"].as_str().unwrap().to_owned();
        (node, key)
    }

    async fn under(policy: HttpPolicy) -> Self {
        let dir = TempDir::new().unwrap();
        let node_key = SigningKey::from_seed(&[9; 32]);
        let store = Store::open(&dir.path().join("ledger"), &node_key, ORIGIN).await.unwrap();
        let members: Vec<_> = (1..=3).map(|n| SigningKey::from_seed(&[n; 32])).collect();
        let shelf = ModelShelf::default();
        let model = shelf.put(model()).unwrap();
        found(&store, &node_key, &members, model).await;
        Self::over(dir, store, members, (shelf, policy))
    }

    /// What a node in `dir` shares, as after a restart if there was one, with a price from its beginning.
    pub(crate) async fn kept_in(dir: &std::path::Path, clock: Clock) -> ApiState {
        let node_key = SigningKey::from_seed(&[9; 32]);
        let store = Store::open(&dir.join("ledger"), &node_key, ORIGIN).await.unwrap();
        let shelf = ModelShelf::default();
        let model = shelf.put(model()).unwrap();
        if store.size() == 0 {
            let members: Vec<_> = (1..=3).map(|n| SigningKey::from_seed(&[n; 32])).collect();
            found(&store, &node_key, &members, model).await;
            let policy = PricePolicy {
                low: 250,
                high: 250,
                calls_low: 0,
                calls_high: 0,
                window_ms: 3_600_000,
                month: Some(MonthTerms { calls: 4, price: 40 }),
                download: Some(1_000),
            };
            let set = PricePolicySet { model: name("wine"), policy };
            store.append(START_MS, vec![set.into()]).await.unwrap();
        }
        let parts = ApiParts {
            store,
            clock,
            operator: secret_hash(OPERATOR),
            shelf,
            tiles_dir: dir.join("tiles"),
            device: ComputeDevice::cpu(),
        };
        let webhook_secrets = WebhookSecret::new(WEBHOOK.to_owned()).into_iter().collect();
        ApiState::with_policy(parts, HttpPolicy { webhook_secrets, ..HttpPolicy::default() })
    }

    /// A node before its founding.
    pub(crate) async fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        let node_key = SigningKey::from_seed(&[9; 32]);
        let store = Store::open(&dir.path().join("ledger"), &node_key, ORIGIN).await.unwrap();
        Self::over(dir, store, vec![], (ModelShelf::default(), HttpPolicy::default()))
    }

    fn over(
        dir: TempDir,
        store: Store,
        members: Vec<SigningKey>,
        (shelf, policy): (ModelShelf, HttpPolicy),
    ) -> Self {
        let dao = store.view(data_dao_journal::State::dao_id).unwrap_or(Digest([0; 32]));
        let clock = Arc::new(AtomicU64::new(START_MS));
        let time = Arc::clone(&clock);
        let parts = ApiParts {
            store,
            clock: Clock::new(move || {
                let now_ms = time.load(Ordering::SeqCst);
                assert_ne!(now_ms, BROKEN_CLOCK, "a bug, for the test of what becomes of it");
                now_ms
            }),
            operator: secret_hash(OPERATOR),
            shelf,
            tiles_dir: dir.path().join("tiles"),
            device: ComputeDevice::cpu(),
        };
        let state = ApiState::with_policy(parts, policy);
        let router = router(state.clone());
        Self { state, members, dao, router, clock, orders: AtomicU64::new(0), dir }
    }

    /// As [`Node::new`], with a price and a buyer who has `deposit`. Returns the API key, too.
    pub(crate) async fn with_buyer(deposit: &str) -> (Self, String) {
        let node = Self::new().await;
        let price = json!({"model": "wine", "price": "250"});
        assert_eq!(node.post_as(OPERATOR, "/v1/prices", &price).await.status, 201);
        let order = json!({"buyer": "Cellar", "deposit": deposit});
        let key = node.post_as(OPERATOR, "/v1/keys", &order).await;
        assert_eq!(key.status, 201, "{}", key.text());
        let key = key.json()["api_key"].as_str().unwrap().to_owned();
        (node, key)
    }

    /// As [`Node::with_buyer`], with paid calls.
    pub(crate) async fn with_calls(calls: u32) -> (Self, String) {
        let (node, key) = Self::with_buyer("10000").await;
        let bought = node.buy(&key, "order-1", &json!({"model": "wine", "calls": calls})).await;
        assert_eq!(bought.status, 201, "{}", bought.text());
        (node, key)
    }

    /// Serves the node on a free port of this machine for as long as the test runs.
    pub(crate) async fn listen(&self) -> std::net::SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, self.router.clone()).into_future());
        address
    }

    /// Sets the clock, and lets happen what is due then, as a node does by itself.
    pub(crate) async fn pass_time(&self, now_ms: u64) {
        self.set_time(now_ms);
        self.state.keep_time().await.unwrap();
    }

    pub(crate) fn set_time(&self, now_ms: u64) {
        self.clock.store(now_ms, Ordering::SeqCst);
    }

    /// A response whose body is still to come.
    pub(crate) async fn response(&self, request: Request<HttpBody>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(&self, request: Request<HttpBody>) -> Reply {
        let response = self.response(request).await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        assert!(parts.headers.contains_key("x-request-id"));
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(HttpBody::empty()).unwrap()).await
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Reply {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(HttpBody::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(HttpBody::from(body.to_string())).unwrap()).await
    }

    /// Posts with credentials. An order of a key has a name of its own each time, as money may come with it.
    pub(crate) async fn post_as(&self, token: &str, path: &str, body: &Value) -> Reply {
        if path == "/v1/keys" {
            let name = self.orders.fetch_add(1, Ordering::SeqCst).to_string();
            return self.post_once(token, path, (&name, body)).await;
        }
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"));
        self.send(request.body(HttpBody::from(body.to_string())).unwrap()).await
    }

    /// Posts with an Idempotency-Key.
    pub(crate) async fn post_once(
        &self,
        token: &str,
        path: &str,
        (key, body): (&str, &Value),
    ) -> Reply {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .header("idempotency-key", key);
        self.send(request.body(HttpBody::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn buy(&self, token: &str, key: &str, body: &Value) -> Reply {
        self.post_once(token, "/v1/purchases", (key, body)).await
    }

    pub(crate) async fn infer(&self, token: &str, body: &Value) -> Reply {
        self.post_as(token, "/v2/models/wine/infer", body).await
    }
}

/// A request for a prediction of two rows.
pub(crate) fn two_rows() -> Value {
    json!({"id": "mine", "inputs": [
        {"name": "input", "shape": [2, 2], "datatype": "FP32", "data": [1.0, 10.0, 0.5, 14.0]},
    ]})
}

/// A decimal text as a number.
pub(crate) fn number(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

/// A request signed by `key` (RFC 9421), made at `now_ms`.
pub(crate) fn signed(
    key: &SigningKey,
    (method, path, body): (&str, &str, &[u8]),
    (now_ms, nonce): (u64, &str),
) -> Request<HttpBody> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use ed25519_dalek::Signer as _;
    use sha2::Digest as _;
    let digest = format!("sha-256=:{}:", BASE64_STANDARD.encode(sha2::Sha256::digest(body)));
    let params = format!(
        "(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-digest\");created={};nonce=\"{nonce}\";keyid=\"{}\"",
        now_ms / 1_000,
        key.verifying_key(),
    );
    let base = format!(
        "\"@method\": {method}\n\"@authority\": node.example\n\"@path\": {path}\n\"@query\": ?\n\"content-digest\": {digest}\n\"@signature-params\": {params}"
    );
    let signer = ed25519_dalek::SigningKey::from_bytes(&key.seed());
    let signature = BASE64_STANDARD.encode(signer.sign(base.as_bytes()).to_bytes());
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "node.example")
        .header("content-type", "application/json")
        .header("content-digest", digest)
        .header("signature-input", format!("sig={params}"))
        .header("signature", format!("sig=:{signature}:"))
        .body(HttpBody::from(body.to_vec()))
        .unwrap()
}

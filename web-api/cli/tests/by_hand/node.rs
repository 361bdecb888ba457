//! A small node in the test's process, whose answers can be lost on the way.

use std::{
    process::{Command, Output},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use axum::{
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use data_dao_governance::CharterParameters;
use data_dao_journal::{
    Body, BoundsKind, FederationOpened, Genesis, MemberAdmitted, ModelReleased, Participation,
    RoundOpened, RoundSettled,
};
use data_dao_ledger::Name;
use data_dao_store::Store;
use datasets::{Schema, Standardiser};
use privacy_identity::{Digest, SigningKey};
use sahakar::rest::Rest;
use serde_json::{Value, json};
use tempfile::TempDir;
use trainer_model::{Architecture, ComputeDevice, MlpShape, Parameters};
use web_api::{ApiParts, ApiState, Clock, ModelShelf, ShelvedModel, router, secret_hash};

pub(crate) const OPERATOR: &str = "operator-token";
pub(crate) const START_MS: u64 = 1_000_000;

/// A node with one member, one released model and its REST interface on a free port.
pub(crate) struct Node {
    pub(crate) rest: Rest,
    pub(crate) api: ApiState,
    pub(crate) clock: Arc<AtomicU64>,
    pub(crate) member: SigningKey,
    pub(crate) dir: TempDir,
    pub(crate) url: String,
    lost: Arc<Mutex<String>>,
    busy: Arc<AtomicU32>,
}

pub(crate) fn name() -> Name {
    Name::new("wine").unwrap()
}

fn model() -> ShelvedModel {
    let shape = MlpShape { inputs: 2, hidden: vec![], classes: 2 };
    let architecture = Architecture::mlp(shape).unwrap();
    let parameters = Parameters::new(&architecture.layout(), vec![0.5; 6]).unwrap();
    let standardiser = Standardiser::new(vec![0.0; 2], vec![1.0; 2]).unwrap();
    let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    let schema = Schema::new(texts(["acidity", "sugar"]), "quality".to_owned(), texts(["0", "1"]));
    ShelvedModel::new(architecture, parameters, standardiser, schema.unwrap()).unwrap()
}

fn founding(node: &SigningKey, member: &SigningKey) -> Vec<Body> {
    let charter = CharterParameters {
        voting_delay_ms: 10,
        voting_period_ms: 100,
        quorum_percent: 10,
        minimum_voters: 1,
        proposal_threshold_per_mille: 0,
        timelock_ms: 10,
        critical_timelock_ms: 10,
        grace_ms: 1_000,
        ..CharterParameters::DEMONSTRATION
    };
    let genesis = Genesis {
        names: data_dao_journal::NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "By hand".to_owned(),
        bounds: BoundsKind::Demonstration,
        charter,
        currency: "EUR".parse().unwrap(),
        treasury_percent: 10,
        operator: node.verifying_key(),
        dao_node: node.verifying_key(),
        aggregators: vec![],
    };
    let opened = FederationOpened {
        federation: name(),
        terms_digest: Digest([1; 32]),
        terms: "{}".to_owned(),
        rounds: 1,
        round_budget: 100,
        minimum_cohort: 1,
        novelty_percent: 50,
        validation_commitment: Digest([2; 32]),
    };
    let admitted = MemberAdmitted {
        federation: name(),
        member: member.verifying_key(),
        label: "Winery".to_owned(),
    };
    let round = RoundOpened {
        federation: name(),
        round: 1,
        model: Digest([3; 32]),
        cohort_size: 1,
        epsilon_micro: None,
    };
    vec![genesis.into(), opened.into(), admitted.into(), round.into()]
}

fn harvest(member: &SigningKey, model: Digest) -> Body {
    let participation = Participation {
        member: member.verifying_key(),
        value: 5,
        innovation: 5,
        contrast: None,
        credits: 100,
        update: Digest([7; 32]),
    };
    let settled = RoundSettled {
        federation: name(),
        round: 1,
        model_before: Digest([3; 32]),
        model_after: model,
        receipt: Digest([4; 32]),
        test_accuracy_ppm: Some(700_000),
        test_loss_micro: 600_000,
        participants: vec![participation],
        refused: vec![],
        dropped: vec![],
    };
    settled.into()
}

impl Node {
    pub(crate) async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let (node, member) = (SigningKey::from_seed(&[9; 32]), SigningKey::from_seed(&[1; 32]));
        let store = Store::open(&dir.path().join("ledger"), &node, "test/hand").await.unwrap();
        let shelf = ModelShelf::default();
        let model = shelf.put(model()).unwrap();
        store.append(START_MS, founding(&node, &member)).await.unwrap();
        store.append(START_MS, vec![harvest(&member, model)]).await.unwrap();
        let weights = store.view(|state| state.release_weights(&name())).unwrap();
        let released = ModelReleased {
            model: name(),
            version: 1,
            digest: model,
            federation: name(),
            rounds: 1,
            test_accuracy_ppm: Some(700_000),
            weights,
        };
        store.append(START_MS, vec![released.into()]).await.unwrap();
        let clock = Arc::new(AtomicU64::new(START_MS));
        let time = Arc::clone(&clock);
        let api = ApiState::new(ApiParts {
            store,
            clock: Clock::new(move || time.load(Ordering::SeqCst)),
            operator: secret_hash(OPERATOR),
            shelf,
            tiles_dir: dir.path().join("tiles"),
            device: ComputeDevice::cpu(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let lost = Arc::new(Mutex::new(String::new()));
        let busy = Arc::new(AtomicU32::new(0));
        let (which, times) = (Arc::clone(&lost), Arc::clone(&busy));
        let served =
            router(api.clone()).layer(middleware::from_fn(move |request: Request, next: Next| {
                let is_tile = request.uri().path().starts_with("/tile");
                let fewer = |times: u32| times.checked_sub(1);
                let busy = is_tile
                    && times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok();
                lose((which.lock().unwrap().clone(), busy), request, next)
            }));
        tokio::spawn(async move { axum::serve(listener, served).await });
        Self { rest: Rest::new(&url), api, clock, member, dir, url, lost, busy }
    }

    /// From now on the answers to requests that begin with `what`, as in `GET /v1/receipts`, are lost after the node did what
    /// was asked; to none, if it is empty.
    pub(crate) fn lose_answers(&self, what: &str) {
        *self.lost.lock().unwrap() = what.to_owned();
    }

    /// The next so many requests for tiles are too many.
    pub(crate) fn be_busy(&self, times: u32) {
        self.busy.store(times, Ordering::SeqCst);
    }

    /// Runs the program at a terminal, with an API key.
    pub(crate) async fn sahakar(&self, api_key: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
        command.args(arguments).env("SAHAKAR_URL", &self.url).env("SAHAKAR_API_KEY", api_key);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// A file in the node's folder.
    pub(crate) fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Sets the clock after the start, and lets happen what is due then, as a node does by itself.
    pub(crate) async fn pass_time(&self, after_ms: u64) {
        self.clock.store(START_MS + after_ms, Ordering::SeqCst);
        self.api.keep_time().await.unwrap();
    }

    /// Runs what a person does at a terminal, beside the node.
    pub(crate) async fn by_hand<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Rest, &SigningKey) -> T + Send + 'static,
    ) -> T {
        let (rest, member) = (self.rest.clone(), SigningKey::from_seed(&self.member.seed()));
        tokio::task::spawn_blocking(move || act(&rest, &member)).await.unwrap()
    }

    /// A key of a new buyer, with 1000 behind it; what it may do as in a request.
    pub(crate) async fn new_key(&self, grant: Value) -> String {
        let key = self.by_hand(move |rest, _| {
            let operator = rest.with_bearer(OPERATOR);
            operator.post("/v1/prices", None, &json!({"model": "wine", "price": "250"})).unwrap();
            let order = json!({"buyer": "Cellar", "deposit": "1000", "grant": grant});
            operator.post("/v1/keys", Some("order"), &order).unwrap()["api_key"]
                .as_str()
                .unwrap()
                .to_owned()
        });
        key.await
    }

    pub(crate) async fn new_buyer(&self) -> Rest {
        self.rest.with_bearer(&self.new_key(Value::Null).await)
    }
}

/// Answers as a gateway does that lost the answer to what begins with `what`.
async fn lose((what, busy): (String, bool), request: Request, next: Next) -> Response {
    if busy {
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response();
    }
    let asked = format!("{} {}", request.method(), request.uri().path());
    let answer = next.run(request).await;
    let lost = !what.is_empty() && asked.starts_with(&what);
    if lost { StatusCode::BAD_GATEWAY.into_response() } else { answer }
}

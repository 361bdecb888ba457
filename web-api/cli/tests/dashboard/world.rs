//! A DAO with three members, three rounds, a model for sale and a proposal, served on a free port.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Router, body::Body as HttpBody, middleware, response::Response};
use data_dao_governance::{Action, BallotSecrecy, CharterParameters};
use data_dao_journal::{
    Body, BoundsKind, FederationOpened, Genesis, MemberAdmitted, ModelReleased, Participation,
    RoundOpened, RoundSettled,
};
use data_dao_ledger::Name;
use data_dao_store::Store;
use datasets::{Schema, Standardiser};
use privacy_identity::{Digest, SigningKey};
use sahakar::{
    commands::{
        key,
        proposal::{self, Motion},
    },
    rest::Rest,
};
use serde_json::json;
use tempfile::TempDir;
use trainer_model::{Architecture, ComputeDevice, MlpShape, Parameters};
use web_api::{ApiParts, ApiState, Clock, ModelShelf, ShelvedModel, router, secret_hash};

const OPERATOR: &str = "operator-token";
const START_MS: u64 = 1_795_000_000_000;
/// A label that would be markup if it was not escaped.
pub(crate) const RUDE_LABEL: &str = "Winery <img src=x onerror=alert(1)> & Sons";

/// The node under test.
pub(crate) struct World {
    /// Where it is served.
    pub(crate) url: String,
    /// Where the same node is served by somebody who changes a word of what it says.
    pub(crate) lying_url: String,
    pub(crate) api: ApiState,
    pub(crate) api_key: String,
    pub(crate) proposal: String,
    pub(crate) members: Vec<SigningKey>,
    /// The key file of the second member, in a folder that a shell has to be told of with care.
    pub(crate) voter_key: PathBuf,
    pub(crate) dir: TempDir,
    clock: Arc<AtomicU64>,
}

fn name() -> Name {
    Name::new("wine").unwrap()
}

fn model() -> ShelvedModel {
    let shape = MlpShape { inputs: 3, hidden: vec![], classes: 2 };
    let architecture = Architecture::mlp(shape).unwrap();
    let values = vec![1.0, -1.0, 0.5, -0.5, 0.25, 0.75, 0.0, 0.25];
    let parameters = Parameters::new(&architecture.layout(), values).unwrap();
    let standardiser = Standardiser::new(vec![7.4, 0.53, 10.4], vec![1.7, 0.18, 1.1]).unwrap();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let features = texts(&["fixed acidity", "volatile acidity", "alcohol"]);
    let schema = Schema::new(features, "quality".to_owned(), texts(&["ordinary", "good"]));
    ShelvedModel::new(architecture, parameters, standardiser, schema.unwrap()).unwrap()
}

fn founding(node: &SigningKey, members: &[SigningKey]) -> Vec<Body> {
    let genesis = Genesis {
        names: data_dao_journal::NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "Wine <Co-operative>".to_owned(),
        bounds: BoundsKind::Demonstration,
        charter: CharterParameters {
            voting_delay_ms: 10,
            voting_period_ms: 3_600_000,
            ..CharterParameters::DEMONSTRATION
        },
        currency: "EUR".parse().unwrap(),
        treasury_percent: 10,
        operator: node.verifying_key(),
        dao_node: node.verifying_key(),
        aggregators: vec![],
    };
    let opened = FederationOpened {
        federation: name(),
        terms_digest: Digest([1; 32]),
        terms:
            r#"{"purpose":"Grade <red> wine","value_unit":0.0001,"parameters":8,"ring_bits":26}"#
                .to_owned(),
        rounds: 3,
        round_budget: 1_000,
        minimum_cohort: 2,
        novelty_percent: 20,
        validation_commitment: Digest([2; 32]),
    };
    let labels = ["Winery 1", RUDE_LABEL, "Winery 3"];
    let admitted = members.iter().zip(labels).map(|(member, label)| {
        Body::MemberAdmitted(MemberAdmitted {
            federation: name(),
            member: member.verifying_key(),
            label: label.to_owned(),
        })
    });
    [genesis.into(), opened.into()].into_iter().chain(admitted).collect()
}

/// The model after so many rounds.
fn model_after(round: u8, last: Digest) -> Digest {
    if round == 3 { last } else { Digest([30 + round; 32]) }
}

async fn harvest(store: &Store, members: &[SigningKey], last: Digest) {
    for round in 0..3_u8 {
        let before = model_after(round, last);
        let opened = RoundOpened {
            federation: name(),
            round: u64::from(round),
            model: before,
            cohort_size: 3,
            epsilon_micro: None,
        };
        store.append(START_MS, vec![opened.into()]).await.unwrap();
        let mut scalars: Vec<_> = (1..)
            .zip(members)
            .map(|(weight, member)| (member.verifying_key(), 100 * weight + i64::from(round), 50))
            .collect();
        scalars.sort();
        let credits = store.view(|state| state.round_credits(&name(), &scalars)).unwrap();
        let part =
            |(index, ((member, value, innovation), credits)): (u8, (&(_, i64, i64), u128))| {
                let update = Digest([100 + 10 * round + index; 32]);
                Participation {
                    contrast: None,
                    member: *member,
                    value: *value,
                    innovation: *innovation,
                    credits,
                    update,
                }
            };
        let settled = RoundSettled {
            federation: name(),
            round: u64::from(round),
            model_before: before,
            model_after: model_after(round + 1, last),
            receipt: Digest([60 + round; 32]),
            test_accuracy_ppm: Some(650_000 + 30_000 * u32::from(round)),
            test_loss_micro: 700_000 - 50_000 * u64::from(round),
            participants: (0..).zip(scalars.iter().zip(credits)).map(part).collect(),
            refused: vec![],
            dropped: vec![],
        };
        store.append(START_MS, vec![settled.into()]).await.unwrap();
    }
    let weights = store.view(|state| state.release_weights(&name())).unwrap();
    let released = ModelReleased {
        model: name(),
        version: 1,
        digest: last,
        federation: name(),
        rounds: 3,
        test_accuracy_ppm: Some(710_000),
        weights,
    };
    store.append(START_MS, vec![released.into()]).await.unwrap();
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Says "Winery 9" wherever the node says "Winery 1".
async fn altered(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, 16 << 20).await else {
        return Response::new(HttpBody::empty());
    };
    parts.headers.remove("content-length");
    let text = String::from_utf8_lossy(&bytes).replace("Winery 1", "Winery 9");
    Response::from_parts(parts, HttpBody::from(text))
}

impl World {
    pub(crate) async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let node = SigningKey::from_seed(&[9; 32]);
        let folder = dir.path().join("it's mine");
        std::fs::create_dir(&folder).unwrap();
        let voter_key = folder.join("member.key");
        let voter = key::new_key_file(&voter_key).unwrap();
        let members = vec![SigningKey::from_seed(&[1; 32]), voter, SigningKey::from_seed(&[3; 32])];
        let store = Store::open(&dir.path().join("ledger"), &node, "test/wine").await.unwrap();
        let shelf = ModelShelf::default();
        let last = shelf.put(model()).unwrap();
        store.append(START_MS, founding(&node, &members)).await.unwrap();
        harvest(&store, &members, last).await;
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
        let url = serve(router(api.clone())).await;
        let lying = router(api.clone()).layer(middleware::map_response(altered));
        let lying_url = serve(lying).await;
        let (rest, proposer) = (Rest::new(&url), SigningKey::from_seed(&members[2].seed()));
        let (api_key, proposal) =
            tokio::task::spawn_blocking(move || sell_and_propose(&rest, &proposer)).await.unwrap();
        let world = Self { url, lying_url, api, api_key, proposal, members, voter_key, dir, clock };
        world.pass_time(20).await;
        world
    }

    /// Sets the clock after the start, and lets happen what is due then, as a node does by itself.
    pub(crate) async fn pass_time(&self, after_ms: u64) {
        self.clock.store(START_MS + after_ms, Ordering::SeqCst);
        self.api.keep_time().await.unwrap();
    }
}

fn sell_and_propose(rest: &Rest, proposer: &SigningKey) -> (String, String) {
    let operator = rest.with_bearer(OPERATOR);
    operator.post("/v1/prices", None, &json!({"model": "wine", "price": "250"})).unwrap();
    let order = json!({"buyer": "Cellar & <Co>", "deposit": "10000"});
    let key = operator.post("/v1/keys", Some("order"), &order).unwrap();
    let cheaper = Motion {
        title: "Make <predictions> cheaper".to_owned(),
        description: "More buyers at a lower price earn each of us more.".to_owned(),
        actions: vec![Action::SetPredictionPrice { model: "wine".to_owned(), price: 200 }],
        ballots: BallotSecrecy::Open,
    };
    let made = proposal::create(rest, proposer, cheaper).unwrap();
    (key["api_key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
}

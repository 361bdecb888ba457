//! Serves a model in two ways for a load generator: as the node does, paid and with receipts, and by a handler that does
//! the forward pass alone. `benches/serving/run.py` drives both.
//!
//! usage: serving FOLDER [ROWS]. Goes on with the ledger in FOLDER if there is one. Prints one line of JSON with the addresses, an
//! API key and a body of a request; ends when its input ends.

use std::{error::Error, io::Read as _, path::Path, sync::Arc};

use axum::{Json, Router, extract::State, routing::post};
use data_dao_governance::CharterParameters;
use data_dao_journal::{
    Body, BoundsKind, FederationOpened, Genesis, MemberAdmitted, ModelReleased, Participation,
    RoundOpened, RoundSettled,
};
use data_dao_ledger::Name;
use data_dao_store::Store;
use datasets::{Schema, Standardiser};
use privacy_identity::{Digest, SigningKey};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use trainer_model::{Architecture, ComputeDevice, Features, MlpShape, Parameters, Predictor};
use web_api::{ApiParts, ApiState, Clock, ModelShelf, ShelvedModel, router, secret_hash};

type Failure = Box<dyn Error + Send + Sync>;

const OPERATOR: &str = "operator";
const START_MS: u64 = 1_000_000;
/// Columns of the wine table.
const INPUTS: usize = 11;
const MEMBERS: u8 = 8;

fn model() -> Result<ShelvedModel, Failure> {
    let shape = MlpShape { inputs: INPUTS, hidden: vec![32], classes: 2 };
    let architecture = Architecture::mlp(shape)?;
    let parameters = Parameters::initial(&architecture, &mut ChaCha20Rng::from_seed([1; 32]));
    let standardiser = Standardiser::new(vec![1.0; INPUTS], vec![2.0; INPUTS])?;
    let features = (0..INPUTS).map(|index| format!("feature {index}")).collect();
    let classes = vec!["plain".to_owned(), "fine".to_owned()];
    let schema = Schema::new(features, "quality".to_owned(), classes)?;
    Ok(ShelvedModel::new(architecture, parameters, standardiser, schema)?)
}

fn wine() -> Result<Name, Failure> {
    Ok(Name::new("wine")?)
}

fn genesis(node: &SigningKey) -> Result<Genesis, Failure> {
    Ok(Genesis {
        names: data_dao_journal::NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "Bench".to_owned(),
        bounds: BoundsKind::Demonstration,
        charter: CharterParameters::DEMONSTRATION,
        currency: "EUR".parse()?,
        treasury_percent: 10,
        operator: node.verifying_key(),
        dao_node: node.verifying_key(),
        aggregators: vec![],
    })
}

/// A co-operative of eight with one settled round and its model for sale.
async fn found(store: &Store, node: &SigningKey, model: Digest) -> Result<(), Failure> {
    let opened = FederationOpened {
        federation: wine()?,
        terms_digest: Digest([1; 32]),
        terms: "{}".to_owned(),
        rounds: 1,
        round_budget: 1_000,
        minimum_cohort: 2,
        novelty_percent: 50,
        validation_commitment: Digest([2; 32]),
    };
    let mut bodies = vec![Body::Genesis(genesis(node)?), Body::FederationOpened(opened)];
    let members: Vec<_> = (1..=MEMBERS).map(|seed| SigningKey::from_seed(&[seed; 32])).collect();
    for member in &members {
        bodies.push(Body::MemberAdmitted(MemberAdmitted {
            federation: wine()?,
            member: member.verifying_key(),
            label: "Winery".to_owned(),
        }));
    }
    bodies.push(Body::RoundOpened(RoundOpened {
        federation: wine()?,
        round: 0,
        model: Digest([3; 32]),
        cohort_size: MEMBERS.into(),
        epsilon_micro: None,
    }));
    store.append(START_MS, bodies).await?;
    let name = wine()?;
    let mut scalars: Vec<_> =
        (1..).zip(&members).map(|(n, member)| (member.verifying_key(), 100 * n, 50)).collect();
    scalars.sort();
    let credits = store.view(|state| state.round_credits(&name, &scalars))?;
    let part = |(index, ((member, value, innovation), credits)): (u8, (&(_, i64, i64), u128))| {
        let update = Digest([100 + index; 32]);
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
        federation: wine()?,
        round: 0,
        model_before: Digest([3; 32]),
        model_after: model,
        receipt: Digest([4; 32]),
        test_accuracy_ppm: Some(750_000),
        test_loss_micro: 500_000,
        participants: (0..).zip(scalars.iter().zip(credits)).map(part).collect(),
        refused: vec![],
        dropped: vec![],
    };
    store.append(START_MS, vec![Body::RoundSettled(settled)]).await?;
    let weights = store.view(|state| state.release_weights(&name))?;
    let released = ModelReleased {
        model: wine()?,
        version: 1,
        digest: model,
        federation: wine()?,
        rounds: 1,
        test_accuracy_ppm: Some(750_000),
        weights,
    };
    store.append(START_MS, vec![Body::ModelReleased(released)]).await?;
    Ok(())
}

#[derive(Debug, Deserialize)]
struct BareRequest {
    inputs: [BareTensor; 1],
}

#[derive(Debug, Deserialize)]
struct BareTensor {
    data: Vec<f32>,
}

#[derive(Debug, Serialize)]
struct BareResponse {
    probabilities: Vec<f32>,
}

/// The forward pass and nothing else.
async fn bare(
    State(state): State<Arc<(Predictor, Standardiser)>>,
    Json(request): Json<BareRequest>,
) -> Result<Json<BareResponse>, String> {
    let [tensor] = request.inputs;
    let features = Features::standardised(&tensor.data, &state.1);
    let features = features.map_err(|error| error.to_string())?;
    let predictions = state.0.predict(&features).map_err(|error| error.to_string())?;
    Ok(Json(BareResponse { probabilities: predictions.probabilities().to_vec() }))
}

async fn serve(router: Router) -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(format!("http://{address}/v2/models/wine/infer"))
}

/// A buyer's key with as many calls as can be bought.
async fn buyer(router: &Router) -> Result<String, Failure> {
    use axum::{body, http::Request};
    use tower::ServiceExt as _;
    let ask = async |path: &str, token: &str, order: serde_json::Value| {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("idempotency-key", "bench")
            .header("authorization", format!("Bearer {token}"))
            .body(body::Body::from(order.to_string()))?;
        let response = router.clone().oneshot(request).await?;
        let bytes = body::to_bytes(response.into_body(), 1 << 16).await?;
        Ok::<serde_json::Value, Failure>(serde_json::from_slice(&bytes)?)
    };
    ask("/v1/prices", OPERATOR, json!({"model": "wine", "price": "250"})).await?;
    let deposit = json!({"buyer": "Load", "deposit": "1000000000000000"});
    let key = ask("/v1/keys", OPERATOR, deposit).await?;
    let key = key["api_key"].as_str().ok_or("no key was issued")?.to_owned();
    let order = ask("/v1/purchases", &key, json!({"model": "wine", "calls": 100_000_000})).await?;
    if order["calls"].is_null() {
        return Err(format!("nothing was bought: {order}").into());
    }
    Ok(key)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("usage: serving FOLDER [ROWS]")?;
    let rows: usize = args.next().map_or(Ok(1), |text| text.parse())?;
    let node = SigningKey::from_seed(&[9; 32]);
    let store = Store::open(Path::new(&folder), &node, "bench.example/ledger").await?;
    let shelf = ModelShelf::default();
    let model = model()?;
    let device = ComputeDevice::cpu();
    let predictor = Predictor::new(&device, model.architecture(), model.parameters())?;
    let alone = Arc::new((predictor, model.standardiser().clone()));
    let digest = shelf.put(model)?;
    let is_new = store.size() == 0;
    if is_new {
        found(&store, &node, digest).await?;
    }
    let state = ApiState::new(ApiParts {
        store,
        clock: Clock::new(|| START_MS),
        operator: secret_hash(OPERATOR),
        shelf,
        tiles_dir: Path::new(&folder).join("tiles"),
        device,
    });
    let paid = router(state.clone());
    // The ledger has the key's hash alone.
    let key_file = Path::new(&folder).with_extension("key");
    if is_new {
        std::fs::write(&key_file, buyer(&paid).await?)?;
    }
    let key = std::fs::read_to_string(&key_file)?;
    let data: Vec<f64> = (0..rows * INPUTS).map(|index| (index % 17) as f64 / 8.0).collect();
    let input = json!({"name": "input", "shape": [rows, INPUTS], "datatype": "FP32", "data": data});
    let body = json!({"inputs": [input], "outputs": [{"name": "probabilities"}]}).to_string();
    let bare = Router::new().route("/v2/models/wine/infer", post(bare)).with_state(alone);
    let (paid, bare) = (serve(paid).await?, serve(bare).await?);
    let line =
        json!({"paid": paid, "bare": bare, "key": key, "body": body, "pid": std::process::id()});
    println!("{line}");
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await??;
    eprint!("{}", state.metrics_text());
    Ok(())
}

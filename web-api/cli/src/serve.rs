//! `sahakar serve`: the DAO node. REST, ledger, market, governance, and the DAO's part of each round.

mod cohort;
mod config;
mod custodians;
mod founding;
mod round_service;
mod vault;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use aggregator_network::{Limits, Link, LinkConfig, load_or_create_key};
use aggregator_protocol::MESSAGE_BYTES_MAX;
use anyhow::Context as _;
use clap::Args;
use data_dao_ledger::Name;
use data_dao_store::Store;
use privacy_identity::{Digest, SigningKey, Tag};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use serde_json::json;
use tokio::net::TcpListener;
use trainer_model::{Architecture, ComputeDevice, DeviceChoice, Examples, Parameters};
use web_api::{ApiParts, ApiState, Clock, ModelShelf, ShelvedModel, secret_hash};

pub use config::{
    AggregatorConfig, CustodyConfig, DaoConfig, FederationConfig, FounderConfig, ListenConfig,
    SealingMode, SecretsConfig, ServeConfig,
};
pub(crate) use config::{delta_by_default, guardian_term_by_default, optimizer_by_default};

use crate::{
    measure::Evaluator,
    process::{Events, now_ms, stop_signal},
};
pub(crate) use custodians::draw as draw_custodians;
use founding::Tables;
pub(crate) use founding::configured_terms;
use round_service::RoundService;
use vault::Vault;

/// How often the log's tiles are brought up to date on disk, and what is due carried out, in milliseconds.
const TILES_EVERY_MS: u64 = 500;

/// Arguments of `sahakar serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Configuration file (TOML); keys are overridden by `SAHAKAR__SECTION__KEY`
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where predictions and measurements are computed: auto, wgpu or cpu
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// Print events as lines of JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Stop when standard input closes
    #[arg(long, hide = true)]
    pub with_parent: bool,
}

/// Runs the DAO node until it is told to stop.
///
/// # Errors
/// An unusable configuration, a port in use, a ledger that was altered or cannot be written.
pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let config = ServeConfig::load(&args.config)?;
    let events = Events::from_flag(args.json);
    let device = ComputeDevice::open(args.device)?;
    let node = Node::start(config, device, events).await?;
    tokio::select! {
        result = node.run() => result,
        () = stop_signal(args.with_parent) => Ok(()),
    }
}

struct Node {
    service: RoundService,
    api: ApiState,
    http: TcpListener,
    link: Link,
    inbox: aggregator_network::Inbox,
}

impl Node {
    async fn start(
        config: ServeConfig,
        device: ComputeDevice,
        events: Events,
    ) -> anyhow::Result<Self> {
        let tables = Tables::read(&config.federation)?;
        std::fs::create_dir_all(&config.state_dir)
            .with_context(|| format!("creating {}", config.state_dir.display()))?;
        let seed = load_or_create_key(&config.state_dir.join("key"), &mut rand::rng())?;
        let key = SigningKey::from_seed(&seed);
        let http = TcpListener::bind(config.listen.http)
            .await
            .with_context(|| format!("listening for REST on {}", config.listen.http))?;
        let name = Name::new(config.federation.name.clone())?;
        let origin = format!("sahakar/{name}");
        let store = Store::open(&config.state_dir.join("ledger"), &key, &origin).await?;
        let architecture = founding::architecture(&config.federation)?;
        let vault = Vault::open(&config.state_dir, architecture.clone())?;
        let terms = founding::terms(&config, &store, &vault, &key, &tables).await?;
        let encoding = terms.unverified_body().encoding;
        let standardised = |table| Examples::from_table(table, &tables.standardiser);
        let evaluator = Evaluator {
            device: device.clone(),
            architecture: architecture.clone(),
            validation: standardised(&tables.validation)?,
            test: standardised(&tables.test)?,
            encoding,
        };
        let evaluator = evaluator.checked()?;
        let shelf = ModelShelf::default();
        let tiles_dir = config.state_dir.join("tiles");
        let api = ApiState::new(ApiParts {
            store: store.clone(),
            clock: Clock::new(now_ms),
            operator: secret_hash(&config.secrets.operator_token),
            shelf: shelf.clone(),
            tiles_dir,
            device,
        });
        let (link, inbox) = start_link(&config, &key, encoding.dimension()).await?;
        announce(events, &http.local_addr()?, &link, &terms.unverified_body().id());
        let initial = initial_parameters(&architecture, config.federation.seed);
        let publish = publisher(&config, architecture, tables, shelf)?;
        let service = RoundService {
            config,
            name,
            terms,
            key,
            store,
            vault,
            evaluator,
            initial,
            publish,
            events,
            joined_ms: now_ms().into(),
        };
        service.resume().await?;
        Ok(Self { service, api, http, link, inbox })
    }

    async fn run(self) -> anyhow::Result<()> {
        let Self { service, api, http, link, inbox } = self;
        let result = tokio::select! {
            result = service.run(inbox) => result,
            result = axum::serve(http, web_api::router(api.clone())) => {
                result.context("serving REST")
            }
            result = keep_tiles(api.clone()) => result,
            () = api.storage_failed() => Err(anyhow::anyhow!("the ledger cannot be written")),
        };
        link.shutdown().await;
        result
    }
}

/// Lets due proposals open, queue and execute by themselves, and writes the log's tiles again whenever the log has
/// grown.
async fn keep_tiles(api: ApiState) -> anyhow::Result<()> {
    loop {
        api.keep_time().await.context("carrying out what members decided")?;
        api.export_tiles().await.context("writing the log's tiles")?;
        tokio::time::sleep(Duration::from_millis(TILES_EVERY_MS)).await;
    }
}

fn announce(events: Events, http: &SocketAddr, link: &Link, federation: &Digest) {
    let addresses: Vec<_> = link.addresses().iter().map(ToString::to_string).collect();
    events.emit(json!({
        "event": "listening",
        "http": format!("http://{http}"),
        "addresses": addresses,
        "federation": federation.to_string(),
    }));
}

async fn start_link(
    config: &ServeConfig,
    key: &SigningKey,
    dimension: usize,
) -> anyhow::Result<(Link, aggregator_network::Inbox)> {
    let members = config.federation.members_max as usize;
    let largest = (64 << 10) + 8 * dimension + 512 * members;
    let largest = u32::try_from(largest.min(MESSAGE_BYTES_MAX)).context("message limit")?;
    let limits =
        Limits { request_bytes_max: largest, response_bytes_max: largest, ..Limits::default() };
    let listen = config.listen.link_addresses()?;
    Ok(Link::start(LinkConfig { secret: key.seed(), listen, limits }).await?)
}

/// The parameters from which the first round starts.
#[must_use]
pub fn initial_parameters(architecture: &Architecture, seed: u64) -> Parameters {
    let seed = Digest::of(Tag::Model, &seed.to_be_bytes()).0;
    Parameters::initial(architecture, &mut ChaCha20Rng::from_seed(seed))
}

type Publish = Box<dyn Fn(&Parameters) -> anyhow::Result<()> + Send + Sync>;

/// What puts a released model where predictions are computed.
fn publisher(
    config: &ServeConfig,
    architecture: Architecture,
    tables: Tables,
    shelf: ModelShelf,
) -> anyhow::Result<Publish> {
    let schema = founding::schema(&config.federation)?;
    Ok(Box::new(move |parameters| {
        let (architecture, parameters) = (architecture.clone(), parameters.clone());
        let standardiser = tables.standardiser.clone();
        let model = ShelvedModel::new(architecture, parameters, standardiser, schema.clone())?;
        shelf.put(model)?;
        Ok(())
    }))
}

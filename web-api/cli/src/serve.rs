//! `sahakar serve`: the DAO node. REST, ledger, market, governance, and the DAO's part of each round.

mod buffer;
mod changing;
mod clock;
mod cohort;
mod config;
mod control;
mod custodians;
mod draws;
mod founding;
mod granting;
mod groups_config;
mod http;
mod http_config;
mod judging;
mod licensing;
mod measuring;
mod models;
mod prices_config;
mod round_service;
mod settled_record;
mod settling;
mod vault;
mod witnessing;

use std::{
    future::pending,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use aggregator_network::{Limits, Link, LinkConfig, load_or_create_key};
use aggregator_node::DatabaseUrl;
use aggregator_protocol::{EVIDENCE_BYTES_MAX, FederationTerms, MESSAGE_BYTES_MAX};
use anyhow::Context as _;
use clap::Args;
use data_dao_ledger::Name;
use data_dao_store::{AppendError, Store};
use privacy_identity::{Digest, SigningKey, Tag};
use privacy_secagg::EncodingParameters;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use serde_json::json;
use tokio::net::TcpListener;
use trainer_model::{Architecture, ComputeDevice, DeviceChoice, Examples, Parameters};
use web_api::{ApiParts, ApiState, Clock, ConnectionLimits, Judge, Tls, secret_hash};

pub use clock::Day;
pub use config::{
    AggregatorConfig, CustodyConfig, DaoConfig, FederationConfig, FounderConfig, ListenConfig,
    SealingMode, SecretsConfig, ServeConfig,
};
pub(crate) use config::{
    delta_by_default, guardian_term_by_default, optimizer_by_default, sampling_by_default,
    schedule_by_default,
};
pub use http_config::HttpConfig;
pub use prices_config::PricesConfig;

use crate::{
    link_metrics,
    measure::{Evaluator, fitted_head},
    process::{Events, now_ms, running_ms, stop_signal},
    vote_evidence::log_origin,
};
pub(crate) use custodians::draw as draw_custodians;
pub use settled_record::SettledRecord;

use founding::Tables;
pub(crate) use founding::former_terms_file;
pub(crate) use founding::{check_configuration, configured_terms, opened_federation};
pub use judging::disclosure_judge;
use round_service::RoundService;
use vault::Vault;
use witnessing::Witnesses;

/// How often the log's tiles are brought up to date on disk, and what is due carried out, in milliseconds.
const TILES_EVERY_MS: u64 = 500;
/// How often another node's appends to a shared ledger are looked for, in milliseconds.
const FOLLOW_EVERY_MS: u64 = 200;

/// Arguments of `sahakar serve`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct ServeArgs {
    /// Configuration file (TOML); keys are overridden by `SAHAKAR__SECTION__KEY`
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where predictions and measurements are computed: auto, wgpu or cpu
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// Keep the ledger in this PostgreSQL database, which other nodes with the same key may share, and not in the state
    /// directory; better given by the environment, which other users cannot see
    #[arg(long, env = "SAHAKAR_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<DatabaseUrl>,
    /// Ask the witnesses of this policy (C2SP tlog-policy, with their URLs) to cosign each checkpoint
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Serve REST alone: the rounds are those of another node on the same database, whose key, terms and models are in
    /// this one's state directory, too
    #[arg(long, requires = "database_url")]
    pub rest_only: bool,
    /// Today's date, in UTC: after a pause of more than a month, so that a clock which is wrong is not believed
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub today: Option<Day>,
    /// Serve figures of REST and of the link for Prometheus at `http://ADDRESS/metrics`
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Most memory of the models that are kept ready, in MiB; those used longest ago are read again when they are needed
    #[arg(long, default_value = "1024", value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub model_memory: u32,
    /// Send spans of requests to the OpenTelemetry collector at this address: OTLP over HTTP, for example
    /// `http://127.0.0.1:4318`
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp: Option<String>,
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
    let node = Node::start(config, device, &args, events).await?;
    Box::pin(node.run(stop_signal(args.with_parent))).await
}

struct Node {
    service: RoundService,
    api: ApiState,
    http: TcpListener,
    /// How many connections there may be, and whether they speak TLS.
    serving: (ConnectionLimits, Option<Tls>),
    /// None if another node has the rounds.
    link: Option<(Link, aggregator_network::Inbox)>,
    /// Where figures are asked for, if anywhere.
    metrics: Option<TcpListener>,
    witnesses: Option<Witnesses>,
}

/// Takes the address of REST, so that one in use is found before anything is written.
async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("listening for REST on {address}"))
}

impl Node {
    async fn start(
        config: ServeConfig,
        device: ComputeDevice,
        args: &ServeArgs,
        events: Events,
    ) -> anyhow::Result<Self> {
        let tables = Tables::read(&config.federation)?;
        let key = own_key(&config.state_dir)?;
        let http = listen(config.listen.http).await?;
        let name = Name::new(config.federation.name.clone())?;
        let origin = log_origin(name.as_str());
        let (store, witnesses) = open_store(args, &config.state_dir, &key, &origin).await?;
        let architecture = founding::architecture(&config.federation)?;
        let vault = Vault::open(&config.state_dir, architecture.clone())?;
        let terms = founding::terms(&config, &store, &vault, &key, &tables).await?;
        let encoding = terms.unverified_body().encoding;
        let layers = terms.unverified_body().training.personal.layers();
        let evaluator = evaluator(&device, &architecture, &tables, encoding)?.checked(layers)?;
        let shelf = models::shelf(&config, &vault, &tables, args.model_memory)?;
        let policy = config.http.policy(&config.secrets.payment_webhooks)?;
        let serving = (config.http.limits(), config.http.tls()?);
        let parts = ApiParts {
            store: store.clone(),
            clock: Clock::new(now_ms),
            operator: secret_hash(&config.secrets.operator_token),
            shelf: shelf.clone(),
            tiles_dir: config.state_dir.join("tiles"),
            device,
        };
        let api = ApiState::with_policy(parts, policy);
        let judge = equip(&api, &config.state_dir, &key, terms.unverified_body())?;
        let link = if args.rest_only {
            None
        } else {
            Some(start_link(&config, &key, architecture.parameter_count()).await?)
        };
        let metrics = link_metrics::listen(args.metrics).await?;
        let scheme = if serving.1.is_some() { "https" } else { "http" };
        announce(
            events,
            (&format!("{scheme}://{}", http.local_addr()?), metrics.as_ref()),
            link.as_ref().map(|(link, _)| link),
            &terms.unverified_body().id(),
        );
        let is_trained = store.view(|state| state.federation(&name)?.model()).is_some();
        let initial = models::initial(&architecture, &config.federation, is_trained)?;
        let initial = first_model(&evaluator, &vault, initial)?;
        let publish = models::publisher(&config, architecture, tables, shelf)?;
        let service = RoundService {
            source: args.config.clone(),
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
            joined_ms: running_ms().into(),
            released: false.into(),
            buffer: std::sync::Mutex::default(),
            still: api.standstill().clone(),
            judge,
            tried: None,
        };
        if args.rest_only {
            service.shelve_released()?;
        } else {
            service.begin().await?;
        }
        Ok(Self { service, api, http, serving, link, metrics, witnesses })
    }

    /// Runs until `stop`, and then until the requests in progress are answered.
    async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { service, api, http, serving, link, metrics, witnesses } = self;
        let (events, tls) = (service.events, serving.1.clone());
        let store = api.store().clone();
        let (link, inbox) = link.unzip();
        let figures = figures(api.clone(), link.clone());
        let result = tokio::select! {
            result = serve_rounds(service, inbox) => result,
            result = ask_witnesses(witnesses, store) => result,
            result = http::serve(http, api.clone(), serving, stop) => result.context("serving REST"),
            result = http::renew_certificate(tls, events) => result,
            result = link_metrics::serve_text_on(metrics, figures) => result,
            result = keep_tiles(api.clone()) => result,
            () = api.storage_failed() => Err(anyhow::anyhow!("the ledger cannot be written")),
        };
        if let Some(link) = link {
            link.shutdown().await;
        }
        result
    }
}

/// The key of the node, drawn at the first start.
fn own_key(state_dir: &Path) -> anyhow::Result<SigningKey> {
    std::fs::create_dir_all(state_dir)
        .with_context(|| format!("creating {}", state_dir.display()))?;
    Ok(SigningKey::from_seed(&*load_or_create_key(&state_dir.join("key"), &mut rand::rng())?))
}

/// Gives a new interface what it signs models with, and who judges what members disclose.
fn equip(
    api: &ApiState,
    state_dir: &Path,
    key: &SigningKey,
    terms: &FederationTerms,
) -> anyhow::Result<Judge> {
    // The state is new: there is neither yet.
    let _first = api.sign_models_with(models::signer(state_dir)?);
    let own = SigningKey::from_seed(&key.seed());
    let judge = disclosure_judge(state_dir.to_owned(), own, terms);
    let _first = api.judge_with(judge.clone());
    Ok(judge)
}

/// The text of all figures of this node.
fn figures(api: ApiState, link: Option<Link>) -> impl Fn() -> Option<String> + Clone {
    move || {
        let of_link = link.as_ref().map(|link| link.metrics().to_string());
        Some(api.metrics_text() + &of_link.unwrap_or_default())
    }
}

/// What measures models, on the DAO's own tables.
fn evaluator(
    device: &ComputeDevice,
    architecture: &Architecture,
    tables: &Tables,
    encoding: EncodingParameters,
) -> anyhow::Result<Evaluator> {
    let standardised = |table| Examples::from_table(table, &tables.standardiser);
    Ok(Evaluator {
        device: device.clone(),
        architecture: architecture.clone(),
        validation: standardised(&tables.validation)?,
        test: standardised(&tables.test)?,
        encoding,
    })
}

/// The ledger, where it was asked for, and whom to ask for cosignatures.
async fn open_store(
    args: &ServeArgs,
    state_dir: &Path,
    key: &SigningKey,
    origin: &str,
) -> anyhow::Result<(Store, Option<Witnesses>)> {
    let store = match &args.database_url {
        Some(url) => Store::connect(url.as_str(), key, origin).await?,
        None => Store::open(&state_dir.join("ledger"), key, origin).await?,
    };
    clock::agree_on_time(&store, now_ms(), args.today)?;
    let witnesses = args.policy.as_ref().map(|path| Witnesses::read(path, &store)).transpose()?;
    Ok((store, witnesses))
}

/// Answers the coordinator; or, if another node does, follows what that one appends.
async fn serve_rounds(
    service: RoundService,
    inbox: Option<aggregator_network::Inbox>,
) -> anyhow::Result<()> {
    let Some(inbox) = inbox else {
        loop {
            match service.store.follow().await {
                Ok(true) => service.shelve_released()?,
                Ok(false) => {}
                // The next try may reach it; until then what is shown is what was known.
                Err(error) => tracing::warn!("the ledger cannot be followed: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(FOLLOW_EVERY_MS)).await;
        }
    };
    let store = service.store.clone();
    let following = async {
        loop {
            if let Err(error) = store.follow().await {
                tracing::warn!("the ledger cannot be followed: {error}");
            }
            tokio::time::sleep(Duration::from_millis(FOLLOW_EVERY_MS)).await;
        }
    };
    tokio::select! {
        result = service.run(inbox) => result,
        () = following => Ok(()),
    }
}

/// Asks for cosignatures; without a policy, nobody, for ever.
async fn ask_witnesses(witnesses: Option<Witnesses>, store: Store) -> anyhow::Result<()> {
    match witnesses {
        Some(witnesses) => witnesses.keep_asking(store).await.context("asking the witnesses"),
        None => pending().await,
    }
}

/// Lets due proposals open, queue and execute by themselves, and writes the log's tiles again whenever the log has
/// grown.
async fn keep_tiles(api: ApiState) -> anyhow::Result<()> {
    loop {
        unless_passing(api.keep_time().await.context("carrying out what members decided"))?;
        api.export_tiles().await.context("writing the log's tiles")?;
        tokio::time::sleep(Duration::from_millis(TILES_EVERY_MS)).await;
    }
}

/// Nothing, and a warning, where the ledger's database could not be reached: nothing was written then, and the next try may
/// reach it. A database that is restarted must not end the node.
fn unless_passing<T>(result: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    let passes = |error: &anyhow::Error| {
        let unavailable = |cause: &(dyn std::error::Error + 'static)| {
            matches!(cause.downcast_ref(), Some(AppendError::Unavailable(_)))
        };
        error.chain().any(unavailable)
    };
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if passes(&error) => {
            tracing::warn!("tried again later: {error:#}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn announce(
    events: Events,
    (http, metrics): (&str, Option<&TcpListener>),
    link: Option<&Link>,
    federation: &Digest,
) {
    let of_link = |link: &Link| link.addresses().iter().map(ToString::to_string).collect();
    let addresses: Vec<String> = link.map(of_link).unwrap_or_default();
    let mut event = json!({
        "event": "listening",
        "http": http,
        "addresses": addresses,
        "federation": federation.to_string(),
    });
    if let Some(Ok(address)) = metrics.map(TcpListener::local_addr) {
        event["metrics"] = format!("http://{address}/metrics").into();
    }
    events.emit(event);
}

/// Longest message of the link, in bytes: the model with all its layers, beside a vector of what is shared or a control
/// variate; the sums of all groups, each of at most twice as many integers of 4 bytes; or the evidence of a vote.
fn link_bytes_max(federation: &FederationConfig, dimension: usize) -> usize {
    let (members, groups) = (federation.members_max as usize, federation.groups.unwrap_or(1));
    let sums = 8 * dimension * groups.max(1) as usize;
    ((64 << 10) + EVIDENCE_BYTES_MAX + sums + 1024 * members).min(MESSAGE_BYTES_MAX)
}

async fn start_link(
    config: &ServeConfig,
    key: &SigningKey,
    dimension: usize,
) -> anyhow::Result<(Link, aggregator_network::Inbox)> {
    let largest = link_bytes_max(&config.federation, dimension);
    let largest = u32::try_from(largest).context("message limit")?;
    let limits =
        Limits { request_bytes_max: largest, response_bytes_max: largest, ..Limits::default() };
    let listen = config.listen.link_addresses()?;
    Ok(Link::start(LinkConfig { secret: key.seed(), listen, limits }).await?)
}

/// The model from which the first round starts, kept: from it on whoever recomputes the rounds starts.
fn first_model(
    evaluator: &Evaluator,
    vault: &Vault,
    initial: Parameters,
) -> anyhow::Result<Parameters> {
    let initial = fitted_head(evaluator, initial)?;
    vault.keep_model(&initial)?;
    Ok(initial)
}

/// The parameters of a federation before anything is learnt.
#[must_use]
pub fn initial_parameters(architecture: &Architecture, seed: u64) -> Parameters {
    let seed = Digest::of(Tag::Model, &seed.to_be_bytes()).0;
    Parameters::initial(architecture, &mut ChaCha20Rng::from_seed(seed))
}

#[cfg(test)]
mod tests {
    use data_dao_store::StoreError;

    use super::*;

    #[test]
    fn a_database_that_cannot_be_reached_for_a_while_does_not_end_the_node_and_a_failing_disk_does()
    {
        let in_use = || StoreError::InUse { path: "ledger".into() };
        let failed = |error: AppendError| Err(error).context("carrying out what members decided");
        assert_eq!(unless_passing(Ok(1)).unwrap(), Some(1));
        let passing: anyhow::Result<()> = failed(AppendError::Unavailable(in_use()));
        assert_eq!(unless_passing(passing).unwrap(), None);
        let lasting: anyhow::Result<()> = failed(AppendError::Storage(in_use()));
        assert!(unless_passing(lasting).is_err());
    }
}

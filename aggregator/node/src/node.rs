//! Starting an aggregator.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aggregator_network::{
    Address, Inbox, Limits, Link, LinkConfig, ListenAddress, PeerKey, load_or_create_key,
};
use aggregator_protocol::{DaoReply, DaoRequest, FederationTerms, from_wire, to_wire};
use aggregator_round::{AggregatorContext, message_bytes_max};
use anyhow::{Context as _, bail};
use privacy_identity::{SealingKey, Signed, SigningKey, Tag, VerifyingKey};
use tokio::runtime::Handle;
use tracing::{info, warn};

use crate::{
    DatabaseUrl, NodeEvent,
    ask::Routes,
    board::{Board, Role},
    coordinator::CoordinatorShell,
    file_updates::FileUpdates,
    peer, s3,
    sharing::Sharing,
    store::Store,
    updates::Updates,
};

/// Pause between attempts to reach the DAO node at start, in milliseconds.
const DAO_RETRY_MS: u64 = 250;

/// How an aggregator is run.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Its key, its rounds and the updates that it holds.
    pub state_dir: PathBuf,
    /// Where it listens.
    pub listen: Vec<ListenAddress>,
    /// The DAO node, which names the federation's terms.
    pub dao: Address,
    /// The other aggregators, one or more addresses of each; needed by the coordinator only.
    pub peers: Vec<Address>,
    /// Relays at which this aggregator takes a place.
    pub relays: Vec<Address>,
    /// Relays at which the other aggregators have a place.
    pub peer_relays: Vec<Address>,
    /// Circuits between others that it relays at a time; 0: it is no relay.
    pub relayed_circuits_max: u16,
    /// Where sealed updates are kept: `s3://BUCKET/PREFIX`, used by no other aggregator, with keys, region and
    /// endpoint in the environment (`AWS_…`). None: in files in `state_dir`.
    pub updates: Option<String>,
    /// Where its rounds are kept: a PostgreSQL database (or a schema of one) that no other aggregator uses.
    /// None: in `rounds.sqlite` in `state_dir`.
    pub database: Option<DatabaseUrl>,
    /// Most updates of a batch of work that is shared with workers; with a database only.
    pub batch_updates: u32,
    /// How long such a batch is left to a process that gives no sign of life.
    pub lease: Duration,
}

/// Runs an aggregator until its link ends or its store fails. The future may be dropped at any time:
/// everything that was promised is on disk.
///
/// * `linked` — gets the link once it listens: for its metrics.
///
/// # Errors
/// An address in use, a store that cannot be opened or written, terms that do not name this
/// aggregator.
pub async fn run(
    config: NodeConfig,
    linked: impl FnOnce(Link),
    events: impl Fn(NodeEvent) + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.state_dir)
        .with_context(|| format!("creating {}", config.state_dir.display()))?;
    let seed = load_or_create_key(&config.state_dir.join("key"), &mut rand::rng())?;
    let signing = SigningKey::from_seed(&seed);
    let sealing = SealingKey::derived_from(&signing);
    let store = match &config.database {
        Some(url) => Store::postgres(url).await?,
        None => Store::file(&config.state_dir).await?,
    };
    store.claim(&signing.verifying_key()).await?;
    let terms = match store.terms().await? {
        Some(terms) => terms,
        None => fetch_terms(&config.dao, &signing, &events).await?,
    };
    let dao_node = VerifyingKey::from_bytes(config.dao.peer().to_bytes())
        .context("the DAO node's address names no valid key")?;
    let verified = terms
        .clone()
        .verify_by(Tag::Terms, &dao_node)
        .context("the federation's terms are not signed by this DAO node")?;
    store.keep_terms(&terms).await?;
    let context = Arc::new(AggregatorContext::new(verified.body().clone(), signing, sealing)?);
    let updates = open_updates(config.updates.as_deref(), &config.state_dir)?;
    let sharing = share(&config, &context, &updates, events.clone()).await?;
    let (link, inbox) = start_link(&config, context.signing(), context.terms()).await?;
    teach(&link, &config).await;
    events(NodeEvent::Listening { addresses: link.addresses() });
    linked(link.clone());
    info!(index = context.index(), "aggregator {} listens", link.peer());
    if context.index() == Some(0) {
        let routes = routes(&config, context.terms())?;
        let stores = (store, updates, sharing);
        CoordinatorShell::run(context, terms, stores, (link, inbox), routes, events).await
    } else {
        peer::run(context, (store, updates, sharing), (link, inbox), events).await
    }
}

/// Tells a link every way to the others, and takes places at relays without waiting for them.
async fn teach(link: &Link, config: &NodeConfig) {
    for &address in &config.peers {
        link.add_address(address).await;
        for &relay in &config.peer_relays {
            link.add_relay(address.peer(), relay).await;
        }
    }
    for &relay in &config.relays {
        let link = link.clone();
        drop(tokio::spawn(async move {
            match link.listen_by(relay).await {
                Ok(()) => info!("reached by the relay {relay}"),
                Err(error) => warn!("no place at the relay {relay}: {error}"),
            }
        }));
    }
}

/// Where sealed updates are kept.
pub(crate) fn open_updates(
    url: Option<&str>,
    state_dir: &Path,
) -> anyhow::Result<Arc<dyn Updates>> {
    Ok(match url {
        Some(url) => Arc::new(s3::open(url, Handle::current())?),
        None => Arc::new(FileUpdates::open(state_dir.join("updates"))?),
    })
}

/// How this aggregator shares its work, if it has a database that workers can reach.
async fn share(
    config: &NodeConfig,
    context: &Arc<AggregatorContext>,
    updates: &Arc<dyn Updates>,
    events: impl Fn(NodeEvent) + Send + Sync + 'static,
) -> anyhow::Result<Option<Sharing>> {
    let Some(url) = &config.database else { return Ok(None) };
    Ok(Some(Sharing {
        board: Board::connect(url, Role::Owner, config.lease).await?,
        context: Arc::clone(context),
        updates: Arc::clone(updates),
        events: Arc::new(events),
        batch_updates: config.batch_updates,
        known: Arc::default(),
    }))
}

/// A link whose limits fit the federation: no message is larger than a model, a sum, or all parts of
/// one aggregator.
async fn start_link(
    config: &NodeConfig,
    key: &SigningKey,
    terms: &FederationTerms,
) -> anyhow::Result<(Link, Inbox)> {
    let contributors = terms.encoding.contributors_max();
    let largest = u32::try_from(message_bytes_max(terms)).context("message limit")?;
    let limits = Limits {
        request_bytes_max: largest,
        response_bytes_max: largest,
        relayed_circuits_max: config.relayed_circuits_max,
        connections_max: u32::try_from(2 * contributors + 64).context("connection limit")?,
        ..Limits::default()
    };
    let listen = config.listen.clone();
    let started = Link::start(LinkConfig { secret: key.seed(), listen, limits }).await;
    Ok(started?)
}

/// Asks the DAO node for the terms until it answers: the processes of a co-operative start in any
/// order.
async fn fetch_terms(
    dao: &Address,
    key: &SigningKey,
    events: &impl Fn(NodeEvent),
) -> anyhow::Result<Signed<FederationTerms>> {
    let config = LinkConfig { secret: key.seed(), listen: Vec::new(), limits: Limits::default() };
    let (link, _inbox) = Link::start(config).await?;
    let terms = loop {
        match link.request(dao, to_wire(&DaoRequest::Terms)).await {
            Ok(reply) => match from_wire(&reply) {
                Ok(DaoReply::Terms(terms)) => break *terms,
                Ok(DaoReply::Refused(refusal)) => bail!("the DAO node refuses: {refusal}"),
                Ok(_) => bail!("the DAO node answered another question"),
                Err(error) => bail!("the DAO node's answer cannot be read: {error}"),
            },
            Err(error) => {
                events(NodeEvent::Unanswered { cause: format!("terms: {error}") });
                tokio::time::sleep(Duration::from_millis(DAO_RETRY_MS)).await;
            }
        }
    };
    link.shutdown().await;
    Ok(terms)
}

fn routes(config: &NodeConfig, terms: &FederationTerms) -> anyhow::Result<Routes> {
    let address_of = |key: &VerifyingKey| {
        let peer = PeerKey::from_bytes(*key.as_bytes());
        config.peers.iter().copied().find(|address| address.peer() == peer)
    };
    let aggregators: Vec<_> =
        terms.aggregators.iter().map(|keys| address_of(&keys.verifying)).collect();
    for (index, address) in aggregators.iter().enumerate().skip(1) {
        if address.is_none() {
            let key = terms.aggregators[index].verifying;
            bail!("the terms name aggregator {index} ({key}): give its address with --peer");
        }
    }
    Ok(Routes { dao: config.dao, aggregators })
}

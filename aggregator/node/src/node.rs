//! Starting an aggregator.

use std::{
    convert::Infallible,
    future::pending,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aggregator_network::{
    Address, Inbox, Limits, Link, LinkConfig, LinkError, ListenAddress, PeerKey, load_or_create_key,
};
use aggregator_protocol::{DaoReply, DaoRequest, FederationTerms, from_wire, to_wire};
use aggregator_round::{AggregatorContext, message_bytes_max};
use anyhow::{Context as _, bail};
use privacy_identity::{SealingKey, Signed, SigningKey, Tag, VerifyingKey};
use tokio::{runtime::Handle, sync::watch};
use tracing::{info, warn};

use crate::{
    DatabaseUrl, NodeEvent,
    ask::Routes,
    board::{Board, Role},
    coordinator::CoordinatorShell,
    file_updates::FileUpdates,
    following::{Followed, Following, Stand, look},
    peer, s3,
    sharing::Sharing,
    store::Store,
    updates::Updates,
};

/// Pause between attempts to reach the DAO node at start, in milliseconds.
const DAO_RETRY_MS: u64 = 250;
/// How long what is under way is finished before an aggregator goes over to other terms: answers to members, as no round is.
const HANDING_OVER: Duration = Duration::from_secs(1);
/// How long a port is tried for that is in use: the port of QUIC is free a fraction of a second after its link ended.
const PORT_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two attempts.
const PORT_RETRY: Duration = Duration::from_millis(50);

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
/// * `following` — what it makes of terms that members vote for; none: it serves those that it has until it is given another
///   state.
/// * `linked` — gets the link once it listens, for its metrics; another one when it went over to other terms.
///
/// # Errors
/// An address in use, a store that cannot be opened or written, terms that do not name this
/// aggregator.
pub async fn run(
    config: NodeConfig,
    following: Option<Following>,
    linked: impl Fn(Link),
    events: impl Fn(NodeEvent) + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.state_dir)
        .with_context(|| format!("creating {}", config.state_dir.display()))?;
    let seed = load_or_create_key(&config.state_dir.join("key"), &mut rand::rng())?;
    let signing = SigningKey::from_seed(&seed);
    let store = match &config.database {
        Some(url) => Store::postgres(url).await?,
        None => Store::file(&config.state_dir).await?,
    };
    store.claim(&signing.verifying_key()).await?;
    let mut terms = match store.terms().await? {
        Some(terms) => terms,
        None => fetch_terms(&config.dao, &signing, &events).await?,
    };
    let mut config = config;
    loop {
        let dao_node = VerifyingKey::from_bytes(config.dao.peer().to_bytes())
            .context("the DAO node's address names no valid key")?;
        let verified = terms
            .clone()
            .verify_by(Tag::Terms, &dao_node)
            .context("the federation's terms are not signed by this DAO node")?;
        store.keep_terms(&terms).await?;
        let (signing, body) = (SigningKey::from_seed(&seed), verified.body().clone());
        let sealing = SealingKey::derived_from(&signing);
        let context = Arc::new(AggregatorContext::new(body, signing, sealing)?);
        let place = Place { config: &config, store: &store, following: following.as_ref() };
        let (followed, link) =
            Box::pin(place.serve(&context, terms, &linked, events.clone())).await?;
        // The port of QUIC is free when its connections have drained: see `start_link`.
        config.listen = same_ports(&config.listen, &link.addresses());
        link.shutdown_within(HANDING_OVER).await;
        let former = context.terms().id();
        store.follow(&followed).await?;
        terms = followed.terms;
        let (terms, entry) = (terms.unverified_body().id(), followed.entry);
        events(NodeEvent::TermsFollowed { former, terms, entry });
    }
}

/// Where an aggregator serves, whatever its terms.
struct Place<'a> {
    config: &'a NodeConfig,
    store: &'a Store,
    following: Option<&'a Following>,
}

impl Place<'_> {
    /// Serves under `terms` until there are others to follow: those, and the link to end.
    async fn serve(
        &self,
        context: &Arc<AggregatorContext>,
        terms: Signed<FederationTerms>,
        linked: &impl Fn(Link),
        events: impl Fn(NodeEvent) + Clone + Send + Sync + 'static,
    ) -> anyhow::Result<(Followed, Link)> {
        let config = self.config;
        let updates = open_updates(config.updates.as_deref(), &config.state_dir)?;
        let sharing = share(config, context, &updates, events.clone()).await?;
        let (link, inbox) = start_link(config, context.signing(), context.terms()).await?;
        teach(&link, config).await;
        events(NodeEvent::Listening { addresses: link.addresses() });
        linked(link.clone());
        info!(index = context.index(), "aggregator {} listens", link.peer());
        let (found, next) = watch::channel(None);
        let looking = self.look(context, &link, found, events.clone());
        let stores = (self.store.clone(), updates, sharing.clone());
        let ends = (link.clone(), inbox);
        let serving = async {
            if context.index() == Some(0) {
                let routes = routes(config, context.terms())?;
                let context = Arc::clone(context);
                CoordinatorShell::run(context, terms, stores, ends, (routes, next), events).await
            } else {
                peer::run(Arc::clone(context), stores, ends, next, events).await
            }
        };
        let followed = tokio::select! {
            served = serving => served?,
            looked = looking => match looked? {},
        };
        if let Some(sharing) = sharing {
            sharing.board.clear().await?;
        }
        Ok((followed, link))
    }

    /// Looks for terms that members voted for, and hands on the first ones to follow.
    async fn look(
        &self,
        context: &Arc<AggregatorContext>,
        link: &Link,
        found: watch::Sender<Option<Followed>>,
        events: impl Fn(NodeEvent),
    ) -> anyhow::Result<Infallible> {
        let Some(following) = self.following else { return pending().await };
        let reaches = |terms: &FederationTerms| {
            if terms.coordinator().verifying == context.signing().verifying_key() {
                routes(self.config, terms)?;
            }
            Ok(())
        };
        let since = self.store.followed().await?.map(|followed| followed.entry);
        let stand = Stand { context, since, reaches: &reaches };
        let ways = (link.clone(), self.config.dao);
        let followed = look(ways, following.clone(), stand, events).await;
        found.send_replace(Some(followed));
        pending().await
    }
}

/// The addresses to listen at again: where any port was good enough, the one that it was.
fn same_ports(asked: &[ListenAddress], got: &[Address]) -> Vec<ListenAddress> {
    let again = |asked: &ListenAddress| {
        let same = |address: &&Address| address.transport() == asked.transport();
        let port = got.iter().find(same).map(|address| address.listen().socket().port());
        let mut socket = asked.socket();
        if let Some(port) = port.filter(|_| socket.port() == 0) {
            socket.set_port(port);
        }
        ListenAddress::new(socket, asked.transport())
    };
    asked.iter().map(again).collect()
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
    let deadline = tokio::time::Instant::now() + PORT_PATIENCE;
    loop {
        let (listen, limits) = (config.listen.clone(), limits.clone());
        match Link::start(LinkConfig { secret: key.seed(), listen, limits }).await {
            // Perhaps this process's own, of a moment ago.
            Err(LinkError::AddressInUse { .. }) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(PORT_RETRY).await;
            }
            started => return Ok(started?),
        }
    }
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

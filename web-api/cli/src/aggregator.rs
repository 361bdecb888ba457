//! `sahakar aggregator`: combines updates that it cannot read.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use aggregator_network::{Address, ListenAddress, load_or_create_key};
use aggregator_node::{DatabaseUrl, FollowMode, Following, NodeConfig, NodeEvent, WorkerConfig};
use aggregator_protocol::FederationTerms;
use anyhow::Context as _;
use clap::Args;
use privacy_identity::{Decode as _, Digest, SigningKey};
use tokio::sync::watch;

use crate::{
    link_metrics::{self, CurrentLink},
    process::{Events, running_ms, stop_signal},
    round_figures::RoundFigures,
    vote_evidence::VoteEvidence,
    witness::{self, WitnessDuty},
};

/// How long a node that was told to stop finishes what it has begun: less than the ten seconds that
/// service managers give before they kill.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Arguments of `sahakar aggregator`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct AggregatorArgs {
    /// Where the aggregator keeps its key and its rounds
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Where to listen; may be given for QUIC and TCP
    #[arg(long, value_name = "ADDRESS", default_value = "/ip4/127.0.0.1/udp/0/quic-v1")]
    pub listen: Vec<ListenAddress>,
    /// The DAO node's address, with its identity
    #[arg(long, value_name = "ADDRESS", required_unless_present = "worker")]
    pub dao: Option<Address>,
    /// Another aggregator's address, with its identity; the coordinator needs all others. May be given several times for one
    /// of them, for QUIC and TCP
    #[arg(long, value_name = "ADDRESS")]
    pub peer: Vec<Address>,
    /// Take a place at this relay: for a machine behind a router that forwards no port. Invitations name the relay
    #[arg(long, value_name = "ADDRESS")]
    pub relay: Vec<Address>,
    /// A relay at which the other aggregators have a place; tried after their addresses
    #[arg(long, value_name = "ADDRESS")]
    pub peer_relay: Vec<Address>,
    /// Be a relay for others: how many connections between them to carry at a time
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub relayed_circuits: u16,
    /// Keep sealed updates in this place instead of files: `s3://BUCKET/PREFIX`, used by no other aggregator; keys,
    /// region and endpoint in the environment (`AWS_ACCESS_KEY_ID`, …)
    #[arg(long, value_name = "URL")]
    pub updates: Option<String>,
    /// Keep rounds in this PostgreSQL database instead of a file: `postgres://USER@HOST/DATABASE`, used by no other
    /// aggregator. It may hold a password, which the environment hides from others
    #[arg(
        long,
        env = "SAHAKAR_AGGREGATOR_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: Option<DatabaseUrl>,
    /// Help the aggregator whose key and database these are with the sums of large rounds, and do nothing else. As many
    /// workers as you like, on machines that see the same updates; any of them may stop or be killed at any time
    #[arg(long, requires = "database_url", conflicts_with_all = ["listen", "dao", "peer", "metrics"])]
    pub worker: bool,
    /// Share work on more updates than this with the workers, in batches of at most as many
    #[arg(long, value_name = "COUNT", default_value = "256", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_updates: u32,
    /// Give a batch to another process after this long without a sign of life, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..))]
    pub lease_seconds: u64,
    /// Which terms that members voted for it follows by itself: `protective`, those that protect contributors as much in
    /// every part that can be judged; or `named`, none but those given with `--agree`
    #[arg(long, value_name = "WHICH", default_value_t)]
    pub follow: FollowMode,
    /// Follow the terms with this digest once members have voted for them, even if they protect contributors less. May be
    /// given several times
    #[arg(long, value_name = "DIGEST")]
    pub agree: Vec<Digest>,
    /// Serve figures of the link and of rounds for Prometheus at `http://ADDRESS/metrics`
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Serve as a witness of the logs given with `--log` at this address, with the aggregator's own key
    #[arg(long, value_name = "ADDRESS", requires = "logs")]
    pub witness: Option<SocketAddr>,
    /// What it is called as a witness, and of which logs
    #[command(flatten)]
    pub duty: WitnessDuty,
    /// Print events as lines of JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Stop when standard input closes
    #[arg(long, hide = true)]
    pub with_parent: bool,
}

/// Runs an aggregator until it is told to stop. A restart continues the round under way; terms that members voted for are
/// followed without one.
///
/// # Errors
/// An address in use, a store that cannot be opened or written, terms that do not name its key.
pub async fn run(args: AggregatorArgs) -> anyhow::Result<()> {
    let events = Events::from_flag(args.json);
    let lease = Duration::from_secs(args.lease_seconds);
    if let Some(database) = args.database_url.clone().filter(|_| args.worker) {
        let (state_dir, updates) = (args.state, args.updates);
        let config = WorkerConfig { state_dir, database, updates, lease, threads: None };
        let worker = aggregator_node::work(config, move |event| events.emit(event.to_json()));
        return tokio::select! {
            result = worker => result,
            () = stop_signal(args.with_parent) => Ok(()),
        };
    }
    let (state, duty, witness) = (args.state.clone(), args.duty, args.witness);
    let config = NodeConfig {
        state_dir: args.state,
        listen: args.listen,
        dao: args.dao.context("--dao: the DAO node's address is needed")?,
        peers: args.peer,
        relays: args.relay,
        peer_relays: args.peer_relay,
        relayed_circuits_max: args.relayed_circuits,
        updates: args.updates,
        database: args.database_url,
        batch_updates: args.batch_updates,
        lease,
    };
    let check = |terms: &FederationTerms, evidence: &[u8]| {
        VoteEvidence::from_bytes(evidence).context("the evidence of a vote")?.check(terms)
    };
    let following = Following { mode: args.follow, agreed: args.agree, check: Arc::new(check) };
    let (link, linked) = watch::channel(None);
    let figures = RoundFigures::default();
    let heard = figures.clone();
    let telling = move |event: NodeEvent| {
        heard.hear(&event, running_ms());
        events.emit(event.to_json());
    };
    let shown: CurrentLink = linked.clone();
    let text = move || shown.borrow().as_ref().map(|link| format!("{}{figures}", link.metrics()));
    let node = pin!(aggregator_node::run(
        config,
        Some(following),
        move |running| drop(link.send(Some(running))),
        telling,
    ));
    let serving = async {
        tokio::select! {
            result = node => result,
            result = link_metrics::serve_text(args.metrics, text) => result,
            result = serve_witness(&state, &duty, witness, events) => result,
        }
    };
    until_told(serving, args.with_parent, linked).await
}

/// Serves until the process is told to stop and what it had begun is finished. The node ends when its link does, which is no
/// failure then.
async fn until_told(
    serving: impl Future<Output = anyhow::Result<()>>,
    with_parent: bool,
    link: CurrentLink,
) -> anyhow::Result<()> {
    let mut serving = pin!(serving);
    tokio::select! {
        result = &mut serving => return result,
        () = stop_signal(with_parent) => {}
    }
    let Some(link) = link.borrow().clone() else { return Ok(()) };
    let mut ending = pin!(link.shutdown_within(STOP_GRACE));
    tokio::select! {
        () = &mut ending => {}
        ended = serving => {
            if let Err(error) = ended {
                tracing::debug!("while it was stopped: {error:#}");
            }
            // Answers that are on their way still are.
            ending.await;
        }
    }
    Ok(())
}

/// Witnesses for as long as the process runs; without an address, nothing, for ever.
async fn serve_witness(
    state: &Path,
    duty: &WitnessDuty,
    listen: Option<SocketAddr>,
    events: Events,
) -> anyhow::Result<()> {
    let Some(listen) = listen else { return std::future::pending().await };
    fs::create_dir_all(state).with_context(|| format!("creating {}", state.display()))?;
    let seed = load_or_create_key(&state.join("key"), &mut rand::rng())?;
    let key = SigningKey::from_seed(&seed);
    witness::serve(state, &key, duty, listen, events).await.context("--witness")
}

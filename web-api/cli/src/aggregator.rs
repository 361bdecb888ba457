//! `sahakar aggregator`: combines updates that it cannot read.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use aggregator_network::{Address, Link, ListenAddress, load_or_create_key};
use aggregator_node::NodeConfig;
use anyhow::Context as _;
use axum::{Router, http::header, routing::get};
use clap::Args;
use privacy_identity::SigningKey;
use tokio::{net::TcpListener, sync::oneshot};

use crate::process::{Events, stop_signal};
use crate::witness::{self, WitnessDuty};

/// Arguments of `sahakar aggregator`.
#[derive(Debug, Clone, Args)]
pub struct AggregatorArgs {
    /// Where the aggregator keeps its key and its rounds
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Where to listen; may be given for QUIC and TCP
    #[arg(long, value_name = "ADDRESS", default_value = "/ip4/127.0.0.1/udp/0/quic-v1")]
    pub listen: Vec<ListenAddress>,
    /// The DAO node's address, with its identity
    #[arg(long, value_name = "ADDRESS")]
    pub dao: Address,
    /// Another aggregator's address, with its identity; the coordinator needs all others
    #[arg(long, value_name = "ADDRESS")]
    pub peer: Vec<Address>,
    /// Keep sealed updates in this place instead of files: `s3://BUCKET/PREFIX`, used by no other aggregator; keys,
    /// region and endpoint in the environment (`AWS_ACCESS_KEY_ID`, …)
    #[arg(long, value_name = "URL")]
    pub updates: Option<String>,
    /// Serve figures of the link for Prometheus at `http://ADDRESS/metrics`
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

/// Runs an aggregator until it is told to stop. A restart continues the round under way.
///
/// # Errors
/// An address in use, a store that cannot be opened or written, terms that do not name its key.
pub async fn run(args: AggregatorArgs) -> anyhow::Result<()> {
    let events = Events::from_flag(args.json);
    let (state, duty, witness) = (args.state.clone(), args.duty, args.witness);
    let config = NodeConfig {
        state_dir: args.state,
        listen: args.listen,
        dao: args.dao,
        peers: args.peer,
        updates: args.updates,
    };
    let (link, linked) = oneshot::channel();
    let node = aggregator_node::run(
        config,
        move |running| {
            // Whoever asked for no figures waits for no link.
            let _asked = link.send(running).is_ok();
        },
        move |event| events.emit(event.to_json()),
    );
    tokio::select! {
        result = node => result,
        result = serve_metrics(args.metrics, linked) => result,
        result = serve_witness(&state, &duty, witness, events) => result,
        () = stop_signal(args.with_parent) => Ok(()),
    }
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

/// Serves the link's figures for as long as the process runs; without an address, nothing, for ever.
async fn serve_metrics(
    address: Option<SocketAddr>,
    linked: oneshot::Receiver<Link>,
) -> anyhow::Result<()> {
    let (Some(address), Ok(link)) = (address, linked.await) else {
        return std::future::pending().await;
    };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("--metrics: listening on {address}"))?;
    let figures = move || async move {
        let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
        (kind, link.metrics().to_string())
    };
    let router = Router::new().route("/metrics", get(figures));
    Ok(axum::serve(listener, router).await?)
}

//! `sahakar aggregator`: combines updates that it cannot read.

use std::path::PathBuf;

use aggregator_network::{Address, ListenAddress};
use aggregator_node::NodeConfig;
use clap::Args;

use crate::process::{Events, stop_signal};

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
    /// Keep sealed updates in this place instead of files: s3://BUCKET/PREFIX, used by no other aggregator; keys,
    /// region and endpoint in the environment (AWS_ACCESS_KEY_ID, …)
    #[arg(long, value_name = "URL")]
    pub updates: Option<String>,
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
    let config = NodeConfig {
        state_dir: args.state,
        listen: args.listen,
        dao: args.dao,
        peers: args.peer,
        updates: args.updates,
    };
    tokio::select! {
        result = aggregator_node::run(config, move |event| events.emit(event.to_json())) => result,
        () = stop_signal(args.with_parent) => Ok(()),
    }
}

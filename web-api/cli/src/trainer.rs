//! `sahakar trainer`: the headless contributor.

mod obeying;

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use serde_json::json;
use tokio::sync::watch;
use trainer_agent::{Agent, AgentConfig, Behaviour, Brake, Invitation};
use trainer_model::DeviceChoice;

use crate::{
    data_args::OwnDataArgs,
    link_metrics, pacing,
    process::{Events, stop_signal},
    settlement::terms_json,
};

/// Arguments of `sahakar trainer`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct TrainerArgs {
    /// Where the contributor keeps its key, its consent and the record of what it sent
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// The invitation, `sahakar://join?…`; it holds a secret, which the environment hides from others
    #[arg(long, env = "SAHAKAR_JOIN", hide_env_values = true, value_name = "INVITATION")]
    pub join: Invitation,
    /// What to train on
    #[command(flatten)]
    pub data: OwnDataArgs,
    /// A public name of your choice
    #[arg(long, default_value = "contributor")]
    pub label: String,
    /// Where to train: auto, wgpu or cpu
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// Makes training repeatable; never used for encryption
    #[arg(long)]
    pub seed: Option<u64>,
    /// Train only when this file allows it (TOML; every line is optional): on battery, in use, hot,
    /// busy, at these hours … Without it: always
    #[arg(long, value_name = "FILE", conflicts_with = "obey")]
    pub preferences: Option<PathBuf>,
    /// Serve figures of the link for Prometheus at `http://ADDRESS/metrics`
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// How to behave: honest, noise or replay (the latter two to try the measurement of value)
    #[arg(long, default_value = "honest", hide = true)]
    pub behaviour: Behaviour,
    /// Print events as lines of JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Stop when standard input closes
    #[arg(long, hide = true)]
    pub with_parent: bool,
    /// Obey lines on standard input (hold, release, limit SHARE), and stop when it closes
    #[arg(long, conflicts_with = "with_parent")]
    pub obey: bool,
    /// Print the terms of the invitation as JSON and stop; agrees to nothing
    #[arg(long)]
    pub terms: bool,
}

/// Trains round after round until the federation has finished or it is told to stop.
///
/// # Errors
/// Data that do not fit the federation, an invitation that is not accepted, a state directory that
/// another trainer uses.
pub async fn run(args: TrainerArgs) -> anyhow::Result<()> {
    if args.terms {
        return show_terms(&args).await;
    }
    let events = Events::from_flag(args.json);
    let brake = Brake::default();
    let keep = |file| pacing::keep(file, &args.state, brake.clone(), events);
    // Kept until the trainer ends.
    let _keeper = args.preferences.as_deref().map(keep).transpose()?;
    let config = AgentConfig {
        state_dir: args.state,
        invitation: args.join,
        data: args.data.own_data()?,
        device: args.device,
        behaviour: args.behaviour,
        label: args.label,
        seed: args.seed,
        brake: brake.clone(),
    };
    let (link, linked) = watch::channel(None);
    let linking = move |running| drop(link.send(Some(running)));
    tokio::select! {
        result = Agent::run(config, linking, move |event| events.emit(event.to_json())) => {
            result?;
            Ok(())
        }
        result = link_metrics::serve(args.metrics, linked) => result,
        () = stop_signal(args.with_parent) => Ok(()),
        () = obeying::obey(tokio::io::stdin(), &brake), if args.obey => Ok(()),
    }
}

async fn show_terms(args: &TrainerArgs) -> anyhow::Result<()> {
    let terms = tokio::select! {
        terms = Agent::offer(&args.state, &args.join) => terms?,
        () = stop_signal(false) => return Ok(()),
    };
    let mut shown = terms_json(&terms);
    shown["digest"] = json!(terms.id().to_string());
    // With the public scale the owner's columns can be held against it before anything is agreed to.
    shown["mean"] = json!(terms.schema.mean);
    shown["deviation"] = json!(terms.schema.deviation);
    println!("{shown}");
    Ok(())
}

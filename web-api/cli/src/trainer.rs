//! `sahakar trainer`: the headless contributor.
//!
//! ```text
//!   flags ─► environment ─► file ─► defaults      TrainerArgs ─► TrainerPlan ─► the agent, its pace, its events
//! ```

mod consenting;
mod disputing;
mod file;
mod obeying;
mod plan;

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use privacy_identity::Digest;
use serde_json::{Value, json};
use tokio::sync::watch;
use trainer_agent::{Agent, AgentConfig, AgentEvent, Behaviour, Brake, Invitation};
use trainer_model::DeviceChoice;

use crate::{
    data_args::OwnDataArgs,
    limits_args::LimitsArgs,
    link_metrics, pacing,
    passphrases::PassphraseArgs,
    process::{Events, stop_signal},
    settlement::terms_json,
};
pub use file::{DataSection, JoinSection, LogForm, LogSection, MetricsSection, TrainerFile};
pub use plan::{Input, TrainerPlan};

/// Most that may be kept of what was sent, in mebibytes: a tebibyte.
const KEEP_SENT_MIB_MAX: u64 = 1 << 20;

/// Arguments of `sahakar trainer`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct TrainerArgs {
    /// Everything that flags say, as TOML; a flag wins over the file, and `SAHAKAR__SECTION__KEY` does, too
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the contributor keeps its key, its consent and the record of what it sent
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    pub state: Option<PathBuf>,
    /// What unlocks its key, and under which a new one is kept
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// The invitation, `sahakar://join?…`; it holds a secret, which the environment hides from others
    #[arg(long, env = "SAHAKAR_JOIN", hide_env_values = true, value_name = "INVITATION")]
    #[arg(required_unless_present_any = ["config", "join_file"])]
    pub join: Option<Invitation>,
    /// A file with the invitation, such as a credential of systemd
    #[arg(long, value_name = "FILE", conflicts_with = "join")]
    pub join_file: Option<PathBuf>,
    /// What to train on
    #[command(flatten)]
    pub data: OwnDataArgs,
    /// A public name of your choice, `contributor` if none is given
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
    /// Where to train: auto (if none is given), wgpu or cpu
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<DeviceChoice>,
    /// Mebibytes of sealed messages that are kept as they left, to be looked at with `sahakar sent`; 64 if nobody says, 0 keeps none
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(..=KEEP_SENT_MIB_MAX))]
    pub keep_sent: Option<u64>,
    /// Makes training repeatable; never used for encryption
    #[arg(long)]
    pub seed: Option<u64>,
    /// Train only when this file allows it (TOML; every line is optional): on battery, in use, hot,
    /// busy, at these hours … Without it: always
    #[arg(long, value_name = "FILE", conflicts_with = "obey")]
    pub preferences: Option<PathBuf>,
    /// The same by flags
    #[command(flatten)]
    pub limits: LimitsArgs,
    /// Serve figures of the link for Prometheus at `http://ADDRESS/metrics`
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// What is logged on standard error, such as `warn,sahakar=info`; else what `RUST_LOG` says
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// In which form: text (if none is given) or json
    #[arg(long, value_name = "FORM")]
    pub log_form: Option<LogForm>,
    /// How to behave: honest, noise or replay (the latter two to try the measurement of value)
    #[arg(long, default_value = "honest", hide = true)]
    pub behaviour: Behaviour,
    /// Print events as lines of JSON on standard output (trainer/agent/EVENTS.md)
    #[arg(long)]
    pub json: bool,
    /// Stop when standard input closes
    #[arg(long, hide = true)]
    pub with_parent: bool,
    /// Obey lines on standard input (hold, release, limit SHARE), and stop when it closes
    #[arg(long, conflicts_with = "with_parent")]
    pub obey: bool,
    /// Print the terms of the invitation as JSON and stop; agrees to nothing, or with --consent to these alone
    #[arg(long)]
    pub terms: bool,
    /// Agree to the terms with this digest, which took the place of those you agreed to; your key signs that you do, and the
    /// ledger keeps it. May stay in the command afterwards
    #[arg(long, value_name = "DIGEST")]
    pub consent: Option<Digest>,
    /// The DAO node's REST interface: where consent is kept, and where your device shows what proves a lie about its update
    #[arg(long, env = "SAHAKAR_URL", value_name = "URL")]
    pub url: Option<String>,
}

/// How a trainer that was not told of an error ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The federation has finished.
    Finished,
    /// SIGINT, SIGTERM, or whoever started it has ended.
    Signal,
    /// Standard input closed, which `--obey` takes as the word to stop.
    Told,
}

impl End {
    const fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Signal => "signal",
            Self::Told => "told",
        }
    }
}

/// Trains round after round until the federation has finished or it is told to stop. The last event is `stopped` or
/// `failed`.
///
/// # Errors
/// Data that do not fit the federation, an invitation that is not accepted, a state directory that
/// another trainer uses.
pub async fn run(plan: TrainerPlan) -> anyhow::Result<()> {
    if plan.terms {
        return show_terms(&plan).await;
    }
    let events = Events::from_flag(plan.json);
    let ended = Box::pin(train(plan, events)).await;
    events.emit(last_event(&ended));
    ended.map(drop)
}

fn last_event(ended: &anyhow::Result<End>) -> Value {
    match ended {
        Ok(end) => json!({"event": "stopped", "reason": end.name()}),
        Err(error) => json!({"event": "failed", "reason": format!("{error:#}")}),
    }
}

async fn train(plan: TrainerPlan, events: Events) -> anyhow::Result<End> {
    if let (Some(terms), Some(node)) = (plan.consent, &plan.url) {
        let place = (plan.state.as_path(), plan.passphrase.clone());
        tokio::select! {
            consent = consenting::consent(place, &plan.join, terms, node, events) => consent?,
            () = stop_signal(plan.input == Input::Parent) => return Ok(End::Signal),
        }
    }
    let brake = Brake::default();
    let keep = |preferences| pacing::keep(preferences, &plan.state, brake.clone(), events);
    // Kept until the trainer ends.
    let _keeper = plan.preferences.clone().map(keep);
    let (input, metrics) = (plan.input, plan.metrics);
    let config = AgentConfig {
        data: plan.data.context("--data is needed")?,
        state_dir: plan.state,
        passphrase: plan.passphrase,
        sent_bytes_max: plan.keep_sent_mib << 20,
        invitation: plan.join,
        device: plan.device,
        behaviour: plan.behaviour,
        label: plan.label,
        seed: plan.seed,
        brake: brake.clone(),
    };
    let (place, url) = ((config.state_dir.clone(), config.passphrase.clone()), plan.url);
    let telling = move |event: AgentEvent| {
        events.emit(event.to_json());
        if let (AgentEvent::Disputed { round, reason }, Some(url)) = (event, &url) {
            let found = (round.0, reason);
            drop(tokio::spawn(disputing::disclose(place.clone(), url.clone(), found, events)));
        }
    };
    let (link, linked) = watch::channel(None);
    let linking = move |running| drop(link.send(Some(running)));
    tokio::select! {
        result = Agent::run(config, linking, telling) => {
            result?;
            Ok(End::Finished)
        }
        result = link_metrics::serve(metrics, linked) => result.map(|()| End::Finished),
        () = stop_signal(input == Input::Parent) => Ok(End::Signal),
        () = obeying::obey(tokio::io::stdin(), &brake), if input == Input::Obeyed => Ok(End::Told),
    }
}

/// Prints the terms; first moves to those that the owner agrees to, if it says so. Standard output has the terms alone.
async fn show_terms(plan: &TrainerPlan) -> anyhow::Result<()> {
    if let (Some(terms), Some(node)) = (plan.consent, &plan.url) {
        let events = Events::from_flag(false);
        let place = (plan.state.as_path(), plan.passphrase.clone());
        tokio::select! {
            consent = consenting::consent(place, &plan.join, terms, node, events) => consent?,
            () = stop_signal(false) => return Ok(()),
        }
    }
    let terms = tokio::select! {
        terms = Agent::offer(&plan.state, plan.passphrase.as_deref(), &plan.join) => terms?,
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

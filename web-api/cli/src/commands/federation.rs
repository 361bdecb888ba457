//! Federations, as the node shows them.

use std::path::PathBuf;

use aggregator_network::Address;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use privacy_identity::Digest;
use serde::Deserialize;
use serde_json::{Value, json};
use trainer_agent::Invitation;

use super::NodeArgs;
use super::output::{percent, print, print_json, print_table, short, typed};
use crate::rest::Rest;
use crate::serve::{ServeConfig, configured_terms, opened_federation};
use crate::settlement::terms_json;

/// `sahakar federation`.
#[derive(Debug, Subcommand)]
pub enum FederationCommand {
    /// List all federations
    List(NodeArgs),
    /// Show a federation's rounds and contributors
    Show(ShowArgs),
    /// Write an invitation: what a contributor gives to `sahakar trainer --join`
    Invite(InviteArgs),
    /// Show the terms that a configuration makes, and the digest that members vote on
    Terms(TermsArgs),
}

/// `sahakar federation invite`.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// The DAO node's configuration: it has the token, and the node's folder the federation's id once it was started
    #[arg(long, value_name = "FILE", conflicts_with = "federation")]
    pub config: Option<PathBuf>,
    /// The federation's id, as the DAO node says it when it starts
    #[arg(long, value_name = "DIGEST", required_unless_present = "config")]
    pub federation: Option<Digest>,
    /// Where the coordinator listens, with its identity; may be given for QUIC and TCP
    #[arg(long, value_name = "ADDRESS", required = true)]
    pub coordinator: Vec<Address>,
    /// A relay at which the coordinator has a place
    #[arg(long, value_name = "ADDRESS")]
    pub relay: Vec<Address>,
    /// What the DAO node expects to be shown: `secrets.invitation_token` of its configuration
    #[arg(
        long,
        env = "SAHAKAR_INVITATION_TOKEN",
        hide_env_values = true,
        required_unless_present = "config"
    )]
    pub token: Option<String>,
}

impl InviteArgs {
    fn run(self) -> anyhow::Result<()> {
        let (federation, token) = match (self.config, self.federation, self.token) {
            (Some(path), _, token) => {
                let config = ServeConfig::load(&path)?;
                // One that is given wins over the file, as everywhere: it may stand in the environment.
                (opened_federation(&config)?, token.unwrap_or(config.secrets.invitation_token))
            }
            (None, Some(federation), Some(token)) => (federation, token),
            (None, ..) => bail!("--federation and --token, or --config"),
        };
        let Self { coordinator, relay, .. } = self;
        let invitation = Invitation { federation, coordinator, relays: relay, token };
        invitation.check()?;
        print(invitation)
    }
}

/// `sahakar federation terms`.
#[derive(Debug, Args)]
#[command(
    after_help = "The digest goes into a proposal; after the vote the node takes these terms once this configuration is in place, \
and each device that agrees to them (`sahakar member consent`):
  sahakar proposal new … --action \
'{\"set_privacy_policy\":{\"federation\":\"wine\",\"policy\":{\"terms\":\"DIGEST\",\"minimum_cohort\":4,\"epsilon_micro_max\":null}}}'"
)]
pub struct TermsArgs {
    /// The DAO node's configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `sahakar federation show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The federation's name
    pub name: String,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

impl TermsArgs {
    fn run(&self) -> anyhow::Result<()> {
        let terms = configured_terms(&ServeConfig::load(&self.config)?)?;
        let (digest, shown) = (terms.id().to_string(), terms_json(&terms));
        if self.json {
            return print_json(&json!({"digest": digest, "terms": shown}));
        }
        print(format!("digest {digest}"))?;
        print_json(&shown)
    }
}

#[derive(Debug, Deserialize)]
struct List {
    federations: Vec<Summary>,
}

#[derive(Debug, Deserialize)]
struct Summary {
    name: String,
    members: u64,
    rounds: u64,
    rounds_settled: u64,
    test_accuracy: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    #[serde(flatten)]
    summary: Summary,
    settled: Vec<Round>,
    rounds_aborted: u64,
    contributors: Vec<Contributor>,
    ended: Option<String>,
    offered_round: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Round {
    round: u64,
    test_accuracy: Option<f64>,
    test_loss: f64,
    participants: u32,
    dropped: u32,
    credits: String,
}

/// A contributor of a federation.
#[derive(Debug, Deserialize)]
pub(super) struct Contributor {
    pub(super) member: String,
    pub(super) label: String,
    rounds: u64,
    value: f64,
    value_low: Option<f64>,
    value_high: Option<f64>,
    credits: String,
}

impl Contributor {
    pub(super) const HEADER: [&str; 6] =
        ["member", "key", "rounds", "value ‰", "95 % interval", "credits"];

    pub(super) fn row(&self) -> Vec<String> {
        let interval = match (self.value_low, self.value_high) {
            (Some(low), Some(high)) => format!("{:+.1} … {:+.1}", 1e3 * low, 1e3 * high),
            _ => "–".to_owned(),
        };
        vec![
            self.label.clone(),
            short(&self.member),
            self.rounds.to_string(),
            format!("{:+.1}", 1e3 * self.value),
            interval,
            self.credits.clone(),
        ]
    }
}

impl FederationCommand {
    /// Does it.
    ///
    /// # Errors
    /// What the node refuses.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(node) => {
                let answer = list(&node.rest())?;
                if node.json { print_json(&answer) } else { print_list(&typed(&answer)?) }
            }
            Self::Invite(args) => args.run(),
            Self::Terms(args) => args.run(),
            Self::Show(ShowArgs { name, node }) => {
                let answer = show(&node.rest(), &name)?;
                if node.json { print_json(&answer) } else { print_detail(&typed(&answer)?) }
            }
        }
    }
}

/// All federations, as the node answers.
///
/// # Errors
/// What the node refuses.
pub fn list(rest: &Rest) -> anyhow::Result<Value> {
    rest.get_all("/v1/federations", "federations").context("the federations cannot be listed")
}

/// A federation, as the node answers.
///
/// # Errors
/// What the node refuses.
pub fn show(rest: &Rest, name: &str) -> anyhow::Result<Value> {
    let found = rest.get(&format!("/v1/federations/{name}"));
    found.with_context(|| format!("the federation {name:?} cannot be shown"))
}

/// The names of all federations.
pub(super) fn names(rest: &Rest) -> anyhow::Result<Vec<String>> {
    let list: List = typed(&list(rest)?)?;
    Ok(list.federations.into_iter().map(|federation| federation.name).collect())
}

/// The contributors of a federation.
pub(super) fn contributors(rest: &Rest, name: &str) -> anyhow::Result<Vec<Contributor>> {
    Ok(typed::<Detail>(&show(rest, name)?)?.contributors)
}

fn print_list(list: &List) -> anyhow::Result<()> {
    let row = |f: &Summary| {
        let rounds = format!("{} of {}", f.rounds_settled, f.rounds);
        vec![f.name.clone(), rounds, f.members.to_string(), percent(f.test_accuracy)]
    };
    let rows = list.federations.iter().map(row).collect();
    print_table(&["federation", "rounds", "members", "accuracy"], 1, rows)
}

fn print_detail(detail: &Detail) -> anyhow::Result<()> {
    let Summary { name, rounds, rounds_settled, test_accuracy, members } = &detail.summary;
    let accuracy = percent(*test_accuracy);
    print(format!(
        "{name}: {rounds_settled} of {rounds} rounds settled, {} aborted, {members} members, \
         accuracy {accuracy}",
        detail.rounds_aborted,
    ))?;
    if let Some(reason) = &detail.ended {
        let offered = detail.offered_round.map_or_else(
            || "no model is on offer".to_owned(),
            |round| format!("the model of round {round} is on offer"),
        );
        print(format!("ended: {reason}; {offered}"))?;
    }
    let row = |round: &Round| {
        vec![
            round.round.to_string(),
            percent(round.test_accuracy),
            format!("{:.4}", round.test_loss),
            round.participants.to_string(),
            round.dropped.to_string(),
            round.credits.clone(),
        ]
    };
    let header = ["round", "accuracy", "loss", "took part", "dropped", "credits"];
    print_table(&header, 0, detail.settled.iter().map(row).collect())?;
    print_table(&Contributor::HEADER, 2, detail.contributors.iter().map(Contributor::row).collect())
}

//! Proposals: made and withdrawn with a member's key, taken along by anybody.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use data_dao_governance::{Action, Cancellation, ProposalContent, ProposalId};
use privacy_identity::{Digest, SigningKey};
use rand::RngExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::NodeArgs;
use super::key::read_key_file;
use super::output::{print, print_json, print_table, short, typed};
use crate::rest::Rest;

/// `sahakar proposal`.
#[derive(Debug, Subcommand)]
pub enum ProposalCommand {
    /// Make a proposal
    Create(CreateArgs),
    /// List all proposals
    List(NodeArgs),
    /// Show a proposal and its votes
    Show(StepArgs),
    /// Start the timelock of a proposal that succeeded
    Queue(StepArgs),
    /// Carry out a queued proposal after its timelock
    Execute(StepArgs),
    /// Withdraw your proposal before the vote
    Cancel(CancelArgs),
}

/// `sahakar proposal create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// One line
    #[arg(long)]
    pub title: String,
    /// Why
    #[arg(long)]
    pub description: String,
    /// Set what one call of a model costs, in 10⁻⁴ of the currency's unit
    #[arg(long, value_name = "MODEL=PRICE", value_parser = name_and_amount)]
    pub set_price: Vec<(String, u128)>,
    /// Set the credits of a federation's later rounds
    #[arg(long, value_name = "FEDERATION=CREDITS", value_parser = name_and_amount)]
    pub set_budget: Vec<(String, u128)>,
    /// Your key file (`sahakar key new`)
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// A step of a proposal.
#[derive(Debug, Args)]
pub struct StepArgs {
    /// The proposal's id
    pub id: ProposalId,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `sahakar proposal cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The proposal's id
    pub id: ProposalId,
    /// Your key file
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What a member wants to propose.
#[derive(Debug, Clone)]
pub struct Motion {
    /// One line.
    pub title: String,
    /// Why.
    pub description: String,
    /// What happens on execution.
    pub actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
struct List {
    proposals: Vec<View>,
}

#[derive(Debug, Deserialize)]
struct View {
    id: String,
    state: String,
    content: Content,
    tally: Tally,
    quorum: String,
    quorum_reached: bool,
    minimum_voters: u32,
    voting_starts_ms: u64,
    voting_ends_ms: u64,
    executable_ms: Option<u64>,
    ballots: Vec<Ballot>,
}

#[derive(Debug, Deserialize)]
struct Content {
    title: String,
    description: String,
    actions: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Tally {
    r#for: String,
    against: String,
    abstain: String,
}

#[derive(Debug, Deserialize)]
struct Ballot {
    voter: String,
    label: Option<String>,
    choice: String,
    weight: String,
}

impl ProposalCommand {
    /// Does it.
    ///
    /// # Errors
    /// What the node or the key file refuses.
    pub fn run(self) -> anyhow::Result<()> {
        let (node, answer) = match self {
            Self::List(node) => {
                let answer = node.rest().get("/v1/proposals")?;
                return if node.json { print_json(&answer) } else { print_list(&typed(&answer)?) };
            }
            Self::Create(args) => {
                let (node, key) = (args.node.clone(), read_key_file(&args.key)?);
                let answer = create(&node.rest(), &key, args.motion())?;
                (node, answer)
            }
            Self::Show(StepArgs { id, node }) => {
                let answer = show(&node.rest(), id)?;
                (node, answer)
            }
            Self::Queue(StepArgs { id, node }) => {
                let answer = queue(&node.rest(), id)?;
                (node, answer)
            }
            Self::Execute(StepArgs { id, node }) => {
                let answer = execute(&node.rest(), id)?;
                (node, answer)
            }
            Self::Cancel(CancelArgs { id, key, node }) => {
                let answer = cancel(&node.rest(), &read_key_file(&key)?, id)?;
                (node, answer)
            }
        };
        print_answer(&node, &answer)
    }
}

impl CreateArgs {
    fn motion(self) -> Motion {
        let prices = self.set_price.into_iter();
        let prices = prices.map(|(model, price)| Action::SetPredictionPrice { model, price });
        let budgets = self.set_budget.into_iter();
        let budgets =
            budgets.map(|(federation, credits)| Action::SetRoundBudget { federation, credits });
        let mut actions: Vec<_> = prices.chain(budgets).collect();
        if actions.is_empty() {
            actions.push(Action::Text);
        }
        Motion { title: self.title, description: self.description, actions }
    }
}

/// Makes a proposal, signed by `key`. Returns the node's answer.
///
/// # Errors
/// What the node refuses.
pub fn create(rest: &Rest, key: &SigningKey, motion: Motion) -> anyhow::Result<Value> {
    let Motion { title, description, actions } = motion;
    let content = ProposalContent {
        dao: dao_id(rest)?,
        title,
        description,
        actions,
        proposer: key.verifying_key(),
        salt: rand::rng().random(),
    };
    let signature = content.sign(key).to_string();
    let body = json!({"content": content, "signature": signature});
    let answer = rest.post("/v1/proposals", None, &body).context("the proposal was not made")?;
    let id = content.id().to_string();
    if answer["id"] != id.as_str() {
        bail!("the node names the proposal {}, its content's digest is {id}", answer["id"]);
    }
    Ok(answer)
}

/// A proposal, as the node answers.
///
/// # Errors
/// What the node refuses.
pub fn show(rest: &Rest, id: ProposalId) -> anyhow::Result<Value> {
    rest.get(&format!("/v1/proposals/{id}")).context("the proposal cannot be shown")
}

/// Starts the timelock of a proposal that succeeded.
///
/// # Errors
/// What the node refuses.
pub fn queue(rest: &Rest, id: ProposalId) -> anyhow::Result<Value> {
    let answer = rest.post(&format!("/v1/proposals/{id}/queue"), None, &Value::Null);
    answer.context("the proposal was not queued")
}

/// Carries out a queued proposal.
///
/// # Errors
/// What the node refuses.
pub fn execute(rest: &Rest, id: ProposalId) -> anyhow::Result<Value> {
    let answer = rest.post(&format!("/v1/proposals/{id}/execution"), None, &Value::Null);
    answer.context("the proposal was not executed")
}

/// Withdraws a proposal, signed by its proposer's `key`.
///
/// # Errors
/// What the node refuses.
pub fn cancel(rest: &Rest, key: &SigningKey, id: ProposalId) -> anyhow::Result<Value> {
    let cancellation = Cancellation { dao: dao_id(rest)?, proposal: id };
    let body = json!({"signature": cancellation.sign(key).to_string()});
    let answer = rest.post(&format!("/v1/proposals/{id}/cancellation"), None, &body);
    answer.context("the proposal was not withdrawn")
}

/// The id of the node's DAO: what members' signatures are bound to.
pub(super) fn dao_id(rest: &Rest) -> anyhow::Result<Digest> {
    let ledger = rest.get("/v1/ledger").context("the node's DAO is not known")?;
    let id = ledger["dao"].as_str().context("the node's DAO is not founded yet")?;
    id.parse().context("the node's DAO has no proper id")
}

fn name_and_amount(text: &str) -> Result<(String, u128), String> {
    let parts = text.split_once('=').and_then(|(name, amount)| Some((name, amount.parse().ok()?)));
    let (name, amount) = parts.ok_or_else(|| "expected NAME=NUMBER".to_owned())?;
    Ok((name.to_owned(), amount))
}

/// Shows a proposal.
pub(super) fn print_answer(node: &NodeArgs, answer: &Value) -> anyhow::Result<()> {
    if node.json { print_json(answer) } else { print_view(&typed(answer)?) }
}

fn print_list(list: &List) -> anyhow::Result<()> {
    let row = |p: &View| {
        let Tally { r#for, against, abstain } = &p.tally;
        let texts = [&p.id, &p.content.title, &p.state, r#for, against, abstain];
        texts.map(Clone::clone).to_vec()
    };
    let header = ["proposal", "title", "state", "for", "against", "abstain"];
    print_table(&header, 3, list.proposals.iter().map(row).collect())
}

fn print_view(view: &View) -> anyhow::Result<()> {
    print(format!("{}\n{} — {}", view.id, view.content.title, view.state))?;
    print(&view.content.description)?;
    for action in &view.content.actions {
        print(format!("action: {action}"))?;
    }
    let (starts, ends) = (view.voting_starts_ms, view.voting_ends_ms);
    print(format!("votes are taken after {starts} until {ends} (ms since 1970)"))?;
    if let Some(executable_ms) = view.executable_ms {
        print(format!("can be executed from {executable_ms} on"))?;
    }
    let Tally { r#for, against, abstain } = &view.tally;
    let reached = if view.quorum_reached { "reached" } else { "not reached" };
    print(format!(
        "for {for}, against {against}, abstain {abstain}; quorum {} of at least {} members: {reached}",
        view.quorum, view.minimum_voters,
    ))?;
    if view.ballots.is_empty() {
        return Ok(());
    }
    let row = |b: &Ballot| {
        let name = b.label.clone().unwrap_or_default();
        vec![name, short(&b.voter), b.choice.clone(), b.weight.clone()]
    };
    let rows = view.ballots.iter().map(row).collect();
    print_table(&["member", "key", "vote", "weight"], 3, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_an_amount_is_read() {
        assert_eq!(name_and_amount("wine=250"), Ok(("wine".to_owned(), 250)));
        for bad in ["wine", "wine=", "wine=-1", "wine=2.5"] {
            assert!(name_and_amount(bad).is_err(), "{bad}");
        }
    }
}

//! Proposals: made and withdrawn with a member's key. They execute themselves.

mod new;
mod price_policy;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use data_dao_governance::{
    Action, Cancellation, Draft, ProposalContent, ProposalId, Request as _, Veto,
};
use data_dao_store::is_commitment;
use privacy_identity::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::NodeArgs;
use super::key::read_key_file;
use super::name::{name_json, salted};
use super::output::{moment, print, print_json, print_table, short, typed};
use super::signing::{Stamp, dao_id, member_of, stamp};
use crate::rest::Rest;
pub use new::{Motion, NewArgs};
pub use price_policy::ModelPrices;

/// `sahakar proposal`.
#[derive(Debug, Subcommand)]
pub enum ProposalCommand {
    /// Make a proposal, or write a draft of one
    #[command(alias = "create")]
    New(Box<NewArgs>),
    /// List all proposals
    List(NodeArgs),
    /// Show a proposal and its votes
    Show(StepArgs),
    /// Withdraw your proposal: before the vote, or later while the DAO has no guardian
    Cancel(CancelArgs),
    /// Stop a proposal, as the guardian
    Veto(VetoArgs),
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

/// `sahakar proposal veto`.
#[derive(Debug, Args)]
pub struct VetoArgs {
    /// The proposal's id
    pub id: ProposalId,
    /// Why: it is written into the log
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// The guardian's key file
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
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
    minimum_voters: u64,
    voting_starts_ms: u64,
    voting_ends_ms: u64,
    executable_ms: Option<u64>,
    class: String,
    objection_ends_ms: Option<u64>,
    reveal_ends_ms: Option<u64>,
    executed_by: Option<u64>,
    veto_reason: Option<String>,
    sealed_ballots: u64,
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
    capacity: String,
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
                let answer = node.rest().get_all("/v1/proposals", "proposals")?;
                return if node.json { print_json(&answer) } else { print_list(&typed(&answer)?) };
            }
            Self::New(args) => return args.run(),
            Self::Show(StepArgs { id, node }) => {
                let answer = show(&node.rest(), id)?;
                (node, answer)
            }
            Self::Cancel(CancelArgs { id, key, node }) => {
                let answer = cancel(&node.rest(), &read_key_file(&key)?, id)?;
                (node, answer)
            }
            Self::Veto(VetoArgs { id, reason, key, node }) => {
                let answer = veto(&node.rest(), &read_key_file(&key)?, id, reason)?;
                (node, answer)
            }
        };
        print_answer(&node, &answer)
    }
}

/// Makes a proposal, signed by `key`. Returns the node's answer.
///
/// # Errors
/// What the node refuses.
pub fn create(rest: &Rest, key: &SigningKey, motion: Motion) -> anyhow::Result<Value> {
    let proposer = member_of(rest, &key.verifying_key());
    send(rest, key, Concealed::from(motion.content(dao_id(rest)?, proposer)))
}

/// What is proposed, with nobody's name in it, and the names beside it: what a node takes, but for the signature, and what is
/// in a draft.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Concealed {
    content: ProposalContent,
    /// Each a name with its salt, of which a label in the content is the commitment.
    names: Vec<Value>,
}

impl From<ProposalContent> for Concealed {
    fn from(mut content: ProposalContent) -> Self {
        let names = conceal_labels(&mut content.actions);
        Self { content, names }
    }
}

/// Puts commitments where members to be admitted are called by name, and returns the names.
fn conceal_labels(actions: &mut [Action]) -> Vec<Value> {
    let mut names = Vec::new();
    for action in actions {
        if let Action::AdmitMember { label, .. } = action
            && !is_commitment(label)
        {
            let name = salted(std::mem::take(label));
            *label = name.commitment();
            names.push(name_json(&name));
        }
    }
    names
}

/// Sends it, signed by `key`. Returns the node's answer.
fn send(rest: &Rest, key: &SigningKey, proposed: Concealed) -> anyhow::Result<Value> {
    let Concealed { content, names } = proposed;
    let draft = Draft::new(content).context("the proposal cannot stand")?;
    let (id, content) = (draft.id().to_string(), draft.content());
    let signature = content.sign(key).to_string();
    let body = json!({"content": content, "signature": signature, "names": names});
    let answer = rest.post("/v1/proposals", None, &body).context("the proposal was not made")?;
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

/// Withdraws a proposal, signed by its proposer's `key`.
///
/// # Errors
/// What the node refuses.
pub fn cancel(rest: &Rest, key: &SigningKey, id: ProposalId) -> anyhow::Result<Value> {
    let Stamp { dao, member: proposer, nonce, expires_ms } = stamp(rest, key)?;
    let cancellation = Cancellation { dao, proposal: id, proposer, nonce, expires_ms };
    let signature = cancellation.sign(key).to_string();
    let body = json!({"cancellation": cancellation, "signature": signature});
    let answer = rest.post(&format!("/v1/proposals/{id}/cancellation"), None, &body);
    answer.context("the proposal was not withdrawn")
}

/// Stops a proposal, signed by the guardian's `key`.
///
/// # Errors
/// What the node refuses.
pub fn veto(
    rest: &Rest,
    key: &SigningKey,
    id: ProposalId,
    reason: String,
) -> anyhow::Result<Value> {
    let Stamp { dao, member: guardian, nonce, expires_ms } = stamp(rest, key)?;
    let veto = Veto { dao, proposal: id, guardian, reason, nonce, expires_ms };
    let body = json!({"veto": veto, "signature": veto.sign(key).to_string()});
    let answer = rest.post(&format!("/v1/proposals/{id}/veto"), None, &body);
    answer.context("the proposal was not stopped")
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
    print(format!("{}\n{} — {} ({})", view.id, view.content.title, view.state, view.class))?;
    print(&view.content.description)?;
    for action in &view.content.actions {
        print(format!("action: {action}"))?;
    }
    let (starts, ends) = (view.voting_starts_ms, view.voting_ends_ms);
    print(format!("votes are taken after {} until {}", moment(starts), moment(ends)))?;
    let times = [
        ("sealed ballots are opened until", view.reveal_ends_ms),
        ("votes against are taken until", view.objection_ends_ms),
        ("is executed by itself from", view.executable_ms),
    ];
    for (what, ms) in times {
        if let Some(ms) = ms {
            print(format!("{what} {}", moment(ms)))?;
        }
    }
    if let Some(entry) = view.executed_by {
        print(format!("was executed by entry {entry}"))?;
    }
    if let Some(reason) = &view.veto_reason {
        print(format!("stopped by the guardian: {reason}"))?;
    }
    if view.sealed_ballots > 0 {
        print(format!("{} sealed ballots are not opened", view.sealed_ballots))?;
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
        vec![name, short(&b.voter), b.capacity.clone(), b.choice.clone(), b.weight.clone()]
    };
    let rows = view.ballots.iter().map(row).collect();
    print_table(&["member", "key", "weight is", "vote", "weight"], 4, rows)
}

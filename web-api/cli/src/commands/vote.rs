//! A member's vote.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use data_dao_governance::{Ballot, Choice, ProposalId};
use privacy_identity::SigningKey;
use serde_json::{Value, json};

use super::NodeArgs;
use super::key::read_key_file;
use super::proposal::{dao_id, print_answer};
use crate::rest::Rest;

/// `sahakar vote`.
#[derive(Debug, Args)]
pub struct VoteArgs {
    /// The proposal's id
    #[arg(long, value_name = "ID")]
    pub proposal: ProposalId,
    /// Your vote
    #[arg(long, value_enum)]
    pub choice: ChoiceArg,
    /// Your key file (`sahakar key new`)
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// A vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChoiceArg {
    /// Yes
    For,
    /// No
    Against,
    /// Neither, but counts towards the quorum
    Abstain,
}

impl From<ChoiceArg> for Choice {
    fn from(choice: ChoiceArg) -> Self {
        match choice {
            ChoiceArg::For => Self::For,
            ChoiceArg::Against => Self::Against,
            ChoiceArg::Abstain => Self::Abstain,
        }
    }
}

impl VoteArgs {
    /// Does it.
    ///
    /// # Errors
    /// What the node or the key file refuses.
    pub fn run(self) -> anyhow::Result<()> {
        let key = read_key_file(&self.key)?;
        let answer = cast(&self.node.rest(), &key, self.proposal, self.choice.into())?;
        print_answer(&self.node, &answer)
    }
}

/// Votes on a proposal, signed by `key`. Returns the proposal, as the node answers.
///
/// # Errors
/// What the node refuses.
pub fn cast(
    rest: &Rest,
    key: &SigningKey,
    proposal: ProposalId,
    choice: Choice,
) -> anyhow::Result<Value> {
    let ballot = Ballot { dao: dao_id(rest)?, proposal, choice, voter: key.verifying_key() };
    let body = json!({"ballot": ballot, "signature": ballot.sign(key).to_string()});
    let answer = rest.post(&format!("/v1/proposals/{proposal}/ballots"), None, &body);
    answer.context("the vote was not counted")
}

//! A member's objection to what a round is about to pay.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use data_dao_governance::Accused;
use data_dao_journal::Dispute;
use data_dao_ledger::Name;
use privacy_identity::{Digest, SigningKey, Tag};
use serde::Deserialize;
use serde_json::{Value, json};

use super::NodeArgs;
use super::key::read_key_file;
use super::output::{moment, print, print_json, short, typed};
use super::signing::{dao_id, member_of};
use crate::rest::Rest;

/// `sahakar dispute`.
#[derive(Debug, Args)]
pub struct DisputeArgs {
    /// The federation
    #[arg(long, value_name = "NAME")]
    pub federation: Name,
    /// The round
    #[arg(long)]
    pub round: u64,
    /// Whose pay: a participant's public key, or `round` for everybody's
    #[arg(long, default_value = "round", value_name = "KEY")]
    pub accused: Accused,
    /// Why, in at most 200 bytes
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// What the members are to look at; its digest goes into the ledger, the file stays with you
    #[arg(long, value_name = "FILE")]
    pub evidence: PathBuf,
    /// Show the evidence to the DAO node, which judges it: for what your device kept of a false answer about your update,
    /// `receipts/<round>.disclosure`. It is a part of your update, for the node's eyes alone
    #[arg(long)]
    pub disclose: bool,
    /// Your key file (`sahakar key new`)
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// How a round's pay stands after an objection.
#[derive(Debug, Deserialize)]
struct Challenge {
    ends_at_ms: u64,
    due_at_ms: u64,
    credits: String,
    accused: Vec<String>,
}

/// What a disclosure proved.
#[derive(Debug, Deserialize)]
struct Fault {
    round: u64,
    party: String,
    ledger_index: u64,
}

impl DisputeArgs {
    /// Does it.
    ///
    /// # Errors
    /// What the node, the key file or the evidence file refuses.
    pub fn run(self) -> anyhow::Result<()> {
        let key = read_key_file(&self.key)?;
        let evidence = fs::read(&self.evidence)
            .with_context(|| format!("reading {}", self.evidence.display()))?;
        let rest = self.node.rest();
        let dispute = Dispute {
            dao: dao_id(&rest)?,
            federation: self.federation,
            round: self.round,
            accused: self.accused,
            complainant: member_of(&rest, &key.verifying_key()),
            evidence: Digest::of(Tag::Dispute, &evidence),
            reason: self.reason,
        };
        let answer = if self.disclose {
            disclose(&rest, &key, &dispute, &evidence)?
        } else {
            file(&rest, &key, &dispute)?
        };
        if self.node.json {
            return print_json(&answer);
        }
        let shown = if self.disclose {
            typed(&answer).and_then(|fault| print_fault(&fault))
        } else {
            typed(&answer).and_then(|pay| print_challenge(&pay))
        };
        shown.context("the objection was taken")
    }
}

fn print_challenge(pay: &Challenge) -> anyhow::Result<()> {
    let Challenge { ends_at_ms, due_at_ms, credits, accused } = pay;
    print(format!("the objection was taken; {credits} credits of the round wait"))?;
    let whom = |key: &String| if key == "round" { "everybody's".to_owned() } else { short(key) };
    let accused: Vec<_> = accused.iter().map(whom).collect();
    print(format!("objected to is the pay of: {}", accused.join(", ")))?;
    print(format!(
        "objections are taken until {}; what the members do not void is paid from {}",
        moment(*ends_at_ms),
        moment(*due_at_ms)
    ))
}

fn print_fault(fault: &Fault) -> anyhow::Result<()> {
    let Fault { round, party, ledger_index } = fault;
    print(format!(
        "proven: {party} lied about your update of round {round} (ledger entry {ledger_index})"
    ))?;
    print("the federation is stopped and the round's pay held back until the members decide")
}

/// Files an objection, signed by `key`. Returns how the pay stands, as the node answers.
///
/// # Errors
/// What the node refuses.
pub fn file(rest: &Rest, key: &SigningKey, dispute: &Dispute) -> anyhow::Result<Value> {
    let body = json!({"dispute": dispute, "signature": dispute.sign(key).to_string()});
    rest.post("/v1/disputes", None, &body).context("the objection was not taken")
}

/// Files an objection, signed by `key`, with the disclosure that is its evidence. Returns what was proven, as the node answers.
///
/// # Errors
/// What the node refuses: a disclosure that proves nothing.
pub fn disclose(
    rest: &Rest,
    key: &SigningKey,
    dispute: &Dispute,
    disclosure: &[u8],
) -> anyhow::Result<Value> {
    let request = json!({"dispute": dispute, "signature": dispute.sign(key).to_string()});
    let request = request.to_string();
    let length = u32::try_from(request.len()).context("the objection is too long")?;
    let body = [&length.to_be_bytes(), request.as_bytes(), disclosure].concat();
    rest.post_bytes("/v1/disputes/disclosures", &body).context("the proof was not taken")
}

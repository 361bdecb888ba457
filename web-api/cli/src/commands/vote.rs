//! A member's vote.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use data_dao_governance::{
    Ballot, Capacity, Choice, Opening, ProposalId, Request as _, Split, Vote,
};
use privacy_identity::{Digest, SigningKey, Tag};
use rand::RngExt as _;
use serde_json::{Value, json};

use super::NodeArgs;
use super::key::read_key_file;
use super::output::print;
use super::proposal::print_answer;
use super::receipt::ballot::BallotReceipt;
use super::signing::{Stamp, stamp};
use crate::rest::Rest;

/// What is said of an answer that proves nothing.
const UNPROVEN: &str =
    "the node says that it counted the vote, but does not prove it: tell other members";

/// `sahakar vote`.
///
/// Your key signs here and never leaves this machine; the node gets the signed ballot alone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sahakar vote --proposal ID --choice for --key my.key --receipt my-vote.json
  sahakar vote --proposal ID --choice against --key my.key --override   # you entrusted your vote to somebody
  sahakar vote --proposal ID --split 10,25,5 --key my.key               # weight against, for, abstaining
  sahakar vote --proposal ID --choice for --key my.key --seal vote.secret
  sahakar vote --open vote.secret                                       # after the vote: a sealed ballot counts now")]
pub struct VoteArgs {
    /// The proposal's id
    #[arg(long, value_name = "ID", required_unless_present = "open")]
    pub proposal: Option<ProposalId>,
    /// Your vote
    #[arg(long, value_enum, required_unless_present_any = ["open", "split"])]
    pub choice: Option<ChoiceArg>,
    /// Weight against, for and abstaining, instead of one choice
    #[arg(long, value_name = "AGAINST,FOR,ABSTAIN", conflicts_with = "choice", value_parser = split_from_text)]
    pub split: Option<Split>,
    /// Vote with your own weight although you entrusted it to another
    #[arg(long = "override")]
    pub overriding: bool,
    /// Your words; their digest goes into the log, they do not
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Your key file (`sahakar key new`)
    #[arg(long, value_name = "FILE", required_unless_present = "open")]
    pub key: Option<PathBuf>,
    /// Seal the ballot, for a proposal with sealed ballots, and keep here what opens it
    #[arg(long, value_name = "FILE")]
    pub seal: Option<PathBuf>,
    /// Open a sealed ballot after the vote, from the file that `--seal` wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seal", "choice", "split", "proposal", "key"])]
    pub open: Option<PathBuf>,
    /// Keep the proof that the ballot is in the log (`sahakar receipt ballot FILE`)
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// The log's verifier key, from where you trust it: the proof has to hold by that one, whatever key the node names
    #[arg(long, value_name = "VKEY")]
    pub vkey: Option<String>,
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

/// What a member wants to say.
#[derive(Debug, Clone)]
pub struct Voice {
    /// On which proposal.
    pub proposal: ProposalId,
    /// What.
    pub vote: Vote,
    /// With which weight.
    pub capacity: Capacity,
    /// Why; only its digest is published.
    pub reason: Option<String>,
}

impl VoteArgs {
    /// Does it.
    ///
    /// # Errors
    /// What the node or the files refuse.
    pub fn run(self) -> anyhow::Result<()> {
        let rest = self.node.rest();
        let answer = if let Some(file) = &self.open {
            reveal(&rest, &read_opening(file)?)?
        } else {
            let key = self.key.as_deref().context("--key FILE is needed")?;
            let (key, voice) = (read_key_file(key)?, self.voice()?);
            match &self.seal {
                None => cast(&rest, &key, &voice)?,
                Some(file) => seal(&rest, &key, &voice, file)?,
            }
        };
        let vkey = match &self.vkey {
            None => vkey(&rest)?,
            Some(trusted) => {
                let checked = BallotReceipt::from_answer(&answer, trusted)?.check(trusted);
                checked.context(UNPROVEN)?;
                trusted.clone()
            }
        };
        if let Some(file) = &self.receipt {
            let receipt = BallotReceipt::from_answer(&answer, &vkey)?;
            let text = serde_json::to_string_pretty(&receipt).context("writing the receipt")?;
            std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
            if !self.node.json {
                print(format!(
                    "the proof that your ballot is in the log is in {}",
                    file.display()
                ))?;
            }
        }
        print_answer(&self.node, &answer)
    }

    fn voice(&self) -> anyhow::Result<Voice> {
        let vote = match (self.split, self.choice) {
            (Some(split), _) => Vote::Split(split),
            (None, Some(choice)) => Vote::Whole(choice.into()),
            (None, None) => bail!("--choice or --split is needed"),
        };
        let capacity = if self.overriding { Capacity::Override } else { Capacity::Entrusted };
        let proposal = self.proposal.context("--proposal ID is needed")?;
        Ok(Voice { proposal, vote, capacity, reason: self.reason.clone() })
    }
}

fn ballot(voice: &Voice, stamp: Stamp) -> Ballot {
    let Stamp { dao, member: voter, nonce, expires_ms } = stamp;
    let reason = voice.reason.as_ref().map(|text| Digest::of(Tag::BallotReason, text.as_bytes()));
    let Voice { proposal, vote, capacity, .. } = *voice;
    Ballot { dao, proposal, vote, capacity, voter, reason, nonce, expires_ms }
}

/// Votes on a proposal, signed by `key`. Returns the proposal and the receipt, as the node answers;
/// the receipt was checked to prove this very ballot.
///
/// # Errors
/// What the node refuses, or a receipt that does not hold.
pub fn cast(rest: &Rest, key: &SigningKey, voice: &Voice) -> anyhow::Result<Value> {
    let ballot = ballot(voice, stamp(rest, key)?);
    let proposal = voice.proposal;
    let signature = ballot.sign(key).to_string();
    let body = json!({"ballot": ballot, "signature": signature});
    let answer = rest.post(&format!("/v1/proposals/{proposal}/ballots"), None, &body);
    let answer = answer.context("the vote was not counted")?;
    proven(rest, answer, "ballot_cast", &body)
}

/// Seals a ballot, and keeps what opens it in `file` before anything is sent.
///
/// # Errors
/// What the node or the disk refuses, or a receipt that does not hold.
pub fn seal(rest: &Rest, key: &SigningKey, voice: &Voice, file: &Path) -> anyhow::Result<Value> {
    let ballot = ballot(voice, stamp(rest, key)?);
    let (proposal, signature) = (voice.proposal, ballot.sign(key));
    let opening = Opening { ballot, signature, blinding: Digest(rand::rng().random()) };
    write_new(file, &serde_json::to_string_pretty(&opening).context("writing the opening")?)?;
    let sealed = opening.sealed();
    let body = json!({"ballot": sealed, "signature": sealed.sign(key).to_string()});
    let answer = rest.post(&format!("/v1/proposals/{proposal}/sealed-ballots"), None, &body);
    let answer = answer.context("the sealed ballot was not taken")?;
    proven(rest, answer, "ballot_sealed", &body)
}

/// Opens a sealed ballot.
///
/// # Errors
/// What the node refuses, or a receipt that does not hold.
pub fn reveal(rest: &Rest, opening: &Opening) -> anyhow::Result<Value> {
    let body = json!({"opening": opening});
    let path = format!("/v1/proposals/{}/openings", opening.ballot.proposal);
    let answer = rest.post(&path, None, &body).context("the ballot was not opened")?;
    proven(rest, answer, "ballot_revealed", &body)
}

/// The answer, if its receipt proves that exactly `body` is in the log.
///
/// Threat: a node that drops a ballot, or counts another. It can still sign a log of its own making, by a key that it names now:
/// against that `--vkey` names the one that members know, and then the signature stays as evidence of the fork.
fn proven(rest: &Rest, answer: Value, kind: &str, body: &Value) -> anyhow::Result<Value> {
    let vkey = vkey(rest)?;
    let checked = || {
        let entry = BallotReceipt::from_answer(&answer, &vkey)?.check(&vkey)?;
        if entry["body"][kind] != *body {
            bail!("the entry is not what was signed here");
        }
        Ok(())
    };
    checked().context(UNPROVEN)?;
    Ok(answer)
}

/// The log's verifier key, as the node names it.
fn vkey(rest: &Rest) -> anyhow::Result<String> {
    let ledger = rest.get("/v1/ledger")?;
    let vkey = ledger["vkey"].as_str().context("the node names no key of its log")?;
    Ok(vkey.to_owned())
}

/// Reads what opens a sealed ballot.
fn read_opening(file: &Path) -> anyhow::Result<Opening> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} opens no ballot", file.display()))
}

/// Writes a file that must not exist: what opens another ballot must not be lost.
fn write_new(file: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let new = std::fs::File::create_new(file);
    let mut new = new.with_context(|| format!("creating {}: take a new name", file.display()))?;
    new.write_all(text.as_bytes())?;
    new.sync_all().with_context(|| format!("writing {}", file.display()))
}

fn split_from_text(text: &str) -> Result<Split, String> {
    let parts: Vec<u128> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    match (parts.as_slice(), text.matches(',').count()) {
        (&[against, in_favour, abstain], 2) => Ok(Split { against, in_favour, abstain }),
        _ => Err("expected three numbers, as in 10,25,5: against, for, abstaining".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_has_three_parts() {
        let split = Split { against: 1, in_favour: 2, abstain: 0 };
        assert_eq!(split_from_text("1, 2,0"), Ok(split));
        for bad in ["", "1,2", "1,2,3,4", "1,x,3", "1,-2,3"] {
            assert!(split_from_text(bad).is_err(), "{bad}");
        }
    }
}

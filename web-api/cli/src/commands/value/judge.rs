//! The DAO node's operator decides who lied about a scalar, from what a member discloses.
//!
//! **Threat.** A party that answers something else of a member's update than follows from its part; a member that accuses an
//! honest party. The member's device keeps the accused party's part (`receipts/<round>.disclosure`); with the node's own record of the
//! round it is decided exactly, and no update is opened (`aggregator_round::ShareDisclosure`). The file goes to the
//! operator of the DAO node and to nobody else: whoever has it and all other parts has the update.

use std::{fs, path::PathBuf};

use aggregator_protocol::FederationTerms;
use aggregator_round::{ShareDisclosure, SumProducts, Verdict, check_values};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use privacy_identity::{Decode, Digest, Signed, Tag, VerifyingKey};
use serde_json::json;

use super::super::output::{print, print_json};
use crate::serve::SettledRecord;

/// `sahakar value judge`.
#[derive(Debug, Clone, Args)]
pub struct JudgeArgs {
    /// What the member disclosed: `receipts/<round>.disclosure` of its device
    #[arg(value_name = "FILE")]
    pub disclosure: PathBuf,
    /// The folder of the DAO node, or a copy of it
    #[arg(long, value_name = "DIR")]
    pub node: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What was found, and by what.
#[derive(Debug)]
pub struct Judgement {
    /// The round.
    pub round: u64,
    /// Who accuses.
    pub member: VerifyingKey,
    /// Whom.
    pub accused: Option<VerifyingKey>,
    /// What is true.
    pub verdict: Verdict,
    /// What a dispute in the ledger names as its evidence if it rests on this file (`sahakar dispute --evidence FILE`).
    pub evidence: Digest,
}

impl JudgeArgs {
    /// Does it.
    ///
    /// # Errors
    /// Files that cannot be read; an accusation that does not stand.
    pub fn run(self) -> anyhow::Result<()> {
        let found = self.judge()?;
        let accused = found.accused.map_or_else(|| "nobody".to_owned(), |key| key.to_string());
        let (round, member) = (found.round, found.member);
        match found.verdict {
            Verdict::Lied { place, .. } if self.json => print_json(&json!({
                "verdict": "lied",
                "round": round,
                "member": member.to_string(),
                "accused": accused,
                "place": place,
                "evidence": found.evidence.to_string(),
            })),
            Verdict::Lied { place, .. } => print(format!(
                "Party {place} of round {round}, {accused}, signed another answer about the update of {member} than follows from its \
                 part: it lied.\nEvidence of this file in a dispute: {}",
                found.evidence
            )),
            Verdict::Truthful => bail!("{accused} told the truth about the update of {member}"),
            Verdict::Unfounded { reason } => bail!("the accusation proves nothing: {reason}"),
        }
    }

    /// Decides.
    ///
    /// # Errors
    /// Files that cannot be read or belong to no settled round of this node.
    pub fn judge(&self) -> anyhow::Result<Judgement> {
        let bytes = fs::read(&self.disclosure)
            .with_context(|| format!("reading {}", self.disclosure.display()))?;
        let shown = ShareDisclosure::from_bytes(&bytes)
            .with_context(|| format!("understanding {}", self.disclosure.display()))?;
        let (round, member) = (shown.binding().round, shown.binding().member);
        let terms: Signed<FederationTerms> = self.record("terms.bin")?;
        let terms = terms.unverified_body();
        let record: SettledRecord = self.record(&format!("rounds/{round}.bin"))?;
        let coordinator = &terms.coordinator().verifying;
        let receipt = record.receipt.verify_by(Tag::RoundReceipt, coordinator)?;
        let receipt = receipt.body();
        let sum = record.sum.unverified_body();
        let same = Digest::of_encoded(Tag::RoundSum, sum) == receipt.sum;
        ensure!(same, "the record of round {round} holds another sum than its receipt names");
        let order = record.values.probes.unverified_body();
        let products = SumProducts::of(&terms.encoding, &sum.sum, order);
        check_values(terms, receipt, &record.values, &products)?;
        Ok(Judgement {
            round,
            member,
            accused: shown.accused(terms, receipt),
            verdict: shown.judge(terms, receipt, &record.values),
            evidence: Digest::of(Tag::Dispute, &bytes),
        })
    }

    fn record<T: Decode>(&self, name: &str) -> anyhow::Result<T> {
        let path = self.node.join(name);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        T::from_bytes(&bytes).with_context(|| format!("understanding {}", path.display()))
    }
}

//! The DAO node's operator decides who lied about a scalar, from what a member discloses.
//!
//! **Threat.** A party that answers something else of a member's update than follows from its part; a member that accuses an
//! honest party. The member's device keeps the accused party's part (`receipts/<round>.disclosure`); with the node's own record of the
//! round it is decided exactly, and no update is opened (`aggregator_round::ShareDisclosure`). The file goes to the
//! operator of the DAO node and to nobody else: whoever has it and all other parts has the update.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aggregator_protocol::FederationTerms;
use aggregator_round::{ShareDisclosure, SumProducts, Verdict, check_values};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use privacy_identity::{Decode, Digest, Signed, Tag, VerifyingKey};
use serde_json::json;

use super::super::output::{print, print_json};
use crate::serve::{SettledRecord, former_terms_file};

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
    /// The federation's name.
    pub federation: String,
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
    /// A file that cannot be read, and what `judgement` refuses.
    pub fn judge(&self) -> anyhow::Result<Judgement> {
        let bytes = fs::read(&self.disclosure)
            .with_context(|| format!("reading {}", self.disclosure.display()))?;
        judgement(&self.node, &bytes)
    }
}

/// Decides by what a member disclosed and by the records of a DAO node.
///
/// # Errors
/// Bytes that are no disclosure, or of no settled round of this node; records that do not hold.
pub(crate) fn judgement(node: &Path, disclosure: &[u8]) -> anyhow::Result<Judgement> {
    let shown = ShareDisclosure::from_bytes(disclosure).context("understanding the disclosure")?;
    let (round, member) = (shown.binding().round, shown.binding().member);
    let terms = terms_of(node, &shown.binding().federation)?;
    let terms = terms.unverified_body();
    let record: SettledRecord = record(&node.join("rounds").join(format!("{round}.bin")))?;
    let coordinator = &terms.coordinator().verifying;
    let receipt = record.receipt.verify_by(Tag::RoundReceipt, coordinator)?;
    let receipt = receipt.body();
    let sum = record.sum.unverified_body();
    let same = Digest::of_encoded(Tag::RoundSum, sum) == receipt.sum;
    ensure!(same, "the record of round {round} holds another sum than its receipt names");
    let order = record.values.probes.unverified_body();
    let products = SumProducts::of(terms, receipt.grant.unverified_body(), sum, order);
    let products = products.context("the record's sums and probes are of other groups")?;
    check_values(terms, receipt, &record.values, &products)?;
    Ok(Judgement {
        federation: terms.name.clone(),
        round,
        member,
        accused: shown.accused(terms, receipt),
        verdict: shown.judge(terms, receipt, &record.values),
        evidence: Digest::of(Tag::Dispute, disclosure),
    })
}

/// The terms with this digest: those in force, or former ones.
fn terms_of(node: &Path, federation: &Digest) -> anyhow::Result<Signed<FederationTerms>> {
    let terms: Signed<FederationTerms> = record(&node.join("terms.bin"))?;
    if terms.unverified_body().id() == *federation {
        return Ok(terms);
    }
    let path = node.join(former_terms_file(federation));
    ensure!(path.exists(), "what is shown is of no federation of this node");
    let terms: Signed<FederationTerms> = record(&path)?;
    ensure!(terms.unverified_body().id() == *federation, "{} was altered", path.display());
    Ok(terms)
}

fn record<T: Decode>(path: &Path) -> anyhow::Result<T> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    T::from_bytes(&bytes).with_context(|| format!("understanding {}", path.display()))
}

//! `sahakar receipt`: what contributors, buyers and voters keep, checked offline by anybody.

mod entry;
mod sale;

pub mod ballot;

use std::path::{Path, PathBuf};

use aggregator_protocol::FederationTerms;
use aggregator_round::{ContributorReceipt, NOT_CHECKED};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use privacy_identity::{Decode, Digest, Encode as _, Signed, Tag};

use super::output::print;

/// Receipts of rounds.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Check a receipt, without asking anybody: one from a contributor's `receipts` folder, a `.tlog-proof`, or a
    /// buyer's of a prediction
    Verify(VerifyArgs),
    /// Get the `.tlog-proof` of what somebody was paid, bought or voted
    Get(entry::GetArgs),
    /// Check that your ballot is in the log, from the file that `sahakar vote --receipt` wrote
    Ballot(ballot::BallotArgs),
}

/// Arguments of `sahakar receipt verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The receipt: `receipts/<round>.bin` of the contributor's state directory, a `.tlog-proof`, or the JSON of a prediction's
    /// (`sahakar predict --receipt`)
    #[arg(value_name = "FILE")]
    pub receipt: PathBuf,
    /// For a round's receipt: the signed terms, `terms.bin` of the contributor's or the DAO node's state directory
    #[arg(long, value_name = "FILE")]
    pub terms: Option<PathBuf>,
    /// For a `.tlog-proof`: the log's verifier key
    #[arg(long, value_name = "KEY")]
    pub vkey: Option<data_dao_log::Verifier>,
    /// For a `.tlog-proof`: which logs and witnesses to believe (C2SP tlog-policy)
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// For a `.tlog-proof` that has no entry in it: a file with the entry's leaf, byte for byte
    #[arg(long, value_name = "FILE")]
    pub leaf: Option<PathBuf>,
}

impl ReceiptCommand {
    /// Does it.
    ///
    /// # Errors
    /// A file that cannot be read, or the first check that fails.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Verify(args) if entry::is_tlog_proof(&args.receipt) => entry::verify(&args),
            Self::Verify(args) if sale::is_sale(&args.receipt) => sale::verify(&args),
            Self::Verify(args) => args.run(),
            Self::Get(args) => args.run(),
            Self::Ballot(args) => args.run(),
        }
    }
}

impl VerifyArgs {
    fn run(&self) -> anyhow::Result<()> {
        let terms = self.terms.as_ref().context("a round's receipt is checked with its --terms")?;
        let terms: Signed<FederationTerms> = read(terms)?;
        let kept: ContributorReceipt = read(&self.receipt)?;
        let round = kept.receipt.unverified_body().round;
        print(format_args!("round {round} of federation {}", kept.federation))?;
        print(format_args!("contributor {}", kept.member))?;
        for (what, result) in kept.checks(&terms) {
            match result {
                Ok(()) => print(format_args!("ok      {what}"))?,
                Err(reason) => {
                    print(format_args!("FAILED  {what}"))?;
                    bail!("the receipt does not hold: {reason}");
                }
            }
        }
        let digest = Digest::of(Tag::RoundReceipt, &kept.receipt.to_bytes());
        print(format_args!("receipt digest, as the ledger's entry of the round has it: {digest}"))?;
        for what in NOT_CHECKED {
            print(format_args!("not checked: {what}"))?;
        }
        Ok(())
    }
}

fn read<T: Decode>(path: &Path) -> anyhow::Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    T::from_bytes(&bytes).with_context(|| format!("understanding {}", path.display()))
}

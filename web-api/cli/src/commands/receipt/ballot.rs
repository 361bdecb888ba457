//! A voter's receipt: the proof that a ballot is in the log, checked offline by anybody.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use data_dao_journal::{Body, Entry};
use data_dao_store::checkpoint_head;
use privacy_identity::{Digest, InclusionProof};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::commands::output::print;

/// Arguments of `sahakar receipt ballot`.
#[derive(Debug, Args)]
pub struct BallotArgs {
    /// The receipt, as `sahakar vote --receipt FILE` wrote it
    #[arg(value_name = "FILE")]
    pub receipt: PathBuf,
    /// The log's verifier key, from where you trust it; else the one that the node named when you voted
    #[arg(long, value_name = "VKEY")]
    pub vkey: Option<String>,
}

/// That an entry is in the log: leaf, path, signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BallotReceipt {
    /// The entry's place, 0-based.
    pub index: u64,
    /// The leaf, byte for byte.
    pub leaf: String,
    /// The proof.
    pub proof: BallotProof,
    /// The log's verifier key, as the node named it.
    pub vkey: String,
}

/// The proof of a [`BallotReceipt`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BallotProof {
    /// Entries of the log that the proof is about.
    pub size: u64,
    /// Sibling hashes from the leaf upward, in hexadecimal.
    pub path: Vec<String>,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The same as a file of C2SP tlog-proof.
    pub tlog_proof: String,
}

impl BallotReceipt {
    /// The receipt in a node's answer to a ballot.
    ///
    /// # Errors
    /// If there is none.
    pub fn from_answer(answer: &Value, vkey: &str) -> anyhow::Result<Self> {
        let mut receipt = answer["receipt"].clone();
        if let Some(fields) = receipt.as_object_mut() {
            fields.retain(|name, _| ["index", "leaf", "proof"].contains(&name.as_str()));
            fields.insert("vkey".to_owned(), vkey.into());
        }
        let receipt = Self::deserialize(&receipt);
        receipt.context("the node's answer has no receipt: the ballot may not be in its log")
    }

    /// Checks that the owner of `vkey` signed the checkpoint, and that the leaf leads to its root.
    /// Returns the entry.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn check(&self, vkey: &str) -> anyhow::Result<Value> {
        let entry = Entry::from_leaf(self.leaf.as_bytes()).context("the leaf is no entry")?;
        let path = self.proof.path.iter().map(|hash| hash.parse::<Digest>());
        let path = path.collect::<Result<_, _>>().context("the path has no proper hashes")?;
        let head = checkpoint_head(&self.proof.checkpoint, vkey)?;
        let (size, root) = (head.size, head.root);
        if size != self.proof.size {
            bail!("the proof is about {} entries, the checkpoint about {size}", self.proof.size);
        }
        InclusionProof { index: self.index, size, path }
            .verify(self.leaf.as_bytes(), &root)
            .context("the ballot is not in the log that the checkpoint is about")?;
        if !matches!(
            entry.body,
            Body::BallotCast(_) | Body::BallotSealed(_) | Body::BallotRevealed(_)
        ) {
            bail!("the entry is a {}, no ballot", entry.body.kind());
        }
        serde_json::to_value(&entry).context("showing the entry")
    }
}

impl BallotArgs {
    /// Does it.
    ///
    /// # Errors
    /// A file that cannot be read, or the first check that fails.
    pub fn run(&self) -> anyhow::Result<()> {
        let file = self.receipt.display();
        let text =
            std::fs::read_to_string(&self.receipt).with_context(|| format!("reading {file}"))?;
        let receipt: BallotReceipt =
            serde_json::from_str(&text).with_context(|| format!("{file} is no receipt"))?;
        let vkey = self.vkey.as_deref().unwrap_or(&receipt.vkey);
        let entry = receipt.check(vkey).context("the receipt does not hold")?;
        print(format!("entry {} of {}: {}", receipt.index, receipt.proof.size, entry["body"]))?;
        print("ok      the ballot is in the log of this checkpoint")?;
        print(format!("ok      the checkpoint is signed by {vkey}"))?;
        if self.vkey.is_none() {
            print("not checked: that this is your DAO's key; give --vkey with the one you trust")?;
        }
        Ok(())
    }
}

//! Receipts of the ledger's entries: `.tlog-proof` files.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use data_dao_journal::Entry;
use data_dao_log::{Policy, TlogProof};
use serde_json::Value;

use super::{VerifyArgs, print};
use crate::commands::NodeArgs;
use crate::rest::Rest;

/// How the files begin.
const HEADER: &[u8] = b"c2sp.org/tlog-proof@";
/// Entries of one page.
const PAGE: usize = 200;

/// Arguments of `sahakar receipt get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    what: WhatArgs,
    /// With --round or --proposal: whose pay or ballot, a member's public key
    #[arg(long, value_name = "KEY", requires = "what")]
    member: Option<String>,
    /// The new file; its name should end in .tlog-proof
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Which entry.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false)]
struct WhatArgs {
    /// The entry with this index
    #[arg(long, value_name = "INDEX")]
    entry: Option<u64>,
    /// The sale of this prediction
    #[arg(long, value_name = "ID")]
    prediction: Option<String>,
    /// The pay of this round, as FEDERATION/ROUND
    #[arg(long, value_name = "ROUND")]
    round: Option<String>,
    /// A member's ballot on this proposal
    #[arg(long, value_name = "ID", requires = "member")]
    proposal: Option<String>,
}

impl GetArgs {
    /// Does it.
    ///
    /// # Errors
    /// No such entry, a node that does not answer or whose proof does not hold.
    pub fn run(self) -> anyhow::Result<()> {
        let rest = self.node.rest();
        let index = self.index(&rest)?;
        let answer = rest.get(&format!("/v1/ledger/entries/{index}"))?;
        let text = answer["proof"]["tlog_proof"].as_str().context("the node sends no proof")?;
        let proof = TlogProof::parse(text).context("the node's proof")?;
        proof.verify(None).context("the node's proof")?;
        // Never over another receipt.
        let file = File::create_new(&self.out);
        let mut file = file.with_context(|| format!("making {}", self.out.display()))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        print(format!("entry {index} is proven in {}", self.out.display()))
    }

    fn index(&self, rest: &Rest) -> anyhow::Result<u64> {
        let WhatArgs { entry, prediction, round, proposal } = &self.what;
        if let Some(index) = entry {
            return Ok(*index);
        }
        if let Some(prediction) = prediction {
            let receipt = rest.get(&format!("/v1/receipts/{prediction}"))?;
            return receipt["ledger_index"].as_u64().context("the node names no entry");
        }
        if let Some(round) = round {
            let (federation, round) = round.split_once('/').context("--round FEDERATION/ROUND")?;
            let round: u64 = round.parse().context("--round FEDERATION/ROUND")?;
            return find(rest, |kind, body| {
                let paid = |part: &Value| part["member"].as_str() == self.member.as_deref();
                let parts = body["participants"].as_array();
                kind == "round_settled"
                    && body["federation"] == federation
                    && body["round"] == round
                    && (self.member.is_none() || parts.is_some_and(|parts| parts.iter().any(paid)))
            });
        }
        let (proposal, member) = (proposal.as_deref(), self.member.as_deref());
        find(rest, |kind, body| {
            let ballot = &body["ballot"];
            kind == "ballot_cast"
                && ballot["proposal"].as_str() == proposal
                && ballot["voter"].as_str() == member
        })
    }
}

/// The first entry of which `is` holds. The whole log is asked for, a page at a time.
fn find(rest: &Rest, is: impl Fn(&str, &Value) -> bool) -> anyhow::Result<u64> {
    let mut path = format!("/v1/ledger/entries?limit={PAGE}");
    loop {
        let page = rest.get(&path)?;
        let entries = page["entries"].as_array().context("the node sends no entries")?;
        for entry in entries {
            if is(entry["kind"].as_str().unwrap_or_default(), &entry["body"]) {
                return entry["index"].as_u64().context("the node sends no index");
            }
        }
        let Some(next) = page["next"].as_str() else { bail!("the ledger has no such entry") };
        path = format!("/v1/ledger/entries?limit={PAGE}&cursor={next}");
    }
}

/// Whether a file is one of these. One that cannot be read is not; reading it again says why.
pub(super) fn is_tlog_proof(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(HEADER))
}

/// Checks a `.tlog-proof`: the entry is in the tree of the checkpoint, and the checkpoint is to be believed.
pub(super) fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    let text = String::from_utf8(read(&args.receipt)?).context("the receipt is no text")?;
    let proof = TlogProof::parse(&text)?;
    let policy = match &args.policy {
        Some(path) => Policy::parse(&read(path)?).with_context(|| format!("{}", path.display()))?,
        None => {
            let vkey = args.vkey.clone();
            Policy::of_log(vkey.context("say whom to believe: --vkey or --policy")?)
        }
    };
    let witnessed = policy.check(&proof.checkpoint, args.vkey.as_ref())?;
    let leaf = args.leaf.as_deref().map(read).transpose()?;
    let leaf = proof.verify(leaf.as_deref())?;
    let entry = Entry::from_leaf(leaf).context("what is proven is no entry of a ledger")?;
    let head = proof.checkpoint.head();
    let (index, size, log) = (proof.inclusion.index, head.size, witnessed.log.name());
    print(format!("ok      entry {index} is among the {size} of {log}"))?;
    print(format!("ok      the checkpoint is signed by {}", witnessed.log))?;
    for cosignature in &witnessed.cosignatures {
        print(format!("ok      and cosigned by {}", cosignature.witness.name()))?;
    }
    if policy.is_without_witnesses() {
        print(
            "not checked: that nobody is shown another log (no policy with witnesses was given)",
        )?;
    }
    print(
        "not checked: that the entry is one the journal accepts (`sahakar audit` recomputes all of them)",
    )?;
    let leaf = std::str::from_utf8(leaf).context("an entry is text")?;
    ensure!(!leaf.is_empty(), "the entry is empty");
    print(format!("at {} ms, {}: {leaf}", entry.time_ms, entry.body.kind()))
}

//! Receipts of the ledger's entries: `.tlog-proof` files.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use clap::Args;
use data_dao_journal::Entry;
use data_dao_log::{Policy, TlogProof};
use serde_json::Value;

use super::{VerifyArgs, print};
use crate::commands::NodeArgs;
use crate::commands::new_file::NewFile;
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
    /// A member's ballot on this proposal; of a sealed one its opening, if it is opened
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
        // Never over another receipt.
        let mut file = NewFile::create(&self.out)?;
        let index = self.index(&rest)?;
        let answer = rest.get(&format!("/v1/ledger/entries/{index}"))?;
        let text = answer["proof"]["tlog_proof"].as_str().context("the node sends no proof")?;
        let proof = TlogProof::parse(text).context("the node's proof")?;
        proof.verify(None).context("the node's proof")?;
        file.write_all(text.as_bytes())?;
        file.keep()?;
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
        let member = self.member.as_deref();
        if let Some(round) = round {
            let (federation, round) = round.split_once('/').context("--round FEDERATION/ROUND")?;
            let round: u64 = round.parse().context("--round FEDERATION/ROUND")?;
            return find(rest, Which::First, |kind, body| {
                pays(kind, body, (federation, round), member)
            });
        }
        let proposal = proposal.as_deref();
        find(rest, Which::Last, |kind, body| {
            let ballot = match kind {
                "ballot_cast" | "ballot_sealed" => &body["ballot"],
                "ballot_revealed" => &body["opening"]["ballot"],
                _ => return false,
            };
            ballot["proposal"].as_str() == proposal && ballot["voter"].as_str() == member
        })
    }
}

/// Whether an entry says what a round pays: to `member`, or at all. A round with more members than a leaf holds is settled by a
/// head and by parts, in one of which a member is.
fn pays(kind: &str, body: &Value, (federation, round): (&str, u64), member: Option<&str>) -> bool {
    let settled = match (kind, member) {
        ("round_settled", _) | ("settled_part", Some(_)) => body,
        ("round_settling", None) => &body["settled"],
        _ => return false,
    };
    let parts = settled["participants"].as_array();
    let is_paid = |member| parts.is_some_and(|parts| parts.iter().any(|p| p["member"] == member));
    settled["federation"] == federation && settled["round"] == round && member.is_none_or(is_paid)
}

/// Which of several entries is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// There is one; the rest of the log need not be asked for.
    First,
    /// As an opened ballot comes after the sealed one, and tells the choice.
    Last,
}

/// An entry of which `is` holds. The whole log is asked for, a page at a time.
fn find(rest: &Rest, which: Which, is: impl Fn(&str, &Value) -> bool) -> anyhow::Result<u64> {
    let mut path = format!("/v1/ledger/entries?limit={PAGE}");
    let mut found = None;
    loop {
        let page = rest.get_patiently(&path)?;
        let entries = page["entries"].as_array().context("the node sends no entries")?;
        for entry in entries {
            if is(entry["kind"].as_str().unwrap_or_default(), &entry["body"]) {
                found = Some(entry["index"].as_u64().context("the node sends no index")?);
                if which == Which::First {
                    break;
                }
            }
        }
        let next = page["next"].as_str().filter(|_| found.is_none() || which == Which::Last);
        let Some(next) = next else { return found.context("the ledger has no such entry") };
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

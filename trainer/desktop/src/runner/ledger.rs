//! A look at the ledger: what was earned is checked here, and that the log continues what was seen of it before.

use anyhow::Context as _;
use data_dao_log::Checkpoint;
use serde_json::Value;

use super::{home::Home, node::Node};
use crate::{
    log_check::{Claim, Log, continues, pays},
    news::Checked,
};

/// Entries after the head of a settlement in parts that are looked through.
const PARTS_MAX: u64 = 64;

/// Checks the newest checkpoint, that it continues the one that was seen here before, and each claim.
///
/// What does not hold of a single claim is told beside it; what does not hold of the log is an error.
pub(super) fn check(
    home: &Home,
    node: &str,
    log_key: Option<&str>,
    claims: &[Claim],
) -> anyhow::Result<Checked> {
    let node = Node::at(node)?;
    let ledger = node.get("/v1/ledger")?.context("the co-operative has no ledger")?;
    let assembly = node.get("/v1/governance")?.unwrap_or_default();
    let witnesses = assembly["witnesses"].as_array().into_iter().flatten();
    let witnesses: Vec<String> =
        witnesses.filter_map(|witness| witness["vkey"].as_str().map(str::to_owned)).collect();
    let quorum = usize::try_from(assembly["witness_quorum"].as_u64().unwrap_or(0))?;
    let key = ledger["vkey"].as_str().context("the co-operative names no key of its log")?;
    let log = Log::new(key, log_key, (&witnesses, quorum))?;
    let newest = ledger["cosigned"].as_str().or_else(|| ledger["checkpoint"].as_str());
    let newest = Checkpoint::parse(newest.context("the log has no checkpoint")?)?;
    let seen = log.believes(&newest)?;
    let before = home.checkpoint()?.map(|text| Checkpoint::parse(&text)).transpose()?;
    let read = |path: &str| node.bytes(&format!("/{path}"))?.context("a tile is missing");
    if let Some(before) = &before {
        continues(before, &newest, &read)?;
    }
    home.keep_checkpoint(newest.as_str())?;
    let proven = |claim: &Claim| {
        let found = check_claim(&node, &log, (&newest, &read), claim);
        (claim.index, found.err().map(|error| format!("{error:#}")))
    };
    let rounds = claims.iter().map(proven).collect();
    Ok(Checked { seen, before: before.map(|before| before.head().size), rounds })
}

type Tiles<'a> = &'a dyn Fn(&str) -> anyhow::Result<Vec<u8>>;

fn check_claim(
    node: &Node,
    log: &Log,
    (newest, read): (&Checkpoint, Tiles<'_>),
    claim: &Claim,
) -> anyhow::Result<()> {
    for index in claim.index..=claim.index + PARTS_MAX {
        let shown: Option<Value> = node.get(&format!("/v1/ledger/entries/{index}"))?;
        let shown = shown.context("the log has no such entry")?;
        let (said, checkpoint) = log.entry(&shown, index)?;
        // Not a tree beside the one that is kept: one of the two continues the other.
        if checkpoint.head().size >= newest.head().size {
            continues(newest, &checkpoint, read)?;
        } else {
            continues(&checkpoint, newest, read)?;
        }
        match pays(&said, claim) {
            Some(true) => return Ok(()),
            Some(false) => break,
            None => {}
        }
    }
    let (index, credits) = (claim.index, claim.credits.clone());
    Err(crate::log_check::Unproven::NotSaid { index, credits }.into())
}

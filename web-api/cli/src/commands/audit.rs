//! The audit: a ledger recomputed from its log, offline or downloaded, and held against what was seen of it before.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use data_dao_journal::AuditReport;
use data_dao_log::{Checkpoint, Policy, Verifier, Witnessed, origin_digest};
use data_dao_store::{Audit, Seen, TilePath, TilesError, audit_tiles, checkpoint_head, read_tiles};
use serde_json::{Value, json};

use super::output::{print, print_json};
use crate::{rest::Rest, value_audit::ValueAudit};

/// Where audits are remembered below the home directory.
const MEMORY: &str = ".local/state/sahakar/audits";

/// `sahakar audit`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct AuditArgs {
    /// Where the log is
    #[command(flatten)]
    pub log: LogArgs,
    /// The log's verifier key, if you have it from elsewhere than the log itself
    #[arg(long, value_name = "KEY")]
    pub vkey: Option<String>,
    /// Witnesses that must have cosigned the checkpoint (C2SP tlog-policy); those with a URL are asked what they saw
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Do not ask the policy's witnesses
    #[arg(long, requires = "policy")]
    pub offline: bool,
    /// Where the last checkpoint of each log is remembered; by default in the home directory
    #[arg(long, env = "SAHAKAR_AUDITS", value_name = "DIR")]
    pub remember: Option<PathBuf>,
    /// Keep the downloaded log in this folder: the next audit with it downloads only what is new
    #[arg(long, requires = "url", value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Neither hold the log against the last audit nor remember this one
    #[arg(long, conflicts_with = "remember")]
    pub forget: bool,
    /// The DAO's validation table (CSV), once it is revealed: what was measured is recomputed, too
    #[arg(long, value_name = "FILE", requires = "node")]
    pub validation: Option<PathBuf>,
    /// The DAO node's folder, or a copy, with its terms, models and rounds
    #[arg(long, value_name = "DIR", requires = "validation")]
    pub node: Option<PathBuf>,
    /// Terms that were in force once and are not in the node's folder: a file, or a folder with `terms.bin` or
    /// `terms-DIGEST.bin`. May be given several times; what counts is their digest in the ledger
    #[arg(long, value_name = "PATH", requires = "node")]
    pub terms: Vec<PathBuf>,
    /// By how much, relative to their length, probes may differ from the recomputed ones; above 0 only for a node
    /// that measured on a graphics adapter
    #[arg(long, value_name = "R", default_value_t = 0.0, requires = "node")]
    pub tolerance: f64,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Where the log is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct LogArgs {
    /// A folder with the log's tiles
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Address of the DAO node's REST interface: the log is downloaded first
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

/// What an audit found, beside the report.
struct Audited {
    report: AuditReport,
    witnessed: Option<Witnessed>,
    /// The log's size at the last audit.
    before: Option<u64>,
}

impl AuditArgs {
    /// Does it.
    ///
    /// # Errors
    /// The first difference, with the entry it is at; or that the log cannot be read.
    pub fn run(self) -> anyhow::Result<()> {
        let policy = self.policy.as_deref().map(read_policy).transpose()?;
        let copy;
        let (dir, vkey) = match (&self.log.dir, &self.log.url) {
            (Some(dir), _) => (tiles_of(checked_dir(dir)?), self.vkey.clone()),
            (None, Some(url)) => {
                copy = tempfile::tempdir().context("making a folder for the download")?;
                let dir = self.keep.as_deref().unwrap_or(copy.path());
                let vkey = download(&Rest::new(url), self.vkey.as_deref(), dir)?;
                (dir.to_owned(), Some(vkey))
            }
            (None, None) => return Err(anyhow!("say where the log is: --dir or --url")),
        };
        let vkey = match vkey {
            Some(vkey) => vkey.trim().to_owned(),
            None => read_vkey(&dir)?,
        };
        let memory = self.memory().map(|memory| Seen::of(&memory, &vkey));
        let result = self.audit(&dir, &vkey, policy, memory.as_ref())?;
        match result {
            Ok(audited) => {
                let values = self.values(&dir, &vkey)?;
                if self.json {
                    let mut json = json_from_audited(&audited);
                    json["values"] = values.map_or(Value::Null, |values| values.to_json());
                    return print_json(&json);
                }
                print_audited(&audited, self.vkey.is_some())?;
                values.map_or(Ok(()), |values| print(values.to_string()))
            }
            Err(error) => {
                let kept = keep_fork(&error, memory.as_ref())?;
                if self.json {
                    print_json(&json_from_error(&error, kept.as_deref()))?;
                }
                let kept = kept.map(|path| format!("; the proof is kept in {}", path.display()));
                Err(refused(error, &kept.unwrap_or_default()))
            }
        }
    }

    fn memory(&self) -> Option<PathBuf> {
        let by_default = || Some(env::home_dir()?.join(MEMORY));
        if self.forget { None } else { self.remember.clone().or_else(by_default) }
    }

    /// The outer error is about what was asked for, the inner one about the log.
    fn audit(
        &self,
        dir: &Path,
        vkey: &str,
        policy: Option<Policy>,
        memory: Option<&Seen>,
    ) -> anyhow::Result<Result<Audited, TilesError>> {
        let last = memory.map(Seen::last).transpose()?.flatten();
        let before = last.as_ref().map(|last| last.head().size);
        let mut seen: Vec<Checkpoint> = last.into_iter().collect();
        if let Some(policy) = policy.as_ref().filter(|_| !self.offline) {
            seen.extend(seen_by_witnesses(policy, &vkey.parse()?)?);
        }
        let audit = Audit { vkey: Some(vkey.to_owned()), policy, seen };
        let (replay, checkpoint, witnessed) = match audit.run(dir) {
            Ok(done) => done,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(memory) = memory {
            memory.remember(&checkpoint)?;
        }
        Ok(Ok(Audited { report: replay.report(), witnessed, before }))
    }
}

fn read_policy(path: &Path) -> anyhow::Result<Policy> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Policy::parse(&text).with_context(|| format!("reading {}", path.display()))
}

fn read_vkey(dir: &Path) -> anyhow::Result<String> {
    let path = dir.join("log.vkey");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// The last checkpoint of this log that each witness of the policy has cosigned. Who has none is passed over; who does
/// not answer, or answers something else, is named.
///
/// A log that shows a witness another past than the auditor is caught here.
fn seen_by_witnesses(policy: &Policy, log: &Verifier) -> anyhow::Result<Vec<Checkpoint>> {
    let mut seen = Vec::new();
    for (witness, url) in policy.witnesses() {
        let Some(url) = url else { continue };
        let path = format!("/{}/checkpoint", origin_digest(log.name()));
        let Some(text) = Rest::new(url).get_text(&path)? else { continue };
        let checkpoint = Checkpoint::parse(&text).with_context(|| format!("what {url} answers"))?;
        let cosigned = checkpoint.cosignatures(std::slice::from_ref(witness));
        let by_both = checkpoint.signed_by(log).and(cosigned);
        let by_both = by_both.with_context(|| format!("what {url} answers"))?;
        ensure!(
            !by_both.is_empty(),
            "{url} answers a checkpoint that {} has not cosigned",
            witness.name()
        );
        seen.push(checkpoint);
    }
    Ok(seen)
}

/// Where the proof of a fork is kept: with what is remembered, or else where the command was given.
fn keep_fork(error: &TilesError, memory: Option<&Seen>) -> anyhow::Result<Option<PathBuf>> {
    let TilesError::Forked { fork } = error else { return Ok(None) };
    if let Some(memory) = memory {
        return Ok(Some(memory.keep_fork(fork)?));
    }
    let path = PathBuf::from("sahakar-fork");
    fs::write(&path, fork.to_string()).with_context(|| format!("writing {}", path.display()))?;
    Ok(Some(path))
}

impl AuditArgs {
    /// What was measured, recomputed, if the table and the node's folder are given.
    fn values(&self, dir: &Path, vkey: &str) -> anyhow::Result<Option<ValueAudit>> {
        let (Some(validation), Some(node)) = (&self.validation, &self.node) else {
            return Ok(None);
        };
        let log = read_tiles(dir, Some(vkey))?;
        let files = (node.as_path(), self.terms.as_slice());
        ValueAudit::of(&log.leaves, validation, files, self.tolerance).map(Some)
    }
}

/// The log in `dir`, or in its folder `tiles`.
fn tiles_of(dir: &Path) -> PathBuf {
    let tiles = dir.join("tiles");
    let has_log = |dir: &Path| dir.join("checkpoint").is_file();
    if !has_log(dir) && has_log(&tiles) { tiles } else { dir.to_owned() }
}

fn checked_dir(dir: &Path) -> anyhow::Result<&Path> {
    let has_log = |dir: &Path| dir.join("checkpoint").is_file();
    ensure!(
        has_log(dir) || has_log(&dir.join("tiles")),
        "{} has no log: expected the file `checkpoint` there or in its folder `tiles`",
        dir.display(),
    );
    Ok(dir)
}

/// Recomputes the log in `dir` (or in its folder `tiles`).
///
/// # Errors
/// [`TilesError`]: the first difference.
pub fn audit_dir(dir: &Path, vkey: Option<&str>) -> Result<AuditReport, TilesError> {
    audit_tiles(&tiles_of(dir), vkey)
}

/// Copies the log of a node into `dir`, in the form that [`audit_dir`] reads. Full tiles never change: those that are there are
/// not asked for again, and whether they are the log's tells the audit.
///
/// * `vkey` — the log's verifier key, if it is known from elsewhere; else the node says it.
///
/// Returns the verifier key.
///
/// # Errors
/// What the node refuses, a checkpoint with another signature, or another log's in `dir`.
pub fn download(rest: &Rest, vkey: Option<&str>, dir: &Path) -> anyhow::Result<String> {
    let vkey = match vkey {
        Some(vkey) => vkey.to_owned(),
        None => {
            let ledger = rest.get("/v1/ledger")?;
            ledger["vkey"].as_str().context("the node does not say its log's key")?.to_owned()
        }
    };
    let checkpoint = rest.get_bytes("/checkpoint").context("the checkpoint cannot be read")?;
    let text = String::from_utf8(checkpoint).context("the checkpoint is no text")?;
    let head = checkpoint_head(&text, &vkey).context("the checkpoint is refused")?;
    let kept = dir.join("checkpoint");
    if kept.is_file() {
        let text = fs::read_to_string(&kept).with_context(|| kept.display().to_string())?;
        checkpoint_head(&text, &vkey)
            .with_context(|| format!("{} is of another log", kept.display()))?;
    }
    for path in tile_paths(head.size) {
        let is_full = !path.contains(".p/");
        if is_full && dir.join(&path).is_file() {
            continue;
        }
        let bytes = rest.get_bytes_patiently(&format!("/{path}"))?;
        write(&dir.join(path), &bytes)?;
    }
    write(&dir.join("checkpoint"), text.as_bytes())?;
    Ok(vkey)
}

/// Writes a file that is there whole or not at all: a tile that is there is not asked for again.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = parent.and_then(|()| fs::write(&part, bytes));
    let written = written.and_then(|()| fs::rename(&part, path));
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// The bundles of entries and the lowest tiles of hashes of a log with `size` entries.
fn tile_paths(size: u64) -> impl Iterator<Item = String> {
    let tiles = (0..).map_while(move |index| {
        let hashes = TilePath::of_hashes(0, index, size)?;
        Some([hashes.to_string(), TilePath::of_entries(index, size)?.to_string()])
    });
    tiles.flatten()
}

fn refused(error: TilesError, kept: &str) -> anyhow::Error {
    let place = error.index().map(|index| format!("the ledger differs at entry {index}"));
    let place = place.unwrap_or_else(|| "the ledger cannot be vouched for".to_owned());
    anyhow::Error::new(error).context(format!("{place}{kept}"))
}

fn print_audited(audited: &Audited, key_was_given: bool) -> anyhow::Result<()> {
    let Audited { report, witnessed, before } = audited;
    print(format!("audit passed: {} entries\nroot {}", report.entries, report.root))?;
    print(format!(
        "recomputed: {} federations with {} members; {} rounds settled and {} aborted, with {} \
         credits; {} transfers, debits equal to credits in each; {} proposals with {} signed \
         ballots, {} executed; {} predictions for {} × 10⁻⁴ of the currency's unit, each split to \
         the last unit",
        report.federations,
        report.members,
        report.rounds_settled,
        report.rounds_aborted,
        report.credits_issued,
        report.transfers,
        report.proposals,
        report.ballots,
        report.proposals_executed,
        report.predictions,
        report.revenue,
    ))?;
    if report.reveals_overdue > 0 {
        print(format!(
            "not shown: the validation sets of {} federations are overdue; their rounds and pay wait",
            report.reveals_overdue
        ))?;
    }
    let key = if key_was_given { "the given key" } else { "the node that the first entry names" };
    print(format!("the checkpoint is signed by {key}"))?;
    if let Some(witnessed) = witnessed {
        let names: Vec<&str> = witnessed.cosignatures.iter().map(|c| c.witness.name()).collect();
        print(format!("the policy holds; cosigned by: {}", names.join(", ")))?;
    }
    match before {
        Some(before) => print(format!("it continues the log of {before} entries seen before")),
        None => print("it was not seen before"),
    }
}

/// An audit's result for programs.
#[must_use]
pub fn json_from_report(report: &AuditReport) -> Value {
    json!({
        "audit": "ok",
        "entries": report.entries,
        "root": report.root.to_string(),
        "federations": report.federations,
        "members": report.members,
        "rounds_settled": report.rounds_settled,
        "rounds_aborted": report.rounds_aborted,
        "credits_issued": report.credits_issued.to_string(),
        "transfers": report.transfers,
        "proposals": report.proposals,
        "proposals_executed": report.proposals_executed,
        "ballots": report.ballots,
        "predictions": report.predictions,
        "revenue": report.revenue.to_string(),
        "reveals_overdue": report.reveals_overdue,
    })
}

fn json_from_audited(audited: &Audited) -> Value {
    let mut value = json_from_report(&audited.report);
    value["seen_before"] = audited.before.into();
    if let Some(witnessed) = &audited.witnessed {
        let by =
            |c: &data_dao_log::Cosignature| json!({"name": c.witness.name(), "time_s": c.time_s});
        value["cosigned_by"] = witnessed.cosignatures.iter().map(by).collect();
    }
    value
}

fn json_from_error(error: &TilesError, kept: Option<&Path>) -> Value {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    json!({"audit": "failed", "entry": error.index(), "difference": text, "proof_of_fork": kept})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_tiles_are_those_of_c2sp() {
        let paths = |size| tile_paths(size).collect::<Vec<_>>();
        assert_eq!(paths(0), Vec::<String>::new());
        assert_eq!(paths(256), ["tile/0/000", "tile/entries/000"]);
        let two = ["tile/0/000", "tile/entries/000", "tile/0/001.p/44", "tile/entries/001.p/44"];
        assert_eq!(paths(300), two);
    }
}

//! The audit: a ledger recomputed from its log, offline or downloaded.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use data_dao_journal::AuditReport;
use data_dao_store::{TilesError, audit_tiles, checkpoint_head, read_tiles};
use serde_json::{Value, json};

use super::output::{print, print_json};
use crate::{rest::Rest, value_audit::ValueAudit};

/// Entries of a bundle, and hashes of a tile (C2SP tlog-tiles).
const TILE_WIDTH: u64 = 256;

/// `sahakar audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Where the log is
    #[command(flatten)]
    pub log: LogArgs,
    /// The log's verifier key, if you have it from elsewhere than the log itself
    #[arg(long, value_name = "KEY")]
    pub vkey: Option<String>,
    /// The DAO's validation table (CSV), once it is revealed: what was measured is recomputed, too
    #[arg(long, value_name = "FILE", requires = "node")]
    pub validation: Option<PathBuf>,
    /// The DAO node's folder, or a copy, with terms.bin, models and rounds
    #[arg(long, value_name = "DIR", requires = "validation")]
    pub node: Option<PathBuf>,
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

impl AuditArgs {
    /// Does it.
    ///
    /// # Errors
    /// The first difference, with the entry it is at; or that the log cannot be read.
    pub fn run(self) -> anyhow::Result<()> {
        let vkey = self.vkey.as_deref();
        // Kept until the end: the values are recomputed from the same copy.
        let copy = tempfile::tempdir().context("making a folder for the download")?;
        let (dir, vkey) = match (&self.log.dir, &self.log.url) {
            (Some(dir), _) => (checked_dir(dir)?, vkey.map(ToOwned::to_owned)),
            (None, Some(url)) => (copy.path(), Some(download(&Rest::new(url), vkey, copy.path())?)),
            (None, None) => return Err(anyhow!("say where the log is: --dir or --url")),
        };
        match audit_dir(dir, vkey.as_deref()) {
            Ok(report) => {
                let values = self.values(dir, vkey.as_deref())?;
                if self.json {
                    let mut json = json_from_report(&report);
                    json["values"] = values.map_or(Value::Null, |values| values.to_json());
                    return print_json(&json);
                }
                print_report(&report, self.vkey.is_some())?;
                values.map_or(Ok(()), |values| print(values.to_string()))
            }
            Err(error) => {
                if self.json {
                    print_json(&json_from_error(&error))?;
                }
                Err(refused(error))
            }
        }
    }
}

impl AuditArgs {
    /// What was measured, recomputed, if the table and the node's folder are given.
    fn values(&self, dir: &Path, vkey: Option<&str>) -> anyhow::Result<Option<ValueAudit>> {
        let (Some(validation), Some(node)) = (&self.validation, &self.node) else {
            return Ok(None);
        };
        let log = read_tiles(log_dir(dir).as_ref(), vkey)?;
        ValueAudit::of(&log.leaves, validation, node, self.tolerance).map(Some)
    }
}

/// The log in `dir`, or in its folder `tiles`.
fn log_dir(dir: &Path) -> PathBuf {
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
    audit_tiles(&log_dir(dir), vkey)
}

/// Copies the log of a node into `dir`, in the form that [`audit_dir`] reads.
///
/// * `vkey` — the log's verifier key, if it is known from elsewhere; else the node says it.
///
/// Returns the verifier key.
///
/// # Errors
/// What the node refuses, or a checkpoint with another signature.
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
    for path in tile_paths(head.size) {
        let bytes = rest.get_bytes(&format!("/{path}"))?;
        write(&dir.join(path), &bytes)?;
    }
    write(&dir.join("checkpoint"), text.as_bytes())?;
    Ok(vkey)
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = parent.and_then(|()| fs::write(path, bytes));
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// The bundles of entries and the lowest tiles of hashes of a log with `size` entries.
fn tile_paths(size: u64) -> Vec<String> {
    let tiles = (0..size.div_ceil(TILE_WIDTH)).flat_map(|tile| {
        let width = (size - tile * TILE_WIDTH).min(TILE_WIDTH);
        let partial = if width < TILE_WIDTH { format!(".p/{width}") } else { String::new() };
        let index = index_path(tile);
        [format!("tile/0/{index}{partial}"), format!("tile/entries/{index}{partial}")]
    });
    tiles.collect()
}

/// A tile's index in groups of three digits, all but the last with an `x` before them.
fn index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

fn refused(error: TilesError) -> anyhow::Error {
    let place = error.index().map(|index| format!("the ledger differs at entry {index}"));
    let place = place.unwrap_or_else(|| "the ledger cannot be vouched for".to_owned());
    anyhow::Error::new(error).context(place)
}

fn print_report(report: &AuditReport, key_was_given: bool) -> anyhow::Result<()> {
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
    let key = if key_was_given { "the given key" } else { "the node that the first entry names" };
    print(format!("the checkpoint is signed by {key}"))
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
    })
}

fn json_from_error(error: &TilesError) -> Value {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    json!({"audit": "failed", "entry": error.index(), "difference": text})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_tiles_are_those_of_c2sp() {
        assert_eq!(index_path(0), "000");
        assert_eq!(index_path(999), "999");
        assert_eq!(index_path(1_234_067), "x001/x234/067");
        assert_eq!(tile_paths(0), Vec::<String>::new());
        assert_eq!(tile_paths(256), ["tile/0/000", "tile/entries/000"]);
        let two = ["tile/0/000", "tile/entries/000", "tile/0/001.p/44", "tile/entries/001.p/44"];
        assert_eq!(tile_paths(300), two);
    }
}

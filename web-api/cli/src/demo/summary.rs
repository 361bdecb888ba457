//! What the demonstration reports: gathered from the processes' words and, for all that is paid or
//! voted, from the ledger alone, recomputed.

use std::collections::BTreeMap;

use aggregator_network::load_key;
use anyhow::{Context as _, ensure};
use clap::ValueEnum as _;
use data_dao_journal::{Course, Explanation, Federation, Replay};
use data_dao_ledger::Name;
use data_dao_store::read_tiles;
use privacy_identity::{SigningKey, VerifyingKey};

use super::{
    DemoArgs,
    central::{CLIP_NORM, LOCAL_EPOCHS, NOVELTY_PERCENT, SETTINGS},
    cooperative::{Cooperative, ROUND_BUDGET},
    progress::{Progress, RoundStats, mean},
    report::{
        CentralRound, ContributorRow, DemoConfig, DemoReport, LedgerSummary, RoundRow, SaleSummary,
        VoteSummary,
    },
    wineries::Vintage,
};
use crate::{
    process::{now_ms, program},
    serve::SealingMode,
    settlement::epsilon_from_micro,
};

/// Name of the demonstration's federation.
const FEDERATION: &str = "wine";
/// How long the tiles may lag behind the log, in milliseconds.
const TILES_MS_MAX: u64 = 10_000;
/// How often they are looked at meanwhile, in milliseconds.
const TILES_POLL_MS: u64 = 100;

/// What was gathered on the way.
pub(crate) struct Gathered {
    pub(crate) progress: Progress,
    pub(crate) central: Vec<CentralRound>,
    pub(crate) vote: VoteSummary,
    pub(crate) sale: SaleSummary,
    pub(crate) device: String,
}

/// Puts the report together.
pub(crate) async fn summarise(
    args: &DemoArgs,
    vintage: &Vintage,
    cooperative: &Cooperative,
    gathered: Gathered,
) -> anyhow::Result<DemoReport> {
    let Recount { replay, audit, explained } = recount(cooperative).await?;
    let ledger = replay.report();
    let name = Name::new(FEDERATION)?;
    let (state, _) = replay.into_parts();
    let federation = state.federation(&name).context("the federation is in the ledger")?;
    let terms: serde_json::Value = serde_json::from_str(&federation.opened().terms)?;
    let unit = terms["value_unit"].as_f64().context("the terms name the unit of values")?;
    let rounds = gathered.progress.settled.iter();
    let epsilon = |round| epsilon_so_far(federation, round);
    Ok(DemoReport {
        config: config(args, vintage, &gathered.device, &terms)?,
        rounds: rounds.map(|(round, stats)| round_row(*round, stats, epsilon(*round))).collect(),
        central: gathered.central,
        contributors: contributors(cooperative, vintage, (federation, unit), &explained)?,
        ledger: LedgerSummary { entries: ledger.entries, root: ledger.root.to_string(), audit },
        peak_rss_bytes: cooperative.peak_rss_bytes(),
        sale: gathered.sale,
        vote: gathered.vote,
        next: next(args, cooperative),
    })
}

/// Recomputes the ledger from its tiles, once they hold everything that was done.
async fn recount(cooperative: &Cooperative) -> anyhow::Result<Recount> {
    let rest = crate::rest::Rest::new(cooperative.http());
    let ledger = tokio::task::spawn_blocking(move || rest.get("/v1/ledger")).await??;
    let (size, vkey) = (ledger["size"].as_u64(), ledger["vkey"].as_str());
    let (size, vkey) = (size.context("the log has a size")?, vkey.context("the log has a key")?);
    let until = now_ms() + TILES_MS_MAX;
    let log = loop {
        match read_tiles(&cooperative.tiles_dir(), Some(vkey)) {
            Ok(log) if log.head.size >= size => break log,
            result if now_ms() > until => {
                result.context("reading the log's tiles")?;
                anyhow::bail!("the log's tiles do not follow the log");
            }
            _ => tokio::time::sleep(std::time::Duration::from_millis(TILES_POLL_MS)).await,
        }
    };
    let mut replay = Replay::default();
    let explained = explained(&log.leaves)?;
    for leaf in &log.leaves {
        if let Err(failure) = replay.push(leaf) {
            return Ok(Recount { replay, audit: failure.to_string(), explained });
        }
    }
    let audit = replay.check(&log.head).map_or_else(|f| f.to_string(), |()| "ok".to_owned());
    Ok(Recount { replay, audit, explained })
}

/// The ledger, recomputed from its tiles.
struct Recount {
    replay: Replay,
    /// `ok`, or the first difference.
    audit: String,
    /// Why each contributor was paid what it was in its last round.
    explained: BTreeMap<VerifyingKey, Explanation>,
}

/// The last explanation of each contributor.
fn explained(leaves: &[Vec<u8>]) -> anyhow::Result<BTreeMap<VerifyingKey, Explanation>> {
    let course = Course::of_log(leaves.iter().map(Vec::as_slice), &Name::new(FEDERATION)?);
    let last = course.by_member().iter().filter_map(|(member, rounds)| {
        rounds.last().map(|last| (*member, last.explanation.clone()))
    });
    Ok(last.collect())
}

fn config(
    args: &DemoArgs,
    vintage: &Vintage,
    device: &str,
    terms: &serde_json::Value,
) -> anyhow::Result<DemoConfig> {
    let parameters = terms["parameters"].as_u64().context("the terms name the parameters")?;
    let ring_bits = terms["ring_bits"].as_u64().and_then(|bits| u8::try_from(bits).ok());
    Ok(DemoConfig {
        noise_multiplier: args.noise_multiplier,
        delta: terms["noise"]["delta"].as_f64(),
        contributors: vintage.wineries.len(),
        rounds: args.rounds,
        mode: mode_name(args.mode),
        dataset: args.dataset.clone(),
        seed: args.seed,
        device: device.to_owned(),
        parameters,
        ring_bits: ring_bits.context("the terms name the ring")?,
        clip_norm: CLIP_NORM,
        local_epochs: LOCAL_EPOCHS,
        batch_size: SETTINGS.batch_size,
        learning_rate: f64::from(SETTINGS.learning_rate),
        novelty_percent: NOVELTY_PERCENT,
        round_budget: u128::from(ROUND_BUDGET),
    })
}

/// The mode's name on the command line.
fn mode_name(mode: SealingMode) -> String {
    mode.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// The loss so far when `round` settled, as the ledger has it.
fn epsilon_so_far(federation: &Federation, round: u64) -> Option<f64> {
    let settled = federation.settled().iter().find(|settled| settled.round == round)?;
    settled.epsilon_micro.map(epsilon_from_micro)
}

fn round_row(round: u64, stats: &RoundStats, epsilon: Option<f64>) -> RoundRow {
    let [started, collected, settled] = stats.times_ms;
    RoundRow {
        round,
        test_accuracy: stats.test_accuracy,
        test_loss: stats.test_loss,
        participants: stats.participants,
        dropped: stats.dropped,
        refused: stats.refused,
        upload_bytes_per_contributor: stats.upload_bytes.iter().copied().max().unwrap_or_default(),
        epsilon,
        train_seconds: mean(&stats.train_seconds),
        seal_seconds: mean(&stats.seal_seconds),
        aggregate_seconds: seconds(collected, settled),
        wall_seconds: seconds(started, settled),
    }
}

fn seconds(from_ms: u64, to_ms: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a span of milliseconds")]
    let span = to_ms.saturating_sub(from_ms) as f64;
    span / 1000.0
}

fn contributors(
    cooperative: &Cooperative,
    vintage: &Vintage,
    (federation, unit): (&Federation, f64),
    explained: &BTreeMap<VerifyingKey, Explanation>,
) -> anyhow::Result<Vec<ContributorRow>> {
    let row = |winery: &super::wineries::Winery| {
        // The log does not say who is called what: each winery's own key does.
        let own = load_key(&cooperative.trainer_dir(&winery.label).join("key"))?;
        let key = &SigningKey::from_seed(&own).verifying_key();
        ensure!(federation.members().contains_key(key), "{} did not join", winery.label);
        let standing = federation.standings().get(key);
        let interval = standing.and_then(data_dao_journal::Standing::interval);
        Ok(ContributorRow {
            id: key.to_string(),
            label: winery.label.clone(),
            samples: winery.rows as u64,
            value: standing.map_or(0.0, |standing| in_loss(standing.value_sum(), unit)),
            interval: interval.map(|i| [in_loss(i.low, unit), in_loss(i.high, unit)]),
            credits: standing.map_or(0, data_dao_journal::Standing::credits),
            reason: match explained.get(key) {
                Some(last) => [last.reason.in_short().to_owned(), last.sentence(unit)],
                None => ["never took part", "It took part in no round."].map(str::to_owned),
            },
            kind: winery.kind.name().to_owned(),
        })
    };
    vintage.wineries.iter().map(row).collect()
}

/// A sum of value scalars in units of the validation loss.
#[expect(clippy::cast_precision_loss, reason = "for people; payouts are computed in integers")]
fn in_loss(value: i128, unit: f64) -> f64 {
    value as f64 * unit
}

fn next(args: &DemoArgs, cooperative: &Cooperative) -> Vec<String> {
    let mut next = Vec::new();
    let program = program();
    match &args.keep {
        Some(dir) => {
            let tiles = dir.join("dao").join("tiles");
            next.push(format!("{program} audit --dir {}", tiles.display()));
        }
        None => next.push(format!("{program} demo --keep DIR   keeps ledger, models and logs")),
    }
    if args.serve {
        next.push(format!("{}/   the node stays up", cooperative.http()));
    } else {
        next.push(format!(
            "{program} demo --serve      leaves the node up to buy and vote by hand"
        ));
    }
    next
}

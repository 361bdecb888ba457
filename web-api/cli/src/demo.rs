//! `sahakar demo`: the whole co-operative on this machine, as separate processes on loopback.

pub mod assembly;
pub mod central;
pub mod children;
pub mod cooperative;
pub mod market;
pub mod progress;
pub mod render;
pub mod report;
mod summary;
pub mod wineries;

use std::{
    io::{IsTerminal as _, stderr, stdout},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use tempfile::TempDir;
use trainer_model::{ComputeDevice, DeviceChoice};

use crate::{cli::block_on, process::stop_signal, serve::SealingMode};
use cooperative::{Cooperative, CooperativePlan};
use progress::{Notice, Progress};
use wineries::{Vintage, VintagePlan};

/// How long nothing may happen before the demonstration gives up, in milliseconds: a round's deadline
/// and room for a loaded machine.
const SILENCE_MS_MAX: u64 = 60_000;

/// Arguments of `sahakar demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// How many contributors; from the fifth on, up to three misbehave in secret
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub contributors: usize,
    /// How many rounds
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// How updates are sealed
    #[arg(long, value_enum, default_value_t = SealingMode::Mpc)]
    pub mode: SealingMode,
    /// Noise of the contributors together, over the most that one changes a sum; 0: none, ε is unbounded.
    /// What protects eight contributors drowns their model
    #[arg(long, default_value_t = 0.0, value_name = "S", value_parser = multiplier)]
    pub noise_multiplier: f64,
    /// Which data: wine (UCI red wine quality, built in)
    #[arg(long, default_value = "wine", value_name = "NAME")]
    pub dataset: String,
    /// Take the table from `DIR/DATASET.csv` instead of the built-in one
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Seed of the data's split, the model and the training
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Where to compute: auto, wgpu or cpu
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// How long a round waits for a contributor that does not come, in milliseconds
    #[arg(long, default_value_t = 10_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub round_deadline_ms: u64,
    /// Write the report as JSON to FILE
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Keep all state in DIR: the ledger with its tiles, the models, the logs
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Leave the node up at the end and print its address and an API key to try
    #[arg(long)]
    pub serve: bool,
}

/// A noise multiplier as terms take it.
fn multiplier(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().map(|number| number + 0.0);
    let usable = number.filter(|number| *number == 0.0 || (0.01..=1e6).contains(number));
    usable.ok_or_else(|| "0, or a number from 0.01 to 1000000, is needed".to_owned())
}

/// Runs the demonstration. Whatever happens, no process is left behind.
///
/// # Errors
/// Unusable arguments, a process that fails, a ledger that does not add up.
pub fn main(args: DemoArgs) -> anyhow::Result<()> {
    block_on(async move {
        tokio::select! {
            result = run(args) => result,
            // Dropping `run` kills every child (`kill_on_drop`); those that are told first stop in order.
            () = stop_signal(false) => bail!("interrupted"),
        }
    })
}

/// Where the demonstration keeps its state.
enum Home {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Home {
    fn open(keep: Option<&Path>) -> anyhow::Result<Self> {
        let Some(dir) = keep else {
            return Ok(Self::Temporary(tempfile::tempdir().context("making a directory")?));
        };
        std::fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let mut entries =
            std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
        if entries.next().is_some() {
            bail!("{} is not empty: choose another directory for --keep", dir.display());
        }
        Ok(Self::Kept(std::path::absolute(dir)?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(dir) => dir.path(),
        }
    }
}

async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let vintage_plan = VintagePlan {
        dataset: args.dataset.clone(),
        data_dir: args.data_dir.clone(),
        contributors: args.contributors,
        seed: args.seed,
    };
    let home = Home::open(args.keep.as_deref())?;
    let vintage = Vintage::prepare(&vintage_plan, home.path())?;
    let device = ComputeDevice::open(args.device)?;
    let device_name = device.description().to_owned();
    say(&format!(
        "Starting one DAO node, {} and {} contributors on loopback ({}).",
        if args.mode == SealingMode::Fhe { "one aggregator" } else { "two aggregators" },
        vintage.wineries.len(),
        device_name,
    ));
    let central = tokio::task::spawn_blocking({
        let (vintage, rounds, seed) = (vintage.clone(), args.rounds, args.seed);
        move || central::train(&device, &vintage, rounds, seed)
    });
    let plan = plan(&args, &vintage, home.path())?;
    let mut cooperative = Cooperative::start(plan, &mut UnwrapErr(SysRng)).await?;
    let result = conduct(&args, &vintage, &mut cooperative, central, device_name).await;
    if result.is_ok() && args.serve {
        stop_signal(false).await;
        say("Stopping.");
    }
    cooperative.end_all().await;
    if let (Home::Kept(path), Ok(())) = (&home, &result) {
        say(&format!("Everything is kept in {}.", path.display()));
    }
    result
}

fn plan(args: &DemoArgs, vintage: &Vintage, dir: &Path) -> anyhow::Result<CooperativePlan> {
    Ok(CooperativePlan {
        adjust: |_| {},
        found: |_| {},
        program: std::env::current_exe().context("finding this program")?,
        dir: dir.to_owned(),
        rounds: args.rounds,
        mode: args.mode,
        noise_multiplier: args.noise_multiplier,
        device: args.device,
        seed: args.seed,
        round_deadline_ms: args.round_deadline_ms,
        validation: vintage.validation.clone(),
        test: vintage.test.clone(),
        schema: vintage.schema.clone(),
        wineries: vintage.wineries.clone(),
    })
}

/// Everything between the start and the end of the processes.
async fn conduct(
    args: &DemoArgs,
    vintage: &Vintage,
    cooperative: &mut Cooperative,
    central: tokio::task::JoinHandle<anyhow::Result<Vec<report::CentralRound>>>,
    device: String,
) -> anyhow::Result<()> {
    let progress = watch_rounds(args.rounds, cooperative).await?;
    let central = central.await.context("the central model's training")??;
    let vote = assembly::hold(cooperative, vintage).await?;
    let sale = market::sell(cooperative, vintage).await?;
    let gathered = summary::Gathered { progress, central, vote, sale, device };
    let report = summary::summarise(args, vintage, cooperative, gathered).await?;
    println!("{}", render::render(&report, stdout().is_terminal()));
    if let Some(path) = &args.report {
        let json = serde_json::to_string_pretty(&report.to_json())?;
        std::fs::write(path, json).with_context(|| format!("writing {}", path.display()))?;
        say(&format!("The report is in {}.", path.display()));
    }
    if report.ledger.audit != "ok" {
        bail!("the ledger does not add up: {}", report.ledger.audit);
    }
    if args.serve {
        market::invite(cooperative).await?;
    }
    Ok(())
}

/// Shows the rounds until the last has settled and its model is in the catalogue.
async fn watch_rounds(rounds: u32, cooperative: &mut Cooperative) -> anyhow::Result<Progress> {
    let bar = progress_bar(rounds);
    let mut progress = Progress::default();
    while !progress.released {
        let patience = Duration::from_millis(SILENCE_MS_MAX);
        let news = tokio::time::timeout(patience, cooperative.next_event()).await;
        let Ok(news) = news else {
            bail!("nothing happened for {} s: the logs say more", SILENCE_MS_MAX / 1000);
        };
        let notice = progress.take(news.context("no process is running")?);
        match notice {
            Some(Notice::Settled(round)) => show_round(&bar, &progress, round),
            Some(Notice::Aborted(round, reason)) => {
                bar.suspend(|| say(&format!("round {}: given up: {reason}", round + 1)));
            }
            Some(Notice::Gone(label)) => {
                bar.suspend(|| say(&format!("{label} is gone; the rounds go on without it")));
            }
            Some(Notice::Remark(remark)) => bar.suspend(|| say(&remark)),
            Some(Notice::Lost(name)) => {
                bar.finish_and_clear();
                bail!("{name} ended unexpectedly:\n{}", cooperative.log_tail(&name));
            }
            None => {}
        }
    }
    bar.finish_and_clear();
    Ok(progress)
}

fn progress_bar(rounds: u32) -> ProgressBar {
    let style = "{bar:24} round {pos}/{len}  {msg}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(u64::from(rounds)).with_style(style.progress_chars("━╸─"))
}

fn show_round(bar: &ProgressBar, progress: &Progress, round: u64) {
    let Some(stats) = progress.settled.get(&round) else { return };
    let bytes = stats.upload_bytes.iter().copied().max().unwrap_or_default();
    let dropped = match stats.dropped {
        0 => String::new(),
        dropped => format!(" ({dropped} dropped out)"),
    };
    let epsilon = stats.epsilon.map_or_else(|| "∞".to_owned(), |epsilon| format!("{epsilon:.2}"));
    let line = format!(
        "{} of {} sealed updates summed{dropped} · accuracy {:.1} % · {bytes} bytes each · ε {epsilon}",
        stats.participants,
        stats.participants + stats.dropped,
        100.0 * stats.test_accuracy,
    );
    if stderr().is_terminal() {
        bar.set_message(line);
        bar.inc(1);
    } else {
        say(&format!("round {:>2}: {line}", round + 1));
    }
}

/// One line for people, on standard error: standard output is for the report.
fn say(line: &str) {
    eprintln!("{line}");
}

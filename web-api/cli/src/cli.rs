//! The command line: what is asked for, and with which exit code it ends.

use std::{
    io::{IsTerminal as _, stderr},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{
    aggregator, commands, demo,
    passphrases::is_about_passphrase,
    serve, simulate,
    telemetry::{OtlpFlush, OtlpLayer},
    trainer::{self, LogForm},
    witness,
};

/// Sahakar: train a model together, be credited for what your data was worth, sell access to it,
/// and govern it as a co-operative.
#[derive(Debug, Parser)]
#[command(name = "sahakar", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole co-operative on this machine: train, value, credit, sell, vote, audit
    Demo(demo::DemoArgs),
    /// Run the DAO node: REST, ledger, market, governance
    Serve(serve::ServeArgs),
    /// Run an aggregator
    Aggregator(Box<aggregator::AggregatorArgs>),
    /// Run a witness: cosign the checkpoints of logs that only grow
    Witness(witness::WitnessArgs),
    /// Run a headless contributor
    Trainer(Box<trainer::TrainerArgs>),
    /// Simulate a federation of virtual contributors in this process
    Simulate(Box<simulate::SimulateArgs>),
    #[command(flatten)]
    ByHand(commands::Command),
}

/// What a command does.
type Job = Box<dyn FnOnce() -> anyhow::Result<()>>;

/// What a command logs, and where.
#[derive(Debug, Default)]
struct Logging {
    /// Where spans are sent, if anywhere.
    collector: Option<String>,
    /// What is logged; none: what `RUST_LOG` says.
    filter: Option<String>,
    form: LogForm,
}

/// Runs the command line. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 a key's passphrase is wrong or missing.
#[must_use]
pub fn main() -> ExitCode {
    let failed = |error: &anyhow::Error, code: u8| {
        eprintln!("sahakar: {error:#}");
        ExitCode::from(code)
    };
    let (logging, job) = match Cli::parse().command.prepare() {
        Ok(prepared) => prepared,
        Err(error) => return failed(&error, 2),
    };
    let flush = match start_logging(&logging) {
        Ok(flush) => flush,
        Err(error) => return failed(&error, 1),
    };
    let result = job();
    if let Some(flush) = flush {
        flush.flush();
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_about_passphrase(&error) => failed(&error, 3),
        Err(error) => failed(&error, 1),
    }
}

/// Runs a long-running command on a runtime of its own.
pub(crate) fn block_on(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(command);
    // Blocking work (training, reading a terminal) must not hold the process up.
    runtime.shutdown_background();
    result
}

impl Command {
    /// What it does and how it logs; reads the configuration of a trainer.
    ///
    /// # Errors
    /// A configuration that is none: wrong usage.
    fn prepare(self) -> anyhow::Result<(Logging, Job)> {
        let mut logging = Logging::default();
        let job: Job = match self {
            Self::Demo(args) => Box::new(|| demo::main(args)),
            Self::Serve(args) => {
                logging.collector.clone_from(&args.otlp);
                Box::new(|| block_on(serve::run(args)))
            }
            Self::Aggregator(args) => Box::new(|| block_on(aggregator::run(*args))),
            Self::Witness(args) => Box::new(|| block_on(witness::run(args))),
            Self::Trainer(args) => {
                let plan = args.plan()?;
                logging.filter.clone_from(&plan.log.filter);
                logging.form = plan.log.form.unwrap_or_default();
                Box::new(|| block_on(trainer::run(plan)))
            }
            Self::Simulate(args) => Box::new(move || simulate::main(&args)),
            Self::ByHand(command) => Box::new(|| command.run()),
        };
        Ok((logging, job))
    }
}

/// Logs to standard error: our own milestones and warnings where nobody says what. Spans go to the collector, if there is
/// one.
fn start_logging(logging: &Logging) -> anyhow::Result<Option<OtlpFlush>> {
    let by_default = || EnvFilter::new("warn,sahakar=info");
    let filter = match &logging.filter {
        Some(filter) => EnvFilter::try_new(filter).context("log.filter (or --log)")?,
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| by_default()),
    };
    let log = tracing_subscriber::fmt::layer()
        .with_writer(stderr)
        // What cannot be logged (a full disk) is not complained about where it cannot be written either: that panics.
        .log_internal_errors(false);
    let log = match logging.form {
        LogForm::Text => log.with_ansi(stderr().is_terminal()).boxed(),
        LogForm::Json => log.json().flatten_event(true).boxed(),
    };
    let collector = logging.collector.as_deref();
    let spans = collector.map(|endpoint| OtlpLayer::new(endpoint, "sahakar")).transpose()?;
    let (spans, flush) = spans.unzip();
    // Ours alone: what libraries measure is not what an operator looks for.
    let ours = Targets::new().with_targets([("web_api", Level::INFO), ("sahakar", Level::INFO)]);
    let spans = spans.map(|layer| layer.with_filter(ours));
    tracing_subscriber::registry().with(log.with_filter(filter)).with(spans).init();
    Ok(flush)
}

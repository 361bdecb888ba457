//! The command line: what is asked for, and with which exit code it ends.

use std::{
    io::{IsTerminal as _, stderr},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{
    aggregator, commands, demo, serve, simulate,
    telemetry::{OtlpFlush, OtlpLayer},
    trainer, witness,
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

/// Runs the command line. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let flush = match start_logging(cli.command.collector()) {
        Ok(flush) => flush,
        Err(error) => {
            eprintln!("sahakar: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let result = match cli.command {
        Command::Demo(args) => demo::main(args),
        Command::Serve(args) => block_on(serve::run(args)),
        Command::Aggregator(args) => block_on(aggregator::run(*args)),
        Command::Witness(args) => block_on(witness::run(args)),
        Command::Trainer(args) => block_on(trainer::run(*args)),
        Command::Simulate(args) => simulate::main(&args),
        Command::ByHand(command) => command.run(),
    };
    if let Some(flush) = flush {
        flush.flush();
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sahakar: {error:#}");
            ExitCode::FAILURE
        }
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
    /// Where spans are sent, if anywhere.
    fn collector(&self) -> Option<&str> {
        match self {
            Self::Serve(args) => args.otlp.as_deref(),
            _ => None,
        }
    }
}

/// Logs to standard error: `RUST_LOG` chooses what, warnings and our own milestones by default. Spans go to the collector, if
/// there is one.
fn start_logging(collector: Option<&str>) -> anyhow::Result<Option<OtlpFlush>> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,sahakar=info"));
    let log = tracing_subscriber::fmt::layer()
        .with_writer(stderr)
        // What cannot be logged (a full disk) is not complained about where it cannot be written either: that panics.
        .log_internal_errors(false)
        .with_ansi(stderr().is_terminal())
        .with_filter(filter);
    let spans = collector.map(|endpoint| OtlpLayer::new(endpoint, "sahakar")).transpose()?;
    let (spans, flush) = spans.unzip();
    // Ours alone: what libraries measure is not what an operator looks for.
    let ours = Targets::new().with_targets([("web_api", Level::INFO), ("sahakar", Level::INFO)]);
    let spans = spans.map(|layer| layer.with_filter(ours));
    tracing_subscriber::registry().with(log).with(spans).init();
    Ok(flush)
}

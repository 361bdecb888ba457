//! The command line: what is asked for, and with which exit code it ends.

use std::{
    io::{IsTerminal as _, stderr},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::{aggregator, commands, demo, serve, simulate, trainer, witness};

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
    Aggregator(aggregator::AggregatorArgs),
    /// Run a witness: cosign the checkpoints of logs that only grow
    Witness(witness::WitnessArgs),
    /// Run a headless contributor
    Trainer(trainer::TrainerArgs),
    /// Simulate a federation of virtual contributors in this process
    Simulate(Box<simulate::SimulateArgs>),
    #[command(flatten)]
    ByHand(commands::Command),
}

/// Runs the command line. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    let result = match cli.command {
        Command::Demo(args) => demo::main(args),
        Command::Serve(args) => block_on(serve::run(args)),
        Command::Aggregator(args) => block_on(aggregator::run(args)),
        Command::Witness(args) => block_on(witness::run(args)),
        Command::Trainer(args) => block_on(trainer::run(args)),
        Command::Simulate(args) => simulate::main(&args),
        Command::ByHand(command) => command.run(),
    };
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

/// Logs to standard error: `RUST_LOG` chooses what, warnings and our own milestones by default.
fn start_logging() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,sahakar=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        // What cannot be logged (a full disk) is not complained about where it cannot be written either: that panics.
        .log_internal_errors(false)
        .with_ansi(stderr().is_terminal())
        .init();
}

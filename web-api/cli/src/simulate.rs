//! `sahakar simulate`: federations of virtual contributors in one process, with the machines of real ones.
//!
//! ```text
//!  SimulateArgs ─Plan::new→ Plan ─SimulationData::load→ data ─┐
//!                                                            ├─ Simulation ── step, step, … ──► report, page
//!                              checkpoint ─State::load→ state ┘       │
//!                                                                     └ sealed round: Coordinator, PeerAggregator,
//!                                                                       Ordered → Sealed of aggregator/round
//!                                                                       open round: a robust rule in the clear
//! ```
//!
//! Everything that is computed follows from the plan: random choices from its seed
//! ([`seeds`]), and results are taken in the order of the contributors, whichever thread was first
//! ([`parallel`]).

mod args;
mod arrivals;
mod buffer_state;
mod clock;
mod control;
mod course;
mod dao;
mod data;
mod explained;
mod images;
mod learning;
mod ledger;
mod local_args;
mod local_plan;
mod local_round;
mod local_state;
mod local_test;
mod open_round;
mod oracle;
mod own_model;
mod page;
mod parallel;
mod plan;
mod population;
mod prepared;
mod report;
mod schedule;
mod sealed_round;
mod seeds;
mod simulation;
mod state;
mod strategy;
mod terms;

use std::{
    fs,
    io::{IsTerminal as _, stderr},
    num::NonZeroUsize,
    path::Path,
    thread,
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trainer_model::{
    Architecture, Categorical, CharGruShape, Cnn, CnnShape, MlpShape, TableMlpShape,
};

pub use args::{
    ModelKind, PartitionRule, SamplingKind, SealKind, SimulateArgs, ValueKind, Weighting,
};
use clock::Stopwatch;
use data::SimulationData;
pub use images::{ImageChange, PixelScale};
pub use local_args::LocalArgs;
use plan::Plan;
use prepared::Inputs;
use simulation::Simulation;
use state::State;
pub use strategy::{Buffering, Strategy, buffer_rule};

/// Runs a simulation.
///
/// # Errors
/// A plan that cannot be run, data that cannot be read, a model that diverges.
pub fn main(args: &SimulateArgs) -> anyhow::Result<()> {
    let plan = Plan::new(args)?;
    let watch = Stopwatch::start();
    let data = SimulationData::load(&plan)?;
    let plan = plan.for_data(&data)?;
    let architecture = architecture(&plan, &data)?;
    let digest = plan.digest(&data);
    let state = match &args.checkpoint {
        Some(path) => State::load(path, (&plan, &digest), &architecture.layout())?,
        None => None,
    };
    let threads = match args.threads {
        Some(threads) => threads,
        None => thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let resumed = state.as_ref().map(|state| state.next_round);
    let mut simulation = Simulation::new(plan, data, architecture, threads, state)?;
    let quiet = args.json;
    if !quiet {
        report::print_head(&simulation, threads, resumed);
    }
    let bar = progress_bar(simulation.bench.plan.rounds, quiet);
    while simulation.state.next_round < simulation.bench.plan.rounds
        && !simulation.state.local.is_exhausted()
    {
        bar.set_position(simulation.state.next_round);
        simulation.step().with_context(|| {
            format!("round {} of {}", simulation.state.next_round + 1, simulation.bench.plan.rounds)
        })?;
        if let Some(path) = &args.checkpoint {
            simulation.state.save(path, &digest)?;
        }
        if !quiet && let Some(record) = simulation.state.rounds.last() {
            bar.suspend(|| report::print_round(record));
        }
    }
    bar.finish_and_clear();
    let outcome = report::report(&simulation, watch.seconds());
    if !quiet {
        report::print_tail(&simulation, &outcome);
    }
    write(args.report.as_deref(), || Ok(serde_json::to_string_pretty(&outcome)? + "\n"))?;
    write(args.html.as_deref(), || Ok(page::page(&outcome)))?;
    if args.json {
        println!("{outcome}");
    }
    ensure_audited(&outcome)
}

/// What a simulation wrote as its ledger has to stand up to the audit, or its figures are of no use.
fn ensure_audited(outcome: &serde_json::Value) -> anyhow::Result<()> {
    match outcome["ledger"]["audit"].as_str() {
        None | Some("ok") => Ok(()),
        Some(found) => {
            anyhow::bail!("the simulated ledger does not stand up to its audit: {found}")
        }
    }
}

fn write(path: Option<&Path>, text: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    fs::write(path, text()?).with_context(|| format!("writing {}", path.display()))
}

fn progress_bar(rounds: u64, quiet: bool) -> ProgressBar {
    let shown = !quiet && stderr().is_terminal();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style =
        ProgressStyle::with_template("round {pos} of {len} [{bar:30}] {elapsed}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(rounds), target).with_style(style)
}

/// Values that stand for a character or, at most, for a category.
const EMBEDDING: usize = 8;

/// The model that the plan names, of the data's shape.
fn architecture(plan: &Plan, data: &SimulationData) -> anyhow::Result<Architecture> {
    let (inputs, classes) = (data.test.features().inputs(), data.test.classes());
    let mlp =
        |hidden: &[usize]| Architecture::mlp(MlpShape { inputs, hidden: hidden.to_vec(), classes });
    let unfit = |needs: &str| {
        let (model, name) = (plan.model_name(), &data.name);
        anyhow::anyhow!("--model {model} sees {needs}, the rows of {name} are none")
    };
    let cnn = |shape: &CnnShape| {
        let Inputs::Image([channels, height, width]) = data.inputs else {
            return Err(unfit("images"));
        };
        let shape = CnnShape { channels, height, width, classes, ..shape.clone() };
        Ok(Architecture::cnn(shape)?)
    };
    match (plan.model, &data.inputs) {
        (ModelKind::Logistic, _) => mlp(&[]).context("--model logistic"),
        (ModelKind::Mlp, _) => mlp(&plan.hidden).context("--model mlp, --hidden"),
        (ModelKind::Cnn, _) => cnn(Cnn::small().shape()),
        (ModelKind::McmahanCnn, _) => cnn(Cnn::mcmahan().shape()),
        (ModelKind::Table, Inputs::Mixed { numeric, levels }) => {
            // Half as many values as levels (Guo & Berkhahn 2016 take fewer than there are levels).
            let column = |levels: &usize| Categorical {
                levels: *levels,
                dimension: levels.div_ceil(2).min(EMBEDDING),
            };
            let categorical = levels.iter().map(column).collect();
            let (numeric, hidden) = (*numeric, plan.hidden.clone());
            let shape = TableMlpShape { numeric, categorical, hidden, classes };
            Architecture::table_mlp(shape).context("--model table, --hidden")
        }
        (ModelKind::Table, _) => Err(unfit("categories")),
        (ModelKind::CharGru, Inputs::Text { vocabulary, context }) => {
            let (vocabulary, context) = (*vocabulary, *context);
            let hidden = plan.hidden.first().copied().unwrap_or(EMBEDDING);
            let shape =
                CharGruShape { vocabulary, embedding: EMBEDDING, hidden, layers: 1, context };
            Architecture::char_gru(shape).context("--model char-gru, --hidden")
        }
        (ModelKind::CharGru, _) => Err(unfit("text")),
    }
}

//! How well the sealed probe agrees with exact values, whom it tells from the honest, and what attackers who know the
//! pay rule earn. Runs what is not yet in the file of results, and draws figures and tables of all that is.

mod agreement;
mod coalitions;
mod detection;
mod earnings;
mod fairness;
mod federation;
mod figures;
mod measured;
mod row;
mod statistics;
mod tables;
mod world;

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::Context as _;
use clap::Parser;

use row::{Row, agreement_key};
use world::{Skew, Source, Task};

#[derive(Debug, Parser)]
struct Arguments {
    /// The folder above `fashion-mnist`
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Results so far; what is missing is run and added
    #[arg(long, default_value = "benches/value/results.jsonl")]
    results: PathBuf,
    /// Where figures and tables go
    #[arg(long, default_value = "data-dao/value/figures")]
    figures: PathBuf,
    /// Run only experiments whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// How many seeds of each
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Draw what there is, run nothing
    #[arg(long)]
    draw_only: bool,
}

/// A run: its key, and how it is done.
type Job = (String, Work);
type Work = Box<dyn Fn(&Source) -> anyhow::Result<Vec<Row>> + Sync>;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if !arguments.draw_only {
        let dir = arguments.data_dir.as_deref().context("--data-dir is needed to run")?;
        run(&arguments, &Source::read(dir)?)?;
    }
    let rows = read(&arguments.results)?;
    fs::create_dir_all(&arguments.figures)?;
    figures::draw(&rows, &arguments.figures)?;
    let tables = tables::tables(&rows);
    fs::write(arguments.figures.join("tables.md"), &tables)?;
    println!("{tables}");
    Ok(())
}

fn run(arguments: &Arguments, source: &Source) -> anyhow::Result<()> {
    let done: BTreeSet<String> = read(&arguments.results)?.iter().map(Row::key).collect();
    let jobs = jobs(arguments.seeds);
    let missing: Vec<_> = jobs
        .iter()
        .filter(|(key, _)| !done.contains(key) && key.contains(&arguments.only))
        .collect();
    let file = OpenOptions::new().create(true).append(true).open(&arguments.results)?;
    let (file, next) = (Mutex::new(file), AtomicUsize::new(0));
    let work = || -> anyhow::Result<()> {
        while let Some((key, job)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            let rows = job(source).with_context(|| key.clone())?;
            // All rows of a run in one write: an interrupted run leaves whole lines.
            let mut lines = String::new();
            for row in rows {
                lines += &serde_json::to_string(&row)?;
                lines.push('\n');
            }
            file.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines.as_bytes())?;
            eprintln!("{key}");
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..arguments.threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

/// All runs, the quick ones first.
fn jobs(seeds: u64) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut push = |key: String, job: Work| jobs.push((key, job));
    for seed in 1..=2 * seeds {
        let key = format!("fairness {seed}");
        push(key, Box::new(move |source| Ok(vec![fairness::run(source, seed)?])));
    }
    for contributors in [8, 10, 16] {
        for task in Task::ALL {
            for alpha in Skew::ALL {
                for seed in 1..=seeds {
                    let key = agreement_key(task, contributors, alpha, seed);
                    push(
                        key,
                        Box::new(move |source| {
                            agreement::run(source, task, contributors, alpha, seed)
                        }),
                    );
                }
            }
        }
        if contributors == 10 {
            twins(seeds, &mut push);
            detections(seeds, &mut push);
            strategies(seeds, &mut push);
        }
    }
    jobs
}

fn detections(seeds: u64, push: &mut impl FnMut(String, Work)) {
    for task in [Task::Digits, Task::Fashion] {
        for attack in detection::ATTACKS {
            for alpha in Skew::ALL {
                for seed in 1..=seeds {
                    let key = format!("detection {} {attack} {} {seed}", task.name(), alpha.name());
                    push(
                        key,
                        Box::new(move |source| {
                            Ok(vec![detection::run(source, task, attack, alpha, seed)?])
                        }),
                    );
                }
            }
        }
    }
}

fn twins(seeds: u64, push: &mut impl FnMut(String, Work)) {
    for task in Task::ALL {
        for alpha in [Skew(Some(0.5)), Skew(None)] {
            for seed in 1..=2 * seeds {
                let key = format!("twins {} {} {seed}", task.name(), alpha.name());
                push(key, Box::new(move |source| earnings::twins(source, task, alpha, seed)));
            }
        }
    }
}

fn strategies(seeds: u64, push: &mut impl FnMut(String, Work)) {
    for strategy in &earnings::STRATEGIES {
        for alpha in [Skew(Some(0.5)), Skew(None)] {
            for seed in 1..=2 * seeds {
                let key = format!("earnings {} {} {seed}", strategy.name, alpha.name());
                push(
                    key,
                    Box::new(move |source| Ok(vec![earnings::run(source, strategy, alpha, seed)?])),
                );
            }
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    text.lines().map(|line| serde_json::from_str(line).context("a line of results")).collect()
}

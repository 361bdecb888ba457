//! How fast entries are posted, opened, proven and audited, beside raw inserts of the same bytes.

mod co_operative;
mod raw;
mod timer;

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use clap::{Parser, ValueEnum};
use co_operative::CoOperative;
use data_dao_store::{Audit, ENTRIES_PAGE_MAX, Store};
use privacy_identity::SigningKey;
use timer::{Taken, Timer, now};

const ORIGIN: &str = "bench.example/ledger";
/// Entries of one append.
const BATCH: usize = 1_000;
/// Inclusion proofs that are timed.
const PROOFS: u64 = 100_000;

/// Measures the ledger.
#[derive(Debug, Parser)]
struct Args {
    /// How long the log becomes
    #[arg(long, default_value_t = 100_000)]
    entries: u64,
    /// An empty folder
    #[arg(long)]
    dir: PathBuf,
    /// An empty PostgreSQL database, which synchronises
    #[arg(long)]
    postgres: Option<String>,
    /// One measurement alone
    #[arg(long, value_enum)]
    only: Option<What>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Post to SQLite
    Post,
    /// Insert the same bytes into another SQLite
    Raw,
    /// Post to PostgreSQL
    PostPostgres,
    /// Insert the same bytes into another schema of it
    RawPostgres,
    /// Open and recompute
    Open,
    /// Prove entries
    Prove,
    /// Write tiles
    Tiles,
    /// Audit the tiles
    Audit,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match args.only {
        Some(what) => measure(&args, what).await,
        None => measure_all(&args),
    }
}

/// Each in a process of its own.
fn measure_all(args: &Args) -> anyhow::Result<()> {
    for what in What::value_variants() {
        let name = what.to_possible_value().context("each has a name")?;
        if args.postgres.is_none() && name.get_name().ends_with("postgres") {
            continue;
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--dir").arg(&args.dir).args(["--entries", &args.entries.to_string()]);
        command.args(["--only", name.get_name()]);
        if let Some(url) = &args.postgres {
            command.args(["--postgres", url]);
        }
        ensure!(command.status()?.success(), "{} failed", name.get_name());
    }
    Ok(())
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

async fn open(args: &Args) -> anyhow::Result<Store> {
    Ok(Store::open(&args.dir.join("ledger"), &key(), ORIGIN).await?)
}

async fn measure(args: &Args, what: What) -> anyhow::Result<()> {
    let url = || args.postgres.as_deref().context("--postgres is missing");
    let timer = Timer::start()?;
    let entries = match what {
        What::Post => post(&open(args).await?, args.entries).await?,
        What::PostPostgres => {
            post(&Store::connect(url()?, &key(), ORIGIN).await?, args.entries).await?
        }
        What::Raw => return raw::sqlite(&leaves(args).await?, &args.dir.join("raw.sqlite")).await,
        What::RawPostgres => return raw::postgres(&leaves(args).await?, url()?).await,
        What::Open => open(args).await?.size(),
        What::Prove => return prove(&open(args).await?),
        What::Tiles => {
            let store = open(args).await?;
            let timer = Timer::start()?;
            store.export_tiles(&args.dir.join("tiles")).await?;
            return timer.taken()?.report("write tiles", store.size());
        }
        What::Audit => {
            let (replay, ..) = Audit::default().run(&args.dir.join("tiles"))?;
            replay.tree().size()
        }
    };
    match what {
        // These report the posting alone.
        What::Post | What::PostPostgres => Ok(()),
        what => timer.taken()?.report(&format!("{what:?}").to_lowercase(), entries),
    }
}

/// Posts a co-operative's life, and says how fast. What makes the entries is not counted, signing ballots above all.
async fn post(store: &Store, entries: u64) -> anyhow::Result<u64> {
    let mut life = CoOperative::founded(store, &key()).await?;
    let (mut taken, from) = (Taken::default(), store.size());
    while store.size() < entries {
        let bodies = life.next(BATCH);
        let timer = Timer::start()?;
        store.append(life.now_ms(), bodies).await?;
        taken += timer.taken()?;
    }
    let posted = store.size() - from;
    taken.report("post", posted)?;
    store.close().await;
    Ok(posted)
}

async fn leaves(args: &Args) -> anyhow::Result<Vec<Vec<u8>>> {
    let store = open(args).await?;
    let (mut leaves, mut from) = (Vec::new(), 0);
    while from < store.size() {
        for entry in store.entries(from, ENTRIES_PAGE_MAX).await? {
            from = entry.index + 1;
            leaves.push(entry.leaf);
        }
    }
    Ok(leaves)
}

fn prove(store: &Store) -> anyhow::Result<()> {
    let (size, mut slowest, mut hashes) = (store.size(), 0.0_f64, 0);
    let began = now();
    for number in 0..PROOFS {
        let one = now();
        // Far apart, and each index once in a long log.
        let proof = store.prove(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % size)?;
        slowest = slowest.max(one.elapsed().as_secs_f64());
        hashes += proof.inclusion.path.len();
    }
    let mean = began.elapsed().as_secs_f64() / PROOFS as f64;
    println!(
        "prove: {PROOFS} proofs in a log of {size}: {:.1} µs each, {:.1} µs the slowest, {} hashes each",
        mean * 1e6,
        slowest * 1e6,
        hashes as u64 / PROOFS,
    );
    Ok(())
}

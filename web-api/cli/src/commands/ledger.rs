//! `sahakar ledger`: back-up and restore, as lines of JSON.

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{self, BufReader, BufWriter},
    path::PathBuf,
};

use aggregator_node::DatabaseUrl;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use data_dao_store::{Copied, Ledger, export_ledger, import_ledger};

use super::new_file::NewFile;
use super::output::print;

/// Names the database where no flag names a place.
const DATABASE_VARIABLE: &str = "SAHAKAR_DATABASE_URL";

/// Copies of a ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Write a ledger, which may be in use, as lines of JSON
    Export(ExportArgs),
    /// Recompute a copy and append what the ledger does not have yet
    Import(ImportArgs),
}

/// Where a ledger is.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct PlaceArgs {
    /// The state directory of the DAO node
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// PostgreSQL database of the ledger; better given by the environment, as `SAHAKAR_DATABASE_URL`, which other users cannot see
    // Not clap's `env`: what is in the environment for other commands would conflict with --state.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<DatabaseUrl>,
}

/// Arguments of `sahakar ledger export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Only the entries after the first N: what came since a copy of N entries
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
    /// The new file; standard output by default
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Arguments of `sahakar ledger import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The copy; standard input by default
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The log's verifier key, if you have it from elsewhere than the copy itself
    #[arg(long, value_name = "KEY")]
    vkey: Option<String>,
}

impl PlaceArgs {
    fn ledger(&self) -> anyhow::Result<Ledger> {
        match (&self.state, &self.database_url) {
            (Some(state), _) => Ok(Ledger::Directory(state.join("ledger"))),
            (None, Some(url)) => Ok(Ledger::Postgres(url.as_str().to_owned())),
            (None, None) => match env::var_os(DATABASE_VARIABLE) {
                Some(url) => Ok(Ledger::Postgres(url_from_environment(url)?.as_str().to_owned())),
                None => {
                    bail!("say where the ledger is: --state, --database-url or {DATABASE_VARIABLE}")
                }
            },
        }
    }
}

fn url_from_environment(url: OsString) -> anyhow::Result<DatabaseUrl> {
    let url = url.into_string().ok().with_context(|| format!("{DATABASE_VARIABLE} is no text"))?;
    url.parse().with_context(|| DATABASE_VARIABLE)
}

impl LedgerCommand {
    /// Does it.
    ///
    /// # Errors
    /// A ledger or a copy that cannot be used, or the first line that differs.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        match self {
            Self::Export(args) => runtime.block_on(args.run()),
            Self::Import(args) => runtime.block_on(args.run()),
        }
    }
}

impl ExportArgs {
    async fn run(self) -> anyhow::Result<()> {
        let ledger = self.place.ledger()?;
        let Some(path) = self.out else {
            export_ledger(&ledger, self.after, &mut BufWriter::new(io::stdout())).await?;
            return Ok(());
        };
        // Never over an older copy: that may be the last good one.
        let mut out = BufWriter::new(NewFile::create(&path)?);
        let copied = export_ledger(&ledger, self.after, &mut out).await?;
        out.into_inner()?.keep()?;
        print(said("exported", &copied))
    }
}

impl ImportArgs {
    async fn run(self) -> anyhow::Result<()> {
        let (ledger, vkey) = (self.place.ledger()?, self.vkey.as_deref());
        let copied = match self.from {
            Some(path) => {
                let file = File::open(&path).with_context(|| format!("opening {}", path.display()));
                import_ledger(&ledger, vkey, &mut BufReader::new(file?)).await?
            }
            None => import_ledger(&ledger, vkey, &mut BufReader::new(io::stdin())).await?,
        };
        print(said("imported", &copied))
    }
}

fn said(what: &str, copied: &Copied) -> String {
    let Copied { origin, vkey, entries, size } = copied;
    format!("{what} {entries} entries of {origin}, which has {size}\nthe log's key: {vkey}")
}

//! A co-operative of one's own: its folder with configuration, keys and tables, and what to start.
//!
//! Nothing is founded here: the DAO node writes the first entry of its ledger when it starts.

mod configuration;
mod layout;
mod rows;
mod steps;

use std::{fs, net::IpAddr, path::PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use datasets::MissingRule;
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use serde_json::json;

use super::output::{print, print_json};
use crate::serve::{SealingMode, check_configuration};

use layout::Layout;
use rows::OwnRows;

/// `sahakar init`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: a folder `coop` for a co-operative that grades wines, from a table of its own wines:
  sahakar init coop --table wines.csv --label quality --name \"Wine Co-operative\" --federation wine
It says which commands to run next, and keeps them in `coop/START.txt`."
)]
pub struct InitArgs {
    /// Where everything is put: a new folder
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The co-operative's own rows (CSV, JSON lines or Parquet): value is measured on one half of them, accuracy on the other,
    /// and nobody trains on either
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// The column that is to be predicted; all others are what it is predicted from
    #[arg(long, value_name = "COLUMN")]
    label: String,
    /// Leave out a column; may be repeated
    #[arg(long, value_name = "COLUMN")]
    ignore: Vec<String>,
    /// Missing values: refuse the table, drop such rows, or take each column's mean
    #[arg(long, value_name = "refuse|drop|mean", default_value = "refuse")]
    missing: MissingRule,
    /// What the co-operative is called
    #[arg(long, value_name = "NAME", default_value = "Our Co-operative")]
    name: String,
    /// What the federation is called, and its model: letters a-z, digits, `-`
    #[arg(long, value_name = "NAME", default_value = "first")]
    federation: String,
    /// What the model may be used for, in words: members agree to it
    #[arg(long, value_name = "WORDS")]
    purpose: Option<String>,
    /// ISO 4217 code of the currency of all prices
    #[arg(long, value_name = "CODE", default_value = "EUR")]
    currency: String,
    /// How updates are sealed; `fhe` takes one aggregator, the others two
    #[arg(long, default_value = "mpc")]
    mode: SealingMode,
    /// Members that must have joined before the first round, and contribute to each
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(2..=64))]
    members: u32,
    /// How many rounds are run
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// This machine's address, as the others see it
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    host: IpAddr,
    /// TCP port of REST and the pages
    #[arg(long, value_name = "PORT", default_value = "8080", value_parser = clap::value_parser!(u16).range(1..))]
    http_port: u16,
    /// UDP port of the DAO node's link; the aggregators take the next ones
    #[arg(long, value_name = "PORT", default_value = "4000", value_parser = clap::value_parser!(u16).range(1..=65_533))]
    link_port: u16,
    /// Print what was made, and the commands, as JSON
    #[arg(long)]
    json: bool,
}

impl InitArgs {
    /// Does it.
    ///
    /// # Errors
    /// A table that no federation can be measured on, a configuration that the node would refuse, a folder that is there
    /// already. Then no folder is left behind.
    pub fn run(self) -> anyhow::Result<()> {
        let rows = OwnRows::read(&self.table, &self.label, &self.ignore, self.missing)?;
        let folder = NewFolder::create(&self.folder)?;
        let layout = Layout::make(&folder.path, &self, &mut UnwrapErr(SysRng))?;
        rows.write(&layout)?;
        configuration::write(&layout, &self, &rows, &mut UnwrapErr(SysRng))?;
        check_configuration(&layout.configuration())
            .context("the node would refuse what was asked for; nothing was made")?;
        let steps = layout.steps(&self);
        fs::write(layout.folder().join("START.txt"), steps.to_string())
            .with_context(|| format!("writing into {}", self.folder.display()))?;
        folder.keep();
        if self.json {
            return print_json(&json!({
                "configuration": layout.configuration(),
                "features": rows.features().len(),
                "classes": rows.classes(),
                "validation_rows": rows.validation_rows(),
                "test_rows": rows.test_rows(),
                "commands": steps.commands(),
            }));
        }
        print(format!("{rows}\n\n{steps}"))
    }
}

/// A folder that is taken away again unless it is kept.
struct NewFolder {
    path: PathBuf,
    kept: bool,
}

impl NewFolder {
    fn create(path: &std::path::Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)?;
        ensure!(
            fs::symlink_metadata(&path).is_err(),
            "{} is there already: name a new folder; nothing is overwritten",
            path.display()
        );
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path, kept: false })
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.kept {
            fs::remove_dir_all(&self.path).ok();
        }
    }
}

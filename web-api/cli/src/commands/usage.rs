//! What a buyer's keys did and what it cost.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;

use super::output::{money, print, print_json, print_table, typed};
use super::{ApiKeyArgs, NodeArgs};

/// `sahakar usage`.
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// How many days back
    #[arg(long, default_value_t = 31, value_parser = clap::value_parser!(u64).range(0..=400))]
    days: u64,
    /// Write the charges as CSV with the columns of FOCUS 1.2 instead
    #[arg(long, value_name = "FILE")]
    focus: Option<PathBuf>,
    #[command(flatten)]
    buyer: ApiKeyArgs,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Debug, Deserialize)]
struct Usage {
    currency: Option<String>,
    usage: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    day: String,
    key_id: String,
    model: String,
    calls: u64,
    calls_price: String,
    bought_price: String,
    refunded_price: String,
}

impl UsageArgs {
    /// Does it.
    ///
    /// # Errors
    /// What the node refuses.
    pub fn run(self) -> anyhow::Result<()> {
        let rest = self.node.rest().with_bearer(&self.buyer.api_key);
        let from_ms = crate::process::now_ms().saturating_sub(self.days * 86_400_000);
        if let Some(path) = self.focus {
            let csv = rest.get_bytes(&format!("/v1/usage/focus.csv?from_ms={from_ms}"))?;
            fs::write(&path, csv).with_context(|| format!("writing {}", path.display()))?;
            return print(format!("charges are in {}", path.display()));
        }
        let answer = rest.get(&format!("/v1/usage?from_ms={from_ms}"))?;
        if self.node.json {
            return print_json(&answer);
        }
        let Usage { currency, usage } = typed(&answer)?;
        let row = |row: Row| {
            let day = row.day.split('T').next().unwrap_or_default().to_owned();
            let [worth, bought, refunded] = [row.calls_price, row.bought_price, row.refunded_price]
                .map(|amount| money(&amount, currency.as_deref()));
            vec![day, row.key_id, row.model, row.calls.to_string(), worth, bought, refunded]
        };
        let header = ["day", "key", "model", "calls", "worth", "paid in advance", "given back"];
        print_table(&header, 3, usage.into_iter().map(row).collect())
    }
}

//! A buyer's purchase of calls.

use anyhow::Context as _;
use clap::Args;
use rand::RngExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::output::{money, print, print_json, typed};
use super::{ApiKeyArgs, NodeArgs};
use crate::rest::Rest;

/// `sahakar buy`.
#[derive(Debug, Args)]
pub struct BuyArgs {
    /// Calls of which model
    #[arg(long)]
    pub model: String,
    /// How many calls
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub calls: u32,
    /// The purchase's own name: the same one is booked once; random if absent
    #[arg(long, value_name = "TEXT")]
    pub idempotency_key: Option<String>,
    /// The buyer
    #[command(flatten)]
    pub buyer: ApiKeyArgs,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Deserialize)]
struct Purchase {
    model: String,
    calls: u32,
    price: String,
    total: String,
    ledger_index: u64,
}

impl BuyArgs {
    /// Does it.
    ///
    /// # Errors
    /// What the node refuses.
    pub fn run(self) -> anyhow::Result<()> {
        let rest = self.node.rest().with_bearer(&self.buyer.api_key);
        let name = self.idempotency_key.unwrap_or_else(random_name);
        let answer = buy(&rest, &name, (&self.model, self.calls))?;
        if self.node.json {
            return print_json(&answer);
        }
        let Purchase { model, calls, price, total, ledger_index } = typed(&answer)?;
        let balance = rest.get("/v1/balance")?;
        let currency = balance["currency"].as_str();
        let (price, total) = (money(&price, currency), money(&total, currency));
        print(format!(
            "{calls} calls of {model} at {price}: {total} (ledger entry {ledger_index})"
        ))?;
        let left = money(balance["balance"].as_str().unwrap_or_default(), currency);
        print(format!("{left} are left"))
    }
}

/// Buys calls. `rest` has the API key; the same `name` is booked once.
///
/// # Errors
/// What the node refuses.
pub fn buy(rest: &Rest, name: &str, (model, calls): (&str, u32)) -> anyhow::Result<Value> {
    let order = json!({"model": model, "calls": calls});
    rest.post("/v1/purchases", Some(name), &order).with_context(|| {
        format!("nothing was bought; with --idempotency-key {name} a second try cannot pay twice")
    })
}

fn random_name() -> String {
    format!("buy-{:016x}", rand::rng().random::<u64>())
}

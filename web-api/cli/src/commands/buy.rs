//! A buyer's purchase of calls.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use rand::RngExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::output::{money, print, print_json, typed};
use super::{ApiKeyArgs, NodeArgs};
use crate::rest::{Rest, was_refused};

/// `sahakar buy`.
#[derive(Debug, Args)]
pub struct BuyArgs {
    /// Calls of which model
    #[arg(long)]
    pub model: String,
    /// How many calls, with the plan `call`
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), required_if_eq("plan", "call"))]
    pub calls: Option<u32>,
    /// What is bought
    #[arg(long, value_enum, default_value_t = PlanArg::Call)]
    pub plan: PlanArg,
    /// Most that one call, or the licence, may cost, in 10⁻⁴ of the currency's unit
    #[arg(long, value_name = "AMOUNT")]
    pub price_max: Option<u128>,
    /// The licence that you agree to, with the plan `download`: nothing is bought if it is not that of the version
    #[arg(long, value_name = "NAME")]
    pub licence: Option<String>,
    /// SHA-256 of the licence's text that you read, with the plan `download`: nothing is bought if the version's is another
    #[arg(long, value_name = "HEX")]
    pub licence_sha256: Option<String>,
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

/// What can be bought of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanArg {
    /// Calls, which do not end and can be given back
    Call,
    /// Thirty days of calls
    Month,
    /// The licence to download the newest version
    Download,
}

#[derive(Debug, Deserialize)]
struct Purchase {
    model: String,
    calls: u32,
    price: String,
    total: String,
    licence: Option<Licence>,
    ledger_index: u64,
}

#[derive(Debug, Deserialize)]
struct Licence {
    name: String,
    link: Option<String>,
}

impl BuyArgs {
    /// Does it.
    ///
    /// # Errors
    /// What the node refuses.
    pub fn run(self) -> anyhow::Result<()> {
        let rest = self.node.rest().with_bearer(&self.buyer.api_key);
        let name = self.idempotency_key.unwrap_or_else(random_name);
        let plan = self.plan.to_possible_value().map(|plan| plan.get_name().to_owned());
        let price_max = self.price_max.map(|price| price.to_string());
        let order = json!({
            "model": self.model, "plan": plan, "calls": self.calls, "price_max": price_max,
            "licence": self.licence, "licence_sha256": self.licence_sha256,
        });
        if self.node.json {
            return print_json(&order_once(&rest, &name, &order)?);
        }
        let ledger = rest.get("/v1/ledger").context("nothing was bought")?;
        let answer = order_once(&rest, &name, &order)?;
        let currency = ledger["currency"].as_str();
        let shown = print_purchase(&answer, self.plan, currency);
        shown.with_context(|| format!("it is booked, and once, under --idempotency-key {name}"))?;
        print(left(&rest, currency))
    }
}

fn print_purchase(answer: &Value, plan: PlanArg, currency: Option<&str>) -> anyhow::Result<()> {
    let Purchase { model, calls, price, total, licence, ledger_index } = typed(answer)?;
    let (price, total) = (money(&price, currency), money(&total, currency));
    let what = match plan {
        PlanArg::Call => format!("{calls} calls of {model} at {price}"),
        PlanArg::Month => format!("thirty days of {model}, {calls} calls at {price}"),
        PlanArg::Download => format!("the licence of {model}"),
    };
    print(format!("{what}: {total} (ledger entry {ledger_index})"))?;
    let Some(Licence { name, link }) = licence else { return Ok(()) };
    let link = link.map_or_else(String::new, |link| format!(": {link}"));
    print(format!("you agreed to the licence {name}{link}"))
}

/// What is left, for keys that may see it: to buy takes another scope.
fn left(rest: &Rest, currency: Option<&str>) -> String {
    match rest.get("/v1/balance") {
        Ok(balance) => {
            let left = money(balance["balance"].as_str().unwrap_or_default(), currency);
            format!("{left} are left")
        }
        Err(error) => format!("what is left is not shown: {error:#}"),
    }
}

/// Buys calls. `rest` has the API key; the same `name` is booked once.
///
/// # Errors
/// What the node refuses.
pub fn buy(rest: &Rest, name: &str, (model, calls): (&str, u32)) -> anyhow::Result<Value> {
    order_once(rest, name, &json!({"model": model, "calls": calls}))
}

fn order_once(rest: &Rest, name: &str, order: &Value) -> anyhow::Result<Value> {
    rest.post("/v1/purchases", Some(name), order).map_err(|error| {
        let what = if was_refused(&error) {
            "nothing was bought".to_owned()
        } else {
            format!("whether it was booked is not known; with --idempotency-key {name} the same command buys once")
        };
        error.context(what)
    })
}

/// A name of an order that no other has.
pub(crate) fn random_name() -> String {
    format!("order-{:016x}", rand::rng().random::<u64>())
}

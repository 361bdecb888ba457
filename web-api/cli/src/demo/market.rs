//! The market day of the demonstration: a buyer pays, gets a prediction and a receipt.

use anyhow::{Context as _, bail};
use data_dao_store::checkpoint_head;
use datasets::read_csv;
use privacy_identity::InclusionProof;
use serde_json::{Value, json};

use super::{
    cooperative::Cooperative,
    report::{SaleLine, SaleSummary},
    wineries::Vintage,
};
use crate::commands::buy::random_name;
use crate::rest::Rest;

/// What the buyer deposits, in 10⁻⁴ of the currency's unit: ten euros.
const DEPOSIT: u64 = 100_000;
/// How many calls the buyer pays for in advance.
const CALLS: u32 = 3;

/// Issues an API key to a buyer, who buys calls and has the first wine of the test set graded.
///
/// # Errors
/// If the node refuses a step, or the receipt does not verify.
pub async fn sell(cooperative: &Cooperative, vintage: &Vintage) -> anyhow::Result<SaleSummary> {
    let rest = Rest::new(cooperative.http());
    let operator = rest.with_bearer(cooperative.operator_token());
    let wine = Wine::first_of(vintage)?;
    let sale = tokio::task::spawn_blocking(move || sale(&rest, &operator, &wine));
    sale.await.context("the sale")?
}

/// What the buyer wants to know about.
struct Wine {
    features: Vec<f32>,
    classes: Vec<String>,
    truth: Option<String>,
}

impl Wine {
    fn first_of(vintage: &Vintage) -> anyhow::Result<Self> {
        let table = read_csv(&vintage.test, &vintage.schema)?;
        let features = table.row(0).context("the test set has rows")?.to_vec();
        let classes = vintage.schema.classes().to_vec();
        let truth = table.labels().first().and_then(|&label| usize::try_from(label).ok());
        let truth = truth.and_then(|label| classes.get(label).cloned());
        Ok(Self { features, classes, truth })
    }
}

fn sale(rest: &Rest, operator: &Rest, wine: &Wine) -> anyhow::Result<SaleSummary> {
    let key = issue_key(operator, "Cellar & Co.")?;
    let buyer = rest.with_bearer(&key);
    let model = rest.get("/v1/models")?["models"][0]["name"].as_str().map(str::to_owned);
    let model = model.context("the catalogue is empty")?;
    let order = json!({"model": model, "calls": CALLS});
    buyer.post("/v1/purchases", Some("demo-purchase-1"), &order)?;
    let input = json!({"inputs": [{
        "name": "input", "shape": [1, wine.features.len()], "datatype": "FP32",
        "data": wine.features,
    }]});
    let prediction = buyer.post(&format!("/v2/models/{model}/infer"), None, &input)?;
    let id = prediction["parameters"]["receipt"].as_str().context("a prediction has a receipt")?;
    let receipt = rest.get(&format!("/v1/receipts/{id}"))?;
    let vkey = text(&rest.get("/v1/ledger")?, "vkey")?;
    let probabilities = output(&prediction, "probabilities").as_array().cloned();
    let probabilities = probabilities.unwrap_or_default();
    let probabilities = probabilities.iter().filter_map(Value::as_f64);
    Ok(SaleSummary {
        model: text(&receipt["model"], "name")?,
        version: u32::try_from(receipt["model"]["version"].as_u64().unwrap_or(1))?,
        price: text(&receipt, "price")?.parse()?,
        currency: text(&receipt, "currency")?,
        probabilities: wine.classes.iter().cloned().zip(probabilities).collect(),
        truth: wine.truth.clone(),
        receipt: text(&receipt, "id")?,
        lines: lines(&receipt)?,
        inclusion_verified: verify_receipt(&receipt, &vkey)?,
    })
}

fn issue_key(operator: &Rest, buyer: &str) -> anyhow::Result<String> {
    let body = json!({"buyer": buyer, "deposit": DEPOSIT.to_string()});
    text(&operator.post("/v1/keys", Some(&random_name()), &body)?, "api_key")
}

fn output<'a>(prediction: &'a Value, name: &str) -> &'a Value {
    let outputs = prediction["outputs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = outputs.iter().find(|output| output["name"] == name);
    found.map_or(&Value::Null, |output| &output["data"])
}

fn lines(receipt: &Value) -> anyhow::Result<Vec<SaleLine>> {
    let lines = receipt["lines"].as_array().context("a receipt has lines")?;
    let line = |line: &Value| {
        Ok(SaleLine {
            recipient: text(line, "recipient")?,
            label: text(line, "label")?,
            amount: text(line, "amount")?.parse()?,
        })
    };
    lines.iter().map(line).collect()
}

/// Checks offline that the receipt's entry is in the log whose checkpoint the node signed.
fn verify_receipt(receipt: &Value, vkey: &str) -> anyhow::Result<bool> {
    let proof = &receipt["proof"];
    let head = checkpoint_head(&text(proof, "checkpoint")?, vkey)?;
    let path = proof["path"].as_array().context("a proof has a path")?;
    let path = path
        .iter()
        .map(|hash| hash.as_str().context("a hash")?.parse().context("a hash"))
        .collect::<anyhow::Result<_>>()?;
    let index = receipt["ledger_index"].as_u64().context("a receipt has an index")?;
    let inclusion = InclusionProof { index, size: head.size, path };
    let leaf = text(receipt, "leaf")?;
    if let Err(error) = inclusion.verify(leaf.as_bytes(), &head.root) {
        bail!("the receipt is not in the log: {error}");
    }
    Ok(true)
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    let text = value[key].as_str();
    Ok(text.with_context(|| format!("the node's answer has no {key:?}"))?.to_owned())
}

/// Says where the node is and gives an API key with money on it.
///
/// # Errors
/// If the node refuses the key.
pub async fn invite(cooperative: &Cooperative) -> anyhow::Result<()> {
    let http = cooperative.http().to_owned();
    let operator = Rest::new(&http).with_bearer(cooperative.operator_token());
    let key = tokio::task::spawn_blocking(move || issue_key(&operator, "You")).await??;
    let program = crate::process::program();
    println!("The node stays up at {http} (API description: {http}/openapi.json)");
    println!("API key to try, with € 10 on it: {key}");
    println!();
    println!("  export SAHAKAR_API_KEY={key}");
    println!("  {program} buy --url {http} --model wine-quality --calls 5");
    println!("  {program} predict --url {http} --model wine-quality \\");
    println!("      --input 7.4,0.7,0.0,1.9,0.076,11,34,0.9978,3.51,0.56,9.4");
    println!();
    println!("Ctrl-C stops it.");
    Ok(())
}

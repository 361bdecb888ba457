//! A buyer's predictions.

use std::{fs, io::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::buy::random_name;
use super::new_file::NewFile;
use super::output::{money, print, print_json, print_table, typed};
use super::rows::{row_from_text, rows_from_csv};
use super::{ApiKeyArgs, NodeArgs};
use crate::rest::{Rest, was_refused};

/// `sahakar predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Which model
    #[arg(long)]
    pub model: String,
    /// What is predicted
    #[command(flatten)]
    pub rows: RowsArgs,
    /// Write the signed receipt to this new file: `sahakar receipt verify` checks it offline
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// The call's own name: the same one is paid once and answered again; random if absent
    #[arg(long, value_name = "TEXT")]
    pub idempotency_key: Option<String>,
    /// The buyer
    #[command(flatten)]
    pub buyer: ApiKeyArgs,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Where the rows come from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct RowsArgs {
    /// One row: its features with commas between them
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    pub input: Option<String>,
    /// A CSV file of at most 1024 rows, with or without a line of column names
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Prediction {
    model_name: String,
    model_version: String,
    parameters: Parameters,
    outputs: Vec<Output>,
}

#[derive(Debug, Deserialize)]
struct Parameters {
    receipt: String,
}

#[derive(Debug, Deserialize)]
struct Output {
    name: String,
    shape: Vec<usize>,
    data: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Receipt {
    price: String,
    currency: String,
    lines: Vec<Line>,
    ledger_index: u64,
}

#[derive(Debug, Deserialize)]
struct Line {
    label: String,
    amount: String,
}

impl PredictArgs {
    /// Does it.
    ///
    /// # Errors
    /// What the file or the node refuses.
    pub fn run(self) -> anyhow::Result<()> {
        let rest = self.node.rest().with_bearer(&self.buyer.api_key);
        let rows = self.rows.read(&rest, &self.model)?;
        // What can fail without the node fails before anything is paid.
        let file = self.receipt.as_deref().map(NewFile::create).transpose()?;
        let name = self.idempotency_key.unwrap_or_else(random_name);
        let answer = ask(&rest, &self.model, (&name, &rows))?;
        show(&rest, &answer, (file, self.node.json)).with_context(|| {
            format!("the prediction was made and paid: --idempotency-key {name} repeats it without paying again")
        })
    }
}

/// Shows what was paid first, and gets the receipt then.
fn show(rest: &Rest, answer: &Value, (file, json): (Option<NewFile>, bool)) -> anyhow::Result<()> {
    if json {
        print_json(answer)?;
        if file.is_none() {
            return Ok(());
        }
    }
    let prediction: Prediction = typed(answer)?;
    if !json {
        print_prediction(&prediction)?;
    }
    let receipt = rest.get(&format!("/v1/receipts/{}", prediction.parameters.receipt))?;
    if let Some(mut file) = file {
        file.write_all(serde_json::to_string_pretty(&receipt)?.as_bytes())?;
        file.keep()?;
    }
    if json { Ok(()) } else { print_receipt(&prediction, &typed(&receipt)?) }
}

impl RowsArgs {
    fn read(&self, rest: &Rest, model: &str) -> anyhow::Result<Vec<Vec<f64>>> {
        let Some(path) = &self.csv else {
            let text = self.input.as_deref().unwrap_or_default();
            return Ok(vec![row_from_text(text).context("--input")?]);
        };
        let view = rest.get(&format!("/v1/models/{model}"))?;
        let features = typed::<Vec<String>>(&view["signature"]["features"])
            .with_context(|| format!("the node does not say which features {model:?} takes"))?;
        let text = fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        rows_from_csv(&text, &features).with_context(|| path.display().to_string())
    }
}

/// Asks a model about `rows`: one call, at most 1024 rows. `rest` has the API key.
///
/// # Errors
/// What the node refuses; nothing was paid then.
pub fn predict(rest: &Rest, model: &str, rows: &[Vec<f64>]) -> anyhow::Result<Value> {
    ask(rest, model, (&random_name(), rows))
}

fn ask(rest: &Rest, model: &str, (name, rows): (&str, &[Vec<f64>])) -> anyhow::Result<Value> {
    let width = rows.first().map_or(0, Vec::len);
    let input = json!({"inputs": [{
        "name": "input", "datatype": "FP64", "shape": [rows.len(), width], "data": rows,
    }]});
    let answer = rest.post(&format!("/v2/models/{model}/infer"), Some(name), &input);
    answer.map_err(|error| {
        let what = if was_refused(&error) {
            format!("{model:?} made no prediction")
        } else {
            format!("whether {model:?} was asked and paid is not known; with --idempotency-key {name} the same command pays once")
        };
        error.context(what)
    })
}

fn print_prediction(prediction: &Prediction) -> anyhow::Result<()> {
    let output = |name: &str| {
        let found = prediction.outputs.iter().find(|output| output.name == name);
        found.with_context(|| format!("the prediction has no {name}"))
    };
    let (labels, probabilities) = (output("label")?, output("probabilities")?);
    let classes = probabilities.shape.get(1).copied().unwrap_or(1).max(1);
    let rows = labels.data.iter().zip(probabilities.data.chunks(classes)).zip(1..);
    let row = |((label, row), number): ((&Value, &[Value]), u32)| {
        let numbers = row.iter().filter_map(Value::as_f64).map(|value| format!("{value:.4}"));
        let label = label.as_str().unwrap_or_default().to_owned();
        vec![number.to_string(), label, numbers.collect::<Vec<_>>().join("  ")]
    };
    print_table(&["row", "prediction", "probabilities"], 2, rows.map(row).collect())
}

fn print_receipt(prediction: &Prediction, receipt: &Receipt) -> anyhow::Result<()> {
    let Prediction { model_name, model_version, parameters, .. } = prediction;
    let price = money(&receipt.price, Some(&receipt.currency));
    print(format!("{model_name} version {model_version} for {price}:"))?;
    let row = |line: &Line| vec![line.label.clone(), money(&line.amount, Some(&receipt.currency))];
    print_table(&["who earns", "amount"], 1, receipt.lines.iter().map(row).collect())?;
    print(format!("receipt {} (ledger entry {})", parameters.receipt, receipt.ledger_index))
}

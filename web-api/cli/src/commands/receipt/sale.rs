//! A buyer's receipt of a prediction, `GET /v1/receipts/{id}` in a file: checked offline against the log's signed
//! checkpoints.

use std::{fs, path::Path};

use anyhow::{Context as _, bail, ensure};
use data_dao_journal::{
    Body, Entry, LIST_MAX, ModelReleased, Predicted, PredictionReserved, RevenueLine,
};
use data_dao_ledger::split;
use data_dao_log::{Policy, TlogProof, Verifier};
use data_dao_market::Recipient;
use serde_json::Value;

use super::{VerifyArgs, print};

/// The fields of a receipt that are checked, or told of as not checked.
const KNOWN: &[&str] = &[
    "id",
    "time_ms",
    "key_id",
    "model",
    "input",
    "currency",
    "lines",
    "output",
    "price",
    "ledger_index",
    "leaf",
    "proof",
    "evidence",
];
/// The same of its model.
const KNOWN_OF_MODEL: &[&str] = &[
    "name",
    "version",
    "digest",
    "federation",
    "rounds",
    "contributors",
    "licence",
    "test_accuracy",
    "epsilon",
];

/// Whether a file is one of these.
pub(super) fn is_sale(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"{"))
}

/// Checks a receipt: all that it says of a sale stands in three entries of a signed log, and they fit together.
pub(super) fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    let receipt: Value = serde_json::from_slice(&read(&args.receipt)?).context("the receipt")?;
    let policy = match &args.policy {
        Some(path) => Policy::parse(&read(path)?).with_context(|| format!("{}", path.display()))?,
        None => {
            let vkey = args.vkey.clone();
            Policy::of_log(vkey.context("say whom to believe: --vkey or --policy")?)
        }
    };
    let entry = |what: &str, proof: &Value| proven(&policy, args.vkey.as_ref(), (what, proof));
    let made = entry("the prediction", &receipt["proof"])?;
    let reserved = entry("its reservation", &receipt["evidence"]["reserved"])?;
    let released = entry("the model's release", &receipt["evidence"]["released"])?;
    check_proof_words(&receipt, &made)?;
    let (Body::Predicted(made), Body::PredictionReserved(reserved), Body::ModelReleased(released)) =
        (made.entry.body, reserved.entry.body, released.entry.body)
    else {
        bail!("the receipt does not hold: its proofs are of other entries");
    };
    check_entries(&made, &reserved, &released)?;
    print("ok      the three entries fit together")?;
    check_split(&made, &released)?;
    check_words(&receipt, &made, &reserved, &released)?;
    let all = check_lines(&receipt, &made)?;
    print(format!(
        "ok      the receipt says what they say{}",
        if all { "" } else { ", but for its lines" }
    ))?;
    print(format!(
        "{} of {} version {} (model {}), {} rounds of {}, for key {}: {} × 10⁻⁴ {}",
        made.prediction,
        reserved.model,
        reserved.version,
        made.model_digest,
        released.rounds,
        released.federation,
        reserved.key_id,
        made.price,
        receipt["currency"].as_str().unwrap_or_default(),
    ))?;
    say_what_was_not_checked(&receipt)
}

/// An entry of the log, as a proof has it.
struct Proven {
    index: u64,
    leaf: Vec<u8>,
    entry: Entry,
}

/// Checks one proof. What stands beside it, its size, path and checkpoint for programs that read no `tlog-proof`, has to be the same.
fn proven(
    policy: &Policy,
    vkey: Option<&Verifier>,
    (what, said): (&str, &Value),
) -> anyhow::Result<Proven> {
    let text = said["tlog_proof"].as_str();
    let text = text.with_context(|| format!("the receipt has no proof of {what}"))?;
    let proof = TlogProof::parse(text).with_context(|| format!("the proof of {what}"))?;
    policy.check(&proof.checkpoint, vkey)?;
    let leaf = proof.verify(None).with_context(|| format!("the proof of {what}"))?;
    let path: Vec<_> = proof.inclusion.path.iter().map(ToString::to_string).collect();
    let same = said["size"].as_u64() == Some(proof.inclusion.size)
        && said["path"] == Value::from(path)
        && said["checkpoint"].as_str() == Some(&proof.checkpoint.to_string());
    ensure!(same, "the receipt does not hold: beside the proof of {what} stands another");
    print(format!("ok      {what} is entry {} of the log", proof.inclusion.index))?;
    Ok(Proven { index: proof.inclusion.index, leaf: leaf.to_vec(), entry: Entry::from_leaf(leaf)? })
}

/// Where and when the receipt says that the prediction stands in the log.
fn check_proof_words(receipt: &Value, made: &Proven) -> anyhow::Result<()> {
    let checks = [
        ("entry", receipt["ledger_index"].as_u64() == Some(made.index)),
        ("time", receipt["time_ms"].as_u64() == Some(made.entry.time_ms)),
        ("leaf", receipt["leaf"].as_str().map(str::as_bytes) == Some(&made.leaf)),
    ];
    for (what, same) in checks {
        ensure!(same, "the receipt does not hold: it names another {what} than its proof");
    }
    Ok(())
}

/// What the three entries do not say. A field that this program does not know is among it.
fn say_what_was_not_checked(receipt: &Value) -> anyhow::Result<()> {
    print(
        "not checked: the currency, the licence, ε and what contributors are called (`sahakar audit` recomputes the log they follow from)",
    )?;
    let unknown: Vec<&str> = [(receipt, KNOWN), (&receipt["model"], KNOWN_OF_MODEL)]
        .into_iter()
        .filter_map(|(value, known)| Some((value.as_object()?, known)))
        .flat_map(|(fields, known)| fields.keys().filter(move |key| !known.contains(&key.as_str())))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        print(format!("not checked: {}, which this program does not know", unknown.join(", ")))?;
    }
    print(
        "not checked: that the model computes this output from this input (whoever has the model can: both digests are here)",
    )
}

fn check_entries(
    made: &Predicted,
    reserved: &PredictionReserved,
    released: &ModelReleased,
) -> anyhow::Result<()> {
    let checks = [
        ("prediction", made.prediction == reserved.prediction),
        ("price", made.price == reserved.price),
        ("model", reserved.model == released.model && reserved.version == released.version),
        ("model digest", made.model_digest == released.digest),
    ];
    for (what, same) in checks {
        ensure!(same, "the receipt does not hold: its entries are not of one {what}");
    }
    Ok(())
}

/// The contributors' lines are the split of what the DAO leaves, by the weights of the release.
fn check_split(made: &Predicted, released: &ModelReleased) -> anyhow::Result<()> {
    if made.lines.is_empty() || released.weights.is_empty() && made.lines.len() > 1 {
        return print(format!(
            "not checked: the split among contributors (more than {LIST_MAX}: `sahakar audit` recomputes it)"
        ));
    }
    let sum = made.lines.iter().try_fold(0_u128, |sum, line| sum.checked_add(line.amount));
    ensure!(
        sum == Some(made.price),
        "the receipt does not hold: its lines do not sum to the price"
    );
    let of_members = |line: &&RevenueLine| matches!(line.recipient, Recipient::Member(_));
    let members: Vec<&RevenueLine> = made.lines.iter().filter(of_members).collect();
    let left: u128 = members.iter().map(|line| line.amount).sum();
    if !members.is_empty() {
        let weights: Vec<u128> = released.weights.iter().map(|weight| weight.weight).collect();
        let parts = split(left, &weights).context("splitting the price")?;
        let expected = released.weights.iter().zip(parts).filter(|(_, part)| *part > 0);
        let same = expected.clone().count() == members.len()
            && expected.zip(&members).all(|((weight, part), line)| {
                line.recipient == Recipient::Member(weight.member) && line.amount == part
            });
        ensure!(same, "the receipt does not hold: its lines are not the split by value");
    }
    let treasury = made.price - left;
    print(format!(
        "ok      {left} are split among {} contributors by value, {treasury} are the DAO's",
        members.len()
    ))
}

/// What the receipt says in its own words is what the entries say.
fn check_words(
    receipt: &Value,
    made: &Predicted,
    reserved: &PredictionReserved,
    released: &ModelReleased,
) -> anyhow::Result<()> {
    let model = &receipt["model"];
    let texts = [
        ("id", &receipt["id"], made.prediction.to_string()),
        ("price", &receipt["price"], made.price.to_string()),
        ("output", &receipt["output"], made.output.to_string()),
        ("input", &receipt["input"], reserved.input.to_string()),
        ("key_id", &receipt["key_id"], reserved.key_id.to_string()),
        ("model.name", &model["name"], reserved.model.to_string()),
        ("model.digest", &model["digest"], made.model_digest.to_string()),
        ("model.federation", &model["federation"], released.federation.to_string()),
    ];
    for (what, said, is) in texts {
        ensure!(
            said.as_str() == Some(&is),
            "the receipt does not hold: it says {what} is {said}, its entries {is}"
        );
    }
    ensure!(
        model["rounds"].as_u64() == Some(released.rounds)
            && model["version"].as_u64() == Some(u64::from(reserved.version)),
        "the receipt does not hold: rounds or version are not those of its entries"
    );
    let accuracy = released.test_accuracy_ppm.map(|millionths| f64::from(millionths) / 1e6);
    ensure!(
        model["test_accuracy"].as_f64() == accuracy,
        "the receipt does not hold: the test accuracy is not that of the model's release"
    );
    check_contributors(model, released)
}

/// How many earn from the model: as many as its release names, which leaves them out if they are too many.
fn check_contributors(model: &Value, released: &ModelReleased) -> anyhow::Result<()> {
    let said = model["contributors"].as_u64();
    if released.weights.is_empty() && said.is_some_and(|said| said > 0) {
        return print(
            "not checked: the number of contributors (more than a release lists: `sahakar audit` recomputes it)",
        );
    }
    ensure!(
        said == u64::try_from(released.weights.len()).ok(),
        "the receipt does not hold: the number of contributors is not that of the model's release"
    );
    Ok(())
}

/// The lines that the receipt lists are those of its entry: false if that has none, as those of many contributors do not fit it.
fn check_lines(receipt: &Value, made: &Predicted) -> anyhow::Result<bool> {
    let listed = receipt["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    if made.lines.is_empty() && !listed.is_empty() {
        let number = listed.len();
        print(format!(
            "not checked: the {number} lines of who earns what (`sahakar audit` recomputes them)"
        ))?;
        return Ok(false);
    }
    let said = listed.iter().map(|line| (line["recipient"].as_str(), line["amount"].as_str()));
    let is = made.lines.iter().map(|line| (line.recipient.to_string(), line.amount.to_string()));
    let same = listed.len() == made.lines.len()
        && is.zip(said).all(|((recipient, amount), said)| {
            said == (Some(recipient.as_str()), Some(amount.as_str()))
        });
    ensure!(same, "the receipt does not hold: its lines are not those of its entries");
    Ok(true)
}

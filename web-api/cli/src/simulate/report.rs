//! What a simulation tells: lines while it runs, and the report with the keys of a demonstration's.

use std::num::NonZeroUsize;

use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use data_dao_journal::student_t_thousandths;
use serde_json::{Value, json};

use crate::stopping::Stopping;

use super::{
    explained::Explained,
    local_round::Bench,
    population::Contributor,
    simulation::Simulation,
    state::{RoundRecord, ValueRecord},
};
use crate::demo::children::own_peak_rss_bytes;

/// Contributors that are listed on the terminal; the report has all.
const LISTED_MAX: usize = 20;

/// Everything that came of it.
pub(crate) fn report(simulation: &Simulation, wall_seconds: f64) -> Value {
    let Simulation { bench, state, population, .. } = simulation;
    let Bench { plan, architecture, .. } = bench;
    let mut config = plan.to_json();
    config["parameters"] = architecture.parameter_count().into();
    config["ring_bits"] = simulation.ring_bits().into();
    config["uploaded_parameters"] =
        plan.local.uploaded(plan.training.settings().work, simulation.bench.shared).into();
    let rounds: Vec<_> = state.rounds.iter().map(round_json).collect();
    let explained = Explained::of(simulation);
    let contributors: Vec<_> =
        population.iter().map(|c| contributor_json(simulation, c, &explained)).collect();
    let ledger = simulation.ledger().map(
        |summary| json!({"entries": summary.entries, "root": summary.root, "audit": summary.audit}),
    );
    json!({
        "config": config,
        "rounds": rounds,
        "contributors": contributors,
        "ledger": ledger,
        "early_stopping": state.local.stopping.as_ref().map(Stopping::to_json),
        "peak_rss_bytes": own_peak_rss_bytes(),
        "wall_seconds": wall_seconds,
    })
}

fn round_json(record: &RoundRecord) -> Value {
    json!({
        "round": record.round,
        "test_accuracy": record.test_accuracy,
        "test_loss": record.test_loss,
        "train_loss": record.train_loss,
        "attack_success": record.attack_success,
        "participants": record.participants,
        "dropped": record.dropped,
        "refused": record.refused,
        "course": record.course.to_json(),
        "upload_bytes_per_contributor": record.upload_bytes_per_contributor,
        "upload_bytes_per_parameter": record.upload_bytes_per_parameter,
        "epsilon": record.epsilon,
        "train_seconds": record.train_seconds,
        "seal_seconds": record.seal_seconds,
        "aggregate_seconds": record.aggregate_seconds,
        "wall_seconds": record.wall_seconds,
        "model": record.model,
        "remark": record.remark,
        "learning_rate": record.local.learning_rate,
        "validation": record.local.validation,
        "shared_accuracy": record.local.shared_accuracy,
        "personal_accuracy": record.local.personal_accuracy,
    })
}

fn contributor_json(
    simulation: &Simulation,
    contributor: &Contributor,
    explained: &Explained,
) -> Value {
    let none = ValueRecord::default();
    let record = simulation.state.values.get(&contributor.index).unwrap_or(&none);
    let (value, interval) = total(record);
    let credits = simulation.credits(contributor);
    let tested = simulation.state.local.tested(contributor.index);
    let mut row = json!({
        "id": contributor.member().to_string(),
        "label": contributor.label(),
        "samples": contributor.rows.len(),
        "rounds": record.rounds,
        "value": value,
        "value_low": interval.map(|[low, _]| low),
        "value_high": interval.map(|[_, high]| high),
        "values": record.values,
        "credits": credits.map(|credits| u64::try_from(credits).unwrap_or(u64::MAX)),
        "kind": contributor.kind.name(),
        "local_test_rows": tested.map(|test| test.rows),
        "shared_accuracy": tested.and_then(|test| test.share(test.shared)),
        "personal_accuracy": tested.and_then(|test| test.share(test.personal)),
    });
    if let (Some(row), Value::Object(why)) =
        (row.as_object_mut(), explained.row(&contributor.member(), record))
    {
        row.extend(why);
    }
    row
}

/// The sum of a contributor's values and its 95 % interval; none of what was never measured.
#[expect(clippy::cast_precision_loss, reason = "a count of rounds")]
fn total(record: &ValueRecord) -> (Option<f64>, Option<[f64; 2]>) {
    let values = &record.values;
    if values.is_empty() {
        return (None, None);
    }
    let (count, sum) = (values.len() as f64, values.iter().sum::<f64>());
    if values.len() < 2 {
        return (Some(sum), None);
    }
    let mean = sum / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    // As the ledger states it.
    let quantile =
        student_t_thousandths(values.len() - 1).map(|thousandths| thousandths as f64 / 1e3);
    let half = quantile.map(|quantile| quantile * (variance * count).sqrt());
    (Some(sum), half.map(|half| [sum - half, sum + half]))
}

/// What is about to run.
pub(crate) fn print_head(simulation: &Simulation, threads: NonZeroUsize, resumed: Option<u64>) {
    let Bench { plan, data, architecture, .. } = &simulation.bench;
    let json = plan.to_json();
    let mode = json["mode"].as_str().unwrap_or_default();
    let sealed = match simulation.ring_bits() {
        Some(bits) => format!("sealed by {mode}, {bits} bits a parameter"),
        None => "in the clear".to_owned(),
    };
    println!(
        "{} contributors, {} in a round, of {} rows of {}; {} parameters, {}, {}, {}; {threads} threads",
        plan.clients,
        plan.cohort_size(),
        data.parts.iter().map(Vec::len).sum::<usize>(),
        data.name,
        architecture.parameter_count(),
        plan.strategy_name(),
        plan.groups.map_or(plan.rule, |rule| rule.rule()),
        sealed,
    );
    if let Some(round) = resumed {
        println!("going on after round {round} of the checkpoint");
    }
}

/// One line for a round.
pub(crate) fn print_round(record: &RoundRecord) {
    let RoundRecord { round, participants, dropped, wall_seconds, .. } = record;
    let quality = match (record.test_accuracy, record.test_loss) {
        (Some(accuracy), Some(loss)) => {
            format!("accuracy {:.2} %, loss {loss:.4}", 100.0 * accuracy)
        }
        _ if record.local.personal_accuracy.is_some() => String::new(),
        _ => "no new model".to_owned(),
    };
    let personal = record.local.personal_accuracy;
    let quality = match personal.map(|accuracy| format!("own models {:.2} %", 100.0 * accuracy)) {
        Some(personal) if quality.is_empty() => personal,
        Some(personal) => format!("{quality}, {personal}"),
        None => quality,
    };
    let upload = match record.upload_bytes_per_contributor {
        0 => String::new(),
        bytes => format!(
            ", {:.3} MB each ({:.2} B/parameter)",
            megabytes(bytes),
            record.upload_bytes_per_parameter
        ),
    };
    let epsilon = record.epsilon.map(|epsilon| format!(", ε {epsilon:.2}")).unwrap_or_default();
    let success =
        record.attack_success.map(|s| format!(", backdoor {:.1} %", 100.0 * s)).unwrap_or_default();
    let course = record.course.line();
    let missing = if *dropped > 0 { format!(", {dropped} sent nothing") } else { String::new() };
    println!(
        "round {:>4}  {quality}  {participants} in the sum{missing}{course}{success}{upload}{epsilon}, {wall_seconds:.2} s",
        round + 1
    );
    if let Some(remark) = &record.remark {
        println!("            {remark}");
    }
}

/// Who contributed what.
pub(crate) fn print_tail(simulation: &Simulation, outcome: &Value) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "contributor",
        "rows",
        "rounds",
        "value",
        "95 % interval",
        "credits",
        "why",
        "kind",
    ]);
    let contributors = outcome["contributors"].as_array().map_or(&[][..], Vec::as_slice);
    for row in contributors.iter().take(LISTED_MAX) {
        let number =
            |key: &str| row[key].as_f64().map_or_else(|| "–".to_owned(), |v| format!("{v:.4}"));
        let whole = |key: &str| row[key].as_u64().map_or_else(|| "–".to_owned(), |v| v.to_string());
        let interval = match row["value_low"].as_f64() {
            Some(_) => format!("{} … {}", number("value_low"), number("value_high")),
            None => "–".to_owned(),
        };
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        let text = |key: &str| Cell::new(row[key].as_str().unwrap_or_default());
        table.add_row([
            text("label"),
            right(whole("samples")),
            right(whole("rounds")),
            right(number("value")),
            right(interval),
            right(whole("credits")),
            text("in_short"),
            text("kind"),
        ]);
    }
    println!("{table}");
    if contributors.len() > LISTED_MAX {
        println!("… and {} more (--report)", contributors.len() - LISTED_MAX);
    }
    if let Some(stopping) = simulation.state.local.stopping.as_ref()
        && let Some(sentence) = stopping.sentence()
    {
        println!("{sentence}");
    }
    if let Some(ledger) = simulation.ledger() {
        println!(
            "ledger: {} entries, root {}, audit {}",
            ledger.entries, ledger.root, ledger.audit
        );
    }
    if let Some(bytes) = outcome["peak_rss_bytes"].as_u64() {
        let seconds = outcome["wall_seconds"].as_f64().unwrap_or_default();
        println!("{:.0} MB at most, {seconds:.1} s", megabytes(bytes));
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

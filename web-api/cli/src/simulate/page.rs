//! A simulation's report as one page without scripts or references: numbers, and curves as SVG.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use web_api::{CHART_STYLE, Chart, Curve};

/// Contributors whose values are drawn: more could not be told apart.
const DRAWN_MAX: usize = 12;
/// Contributors that are listed.
const LISTED_MAX: usize = 200;

/// Everything that the page looks like; both colour schemes.
const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #888; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.charts { display: grid; gap: 1.6rem 2rem; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); }
dl { display: grid; gap: 0 1.5rem; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); }
dl div { border-bottom: 1px solid var(--line); display: flex; justify-content: space-between; }
dt { color: var(--soft); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
tr.why td { white-space: normal; color: var(--soft); padding-bottom: .6rem; }
tr:has(+ tr.why) td { border-bottom: 0; padding-top: .5rem; }
code { overflow-wrap: anywhere; }
";

/// The page of a report.
pub(crate) fn page(report: &Value) -> String {
    let rounds = list(report, "rounds");
    let contributors = list(report, "contributors");
    let title = format!("Simulation: {}", report["config"]["dataset"].as_str().unwrap_or_default());
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(CHART_STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (summary(report))
                h2 { "Rounds" }
                div class="charts" {
                    (figure("Accuracy on the test set", "per cent", &[
                        curve(rounds, "of the model", "test_accuracy", 100.0),
                        curve(rounds, "of the backdoor", "attack_success", 100.0),
                    ]))
                    (figure("Accuracy on contributors' own rows", "per cent", &[
                        curve(rounds, "of the shared model", "shared_accuracy", 100.0),
                        curve(rounds, "of their own models", "personal_accuracy", 100.0),
                    ]))
                    (figure("Loss", "nats", &[
                        curve(rounds, "on the test set", "test_loss", 1.0),
                        curve(rounds, "in local training", "train_loss", 1.0),
                    ]))
                    (figure("Upload of a contributor", "bytes per parameter", &[curve(rounds, "upload", "upload_bytes_per_parameter", 1.0)]))
                    (figure("Privacy loss ε so far", "ε", &[curve(rounds, "ε", "epsilon", 1.0)]))
                    (figure("Time of a round", "seconds", &[
                        curve(rounds, "whole round", "wall_seconds", 1.0),
                        curve(rounds, "aggregation", "aggregate_seconds", 1.0),
                    ]))
                    (figure("Value of contributions so far", "nats of validation loss", &values(contributors)))
                }
                h2 { "Contributors" }
                (contributor_table(contributors))
                h2 { "Settings" }
                (settings(&report["config"]))
            }
        }
    };
    page.into_string()
}

fn list<'a>(report: &'a Value, key: &str) -> &'a [Value] {
    report[key].as_array().map_or(&[], Vec::as_slice)
}

fn summary(report: &Value) -> Markup {
    let last = list(report, "rounds").iter().rev().find(|round| round["test_accuracy"].is_number());
    let number = |value: &Value, digits: usize| value.as_f64().map(|v| format!("{v:.digits$}"));
    html! {
        dl {
            @if let Some(round) = last {
                (pair("accuracy at the end", round["test_accuracy"].as_f64().map(|a| format!("{:.2} %", 100.0 * a))))
                (pair("loss at the end", number(&round["test_loss"], 4)))
                (pair("ε at the end", number(&round["epsilon"], 2)))
            }
            (pair("parameters", report["config"]["parameters"].as_u64().map(|n| n.to_string())))
            (pair("seconds", number(&report["wall_seconds"], 1)))
            (pair("memory at most", report["peak_rss_bytes"].as_f64().map(|b| format!("{:.0} MB", b / 1e6))))
            @if report["ledger"].is_object() {
                (pair("entries in the ledger", report["ledger"]["entries"].as_u64().map(|n| n.to_string())))
                (pair("audit of the ledger", report["ledger"]["audit"].as_str().map(str::to_owned)))
            }
        }
        @if let Some(root) = report["ledger"]["root"].as_str() {
            p { "Root of the ledger: " code { (root) } }
        }
    }
}

fn pair(name: &str, value: Option<String>) -> Markup {
    html! { div { dt { (name) } dd { (value.unwrap_or_else(|| "–".to_owned())) } } }
}

fn settings(config: &Value) -> Markup {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    html! {
        dl {
            @for (name, value) in config.as_object().into_iter().flatten() {
                (pair(&name.replace('_', " "), text(value)))
            }
        }
    }
}

fn figure(title: &str, unit: &str, curves: &[Curve]) -> Markup {
    Chart { title, unit, along: "round", curves }.figure()
}

/// One field of the rounds.
#[expect(clippy::cast_precision_loss, reason = "a round's number")]
fn curve(rounds: &[Value], name: &str, key: &str, scale: f64) -> Curve {
    let point = |round: &Value| {
        let number = round["round"].as_u64()? + 1;
        Some((number as f64, scale * round[key].as_f64()?))
    };
    Curve::new(name, rounds.iter().filter_map(point).collect())
}

/// The running sums of values of those who took part most and of all who attack, at most [`DRAWN_MAX`].
#[expect(clippy::cast_precision_loss, reason = "a count of rounds")]
fn values(contributors: &[Value]) -> Vec<Curve> {
    let mut drawn: Vec<_> = contributors.iter().filter(|c| c["value"].is_number()).collect();
    drawn.sort_by_key(|c| {
        (c["kind"].as_str() == Some("honest"), std::cmp::Reverse(c["rounds"].as_u64()))
    });
    drawn.truncate(DRAWN_MAX);
    let curve = |contributor: &&Value| {
        let mut sum = 0.0;
        let values = list(contributor, "values").iter().filter_map(Value::as_f64).enumerate();
        let points = values.map(|(index, value)| {
            sum += value;
            ((index + 1) as f64, sum)
        });
        let name = match contributor["kind"].as_str() {
            Some("honest") | None => contributor["label"].as_str().unwrap_or_default().to_owned(),
            Some(kind) => format!("{} ({kind})", contributor["label"].as_str().unwrap_or_default()),
        };
        Curve::new(name, points.collect())
    };
    drawn.iter().map(curve).collect()
}

fn contributor_table(contributors: &[Value]) -> Markup {
    let number =
        |value: &Value| value.as_f64().map_or_else(|| "–".to_owned(), |v| format!("{v:.4}"));
    let whole = |value: &Value| value.as_u64().map_or_else(|| "–".to_owned(), |v| v.to_string());
    html! {
        div class="wide" {
            table {
                thead {
                    tr {
                        @for name in ["contributor", "rows", "rounds", "value", "low (95 %)", "high (95 %)", "credits", "kind"] {
                            th { (name) }
                        }
                    }
                }
                tbody {
                    @for row in contributors.iter().take(LISTED_MAX) {
                        tr {
                            td { (row["label"].as_str().unwrap_or_default()) }
                            td { (whole(&row["samples"])) }
                            td { (whole(&row["rounds"])) }
                            td { (number(&row["value"])) }
                            td { (number(&row["value_low"])) }
                            td { (number(&row["value_high"])) }
                            td { (whole(&row["credits"])) }
                            td { (row["kind"].as_str().unwrap_or_default()) }
                        }
                        tr class="why" {
                            td colspan="8" { (row["explanation"].as_str().unwrap_or_default()) }
                        }
                    }
                }
            }
        }
        @if contributors.len() > LISTED_MAX {
            p { "… and " (contributors.len() - LISTED_MAX) " more in the report." }
        }
    }
}

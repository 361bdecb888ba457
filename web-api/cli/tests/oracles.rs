//! `sahakar simulate --value`: exact, sampled and left-out values of the rounds' games beside the probe, the same at any
//! number of threads, and why everybody earned what it did.

#![expect(clippy::unwrap_used, reason = "clippy's allowance for tests does not reach helpers")]

use std::process::{Command, Output};

use serde_json::Value;

const FEDERATION: [&str; 8] =
    ["--clients", "6", "--rounds", "2", "--validation-rows", "200", "--seed", "3"];

fn simulate(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_sahakar");
    Command::new(program).arg("simulate").args(FEDERATION).args(arguments).output().unwrap()
}

fn report(arguments: &[&str]) -> Value {
    let output = simulate(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn values(report: &Value) -> Vec<f64> {
    let rows = report["contributors"].as_array().unwrap().iter();
    rows.map(|row| row["value"].as_f64().unwrap()).collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

#[test]
fn the_probe_is_near_the_exact_values_in_the_clear_and_sealed() {
    for seal in ["none", "mpc"] {
        let of = |value| values(&report(&["--seal", seal, "--value", value]));
        let (exact, probe) = (of("shapley"), of("probe"));
        // To reach: 0.05. Measured here: below 0.01.
        let error = distance(&probe, &exact);
        assert!(error < 0.05, "{seal}: {error}, {probe:?} beside {exact:?}");
        // The sampled values have standard errors of at most 5 % of the largest.
        let sampled = of("tmc");
        let error = distance(&sampled, &exact);
        assert!(error < 0.3, "{seal}: {error}, {sampled:?} beside {exact:?}");
        let left = of("loo");
        assert!(distance(&left, &exact) > 1e-6, "leave-one-out is another value: {left:?}");
    }
}

#[test]
fn oracles_give_the_same_bits_at_any_number_of_threads() {
    for value in ["shapley", "tmc", "loo"] {
        let run =
            |threads| values(&report(&["--seal", "none", "--value", value, "--threads", threads]));
        assert_eq!(run("1"), run("3"), "{value}");
    }
}

#[test]
fn weights_of_a_round_are_those_of_its_game() {
    let of = |weighting, value| {
        let arguments = ["--seal", "none", "--partition", "linear", "--weighting", weighting];
        values(&report(&[&arguments[..], &["--value", value]].concat()))
    };
    let (by_rows, alike) = (of("samples", "shapley"), of("uniform", "shapley"));
    let error = distance(&of("samples", "probe"), &by_rows);
    assert!(error < 0.05, "{error}");
    assert!(distance(&alike, &by_rows) > 0.1, "weights change the game");
}

#[test]
fn oracles_change_nothing_but_values() {
    let of = |value| report(&["--seal", "mpc", "--value", value]);
    let (probe, exact) = (of("probe"), of("shapley"));
    assert_eq!(probe["rounds"][1]["model"], exact["rounds"][1]["model"]);
    assert_eq!(probe["ledger"], exact["ledger"], "paid by the sealed probe");
}

#[test]
fn everybody_is_told_why_it_earned_what_it_did() {
    let sealed = report(&["--seal", "mpc", "--attack", "zero:1", "--attack", "labelflip:1"]);
    for row in sealed["contributors"].as_array().unwrap() {
        let sentence = row["explanation"].as_str().unwrap();
        let credits: u64 = row["explained"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["credits"].as_u64().unwrap())
            .sum();
        assert_eq!(row["credits"].as_u64().unwrap(), credits, "{row}");
        let expected = if row["kind"] == "zero" {
            "changed nothing"
        } else {
            "the validation loss (value in this one"
        };
        assert!(sentence.contains(expected), "{row}");
    }
    let open = report(&["--seal", "none"]);
    for row in open["contributors"].as_array().unwrap() {
        assert!(row["explanation"].as_str().unwrap().contains("have no ledger"), "{row}");
    }
}

#[test]
fn games_that_cannot_be_played_are_refused() {
    let refused = |arguments: &[&str], words: &str| {
        let output = simulate(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    };
    refused(&["--rule", "median", "--seal", "none", "--value", "shapley"], "gain of a mean");
    refused(&["--value", "none"], "always measure");
    let program = env!("CARGO_BIN_EXE_sahakar");
    let many = ["simulate", "--clients", "17", "--value", "shapley"];
    let output = Command::new(program).args(many).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("at most 16") && error.contains("--value tmc"), "{error}");
}

//! `sahakar value game`: games whose values are known, and refusals that say what is wrong with the file.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::{Value, json};

fn game(text: &str, more: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("game.json");
    fs::write(&path, text).unwrap();
    let program = env!("CARGO_BIN_EXE_sahakar");
    Command::new(program).args(["value", "game"]).arg(&path).args(more).output().unwrap()
}

fn values(text: &str) -> Value {
    let output = game(text, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check(text: &str, key: &str, expected: &[f64]) {
    let values = values(text);
    let got = values[key].as_array().unwrap();
    assert_eq!(got.len(), expected.len(), "{values}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got.as_f64().unwrap() - expected).abs() < 1e-12, "{key}: {values}");
    }
}

const GLOVES: &str =
    r#"{"players": 3, "worth": {"5": 1, "6": 1, "7": 1, "0": 0, "1": 0, "2": 0, "3": 0, "4": 0}}"#;

#[test]
fn values_of_a_game_in_a_file_are_exact() {
    check(GLOVES, "shapley", &[1.0 / 6.0, 1.0 / 6.0, 2.0 / 3.0]);
    check(GLOVES, "banzhaf", &[0.25, 0.25, 0.75]);
    check(GLOVES, "banzhaf_index", &[0.2, 0.2, 0.6]);
    check(GLOVES, "leave_one_out", &[0.0, 0.0, 1.0]);
    let sparse = r#"{"players": 3, "otherwise": 0, "worth": {"0b101": 1, "0x6": 1, "7": 1}}"#;
    check(sparse, "shapley", &[1.0 / 6.0, 1.0 / 6.0, 2.0 / 3.0]);
    check(r#"{"players": 0, "worth": {}}"#, "shapley", &[]);
    check(r#"{"players": 1, "worth": {"0": 3, "1": 10}}"#, "shapley", &[7.0]);
    assert_eq!(values(r#"{"players": 1, "worth": {"1": 0}}"#)["banzhaf_index"], json!(null));
}

#[test]
fn people_get_a_table() {
    let output = game(GLOVES, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["Shapley", "Banzhaf", "leave one out", "0.166667", "0.750000", "win 1"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn files_that_state_no_game_are_refused_with_the_reason() {
    let refused = |text: &str, words: &[&str]| {
        let output = game(text, &["--json"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}: {error}");
        assert!(output.stdout.is_empty(), "{text}");
        for words in words {
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(!error.contains("panicked"), "{text}: {error}");
    };
    refused("", &["players", "worth"]);
    refused(r#"{"players": 2, "worth": {"1": 0}}"#, &["2 of 4", "2 {1}", "otherwise"]);
    refused(r#"{"players": 17, "worth": {}}"#, &["17 players", "16"]);
    refused(r#"{"players": -1, "worth": {}}"#, &["-1"]);
    refused(r#"{"players": 2, "worth": {"4": 0}}"#, &["coalition 4 {2}", "largest is 3"]);
    refused(r#"{"players": 2, "worth": {"01": 0}}"#, &["0b101"]);
    refused(r#"{"players": 2, "worth": {"+1": 0}}"#, &["is no coalition"]);
    refused(r#"{"players": 2, "worth": {"3": 0, "0b11": 0}}"#, &["twice"]);
    refused(r#"{"players": 1, "worth": {"1": 1e999}}"#, &["number"]);
    refused(r#"{"players": 1, "worth": {"1": 1e200}}"#, &["coalition 1 {0}", "1e150"]);
    refused(r#"{"players": 1, "worth": {"1": NaN}}"#, &["players"]);
    refused(r#"{"players": 1, "worth": {"1": "1"}}"#, &["string"]);
    refused(r#"{"players": 1, "worth": {"1": 1}, "name": 2}"#, &["name"]);
}

#[test]
fn a_missing_file_and_wrong_usage_are_told_apart() {
    let program = env!("CARGO_BIN_EXE_sahakar");
    let run = |arguments: &[&str]| Command::new(program).args(arguments).output().unwrap();
    let missing = run(&["value", "game", "no-such-file.json"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no-such-file.json"));
    assert_eq!(run(&["value", "game"]).status.code(), Some(2));
    let help = run(&["value", "game", "--help"]);
    assert!(String::from_utf8_lossy(&help.stdout).contains("bit i"));
}

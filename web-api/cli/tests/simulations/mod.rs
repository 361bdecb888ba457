//! `sahakar simulate` as a user runs it, and what its report says.
#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use std::process::{Command, Output};

use serde_json::Value;

pub(crate) fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sahakar")).arg("simulate").args(arguments).output().unwrap()
}

pub(crate) fn report(arguments: &[&str]) -> Value {
    let output = simulate(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a report says without what depends on the machine: times and memory.
pub(crate) fn computed(mut report: Value) -> Value {
    let object = report.as_object_mut().unwrap();
    object.remove("peak_rss_bytes");
    object.remove("wall_seconds");
    for round in report["rounds"].as_array_mut().unwrap() {
        round.as_object_mut().unwrap().retain(|key, _| !key.ends_with("_seconds"));
    }
    report
}

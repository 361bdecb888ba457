//! What contributors of `sahakar simulate` do with their rows: changed images, and what cannot be done with them.

#![expect(clippy::unwrap_used, reason = "clippy's allowance for tests does not reach helpers")]

use std::{
    env,
    process::{Command, Output},
};

use serde_json::Value;

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sahakar")).arg("simulate").args(arguments).output().unwrap()
}

fn report(arguments: &[&str]) -> Value {
    let output = simulate(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a report says without what depends on the machine: times and memory.
fn computed(mut report: Value) -> Value {
    let object = report.as_object_mut().unwrap();
    object.remove("peak_rss_bytes");
    object.remove("wall_seconds");
    for round in report["rounds"].as_array_mut().unwrap() {
        round.as_object_mut().unwrap().retain(|key, _| !key.ends_with("_seconds"));
    }
    report
}

/// The report of a run on Fashion-MNIST of ten small parts, if `SAHAKAR_DATA_DIR` says where it lies.
fn of_images(arguments: &[&str]) -> Option<Value> {
    let Some(folder) = env::var_os("SAHAKAR_DATA_DIR") else {
        println!("skipped: SAHAKAR_DATA_DIR does not say where Fashion-MNIST lies");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("parts.json");
    let parts: Vec<Vec<u32>> = (0..10).map(|part| (part * 40..(part + 1) * 40).collect()).collect();
    std::fs::write(&path, serde_json::to_string(&parts).unwrap()).unwrap();
    let common = [
        &["--dataset", "fashion-mnist", "--data-dir", folder.to_str().unwrap(), "--rounds", "2"][..],
        &["--partition", path.to_str().unwrap(), "--validation-rows", "100", "--model", "cnn"],
    ];
    let mut report = computed(report(&[&common.concat(), arguments].concat()));
    report["config"]["partition"] = Value::Null;
    Some(report)
}

#[test]
fn changed_images_are_the_same_at_any_number_of_threads() {
    let changed = ["--augment", "crop:4,flip", "--normalise", "0.1307,0.3081", "--seal"];
    for mode in ["none", "mpc"] {
        let run = |threads| of_images(&[&changed[..], &[mode, "--threads", threads]].concat());
        let Some(one) = run("1") else { return };
        assert_eq!(one["config"]["augment"], "crop:4,flip");
        assert_eq!(one["config"]["normalise"], "0.1307,0.3081");
        assert_eq!(one, run("4").unwrap(), "{mode}");
    }
}

#[test]
fn a_crop_without_padding_changes_nothing_and_every_other_change_does() {
    let model = |arguments: &[&str]| {
        let report = of_images(&[&["--seal", "none"][..], arguments].concat())?;
        Some(report["rounds"][1]["model"].clone())
    };
    let Some(plain) = model(&[]) else { return };
    assert_eq!(model(&["--augment", "crop:0"]).unwrap(), plain);
    assert_eq!(model(&["--normalise", "0,1"]).unwrap(), plain);
    let others = [
        &["--augment", "crop:4"][..],
        &["--augment", "flip"],
        &["--augment", "crop:4,flip"],
        &["--normalise", "0.5,0.5"],
    ];
    let models: Vec<_> = others.iter().map(|arguments| model(arguments).unwrap()).collect();
    for (index, model) in models.iter().enumerate() {
        assert_ne!(*model, plain);
        assert!(!models[..index].contains(model));
    }
}

#[test]
fn what_cannot_be_trained_is_refused_with_a_sentence() {
    for (arguments, expected, code) in [
        (&["--augment", "flip"][..], "--augment changes images, the rows of wine are none", 1),
        (&["--augment", "flip,flip"], "--augment: each change is asked for once", 1),
        (&["--augment", "turn:3"], "expected crop:PIXELS or flip, got \"turn:3\"", 2),
        (&["--normalise", "0.5,0.5"], "the rows of wine are none", 1),
        (&["--normalise", "0.5,0"], "a deviation above 0", 2),
    ] {
        let output = simulate(arguments);
        let refused = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {refused}");
        assert!(refused.contains(expected), "{arguments:?}: {refused}");
    }
}

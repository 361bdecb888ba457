//! The README's first command, end to end: its report, its ledger, and that nothing is left behind.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

fn sahakar() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sahakar"))
}

fn run_demo(dir: &Path, seed: &str) -> Value {
    let report = dir.join("report.json");
    let output = sahakar()
        .args(["demo", "--rounds", "4", "--device", "cpu", "--seed", seed, "--keep"])
        .arg(dir.join("state"))
        .arg("--report")
        .arg(&report)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap()
}

#[test]
fn in_all_three_modes_the_models_are_equally_good_and_the_same_are_paid() {
    let reports = ["mpc", "mpc-verified", "fhe"].map(|mode| {
        let dir = tempfile::tempdir().unwrap();
        let report = dir.path().join("report.json");
        let output = sahakar()
            .args(["demo", "--rounds", "3", "--device", "cpu", "--mode", mode, "--report"])
            .arg(&report)
            .output()
            .unwrap();
        assert!(output.status.success(), "{mode}: {}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
        assert_eq!(report["config"]["mode"], mode);
        assert_eq!(report["ledger"]["audit"], "ok", "{mode}");
        report
    });
    let accuracy =
        |report: &Value, round: usize| report["rounds"][round]["test_accuracy"].as_f64().unwrap();
    let paid = |report: &Value| {
        let rows = report["contributors"].as_array().unwrap().iter();
        rows.map(|row| row["credits"].as_u64().unwrap() > 0).collect::<Vec<_>>()
    };
    for report in &reports[1..] {
        for round in 0..3 {
            // The same training; only the rounding differs, as the rotation follows from the federation's
            // id: a few of 300 wines at most.
            let difference = accuracy(report, round) - accuracy(&reports[0], round);
            assert!(difference.abs() < 0.02, "round {round} differs by {difference}");
        }
        assert_eq!(paid(report), paid(&reports[0]));
    }
}

#[test]
fn the_report_has_every_key_and_the_ledger_adds_up() {
    let dir = tempfile::tempdir().unwrap();
    let report = run_demo(dir.path(), "7");
    for key in ["config", "rounds", "contributors", "ledger", "peak_rss_bytes", "sale", "vote"] {
        assert!(!report[key].is_null(), "{key}");
    }
    let round = report["rounds"][0].as_object().unwrap();
    for key in [
        "round",
        "test_accuracy",
        "test_loss",
        "participants",
        "dropped",
        "refused",
        "upload_bytes_per_contributor",
        "upload_bytes_per_parameter",
        "epsilon",
        "train_seconds",
        "seal_seconds",
        "aggregate_seconds",
        "wall_seconds",
    ] {
        assert!(round.contains_key(key), "{key}");
    }
    assert_eq!(report["rounds"].as_array().unwrap().len(), 4);
    assert_eq!(report["contributors"].as_array().unwrap().len(), 8);
    let credits = report["contributors"].as_array().unwrap().iter();
    let credits: u64 = credits.map(|row| row["credits"].as_u64().unwrap()).sum();
    assert_eq!(credits, 4_000_000, "promise 4: each round's credits add up to its budget");
    assert_eq!(report["ledger"]["audit"], "ok");
    assert_eq!(report["vote"]["executed"], true);
    assert_eq!(report["sale"]["inclusion_verified"], true);
    let lines = report["sale"]["lines"].as_array().unwrap().iter();
    let total: u64 = lines.map(|line| amount(&line["amount"])).sum();
    assert_eq!(total, amount(&report["sale"]["price"]));
    audit_finds_what_was_altered(&dir.path().join("state/dao/tiles"));
}

fn amount(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn audit(tiles: &Path) -> (bool, String) {
    let output = sahakar().args(["audit", "--dir"]).arg(tiles).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn audit_finds_what_was_altered(tiles: &Path) {
    let (sound, text) = audit(tiles);
    assert!(sound, "{text}");
    let entries = tiles.join("tile/entries");
    let bundles: Vec<_> = walk(&entries);
    for bundle in bundles {
        let mut bytes = fs::read(&bundle).unwrap();
        if let Some(at) = find(&bytes, b"\"credits\":\"") {
            bytes[at + 11] ^= 1;
            fs::write(&bundle, bytes).unwrap();
        }
    }
    let (sound, text) = audit(tiles);
    assert!(!sound, "an altered credit went unnoticed: {text}");
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn the_same_seed_gives_the_same_rounds_and_values_but_for_the_rounding() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (run_demo(first.path(), "5"), run_demo(second.path(), "5"));
    let accuracies = |report: &Value| {
        let rounds = report["rounds"].as_array().unwrap().iter();
        rounds.map(|round| round["test_accuracy"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let values = |report: &Value| {
        let rows = report["contributors"].as_array().unwrap().iter();
        rows.map(|row| row["value"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    // Keys are fresh, and with them the federation's id and the rotation of each round: sums differ by
    // the rounding, a part in ten thousand.
    for (first, second) in accuracies(&first).iter().zip(accuracies(&second)) {
        assert!((first - second).abs() < 0.02, "{first} and {second}");
    }
    for (first, second) in values(&first).iter().zip(values(&second)) {
        assert!((first - second).abs() < 1e-3, "{first} and {second}");
    }
}

/// Processes whose command line names `dir`, where the system tells (Linux).
fn processes_of(dir: &Path) -> usize {
    let name = dir.to_string_lossy().into_owned();
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let line = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).unwrap_or_default();
    let lines = processes.filter_map(|entry| entry.ok().map(line));
    lines.filter(|line| String::from_utf8_lossy(line).contains(&name)).count()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test's patience with other processes")]
    let now = Instant::now;
    let started = now();
    while !holds() {
        assert!(now() - started < Duration::from_secs(60), "{what} did not come about");
        std::thread::yield_now();
    }
}

fn start_serving_demo(dir: &Path) -> Child {
    let demo = sahakar()
        .args(["demo", "--rounds", "500", "--contributors", "3", "--device", "cpu", "--keep"])
        .arg(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The demonstration itself, one DAO node, two aggregators, three contributors.
    wait_until("the co-operative", || processes_of(dir) >= 7);
    demo
}

fn check_nothing_is_left_after(signal: &str) {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut demo = start_serving_demo(&state);
    let kill = Command::new("kill").args([signal, &demo.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let status = demo.wait().unwrap();
    assert!(!status.success());
    wait_until("the end of all processes", || processes_of(&state) == 0);
}

#[test]
fn ctrl_c_ends_every_process() {
    check_nothing_is_left_after("-INT");
}

#[test]
fn even_kill_9_of_the_demonstration_leaves_nothing_behind() {
    check_nothing_is_left_after("-KILL");
}

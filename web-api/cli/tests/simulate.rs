//! `sahakar simulate` as a user runs it: the same result at any number of threads and after any interruption,
//! in every mode, and sentences for what cannot be run.

#![expect(clippy::unwrap_used, reason = "clippy's allowance for tests does not reach helpers")]

mod simulations;

use std::{fs, path::Path};

use crate::simulations::{computed, report, simulate};

const MODES: [&str; 4] = ["none", "mpc", "mpc-verified", "fhe"];

fn refusal(arguments: &[&str]) -> String {
    let output = simulate(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_report_at_any_number_of_threads() {
    for mode in MODES {
        let run = |threads| {
            let arguments = ["--rounds", "2", "--clients", "6", "--sample", "0.84", "--seal", mode];
            computed(report(&[&arguments[..], &["--threads", threads]].concat()))
        };
        let one = run("1");
        assert_eq!(one["rounds"].as_array().unwrap().len(), 2);
        assert_eq!(one["rounds"][0]["participants"], 5);
        assert_eq!(one, run("4"), "{mode}");
    }
}

#[test]
fn another_seed_gives_another_model() {
    let model = |seed| report(&["--rounds", "1", "--seed", seed])["rounds"][0]["model"].clone();
    assert_ne!(model("1"), model("2"));
}

#[test]
fn an_interrupted_simulation_goes_on_as_if_nothing_had_happened() {
    let dir = tempfile::tempdir().unwrap();
    for mode in ["none", "mpc"] {
        let path = dir.path().join(mode);
        let run = |rounds, checkpoint: Option<&Path>| {
            let mut arguments =
                vec!["--rounds", rounds, "--seal", mode, "--strategy", "fedadam:lr=0.1,tau=0.01"];
            if let Some(path) = checkpoint {
                arguments.extend(["--checkpoint", path.to_str().unwrap()]);
            }
            computed(report(&arguments))
        };
        let straight = run("4", None);
        run("1", Some(&path));
        run("3", Some(&path));
        assert_eq!(run("4", Some(&path)), straight, "{mode}");
    }
}

#[test]
fn a_checkpoint_of_other_settings_or_a_broken_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let name = path.to_str().unwrap();
    report(&["--rounds", "1", "--checkpoint", name]);
    let refused = refusal(&["--rounds", "2", "--lr", "0.1", "--checkpoint", name]);
    assert!(refused.contains("belongs to other settings"), "{refused}");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let refused = refusal(&["--rounds", "2", "--checkpoint", name]);
    assert!(refused.contains("is not whole"), "{refused}");
    fs::write(&path, b"short").unwrap();
    let refused = refusal(&["--rounds", "2", "--checkpoint", name]);
    assert!(refused.contains("too short"), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), b"short", "a refused checkpoint is left alone");
}

#[test]
fn sealing_does_not_change_what_is_learned() {
    let last = |mode| {
        let report = report(&["--rounds", "5", "--seal", mode]);
        (report["rounds"][4]["test_loss"].as_f64().unwrap(), report)
    };
    let (open, _) = last("none");
    for mode in &MODES[1..] {
        let (loss, report) = last(mode);
        assert!((loss - open).abs() < 5e-3, "{mode}: {loss} beside {open}");
        assert_eq!(report["ledger"]["audit"], "ok", "{mode}");
        let credits = report["contributors"].as_array().unwrap().iter();
        let total: u64 = credits.map(|row| row["credits"].as_u64().unwrap()).sum();
        assert_eq!(total, 5_000_000, "{mode}: five rounds' budget, to the last unit");
    }
}

#[test]
fn values_in_the_clear_are_those_of_the_sealed_probe() {
    let values = |mode| -> Vec<f64> {
        let report = report(&["--rounds", "1", "--seal", mode]);
        let rows = report["contributors"].as_array().unwrap().iter();
        rows.map(|row| row["value"].as_f64().unwrap()).collect()
    };
    let (open, sealed) = (values("none"), values("mpc"));
    let scale = open.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    for (open, sealed) in open.iter().zip(&sealed) {
        assert!((open - sealed).abs() < 0.05 * scale, "{open} beside {sealed}");
    }
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.html");
    report(&["--rounds", "2", "--html", path.to_str().unwrap()]);
    let page = fs::read_to_string(&path).unwrap();
    assert!(page.contains("<svg") && page.contains("contributor-10"));
    for reference in ["<script", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn attackers_take_the_mean_down_and_a_median_withstands_them() {
    let loss = |rule, attack: &[&str]| {
        let run = ["--rounds", "8", "--seal", "none", "--rule", rule, "--value", "none"];
        let report = report(&[&run[..], attack].concat());
        report["rounds"][7]["test_loss"].as_f64().unwrap()
    };
    let attack = ["--attack", "signflip:3,scale=3"];
    let (honest, attacked, withstood) =
        (loss("mean", &[]), loss("mean", &attack), loss("median", &attack));
    assert!(attacked > honest + 0.1, "{attacked} beside {honest}");
    assert!(withstood < honest + 0.05, "{withstood} beside {honest}");
}

#[test]
fn every_attack_on_tables_runs_sealed_and_free_riders_earn_nothing() {
    for attack in [
        "labelflip:2",
        "signflip:2",
        "scale:2,scale=2",
        "gaussian:2,deviation=0.1",
        "ipm:2",
        "alie:2",
        "zero:2",
        "replay:2",
    ] {
        let report = report(&["--rounds", "3", "--attack", attack]);
        assert_eq!(report["rounds"][2]["participants"], 10, "{attack}");
        let kind = attack.split(':').next().unwrap();
        let attackers = report["contributors"].as_array().unwrap().iter();
        let attackers: Vec<_> = attackers.filter(|row| row["kind"] == kind).collect();
        assert_eq!(attackers.len(), 2, "{attack}");
        if ["zero", "replay"].contains(&kind) {
            // Promise 4: no data, no credit.
            assert!(attackers.iter().all(|row| row["credits"] == 0), "{attackers:?}");
        }
    }
}

/// Of 980 rows most of 900 contributors have one; of four each has rows of one class. Everybody takes part, sealed and paid.
#[test]
fn contributors_with_one_row_or_one_class_take_part() {
    for (clients, partition) in [("900", "iid"), ("4", "pathological:1")] {
        let report = report(&["--clients", clients, "--partition", partition, "--rounds", "2"]);
        for round in report["rounds"].as_array().unwrap() {
            assert_eq!(round["participants"].as_u64().unwrap().to_string(), clients, "{round}");
            assert!(round["test_loss"].is_f64(), "{round}");
        }
        assert_eq!(report["ledger"]["audit"], "ok");
        let rows = report["contributors"].as_array().unwrap().iter();
        let alone = rows.filter(|row| row["samples"] == 1).count();
        assert_eq!(alone > 800, clients == "900", "{alone}");
    }
}

/// Updates that are no numbers do not leave the contributor, whose reason stands in the report.
#[test]
fn contributors_whose_training_diverges_send_nothing_and_a_round_of_them_is_given_up() {
    let diverging = ["--rounds", "2", "--lr", "10", "--momentum", "0.99", "--local-epochs", "50"];
    for mode in ["mpc", "fhe"] {
        let report = report(&[&diverging[..], &["--seal", mode]].concat());
        for round in report["rounds"].as_array().unwrap() {
            assert_eq!((&round["participants"], &round["dropped"]), (&0.into(), &10.into()));
            let remark = round["remark"].as_str().unwrap();
            assert!(remark.starts_with("given up: 0 contributions came in time"), "{remark}");
            assert!(remark.contains(" sent nothing: the computation left"), "{remark}");
            assert!(round["test_loss"].is_null(), "{round}");
        }
    }
    let refused = refusal(&[&diverging[..], &["--seal", "none"]].concat());
    assert!(refused.contains("nobody has an update; contributor 1: "), "{refused}");
}

#[test]
fn what_cannot_be_run_is_refused_with_a_sentence() {
    for (arguments, expected) in [
        (&["--clients", "1"][..], "--clients must lie between 2"),
        (&["--clients", "10", "--sample", "0.1"], "fewer than 2"),
        (&["--clients", "2000"], "too few for 2000 parts"),
        (&["--rule", "median"], "use it with --seal none"),
        (&["--value", "none"], "always measure"),
        (&["--seal", "none", "--noise-multiplier", "1"], "noise inside the sealed form"),
        (&["--seal", "fhe", "--clients", "2"], "cohorts of 3 or more"),
        (&["--dataset", "iris"], "expected a data set among"),
        (&["--dataset", "fashion-mnist"], "--data-dir"),
        (&["--model", "cnn"], "sees images"),
        (&["--attack", "zero:10"], "leave nobody honest"),
        (&["--attack", "backdoor:1,target=1"], "needs images"),
        (&["--clip", "0"], "--clip must be above 0"),
        (&["--lr", "0"], "learning rate"),
        (&["--seal", "none", "--rule", "krum:f=4"], "4"),
        (&["--lr", "10", "--rounds", "30", "--seal", "none", "--model", "mlp"], "round "),
    ] {
        let refused = refusal(arguments);
        assert!(refused.contains(expected), "{arguments:?}: {refused}");
    }
}

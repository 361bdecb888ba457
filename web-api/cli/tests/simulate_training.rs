//! What contributors of `sahakar simulate` do with their rows: changed images, schedules and early stopping, SCAFFOLD,
//! personal layers and personal models; each the same at any number of threads and after any interruption.

#![expect(clippy::unwrap_used, reason = "clippy's allowance for tests does not reach helpers")]

mod simulations;

use std::{env, path::Path};

use serde_json::Value;

use crate::simulations::{computed, report, simulate};

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

/// A field of every round.
fn rounds(report: &Value, field: &str) -> Vec<Value> {
    report["rounds"].as_array().unwrap().iter().map(|round| round[field].clone()).collect()
}

fn numbers(report: &Value, field: &str) -> Vec<f64> {
    rounds(report, field).iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Whatever a contributor does besides plain training.
const METHODS: [&[&str]; 6] = [
    &["--seal", "none", "--strategy", "scaffold"],
    &["--seal", "mpc", "--strategy", "scaffold", "--local-steps", "7"],
    &["--seal", "none", "--personal-layers", "1"],
    &["--seal", "none", "--ditto-lambda", "0.5", "--strategy", "fedadam:lr=0.1,tau=0.01"],
    &["--seal", "mpc", "--ditto-lambda", "2", "--local-test", "0.3"],
    &["--seal", "mpc", "--schedule", "cosine:rounds=3,floor=0.1,warmup=1", "--local-test", "0.2"],
];

#[test]
fn every_method_gives_the_same_at_any_number_of_threads_and_after_interruptions() {
    let dir = tempfile::tempdir().unwrap();
    for (index, method) in METHODS.iter().enumerate() {
        let path = dir.path().join(index.to_string());
        let run = |rounds, threads, checkpoint: Option<&Path>| {
            let common = ["--clients", "6", "--sample", "0.67", "--alpha", "0.5"];
            let run = ["--rounds", rounds, "--threads", threads];
            let mut arguments = [&common[..], &run, method].concat();
            if let Some(path) = checkpoint {
                arguments.extend(["--checkpoint", path.to_str().unwrap()]);
            }
            computed(report(&arguments))
        };
        let straight = run("4", "1", None);
        assert_eq!(run("4", "4", None), straight, "{method:?}");
        run("1", "2", Some(&path));
        run("3", "1", Some(&path));
        assert_eq!(run("4", "3", Some(&path)), straight, "{method:?}");
    }
}

#[test]
fn the_learning_rate_of_a_round_is_the_schedule_s() {
    let models = |schedule, mode| {
        let report =
            report(&["--rounds", "3", "--lr", "0.1", "--schedule", schedule, "--seal", mode]);
        (numbers(&report, "learning_rate"), rounds(&report, "model"))
    };
    for mode in ["none", "mpc"] {
        let (rates, falling) = models("exponential:factor=0.5", mode);
        assert_eq!(rates, [0.1, 0.05, 0.025]);
        let (rates, constant) = models("constant", mode);
        assert_eq!(rates, [0.1; 3]);
        // Sealed, other terms are another federation, whose updates are rotated and rounded otherwise.
        assert_eq!(falling[0] == constant[0], mode == "none");
        assert_ne!(falling[1], constant[1], "a sealed round's devices follow the terms");
    }
}

#[test]
fn a_model_that_no_longer_improves_ends_the_simulation_and_the_best_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (mode, name) in [("none", "open"), ("mpc", "sealed")] {
        let path = dir.path().join(name);
        // Nothing is enough of an improvement after the first measurement.
        let common = ["--early-stopping", "loss:patience=2,improvement=10", "--seal", mode];
        let straight = computed(report(&[&common[..], &["--rounds", "9"]].concat()));
        assert_eq!(straight["rounds"].as_array().unwrap().len(), 3, "{mode}");
        let expected = straight["rounds"][0]["validation"].clone();
        let stopping = &straight["early_stopping"];
        assert_eq!((&stopping["stopped"], &stopping["best_round"]), (&true.into(), &0.into()));
        assert_eq!(stopping["best"], expected);
        let checkpoint = ["--checkpoint", path.to_str().unwrap()];
        let run = |rounds| {
            let run = [&common[..], &checkpoint, &["--rounds", rounds]].concat();
            computed(report(&run))
        };
        run("2");
        let mut stopped = run("9");
        assert_eq!(stopped, straight, "{mode}");
        // It stays over, however many rounds are asked for.
        stopped["config"]["rounds"] = 20.into();
        assert_eq!(run("20"), stopped, "{mode}");
    }
    let improving = report(&["--early-stopping", "accuracy:patience=9", "--rounds", "3"]);
    assert_eq!(improving["early_stopping"]["stopped"], false);
}

#[test]
fn scaffold_without_control_variates_is_averaging_and_then_departs_from_it() {
    for mode in ["none", "mpc"] {
        let models = |strategy| {
            let common = ["--rounds", "2", "--local-steps", "20", "--alpha", "0.3"];
            let report = report(&[&common[..], &["--strategy", strategy, "--seal", mode]].concat());
            rounds(&report, "model")
        };
        let (scaffold, average) = (models("scaffold"), models("fedavg"));
        assert_eq!(scaffold[0], average[0], "{mode}: all are zero before the first round");
        assert_ne!(scaffold[1], average[1], "{mode}");
    }
}

#[test]
fn scaffold_learns_from_skewed_parts_what_averaging_does_not_and_sealing_changes_nothing() {
    let loss = |strategy, mode, seed| {
        let common = ["--rounds", "12", "--model", "logistic", "--lr", "0.3", "--clients", "8"];
        let run = ["--local-steps", "100", "--strategy", strategy, "--seal", mode, "--seed", seed];
        let parts = ["--partition", "dirichlet-balanced:0.1", "--weighting", "uniform"];
        let report = report(&[&common[..], &run, &parts].concat());
        assert_eq!(report["config"]["uploaded_parameters"], 24, "nothing beside the update");
        report["rounds"][11]["test_loss"].as_f64().unwrap()
    };
    // A hundred steps on labels of one kind drift far: 0.05 and 0.28 of loss where this was written.
    for seed in ["1", "3"] {
        let (average, open) = (loss("fedavg", "none", seed), loss("scaffold", "none", seed));
        assert!(open < average - 0.03, "{open} beside {average}");
        let sealed = loss("scaffold", "mpc", seed);
        assert!((sealed - open).abs() < 5e-3, "{sealed} beside {open}");
    }
}

#[test]
fn scaffold_by_epochs_says_that_it_doubles_uploads() {
    let uploaded = |arguments: &[&str]| {
        let common = ["--rounds", "1", "--model", "logistic", "--seal", "none"];
        report(&[&common[..], arguments].concat())["config"]["uploaded_parameters"].clone()
    };
    assert_eq!(uploaded(&["--strategy", "fedavg"]), 24);
    assert_eq!(uploaded(&["--strategy", "scaffold"]), 48);
    let layers = ["--model", "mlp", "--hidden", "8", "--personal-layers", "1"];
    let common = ["--rounds", "1", "--seal", "none"];
    let personal = report(&[&common[..], &layers].concat());
    assert_eq!(personal["config"]["uploaded_parameters"], 11 * 8 + 8);
}

#[test]
fn contributors_whose_labels_differ_do_better_with_last_layers_of_their_own() {
    let common = ["--rounds", "8", "--alpha", "0.1", "--seal", "none", "--value", "none"];
    let run = |own: &[&str]| report(&[&common[..], &["--seed", "5"], own].concat());
    let shared = run(&["--local-test", "0.2"]);
    let personal = run(&["--personal-layers", "1"]);
    let (shared_accuracy, personal_accuracy) = (
        shared["rounds"][7]["shared_accuracy"].as_f64().unwrap(),
        personal["rounds"][7]["personal_accuracy"].as_f64().unwrap(),
    );
    assert!(
        personal_accuracy > shared_accuracy + 0.05,
        "{personal_accuracy} beside {shared_accuracy}"
    );
    // Nobody has a whole model to be tested by others.
    assert_eq!(rounds(&personal, "test_accuracy"), vec![Value::Null; 8]);
    assert_eq!(rounds(&personal, "shared_accuracy"), vec![Value::Null; 8]);
    // The whole is the mean of the parts, by rows.
    let contributors = personal["contributors"].as_array().unwrap();
    let rows = |row: &Value| row["local_test_rows"].as_f64().unwrap_or(0.0);
    let correct = |row: &Value| row["personal_accuracy"].as_f64().unwrap_or(0.0) * rows(row);
    let mean =
        contributors.iter().map(correct).sum::<f64>() / contributors.iter().map(rows).sum::<f64>();
    assert!((mean - personal_accuracy).abs() < 1e-9, "{mean} for {personal_accuracy}");
}

#[test]
fn a_model_of_one_s_own_leaves_the_shared_one_as_it_is_and_does_better_on_skewed_parts() {
    for mode in ["none", "mpc"] {
        let common = ["--rounds", "6", "--alpha", "0.1", "--clients", "5", "--seal", mode];
        let run = |own: &[&str]| report(&[&common[..], &["--local-test", "0.2"], own].concat());
        let (plain, ditto) = (run(&[]), run(&["--ditto-lambda", "0.1"]));
        assert_eq!(rounds(&ditto, "model"), rounds(&plain, "model"), "{mode}");
        assert_eq!(numbers(&ditto, "shared_accuracy"), numbers(&plain, "shared_accuracy"));
        assert_eq!(rounds(&plain, "personal_accuracy"), vec![Value::Null; 6]);
        let last = |field| numbers(&ditto, field)[5];
        assert!(last("personal_accuracy") > last("shared_accuracy") + 0.05, "{mode}");
    }
}

#[test]
fn a_pull_without_end_gives_the_shared_model_and_none_at_all_training_alone() {
    let common = ["--rounds", "4", "--alpha", "0.3", "--seal", "none", "--ditto-lambda"];
    let run =
        |strength, strategy| report(&[&common[..], &[strength, "--strategy", strategy]].concat());
    // A personal model is drawn to the shared one that its round started from.
    let drawn = run("inf", "fedavg");
    let (personal, shared) =
        (numbers(&drawn, "personal_accuracy"), numbers(&drawn, "shared_accuracy"));
    assert_eq!(personal[1..], shared[..3]);
    // Alone, it is the same whatever becomes of the shared one.
    let (alone, beside) = (run("0", "fedavg"), run("0", "fedavg:lr=0.1"));
    let personal = |report: &Value| numbers(report, "personal_accuracy");
    assert_ne!(rounds(&alone, "model"), rounds(&beside, "model"));
    assert_eq!(personal(&alone), personal(&beside));
    assert_ne!(personal(&alone), personal(&drawn));
}

#[test]
fn attackers_neither_stop_personal_models_nor_are_tested() {
    for method in
        [&["--personal-layers", "1"][..], &["--ditto-lambda", "1"], &["--strategy", "scaffold"]]
    {
        for attack in ["labelflip:2", "signflip:2", "zero:2", "replay:2", "alie:2"] {
            let common =
                ["--rounds", "3", "--seal", "none", "--value", "none", "--local-test", "0.2"];
            let report = report(&[&common[..], &["--attack", attack], method].concat());
            assert_eq!(report["rounds"][2]["participants"], 10, "{attack} {method:?}");
            for contributor in report["contributors"].as_array().unwrap() {
                let honest = contributor["kind"] == "honest";
                assert_eq!(contributor["local_test_rows"].is_number(), honest, "{attack}");
            }
        }
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
        (&["--schedule", "cosine"], "cosine needs rounds=VALUE", 2),
        (&["--schedule", "exponential:factor=1e-30"], "--schedule exponential", 1),
        (&["--early-stopping", "loss"], "loss needs patience=VALUE", 2),
        (&["--strategy", "median"], "fedyogi, scaffold", 2),
        (&["--strategy", "scaffold"], "use --local-steps, or --seal none", 1),
        (&["--strategy", "scaffold", "--seal", "none", "--momentum", "0.9"], "--momentum 0", 1),
        (
            &["--strategy", "scaffold", "--seal", "none", "--rule", "median"],
            "control variates are means: use --rule mean",
            1,
        ),
        (&["--personal-layers", "1"], "use --value none with --seal none", 1),
        (&["--personal-layers", "1", "--value", "probe"], "use --seal none --value none", 1),
        (&["--personal-layers", "1", "--seal", "none", "--value", "probe"], "--value none", 1),
        (&["--personal-layers", "2", "--seal", "none"], "fewer dense layers", 1),
        (
            &["--personal-layers", "1", "--seal", "none", "--ditto-lambda", "1"],
            "--ditto-lambda needs a model that is shared as a whole",
            1,
        ),
        (
            &["--personal-layers", "1", "--seal", "none", "--attack", "backdoor:1"],
            "a backdoor is looked for in a model that is shared as a whole",
            1,
        ),
        (&["--ditto-lambda=-1"], "--ditto-lambda must be at least 0", 1),
        (&["--ditto-lambda", "nan"], "--ditto-lambda must be at least 0", 1),
        (&["--ditto-lambda", "1", "--local-test", "0"], "--local-test 0 leaves nothing", 1),
        (&["--local-test", "1"], "--local-test must be at least 0 and below 1", 1),
        (
            &[
                "--strategy",
                "scaffold",
                "--seal",
                "none",
                "--clients",
                "900",
                "--hidden",
                "4000,200",
            ],
            "would keep",
            1,
        ),
    ] {
        let output = simulate(arguments);
        let refused = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {refused}");
        assert!(refused.contains(expected), "{arguments:?}: {refused}");
    }
}

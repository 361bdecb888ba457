//! `sahakar privacy`: the numbers of an independent accountant (Google's dp-accounting 0.6.0), and refusals that say what to do.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::{Command, Output};

use serde_json::Value;

fn sahakar(arguments: &str) -> Output {
    let arguments = arguments.split_whitespace();
    Command::new(env!("CARGO_BIN_EXE_sahakar")).args(arguments).output().unwrap()
}

fn json(arguments: &str) -> Value {
    let output = sahakar(&format!("{arguments} --json"));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// PLD to 0.5 %, RDP (the same orders) to 10^−6.
fn check(arguments: &str, pld: f64, rdp: f64) {
    let got = json(&format!("privacy epsilon {arguments}"));
    let near = |got: &Value, expected: f64, tolerance: f64| {
        let got = got.as_f64().unwrap();
        assert!((got / expected - 1.0).abs() < tolerance, "{arguments}: {got} beside {expected}");
    };
    near(&got["epsilon_pld"], pld, 5e-3);
    near(&got["epsilon_rdp"], rdp, 1e-6);
    assert_eq!(got["epsilon"], got["epsilon_pld"]);
}

#[test]
fn epsilon_is_that_of_an_independent_accountant() {
    check("--noise-multiplier 1 --steps 1 --delta 1e-5", 4.377_178, 4.728_507);
    check(
        "--sampling-rate 0.01 --noise-multiplier 1 --steps 1000 --delta 1e-5",
        1.828_244,
        2.101_367,
    );
    check(
        "--sampling-rate 0.1 --noise-multiplier 1 --steps 100 --delta 1e-5",
        7.046_603,
        7.903_850,
    );
    check(
        "--sampling-rate 0.001 --noise-multiplier 0.8 --steps 10000 --delta 1e-6",
        0.947_324,
        1.703_625,
    );
}

#[test]
fn the_least_noise_is_that_of_an_independent_accountant() {
    let got = json("privacy noise --epsilon 8 --sampling-rate 0.1 --steps 100 --delta 1e-5");
    let number = |key: &str| got[key].as_f64().unwrap();
    assert!((number("noise_multiplier_pld") / 0.9360 - 1.0).abs() < 5e-3, "{got}");
    assert!((number("noise_multiplier_rdp") / 0.9938 - 1.0).abs() < 5e-4, "{got}");
    assert!(number("epsilon") <= 8.0 && number("epsilon") > 7.99, "{got}");
    assert_eq!(got["noise_multiplier"], got["noise_multiplier_pld"]);
}

#[test]
fn people_are_told_mechanism_adjacency_accountant_and_both_numbers() {
    let output = sahakar(
        "privacy epsilon --sampling-rate 0.01 --noise-multiplier 1 --steps 1000 --delta 1e-5",
    );
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "ε = 1.82",
        "Gaussian",
        "added or removed",
        "PLD",
        "RDP",
        "2.1013",
        "cross-check",
        "secret",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let output = sahakar(
        "privacy noise --epsilon 2 --cohort 10 --population 1000 --steps 100 --delta 1e-5 --accountant rdp",
    );
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["10 of 1000", "replaced", "noise multiplier"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_cannot_be_accounted_for_says_what_to_do() {
    let refused = |arguments: &str, code: i32, words: &str| {
        let output = sahakar(&format!("privacy {arguments}"));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {error}");
        assert!(error.contains(words), "{arguments}: {error}");
        assert!(!error.contains("panicked"), "{arguments}: {error}");
    };
    refused("epsilon --noise-multiplier 1 --steps 10", 2, "--delta");
    refused("epsilon --noise-multiplier 0 --steps 10 --delta 1e-5", 2, "above 0");
    refused("epsilon --noise-multiplier nan --steps 10 --delta 1e-5", 2, "number");
    refused("epsilon --noise-multiplier 1 --steps 0 --delta 1e-5", 2, "--steps");
    refused("epsilon --noise-multiplier 1 --steps 10 --delta 1", 2, "below 1");
    let sampled = "epsilon --noise-multiplier 1 --steps 10 --delta 1e-5";
    refused(&format!("{sampled} --sampling-rate 1.5"), 2, "from 0 to 1");
    refused(&format!("{sampled} --cohort 5"), 2, "--population");
    refused(&format!("{sampled} --cohort 5 --population 4"), 1, "--population");
    refused(&format!("{sampled} --sampling-rate 0.1 --cohort 5 --population 9"), 2, "--cohort");
    refused(&format!("{sampled} --accountant moments"), 2, "pld");
    refused("epsilon --noise-multiplier 1 --steps 10 --delta 1e-20", 1, "--accountant rdp");
    refused("epsilon --noise-multiplier 1e9 --steps 10 --delta 1e-5", 1, "--noise-multiplier");
    let by_rdp = "privacy epsilon --noise-multiplier 1 --steps 10 --delta 1e-20 --accountant rdp";
    assert!(json(by_rdp)["epsilon_pld"].is_null());
}

use super::*;

/// A report as a run of the demonstration makes it.
pub(crate) fn sample() -> DemoReport {
    DemoReport {
        config: config(),
        rounds: (0..15).map(round).collect(),
        central: (0..15).map(central).collect(),
        contributors: contributors(),
        ledger: LedgerSummary { entries: 57, root: "5f".repeat(32), audit: "ok".to_owned() },
        peak_rss_bytes: Some(412_000_000),
        sale: sale(),
        vote: vote(),
        next: vec![
            "sahakar demo --serve    leaves the node up".to_owned(),
            "sahakar audit DIR       recomputes a ledger that was kept with --keep".to_owned(),
        ],
    }
}

fn config() -> DemoConfig {
    DemoConfig {
        contributors: 8,
        rounds: 15,
        mode: "mpc".to_owned(),
        dataset: "wine".to_owned(),
        seed: 1,
        device: "CPU".to_owned(),
        parameters: 450,
        ring_bits: 26,
        noise_multiplier: 0.0,
        delta: None,
        clip_norm: 0.5,
        local_epochs: 2,
        batch_size: 16,
        learning_rate: 0.05,
        novelty_percent: 20,
        round_budget: 1_000_000,
    }
}

fn round(round: u64) -> RoundRow {
    let progress = round as f64;
    RoundRow {
        round,
        test_accuracy: 0.735 - 0.2 * (-0.35 * progress).exp() + 0.006 * (progress * 1.7).sin(),
        test_loss: 0.55 + 0.14 * (-0.3 * progress).exp(),
        participants: 8,
        dropped: 0,
        refused: 0,
        upload_bytes_per_contributor: 1_977,
        epsilon: None,
        train_seconds: 0.03,
        seal_seconds: 0.001,
        aggregate_seconds: 0.2,
        wall_seconds: 0.4,
    }
}

fn central(round: u64) -> CentralRound {
    let progress = round as f64;
    CentralRound {
        round,
        test_accuracy: 0.75 - 0.08 * (-0.4 * progress).exp() + 0.005 * (progress * 2.1).cos(),
        test_loss: 0.51,
    }
}

fn contributors() -> Vec<ContributorRow> {
    let row =
        |(number, samples, value, credits, kind): (u8, u64, f64, u128, &str)| ContributorRow {
            id: format!("{number:02x}").repeat(32),
            label: format!("winery-{number}"),
            samples,
            value,
            interval: Some([value - 0.012, value + 0.012]),
            credits,
            reason: match (credits, value) {
                (0, ..0.0) => ["value not above 0", "No credit."].map(str::to_owned),
                (0, _) => ["nothing new", "No credit."].map(str::to_owned),
                _ => ["paid by value", "Paid."].map(str::to_owned),
            },
            kind: kind.to_owned(),
        };
    [
        (1, 191, 0.0584, 3_846_000, "honest"),
        (2, 101, -0.0543, 0, "inverted-labels"),
        (3, 181, 0.0613, 3_918_400, "honest"),
        (4, 124, 0.0310, 2_283_000, "honest"),
        (5, 105, 0.0337, 2_358_500, "honest"),
        (6, 101, 0.0397, 2_594_100, "honest"),
        (7, 102, -0.0047, 0, "noise"),
        (8, 94, 0.0215, 0, "replay"),
    ]
    .map(row)
    .to_vec()
}

fn sale() -> SaleSummary {
    let line = |label: &str, amount| SaleLine {
        recipient: label.to_owned(),
        label: label.to_owned(),
        amount,
    };
    SaleSummary {
        model: "wine-quality".to_owned(),
        version: 1,
        price: 250,
        currency: "EUR".to_owned(),
        probabilities: vec![("ordinary".to_owned(), 0.1873), ("good".to_owned(), 0.8127)],
        truth: Some("good".to_owned()),
        receipt: "ab".repeat(32),
        lines: vec![
            line("treasury", 25),
            line("winery-1", 58),
            line("winery-3", 59),
            line("winery-4", 34),
            line("winery-5", 35),
            line("winery-6", 39),
        ],
        inclusion_verified: true,
    }
}

fn vote() -> VoteSummary {
    VoteSummary {
        proposal: "c7".repeat(32),
        title: "Raise the price of a prediction to 0.0300 EUR".to_owned(),
        votes_for: 10_122_500,
        votes_against: 2_283_000,
        abstain: 0,
        state: "executed".to_owned(),
        executed: true,
        effect: "a prediction now costs 0.0300 EUR".to_owned(),
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_json_has_the_published_keys() {
    let json = sample().to_json();
    let check = |value: &Value, expected: &[&str]| {
        for key in expected {
            assert!(value.get(key).is_some(), "{key} is missing in {:?}", keys(value));
        }
        assert_eq!(keys(value).len(), expected.len(), "{:?}", keys(value));
    };
    check(
        &json,
        &[
            "config",
            "rounds",
            "central",
            "contributors",
            "ledger",
            "peak_rss_bytes",
            "sale",
            "vote",
        ],
    );
    check(
        &json["rounds"][0],
        &[
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
        ],
    );
    check(
        &json["contributors"][0],
        &["id", "label", "samples", "value", "value_low", "value_high", "credits", "kind"],
    );
    check(&json["ledger"], &["entries", "root", "audit"]);
    check(&json["central"][0], &["round", "test_accuracy", "test_loss"]);
    check(
        &json["vote"],
        &["proposal", "title", "for", "against", "abstain", "state", "executed", "effect"],
    );
    check(&json["sale"]["lines"][0], &["recipient", "label", "amount"]);
}

#[test]
fn an_unbounded_epsilon_is_null_and_bytes_are_per_parameter() {
    let json = sample().to_json();
    assert!(json["rounds"][0]["epsilon"].is_null());
    let ratio = json["rounds"][0]["upload_bytes_per_parameter"].as_f64().unwrap();
    assert!((ratio - 1_977.0 / 450.0).abs() < 1e-12);
}

#[test]
fn amounts_are_numbers_while_they_fit() {
    assert_eq!(json_from_amount(7), json!(7));
    assert_eq!(json_from_amount(u128::from(u64::MAX)), json!(u64::MAX));
    assert_eq!(json_from_amount(1 << 64), json!("18446744073709551616"));
}

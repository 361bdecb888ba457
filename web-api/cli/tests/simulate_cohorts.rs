//! `sahakar simulate` with cohorts that are drawn, groups with a robust rule, and a buffer: all with sealed rounds of the
//! real machines.

#![expect(clippy::unwrap_used, reason = "clippy's allowance for tests does not reach helpers")]

use std::process::{Command, Output};

use serde_json::Value;

fn simulate(arguments: &str) -> Output {
    let arguments = arguments.split_whitespace();
    Command::new(env!("CARGO_BIN_EXE_sahakar")).arg("simulate").args(arguments).output().unwrap()
}

fn report(arguments: &str) -> Value {
    let output = simulate(&format!("{arguments} --json"));
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refusal(arguments: &str) -> String {
    let output = simulate(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments}");
    String::from_utf8(output.stderr).unwrap()
}

/// What a report says without what depends on the machine: times and memory.
fn computed(arguments: &str) -> Value {
    let mut report = report(arguments);
    let object = report.as_object_mut().unwrap();
    object.remove("peak_rss_bytes");
    object.remove("wall_seconds");
    for round in report["rounds"].as_array_mut().unwrap() {
        round.as_object_mut().unwrap().retain(|key, _| !key.ends_with("_seconds"));
    }
    report
}

fn numbers(report: &Value, key: &str) -> Vec<u64> {
    report["rounds"].as_array().unwrap().iter().map(|round| round[key].as_u64().unwrap()).collect()
}

fn last_loss(report: &Value) -> f64 {
    let rounds = report["rounds"].as_array().unwrap();
    rounds.iter().rev().find_map(|round| round["test_loss"].as_f64()).unwrap()
}

#[test]
fn over_selection_brings_as_many_as_are_wanted_in_spite_of_dropouts() {
    let plain = "--clients 24 --sample 0.5 --rounds 6 --dropout 0.25 --seed 4";
    let without = numbers(&report(plain), "participants");
    assert!(without.iter().any(|count| *count < 12), "{without:?}");
    let chosen = report(&format!("{plain} --over-select 1.8"));
    let with = numbers(&chosen, "participants");
    let more = with.iter().zip(&without).filter(|(with, without)| with >= without).count();
    assert!(with.iter().all(|count| *count <= 12) && more == 6, "{with:?}, {without:?}");
    assert!(with.iter().filter(|count| **count == 12).count() >= 5, "{with:?}");
    let surplus = |round: &Value| round["course"]["surplus"].as_u64().unwrap();
    assert!(chosen["rounds"].as_array().unwrap().iter().map(surplus).sum::<u64>() > 0);
    assert_eq!(chosen["ledger"]["audit"], "ok");
}

/// 20 contributors at ½ for 8 rounds: 80 expected, deviation 6.3; off by more than 5 of them with a probability below 10⁻⁶, and
/// the seed is fixed.
#[test]
fn a_secret_draw_takes_those_whose_tickets_win_in_every_mode() {
    let drawn = report("--clients 20 --sample 0.5 --sampling secret --rounds 8 --seed 2");
    let participants = numbers(&drawn, "participants");
    let all: u64 = participants.iter().sum();
    assert!(all.abs_diff(80) <= 31, "{participants:?}");
    assert!(participants.iter().any(|count| *count != participants[0]), "{participants:?}");
    // Who was not drawn did not drop out.
    assert_eq!(numbers(&drawn, "dropped"), [0; 8]);
    assert_eq!(drawn["ledger"]["audit"], "ok");
    for mode in ["mpc-verified", "fhe"] {
        let arguments = "--clients 8 --sample 0.8 --sampling secret --rounds 2";
        let drawn = report(&format!("{arguments} --seal {mode}"));
        assert!(numbers(&drawn, "participants").iter().any(|count| *count > 0), "{mode}");
    }
}

#[test]
fn draws_groups_and_buffers_are_the_same_at_any_number_of_threads() {
    for arguments in [
        "--clients 12 --sample 0.6 --sampling secret --rounds 2",
        "--clients 12 --sample 0.5 --over-select 1.5 --dropout 0.2 --rounds 2",
        "--clients 12 --rounds 2 --groups 4 --robust median --seal mpc-verified",
        "--clients 12 --rounds 4 --strategy fedbuff:buffer=4 --dropout 0.1",
        "--clients 8 --rounds 2 --strategy fedbuff:buffer=3 --seal fhe",
    ] {
        let run = |threads: u32| computed(&format!("{arguments} --threads {threads}"));
        assert_eq!(run(1), run(4), "{arguments}");
    }
}

/// Two of twenty flip their updates' signs and make them long: the mean of all is lost, the median of ten groups' means,
/// of which at most two are spoilt, is not.
#[test]
fn a_robust_rule_over_sealed_groups_withstands_what_the_mean_does_not() {
    let honest = last_loss(&report("--clients 20 --rounds 8 --clip 20 --seed 3"));
    let attacked = "--clients 20 --rounds 8 --clip 20 --attack signflip:2,scale=10 --seed 3";
    let mean = last_loss(&report(attacked));
    assert!(mean > honest + 0.1, "{mean} beside {honest}");
    for rule in ["median", "trimmed-mean:beta=0.2", "geometric-median", "multi-krum:f=2,m=4"] {
        let grouped = report(&format!("{attacked} --groups 10 --robust {rule}"));
        let robust = last_loss(&grouped);
        assert!(robust < honest + 0.05, "{rule}: {robust} of groups, {honest} if all are honest");
        // An attacker imitates the honest of its group: with nobody but attackers a group sends nothing and is given up.
        let participants = numbers(&grouped, "participants");
        assert!(participants.iter().all(|count| [18, 20].contains(count)), "{participants:?}");
        assert_eq!(grouped["ledger"], Value::Null);
        assert_eq!(grouped["contributors"][0]["value"], Value::Null);
    }
}

#[test]
fn the_mean_of_groups_learns_as_the_mean_of_all() {
    let plain = report("--clients 12 --rounds 6 --seed 5");
    let grouped = report("--clients 12 --rounds 6 --seed 5 --groups 3 --robust mean");
    let (one, other) = (last_loss(&plain), last_loss(&grouped));
    assert!((one - other).abs() < 0.02, "{one}, {other}");
}

/// A group of which fewer come than the minimum cohort is not opened; the others go on without it.
#[test]
fn a_group_below_the_minimum_is_given_up_alone() {
    let report = report(
        "--clients 20 --rounds 6 --groups 5 --robust median --minimum-cohort 4 --dropout 0.1 --seed 1",
    );
    let rounds = report["rounds"].as_array().unwrap();
    let given_up = |round: &&Value| {
        round["remark"].as_str().is_some_and(|remark| remark.contains("are needed"))
    };
    assert!(rounds.iter().any(|round| given_up(&round)), "{rounds:?}");
    for round in rounds {
        let (participants, model) = (&round["participants"], &round["test_accuracy"]);
        assert_eq!(participants.as_u64().unwrap() % 4, 0, "{round}");
        assert!(model.is_f64() || participants == 0, "{round}");
    }
}

#[test]
fn a_buffer_learns_from_old_updates_too() {
    let report = report(
        "--clients 40 --rounds 20 --strategy fedbuff:buffer=8,concurrency=24 --minimum-cohort 4 --seed 6",
    );
    assert!(numbers(&report, "participants").iter().all(|count| *count >= 8));
    let rounds = report["rounds"].as_array().unwrap();
    let course = |key: &str| -> Vec<f64> {
        rounds.iter().map(|round| round["course"]["buffer"][key].as_f64().unwrap()).collect()
    };
    assert!(course("virtual_seconds").is_sorted());
    assert!(course("staleness").iter().any(|age| *age > 0.0), "{:?}", course("staleness"));
    assert!(course("groups").iter().any(|groups| *groups > 1.0), "{:?}", course("groups"));
    let first = rounds[0]["test_loss"].as_f64().unwrap();
    let last = rounds[19]["test_loss"].as_f64().unwrap();
    assert!(last < first, "{first} to {last}");
}

/// Who takes part often loses more: ε is that of who did most, and grows with every sum that it is in.
#[test]
fn a_buffer_accounts_for_who_took_part_most_often() {
    let epsilon = |rounds| {
        let arguments =
            "--clients 12 --noise-multiplier 4 --minimum-cohort 3 --strategy fedbuff:buffer=4";
        let report = report(&format!("{arguments} --rounds {rounds}"));
        let rounds = report["rounds"].as_array().unwrap();
        rounds.last().unwrap()["epsilon"].as_f64().unwrap()
    };
    let (few, many) = (epsilon(2), epsilon(8));
    assert!(0.0 < few && few < many, "{few}, {many}");
}

#[test]
fn what_cannot_be_run_is_refused_with_a_sentence() {
    let check = |arguments: &str, expected: &str| {
        let refused = refusal(arguments);
        assert!(refused.contains(expected), "{arguments}: {refused}");
    };
    check("--clients 10 --over-select 1.5", "invites 15 of 10");
    check("--sampling poisson --sample 0.5 --over-select 1.5", "use --sampling uniform");
    check("--sampling secret --sample 0.5 --seal none", "use --sampling poisson");
    check("--dropout 1", "below 1");
    check("--minimum-cohort 1", "between 2 and --clients");
    check("--minimum-cohort 4 --seal none", "of sealed rounds");
    check("--clients 10 --groups 4 --minimum-cohort 3", "the minimum cohort is 3");
    check("--clients 10 --groups 1", "two groups or more");
    check("--clients 10 --groups 2 --seal none", "sealed updates");
    check("--clients 10 --groups 2 --value probe", "use --value none");
    check("--clients 10 --groups 2 --weighting samples", "use --weighting uniform");
    check("--clients 10 --groups 2 --strategy fedbuff:buffer=4", "fedbuff has none");
    check("--clients 10 --strategy fedbuff:buffer=6", "draws 12 at a time");
    check("--clients 10 --strategy fedbuff:buffer=4 --minimum-cohort 5", "minimum cohort of 5");
    check("--clients 10 --strategy fedbuff:buffer=4 --checkpoint /nowhere/x", "leave it out");
    check(
        "--clients 10 --groups 5 --robust krum:f=2 --rounds 1 --noise-multiplier 1 --sampling poisson --minimum-cohort 2",
        "known size",
    );
}

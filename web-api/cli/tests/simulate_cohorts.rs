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
/// of which at most two are spoilt, is not. Who is paid is paid by what the rule took.
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
        assert_eq!(numbers(&grouped, "participants"), [20; 8]);
        assert_eq!(grouped["ledger"]["audit"], "ok", "{rule}");
        let values = |attacks: bool| -> Vec<f64> {
            let rows = grouped["contributors"].as_array().unwrap().iter();
            let of = rows.filter(|row| (row["kind"] == "signflip") == attacks);
            of.map(|row| row["value"].as_f64().unwrap()).collect()
        };
        let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (own, others) = (average(&values(true)), average(&values(false)));
        assert!(own < others && others > 0.0, "{rule}: {own} beside {others}");
    }
}

/// Nobody has its pay by sending again what all can see: neither the means of groups, nor the step that a rule made of them, which
/// need not be a combination of them.
#[test]
fn who_replays_the_step_of_groups_earns_nothing() {
    for rule in ["median", "trimmed-mean:beta=0.2", "multi-krum:f=2,m=3"] {
        let arguments = "--clients 15 --rounds 4 --groups 7 --attack replay:2";
        let report = report(&format!("{arguments} --robust {rule}"));
        let credits = |kind: &str| -> Vec<u64> {
            let rows = report["contributors"].as_array().unwrap().iter();
            let of = rows.filter(|row| row["kind"] == kind);
            of.map(|row| row["credits"].as_u64().unwrap()).collect()
        };
        assert_eq!(credits("replay"), [0, 0], "{rule}");
        assert_eq!(credits("honest").iter().sum::<u64>(), 4_000_000, "{rule}");
    }
}

/// Groups are dealt of those who came: a round goes on with as many as all groups need, and is given up below that.
#[test]
fn a_round_in_groups_is_opened_whole_or_not_at_all() {
    let report = report(
        "--clients 20 --rounds 8 --groups 5 --robust median --minimum-cohort 3 --dropout 0.2 --seed 1",
    );
    let rounds = report["rounds"].as_array().unwrap();
    let (opened, given_up): (Vec<_>, Vec<_>) =
        rounds.iter().partition(|round| round["test_accuracy"].is_f64());
    assert!(!opened.is_empty() && !given_up.is_empty(), "{rounds:?}");
    for round in opened {
        assert!((15..20).contains(&round["participants"].as_u64().unwrap()), "{round}");
    }
    for round in given_up {
        assert_eq!(round["participants"], 0, "{round}");
        assert!(round["remark"].as_str().unwrap().contains("15 are needed"), "{round}");
    }
    assert_eq!(report["ledger"]["audit"], "ok");
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
/// Each group of a buffer is a round like any other: measured, settled, and paid its whole budget.
#[test]
fn a_buffer_is_measured_and_paid_and_who_replays_in_it_earns_nothing() {
    let arguments = "--clients 16 --rounds 6 --strategy fedbuff:buffer=6 --minimum-cohort 3";
    for (mode, attack) in [("mpc", "--attack replay:2"), ("fhe", "--dropout 0.1")] {
        let report = report(&format!("{arguments} --seal {mode} {attack}"));
        let rounds = report["rounds"].as_array().unwrap();
        let groups = |round: &Value| round["course"]["buffer"]["groups"].as_u64().unwrap();
        let settled: u64 = rounds.iter().map(groups).sum();
        assert!(settled > 6, "{rounds:?}");
        assert_eq!(report["ledger"]["audit"], "ok", "{mode}");
        let rows = report["contributors"].as_array().unwrap();
        let credits = |row: &&Value| row["credits"].as_u64().unwrap();
        assert_eq!(
            rows.iter().map(|row| credits(&row)).sum::<u64>(),
            settled * 1_000_000,
            "{mode}"
        );
        let replays: Vec<_> = rows.iter().filter(|row| row["kind"] == "replay").collect();
        assert!(replays.iter().all(|row| credits(row) == 0), "{replays:?}");
        let took_part = |row: &&&Value| row["rounds"].as_u64().unwrap() > 1;
        assert_eq!(replays.is_empty(), mode == "fhe");
        assert!(replays.is_empty() || replays.iter().any(|row| took_part(&row)), "{replays:?}");
        let values = |row: &Value| row["values"].as_array().unwrap().len() as u64;
        assert!(rows.iter().all(|row| values(row) == row["rounds"].as_u64().unwrap()), "{rows:?}");
    }
}

#[test]
fn an_interrupted_buffer_goes_on_as_if_nothing_had_happened() {
    let dir = tempfile::tempdir().unwrap();
    let common =
        "--clients 14 --strategy fedbuff:buffer=5,concurrency=12,spread=2,stale=3 --dropout 0.1";
    for (mode, rest) in [("mpc", "--noise-multiplier 1 --minimum-cohort 3"), ("fhe", "")] {
        let run = |rounds: u32, kept: &str| {
            computed(&format!("{common} {rest} --seal {mode} --rounds {rounds} {kept}"))
        };
        let straight = run(8, "");
        let staleness = |round: &Value| round["course"]["buffer"]["staleness"].as_f64().unwrap();
        assert!(straight["rounds"].as_array().unwrap().iter().any(|round| staleness(round) > 0.0));
        let kept = format!("--checkpoint {}", dir.path().join(mode).display());
        run(1, &kept);
        // At another number of threads, too.
        run(5, &format!("{kept} --threads 1"));
        assert_eq!(run(8, &kept), straight, "{mode}");
    }
}

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

/// Of four at 0.4 every eighth draw is of nobody; a round of four at a dropout of 0.6 as well. The seed is fixed.
#[test]
fn a_round_for_which_nobody_is_drawn_is_given_up_and_the_next_one_runs() {
    for arguments in [
        "--sample 0.4 --sampling poisson --seal mpc",
        "--sample 0.4 --sampling poisson --seal none",
        "--dropout 0.6 --seal none",
    ] {
        let report = report(&format!("--clients 4 --rounds 40 {arguments}"));
        let rounds = report["rounds"].as_array().unwrap();
        let nobody = |round: &&Value| {
            let remark = round["remark"].as_str().unwrap_or_default();
            remark.ends_with("contributors are needed, there are 0")
        };
        let of_nobody: Vec<_> = rounds.iter().filter(nobody).collect();
        assert!(!of_nobody.is_empty(), "{arguments}: {rounds:?}");
        assert!(of_nobody.iter().all(|round| round["test_loss"].is_null()), "{of_nobody:?}");
        assert!(rounds.iter().any(|round| round["test_loss"].is_f64()), "{arguments}: {rounds:?}");
    }
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
    let groups = "--clients 10 --groups 4 --robust median";
    check("--clients 10 --groups 4", "name the rule that works on their means");
    check("--clients 10 --groups 4 --robust mean", "mean over 4 groups withstands nobody");
    check("--clients 10 --groups 2 --robust median", "2 groups: 3 to 64 can be taken");
    check("--clients 10 --groups 4 --robust krum:f=1", "needs at least 5 updates to withstand 1");
    check(&format!("{groups} --minimum-cohort 3"), "the minimum cohort is 3");
    check(&format!("{groups} --seal none"), "--rule sees single updates");
    check(&format!("{groups} --seal fhe"), "use --seal mpc or mpc-verified");
    check(&format!("{groups} --value none"), "always measure");
    check(&format!("{groups} --value shapley"), "use --value probe");
    check(&format!("{groups} --weighting samples"), "use --weighting uniform");
    check(&format!("{groups} --sampling poisson --sample 0.9"), "use --sampling uniform");
    check(&format!("{groups} --strategy fedbuff:buffer=4"), "of those who are done");
    check(&format!("{groups} --strategy scaffold --local-steps 4"), "not a robust step");
    check(
        "--clients 10 --strategy fedbuff:buffer=4 --early-stopping loss:patience=2",
        "leave out fedbuff",
    );
    check("--clients 10 --strategy fedbuff:buffer=4 --seal none", "sealed updates");
    check("--clients 10 --strategy fedbuff:buffer=4 --value none", "always measure");
    check("--clients 10 --strategy fedbuff:buffer=4 --value loo", "use --value probe");
    check(
        "--clients 10 --strategy fedbuff:buffer=4 --weighting samples",
        "use --weighting uniform",
    );
    check("--clients 10 --strategy fedbuff:buffer=6", "draws 12 at a time");
    check("--clients 10 --strategy fedbuff:buffer=4 --minimum-cohort 5", "minimum cohort of 5");
    check(
        "--clients 10 --groups 5 --robust krum:f=1 --noise-multiplier 1 --sampling secret --sample 0.99",
        "needs a cohort of known size",
    );
}

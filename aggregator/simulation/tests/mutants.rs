//! The simulation itself is tried: each broken shell is caught by the invariant that is there for it.
#![expect(clippy::panic, reason = "helpers of tests")]

use aggregator_protocol::{CustodyTerms, SealingTerms};
use aggregator_simulation::{
    Failure, Fault, Mutant, Odds, Party, Scenario, minimised, replay, run,
};
use aggregator_strategy::GroupRule;

/// Seeds that are tried until one shows the fault.
const SEEDS: u64 = 60;

fn mpc(odds: Odds) -> Scenario {
    let calm = Scenario::calm(SealingTerms::Mpc);
    Scenario { odds, faults_until_ms: 3_500, rounds: 5, members: 4, ..calm }
}

/// Seven members in three groups of at least two.
fn in_groups(odds: Odds) -> Scenario {
    let Ok(rule) = "median".parse().map(|rule| GroupRule::new(3, rule)) else { panic!("a rule") };
    let Ok(rule) = rule else { panic!("three groups") };
    Scenario { members: 7, ..mpc(odds).in_groups(rule) }
}

/// The first failure of `scenario` with this mutant, which breaks `invariant`; without the mutant nothing fails.
fn catches(mutant: Mutant, invariant: &str, scenario: &Scenario) -> Failure {
    let broken = Scenario { mutant: Some(mutant), ..scenario.clone() };
    let failure = (0..SEEDS).find_map(|seed| run(seed, &broken).err());
    let failure = failure.unwrap_or_else(|| panic!("{mutant:?} is not noticed"));
    assert!(failure.breaks(invariant), "{mutant:?} is noticed otherwise: {failure}");
    if let Err(failure) = run(failure.seed, scenario) {
        panic!("it fails without {mutant:?}, too: {failure}");
    }
    *failure
}

const QUIET: Odds = Odds::NONE;
const CRASHES: Odds = Odds { crash: 0.02, ..Odds::NONE };

#[test]
fn invariant_aggregate_is_the_plain_sum_catches_a_share_that_is_shifted() {
    let invariant = "invariant_aggregate_is_the_plain_sum_of_the_accepted_set";
    catches(Mutant::ShiftsTheSum, invariant, &mpc(QUIET));
}

#[test]
fn invariant_groups_are_disjoint_parts_catches_sums_in_each_others_place_and_shifted_ones() {
    let invariant = "invariant_groups_are_disjoint_parts_of_the_set";
    catches(Mutant::SwapsGroups, invariant, &in_groups(QUIET));
    catches(Mutant::ShiftsTheSum, invariant, &in_groups(QUIET));
}

#[test]
fn invariants_of_a_round_hold_for_groups_and_catch_what_breaks_them() {
    let odds = Odds { crash: 0.01, steal: 1.0, ..Odds::NONE };
    let second = "invariant_no_second_opening_with_another_set";
    let scenario = Scenario { members: 9, rounds: 10, faults_until_ms: 7_000, ..in_groups(odds) };
    catches(Mutant::ForgetsTheSet, second, &scenario);
    catches(Mutant::ShiftsTheScalars, "invariant_scalars_add_up", &in_groups(QUIET));
    let scenario = Scenario { minimum: 3, ..in_groups(QUIET) };
    let scenario = Scenario { members: 9, ..scenario };
    let broken = Scenario { mutant: Some(Mutant::LowersTheMinimum), ..scenario.clone() };
    let silent = || vec![Fault::Silent { member: 0 }];
    let failure = replay(1, &broken, silent()).unwrap_err();
    for name in [
        "invariant_nothing_is_opened_below_the_minimum_cohort",
        "invariant_groups_are_disjoint_parts_of_the_set",
    ] {
        assert!(failure.breaks(name), "{name}: {failure}");
    }
    let report = replay(1, &scenario, silent()).unwrap();
    assert_eq!((report.seen.count("opened"), report.seen.count("aborted")), (0, 5));
}

#[test]
fn invariant_nothing_is_opened_below_the_minimum_cohort_catches_a_lower_minimum() {
    let scenario = Scenario { minimum: 3, ..mpc(QUIET) };
    let broken = Scenario { mutant: Some(Mutant::LowersTheMinimum), ..scenario.clone() };
    let silent = || vec![Fault::Silent { member: 0 }, Fault::Silent { member: 1 }];
    let failure = replay(1, &broken, silent()).unwrap_err();
    assert!(failure.breaks("invariant_nothing_is_opened_below_the_minimum_cohort"), "{failure}");
    let report = replay(1, &scenario, silent()).unwrap();
    assert!(report.seen.count("aborted") > 0, "with two of three nothing is opened");
}

#[test]
fn invariant_who_takes_part_was_drawn_catches_terms_by_which_more_take_part() {
    let invariant = "invariant_who_takes_part_was_drawn";
    for rule in ["secret:rate=0.6", "uniform:size=2,over=1.5"] {
        let Ok(sampling) = rule.parse() else { panic!("{rule}") };
        catches(Mutant::WidensTheDraw, invariant, &Scenario { sampling, ..mpc(QUIET) });
    }
}

#[test]
fn invariant_no_second_opening_catches_a_peer_that_forgets_the_set() {
    let odds = Odds { crash: 0.04, steal: 0.8, ..Odds::NONE };
    let invariant = "invariant_no_second_opening_with_another_set";
    let failure = catches(Mutant::ForgetsTheSet, invariant, &mpc(odds));
    let all = failure.faults.len();
    let smallest = minimised(failure);
    let names: Vec<_> = smallest.faults.iter().map(Fault::name).collect();
    assert!(smallest.breaks(invariant), "{smallest}");
    // The theft, the crash that forgets, and earlier ones that set their time.
    assert!(
        names.len() <= 10 && names.len() < all && names.contains(&"stolen"),
        "not minimal: {smallest}"
    );
}

#[test]
fn invariant_custodians_sum_only_after_agreement_catches_one_that_does_not_wait() {
    let sealing = SealingTerms::Fhe(CustodyTerms::new(3, 2).unwrap());
    let invariant = "invariant_custodians_sum_only_after_agreement";
    catches(Mutant::SumsWithoutAgreement, invariant, &Scenario::calm(sealing));
}

#[test]
fn invariant_nothing_acknowledged_is_lost_catches_an_early_acknowledgement() {
    let invariant = "invariant_nothing_acknowledged_is_lost";
    let failure = catches(Mutant::AcknowledgesBeforeItStores, invariant, &mpc(CRASHES));
    let smallest = minimised(failure);
    // A crash between the acknowledgement and the write, and those before it that set its time.
    let coordinator = Party::Aggregator(0);
    let last = smallest.faults.last();
    let early = matches!(last, Some(Fault::Crash { party, kept, .. })
        if *party == coordinator && (1..=2).contains(&kept.outputs));
    assert!(early && smallest.faults.len() <= 3, "{smallest}");
}

#[test]
fn invariant_what_is_named_is_kept_catches_an_update_that_is_named_before_it_is_kept() {
    let invariant = "invariant_what_is_named_is_kept";
    let failure = catches(Mutant::NamesBeforeItKeeps, invariant, &mpc(CRASHES));
    let smallest = minimised(failure);
    // A crash between the record and the bytes, or while they are written.
    let last = smallest.faults.last();
    let between = matches!(last, Some(Fault::Crash { kept, .. }) if kept.outputs == 1);
    assert!(between && smallest.faults.len() <= 3, "{smallest}");
}

#[test]
fn invariant_what_is_named_is_kept_catches_a_sweep_of_what_is_needed() {
    let invariant = "invariant_what_is_named_is_kept";
    catches(Mutant::SweepsWhatIsNeeded, invariant, &mpc(CRASHES));
}

#[test]
fn invariant_everything_acknowledged_has_a_receipt_catches_a_coordinator_that_forgets() {
    let invariant = "invariant_everything_acknowledged_has_a_receipt";
    catches(Mutant::ForgetsHowRoundsEnded, invariant, &mpc(CRASHES));
}

#[test]
fn invariant_nothing_of_another_round_is_accepted_catches_one_that_accepts_anything() {
    let invariant = "invariant_nothing_of_another_round_is_accepted";
    catches(Mutant::AcknowledgesAnything, invariant, &mpc(Odds { forge: 0.5, ..QUIET }));
}

#[test]
fn invariant_rounds_end_by_their_deadlines_catches_a_coordinator_without_a_clock() {
    let invariant = "invariant_rounds_end_by_their_deadlines";
    let broken = Scenario { mutant: Some(Mutant::NeverTicks), ..mpc(QUIET) };
    let silent = || vec![Fault::Silent { member: 0 }];
    let failure = replay(1, &broken, silent()).unwrap_err();
    assert!(failure.breaks(invariant), "{failure}");
    assert!(replay(1, &mpc(QUIET), silent()).is_ok());
}

#[test]
fn invariant_rounds_end_once_catches_a_settled_round_that_is_given_up() {
    let odds = Odds { garble: 0.05, ..QUIET };
    catches(Mutant::TakesGarbageForRefusal, "invariant_rounds_end_once", &mpc(odds));
}

#[test]
fn invariant_scalars_add_up_catches_shares_of_scalars_that_are_shifted() {
    catches(Mutant::ShiftsTheScalars, "invariant_scalars_add_up", &mpc(QUIET));
}

#[test]
fn invariant_members_are_told_the_truth_catches_a_denied_receipt() {
    let invariant = "invariant_members_are_told_the_truth";
    catches(Mutant::DeniesTheReceipt, invariant, &mpc(QUIET));
}

#[test]
fn invariant_a_restart_gives_the_same_machine_catches_an_input_that_is_stored_twice() {
    let invariant = "invariant_a_restart_gives_the_same_machine";
    catches(Mutant::StoresTwice, invariant, &mpc(CRASHES));
}

#[test]
fn invariant_refusals_change_nothing_catches_a_refusal_that_is_counted_twice() {
    let odds = Odds { forge: 0.5, ..QUIET };
    catches(Mutant::CountsTwice, "invariant_refusals_change_nothing", &mpc(odds));
}

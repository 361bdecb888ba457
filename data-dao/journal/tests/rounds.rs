//! Rounds pay for measured value, once, and only members.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_journal::{
    BufferSet, ModelReleased, Refusal, RoundAborted, RoundOpened, RoundSettled, RoundsEnded, audit,
};
use world::{BUDGET, World, digest, member, model_of, name, round_opened};

/// Round 1 of `wine` is open; a sound settlement of it.
fn open() -> (World, RoundSettled) {
    let mut world = World::founded();
    world.open_round(1);
    let settlement = world.settlement(1, &[(0, 30, 10), (1, 10, 10), (2, 50, 0)]);
    (world, settlement)
}

#[test]
fn credits_follow_the_measured_value_and_sum_to_the_budget() {
    let world = World::after_one_round();
    let credits: Vec<u128> = (0..4).map(|m| world.state.credits(&member(m))).collect();
    assert_eq!(credits, [750, 250, 0, 0]);
    assert_eq!(world.state.counts().credits_issued, BUDGET);
    let federation = world.state.federation(&name("wine")).unwrap();
    assert_eq!(federation.settled()[0].credits, BUDGET);
    assert_eq!(federation.standings()[&member(0)].credits(), 750);
}

#[test]
fn credits_raised_by_one_are_refused_naming_both_sides() {
    let (mut world, mut settlement) = open();
    settlement.participants[1].credits += 1;
    let Refusal::Differs { what, expected, got } = world.refusal(settlement) else { panic!() };
    assert_eq!(what, format!("credits of {}", member(1)));
    assert_eq!((expected.as_str(), got.as_str()), ("250", "251"));
}

#[test]
fn scalars_changed_after_the_fact_are_refused() {
    let (mut world, mut settlement) = open();
    settlement.participants[0].value = 10;
    assert!(matches!(world.refusal(settlement), Refusal::Differs { .. }));
}

#[test]
fn a_round_is_settled_once() {
    let (mut world, settlement) = open();
    world.push(settlement.clone());
    assert!(matches!(world.refusal(settlement), Refusal::RoundAlreadySettled { round: 1, .. }));
}

#[test]
fn a_round_that_is_not_open_is_not_settled() {
    let (mut world, settlement) = open();
    let other = RoundSettled { round: 2, ..settlement.clone() };
    assert!(matches!(world.refusal(other), Refusal::RoundNotOpen { round: 2, .. }));
    let elsewhere = RoundSettled { federation: name("beer"), ..settlement.clone() };
    assert!(matches!(world.refusal(elsewhere), Refusal::RoundNotOpen { .. }));
    let reason = "too few".into();
    world.push(RoundAborted { federation: name("wine"), round: 1, reason });
    assert!(matches!(world.refusal(settlement), Refusal::RoundNotOpen { .. }));
}

/// The flaw of Vana's contracts (pull request 76): a proof for one pool was paid by its siblings.
#[test]
fn a_proof_for_one_pool_or_round_is_paid_in_no_other() {
    let (mut world, settlement) = open();
    world.push(settlement.clone());
    world.push(round_opened("beer", 1));
    // The same proof, presented to the sibling whose round starts from the same model.
    let sibling = RoundSettled { federation: name("beer"), ..settlement.clone() };
    let receipt = settlement.receipt;
    assert!(matches!(
        world.refusal(sibling.clone()),
        Refusal::ReceiptAlreadyUsed { receipt: used } if used == receipt
    ));
    // Its contributions under another receipt.
    let forged = RoundSettled { receipt: digest(99), ..sibling };
    assert!(matches!(world.refusal(forged), Refusal::UpdateAlreadyPaid { .. }));
    // The same to the next round of the same pool.
    world.open_round(2);
    let sound = world.settlement(2, &[(0, 30, 10), (1, 10, 10)]);
    let replayed = RoundSettled { receipt, ..sound.clone() };
    assert!(matches!(world.refusal(replayed), Refusal::ReceiptAlreadyUsed { .. }));
    let mut again = sound.clone();
    again.participants[1].update = settlement.participants[0].update;
    assert!(matches!(world.refusal(again), Refusal::UpdateAlreadyPaid { .. }));
    let mut twice = sound.clone();
    twice.participants[1].update = twice.participants[0].update;
    assert!(matches!(world.refusal(twice), Refusal::UpdateAlreadyPaid { .. }));
    // A proof of another model.
    let stale = RoundSettled { model_before: settlement.model_before, ..sound.clone() };
    assert!(matches!(world.refusal(stale), Refusal::Differs { .. }));
    world.push(sound);
    let credits: Vec<u128> = (0..4).map(|m| world.state.credits(&member(m))).collect();
    assert_eq!(credits.iter().sum::<u128>(), 2 * BUDGET, "each round paid once");
}

/// An update that was announced counts as used at once, not only when its pay is final.
#[test]
fn a_proof_under_challenge_is_used_already() {
    let mut world = World::founded();
    for text in ["wine", "beer"] {
        world.push(data_dao_journal::SafeguardsSet {
            federation: name(text),
            epsilon_micro_max: None,
            challenge_window_ms: 1_000,
            reveal_by_rounds: None,
        });
    }
    world.open_round(1);
    let settlement = world.settlement(1, &[(0, 30, 10), (1, 10, 10), (2, 50, 0)]);
    world.push(settlement.clone());
    world.push(round_opened("beer", 1));
    let sibling = RoundSettled { federation: name("beer"), ..settlement };
    assert!(matches!(world.refusal(sibling), Refusal::ReceiptAlreadyUsed { .. }));
}

#[test]
fn a_round_is_bound_to_its_model() {
    let (mut world, settlement) = open();
    let other = RoundSettled { model_before: digest(99), ..settlement.clone() };
    assert!(matches!(world.refusal(other), Refusal::Differs { .. }));
    world.push(settlement);
    let opened = RoundOpened { model: model_of(1), ..round_opened("wine", 2) };
    assert!(matches!(world.refusal(opened), Refusal::Differs { .. }));
    world.push(round_opened("wine", 2));
}

#[test]
fn a_cohort_is_ascending_admitted_and_large_enough() {
    let (mut world, settlement) = open();
    let mut swapped = settlement.clone();
    swapped.participants.swap(0, 1);
    assert!(matches!(world.refusal(swapped), Refusal::NotAscending { .. }));
    let mut twice = settlement.clone();
    twice.participants.insert(0, settlement.participants[0].clone());
    assert!(matches!(world.refusal(twice), Refusal::NotAscending { .. }));
    let mut stranger = settlement.clone();
    stranger.participants.truncate(1);
    stranger.participants.push(settlement.participants[0].clone());
    stranger.participants[1].member = greatest_stranger();
    assert!(matches!(world.refusal(stranger), Refusal::NotAMember { .. }));
    let mut few = settlement.clone();
    few.participants.truncate(1);
    assert!(matches!(world.refusal(few), Refusal::OutOfBounds { what: "participants", .. }));
    let both = RoundSettled { dropped: vec![member(0)], ..settlement };
    assert!(matches!(world.refusal(both), Refusal::TookPartAndDropped { .. }));
}

fn greatest_stranger() -> privacy_identity::VerifyingKey {
    let keys = (60..=120).map(|number| world::key(number).verifying_key());
    keys.max().unwrap()
}

#[test]
fn scalars_beyond_their_bound_are_refused() {
    let (mut world, mut settlement) = open();
    settlement.participants[0].innovation = -(1 << 40) - 1;
    let refusal = world.refusal(settlement);
    assert!(matches!(refusal, Refusal::OutOfBounds { what: "innovation", .. }));
}

#[test]
fn rounds_run_one_at_a_time_and_forward() {
    let mut world = World::founded();
    world.open_round(3);
    let refusal = world.refusal(round_opened("wine", 4));
    assert!(matches!(refusal, Refusal::RoundStillOpen { open: 3, .. }));
    let abort = |round| RoundAborted { federation: name("wine"), round, reason: "few".into() };
    assert!(matches!(world.refusal(abort(4)), Refusal::RoundNotOpen { .. }));
    world.push(abort(3));
    let refusal = world.refusal(round_opened("wine", 3));
    assert!(matches!(refusal, Refusal::OutOfBounds { what: "round", .. }));
}

#[test]
fn a_federation_settles_no_more_rounds_than_its_terms_say() {
    let mut world = World::founded();
    for round in 1..=5 {
        world.open_round(round);
        let settlement = world.settlement(round, &[(0, 3, 10), (1, 1, 10)]);
        world.push(settlement);
    }
    let refusal = world.refusal(round_opened("wine", 6));
    assert!(matches!(refusal, Refusal::RoundsUsedUp { rounds: 5, .. }));
    assert_eq!(world.state.credits(&member(0)), 5 * 750);
}

#[test]
fn the_privacy_loss_of_opened_rounds_adds_up_aborted_ones_included() {
    let mut world = World::founded();
    let open = |round, epsilon_micro| RoundOpened {
        model: model_of(if round < 3 { 1 } else { round - 1 }),
        epsilon_micro,
        ..round_opened("wine", round)
    };
    let so_far =
        |world: &World| world.state.epsilon_micro(world.state.federation(&name("wine")).unwrap());
    assert_eq!(so_far(&world), Some(0));
    world.push(open(1, Some(1_000)));
    world.push(RoundAborted { federation: name("wine"), round: 1, reason: "few".into() });
    world.push(open(2, Some(500)));
    assert_eq!(so_far(&world), Some(1_500));
    let settlement = world.settlement(2, &[(0, 30, 10), (1, 10, 10)]);
    let settlement =
        RoundSettled { model_before: model_of(1), model_after: model_of(2), ..settlement };
    world.push(settlement);
    let settled = world.state.federation(&name("wine")).unwrap().settled()[0];
    assert_eq!(settled.epsilon_micro, Some(1_500));
    // One round without noise, and nothing bounds the loss any more.
    world.push(open(3, None));
    world.push(RoundAborted { federation: name("wine"), round: 3, reason: "few".into() });
    world.push(RoundOpened { model: model_of(2), ..open(4, Some(1)) });
    assert_eq!(so_far(&world), None);
}

#[test]
fn if_nobody_is_of_value_nobody_is_paid() {
    let mut world = World::founded();
    world.open_round(1);
    let settlement = world.settlement(1, &[(0, -30, 10), (1, 0, 10)]);
    world.push(settlement);
    assert_eq!(world.state.counts().credits_issued, 0);
}

#[test]
fn a_federation_that_ended_early_opens_no_round_and_offers_its_best_model() {
    let mut world = World::founded();
    for round in 1..=3 {
        world.open_round(round);
        let settlement = world.settlement(round, &[(0, 3, 10), (1, 1, 10)]);
        world.push(settlement);
    }
    let end = |best_round| RoundsEnded {
        federation: name("wine"),
        best_round,
        reason: "no improvement".into(),
    };
    assert!(matches!(world.refusal(end(7)), Refusal::Unknown { .. }));
    world.open_round(4);
    assert!(matches!(world.refusal(end(2)), Refusal::RoundStillOpen { open: 4, .. }));
    world.push(RoundAborted { federation: name("wine"), round: 4, reason: "few".into() });
    world.push(end(2));
    assert!(matches!(world.refusal(end(1)), Refusal::RoundsEnded { .. }));
    let refusal = world.refusal(round_opened("wine", 5));
    assert!(matches!(refusal, Refusal::RoundsEnded { .. }), "{refusal}");
    let federation = world.state.federation(&name("wine")).unwrap();
    let models: Vec<_> = federation.settled().iter().map(|round| round.model_after).collect();
    assert_eq!(federation.offered().unwrap().model_after, models[1]);
    let release = |digest| ModelReleased { digest, rounds: 3, ..world.release() };
    let (last, best) = (release(models[2]), release(models[1]));
    assert!(matches!(world.refusal(last), Refusal::Differs { .. }));
    world.push(best);
}

#[test]
fn a_release_carries_the_credits_earned_and_the_last_model() {
    let mut world = World::after_one_round();
    let release = world.release();
    let weights: Vec<u128> = release.weights.iter().map(|weight| weight.weight).collect();
    assert_eq!(weights, [750, 250]);
    let mut other = release.clone();
    other.weights[0].weight += 1;
    assert!(matches!(world.refusal(other), Refusal::Differs { .. }));
    let mut other = release.clone();
    other.digest = model_of(1);
    assert!(matches!(world.refusal(other), Refusal::Differs { .. }));
    let mut other = release.clone();
    other.version = 2;
    assert!(matches!(world.refusal(other), Refusal::Differs { .. }));
    world.push(release);
    assert_eq!(world.state.model(&name("wine-quality")).unwrap().latest().version, 1);
}

/// Settles a round that started from the model before round `from`.
fn settle_from(world: &mut World, round: u64, from: u64) {
    world.push(RoundOpened { model: model_of(from), ..round_opened("wine", round) });
    let settlement = world.settlement(round, &[(0, 3, 10), (1, 1, 10)]);
    world.push(RoundSettled { model_before: model_of(from), ..settlement });
}

#[test]
fn rounds_of_a_buffer_start_from_the_last_models_and_no_older_ones() {
    let mut world = World::founded();
    let set = |stale_max| BufferSet { federation: name("wine"), stale_max };
    assert!(matches!(world.refusal(set(0)), Refusal::OutOfBounds { .. }));
    world.push(set(2));
    assert!(matches!(world.refusal(set(3)), Refusal::BufferStands { .. }));
    for (round, from) in [(1, 1), (2, 1), (3, 1)] {
        settle_from(&mut world, round, from);
    }
    let federation = world.state.federation(&name("wine")).unwrap();
    assert_eq!(federation.staleness(&model_of(1)), Some(3));
    assert_eq!(federation.version_of(&model_of(4)), Some(3));
    let open = |model| RoundOpened { model, ..round_opened("wine", 4) };
    let refusal = world.refusal(open(model_of(1)));
    assert!(
        matches!(refusal, Refusal::ModelTooOld { staleness: 3, stale_max: 2, .. }),
        "{refusal}"
    );
    // A model that never was the federation's, and too few members.
    assert!(matches!(world.refusal(open(digest(99))), Refusal::Unknown { .. }));
    let few = RoundOpened { cohort_size: 1, ..open(model_of(2)) };
    assert!(matches!(world.refusal(few), Refusal::OutOfBounds { what: "cohort_size", .. }));
    settle_from(&mut world, 4, 2);
    // Whoever recomputes the log comes to the same.
    assert_eq!(audit(&world.leaves, None).unwrap().rounds_settled, 4);
}

#[test]
fn an_update_of_one_buffer_is_not_paid_in_another() {
    let mut world = World::founded();
    world.push(BufferSet { federation: name("wine"), stale_max: 2 });
    settle_from(&mut world, 1, 1);
    world.push(RoundOpened { model: model_of(1), ..round_opened("wine", 2) });
    let mut settlement = world.settlement(2, &[(0, 3, 10), (1, 1, 10)]);
    settlement.model_before = model_of(1);
    // As `World::settlement` names the first update of round 1.
    settlement.participants[0].update = digest(110);
    assert!(matches!(world.refusal(settlement), Refusal::UpdateAlreadyPaid { .. }));
}

#[test]
fn without_a_buffer_a_round_starts_from_the_newest_model_as_ever() {
    let mut world = World::after_one_round();
    let refusal = world.refusal(RoundOpened { model: model_of(1), ..round_opened("wine", 2) });
    assert!(matches!(&refusal, Refusal::Differs { what, .. } if what == "model"), "{refusal}");
    let late = BufferSet { federation: name("wine"), stale_max: 2 };
    assert!(matches!(world.refusal(late), Refusal::BufferStands { .. }));
}

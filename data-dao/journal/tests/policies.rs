//! Privacy policies: what a vote can change, and what only a device can.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::{Action, Consent, PrivacyPolicy, Request as _};
use data_dao_journal::{ConsentGiven, Refusal};
use data_dao_ledger::AccountId;
use world::{World, digest, member, members, name, round_opened};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
fn policy(world: &World) -> PrivacyPolicy {
    world.state.federation(&name("wine")).unwrap().policy().clone()
}

fn set_policy(policy: PrivacyPolicy) -> Vec<Action> {
    vec![Action::SetPrivacyPolicy { federation: "wine".into(), policy }]
}

fn consent(world: &World, position: usize, policy: &PrivacyPolicy) -> ConsentGiven {
    let member = member(position);
    let consent = Consent {
        dao: world.state.dao_id().unwrap(),
        federation: "wine".into(),
        policy: policy.digest(),
        member,
        nonce: world.nonce(&member),
        expires_ms: u64::MAX,
    };
    let signature = consent.sign(&members()[position]);
    ConsentGiven { consent, signature }
}

#[test]
fn promise_7_a_vote_that_weakens_privacy_reaches_no_device_that_did_not_sign() {
    for weaker in [
        |now: PrivacyPolicy| PrivacyPolicy { terms: digest(9), ..now },
        |now: PrivacyPolicy| PrivacyPolicy { minimum_cohort: 1, ..now },
    ] {
        let mut world = World::after_one_round();
        let weaker = weaker(policy(&world));
        // All weight there is votes for it.
        let proposal = world.pass(set_policy(weaker.clone()));
        assert!(world.executed(proposal));
        assert_eq!(
            (policy(&world), world.state.contributors(&name("wine"))),
            (weaker.clone(), vec![])
        );
        world.open_round(2);
        let settlement = world.settlement(2, &[(0, 3, 10), (1, 1, 10)]);
        let without = world.refusal(settlement.clone());
        assert!(matches!(without, Refusal::NoConsent { .. }));
        // A consent during the round does not reach back, and nobody signs for another.
        let mut forged = consent(&world, 1, &weaker);
        forged.signature = forged.consent.sign(&members()[0]);
        assert!(matches!(world.refusal(forged), Refusal::Signature(_)));
        world.push(consent(&world, 0, &weaker));
        assert!(matches!(world.refusal(settlement.clone()), Refusal::NoConsent { .. }));
        world.push(consent(&world, 1, &weaker));
        assert_eq!(world.state.contributors(&name("wine")), [member(0), member(1)]);
        world.push(settlement);
        // Consent to something else is none.
        let other = PrivacyPolicy { terms: digest(8), ..weaker };
        let elsewhere = world.refusal(consent(&world, 2, &other));
        assert!(matches!(elsewhere, Refusal::Differs { .. }));
    }
}

#[test]
fn promise_7_what_strengthens_privacy_holds_at_once_and_taking_it_back_does_not() {
    let mut world = World::after_one_round();
    let stronger = PrivacyPolicy { minimum_cohort: 4, ..policy(&world) };
    let before = policy(&world);
    world.pass(set_policy(stronger));
    assert_eq!(world.state.contributors(&name("wine")).len(), 4, "nobody has to sign for more");
    let small = data_dao_journal::RoundOpened { cohort_size: 3, ..round_opened("wine", 2) };
    assert!(matches!(world.refusal(small), Refusal::OutOfBounds { what: "cohort_size", .. }));
    world.pass(set_policy(before));
    assert_eq!(world.state.contributors(&name("wine")), []);
}

#[test]
fn promise_7_a_bound_on_privacy_loss_stops_rounds() {
    let mut world = World::founded();
    let noisy = |round, epsilon_micro| data_dao_journal::RoundOpened {
        epsilon_micro,
        ..round_opened("wine", round)
    };
    world.push(noisy(1, Some(600_000)));
    let settlement = world.settlement(1, &[(0, 30, 10), (1, 10, 10)]);
    world.push(settlement);
    let bounded = PrivacyPolicy { epsilon_micro_max: Some(1_000_000), ..policy(&world) };
    world.pass(set_policy(bounded));
    let too_much = world.refusal(noisy(2, Some(400_001)));
    assert!(matches!(too_much, Refusal::Ledger(_)), "{too_much:?}");
    let unbounded = world.refusal(noisy(2, None));
    assert!(matches!(unbounded, Refusal::PrivacyUnbounded { max: 1_000_000, .. }));
    world.push(noisy(2, Some(400_000)));
}

#[test]
fn promise_7_a_voted_bound_moves_the_budget_and_gives_nothing_spent_back() {
    let mut world = World::founded();
    let noisy = |round, loss| data_dao_journal::RoundOpened {
        epsilon_micro: Some(loss),
        ..round_opened("wine", round)
    };
    world.push(noisy(1, 600_000));
    let settlement = world.settlement(1, &[(0, 30, 10), (1, 10, 10)]);
    world.push(settlement);
    let left = |world: &World| {
        world.state.epsilon_micro_left(world.state.federation(&name("wine")).unwrap())
    };
    assert_eq!(left(&world), None);
    for (bound, expected) in [
        (Some(1_000_000), Some(400_000)),
        (Some(500_000), Some(0)),
        (Some(600_001), Some(1)),
        (None, None),
        (Some(700_000), Some(100_000)),
    ] {
        let voted = PrivacyPolicy { epsilon_micro_max: bound, ..policy(&world) };
        let proposal = world.pass(set_policy(voted));
        assert!(world.executed(proposal));
        assert_eq!(left(&world), expected, "{bound:?}");
        let budget = AccountId::privacy_budget(name("wine"));
        let balance = world.state.accounts().account(&budget).balance();
        assert_eq!(balance, u128::from(expected.unwrap_or(0)));
    }
}

#[test]
fn promise_3_rounds_of_former_terms_are_not_counted_to_those_of_the_present() {
    let opened =
        |world: &World| world.state.federation(&name("wine")).unwrap().opened_under_terms();
    let mut world = World::after_one_round();
    assert_eq!(opened(&world), 1);
    // A vote for something else changes nothing about how rounds add up.
    let before = policy(&world);
    world.pass(set_policy(PrivacyPolicy { minimum_cohort: 4, ..before.clone() }));
    assert_eq!(opened(&world), 1);
    world.pass(set_policy(before.clone()));
    assert_eq!(opened(&world), 1);
    // A round that runs while other terms come into force is of those of its opening.
    world.open_round(2);
    let other = PrivacyPolicy { terms: digest(9), ..before };
    world.pass(set_policy(other));
    assert_eq!(opened(&world), 0);
    let aborted = |round| {
        let reason = "too few".into();
        data_dao_journal::RoundAborted { federation: name("wine"), round, reason }
    };
    world.push(aborted(2));
    assert_eq!(opened(&world), 0);
    let model = world::model_of(2);
    world.push(data_dao_journal::RoundOpened { model, ..round_opened("wine", 3) });
    world.push(aborted(3));
    assert_eq!(opened(&world), 1);
}

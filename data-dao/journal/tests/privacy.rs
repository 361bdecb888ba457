//! Promise 3: privacy loss is a balance, and a round that would overdraw it does not start.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_journal::{Refusal, RoundAborted, RoundOpened, SafeguardsSet};
use data_dao_ledger::AccountId;
use proptest::prelude::*;
use world::{World, name, round_opened};

fn bounded(most: u64) -> World {
    let mut world = World::founded();
    world.push(SafeguardsSet {
        federation: name("wine"),
        epsilon_micro_max: Some(most),
        challenge_window_ms: 1,
        reveal_by_rounds: None,
    });
    world
}

fn opening(text: &str, round: u64, epsilon_micro: Option<u64>) -> RoundOpened {
    let model = world::model_of(1);
    RoundOpened { epsilon_micro, model, ..round_opened(text, round) }
}

fn aborted(round: u64) -> RoundAborted {
    RoundAborted { federation: name("wine"), round, reason: "too few".into() }
}

fn balances(world: &World) -> (u128, u128) {
    let balance = |id: AccountId| world.state.accounts().account(&id).balance();
    (
        balance(AccountId::privacy_budget(name("wine"))),
        balance(AccountId::privacy_spent(name("wine"))),
    )
}

fn left(world: &World) -> Option<u64> {
    world.state.epsilon_micro_left(world.state.federation(&name("wine")).unwrap())
}

#[test]
fn promise_3_a_round_that_would_overdraw_privacy_does_not_start() {
    let mut world = bounded(1_000_000);
    world.push(opening("wine", 1, Some(700_000)));
    assert_eq!((balances(&world), left(&world)), ((300_000, 700_000), Some(300_000)));
    // An aborted round counts: its sum may have been opened.
    world.push(aborted(1));
    assert_eq!(balances(&world), (300_000, 700_000));
    let refusal = world.refusal(opening("wine", 2, Some(300_001)));
    assert!(
        matches!(
            refusal,
            Refusal::Ledger(data_dao_ledger::Refusal::Insufficient {
                available: 300_000,
                needed: 300_001,
                ..
            })
        ),
        "{refusal:?}"
    );
    assert_eq!(world.state.federation(&name("wine")).unwrap().open_round(), None);
    world.push(opening("wine", 2, Some(300_000)));
    assert_eq!((balances(&world), left(&world)), ((0, 1_000_000), Some(0)));
    world.push(aborted(2));
    assert!(world.try_push(opening("wine", 3, Some(1))).is_err());
}

#[test]
fn promise_3_a_round_without_noise_does_not_start_where_privacy_is_bounded() {
    let mut world = bounded(1_000_000);
    let refusal = world.refusal(opening("wine", 1, None));
    assert!(matches!(refusal, Refusal::PrivacyUnbounded { max: 1_000_000, .. }));
}

#[test]
fn promise_3_one_federations_budget_is_not_anothers() {
    let mut world = bounded(1_000_000);
    world.push(opening("beer", 1, Some(5_000_000)));
    assert_eq!(balances(&world), (1_000_000, 0));
    let spent = AccountId::privacy_spent(name("beer"));
    assert_eq!(world.state.accounts().account(&spent).balance(), 5_000_000);
    assert!(!AccountId::privacy_budget(name("wine")).may_pay(&spent));
}

#[test]
fn a_loss_of_zero_books_nothing_and_starts() {
    let mut world = bounded(1);
    world.push(opening("wine", 1, Some(0)));
    assert_eq!(balances(&world), (1, 0));
}

proptest! {
    #[test]
    fn promise_3_no_sequence_of_rounds_spends_more_than_the_budget(
        most in 1_u64..10_000,
        losses in proptest::collection::vec(proptest::option::weighted(0.9, 0_u64..4_000), 1..12),
    ) {
        let mut world = bounded(most);
        let mut spent = 0_u64;
        for (round, loss) in (1..).zip(losses) {
            let started = world.try_push(opening("wine", round, loss)).is_ok();
            let affordable = loss.is_some_and(|loss| spent + loss <= most);
            prop_assert_eq!(started, affordable);
            if started {
                spent += loss.unwrap();
                world.push(aborted(round));
            }
            prop_assert_eq!(balances(&world), (u128::from(most - spent), u128::from(spent)));
        }
    }
}

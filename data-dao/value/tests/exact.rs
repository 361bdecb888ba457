//! Games whose values are known from the literature or on paper, and the axioms on random games.
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "helpers of tests")]

use std::convert::Infallible;

use data_dao_value::{Coalition, WorthTable, banzhaf, banzhaf_index, leave_one_out, shapley};
use proptest::prelude::*;

fn game(players: usize, worth: impl Fn(Coalition) -> f64) -> WorthTable {
    WorthTable::evaluate(players, |coalition| Ok::<_, Infallible>(worth(coalition))).unwrap()
}

/// Wins iff its weights reach the quota.
fn voting(quota: u32, weights: &[u32]) -> WorthTable {
    let weight = |c: Coalition| c.players().map(|player| weights[player]).sum::<u32>();
    game(weights.len(), |c| f64::from(u8::from(weight(c) >= quota)))
}

fn check(values: &[f64], expected: &[f64]) {
    assert_eq!(values.len(), expected.len());
    for (value, expected) in values.iter().zip(expected) {
        assert!((value - expected).abs() < 1e-12, "{values:?} beside {expected}");
    }
}

#[test]
fn a_glove_without_its_partner_is_worth_nothing() {
    // Players 0 and 1 have a left glove, player 2 the only right one; pairs are worth 1.
    let gloves = game(3, |c| f64::from(u8::from(c.contains(2) && c.len() > 1)));
    check(&shapley(&gloves), &[1.0 / 6.0, 1.0 / 6.0, 4.0 / 6.0]);
    check(&banzhaf(&gloves), &[0.25, 0.25, 0.75]);
    check(&banzhaf_index(&gloves).unwrap(), &[0.2, 0.2, 0.6]);
    let left = leave_one_out(3, |c| Ok::<_, Infallible>(gloves.worth(c))).unwrap();
    check(&left, &[0.0, 0.0, 1.0]);
}

#[test]
fn each_part_of_a_runway_is_paid_by_those_who_need_it() {
    // Littlechild & Owen 1973: φ_i = Σ_{k ≤ i} (c_k − c_{k−1}) / (n − k + 1).
    let costs = [8.0, 11.0, 13.0, 18.0];
    let runway = game(4, |c| c.players().map(|player| costs[player]).fold(0.0, f64::max));
    check(&shapley(&runway), &[2.0, 3.0, 4.0, 9.0]);
}

#[test]
fn equal_voters_share_a_majority_equally() {
    for players in [1, 3, 5, 7] {
        let majority = voting(players / 2 + 1, &vec![1; players as usize]);
        check(&shapley(&majority), &vec![1.0 / f64::from(players); players as usize]);
    }
    check(&banzhaf(&voting(2, &[1, 1, 1])), &[0.5; 3]);
}

#[test]
fn votes_are_not_power() {
    // [51; 50, 49, 1]: 49 votes are worth as much as 1.
    let company = voting(51, &[50, 49, 1]);
    check(&shapley(&company), &[4.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0]);
    check(&banzhaf_index(&company).unwrap(), &[0.6, 0.2, 0.2]);
    // The Council of the EEC of 1958, [12; 4, 4, 4, 2, 2, 1]: Luxembourg never counts.
    let council = voting(12, &[4, 4, 4, 2, 2, 1]);
    let (large, middle) = (14.0 / 60.0, 9.0 / 60.0);
    check(&shapley(&council), &[large, large, large, middle, middle, 0.0]);
    let (large, middle) = (5.0 / 21.0, 3.0 / 21.0);
    check(&banzhaf_index(&council).unwrap(), &[large, large, large, middle, middle, 0.0]);
}

#[test]
fn the_security_council_has_the_published_power() {
    // Five vetoes and nine of fifteen votes: [39; 7⁵, 1¹⁰]. Shapley & Shubik: 421/2145 and 4/2145.
    let council = voting(39, &[&[7; 5][..], &[1; 10]].concat());
    let of = |veto: f64, vote: f64| [vec![veto; 5], vec![vote; 10]].concat();
    check(&shapley(&council), &of(421.0 / 2145.0, 4.0 / 2145.0));
    check(&banzhaf_index(&council).unwrap(), &of(848.0 / 5080.0, 84.0 / 5080.0));
}

#[test]
fn unanimity_is_shared_by_those_it_needs() {
    // Player 1 of four is not needed.
    let needed = Coalition(0b1101);
    let unanimity = game(4, |c| f64::from(u8::from(c.0 & needed.0 == needed.0)));
    check(&shapley(&unanimity), &[1.0 / 3.0, 0.0, 1.0 / 3.0, 1.0 / 3.0]);
    check(&banzhaf(&unanimity), &[0.25, 0.0, 0.25, 0.25]);
}

#[test]
fn a_duplicate_shares_what_one_of_both_brings() {
    // Data counted once: 0 and 1 hold the same rows, 2 has others. A sum of updates is not such a
    // game: see VALUE.md.
    let worth = |c: Coalition| {
        f64::from(u8::from(c.contains(0) || c.contains(1))) + f64::from(u8::from(c.contains(2)))
    };
    check(&shapley(&game(3, worth)), &[0.5, 0.5, 1.0]);
    check(&leave_one_out(3, |c| Ok::<_, Infallible>(worth(c))).unwrap(), &[0.0, 0.0, 1.0]);
}

#[test]
fn nobody_has_no_values_and_one_has_everything() {
    let nobody = WorthTable::new(0, vec![3.0]).unwrap();
    assert_eq!((shapley(&nobody), banzhaf(&nobody)), (Vec::new(), Vec::new()));
    assert_eq!(leave_one_out(0, |_| Err("never asked")), Ok(Vec::new()));
    let alone = WorthTable::new(1, vec![3.0, 10.0]).unwrap();
    assert_eq!((shapley(&alone), banzhaf(&alone)), (vec![7.0], vec![7.0]));
    assert_eq!(banzhaf_index(&WorthTable::new(1, vec![3.0, 3.0]).unwrap()), None);
}

#[test]
fn sixteen_players_are_enumerated() {
    let squares = game(16, |c| (c.len() * c.len()) as f64);
    check(&shapley(&squares), &[16.0; 16]);
}

/// A random game of up to 6 players.
fn any_game() -> impl Strategy<Value = WorthTable> {
    (0_usize..=6).prop_flat_map(|players| {
        let worths = proptest::collection::vec(-100.0_f64..100.0, 1 << players);
        worths.prop_map(move |worths| WorthTable::new(players, worths).unwrap())
    })
}

/// `coalition` with two players exchanged.
fn exchanged(coalition: Coalition, a: usize, b: usize) -> Coalition {
    let moved = |from, to, c: Coalition| if coalition.contains(from) { c.with(to) } else { c };
    moved(b, a, moved(a, b, coalition.without(a).without(b)))
}

proptest! {
    #[test]
    fn shapley_values_add_up_to_the_gain(game in any_game()) {
        let sum: f64 = shapley(&game).iter().sum();
        prop_assert!((sum - game.gain()).abs() < 1e-9);
    }

    #[test]
    fn exchanging_two_players_exchanges_their_values(of in any_game(), a in 0_usize..6, b in 0_usize..6) {
        prop_assume!(a < of.players() && b < of.players());
        let other = game(of.players(), |c| of.worth(exchanged(c, a, b)));
        for value in [shapley, banzhaf] {
            let (mut before, after) = (value(&of), value(&other));
            before.swap(a, b);
            for (before, after) in before.iter().zip(&after) {
                prop_assert!((before - after).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn who_adds_nothing_is_worth_exactly_nothing(of in any_game()) {
        let players = of.players() + 1;
        let other = game(players, |c| of.worth(c.without(of.players())));
        prop_assert!(shapley(&other)[of.players()].abs() < f64::MIN_POSITIVE);
        prop_assert!(banzhaf(&other)[of.players()].abs() < f64::MIN_POSITIVE);
        for (value, with_dummy) in shapley(&of).iter().zip(shapley(&other)) {
            prop_assert!((value - with_dummy).abs() < 1e-9);
        }
    }

    #[test]
    fn values_of_a_sum_of_games_are_sums_of_values(
        of in any_game(),
        more in proptest::collection::vec(-100.0_f64..100.0, 64),
        factor in -3.0_f64..3.0,
    ) {
        let n = of.players();
        let second = game(n, |c| more[usize::try_from(c.0).unwrap()]);
        let both = game(n, |c| of.worth(c) + factor * second.worth(c));
        for value in [shapley, banzhaf] {
            let (first, second, both) = (value(&of), value(&second), value(&both));
            for ((first, second), both) in first.iter().zip(&second).zip(&both) {
                prop_assert!((first + factor * second - both).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn in_an_additive_game_every_method_gives_each_its_own(
        own in proptest::collection::vec(-100.0_f64..100.0, 1..8),
        empty in -10.0_f64..10.0,
    ) {
        let worth = |c: Coalition| empty + c.players().map(|player| own[player]).sum::<f64>();
        let table = game(own.len(), worth);
        let left = leave_one_out(own.len(), |c| Ok::<_, Infallible>(worth(c))).unwrap();
        for values in [shapley(&table), banzhaf(&table), left] {
            for (value, own) in values.iter().zip(&own) {
                prop_assert!((value - own).abs() < 1e-9);
            }
        }
    }
}

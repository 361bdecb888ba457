//! The pay rule: who gets how much of a round's credits.
//!
//! Per member and federation, over the rounds in which the member took part, this one included:
//! n rounds, the sum S of the value scalars, the sum Q of the squared innovation scalars.
//!
//! 1. **Novelty.** The mean square Q/n is held against the *lower median* m of the mean squares of
//!    this round's cohort. A member qualifies iff Q > 0 and
//!    `10⁴ · Q/n ≥ novelty_percent² · m`: its root mean square reaches `novelty_percent` per cent
//!    of the median's. Who replays the public update has none of that size; who has unusual data
//!    has more than most, and qualifies. Noise may qualify: its value, about zero, is what denies
//!    it pay.
//! 2. **Score.** S, if the member qualifies and S > 0; else 0. Negative value never pays, and is
//!    carried on: later rounds have to make up for it.
//! 3. **Sharing.** Members who score and whose values are the same, round for round
//!    ([`duplicate_groups`]), are paid as one: each one's score is divided by their number, rounded
//!    down.
//! 4. **Credits.** The round's budget split by score. Each gets the whole credits of its exact share;
//!    what is left, fewer credits than there are members, goes one by one to the largest remainders
//!    ([`data_dao_ledger::split`], Hamilton's method), ties to the smaller key. They add up to the
//!    budget exactly; a budget of 1 goes to one member, of 0 to nobody. If nobody scores, nothing is
//!    paid and the budget is not carried on.
//!
//! Integers only; fractions are compared by cross-multiplication. The bounds below make that exact
//! in 128 bits: Q ≤ 2¹⁶ · 2⁸⁰, times n ≤ 2¹⁶ and 10⁴ < 2¹⁴ is below 2¹²⁶.

use std::cmp::Ordering;

use data_dao_ledger::{SplitError, split};

use crate::{
    Standing,
    duplicates::{duplicate_groups, group_sizes},
};

/// Largest magnitude of an opened scalar.
pub const SCALAR_MAX: i64 = 1 << 40;
/// Most rounds of a federation.
pub const ROUNDS_MAX: u64 = 1 << 16;
/// Largest novelty bound, in parts per hundred.
pub const NOVELTY_PERCENT_MAX: u32 = 100;

/// The credits of a round's participants, in their order.
///
/// * `standings` — of those who took part, this round included, ascending by key.
/// * `novelty_percent` — at most [`NOVELTY_PERCENT_MAX`].
/// * `budget` — credits of the round.
///
/// Returns credits that sum to the budget, or all zero if nobody scores.
///
/// # Errors
/// [`SplitError::WeightOverflow`]; with scalars and rounds in bounds there is none.
pub fn credits(
    standings: &[&Standing],
    novelty_percent: u32,
    budget: u128,
) -> Result<Vec<u128>, SplitError> {
    let scores = scores(standings, novelty_percent);
    if scores.iter().all(|score| *score == 0) {
        return Ok(scores);
    }
    split(budget, &scores)
}

/// What each participant scores: its value so far, if it qualifies, shared with its duplicates.
#[must_use]
pub fn scores(standings: &[&Standing], novelty_percent: u32) -> Vec<u128> {
    let Some(median) = lower_median(standings) else {
        return Vec::new();
    };
    let score = |standing: &&Standing| {
        let value = u128::try_from(standing.value_sum()).unwrap_or(0);
        if qualifies(standing, median, novelty_percent) { value } else { 0 }
    };
    shared(standings, standings.iter().map(score).collect())
}

/// The scores of those who score, divided by how many of them are one contributor.
fn shared(standings: &[&Standing], mut scores: Vec<u128>) -> Vec<u128> {
    let places: Vec<usize> = (0..scores.len()).filter(|place| scores[*place] > 0).collect();
    let scoring: Vec<&Standing> = places.iter().map(|place| standings[*place]).collect();
    let sizes = group_sizes(&duplicate_groups(&scoring));
    for (place, size) in places.into_iter().zip(sizes) {
        scores[place] /= size;
    }
    scores
}

/// Whose mean square of innovation qualifies others: none of an empty cohort.
pub(crate) fn lower_median<'a>(standings: &[&'a Standing]) -> Option<&'a Standing> {
    let mut sorted = standings.to_vec();
    sorted.sort_by(|a, b| compare_mean_squares(a, b));
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// `Q_a/n_a` against `Q_b/n_b`.
fn compare_mean_squares(a: &Standing, b: &Standing) -> Ordering {
    let left = a.innovation_squares() * u128::from(b.rounds());
    let right = b.innovation_squares() * u128::from(a.rounds());
    left.cmp(&right)
}

/// `10⁴ · Q/n ≥ percent² · Q_m/n_m`, and Q > 0.
pub(crate) fn qualifies(standing: &Standing, median: &Standing, novelty_percent: u32) -> bool {
    let percent = u128::from(novelty_percent.min(NOVELTY_PERCENT_MAX));
    let own = 10_000 * standing.innovation_squares() * u128::from(median.rounds());
    let bound = percent * percent * median.innovation_squares() * u128::from(standing.rounds());
    standing.innovation_squares() > 0 && own >= bound
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A standing from (value, innovation) of each round.
    fn standing(rounds: &[(i64, i64)]) -> Standing {
        rounds.iter().fold(Standing::default(), |standing, (value, innovation)| {
            standing.after_round(*value, *innovation, 0)
        })
    }

    fn check(members: &[&[(i64, i64)]], budget: u128, expected: &[u128]) {
        let standings: Vec<Standing> = members.iter().map(|rounds| standing(rounds)).collect();
        let standings: Vec<&Standing> = standings.iter().collect();
        assert_eq!(credits(&standings, 50, budget).unwrap(), expected, "{members:?}");
    }

    #[test]
    fn credits_follow_the_value_of_those_who_qualify() {
        check(&[&[(3, 10)], &[(1, 10)]], 100, &[75, 25]);
        check(&[&[(3, 10)], &[(-1, 10)]], 100, &[100, 0]);
    }

    #[test]
    fn who_replays_has_no_innovation_and_is_paid_nothing() {
        check(&[&[(50, 0)], &[(1, 10)], &[(1, 10)]], 100, &[0, 50, 50]);
        // Just below and just at half of the median's root mean square.
        check(&[&[(50, 4)], &[(1, 10)], &[(1, 10)]], 100, &[0, 50, 50]);
        check(&[&[(2, 5)], &[(1, 10)], &[(1, 10)]], 100, &[50, 25, 25]);
    }

    #[test]
    fn unusual_data_is_not_punished() {
        check(&[&[(2, 1_000)], &[(1, 10)], &[(1, 10)]], 100, &[50, 25, 25]);
    }

    #[test]
    fn the_median_of_an_even_cohort_is_the_lower_one() {
        // Mean squares 1, 16, 100, 100: against 100 the second would fail, against 16 it passes.
        check(&[&[(1, 1)], &[(1, 4)], &[(1, 10)], &[(1, 10)]], 90, &[0, 30, 30, 30]);
    }

    #[test]
    fn nobody_scores_so_nothing_is_paid() {
        check(&[&[(-3, 10)], &[(0, 10)]], 100, &[0, 0]);
        check(&[&[(3, 0)], &[(1, 0)]], 100, &[0, 0]);
        check(&[], 100, &[]);
    }

    #[test]
    fn copies_are_paid_once_between_them() {
        let (copied, other) = ([(600, 10); 4], [(600, 10), (500, 10), (700, 10), (600, 10)]);
        check(&[&copied, &other], 100, &[50, 50]);
        check(&[&copied, &copied, &other], 100, &[25, 25, 50]);
        check(&[&copied, &copied, &copied, &other], 120, &[20, 20, 20, 60]);
        // A copy that does not qualify takes nothing from the one that does.
        check(&[&copied, &[(600, 0); 4], &other], 100, &[50, 0, 50]);
        // Before four rounds nobody is taken for a copy.
        check(&[&copied[..3], &copied[..3]], 100, &[50, 50]);
    }

    #[test]
    fn budgets_of_nothing_and_of_one_credit_are_paid_exactly() {
        check(&[&[(3, 10)], &[(1, 10)]], 0, &[0, 0]);
        check(&[&[(1, 10)], &[(3, 10)]], 1, &[0, 1]);
        // Equal remainders: to the smaller key.
        check(&[&[(2, 10)], &[(2, 10)], &[(2, 10)]], 1, &[1, 0, 0]);
        check(&[&[(2, 10)], &[(2, 10)], &[(2, 10)]], 2, &[1, 1, 0]);
    }

    #[test]
    fn updates_of_zeros_and_a_probe_of_zeros_pay_nobody() {
        check(&[&[(0, 0)], &[(0, 0)]], 100, &[0, 0]);
        // One moved the model, the others sent zeros: it gets all, they get nothing.
        check(&[&[(0, 0)], &[(5, 3)], &[(0, 0)]], 100, &[0, 100, 0]);
        check(&[&[(7, 10)]], 100, &[100]);
    }

    #[test]
    fn negative_value_is_carried_on() {
        check(&[&[(-5, 10), (3, 10)], &[(1, 10), (1, 10)]], 100, &[0, 100]);
        check(&[&[(-5, 10), (9, 10)], &[(2, 10), (2, 10)]], 100, &[50, 50]);
    }

    #[test]
    fn members_of_different_length_of_service_are_compared_by_the_mean() {
        check(&[&[(1, 10), (1, 10)], &[(2, 10)]], 100, &[50, 50]);
    }

    #[test]
    fn the_largest_scalars_of_the_longest_federation_do_not_overflow() {
        let rounds = usize::try_from(ROUNDS_MAX).unwrap();
        let longest = standing(&vec![(SCALAR_MAX, -SCALAR_MAX); rounds]);
        let standings = [&longest, &longest];
        // The same values round for round: one contributor with two keys, still half each.
        assert_eq!(credits(&standings, 100, u128::MAX).unwrap()[1], u128::MAX / 2);
    }

    proptest! {
        #[test]
        fn credits_sum_to_the_budget_or_to_nothing(
            members in proptest::collection::vec(
                proptest::collection::vec(
                    (-SCALAR_MAX..=SCALAR_MAX, -SCALAR_MAX..=SCALAR_MAX),
                    1..6,
                ),
                0..10,
            ),
            percent in 0..=NOVELTY_PERCENT_MAX,
            budget: u128,
        ) {
            let standings: Vec<Standing> = members.iter().map(|m| standing(m)).collect();
            let standings: Vec<&Standing> = standings.iter().collect();
            let paid: u128 = credits(&standings, percent, budget).unwrap().iter().sum();
            let anyone = scores(&standings, percent).iter().any(|score| *score > 0);
            prop_assert_eq!(paid, if anyone { budget } else { 0 });
        }
    }
}

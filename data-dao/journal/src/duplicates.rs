//! Who is paid as one: contributors whose values are the same round for round, but for rounding.
//!
//! Updates are sealed, so that nobody can compare them; their value scalars are public. Whoever seals
//! the same update under several keys has nearly the same scalar under each: stochastic rounding moves
//! it by one or two parts in a thousand. Over [`DUPLICATE_ROUNDS_MIN`] rounds and more, honest
//! contributors differ by twenty times that, also with data of one distribution. They are told apart
//! at [`DUPLICATE_PER_MILLE`]; figures and the rate of false alarms: `data-dao/VALUE.md`.
//!
//! Threat: somebody joins many times and sends one update each time. Plain copies, also with noise too
//! small to matter, are paid once between them. **It is not proof against sybils**: who scales each
//! copy, mixes public updates in, trains each a little differently, or cuts its rows among its keys
//! has other scalars and is paid for each key. Only admission (a known organisation behind each key)
//! bounds that. Nobody is grouped with a stranger on purpose: a scalar is opened after its update is
//! sealed, and cannot be aimed at.

use crate::Standing;

/// Fewest rounds whose values are compared: of fewer, honest contributors may agree by chance.
pub const DUPLICATE_ROUNDS_MIN: usize = 4;

/// Largest distance of duplicates, in parts per thousand of the root mean square of their values.
pub const DUPLICATE_PER_MILLE: u32 = 10;

/// The group of each: the place of the first with whom it is paid as one, its own if there is none
/// before it.
///
/// Two belong together if they took part in equally many rounds, [`DUPLICATE_ROUNDS_MIN`] or more, and
/// within t = `permille`/1000 have the same values, `Σ(v − w)² ≤ t² · (Σv² + Σw²)/2`, and the same
/// squares of innovations, `|Q − R| ≤ t · (Q + R)`; and whoever belongs together with one of a group
/// belongs to it. Rounds are taken in their order: copies that stay away from different rounds are not
/// found, and neither are those that join at different times.
///
/// In integers and exact: with scalars below 2⁴⁰ and 2¹⁶ rounds all sides are below 2¹²⁰.
#[must_use]
pub fn duplicate_groups(standings: &[&Standing]) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..standings.len()).collect();
    for (place, standing) in standings.iter().enumerate() {
        let alike = |other: &usize| are_duplicates(standings[*other], standing);
        let found: Vec<usize> = (0..place).filter(alike).map(|other| groups[other]).collect();
        let Some(first) = found.iter().min().copied() else { continue };
        groups[place] = first;
        for group in &mut groups[..place] {
            if found.contains(group) {
                *group = first;
            }
        }
    }
    groups
}

/// How many are in the group of each, itself included.
pub(crate) fn group_sizes(groups: &[usize]) -> Vec<u128> {
    let size = |group: &usize| groups.iter().filter(|other| *other == group).map(|_| 1).sum();
    groups.iter().map(size).collect()
}

fn are_duplicates(a: &Standing, b: &Standing) -> bool {
    let (q, r) = (a.innovation_squares(), b.innovation_squares());
    let size = a.value_squares() + b.value_squares();
    let (a, b) = (a.values(), b.values());
    if a.len() != b.len() || a.len() < DUPLICATE_ROUNDS_MIN {
        return false;
    }
    if 1_000 * q.abs_diff(r) > u128::from(DUPLICATE_PER_MILLE) * (q + r) {
        return false;
    }
    let bound = u128::from(DUPLICATE_PER_MILLE).pow(2) * size;
    let mut apart = 0_u128;
    for (v, w) in a.iter().zip(b) {
        apart += u128::from(v.abs_diff(*w)).pow(2);
        // Honest contributors part in the first rounds that are looked at.
        if 2_000_000 * apart > bound {
            return false;
        }
    }
    // Who never had any value copies nothing.
    size > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pay::{ROUNDS_MAX, SCALAR_MAX};

    fn standing(values: &[i64]) -> Standing {
        values
            .iter()
            .fold(Standing::default(), |standing, value| standing.after_round(*value, 1, 0))
    }

    fn check(members: &[&[i64]], expected: &[usize]) {
        let standings: Vec<Standing> = members.iter().map(|values| standing(values)).collect();
        let standings: Vec<&Standing> = standings.iter().collect();
        assert_eq!(duplicate_groups(&standings), expected, "{members:?}");
    }

    #[test]
    fn the_same_values_but_for_rounding_are_one_contributor() {
        check(&[&[1000, 800, 600, 400], &[1001, 799, 600, 401]], &[0, 0]);
        check(&[&[1000, 800, 600, 400], &[1000, 800, 600, 500]], &[0, 1]);
        // 1 % of the root of the mean sum of squares, 1469.7: 14.7.
        check(&[&[1000, 800, 600, 400], &[1000, 800, 600, 414]], &[0, 0]);
        check(&[&[1000, 800, 600, 400], &[1000, 800, 600, 416]], &[0, 1]);
    }

    #[test]
    fn the_same_values_of_updates_with_other_innovations_are_two_contributors() {
        let of = |innovation| {
            let round = |standing: Standing, value| standing.after_round(value, innovation, 0);
            [1000, 800, 600, 400].into_iter().fold(Standing::default(), round)
        };
        assert_eq!(duplicate_groups(&[&of(1000), &of(1009)]), [0, 0]);
        assert_eq!(duplicate_groups(&[&of(1000), &of(1011)]), [0, 1]);
    }

    #[test]
    fn who_is_like_one_of_a_group_belongs_to_it() {
        let (a, b, c) = ([1000; 4], [1008; 4], [1016; 4]);
        check(&[&a, &c], &[0, 1]);
        check(&[&a, &c, &b], &[0, 0, 0]);
        check(&[&[5; 4], &a, &c, &[7; 4], &b], &[0, 1, 1, 3, 1]);
    }

    #[test]
    fn few_rounds_and_no_value_prove_nothing() {
        check(&[&[1000, 800, 600], &[1000, 800, 600]], &[0, 1]);
        check(&[&[0; 8], &[0; 8]], &[0, 1]);
        check(&[&[], &[]], &[0, 1]);
    }

    #[test]
    fn services_of_different_length_are_not_compared() {
        check(&[&[9000, 1000, 800, 600, 400], &[1000, 800, 600, 400]], &[0, 1]);
    }

    #[test]
    fn the_largest_scalars_of_the_longest_federation_do_not_overflow() {
        let rounds = usize::try_from(ROUNDS_MAX).unwrap();
        let (high, low) = (vec![SCALAR_MAX; rounds], vec![-SCALAR_MAX; rounds]);
        check(&[&high, &low, &high], &[0, 1, 0]);
    }
}

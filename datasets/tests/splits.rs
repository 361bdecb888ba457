//! Splits: every row goes to exactly one place, and the same seed gives the same split.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use datasets::{Deal, HoldOut, Schema, Table, deal, hold_out};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

fn table(rows: usize) -> Table {
    let classes = vec!["no".to_string(), "yes".to_string()];
    let schema = Schema::new(vec!["x".to_string()], "y".to_string(), classes).unwrap();
    Table::new(schema, vec![0.0; rows], vec![0; rows]).unwrap()
}

proptest! {
    #[test]
    fn every_row_is_dealt_exactly_once(
        rows in 1_usize..500,
        holders in 1_usize..20,
        minimum_rows in 1_usize..10,
        skew in 0.0..20.0_f64,
        seed: u64,
    ) {
        prop_assume!(holders * minimum_rows <= rows);
        let table = table(rows);
        let parameters = Deal { holders, minimum_rows, skew };
        let dealt = deal(&table, &parameters, &mut ChaCha20Rng::seed_from_u64(seed)).unwrap();
        prop_assert_eq!(dealt.len(), holders);
        prop_assert!(dealt.iter().all(|hand| hand.len() >= minimum_rows));
        let mut all: Vec<usize> = dealt.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
        let again = deal(&table, &parameters, &mut ChaCha20Rng::seed_from_u64(seed)).unwrap();
        prop_assert_eq!(dealt, again);
    }

    #[test]
    fn held_out_sets_are_disjoint_and_complete(
        rows in 3_usize..500,
        validation in 1_usize..100,
        test in 1_usize..100,
        seed: u64,
    ) {
        prop_assume!(validation + test < rows);
        let split = |seed| {
            let sizes = HoldOut { validation, test };
            hold_out(rows, sizes, &mut ChaCha20Rng::seed_from_u64(seed)).unwrap()
        };
        let held_out = split(seed);
        prop_assert_eq!(held_out.validation.len(), validation);
        prop_assert_eq!(held_out.test.len(), test);
        let all = [&held_out.validation[..], &held_out.test, &held_out.training].concat();
        prop_assert_eq!(all.len(), rows);
        prop_assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), rows);
        prop_assert_eq!(split(seed), held_out);
    }
}

#[test]
fn another_seed_gives_another_split() {
    let split = |seed| {
        let sizes = HoldOut { validation: 20, test: 20 };
        hold_out(100, sizes, &mut ChaCha20Rng::seed_from_u64(seed)).unwrap()
    };
    assert_ne!(split(1), split(2));
}

//! The same machines in all three modes: the same sums, bit for bit, and the same values.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "a world that other tests use more of")]

mod world;

use aggregator_protocol::SealingTerms;
use world::{
    Contribution, READING_ERROR_MAX,
    dao::{Logged, probe_in_the_clear},
    federation::{Federation, asks_measure, asks_score},
    modes,
};

const MEMBERS: usize = 6;

fn federation(sealing: SealingTerms, seed: u64) -> Federation {
    Federation::sealed(sealing, seed, MEMBERS)
}

/// A federation whose first round has all members' updates.
fn submitted(sealing: SealingTerms, seed: u64) -> (Federation, Vec<Contribution>) {
    let mut federation = federation(sealing, seed);
    let asked = federation.outstanding().remove(0);
    let granted = federation.answer(&asked);
    federation.feed(&granted).unwrap();
    let cohort = federation.dao.cohort().to_vec();
    let invited: Vec<_> =
        (0..MEMBERS).filter(|&index| cohort.contains(&federation.world.member(index))).collect();
    let contributions = federation.submit(&invited);
    (federation, contributions)
}

#[test]
fn promise_2_in_every_mode_the_sum_is_the_sum_of_the_integers() {
    for sealing in modes() {
        for seed in 0..3 {
            let (mut federation, contributions) = submitted(sealing, seed);
            federation.run_until(asks_measure);
            let length = federation.world.terms.encoding.vector_len();
            let exact: Vec<i64> =
                (0..length).map(|j| contributions.iter().map(|c| c.values[j]).sum()).collect();
            assert_eq!(federation.measured().sum, exact, "mode {} seed {seed}", sealing.name());
        }
    }
}

#[test]
fn in_every_mode_the_opened_scalars_are_the_inner_products() {
    for sealing in modes() {
        let (mut federation, contributions) = submitted(sealing, 11);
        federation.run_until(asks_score);
        while federation.dao.log.is_empty() {
            let input = federation.next_input().unwrap();
            federation.feed(&input).unwrap();
        }
        let Some(Logged::Settled(receipt)) = federation.dao.log.values().next() else {
            panic!("mode {} did not settle", sealing.name())
        };
        let probes = federation.dao.probes.values().next().unwrap().unverified_body();
        let (probe, exponent) = probe_in_the_clear(&probes.value);
        let unit =
            2_f64.powi(privacy_secagg::VALUE_SHIFT) / 2_f64.powi(i32::try_from(exponent).unwrap());
        let count = contributions.len() as f64;
        for (contribution, scalars) in contributions.iter().zip(&receipt.unverified_body().scalars)
        {
            let exact: i64 = contribution.values.iter().zip(&probe).map(|(v, p)| v * p).sum();
            let error = (scalars.value as f64 - exact as f64 * unit / count).abs() / unit * count;
            let bound = if sealing.custody().is_some() { READING_ERROR_MAX } else { 1.0 };
            assert!(error <= bound, "mode {}: off by {error}", sealing.name());
        }
    }
}

#[test]
fn in_every_mode_all_rounds_settle() {
    for sealing in modes() {
        let mut federation = federation(sealing, 7);
        federation.run();
        assert_eq!(federation.dao.contradicted, Vec::<String>::new());
        let aborted = |end: &Logged| match end {
            Logged::Settled(_) => None,
            Logged::Aborted(reason) => Some(reason.clone()),
        };
        let log: Vec<_> = federation.dao.log.values().filter_map(aborted).collect();
        assert_eq!(log, Vec::<String>::new(), "mode {}", sealing.name());
        assert_eq!(federation.dao.log.len(), 3);
    }
}

//! Noise inside the sealed form: in all three modes the sum and the scalars are of noised updates, rounds settle, and the loss
//! is accounted for what is opened.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "a world that other tests use more of")]

mod world;

use aggregator_protocol::{CustodyTerms, FederationTerms, NoiseTerms, SealingTerms};
use aggregator_round::{privacy_loss, round_loss_micro};
use privacy_dp::{Accountant, Release, Sampling, epsilon, epsilon_micro};
use privacy_secagg::{EncodingOptions, EncodingParameters};
use world::{
    Contribution, World,
    dao::{Logged, probe_in_the_clear},
    federation::{Federation, asks_measure, asks_score},
};

const MEMBERS: usize = 6;

fn modes() -> [SealingTerms; 3] {
    let custody = CustodyTerms::new(3, 2).unwrap();
    [SealingTerms::Mpc, SealingTerms::MpcVerified, SealingTerms::Fhe(custody)]
}

/// The terms with noise of `multiplier`; two of three are counted on.
fn noised(terms: &FederationTerms, multiplier: f64) -> FederationTerms {
    let noise = NoiseTerms { multiplier, honest_minimum: 2, delta: 1e-5 };
    let (clip, dimension) = (terms.encoding.clip_norm(), world::DIMENSION);
    let (options, plan) = (EncodingOptions::default(), noise.plan().unwrap());
    let encoding = EncodingParameters::valued_with_noise(clip, dimension, 16, options, plan);
    let terms = FederationTerms { noise, encoding: encoding.unwrap(), ..terms.clone() };
    terms.checked().unwrap()
}

fn federation(sealing: SealingTerms, seed: u64, multiplier: f64) -> Federation {
    let aggregators = if sealing.custody().is_some() { 1 } else { 2 };
    let mut world = World::sealed(sealing, seed, aggregators, MEMBERS);
    world.terms = noised(&world.terms, multiplier);
    Federation::of(world)
}

/// A federation whose first round has all invited members' updates.
fn submitted(sealing: SealingTerms, seed: u64, multiplier: f64) -> (Federation, Vec<Contribution>) {
    let mut federation = federation(sealing, seed, multiplier);
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
fn in_every_mode_the_sum_has_the_noise_of_all_contributors() {
    // A multiplier with a share of σ ≤ 32, which is tabled, and one above.
    for multiplier in [0.5, 40.0] {
        for sealing in modes() {
            let (mut draws, mut squares) = (0.0, 0.0);
            for seed in 0..20 {
                let (mut federation, contributions) = submitted(sealing, seed, multiplier);
                federation.run_until(asks_measure);
                let encoding = federation.world.terms.encoding;
                let variance =
                    encoding.options().noise_deviation.powi(2) * contributions.len() as f64;
                for (index, got) in federation.measured().sum.iter().enumerate() {
                    let exact: i64 = contributions.iter().map(|c| c.values[index]).sum();
                    squares += ((got - exact) as f64).powi(2) / variance;
                    draws += 1.0;
                }
            }
            // χ² with `draws` = 120 degrees: mean 1, deviation √(2/120) = 0.13; five of them, and
            // the tail to the right is heavier: false alarm below 10^−5, with these seeds never.
            let (mean, mode) = (squares / draws, sealing.name());
            assert!((0.35..1.65).contains(&mean), "mode {mode}, z = {multiplier}: {mean}");
        }
    }
}

#[test]
fn in_every_mode_the_scalars_are_of_noised_updates_and_add_up_to_the_noised_sum() {
    for sealing in modes() {
        let (mut federation, contributions) = submitted(sealing, 11, 1.0);
        federation.run_until(asks_measure);
        let sum = federation.measured().sum.clone();
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
        let opened = &receipt.unverified_body().scalars;
        let of_sum: i64 = sum.iter().zip(&probe).map(|(v, p)| v * p).sum();
        let total: f64 = opened.iter().map(|scalars| scalars.value as f64).sum();
        let error = (total - of_sum as f64 * unit / count).abs() / unit * count;
        // Each of `count` readings is rounded; in FHE mode each may be off by 65 (as in `modes.rs`).
        let each = if sealing.custody().is_some() { 65.0 } else { 1.0 };
        assert!(error <= each * count, "mode {}: off by {error}", sealing.name());
        for (contribution, scalars) in contributions.iter().zip(opened) {
            let quiet: i64 = contribution.values.iter().zip(&probe).map(|(v, p)| v * p).sum();
            let noise = (scalars.value as f64 - quiet as f64 * unit / count) / unit * count;
            assert!(noise.abs() > 2.0 * each, "mode {}: a scalar without noise", sealing.name());
        }
    }
}

#[test]
fn in_every_mode_all_noised_rounds_settle() {
    for sealing in modes() {
        for (seed, multiplier) in [(7, 0.05), (8, 1.0), (9, 30.0)] {
            let mut federation = federation(sealing, seed, multiplier);
            federation.run();
            assert_eq!(federation.dao.contradicted, Vec::<String>::new());
            let settled = |end: &Logged| matches!(end, Logged::Settled(_));
            assert!(federation.dao.log.values().all(settled), "mode {}", sealing.name());
            assert_eq!(federation.dao.log.len(), 3);
        }
    }
}

#[test]
fn noise_is_drawn_from_the_sealing_and_not_from_what_may_be_seeded() {
    let world = World::new(3, 2, MEMBERS);
    let terms = noised(&world.terms, 1.0);
    let world = World { terms, ..world };
    let order = world.order(0, &[0, 1, 2]);
    let key = &world.members[0];
    let ordered =
        aggregator_round::Ordered::accept(&world.terms, key, None, &order, &world.model(0));
    let ordered = ordered.unwrap();
    let update = privacy_dp::LocalUpdate::new(vec![0.1; world::DIMENSION as usize]).unwrap();
    // The same rounding, another sealing: what aggregators would add up differs by the noise.
    let sum = |seed| {
        let (mut rounding, mut sealing) = (world::rng_for(&[1]), world::rng_for(&[seed]));
        let sealed = ordered
            .clone()
            .seal(update.clone(), &world.terms, key, &mut rounding, &mut sealing)
            .unwrap();
        let verified = sealed.update().clone().verify().unwrap();
        let share = |index: usize| {
            let sealing = privacy_identity::SealingKey::derived_from(&world.aggregator_key(index));
            let share = verified.delivery(index).unwrap().verify(index).unwrap();
            share.open(&sealing, &world.terms.encoding).unwrap()
        };
        let (explicit, seed) = (share(0), share(1));
        let elements = explicit.vector().elements().iter().zip(seed.vector().elements());
        let ring = world.terms.encoding.ring();
        elements.map(|(a, b)| ring.centred(a.wrapping_add(*b) & ring.mask())).collect::<Vec<_>>()
    };
    assert_eq!(sum(1), sum(1));
    assert_ne!(sum(1), sum(2));
}

/// A federation of dimension 6 with these noise terms, valued or not.
fn terms(multiplier: f64, honest_minimum: u32, valued: bool) -> FederationTerms {
    let terms = World::new(1, 2, MEMBERS).terms;
    let noise = NoiseTerms { multiplier, honest_minimum, delta: 1e-5 };
    let (clip, options) = (terms.encoding.clip_norm(), EncodingOptions::default());
    let encoding = if valued {
        let plan = noise.plan().unwrap();
        EncodingParameters::valued_with_noise(clip, 6, 16, options, plan).unwrap()
    } else {
        let quiet = EncodingParameters::compact(clip, 6, 16).unwrap();
        let noise_deviation = noise.share(&quiet).unwrap().unwrap().std();
        let options = EncodingOptions { noise_deviation, ..options };
        EncodingParameters::compact_with(clip, 6, 16, options).unwrap()
    };
    FederationTerms { noise, encoding, ..terms }.checked().unwrap()
}

#[test]
fn the_loss_of_valued_rounds_is_that_of_one_contributors_own_share() {
    for (multiplier, honest, rounds) in [(10.0, 1, 100), (20.0, 3, 100), (4.0, 2, 1)] {
        let loss = privacy_loss(&terms(multiplier, honest, true), rounds).unwrap().unwrap();
        let own = multiplier / f64::from(honest).sqrt();
        let release = Release { sampling: Sampling::Full, noise_multiplier: own, steps: rounds };
        let rdp = epsilon(&[release], 1e-5, Accountant::Rdp).unwrap();
        assert!((loss / rdp - 1.0).abs() < 1e-9, "{loss} beside {rdp}");
    }
    // science: σ = 10, T = 100, δ = 10^−5 by RDP.
    let loss = privacy_loss(&terms(10.0, 1, true), 100).unwrap().unwrap();
    assert!((loss - 4.728_507).abs() < 1e-5, "{loss}");
}

#[test]
fn without_values_the_others_noise_counts_and_the_loss_is_less() {
    let (multiplier, rounds) = (10.0, 100);
    let valued = privacy_loss(&terms(multiplier, 3, true), rounds).unwrap().unwrap();
    let summed = privacy_loss(&terms(multiplier, 3, false), rounds).unwrap().unwrap();
    assert!((4.728_506..4.73).contains(&summed), "{summed}");
    assert!(valued > 1.6 * summed, "{valued} beside {summed}");
    // A share so small that its sum is far from Gaussian: the bound of the share alone holds.
    let coarse = privacy_loss(&terms(0.05, 3, false), 1).unwrap().unwrap();
    assert!(coarse.is_finite());
}

#[test]
fn entries_of_the_rounds_add_up_to_the_composed_loss_rounded_up() {
    let terms = terms(6.0, 2, true);
    let mut total = 0;
    let mut last = u64::MAX;
    for opened in 0..40 {
        let added = round_loss_micro(&terms, opened).unwrap().unwrap();
        // Rounded up on both sides: by one millionth at most.
        assert!(added <= last.saturating_add(1), "round {opened}");
        (total, last) = (total + added, added);
        let composed = privacy_loss(&terms, opened + 1).unwrap().unwrap();
        assert_eq!(total, epsilon_micro(composed).unwrap());
    }
}

#[test]
fn without_noise_nothing_bounds_the_loss() {
    let terms = World::new(1, 2, MEMBERS).terms;
    assert_eq!(privacy_loss(&terms, 0), Ok(None));
    assert_eq!(round_loss_micro(&terms, 3), Ok(None));
    assert_eq!(privacy_loss(&self::terms(1.0, 1, true), 0), Ok(Some(0.0)));
}

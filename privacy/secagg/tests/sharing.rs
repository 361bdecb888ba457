//! Shares tell nothing until all are together, and malformed ones are refused by name.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::{Digest, SealingKey, SigningKey};
use privacy_secagg::{
    AggregateError, AggregatorKeys, Binding, EncodingOptions, EncodingParameters, NoisyUpdate,
    OpenShare, ParameterError, Payloads, QuantizedUpdate, RECIPIENTS_MAX, RingError, RingVector,
    SealError, SealedUpdate, ShareError, ShareSum, TagKey, Tagging, open_sum, seal, seal_payloads,
};
use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use zeroize::Zeroizing;

struct World {
    rng: ChaCha20Rng,
    signing: SigningKey,
    sealing: Vec<SealingKey>,
    parameters: EncodingParameters,
}

impl World {
    fn new(aggregators: usize, parameters: EncodingParameters) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(42);
        let sealing = (0..aggregators).map(|_| SealingKey::generate(&mut rng)).collect();
        Self { rng, signing: SigningKey::from_seed(&[1; 32]), sealing, parameters }
    }

    fn binding(&self) -> Binding {
        let digest = Digest([1; 32]);
        let member = self.signing.verifying_key();
        Binding { dao: digest, federation: digest, round: 3, model: digest, member }
    }

    fn quantised(&mut self, delta: Vec<f32>) -> QuantizedUpdate {
        let clipped = LocalUpdate::new(delta).unwrap().clip(self.parameters.clip_norm());
        let rotation = self.parameters.rotation(&Digest([1; 32]), 3);
        QuantizedUpdate::quantise(&clipped, &rotation, &self.parameters, &mut self.rng).unwrap()
    }

    fn seal(&mut self, update: &NoisyUpdate) -> SealedUpdate {
        let member = self.signing.verifying_key();
        let keys = |key: &SealingKey| AggregatorKeys { verifying: member, sealing: key.public() };
        let aggregators: Vec<_> = self.sealing.iter().map(keys).collect();
        let binding = self.binding();
        seal(update, binding, &aggregators, &self.parameters, &self.signing, &mut self.rng).unwrap()
    }

    fn open(&self, index: usize, sealed: &SealedUpdate) -> Result<OpenShare, SealError> {
        let delivery = sealed.clone().verify().unwrap().delivery(index).unwrap();
        delivery.verify(index).unwrap().open(&self.sealing[index], &self.parameters)
    }

    /// What aggregator `index` says to a share of these bytes.
    fn open_bytes(&mut self, index: usize, bytes: &[u8]) -> Result<OpenShare, SealError> {
        let payloads = self.sealing.iter().map(|_| Zeroizing::new(bytes.to_vec())).collect();
        let recipients: Vec<_> = self.sealing.iter().map(SealingKey::public).collect();
        let payloads = Payloads::new(payloads);
        let binding = self.binding();
        let sealed =
            seal_payloads(payloads, binding, &recipients, &self.signing, &mut self.rng).unwrap();
        self.open(index, &sealed)
    }
}

fn standard(dimension: u32) -> EncodingParameters {
    EncodingParameters::standard(ClipNorm::new(2.0).unwrap(), dimension, 64).unwrap()
}

fn tagged(parameters: EncodingParameters) -> EncodingParameters {
    let options = EncodingOptions { tagging: Tagging::Linear, ..EncodingOptions::default() };
    parameters.with_options(options).unwrap()
}

/// Chi-square of the bytes against uniform: 255 degrees of freedom, mean 255, deviation 22.6.
fn chi_square(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let expected = f64::from(u32::try_from(bytes.len()).unwrap()) / 256.0;
    counts.iter().map(|&c| (f64::from(c) - expected).powi(2) / expected).sum()
}

#[test]
fn promise_1_every_proper_subset_of_aggregators_holds_uniform_bytes() {
    // 38 proper subsets at six deviations each: a false alarm in 10^7 seeds; the seed is fixed.
    for aggregators in [2_usize, 3, 5] {
        let mut world = World::new(aggregators, tagged(standard(2000)));
        let key = TagKey::of_round(&[3; 32], &Digest([1; 32]), 3);
        let member = world.signing.verifying_key();
        let mut seen = vec![Vec::new(); 1 << aggregators];
        for _ in 0..10 {
            let quantised = world.quantised(vec![0.05; 2000]);
            let noisy = NoisyUpdate::without_noise(&quantised).tagged(&key, &member);
            let sealed = world.seal(&noisy);
            let shares: Vec<_> =
                (0..aggregators).map(|a| world.open(a, &sealed).unwrap()).collect();
            for (subset, bytes) in seen.iter_mut().enumerate() {
                let mut sum = ShareSum::empty(&world.parameters);
                let of_subset = |(index, _): &(usize, _)| subset >> index & 1 == 1;
                for (_, share) in shares.iter().enumerate().filter(of_subset) {
                    sum.add(share).unwrap();
                }
                bytes.extend_from_slice(&sum.pack()[1..]);
            }
        }
        let all = (1 << aggregators) - 1;
        for (subset, bytes) in seen.iter().enumerate().take(all).skip(1) {
            let statistic = chi_square(bytes);
            assert!((statistic - 255.0).abs() < 6.0 * 22.6, "{subset:b}: {statistic}");
        }
        // The test can fail: all together are the update.
        assert!(chi_square(&seen[all]) > 10_000.0);
    }
}

#[test]
fn sums_are_the_same_by_vector_by_packed_bytes_by_seed_and_by_delivery() {
    for parameters in [standard(5001), tagged(standard(5001))] {
        let mut world = World::new(3, parameters);
        let quantised = world.quantised((0_u16..5001).map(|i| f32::from(i).sin()).collect());
        let mut noisy = NoisyUpdate::without_noise(&quantised);
        if parameters.options().tagging == Tagging::Linear {
            let key = TagKey::of_round(&[3; 32], &Digest([1; 32]), 3);
            noisy = noisy.tagged(&key, &world.signing.verifying_key());
        }
        let sealed = world.seal(&noisy);
        for index in 0..3 {
            let delivery = sealed.clone().verify().unwrap().delivery(index).unwrap();
            let verified = delivery.verify(index).unwrap();
            let mut by_delivery = ShareSum::empty(&parameters);
            let mut by_share = ShareSum::empty(&parameters);
            let mut by_packed = ShareSum::empty(&parameters);
            for _ in 0..3 {
                let key = &world.sealing[index];
                by_delivery.add_delivery(&verified, key, &parameters).unwrap();
                let share = verified.open(key, &parameters).unwrap();
                by_packed.add_packed(&share.vector().pack(), share.tag()).unwrap();
                by_share.add(&share).unwrap();
            }
            assert_eq!(by_delivery, by_share);
            assert_eq!(by_packed, by_share);
        }
    }
}

#[test]
fn malformed_shares_are_refused_by_name_and_leave_the_sum_unchanged() {
    let mut world = World::new(2, standard(11));
    let refusal = |world: &mut World, index: usize, bytes: &[u8]| {
        let refused = world.open_bytes(index, bytes).unwrap_err();
        let SealError::Share { index: at, source } = refused else { panic!("{refused}") };
        assert_eq!(at, index);
        source
    };
    let explicit = vec![0; 1 + 36];
    assert!(world.open_bytes(0, &explicit).is_ok());
    assert_eq!(refusal(&mut world, 0, &[]), ShareError::Empty);
    let form = ShareError::Form { expected: 0, got: 1 };
    assert_eq!(refusal(&mut world, 0, &[1; 37]), form);
    assert_eq!(refusal(&mut world, 1, &[1; 33]), form);
    for length in [1, 36, 38, 4000] {
        let expected = RingError::PackedLength { elements: 11, expected: 36, got: length - 1 };
        assert_eq!(refusal(&mut world, 0, &vec![0; length]), ShareError::Vector(expected));
    }
    let mut padded = explicit;
    padded[36] = 0x40;
    assert_eq!(refusal(&mut world, 0, &padded), ShareError::Vector(RingError::Padding));
    for length in [1, 32, 34] {
        let expected = ShareError::Length { name: "seed", expected: 32, got: length - 1 };
        assert_eq!(refusal(&mut world, 1, &vec![0; length]), expected);
    }
    let mut sum = ShareSum::empty(&world.parameters);
    sum.add_packed(&[0x11; 36][..35], None).unwrap_err();
    sum.add_packed(&padded[1..], None).unwrap_err();
    assert_eq!(sum, ShareSum::empty(&world.parameters));
    let parameters = world.parameters;
    assert!(ShareSum::unpack(&[0; 36], 1, &parameters).is_err());
    let tagged = tagged(parameters);
    let short = ShareSum::unpack(&[1; 10], 1, &tagged);
    assert!(matches!(short, Err(AggregateError::Share(ShareError::Length { .. }))));
    let mut sum = ShareSum::empty(&tagged);
    let untagged = sum.add_packed(&[0; 36], None);
    assert!(matches!(untagged, Err(AggregateError::Share(ShareError::Form { .. }))));
    assert_eq!(sum, ShareSum::empty(&tagged));
}

#[test]
fn sums_over_nothing_too_many_or_different_sets_are_not_opened() {
    let parameters = standard(3);
    let zero = || RingVector::zero(parameters.ring(), 3);
    let open = |counts: &[usize]| {
        let sums: Vec<_> = counts.iter().map(|&c| ShareSum::from_parts(zero(), c)).collect();
        open_sum(&sums, &parameters)
    };
    assert!(open(&[64, 64]).is_ok());
    assert!(matches!(open(&[]), Err(AggregateError::Contributors { got: 0, .. })));
    assert!(matches!(open(&[0, 0]), Err(AggregateError::Contributors { got: 0, .. })));
    assert!(matches!(open(&[65, 65]), Err(AggregateError::Contributors { got: 65, .. })));
    assert!(matches!(open(&[3, 2]), Err(AggregateError::CountMismatch { left: 3, right: 2 })));
    let short = ShareSum::from_parts(RingVector::zero(parameters.ring(), 2), 1);
    assert!(matches!(open_sum(&[short], &parameters), Err(AggregateError::Ring(_))));
}

#[test]
fn payloads_and_recipients_must_fit_and_any_mode_opens_its_own() {
    let mut world = World::new(3, standard(3));
    let recipients: Vec<_> = world.sealing.iter().map(SealingKey::public).collect();
    let payloads =
        |count: usize| Payloads::new((0..count).map(|i| Zeroizing::new(vec![7; 10 * i])).collect());
    let binding = world.binding();
    for (count, recipients) in [(2, &recipients[..]), (0, &[]), (65, &[recipients[0]; 65])] {
        let refused =
            seal_payloads(payloads(count), binding, recipients, &world.signing, &mut world.rng);
        let expected = SealError::Recipients { payloads: count, recipients: recipients.len() };
        assert_eq!(refused.unwrap_err(), expected);
    }
    assert_eq!(RECIPIENTS_MAX, 64);
    let sealed =
        seal_payloads(payloads(3), binding, &recipients, &world.signing, &mut world.rng).unwrap();
    let verified = sealed.verify().unwrap();
    for index in 0..3 {
        let delivery = verified.delivery(index).unwrap().verify(index).unwrap();
        let opened = delivery.open_payload(&world.sealing[index]).unwrap();
        assert_eq!(*opened, vec![7; 10 * index]);
        assert!(delivery.open_payload(&world.sealing[(index + 1) % 3]).is_err());
    }
}

#[test]
fn noise_is_added_to_every_coordinate_and_unbounded_noise_is_refused() {
    let mut world = World::new(2, standard(5));
    let quantised = world.quantised(vec![0.1; 5]);
    let mut next = 0;
    let noisy = NoisyUpdate::with_noise(&quantised, || {
        next += 1;
        -next
    });
    let noisy = noisy.unwrap();
    for (index, (noisy, value)) in (1..).zip(noisy.values().iter().zip(quantised.values())) {
        assert_eq!(noisy - value, -index);
    }
    for noise in [i64::MAX, i64::MIN, 1 << 40] {
        let refused = NoisyUpdate::with_noise(&quantised, || noise).map(|_| ());
        assert!(matches!(refused, Err(ParameterError::Range { .. })));
    }
    let other = World::new(2, standard(6)).parameters;
    let noisy = NoisyUpdate::without_noise(&quantised);
    let key = AggregatorKeys {
        verifying: world.signing.verifying_key(),
        sealing: world.sealing[0].public(),
    };
    let refused = seal(&noisy, world.binding(), &[key; 2], &other, &world.signing, &mut world.rng);
    assert!(matches!(refused, Err(SealError::Length { expected: 6, got: 5 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn promise_2_sums_equal_plain_integer_sums(
        aggregators in 2_usize..6,
        deltas in proptest::collection::vec(proptest::collection::vec(-1.0_f32..1.0, 37), 1..9),
        bits in 20_u8..=32,
        weighted in any::<bool>(),
    ) {
        let clip = ClipNorm::new(2.0).unwrap();
        let options = EncodingOptions {
            weight_max: if weighted { 50 } else { 1 },
            clip_indicator: u32::from(weighted),
            ..EncodingOptions::default()
        };
        let parameters = EncodingParameters::new(clip, [12, 0, bits], 37, 9).unwrap();
        let parameters = parameters.with_options(options).unwrap();
        let mut world = World::new(aggregators, parameters);
        let mut plain = vec![0_i64; parameters.vector_len()];
        let mut sums = vec![ShareSum::empty(&parameters); aggregators];
        for delta in deltas {
            let quantised = world.quantised(delta);
            for (plain, value) in plain.iter_mut().zip(quantised.values()) {
                *plain += i64::from(*value);
            }
            let sealed = world.seal(&NoisyUpdate::without_noise(&quantised));
            for (index, sum) in sums.iter_mut().enumerate() {
                sum.add(&world.open(index, &sealed).unwrap()).unwrap();
            }
        }
        prop_assert_eq!(open_sum(&sums, &parameters).unwrap().values, plain);
    }

    #[test]
    fn shares_of_arbitrary_bytes_never_panic(
        index in 0_usize..2,
        form in 0_u8..3,
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        tags in any::<bool>(),
    ) {
        let parameters = if tags { tagged(standard(11)) } else { standard(11) };
        let plaintext = [vec![form], bytes].concat();
        let _unused = World::new(2, parameters).open_bytes(index, &plaintext);
        let _unused = ShareSum::unpack(&plaintext, 1, &parameters);
    }
}

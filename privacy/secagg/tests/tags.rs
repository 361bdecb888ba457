//! Linear tags: what passes is the sum, and each way to shift it is caught.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::{Digest, SealingKey, SigningKey, VerifyingKey};
use privacy_secagg::{
    AggregatorKeys, Binding, EncodingOptions, EncodingParameters, LinearTag, NoisyUpdate,
    OpenShare, OpenedSum, QuantizedUpdate, SealError, ShareSum, TagError, TagKey, Tagging,
    open_sum, seal,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

const DIMENSION: u16 = 40;
const FEDERATION: Digest = Digest([2; 32]);

struct World {
    parameters: EncodingParameters,
    members: Vec<VerifyingKey>,
    /// Of each member, each aggregator's share.
    shares: Vec<[OpenShare; 2]>,
    key: TagKey,
}

fn parameters() -> EncodingParameters {
    let options = EncodingOptions { tagging: Tagging::Linear, ..EncodingOptions::default() };
    let clip = ClipNorm::new(1.0).unwrap();
    let plain = EncodingParameters::standard(clip, u32::from(DIMENSION), 64).unwrap();
    plain.with_options(options).unwrap()
}

fn noisy(parameters: &EncodingParameters, rng: &mut ChaCha20Rng, index: u8) -> NoisyUpdate {
    let delta = (0..DIMENSION).map(|i| (f32::from(i) + f32::from(index)).sin()).collect();
    let clipped = LocalUpdate::new(delta).unwrap().clip(parameters.clip_norm());
    let rotation = parameters.rotation(&FEDERATION, 3);
    let update = QuantizedUpdate::quantise(&clipped, &rotation, parameters, rng).unwrap();
    let mut noise = i64::from(index) - 3;
    NoisyUpdate::with_noise(&update, || {
        noise = -noise;
        noise
    })
    .unwrap()
}

fn world() -> World {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let parameters = parameters();
    let key = TagKey::of_round(&[9; 32], &FEDERATION, 3);
    let sealing = [(); 2].map(|()| SealingKey::generate(&mut rng));
    let aggregator = SigningKey::generate(&mut rng).verifying_key();
    let public = |key: &SealingKey| AggregatorKeys { verifying: aggregator, sealing: key.public() };
    let aggregators = sealing.each_ref().map(public);
    let mut world = World { parameters, members: Vec::new(), shares: Vec::new(), key };
    for index in 1..=6 {
        let signing = SigningKey::from_seed(&[index; 32]);
        let member = signing.verifying_key();
        let digest = Digest([1; 32]);
        let binding =
            Binding { dao: digest, federation: FEDERATION, round: 3, model: digest, member };
        let update = noisy(&parameters, &mut rng, index).tagged(&world.key, &member);
        let sealed = seal(&update, binding, &aggregators, &parameters, &signing, &mut rng).unwrap();
        let verified = sealed.verify().unwrap();
        let open = |index: usize| {
            let delivery = verified.delivery(index).unwrap().verify(index).unwrap();
            delivery.open(&sealing[index], &parameters).unwrap()
        };
        world.shares.push([open(0), open(1)]);
        world.members.push(member);
    }
    world
}

impl World {
    fn sums(&self) -> [ShareSum; 2] {
        [0, 1].map(|aggregator| {
            let mut sum = ShareSum::empty(&self.parameters);
            for shares in &self.shares {
                sum.add(&shares[aggregator]).unwrap();
            }
            sum
        })
    }

    fn opened(&self) -> OpenedSum {
        open_sum(&self.sums(), &self.parameters).unwrap()
    }

    fn check(&self, values: &[i64], tag: LinearTag) -> Result<(), TagError> {
        self.key.check_sum(values, tag, &self.members, &self.parameters)
    }
}

#[test]
fn the_true_sum_passes_noise_included() {
    let world = world();
    let opened = world.opened();
    world.check(&opened.values, opened.tag.unwrap()).unwrap();
    let packed = world
        .sums()
        .map(|sum| ShareSum::unpack(&sum.pack(), sum.count(), &world.parameters).unwrap());
    assert_eq!(open_sum(&packed, &world.parameters).unwrap(), opened);
}

#[test]
fn promise_2_a_sum_shifted_anywhere_by_any_power_of_two_is_caught() {
    let world = world();
    let opened = world.opened();
    for coordinate in [0, 17, usize::from(DIMENSION) - 1] {
        for power in 0..=25 {
            let mut values = opened.values.clone();
            let sign = if values[coordinate] < 0 { 1 } else { -1 };
            values[coordinate] += sign * (1_i64 << power);
            let refused = world.check(&values, opened.tag.unwrap());
            assert_eq!(refused, Err(TagError::Mismatch), "2^{power} at {coordinate}");
        }
    }
}

#[test]
fn a_shift_that_no_sum_in_the_ring_can_have_is_refused_by_name() {
    // 2^63 has so high a valuation that its product with r is 0 or 2^63: half a chance per tag.
    let world = world();
    let mut opened = world.opened();
    opened.values[3] ^= i64::MIN;
    let refused = world.check(&opened.values, opened.tag.unwrap());
    assert!(matches!(refused, Err(TagError::OutsideRing { index: 3, .. })));
    opened.values.pop();
    let refused = world.check(&opened.values, opened.tag.unwrap());
    assert_eq!(refused, Err(TagError::Length { expected: 40, got: 39 }));
}

#[test]
fn a_shifted_tag_is_caught() {
    let world = world();
    let opened = world.opened();
    for shift in [[1, 0], [0, 1], [1 << 63, 0], [0, 1 << 63]] {
        let tag = opened.tag.unwrap().plus(LinearTag(shift));
        assert_eq!(world.check(&opened.values, tag), Err(TagError::Mismatch));
    }
}

#[test]
fn a_share_counted_twice_or_left_out_by_one_aggregator_is_caught() {
    let world = world();
    for aggregator in [0, 1] {
        let mut sums = world.sums();
        sums[aggregator].add(&world.shares[2][aggregator]).unwrap();
        assert!(open_sum(&sums, &world.parameters).is_err(), "counts differ");
        // An aggregator that lies about its count, too.
        let mut lie = ShareSum::empty(&world.parameters);
        for _ in 0..2 {
            lie.add(&world.shares[0][aggregator]).unwrap();
        }
        for shares in &world.shares[2..] {
            lie.add(&shares[aggregator]).unwrap();
        }
        sums[aggregator] = lie;
        let opened = open_sum(&sums, &world.parameters).unwrap();
        let refused = world.check(&opened.values, opened.tag.unwrap());
        assert_eq!(refused, Err(TagError::Mismatch));
    }
}

#[test]
fn all_aggregators_together_cannot_pass_off_another_set_or_a_multiple() {
    let world = world();
    let opened = world.opened();
    // Without pads (2X, 2T) would pass.
    let doubled: Vec<i64> = opened.values.iter().map(|v| 2 * v).collect();
    let tag = opened.tag.unwrap();
    assert_eq!(world.check(&doubled, tag.plus(tag)), Err(TagError::Mismatch));
    // One member left out consistently, or counted twice consistently, in all shares.
    for copies in [0, 2] {
        let sums = [0, 1].map(|aggregator| {
            let mut sum = ShareSum::empty(&world.parameters);
            for (index, shares) in world.shares.iter().enumerate() {
                for _ in 0..if index == 4 { copies } else { 1 } {
                    sum.add(&shares[aggregator]).unwrap();
                }
            }
            sum
        });
        let forged = open_sum(&sums, &world.parameters).unwrap();
        let refused = world.check(&forged.values, forged.tag.unwrap());
        assert_eq!(refused, Err(TagError::Mismatch));
    }
}

#[test]
fn a_key_of_another_round_federation_or_cohort_does_not_check() {
    let world = world();
    let opened = world.opened();
    let others = [
        TagKey::of_round(&[9; 32], &FEDERATION, 4),
        TagKey::of_round(&[9; 32], &Digest([3; 32]), 3),
        TagKey::of_round(&[8; 32], &FEDERATION, 3),
    ];
    for key in others {
        let tag = opened.tag.unwrap();
        let refused = key.check_sum(&opened.values, tag, &world.members, &world.parameters);
        assert_eq!(refused, Err(TagError::Mismatch));
    }
}

#[test]
fn a_tag_too_many_or_too_few_is_refused_before_sealing() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let tagged = parameters();
    let plain = tagged.with_options(EncodingOptions::default()).unwrap();
    let signing = SigningKey::from_seed(&[1; 32]);
    let member = signing.verifying_key();
    let digest = Digest([1; 32]);
    let binding = Binding { dao: digest, federation: FEDERATION, round: 3, model: digest, member };
    let sealing = SealingKey::generate(&mut rng).public();
    let aggregators = [AggregatorKeys { verifying: member, sealing }; 2];
    let key = TagKey::of_round(&[9; 32], &FEDERATION, 3);
    let update = noisy(&tagged, &mut rng, 1);
    let refused = seal(&update, binding, &aggregators, &tagged, &signing, &mut rng);
    assert!(matches!(refused, Err(SealError::Tagging { expected: Tagging::Linear, .. })));
    let update = update.tagged(&key, &member);
    let refused = seal(&update, binding, &aggregators, &plain, &signing, &mut rng);
    assert!(matches!(refused, Err(SealError::Tagging { expected: Tagging::Absent, .. })));
}

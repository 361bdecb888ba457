//! A federation in one process: what is trained, and through which channel updates come together.

use privacy_dp::{ClipNorm, DiscreteGaussian, IntegerNoise as _, LocalUpdate, TabledGaussian};
use privacy_identity::Digest;
use privacy_secagg::{EncodingParameters, NoisyUpdate, QuantizedUpdate, Rotation, decode_mean};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use trainer_model::{
    Architecture, ComputeDevice, Examples, Parameters, TrainingPlan, TrainingSettings, evaluate,
    train,
};

use super::Failure;

/// What is trained, by whom, and how it is tested.
pub(crate) struct Federation {
    pub(crate) architecture: Architecture,
    pub(crate) contributors: Vec<Examples>,
    pub(crate) test: Examples,
    pub(crate) settings: TrainingSettings,
    pub(crate) clip_norm: f64,
    pub(crate) rounds: u32,
}

/// A named run: test accuracy after each round.
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) accuracies: Vec<f64>,
}

/// How clipped updates become their mean.
pub(crate) enum Channel {
    /// The mean of the clipped vectors, in the clear.
    Unsealed,
    /// Through the integers that are sealed, and the ring in which they are summed.
    Sealed(Box<EncodingParameters>),
}

impl Channel {
    pub(crate) fn sealed(encoding: EncodingParameters) -> Self {
        Self::Sealed(Box::new(encoding))
    }

    fn mean(
        &self,
        updates: Vec<LocalUpdate>,
        clip: ClipNorm,
        round: u32,
        rng: &mut ChaCha20Rng,
    ) -> Result<Vec<f32>, Failure> {
        let count = updates.len();
        let clipped = updates.into_iter().map(|update| update.clip(clip));
        let Self::Sealed(encoding) = self else {
            let mut sum: Vec<f64> = Vec::new();
            for update in clipped {
                sum.resize(update.delta().len(), 0.0);
                sum.iter_mut().zip(update.delta()).for_each(|(s, v)| *s += f64::from(*v));
            }
            #[expect(clippy::cast_possible_truncation, reason = "a mean of f32 is one")]
            let mean = |sum: &f64| (sum / count as f64) as f32;
            return Ok(sum.iter().map(mean).collect());
        };
        let rotation = encoding.rotation(&Digest([7; 32]), u64::from(round));
        let (ring, mut sum) = (encoding.ring(), vec![0_u32; encoding.vector_len()]);
        for update in clipped {
            let quantised = QuantizedUpdate::quantise(&update, &rotation, encoding, rng)?;
            let noisy = noised(&quantised, encoding.options().noise_deviation, rng)?;
            let values = noisy.values().iter().map(|value| value.cast_unsigned());
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum = sum.wrapping_add(value));
        }
        let opened: Vec<i64> = sum.iter().map(|sum| ring.centred(sum & ring.mask())).collect();
        decoded(&opened, count, &rotation, encoding)
    }
}

fn decoded(
    opened: &[i64],
    count: usize,
    rotation: &Rotation,
    encoding: &EncodingParameters,
) -> Result<Vec<f32>, Failure> {
    Ok(decode_mean(opened, count, rotation, encoding)?)
}

fn noised(
    update: &QuantizedUpdate,
    deviation: f64,
    rng: &mut ChaCha20Rng,
) -> Result<NoisyUpdate, Failure> {
    if deviation <= 0.0 {
        return Ok(NoisyUpdate::without_noise(update));
    }
    if let Ok(noise) = TabledGaussian::new(deviation) {
        return Ok(NoisyUpdate::with_noise(update, || noise.sample(rng))?);
    }
    let noise = DiscreteGaussian::new(deviation)?;
    Ok(NoisyUpdate::with_noise(update, || noise.sample(rng))?)
}

/// Test accuracy after each round of `federation` through `channel`; the same seed trains alike through all channels.
pub(crate) fn accuracies(
    federation: &Federation,
    channel: &Channel,
    seed: u64,
) -> Result<Vec<f64>, Failure> {
    let Federation { architecture, contributors, test, settings, rounds, .. } = federation;
    let (device, plan) = (ComputeDevice::cpu(), TrainingPlan::new(*settings)?);
    let clip = ClipNorm::new(federation.clip_norm)?;
    let mut training = ChaCha20Rng::seed_from_u64(seed);
    let mut sealing = ChaCha20Rng::seed_from_u64(seed ^ u64::MAX);
    let mut model = Parameters::initial(architecture, &mut training);
    let mut accuracies = Vec::new();
    for round in 0..*rounds {
        let mut updates = Vec::new();
        for examples in contributors {
            let trained = train(&device, architecture, &model, examples, &plan, &mut training)?;
            updates.push(LocalUpdate::new(trained.parameters.difference(&model)?)?);
        }
        model = model.plus(&channel.mean(updates, clip, round, &mut sealing)?)?;
        accuracies.push(evaluate(&device, architecture, &model, test)?.accuracy);
    }
    Ok(accuracies)
}

//! A round's values: by the sealed probe in its integers, by the probe in the clear, and by baselines.

use aggregator_round::{PAST_UPDATES_MAX, aumann_shapley_probe, project_off};
use anyhow::ensure;
use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::Digest;
use privacy_secagg::{EncodingParameters, QuantizedProbe, QuantizedUpdate};
use rand_chacha::ChaCha20Rng;
use trainer_model::{ComputeDevice, Parameters, loss_gradient};

use crate::world::World;

/// One round, as the DAO node has it once the sum is open.
pub(crate) struct MeasuredRound {
    /// The clipped updates, each `[parameter_count]`.
    pub(crate) updates: Vec<Vec<f32>>,
    pub(crate) mean_update: Vec<f32>,
    /// The probe p, `[parameter_count]`.
    pub(crate) probe: Vec<f64>,
    /// Value and innovation of each, in the ledger's integers.
    pub(crate) scalars: Vec<(i64, i64)>,
    /// Loss per unit of the scalars.
    pub(crate) unit: f64,
    /// Loss by the first-order probe −∇L(w).
    pub(crate) first_order: Vec<f64>,
}

impl MeasuredRound {
    /// Clips, quantises and measures: the integers are those that the shares of sealed updates add up to.
    pub(crate) fn new(
        world: &World,
        model: &Parameters,
        updates: &[Vec<f32>],
        clip: f64,
        (round, past): (u64, &[Vec<f32>]),
        rng: &mut ChaCha20Rng,
    ) -> anyhow::Result<Self> {
        ensure!(!updates.is_empty(), "a round of nobody");
        let clip = ClipNorm::new(clip)?;
        let dimension = u32::try_from(world.architecture.parameter_count())?;
        let encoding = EncodingParameters::standard(clip, dimension, 64)?;
        let clipped: Vec<_> = updates
            .iter()
            .map(|update| Ok(LocalUpdate::new(update.clone())?.clip(clip)))
            .collect::<anyhow::Result<_>>()?;
        let updates: Vec<Vec<f32>> = clipped.iter().map(|u| u.delta().to_vec()).collect();
        let mean_update = mean(&updates);
        let gradient = |at: &[f32]| {
            let at = Parameters::new(&world.architecture.layout(), at.to_vec())?;
            let cpu = ComputeDevice::cpu();
            anyhow::Ok(loss_gradient(&cpu, &world.architecture, &at, &world.validation)?)
        };
        let probe = aumann_shapley_probe(model.values(), &mean_update, gradient)?;
        let innovation = project_off(&probe, &past[..past.len().min(PAST_UPDATES_MAX)]);
        let rotation = encoding.rotation(&Digest([2; 32]), round);
        let probes = [&probe, &innovation]
            .map(|probe| QuantizedProbe::quantise(probe, &rotation, &encoding));
        let [value, innovation] = probes;
        let (value, innovation) = (value?, innovation?);
        let count = i64::try_from(updates.len())?;
        let mut scalars = Vec::new();
        for update in &clipped {
            let update = QuantizedUpdate::quantise(update, &rotation, &encoding, rng)?;
            let opened = |probe: &QuantizedProbe| {
                let products = update.values().iter().zip(probe.values());
                let sum: i64 = products.map(|(u, p)| i64::from(*u) * i64::from(*p)).sum();
                probe.value_from_opened(sum) / count
            };
            scalars.push((opened(&value), opened(&innovation)));
        }
        let slope = gradient(model.values())?;
        let slope: Vec<f64> = slope.into_iter().map(|slope| -f64::from(slope)).collect();
        let first_order = along(&updates, &slope);
        let unit = encoding.value_unit();
        Ok(Self { updates, mean_update, probe, scalars, unit, first_order })
    }

    /// The opened values, in loss.
    #[expect(clippy::cast_precision_loss, reason = "for statistics")]
    pub(crate) fn sealed(&self) -> Vec<f64> {
        self.scalars.iter().map(|(value, _)| *value as f64 * self.unit).collect()
    }

    /// The values by the same probe in the clear.
    pub(crate) fn clear(&self) -> Vec<f64> {
        along(&self.updates, &self.probe)
    }

    /// The cosine of each update and the mean update: the score of Xu et al. 2021 ("Gradient-Driven Rewards to
    /// Guarantee Fairness in Collaborative Machine Learning"), for one round.
    pub(crate) fn cosines(&self) -> Vec<f64> {
        let cosine = |update: &Vec<f32>| {
            let scale = norm(update) * norm(&self.mean_update);
            if scale > 0.0 { dot(update, &self.mean_update) / scale } else { 0.0 }
        };
        self.updates.iter().map(cosine).collect()
    }

    /// The norm of the probe, by which the sensitivity of a scalar goes.
    pub(crate) fn probe_norm(&self) -> f64 {
        self.probe.iter().map(|value| value * value).sum::<f64>().sqrt()
    }
}

fn along(updates: &[Vec<f32>], probe: &[f64]) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a count of updates")]
    let count = updates.len() as f64;
    let value = |update: &Vec<f32>| {
        update.iter().zip(probe).map(|(u, p)| f64::from(*u) * p).sum::<f64>() / count
    };
    updates.iter().map(value).collect()
}

fn mean(updates: &[Vec<f32>]) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "a count of updates")]
    let count = updates.len() as f64;
    #[expect(clippy::cast_possible_truncation, reason = "a mean of f32; rounding is wanted")]
    let mean = |at: usize| {
        let sum: f64 = updates.iter().map(|update| f64::from(update[at])).sum();
        (sum / count) as f32
    };
    (0..updates[0].len()).map(mean).collect()
}

/// ⟨a, b⟩.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// ‖a‖.
pub(crate) fn norm(a: &[f32]) -> f64 {
    dot(a, a).sqrt()
}

//! What the DAO node computes between rounds: the new model, its quality, and the probes along which
//! contributions are measured.

use aggregator_protocol::GroupProbes;
use aggregator_round::{
    OpenedGroups, StepError, VALUE_SHARDS, aumann_shapley_probe, contrast_probe, counts_positively,
    project_off,
};
use aggregator_strategy::{OptimizerError, OptimizerState, Positive, StoppingError};
use privacy_secagg::{
    AggregateError, EncodingParameters, ProbeError, QuantizedProbe, Rotation, decode_mean,
};
use trainer_model::{
    Architecture, ComputeDevice, Evaluation, Examples, ModelError, Parameters, ParametersError,
    evaluate, loss_gradient,
};

/// Why a round could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// Updates are encoded with another number of parameters than the model has.
    #[error("updates are encoded with {encoded} parameters, the model shares {parameters}")]
    Dimension {
        /// Coordinates of an encoded update.
        encoded: usize,
        /// Parameters of the model that are shared; 0 if such a model cannot be parted so.
        parameters: usize,
    },
    /// The opened sum is over nothing, or has another number of coordinates than an update.
    #[error("a sum of {got} coordinates over {count} updates, expected {expected} over at least 1")]
    Sum {
        /// Coordinates of an update.
        expected: usize,
        /// Coordinates of the sum.
        got: usize,
        /// Updates that it is said to cover.
        count: usize,
    },
    /// The sums of the groups make no step.
    #[error("the groups make no step")]
    Groups(#[from] StepError),
    /// The sum does not decode to a mean.
    #[error("the sum does not decode")]
    Decode(#[from] AggregateError),
    /// The server's optimiser cannot take the step.
    #[error("the server's step fails")]
    Optimizer(#[from] OptimizerError),
    /// The mean update does not lead to finite parameters.
    #[error("the sum does not lead to a model")]
    Parameters(#[from] ParametersError),
    /// The validation set cannot be divided.
    #[error("the validation set cannot be divided")]
    Examples(#[from] trainer_model::ExamplesError),
    /// The model cannot be computed.
    #[error("the model cannot be measured")]
    Model(#[from] ModelError),
    /// The validation loss is no number by which early stopping could go.
    #[error("what early stopping goes by cannot be measured")]
    Stopping(#[from] StoppingError),
    /// The probe cannot be encoded.
    #[error("the probe cannot be encoded")]
    Probe(#[from] ProbeError),
}

/// The DAO's judge: pure over its tables, so that the same sum gives the same probes.
#[derive(Debug, Clone)]
pub struct Evaluator {
    /// Where to compute.
    pub device: ComputeDevice,
    /// The federation's model.
    pub architecture: Architecture,
    /// Examples on which contributions are measured.
    pub validation: Examples,
    /// Examples that nothing but the reported accuracy sees.
    pub test: Examples,
    /// How updates are encoded.
    pub encoding: EncodingParameters,
}

/// What a round's sum leads to.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The model after the round.
    pub after: Parameters,
    /// The server's optimiser after its step.
    pub optimizer: OptimizerState,
    /// The mean update, `[parameter_count]`, or what a rule made of the groups' means; public from here on.
    pub mean_update: Vec<f32>,
    /// The means of the groups, `[groups][parameter_count]`, as public; empty where there are none.
    pub group_means: Vec<Vec<f32>>,
    /// Along which improvement is measured: the Aumann–Shapley probe p of DESIGN §6.
    pub value_probe: QuantizedProbe,
    /// Along which novelty is measured: p projected off the past mean updates.
    pub innovation_probe: QuantizedProbe,
    /// Along which the error of values is measured: p with signs of the validation set's shards.
    pub contrast_probe: QuantizedProbe,
    /// Where there are groups, those above are of the first, and these of the others.
    pub other_probes: Vec<GroupProbes>,
}

impl Measured {
    /// What the round makes public of its updates, the step last.
    #[must_use]
    pub fn public(&self) -> Vec<Vec<f32>> {
        made_public(&self.group_means, &self.mean_update)
    }
}

/// Everything of a round's updates that can be replayed: the groups' means, and the step. That of a median or a trimmed mean is no
/// combination of the means, and everybody has it, as it is what two models differ by.
pub(crate) fn made_public(group_means: &[Vec<f32>], step: &[f32]) -> Vec<Vec<f32>> {
    group_means.iter().cloned().chain([step.to_vec()]).collect()
}

/// What a round's sum is to the model, in the clear.
struct Gain {
    after: Parameters,
    optimizer: OptimizerState,
    /// p of what the model takes.
    probe: Vec<f64>,
    innovation: Vec<f64>,
    contrast: Vec<f64>,
}

impl Evaluator {
    /// Checks that updates are encoded with as many parameters as contributors share.
    ///
    /// * `personal_layers` — dense layers, the last ones, that are not shared: here the DAO has its own.
    ///
    /// # Errors
    /// [`MeasureError::Dimension`].
    pub fn checked(self, personal_layers: usize) -> Result<Self, MeasureError> {
        let layout = self.architecture.layout();
        let shared = layout.shared_count(personal_layers);
        let (encoded, parameters) = (self.encoding.dimension(), shared.unwrap_or(0));
        if encoded == parameters {
            Ok(self)
        } else {
            Err(MeasureError::Dimension { encoded, parameters })
        }
    }

    /// The federation's model.
    #[must_use]
    pub const fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Applies an opened sum to the model and derives the round's probes from it.
    ///
    /// Where the last layers are contributors' own, the DAO's are those of the model: contributions are measured through
    /// them as they are, and they are fitted to what comes of the round.
    ///
    /// * `before` — the model before the round, and the state of the server's optimiser.
    /// * `sum` — the opened sum over `count` updates, `[parameter_count]`.
    /// * `round` — its number, and the rotation of its updates.
    /// * `past_updates` — what the last [`aggregator_round::PAST_UPDATES_MAX`] rounds made public ([`Measured::public`]), the newest first.
    ///
    /// # Errors
    /// [`MeasureError`] if the sum does not fit or the model diverges.
    pub fn measure(
        &self,
        start: (&Parameters, &OptimizerState),
        sum: &[i64],
        count: usize,
        round: (u64, &Rotation),
        past_updates: &[Vec<f32>],
    ) -> Result<Measured, MeasureError> {
        self.measure_scaled(start, sum, (count, Positive::ONE), round, past_updates)
    }

    /// As [`Evaluator::measure`] where the model takes only a part of the mean, as of a buffer of older updates.
    ///
    /// The game whose gain is shared out is then that part of the mean, applied to the model that is the newest now, whatever
    /// the updates were trained from: with f the part, p = −∫₀¹ ∇L(w + t·fΔ̄) dt, the value of update i is (f/n)·⟨Δᵢ, p⟩, and values add up
    /// to L(w) − L(w + fΔ̄). So the probe carries f. The innovation's does not: it is about what is new in an update, not
    /// about how much of it is taken, and rounds of different age stay comparable.
    ///
    /// * the number of updates, and f in (0, 1].
    ///
    /// # Errors
    /// As [`Evaluator::measure`].
    pub fn measure_scaled(
        &self,
        (parameters, optimizer): (&Parameters, &OptimizerState),
        sum: &[i64],
        (count, factor): (usize, Positive),
        round: (u64, &Rotation),
        past_updates: &[Vec<f32>],
    ) -> Result<Measured, MeasureError> {
        let (rotation, expected) = (round.1, self.encoding.vector_len());
        if sum.len() != expected || count == 0 {
            return Err(MeasureError::Sum { expected, got: sum.len(), count });
        }
        let mean_update = decode_mean(sum, count, rotation, &self.encoding)?;
        let start = (parameters, optimizer);
        let gain = self.gain(start, (&mean_update, factor), round, past_updates)?;
        let part = |probe: Vec<f64>| -> Vec<f64> {
            probe.into_iter().map(|value| value * factor.get()).collect()
        };
        let (probe, contrast) = (part(gain.probe), part(gain.contrast));
        let fine = |probe: &[f64]| QuantizedProbe::quantise(probe, rotation, &self.encoding);
        Ok(Measured {
            value_probe: fine(&probe)?,
            innovation_probe: fine(&gain.innovation)?,
            contrast_probe: QuantizedProbe::quantise_coarsely(&contrast, rotation, &self.encoding)?,
            other_probes: Vec::new(),
            after: gain.after,
            optimizer: gain.optimizer,
            mean_update,
            group_means: Vec::new(),
        })
    }

    /// As [`Evaluator::measure`] where a robust rule makes one step s of the means of groups.
    ///
    /// Whatever the rule, `s = Σ_g a_g ⊙ Δ̄_g`, with weights `a_g` that are public once the means are
    /// ([`aggregator_strategy::Taken`]). The game whose gain is shared out has these weights as they came out, as the game of a
    /// mean has its 1/n: with p = −∫₀¹ ∇L(w + t·s) dt the value of update i of group g is `(1/n_g)·⟨Δᵢ, a_g ⊙ p⟩`, and all values
    /// together add up to L(w) − L(w + s). So the value probe of a group carries its weights: what the rule did not take is worth
    /// nothing. The innovation's does not, and is one for all groups: it is about what is new in an update, not about how much of it is
    /// taken, and who is in a group that the rule passes over is no replayer.
    ///
    /// Threats: an attacker that makes the rule take another group gains nothing by that which the step does not gain, and is not
    /// charged for it either. A step that loses is a loss to those it was made of, by their part in it.
    ///
    /// * `past_updates` — everything of the last rounds that was public ([`Measured::public`]), the newest first.
    ///
    /// # Errors
    /// As [`Evaluator::measure`].
    pub fn measure_groups(
        &self,
        start: (&Parameters, &OptimizerState),
        groups: &OpenedGroups,
        round: (u64, &Rotation),
        past_updates: &[Vec<f32>],
    ) -> Result<Measured, MeasureError> {
        let (rotation, taken) = (round.1, groups.step()?);
        let gain = self.gain(start, (&taken.update, Positive::ONE), round, past_updates)?;
        let mut probes = Vec::with_capacity(groups.means().len());
        for group in 0..groups.means().len() {
            let value = taken.weighed(group, &gain.probe);
            let contrast = taken.weighed(group, &gain.contrast);
            probes.push(GroupProbes {
                value: QuantizedProbe::quantise(&value, rotation, &self.encoding)?,
                contrast: QuantizedProbe::quantise_coarsely(&contrast, rotation, &self.encoding)?,
            });
        }
        let first = probes.remove(0);
        let innovation = &gain.innovation;
        Ok(Measured {
            value_probe: first.value,
            innovation_probe: QuantizedProbe::quantise(innovation, rotation, &self.encoding)?,
            contrast_probe: first.contrast,
            other_probes: probes,
            after: gain.after,
            optimizer: gain.optimizer,
            mean_update: taken.update,
            group_means: groups.means().to_vec(),
        })
    }

    /// The model after a step, and the probes of what it gains.
    fn gain(
        &self,
        (parameters, optimizer): (&Parameters, &OptimizerState),
        (mean_update, factor): (&[f32], Positive),
        (round, _): (u64, &Rotation),
        past_updates: &[Vec<f32>],
    ) -> Result<Gain, MeasureError> {
        let mut optimizer = optimizer.clone();
        let (shared, head) = parameters.values().split_at(self.encoding.dimension());
        let stepped = optimizer.step_scaled(shared, mean_update, factor)?;
        let after = Parameters::new(&self.architecture.layout(), [&stepped, head].concat())?;
        let after = fitted_head(self, after)?;
        let gradient = |values: &[f32]| {
            let mut gradient = self.validation_gradient(&[values, head].concat())?;
            gradient.truncate(values.len());
            Ok::<_, MeasureError>(gradient)
        };
        let taken = scaled(mean_update, factor);
        let probe = aumann_shapley_probe(shared, &taken, gradient)?;
        let innovation = project_off(&probe, past_updates);
        let contrast = self.contrast(round, (shared, head), &taken, &probe)?;
        Ok(Gain { after, optimizer, probe, innovation, contrast })
    }

    /// The contrast of a round's probe. Of fewer rows than there are shards nothing can be said: then it is the probe
    /// itself, so that every interval has zero in it.
    fn contrast(
        &self,
        round: u64,
        (shared, head): (&[f32], &[f32]),
        mean_update: &[f32],
        probe: &[f64],
    ) -> Result<Vec<f64>, MeasureError> {
        let count = self.validation.count();
        if count < VALUE_SHARDS {
            return Ok(probe.to_vec());
        }
        let rows: Vec<usize> = (0..count).filter(|row| counts_positively(round, *row)).collect();
        let half = self.validation.select(&rows)?;
        let gradient = |values: &[f32]| {
            let mut gradient = self.gradient_on(&[values, head].concat(), &half)?;
            gradient.truncate(values.len());
            Ok::<_, MeasureError>(gradient)
        };
        let positive = aumann_shapley_probe(shared, mean_update, gradient)?;
        Ok(contrast_probe(probe, &positive, (count, rows.len())))
    }

    /// How good a model is on the test set.
    ///
    /// # Errors
    /// [`MeasureError::Model`].
    pub fn test(&self, parameters: &Parameters) -> Result<Evaluation, MeasureError> {
        Ok(evaluate(&self.device, &self.architecture, parameters, &self.test)?)
    }

    /// How good a model is on the validation set: the game whose gain the values share out.
    ///
    /// # Errors
    /// [`MeasureError::Model`].
    pub fn validate(&self, parameters: &Parameters) -> Result<Evaluation, MeasureError> {
        Ok(evaluate(&self.device, &self.architecture, parameters, &self.validation)?)
    }

    /// The gradient of the validation loss at `values`, `[parameter_count]`.
    ///
    /// # Errors
    /// [`MeasureError`] if they are no parameters of the model, or it diverges.
    pub fn validation_gradient(&self, values: &[f32]) -> Result<Vec<f32>, MeasureError> {
        self.gradient_on(values, &self.validation)
    }

    fn gradient_on(&self, values: &[f32], examples: &Examples) -> Result<Vec<f32>, MeasureError> {
        let at = Parameters::new(&self.architecture.layout(), values.to_vec())?;
        Ok(loss_gradient(&self.device, &self.architecture, &at, examples)?)
    }
}

/// What of a mean update is taken: the same bits if that is all.
#[expect(clippy::cast_possible_truncation, reason = "an f32 times at most 1")]
fn scaled(mean: &[f32], factor: Positive) -> Vec<f32> {
    mean.iter().map(|value| (f64::from(*value) * factor.get()) as f32).collect()
}

mod head;
#[cfg(test)]
mod tests;

pub use head::fitted_head;

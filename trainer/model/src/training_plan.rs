//! How long and how fast a contributor trains in a round.

use crate::Augmentation;

/// The most passes over the data in one round.
pub const LOCAL_EPOCHS_MAX: u32 = 1_000;

/// The most steps in one round: a thousand epochs of a thousand batches.
pub const LOCAL_STEPS_MAX: u32 = 1_000_000;

/// The most examples of one step.
pub const BATCH_SIZE_MAX: u32 = 65_536;

/// The largest learning rate; plain SGD on standardised inputs diverges well below it.
pub const LEARNING_RATE_MAX: f32 = 10.0;

/// The largest weight decay: with it a learning rate of 1 sets a weight to zero in one step.
pub const WEIGHT_DECAY_MAX: f32 = 1.0;

/// The largest norm to which a gradient is clipped; beyond it, leave it unclipped.
pub const GRADIENT_NORM_MAX: f32 = 1e6;

/// The largest weight of the proximal term; Li et al. try 0.001 to 1.
pub const PROXIMAL_MAX: f32 = 100.0;

/// The largest noise multiplier: beyond it nothing is learned, and nothing more is hidden.
pub const NOISE_MULTIPLIER_MAX: f32 = 1e3;

/// Why a plan was refused.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum TrainingPlanError {
    /// A count is out of bounds.
    #[error("{what} must lie between 1 and {max}, got {got}")]
    CountOutOfRange {
        /// `local epochs`, `local steps` or `batch size`.
        what: &'static str,
        /// The largest allowed.
        max: u32,
        /// The count given.
        got: u32,
    },
    /// The learning rate is not above zero and at most [`LEARNING_RATE_MAX`].
    #[error("the learning rate must be above 0 and at most {LEARNING_RATE_MAX}, got {got}")]
    LearningRateOutOfRange {
        /// The rate given.
        got: f32,
    },
    /// The momentum is not at least zero and below one.
    #[error("the momentum must be at least 0 and below 1, got {got}")]
    MomentumOutOfRange {
        /// The momentum given.
        got: f32,
    },
    /// A weight is below zero or above its bound.
    #[error("the {what} must lie between 0 and {max}, got {got}")]
    WeightOutOfRange {
        /// `weight decay`, `weight of the proximal term` or `noise multiplier`.
        what: &'static str,
        /// The largest allowed.
        max: f32,
        /// The weight given.
        got: f32,
    },
    /// The norm to clip to is not above zero and at most [`GRADIENT_NORM_MAX`].
    #[error(
        "the norm to which gradients are clipped must be above 0 and at most {GRADIENT_NORM_MAX}, \
         got {got}"
    )]
    GradientNormOutOfRange {
        /// The norm given.
        got: f32,
    },
    /// An image has no pixel, the padding leaves none of it, or the fill is no number.
    #[error(
        "augmentation needs images with pixels, a padding below their height and width and a finite \
         fill, got {got:?}"
    )]
    AugmentationUnsound {
        /// The settings given.
        got: Augmentation,
    },
}

/// How much a contributor trains in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalWork {
    /// Passes over the data, 1 to [`LOCAL_EPOCHS_MAX`].
    Epochs(u32),
    /// Steps, 1 to [`LOCAL_STEPS_MAX`], through as many passes as it takes.
    Steps(u32),
}

/// How the examples of a step are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSampling {
    /// One after the other in a random order, a new one each epoch.
    Shuffled,
    /// Each with the same probability, batch size / examples, independently in each step: what the
    /// accountant's amplification by subsampling is proven for. A batch may be empty.
    Poisson,
}

/// Example-level differential privacy of local training.
///
/// The gradient of each example is shortened to `clip_norm`, and to their sum noise with the
/// deviation `noise_multiplier · clip_norm` is added for each parameter; the step then uses the sum
/// over the batch size of the plan (or the number of examples, if that is less), however many
/// examples the batch has.
///
/// Against whom: whoever sees the update, or all updates of all rounds, and knows all examples but
/// one. What it is worth follows from the sampling, the noise and the number of steps; count it with
/// an accountant for the sampled Gaussian mechanism. The noise is of floating-point numbers, whose
/// last bits are not those of the real Gaussian (Mironov 2012, "On Significance of the Least
/// Significant Bits for Differential Privacy"): send updates rounded, as sealing does.
///
/// Source: Abadi et al. 2016, "Deep Learning with Differential Privacy", Algorithm 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DpSgd {
    /// The L2 norm to which the gradient of an example is clipped, in (0, [`GRADIENT_NORM_MAX`]].
    pub clip_norm: f32,
    /// Deviation of the noise over the clip norm, 0 (which hides nothing) to
    /// [`NOISE_MULTIPLIER_MAX`].
    pub noise_multiplier: f32,
    /// How batches are drawn.
    pub sampling: BatchSampling,
}

/// The settings of a plan, unchecked.
///
/// A step computes the gradient g of the mean loss over a batch, or its private form ([`DpSgd`]),
/// then, as `PyTorch` does with a loss that has the proximal term:
///
/// ```text
/// g ← g + proximal · (w − w₀)          w₀: the parameters that the round started from
/// g ← g · min(1, gradient_clip / (‖g‖ + 10⁻⁶))
/// g ← g + weight_decay · w
/// v ← momentum · v + g                 v starts at 0 each round
/// w ← w − learning_rate · v
/// ```
///
/// Sources: `PyTorch`, `torch.optim.SGD` and `torch.nn.utils.clip_grad_norm_`; Li et al. 2020,
/// "Federated Optimization in Heterogeneous Networks", Algorithm 2 (the proximal term).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingSettings {
    /// How much.
    pub work: LocalWork,
    /// Examples of one step, 1 to [`BATCH_SIZE_MAX`]; the last step of an epoch takes what is left.
    pub batch_size: u32,
    /// Step size, in (0, [`LEARNING_RATE_MAX`]].
    pub learning_rate: f32,
    /// In [0, 1); 0 is plain SGD.
    pub momentum: f32,
    /// L2 penalty on all parameters, 0 to [`WEIGHT_DECAY_MAX`].
    pub weight_decay: f32,
    /// The L2 norm to which the gradient of a step is clipped, in (0, [`GRADIENT_NORM_MAX`]].
    pub gradient_clip: Option<f32>,
    /// The weight μ of `FedProx`'s term μ/2 · ‖w − w₀‖², 0 to [`PROXIMAL_MAX`].
    pub proximal: f32,
    /// Example-level privacy; on the CPU alone.
    pub privacy: Option<DpSgd>,
    /// Random changes of the images, anew whenever a step takes one.
    pub augmentation: Option<Augmentation>,
}

impl TrainingSettings {
    /// Plain SGD: no momentum, decay, clipping or proximal term.
    #[must_use]
    pub const fn sgd(local_epochs: u32, batch_size: u32, learning_rate: f32) -> Self {
        Self {
            work: LocalWork::Epochs(local_epochs),
            batch_size,
            learning_rate,
            momentum: 0.0,
            weight_decay: 0.0,
            gradient_clip: None,
            proximal: 0.0,
            privacy: None,
            augmentation: None,
        }
    }
}

/// How a contributor trains in one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingPlan(TrainingSettings);

impl TrainingPlan {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`TrainingPlanError`] if one is out of bounds.
    pub fn new(settings: TrainingSettings) -> Result<Self, TrainingPlanError> {
        match settings.work {
            LocalWork::Epochs(epochs) => check("local epochs", LOCAL_EPOCHS_MAX, epochs)?,
            LocalWork::Steps(steps) => check("local steps", LOCAL_STEPS_MAX, steps)?,
        }
        check("batch size", BATCH_SIZE_MAX, settings.batch_size)?;
        let got = settings.learning_rate;
        if !(got > 0.0 && got <= LEARNING_RATE_MAX) {
            return Err(TrainingPlanError::LearningRateOutOfRange { got });
        }
        let got = settings.momentum;
        if !(0.0..1.0).contains(&got) {
            return Err(TrainingPlanError::MomentumOutOfRange { got });
        }
        check_weight("weight decay", WEIGHT_DECAY_MAX, settings.weight_decay)?;
        check_weight("weight of the proximal term", PROXIMAL_MAX, settings.proximal)?;
        settings.gradient_clip.map_or(Ok(()), check_norm)?;
        if let Some(DpSgd { clip_norm, noise_multiplier, .. }) = settings.privacy {
            check_norm(clip_norm)?;
            check_weight("noise multiplier", NOISE_MULTIPLIER_MAX, noise_multiplier)?;
        }
        match settings.augmentation {
            Some(got) if !got.is_sound() => Err(TrainingPlanError::AugmentationUnsound { got }),
            _ => Ok(Self(settings)),
        }
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> TrainingSettings {
        self.0
    }

    /// The steps that it takes over so many examples, at least 1.
    #[must_use]
    pub fn steps(&self, examples: usize) -> u64 {
        let batches = (examples as u64).div_ceil(u64::from(self.0.batch_size));
        match self.0.work {
            LocalWork::Epochs(epochs) => u64::from(epochs) * batches,
            LocalWork::Steps(steps) => u64::from(steps),
        }
    }
}

const fn check(what: &'static str, max: u32, got: u32) -> Result<(), TrainingPlanError> {
    if 1 <= got && got <= max {
        Ok(())
    } else {
        Err(TrainingPlanError::CountOutOfRange { what, max, got })
    }
}

fn check_norm(got: f32) -> Result<(), TrainingPlanError> {
    if got > 0.0 && got <= GRADIENT_NORM_MAX {
        Ok(())
    } else {
        Err(TrainingPlanError::GradientNormOutOfRange { got })
    }
}

fn check_weight(what: &'static str, max: f32, got: f32) -> Result<(), TrainingPlanError> {
    if (0.0..=max).contains(&got) {
        Ok(())
    } else {
        Err(TrainingPlanError::WeightOutOfRange { what, max, got })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(settings: TrainingSettings) -> bool {
        TrainingPlan::new(settings).is_err()
    }

    fn private(clip_norm: f32, noise_multiplier: f32) -> Option<DpSgd> {
        Some(DpSgd { clip_norm, noise_multiplier, sampling: BatchSampling::Poisson })
    }

    #[test]
    fn counts_out_of_bounds_are_refused() {
        let good = TrainingSettings::sgd(1, 16, 0.1);
        assert_eq!(TrainingPlan::new(good).unwrap().settings(), good);
        for epochs in [0, LOCAL_EPOCHS_MAX + 1] {
            assert!(is_refused(TrainingSettings { work: LocalWork::Epochs(epochs), ..good }));
        }
        for steps in [0, LOCAL_STEPS_MAX + 1] {
            assert!(is_refused(TrainingSettings { work: LocalWork::Steps(steps), ..good }));
        }
        for batch_size in [0, BATCH_SIZE_MAX + 1] {
            assert!(is_refused(TrainingSettings { batch_size, ..good }));
        }
    }

    #[test]
    fn weights_out_of_bounds_are_refused() {
        let good = TrainingSettings::sgd(1, 16, 0.1);
        for learning_rate in [0.0, -0.1, 11.0, f32::NAN, f32::INFINITY] {
            assert!(is_refused(TrainingSettings { learning_rate, ..good }));
        }
        for momentum in [-0.1, 1.0, f32::NAN] {
            assert!(is_refused(TrainingSettings { momentum, ..good }));
        }
        for weight_decay in [-0.1, 1.1, f32::NAN] {
            assert!(is_refused(TrainingSettings { weight_decay, ..good }));
        }
        for proximal in [-0.1, 101.0, f32::NAN] {
            assert!(is_refused(TrainingSettings { proximal, ..good }));
        }
        for clip in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(is_refused(TrainingSettings { gradient_clip: Some(clip), ..good }));
            let privacy = private(clip, 1.0);
            assert!(is_refused(TrainingSettings { privacy, ..good }));
        }
        for noise in [-0.1, 1_001.0, f32::NAN] {
            assert!(is_refused(TrainingSettings { privacy: private(1.0, noise), ..good }));
        }
        let refused = TrainingPlan::new(TrainingSettings { momentum: 1.0, ..good }).unwrap_err();
        assert_eq!(refused.to_string(), "the momentum must be at least 0 and below 1, got 1");
    }
}

//! Server optimisers: how the mean update of a round changes the model.
//!
//! All of them read nothing but the mean update, so they work on sealed rounds as they are: the sum is
//! opened, and what follows is public arithmetic that anybody can repeat.

mod state;
mod wire;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

pub use state::{OptimizerError, OptimizerState};

use crate::{Fraction, NotationError, Positive, notation::Notation};

/// A server optimiser with its settings.
///
/// With Δ the mean update (model after local training minus model before) and x the parameters:
///
/// | optimiser | step | source |
/// |---|---|---|
/// | `FedAvg` | x + ηΔ | `McMahan` et al. 2017; η = 1 |
/// | `FedAvgM` | m ← μm + Δ; x + ηm | Hsu, Qi & Brown 2019, without Nesterov's look-ahead |
/// | the adaptive three | m ← β₁m + (1-β₁)Δ; v ← …; x + ηm/(√v + τ) | Reddi et al. 2021, Algorithm 2 |
///
/// v is: `FedAdagrad` v + Δ²; `FedYogi` v - (1-β₂)Δ²·sign(v - Δ²); `FedAdam` β₂v + (1-β₂)Δ².
///
/// Written `fedavg`, `fedavgm`, `fedadagrad`, `fedadam`, `fedyogi`, each with `:key=value,…` of `lr`,
/// `momentum`, `beta1`, `beta2`, `tau`, `start` (`zero`, `tau2`) and `correction` (`absent`,
/// `kingma-ba`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ServerOptimizer {
    /// The mean update, scaled.
    FedAvg {
        /// η.
        learning_rate: Positive,
    },
    /// Heavy-ball momentum, undamped: m is μm + Δ.
    FedAvgM {
        /// η.
        learning_rate: Positive,
        /// μ; 0.9 in the paper's figures.
        momentum: Fraction,
    },
    /// Adaptive with a sum of squares.
    FedAdagrad {
        /// What the adaptive three share.
        step: AdaptiveStep,
    },
    /// Adaptive with an exponential mean of squares.
    FedAdam {
        /// What the adaptive three share.
        step: AdaptiveStep,
        /// β₂.
        beta2: Fraction,
        /// Whether early steps are corrected for the moments' start.
        correction: BiasCorrection,
    },
    /// Adaptive with squares that move by a bounded amount.
    FedYogi {
        /// What the adaptive three share.
        step: AdaptiveStep,
        /// β₂.
        beta2: Fraction,
    },
}

/// The settings that `FedAdagrad`, `FedAdam` and `FedYogi` share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveStep {
    /// η.
    pub learning_rate: Positive,
    /// β₁: how much of the last step's direction is kept.
    pub beta1: Fraction,
    /// τ: the degree of adaptivity; the larger, the more like plain averaging.
    pub tau: Positive,
    /// What v is before the first step.
    pub start: SecondMomentStart,
}

/// v before the first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondMomentStart {
    /// 0, as Flower does.
    Zero,
    /// τ²: the smallest value that Algorithm 2 of Reddi et al. allows.
    TauSquared,
}

/// Whether `FedAdam` divides out that its moments started at nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BiasCorrection {
    /// No: Algorithm 2 of Reddi et al.
    Absent,
    /// η·√(1-β₂ᵗ)/(1-β₁ᵗ) at step t = 1, 2, …: Kingma & Ba 2015, end of §2. Flower 1.41 writes it with
    /// t + 1 for t, because it adds one to a round number that already starts at one.
    KingmaBa,
}

/// τ of Reddi et al., who found 10⁻³ to do well on every task.
const TAU: Positive = Positive(1e-3);
/// β₁ and β₂ of Reddi et al. for `FedAdam` and `FedYogi`; `FedAdagrad` has β₁ = 0 there.
const BETA1: Fraction = Fraction(0.9);
const BETA2: Fraction = Fraction(0.99);
/// Reddi et al. tune η on a grid of powers of √10 for each task; these are in the middle of what won.
const RATE_ADAGRAD: Positive = Positive(0.1);
const RATE_ADAM: Positive = Positive(0.01);
/// μ in most figures of Hsu et al.
const MOMENTUM: Fraction = Fraction(0.9);

impl ServerOptimizer {
    /// Plain averaging.
    pub const FED_AVG: Self = Self::FedAvg { learning_rate: Positive::ONE };

    const NAMES: &'static str = "fedavg, fedavgm, fedadagrad, fedadam, fedyogi";

    /// Its name as on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FedAvg { .. } => "fedavg",
            Self::FedAvgM { .. } => "fedavgm",
            Self::FedAdagrad { .. } => "fedadagrad",
            Self::FedAdam { .. } => "fedadam",
            Self::FedYogi { .. } => "fedyogi",
        }
    }

    /// η.
    #[must_use]
    pub const fn learning_rate(&self) -> Positive {
        match self {
            Self::FedAvg { learning_rate } | Self::FedAvgM { learning_rate, .. } => *learning_rate,
            Self::FedAdagrad { step } | Self::FedAdam { step, .. } | Self::FedYogi { step, .. } => {
                step.learning_rate
            }
        }
    }
}

impl Default for ServerOptimizer {
    fn default() -> Self {
        Self::FED_AVG
    }
}

impl fmt::Display for ServerOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:lr={}", self.name(), self.learning_rate().0)?;
        match self {
            Self::FedAvg { .. } => Ok(()),
            Self::FedAvgM { momentum, .. } => write!(f, ",momentum={}", momentum.0),
            Self::FedAdagrad { step } => write!(f, "{step}"),
            Self::FedYogi { step, beta2 } => write!(f, "{step},beta2={}", beta2.0),
            Self::FedAdam { step, beta2, correction } => {
                write!(f, "{step},beta2={},correction={correction}", beta2.0)
            }
        }
    }
}

impl fmt::Display for AdaptiveStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ",beta1={},tau={},start={}", self.beta1.0, self.tau.0, self.start)
    }
}

impl FromStr for ServerOptimizer {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let mut notation = Notation::parse(text)?;
        let read = &mut notation;
        let optimizer = match read.name {
            "fedavg" => {
                Self::FedAvg { learning_rate: read.positive("lr")?.unwrap_or(Positive::ONE) }
            }
            "fedavgm" => Self::FedAvgM {
                learning_rate: read.positive("lr")?.unwrap_or(Positive::ONE),
                momentum: read.fraction("momentum")?.unwrap_or(MOMENTUM),
            },
            "fedadagrad" => {
                Self::FedAdagrad { step: adaptive(read, RATE_ADAGRAD, Fraction::ZERO)? }
            }
            "fedadam" => Self::FedAdam {
                step: adaptive(read, RATE_ADAM, BETA1)?,
                beta2: read.fraction("beta2")?.unwrap_or(BETA2),
                correction: read.take("correction")?.unwrap_or(BiasCorrection::Absent),
            },
            "fedyogi" => Self::FedYogi {
                step: adaptive(read, RATE_ADAM, BETA1)?,
                beta2: read.fraction("beta2")?.unwrap_or(BETA2),
            },
            _ => return Err(notation.unknown(Self::NAMES)),
        };
        notation.finish(optimizer)
    }
}

fn adaptive(
    read: &mut Notation<'_>,
    learning_rate: Positive,
    beta1: Fraction,
) -> Result<AdaptiveStep, NotationError> {
    Ok(AdaptiveStep {
        learning_rate: read.positive("lr")?.unwrap_or(learning_rate),
        beta1: read.fraction("beta1")?.unwrap_or(beta1),
        tau: read.positive("tau")?.unwrap_or(TAU),
        start: read.take("start")?.unwrap_or(SecondMomentStart::TauSquared),
    })
}

impl fmt::Display for SecondMomentStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "zero",
            Self::TauSquared => "tau2",
        })
    }
}

impl FromStr for SecondMomentStart {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "zero" => Ok(Self::Zero),
            "tau2" => Ok(Self::TauSquared),
            _ => Err("expected zero or tau2"),
        }
    }
}

impl fmt::Display for BiasCorrection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "absent",
            Self::KingmaBa => "kingma-ba",
        })
    }
}

impl FromStr for BiasCorrection {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "absent" => Ok(Self::Absent),
            "kingma-ba" => Ok(Self::KingmaBa),
            _ => Err("expected absent or kingma-ba"),
        }
    }
}

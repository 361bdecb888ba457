//! Robust rules: what to take for the mean when some of the updates may be lies.
//!
//! They read single updates, so they are for open runs (simulation) and for the means of groups
//! ([`GroupMeans`](crate::GroupMeans)); a sealed round opens nothing but its sum.
//!
//! Threat: f of n contributors send anything whatever. Each rule says for which f what is returned stays
//! near the honest updates. None helps against lies that look like honest updates (ALIE), and with very
//! different honest data robust rules lose more than label poisoning does (Peng et al. 2025): the
//! plain mean is the default.

mod geometric_median;
mod krum;
mod mean;
mod order;
mod taken;
mod wire;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use thiserror::Error;

pub use geometric_median::Weiszfeld;
pub use krum::krum_selection;
pub use taken::Taken;

use taken::Parts;

use crate::{NotationError, NumberError, Positive, Updates, notation::Notation, number::float};

/// Why a rule was refused for the updates given.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum RobustError {
    /// More Byzantine contributors than the rule withstands.
    #[error("{rule} needs at least {needed} updates to withstand {byzantine} liars, got {got}")]
    TooManyByzantine {
        /// The rule.
        rule: &'static str,
        /// f.
        byzantine: usize,
        /// The least n.
        needed: usize,
        /// n.
        got: usize,
    },
    /// Multi-Krum of no update, or of more than it may average.
    #[error("multi-krum averages 1..={max} updates here, asked for {got}")]
    Selection {
        /// n - f - 2.
        max: usize,
        /// m.
        got: usize,
    },
}

/// β: the share of values that a trimmed mean leaves out on each side, in 0..0.5.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct TrimmedShare(f64);

impl TrimmedShare {
    /// Takes β.
    ///
    /// # Errors
    /// [`NumberError::NotBelowHalf`].
    pub fn new(share: f64) -> Result<Self, NumberError> {
        if (0.0..0.5).contains(&share) {
            // Of the two zeros one: there is one encoding of a value.
            Ok(Self(share + 0.0))
        } else {
            Err(NumberError::NotBelowHalf { name: "the trimmed share", got: share })
        }
    }

    /// β.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// ⌊βn⌋, as scipy's `trim_mean` counts; 2⌊βn⌋ < n.
    fn count_of(self, n: usize) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 <= βn < UPDATES_MAX; rounding down is what is wanted"
        )]
        let cut = (self.0 * float(n)) as usize;
        // β just below one half times n may round up to n/2, which would leave nothing of an even n.
        cut.min(n.saturating_sub(1) / 2)
    }
}

/// A rule that makes one update of many.
///
/// Written `mean`, `median`, `trimmed-mean:beta=B`, `krum:f=F`, `multi-krum:f=F,m=M`, `geometric-median`
/// (with `smoothing`, `tolerance`, `iterations`), `norm-bound:norm=C`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RobustRule {
    /// The weighted mean: withstands nobody.
    Mean,
    /// The median of each coordinate, unweighted: each coordinate is within the honest ones' range while
    /// f < n/2.
    Median,
    /// The mean of each coordinate without ⌊βn⌋ values on each side, unweighted: within the honest ones'
    /// range while f ≤ ⌊βn⌋.
    TrimmedMean {
        /// β, in 0..0.5.
        beta: TrimmedShare,
    },
    /// The one update with the closest neighbours: n ≥ 2f + 3.
    Krum {
        /// f.
        byzantine: u32,
    },
    /// The unweighted mean of the `selected` updates with the closest neighbours: n ≥ 2f + 3.
    MultiKrum {
        /// f.
        byzantine: u32,
        /// m, in 1..=n - f - 2.
        selected: u32,
    },
    /// The point with the least weighted sum of distances: stays bounded while the liars' weight is below
    /// one half.
    GeometricMedian(Weiszfeld),
    /// The weighted mean of the updates scaled to at most this L2 norm: f liars move it by at most
    /// f/n·2C. What sealed rounds do with every update.
    NormBound {
        /// C, in parameter units.
        bound: Positive,
    },
}

impl RobustRule {
    const NAMES: &'static str =
        "mean, median, trimmed-mean, krum, multi-krum, geometric-median, norm-bound";

    /// Its name as on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Median => "median",
            Self::TrimmedMean { .. } => "trimmed-mean",
            Self::Krum { .. } => "krum",
            Self::MultiKrum { .. } => "multi-krum",
            Self::GeometricMedian(_) => "geometric-median",
            Self::NormBound { .. } => "norm-bound",
        }
    }

    /// Makes one update `[d]` of `updates`.
    ///
    /// Sums are f64 in a fixed order: the same updates in the same order give the same bits on every
    /// machine.
    ///
    /// # Errors
    /// [`RobustError`] if there are too few updates for the rule, or its settings are out of range.
    pub fn aggregate(&self, updates: &Updates<'_>) -> Result<Vec<f32>, RobustError> {
        Ok(self.take(updates)?.update)
    }

    /// As [`RobustRule::aggregate`], with by how much each update counts in what was made of them.
    ///
    /// # Errors
    /// As [`RobustRule::aggregate`].
    pub fn take<'a>(&self, updates: &Updates<'a>) -> Result<Taken<'a>, RobustError> {
        let n = updates.count();
        let (update, parts) = match self {
            Self::Mean => whole(updates, updates.weights().to_vec()),
            Self::Median => middle(updates, order::median(n)),
            Self::TrimmedMean { beta } => middle(updates, order::trimmed_mean(n, beta.count_of(n))),
            Self::Krum { byzantine } => selected(updates, *byzantine, 1)?,
            Self::MultiKrum { byzantine, selected: most } => selected(updates, *byzantine, *most)?,
            Self::GeometricMedian(settings) => {
                let (point, weights) = geometric_median::geometric_median(updates, settings);
                (point, Parts::Whole(weights))
            }
            Self::NormBound { bound } => whole(updates, mean::norm_bounded(updates, *bound)),
        };
        Ok(Taken::new(update, updates.as_slices(), parts))
    }

    /// Checks that the rule can be taken of `count` updates.
    ///
    /// # Errors
    /// [`RobustError`] as [`RobustRule::aggregate`] for any updates of that number.
    pub fn check_count(&self, count: usize) -> Result<(), RobustError> {
        match self {
            Self::Krum { byzantine } => krum::check(count, *byzantine as usize, 1),
            Self::MultiKrum { byzantine, selected } => {
                krum::check(count, *byzantine as usize, *selected as usize)
            }
            _ => Ok(()),
        }
    }

    /// How many of `count` contributors may lie, if their weights are equal, while what is returned stays
    /// bounded by the honest updates.
    #[must_use]
    pub fn withstands(&self, count: usize) -> usize {
        match self {
            // A bounded norm bounds the harm, not the direction.
            Self::Mean | Self::NormBound { .. } => 0,
            Self::Median | Self::GeometricMedian(_) => count.saturating_sub(1) / 2,
            Self::TrimmedMean { beta } => beta.count_of(count),
            Self::Krum { byzantine } | Self::MultiKrum { byzantine, .. } => *byzantine as usize,
        }
    }
}

fn whole(updates: &Updates<'_>, weights: Vec<f64>) -> (Vec<f32>, Parts) {
    (mean::weighted_mean(updates, &weights), Parts::Whole(weights))
}

fn middle(updates: &Updates<'_>, ranks: std::ops::Range<usize>) -> (Vec<f32>, Parts) {
    (order::mean_of_ranks(updates, &ranks), Parts::Ranks(ranks))
}

fn selected(
    updates: &Updates<'_>,
    byzantine: u32,
    most: u32,
) -> Result<(Vec<f32>, Parts), RobustError> {
    let (byzantine, most) = (byzantine as usize, most as usize);
    let indices = krum_selection(updates, byzantine, most)?;
    Ok(whole(updates, krum::weights_of(updates, &indices)))
}

impl fmt::Display for RobustRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Mean | Self::Median => f.write_str(name),
            Self::TrimmedMean { beta } => write!(f, "{name}:beta={}", beta.0),
            Self::Krum { byzantine } => write!(f, "{name}:f={byzantine}"),
            Self::MultiKrum { byzantine, selected } => {
                write!(f, "{name}:f={byzantine},m={selected}")
            }
            Self::GeometricMedian(Weiszfeld { smoothing, tolerance, iterations_max }) => {
                let (smoothing, tolerance) = (smoothing.0, tolerance.0);
                write!(f, "{name}:smoothing={smoothing},tolerance={tolerance}")?;
                write!(f, ",iterations={iterations_max}")
            }
            Self::NormBound { bound } => write!(f, "{name}:norm={}", bound.0),
        }
    }
}

impl FromStr for RobustRule {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let mut read = Notation::parse(text)?;
        let rule = match read.name {
            "mean" => Self::Mean,
            "median" => Self::Median,
            "trimmed-mean" => Self::TrimmedMean { beta: TrimmedShare::new(read.need("beta")?)? },
            "krum" => Self::Krum { byzantine: read.need("f")? },
            "multi-krum" => {
                Self::MultiKrum { byzantine: read.need("f")?, selected: read.need("m")? }
            }
            "geometric-median" => Self::GeometricMedian(weiszfeld(&mut read)?),
            "norm-bound" => Self::NormBound { bound: read.need_positive("norm")? },
            _ => return Err(read.unknown(Self::NAMES)),
        };
        read.finish(rule)
    }
}

fn weiszfeld(read: &mut Notation<'_>) -> Result<Weiszfeld, NotationError> {
    let standard = Weiszfeld::STANDARD;
    Ok(Weiszfeld {
        smoothing: read.positive("smoothing")?.unwrap_or(standard.smoothing),
        tolerance: read.positive("tolerance")?.unwrap_or(standard.tolerance),
        iterations_max: read.take("iterations")?.unwrap_or(standard.iterations_max),
    })
}

//! What updates carry beside their coordinates.

/// Whether sums carry linear tags ([`crate::TagKey`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tagging {
    /// No: the federation has no cohort key.
    #[default]
    Absent,
    /// Each sealed update carries its share of a tag.
    Linear,
}

/// What a federation's updates carry beside their coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncodingOptions {
    /// W: largest weight of a contribution, in 1..=2^20. 1: all weigh the same, and no coordinate is
    /// spent on it. Otherwise a contribution is w/W times the clipped update, and w is one coordinate.
    ///
    /// It counts in the sensitivity ([`crate::EncodingParameters::sensitivity_l2`]):
    /// keep it below the update norm.
    pub weight_max: u32,
    /// The integer that says "my update's norm was within the clip norm", in 0..=2^20. 0: no such
    /// coordinate. 1 suffices without noise; with noise of deviation σ per contributor the share of yes
    /// is known to σ·√n/(n · `clip_indicator`), at a price in the sensitivity.
    ///
    /// Source: Andrew et al. 2021, "Differentially Private Learning with Adaptive Clipping", Algorithm 1.
    pub clip_indicator: u32,
    /// σ: standard deviation of the integer noise that each contributor adds to each coordinate, in
    /// integer units: discrete Gaussian. 0: none.
    pub noise_deviation: f64,
    /// Whether sums carry linear tags.
    pub tagging: Tagging,
}

impl Default for EncodingOptions {
    /// Unweighted, no indicator, no noise, no tags.
    fn default() -> Self {
        Self { weight_max: 1, clip_indicator: 0, noise_deviation: 0.0, tagging: Tagging::Absent }
    }
}

//! What of each update a rule took: by how much each counts in what was made of them.
//!
//! Once the updates are there, what any of the rules makes of them is a linear combination, coordinate by coordinate:
//! Σᵢ aᵢ ⊙ uᵢ, with weights aᵢ that depend on the updates.
//!
//! ```text
//!  mean, norm bound        aᵢ = wᵢ, or wᵢ·min(1, C/‖uᵢ‖)
//!  Krum, multi-Krum        aᵢ = 1/m of the m selected, 0 of all others
//!  geometric median        aᵢ = wᵢ/‖uᵢ − z‖ of the last Weiszfeld step, scaled to the sum 1
//!  median, trimmed mean    per coordinate 1/k of the k values in the middle, 0 of all others
//! ```
//!
//! Equal values share the ranks that they have together: who is listed first makes no difference. Weights of all updates add
//! up to one in each coordinate (but for the norm bound, whose sum is at most one).
//!
//! Threat: the weights are what the rule *came to*. Who sends something to have another update taken, and is not taken itself, has
//! weight zero in what it brought about: no credit for it, and no charge either.

use std::ops::Range;

/// What a rule made of updates, and of what.
#[derive(Debug, Clone)]
pub struct Taken<'a> {
    /// What the rule made, `[d]`: the bits of [`RobustRule::aggregate`](crate::RobustRule::aggregate).
    pub update: Vec<f32>,
    updates: Vec<&'a [f32]>,
    parts: Parts,
}

/// The weights.
#[derive(Debug, Clone)]
pub(super) enum Parts {
    /// The same for all coordinates of an update, `[n]`.
    Whole(Vec<f64>),
    /// The values of these 0-based ranks, in each coordinate.
    Ranks(Range<usize>),
}

impl<'a> Taken<'a> {
    pub(super) fn new(update: Vec<f32>, updates: &[&'a [f32]], parts: Parts) -> Self {
        Self { update, updates: updates.to_vec(), parts }
    }

    /// aᵢ ⊙ `vector`, `[d]`: `vector` as far as the update at `index` counts in each coordinate.
    ///
    /// * `index` — 0-based, of the updates as they were given; one that there is not counts nowhere.
    #[must_use]
    pub fn weighed(&self, index: usize, vector: &[f64]) -> Vec<f64> {
        let each = vector.iter().enumerate();
        each.map(|(coordinate, value)| self.weight(index, coordinate) * value).collect()
    }

    /// By how much the update at `index` counts in `coordinate`, 0 to 1.
    #[must_use]
    pub fn weight(&self, index: usize, coordinate: usize) -> f64 {
        match &self.parts {
            Parts::Whole(weights) => weights.get(index).copied().unwrap_or(0.0),
            Parts::Ranks(ranks) => self.rank_weight(ranks, index, coordinate).unwrap_or(0.0),
        }
    }

    fn rank_weight(&self, ranks: &Range<usize>, index: usize, coordinate: usize) -> Option<f64> {
        let own = *self.updates.get(index)?.get(coordinate)?;
        let (mut less, mut equal) = (0, 0);
        for update in &self.updates {
            let value = *update.get(coordinate)?;
            less += usize::from(value < own);
            // The two zeros are equal, here and where they are sorted.
            equal += usize::from(value <= own && value >= own);
        }
        let kept = ranks.end.min(less + equal).saturating_sub(ranks.start.max(less));
        let (kept, among) = (crate::number::float(kept), crate::number::float(equal * ranks.len()));
        Some(kept / among)
    }
}

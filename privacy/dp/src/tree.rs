//! Tree aggregation: noise for training of a fixed length without sampling.
//!
//! ```text
//!   level 2          ┌── n4 ──┐          noise of the prefix sum 1..t is that of the nodes that
//!   level 1      ┌─ n2 ─┐ ┌─ n3' ─┐      t's binary digits name: popcount(t) of them, at most
//!   level 0      1      2 3       4      ⌈log2(steps + 1)⌉, instead of t
//! ```
//!
//! Threat: the same as of independent noise, but without the assumption that the cohort was sampled
//! secretly. Whoever draws the noise must keep it until its node is complete: this is for noise added by
//! aggregators, or by contributors that stay; a share of one that left cannot be taken back.
//!
//! Source: Kairouz, `McMahan`, Song, Thakkar, Thakurta & Xu 2021, "Practical and Private (Deep) Learning
//! Without Sampling or Shuffling" (DP-FTRL), §3 and Theorem 4.1; Honaker's variance reduction is
//! not used.

use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroize as _;

use crate::{
    Accountant, AccountantError, DiscreteMechanism, IntegerNoise, RdpCurve, default_orders,
    gaussian_epsilon,
};

/// Training of a fixed number of steps whose running sums are released with tree noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TreeAggregation {
    steps: u64,
    trees: u32,
    participations: u32,
    noise_multiplier: f64,
}

/// Most steps of a tree: more would outlive the federation.
const STEPS_MAX: u64 = 1 << 40;

/// Most integers that a tree's noise keeps: 2 GiB.
const KEPT_MAX: u64 = 1 << 28;

impl TreeAggregation {
    /// Takes the shape of the training.
    ///
    /// * `steps` — per tree, in 1..=2^40.
    /// * `trees` — how many times the tree is restarted, ≥ 1; one per epoch usually.
    /// * `participations` — in how many steps of one tree a contributor takes part at most, ≥ 1.
    /// * `noise_multiplier` — standard deviation of one node's noise over the clip norm, > 0.
    ///
    /// # Errors
    /// [`TreeError::Shape`] or [`TreeError::NoiseMultiplier`].
    pub fn new(
        steps: u64,
        trees: u32,
        participations: u32,
        noise_multiplier: f64,
    ) -> Result<Self, TreeError> {
        let counts =
            [("steps", steps), ("trees", trees.into()), ("participations", participations.into())];
        for (name, got) in counts {
            if !(1..=STEPS_MAX).contains(&got) {
                return Err(TreeError::Shape { name, max: STEPS_MAX, got });
            }
        }
        if !(noise_multiplier.is_finite() && noise_multiplier > 0.0) {
            return Err(TreeError::NoiseMultiplier { got: noise_multiplier });
        }
        Ok(Self { steps, trees, participations, noise_multiplier })
    }

    /// Nodes that one step is part of, at most: ⌈log2(steps + 1)⌉.
    #[must_use]
    pub const fn height(&self) -> u32 {
        u64::BITS - self.steps.leading_zeros()
    }

    /// The most that one contributor changes all nodes of all trees by in L2, in clip norms.
    ///
    /// One participation changes `height` nodes by at most 1 each; k of them by at most k√height, for they
    /// may share nodes.
    #[must_use]
    pub fn sensitivity(&self) -> f64 {
        f64::from(self.participations)
            * libm::sqrt(f64::from(self.height()) * f64::from(self.trees))
    }

    /// Returns the ε of the whole training at `delta`.
    ///
    /// All nodes together are one Gaussian release, adaptive as they are: [`Accountant::Pld`] gives its
    /// exact ε (Balle & Wang 2018), [`Accountant::Rdp`] that of the default orders.
    ///
    /// # Errors
    /// [`AccountantError`] if `delta` is outside 0..1 or the noise is beyond what is accounted for.
    pub fn epsilon(&self, delta: f64, accountant: Accountant) -> Result<f64, AccountantError> {
        let noise = self.noise_multiplier / self.sensitivity();
        let exact = gaussian_epsilon(noise, delta)?;
        match accountant {
            Accountant::Pld => Ok(exact),
            Accountant::Rdp => {
                let mut curve = RdpCurve::new(&default_orders())?;
                // A discrete Gaussian has the continuous one's RDP, and only the ratio counts.
                let std = 1.0;
                curve.add_discrete(&DiscreteMechanism::Gaussian { std, l2: std / noise }, 1)?;
                Ok(curve.epsilon(delta)?.0)
            }
        }
    }
}

/// The noise of one tree, step by step.
///
/// Keeps at most `height` vectors of `dimension` integers; they are zeroised when replaced or dropped.
pub struct TreeNoise<N> {
    noise: N,
    dimension: usize,
    steps: u64,
    taken: u64,
    /// The node of each level that the running prefix is made of; empty where its digit is 0.
    nodes: Vec<Vec<i64>>,
}

impl<N: IntegerNoise> TreeNoise<N> {
    /// Begins a tree whose nodes have noise of distribution `noise` in each of `dimension` coordinates.
    ///
    /// # Errors
    /// [`TreeError::Shape`] if there is no coordinate, or if height times dimension passes 2^28.
    pub fn new(tree: &TreeAggregation, dimension: usize, noise: N) -> Result<Self, TreeError> {
        let max = KEPT_MAX / u64::from(tree.height());
        let got = dimension as u64;
        if !(1..=max).contains(&got) {
            return Err(TreeError::Shape { name: "dimension", max, got });
        }
        let nodes = vec![Vec::new(); tree.height() as usize];
        Ok(Self { noise, dimension, steps: tree.steps, taken: 0, nodes })
    }

    /// Returns what to add to the next step's sum, `[dimension]`, so that the sum of all steps so far has
    /// the noise of its tree nodes.
    ///
    /// # Errors
    /// [`TreeError::Finished`] after the last step: begin another tree and account for it.
    pub fn next(&mut self, rng: &mut impl CryptoRng) -> Result<Vec<i64>, TreeError> {
        if self.taken >= self.steps {
            return Err(TreeError::Finished { steps: self.steps });
        }
        self.taken += 1;
        // The step completes the node of its lowest set digit, which replaces all lower ones.
        let level = self.taken.trailing_zeros() as usize;
        let mut node = vec![0; self.dimension];
        self.noise.fill(&mut node, rng);
        let mut change = node.clone();
        for lower in self.nodes.iter_mut().take(level) {
            for (value, old) in change.iter_mut().zip(lower.iter()) {
                *value -= old;
            }
            lower.zeroize();
        }
        if let Some(place) = self.nodes.get_mut(level) {
            *place = node;
        }
        Ok(change)
    }
}

impl<N> Drop for TreeNoise<N> {
    fn drop(&mut self) {
        self.nodes.zeroize();
    }
}

/// Why tree aggregation was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A count is out of range.
    #[error("{name} of a tree must be in 1..={max}, got {got}")]
    Shape {
        /// Which count.
        name: &'static str,
        /// The most allowed.
        max: u64,
        /// What was given.
        got: u64,
    },
    /// A noise multiplier is not a positive finite number.
    #[error("noise multiplier must be positive and finite, got {got}")]
    NoiseMultiplier {
        /// What was given.
        got: f64,
    },
    /// All steps were taken.
    #[error("all {steps} steps of the tree are taken")]
    Finished {
        /// How many there were.
        steps: u64,
    },
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;
    use crate::DiscreteGaussian;

    fn tree(steps: u64, noise_multiplier: f64) -> TreeAggregation {
        TreeAggregation::new(steps, 1, 1, noise_multiplier).unwrap()
    }

    #[test]
    fn dp_ftrl_has_the_reference_values() {
        // dp-accounting 0.6.0's single-epoch tree aggregation, by RDP; the paper's own bounds are looser.
        for (noise, expected, paper) in [(8.83, 1.7732, 2.04), (1.13, 18.7096, 19.74)] {
            let rdp = tree(1600, noise).epsilon(1e-6, Accountant::Rdp).unwrap();
            assert!((rdp - expected).abs() < 5e-5, "{noise}: {rdp} for {expected}");
            let exact = tree(1600, noise).epsilon(1e-6, Accountant::Pld).unwrap();
            assert!(exact < rdp && rdp < paper, "{noise}: {exact}, {rdp}, {paper}");
        }
    }

    #[test]
    fn more_trees_and_participations_cost_more() {
        let epsilon = |trees, participations| {
            let tree = TreeAggregation::new(100, trees, participations, 10.0).unwrap();
            tree.epsilon(1e-6, Accountant::Pld).unwrap()
        };
        assert!(epsilon(1, 1) < epsilon(2, 1) && epsilon(2, 1) < epsilon(1, 2));
        assert!((epsilon(4, 1) - epsilon(1, 2)).abs() < 1e-9, "twice the change, or four trees");
    }

    #[test]
    fn prefix_noise_is_that_of_its_nodes() {
        let (steps, dimension, std) = (22_u64, 20_000, 3.0);
        let mut noise =
            TreeNoise::new(&tree(steps, 1.0), dimension, DiscreteGaussian::new(std).unwrap())
                .unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(11);
        let mut prefix = vec![0_i64; dimension];
        for t in 1..=steps {
            let change = noise.next(&mut rng).unwrap();
            prefix.iter_mut().zip(&change).for_each(|(p, c)| *p += c);
            let variance =
                prefix.iter().map(|p| (*p as f64).powi(2)).sum::<f64>() / dimension as f64;
            // A sum of popcount(t) nodes; 5 deviations of a variance of 20000 draws: false alarm 6·10^-7.
            let expected = f64::from(t.count_ones()) * std * std;
            let allowed = 5.0 * expected * (2.0 / dimension as f64).sqrt();
            assert!((variance - expected).abs() < allowed, "step {t}: {variance} for {expected}");
        }
        assert_eq!(noise.next(&mut rng), Err(TreeError::Finished { steps }));
    }

    #[test]
    fn height_counts_the_nodes_above_a_step() {
        for (steps, height) in [(1, 1), (2, 2), (3, 2), (4, 3), (1023, 10), (1024, 11), (1600, 11)]
        {
            assert_eq!(tree(steps, 1.0).height(), height, "{steps} steps");
        }
    }

    #[test]
    fn bad_trees_are_refused_by_name() {
        assert!(matches!(
            TreeAggregation::new(0, 1, 1, 1.0),
            Err(TreeError::Shape { name: "steps", .. })
        ));
        assert!(matches!(TreeAggregation::new(1, 0, 1, 1.0), Err(TreeError::Shape { .. })));
        assert!(matches!(TreeAggregation::new(1, 1, 0, 1.0), Err(TreeError::Shape { .. })));
        for bad in [0.0, -1.0, f64::NAN] {
            assert!(matches!(
                TreeAggregation::new(1, 1, 1, bad),
                Err(TreeError::NoiseMultiplier { .. })
            ));
        }
        let noise = DiscreteGaussian::new(1.0).unwrap();
        assert!(TreeNoise::new(&tree(8, 1.0), 0, noise).is_err());
        assert!(
            TreeNoise::new(&tree(8, 1.0), usize::MAX, noise).is_err(),
            "refused before allocating"
        );
        assert!(tree(8, 1.0).epsilon(0.0, Accountant::Pld).is_err());
    }
}

//! SCAFFOLD's control variates in a round.
//!
//! A contributor's cᵢ changes by −c − Δᵢ/(Kᵢη), which follows from the update that it sends
//! ([`trainer_model::control_change`]). In the clear each change is computed from its update. A sealed round opens the
//! mean update alone, and all take K steps: that gives the mean change, and nothing more is uploaded or opened.
//!
//! Against whom: nobody sees cᵢ, which is a mean gradient of one contributor's rows; it stays on its device. What c gives
//! away is what the sums give away. A contributor that lies about its update lies about its control variate too.

use std::collections::BTreeMap;

use trainer_model::{ControlVariates, control_change};

/// What is known before the round.
pub(crate) struct Scaffold<'a> {
    /// c, `[parameter_count]`.
    server: &'a [f32],
    /// cᵢ of those that have one, `[parameter_count]`.
    own: &'a BTreeMap<usize, Vec<f32>>,
    /// cᵢ of the others.
    zeros: Vec<f32>,
    learning_rate: f32,
}

impl<'a> Scaffold<'a> {
    pub(crate) fn new(
        server: &'a [f32],
        own: &'a BTreeMap<usize, Vec<f32>>,
        learning_rate: f32,
    ) -> Self {
        Self { server, own, zeros: vec![0.0; server.len()], learning_rate }
    }

    /// What corrects the steps of a contributor.
    pub(crate) fn variates(&self, contributor: usize) -> ControlVariates<'_> {
        let own = self.own.get(&contributor).map_or(&self.zeros[..], Vec::as_slice);
        ControlVariates { server: self.server, own }
    }

    /// cᵢ⁺ − cᵢ of a contributor whose update counted as `delta` after `steps` steps; by linearity also the mean over
    /// contributors that took equally many, given their mean update.
    pub(crate) fn change(&self, delta: &[f32], steps: u64) -> Vec<f32> {
        control_change(self.server, delta, steps, self.learning_rate)
    }
}

/// How control variates change in a round.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct ControlChanges {
    /// Of contributors, `[parameter_count]` each.
    pub(crate) own: Vec<(usize, Vec<f32>)>,
    /// Of the server's c, the share of those who took part not yet counted in: a weighted mean,
    /// `[parameter_count]`.
    sum: Vec<f64>,
    weight: f64,
}

impl ControlChanges {
    /// Counts a contributor in.
    pub(crate) fn add(&mut self, contributor: usize, weight: f64, change: Vec<f32>) {
        self.add_mean(weight, &change);
        self.own.push((contributor, change));
    }

    /// Counts in the mean change of contributors of this weight together.
    pub(crate) fn add_mean(&mut self, weight: f64, change: &[f32]) {
        self.sum.resize(change.len(), 0.0);
        for (sum, value) in self.sum.iter_mut().zip(change) {
            *sum += weight * f64::from(*value);
        }
        self.weight += weight;
    }

    /// Changes c and every cᵢ.
    ///
    /// * `total` — the weight of all contributors there are: c ← c + |S|/N · mean of the changes.
    #[expect(clippy::cast_possible_truncation, reason = "a mean of f32 values; rounding is wanted")]
    pub(crate) fn apply(self, total: f64, server: &mut [f32], own: &mut BTreeMap<usize, Vec<f32>>) {
        for (value, sum) in server.iter_mut().zip(&self.sum) {
            *value = (f64::from(*value) + sum / total) as f32;
        }
        for (contributor, change) in self.own {
            let control = own.entry(contributor).or_insert_with(|| vec![0.0; change.len()]);
            control.iter_mut().zip(change).for_each(|(value, change)| *value += change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// c stays the mean of all cᵢ, whoever takes part, and whether changes or their mean are counted in.
    #[test]
    fn the_server_s_control_variate_stays_the_mean_of_all() {
        let (mut server, mut own) = (vec![0.0; 2], BTreeMap::new());
        let (mut server_of_mean, rate, steps) = (server.clone(), 0.5, 4);
        for (round, cohort) in [vec![0, 2, 3], vec![1, 2], vec![0, 1, 2, 3]].into_iter().enumerate()
        {
            let before = server.clone();
            let scaffold = Scaffold::new(&before, &own, rate);
            let delta = |index: usize| {
                let seed = f32::from(u8::try_from(7 * round + 3 * index).unwrap());
                vec![seed.sin(), seed.cos()]
            };
            let (mut changes, mut mean) = (ControlChanges::default(), vec![0.0; 2]);
            for index in &cohort {
                changes.add(*index, 1.0, scaffold.change(&delta(*index), steps));
                let count = f32::from(u8::try_from(cohort.len()).unwrap());
                mean.iter_mut().zip(delta(*index)).for_each(|(mean, value)| *mean += value / count);
            }
            let mut of_mean = ControlChanges::default();
            let weight = f64::from(u8::try_from(cohort.len()).unwrap());
            of_mean.add_mean(weight, &scaffold.change(&mean, steps));
            of_mean.apply(4.0, &mut server_of_mean, &mut BTreeMap::new());
            changes.apply(4.0, &mut server, &mut own);
            for at in 0..2 {
                let expected: f32 = own.values().map(|control| control[at]).sum::<f32>() / 4.0;
                assert!((server[at] - expected).abs() < 1e-6, "{} for {expected}", server[at]);
                assert!((server_of_mean[at] - expected).abs() < 1e-6);
            }
        }
        assert_eq!(own.len(), 4);
    }
}

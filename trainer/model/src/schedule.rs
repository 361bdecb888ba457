//! Which examples each step of local training takes.

use rand::{Rng, RngExt as _, seq::SliceRandom as _};

use crate::{BatchSampling, TrainingPlan};

/// The batches of a plan over a number of examples: each epoch goes through all of them in a new
/// random order, the last batch of an epoch takes what is left; or each step draws each example with
/// the same probability.
pub(crate) struct Schedule {
    order: Vec<usize>,
    /// What a step drew, with [`BatchSampling::Poisson`].
    drawn: Vec<usize>,
    sampling: BatchSampling,
    batch_size: usize,
    steps_left: u64,
    /// How much of `order` is used up, if examples were taken one after the other.
    position: usize,
}

/// One step of a [`Schedule`].
pub(crate) struct Step<'a> {
    /// The examples to take.
    pub(crate) batch: &'a [usize],
    /// Whether it is the first of an epoch.
    pub(crate) opens_epoch: bool,
}

impl Schedule {
    pub(crate) fn new(plan: &TrainingPlan, examples: usize) -> Self {
        let settings = plan.settings();
        let batch_size = usize::try_from(settings.batch_size).expect("BATCH_SIZE_MAX fits");
        let steps_left = plan.steps(examples);
        let sampling = settings.privacy.map_or(BatchSampling::Shuffled, |dp| dp.sampling);
        let order = (0..examples).collect();
        let drawn = Vec::with_capacity(examples);
        Self { order, drawn, sampling, batch_size, steps_left, position: examples }
    }

    /// The examples of the next step; draws a new order where an epoch begins.
    pub(crate) fn next(&mut self, rng: &mut impl Rng) -> Option<Step<'_>> {
        self.steps_left = self.steps_left.checked_sub(1)?;
        let opens_epoch = self.position == self.order.len();
        if opens_epoch {
            if self.sampling == BatchSampling::Shuffled {
                self.order.shuffle(rng);
            }
            self.position = 0;
        }
        let start = self.position;
        let length = self.order.len();
        if self.sampling == BatchSampling::Poisson {
            let probability = self.batch_max() as f64 / length as f64;
            self.drawn.clear();
            self.drawn.extend((0..length).filter(|_| rng.random::<f64>() < probability));
            self.position = length.min(start + self.batch_size);
            return Some(Step { batch: &self.drawn, opens_epoch });
        }
        self.position = self.order.len().min(start + self.batch_size);
        Some(Step { batch: &self.order[start..self.position], opens_epoch })
    }

    /// The examples of a step: the most, or as many as are expected.
    pub(crate) fn batch_max(&self) -> usize {
        self.batch_size.min(self.order.len())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{LocalWork, TrainingSettings};

    fn sizes(work: LocalWork, batch_size: u32, examples: usize) -> Vec<(usize, bool)> {
        let settings = TrainingSettings { work, ..TrainingSettings::sgd(1, batch_size, 0.1) };
        let mut schedule = Schedule::new(&TrainingPlan::new(settings).unwrap(), examples);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut sizes = Vec::new();
        while let Some(step) = schedule.next(&mut rng) {
            sizes.push((step.batch.len(), step.opens_epoch));
        }
        sizes
    }

    #[test]
    fn epochs_take_every_example_once_and_steps_go_on_through_epochs() {
        let epoch = [(4, true), (4, false), (2, false)];
        assert_eq!(sizes(LocalWork::Epochs(2), 4, 10), [epoch, epoch].concat());
        assert_eq!(sizes(LocalWork::Steps(4), 4, 10), [&epoch[..], &epoch[..1]].concat());
        assert_eq!(sizes(LocalWork::Epochs(2), 64, 1), [(1, true); 2]);
    }

    #[test]
    fn poisson_batches_have_the_size_on_average_and_its_variance() {
        let privacy = crate::DpSgd {
            clip_norm: 1.0,
            noise_multiplier: 1.0,
            sampling: BatchSampling::Poisson,
        };
        let settings = TrainingSettings {
            work: LocalWork::Steps(4_000),
            privacy: Some(privacy),
            ..TrainingSettings::sgd(1, 20, 0.1)
        };
        let mut schedule = Schedule::new(&TrainingPlan::new(settings).unwrap(), 100);
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let (mut sum, mut squares, mut steps) = (0.0, 0.0, 0.0);
        while let Some(step) = schedule.next(&mut rng) {
            let size = step.batch.len() as f64;
            (sum, squares, steps) = (sum + size, squares + size * size, steps + 1.0);
            assert!(step.batch.is_sorted() && step.batch.iter().all(|&row| row < 100));
        }
        let (mean, variance) = (sum / steps, squares / steps - (sum / steps).powi(2));
        // Binomial: variance 16; five standard errors of the mean, and of the variance.
        assert!((mean - 20.0).abs() < 5.0 * (16.0_f64 / 4_000.0).sqrt(), "{mean}");
        assert!((variance - 16.0).abs() < 5.0 * 16.0 * (2.0_f64 / 4_000.0).sqrt(), "{variance}");
    }

    #[test]
    fn an_epoch_is_a_permutation_and_no_two_are_alike() {
        let plan = TrainingPlan::new(TrainingSettings::sgd(2, 50, 0.1)).unwrap();
        let mut schedule = Schedule::new(&plan, 50);
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let first = schedule.next(&mut rng).unwrap().batch.to_vec();
        let second = schedule.next(&mut rng).unwrap().batch.to_vec();
        assert_ne!(first, second);
        for mut order in [first, second] {
            order.sort_unstable();
            assert_eq!(order, (0..50).collect::<Vec<_>>());
        }
    }
}

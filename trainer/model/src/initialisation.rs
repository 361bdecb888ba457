//! Parameters to start from.

use rand::{Rng, RngExt as _};
use rand_distr::{Distribution as _, StandardNormal};

use crate::{Architecture, Parameters, layout::Initial};

impl Parameters {
    /// Draws initial parameters; the same generator state gives the same parameters.
    ///
    /// As `PyTorch` starts: every weight and bias of a dense layer or a convolution is uniform in
    /// `±1/√inputs`, where `inputs` is what one unit sees (Kaiming-uniform with `a = √5`); those of
    /// recurrent units are uniform in `±1/√hidden`; embeddings are normal with variance 1. Drawn
    /// here, in the order of the layout, since burn's generator is global to the process.
    ///
    /// Source: He, Zhang, Ren & Sun 2015, "Delving Deep into Rectifiers", section 2.2; `PyTorch`,
    /// `reset_parameters` of `torch.nn.Linear`, `Conv2d`, `GRU` and `Embedding`.
    ///
    /// # Panics
    /// Never: the values are bounded.
    #[must_use]
    pub fn initial(architecture: &Architecture, rng: &mut impl Rng) -> Self {
        let mut values = Vec::with_capacity(architecture.parameter_count());
        for tensor in architecture.tensors() {
            let count = tensor.element_count();
            match tensor.initial {
                Initial::Uniform { inputs } => {
                    let bound = (inputs as f64).sqrt().recip();
                    let draw = || f32_from_draw(bound * (2.0 * rng.random::<f64>() - 1.0));
                    values.extend(std::iter::repeat_with(draw).take(count));
                }
                Initial::Normal => {
                    let draw = || f32_from_draw(StandardNormal.sample(rng));
                    values.extend(std::iter::repeat_with(draw).take(count));
                }
            }
        }
        Self::new(&architecture.layout(), values).expect("one finite value for each parameter")
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a draw lies within ±9; rounding is wanted")]
const fn f32_from_draw(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::MlpShape;

    fn initial(seed: u64) -> Parameters {
        let shape = MlpShape { inputs: 100, hidden: vec![400], classes: 10 };
        let architecture = Architecture::mlp(shape).unwrap();
        Parameters::initial(&architecture, &mut ChaCha20Rng::seed_from_u64(seed))
    }

    #[test]
    fn the_same_seed_gives_the_same_parameters() {
        assert_eq!(initial(1), initial(1));
        assert_ne!(initial(1), initial(2));
    }

    #[test]
    fn each_layer_is_uniform_within_its_bound() {
        let parameters = initial(3);
        let (first, second) = parameters.values().split_at(101 * 400);
        for (layer, bound) in [(first, 0.1_f32), (second, 0.05)] {
            assert!(layer.iter().all(|value| value.abs() <= bound));
            let rows = layer.len() as f64;
            let variance = layer.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / rows;
            let expected = f64::from(bound).powi(2) / 3.0;
            // Relative error of a variance from 4 010 draws is 0.014; four times that.
            assert!((variance / expected - 1.0).abs() < 0.06, "{variance} {expected}");
        }
    }
}

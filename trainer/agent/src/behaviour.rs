//! What a contributor does with an order.

use std::{f64::consts::TAU, fmt, str::FromStr};

use rand::{Rng, RngExt as _};
use trainer_model::Parameters;

/// What a contributor does with an order. All but [`Behaviour::Honest`] are for demonstrations and
/// tests of the value measurement: they show that those who give nothing are paid nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Trains on its examples.
    #[default]
    Honest,
    /// Sends a random direction of the length of the clip norm.
    Noise,
    /// Sends the last public global update again: the current model minus the one before; zeros
    /// until two models were seen.
    Replay,
}

/// A text that names no behaviour.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected `honest`, `noise` or `replay`, got {got:?}")]
pub struct BehaviourError {
    /// The text given.
    pub got: String,
}

impl FromStr for Behaviour {
    type Err = BehaviourError;

    fn from_str(text: &str) -> Result<Self, BehaviourError> {
        match text {
            "honest" => Ok(Self::Honest),
            "noise" => Ok(Self::Noise),
            "replay" => Ok(Self::Replay),
            _ => Err(BehaviourError { got: text.to_owned() }),
        }
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Honest => "honest",
            Self::Noise => "noise",
            Self::Replay => "replay",
        })
    }
}

/// Draws a direction uniformly and gives it the length `norm`.
///
/// Source: Muller 1959, "A note on a method for generating points uniformly on n-dimensional
/// spheres"; normal values by Box & Muller 1958.
#[expect(clippy::cast_possible_truncation, reason = "coordinates of a vector of f32")]
pub(crate) fn noise(count: usize, norm: f64, rng: &mut impl Rng) -> Vec<f32> {
    let normals: Vec<f64> = std::iter::repeat_with(|| normal(rng)).take(count).collect();
    let length = normals.iter().map(|value| value * value).sum::<f64>().sqrt();
    normals.iter().map(|value| (value * norm / length) as f32).collect()
}

fn normal(rng: &mut impl Rng) -> f64 {
    // 1 − u is in (0, 1], whose logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (TAU * rng.random::<f64>()).cos()
}

/// What a contributor that replays remembers: public models, from which it takes the last change.
#[derive(Debug, Default)]
pub(crate) struct GlobalMemory {
    model: Option<Parameters>,
    update: Option<Vec<f32>>,
}

impl GlobalMemory {
    /// Sees the model of a new order. One that did not change (the round before was aborted) leaves
    /// the last change as it is.
    pub(crate) fn observe(&mut self, model: &Parameters) {
        if let Some(before) = &self.model
            && before != model
            && let Ok(update) = model.difference(before)
        {
            self.update = Some(update);
        }
        self.model = Some(model.clone());
    }

    /// The last change, if two different models were seen.
    pub(crate) fn last_update(&self) -> Option<Vec<f32>> {
        self.update.clone()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;
    use trainer_model::{Architecture, MlpShape};

    use super::*;

    #[test]
    fn a_behaviour_is_read_back_from_its_text() {
        for behaviour in [Behaviour::Honest, Behaviour::Noise, Behaviour::Replay] {
            assert_eq!(behaviour.to_string().parse(), Ok(behaviour));
        }
        let refused = "lazy".parse::<Behaviour>().unwrap_err().to_string();
        assert_eq!(refused, "expected `honest`, `noise` or `replay`, got \"lazy\"");
    }

    #[test]
    fn noise_has_the_length_asked_for_and_no_direction() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let noise = noise(10_000, 2.0, &mut rng);
        let square: f64 = noise.iter().map(|value| f64::from(*value).powi(2)).sum();
        assert!((square.sqrt() - 2.0).abs() < 1e-5);
        // Deviation of the mean is 2/10 000 here; five of them.
        let mean = noise.iter().map(|value| f64::from(*value)).sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 1e-3, "{mean}");
    }

    #[test]
    fn the_last_change_is_remembered_and_survives_an_aborted_round() {
        let shape = MlpShape { inputs: 1, hidden: vec![], classes: 2 };
        let layout = Architecture::mlp(shape).unwrap().layout();
        let model = |value| Parameters::new(&layout, vec![value; 4]).unwrap();
        let mut memory = GlobalMemory::default();
        memory.observe(&model(1.0));
        assert_eq!(memory.last_update(), None);
        memory.observe(&model(1.5));
        memory.observe(&model(1.5));
        assert_eq!(memory.last_update(), Some(vec![0.5; 4]));
    }
}

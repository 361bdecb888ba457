//! A federation's terms, as the trainer prints them.

use datasets::Standardiser;
use serde::Deserialize;

/// What a federation asks of a contributor: the part of its terms that a person agrees to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Terms {
    /// The digest of all of them: the federation's id.
    pub digest: String,
    /// The federation's name.
    pub name: String,
    /// What the model is for.
    pub purpose: String,
    /// How updates are sealed: `mpc`, `mpc-verified` or `fhe`.
    pub seal: String,
    /// Keys of the aggregators.
    pub aggregators: Vec<String>,
    /// How many custodians hold parts of the keys, in FHE mode.
    pub custodians: Option<u32>,
    /// How many of them it takes.
    pub custodian_threshold: Option<u32>,
    /// Numbers in the model.
    pub parameters: u64,
    /// The noise that hides each contributor; none without differential privacy.
    pub noise: Option<Noise>,
    /// Columns that the model learns from.
    pub features: Vec<String>,
    /// The column that it learns to tell.
    pub label: String,
    /// What is told apart.
    pub classes: Vec<String>,
    /// The federation's public mean of each column; none: not told.
    #[serde(default)]
    pub mean: Vec<f64>,
    /// And its deviation.
    #[serde(default)]
    pub deviation: Vec<f64>,
    /// The rule by which rounds are of those who are done, as the command line spells it; none: a round is of everybody at
    /// the same time.
    #[serde(default)]
    pub buffer: Option<String>,
    /// Into how many groups a round's contributors are dealt; none: there is one sum.
    #[serde(default)]
    pub groups: Option<u32>,
    /// The rule over the groups' means, as the command line spells it.
    #[serde(default)]
    pub robust: Option<String>,
    /// How many rounds there are.
    pub rounds: u64,
    /// Fewest contributors of a round.
    pub minimum_cohort: u32,
}

/// Noise of differential privacy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Noise {
    /// The noise multiplier.
    pub multiplier: f64,
    /// How many honest contributors the guarantee counts on.
    pub honest_minimum: u32,
    /// The probability with which the guarantee may fail.
    pub delta: f64,
}

/// Training at one's own pace: a round is of those whose updates wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnPace {
    /// Updates that wait until they are summed.
    pub buffer: u64,
    /// Updates that were trained from a model so many versions old are thrown away.
    pub stale_max: u64,
}

impl OwnPace {
    /// Reads the rule as the command line spells it: `fedbuff:buffer=6,exponent=0.5,stale=20`.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let (_, options) = text.split_once(':')?;
        let number = |name: &str| {
            let mut options = options.split(',').filter_map(|option| option.split_once('='));
            options.find(|(known, _)| *known == name)?.1.parse().ok()
        };
        Some(Self { buffer: number("buffer")?, stale_max: number("stale")? })
    }
}

impl Terms {
    /// Whether members train at their own pace, and how.
    #[must_use]
    pub fn own_pace(&self) -> Option<OwnPace> {
        OwnPace::of(self.buffer.as_deref()?)
    }

    /// The federation's public scale, if it is told for each column.
    #[must_use]
    pub fn scale(&self) -> Option<Standardiser> {
        #[expect(clippy::cast_possible_truncation, reason = "what overflows is refused next")]
        let singles = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<_>>();
        let scale = Standardiser::new(singles(&self.mean), singles(&self.deviation)).ok()?;
        (scale.mean().len() == self.features.len()).then_some(scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_as_the_trainer_prints_them() {
        let text = include_str!("../tests/terms.json");
        let terms: Terms = serde_json::from_str(text).unwrap();
        assert_eq!((terms.name.as_str(), terms.features.len()), ("wine", 11));
        assert_eq!((terms.noise.clone(), terms.own_pace()), (None, None));
        let buffer = Some("fedbuff:buffer=6,exponent=0.5,stale=20".to_owned());
        let pace = Terms { buffer, ..terms }.own_pace();
        assert_eq!(pace, Some(OwnPace { buffer: 6, stale_max: 20 }));
    }
}

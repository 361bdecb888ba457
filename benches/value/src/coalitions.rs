//! The loss of every coalition's model, fast: of an MLP with one hidden layer, the hidden layer's inputs are linear
//! in the parameters, so that those of each update are computed once and coalitions add them up.

use anyhow::ensure;
use data_dao_value::{Coalition, WorthTable};
use trainer_model::{Architecture, ComputeDevice, Examples, Parameters, evaluate};

/// Largest difference of losses from those of `trainer_model::evaluate`: both are f32 inside.
const AGREEMENT: f64 = 1e-5;

/// The game of a round.
pub(crate) struct RoundGame<'a> {
    pub(crate) architecture: &'a Architecture,
    pub(crate) model: &'a Parameters,
    pub(crate) updates: &'a [Vec<f32>],
    pub(crate) validation: &'a Examples,
}

/// Hidden inputs, output weights and output biases: of a model, or of a change to it.
#[derive(Clone)]
struct Part {
    /// `[rows, hidden]`.
    hidden: Vec<f32>,
    /// `[hidden · classes + classes]`.
    output: Vec<f32>,
}

impl RoundGame<'_> {
    /// U(S) for all S, and a few of them checked against the model's own evaluation.
    pub(crate) fn table(&self) -> anyhow::Result<WorthTable> {
        let players = self.updates.len();
        let share = 1.0 / f32::from(u16::try_from(players)?);
        let start = self.part(self.model.values(), 1.0)?;
        let parts: Vec<Part> =
            self.updates.iter().map(|update| self.part(update, share)).collect::<Result<_, _>>()?;
        // Half of the players summed once for each of their coalitions: then each coalition is two sums.
        let mut worths = vec![0.0; 1 << players];
        self.walk(&parts, players, start, 0, &mut worths);
        let table = WorthTable::new(players, worths)?;
        self.check(&table)?;
        Ok(table)
    }

    /// Evaluates all coalitions of the first `left` players added to `part`.
    fn walk(&self, parts: &[Part], left: usize, part: Part, coalition: usize, worths: &mut [f64]) {
        let Some(player) = left.checked_sub(1) else {
            worths[coalition] = -self.loss(&part);
            return;
        };
        let mut with = part.clone();
        with.add(&parts[player]);
        self.walk(parts, player, part, coalition, worths);
        self.walk(parts, player, with, coalition | 1 << player, worths);
    }

    fn part(&self, flat: &[f32], share: f32) -> anyhow::Result<Part> {
        let layout = self.architecture.layout();
        let [weight, bias, ..] = layout.entries() else { anyhow::bail!("one hidden layer") };
        let (inputs, hidden) = (weight.shape[0], weight.shape[1]);
        ensure!(layout.entries().len() == 4, "one hidden layer");
        let (weights, biases) = (&flat[..inputs * hidden], &flat[bias.offset..][..hidden]);
        let mut of_rows = Vec::new();
        for row in self.validation.features().values().chunks_exact(inputs) {
            let mut sums = biases.to_vec();
            for (value, weights) in row.iter().zip(weights.chunks_exact(hidden)) {
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            }
            of_rows.extend(sums.into_iter().map(|sum| sum * share));
        }
        let output = flat[bias.offset + hidden..].iter().map(|value| value * share).collect();
        Ok(Part { hidden: of_rows, output })
    }

    fn loss(&self, part: &Part) -> f64 {
        let classes = self.validation.classes();
        let hidden = part.output.len() / classes - 1;
        let (weights, biases) = part.output.split_at(hidden * classes);
        let mut outputs = vec![0.0_f32; classes];
        let mut loss = 0.0;
        for (inputs, label) in part.hidden.chunks_exact(hidden).zip(self.validation.labels()) {
            outputs.copy_from_slice(biases);
            for (input, weights) in inputs.iter().zip(weights.chunks_exact(classes)) {
                let input = input.max(0.0);
                outputs.iter_mut().zip(weights).for_each(|(out, weight)| *out += input * weight);
            }
            let most = outputs.iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = outputs.iter().map(|output| (output - most).exp()).sum();
            loss += f64::from(sum.ln()) + f64::from(most) - f64::from(outputs[*label]);
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
        let rows = self.validation.count() as f64;
        loss / rows
    }

    fn check(&self, table: &WorthTable) -> anyhow::Result<()> {
        let players = self.updates.len();
        for coalition in [0, 1, (1 << players) - 1, 0b1010_0110 % (1 << players)].map(Coalition) {
            let mut at: Vec<f64> = self.model.values().iter().map(|v| f64::from(*v)).collect();
            for player in coalition.players() {
                #[expect(clippy::cast_precision_loss, reason = "a count of players")]
                let share = 1.0 / players as f64;
                at.iter_mut()
                    .zip(&self.updates[player])
                    .for_each(|(a, u)| *a += share * f64::from(*u));
            }
            #[expect(clippy::cast_possible_truncation, reason = "parameters; rounding is wanted")]
            let at = at.into_iter().map(|value| value as f32).collect();
            let at = Parameters::new(&self.architecture.layout(), at)?;
            let cpu = ComputeDevice::cpu();
            let exact = -evaluate(&cpu, self.architecture, &at, self.validation)?.loss;
            let got = table.worth(coalition);
            ensure!((got - exact).abs() < AGREEMENT, "{got} beside {exact} of {coalition}");
        }
        Ok(())
    }
}

impl Part {
    fn add(&mut self, other: &Self) {
        let sums = self.hidden.iter_mut().chain(&mut self.output);
        let changes = other.hidden.iter().chain(&other.output);
        sums.zip(changes).for_each(|(sum, change)| *sum += change);
    }
}

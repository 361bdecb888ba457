//! A sealed round, played again in the clear: what an oracle says beside what is paid.

use std::mem;

use super::super::{
    args::Weighting,
    learning::TrainingRound,
    oracle::{OracleValues, RoundGame},
    plan::Plan,
    population::Contributor,
    sealed_round::Collected,
    terms::weight,
};
use crate::measure::Evaluator;

/// A sealed round that is played again in the clear, for an oracle.
pub(super) struct Played<'a> {
    plan: &'a Plan,
    population: &'a [Contributor],
    clear: Vec<(usize, Vec<f32>)>,
}

impl<'a> Played<'a> {
    /// None where no oracle is asked for.
    pub(super) fn of(
        plan: &'a Plan,
        population: &'a [Contributor],
        collected: &mut Collected,
    ) -> Option<Self> {
        let clear = mem::take(&mut collected.clear);
        plan.value.plays_game().then_some(Self { plan, population, clear })
    }

    /// The value of each contribution by contributor, and what there is to say about the round.
    ///
    /// * `remark` — what there was to say before, which comes first.
    #[expect(clippy::type_complexity, reason = "values as the rounds of both engines have them")]
    pub(super) fn values(
        self,
        training: &TrainingRound<'_>,
        evaluator: &Evaluator,
        remark: Option<String>,
    ) -> anyhow::Result<(Vec<(usize, Option<f64>)>, Option<String>)> {
        let most = self.population.iter().map(|c| c.rows.len()).max().unwrap_or(1);
        let weight_of = |index: usize| match self.plan.weighting {
            Weighting::Samples => f64::from(weight(self.population[index].rows.len(), most).get()),
            Weighting::Uniform => 1.0,
        };
        let (indices, updates): (Vec<usize>, Vec<Vec<f32>>) = self.clear.into_iter().unzip();
        let weights: Vec<f64> = indices.iter().map(|index| weight_of(*index)).collect();
        let game = RoundGame { training, evaluator, updates: &updates, weights: &weights };
        let OracleValues { values, remark: doubt } = game.values(self.plan.value)?;
        let values = indices.into_iter().zip(values.into_iter().map(Some));
        Ok((values.collect(), remark.or(doubt)))
    }
}

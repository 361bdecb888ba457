//! The worth of contributions by the games that the probe approximates: models of coalitions of the same round,
//! evaluated on the validation set. Only a simulation can: whoever has these models has seen the updates.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, bail, ensure};
use data_dao_value::{
    Coalition, Convergence, ENUMERATION_PLAYERS_MAX, Permutation, TruncatedMonteCarlo,
    TruncationSettings, WorthTable, leave_one_out, shapley,
};
use trainer_model::Parameters;

use super::{
    args::ValueKind,
    learning::TrainingRound,
    parallel::in_order,
    seeds::{Purpose, generator},
};
use crate::measure::Evaluator;

/// Orders that are walked before convergence is looked at again: the same at any number of threads.
const BATCH: usize = 16;
/// Coalitions whose worth is remembered while orders are walked: all of 16 contributors.
const REMEMBERED_MAX: usize = 1 << 16;

/// The game of a round: `U(S) = L(w) − L(w + Σ_{i∈S} g_i Δ_i)` on the validation set, with the weights g that
/// contributions have in the round's mean, whoever is in S. The probe is its Aumann–Shapley value.
pub(crate) struct RoundGame<'a> {
    pub(crate) training: &'a TrainingRound<'a>,
    pub(crate) evaluator: &'a Evaluator,
    /// As they enter the mean, each `[parameter_count]`.
    pub(crate) updates: &'a [Vec<f32>],
    /// What each weighs in the mean, relative to the others.
    pub(crate) weights: &'a [f64],
}

/// What contributions were worth, and what there is to say about it.
pub(crate) struct OracleValues {
    /// Loss that each took off, in the order of the updates.
    pub(crate) values: Vec<f64>,
    /// Set if an estimate is less exact than it should be.
    pub(crate) remark: Option<String>,
}

impl RoundGame<'_> {
    /// The value of each contribution.
    ///
    /// # Errors
    /// Methods that need no game, too many contributors, a coalition's model that diverges.
    pub(crate) fn values(&self, kind: ValueKind) -> anyhow::Result<OracleValues> {
        match kind {
            ValueKind::Shapley => self.shapley(),
            ValueKind::Tmc => self.truncated_monte_carlo(),
            ValueKind::Loo => self.leave_one_out(),
            ValueKind::None | ValueKind::Probe => bail!("no game is played for this value"),
        }
    }

    fn shapley(&self) -> anyhow::Result<OracleValues> {
        let players = self.updates.len();
        ensure!(
            players <= ENUMERATION_PLAYERS_MAX,
            "--value shapley enumerates the coalitions of at most {ENUMERATION_PLAYERS_MAX} contributors, the round has {players}: use --value tmc"
        );
        let coalitions: Vec<Coalition> = (0..1 << players).map(Coalition).collect();
        let worths = self.worths(&coalitions)?;
        let values = shapley(&WorthTable::new(players, worths)?);
        Ok(OracleValues { values, remark: None })
    }

    fn leave_one_out(&self) -> anyhow::Result<OracleValues> {
        let players = self.updates.len();
        let all = Coalition::grand(players);
        let mut coalitions: Vec<Coalition> =
            (0..players).map(|player| all.without(player)).collect();
        coalitions.push(all);
        let worths = self.worths(&coalitions)?;
        let known: BTreeMap<Coalition, f64> = coalitions.into_iter().zip(worths).collect();
        let worth = |coalition| known.get(&coalition).copied().context("not evaluated");
        let values = leave_one_out(players, worth).map_err(said)?;
        Ok(OracleValues { values, remark: None })
    }

    fn truncated_monte_carlo(&self) -> anyhow::Result<OracleValues> {
        let players = self.updates.len();
        let ends = self.worths(&[Coalition::EMPTY, Coalition::grand(players)])?;
        let ends = [ends[0], ends[1]];
        let settings = TruncationSettings::default();
        let mut estimator =
            TruncatedMonteCarlo::new::<anyhow::Error>(players, settings, ends).map_err(said)?;
        let round = self.training.round;
        let mut rng = generator(self.training.trainer.seed, Purpose::Valuation, &[round]);
        let known = Mutex::new(BTreeMap::new());
        while !estimator.is_done() {
            let orders: Vec<Permutation> =
                (0..BATCH).map(|_| estimator.permutation(&mut rng)).collect();
            let walk = |order: &Permutation| {
                estimator.walk(order, |coalition| self.remembered(coalition, &known))
            };
            let mut walks = Vec::new();
            in_order(self.training.threads, &orders, walk, |walk| {
                walks.push(walk.map_err(said)?);
                anyhow::Ok(())
            })?;
            walks.iter().for_each(|walk| estimator.add(walk));
        }
        let estimate = estimator.estimate();
        let remark = (estimate.convergence == Convergence::NotReached).then(|| {
            let error = estimate.standard_errors.iter().fold(0.0, |a: f64, b| a.max(*b));
            format!(
                "values are uncertain by up to {error:.2e} after {} orders",
                estimate.permutations
            )
        });
        Ok(OracleValues { values: estimate.values, remark })
    }

    /// The worth of each of these coalitions, on all threads.
    fn worths(&self, coalitions: &[Coalition]) -> anyhow::Result<Vec<f64>> {
        let mut worths = Vec::with_capacity(coalitions.len());
        in_order(
            self.training.threads,
            coalitions,
            |coalition| self.worth(*coalition),
            |worth| {
                worths.push(worth?);
                anyhow::Ok(())
            },
        )?;
        Ok(worths)
    }

    /// As [`Self::worth`], remembering what was computed: the same number, sooner.
    fn remembered(
        &self,
        coalition: Coalition,
        known: &Mutex<BTreeMap<Coalition, f64>>,
    ) -> anyhow::Result<f64> {
        let get = || known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worth) = get().get(&coalition) {
            return Ok(*worth);
        }
        let worth = self.worth(coalition)?;
        let mut known = get();
        if known.len() < REMEMBERED_MAX {
            known.insert(coalition, worth);
        }
        Ok(worth)
    }

    /// Minus the validation loss of a coalition's model.
    fn worth(&self, coalition: Coalition) -> anyhow::Result<f64> {
        let total: f64 = self.weights.iter().sum();
        let start = self.training.model.values();
        let mut at: Vec<f64> = start.iter().map(|value| f64::from(*value)).collect();
        for player in coalition.players() {
            let share = self.weights[player] / total;
            for (at, change) in at.iter_mut().zip(&self.updates[player]) {
                *at += share * f64::from(*change);
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "parameters of a model; rounding is wanted"
        )]
        let at = at.into_iter().map(|value| value as f32).collect();
        let diverged = || format!("the model of coalition {coalition}");
        let at =
            Parameters::new(&self.evaluator.architecture().layout(), at).with_context(diverged)?;
        Ok(-self.evaluator.validate(&at).with_context(diverged)?.loss)
    }
}

/// What a game fails with, in the words of what failed.
fn said(error: data_dao_value::GameError<anyhow::Error>) -> anyhow::Error {
    match error {
        data_dao_value::GameError::Worth { source, .. } => source,
        other => anyhow::anyhow!("{other}"),
    }
}

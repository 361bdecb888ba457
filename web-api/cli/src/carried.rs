//! What goes on from round to round, and what begins anew when members voted for other terms.
//!
//! The DAO node and whoever recomputes it follow the same rule: what the former terms left is carried on where the new ones
//! say the same about it, and is begun anew where they do not. Else a vote for another optimiser would change nothing.

use aggregator_strategy::{EarlyStopping, OptimizerError, OptimizerState, ServerOptimizer};

use crate::stopping::Stopping;

/// The server's optimiser for the next round.
///
/// * `optimizer`, `dimension` — what the terms ask for, and how many parameters are shared.
/// * `before` — as the last settled round left it.
///
/// # Errors
/// [`OptimizerError::ParameterCount`].
pub(crate) fn optimizer_under(
    (optimizer, dimension): (ServerOptimizer, usize),
    before: Option<OptimizerState>,
) -> Result<OptimizerState, OptimizerError> {
    let same = |state: &OptimizerState| {
        *state.optimizer() == optimizer && state.parameter_count() == dimension
    };
    match before.filter(same) {
        Some(state) => Ok(state),
        None => OptimizerState::new(optimizer, dimension),
    }
}

/// Early stopping for the next round, where the terms ask for it by `settings`.
pub(crate) fn stopping_under(
    settings: Option<EarlyStopping>,
    before: Option<Stopping>,
) -> Option<Stopping> {
    let settings = settings?;
    let same = before.filter(|before| before.has_settings(&settings));
    Some(same.unwrap_or_else(|| Stopping::new(settings)))
}

/// The past mean updates that an innovation can be held against: of as many parameters as are shared now.
pub(crate) fn past_under(dimension: usize, past: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    past.into_iter().filter(|update| update.len() == dimension).collect()
}

#[cfg(test)]
mod tests {
    use trainer_model::Evaluation;

    use super::*;

    #[test]
    fn the_moments_of_an_optimiser_are_carried_on_and_another_one_begins_anew() {
        let momentum: ServerOptimizer = "fedavgm:momentum=0.9".parse().unwrap();
        let mut state = optimizer_under((momentum, 2), None).unwrap();
        state.step(&[0.0, 0.0], &[1.0, -1.0]).unwrap();
        let carried = optimizer_under((momentum, 2), Some(state.clone())).unwrap();
        assert_eq!(carried, state);
        assert_eq!(carried.steps(), 1);
        let other: ServerOptimizer = "fedavgm:momentum=0.5".parse().unwrap();
        for voted in [(other, 2), (ServerOptimizer::FED_AVG, 2), (momentum, 3)] {
            let anew = optimizer_under(voted, Some(state.clone())).unwrap();
            assert_eq!(
                (anew.steps(), *anew.optimizer(), anew.parameter_count()),
                (0, voted.0, voted.1)
            );
        }
    }

    #[test]
    fn patience_is_carried_on_and_another_criterion_begins_anew() {
        let settings: EarlyStopping = "loss:patience=2".parse().unwrap();
        let mut stopping = stopping_under(Some(settings), None).unwrap();
        let validated = Evaluation { loss: 0.5, accuracy: 0.5, correct: 1, examples: 2 };
        stopping.observe(4, &validated).unwrap();
        let carried = stopping_under(Some(settings), Some(stopping.clone())).unwrap();
        assert_eq!(carried, stopping);
        let other: EarlyStopping = "loss:patience=3".parse().unwrap();
        let anew = stopping_under(Some(other), Some(stopping.clone())).unwrap();
        assert_eq!(anew.best_round(), None);
        assert_eq!(stopping_under(None, Some(stopping)), None);
    }

    #[test]
    fn past_updates_of_another_length_are_not_held_against_anybody() {
        assert_eq!(past_under(2, vec![vec![1.0, 2.0], vec![1.0]]), [[1.0, 2.0]]);
    }
}

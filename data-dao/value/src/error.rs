//! Why a game has no values.

use crate::{Coalition, SettingsError};

/// Largest size of a worth: squares of differences, summed over more orders than can be walked, stay
/// finite.
pub const WORTH_MAX: f64 = 1e150;

/// Why a game has no values. `E` is what the worth of a coalition fails with.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GameError<E> {
    /// More players than the method takes.
    #[error("{got} players, at most {max} are taken by this method")]
    PlayersTooMany {
        /// Most players.
        max: usize,
        /// Players of the game.
        got: usize,
    },
    /// A table of another size than 2ⁿ.
    #[error("{got} worths for {players} players, expected {expected}")]
    WorthCount {
        /// Players of the game.
        players: usize,
        /// 2ⁿ.
        expected: usize,
        /// Worths given.
        got: usize,
    },
    /// The settings of a sampler make no sense.
    #[error("the estimator's settings make no sense")]
    Settings(#[from] SettingsError),
    /// The worth of a coalition is NaN, infinite, or beyond [`WORTH_MAX`].
    #[error(
        "the worth of coalition {coalition} is {worth}: a number of size 1e150 or less is needed"
    )]
    NotFinite {
        /// Which coalition.
        coalition: Coalition,
        /// What was given.
        worth: f64,
    },
    /// The worth of a coalition could not be computed.
    #[error("the worth of coalition {coalition} cannot be computed")]
    Worth {
        /// Which coalition.
        coalition: Coalition,
        /// Why.
        #[source]
        source: E,
    },
}

/// `worth`, if it is a number.
pub(crate) fn finite<E>(coalition: Coalition, worth: Result<f64, E>) -> Result<f64, GameError<E>> {
    match worth {
        Ok(worth) if worth.abs() <= WORTH_MAX => Ok(worth),
        Ok(worth) => Err(GameError::NotFinite { coalition, worth }),
        Err(source) => Err(GameError::Worth { coalition, source }),
    }
}

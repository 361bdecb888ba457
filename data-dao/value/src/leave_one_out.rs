//! Leave-one-out: what is lost without a player.

use crate::{Coalition, GameError, PLAYERS_MAX, error::finite};

/// v(N) − v(N ∖ i) for each player, with n + 1 evaluations.
///
/// Not a fair value: of two players with the same data each is worth next to nothing. It is here as
/// the baseline that it is in the literature (Cook 1977, "Detection of Influential Observation").
///
/// Returns `[players]`.
///
/// # Errors
/// [`GameError::PlayersTooMany`] above [`PLAYERS_MAX`], [`GameError::NotFinite`], [`GameError::Worth`].
pub fn leave_one_out<E>(
    players: usize,
    mut worth: impl FnMut(Coalition) -> Result<f64, E>,
) -> Result<Vec<f64>, GameError<E>> {
    if players > PLAYERS_MAX {
        return Err(GameError::PlayersTooMany { max: PLAYERS_MAX, got: players });
    }
    if players == 0 {
        return Ok(Vec::new());
    }
    let all = Coalition::grand(players);
    let mut worth = |coalition| finite(coalition, worth(coalition));
    let whole = worth(all)?;
    (0..players).map(|player| Ok(whole - worth(all.without(player))?)).collect()
}

//! The worth of every coalition of a small game.

use std::convert::Infallible;

use crate::{Coalition, GameError, error::finite};

/// Most players of a game whose coalitions are enumerated: 65 536 of them. Models are evaluated for
/// each in `sahakar simulate`, and one player more doubles the time.
pub const ENUMERATION_PLAYERS_MAX: usize = 16;

/// The worth of each of the 2ⁿ coalitions of n ≤ [`ENUMERATION_PLAYERS_MAX`] players: all of them, and
/// all finite.
///
/// v(∅) need not be 0: values share out v(N) − v(∅).
#[derive(Debug, Clone, PartialEq)]
pub struct WorthTable {
    players: usize,
    /// `[2ⁿ]`, in the order of the coalitions' numbers.
    worths: Vec<f64>,
}

impl WorthTable {
    /// The table of these worths.
    ///
    /// * `worths` — `[2^players]`, in the order of the coalitions' numbers ([`Coalition`]).
    ///
    /// # Errors
    /// [`GameError::PlayersTooMany`], [`GameError::WorthCount`], [`GameError::NotFinite`].
    pub fn new(players: usize, worths: Vec<f64>) -> Result<Self, GameError<Infallible>> {
        let expected = coalition_count(players)?;
        if worths.len() != expected {
            return Err(GameError::WorthCount { players, expected, got: worths.len() });
        }
        for (coalition, worth) in (0..).map(Coalition).zip(&worths) {
            finite(coalition, Ok(*worth))?;
        }
        Ok(Self { players, worths })
    }

    /// Evaluates each coalition of `players` players once, in the order of their numbers.
    ///
    /// # Errors
    /// [`GameError::PlayersTooMany`] before anything is evaluated, [`GameError::NotFinite`], and
    /// [`GameError::Worth`] with what `worth` fails with.
    pub fn evaluate<E>(
        players: usize,
        mut worth: impl FnMut(Coalition) -> Result<f64, E>,
    ) -> Result<Self, GameError<E>> {
        let count = coalition_count(players)?;
        let coalitions = (0..).map(Coalition).take(count);
        let worths = coalitions.map(|coalition| finite(coalition, worth(coalition)));
        Ok(Self { players, worths: worths.collect::<Result<_, _>>()? })
    }

    /// How many players there are.
    #[must_use]
    pub const fn players(&self) -> usize {
        self.players
    }

    /// The worth of a coalition of these players; players beyond them do not count.
    ///
    /// # Panics
    /// Never: the table is whole.
    #[must_use]
    pub fn worth(&self, coalition: Coalition) -> f64 {
        let known = coalition.0 & Coalition::grand(self.players).0;
        self.worths[usize::try_from(known).expect("at most 2^16 coalitions")]
    }

    /// v(N) − v(∅): what the players win together.
    #[must_use]
    pub fn gain(&self) -> f64 {
        self.worth(Coalition::grand(self.players)) - self.worth(Coalition::EMPTY)
    }

    /// Coalitions without `player`, ascending.
    pub(crate) fn without(&self, player: usize) -> impl Iterator<Item = Coalition> {
        let coalitions = (0..).map(Coalition).take(self.worths.len());
        coalitions.filter(move |coalition| !coalition.contains(player))
    }

    /// What `player` adds to `coalition`, in which it is not.
    pub(crate) fn marginal(&self, coalition: Coalition, player: usize) -> f64 {
        self.worth(coalition.with(player)) - self.worth(coalition)
    }
}

const fn coalition_count<E>(players: usize) -> Result<usize, GameError<E>> {
    if players > ENUMERATION_PLAYERS_MAX {
        return Err(GameError::PlayersTooMany { max: ENUMERATION_PLAYERS_MAX, got: players });
    }
    Ok(1 << players)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_coalition_is_evaluated_once_in_order() {
        let mut seen = Vec::new();
        let table = WorthTable::evaluate(4, |coalition| {
            seen.push(coalition.0);
            Ok::<_, Infallible>(0.5)
        });
        assert_eq!(seen, (0..16).collect::<Vec<_>>());
        assert!(table.unwrap().gain().abs() < f64::EPSILON);
    }

    #[test]
    fn too_many_players_are_refused_before_anything_is_evaluated() {
        let refused = WorthTable::evaluate(17, |_| -> Result<f64, Infallible> {
            panic!("evaluated");
        });
        assert_eq!(refused, Err(GameError::PlayersTooMany { max: 16, got: 17 }));
    }

    #[test]
    fn worths_that_are_no_numbers_are_refused_by_name() {
        for worth in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2e150, f64::MIN] {
            let refused = WorthTable::new(1, vec![0.0, worth]).unwrap_err();
            assert!(
                matches!(refused, GameError::NotFinite { coalition: Coalition(1), .. }),
                "{refused}"
            );
        }
        assert_eq!(
            WorthTable::new(2, vec![0.0; 3]),
            Err(GameError::WorthCount { players: 2, expected: 4, got: 3 })
        );
    }

    #[test]
    fn what_the_worth_fails_with_is_passed_on() {
        let failed = WorthTable::evaluate(2, |coalition| match coalition.0 {
            2 => Err("no model"),
            _ => Ok(0.0),
        });
        let expected = GameError::Worth { coalition: Coalition(2), source: "no model" };
        assert_eq!(failed, Err(expected));
    }
}

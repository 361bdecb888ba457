//! A set of players.

use std::fmt;

/// Most players of a game: a coalition is one number of 128 bits.
pub const PLAYERS_MAX: usize = 128;

/// A set of players, as the bits of a number: bit i is set iff player i (0-based) is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Coalition(pub u128);

impl Coalition {
    /// Nobody.
    pub const EMPTY: Self = Self(0);

    /// All of `players` players, at most [`PLAYERS_MAX`].
    #[must_use]
    pub const fn grand(players: usize) -> Self {
        if players >= PLAYERS_MAX { Self(u128::MAX) } else { Self((1 << players) - 1) }
    }

    /// Tells whether `player`, below [`PLAYERS_MAX`], is in it.
    #[must_use]
    pub const fn contains(self, player: usize) -> bool {
        self.0 >> player & 1 == 1
    }

    /// With `player`, below [`PLAYERS_MAX`].
    #[must_use]
    pub const fn with(self, player: usize) -> Self {
        Self(self.0 | 1 << player)
    }

    /// Without `player`, below [`PLAYERS_MAX`].
    #[must_use]
    pub const fn without(self, player: usize) -> Self {
        Self(self.0 & !(1 << player))
    }

    /// How many are in it.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Tells whether nobody is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Who is in it, ascending.
    pub fn players(self) -> impl Iterator<Item = usize> {
        (0..PLAYERS_MAX).filter(move |player| self.contains(*player))
    }
}

/// The number, and who is in it, from 0.
impl fmt::Display for Coalition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let players: Vec<String> = self.players().map(|player| player.to_string()).collect();
        write!(f, "{} {{{}}}", self.0, players.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coalition_is_the_set_of_its_bits() {
        let coalition = Coalition(0b101);
        assert_eq!(coalition.players().collect::<Vec<_>>(), [0, 2]);
        assert_eq!((coalition.len(), coalition.is_empty()), (2, false));
        assert_eq!(coalition.with(1), Coalition::grand(3));
        assert_eq!(coalition.without(2).without(0), Coalition::EMPTY);
        assert_eq!(coalition.to_string(), "5 {0, 2}");
        assert_eq!(Coalition::grand(128).len(), 128);
        assert_eq!(Coalition::grand(0), Coalition::EMPTY);
    }
}

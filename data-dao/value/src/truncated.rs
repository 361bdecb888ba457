//! Shapley values from a sample of orders, each walked only as far as it pays.

use rand::{CryptoRng, seq::SliceRandom as _};

use crate::{Coalition, GameError, PLAYERS_MAX, error::finite};

/// An order in which the players come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permutation(Vec<usize>);

/// How far orders are walked, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TruncationSettings {
    /// An order is cut off where |v(N) − v(S)| is at most this share of |v(N) − v(∅)|; players after
    /// it are taken to add nothing. 0: never, and the estimate is unbiased. Below 1.
    ///
    /// The players after the cut together add less than that in this order, so that the values' sum
    /// is off by no more; a single one of them may be off by more, where others make up for it.
    pub truncation: f64,
    /// Converged once the largest standard error of a value is at most this share of the largest
    /// value's size. Above 0.
    pub tolerance: f64,
    /// Fewest orders: before, standard errors mean little. At least 2.
    pub permutations_min: u32,
    /// Most orders: an estimate that has not converged by then says so.
    pub permutations_max: u32,
}

impl Default for TruncationSettings {
    /// The truncation of Ghorbani & Zou's experiments is a tolerance on the worth of like size; 5 % is
    /// their bound on the change of the estimate, here on its standard error.
    fn default() -> Self {
        Self { truncation: 0.01, tolerance: 0.05, permutations_min: 64, permutations_max: 4096 }
    }
}

/// Why settings are refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The truncation is no share.
    #[error("a truncation of {got}, expected 0 or more and below 1")]
    Truncation {
        /// What was given.
        got: f64,
    },
    /// The tolerance is not above 0.
    #[error("a tolerance of {got}, expected a number above 0")]
    Tolerance {
        /// What was given.
        got: f64,
    },
    /// No standard error can be had.
    #[error("at least {min} and at most {max} orders, expected 2 or more, in this order")]
    Permutations {
        /// Fewest orders.
        min: u32,
        /// Most orders.
        max: u32,
    },
}

/// What walking one order gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    /// What each player added, `[players]`; 0 after the cut.
    marginals: Vec<f64>,
    /// How many coalitions were evaluated.
    evaluated: u64,
}

/// Whether an estimate is as exact as was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convergence {
    /// The largest standard error is within the tolerance.
    Reached,
    /// The orders were used up before.
    NotReached,
}

/// An estimate of Shapley values.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The mean marginals, `[players]`. They sum to v(N) − v(∅) up to the truncation.
    pub values: Vec<f64>,
    /// Standard errors of the means, `[players]`, over orders as independent draws. As the number of
    /// orders depends on them, they are slightly too small.
    pub standard_errors: Vec<f64>,
    /// How many orders were walked.
    pub permutations: u32,
    /// How many coalitions were evaluated, repeated ones counted again; v(∅) and v(N) once.
    pub evaluations: u64,
    /// Whether the tolerance was reached.
    pub convergence: Convergence,
}

/// The estimator: it draws orders, takes in walks, and says when it is done.
///
/// Walks may be computed elsewhere and at the same time; add them in the order in which their
/// permutations were drawn, and the bits do not depend on who computed them.
///
/// Source: Ghorbani & Zou 2019, "Data Shapley: Equitable Valuation of Data for Machine Learning",
/// Algorithm 1. Their criterion, that values change by less than 5 % over 100 orders, divides by each
/// value, and so never holds for one that is 0; ours is on standard errors against the largest.
#[derive(Debug, Clone)]
pub struct TruncatedMonteCarlo {
    settings: TruncationSettings,
    /// v(∅) and v(N).
    bounds: [f64; 2],
    /// Sums of marginals and of their squared deviations (Welford 1962), `[players]`.
    means: Vec<f64>,
    squares: Vec<f64>,
    walked: u32,
    evaluations: u64,
}

impl TruncatedMonteCarlo {
    /// An estimator that has seen nothing but v(∅) and v(N).
    ///
    /// # Errors
    /// [`GameError::PlayersTooMany`] above [`PLAYERS_MAX`], [`GameError::Settings`],
    /// [`GameError::NotFinite`].
    pub fn new<E>(
        players: usize,
        settings: TruncationSettings,
        [empty, grand]: [f64; 2],
    ) -> Result<Self, GameError<E>> {
        if players > PLAYERS_MAX {
            return Err(GameError::PlayersTooMany { max: PLAYERS_MAX, got: players });
        }
        let settings = settings.checked()?;
        let empty = finite(Coalition::EMPTY, Ok(empty))?;
        let grand = finite(Coalition::grand(players), Ok(grand))?;
        let zeros = vec![0.0; players];
        Ok(Self {
            settings,
            bounds: [empty, grand],
            means: zeros.clone(),
            squares: zeros,
            walked: 0,
            evaluations: 2,
        })
    }

    /// Draws an order.
    pub fn permutation(&self, rng: &mut impl CryptoRng) -> Permutation {
        let mut order: Vec<usize> = (0..self.means.len()).collect();
        order.shuffle(rng);
        Permutation(order)
    }

    /// Walks an order up to the cut. Changes nothing.
    ///
    /// # Errors
    /// [`GameError::NotFinite`], [`GameError::Worth`].
    pub fn walk<E>(
        &self,
        order: &Permutation,
        mut worth: impl FnMut(Coalition) -> Result<f64, E>,
    ) -> Result<Walk, GameError<E>> {
        let [empty, grand] = self.bounds;
        let enough = self.settings.truncation * (grand - empty).abs();
        let all = Coalition::grand(self.means.len());
        let mut walk = Walk { marginals: vec![0.0; self.means.len()], evaluated: 0 };
        let (mut coalition, mut before) = (Coalition::EMPTY, empty);
        for player in &order.0 {
            if enough > 0.0 && (grand - before).abs() <= enough {
                break;
            }
            coalition = coalition.with(*player);
            let after = if coalition == all {
                grand
            } else {
                walk.evaluated += 1;
                finite(coalition, worth(coalition))?
            };
            walk.marginals[*player] = after - before;
            before = after;
        }
        Ok(walk)
    }

    /// Takes in the walk of an order that this estimator has drawn.
    pub fn add(&mut self, walk: &Walk) {
        self.walked += 1;
        self.evaluations += walk.evaluated;
        let count = f64::from(self.walked);
        let sums = self.means.iter_mut().zip(&mut self.squares);
        for ((mean, squares), marginal) in sums.zip(&walk.marginals) {
            let from_mean = marginal - *mean;
            *mean += from_mean / count;
            *squares += from_mean * (marginal - *mean);
        }
    }

    /// Tells whether no more orders are needed: the tolerance or the largest number is reached.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.walked >= self.settings.permutations_max || self.convergence() == Convergence::Reached
    }

    /// What is known so far.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        Estimate {
            values: self.means.clone(),
            standard_errors: self.standard_errors(),
            permutations: self.walked,
            evaluations: self.evaluations,
            convergence: self.convergence(),
        }
    }

    fn standard_errors(&self) -> Vec<f64> {
        let count = f64::from(self.walked);
        let of = |squares: &f64| (squares / (count * (count - 1.0))).sqrt();
        // Of fewer than two walks there is no spread to speak of.
        let known = self.walked >= 2;
        self.squares.iter().map(|s| if known { of(s) } else { f64::INFINITY }).collect()
    }

    fn convergence(&self) -> Convergence {
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let error = most(&mut self.standard_errors().into_iter());
        let scale = most(&mut self.means.iter().map(|mean| mean.abs()));
        let enough = self.walked >= self.settings.permutations_min;
        if enough && error <= self.settings.tolerance * scale {
            Convergence::Reached
        } else {
            Convergence::NotReached
        }
    }
}

/// Shapley values by truncated Monte-Carlo sampling, one order after the other.
///
/// * `worth` — evaluated for v(∅) and v(N) once, and for coalitions on the way as often as orders
///   meet them: whoever pays for it may remember.
///
/// # Errors
/// [`GameError`] as [`TruncatedMonteCarlo`] has it.
pub fn truncated_monte_carlo<E>(
    players: usize,
    settings: TruncationSettings,
    mut worth: impl FnMut(Coalition) -> Result<f64, E>,
    rng: &mut impl CryptoRng,
) -> Result<Estimate, GameError<E>> {
    if players > PLAYERS_MAX {
        return Err(GameError::PlayersTooMany { max: PLAYERS_MAX, got: players });
    }
    let ends = [Coalition::EMPTY, Coalition::grand(players)];
    let [empty, grand] = ends.map(|end| finite(end, worth(end)));
    let mut estimator = TruncatedMonteCarlo::new(players, settings, [empty?, grand?])?;
    while !estimator.is_done() {
        let order = estimator.permutation(rng);
        let walk = estimator.walk(&order, &mut worth)?;
        estimator.add(&walk);
    }
    Ok(estimator.estimate())
}

impl TruncationSettings {
    /// These settings, if they make sense.
    ///
    /// # Errors
    /// [`SettingsError`].
    fn checked(self) -> Result<Self, SettingsError> {
        let Self { truncation, tolerance, permutations_min: min, permutations_max: max } = self;
        if !(0.0..1.0).contains(&truncation) {
            return Err(SettingsError::Truncation { got: truncation });
        }
        if !(tolerance.is_finite() && tolerance > 0.0) {
            return Err(SettingsError::Tolerance { got: tolerance });
        }
        if min < 2 || min > max {
            return Err(SettingsError::Permutations { min, max });
        }
        Ok(self)
    }
}

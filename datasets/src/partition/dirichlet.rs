//! Classes dealt in proportions drawn from a Dirichlet distribution.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand::{Rng, seq::SliceRandom as _};

use super::{
    ClassLabels, PartitionError,
    cut::{append_cut, proportional_sizes, sorted},
    gamma::ln_gamma_variate,
};

/// The smallest concentration: below it, ln(U) / α leaves the range of an `f64`.
pub const ALPHA_MIN: f64 = 1e-300;

/// NIID-Bench and `flwr-datasets` ask for ten rows.
const MINIMUM_ROWS_DEFAULT: usize = 10;

/// A few parts out of ten fall short of ten rows in most draws at α = 0.1; a hundred draws still
/// take less than a second.
const ATTEMPTS_DEFAULT: u32 = 100;

/// The concentration α: near 0 each class goes to one part, at infinity every part gets its equal
/// share of every class. Each at least [`ALPHA_MIN`].
#[derive(Debug, Clone, PartialEq)]
pub enum Alpha {
    /// One for all.
    One(f64),
    /// `[classes]`: how evenly each class is dealt.
    PerClass(Vec<f64>),
    /// `[parts]`: how much each part gets; finite. As a list is understood by `flwr-datasets`.
    PerPart(Vec<f64>),
}

/// What is done about parts below the minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortfall {
    /// All is drawn anew, so many times in all (at least 1), and then refused.
    Redraw {
        /// The draws.
        attempts: u32,
    },
    /// Rows are moved one by one, each from the part that then has most. For parts so many that some
    /// are empty in every draw; the proportions are then no longer Dirichlet.
    TopUp,
}

/// Parameters of a Dirichlet partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Dirichlet {
    /// How uneven the parts are.
    pub alpha: Alpha,
    /// The fewest rows of any part, at least 1.
    pub minimum_rows: usize,
    /// What is done about parts below the minimum.
    pub shortfall: Shortfall,
    /// Whether parts that have their even share of all rows get nothing of the classes that follow
    /// (in the code of Yurochkin et al. 2019 and so in NIID-Bench, but not in their papers; an option
    /// of `flwr-datasets`, off by default).
    pub self_balancing: bool,
}

impl Dirichlet {
    /// As the papers have it and `flwr-datasets` by default: at least ten rows, drawn anew, not
    /// self-balancing.
    #[must_use]
    pub const fn new(alpha: Alpha) -> Self {
        Self {
            alpha,
            minimum_rows: MINIMUM_ROWS_DEFAULT,
            shortfall: Shortfall::Redraw { attempts: ATTEMPTS_DEFAULT },
            self_balancing: false,
        }
    }
}

/// Draws until every part has the minimum, or tops up.
pub(super) fn split(
    labels: ClassLabels<'_>,
    parts: usize,
    rule: &Dirichlet,
    rng: &mut impl Rng,
) -> Result<Vec<Vec<u32>>, PartitionError> {
    check(labels, parts, rule)?;
    let minimum_rows = rule.minimum_rows;
    let attempts = match rule.shortfall {
        Shortfall::Redraw { attempts } => attempts,
        Shortfall::TopUp => 1,
    };
    let mut best = 0;
    for _ in 0..attempts {
        let mut dealt = draw(labels, parts, rule, rng);
        if rule.shortfall == Shortfall::TopUp {
            top_up(&mut dealt, minimum_rows);
        }
        let smallest = dealt.iter().map(Vec::len).min().unwrap_or(0);
        if smallest >= minimum_rows {
            return Ok(sorted(dealt));
        }
        best = best.max(smallest);
    }
    Err(PartitionError::MinimumUnreached { minimum_rows, attempts, best })
}

fn check(labels: ClassLabels<'_>, parts: usize, rule: &Dirichlet) -> Result<(), PartitionError> {
    let (alphas, what, expected) = match &rule.alpha {
        Alpha::One(alpha) => (std::slice::from_ref(alpha), "parts", 1),
        Alpha::PerClass(alphas) => (&alphas[..], "classes", labels.classes()),
        Alpha::PerPart(alphas) => (&alphas[..], "parts", parts),
    };
    if alphas.len() != expected {
        return Err(PartitionError::AlphaCount { what, expected, got: alphas.len() });
    }
    let per_part = matches!(rule.alpha, Alpha::PerPart(_));
    // Written so that NaN is out of range, too.
    let fit = |alpha: f64| alpha >= ALPHA_MIN && !(per_part && alpha.is_infinite());
    if let Some(&got) = alphas.iter().find(|alpha| !fit(**alpha)) {
        return Err(PartitionError::AlphaOutOfRange { got });
    }
    if rule.minimum_rows == 0 {
        return Err(PartitionError::MinimumZero);
    }
    if matches!(rule.shortfall, Shortfall::Redraw { attempts: 0 }) {
        return Err(PartitionError::AttemptsZero);
    }
    if parts.saturating_mul(rule.minimum_rows) > labels.rows() {
        let (rows, minimum_rows) = (labels.rows(), rule.minimum_rows);
        return Err(PartitionError::MinimumImpossible { rows, parts, minimum_rows });
    }
    Ok(())
}

/// Every row dealt once, whatever the sizes.
fn draw(
    labels: ClassLabels<'_>,
    parts: usize,
    rule: &Dirichlet,
    rng: &mut impl Rng,
) -> Vec<Vec<u32>> {
    let mut dealt = vec![Vec::new(); parts];
    for (class, mut rows) in labels.rows_by_class().into_iter().enumerate() {
        rows.shuffle(rng);
        let mut weights = proportions(&rule.alpha, class, parts, rng);
        if rule.self_balancing {
            // A product, because an even share need not be a whole number of rows.
            let full = |part: &Vec<u32>| part.len() * parts >= labels.rows();
            leave_out(&mut weights, dealt.iter().map(full));
        }
        append_cut(&rows, &proportional_sizes(rows.len(), &weights), &mut dealt);
    }
    dealt
}

/// The shares of each part in one class, up to a common factor; the largest is 1.
fn proportions(alpha: &Alpha, class: usize, parts: usize, rng: &mut impl Rng) -> Vec<f64> {
    let shape = |part: usize| match alpha {
        Alpha::One(alpha) => *alpha,
        Alpha::PerClass(alphas) => alphas[class],
        Alpha::PerPart(alphas) => alphas[part],
    };
    if shape(0).is_infinite() {
        return vec![1.0; parts];
    }
    let logarithms: Vec<f64> = (0..parts).map(|part| ln_gamma_variate(shape(part), rng)).collect();
    exponentials(&logarithms)
}

/// Weights from their logarithms, scaled so that the largest is 1.
pub(super) fn exponentials(logarithms: &[f64]) -> Vec<f64> {
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logarithms.iter().map(|ln| libm::exp(ln - largest)).collect()
}

/// Sets the weights of full parts to zero; if nobody else has a weight, the others share evenly.
fn leave_out(weights: &mut [f64], full: impl Iterator<Item = bool> + Clone) {
    for (weight, full) in weights.iter_mut().zip(full.clone()) {
        if full {
            *weight = 0.0;
        }
    }
    if weights.iter().all(|weight| *weight <= 0.0) {
        for (weight, full) in weights.iter_mut().zip(full) {
            *weight = if full { 0.0 } else { 1.0 };
        }
    }
}

/// Moves rows until every part has `minimum_rows`, which the rows allow.
fn top_up(parts: &mut [Vec<u32>], minimum_rows: usize) {
    // The largest part first; among equals, the first.
    let mut by_size: BinaryHeap<(usize, Reverse<usize>)> =
        parts.iter().enumerate().map(|(part, rows)| (rows.len(), Reverse(part))).collect();
    for poor in 0..parts.len() {
        while parts[poor].len() < minimum_rows {
            let Some((size, Reverse(rich))) = by_size.pop() else { return };
            // An entry from before its part was topped up: that part has no row to spare.
            if rich == poor || size != parts[rich].len() {
                continue;
            }
            let Some(row) = parts[rich].pop() else { return };
            parts[poor].push(row);
            by_size.push((size - 1, Reverse(rich)));
        }
    }
}

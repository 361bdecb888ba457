//! Opening the sum of an accepted set, and finding who lies.
//!
//! Three tests, in order:
//!
//! 1. *Smallness.* A coefficient of the sum of n keys is below 9σ√n but with probability 2^-57 (the keys
//!    are subgaussian), 2^-45 for all 4096. A wrong share at random leaves a random field element,
//!    which passes with probability 2^-49 at n = 1000. Whoever knows which custodians reply can lie
//!    by less.
//! 2. *Residual.* Under a key that is off by any δ ≠ 0 the opened coefficients are off by a·δ, which is
//!    uniform: what is left below the lanes is then uniform on ±Δ/2 instead of small noise. The mean
//!    square of the residuals of the honest stays below x·V, V the variance of the noise and (x·e^(1−x))^(M/2)
//!    = 2^-41 for M coefficients (Chernoff; the noise is strictly subgaussian). A lie passes with
//!    probability (2πe·x·V/Δ²)^(M/2): below 2^-70 from 64 coefficients on; below about 20 the
//!    test says little. Such updates need spare replies: liars are then named only where they are outvoted.
//! 3. *Agreement.* If the first threshold of replies fail, the others are tried: as long as some threshold
//!    of honest custodians replied, the sum opens, and all others that do not fit are named.
//!
//! **Who is named.** A custodian deviates because it lied, or because a contributor dealt it a share that is
//! not on the polynomial of the others. It clears itself by showing the sealed shares, which the contributors
//! signed; that costs one of the threshold − 1 shares that may be known.
//!
//! **What is not prevented.** A contributor can garble a sum: by a ciphertext of nonsense, by values out of
//! range, by sharing another key. The first and the last are seen (test 2 fails although the replies agree),
//! but nobody can say who it was.

use privacy_identity::Digest;
use thiserror::Error;

use crate::{
    CiphertextSum, Custody, DEGREE, Engine, GAUSSIAN_MAX, GAUSSIAN_VARIANCE_DOUBLED, KeyShareSum,
    Opening, RoundMask, ShareError, interpolate, lanes,
};

/// Coefficients from which on the residual test alone decides between subsets of replies that contradict each
/// other; below, the liars must be outvoted (two spare replies for each).
const RESIDUALS_MIN: usize = 64;

/// Why a sum was not opened.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The sum and the set have different sizes.
    #[error("sum holds {sum} ciphertexts, the set has {set}")]
    Contributors {
        /// In the sum.
        sum: u32,
        /// In the set.
        set: usize,
    },
    /// A custodian answered for another set.
    #[error("custodian {custodian} answered for set {got}, expected {expected}")]
    Set {
        /// Which custodian.
        custodian: u8,
        /// The set that is opened.
        expected: Digest,
        /// The set answered for.
        got: Digest,
    },
    /// The replies do not determine the sum of the keys.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The sum of keys is right, but an opened coordinate is larger than honest contributors can make it.
    #[error("coordinate {index} of the sum is {value}, honest contributors stay within ±{bound}")]
    OutOfRange {
        /// Which coordinate.
        index: usize,
        /// Its value.
        value: i64,
        /// `coordinate_max` times contributors.
        bound: i64,
    },
    /// The noise is too large in polynomials after the first: ciphertexts were garbled there.
    #[error("mean square {got} of the noise exceeds {bound}: a contributor garbled its ciphertext")]
    Garbled {
        /// Measured.
        got: f64,
        /// Exceeded by honest sums with probability 2^-41.
        bound: f64,
    },
}

/// An opened sum.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedSum {
    /// \[dimension\], the sums of the contributors' coordinates, bit for bit.
    pub values: Vec<i64>,
    /// Custodians whose replies do not fit, ascending: see the module's *Who is named*.
    pub deviating: Vec<u8>,
    /// Replies beyond the threshold.
    pub spare_replies: usize,
    /// Mean square of the noise, in units of a coefficient.
    pub noise_mean_square: f64,
}

/// Opens `sum`, which holds the ciphertexts of the set of `opening`.
///
/// * `replies` — of distinct custodians, in any order, at least the threshold.
///
/// # Errors
/// [`OpenError`].
pub fn open_sum<E: Engine>(
    sum: &CiphertextSum,
    mask: &RoundMask,
    opening: &Opening,
    custody: Custody,
    replies: &[KeyShareSum],
    engine: &E,
) -> Result<OpenedSum, OpenError> {
    let set = opening.updates().len();
    if sum.contributors() as usize != set {
        return Err(OpenError::Contributors { sum: sum.contributors(), set });
    }
    for KeyShareSum { custodian, set: got, .. } in replies {
        if *got != opening.set() {
            let (custodian, expected) = (*custodian, opening.set());
            return Err(OpenError::Set { custodian, expected, got: *got });
        }
    }
    let points: Vec<_> =
        replies.iter().map(|reply| (reply.custodian, &reply.elements[..])).collect();
    let spare_replies = replies.len().saturating_sub(custody.threshold().into());
    let bound = key_sum_max(sum.contributors());
    let small = |values: &[i64]| values.iter().all(|value| value.abs() <= bound);
    let found = interpolate::search(custody, &points, small, |candidate| {
        let mut first = Unmasking::new(sum, mask, &candidate.values, engine);
        first.polynomial(0);
        let outvoted = 2 * candidate.deviating.len() <= spare_replies;
        first.noise_is_small() && (outvoted || first.coefficients >= RESIDUALS_MIN)
    })?;
    let mut unmasking = Unmasking::new(sum, mask, &found.values, engine);
    (0..sum.parameters().polynomials()).for_each(|index| unmasking.polynomial(index));
    unmasking.checked(found.deviating, spare_replies)
}

/// What no coefficient of the sum of `contributors` honest keys exceeds: 9σ√n, and 58n.
fn key_sum_max(contributors: u32) -> i64 {
    let variance = u64::from(contributors) * u64::from(GAUSSIAN_VARIANCE_DOUBLED) / 2;
    let statistical = 9 * (variance.isqrt() + 1);
    let certain = u64::from(contributors) * u64::from(GAUSSIAN_MAX);
    i64::try_from(statistical.min(certain)).unwrap_or(i64::MAX)
}

/// The sum being unmasked, polynomial by polynomial.
struct Unmasking<'a, E: Engine> {
    sum: &'a CiphertextSum,
    masks: crate::mask::MaskStream,
    engine: &'a E,
    /// Minus the sum of the keys.
    factor: E::Factor,
    values: Vec<i64>,
    squares: f64,
    coefficients: usize,
}

impl<'a, E: Engine> Unmasking<'a, E> {
    fn new(sum: &'a CiphertextSum, mask: &RoundMask, key: &[i64], engine: &'a E) -> Self {
        let mut negated = [0; DEGREE];
        for (negated, coefficient) in negated.iter_mut().zip(key) {
            *negated = i32::try_from(-coefficient).expect("keys were found small");
        }
        let factor = engine.factor(&negated);
        let masks = mask.polynomials();
        Self { sum, masks, engine, factor, values: Vec::new(), squares: 0.0, coefficients: 0 }
    }

    /// Unmasks polynomial `index`: all are taken in order.
    fn polynomial(&mut self, index: usize) {
        let parameters = self.sum.parameters();
        let (shift, lanes) = (parameters.shift(), usize::from(parameters.lanes()));
        let (mut mask, mut body) = ([0; DEGREE], [0; DEGREE]);
        self.masks.next_into(&mut mask);
        let used = self.sum.body_into(index, &mut body);
        self.engine.add_product(&mut body, &mask, &self.factor);
        let start = self.values.len();
        let dimension = parameters.requirements().dimension as usize;
        self.values.resize((start + used * lanes).min(dimension), 0);
        for (word, values) in body[..used].iter().zip(self.values[start..].chunks_mut(lanes)) {
            let half = 1_u64.checked_shl(u32::from(shift).wrapping_sub(1)).unwrap_or(0);
            let message = word.wrapping_add(half) >> shift;
            #[expect(clippy::cast_possible_wrap, reason = "centred modulo 2^shift")]
            let residual = word.wrapping_sub(message << shift) as i64;
            #[expect(clippy::cast_precision_loss, reason = "a statistic")]
            let residual = residual as f64;
            self.squares += residual * residual;
            lanes::values(parameters, message, values);
        }
        self.coefficients += used;
    }

    #[expect(clippy::cast_precision_loss, reason = "a statistic")]
    fn noise_mean_square(&self) -> f64 {
        self.squares / self.coefficients as f64
    }

    fn noise_bound(&self) -> f64 {
        self.sum.parameters().noise_variance(self.sum.contributors())
            * mean_square_factor(self.coefficients)
    }

    fn noise_is_small(&self) -> bool {
        self.noise_mean_square() <= self.noise_bound()
    }

    fn checked(self, deviating: Vec<u8>, spare_replies: usize) -> Result<OpenedSum, OpenError> {
        let noise_mean_square = self.noise_mean_square();
        if !self.noise_is_small() {
            return Err(OpenError::Garbled { got: noise_mean_square, bound: self.noise_bound() });
        }
        let coordinate_max = self.sum.parameters().requirements().coordinate_max;
        let bound = i64::from(coordinate_max) * i64::from(self.sum.contributors());
        if let Some(index) = self.values.iter().position(|value| value.abs() > bound) {
            return Err(OpenError::OutOfRange { index, value: self.values[index], bound });
        }
        Ok(OpenedSum { values: self.values, deviating, spare_replies, noise_mean_square })
    }
}

/// The x > 1 with (x·e^(1−x))^(M/2) = 2^-41: x − 1 − ln x = 82·ln 2 / M, by bisection.
#[expect(clippy::cast_precision_loss, reason = "at most 20 million")]
fn mean_square_factor(coefficients: usize) -> f64 {
    let target = 82.0 * std::f64::consts::LN_2 / coefficients as f64;
    let (mut low, mut high) = (1.0, 100.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if middle - 1.0 - f64::ln(middle) < target { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests;

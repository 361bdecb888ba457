//! How many to invite, so that enough stay.

use thiserror::Error;

use crate::number::float;

/// Most members that are ever invited: beyond it the loop, and the error of the tail, are not small.
const INVITED_MAX: usize = 1_000_000;

/// Why no number was found.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OverSelectionError {
    /// Nobody is wanted.
    #[error("at least one contribution must be wanted")]
    Nobody,
    /// A dropout rate outside its range.
    #[error("a dropout rate must be at least 0 and below 1, got {got}")]
    Dropout {
        /// What was given.
        got: f64,
    },
    /// A confidence outside its range.
    #[error("a confidence must be above 0 and below 1, got {got}")]
    Confidence {
        /// What was given.
        got: f64,
    },
    /// More than any federation has.
    #[error("not even {max} invitations are enough", max = INVITED_MAX)]
    OutOfReach,
}

/// The least number of members to invite, so that at least `wanted` of them contribute with a probability of
/// at least `confidence`, if each drops out with probability `dropout`, independently of the others.
///
/// The binomial tail is summed term by term, P(m + 1) = P(m) + (1-p)·Pr[exactly wanted - 1 of m], all terms
/// positive; its absolute error is below 10⁻⁷.
///
/// Threat to the assumption: dropouts that come together (a region, an evening, a version). The minimum cohort
/// of the terms decides whether a round is opened; this number only makes it likely.
///
/// # Errors
/// [`OverSelectionError`].
pub fn invitations(
    wanted: usize,
    dropout: f64,
    confidence: f64,
) -> Result<usize, OverSelectionError> {
    if wanted == 0 {
        return Err(OverSelectionError::Nobody);
    }
    if !(0.0..1.0).contains(&dropout) {
        return Err(OverSelectionError::Dropout { got: dropout });
    }
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(OverSelectionError::Confidence { got: confidence });
    }
    let stays = 1.0 - dropout;
    let mut tail = libm::exp(float(wanted) * libm::log(stays));
    for invited in wanted..=INVITED_MAX {
        if tail >= confidence || dropout <= 0.0 {
            return Ok(invited);
        }
        tail += stays * exactly(wanted - 1, invited, dropout);
    }
    Err(OverSelectionError::OutOfReach)
}

/// Pr[exactly `staying` of `invited` stay], 0 < dropout < 1, staying < invited.
fn exactly(staying: usize, invited: usize, dropout: f64) -> f64 {
    let (k, m) = (float(staying), float(invited));
    let ways = libm::lgamma(m + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(m - k + 1.0);
    libm::exp(ways + k * libm::log1p(-dropout) + (m - k) * libm::log(dropout))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least m with `binom.sf(wanted - 1, m, 1 - dropout) >= confidence` in scipy 1.17.1.
    #[test]
    fn the_least_number_is_found() {
        let check = |wanted, dropout, confidence, expected| {
            assert_eq!(
                invitations(wanted, dropout, confidence),
                Ok(expected),
                "{wanted} {dropout}"
            );
        };
        check(10, 0.0, 0.999, 10);
        check(1, 0.5, 0.5, 1);
        check(1, 0.5, 0.51, 2);
        check(8, 0.1, 0.99, 12);
        check(20, 0.3, 0.999, 42);
        check(100, 0.05, 0.999_999, 120);
        check(1000, 0.2, 0.999, 1307);
        check(3, 0.9, 0.9, 52);
        check(50_000, 0.5, 0.99, 100_738);
    }

    /// The tail by all terms, for small numbers.
    #[test]
    fn fewer_would_not_be_enough() {
        let tail = |wanted: usize, invited: usize, dropout: f64| -> f64 {
            let certain = (1.0 - dropout).powf(float(invited));
            (wanted..invited).map(|k| exactly(k, invited, dropout)).sum::<f64>() + certain
        };
        for (wanted, dropout, confidence) in
            [(8, 0.1, 0.99), (20, 0.3, 0.999), (100, 0.05, 0.999_999), (3, 0.9, 0.9)]
        {
            let invited = invitations(wanted, dropout, confidence).unwrap();
            assert!(tail(wanted, invited, dropout) >= confidence - 1e-9);
            assert!(tail(wanted, invited - 1, dropout) < confidence);
        }
    }

    #[test]
    fn impossible_wishes_are_refused_with_a_sentence() {
        let check = |wanted, dropout, confidence, expected: &str| {
            let refused = invitations(wanted, dropout, confidence).unwrap_err();
            assert_eq!(refused.to_string(), expected);
        };
        check(0, 0.1, 0.9, "at least one contribution must be wanted");
        check(1, 1.0, 0.9, "a dropout rate must be at least 0 and below 1, got 1");
        check(1, f64::NAN, 0.9, "a dropout rate must be at least 0 and below 1, got NaN");
        check(1, 0.1, 1.0, "a confidence must be above 0 and below 1, got 1");
        check(2_000_000, 0.1, 0.9, "not even 1000000 invitations are enough");
    }
}

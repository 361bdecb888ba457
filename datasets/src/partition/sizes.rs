//! Parts of uneven sizes.

use super::{PartitionError, cut::proportional_sizes};

/// In proportion to 1, 2, 3, …
pub(super) fn linear(rows: usize, parts: usize) -> Vec<usize> {
    past_the_first(rows, parts, |part| part)
}

/// In proportion to 1, 4, 9, …
pub(super) fn square(rows: usize, parts: usize) -> Vec<usize> {
    past_the_first(rows, parts, |part| part * part)
}

/// In proportion to e, e², e³, …; scaled by the largest, so that nothing overflows.
pub(super) fn exponential(rows: usize, parts: usize) -> Vec<usize> {
    past_the_first(rows, parts, |part| libm::exp(part - parts as f64))
}

/// One row each, and the rest in proportion to a weight of the part's number, from 1.
fn past_the_first(rows: usize, parts: usize, weight: impl Fn(f64) -> f64) -> Vec<usize> {
    let weights: Vec<f64> = (1..=parts).map(|part| weight(part as f64)).collect();
    proportional_sizes(rows - parts, &weights).into_iter().map(|size| size + 1).collect()
}

/// One size above zero for each part; their sum is the number of rows.
pub(super) fn check(rows: usize, parts: usize, sizes: &[usize]) -> Result<(), PartitionError> {
    if sizes.len() != parts {
        return Err(PartitionError::SizeCount { expected: parts, got: sizes.len() });
    }
    if let Some(part) = sizes.iter().position(|size| *size == 0) {
        return Err(PartitionError::SizeZero { part });
    }
    let sum = sizes.iter().fold(0_usize, |sum, size| sum.saturating_add(*size));
    if sum == rows { Ok(()) } else { Err(PartitionError::SizeSum { expected: rows, got: sum }) }
}

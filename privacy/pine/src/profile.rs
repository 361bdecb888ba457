//! The two sets of parameters: the draft's, and ours for integer updates.

use prio::field::Field64;

use crate::{
    field::PineField,
    parameters::{ALPHA, CHECKS, Layout, ParameterError, Parameters},
};

/// Wraparound checks of our profile, all of which must succeed.
///
/// The checks' randomness is a hash that a client can grind: with 2^60 evaluations the draft's 100
/// checks leave 2^−40 by themselves, these leave 2^−44 (`ErrorBounds`).
pub const PROFILE_CHECKS: usize = 104;

/// Proofs of validity. Over `Field64` one has a joint-randomness error of about 2^−52, within reach
/// of grinding; two have 2^−104.
const PROFILE_PROOFS: u8 = 2;

/// Proofs of norm equality. They use no joint randomness, so there is nothing to grind, and one has
/// an error of 2^−53 at d = 10^6.
const PROFILE_NORM_PROOFS: u8 = 1;

/// Algorithm identifier of our profile, of VDAF's range for private use.
const PROFILE_ALGORITHM_ID: u32 = 0xffff_5341;

/// Algorithm identifier of the draft's variants that have none of their own.
const DRAFT_ALGORITHM_ID: u32 = 0xffff_ffff;

impl Parameters {
    /// Our profile, for `Field64` and vectors of integers.
    ///
    /// * `norm_bound` — L2 norm in integer units, inclusive; up to 2 479 700 524 (3B² + 2 < q).
    /// * `context` — what reports are bound to, e.g. a digest of federation and round, at most
    ///   [`crate::CONTEXT_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`ParameterError`] if a parameter is out of range.
    pub fn integers(
        dimension: usize,
        norm_bound: u64,
        aggregators: u8,
        context: &[u8],
    ) -> Result<Self, ParameterError> {
        Self {
            proofs: PROFILE_PROOFS,
            norm_proofs: PROFILE_NORM_PROOFS,
            checks: PROFILE_CHECKS,
            successes: PROFILE_CHECKS,
            algorithm_id: PROFILE_ALGORITHM_ID,
            context: context.to_vec(),
            ..Self::draft(dimension, norm_bound, 0, aggregators)
        }
        .with_balanced_chunks::<Field64>()
    }

    /// The draft's `Pine64`: 2 proofs of validity, 1 of norm equality, 100 of 100 checks, no
    /// context. The chunk lengths, which the draft leaves open, are 1.
    #[must_use]
    pub const fn draft(
        dimension: usize,
        norm_bound: u64,
        fraction_bits: u32,
        aggregators: u8,
    ) -> Self {
        Self {
            dimension,
            norm_bound,
            fraction_bits,
            chunk_length: 1,
            norm_chunk_length: 1,
            aggregators,
            proofs: 2,
            norm_proofs: 1,
            alpha: ALPHA,
            checks: CHECKS,
            successes: CHECKS,
            algorithm_id: DRAFT_ALGORITHM_ID,
            context: Vec::new(),
        }
    }

    /// Chooses the chunk lengths.
    ///
    /// A proof has arity + 2P − 1 elements and the arity is inverse to the domain P, so that it is
    /// shortest at P ≈ √(elements); the next power of two keeps prep shares short as well.
    ///
    /// # Errors
    /// [`ParameterError`] if a parameter is out of range.
    pub fn with_balanced_chunks<F: PineField>(mut self) -> Result<Self, ParameterError> {
        let layout = self.bounds::<F>()?;
        let domain = balanced_domain(self.dimension.div_ceil(2));
        self.norm_chunk_length = self.dimension.div_ceil(domain - 1);
        self.chunk_length = balanced_chunk(&layout);
        Ok(self)
    }
}

/// The power of two from √`elements` upwards, at least 2.
const fn balanced_domain(elements: usize) -> usize {
    let domain = elements.isqrt().next_power_of_two();
    if domain < 2 { 2 } else { domain }
}

/// The shortest chunks with which bits and checks, chunked separately, fit the balanced domain.
fn balanced_chunk(layout: &Layout) -> usize {
    let pairs = layout.bits_len() + layout.checks;
    // Two calls at least: one of bits, one of checks.
    let calls = (balanced_domain(pairs) - 1).max(2);
    let fits = |chunk: &usize| {
        layout.bits_len().div_ceil(*chunk) + layout.checks.div_ceil(*chunk) <= calls
    };
    (pairs.div_ceil(calls)..pairs).find(fits).unwrap_or(pairs)
}

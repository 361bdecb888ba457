//! The two circuits of PINE (draft, section 4.2).
//!
//! Their common input is the gradient, the bits, and the results of the wraparound checks, which
//! nobody sends: each party computes (its share of) them from (its share of) the gradient.

use crate::{
    field::{PineField, from_bits},
    flp::{Circuit, Gadget},
    parameters::{Layout, Parameters},
};

/// Checks that the claimed squared norm, as bits, is the field's Σxᵢ². No joint randomness.
pub(crate) struct NormEquality {
    layout: Layout,
    gadget: Gadget,
}

impl NormEquality {
    pub(crate) const fn new(parameters: &Parameters, layout: Layout) -> Self {
        Self { layout, gadget: parameters.norm_gadget(&layout) }
    }
}

impl<F: PineField> Circuit<F> for NormEquality {
    fn gadget(&self) -> Gadget {
        self.gadget
    }

    fn wires(&self, input: &[F], _joint: &[F], _share: F) -> Vec<F> {
        let mut wires = Vec::with_capacity(self.gadget.arity * self.gadget.calls);
        wires.extend_from_slice(&input[..self.layout.dimension]);
        wires.resize(self.gadget.arity * self.gadget.calls, F::zero());
        wires
    }

    fn output(&self, input: &[F], _joint: &[F], _share: F, gadget: &[F]) -> F {
        let claimed: F = from_bits(&input[self.layout.dimension..][..self.layout.norm_bits]);
        gadget.iter().fold(claimed, |rest, call| rest - *call)
    }
}

/// Elements of the validity circuit's joint randomness: for the bits, for the wraparound checks,
/// and for combining everything.
pub(crate) const JOINT_LEN: usize = 3;

/// Checks that bits are bits, that the claimed norm is within its bound, that every claimed success
/// of a wraparound check is one, and that there are as many as there must be.
pub(crate) struct Validity {
    layout: Layout,
    gadget: Gadget,
    /// Calls that check bits; the others check the wraparound results.
    bit_calls: usize,
}

impl Validity {
    pub(crate) const fn new(parameters: &Parameters, layout: Layout) -> Self {
        Self {
            layout,
            gadget: parameters.validity_gadget(&layout),
            bit_calls: layout.bits_len().div_ceil(parameters.chunk_length),
        }
    }

    /// The wraparound checks' (v bits, success) and the results that every party computed.
    fn checks<'a, F: PineField>(
        &self,
        input: &'a [F],
    ) -> impl Iterator<Item = (&'a [F], F, F)> + use<'a, F> {
        let width = self.layout.check_bits + 1;
        let (shared, results) = input.split_at(self.layout.measurement_len());
        shared[self.layout.norm_len()..]
            .chunks_exact(width)
            .zip(results)
            .map(move |(chunk, result)| (&chunk[..width - 1], chunk[width - 1], *result))
    }
}

impl<F: PineField> Circuit<F> for Validity {
    fn gadget(&self) -> Gadget {
        self.gadget
    }

    fn wires(&self, input: &[F], joint: &[F], share: F) -> Vec<F> {
        let mut wires = Vec::with_capacity(self.gadget.arity * self.gadget.calls);
        let mut power = F::one();
        for bit in &input[self.layout.dimension..][..self.layout.bits_len()] {
            wires.extend([power * *bit, *bit - share]);
            power *= joint[0];
        }
        wires.resize(self.gadget.arity * self.bit_calls, F::zero());
        // The interval is [−bound + 1, bound], so v = result + bound − 1.
        let offset = F::from_unsigned(self.layout.wraparound_bound - 1) * share;
        power = F::one();
        for (bits, success, result) in self.checks(input) {
            let claimed = from_bits::<F>(bits) - offset;
            wires.extend([power * (result - claimed), success]);
            power *= joint[1];
        }
        wires.resize(self.gadget.arity * self.gadget.calls, F::zero());
        wires
    }

    fn output(&self, input: &[F], joint: &[F], share: F, gadget: &[F]) -> F {
        let sum = |calls: &[F]| calls.iter().fold(F::zero(), |sum, call| sum + *call);
        let (bit_calls, check_calls) = gadget.split_at(self.bit_calls);
        let (v, u) =
            input[self.layout.dimension..self.layout.norm_len()].split_at(self.layout.norm_bits);
        let range =
            from_bits::<F>(v) + from_bits(u) - F::from_unsigned(self.layout.square_bound) * share;
        let successes =
            self.checks(input).fold(F::zero(), |count, (_, success, _)| count + success)
                - F::from_unsigned(self.layout.successes as u128) * share;
        let last = joint[2];
        sum(bit_calls) + last * (range + last * (sum(check_calls) + last * successes))
    }
}

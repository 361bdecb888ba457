//! What the opened sum says of the values of a round, whoever computes it.

use aggregator_protocol::{FederationTerms, OpenedScalars, ProbeOrder, SCALARS};
use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use privacy_secagg::{EncodingParameters, QuantizedProbe, VALUE_MAX};

use crate::{ValueFault, mode};

/// The inner products of a round's opened sum with its probes, and its summed weights: all that it takes of
/// a sum to check the values, in 32 bytes.
///
/// Threat: an aggregator that shifts a scalar. ⟨·, p⟩ is linear, so the scalars must add up to ⟨sum, p⟩, which
/// is public and was fixed before anybody knew p. A shift that another contributor's does not make up for is
/// found by whoever has the sum, always; that it is made up for, that other contributor finds
/// ([`crate::OwnShares::check`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SumProducts {
    /// ⟨sum, p⟩ for value, innovation and contrast.
    products: [i64; SCALARS],
    /// The coordinate of summed weights; 0 without weights.
    weight: i64,
}

impl SumProducts {
    /// * `sum` — the opened sum, `[vector_len]`.
    #[must_use]
    pub fn of(encoding: &EncodingParameters, sum: &[i64], order: &ProbeOrder) -> Self {
        let products = order.probes().map(|probe| probe.product_with_sum(sum));
        let weight = sum.get(encoding.dimension()).copied().unwrap_or_default();
        Self { products, weight: if encoding.is_weighted() { weight } else { 0 } }
    }

    /// Checks that the opened scalars add up.
    ///
    /// # Errors
    /// [`ValueFault::Sum`] or [`ValueFault::Probe`].
    pub fn check(
        &self,
        terms: &FederationTerms,
        order: &ProbeOrder,
        readings: &[[i64; SCALARS]],
    ) -> Result<(), ValueFault> {
        for (which, (probe, product)) in order.probes().into_iter().zip(self.products).enumerate() {
            let scalars = readings.iter().map(|scalars| scalars[which]);
            let adds_up = mode::adds_up(terms, probe, scalars.clone(), product)
                .map_err(|refusal| ValueFault::Probe { refusal })?;
            if !adds_up {
                let got = scalars.map(i128::from).sum();
                return Err(ValueFault::Sum { which, expected: product, got });
            }
        }
        Ok(())
    }

    /// What the receipt has to say of these readings: cut to what an honest update can have, in the ledger's
    /// unit, divided by the number of contributions or by Σw/W of the weights, towards zero.
    ///
    /// Threat: where norms are not proved, a contributor that seals a longer update than the clip norm allows, or
    /// an aggregator that helps it: beyond the length of the probe times the largest norm nobody is paid.
    #[must_use]
    pub fn scalars(
        &self,
        encoding: &EncodingParameters,
        order: &ProbeOrder,
        readings: &[[i64; SCALARS]],
    ) -> Vec<OpenedScalars> {
        let share = Share::of(encoding, readings.len(), self.weight);
        let value = |probe: &QuantizedProbe, reading: i64| {
            let most = probe.reading_max(encoding);
            share.of_value(probe.value_from_opened(reading.clamp(-most, most)))
        };
        let scalars = |[first, second, third]: &[i64; SCALARS]| OpenedScalars {
            value: value(&order.value, *first),
            innovation: value(&order.innovation, *second),
            contrast: value(&order.contrast, *third),
        };
        readings.iter().map(scalars).collect()
    }
}

impl Encode for SumProducts {
    fn encode(&self, writer: &mut Writer) {
        self.products.iter().for_each(|product| writer.i64(*product));
        writer.i64(self.weight);
    }
}

impl Decode for SumProducts {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { products: [reader.i64()?, reader.i64()?, reader.i64()?], weight: reader.i64()? })
    }
}

/// What a contribution is divided by in the mean: the count, or Σw/W of the weights.
struct Share {
    numerator: i128,
    denominator: i128,
}

impl Share {
    fn of(encoding: &EncodingParameters, count: usize, weight: i64) -> Self {
        let count = i128::try_from(count).expect("at most CONTRIBUTORS_MAX");
        if !encoding.is_weighted() {
            return Self { numerator: 1, denominator: count.max(1) };
        }
        // A sum of weights that noise drowned was refused as a mean.
        let numerator = i128::from(encoding.options().weight_max);
        Self { numerator, denominator: i128::from(weight).max(1) }
    }

    /// Towards zero, within the ledger's bound.
    fn of_value(&self, value: i64) -> i64 {
        let shared = i128::from(value) * self.numerator / self.denominator;
        let bound = i128::from(VALUE_MAX);
        i64::try_from(shared.clamp(-bound, bound)).expect("within 2^40")
    }
}

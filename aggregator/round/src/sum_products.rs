//! What the opened sum says of the values of a round, whoever computes it.

use aggregator_protocol::{
    FederationTerms, OpenedScalars, ProbeOrder, Refusal, RoundGrant, RoundSum, SCALARS,
};
use privacy_secagg::{EncodingParameters, QuantizedProbe, VALUE_MAX};

use crate::{Grouping, ValueFault, mode};

/// The inner products of a round's opened sum with its probes, and its summed weights: all that it takes of
/// a sum to check the values, in 32 bytes.
///
/// Threat: an aggregator that shifts a scalar. ⟨·, p⟩ is linear, so the scalars must add up to ⟨sum, p⟩, which
/// is public and was fixed before anybody knew p. A shift that another contributor's does not make up for is
/// found by whoever has the sum, always; that it is made up for, that other contributor finds
/// ([`crate::OwnShares::check`]).
///
/// Where a round has groups this holds of each, with the group's own sum and probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumProducts {
    groups: Vec<GroupProducts>,
    /// The group of each contribution, in the order of the set.
    places: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct GroupProducts {
    /// ⟨sum, p⟩ for value, innovation and contrast.
    products: [i64; SCALARS],
    /// The coordinate of summed weights; 0 without weights.
    weight: i64,
    /// Contributions of the group.
    count: usize,
}

impl SumProducts {
    /// * `sum` — the opened sum of the round of `grant`.
    /// * `order` — its probes, which were checked or are the caller's.
    ///
    /// # Errors
    /// [`Refusal::BadSet`] if sums or probes are of other groups than the set's.
    pub fn of(
        terms: &FederationTerms,
        grant: &RoundGrant,
        sum: &RoundSum,
        order: &ProbeOrder,
    ) -> Result<Self, Refusal> {
        let grouping = Grouping::of(terms, grant, &sum.accepted)?;
        let sets = grouping.sets();
        if sets.len() != sum.groups() || sets.len() != order.groups() {
            return Err(Refusal::BadSet);
        }
        let encoding = &terms.encoding;
        let mut groups = Vec::new();
        for (group, (set, (sum, _))) in sets.iter().zip(sum.sums()).enumerate() {
            let probes = order.probes_of(group).ok_or(Refusal::BadSet)?;
            let weight = sum.get(encoding.dimension()).copied().unwrap_or_default();
            groups.push(GroupProducts {
                products: probes.map(|probe| probe.product_with_sum(sum)),
                weight: if encoding.is_weighted() { weight } else { 0 },
                count: set.contributions().len(),
            });
        }
        Ok(Self { groups, places: grouping.places().to_vec() })
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
        let bad = || ValueFault::Probe { refusal: Refusal::BadSet };
        if readings.len() != self.places.len() {
            return Err(bad());
        }
        for (group, of_group) in self.groups.iter().enumerate() {
            let probes = order.probes_of(group).ok_or_else(bad)?;
            let pairs = readings.iter().zip(&self.places);
            let own: Vec<_> =
                pairs.filter(|(_, place)| **place == group).map(|(reading, _)| *reading).collect();
            for (which, (probe, product)) in probes.into_iter().zip(of_group.products).enumerate() {
                let scalars = own.iter().map(|scalars| scalars[which]);
                let adds_up = mode::adds_up(terms, probe, scalars.clone(), product)
                    .map_err(|refusal| ValueFault::Probe { refusal })?;
                if !adds_up {
                    let got = scalars.map(i128::from).sum();
                    return Err(ValueFault::Sum { which, expected: product, got });
                }
            }
        }
        Ok(())
    }

    /// What the receipt has to say of these readings: cut to what an honest update can have, in the ledger's
    /// unit, divided by the number of contributions to the sum or by Σw/W of their weights, towards zero.
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
        let each = readings.iter().zip(&self.places);
        each.filter_map(|([first, second, third], place)| {
            let (group, probes) = (self.groups.get(*place)?, order.probes_of(*place)?);
            let share = Share::of(encoding, group.count, group.weight);
            let value = |probe: &QuantizedProbe, reading: i64| {
                let most = probe.reading_max(encoding);
                share.of_value(probe.value_from_opened(reading.clamp(-most, most)))
            };
            let [of_value, of_innovation, of_contrast] = probes;
            Some(OpenedScalars {
                value: value(of_value, *first),
                innovation: value(of_innovation, *second),
                contrast: value(of_contrast, *third),
            })
        })
        .collect()
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

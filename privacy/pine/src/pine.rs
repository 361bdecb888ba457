//! An instance of PINE.

use std::marker::PhantomData;

use prio::field::Field64;

use crate::{
    circuit::{NormEquality, Validity},
    field::PineField,
    flp::Gadget,
    parameters::{Layout, ParameterError, Parameters},
    xof::{Xof, XofHmacSha256Aes128},
};

/// PINE over a field and an XOF, with parameters that fit.
///
/// Client: [`Pine::shard_integers`], [`Pine::shard`]. Aggregators: [`Pine::prep_init`],
/// [`Pine::prep_shares_to_message`], [`Pine::prep_next`], [`Pine::aggregate`]. Collector:
/// [`Pine::unshard_integers`], [`Pine::unshard`].
pub struct Pine<F: PineField, X: Xof> {
    parameters: Parameters,
    layout: Layout,
    pub(crate) norm_equality: NormEquality,
    pub(crate) validity: Validity,
    functions: PhantomData<fn() -> (F, X)>,
}

/// What we seal integer updates with: `Field64` and the faster of the two XOFs, which also has the
/// longer seeds (`examples/measure_pine.rs`: 148 ms against 185 ms to seal 10^6 coordinates).
pub type IntegerPine = Pine<Field64, XofHmacSha256Aes128>;

impl<F: PineField, X: Xof> Pine<F, X> {
    /// The instance of these parameters.
    ///
    /// # Errors
    /// [`ParameterError`] if a parameter is out of range or the field is too small for it.
    pub fn new(parameters: Parameters) -> Result<Self, ParameterError> {
        let layout = parameters.layout::<F>()?;
        Ok(Self {
            norm_equality: NormEquality::new(&parameters, layout),
            validity: Validity::new(&parameters, layout),
            parameters,
            layout,
            functions: PhantomData,
        })
    }

    /// The parameters.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Bytes of a verify key, which the aggregators share and no client knows.
    #[must_use]
    pub const fn verify_key_bytes(&self) -> usize {
        X::SEED_BYTES
    }

    /// Bytes of the coins of one report: per helper a measurement seed, a proof seed and two
    /// blinds; two blinds of the leader; one seed of the prover.
    #[must_use]
    pub fn coins_bytes(&self) -> usize {
        (4 * (usize::from(self.parameters.aggregators) - 1) + 3) * X::SEED_BYTES
    }

    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The gadgets of the norm-equality and the validity circuit.
    pub(crate) const fn gadgets(&self) -> [Gadget; 2] {
        [self.parameters.norm_gadget(&self.layout), self.parameters.validity_gadget(&self.layout)]
    }

    /// How many proofs of each.
    pub(crate) const fn proof_counts(&self) -> [u8; 2] {
        [self.parameters.norm_proofs, self.parameters.proofs]
    }

    /// Elements of all proofs.
    pub(crate) fn proofs_len(&self) -> usize {
        self.total(Gadget::proof_len)
    }

    /// Elements of all verifiers.
    pub(crate) fn verifiers_len(&self) -> usize {
        self.total(Gadget::verifier_len)
    }

    fn total(&self, len: fn(Gadget) -> usize) -> usize {
        self.gadgets()
            .into_iter()
            .zip(self.proof_counts())
            .map(|(gadget, count)| len(gadget) * usize::from(count))
            .sum()
    }

    /// 1/aggregators: each aggregator's share of the constant one.
    pub(crate) fn constant_share(&self) -> F {
        F::from_unsigned(self.parameters.aggregators.into()).inv()
    }
}

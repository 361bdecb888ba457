//! What is derived from seeds: shares, randomness, and the parts and seeds of joint randomness.
//!
//! Every derivation has its own tag: one byte of version, four of algorithm identifier, two of
//! usage (VDAF draft 11, section 6.2.3; the usages 8 to 10 are PINE's), then the context.

use crate::{
    field::{PineField, encode_vector},
    pine::Pine,
    secret::Seed,
    shares::NONCE_BYTES,
    xof::Xof,
};

/// The version of the draft whose derivations these are.
const VERSION: u8 = 1;

/// What a derivation is for (VDAF draft 11, section 7.2; draft, `vdaf_pine`).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Usage {
    MeasurementShare = 1,
    ProofShare = 2,
    JointRandomness = 3,
    ProveRandomness = 4,
    QueryRandomness = 5,
    JointRandomnessSeed = 6,
    JointRandomnessPart = 7,
    WraparoundRandomness = 8,
    WraparoundSeed = 9,
    WraparoundPart = 10,
}

impl<F: PineField, X: Xof> Pine<F, X> {
    /// Starts a derivation.
    pub(crate) fn xof(&self, seed: &Seed, usage: Usage, binder: &[&[u8]]) -> X {
        let parameters = self.parameters();
        let mut tag = vec![VERSION];
        tag.extend_from_slice(&parameters.algorithm_id.to_be_bytes());
        tag.extend_from_slice(&(usage as u16).to_be_bytes());
        tag.extend_from_slice(&parameters.context);
        let mut xof = X::new(seed, &tag);
        for part in binder {
            xof.update(part);
        }
        xof
    }

    /// A helper's share of the measurement.
    pub(crate) fn helper_measurement(&self, aggregator: u8, seed: &Seed) -> Vec<F> {
        self.xof(seed, Usage::MeasurementShare, &[&[aggregator]])
            .into_vector(self.layout().measurement_len())
    }

    /// A helper's share of all proofs.
    pub(crate) fn helper_proofs(&self, aggregator: u8, seed: &Seed) -> Vec<F> {
        let [norm_proofs, proofs] = self.proof_counts();
        self.xof(seed, Usage::ProofShare, &[&[norm_proofs, proofs, aggregator]])
            .into_vector(self.proofs_len())
    }

    /// The prover's wire seeds for all proofs.
    pub(crate) fn prove_randomness(&self, seed: &Seed) -> Vec<F> {
        let [norm_gadget, gadget] = self.gadgets();
        let [norm_proofs, proofs] = self.proof_counts();
        let count =
            usize::from(norm_proofs) * norm_gadget.arity + usize::from(proofs) * gadget.arity;
        self.xof(seed, Usage::ProveRandomness, &[&[norm_proofs, proofs]]).into_vector(count)
    }

    /// The query points of all proofs, which no client can foresee without the verify key.
    pub(crate) fn query_randomness(&self, key: &Seed, nonce: &[u8; NONCE_BYTES]) -> Vec<F> {
        let [norm_proofs, proofs] = self.proof_counts();
        self.xof(key, Usage::QueryRandomness, &[&[norm_proofs, proofs], nonce])
            .into_vector(usize::from(norm_proofs) + usize::from(proofs))
    }

    /// The joint randomness of all proofs of the validity circuit.
    pub(crate) fn joint_randomness(&self, seed: &Seed) -> Vec<F> {
        let [_, proofs] = self.proof_counts();
        self.xof(seed, Usage::JointRandomness, &[&[proofs]])
            .into_vector(usize::from(proofs) * crate::circuit::JOINT_LEN)
    }

    /// The stream of the wraparound checks.
    pub(crate) fn wraparound_stream(&self, seed: &Seed) -> X::Stream {
        self.xof(seed, Usage::WraparoundRandomness, &[]).into_stream()
    }

    /// An aggregator's part: it binds its share of the measurement, given encoded.
    pub(crate) fn part(
        &self,
        usage: Usage,
        blind: &Seed,
        aggregator: u8,
        nonce: &[u8; NONCE_BYTES],
        share: &[u8],
    ) -> Seed {
        self.xof(blind, usage, &[&[aggregator], nonce, share]).into_seed()
    }

    /// The seed that all parts together determine.
    pub(crate) fn seed_of_parts(&self, usage: Usage, parts: &[Seed]) -> Seed {
        let binder: Vec<&[u8]> = parts.iter().map(Seed::as_bytes).collect();
        let zeros = Seed::new(&vec![0; X::SEED_BYTES]);
        self.xof(&zeros, usage, &binder).into_seed()
    }
}

/// A share of the measurement, encoded once for both of its parts.
pub(crate) struct EncodedShare(zeroize::Zeroizing<Vec<u8>>);

impl EncodedShare {
    /// Encodes `share`.
    pub(crate) fn new<F: PineField>(share: &[F]) -> Self {
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        encode_vector(share, &mut bytes);
        Self(bytes)
    }

    /// The first `count` elements.
    pub(crate) fn prefix<F: PineField>(&self, count: usize) -> &[u8] {
        &self.0[..count * F::ENCODED_SIZE]
    }

    /// All elements.
    pub(crate) fn all(&self) -> &[u8] {
        &self.0
    }
}

//! The aggregators: verify a report on shares of it.

use std::ops::Deref;

use thiserror::Error;

use crate::{
    circuit::JOINT_LEN,
    derive::{EncodedShare, Usage},
    field::{PineField, add_assign},
    flp::{Query, decide, query},
    pine::Pine,
    secret::{SecretVector, Seed},
    shares::{
        Blinds, InputShare, InputShareKind, NONCE_BYTES, OutputShare, PrepMessage, PrepShare,
        PrepState, PublicShare,
    },
    wraparound::wraparound_results,
    xof::Xof,
};

/// Why a report is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PrepError {
    /// The squared norm is not the one that was claimed (or shares, proofs or verify keys do not
    /// belong together).
    #[error("proof {proof} of norm equality does not verify")]
    NormEquality {
        /// Index of the proof.
        proof: usize,
    },
    /// The claimed norm is out of bound, a bit is none, or a wraparound check failed (or shares,
    /// proofs or verify keys do not belong together).
    #[error("proof {proof} of validity does not verify")]
    Validity {
        /// Index of the proof.
        proof: usize,
    },
    /// The wraparound checks ran on randomness that the shares do not determine.
    #[error("wraparound randomness differs from what the shares determine")]
    WraparoundRandomness,
    /// The proofs were queried under randomness that the shares do not determine.
    #[error("joint randomness differs from what the shares determine")]
    JointRandomness,
    /// The query point fell on a root of unity (probability 2^−53 per proof); refusing protects
    /// the contributor.
    #[error("query point is in the domain of the proof")]
    QueryPoint,
    /// The verify key has another length.
    #[error("expected a verify key of {expected} bytes, got {got}")]
    VerifyKey {
        /// The length required.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// The aggregator's index does not exist or has the other kind of input share.
    #[error("input share does not fit aggregator {aggregator}")]
    Aggregator {
        /// The index.
        aggregator: u8,
    },
    /// A message has another number of elements: it belongs to another instance.
    #[error("expected {expected} elements of {what}, got {got}")]
    Length {
        /// Which elements.
        what: &'static str,
        /// The number required.
        expected: usize,
        /// The number found.
        got: usize,
    },
}

/// An input share with seeds expanded.
struct Expanded<'a, F: PineField> {
    measurement: Held<'a, F>,
    proofs: Held<'a, F>,
    blinds: &'a Blinds,
}

/// A share of the leader's message, or one expanded from a seed and overwritten after use.
enum Held<'a, F: PineField> {
    Borrowed(&'a [F]),
    Expanded(SecretVector<F>),
}

impl<F: PineField> Deref for Held<'_, F> {
    type Target = [F];

    fn deref(&self) -> &[F] {
        match self {
            Self::Borrowed(share) => share,
            Self::Expanded(share) => &share.0,
        }
    }
}

impl<F: PineField, X: Xof> Pine<F, X> {
    /// Queries a report's proofs on one aggregator's share.
    ///
    /// * `verify_key` — [`Pine::verify_key_bytes`] bytes, common to the aggregators and secret from
    ///   all clients.
    /// * `aggregator` — this aggregator's index, 0 for the leader.
    ///
    /// Returns what to keep and what to send to the other aggregators.
    ///
    /// # Errors
    /// [`PrepError::VerifyKey`], [`PrepError::Aggregator`], [`PrepError::Length`] if the messages
    /// do not belong to this instance; [`PrepError::QueryPoint`].
    pub fn prep_init(
        &self,
        verify_key: &[u8],
        aggregator: u8,
        nonce: &[u8; NONCE_BYTES],
        public: &PublicShare,
        input: &InputShare<F>,
    ) -> Result<(PrepState<F>, PrepShare<F>), PrepError> {
        let expected = self.verify_key_bytes();
        if verify_key.len() != expected {
            return Err(PrepError::VerifyKey { expected, got: verify_key.len() });
        }
        let share = self.expand(aggregator, input)?;
        let encoded = EncodedShare::new(&share.measurement);

        let (wraparound_part, wraparound_seed) = self.part_and_seed(
            [Usage::WraparoundPart, Usage::WraparoundSeed],
            |usage| {
                let bytes = encoded.prefix::<F>(self.layout().norm_len());
                self.part(usage, &share.blinds.wraparound, aggregator, nonce, bytes)
            },
            aggregator,
            &public.wraparound_parts,
        )?;
        let (verification_part, verification_seed) = self.part_and_seed(
            [Usage::JointRandomnessPart, Usage::JointRandomnessSeed],
            |usage| self.part(usage, &share.blinds.verification, aggregator, nonce, encoded.all()),
            aggregator,
            &public.verification_parts,
        )?;

        let dimension = self.layout().dimension;
        let results = SecretVector(wraparound_results(
            &share.measurement[..dimension],
            self.layout().checks,
            &mut self.wraparound_stream(&wraparound_seed),
        ));
        let input = SecretVector([&share.measurement[..], &results.0].concat());
        let points = self.query_randomness(&Seed::new(verify_key), nonce);
        let joint = self.joint_randomness(&verification_seed);
        let verifiers = self.query_all(&input.0, &share.proofs, &points, &joint)?;

        let output = OutputShare(SecretVector(share.measurement[..dimension].to_vec()));
        Ok((
            PrepState { output, wraparound_seed, verification_seed },
            PrepShare { verifiers, wraparound_part, verification_part },
        ))
    }

    /// Combines all aggregators' prep shares, in the aggregators' order.
    ///
    /// # Errors
    /// [`PrepError::NormEquality`] or [`PrepError::Validity`] if a proof does not verify: the
    /// report must be refused. [`PrepError::Length`] if the shares are not of this instance.
    pub fn prep_shares_to_message(
        &self,
        shares: &[PrepShare<F>],
    ) -> Result<PrepMessage, PrepError> {
        same("prep shares", usize::from(self.parameters().aggregators), shares.len())?;
        let mut verifiers = vec![F::zero(); self.verifiers_len()];
        for share in shares {
            same("verifiers", verifiers.len(), share.verifiers.len())?;
            add_assign(&mut verifiers, &share.verifiers);
        }
        let [norm_gadget, gadget] = self.gadgets();
        let norm_len = norm_gadget.verifier_len() * usize::from(self.proof_counts()[0]);
        let (norm, validity) = verifiers.split_at(norm_len);
        for (proof, verifier) in norm.chunks_exact(norm_gadget.verifier_len()).enumerate() {
            if !decide(norm_gadget, verifier) {
                return Err(PrepError::NormEquality { proof });
            }
        }
        for (proof, verifier) in validity.chunks_exact(gadget.verifier_len()).enumerate() {
            if !decide(gadget, verifier) {
                return Err(PrepError::Validity { proof });
            }
        }
        let parts = |part: fn(&PrepShare<F>) -> &Seed| -> Vec<Seed> {
            shares.iter().map(part).cloned().collect()
        };
        let wraparound = parts(|share| &share.wraparound_part);
        let verification = parts(|share| &share.verification_part);
        Ok(PrepMessage {
            wraparound_seed: self.seed_of_parts(Usage::WraparoundSeed, &wraparound),
            verification_seed: self.seed_of_parts(Usage::JointRandomnessSeed, &verification),
        })
    }

    /// Ends the verification: the output share of an accepted report.
    ///
    /// # Errors
    /// [`PrepError::WraparoundRandomness`] or [`PrepError::JointRandomness`] if this aggregator
    /// used other randomness than the shares of all determine: the client lied in the public share.
    pub fn prep_next(
        &self,
        state: PrepState<F>,
        message: &PrepMessage,
    ) -> Result<OutputShare<F>, PrepError> {
        if !state.wraparound_seed.matches(&message.wraparound_seed) {
            return Err(PrepError::WraparoundRandomness);
        }
        if !state.verification_seed.matches(&message.verification_seed) {
            return Err(PrepError::JointRandomness);
        }
        Ok(state.output)
    }

    /// The output share of a report that was verified before ([`Pine::prep_next`]), from its input share
    /// again: for aggregators that keep messages and not states between steps.
    ///
    /// # Errors
    /// [`PrepError::Aggregator`] or [`PrepError::Length`].
    pub fn output_share(
        &self,
        aggregator: u8,
        input: &InputShare<F>,
    ) -> Result<OutputShare<F>, PrepError> {
        let share = self.expand(aggregator, input)?;
        Ok(OutputShare(SecretVector(share.measurement[..self.layout().dimension].to_vec())))
    }

    /// Expands an aggregator's input share.
    fn expand<'a>(
        &self,
        aggregator: u8,
        input: &'a InputShare<F>,
    ) -> Result<Expanded<'a, F>, PrepError> {
        match &input.0 {
            InputShareKind::Leader { measurement, proofs, blinds } if aggregator == 0 => {
                same("measurement", self.layout().measurement_len(), measurement.0.len())?;
                same("proofs", self.proofs_len(), proofs.0.len())?;
                Ok(Expanded {
                    measurement: Held::Borrowed(&measurement.0),
                    proofs: Held::Borrowed(&proofs.0),
                    blinds,
                })
            }
            InputShareKind::Helper { measurement, proofs, blinds }
                if (1..self.parameters().aggregators).contains(&aggregator) =>
            {
                Ok(Expanded {
                    measurement: Held::Expanded(SecretVector(
                        self.helper_measurement(aggregator, measurement),
                    )),
                    proofs: Held::Expanded(SecretVector(self.helper_proofs(aggregator, proofs))),
                    blinds,
                })
            }
            _ => Err(PrepError::Aggregator { aggregator }),
        }
    }

    /// This aggregator's own part, and the seed with the client's claim of it replaced.
    fn part_and_seed(
        &self,
        [part_usage, seed_usage]: [Usage; 2],
        part: impl FnOnce(Usage) -> Seed,
        aggregator: u8,
        claimed: &[Seed],
    ) -> Result<(Seed, Seed), PrepError> {
        same("parts", usize::from(self.parameters().aggregators), claimed.len())?;
        let own = part(part_usage);
        let mut parts = claimed.to_vec();
        parts[usize::from(aggregator)] = own.clone();
        let seed = self.seed_of_parts(seed_usage, &parts);
        Ok((own, seed))
    }

    /// This aggregator's shares of all verifiers.
    fn query_all(
        &self,
        input: &[F],
        proofs: &[F],
        points: &[F],
        joint: &[F],
    ) -> Result<Vec<F>, PrepError> {
        let [norm_gadget, gadget] = self.gadgets();
        let norm_count = usize::from(self.proof_counts()[0]);
        let (norm_proofs, proofs) = proofs.split_at(norm_gadget.proof_len() * norm_count);
        let (norm_points, points) = points.split_at(norm_count);
        let share = self.constant_share();
        let mut verifiers = Vec::with_capacity(self.verifiers_len());
        for (proof, point) in norm_proofs.chunks_exact(norm_gadget.proof_len()).zip(norm_points) {
            let with = Query { joint: &[], point: *point, share };
            verifiers.append(&mut query(&self.norm_equality, input, proof, with)?);
        }
        let joints = joint.chunks_exact(JOINT_LEN);
        for ((proof, point), joint) in
            proofs.chunks_exact(gadget.proof_len()).zip(points).zip(joints)
        {
            let with = Query { joint, point: *point, share };
            verifiers.append(&mut query(&self.validity, input, proof, with)?);
        }
        Ok(verifiers)
    }
}

impl From<crate::flp::PointInDomain> for PrepError {
    fn from(_: crate::flp::PointInDomain) -> Self {
        Self::QueryPoint
    }
}

/// Refuses another number of elements.
const fn same(what: &'static str, expected: usize, got: usize) -> Result<(), PrepError> {
    if expected == got { Ok(()) } else { Err(PrepError::Length { what, expected, got }) }
}

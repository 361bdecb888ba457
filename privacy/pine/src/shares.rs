//! The messages between client and aggregators.
//!
//! ```text
//! client ── PublicShare, InputShare j ──────────────▶ aggregator j
//! aggregator j ── PrepShare j ──────────────────────▶ aggregators
//! all prep shares ── PrepMessage (or a refusal) ────▶ aggregators
//! ```

use std::fmt;

use crate::{
    field::{PineField, encode_vector},
    secret::{SecretVector, Seed},
};

/// Bytes of a nonce, which must be unique per report under one verify key.
pub const NONCE_BYTES: usize = 16;

/// What every aggregator gets: the parts that joint randomness is derived from.
#[derive(Debug, Clone)]
pub struct PublicShare {
    /// Of the wraparound checks, by aggregator.
    pub(crate) wraparound_parts: Vec<Seed>,
    /// Of the validity circuit, by aggregator.
    pub(crate) verification_parts: Vec<Seed>,
}

impl PublicShare {
    /// The encoding: all wraparound parts, then all verification parts.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let parts = self.wraparound_parts.iter().chain(&self.verification_parts);
        parts.flat_map(|part| part.as_bytes().iter().copied()).collect()
    }
}

/// What hides an aggregator's share within its joint-randomness parts.
#[derive(Clone)]
pub(crate) struct Blinds {
    pub(crate) wraparound: Seed,
    pub(crate) verification: Seed,
}

/// One aggregator's share of a report. Secret: all of them together are the vector.
pub struct InputShare<F: PineField>(pub(crate) InputShareKind<F>);

pub(crate) enum InputShareKind<F: PineField> {
    /// Aggregator 0: explicit vectors.
    Leader { measurement: SecretVector<F>, proofs: SecretVector<F>, blinds: Blinds },
    /// The others: seeds that the vectors expand from.
    Helper { measurement: Seed, proofs: Seed, blinds: Blinds },
}

impl<F: PineField> InputShare<F> {
    /// The encoding: measurement, proofs, wraparound blind, verification blind.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let blinds = match &self.0 {
            InputShareKind::Leader { measurement, proofs, blinds } => {
                encode_vector(&measurement.0, &mut bytes);
                encode_vector(&proofs.0, &mut bytes);
                blinds
            }
            InputShareKind::Helper { measurement, proofs, blinds } => {
                bytes.extend_from_slice(measurement.as_bytes());
                bytes.extend_from_slice(proofs.as_bytes());
                blinds
            }
        };
        bytes.extend_from_slice(blinds.wraparound.as_bytes());
        bytes.extend_from_slice(blinds.verification.as_bytes());
        bytes
    }
}

impl<F: PineField> fmt::Debug for InputShare<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("InputShare").finish_non_exhaustive()
    }
}

/// A sharded vector.
#[derive(Debug)]
pub struct Report<F: PineField> {
    /// For every aggregator.
    pub public: PublicShare,
    /// By aggregator.
    pub inputs: Vec<InputShare<F>>,
}

/// What an aggregator keeps while a report is being verified.
pub struct PrepState<F: PineField> {
    pub(crate) output: OutputShare<F>,
    pub(crate) wraparound_seed: Seed,
    pub(crate) verification_seed: Seed,
}

impl<F: PineField> PrepState<F> {
    /// The message that must come of all prep shares for [`crate::Pine::prep_next`] to accept the report:
    /// what an aggregator keeps that does not keep whole states between steps.
    #[must_use]
    pub fn expected_message(&self) -> PrepMessage {
        PrepMessage {
            wraparound_seed: self.wraparound_seed.clone(),
            verification_seed: self.verification_seed.clone(),
        }
    }
}

impl<F: PineField> fmt::Debug for PrepState<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PrepState").finish_non_exhaustive()
    }
}

/// What an aggregator tells the others of a report.
#[derive(Debug, Clone)]
pub struct PrepShare<F: PineField> {
    /// Its shares of the verifiers, norm equality first.
    pub(crate) verifiers: Vec<F>,
    pub(crate) wraparound_part: Seed,
    pub(crate) verification_part: Seed,
}

impl<F: PineField> PrepShare<F> {
    /// The encoding: verifiers, wraparound part, verification part.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_vector(&self.verifiers, &mut bytes);
        bytes.extend_from_slice(self.wraparound_part.as_bytes());
        bytes.extend_from_slice(self.verification_part.as_bytes());
        bytes
    }
}

/// The joint-randomness seeds that every aggregator must have used.
#[derive(Debug, Clone)]
pub struct PrepMessage {
    pub(crate) wraparound_seed: Seed,
    pub(crate) verification_seed: Seed,
}

impl PrepMessage {
    /// Whether both messages name the same randomness; in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.wraparound_seed.matches(&other.wraparound_seed)
            & self.verification_seed.matches(&other.verification_seed)
    }

    /// The encoding: wraparound seed, verification seed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.wraparound_seed.as_bytes(), self.verification_seed.as_bytes()].concat()
    }
}

/// An aggregator's share of a verified vector. Secret.
pub struct OutputShare<F: PineField>(pub(crate) SecretVector<F>);

impl<F: PineField> OutputShare<F> {
    /// The share's elements, `[dimension]`.
    #[must_use]
    pub fn as_slice(&self) -> &[F] {
        &self.0.0
    }
}

impl<F: PineField> fmt::Debug for OutputShare<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OutputShare").finish_non_exhaustive()
    }
}

/// An aggregator's share of a sum of verified vectors.
pub struct AggregateShare<F: PineField> {
    pub(crate) sum: SecretVector<F>,
    pub(crate) count: u64,
}

impl<F: PineField> AggregateShare<F> {
    /// Adds a verified vector, which must be of the same instance as the share itself.
    ///
    /// # Errors
    /// [`crate::UnshardError::Length`] if it has another dimension; the sum stays as it was.
    pub fn add(&mut self, output: &OutputShare<F>) -> Result<(), crate::UnshardError> {
        let (expected, got) = (self.sum.0.len(), output.as_slice().len());
        if expected != got {
            return Err(crate::UnshardError::Length { expected, got });
        }
        crate::field::add_assign(&mut self.sum.0, output.as_slice());
        self.count += 1;
        Ok(())
    }

    /// Adds another sum of the same instance, over other vectors.
    ///
    /// # Errors
    /// [`crate::UnshardError::Length`] if it has another dimension; the sum stays as it was.
    pub fn merge(&mut self, other: &Self) -> Result<(), crate::UnshardError> {
        let (expected, got) = (self.sum.0.len(), other.sum.0.len());
        if expected != got {
            return Err(crate::UnshardError::Length { expected, got });
        }
        crate::field::add_assign(&mut self.sum.0, &other.sum.0);
        self.count += other.count;
        Ok(())
    }

    /// Vectors in the sum.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The encoding of the sum's elements (the count travels with the accepted set).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_vector(&self.sum.0, &mut bytes);
        bytes
    }
}

impl<F: PineField> fmt::Debug for AggregateShare<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AggregateShare").field("count", &self.count).finish_non_exhaustive()
    }
}

//! Decoding of messages.
//!
//! The encodings are the draft's: bare concatenations, whose lengths follow from the instance. So
//! decoding is the instance's and not a trait's: the length is compared before anything is
//! allocated, every field element must be below the modulus, and a value has one encoding.

use thiserror::Error;

use crate::{
    field::{PineField, decode_vector},
    pine::Pine,
    secret::{SecretVector, Seed},
    shares::{
        AggregateShare, Blinds, InputShare, InputShareKind, PrepMessage, PrepShare, PublicShare,
    },
    xof::Xof,
};

/// Why bytes are not a message of this instance.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The length differs.
    #[error("expected {expected} bytes of {what}, got {got}")]
    Length {
        /// The message.
        what: &'static str,
        /// The length required.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// A field element is not below the modulus.
    #[error("{what} holds a field element that is not below the modulus")]
    NotCanonical {
        /// The message.
        what: &'static str,
    },
    /// There is no such aggregator.
    #[error("aggregator {got} does not exist among {count}")]
    Aggregator {
        /// Aggregators.
        count: u8,
        /// The index.
        got: u8,
    },
}

impl<F: PineField, X: Xof> Pine<F, X> {
    /// Bytes of a public share.
    #[must_use]
    pub fn public_share_bytes(&self) -> usize {
        2 * usize::from(self.parameters().aggregators) * X::SEED_BYTES
    }

    /// Bytes of the input share of an aggregator.
    #[must_use]
    pub fn input_share_bytes(&self, aggregator: u8) -> usize {
        let blinds = 2 * X::SEED_BYTES;
        if aggregator == 0 {
            (self.layout().measurement_len() + self.proofs_len()) * F::ENCODED_SIZE + blinds
        } else {
            2 * X::SEED_BYTES + blinds
        }
    }

    /// Bytes of a prep share.
    #[must_use]
    pub fn prep_share_bytes(&self) -> usize {
        self.verifiers_len() * F::ENCODED_SIZE + 2 * X::SEED_BYTES
    }

    /// Bytes of a prep message.
    #[must_use]
    pub const fn prep_message_bytes(&self) -> usize {
        2 * X::SEED_BYTES
    }

    /// Bytes of an aggregate share.
    #[must_use]
    pub const fn aggregate_share_bytes(&self) -> usize {
        self.layout().dimension * F::ENCODED_SIZE
    }

    /// Reads a public share.
    ///
    /// # Errors
    /// [`DecodeError::Length`].
    pub fn public_share_from_bytes(&self, bytes: &[u8]) -> Result<PublicShare, DecodeError> {
        exactly("public share", self.public_share_bytes(), bytes)?;
        let (wraparound, verification) = bytes.split_at(bytes.len() / 2);
        Ok(PublicShare {
            wraparound_parts: seeds::<X>(wraparound),
            verification_parts: seeds::<X>(verification),
        })
    }

    /// Reads the input share of `aggregator`.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn input_share_from_bytes(
        &self,
        aggregator: u8,
        bytes: &[u8],
    ) -> Result<InputShare<F>, DecodeError> {
        let count = self.parameters().aggregators;
        if aggregator >= count {
            return Err(DecodeError::Aggregator { count, got: aggregator });
        }
        exactly("input share", self.input_share_bytes(aggregator), bytes)?;
        let (shares, blinds) = bytes.split_at(bytes.len() - 2 * X::SEED_BYTES);
        let (wraparound, verification) = pair::<X>(blinds);
        let blinds = Blinds { wraparound, verification };
        let kind = if aggregator == 0 {
            let vectors = shares.split_at(self.layout().measurement_len() * F::ENCODED_SIZE);
            InputShareKind::Leader {
                measurement: SecretVector(vector("input share", vectors.0)?),
                proofs: SecretVector(vector("input share", vectors.1)?),
                blinds,
            }
        } else {
            let (measurement, proofs) = pair::<X>(shares);
            InputShareKind::Helper { measurement, proofs, blinds }
        };
        Ok(InputShare(kind))
    }

    /// Reads a prep share.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn prep_share_from_bytes(&self, bytes: &[u8]) -> Result<PrepShare<F>, DecodeError> {
        exactly("prep share", self.prep_share_bytes(), bytes)?;
        let (verifiers, parts) = bytes.split_at(self.verifiers_len() * F::ENCODED_SIZE);
        let (wraparound_part, verification_part) = pair::<X>(parts);
        Ok(PrepShare {
            verifiers: vector("prep share", verifiers)?,
            wraparound_part,
            verification_part,
        })
    }

    /// Reads a prep message.
    ///
    /// # Errors
    /// [`DecodeError::Length`].
    pub fn prep_message_from_bytes(&self, bytes: &[u8]) -> Result<PrepMessage, DecodeError> {
        exactly("prep message", self.prep_message_bytes(), bytes)?;
        let (wraparound_seed, verification_seed) = pair::<X>(bytes);
        Ok(PrepMessage { wraparound_seed, verification_seed })
    }

    /// Reads an aggregate share of `count` reports, a number that the accepted set determines.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn aggregate_share_from_bytes(
        &self,
        count: u64,
        bytes: &[u8],
    ) -> Result<AggregateShare<F>, DecodeError> {
        exactly("aggregate share", self.aggregate_share_bytes(), bytes)?;
        Ok(AggregateShare { sum: SecretVector(vector("aggregate share", bytes)?), count })
    }
}

/// Refuses another length.
const fn exactly(what: &'static str, expected: usize, bytes: &[u8]) -> Result<(), DecodeError> {
    if bytes.len() == expected {
        Ok(())
    } else {
        Err(DecodeError::Length { what, expected, got: bytes.len() })
    }
}

/// The field elements that fill `bytes`.
fn vector<F: PineField>(what: &'static str, bytes: &[u8]) -> Result<Vec<F>, DecodeError> {
    decode_vector(bytes).ok_or(DecodeError::NotCanonical { what })
}

/// The seeds that fill `bytes`.
fn seeds<X: Xof>(bytes: &[u8]) -> Vec<Seed> {
    bytes.chunks_exact(X::SEED_BYTES).map(Seed::new).collect()
}

/// The two seeds that fill `bytes`.
fn pair<X: Xof>(bytes: &[u8]) -> (Seed, Seed) {
    let (first, second) = bytes.split_at(X::SEED_BYTES);
    (Seed::new(first), Seed::new(second))
}

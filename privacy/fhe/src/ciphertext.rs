//! Bodies of ciphertexts and their sum.

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use thiserror::Error;

use crate::{
    DIMENSION_MAX, FheParameters,
    packing::{self, PackingError},
};

/// Why a ciphertext was not added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CiphertextError {
    /// Made under other parameters.
    #[error("body has {got} coefficients of {got_bits} bits, expected {expected} of {bits}")]
    Shape {
        /// Coefficients of the round's parameters.
        expected: usize,
        /// Their width.
        bits: u8,
        /// Coefficients of the ciphertext.
        got: usize,
        /// Their width.
        got_bits: u8,
    },
    /// One more contributor could overflow a lane.
    #[error("sum already holds the {contributors_max} ciphertexts that its lanes have room for")]
    TooManyContributors {
        /// The bound of the signed order.
        contributors_max: u32,
    },
    /// The packed body is malformed.
    #[error(transparent)]
    Packing(#[from] PackingError),
}

/// One contributor's encrypted update: the packed, rounded bodies b = a·s + e + Δ·m. The masks a are the
/// round's and do not travel.
#[derive(Clone, PartialEq, Eq)]
pub struct Ciphertext {
    coefficients: usize,
    coefficient_bits: u8,
    packed: Vec<u8>,
}

impl Ciphertext {
    /// Packs `bodies`, which are already rounded and shifted down.
    pub(crate) fn pack(parameters: &FheParameters, bodies: &[u64]) -> Self {
        let coefficient_bits = parameters.coefficient_bits();
        let packed = packing::pack(bodies, coefficient_bits);
        Self { coefficients: bodies.len(), coefficient_bits, packed }
    }

    /// Reads a body of the parameters' shape from its packed bytes alone, as a store keeps them.
    ///
    /// # Errors
    /// [`CiphertextError::Packing`].
    pub fn from_packed(
        parameters: &FheParameters,
        packed: Vec<u8>,
    ) -> Result<Self, CiphertextError> {
        let coefficients = parameters.coefficients();
        let coefficient_bits = parameters.coefficient_bits();
        packing::check(&packed, coefficients, coefficient_bits)?;
        Ok(Self { coefficients, coefficient_bits, packed })
    }

    /// The packed bodies: what a store keeps and a digest covers.
    #[must_use]
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Checks that it was made under `parameters`.
    ///
    /// # Errors
    /// [`CiphertextError::Shape`].
    pub fn check(&self, parameters: &FheParameters) -> Result<(), CiphertextError> {
        let (expected, bits) = (parameters.coefficients(), parameters.coefficient_bits());
        if (self.coefficients, self.coefficient_bits) != (expected, bits) {
            let (got, got_bits) = (self.coefficients, self.coefficient_bits);
            return Err(CiphertextError::Shape { expected, bits, got, got_bits });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { coefficients, coefficient_bits, .. } = self;
        write!(f, "Ciphertext({coefficients} coefficients of {coefficient_bits} bits)")
    }
}

impl Encode for Ciphertext {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(u32::try_from(self.coefficients).expect("at most DIMENSION_MAX"));
        writer.u8(self.coefficient_bits);
        writer.array(&self.packed);
    }
}

impl Decode for Ciphertext {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let coefficients = reader.length("coefficients", DIMENSION_MAX as usize)?;
        let coefficient_bits = reader.u8()?;
        if !(1..=64).contains(&coefficient_bits) {
            return Err(DecodeError::invalid("coefficient_bits", "not in 1..=64"));
        }
        // Taken before it is copied: a hostile length allocates nothing.
        let packed = reader.take(packing::packed_len(coefficients, coefficient_bits))?;
        packing::check(packed, coefficients, coefficient_bits)
            .map_err(|source| DecodeError::invalid("body", source))?;
        Ok(Self { coefficients, coefficient_bits, packed: packed.to_vec() })
    }
}

/// The running sum of ciphertexts: all that an aggregator computes.
///
/// It decrypts under the sum of the keys of exactly the contributors that were added. That a contributor
/// is added once is the caller's matter, who knows their names.
#[derive(Clone, PartialEq, Eq)]
pub struct CiphertextSum {
    parameters: FheParameters,
    contributors: u32,
    /// Modulo 2^64, in units of `2^dropped_bits`: only the low `coefficient_bits` bits count.
    bodies: Vec<u64>,
}

impl CiphertextSum {
    /// The sum of no ciphertexts.
    #[must_use]
    pub fn new(parameters: FheParameters) -> Self {
        Self { parameters, contributors: 0, bodies: vec![0; parameters.coefficients()] }
    }

    /// Adds `ciphertext` in one pass over it.
    ///
    /// # Errors
    /// [`CiphertextError`]; the sum is then unchanged.
    pub fn add(&mut self, ciphertext: &Ciphertext) -> Result<(), CiphertextError> {
        ciphertext.check(&self.parameters)?;
        let contributors_max = self.parameters.requirements().contributors_max;
        if self.contributors >= contributors_max {
            return Err(CiphertextError::TooManyContributors { contributors_max });
        }
        packing::add_packed(&mut self.bodies, ciphertext.coefficient_bits, &ciphertext.packed);
        self.contributors += 1;
        Ok(())
    }

    /// Adds another sum, over other ciphertexts. Equal, bit for bit, to having added them here.
    ///
    /// # Errors
    /// [`CiphertextError`]; the sum is then unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<(), CiphertextError> {
        let (bits, got_bits) =
            (self.parameters.coefficient_bits(), other.parameters.coefficient_bits());
        let (expected, got) = (self.bodies.len(), other.bodies.len());
        if (expected, bits) != (got, got_bits) {
            return Err(CiphertextError::Shape { expected, bits, got, got_bits });
        }
        let contributors_max = self.parameters.requirements().contributors_max;
        let contributors = self.contributors.saturating_add(other.contributors);
        if contributors > contributors_max {
            return Err(CiphertextError::TooManyContributors { contributors_max });
        }
        for (sum, body) in self.bodies.iter_mut().zip(&other.bodies) {
            *sum = sum.wrapping_add(*body);
        }
        self.contributors = contributors;
        Ok(())
    }

    /// The sum as its aggregator stores it: the number of contributors, then each body in 8 bytes,
    /// big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + 8 * self.bodies.len());
        bytes.extend_from_slice(&self.contributors.to_be_bytes());
        self.bodies.iter().for_each(|body| bytes.extend_from_slice(&body.to_be_bytes()));
        bytes
    }

    /// Reads what [`CiphertextSum::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`CiphertextError::Shape`] if it was written under other parameters.
    pub fn from_bytes(parameters: FheParameters, bytes: &[u8]) -> Result<Self, CiphertextError> {
        let bits = parameters.coefficient_bits();
        let expected = parameters.coefficients();
        let shape = |got| CiphertextError::Shape { expected, bits, got, got_bits: bits };
        let (contributors, bodies) = bytes.split_first_chunk().ok_or(shape(0))?;
        let (words, rest) = bodies.as_chunks::<8>();
        if words.len() != expected || !rest.is_empty() {
            return Err(shape(words.len()));
        }
        let contributors = u32::from_be_bytes(*contributors);
        let contributors_max = parameters.requirements().contributors_max;
        if contributors > contributors_max {
            return Err(CiphertextError::TooManyContributors { contributors_max });
        }
        let bodies = words.iter().map(|word| u64::from_be_bytes(*word)).collect();
        Ok(Self { parameters, contributors, bodies })
    }

    /// How many ciphertexts it holds.
    #[must_use]
    pub const fn contributors(&self) -> u32 {
        self.contributors
    }

    /// The parameters of the round.
    #[must_use]
    pub const fn parameters(&self) -> &FheParameters {
        &self.parameters
    }

    /// Copies the bodies of polynomial `index` to the front of `body`, at full scale; the rest is zero.
    pub(crate) fn body_into(&self, index: usize, body: &mut [u64; crate::DEGREE]) -> usize {
        let start = index * crate::DEGREE;
        let used = (self.bodies.len() - start).min(crate::DEGREE);
        body.fill(0);
        for (word, sum) in body.iter_mut().zip(&self.bodies[start..start + used]) {
            *word = sum << self.parameters.dropped_bits();
        }
        used
    }
}

impl std::fmt::Debug for CiphertextSum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CiphertextSum(of {} contributors)", self.contributors)
    }
}

//! Proof that the shares of a key belong together: that all of them lie on polynomials of degree t − 1.
//!
//! **Threat.** A contributor that deals two custodians shares that do not fit the others'. Their sums then contradict each
//! other, after the set was agreed on: the round cannot be opened, for whose fault cannot be told, and honest custodians
//! look like liars. Each custodian therefore checks its share of each key *before* the set is agreed on, alone.
//!
//! **Mechanism.** Beside the key two random masks m₁, m₂ are shared by the same kind of polynomials. The dealer commits to
//! every share by a hash, draws coefficients r₁, r₂ from the hash of all commitments (Fiat–Shamir), and publishes
//! `v_k(j)` = ⟨`r_k`, `share_j`⟩ + mask_{j,k} for j = 1..t, which determines a polynomial of degree t − 1. Custodian j recomputes
//! its commitment and its `v_k(j)`. That all were shown the same proof is the caller's to see to ([`crate::KeyShare::verify`]
//! gives its digest).
//!
//! **Soundness.** The shares of custodians who accept the same proof were fixed before the coefficients were known. If they lie
//! on no polynomial of degree t − 1, some public combination of them that should vanish is a vector e ≠ 0, and both
//! ⟨`r_k`, e⟩ have to hit one value: 2^−122 for each set of commitments that the dealer tries.
//!
//! **What it tells.** `v_k(0)` is a linear form of the key plus a uniform mask; the other values follow from it and t − 1 shares.
//! So fewer than t custodians learn nothing. Commitments are to seeds, or contain 32 random bytes; they hide as far as the
//! hash is a random oracle.
//!
//! Source: the combination of hash commitments and a masked linear form is that of Baghery 2023, "Π: A Unified Framework for
//! Computational Verifiable Secret Sharing", there with one challenge for one secret; the form over many coordinates is the batched
//! degree test of verifiable secret sharing.

use privacy_identity::{Decode, DecodeError, Digest, DigestBuilder, Encode, Reader, Tag, Writer};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{CUSTODIANS_MAX, Custody, DEGREE, field, share::fill_elements, stream::Keystream};

/// Linear forms that are checked: one leaves 2^−61, which can be searched for.
pub(crate) const CHECKS: usize = 2;

/// Why a share of a key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DealingError {
    /// The proof is for another number of custodians or another threshold.
    #[error("the proof is for {custodians} custodians and a threshold of {threshold}")]
    Shape {
        /// Commitments in it.
        custodians: usize,
        /// Values in it.
        threshold: usize,
    },
    /// The share is not the one that the dealer committed to.
    #[error("the share of custodian {custodian} is not the one that was committed to")]
    Commitment {
        /// Which custodian's.
        custodian: u8,
    },
    /// The share does not lie on the dealer's polynomials.
    #[error("the share of custodian {custodian} does not fit the others'")]
    Polynomial {
        /// Which custodian's.
        custodian: u8,
    },
}

/// What all custodians of a key are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dealing {
    /// One for each custodian, in order.
    commitments: Vec<Digest>,
    /// The forms at custodians 1..=t.
    values: Vec<[u64; CHECKS]>,
}

/// A share as the forms see it.
pub(crate) struct Opened {
    pub(crate) elements: Box<Zeroizing<[u64; DEGREE]>>,
    pub(crate) masks: Zeroizing<[u64; CHECKS]>,
}

impl Dealing {
    /// The proof of these shares.
    ///
    /// * `commitments` — one for each, in order.
    /// * `first` — the shares of custodians 1..=t.
    pub(crate) fn new(commitments: Vec<Digest>, first: &[Opened]) -> Self {
        let coefficients = coefficients(&commitments, first.len());
        let values = first.iter().map(|share| forms(&coefficients, share)).collect();
        Self { commitments, values }
    }

    /// Checks the share of a custodian.
    ///
    /// * `commitment` — of the share that it holds.
    pub(crate) fn verify(
        &self,
        custody: Custody,
        custodian: u8,
        (commitment, share): (Digest, &Opened),
    ) -> Result<(), DealingError> {
        let (custodians, threshold) = (self.commitments.len(), self.values.len());
        let place = usize::from(custodian).checked_sub(1);
        let named = place.and_then(|place| self.commitments.get(place));
        let (Some(named), true) = (named, custodians == usize::from(custody.custodians())) else {
            return Err(DealingError::Shape { custodians, threshold });
        };
        if threshold != usize::from(custody.threshold()) {
            return Err(DealingError::Shape { custodians, threshold });
        }
        if *named != commitment {
            return Err(DealingError::Commitment { custodian });
        }
        let got = forms(&coefficients(&self.commitments, threshold), share);
        let nodes: Vec<u64> = (1..=u64::from(custody.threshold())).collect();
        let weights = field::lagrange_weights(&nodes, custodian.into());
        let mut expected = [0; CHECKS];
        for (weight, values) in weights.iter().zip(&self.values) {
            for (expected, value) in expected.iter_mut().zip(values) {
                *expected = field::add(*expected, field::multiply(*weight, *value));
            }
        }
        // Both are public: the proof is, and what a custodian expects follows from it.
        if got == expected { Ok(()) } else { Err(DealingError::Polynomial { custodian }) }
    }

    /// By which custodians see that they were shown the same.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of_encoded(Tag::KeyDealing, self)
    }
}

/// r₁, r₂: drawn once all shares are committed to.
fn coefficients(commitments: &[Digest], threshold: usize) -> [Box<[u64; DEGREE]>; CHECKS] {
    let mut builder = DigestBuilder::new(Tag::KeyDealing).chain(b"coefficients");
    builder = builder.chain(&(commitments.len() as u64).to_be_bytes());
    builder = builder.chain(&(threshold as u64).to_be_bytes());
    for commitment in commitments {
        builder = builder.chain(&commitment.0);
    }
    let mut stream = Keystream::new("key-dealing/v1", &builder.finish().0);
    std::array::from_fn(|_| {
        let mut elements = Box::new([0; DEGREE]);
        fill_elements(&mut stream, &mut elements[..]);
        elements
    })
}

fn forms(coefficients: &[Box<[u64; DEGREE]>; CHECKS], share: &Opened) -> [u64; CHECKS] {
    std::array::from_fn(|check| {
        let products = coefficients[check].iter().zip(share.elements.iter());
        products.fold(share.masks[check], |sum, (coefficient, element)| {
            field::add(sum, field::multiply(*coefficient, *element))
        })
    })
}

impl Encode for Dealing {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(u8::try_from(self.commitments.len()).expect("at most CUSTODIANS_MAX"));
        for commitment in &self.commitments {
            commitment.encode(writer);
        }
        writer.u8(u8::try_from(self.values.len()).expect("at most CUSTODIANS_MAX"));
        for value in self.values.iter().flatten() {
            writer.u64(*value);
        }
    }
}

impl Decode for Dealing {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = |reader: &mut Reader<'_>| match reader.u8()? {
            count if count <= CUSTODIANS_MAX => Ok(count),
            other => Err(DecodeError::invalid("custodians of a key", other)),
        };
        let custodians = count(reader)?;
        let commitments =
            (0..custodians).map(|_| Decode::decode(reader)).collect::<Result<_, _>>()?;
        let threshold = count(reader)?;
        let values = (0..threshold).map(|_| elements_from_reader(reader));
        Ok(Self { commitments, values: values.collect::<Result<_, _>>()? })
    }
}

/// Reads field elements of eight bytes each; each is below the prime.
pub(crate) fn elements_from_reader(reader: &mut Reader<'_>) -> Result<[u64; CHECKS], DecodeError> {
    let mut elements = [0; CHECKS];
    for element in &mut elements {
        *element = reader.u64()?;
        if *element >= field::PRIME {
            return Err(DecodeError::invalid("field element", "not below 2^61 - 1"));
        }
    }
    Ok(elements)
}

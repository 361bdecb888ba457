//! Sums of shares, and what is opened of them.

use privacy_identity::SealingKey;
use thiserror::Error;

use crate::{
    Binding, EncodingParameters, LinearTag, OpenShare, RingError, RingVector, SealError,
    ShareError, ShareSeed, Tagging, VerifiedDelivery, share,
};

/// Why sums could not be formed or opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AggregateError {
    /// Vectors of different length or ring.
    #[error("shares do not fit together")]
    Ring(#[from] RingError),
    /// A share or a sum with tags where the federation has none, or the reverse, or a malformed one.
    #[error("share is not one of this federation's")]
    Share(#[from] ShareError),
    /// Nothing was summed, or more than the parameters allow.
    #[error("a sum is opened over 1..={max} updates, got {got}")]
    Contributors {
        /// The federation's bound.
        max: usize,
        /// How many.
        got: usize,
    },
    /// The opened weights are not what honest contributors can weigh together, or no positive number.
    #[error(
        "summed weights are {got}, those of honest contributors are positive and in {least}..={most}"
    )]
    Weights {
        /// The least they can add up to.
        least: i64,
        /// The most.
        most: i64,
        /// What they add up to.
        got: i64,
    },
    /// An opened sum of another length.
    #[error("sum has {got} coordinates, sealed vectors have {expected}")]
    Length {
        /// Coordinates of a sealed vector.
        expected: usize,
        /// Coordinates of the sum.
        got: usize,
    },
    /// The aggregators summed different sets.
    #[error("aggregators summed {left} and {right} updates")]
    CountMismatch {
        /// The one's count.
        left: usize,
        /// The other's.
        right: usize,
    },
}

/// One aggregator's sum of the shares it holds, over the accepted set.
///
/// Adding is done in place and in one pass, whatever the form of the share; what is refused leaves
/// the sum unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareSum {
    vector: RingVector,
    tag: Option<LinearTag>,
    count: usize,
}

impl ShareSum {
    /// The empty sum.
    #[must_use]
    pub fn empty(parameters: &EncodingParameters) -> Self {
        let tag = match parameters.options().tagging {
            Tagging::Absent => None,
            Tagging::Linear => Some(LinearTag::default()),
        };
        let vector = RingVector::zero(parameters.ring(), parameters.vector_len());
        Self { vector, tag, count: 0 }
    }

    /// A sum of `count` updates received from another aggregator of a federation without tags.
    #[must_use]
    pub const fn from_parts(vector: RingVector, count: usize) -> Self {
        Self { vector, tag: None, count }
    }

    /// Adds one contributor's opened share.
    ///
    /// # Errors
    /// [`AggregateError::Ring`], or [`AggregateError::Share`] if one has a tag and the other none.
    pub fn add(&mut self, share: &OpenShare) -> Result<(), AggregateError> {
        self.check_form(share.tag)?;
        self.vector.add(&share.vector)?;
        self.count_in(share.tag);
        Ok(())
    }

    /// Adds an explicit share straight from its packed elements.
    ///
    /// # Errors
    /// As [`ShareSum::add`].
    pub fn add_packed(
        &mut self,
        packed: &[u8],
        tag: Option<LinearTag>,
    ) -> Result<(), AggregateError> {
        self.check_form(tag)?;
        self.vector.add_packed(packed)?;
        self.count_in(tag);
        Ok(())
    }

    /// Adds the share that `seed` stands for, block by block.
    pub fn add_seed(
        &mut self,
        seed: &ShareSeed,
        binding: &Binding,
        parameters: &EncodingParameters,
    ) {
        let tag = seed.add_onto(binding, self.vector.elements_mut(), parameters);
        self.count_in(tag);
    }

    /// Decrypts the share of `delivery` and adds it, without a vector in between.
    ///
    /// # Errors
    /// As [`VerifiedDelivery::open`].
    pub fn add_delivery(
        &mut self,
        delivery: &VerifiedDelivery,
        key: &SealingKey,
        parameters: &EncodingParameters,
    ) -> Result<(), SealError> {
        let tag = delivery.open_onto(key, parameters, &mut self.vector)?;
        self.count_in(tag);
        Ok(())
    }

    /// Adds another sum by the same aggregator, over other updates. Equal, bit for bit, to having added them here.
    ///
    /// # Errors
    /// As [`ShareSum::add`].
    pub fn merge(&mut self, other: &Self) -> Result<(), AggregateError> {
        self.check_form(other.tag)?;
        self.vector.add(&other.vector)?;
        self.tag = self.tag.zip(other.tag).map(|(sum, tag)| sum.plus(tag));
        self.count += other.count;
        Ok(())
    }

    fn check_form(&self, tag: Option<LinearTag>) -> Result<(), AggregateError> {
        let form = |tag: Option<LinearTag>| u8::from(tag.is_some());
        let (expected, got) = (form(self.tag), form(tag));
        if expected == got { Ok(()) } else { Err(ShareError::Form { expected, got }.into()) }
    }

    fn count_in(&mut self, tag: Option<LinearTag>) {
        self.tag = self.tag.zip(tag).map(|(sum, tag)| sum.plus(tag));
        self.count += 1;
    }

    /// The vector of the sum.
    #[must_use]
    pub const fn vector(&self) -> &RingVector {
        &self.vector
    }

    /// The summed tag shares.
    #[must_use]
    pub const fn tag(&self) -> Option<LinearTag> {
        self.tag
    }

    /// How many updates it covers.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The sum as one aggregator sends it to the others: form, packed vector, tag sum.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let mut packed = vec![u8::from(self.tag.is_some())];
        packed.append(&mut self.vector.pack());
        if let Some(tag) = self.tag {
            packed.extend_from_slice(&tag.to_bytes());
        }
        packed
    }

    /// Reads a sum of `count` updates that another aggregator packed.
    ///
    /// # Errors
    /// [`AggregateError::Share`].
    pub fn unpack(
        packed: &[u8],
        count: usize,
        parameters: &EncodingParameters,
    ) -> Result<Self, AggregateError> {
        let (packed, tag) = share::explicit_parts(packed, parameters)?;
        let vector = RingVector::unpack(parameters.ring(), parameters.vector_len(), packed)
            .map_err(ShareError::from)?;
        Ok(Self { vector, tag, count })
    }
}

/// What the aggregators together open: the sum over the accepted set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedSum {
    /// The sum, `[vector_len]`: rotated coordinates, then extra coordinates.
    pub values: Vec<i64>,
    /// The sum of the tags, in a federation with tags.
    pub tag: Option<LinearTag>,
    /// How many updates it covers.
    pub count: usize,
}

/// Adds the summed shares of all aggregators: the sum of the updates, as signed integers.
///
/// Equal, bit for bit, to the sum of the quantised integers, unless a coordinate wraps (see
/// [`EncodingParameters`]).
///
/// # Errors
/// [`AggregateError`] if the sums do not fit together.
pub fn open_sum(
    sums: &[ShareSum],
    parameters: &EncodingParameters,
) -> Result<OpenedSum, AggregateError> {
    let mut total = ShareSum::empty(parameters);
    let count = sums.first().map_or(0, ShareSum::count);
    let max = parameters.contributors_max();
    if count == 0 || count > max {
        return Err(AggregateError::Contributors { max, got: count });
    }
    for sum in sums {
        if sum.count != count {
            return Err(AggregateError::CountMismatch { left: count, right: sum.count });
        }
        total.check_form(sum.tag)?;
        total.vector.add(&sum.vector)?;
        total.count_in(sum.tag);
    }
    let ring = parameters.ring();
    let values = total.vector.elements().iter().map(|&element| ring.centred(element)).collect();
    Ok(OpenedSum { values, tag: total.tag, count })
}

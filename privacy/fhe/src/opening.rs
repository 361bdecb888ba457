//! What custodians are asked to open, and what they answer.

use privacy_identity::{
    Decode, DecodeError, Digest, DigestBuilder, Encode, Reader, Tag, Writer, list_from_reader,
    list_to_writer,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    CONTRIBUTORS_MAX, DEGREE,
    share::{elements_from_reader, elements_to_writer},
};

/// A contributor, by the bytes of its verifying key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberId(pub [u8; 32]);

impl std::fmt::Display for MemberId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Digest(self.0).fmt(f)
    }
}

/// One contributor of an accepted set and the digest of its sealed update, ciphertext included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptedUpdate {
    /// Whose.
    pub member: MemberId,
    /// Which: the digest that the contributor signed.
    pub update: Digest,
}

impl Encode for AcceptedUpdate {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.member.0);
        self.update.encode(writer);
    }
}

impl Decode for AcceptedUpdate {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { member: MemberId(reader.array()?), update: Decode::decode(reader)? })
    }
}

/// Why a set is not one that can be opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// Members are not in strictly ascending order: one is there twice, or the set has two encodings.
    #[error("member {index} of the set does not come after the one before it")]
    Order {
        /// The position of the second of the two.
        index: usize,
    },
    /// The digest that was announced is of another set: an update was substituted.
    #[error("set has digest {computed}, announced as {announced}")]
    SetDigest {
        /// What the aggregator signed.
        announced: Digest,
        /// What the members and updates hash to.
        computed: Digest,
    },
}

/// The order to open the sum of one set of one round.
///
/// The caller checks the aggregator's signature on it, and that the other custodians saw the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    transcript: Digest,
    updates: Vec<AcceptedUpdate>,
    set: Digest,
}

impl Opening {
    /// The opening of `updates`, in ascending order of members, in the round of `transcript`.
    ///
    /// # Errors
    /// [`OpeningError::Order`].
    pub fn new(transcript: Digest, updates: Vec<AcceptedUpdate>) -> Result<Self, OpeningError> {
        let unordered = updates.windows(2).position(|pair| pair[0].member >= pair[1].member);
        if let Some(before) = unordered {
            return Err(OpeningError::Order { index: before + 1 });
        }
        let count = u64::try_from(updates.len()).unwrap_or(u64::MAX);
        let digest = DigestBuilder::new(Tag::AcceptedSet)
            .chain(b"sahakar/fhe/opening/v1")
            .chain(&transcript.0)
            .chain(&count.to_be_bytes());
        let digest = updates
            .iter()
            .fold(digest, |digest, accepted| digest.chain(&accepted.to_bytes()))
            .finish();
        Ok(Self { transcript, updates, set: digest })
    }

    /// As [`Opening::new`], of a set whose digest was announced.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn announced(
        transcript: Digest,
        updates: Vec<AcceptedUpdate>,
        announced: Digest,
    ) -> Result<Self, OpeningError> {
        let opening = Self::new(transcript, updates)?;
        if opening.set == announced {
            Ok(opening)
        } else {
            Err(OpeningError::SetDigest { announced, computed: opening.set })
        }
    }

    /// The round.
    #[must_use]
    pub const fn transcript(&self) -> Digest {
        self.transcript
    }

    /// The accepted updates, by ascending member.
    #[must_use]
    pub fn updates(&self) -> &[AcceptedUpdate] {
        &self.updates
    }

    /// The digest of round, members and updates.
    #[must_use]
    pub const fn set(&self) -> Digest {
        self.set
    }
}

impl Encode for Opening {
    fn encode(&self, writer: &mut Writer) {
        self.transcript.encode(writer);
        list_to_writer(&self.updates, writer);
        self.set.encode(writer);
    }
}

impl Decode for Opening {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let transcript = Decode::decode(reader)?;
        let updates = list_from_reader(reader, "updates", CONTRIBUTORS_MAX as usize)?;
        let announced = Decode::decode(reader)?;
        Self::announced(transcript, updates, announced)
            .map_err(|source| DecodeError::invalid("opening", source))
    }
}

/// A custodian's answer to an opening: the sum of its shares of the set's keys.
///
/// It reveals nothing beside the sum of the keys, which threshold of them give.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyShareSum {
    /// Which custodian, 1..=custodians.
    pub custodian: u8,
    /// The set whose shares were added.
    pub set: Digest,
    pub(crate) elements: Box<Zeroizing<[u64; DEGREE]>>,
}

impl std::fmt::Debug for KeyShareSum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyShareSum(custodian {} for set {})", self.custodian, self.set)
    }
}

impl Encode for KeyShareSum {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(self.custodian);
        self.set.encode(writer);
        elements_to_writer(&self.elements, writer);
    }
}

impl Decode for KeyShareSum {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let custodian = reader.u8()?;
        let set = Decode::decode(reader)?;
        Ok(Self { custodian, set, elements: elements_from_reader(reader)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepted(member: u8, update: u8) -> AcceptedUpdate {
        AcceptedUpdate { member: MemberId([member; 32]), update: Digest([update; 32]) }
    }

    #[test]
    fn a_member_that_counts_twice_is_refused() {
        let twice = vec![accepted(1, 1), accepted(1, 2)];
        let refused = Opening::new(Digest([0; 32]), twice).unwrap_err();
        assert_eq!(refused, OpeningError::Order { index: 1 });
    }

    #[test]
    fn a_substituted_update_changes_the_digest_and_is_refused() {
        let honest = Opening::new(Digest([0; 32]), vec![accepted(1, 1), accepted(2, 2)]).unwrap();
        let substituted = vec![accepted(1, 1), accepted(2, 3)];
        let refused = Opening::announced(Digest([0; 32]), substituted, honest.set()).unwrap_err();
        assert!(
            matches!(refused, OpeningError::SetDigest { announced, .. } if announced == honest.set())
        );
    }

    #[test]
    fn openings_round_trip_and_those_with_another_digest_do_not_decode() {
        let opening = Opening::new(Digest([0; 32]), vec![accepted(1, 1), accepted(2, 2)]).unwrap();
        let mut bytes = opening.to_bytes();
        assert_eq!(Opening::from_bytes(&bytes).unwrap(), opening);
        *bytes.last_mut().unwrap() ^= 1;
        assert!(Opening::from_bytes(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn decoding_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _unused = Opening::from_bytes(&bytes);
            let _unused = KeyShareSum::from_bytes(&bytes);
        }
    }
}

//! Training at one's own pace, where the terms have a buffer: a model to train from, and the word that it was trained
//! from.
//!
//! ```text
//!   DAO node ─Signed<ModelOffer>, model─► contributor ─trains, keeps the update─► Signed<ModelTrained> ─► DAO node
//!                                              ◄── RoundOrder of that very model, once enough are done ──┘
//! ```
//!
//! Neither has a byte of an update: that somebody is done, and when, is all that is told before a round. What is
//! sealed later is bound to the model of the grant, so that a false word gains nothing.

use privacy_identity::{Decode, DecodeError, Digest, Encode, Reader, Writer};

use crate::CohortEpoch;

/// A model from which members may train, signed by the DAO node.
///
/// Threat: a coordinator that hands out a model of its own making, from which an update tells more than from the
/// federation's. The device trains from nothing that the DAO node did not sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelOffer {
    /// Digest of the DAO's genesis entry.
    pub dao: Digest,
    /// The federation's id.
    pub federation: Digest,
    /// How many rounds were settled before it: 0 is the model before the first.
    pub version: u64,
    /// Digest of the model.
    pub model: Digest,
    /// The state of the cohort to which the model is sealed, in a federation that has one.
    pub cohort_epoch: Option<CohortEpoch>,
}

/// That a member has trained from a model and waits for its round, signed by the member.
///
/// It is said again every second or so: whoever falls silent is not waited for. Threat: a coordinator that says it for a
/// member that is not done. The DAO node takes the member's signature alone. It may hold a word back or bring an old one
/// again: then the member has no part in a round, or does not come; a coordinator that drops updates does as much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTrained {
    /// The federation's id.
    pub federation: Digest,
    /// The version from which it trained.
    pub version: u64,
    /// Digest of that model.
    pub model: Digest,
}

impl Encode for ModelOffer {
    fn encode(&self, writer: &mut Writer) {
        self.dao.encode(writer);
        self.federation.encode(writer);
        writer.u64(self.version);
        self.model.encode(writer);
        writer.u8(u8::from(self.cohort_epoch.is_some()));
        if let Some(epoch) = &self.cohort_epoch {
            epoch.encode(writer);
        }
    }
}

impl Decode for ModelOffer {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            dao: Decode::decode(reader)?,
            federation: Decode::decode(reader)?,
            version: reader.u64()?,
            model: Decode::decode(reader)?,
            cohort_epoch: match reader.u8()? {
                0 => None,
                1 => Some(Decode::decode(reader)?),
                other => return Err(DecodeError::invalid("epoch of the cohort", other)),
            },
        })
    }
}

impl Encode for ModelTrained {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        writer.u64(self.version);
        self.model.encode(writer);
    }
}

impl Decode for ModelTrained {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            federation: Decode::decode(reader)?,
            version: reader.u64()?,
            model: Decode::decode(reader)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_pinned_field_by_field() {
        let epoch = CohortEpoch { epoch: 5, authenticator: [6; 32] };
        let offer = ModelOffer {
            dao: Digest([1; 32]),
            federation: Digest([2; 32]),
            version: 3,
            model: Digest([4; 32]),
            cohort_epoch: Some(epoch),
        };
        let expected = [
            [1; 32].as_slice(),
            &[2; 32],
            &3_u64.to_be_bytes(),
            &[4; 32],
            &[1],
            &5_u64.to_be_bytes(),
            &[6; 32],
        ]
        .concat();
        assert_eq!(offer.to_bytes(), expected);
        assert_eq!(ModelOffer::from_bytes(&expected), Ok(offer));
        let trained =
            ModelTrained { federation: Digest([2; 32]), version: 3, model: Digest([4; 32]) };
        let expected = [[2; 32].as_slice(), &3_u64.to_be_bytes(), &[4; 32]].concat();
        assert_eq!(trained.to_bytes(), expected);
        assert_eq!(ModelTrained::from_bytes(&expected), Ok(trained));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..160)) {
            if let Ok(offer) = ModelOffer::from_bytes(&bytes) {
                prop_assert_eq!(offer.to_bytes(), bytes.clone());
            }
            if let Ok(trained) = ModelTrained::from_bytes(&bytes) {
                prop_assert_eq!(trained.to_bytes(), bytes);
            }
        }
    }
}

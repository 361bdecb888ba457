//! What an agent remembers of its last round across a crash.

use aggregator_protocol::{
    Acknowledgement, ContributorRequest, MESSAGE_BYTES_MAX, RoundId, from_wire,
};
use privacy_identity::{Decode, DecodeError, Encode, Reader, Signed, Writer};
use privacy_secagg::SealedUpdate;

/// How far the last round got, stored before the step that it justifies.
///
/// ```text
///   nothing ─sealed→ Sealed ─acknowledged→ Acknowledged ─ended→ Ended ─sealed for the next round→ …
///                      └──────────────── refused ────────────────▲
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoredRound {
    /// An update was sealed and may have been sent: these very bytes are sent again.
    Sealed {
        /// The request that carries it, as it travels.
        wire: Vec<u8>,
    },
    /// The coordinator promised to hold the update: how the round ended is to be asked for.
    Acknowledged {
        /// The request that carried it, as it travelled.
        wire: Vec<u8>,
        /// The promise.
        acknowledgement: Box<Signed<Acknowledgement>>,
    },
    /// Nothing is left to do for this round or an earlier one.
    Ended {
        /// The round.
        round: RoundId,
    },
}

impl StoredRound {
    /// The update that was sealed, if the round has not ended.
    pub(crate) fn update(&self) -> Option<Box<SealedUpdate>> {
        let (Self::Sealed { wire } | Self::Acknowledged { wire, .. }) = self else { return None };
        match from_wire(wire) {
            Ok(ContributorRequest::Submit { update, .. }) => Some(update),
            _ => None,
        }
    }
}

impl Encode for StoredRound {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Sealed { wire } => {
                writer.u8(0);
                writer.bytes(wire);
            }
            Self::Acknowledged { wire, acknowledgement } => {
                writer.u8(1);
                writer.bytes(wire);
                acknowledgement.encode(writer);
            }
            Self::Ended { round } => {
                writer.u8(2);
                round.encode(writer);
            }
        }
    }
}

impl Decode for StoredRound {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let wire = |reader: &mut Reader<'_>| {
            reader.bytes("stored update", MESSAGE_BYTES_MAX).map(<[u8]>::to_vec)
        };
        Ok(match reader.u8()? {
            0 => Self::Sealed { wire: wire(reader)? },
            1 => Self::Acknowledged {
                wire: wire(reader)?,
                acknowledgement: Box::new(Decode::decode(reader)?),
            },
            2 => Self::Ended { round: Decode::decode(reader)? },
            other => return Err(DecodeError::invalid("stored round", other)),
        })
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::{Digest, SigningKey, Tag};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_stored_is_read_back() {
        let body = Acknowledgement {
            federation: Digest([1; 32]),
            round: RoundId(4),
            update: Digest([2; 32]),
        };
        let key = SigningKey::from_seed(&[3; 32]);
        let acknowledgement = Box::new(Signed::new(body, Tag::Acknowledgement, &key));
        let stored = [
            StoredRound::Sealed { wire: vec![1, 2, 3] },
            StoredRound::Acknowledged { wire: vec![4], acknowledgement },
            StoredRound::Ended { round: RoundId(5) },
        ];
        for stored in stored {
            let bytes = stored.to_bytes();
            assert_eq!(StoredRound::from_bytes(&bytes), Ok(stored));
            assert!(StoredRound::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(stored) = StoredRound::from_bytes(&bytes) {
                prop_assert_eq!(stored.to_bytes(), bytes);
            }
        }
    }
}

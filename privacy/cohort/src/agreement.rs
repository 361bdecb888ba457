//! Whether everybody means the same cohort.

use std::{collections::BTreeSet, fmt};

use privacy_identity::{Decode, DecodeError, Encode, Reader, VerifyingKey, Writer};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// The authenticator of an epoch (RFC 9420 §8.7): derived from the epoch's secrets, equal for two members
/// exactly if their groups have the same history, members and keys.
///
/// It tells nothing about other secrets of the epoch. It is known to members only until one publishes it.
#[derive(Clone, Copy)]
pub struct EpochAuthenticator([u8; Self::LEN]);

impl EpochAuthenticator {
    /// Bytes of an authenticator: the output of the suite's hash.
    pub const LEN: usize = 32;

    /// The authenticator with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl PartialEq for EpochAuthenticator {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for EpochAuthenticator {}

impl fmt::Display for EpochAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EpochAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochAuthenticator({self})")
    }
}

impl Encode for EpochAuthenticator {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.0);
    }
}

impl Decode for EpochAuthenticator {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(reader.array()?))
    }
}

/// Why a member does not train: it and somebody else do not mean the same cohort.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Disagreement {
    /// One of the two is behind.
    #[error("we are at epoch {ours}, they at {theirs}")]
    Epoch {
        /// This member's epoch.
        ours: u64,
        /// The epoch it was told.
        theirs: u64,
    },
    /// The roster it was told names somebody twice.
    #[error("{member} is named twice")]
    NamedTwice {
        /// Who.
        member: VerifyingKey,
    },
    /// The roster it was told names somebody who is not in the cohort: padding.
    #[error("{member} is named but not in the cohort")]
    NotInCohort {
        /// Who.
        member: VerifyingKey,
    },
    /// Somebody is in the cohort whom the roster does not name: an expulsion not yet carried out.
    #[error("{member} is in the cohort but not named")]
    NotNamed {
        /// Who.
        member: VerifyingKey,
    },
    /// Same epoch and roster, other history: somebody forked the group.
    #[error("epoch authenticators differ: ours {ours}, theirs {theirs}")]
    Authenticator {
        /// This member's.
        ours: EpochAuthenticator,
        /// The one it was told.
        theirs: EpochAuthenticator,
    },
    /// One is not a member any more.
    #[error("no longer a member since epoch {epoch}")]
    Removed {
        /// The last epoch that this member knows.
        epoch: u64,
    },
}

/// Compares a member's view with one that it was told.
pub(crate) fn compare(
    (ours, epoch, authenticator): (&BTreeSet<VerifyingKey>, u64, EpochAuthenticator),
    roster: &[VerifyingKey],
    their_epoch: u64,
    their_authenticator: EpochAuthenticator,
) -> Result<(), Disagreement> {
    if their_epoch != epoch {
        return Err(Disagreement::Epoch { ours: epoch, theirs: their_epoch });
    }
    let mut theirs = BTreeSet::new();
    for &member in roster {
        if !theirs.insert(member) {
            return Err(Disagreement::NamedTwice { member });
        }
        if !ours.contains(&member) {
            return Err(Disagreement::NotInCohort { member });
        }
    }
    if let Some(&member) = ours.difference(&theirs).next() {
        return Err(Disagreement::NotNamed { member });
    }
    if their_authenticator != authenticator {
        let (ours, theirs) = (authenticator, their_authenticator);
        return Err(Disagreement::Authenticator { ours, theirs });
    }
    Ok(())
}

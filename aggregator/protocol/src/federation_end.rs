//! That a federation runs no more rounds, and why.

use std::fmt;

use privacy_identity::{Decode, DecodeError, Digest, Encode, Reader, Signed, Tag, Writer};

use crate::FederationTerms;

/// Why no more rounds are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// As many were settled as the terms say.
    AllRounds,
    /// The next one would overdraw the federation's privacy budget.
    PrivacySpent,
    /// What the DAO measures on its validation set has not improved for as long as the terms wait
    /// ([`FederationTerms::stopping`]).
    NoImprovement {
        /// The round whose model is the best.
        best_round: u64,
    },
}

/// For people.
impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllRounds => write!(f, "all rounds were run"),
            Self::PrivacySpent => write!(f, "the next round would exceed the privacy budget"),
            Self::NoImprovement { best_round } => {
                write!(f, "no improvement on the validation set since round {best_round}")
            }
        }
    }
}

/// The end of a federation, signed by the DAO node.
///
/// Threat: a coordinator that sends contributors away while rounds are run. A device goes by the DAO node's word alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FederationEnd {
    /// The federation's id.
    pub federation: Digest,
    /// How many rounds were settled.
    pub settled: u64,
    /// Why there are no more.
    pub reason: EndReason,
}

impl FederationEnd {
    /// Why the federation of `terms` is over, if its DAO node says so.
    #[must_use]
    pub fn checked(end: &Signed<Self>, terms: &FederationTerms) -> Option<EndReason> {
        let verified = end.clone().verify_by(Tag::FederationEnd, &terms.dao_node).ok()?;
        let body = verified.body();
        (body.federation == terms.id()).then_some(body.reason)
    }
}

impl Encode for FederationEnd {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        writer.u64(self.settled);
        match self.reason {
            EndReason::AllRounds => writer.u8(0),
            EndReason::PrivacySpent => writer.u8(1),
            EndReason::NoImprovement { best_round } => {
                writer.u8(2);
                writer.u64(best_round);
            }
        }
    }
}

impl Decode for FederationEnd {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (federation, settled) = (Decode::decode(reader)?, reader.u64()?);
        let reason = match reader.u8()? {
            0 => EndReason::AllRounds,
            1 => EndReason::PrivacySpent,
            2 => EndReason::NoImprovement { best_round: reader.u64()? },
            other => return Err(DecodeError::invalid("reason of the end", other)),
        };
        Ok(Self { federation, settled, reason })
    }
}

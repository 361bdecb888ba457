//! What a member found to be false, by whom it was found, and who can have done it.

use std::fmt;

use aggregator_protocol::{FederationTerms, RoundId, RoundReceipt};
use privacy_identity::{Digest, VerifyingKey};
use privacy_secagg::{AggregateError, TagError};
use thiserror::Error;

use crate::{ReceiptError, StepError, ValueFault};

/// Accused who are named in a sentence; the others are counted. More than there are aggregators in any federation.
const NAMED_MAX: usize = 16;

/// What is false.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Finding {
    /// The receipt.
    #[error("{0}")]
    Receipt(#[from] ReceiptError),
    /// The sum is not the coordinator's for this round.
    #[error("the sum is not the coordinator's for this round")]
    NotOurs,
    /// The coordinator does not show the sum, and does not prove either that it is too old to be kept
    /// ([`crate::sum_may_be_forgotten`]): silence must not be a way around the check.
    #[error("the coordinator does not show the sum, so that it could not be checked")]
    Withheld,
    /// Another sum than the one that the receipt names.
    #[error("the sum has digest {got}, the receipt names {expected}")]
    OtherSum {
        /// The receipt's.
        expected: Digest,
        /// The digest of what was shown.
        got: Digest,
    },
    /// The sum is said to be over another set than the receipt's.
    #[error("the sum is over another set than the receipt")]
    OtherSet,
    /// The terms ask for tags, and the sum has none; or the other way round.
    #[error("the sum has no tag where the terms ask for one, or one where they do not")]
    Untagged,
    /// The sum is not the sum of what the members sealed.
    #[error("{0}")]
    Tags(#[from] TagError),
    /// The sum has no mean.
    #[error("the sum cannot be decoded: {0}")]
    Undecodable(#[from] AggregateError),
    /// The sums of the groups make no step.
    #[error("{0}")]
    Step(#[from] StepError),
    /// The values are not what the parties' answers give, or those cannot be true.
    #[error("{0}")]
    Values(#[from] ValueFault),
    /// The next model is not the model before plus the mean.
    #[error("the model after the round has digest {named}, the sum leads to {got}")]
    OtherModel {
        /// What the receipt names.
        named: Digest,
        /// What the member computed.
        got: Digest,
    },
}

/// A round whose record is false: what, found by whom, and who is accused.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispute {
    /// The round.
    pub round: RoundId,
    /// The member that found it.
    pub finder: VerifyingKey,
    /// Who can have done it. With several it cannot be told apart which of them did.
    pub accused: Vec<VerifyingKey>,
    /// What is false.
    pub finding: Finding,
}

impl Dispute {
    /// Accuses those who can have brought about `finding`.
    ///
    /// * A receipt, a signature or a digest is the coordinator's alone.
    /// * Tags that do not match: each aggregator whose share was added can have shifted its share or
    ///   left one out. So can a member of the set that spoiled its own tag, or garbled its update where no norm is
    ///   proven: [`Dispute::over`] accuses those, too.
    /// * A wrong model: the DAO node names it, and the coordinator signs it into the receipt.
    #[must_use]
    pub fn new(
        terms: &FederationTerms,
        round: RoundId,
        finder: VerifyingKey,
        finding: Finding,
    ) -> Self {
        let coordinator = terms.coordinator().verifying;
        let accused = match finding {
            Finding::Tags(_) | Finding::Undecodable(_) | Finding::Step(_) => {
                terms.aggregators.iter().map(|keys| keys.verifying).collect()
            }
            Finding::OtherModel { .. } => vec![terms.dao_node, coordinator],
            _ => vec![coordinator],
        };
        Self { round, finder, accused, finding }
    }

    /// As [`Dispute::new`], of the values of the round of `receipt`: who is accused follows from the fault
    /// ([`ValueFault::accused`]).
    #[must_use]
    pub fn of_values(
        terms: &FederationTerms,
        receipt: &RoundReceipt,
        finder: VerifyingKey,
        fault: ValueFault,
    ) -> Self {
        let accused = fault.accused(terms, receipt.grant.unverified_body());
        Self { round: receipt.round, finder, accused, finding: Finding::Values(fault) }
    }
}

impl Dispute {
    /// As [`Dispute::new`], about the sum of the round of `receipt`: where a member of its set can have done it, it is among
    /// the accused, all but the finder, which knows what it sent itself.
    ///
    /// Threat: a member that spoils its tag to have the aggregators accused. It stands accused with them; only a
    /// proof of each tag could tell them apart, and there is none.
    #[must_use]
    pub fn over(
        terms: &FederationTerms,
        receipt: &RoundReceipt,
        finder: VerifyingKey,
        finding: Finding,
    ) -> Self {
        let members = matches!(finding, Finding::Tags(_) | Finding::Undecodable(_));
        let mut dispute = Self::new(terms, receipt.round, finder, finding);
        if members {
            let set = receipt.accepted.contributions().iter().map(|(member, _)| *member);
            dispute.accused.extend(set.filter(|member| *member != finder));
        }
        dispute
    }
}

impl fmt::Display for Dispute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.accused.iter().take(NAMED_MAX).map(ToString::to_string);
        let (finding, finder) = (&self.finding, &self.finder);
        let accused = named.collect::<Vec<_>>().join(", ");
        write!(f, "{finding}; found by {finder}; accused: {accused}")?;
        match self.accused.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl std::error::Error for Dispute {}

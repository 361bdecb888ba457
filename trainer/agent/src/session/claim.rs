//! On what grounds a receipt is asked for, and what it says that an update was worth.

use aggregator_protocol::{FederationTerms, FetchedReceipt, Refusal, RoundReceipt};
use aggregator_round::{Acknowledged, Outcome, ReceiptError};
use privacy_identity::VerifyingKey;

use crate::contributor::Submission;

/// On what grounds a receipt is asked for.
pub(super) enum Claim {
    /// The coordinator promised to hold the update.
    Promised(Acknowledged),
    /// It said that it came too late; an earlier delivery, whose answer was lost, may have counted.
    Unanswered(Box<Submission>, Refusal),
}

impl Claim {
    pub(super) fn check(
        &self,
        terms: &FederationTerms,
        fetched: FetchedReceipt,
    ) -> Result<Outcome, ReceiptError> {
        match self {
            Self::Promised(acknowledged) => acknowledged.check(terms, fetched),
            Self::Unanswered(submission, _) => submission.sealed.check(terms, fetched),
        }
    }
}

/// What `member` did to the validation loss by a receipt that was checked, in units of the loss.
#[expect(clippy::cast_precision_loss, reason = "|value| < 2^57 by its scale; 53 bits are plenty")]
pub(super) fn value_of(
    member: &VerifyingKey,
    receipt: &RoundReceipt,
    terms: &FederationTerms,
) -> f64 {
    let contributions = receipt.accepted.contributions();
    let index = contributions.binary_search_by_key(member, |(key, _)| *key);
    let index = index.expect("a checked receipt has the member in its set");
    receipt.scalars[index].value as f64 * terms.encoding.value_unit()
}

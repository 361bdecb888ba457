//! Whether a published sum is the sum of what the accepted members sealed (DESIGN §2, promise 2).
//!
//! Threat: aggregators, even all of them together, that publish another vector than the sum, leave a
//! contributor out, or count one twice; a DAO node that goes on from another model. Where sums carry
//! tags, any member of the cohort finds the first three (`privacy_secagg::TagKey`); with the model from
//! which it trained, each finds the last.

use aggregator_protocol::{AcceptedSet, FederationTerms, Refusal, RoundId, RoundReceipt, RoundSum};
use privacy_identity::{Digest, Signed, Tag, VerifyingKey};
use privacy_secagg::{LinearTag, Tagging};

use crate::{Dispute, Finding, Grouping, RoundSecret, StepError, step_of};

/// A sum that was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedSum {
    /// The mean update in parameter units, `[dimension]`; where there are groups, what the rule makes of their means.
    pub mean: Vec<f32>,
}

/// Checks the sum of a round against its receipt, which was checked before
/// ([`crate::Acknowledged::check`]).
///
/// * `finder` — the member that checks.
/// * `sum` — what the coordinator shows; none is a finding, too.
/// * `secret` — the cohort's of the round; needed where the terms ask for tags.
///
/// # Errors
/// [`Dispute`].
pub fn check_sum(
    terms: &FederationTerms,
    finder: &VerifyingKey,
    receipt: &RoundReceipt,
    sum: Option<&Signed<RoundSum>>,
    secret: Option<&RoundSecret>,
) -> Result<CheckedSum, Box<Dispute>> {
    sum.ok_or(Finding::Withheld)
        .and_then(|sum| found(terms, receipt, sum, secret))
        .map_err(|finding| Box::new(Dispute::over(terms, receipt, *finder, finding)))
}

fn found(
    terms: &FederationTerms,
    receipt: &RoundReceipt,
    sum: &Signed<RoundSum>,
    secret: Option<&RoundSecret>,
) -> Result<CheckedSum, Finding> {
    let verified = sum.clone().verify_by(Tag::RoundSum, &terms.coordinator().verifying);
    let verified = verified.map_err(|_source| Finding::NotOurs)?;
    let body = verified.body();
    if body.federation != receipt.federation || body.round != receipt.round {
        return Err(Finding::NotOurs);
    }
    let (expected, got) = (receipt.sum, Digest::of_encoded(Tag::RoundSum, body));
    if got != expected {
        return Err(Finding::OtherSum { expected, got });
    }
    if body.accepted != receipt.accepted {
        return Err(Finding::OtherSet);
    }
    let grant = receipt.grant.unverified_body();
    let grouping = Grouping::of(terms, grant, &body.accepted);
    let grouping = grouping.map_err(|refusal| Finding::Step(StepError::Groups(refusal)))?;
    if grouping.sets().len() != body.groups() {
        return Err(Finding::Step(StepError::Groups(Refusal::BadSet)));
    }
    for (set, sum) in grouping.sets().iter().zip(body.sums()) {
        check_tags(terms, body.round, set, sum, secret)?;
    }
    match step_of(terms, grant, body) {
        Ok(mean) => Ok(CheckedSum { mean }),
        Err(StepError::Decode(error)) => Err(Finding::Undecodable(error)),
        Err(other) => Err(Finding::Step(other)),
    }
}

fn check_tags(
    terms: &FederationTerms,
    round: RoundId,
    set: &AcceptedSet,
    (sum, tag): (&[i64], Option<[u64; 2]>),
    secret: Option<&RoundSecret>,
) -> Result<(), Finding> {
    match (terms.encoding.options().tagging, tag, secret) {
        (Tagging::Absent, None, _) => Ok(()),
        (Tagging::Linear, Some(tag), Some(secret)) => {
            let members = set.contributions().iter().map(|(member, _)| member);
            let key = secret.tag_key(terms, round);
            Ok(key.check_sum(sum, LinearTag(tag), members, &terms.encoding)?)
        }
        _ => Err(Finding::Untagged),
    }
}

/// Checks that the model after a round is the one to which the checked sum leads.
///
/// * `got` — the digest of the model before plus the mean.
///
/// # Errors
/// [`Dispute`].
pub fn check_model(
    terms: &FederationTerms,
    finder: &VerifyingKey,
    receipt: &RoundReceipt,
    got: Digest,
) -> Result<(), Box<Dispute>> {
    let named = receipt.model_after;
    if got == named {
        return Ok(());
    }
    let finding = Finding::OtherModel { named, got };
    Err(Box::new(Dispute::new(terms, receipt.round, *finder, finding)))
}

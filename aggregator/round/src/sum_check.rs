//! Whether a published sum is the sum of what the accepted members sealed (DESIGN §2, promise 2).
//!
//! Threat: aggregators, even all of them together, that publish another vector than the sum, leave a
//! contributor out, or count one twice; a DAO node that goes on from another model. Where sums carry
//! tags, any member of the cohort finds the first three (`privacy_secagg::TagKey`); with the model from
//! which it trained, each finds the last.

use aggregator_protocol::{
    AcceptedSet, FederationTerms, FetchedReceipt, Refusal, RoundId, RoundReceipt, RoundSum,
};
use privacy_identity::{Digest, Signed, Tag, VerifyingKey};
use privacy_secagg::{LinearTag, Tagging};

use crate::{Dispute, Finding, Grouping, RoundSecret, StepError, coordinator::SUMS_MAX, step_of};

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
        .and_then(|sum| found(terms, receipt, sum, &Key::Held(secret)))
        .map_err(|finding| Box::new(Dispute::over(terms, receipt, *finder, finding)))
}

/// As [`check_sum`], all but the tags: by a member that no longer has the secret of the round. What passes is the sum that the
/// receipt names; that it is the sum of what the members sealed was **not** checked, and must not be told as if it were.
///
/// # Errors
/// [`Dispute`].
pub fn check_sum_without_secret(
    terms: &FederationTerms,
    finder: &VerifyingKey,
    receipt: &RoundReceipt,
    sum: &Signed<RoundSum>,
) -> Result<CheckedSum, Box<Dispute>> {
    found(terms, receipt, sum, &Key::Gone)
        .map_err(|finding| Box::new(Dispute::over(terms, receipt, *finder, finding)))
}

/// Whether the coordinator may have forgotten the sum of `round`: it keeps those of the newest [`SUMS_MAX`] rounds that ended,
/// and proves here that so many ended after this one.
///
/// * `later` — what it says of the round [`SUMS_MAX`] later.
///
/// Threat: a coordinator that withholds a sum and says that it is too old. It has to show a later round that the DAO node granted,
/// and its own signature on how that ended; an abort that never was is a signed lie, which the ledger refutes.
#[must_use]
pub fn sum_may_be_forgotten(
    terms: &FederationTerms,
    round: RoundId,
    later: &FetchedReceipt,
) -> bool {
    let (federation, coordinator) = (terms.id(), &terms.coordinator().verifying);
    let Some(number) = round.0.checked_add(SUMS_MAX as u64) else { return false };
    match later {
        FetchedReceipt::Settled { receipt, .. } => {
            let Ok(receipt) = receipt.clone().verify_by(Tag::RoundReceipt, coordinator) else {
                return false;
            };
            let grant = receipt.body().grant.clone().verify_by(Tag::RoundGrant, &terms.dao_node);
            grant.is_ok_and(|grant| {
                grant.body().federation == federation && grant.body().round.0 == number
            })
        }
        FetchedReceipt::Aborted(abort) => {
            let abort = abort.as_ref().clone().verify_by(Tag::RoundAbort, coordinator);
            abort.is_ok_and(|abort| {
                abort.body().federation == federation && abort.body().round.0 == number
            })
        }
        FetchedReceipt::Pending | FetchedReceipt::Unknown => false,
    }
}

/// What a member has of the key of the tags.
enum Key<'a> {
    /// The cohort's secret of the round, where there is a cohort.
    Held(Option<&'a RoundSecret>),
    /// It was deleted, or never reached this process.
    Gone,
}

fn found(
    terms: &FederationTerms,
    receipt: &RoundReceipt,
    sum: &Signed<RoundSum>,
    key: &Key<'_>,
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
        match key {
            Key::Held(secret) => check_tags(terms, body.round, set, sum, *secret)?,
            Key::Gone => check_form(terms, sum.1)?,
        }
    }
    match step_of(terms, grant, body) {
        Ok(mean) => Ok(CheckedSum { mean }),
        Err(StepError::Decode(error)) => Err(Finding::Undecodable(error)),
        Err(other) => Err(Finding::Step(other)),
    }
}

/// There is a tag where the terms ask for one.
fn check_form(terms: &FederationTerms, tag: Option<[u64; 2]>) -> Result<(), Finding> {
    let tagged = terms.encoding.options().tagging == Tagging::Linear;
    if tagged == tag.is_some() { Ok(()) } else { Err(Finding::Untagged) }
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

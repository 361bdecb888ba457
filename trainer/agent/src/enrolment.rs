//! From an invitation to a member: terms, consent, admission.

use aggregator_protocol::{
    ContributorReply, ContributorRequest, CustodyKey, FederationTerms, JoinRequest,
};
use aggregator_round::{Admission, TermsChange, TermsChangeError};
use aggregator_strategy::participation_key;
use privacy_identity::{Digest, SealingKey, Signed, SigningKey, Tag, Verified};
use zeroize::Zeroizing;

use crate::{
    AgentError, Invitation,
    caller::{Caller, Question},
    randomness,
    state_dir::StateDir,
    ways::Ways,
};

/// The terms that `invitation` names: those agreed to earlier, or else the coordinator's.
///
/// Threat: terms that the owner never agreed to, signed by nobody or by another DAO, or a coordinator
/// that is not theirs. The invitation pins the terms' digest, and the terms name both keys.
pub(crate) async fn invited_terms(
    state: &StateDir,
    caller: &mut Caller,
    invitation: &Invitation,
) -> Result<Verified<FederationTerms>, AgentError> {
    let mut invited = invitation.federation;
    let terms = match state.agreed_terms()? {
        Some(agreed) => {
            check_same_federation(state, &agreed, invitation)?;
            // Those to which the owner moved from the invitation's are as good as the invitation's.
            invited = agreed.unverified_body().id();
            agreed
        }
        None => match caller.ask(Question::Terms, &ContributorRequest::Terms).await? {
            ContributorReply::Terms(terms) => *terms,
            other => return Err(Question::Terms.unanswered(&other)),
        },
    };
    checked_terms(terms, invited, invitation)
}

/// Other terms that the coordinator offers in the place of those agreed to, signed by the same DAO node; nothing if there are
/// none. What is neither is warned of, and changes nothing.
///
/// Threat: a coordinator that stops devices by terms of its own making. It cannot sign them; and it could starve them anyway.
pub(crate) async fn changed_terms(
    caller: &mut Caller,
    agreed: &FederationTerms,
) -> Result<Option<TermsChange>, AgentError> {
    let ContributorReply::Terms(offered) =
        caller.ask(Question::Terms, &ContributorRequest::Terms).await?
    else {
        return Ok(None);
    };
    match TermsChange::new(agreed, *offered) {
        Ok(change) => Ok(Some(change)),
        Err(TermsChangeError::Same) => Ok(None),
        Err(error) => {
            tracing::warn!("the coordinator shows terms that are none of this federation: {error}");
            Ok(None)
        }
    }
}

fn check_same_federation(
    state: &StateDir,
    agreed: &Signed<FederationTerms>,
    invitation: &Invitation,
) -> Result<(), AgentError> {
    let (agreed, invited) = (agreed.unverified_body().id(), invitation.federation);
    if agreed == invited || state.left(&invited) {
        return Ok(());
    }
    let path = state.path().display().to_string();
    Err(AgentError::OtherFederation { path, agreed, invited })
}

fn checked_terms(
    terms: Signed<FederationTerms>,
    invited: Digest,
    invitation: &Invitation,
) -> Result<Verified<FederationTerms>, AgentError> {
    let got = terms.unverified_body().id();
    if invited != got {
        return Err(AgentError::TermsOther { invited, got });
    }
    let dao_node = terms.unverified_body().dao_node;
    let terms = terms.verify_by(Tag::Terms, &dao_node);
    let terms = terms.map_err(|_source| AgentError::TermsUnsigned)?;
    let named = terms.body().coordinator().verifying;
    let invited = Ways::to(invitation)?.coordinator.peer();
    if *named.as_bytes() != invited.to_bytes() {
        let (named, invited) = (named.to_string(), invited.to_string());
        return Err(AgentError::CoordinatorOther { named, invited });
    }
    Ok(terms)
}

/// Asks to be admitted under terms that the owner agreed to. A member that was admitted before is admitted again.
pub(crate) async fn join(
    caller: &mut Caller,
    key: &SigningKey,
    terms: &FederationTerms,
    (invitation, label): (&Invitation, &str),
) -> Result<(), AgentError> {
    let (federation, member) = (terms.id(), key.verifying_key());
    let token = Zeroizing::new(invitation.token.clone());
    let admission = Admission { token, label: label.to_owned() };
    let dao = terms.admission_sealing();
    let admission = admission.seal((&federation, &member), &dao, &mut randomness::key());
    let admission = admission.map_err(AgentError::Admission)?;
    let sealing = SealingKey::derived_from(key).public();
    let custody = Signed::new(CustodyKey { federation, sealing }, Tag::CustodyKey, key);
    let draw = participation_key(key).public_key();
    let request = JoinRequest { federation, admission, custody, draw };
    let request = ContributorRequest::Join(Box::new(Signed::new(request, Tag::Join, key)));
    match caller.ask(Question::Join, &request).await? {
        ContributorReply::Joined => Ok(()),
        other => Err(Question::Join.unanswered(&other)),
    }
}

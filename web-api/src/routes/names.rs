//! What people are called: the log has salted commitments, the names stand beside it until they are erased.

use axum::{extract::State, http::StatusCode};
use data_dao_governance::{Action, MEMBER_LABEL_BYTES_MAX};
use data_dao_journal::{Body, Refusal};
use data_dao_store::{ENTRIES_PAGE_MAX, SaltedName, Store, is_commitment};
use privacy_identity::{Digest, VerifyingKey};
use serde::Deserialize;
use tracing::info;
use utoipa::ToSchema;

use crate::ApiState;
use crate::api_error::ApiError;
use crate::auth::{Operator, SigningMember};
use crate::extract::PathPart;
use crate::problem::Problem;

/// A name and its salt, for a label `salted:<commitment>` in what is sent with it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NameRequest {
    /// What somebody is called: 1 to 200 bytes.
    name: String,
    /// 32 random bytes in hexadecimal. The commitment is SHA-256 of `sahakar/personal-data/v1`, the salt in
    /// hexadecimal, and the name, each of the first two ended by a line feed.
    #[schema(value_type = String)]
    #[serde(with = "data_dao_governance::text")]
    salt: Digest,
}

/// What a member is called: nothing but the first digits of its key, if its name was erased, never told, or is kept elsewhere.
pub(crate) fn shown(store: &Store, key: &VerifyingKey, label: &str) -> String {
    store.reveal(label).unwrap_or_else(|| key.short())
}

/// Checks the labels that are to go into the log, and the names that they commit to.
///
/// Threat: a name in the clear, in a log that others copy, can never be erased. So none is taken, whoever signed it.
///
/// # Errors
/// A label in the clear, a name that no label commits to, or one of an impossible length.
pub(crate) fn check(labels: &[&str], names: Vec<NameRequest>) -> Result<Vec<SaltedName>, ApiError> {
    if let Some(clear) = labels.iter().find(|label| !is_commitment(label)) {
        return Err(ApiError::Invalid(format!(
            "the label {clear:?} is in the clear: the log takes `salted:` and a commitment, the name goes beside it"
        )));
    }
    let mut salted = Vec::with_capacity(names.len());
    for NameRequest { name, salt } in names {
        let (got, high) = (i128::try_from(name.len()).unwrap_or(i128::MAX), MEMBER_LABEL_BYTES_MAX);
        if !(1..=high).contains(&name.len()) {
            let high = i128::try_from(high).unwrap_or(i128::MAX);
            let refusal = Refusal::OutOfBounds { what: "name", got, low: 1, high };
            return Err(ApiError::Refused(Box::new(refusal)));
        }
        let name = SaltedName::new(name, salt.0);
        if !labels.contains(&name.commitment().as_str()) {
            return Err(ApiError::Invalid("a name is not what any label commits to".to_owned()));
        }
        salted.push(name);
    }
    Ok(salted)
}

/// Keeps names, when the log has what commits to them: what it refused leaves nothing behind. If the process dies in
/// between, the member is called by its key.
///
/// # Errors
/// The database fails.
pub(crate) async fn keep(store: &Store, names: &[SaltedName]) -> Result<(), ApiError> {
    for name in names {
        store.keep_name(name).await?;
    }
    Ok(())
}

/// Erase what a member is called
///
/// All that the ledger ever called it, as a member, before, and in proposals. The ledger stays as it is: it has salted commitments,
/// of which nothing can be learnt any more. By the operator, or by the member itself with a signed request (RFC 9421).
#[utoipa::path(delete, path = "/v1/members/{key}/label", tag = "governance",
    params(("key" = String, Path, description = "The member's public key in hexadecimal")),
    security(("operator" = []), ("member" = [])),
    responses((status = 204, description = "Erased"), (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem, description = "No such member, or erased before"),
        (status = 503, body = Problem)))]
pub(crate) async fn erase(
    State(state): State<ApiState>,
    operator: Result<Operator, ApiError>,
    signer: Result<SigningMember, ApiError>,
    PathPart(key): PathPart<String>,
) -> Result<StatusCode, ApiError> {
    let missing = || ApiError::not_found("name", &key);
    let named: Result<VerifyingKey, _> = key.parse();
    // By any key that it has or had.
    let of = |key: &VerifyingKey| state.store().view(|ledger| ledger.keyring().member_of(key));
    let named = named.ok().map(|key| of(&key));
    let by = match (operator, signer) {
        (Ok(Operator { by }), _) => by,
        (_, Ok(SigningMember(signer))) if named == Some(of(&signer)) => format!("member {signer}"),
        (Err(error), _) => return Err(error),
    };
    let member = named.ok_or_else(missing)?;
    let mut labels = labels(state.store(), &member).await?;
    labels.retain(|label| is_commitment(label) && state.store().reveal(label).is_some());
    if labels.is_empty() {
        return Err(missing());
    }
    // The record first: if the process dies in between, the act is repeated and stands there twice, rather than not at all.
    state.append_act(&by, ("erase-member", &key), Vec::new()).await?;
    for label in labels {
        state.store().erase(&label).await?;
    }
    info!(member = %key, "erased what the member {key} is called");
    Ok(StatusCode::NO_CONTENT)
}

/// All that the log ever called somebody: the books know what it is called now, and nobody whose admission failed.
async fn labels(store: &Store, member: &VerifyingKey) -> Result<Vec<String>, ApiError> {
    let (mut labels, mut next) = (Vec::new(), 0);
    loop {
        let page = store.entries(next, ENTRIES_PAGE_MAX).await?;
        let Some(last) = page.last() else { return Ok(labels) };
        next = last.index + 1;
        labels.extend(page.iter().flat_map(|stored| labels_in(&stored.entry.body, member)));
    }
}

/// What an entry calls somebody.
fn labels_in(body: &Body, member: &VerifyingKey) -> Vec<String> {
    let named: Vec<(&VerifyingKey, &String)> = match body {
        Body::MembersFounded(body) => {
            body.members.iter().map(|founder| (&founder.member, &founder.label)).collect()
        }
        Body::MemberAdmitted(body) => vec![(&body.member, &body.label)],
        Body::MemberJoined(body) => vec![(&body.joining.member, &body.joining.label)],
        Body::ProposalMade(body) => {
            let named = body.content.actions.iter().filter_map(|action| match action {
                Action::AdmitMember { member, label, .. } => Some((member, label)),
                _ => None,
            });
            named.collect()
        }
        _ => Vec::new(),
    };
    named.into_iter().filter(|(key, _)| *key == member).map(|(_, label)| label.clone()).collect()
}

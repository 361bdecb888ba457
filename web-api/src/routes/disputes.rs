//! Objections to what a round is about to pay.

use axum::{Json, extract::State, http::StatusCode};
use data_dao_governance::{Accused, text};
use data_dao_journal::{Body, Challenge, Dispute, RoundDisputed};
use data_dao_ledger::Name;
use privacy_identity::{Digest, Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ApiState;
use crate::amount::text as amount_text;
use crate::api_error::ApiError;
use crate::extract::JsonBody;
use crate::problem::Problem;

/// An objection with its complainant's signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisputeRequest {
    /// The objection.
    dispute: DisputeDto,
    /// The complainant's Ed25519 signature over its canonical bytes under the tag
    /// `sahakar/dispute/v1`, in hexadecimal.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    signature: Signature,
}

impl DisputeRequest {
    pub(crate) fn into_parts(self) -> (Dispute, Signature) {
        let DisputeDto { dao, federation, round, accused, complainant, evidence, reason } =
            self.dispute;
        let dispute = Dispute { dao, federation, round, accused, complainant, evidence, reason };
        (dispute, self.signature)
    }
}

/// What a member objects to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisputeDto {
    /// The DAO's id.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    dao: Digest,
    /// The federation.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    federation: Name,
    /// The round.
    round: u64,
    /// Whose pay: a participant's public key, or `round` for everybody's.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    accused: Accused,
    /// Who objects: a member's public key.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    complainant: VerifyingKey,
    /// Digest of what the members are shown.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    evidence: Digest,
    /// In words, at most 200 bytes.
    reason: String,
}

/// The pay of a round while it can be challenged.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChallengeView {
    /// Until when objections are taken, in ledger time.
    ends_at_ms: u64,
    /// From when on the pay is final, if nobody objects any more.
    due_at_ms: u64,
    /// Credits that are to be paid.
    credits: String,
    /// Whom objections accuse: public keys, or `round`.
    accused: Vec<String>,
}

impl ChallengeView {
    pub(crate) fn new(challenge: &Challenge) -> Self {
        Self {
            ends_at_ms: challenge.ends_at_ms(),
            due_at_ms: challenge.due_at_ms(),
            credits: amount_text(challenge.credits()),
            accused: challenge.disputes().keys().map(ToString::to_string).collect(),
        }
    }
}

/// Object to a round's pay
#[utoipa::path(post, path = "/v1/disputes", tag = "governance", request_body = DisputeRequest,
    responses((status = 201, body = ChallengeView), (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "The pay is final, or objected to already"),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn file(
    State(state): State<ApiState>,
    JsonBody(request): JsonBody<DisputeRequest>,
) -> Result<(StatusCode, Json<ChallengeView>), ApiError> {
    let (dispute, signature) = request.into_parts();
    let (name, round) = (dispute.federation.clone(), dispute.round);
    let disputed = RoundDisputed { dispute, signature };
    state.append(vec![Body::RoundDisputed(disputed)]).await?;
    let view = state
        .store()
        .view(|state| state.federation(&name)?.challenges().get(&round).map(ChallengeView::new));
    let view = view.ok_or_else(|| ApiError::not_found("challenge", round))?;
    Ok((StatusCode::CREATED, Json(view)))
}

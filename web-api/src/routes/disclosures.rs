//! Objections with a proof that only the DAO node may see.
//!
//! Threats. A body that does not end or has no end: its length is bounded by the federation's terms, its time by the server,
//! and few are taken at a time. Somebody else's file: it is judged only for the member that sealed the update, and only if
//! that member signed an objection which names the file's digest. What is shown is one part of an update: it is judged in
//! memory, neither stored nor logged.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body as RequestBody, to_bytes},
    extract::State,
    http::StatusCode,
};
use data_dao_journal::{Body, ProvenFault};
use privacy_identity::{Digest, Tag};
use serde::Serialize;
use utoipa::ToSchema;

use super::disputes::DisputeRequest;
use crate::ApiState;
use crate::api_error::ApiError;
use crate::judge::JudgeError;
use crate::problem::Problem;

/// Longest objection in front of a disclosure, in bytes.
const DISPUTE_BYTES_MAX: usize = 8 << 10;
/// Bytes of its length.
const LENGTH_BYTES: usize = 4;

/// What was proven.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FaultView {
    /// The round.
    pub(crate) round: u64,
    /// Who lied: a party's public key.
    pub(crate) party: String,
    /// The member about whose update it lied.
    pub(crate) complainant: String,
    /// The entry that says so.
    pub(crate) ledger_index: u64,
}

impl FaultView {
    pub(crate) fn new(fault: &ProvenFault) -> Self {
        Self {
            round: fault.round,
            party: fault.party.to_string(),
            complainant: fault.complainant.to_string(),
            ledger_index: fault.index,
        }
    }
}

/// Prove that a party lied about your update
///
/// The body is the length of the objection (4 bytes, the highest first), the objection as for `POST /v1/disputes` (JSON;
/// its evidence is the digest of the disclosure, its accused is `round`), and the disclosure as the device kept it. The node
/// judges it; if the party lied, the federation is stopped and the round's pay held back until members decide.
#[utoipa::path(post, path = "/v1/disputes/disclosures", tag = "governance",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = FaultView), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 422, body = Problem, description = "It proves nothing, or the party told the truth"),
        (status = 503, body = Problem)))]
pub(crate) async fn disclose(
    State(state): State<ApiState>,
    body: RequestBody,
) -> Result<(StatusCode, Json<FaultView>), ApiError> {
    let judge = state.judge().ok_or_else(|| ApiError::not_found("judge", "on this node"))?.clone();
    let turn = Arc::clone(&judge.turns).try_acquire_owned();
    let turn = turn
        .map_err(|_busy| ApiError::Unavailable("other disclosures are being judged; try again"))?;
    let limit = LENGTH_BYTES + DISPUTE_BYTES_MAX + judge.bytes_max();
    let bytes = to_bytes(body, limit).await.map_err(|_source| ApiError::TooLarge)?;
    let (request, at) = objection(&bytes)?;
    let (dispute, signature) = request.into_parts();
    // What was sealed was sealed by the key in force then: the receipt names that one.
    let (key, keys) = state.store().view(|ledger| {
        let keyring = ledger.keyring();
        let later = keyring.later(&dispute.complainant).iter().map(|held| held.key);
        let keys: Vec<_> = std::iter::once(dispute.complainant).chain(later).collect();
        (ledger.signing_key(&dispute.complainant), keys)
    });
    let key = key.map_err(|refusal| ApiError::Refused(Box::new(refusal)))?;
    dispute.verify_by(&key, &signature).map_err(|error| ApiError::Invalid(error.to_string()))?;
    let judging = tokio::task::spawn_blocking(move || {
        let disclosure = &bytes[at..];
        if Digest::of(Tag::Dispute, disclosure) != dispute.evidence {
            let text = "the objection's evidence is not the digest of what is shown";
            return Err(ApiError::Invalid(text.to_owned()));
        }
        let judged = judge.decide((dispute, signature), &keys, disclosure);
        drop(turn);
        judged.map_err(|error| match error {
            JudgeError::Unfounded(text) => ApiError::Invalid(text),
            JudgeError::Unable(_) => ApiError::Internal(Box::new(error)),
        })
    });
    let proven = judging.await.map_err(ApiError::internal)??;
    let (party, dispute) = (proven.party, &proven.dispute);
    let (round, complainant) = (dispute.round, dispute.complainant);
    let appended = state.append(vec![Body::FaultProven(proven)]).await?;
    // What fell due came first.
    let index = appended.index + appended.count - 1;
    let view = FaultView::new(&ProvenFault { index, round, party, complainant });
    Ok((StatusCode::CREATED, Json(view)))
}

/// The objection in front, and where what is shown begins.
fn objection(bytes: &[u8]) -> Result<(DisputeRequest, usize), ApiError> {
    let cut = || ApiError::Malformed("the body ends within the objection".to_owned());
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > DISPUTE_BYTES_MAX {
        return Err(ApiError::TooLarge);
    }
    let json = rest.get(..length).ok_or_else(cut)?;
    let request = serde_json::from_slice(json)
        .map_err(|error| ApiError::Malformed(format!("the objection cannot be read: {error}")))?;
    Ok((request, LENGTH_BYTES + length))
}

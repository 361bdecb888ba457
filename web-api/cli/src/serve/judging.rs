//! The DAO node as a judge of what members disclose: what its operator does by `sahakar value judge`, over REST.

use std::path::PathBuf;

use aggregator_protocol::{FederationTerms, MESSAGE_BYTES_MAX};
use aggregator_round::{Verdict, message_bytes_max};
use data_dao_journal::{Dispute, FaultProven};
use privacy_identity::{Signature, SigningKey, VerifyingKey};
use web_api::{Judge, JudgeError};

use crate::commands::value::judge::{Judgement, judgement};

/// A judge by the records in `state_dir`, who signs by `key`.
///
/// * `terms` — those in force: no part of an update is longer than their longest message.
#[must_use]
pub fn disclosure_judge(state_dir: PathBuf, key: SigningKey, terms: &FederationTerms) -> Judge {
    Judge::new(disclosure_bytes_max(terms), move |objection, keys, disclosure| {
        let judged = judgement(&state_dir, disclosure)
            .map_err(|error| JudgeError::Unfounded(format!("{error:#}")))?;
        proven(objection, keys, &judged, &key)
    })
}

/// The longest disclosure about a round under these terms.
pub(super) fn disclosure_bytes_max(terms: &FederationTerms) -> usize {
    message_bytes_max(terms).min(MESSAGE_BYTES_MAX)
}

fn proven(
    (dispute, signature): (Dispute, Signature),
    keys: &[VerifyingKey],
    judged: &Judgement,
    key: &SigningKey,
) -> Result<FaultProven, JudgeError> {
    let unfounded = |text: String| Err(JudgeError::Unfounded(text));
    let place = (dispute.federation.as_str(), dispute.round);
    // A round names the key that the member had then.
    if place != (judged.federation.as_str(), judged.round) || !keys.contains(&judged.member) {
        return unfounded("what is shown is of another federation, round or member".to_owned());
    }
    let Some(party) = judged.accused else {
        return unfounded("it accuses nobody".to_owned());
    };
    match &judged.verdict {
        Verdict::Lied { .. } => Ok(FaultProven::judged(dispute, signature, party, key)),
        Verdict::Truthful => unfounded(format!("{party} told the truth about the update")),
        Verdict::Unfounded { reason } => unfounded(format!("it proves nothing: {reason}")),
    }
}

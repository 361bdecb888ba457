//! A device that found a lie about its own update shows the proof to the DAO node, and to nobody else.

use std::{fs, path::PathBuf, sync::Arc};

use aggregator_network::unlock_key;
use aggregator_protocol::FederationTerms;
use anyhow::Context as _;
use data_dao_governance::Accused;
use data_dao_journal::Dispute;
use data_dao_ledger::Name;
use privacy_identity::{Decode as _, Digest, Passphrase, Signed, SigningKey, Tag};
use serde_json::{Value, json};

use crate::{
    commands::{
        dispute,
        signing::{dao_id, member_of},
    },
    process::Events,
    rest::Rest,
};

/// Longest reason that the ledger takes, in bytes.
const REASON_BYTES_MAX: usize = 200;

/// Shows what the device kept of a disputed round, if it kept a proof; tells what came of it.
pub(super) async fn disclose(
    (state, passphrase): (PathBuf, Option<Arc<Passphrase>>),
    node: String,
    (round, reason): (u64, String),
    events: Events,
) {
    let filed = tokio::task::spawn_blocking(move || {
        file((&state, passphrase.as_deref()), &node, round, &reason)
    })
    .await;
    let told = match filed {
        Ok(Ok(Some(answer))) => json!({"event": "disclosed", "round": round, "answer": answer}),
        // Nothing that a single party could have done: there is nothing to show.
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            json!({"event": "not-disclosed", "round": round, "reason": format!("{error:#}")})
        }
        Err(error) => {
            json!({"event": "not-disclosed", "round": round, "reason": error.to_string()})
        }
    };
    events.emit(told);
}

fn file(
    (state, passphrase): (&std::path::Path, Option<&Passphrase>),
    node: &str,
    round: u64,
    reason: &str,
) -> anyhow::Result<Option<Value>> {
    let path = state.join("receipts").join(format!("{round}.disclosure"));
    if !path.exists() {
        return Ok(None);
    }
    let disclosure = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let path = state.join("terms.bin");
    let terms = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let terms = Signed::<FederationTerms>::from_bytes(&terms).context("terms.bin")?;
    let key = SigningKey::from_seed(&*unlock_key(&state.join("key"), passphrase)?);
    let rest = Rest::new(node);
    let objection = Dispute {
        dao: dao_id(&rest)?,
        federation: Name::new(terms.unverified_body().name.clone())?,
        round,
        accused: Accused::Round,
        complainant: member_of(&rest, &key.verifying_key()),
        evidence: Digest::of(Tag::Dispute, &disclosure),
        reason: reason[..reason.floor_char_boundary(REASON_BYTES_MAX)].to_owned(),
    };
    dispute::disclose(&rest, &key, &objection, &disclosure).map(Some)
}

//! An owner's consent to changed terms: first into the ledger, then on the device.
//!
//! Threat (promise 7): terms that nobody voted for, signed by a DAO node alone. The owner's key signs a policy of the ledger
//! which names these very terms; without such a policy nothing is signed. The order matters, too: a crash after the ledger has
//! the consent leaves a device that still refuses, and asks to be told again.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, ensure};
use privacy_identity::{Digest, Passphrase};
use serde_json::json;
use trainer_agent::{Agent, Invitation};

use crate::{
    commands::member::{consent as consent_to, policy_of},
    process::Events,
    rest::Rest,
};

/// Agrees to the terms with the digest `terms`, unless that was done before.
pub(super) async fn consent(
    (state, passphrase): (&Path, Option<Arc<Passphrase>>),
    invitation: &Invitation,
    terms: Digest,
    node: &str,
    events: Events,
) -> anyhow::Result<()> {
    let passphrase = passphrase.as_deref();
    let change = Agent::offered_change(state, passphrase, invitation, terms).await?;
    let Some(change) = change else {
        return Ok(());
    };
    let key = Agent::key(state, passphrase)?;
    let (rest, name) = (Rest::new(node), change.offered().unverified_body().name.clone());
    let signing = tokio::task::spawn_blocking(move || {
        let policy = policy_of(&rest, &name).context("the policy that members voted for")?;
        ensure!(
            policy.terms == terms,
            "members did not vote for the terms {terms}: the ledger names {}",
            policy.terms
        );
        consent_to(&rest, &key, &name, policy.digest())?;
        Ok(policy.digest())
    });
    let policy = signing.await.context("signing the consent")??;
    Agent::consent(state, &change)?;
    events.emit(json!({
        "event": "consented",
        "terms": terms.to_string(),
        "policy": policy.to_string(),
        "change": change.to_string(),
    }));
    Ok(())
}

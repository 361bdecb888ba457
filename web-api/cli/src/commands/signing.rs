//! What every signed message of a member carries: the DAO, a nonce, an expiry. Keys stay here.

use anyhow::Context as _;
use privacy_identity::{Digest, SigningKey, VerifyingKey};

use crate::process::now_ms;
use crate::rest::Rest;

/// How long a signed message may be on its way, in milliseconds: an hour, for clocks that differ.
const VALID_MS: u64 = 60 * 60 * 1000;

/// What binds a message to this DAO, once, for a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) dao: Digest,
    pub(super) member: VerifyingKey,
    pub(super) nonce: u64,
    pub(super) expires_ms: u64,
}

/// A stamp for the next message of `key`'s owner.
pub(super) fn stamp(rest: &Rest, key: &SigningKey) -> anyhow::Result<Stamp> {
    let (dao, key) = (dao_id(rest)?, key.verifying_key());
    // Unknown members have used none: what they may sign is for the node to say.
    let shown = rest.get(&format!("/v1/members/{key}")).unwrap_or_default();
    let member = named(&shown).unwrap_or(key);
    let last = shown["membership"]["last_nonce"].as_u64();
    let nonce = now_ms().max(last.map_or(0, |last| last.saturating_add(1)));
    Ok(Stamp { dao, member, nonce, expires_ms: now_ms().saturating_add(VALID_MS) })
}

/// The member for whom `key` signs: the key with which it joined, or `key` itself if the node knows none. A node that names another
/// one gets a signature that nobody takes: it is checked by that member's key.
pub(crate) fn member_of(rest: &Rest, key: &VerifyingKey) -> VerifyingKey {
    let shown = rest.get(&format!("/v1/members/{key}")).unwrap_or_default();
    named(&shown).unwrap_or(*key)
}

fn named(shown: &serde_json::Value) -> Option<VerifyingKey> {
    shown["member"].as_str()?.parse().ok()
}

/// The id of the node's DAO: what members' signatures are bound to.
pub(crate) fn dao_id(rest: &Rest) -> anyhow::Result<Digest> {
    let ledger = rest.get("/v1/ledger").context("the node's DAO is not known")?;
    let id = ledger["dao"].as_str().context("the node's DAO is not founded yet")?;
    id.parse().context("the node's DAO has no proper id")
}

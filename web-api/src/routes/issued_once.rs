//! An API key that is issued once, however often it is ordered: an order moves money when a deposit comes with it.
//!
//! ```text
//!  id of the key = SHA-256(who orders, Idempotency-Key), 8 bytes     unique in the ledger, so that two orders at once are one
//!    unknown ─► issue it, secret in the answer     there ─► the same order? its id, and no secret : 422
//! ```
//! The secret is shown once, also to whoever did not get the answer: that one rotates the key. Rejected: a secret that follows
//! from the order (the node would have to keep what it follows from, and who learns that has all keys).

use axum::http::HeaderMap;
use data_dao_journal::{Body, Deposited, KeyGrant, KeyGranted};
use data_dao_ledger::Name;
use privacy_identity::Digest;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};

use super::keys::NewKey;
use crate::api_error::ApiError;
use crate::idempotency::key_from_headers;
use crate::{ApiKeySecret, ApiState, amount};

/// The idempotency key of the deposit that comes with a new API key.
pub(super) const OPENING_DEPOSIT: &str = "opening-deposit";
/// Bytes of a key's public name.
const KEY_ID_BYTES: usize = 8;
/// What the digest of an order's name begins with, so that it is no other digest.
const DOMAIN: &[u8] = b"sahakar/web-api/key-of-order/1";

/// The name of an order: needed if money comes with it.
pub(super) fn name_of_order(
    headers: &HeaderMap,
    deposit: Option<u128>,
) -> Result<Option<String>, ApiError> {
    if deposit.is_none() && !headers.contains_key("idempotency-key") {
        return Ok(None);
    }
    key_from_headers(headers).map(Some)
}

/// The public name of the key of this order; a random one if the order has no name.
pub(super) fn key_id_for(by: &str, name: Option<&str>) -> Name {
    let mut bytes = [0; KEY_ID_BYTES];
    match name {
        None => rand::rng().fill_bytes(&mut bytes),
        Some(name) => {
            let length = u64::try_from(by.len()).unwrap_or(u64::MAX).to_be_bytes();
            let digest = Sha256::new().chain_update(DOMAIN).chain_update(length);
            let digest = digest.chain_update(by).chain_update(name).finalize();
            bytes.copy_from_slice(&digest[..KEY_ID_BYTES]);
        }
    }
    Name::new(format!("k-{}", hex::encode(bytes))).expect("letters, digits and a hyphen")
}

/// A key that is ordered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) key_id: &'a Name,
    /// What the buyer wants to be called.
    pub(super) buyer: &'a str,
    pub(super) grant: &'a KeyGrant,
    /// Money that comes with it, in 10⁻⁴ of the currency's unit.
    pub(super) deposit: Option<u128>,
}

impl Order<'_> {
    /// The entries that do it, all or none.
    ///
    /// * `concealed` — the commitment to the buyer's name.
    pub(super) fn bodies(&self, key_hash: Digest, concealed: String) -> Vec<Body> {
        let (key_id, grant) = (self.key_id.clone(), self.grant.clone());
        let granted = KeyGranted { key_id: key_id.clone(), key_hash, buyer: concealed, grant };
        let deposited = self.deposit.map(|amount| {
            let idempotency_key = OPENING_DEPOSIT.to_owned();
            Body::Deposited(Deposited { key_id, amount, idempotency_key })
        });
        [Body::KeyGranted(granted)].into_iter().chain(deposited).collect()
    }

    /// The answer.
    ///
    /// * `secret` — if it is shown.
    /// * `index` — of the entry that issued the key.
    pub(super) fn view(
        &self,
        state: &ApiState,
        secret: Option<&ApiKeySecret>,
        index: u64,
    ) -> NewKey {
        let balance = state.store().view(|state| state.buyer_balance(self.key_id));
        NewKey {
            key_id: self.key_id.to_string(),
            api_key: secret.map(|secret| secret.reveal().to_owned()),
            buyer: self.buyer.to_owned(),
            balance: amount::text(balance),
            ledger_index: index,
        }
    }
}

/// The entry that issued the key of this order, if one did.
///
/// # Errors
/// [`ApiError::IdempotencyKeyReused`] if the key's order was another one. A name that was erased since is not held against
/// anything.
pub(super) async fn issued_before(
    state: &ApiState,
    order: &Order<'_>,
) -> Result<Option<u64>, ApiError> {
    let store = state.store();
    let known = store.view(|ledger| {
        let key = ledger.key(order.key_id)?;
        let deposited = ledger.booked(order.key_id, OPENING_DEPOSIT);
        Some((key.index(), store.reveal(key.buyer()), deposited))
    });
    let Some((index, buyer, deposited)) = known else { return Ok(None) };
    let entry = async |index: u64| {
        let stored = store.entry(index).await?;
        let stored = stored.ok_or(ApiError::Unavailable("the entry is not published yet"))?;
        Ok::<_, ApiError>(stored.entry.body)
    };
    let granted = matches!(
        entry(index).await?,
        Body::KeyGranted(granted) if granted.grant == *order.grant
    );
    let deposit = match deposited {
        None => None,
        Some(index) => match entry(index).await? {
            Body::Deposited(deposited) => Some(deposited.amount),
            _ => None,
        },
    };
    let named = buyer.is_none_or(|buyer| buyer == order.buyer);
    if granted && named && deposit == order.deposit {
        Ok(Some(index))
    } else {
        Err(ApiError::IdempotencyKeyReused { index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_order_names_the_same_key_and_no_other_does() {
        let id = key_id_for("operator", Some("a"));
        assert_eq!(id, key_id_for("operator", Some("a")));
        let others = [("operator", "b"), ("operato", "ra"), ("operatora", "")];
        for (by, name) in others {
            assert_ne!(id, key_id_for(by, Some(name)), "{by} {name}");
        }
        assert_ne!(key_id_for("operator", None), key_id_for("operator", None));
    }
}

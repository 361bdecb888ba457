//! Sales: prices, keys, deposits, purchases and predictions.

use data_dao_governance::text;
use data_dao_ledger::Name;
use data_dao_market::Recipient;
use privacy_identity::Digest;
use serde::{Deserialize, Serialize};

/// The operator sets a model's first price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceSet {
    /// Which model.
    #[serde(with = "text")]
    pub model: Name,
    /// Price of one prediction in 10⁻⁴ of the currency's unit.
    #[serde(with = "text")]
    pub price: u128,
}

/// A buyer gets an API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyIssued {
    /// The key's public name.
    #[serde(with = "text")]
    pub key_id: Name,
    /// Digest of the secret key under `Tag::ApiKey`; the key itself is nowhere stored.
    #[serde(with = "text")]
    pub key_hash: Digest,
    /// What the buyer wants to be called.
    pub buyer: String,
}

/// Money arrived for a buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposited {
    /// For which key.
    #[serde(with = "text")]
    pub key_id: Name,
    /// How much, in 10⁻⁴ of the currency's unit.
    #[serde(with = "text")]
    pub amount: u128,
    /// The request's own id: the same one is booked once.
    pub idempotency_key: String,
}

/// A buyer paid for calls in advance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purchased {
    /// With which key.
    #[serde(with = "text")]
    pub key_id: Name,
    /// Calls of which model.
    #[serde(with = "text")]
    pub model: Name,
    /// How many calls.
    pub calls: u32,
    /// Price of one call when bought: the model's price then.
    #[serde(with = "text")]
    pub price: u128,
    /// The request's own id: the same one is booked once.
    pub idempotency_key: String,
}

/// One paid call is set aside for a prediction in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionReserved {
    /// The prediction's id, chosen by the node, unique.
    #[serde(with = "text")]
    pub prediction: Digest,
    /// With which key.
    #[serde(with = "text")]
    pub key_id: Name,
    /// Which model.
    #[serde(with = "text")]
    pub model: Name,
    /// Which version of it.
    pub version: u32,
    /// Digest of the input under `Tag::PredictionInput`.
    #[serde(with = "text")]
    pub input: Digest,
    /// What the call cost when it was bought (the oldest call left).
    #[serde(with = "text")]
    pub price: u128,
    /// When the call returns to the buyer by itself, in ledger time.
    pub expires_at_ms: u64,
}

/// Who gets how much of one prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevenueLine {
    /// `treasury` or a member's key.
    #[serde(with = "text")]
    pub recipient: Recipient,
    /// How much, in 10⁻⁴ of the currency's unit.
    #[serde(with = "text")]
    pub amount: u128,
}

/// The prediction was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicted {
    /// Which reserved prediction.
    #[serde(with = "text")]
    pub prediction: Digest,
    /// Digest of the output under `Tag::PredictionReceipt`.
    #[serde(with = "text")]
    pub output: Digest,
    /// Digest of the model that made it: that of the reserved version.
    #[serde(with = "text")]
    pub model_digest: Digest,
    /// What was paid: that of the reservation.
    #[serde(with = "text")]
    pub price: u128,
    /// Who earns what: recomputed (see `State::revenue_lines`). Left out if there are more than
    /// [`crate::LIST_MAX`].
    pub lines: Vec<RevenueLine>,
}

/// The prediction failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionVoided {
    /// Which reserved prediction.
    #[serde(with = "text")]
    pub prediction: Digest,
    /// Why.
    pub reason: String,
}

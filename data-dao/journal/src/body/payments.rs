//! Payments that were taken back outside.

use data_dao_governance::text;
use data_dao_ledger::Name;
use serde::{Deserialize, Serialize};

/// How the idempotency key of a deposit begins that a payment provider announced: the payment's own id follows.
pub(crate) const PAYMENT_PREFIX: &str = "payment:";

/// The provider gave a payment, or a part of it, back to who paid, or it was charged back.
///
/// What is left of the buyer's money, calls that were paid and not made included, goes; the rest is a debt, all of it
/// recomputed: the entry says what happened outside, and nothing else can be true of the books then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentRefunded {
    /// The key for which the payment was booked.
    #[serde(with = "text")]
    pub key_id: Name,
    /// The provider's id of the payment.
    pub payment: String,
    /// The provider's id of the refund or dispute: it is booked once, whatever the payment.
    pub refund: String,
    /// How much, in 10⁻⁴ of the currency's unit.
    #[serde(with = "text")]
    pub amount: u128,
}

/// A refund failed after all, or a dispute was won: its money is here again, all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentReinstated {
    /// The key for which the payment was booked.
    #[serde(with = "text")]
    pub key_id: Name,
    /// The provider's id of the payment.
    pub payment: String,
    /// The provider's id of the refund or dispute.
    pub refund: String,
}

/// A refund failed, or was canceled, of which nothing was booked: providers' events come in any order, and what comes late of it
/// is not booked either.
///
/// Threat: its success is announced after its failure, and the buyer loses money that never went back to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentRefundFailed {
    /// The key for which the payment was booked.
    #[serde(with = "text")]
    pub key_id: Name,
    /// The provider's id of the payment.
    pub payment: String,
    /// The provider's id of the refund.
    pub refund: String,
}

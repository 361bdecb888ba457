//! What an event of the payment provider says, as much of it as counts.
//!
//! ```text
//!  payment_intent.succeeded                                         money arrived
//!  refund.created, refund.updated, charge.refund.updated  succeeded money went back
//!                                            failed, canceled       it did not after all
//!  charge.dispute.funds_withdrawn / funds_reinstated                it was charged back / and came back
//! ```
//! `charge.refunded` is taken note of and no more: it has the sum of a charge's refunds, and no refund's id.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api_error::ApiError;

/// Decimal places of money in the ledger.
const LEDGER_PLACES: u32 = 4;
/// Currencies without decimals in the provider's API (Stripe, "Zero-decimal currencies").
const NO_DECIMALS: &str = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF";
/// Without decimals, and counted in hundredths by some of the provider's pages: refused rather than booked a hundredfold.
const AMBIGUOUS: &str = "UGX";
/// Currencies with three (Stripe, "Three-decimal currencies").
const THREE_DECIMALS: &str = "BHD JOD KWD OMR TND";

/// An event of the provider: as much of it as counts.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PaymentEvent {
    /// What happened: money arrived (`payment_intent.succeeded`), went back (`refund.created`, `refund.updated`,
    /// `charge.refund.updated`, `refund.failed`) or is disputed (`charge.dispute.funds_withdrawn`,
    /// `charge.dispute.funds_reinstated`). Everything else is taken note of and no more.
    #[serde(rename = "type")]
    #[schema(example = "payment_intent.succeeded")]
    kind: String,
    /// To what it happened.
    data: PaymentData,
}

/// What an event is about.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PaymentData {
    /// The payment, refund or dispute.
    #[schema(value_type = Object)]
    object: serde_json::Value,
}

/// What happened. Amounts are in 10⁻⁴ of the currency's unit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// Nothing that is booked.
    Nothing,
    /// Money arrived for a key.
    Arrived { payment: String, key: String, amount: u128 },
    /// Money of a payment went back, or was charged back.
    WentBack { payment: String, refund: String, amount: u128 },
    /// It did not after all: a refund failed, whether its success was announced or not.
    CameAgain { payment: String, refund: String },
    /// A dispute was won: what was charged back before came again.
    Won { payment: String, refund: String },
}

#[derive(Debug, Deserialize)]
struct Payment {
    /// The payment's own id: it is booked once, however many events tell of it.
    id: String,
    amount_received: u64,
    currency: String,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    sahakar_key: String,
}

/// A refund or a dispute.
#[derive(Debug, Deserialize)]
struct Return {
    /// Its own id: it is booked once.
    id: String,
    amount: u64,
    currency: String,
    payment_intent: String,
    /// Of a refund; a dispute's is not what counts.
    status: Option<String>,
}

impl PaymentEvent {
    /// What is to be booked, if the DAO counts in `currency`.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if a field that counts is missing, or the currency is another.
    pub(super) fn announced(self, currency: &str) -> Result<Announced, ApiError> {
        let object = self.data.object;
        match self.kind.as_str() {
            "payment_intent.succeeded" => {
                let Payment { id, amount_received, currency: paid_in, metadata } = read(object)?;
                let amount = ledger_amount(amount_received, &paid_in, currency)?;
                Ok(Announced::Arrived { payment: id, key: metadata.sahakar_key, amount })
            }
            "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
                let returned: Return = read(object)?;
                match returned.status.as_deref() {
                    Some("succeeded") => returned.went_back(currency),
                    Some("failed" | "canceled") => Ok(returned.came_again()),
                    // It is on its way: another event will say what became of it.
                    _ => Ok(Announced::Nothing),
                }
            }
            "charge.dispute.funds_withdrawn" => read::<Return>(object)?.went_back(currency),
            "charge.dispute.funds_reinstated" => Ok(read::<Return>(object)?.won()),
            _ => Ok(Announced::Nothing),
        }
    }
}

impl Return {
    fn went_back(self, currency: &str) -> Result<Announced, ApiError> {
        let amount = ledger_amount(self.amount, &self.currency, currency)?;
        Ok(Announced::WentBack { payment: self.payment_intent, refund: self.id, amount })
    }

    fn came_again(self) -> Announced {
        Announced::CameAgain { payment: self.payment_intent, refund: self.id }
    }

    fn won(self) -> Announced {
        Announced::Won { payment: self.payment_intent, refund: self.id }
    }
}

fn read<T: serde::de::DeserializeOwned>(object: serde_json::Value) -> Result<T, ApiError> {
    serde_json::from_value(object)
        .map_err(|error| ApiError::Invalid(format!("data.object: {error}")))
}

/// An amount of the provider's smallest units in those of the ledger.
fn ledger_amount(amount: u64, got: &str, expected: &str) -> Result<u128, ApiError> {
    let got = got.to_ascii_uppercase();
    if got != expected {
        let told = format!("data.object.currency is {got}, this DAO's is {expected}");
        return Err(ApiError::Invalid(told));
    }
    if got == AMBIGUOUS {
        let told = format!("data.object.currency: payments in {got} are booked by hand");
        return Err(ApiError::Invalid(told));
    }
    Ok(u128::from(amount) * 10_u128.pow(LEDGER_PLACES - places(&got)))
}

/// Decimal places of the smallest unit that the provider counts.
fn places(currency: &str) -> u32 {
    let among = |list: &str| list.split(' ').any(|code| code == currency);
    match (among(NO_DECIMALS), among(THREE_DECIMALS)) {
        (true, _) => 0,
        (_, true) => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn announced(kind: &str, object: Value) -> Result<Announced, ApiError> {
        let event = json!({"type": kind, "data": {"object": object}});
        serde_json::from_value::<PaymentEvent>(event).unwrap().announced("EUR")
    }

    #[test]
    fn the_providers_smallest_units_are_the_ledgers() {
        assert_eq!([places("EUR"), places("JPY"), places("KWD")], [2, 0, 3]);
        assert_eq!(ledger_amount(1_999, "eur", "EUR").unwrap(), 199_900);
        assert!(ledger_amount(1, "usd", "EUR").is_err() && ledger_amount(1, "ugx", "UGX").is_err());
    }

    #[test]
    fn a_refund_counts_when_it_succeeded_and_no_more_when_it_failed() {
        let refund = |status: Value| json!({"id": "re_1", "amount": 500, "currency": "eur", "payment_intent": "pi_1", "status": status});
        let (payment, id) = ("pi_1".to_owned(), "re_1".to_owned());
        for kind in ["refund.created", "refund.updated", "charge.refund.updated"] {
            let (payment, refund_id) = (payment.clone(), id.clone());
            let expected = Announced::WentBack { payment, refund: refund_id, amount: 50_000 };
            assert_eq!(announced(kind, refund(json!("succeeded"))).unwrap(), expected);
            for status in [json!("pending"), json!("requires_action"), json!(null)] {
                assert_eq!(announced(kind, refund(status)).unwrap(), Announced::Nothing);
            }
        }
        for (kind, status) in [("refund.failed", "failed"), ("refund.updated", "canceled")] {
            let expected = Announced::CameAgain { payment: payment.clone(), refund: id.clone() };
            assert_eq!(announced(kind, refund(json!(status))).unwrap(), expected);
        }
        assert_eq!(
            announced("charge.refunded", json!({"id": "ch_1"})).unwrap(),
            Announced::Nothing
        );
        let without = json!({"id": "re_1", "amount": 5, "currency": "eur", "payment_intent": null, "status": "succeeded"});
        assert!(announced("refund.updated", without).is_err());
    }

    #[test]
    fn a_dispute_counts_when_its_money_moves() {
        let dispute = json!({"id": "dp_1", "amount": 500, "currency": "eur", "payment_intent": "pi_1", "status": "needs_response"});
        let (payment, refund) = ("pi_1".to_owned(), "dp_1".to_owned());
        let taken = announced("charge.dispute.funds_withdrawn", dispute.clone()).unwrap();
        assert_eq!(
            taken,
            Announced::WentBack {
                payment: payment.clone(),
                refund: refund.clone(),
                amount: 50_000
            }
        );
        let back = announced("charge.dispute.funds_reinstated", dispute.clone()).unwrap();
        assert_eq!(back, Announced::Won { payment, refund });
        assert_eq!(announced("charge.dispute.created", dispute).unwrap(), Announced::Nothing);
    }
}

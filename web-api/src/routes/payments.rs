//! Money announced by a payment provider, in the form of Stripe's webhooks: an event of type `payment_intent.succeeded`
//! whose metadata name the key, signed by HMAC-SHA256 over time and body.
//!
//! ```text
//!  Stripe-Signature: t=1492774577,v1=<hex of HMAC-SHA256(secret, "1492774577." ‖ body)>[,v1=…]
//! ```
//! Threats: a forged event (the signature), a replayed one (its time, and the payment's id, under which the ledger books it
//! once: a provider may send two events with ids of their own for one payment), a changed one (the signature is over the bytes
//! as they came).

use axum::{Json, body::Bytes, extract::State, http::HeaderMap};
use data_dao_journal::{Body, Deposited, Entry};
use data_dao_ledger::Name;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use utoipa::ToSchema;

use crate::api_error::ApiError;
use crate::idempotency::append_act_once;
use crate::problem::Problem;
use crate::{ApiState, WebhookSecret};

/// Furthest that the signature's time may be from the node's, in seconds: Stripe's own default.
const TOLERANCE_S: u64 = 300;
/// The event that means money.
const SUCCEEDED: &str = "payment_intent.succeeded";
/// Most signatures of one header.
const SIGNATURES_MAX: usize = 8;
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
    /// What happened; everything but `payment_intent.succeeded` is taken note of and no more.
    #[serde(rename = "type")]
    #[schema(example = "payment_intent.succeeded")]
    kind: String,
    /// To what it happened.
    data: PaymentData,
}

/// What an event is about.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PaymentData {
    /// The payment.
    #[schema(value_type = Object)]
    object: serde_json::Value,
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

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentView {
    /// Whether money was booked, now or before.
    booked: bool,
    /// The entry that booked it.
    ledger_index: Option<u64>,
}

/// Announce a payment
///
/// For payment providers: signed in `Stripe-Signature`.
#[utoipa::path(post, path = "/v1/payments", tag = "market",
    params(("Stripe-Signature" = String, Header, description = "`t=…,v1=…`")),
    request_body = PaymentEvent,
    responses((status = 200, body = PaymentView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn announce(
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Json<PaymentView>, ApiError> {
    let body = body.map_err(|_source| ApiError::TooLarge)?;
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let now_s = state.parts().clock.now_ms() / 1_000;
    if !is_signed(&state.policy().webhook_secrets, signature.unwrap_or_default(), &body, now_s) {
        let told = "the event is not signed by the payment provider, or too long ago".to_owned();
        return Err(ApiError::Unauthorized(told));
    }
    let event: PaymentEvent =
        serde_json::from_slice(&body).map_err(|error| ApiError::Malformed(error.to_string()))?;
    if event.kind != SUCCEEDED {
        return Ok(Json(PaymentView { booked: false, ledger_index: None }));
    }
    let wanted = deposit(&state, event)?;
    let name = (&wanted.key_id, wanted.idempotency_key.as_str());
    let same = |entry: &Entry| entry.body == Body::Deposited(wanted.clone());
    let body = Body::Deposited(wanted.clone());
    let index = append_act_once(&state, ("payments", "book-deposit"), name, body, same).await?;
    Ok(Json(PaymentView { booked: true, ledger_index: Some(index) }))
}

fn deposit(state: &ApiState, event: PaymentEvent) -> Result<Deposited, ApiError> {
    let payment: Payment = serde_json::from_value(event.data.object)
        .map_err(|error| ApiError::Invalid(format!("data.object: {error}")))?;
    let currency = state.store().view(|l| l.genesis().map(|genesis| genesis.currency.to_string()));
    let (got, expected) = (payment.currency.to_ascii_uppercase(), currency.unwrap_or_default());
    if got != expected {
        let told = format!("data.object.currency is {got}, this DAO's is {expected}");
        return Err(ApiError::Invalid(told));
    }
    if got == AMBIGUOUS {
        let told = format!("data.object.currency: payments in {got} are booked by hand");
        return Err(ApiError::Invalid(told));
    }
    let key = &payment.metadata.sahakar_key;
    let key_id = Name::new(key.as_str()).map_err(|_source| ApiError::not_found("key", key))?;
    let amount = u128::from(payment.amount_received) * 10_u128.pow(LEDGER_PLACES - places(&got));
    Ok(Deposited { key_id, amount, idempotency_key: format!("payment:{}", payment.id) })
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

/// Whether one of the signatures is one of the secrets', and fresh.
fn is_signed(secrets: &[WebhookSecret], header: &str, body: &[u8], now_s: u64) -> bool {
    let mut parts = header.split(',').filter_map(|part| part.trim().split_once('='));
    let time = parts.clone().find(|(name, _)| *name == "t").map(|(_, value)| value);
    let Some((text, time_s)) = time.and_then(|text| Some((text, text.parse::<u64>().ok()?))) else {
        return false;
    };
    if time_s.abs_diff(now_s) > TOLERANCE_S {
        return false;
    }
    let signatures: Vec<Vec<u8>> = parts
        .by_ref()
        .filter(|(name, _)| *name == "v1")
        .take(SIGNATURES_MAX)
        .filter_map(|(_, value)| hex::decode(value).ok())
        .collect();
    secrets.iter().any(|secret| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.0.as_bytes()) else {
            return false;
        };
        mac.update(text.as_bytes());
        mac.update(b".");
        mac.update(body);
        // In constant time.
        signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const NOW_S: u64 = 1_700_000_000;

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::new(text.to_owned()).unwrap()
    }

    fn header(secret: &str, time_s: u64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{time_s}.").as_bytes());
        mac.update(body);
        format!("t={time_s},v1={}", hex::encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn an_event_is_believed_if_it_is_signed_and_fresh() {
        let old = "whsec_0123456789abcdef";
        let secrets = [secret("whsec_fedcba9876543210"), secret(old)];
        let sound = header(old, NOW_S, BODY);
        assert!(is_signed(&secrets, &sound, BODY, NOW_S));
        assert!(is_signed(&secrets, &sound, BODY, NOW_S + TOLERANCE_S));
        assert!(is_signed(&secrets, &format!("v1=00,v0=ab,{sound}"), BODY, NOW_S));
        assert!(!is_signed(&secrets, &sound, BODY, NOW_S + TOLERANCE_S + 1));
        assert!(!is_signed(&secrets, &sound, br#"{"id":"evt_2"}"#, NOW_S));
        assert!(!is_signed(&[], &sound, BODY, NOW_S));
        assert!(!is_signed(&secrets, &header("whsec_another_secret", NOW_S, BODY), BODY, NOW_S));
        let moved = sound.replace(&NOW_S.to_string(), &(NOW_S + 1).to_string());
        assert!(!is_signed(&secrets, &moved, BODY, NOW_S));
        for broken in ["", "t=,v1=", "t=1700000000", "v1=00", "t=1700000000,v1=zz", "a"] {
            assert!(!is_signed(&secrets, broken, BODY, NOW_S), "{broken}");
        }
        assert!(WebhookSecret::new("short".to_owned()).is_none());
    }

    /// The example of RFC 4231 §4.3 (test case 2): that the HMAC is the HMAC.
    #[test]
    fn the_mac_is_that_of_rfc_4231() {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(mac.finalize().into_bytes()), expected);
    }

    #[test]
    fn the_providers_smallest_units_are_the_ledgers() {
        assert_eq!([places("EUR"), places("JPY"), places("KWD")], [2, 0, 3]);
    }
}

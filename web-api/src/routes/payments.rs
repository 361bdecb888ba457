//! Money announced by a payment provider, in the form of Stripe's webhooks, signed by HMAC-SHA256 over time and body: a payment
//! whose metadata name the key, and what becomes of it afterwards ([`event`]).
//!
//! ```text
//!  Stripe-Signature: t=1492774577,v1=<hex of HMAC-SHA256(secret, "1492774577." ‖ body)>[,v1=…]
//! ```
//! Threats: a forged event (the signature), a replayed one (its time, and the ids of payment and refund, under which the ledger
//! books each once: a provider may send two events with ids of their own for one payment), a changed one (the signature is over
//! the bytes as they came).

mod event;

use axum::{Json, body::Bytes, extract::State, http::HeaderMap};
use data_dao_journal::{
    Administered, Body, Deposited, Entry, PaymentRefundFailed, PaymentRefunded, PaymentReinstated,
    State as Ledger,
};
use data_dao_ledger::Name;
use hmac::{Hmac, Mac as _};
use serde::Serialize;
use sha2::Sha256;
use utoipa::ToSchema;

pub(crate) use event::PaymentEvent;

use self::event::Announced;
use crate::amount::text;
use crate::api_error::ApiError;
use crate::idempotency::{append_act_once, append_all_once};
use crate::problem::Problem;
use crate::{ApiState, WebhookSecret};

/// Furthest that the signature's time may be from the node's, in seconds: Stripe's own default.
const TOLERANCE_S: u64 = 300;
/// Most signatures of one header.
const SIGNATURES_MAX: usize = 8;
/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentView {
    /// Whether money was booked, now or before.
    booked: bool,
    /// The entry that booked it, or that notes a refund that failed before anything was booked of it.
    ledger_index: Option<u64>,
    /// Of money that went back: how much of it the buyer did not have left, and owed from then on, in 10⁻⁴ of the currency's
    /// unit.
    owed: Option<String>,
}

impl PaymentView {
    const NOTHING: Self = Self { booked: false, ledger_index: None, owed: None };

    /// No money moves, and the ledger says why.
    const fn noted(index: u64) -> Self {
        Self { booked: false, ledger_index: Some(index), owed: None }
    }
}

/// Announce a payment
///
/// For payment providers: signed in `Stripe-Signature`. A refund or a dispute takes back what is left of the payment; what was
/// spent is owed, and nothing is sold to who owes.
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
    let currency = state.store().view(|l| l.genesis().map(|genesis| genesis.currency.to_string()));
    let view = match event.announced(&currency.unwrap_or_default())? {
        Announced::Nothing => PaymentView::NOTHING,
        Announced::Arrived { payment, key, amount } => {
            book(&state, (&payment, &key, amount)).await?
        }
        Announced::WentBack { payment, refund, amount } => {
            take_back(&state, (payment, refund, amount)).await?
        }
        Announced::CameAgain { payment, refund } => reinstate(&state, (payment, refund)).await?,
        // Events come in any order: the provider sends this one again, after what it is about.
        Announced::Won { refund, .. } if !is_known(&state, &refund) => {
            return Err(ApiError::not_found("dispute", refund));
        }
        Announced::Won { payment, refund } => reinstate(&state, (payment, refund)).await?,
    };
    Ok(Json(view))
}

/// The deposit that a payment is.
async fn book(
    state: &ApiState,
    (payment, key, amount): (&str, &str, u128),
) -> Result<PaymentView, ApiError> {
    let key_id = Name::new(key).map_err(|_source| ApiError::not_found("key", key))?;
    let wanted = Deposited { key_id, amount, idempotency_key: format!("payment:{payment}") };
    let name = (&wanted.key_id, wanted.idempotency_key.as_str());
    let same = |entry: &Entry| entry.body == Body::Deposited(wanted.clone());
    let body = Body::Deposited(wanted.clone());
    let index = append_act_once(state, ("payments", "book-deposit"), name, body, same).await?;
    Ok(PaymentView { booked: true, ledger_index: Some(index), owed: None })
}

/// What a refund or a lost dispute takes back.
///
/// A payment that is not known is answered 404, so that the provider sends the event again: that of the payment may be late.
async fn take_back(
    state: &ApiState,
    (payment, refund, amount): (String, String, u128),
) -> Result<PaymentView, ApiError> {
    let (key_id, before, failed) = state.store().view(|ledger| {
        let key_id = ledger.payment(&payment).map(|payment| payment.key_id.clone());
        let before = ledger.payment_refund(&refund).map(|refund| refund.index);
        (key_id, before, ledger.failed_refund(&refund))
    });
    // Its failure, which is the last thing that happens to a refund, was announced before its success.
    if let Some(index) = failed {
        return Ok(PaymentView::noted(index));
    }
    let key_id = match (key_id, before) {
        (Some(key_id), _) => key_id,
        (None, Some(index)) => return Err(ApiError::IdempotencyKeyReused { index }),
        (None, None) => return Err(ApiError::not_found("payment", payment)),
    };
    let wanted = PaymentRefunded { key_id, payment, refund, amount };
    let same = |entry: &Entry| entry.body == Body::PaymentRefunded(wanted.clone());
    let booked = |ledger: &Ledger| Some(ledger.payment_refund(&wanted.refund)?.index);
    let bodies = recorded(wanted.clone().into(), "take-payment-back", &wanted.key_id);
    let index = append_all_once(state, booked, bodies, same).await?;
    let owed = state.store().view(|ledger| {
        let refund = ledger.payment_refund(&wanted.refund)?;
        Some(text(refund.amount.saturating_sub(refund.covered)))
    });
    Ok(PaymentView { booked: true, ledger_index: Some(index), owed })
}

fn is_known(state: &ApiState, refund: &str) -> bool {
    state.store().view(|ledger| ledger.payment_refund(refund).is_some())
}

/// What a refund that failed or a dispute that was won brings back.
async fn reinstate(
    state: &ApiState,
    (payment, refund): (String, String),
) -> Result<PaymentView, ApiError> {
    let known = state.store().view(|ledger| {
        let booked = ledger.payment_refund(&refund)?;
        Some((
            booked.index,
            ledger.payment(&booked.payment)?.key_id.clone(),
            booked.payment.clone(),
        ))
    });
    let Some((index, key_id, booked)) = known else {
        return note_failure(state, (payment, refund)).await;
    };
    if booked != payment {
        return Err(ApiError::IdempotencyKeyReused { index });
    }
    let wanted = PaymentReinstated { key_id, payment, refund };
    let same = |entry: &Entry| entry.body == Body::PaymentReinstated(wanted.clone());
    let booked = |ledger: &Ledger| ledger.payment_refund(&wanted.refund)?.reinstated;
    let bodies = recorded(wanted.clone().into(), "reinstate-payment", &wanted.key_id);
    let index = append_all_once(state, booked, bodies, same).await?;
    Ok(PaymentView { booked: true, ledger_index: Some(index), owed: None })
}

/// Remembers a refund that failed before its success was announced, if it ever was to be.
///
/// A payment that is not known is answered 404, as in [`take_back`].
async fn note_failure(
    state: &ApiState,
    (payment, refund): (String, String),
) -> Result<PaymentView, ApiError> {
    let key_id = state.store().view(|ledger| Some(ledger.payment(&payment)?.key_id.clone()));
    let key_id = key_id.ok_or_else(|| ApiError::not_found("payment", &payment))?;
    let wanted = PaymentRefundFailed { key_id, payment, refund };
    let same = |entry: &Entry| entry.body == Body::PaymentRefundFailed(wanted.clone());
    let booked = |ledger: &Ledger| ledger.failed_refund(&wanted.refund);
    let bodies = recorded(wanted.clone().into(), "note-failed-refund", &wanted.key_id);
    append_all_once(state, booked, bodies, same).await.map(PaymentView::noted)
}

/// What the provider brought about, and that it was the provider.
fn recorded(body: Body, act: &str, key_id: &Name) -> Vec<Body> {
    let (by, act, subject) = ("payments".to_owned(), act.to_owned(), key_id.to_string());
    vec![body, Administered { by, act, subject }.into()]
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
}

//! Every kind of problem that the interface answers with: the one list that errors, refusals and the pages at `/problems`
//! are made of.

use axum::http::StatusCode;

use super::ProblemKind;

/// A kind of problem as its page tells of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// Status, slug and title.
    pub(crate) kind: ProblemKind,
    /// What to do about it.
    pub(crate) advice: &'static str,
}

const fn known(
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
    advice: &'static str,
) -> Known {
    Known { kind: ProblemKind { status, slug, title }, advice }
}

use StatusCode as S;

/// All of them, by slug. Append, and never change a slug: programs branch on it.
#[rustfmt::skip]
pub(crate) const KNOWN: &[Known] = &[
    known(S::CONFLICT, "about-the-guardian", "The guardian does not decide about itself", "Leave the decision to the members."),
    known(S::CONFLICT, "already-booked", "The request is booked already", "Nothing: the first request did it. Ask for the entry that the detail names."),
    known(S::CONFLICT, "already-voted", "The member has voted already", "Nothing: the first ballot counts."),
    known(S::UNPROCESSABLE_ENTITY, "amount", "The amount is not acceptable", "Send an amount above zero that fits 128 bits together with what is there."),
    known(S::CONFLICT, "challenge", "The round's pay is not at that stage", "Look at the round: its pay is either not announced, under challenge, or final."),
    known(S::UNSUPPORTED_MEDIA_TYPE, "content-encoding", "Unsupported encoding", "Send the body as it is, or by gzip or deflate."),
    known(S::CONFLICT, "contention", "Too many requests at once", "Send the request again."),
    known(S::CONFLICT, "delisted", "The model is off the market", "Calls that were paid are still answered; new ones need a vote to list the model again."),
    known(S::UNPROCESSABLE_ENTITY, "differs", "A value is not what it has to be", "The detail has both values; read the current one and send the request again."),
    known(S::CONFLICT, "exists", "Exists already", "Take another name, or use what is there."),
    known(S::FORBIDDEN, "forbidden", "The key may not do this", "Use a key with the scope that the detail names, or ask for one."),
    known(S::CONFLICT, "idempotency-in-progress", "The first request is still in progress", "Wait a moment and send the same request with the same Idempotency-Key again."),
    known(S::BAD_REQUEST, "idempotency-key-missing", "Idempotency-Key is missing", "Name the request by a header Idempotency-Key of 1 to 200 visible ASCII characters, a new one for each that is to move money."),
    known(S::UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Idempotency-Key was used otherwise", "Take a new Idempotency-Key: this one names another request."),
    known(S::PAYMENT_REQUIRED, "in-debt", "The account owes money", "A payment was taken back after a part of it was spent. Pay in what the detail names; then everything is as before."),
    known(S::PAYMENT_REQUIRED, "insufficient-balance", "The balance does not suffice", "Pay in, buy less, or give back calls that you do not need."),
    known(S::INTERNAL_SERVER_ERROR, "internal", "Internal error", "Tell the operator the x-request-id of the answer: the node's log has the cause."),
    known(S::UNPROCESSABLE_ENTITY, "invalid", "Invalid request", "The detail names the field; the interface is described at /openapi.json."),
    known(S::CONFLICT, "key-of-a-member", "A member is named by its first key", "Name the member by the key in the detail, and sign with the key that it has now."),
    known(S::CONFLICT, "key-taken", "The key cannot become a member's", "Make a new key that nobody has used (sahakar key new)."),
    known(S::CONFLICT, "licence-needs-vote", "A set licence is changed by vote", "Make a proposal."),
    known(S::BAD_REQUEST, "malformed", "Malformed request", "The detail says where the request cannot be read."),
    known(S::UNSUPPORTED_MEDIA_TYPE, "media-type", "Unsupported media type", "Send the body as the description says, with its Content-Type."),
    known(S::CONFLICT, "member-state", "The member's state forbids it", "A member that is suspended or gone cannot do this."),
    known(S::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", "The Allow header has the methods of this path."),
    known(S::SERVICE_UNAVAILABLE, "model-not-loaded", "Model not loaded", "Try again later, or another version: this node does not have the model's parameters."),
    known(S::PAYMENT_REQUIRED, "no-calls-left", "No paid calls are left", "Buy calls or a month at /v1/purchases, or use a key that pays as it goes."),
    known(S::PAYMENT_REQUIRED, "no-licence", "No licence was bought", "Buy the plan `download` of this model's version at /v1/purchases."),
    known(S::CONFLICT, "no-price", "The model has no price", "Wait until the operator has set its first price."),
    known(S::NOT_FOUND, "no-route", "Not found", "The interface is described at /openapi.json and at /docs."),
    known(S::CONFLICT, "nonce-used", "The nonce was used", "Sign the message again with a higher nonce."),
    known(S::UNPROCESSABLE_ENTITY, "not-a-member", "Only members may do this", "Join first, at a member's invitation."),
    known(S::CONFLICT, "not-for-sale", "The plan is not for sale", "The plans of each model are at /v1/plans."),
    known(S::NOT_FOUND, "not-found", "Not found", "Look for what there is in the list above it."),
    known(S::SERVICE_UNAVAILABLE, "not-founded", "The DAO is not founded yet", "Wait until the node has written its first entry."),
    known(S::UNPROCESSABLE_ENTITY, "not-the-guardian", "Only the guardian may do this", "Sign with the guardian's key."),
    known(S::UNPROCESSABLE_ENTITY, "not-the-proposer", "Only the proposer may do this", "Sign with the key that made the proposal."),
    known(S::CONFLICT, "not-this-ballot", "The proposal takes no such ballot now", "Look at the proposal: whether its ballots are sealed, and at which stage it is."),
    known(S::UNPROCESSABLE_ENTITY, "out-of-bounds", "A value is out of bounds", "The detail has the bounds."),
    known(S::CONFLICT, "prediction-resolved", "The prediction is settled", "Nothing: it was made, failed or expired."),
    known(S::CONFLICT, "price-above-maximum", "The price is above what you would pay", "Send the request again with a higher price_max, or later: prices follow demand."),
    known(S::CONFLICT, "price-needs-vote", "A set price is changed by vote", "Make a proposal."),
    known(S::UNPROCESSABLE_ENTITY, "proposal", "The proposal is not acceptable", "The detail says which rule it breaks."),
    known(S::UNPROCESSABLE_ENTITY, "purchase", "The purchase makes no sense", "Buy at least one call, at a total that fits 128 bits."),
    known(S::UNPROCESSABLE_ENTITY, "refund-exceeds-payment", "More is taken back than was paid", "Look at the payment at the provider: refunds and disputes together exceed it. The rest is booked by hand."),
    known(S::CONFLICT, "refused", "The journal refused", "The detail has the rule."),
    known(S::CONFLICT, "request-expired", "The signed message is too old", "Sign it again; check the clock of the machine that signs."),
    known(S::UNPROCESSABLE_ENTITY, "signature", "A signature does not hold", "Sign exactly what is sent, with the key that is named."),
    known(S::FORBIDDEN, "spending-limit", "The key's spending limit is reached", "Wait for the next day of UTC, or have the limit raised."),
    known(S::SERVICE_UNAVAILABLE, "timed-out", "Timed out", "Send less at once, or again later. Whether money moved tells the Idempotency-Key."),
    known(S::PAYLOAD_TOO_LARGE, "too-large", "Body too large", "Send less at once."),
    known(S::UNPROCESSABLE_ENTITY, "too-long", "The request is too long", "Shorten the text: an entry of the log has at most 65 535 bytes."),
    known(S::CONFLICT, "too-many-proposals", "Too many proposals are under way", "Wait until one of them ends."),
    known(S::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", "Wait as many seconds as Retry-After says; the RateLimit headers tell beforehand."),
    known(S::CONFLICT, "transfer", "The ledger refused the transfer", "The detail has the rule."),
    known(S::UNAUTHORIZED, "unauthorized", "Unauthorized", "Send a key that holds as Authorization: Bearer, or sign the request (RFC 9421)."),
    known(S::SERVICE_UNAVAILABLE, "unavailable", "Unavailable", "Try again later; nothing was booked."),
    known(S::UNPROCESSABLE_ENTITY, "weight", "The member has too little weight", "Votes are earned in settled rounds, and mature."),
    known(S::CONFLICT, "wrong-state", "The proposal is in another state", "Look at the proposal."),
];

impl ProblemKind {
    /// The kind with this slug. A slug that is not in the list does not compile where the call is `const { … }`.
    pub(crate) const fn of(slug: &str) -> Self {
        let mut index = 0;
        while index < KNOWN.len() {
            if equal(KNOWN[index].kind.slug, slug) {
                return KNOWN[index].kind;
            }
            index += 1;
        }
        unreachable!()
    }
}

const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_and_say_what_to_do() {
        let mut slugs: Vec<_> = KNOWN.iter().map(|known| known.kind.slug).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), KNOWN.len());
        for known in KNOWN {
            assert!(known.kind.status.as_u16() >= 400 && known.advice.ends_with('.'), "{known:?}");
        }
    }

    /// Programs branch on them: one that was published is neither renamed nor answered with another status. New ones are
    /// added here, too.
    const PUBLISHED: &str = "about-the-guardian=409 already-booked=409 already-voted=409 amount=422 challenge=409 \
        content-encoding=415 contention=409 delisted=409 differs=422 exists=409 forbidden=403 \
        idempotency-in-progress=409 idempotency-key-missing=400 idempotency-key-reused=422 in-debt=402 \
        insufficient-balance=402 internal=500 invalid=422 key-of-a-member=409 key-taken=409 \
        licence-needs-vote=409 malformed=400 \
        media-type=415 member-state=409 method-not-allowed=405 model-not-loaded=503 no-calls-left=402 \
        no-licence=402 no-price=409 no-route=404 nonce-used=409 not-a-member=422 not-for-sale=409 \
        not-found=404 not-founded=503 not-the-guardian=422 not-the-proposer=422 not-this-ballot=409 \
        out-of-bounds=422 prediction-resolved=409 price-above-maximum=409 price-needs-vote=409 proposal=422 \
        purchase=422 refund-exceeds-payment=422 refused=409 request-expired=409 signature=422 \
        spending-limit=403 timed-out=503 too-large=413 too-long=422 too-many-proposals=409 \
        too-many-requests=429 transfer=409 unauthorized=401 unavailable=503 weight=422 wrong-state=409";

    #[test]
    fn a_published_slug_and_its_status_never_change() {
        let known =
            KNOWN.iter().map(|known| format!("{}={}", known.kind.slug, known.kind.status.as_u16()));
        assert_eq!(known.collect::<Vec<_>>().join(" "), PUBLISHED);
    }
}

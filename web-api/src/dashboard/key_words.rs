//! What an entry about keys, plans and the operator's acts says, in one sentence.

use data_dao_journal::Body;
use data_dao_ledger::Name;
use maud::{Markup, html};

use super::format::{licence, money, plural};
use super::reading::Reading;

/// The acts as the interface names them, in people's words.
const ACTS: [(&str, &str); 12] = [
    ("amend-key", "changed what a key may do"),
    ("book-deposit", "booked a deposit"),
    ("erase-buyer", "erased what a buyer is called"),
    ("issue-key", "issued a key"),
    ("pay-out", "paid out"),
    ("note-failed-refund", "noted a refund that failed"),
    ("reinstate-payment", "gave a payment again that was taken back"),
    ("revoke-key", "revoked a key"),
    ("rotate-key", "rotated a key"),
    ("set-plans", "set the first prices"),
    ("set-price", "set the first price"),
    ("take-payment-back", "took a payment back"),
];

fn model(name: &Name) -> Markup {
    html! { a href={"/models/" (name)} { (name) } }
}

fn federation(name: &Name) -> Markup {
    html! { a href={"/federations/" (name)} { (name) } }
}

/// What happened; none if the entry is about something else.
pub(super) fn sentence(ledger: &Reading<'_>, body: &Body) -> Option<Markup> {
    let currency = ledger.genesis().map_or_else(String::new, |g| g.currency.to_string());
    let money = |amount| money(amount, &currency);
    let calls = |count| plural(count, "call", "calls");
    Some(match body {
        Body::KeyGranted(body) => html! {
            "API key " code { (body.key_id) } " was issued"
            @if let Some(account) = &body.grant.account { ", which spends the money of " code { (account) } } "."
        },
        Body::KeyAmended(body) => html! { "What " code { (body.key_id) } " may do was changed." },
        Body::KeyRotated(body) => html! { code { (body.key_id) } " has a new secret." },
        Body::KeyRevoked(body) => html! { code { (body.key_id) } " was revoked." },
        Body::Withdrawn(body) => {
            html! { (money(body.amount)) " was paid out to " code { (body.key_id) } "." }
        }
        Body::PaymentRefunded(body) => html! {
            (money(body.amount)) " that " code { (body.key_id) } " had paid in went back to who paid."
            @if let Some(owed) = ledger.payment_refund(&body.refund).and_then(|r| r.amount.checked_sub(r.covered)).filter(|owed| *owed > 0) {
                " " (money(owed)) " of it were spent, and owed from then on."
            }
        },
        Body::PaymentReinstated(body) => html! {
            "A payment of " code { (body.key_id) } " that was taken back is here again."
        },
        Body::PaymentRefundFailed(body) => html! {
            "A payment of " code { (body.key_id) } " was to go back and did not: nothing was taken."
        },
        Body::LicenceSet(body) => html! {
            "New versions of " (federation(&body.federation)) " are sold under " (licence(&body.licence)) "."
        },
        Body::CallsRefunded(body) => html! {
            code { (body.key_id) } " gave " (calls(body.calls)) " of " (model(&body.model)) " back."
        },
        Body::MonthBought(body) => html! {
            code { (body.key_id) } " bought thirty days of " (model(&body.model)) ", " (calls(body.calls)) " for "
            (money(body.price.saturating_mul(u128::from(body.calls)))) "."
        },
        Body::MonthEnded(body) => html! {
            "Thirty days of " code { (body.key_id) } " with " (model(&body.model)) " ended; the " (money(body.amount))
            " that were left were shared like a sale."
        },
        Body::LicenceBought(body) => html! {
            code { (body.key_id) } " bought the licence of " (model(&body.model)) " version " (body.version)
            @if let Some(agreed) = &body.licence { " (" (licence(agreed)) ")" } " for "
            (money(body.price)) "."
        },
        Body::PricePolicySet(body) => html! {
            "One prediction of " (model(&body.model)) " costs " (money(body.policy.low))
            @if body.policy.high != body.policy.low { " to " (money(body.policy.high)) ", by demand" } "."
        },
        Body::Administered(body) => {
            let act = ACTS.iter().find(|(act, _)| *act == body.act).map(|(_, words)| *words);
            html! { (body.by) " " (act.unwrap_or(&body.act)) ": " code { (body.subject) } "." }
        }
        _ => return None,
    })
}

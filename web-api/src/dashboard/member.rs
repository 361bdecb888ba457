//! A member: what it earned, where it takes part, and how its vote goes.

use axum::{extract::State, response::Response};
use data_dao_journal::{Roll, Standing};
use maud::{Markup, html};
use privacy_identity::VerifyingKey;

use super::error_page::PageError;
use super::federation::{estimate, interval};
use super::format::{grouped, label, member, money, signed};
use super::layout::{Masthead, Page, Section, nothing, scrolling, tile, trail};
use super::members::standing;
use super::reading::{Reading, read};
use crate::ApiState;
use crate::extract::PathPart;
use crate::routes::value_unit;

/// A member
pub(super) async fn page(
    State(state): State<ApiState>,
    PathPart(text): PathPart<String>,
) -> Result<Response, PageError> {
    let missing = || PageError::not_found("member", &text);
    let key: VerifyingKey = text.parse().map_err(|_source| missing())?;
    // Found by any key that it has or had.
    let key = read(&state, |ledger| ledger.keyring().member_of(&key));
    let masthead = Masthead::of(&state);
    let now_ms = state.now_ms();
    let roll = state.roll(now_ms);
    let content = read(&state, |ledger| {
        let takes_part = ledger.federations().values().any(|f| f.members().contains_key(&key));
        let known = takes_part || ledger.membership(&key).is_some();
        known.then(|| (label(ledger, &key), content(ledger, &key, (&roll, now_ms))))
    });
    let (title, content) = content.ok_or_else(missing)?;
    let section = Some(Section::Members);
    Ok(Page { title: &title, section, scripts: &[], content }.respond(&masthead))
}

fn content(ledger: &Reading<'_>, key: &VerifyingKey, (roll, now_ms): (&Roll, u64)) -> Markup {
    let currency = ledger.genesis().map_or_else(String::new, |g| g.currency.to_string());
    let pending = ledger.credits_pending(key);
    let delegate = ledger.delegate_of(key, now_ms);
    let entrusted = ledger.delegations(now_ms);
    let entrusting: Vec<_> = entrusted.iter().filter(|(_, to, _)| to == key).collect();
    html! {
        (trail(&[("/members", "Members")]))
        div class="title" { h1 { (label(ledger, key)) } @if let Some(member) = ledger.membership(key) { (standing(member.state)) } }
        dl class="tiles" data-live="figures" id="figures" {
            (tile("Credits", grouped(ledger.credits(key)), if pending > 0 { format!("{} more can still be challenged", grouped(pending)) } else { "all of them final".to_owned() }))
            (tile("Votes now", grouped(roll.weight(key)), "before delegations"))
            (tile("Earned by sales", money(ledger.earnings(key), &currency), "its share of predictions"))
        }
        section data-live="federations" id="federations" { h2 { "Where it contributes" } (federations(ledger, key)) }
        section {
            h2 { "Facts" }
            dl class="facts one" {
                div { dt { "Key" } dd { code class="hash" { (key) } } }
                @let signing = ledger.keyring().current(key);
                @if signing != *key { div { dt { "Signs with" } dd { code class="hash" { (signing) } } } }
                @if let Some((delegate, _)) = delegate { div { dt { "Votes through" } dd { (member(ledger, &delegate)) } } }
                @if !entrusting.is_empty() {
                    div { dt { "Also votes for" } dd { @for (index, (from, _, _)) in entrusting.iter().enumerate() { @if index > 0 { ", " } (member(ledger, from)) } } }
                }
                @if let Some(member) = ledger.membership(key) {
                    div { dt { "Taken in by" } dd { a href={"/ledger/" (member.index)} { "entry " (member.index) } } }
                    @if let Some(inviter) = &member.inviter { div { dt { "Invited by" } dd { (super::format::member(ledger, inviter)) } } }
                }
            }
        }
    }
}

fn federations(ledger: &Reading<'_>, key: &VerifyingKey) -> Markup {
    let taking: Vec<_> =
        ledger.federations().iter().filter(|(_, f)| f.members().contains_key(key)).collect();
    let none = Standing::default();
    let table = html! {
        table {
            thead { tr { th scope="col" { "Federation" } th scope="col" class="num" { "Value" } th scope="col" class="num desk" { "95 % interval" } th scope="col" class="num desk" { "Rounds" } th scope="col" class="num" { "Credits" } } }
            tbody {
                @for (name, federation) in &taking {
                    @let standing = federation.standings().get(key).unwrap_or(&none);
                    @let estimate = estimate(standing, value_unit(federation));
                    tr {
                        th scope="row" { a href={"/federations/" (name) "/contributors/" (key)} { (name) } }
                        td class="num" { (signed(estimate.value)) } td class="num desk" { (interval(estimate)) }
                        td class="num desk" { (grouped(standing.rounds())) } td class="num" { strong { (grouped(standing.credits())) } }
                    }
                }
            }
        }
    };
    html! {
        @if taking.is_empty() { (nothing("In no federation.")) } @else { (scrolling("Where it contributes", &table)) }
    }
}

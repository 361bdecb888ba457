//! A contributor's part in a federation, round by round, with the reason for each payment.

use axum::{extract::State, response::Response};
use data_dao_journal::{Explanation, Federation, VALUE_METHOD};
use data_dao_ledger::Name;
use maud::{Markup, html};
use privacy_identity::VerifyingKey;

use super::error_page::PageError;
use super::federation::{estimate, interval};
use super::format::{grouped, signed};
use super::layout::{Masthead, Page, Section, nothing, tile, trail};
use super::reading::{Reading, read};
use super::words::round_number;
use crate::amount::in_units;
use crate::extract::PathPart;
use crate::routes::{ExplainedRound, explained, value_unit};
use crate::{ApiState, Chart, Curve};

/// Rounds with their reasons, newest first; all are in the JSON.
const ROUNDS_SHOWN: usize = 100;

/// A contributor
pub(super) async fn page(
    State(state): State<ApiState>,
    PathPart((federation, key)): PathPart<(String, String)>,
) -> Result<Response, PageError> {
    let missing = || PageError::not_found("contributor", &key);
    let known = Name::new(federation.as_str()).ok().zip(key.parse::<VerifyingKey>().ok());
    let (name, member) = known.ok_or_else(missing)?;
    let rounds = explained(&state, &name, &member).await?.ok_or_else(missing)?;
    let masthead = Masthead::of(&state);
    let content =
        read(&state, |ledger| content(ledger, ledger.federation(&name)?, &member, &rounds.rounds))
            .ok_or_else(missing)?;
    let page =
        Page { title: "Contributor", section: Some(Section::Federations), scripts: &[], content };
    Ok(page.respond(&masthead))
}

fn content(
    ledger: &Reading<'_>,
    federation: &Federation,
    member: &VerifyingKey,
    rounds: &[ExplainedRound],
) -> Option<Markup> {
    let (name, unit) = (&federation.opened().federation, value_unit(federation));
    let label = ledger.name(member, &federation.members().get(member)?.label);
    let standing = federation.standings().get(member).cloned().unwrap_or_default();
    let estimate = estimate(&standing, unit);
    let path = format!("/federations/{name}");
    Some(html! {
        (trail(&[("/federations", "Federations"), (&path, name.as_str())]))
        h1 { (label) }
        p class="lead" { "What its updates were worth to " (name) ", and why it was paid what it was." }
        dl class="tiles" data-live="figures" id="figures" {
            (tile("Value so far", signed(estimate.value), "validation loss taken off"))
            (tile("95 % interval", interval(estimate), "by Student's t over its rounds"))
            (tile("Credits", grouped(standing.credits()), format!("{} in all federations", grouped(ledger.credits(member)))))
            (tile("Rounds", grouped(standing.rounds()), format!("{} of them with a value below zero", standing.rounds_below_zero())))
        }
        section data-live="value" id="value" {
            h2 { "Value over time" }
            div class="charts" { (value_chart(rounds, unit)) (share_chart(rounds)) }
        }
        section data-live="reasons" id="reasons" {
            h2 { "Round by round, with reasons" }
            @if rounds.is_empty() { (nothing("It took part in no round yet.")) }
            ol class="reasons" {
                @for round in rounds.iter().rev().take(ROUNDS_SHOWN) { (reason(round, unit)) }
            }
            @if rounds.len() > ROUNDS_SHOWN {
                p { "Earlier rounds are in the " a href={"/v1" (path) "/contributors/" (member) "/rounds"} { "JSON" } "." }
            }
        }
        section {
            h2 { "How this is measured" }
            p { "By the " (VALUE_METHOD) ". Its updates stay sealed: aggregators open one number for each, how far it moved the "
                "model towards less loss on validation data that nobody sees before the updates are in." }
            dl class="facts one" {
                div { dt { "Key" } dd { a href={"/members/" (member)} { code class="hash" { (member) } } } }
            }
        }
    })
}

fn reason(round: &ExplainedRound, unit: f64) -> Markup {
    let Explanation { credits, value, .. } = round.explanation;
    html! {
        li {
            h3 { "Round " (round_number(round.explanation.round)) }
            p class="pay" { strong { (grouped(credits)) } " credits" }
            p { (round.explanation.sentence(unit)) }
            p class="soft" {
                "Value " (signed(in_units(value.into(), unit))) " · changed most: " (round.explanation.moved) " · "
                a href={"/ledger/" (round.index)} { "entry " (round.index) }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a round's number")]
fn along(explanation: &Explanation) -> f64 {
    round_number(explanation.round) as f64
}

fn value_chart(rounds: &[ExplainedRound], unit: f64) -> Markup {
    let explained = || rounds.iter().map(|round| &round.explanation);
    let points = explained().map(|e| (along(e), in_units(e.value_sum, unit))).collect();
    let band = explained().filter_map(|e| {
        let bounds = e.interval?;
        Some((along(e), in_units(bounds.low, unit), in_units(bounds.high, unit)))
    });
    let curves = [Curve { band: band.collect(), ..Curve::new("value so far", points) }];
    let unit = "validation loss taken off, with its 95 % interval";
    Chart { title: "Value so far", unit, along: "round", curves: &curves }.figure()
}

fn share_chart(rounds: &[ExplainedRound]) -> Markup {
    let points = rounds.iter().map(|r| (along(&r.explanation), 100.0 * r.explanation.share));
    let curves = [Curve::new("share", points.collect())];
    let unit = "per cent of what counts in the round";
    Chart { title: "Share of the round's budget", unit, along: "round", curves: &curves }.figure()
}

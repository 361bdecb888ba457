//! A federation: how well its model does, what it costs in privacy and bytes, who contributed what, round by round.

use std::sync::Arc;

use axum::{
    extract::{Extension, State},
    response::Response,
};
use data_dao_journal::{Federation, PayProgress, SettledRound, Standing};
use data_dao_ledger::Name;
use maud::{Markup, html};
use privacy_identity::VerifyingKey;
use serde_json::Value;

use super::error_page::PageError;
use super::federations::progress;
use super::forest::{Estimate, Scale};
use super::format::{
    bytes, counted, duration, grouped, licence, percent, percent_or_dash, short, signed,
};
use super::layout::{Masthead, Page, Section, nothing, scrolling, tile, trail};
use super::reading::{Reading, read};
use super::reasons::{Reasons, Replayed};
use super::words::{epsilon, round_number};
use crate::amount::{count, in_units, millionths};
use crate::extract::PathPart;
use crate::routes::{ended, value_unit};
use crate::{ApiState, Chart, Curve};

/// Rounds in the table; all of them are in the federation's JSON.
const ROUNDS_SHOWN: usize = 50;
/// Contributors in the table.
const CONTRIBUTORS_SHOWN: usize = 200;
/// Contributors whose value is drawn: more could not be told apart.
const CONTRIBUTORS_DRAWN: usize = 8;
/// Bits of the numbers that an update would have in the clear.
const F32_BITS: u64 = 32;

/// A federation
pub(super) async fn page(
    State(state): State<ApiState>,
    Extension(reasons): Extension<Reasons>,
    PathPart(text): PathPart<String>,
) -> Result<Response, PageError> {
    let missing = || PageError::not_found("federation", &text);
    let name = Name::new(text.as_str()).map_err(|_source| missing())?;
    let replayed = reasons.of(&state, &name).await?.ok_or_else(missing)?;
    let masthead = Masthead::of(&state);
    let content = read(&state, |ledger| {
        let still = state.standstill().of(&name);
        Some(content(ledger, ledger.federation(&name)?, still, &replayed))
    })
    .ok_or_else(missing)?;
    let title = format!("Federation {name}");
    let page = Page { title: &title, section: Some(Section::Federations), scripts: &[], content };
    Ok(page.respond(&masthead))
}

/// What a federation is for, as its terms say.
pub(super) fn purpose(federation: &Federation) -> Option<String> {
    Some(terms(federation)["purpose"].as_str()?.to_owned())
}

fn terms(federation: &Federation) -> Value {
    serde_json::from_str(&federation.opened().terms).unwrap_or_default()
}

/// Whether the terms in force are those of which the log has the text: a vote names others by their digest alone.
fn are_founders_terms(federation: &Federation) -> bool {
    federation.policy().terms == federation.opened().terms_digest
}

/// The text of the terms in force, where the log has it.
fn terms_in_force(federation: &Federation) -> Value {
    if are_founders_terms(federation) { terms(federation) } else { Value::Null }
}

fn content(
    ledger: &Reading<'_>,
    federation: &Federation,
    still: Option<String>,
    replayed: &Arc<Replayed>,
) -> Markup {
    let terms = terms_in_force(federation);
    let name = &federation.opened().federation;
    html! {
        (trail(&[("/federations", "Federations")]))
        div class="title" data-live="title" id="title" { h1 { (name) } (progress(federation)) }
        @if let Some(purpose) = purpose(federation) { p class="lead" { (purpose) "." } }
        div data-live="ended" id="ended" {
            @if let Some(reason) = ended(federation).or(still) { p { "No round starts any more: " (reason) "." } }
        }
        (figures(federation, &terms))
        section data-live="curves" id="curves" {
            h2 { "Rounds so far" }
            @if federation.settled().is_empty() { (nothing("The curves begin with the first round that ends.")) }
            div class="charts" { (accuracy_chart(federation)) (loss_chart(federation)) (participation_chart(federation)) }
        }
        (privacy(ledger, federation, &terms))
        (contributors(ledger, federation, replayed))
        (rounds(federation))
        (agreed(federation))
    }
}

fn figures(federation: &Federation, terms: &Value) -> Markup {
    let settled = federation.settled();
    let (first, last) = (settled.first(), settled.last());
    let gain = first.and_then(|r| r.test_accuracy_ppm).zip(last.and_then(|r| r.test_accuracy_ppm));
    let gain = gain.map_or_else(String::new, |(first, last)| {
        let points = (f64::from(last) - f64::from(first)) / 1e4;
        let sign = if points < 0.0 { '−' } else { '+' };
        format!("{sign}{:.1} points since round 1", points.abs())
    });
    let present = last.map_or_else(|| "–".to_owned(), |round| grouped(round.participants));
    let dropped: u64 = settled.iter().map(|round| u64::from(round.dropped)).sum();
    let vector = vector_bytes(terms);
    html! {
        dl class="tiles" data-live="figures" id="figures" {
            (tile("Accuracy", last.map_or_else(|| "–".to_owned(), |round| percent_or_dash(round.test_accuracy_ppm)), gain))
            (tile("Loss", last.map_or_else(|| "–".to_owned(), |round| format!("{:.4}", millionths(round.test_loss_micro))), "on the test set"))
            (tile("In the last round", present, format!("of {} members; {} missing in all rounds", counted(federation.members().len()), grouped(dropped))))
            (tile("Numbers of one sealed update", vector.map_or_else(|| "–".to_owned(), |(sealed, _)| bytes(sealed)), vector.map_or_else(String::new, |(sealed, plain)| ratio(sealed, plain))))
            (tile("Credits of a round", grouped(federation.round_budget()), match federation.aborted() { 0 => "no round was given up".to_owned(), n => format!("{} rounds were given up", grouped(n)) }))
        }
    }
}

/// Bytes of the explicit vector that a contributor seals by additive shares, and of the same as 32-bit floats. Envelopes,
/// seeds, signatures and proofs come on top, and a ciphertext of FHE mode is not measured in the ring's bits: of that neither
/// ledger nor receipts of rounds tell, and nothing is said here. What a device sent it knows itself (`sahakar sent list`).
fn vector_bytes(terms: &Value) -> Option<(u64, u64)> {
    let shared = terms["seal"].as_str().is_none_or(|seal| seal != "fhe");
    let (parameters, bits) =
        (terms["parameters"].as_u64().filter(|_| shared)?, terms["ring_bits"].as_u64()?);
    Some(((parameters.checked_mul(bits)?).div_ceil(8), parameters.checked_mul(F32_BITS)? / 8))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn ratio(sealed: u64, plain: u64) -> String {
    format!(
        "by the terms, of each contributor and round: {:.2} × the plain ones. Not what was sent: shares, keys and proofs come on top, and no receipt counts bytes",
        sealed as f64 / plain.max(1) as f64
    )
}

/// One field of the settled rounds.
fn curve(federation: &Federation, name: &str, of: impl Fn(&SettledRound) -> Option<f64>) -> Curve {
    #[expect(clippy::cast_precision_loss, reason = "a round's number")]
    let point = |round: &SettledRound| Some((round_number(round.round) as f64, of(round)?));
    Curve::new(name, federation.settled().iter().filter_map(point).collect())
}

/// Accuracy by round.
pub(super) fn accuracy_chart(federation: &Federation) -> Markup {
    let percent = |round: &SettledRound| Some(f64::from(round.test_accuracy_ppm?) / 1e4);
    let curves = [curve(federation, "accuracy", percent)];
    Chart { title: "Accuracy", unit: "per cent of the test set", along: "round", curves: &curves }
        .figure()
}

fn loss_chart(federation: &Federation) -> Markup {
    let loss = |round: &SettledRound| Some(millionths(round.test_loss_micro));
    let curves = [curve(federation, "loss", loss)];
    Chart { title: "Loss", unit: "on the test set", along: "round", curves: &curves }.figure()
}

fn participation_chart(federation: &Federation) -> Markup {
    let curves = [
        curve(federation, "took part", |round| Some(f64::from(round.participants))),
        curve(federation, "missing", |round| Some(f64::from(round.dropped))),
    ];
    Chart { title: "Participation", unit: "contributors", along: "round", curves: &curves }.figure()
}

/// The account of privacy loss as a meter, where there is one.
fn privacy(ledger: &Reading<'_>, federation: &Federation, terms: &Value) -> Markup {
    let (spent, left) = (ledger.epsilon_micro(federation), ledger.epsilon_micro_left(federation));
    let bound = federation.policy().epsilon_micro_max;
    let noised = |round: &SettledRound| round.epsilon_micro.map(millionths);
    let curves = [curve(federation, "ε", noised)];
    html! {
        section data-live="privacy" id="privacy" {
            h2 { "Privacy loss" }
            @match (spent, bound) {
                (Some(spent), Some(bound)) => {
                    p {
                        strong { "ε " (epsilon(spent)) } " of " (epsilon(bound)) " is spent; "
                        (epsilon(left.unwrap_or_default())) " is left. A round that would overdraw it does not start."
                    }
                    meter min="0" max=(bound) value=(spent) high=(bound / 4 * 3) optimum="0" aria-label="Privacy loss spent" { (epsilon(spent)) }
                }
                (Some(spent), None) => { p { strong { "ε " (epsilon(spent)) } " is spent so far. No bound was set, by the founders or by vote." } }
                (None, _) => {
                    p class="remark" {
                        strong { "ε is unbounded." } " At least one round ran without noise: what was sent is sealed, so that "
                        "nobody reads a single update, but the sums alone are not a proof of privacy."
                    }
                }
            }
            @if let Some(delta) = terms["noise"]["delta"].as_f64() { p class="soft" { "At δ = " (delta) "." } }
            @if curves[0].points.len() > 1 {
                div class="charts" { (Chart { title: "Privacy loss so far", unit: "ε", along: "round", curves: &curves }.figure()) }
            }
        }
    }
}

/// The members who took part, the highest credits first, then the others.
fn ranked<'a>(
    ledger: &Reading<'_>,
    federation: &'a Federation,
) -> Vec<(&'a VerifyingKey, String, Option<&'a Standing>)> {
    let standing = |key| federation.standings().get(key);
    let mut members: Vec<_> = federation
        .members()
        .iter()
        .map(|(key, member)| (key, ledger.name(key, &member.label), standing(key)))
        .collect();
    members.sort_by_key(|(_, _, standing)| {
        std::cmp::Reverse(standing.map_or((0, i128::MIN), |s| (s.credits(), s.value_sum())))
    });
    members
}

/// A standing's value in units of loss.
pub(super) fn estimate(standing: &Standing, unit: f64) -> Estimate {
    let in_loss = |value: i128| in_units(value, unit);
    let bounds = standing.interval().map(|bounds| (in_loss(bounds.low), in_loss(bounds.high)));
    Estimate { value: in_loss(standing.value_sum()), bounds }
}

/// The interval of an estimate in words.
pub(super) fn interval(estimate: Estimate) -> String {
    estimate.bounds.map_or_else(
        || "after two rounds".to_owned(),
        |(low, high)| format!("{} … {}", signed(low), signed(high)),
    )
}

fn contributors(ledger: &Reading<'_>, federation: &Federation, replayed: &Replayed) -> Markup {
    let (unit, members) = (value_unit(federation), ranked(ledger, federation));
    let estimates = members.iter().filter_map(|(_, _, s)| s.map(|s| estimate(s, unit)));
    let scale = Scale::of(estimates);
    let more = members.len().saturating_sub(CONTRIBUTORS_SHOWN);
    let table = html! {
        table class="contributors" {
            thead { tr {
                th scope="col" { "Contributor" } th scope="col" class="desk" { "Value and 95 % interval" }
                th scope="col" class="num" { "Value" } th scope="col" class="num desk" { "Rounds" } th scope="col" class="num" { "Credits" }
            } }
            @for (key, label, standing) in members.iter().take(CONTRIBUTORS_SHOWN) {
                tbody { (contributor_rows(federation, (key, label, *standing), (scale, unit), replayed)) }
            }
        }
    };
    html! {
        section data-live="contributors" id="contributors" {
            h2 { "Contributors" }
            p class="soft" {
                "Value is validation loss that a contributor's updates took off the model, measured without opening any of them. "
                "Credits follow from it, and from nothing else."
            }
            @if members.is_empty() { (nothing("Nobody was admitted yet.")) } @else { (scrolling("Contributors", &table)) }
            @if more > 0 { p { "… and " (more) " more in the " a href={"/v1/federations/" (federation.opened().federation)} { "JSON" } "." } }
            div class="charts" { (value_chart(&members, unit)) }
        }
    }
}

fn contributor_rows(
    federation: &Federation,
    (key, label, standing): (&VerifyingKey, &str, Option<&Standing>),
    (scale, unit): (Scale, f64),
    replayed: &Replayed,
) -> Markup {
    let name = &federation.opened().federation;
    let estimate = standing.map(|standing| estimate(standing, unit));
    html! {
        tr {
            th scope="row" { a href={"/federations/" (name) "/contributors/" (key)} { (label) } }
            td class="desk" { @if let Some(estimate) = estimate { (scale.line(estimate)) span class="sr" { (interval(estimate)) } } }
            td class="num" { @match estimate { Some(estimate) => (signed(estimate.value)), None => "–" } }
            td class="num desk" { (grouped(standing.map_or(0, Standing::rounds))) }
            td class="num" { strong { (grouped(standing.map_or(0, Standing::credits))) } }
        }
        tr class="why" {
            td colspan="5" {
                @match replayed.latest(key).map(|latest| &latest.explanation) {
                    Some(reason) => { "Round " (round_number(reason.round)) ": " (reason.sentence(unit)) }
                    None => "Took part in no round that is explained here.",
                }
            }
        }
    }
}

/// The running sums of the values of those who earned most.
fn value_chart(members: &[(&VerifyingKey, String, Option<&Standing>)], unit: f64) -> Markup {
    let curves: Vec<Curve> = members
        .iter()
        .filter_map(|(_, label, standing)| Some((label, (*standing)?)))
        .take(CONTRIBUTORS_DRAWN)
        .map(|(label, standing)| Curve::new(label.as_str(), running(standing, unit)))
        .collect();
    Chart {
        title: "Value so far",
        unit: "validation loss taken off",
        along: "round that it took part in",
        curves: &curves,
    }
    .figure()
}

fn running(standing: &Standing, unit: f64) -> Vec<(f64, f64)> {
    let sums = standing.values().iter().scan(0_i128, |sum, value| {
        *sum += i128::from(*value);
        Some(*sum)
    });
    let mut round = 0.0;
    let point = |sum| {
        round += 1.0;
        (round, in_units(sum, unit))
    };
    sums.map(point).collect()
}

fn rounds(federation: &Federation) -> Markup {
    let settled = federation.settled();
    let more = settled.len().saturating_sub(ROUNDS_SHOWN);
    let pay = |round: &SettledRound| match round.pay {
        PayProgress::Challenged => html! { span class="badge waiting" { "can be challenged" } },
        PayProgress::Posted { .. } => html! { span class="badge good" { "final" } },
        PayProgress::Voided { .. } => html! { span class="badge bad" { "voided" } },
    };
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "Round" } th scope="col" class="num" { "Accuracy" } th scope="col" class="num" { "Loss" }
                th scope="col" class="num desk" { "Took part" } th scope="col" class="num desk" { "Missing" }
                th scope="col" class="num desk" { "ε so far" } th scope="col" class="num desk" { "Credits" }
                th scope="col" class="desk" { "Pay" } th scope="col" { "Entry" }
            } }
            tbody {
                @for round in settled.iter().rev().take(ROUNDS_SHOWN) {
                    tr {
                        th scope="row" { (round_number(round.round)) }
                        td class="num" { (round.test_accuracy_ppm.map_or_else(|| "–".to_owned(), percent)) }
                        td class="num" { (format!("{:.4}", millionths(round.test_loss_micro))) }
                        td class="num desk" { (round.participants) } td class="num desk" { (round.dropped) }
                        td class="num desk" { (round.epsilon_micro.map_or_else(|| "∞".to_owned(), epsilon)) }
                        td class="num desk" { (grouped(round.credits)) } td class="desk" { (pay(round)) }
                        td { a href={"/ledger/" (round.index)} aria-label={"Entry " (round.index)} { (round.index) } }
                    }
                }
            }
        }
    };
    html! {
        section data-live="rounds" id="rounds" {
            h2 { "Round by round" }
            @if settled.is_empty() { (nothing("No round has ended yet.")) } @else { (scrolling("Rounds", &table)) }
            @if more > 0 { p { (grouped(count(more))) " earlier rounds are in the " a href={"/v1/federations/" (federation.opened().federation)} { "JSON" } "." } }
        }
    }
}

/// What the members agreed to, as far as it can be said in a line each.
fn agreed(federation: &Federation) -> Markup {
    let (former, terms) = (federation.opened().terms_digest, terms(federation));
    let text = |key: &str| term(&terms[key]);
    let lines = [
        ("Sealing", "seal"),
        ("Model", "architecture"),
        ("Parameters", "parameters"),
        ("Optimiser", "optimizer"),
        ("Local epochs", "local_epochs"),
        ("Batch", "batch_size"),
        ("Learning rate", "learning_rate"),
        ("Longest update (L2)", "clip_norm"),
        ("Noise", "noise"),
        ("Sampling of members", "sampling"),
        ("Training at one's own pace", "buffer"),
    ];
    html! {
        section {
            h2 { "What the members agreed to" }
            @if !are_founders_terms(federation) {
                p class="remark" {
                    "The members voted for other terms since. The ledger has their digest and not their text; what is said here of "
                    "sealing, model, training and noise is that of the former terms (" (short(&former.to_string())) ")."
                }
            }
            dl class="facts" {
                @for (name, key) in lines {
                    @if let Some(text) = text(key) { div { dt { (name) } dd { (text) } } }
                }
                div { dt { "Smallest round" } dd { (federation.policy().minimum_cohort) " contributors" } }
                @if let Some(safeguards) = federation.safeguards() {
                    div { dt { "Pay can be challenged for" } dd { (duration(safeguards.challenge_window_ms)) } }
                }
                @if let Some(named) = federation.licence() { div { dt { "New versions are sold under" } dd { (licence(named)) } } }
                div { dt { "Digest of the terms" } dd { (short(&federation.policy().terms.to_string())) } }
                div { dt { "Opened by" } dd { a href={"/ledger/" (federation.index())} { "entry " (federation.index()) } } }
            }
        }
    }
}

/// A term as people read it: numbers without the noise of their 32 bits, objects as their names and values.
fn term(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => {
            let told = |(name, value): (&String, &Value)| {
                Some(format!("{} {}", name.replace('_', " "), term(value)?))
            };
            Some(fields.iter().filter_map(told).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => Some(items.iter().filter_map(term).collect::<Vec<_>>().join(", ")),
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.6}", number.as_f64()?);
            Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
        }
        other => Some(other.to_string()),
    }
}

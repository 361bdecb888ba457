//! A model: its card from the ledger's facts, its price, and a form to try it.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use data_dao_journal::{Model, ModelReleased};
use data_dao_ledger::Name;
use maud::{Markup, html};

use super::assets::MARKET;
use super::error_page::PageError;
use super::federation::purpose;
use super::format::{
    counted, duration, grouped, licence, member, money, percent_or_dash, plural, short,
};
use super::layout::{Masthead, Page, Section, nothing, scrolling, tile, trail};
use super::models::price;
use super::reading::{Reading, read};
use super::words::epsilon;
use crate::amount::count;
use crate::extract::PathPart;
use crate::{ApiState, ShelvedModel};

/// Most features for which there is a field each.
const FIELDS_MAX: usize = 64;
/// Most calls that the form buys at a time.
const CALLS_MAX: u32 = 1_000;

/// A model
pub(super) async fn page(
    State(state): State<ApiState>,
    PathPart(text): PathPart<String>,
) -> Result<Response, PageError> {
    let missing = || PageError::not_found("model", &text);
    let name = Name::new(text.as_str()).map_err(|_source| missing())?;
    let masthead = Masthead::of(&state);
    let content = read(&state, |ledger| {
        let model = ledger.model(&name)?;
        let shelved = state.shelf().get(&model.latest().digest);
        Some(content(ledger, (&name, model), shelved.as_ref()))
    });
    let title = format!("Model {name}");
    let page = Page {
        title: &title,
        section: Some(Section::Models),
        scripts: &[&*MARKET],
        content: content.ok_or_else(missing)?,
    };
    Ok(page.respond(&masthead))
}

fn content(
    ledger: &Reading<'_>,
    (name, model): (&Name, &Model),
    shelved: Option<&Arc<ShelvedModel>>,
) -> Markup {
    let latest = model.latest();
    html! {
        (trail(&[("/models", "Models")]))
        div class="title" { h1 { (name) } span class="badge waiting" { "version " (latest.version) } }
        @if let Some(purpose) = ledger.federation(&latest.federation).and_then(purpose) { p class="lead" { (purpose) "." } }
        dl class="tiles" data-live="figures" id="figures" {
            (tile("One prediction", price(ledger, model), "each request, of up to 1024 rows"))
            (tile("Accuracy", percent_or_dash(latest.test_accuracy_ppm), "on the test set"))
            (tile("Trained by", plural(count(latest.weights.len()), "contributor", "contributors"), format!("in {}", plural(latest.rounds, "round", "rounds"))))
            (tile("Privacy loss", privacy_loss(ledger, latest), "of a contributor's data"))
        }
        div class="columns wide-left" {
            section { h2 { "Try it" } (trial(name, shelved)) }
            section { h2 { "Card" } (card(ledger, model, shelved)) }
        }
        section data-live="prices" id="prices" { h2 { "What it costs" } (prices(ledger, model)) }
        section { h2 { "Who earns from it" } (earners(ledger, latest)) }
    }
}

fn privacy_loss(ledger: &Reading<'_>, release: &ModelReleased) -> String {
    let settled = ledger.federation(&release.federation).map_or(&[][..], |f| f.settled());
    let last = settled.iter().find(|round| round.model_after == release.digest);
    let micro = last.and_then(|round| round.epsilon_micro);
    micro.map_or_else(|| "ε unbounded".to_owned(), |micro| format!("ε {}", epsilon(micro)))
}

fn card(ledger: &Reading<'_>, model: &Model, shelved: Option<&Arc<ShelvedModel>>) -> Markup {
    let latest = model.latest();
    html! {
        dl class="facts one" {
            div { dt { "Federation" } dd { a href={"/federations/" (latest.federation)} { (latest.federation) } } }
            div { dt { "Digest" } dd { (short(&latest.digest.to_string())) } }
            @if let Some(shelved) = shelved {
                div { dt { "Answers" } dd { (shelved.schema().label()) ": " (shelved.schema().classes().join(", ")) } }
                div { dt { "Asks for" } dd { (plural(count(shelved.schema().features().len()), "number", "numbers")) } }
                div { dt { "Parameters" } dd { (counted(shelved.parameters().count())) } }
            }
            div { dt { "Licence" } dd {
                @match model.licence(latest.version) { Some(named) => { (licence(named)) } None => { "none was named" } }
            } }
            @if shelved.is_some() {
                div { dt { "Files" } dd { (files(&format!("/v1/models/{}/versions/{}/files", latest.model, latest.version))) } }
            }
            div { dt { "Versions" } dd { (counted(model.releases().len())) } }
            div { dt { "Interface" } dd { "Open Inference Protocol 2, " code { "/v2/models" } } }
            @if let Some(percent) = ledger.treasury_percent() {
                div { dt { "Of each sale" } dd { (percent) "\u{202f}% to the treasury, the rest to contributors" } }
            }
        }
        p class="soft" { "All of this is in the ledger; nothing on this card was written by hand." }
    }
}

/// What can be downloaded: the card by everybody, the parameters by who bought a licence, with the key that did.
fn files(folder: &str) -> Markup {
    html! {
        a href={(folder) "/README.md"} { "card" } ", " a href={(folder) "/model.safetensors"} { "safetensors" } ", "
        a href={(folder) "/model.onnx"} { "ONNX" } ", the last two under licence"
    }
}

/// The whole policy, before anybody buys: it is voted, and what a call costs follows from it and the log.
fn prices(ledger: &Reading<'_>, model: &Model) -> Markup {
    let currency = ledger.genesis().map_or_else(String::new, |g| g.currency.to_string());
    let money = |amount: u128| money(amount, &currency);
    let calls = |count: u64| plural(count, "call", "calls");
    let Some(policy) = model.policy().filter(|_| !model.is_delisted()) else {
        return nothing("It is not for sale now. Calls that were paid are still answered.");
    };
    let latest = model.latest().version;
    html! {
        dl class="facts one" {
            div { dt { "One call" } dd {
                @if policy.low == policy.high { (money(policy.low)) } @else {
                    (money(policy.low)) " while at most " (calls(policy.calls_low)) " were made within " (duration(policy.window_ms))
                    ", up to " (money(policy.high)) " from " (calls(policy.calls_high)) " on"
                }
            } }
            div { dt { "Thirty days" } dd {
                @match &policy.month {
                    Some(month) => { (money(month.price.saturating_mul(u128::from(month.calls)))) " for " (calls(month.calls.into())) }
                    None => { "not sold" }
                }
            } }
            div { dt { "Download of a version" } dd {
                @match policy.download {
                    Some(price) => {
                        (money(price)) ", "
                        @match model.licence(latest) {
                            Some(named) => { "under " (licence(named)) }
                            None => { "no licence was named" }
                        }
                    }
                    None => { "not sold" }
                }
            } }
        }
        p class="soft" { "Calls bought singly keep the price of the moment and can be given back until they are made." }
    }
}

fn trial(name: &Name, shelved: Option<&Arc<ShelvedModel>>) -> Markup {
    let Some(shelved) = shelved else {
        return nothing(
            "This version is not loaded on this node, so that it cannot be tried here.",
        );
    };
    let features = shelved.schema().features();
    if features.len() > FIELDS_MAX {
        return nothing(
            "It takes too many numbers for a form: use the REST interface or sahakar predict.",
        );
    }
    html! {
        noscript { p class="remark" { "Buying and asking need scripts in this page. " code { "sahakar buy" } " and " code { "sahakar predict" } " do the same." } }
        div id="market" data-model=(name) {
            (super::buyer::key_form())
            form id="buy" class="inline" hidden {
                p id="left" { }
                label for="calls" { "Calls to buy" }
                input id="calls" type="number" min="1" max=(CALLS_MAX) value="5" required;
                button type="submit" { "Buy" }
                p id="total" class="soft" aria-live="polite" { }
            }
            form id="ask" {
                fieldset class="features" {
                    legend { "What is to be judged" }
                    @for (index, feature) in features.iter().enumerate() { (field(shelved, index, feature)) }
                }
                p class="soft" { "The fields begin with typical values: the mean of the training data. The range is that of two thirds of it." }
                button type="submit" { "Predict: one call" }
            }
            p id="problem" class="problem" role="alert" hidden { }
            section id="answer" class="answer" aria-live="polite" tabindex="-1" hidden { }
        }
    }
}

fn field(shelved: &ShelvedModel, index: usize, feature: &str) -> Markup {
    let standardiser = shelved.standardiser();
    let mean = standardiser.mean().get(index).copied().unwrap_or_default();
    let deviation = standardiser.deviation().get(index).copied().unwrap_or_default();
    let id = format!("feature-{index}");
    let hint = format!("{id}-range");
    html! {
        div class="field" {
            label for=(id) { (feature) }
            input id=(id) name=(feature) type="number" step="any" inputmode="decimal" required value=(plain(mean)) aria-describedby=(hint);
            small id=(hint) { (plain(mean - deviation)) " to " (plain(mean + deviation)) }
        }
    }
}

/// A number with four digits that count, as a form takes it.
fn plain(value: f32) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

fn earners(ledger: &Reading<'_>, release: &ModelReleased) -> Markup {
    let all: u128 = release.weights.iter().map(|weight| weight.weight).sum();
    let mut weights: Vec<_> = release.weights.iter().collect();
    weights.sort_by_key(|weight| std::cmp::Reverse(weight.weight));
    #[expect(clippy::cast_precision_loss, reason = "for people; the ledger has integers")]
    let share = |weight: u128| 100.0 * weight as f64 / all.max(1) as f64;
    let table = html! {
        table {
            thead { tr { th scope="col" { "Contributor" } th scope="col" class="num" { "Credits" } th scope="col" class="num" { "Share" } th scope="col" class="desk" { } } }
            tbody {
                @for weight in weights {
                    tr {
                        th scope="row" { (member(ledger, &weight.member)) }
                        td class="num" { (grouped(weight.weight)) }
                        td class="num" { (format!("{:.1}\u{202f}%", share(weight.weight))) }
                        td class="desk bar" { progress max="100" value=(format!("{:.1}", share(weight.weight))) aria-hidden="true" { } }
                    }
                }
            }
        }
    };
    html! {
        @if release.weights.is_empty() { (nothing("Too many to list in an entry: their weights follow from the credits of the federation.")) }
        @else { (scrolling("Who earns from it", &table)) }
    }
}

//! The catalogue.

use axum::{extract::State, response::Response};
use data_dao_journal::Model;
use maud::{Markup, html};

use super::federation::purpose;
use super::format::{licence, money, percent_or_dash, plural};
use super::layout::{Masthead, Page, Section, nothing};
use super::reading::{Reading, read};
use crate::ApiState;
use crate::amount::count;

/// The catalogue
pub(super) async fn page(State(state): State<ApiState>) -> Response {
    let masthead = Masthead::of(&state);
    let content = read(&state, content);
    Page { title: "Models", section: Some(Section::Models), scripts: &[], content }
        .respond(&masthead)
}

/// What one prediction costs.
pub(super) fn price(ledger: &Reading<'_>, model: &Model) -> String {
    let currency = ledger.genesis().map_or_else(String::new, |g| g.currency.to_string());
    match Model::price(model) {
        _ if model.is_delisted() => "not for sale".to_owned(),
        Some(price) => money(price, &currency),
        None => "no price yet".to_owned(),
    }
}

fn content(ledger: &Reading<'_>) -> Markup {
    html! {
        h1 { "Models" }
        p class="lead" { "Each prediction comes with a receipt: which model made it, from how many contributors, and who earns what." }
        div class="cards" data-live="models" id="models" {
            @if ledger.models().is_empty() { (nothing("The catalogue is empty. A federation's model is released after its last round.")) }
            @for (name, model) in ledger.models() {
                @let latest = model.latest();
                article class="card" {
                    header {
                        h2 { a href={"/models/" (name)} { (name) } }
                        span class="badge waiting" { "version " (latest.version) }
                    }
                    @if let Some(purpose) = ledger.federation(&latest.federation).and_then(purpose) { p { (purpose) } }
                    dl class="facts" {
                        div { dt { "One prediction" } dd { strong { (price(ledger, model)) } } }
                        div { dt { "Accuracy" } dd { (percent_or_dash(latest.test_accuracy_ppm)) } }
                        div { dt { "Trained by" } dd { (plural(count(latest.weights.len()), "contributor", "contributors")) } }
                        @if let Some(named) = model.licence(latest.version) { div { dt { "Licence" } dd { (licence(named)) } } }
                        div { dt { "In" } dd { (plural(latest.rounds, "round", "rounds")) } }
                    }
                    p { a class="button" href={"/models/" (name)} { "Card and try-it form" } }
                }
            }
        }
    }
}

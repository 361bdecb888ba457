//! The catalogue.

use std::ops::Bound;

use axum::{extract::State, response::Response};
use data_dao_journal::Model;
use data_dao_ledger::Name;
use maud::{Markup, html};

use super::error_page::PageError;
use super::federation::purpose;
use super::format::{licence, money, percent_or_dash, plural};
use super::layout::{Masthead, Page, Section, nothing, pages};
use super::reading::{Part, Reading, read};
use crate::ApiState;
use crate::amount::count;
use crate::cursor::{behind, page_of};
use crate::extract::QueryPart;

/// Models on a page.
const SHOWN: u32 = 50;

/// The catalogue
pub(super) async fn page(
    State(state): State<ApiState>,
    QueryPart(part): QueryPart<Part>,
) -> Result<Response, PageError> {
    let after: Option<Name> = part.page(SHOWN).after_a()?;
    let masthead = Masthead::of(&state);
    let content = read(&state, |ledger| content(ledger, after));
    Ok(Page { title: "Models", section: Some(Section::Models), scripts: &[], content }
        .respond(&masthead))
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

fn content(ledger: &Reading<'_>, after: Option<Name>) -> Markup {
    let is_first = after.is_none();
    let rest = ledger.models().range((behind(after), Bound::Unbounded));
    let (models, next) = page_of(rest, SHOWN, |(name, _)| name.to_string());
    html! {
        h1 { "Models" }
        p class="lead" { "Each prediction comes with a receipt: which model made it, from how many contributors, and who earns what." }
        div class="cards" data-live="models" id="models" {
            @if models.is_empty() && is_first { (nothing("The catalogue is empty. A federation's model is released after its last round.")) }
            @for (name, model) in models {
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
            (pages("/models", is_first, next.as_deref()))
        }
    }
}

//! All federations.

use std::ops::Bound;

use axum::{extract::State, response::Response};
use data_dao_journal::Federation;
use data_dao_ledger::Name;
use maud::{Markup, html};

use super::error_page::PageError;
use super::federation::{accuracy_chart, purpose};
use super::format::{counted, grouped, percent_or_dash, plural};
use super::layout::{Masthead, Page, Section, nothing, pages};
use super::reading::{Part, Reading, read};
use crate::ApiState;
use crate::cursor::{behind, page_of};
use crate::extract::QueryPart;

/// Federations on a page, each with a chart.
const SHOWN: u32 = 50;

/// All federations
pub(super) async fn page(
    State(state): State<ApiState>,
    QueryPart(part): QueryPart<Part>,
) -> Result<Response, PageError> {
    let after: Option<Name> = part.page(SHOWN).after_a()?;
    let masthead = Masthead::of(&state);
    let content = read(&state, |ledger| content(ledger, after));
    let title = "Federations";
    let page = Page { title, section: Some(Section::Federations), scripts: &[], content };
    Ok(page.respond(&masthead))
}

fn content(ledger: &Reading<'_>, after: Option<Name>) -> Markup {
    let is_first = after.is_none();
    let rest = ledger.federations().range((behind(after), Bound::Unbounded));
    let (federations, next) = page_of(rest, SHOWN, |(name, _)| name.to_string());
    html! {
        h1 { "Federations" }
        p class="lead" { "Each trains one model. Its members agreed to the same terms; what they send is sealed and only ever added up." }
        div class="cards" data-live="federations" id="federations" {
            @if federations.is_empty() && is_first { (nothing("No federation was opened yet.")) }
            @for (name, federation) in federations {
                article class="card" {
                    header {
                        h2 { a href={"/federations/" (name)} { (name) } }
                        (progress(federation))
                    }
                    @if let Some(purpose) = purpose(federation) { p { (purpose) } }
                    (accuracy_chart(federation))
                    dl class="facts" {
                        div { dt { "Members" } dd { (counted(federation.members().len())) } }
                        div { dt { "Accuracy" } dd { (percent_or_dash(federation.settled().last().and_then(|round| round.test_accuracy_ppm))) } }
                        div { dt { "Credits of a round" } dd { (grouped(federation.round_budget())) } }
                        div { dt { "Smallest round" } dd { (plural(federation.policy().minimum_cohort, "contributor", "contributors")) } }
                    }
                }
            }
            (pages("/federations", is_first, next.as_deref()))
        }
    }
}

/// How far a federation is.
pub(super) fn progress(federation: &Federation) -> Markup {
    let (done, all) =
        (crate::amount::count(federation.settled().len()), federation.opened().rounds);
    html! {
        @if federation.is_stopped() { span class="badge bad" { "Stopped by vote" } }
        @else if federation.open_round().is_some() {
            // By how many are done: one that is given up takes a number, and none of the rounds.
            span class="badge open" { "Round " (done.saturating_add(1)) " of " (all) " in progress" }
        }
        @else if done >= all { span class="badge good" { (all) " of " (all) " rounds" } }
        @else { span class="badge waiting" { (done) " of " (all) " rounds" } }
    }
}

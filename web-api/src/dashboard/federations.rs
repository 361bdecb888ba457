//! All federations.

use axum::{extract::State, response::Response};
use data_dao_journal::Federation;
use maud::{Markup, html};

use super::federation::{accuracy_chart, purpose};
use super::format::{counted, grouped, percent_or_dash, plural};
use super::layout::{Masthead, Page, Section, nothing};
use super::reading::{Reading, read};
use crate::ApiState;

/// All federations
pub(super) async fn page(State(state): State<ApiState>) -> Response {
    let masthead = Masthead::of(&state);
    let content = read(&state, content);
    let title = "Federations";
    Page { title, section: Some(Section::Federations), scripts: &[], content }.respond(&masthead)
}

fn content(ledger: &Reading<'_>) -> Markup {
    html! {
        h1 { "Federations" }
        p class="lead" { "Each trains one model. Its members agreed to the same terms; what they send is sealed and only ever added up." }
        div class="cards" data-live="federations" id="federations" {
            @if ledger.federations().is_empty() { (nothing("No federation was opened yet.")) }
            @for (name, federation) in ledger.federations() {
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

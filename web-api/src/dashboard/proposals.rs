//! All proposals.

use axum::{extract::State, response::Response};
use data_dao_governance::Proposal;
use maud::{Markup, html};

use super::format::{duration, member, plural, time};
use super::layout::{Masthead, Page, Section, nothing};
use super::lifecycle::badge;
use super::reading::{Reading, read};
use super::tally;
use crate::ApiState;

/// Proposals shown, the newest first; all are in the JSON.
const SHOWN: usize = 50;

/// All proposals
pub(super) async fn page(State(state): State<ApiState>) -> Response {
    let masthead = Masthead::of(&state);
    let now_ms = state.now_ms();
    let content = read(&state, |ledger| content(ledger, now_ms));
    Page { title: "Proposals", section: Some(Section::Proposals), scripts: &[], content }
        .respond(&masthead)
}

fn content(ledger: &Reading<'_>, now_ms: u64) -> Markup {
    let mut proposals: Vec<&Proposal> =
        ledger.proposals().values().map(|proposal| &**proposal).collect();
    proposals.sort_by_key(|proposal| std::cmp::Reverse(proposal.created_ms()));
    html! {
        h1 { "Proposals" }
        p class="lead" { "Members decide with what they have earned. What is decided takes effect by itself, and the log shows it." }
        div class="cards one" data-live="proposals" id="proposals" {
            @if proposals.is_empty() { (nothing("Nothing was proposed yet.")) }
            @for proposal in proposals.iter().take(SHOWN) {
                article class="card" {
                    header {
                        h2 { a href={"/proposals/" (proposal.id())} { (proposal.content().title) } }
                        (badge(proposal.state(now_ms)))
                    }
                    (tally::bar(proposal))
                    p class="soft" {
                        "By " (member(ledger, &proposal.content().proposer)) ", " (time(proposal.created_ms())) ". Voting until " (time(proposal.deadline_ms())) "."
                    }
                }
            }
            @if proposals.len() > SHOWN { p { "Older ones are in the " a href="/v1/proposals" { "JSON" } "." } }
        }
        (rules(ledger))
    }
}

/// How votes are held.
fn rules(ledger: &Reading<'_>) -> Markup {
    let Some(charter) = ledger.charter() else { return html! {} };
    let rules = charter.parameters();
    html! {
        section {
            h2 { "How votes are held" }
            dl class="facts" {
                div { dt { "Voting begins after" } dd { (duration(rules.voting_delay_ms)) } }
                div { dt { "and takes" } dd { (duration(rules.voting_period_ms)) } }
                div { dt { "Quorum" } dd { (rules.quorum_percent) "\u{202f}% of all votes, " (plural(rules.minimum_voters, "voter", "voters")) } }
                div { dt { "Timelock" } dd { (duration(rules.timelock_ms)) } }
                div { dt { "of critical proposals" } dd { (duration(rules.critical_timelock_ms)) } }
                div { dt { "A vote halves after" } dd { (rules.half_life_days) " days" } }
            }
            p class="soft" { "Propose from your own machine: " code { "sahakar proposal new --help" } }
        }
    }
}

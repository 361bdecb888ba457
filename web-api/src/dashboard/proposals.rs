//! All proposals.

use axum::{extract::State, response::Response};
use maud::{Markup, html};

use super::error_page::PageError;
use super::format::{duration, member, plural, time};
use super::layout::{Masthead, Page, Section, nothing, pages};
use super::lifecycle::badge;
use super::reading::{Part, Reading, read};
use super::tally;
use crate::ApiState;
use crate::extract::QueryPart;
use crate::routes::{ProposalPlace, newest_first};

/// Proposals on a page, the newest first.
const SHOWN: u32 = 50;

/// All proposals
pub(super) async fn page(
    State(state): State<ApiState>,
    QueryPart(part): QueryPart<Part>,
) -> Result<Response, PageError> {
    let after: Option<ProposalPlace> = part.page(SHOWN).after_a()?;
    let masthead = Masthead::of(&state);
    let now_ms = state.now_ms();
    let content = read(&state, |ledger| content(ledger, now_ms, after));
    Ok(Page { title: "Proposals", section: Some(Section::Proposals), scripts: &[], content }
        .respond(&masthead))
}

fn content(ledger: &Reading<'_>, now_ms: u64, after: Option<ProposalPlace>) -> Markup {
    let (proposals, next) = newest_first(ledger, after, SHOWN);
    html! {
        h1 { "Proposals" }
        p class="lead" { "Members decide with what they have earned. What is decided takes effect by itself, and the log shows it." }
        div class="cards one" data-live="proposals" id="proposals" {
            @if proposals.is_empty() && after.is_none() { (nothing("Nothing was proposed yet.")) }
            @for proposal in &proposals {
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
            (pages("/proposals", after.is_none(), next.as_deref()))
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

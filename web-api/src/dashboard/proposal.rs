//! A proposal: what it would do, where it stands, who voted what, and a vote prepared for signing elsewhere.

use axum::{extract::State, response::Response};
use data_dao_governance::{BallotSecrecy, Proposal, ProposalState, Split};
use maud::{Markup, html};
use privacy_identity::VerifyingKey;

use super::assets::VOTE;
use super::error_page::PageError;
use super::format::{grouped, member};
use super::layout::{Masthead, Page, Section, nothing, scrolling, trail};
use super::reading::{Reading, read};
use super::{actions, lifecycle, tally};
use crate::ApiState;
use crate::extract::PathPart;

/// Ballots in the table; all are in the JSON.
const BALLOTS_SHOWN: usize = 200;

/// A proposal
pub(super) async fn page(
    State(state): State<ApiState>,
    PathPart(text): PathPart<String>,
) -> Result<Response, PageError> {
    let missing = || PageError::not_found("proposal", &text);
    let id = state.proposal_id(&text)?;
    let masthead = Masthead::of(&state);
    let now_ms = state.now_ms();
    let content = read(&state, |ledger| {
        let proposal = ledger.proposal(id)?;
        Some((proposal.content().title.clone(), content(ledger, proposal, now_ms)))
    });
    let (title, content) = content.ok_or_else(missing)?;
    let section = Some(Section::Proposals);
    Ok(Page { title: &title, section, scripts: &[&*VOTE], content }.respond(&masthead))
}

fn content(ledger: &Reading<'_>, proposal: &Proposal, now_ms: u64) -> Markup {
    let what = proposal.content();
    let state = proposal.state(now_ms);
    html! {
        (trail(&[("/proposals", "Proposals")]))
        div class="title" data-live="title" id="title" { h1 { (what.title) } (lifecycle::badge(state)) }
        p class="soft" { "Proposed by " (member(ledger, &what.proposer)) }
        div data-live="lifecycle" id="lifecycle" { (lifecycle::line(proposal, now_ms)) }
        div class="columns wide-left" {
            div {
                section {
                    h2 { "What it does" }
                    ul class="actions" { @for action in &what.actions { li { (actions::sentence(ledger, action)) } } }
                    p class="soft" {
                        (actions::class(proposal.class())) ". Word for word it stands in the "
                        a href={"/v1/proposals/" (proposal.id())} { "JSON" } "."
                    }
                }
                section { h2 { "Why" } p class="prose" { (what.description) } }
                section data-live="tally" id="tally" {
                    h2 { "Votes" }
                    (tally::bar(proposal))
                    @if let Some(reason) = proposal.veto_reason() { p class="remark" { "The guardian stopped it: " (reason) } }
                    (ballots(ledger, proposal))
                }
            }
            section class="panel" data-live="prepare" id="prepare" { h2 { "Prepare a vote" } (prepare(proposal, state)) }
        }
        (facts(proposal))
    }
}

fn ballots(ledger: &Reading<'_>, proposal: &Proposal) -> Markup {
    let sealed = proposal.commitments().len();
    let spent: Vec<(&VerifyingKey, Split)> =
        proposal.spent().into_iter().flatten().map(|(key, spent)| (key, spent.total())).collect();
    let table = html! {
        table {
            thead { tr { th scope="col" { "Member" } th scope="col" class="num" { "For" } th scope="col" class="num" { "Against" } th scope="col" class="num" { "Abstain" } } }
            tbody {
                @for (key, split) in spent.iter().take(BALLOTS_SHOWN) {
                    tr {
                        th scope="row" { (member(ledger, key)) }
                        @for votes in [split.in_favour, split.against, split.abstain] { td class="num" { (some(votes)) } }
                    }
                }
            }
        }
    };
    html! {
        @if spent.is_empty() { (nothing("Nobody has voted yet.")) } @else { (scrolling("Ballots", &table)) }
        @if sealed > 0 { p class="soft" { (sealed) " sealed ballots are not opened yet." } }
    }
}

fn some(votes: u128) -> String {
    if votes == 0 { "·".to_owned() } else { grouped(votes) }
}

/// The form whose answers become a command line. Nothing of it is sent anywhere.
fn prepare(proposal: &Proposal, state: ProposalState) -> Markup {
    let sealed = proposal.content().ballots == BallotSecrecy::Sealed;
    let choices = [("for", "For"), ("against", "Against"), ("abstain", "Abstain")];
    // Only votes against are taken then.
    let choices = if matches!(state, ProposalState::Objection { .. }) {
        &choices[1..2]
    } else {
        &choices[..]
    };
    if state.is_final() || matches!(state, ProposalState::Queued { .. } | ProposalState::Succeeded)
    {
        return nothing("Votes are no longer taken.");
    }
    let id = proposal.id();
    html! {
        @if state == ProposalState::Pending { p class="remark" { "Votes are taken soon. You can prepare yours now." } }
        form id="vote" data-proposal=(id) data-sealed=[sealed.then_some("")] {
            fieldset {
                legend { "Your vote" }
                @for (index, (value, name)) in choices.iter().enumerate() {
                    label class="choice" { input type="radio" name="choice" value=(value) checked[index == 0]; " " (name) }
                }
            }
            label for="key-file" { "Your key file, on your own machine" }
            input id="key-file" value="my.key" required spellcheck="false" autocapitalize="off";
            @if sealed {
                label for="seal-file" { "Where to keep what opens the ballot" }
                input id="seal-file" value="vote.secret" required spellcheck="false" autocapitalize="off";
            }
            label for="reason" { "Your words (only their digest goes into the log)" }
            input id="reason" maxlength="1000";
            label class="choice" { input type="checkbox" id="override"; " I entrusted my vote to somebody and vote myself" }
        }
        label for="command" { "Run this where your key is" }
        pre id="command" tabindex="0" {
            "sahakar vote --proposal " (id) " --choice " (choices[0].0) " --key my.key"
            @if sealed { " --seal vote.secret" }
        }
        p class="actions" {
            button type="button" id="copy" hidden { "Copy" } " "
            span id="copied" role="status" { }
        }
        p class="soft" { "Your private key signs on your machine and never enters this page. The page sends nothing; the command does." }
    }
}

fn facts(proposal: &Proposal) -> Markup {
    html! {
        section {
            h2 { "Facts" }
            dl class="facts one" {
                div { dt { "Id: the digest of its content" } dd { code class="hash" { (proposal.id()) } } }
                @if let Some(electorate) = proposal.electorate() {
                    div { dt { "Weights frozen at" } dd { (electorate.position().tree_size) " entries, root " code class="hash" { (electorate.position().root) } } }
                }
                div { dt { "Ballots" } dd { @match proposal.content().ballots { BallotSecrecy::Open => "open", BallotSecrecy::Sealed => "sealed until the vote is over" } } }
            }
        }
    }
}

//! Members, with what they decide with; guardian and witnesses.

use axum::{extract::State, response::Response};
use data_dao_journal::MembershipState;
use maud::{Markup, html};

use super::format::{grouped, label, member, time};
use super::layout::{Masthead, Page, Section, nothing, scrolling};
use super::reading::{Reading, read};
use crate::ApiState;

/// Members shown; all are in the JSON.
const SHOWN: usize = 500;

/// All members
pub(super) async fn page(State(state): State<ApiState>) -> Response {
    let masthead = Masthead::of(&state);
    let now_ms = state.now_ms();
    let content = read(&state, |ledger| content(ledger, now_ms));
    Page { title: "Members", section: Some(Section::Members), scripts: &[], content }
        .respond(&masthead)
}

/// What a member may do now.
pub(super) fn standing(state: MembershipState) -> Markup {
    match state {
        MembershipState::Active => html! { span class="badge good" { "active" } },
        MembershipState::Suspended { .. } => html! { span class="badge bad" { "suspended" } },
        MembershipState::Left { .. } => html! { span class="badge waiting" { "gone" } },
    }
}

fn content(ledger: &Reading<'_>, now_ms: u64) -> Markup {
    let mut members: Vec<_> = ledger
        .members()
        .iter()
        .map(|(key, member)| (key, member, ledger.vote_weight(key, now_ms)))
        .collect();
    members.sort_by_key(|(_, _, votes)| std::cmp::Reverse(*votes));
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "Member" } th scope="col" class="num" { "Credits" } th scope="col" class="num" { "Votes now" }
                th scope="col" class="desk" { "Votes through" } th scope="col" class="desk" { "As" } th scope="col" { "State" }
            } }
            tbody {
                @for (key, membership, votes) in members.iter().take(SHOWN) {
                    tr {
                        th scope="row" { a href={"/members/" (key)} { (ledger.name(key, &membership.label)) } }
                        td class="num" { (grouped(ledger.credits(key))) }
                        td class="num" { (grouped(*votes)) }
                        td class="desk" { @match ledger.delegate_of(key, now_ms) { Some((delegate, _)) => (member(ledger, &delegate)), None => "itself" } }
                        td class="desk" { @for (index, role) in membership.roles.iter().enumerate() { @if index > 0 { ", " } (role_name(*role)) } }
                        td { (standing(membership.state)) }
                    }
                }
            }
        }
    };
    html! {
        h1 { "Members" }
        p class="lead" { "Known by their keys and by what they want to be called. Credits are earned and become votes; votes fade with age." }
        section data-live="members" id="members" {
            @if members.is_empty() { (nothing("Nobody has joined yet.")) } @else { (scrolling("Members", &table)) }
        }
        (offices(ledger, now_ms))
    }
}

pub(super) fn role_name(role: data_dao_governance::Role) -> String {
    format!("{role:?}").to_lowercase()
}

/// Who watches: the guardian, and the witnesses of the log.
fn offices(ledger: &Reading<'_>, now_ms: u64) -> Markup {
    let witnesses = ledger.witnesses();
    html! {
        section data-live="offices" id="offices" {
            h2 { "Who watches" }
            dl class="facts" {
                div {
                    dt { "Guardian, who can stop a proposal" }
                    dd {
                        @match ledger.guardian(now_ms) {
                            Some(guardian) => { (label(ledger, &guardian.key)) " until " (time(guardian.sunset_ms)) }
                            None => "nobody",
                        }
                    }
                }
                div {
                    dt { "Witnesses of the log, by vote" }
                    dd {
                        @if witnesses.keys.is_empty() { "none: checkpoints have the node's own signature" }
                        @else { (witnesses.quorum) " of " (witnesses.keys.len()) ": "
                            @for (index, name) in witnesses.keys.keys().enumerate() { @if index > 0 { ", " } (name) } }
                    }
                }
            }
        }
    }
}

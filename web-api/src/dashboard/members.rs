//! Members, with what they decide with; guardian and witnesses.

use std::{cmp::Reverse, fmt, str::FromStr};

use axum::{extract::State, response::Response};
use data_dao_journal::{MembershipState, Roll};
use maud::{Markup, html};
use privacy_identity::VerifyingKey;

use super::error_page::PageError;
use super::format::{grouped, label, member, time};
use super::layout::{Masthead, Page, Section, nothing, pages, scrolling};
use super::reading::{Part, Reading, read};
use crate::ApiState;
use crate::api_error::ApiError;
use crate::cursor::{bad_cursor, page_of};
use crate::extract::QueryPart;

/// Members on a page.
const SHOWN: u32 = 100;

/// Where a member stands in the list: those with the most votes first, those with equal votes by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    votes: Reverse<u128>,
    key: VerifyingKey,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.votes.0, self.key)
    }
}

impl FromStr for Place {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let (votes, key) = text.split_once('/').ok_or_else(bad_cursor)?;
        let votes = Reverse(votes.parse().map_err(|_source| bad_cursor())?);
        Ok(Self { votes, key: key.parse().map_err(|_source| bad_cursor())? })
    }
}

/// All members
pub(super) async fn page(
    State(state): State<ApiState>,
    QueryPart(part): QueryPart<Part>,
) -> Result<Response, PageError> {
    let after: Option<Place> = part.page(SHOWN).after_a()?;
    let masthead = Masthead::of(&state);
    let now_ms = state.now_ms();
    let roll = state.roll(now_ms);
    let content = read(&state, |ledger| content(ledger, (&roll, now_ms), after));
    Ok(Page { title: "Members", section: Some(Section::Members), scripts: &[], content }
        .respond(&masthead))
}

/// What a member may do now.
pub(super) fn standing(state: MembershipState) -> Markup {
    match state {
        MembershipState::Active => html! { span class="badge good" { "active" } },
        MembershipState::Suspended { .. } => html! { span class="badge bad" { "suspended" } },
        MembershipState::Left { .. } => html! { span class="badge waiting" { "gone" } },
    }
}

fn content(ledger: &Reading<'_>, (roll, now_ms): (&Roll, u64), after: Option<Place>) -> Markup {
    let placed = ledger
        .members()
        .iter()
        .map(|(key, member)| (Place { votes: Reverse(roll.weight(key)), key: *key }, member));
    let mut members: Vec<_> =
        placed.filter(|(place, _)| after.is_none_or(|after| *place > after)).collect();
    members.sort_unstable_by_key(|(place, _)| *place);
    let (members, next) = page_of(members.into_iter(), SHOWN, |(place, _)| place.to_string());
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "Member" } th scope="col" class="num" { "Credits" } th scope="col" class="num" { "Votes now" }
                th scope="col" class="desk" { "Votes through" } th scope="col" class="desk" { "As" } th scope="col" { "State" }
            } }
            tbody {
                @for (Place { votes, key }, membership) in &members {
                    tr {
                        th scope="row" { a href={"/members/" (key)} { (ledger.name(key, &membership.label)) } }
                        td class="num" { (grouped(ledger.credits(key))) }
                        td class="num" { (grouped(votes.0)) }
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
            @if members.is_empty() { (nothing(if after.is_some() { "There is nobody behind this page." } else { "Nobody has joined yet." })) } @else { (scrolling("Members", &table)) }
            (pages("/members", after.is_none(), next.as_deref()))
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

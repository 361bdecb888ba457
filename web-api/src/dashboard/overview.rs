//! The first page: what the co-operative is, how well its models do, what is decided, what happened last.

use axum::{extract::State, response::Response};
use data_dao_governance::Proposal;
use data_dao_journal::Federation;
use data_dao_store::StoredEntry;
use maud::{Markup, html};

use super::error_page::PageError;
use super::federation::accuracy_chart;
use super::federations::progress;
use super::format::{counted, grouped, money, percent_or_dash, plural, time};
use super::layout::{Masthead, Page, Section, nothing, tile};
use super::lifecycle::badge;
use super::models::price;
use super::reading::{Reading, read};
use super::words;
use crate::ApiState;
use crate::amount::count;

/// How many entries are shown.
const ENTRIES_SHOWN: u32 = 8;
/// How many proposals are shown.
const PROPOSALS_SHOWN: usize = 4;

/// The overview
pub(super) async fn page(State(state): State<ApiState>) -> Result<Response, PageError> {
    let masthead = Masthead::of(&state);
    let from = masthead.size.saturating_sub(u64::from(ENTRIES_SHOWN));
    let entries = if masthead.size > 0 {
        state.store().entries(from, ENTRIES_SHOWN).await?
    } else {
        Vec::new()
    };
    let now_ms = state.now_ms();
    let content = read(&state, |ledger| content(ledger, &masthead, &entries, now_ms));
    let page = Page { title: "Overview", section: Some(Section::Overview), scripts: &[], content };
    Ok(page.respond(&masthead))
}

fn content(
    ledger: &Reading<'_>,
    masthead: &Masthead,
    entries: &[StoredEntry],
    now_ms: u64,
) -> Markup {
    html! {
        h1 { (masthead.dao) }
        p class="lead" {
            "Members train models together on data that never leaves their machines, are credited for what it was worth, "
            "and decide together what becomes of it."
        }
        (figures(ledger))
        div class="columns" {
            div {
                section data-live="federations" id="federations" {
                    h2 { a href="/federations" { "Federations" } }
                    @if ledger.federations().is_empty() { (nothing("No federation was opened yet.")) }
                    @for (name, federation) in ledger.federations() { (federation_card(name.as_str(), federation)) }
                }
                section data-live="models" id="models" {
                    h2 { a href="/models" { "Models for sale" } }
                    (models(ledger))
                }
            }
            div {
                section data-live="proposals" id="proposals" {
                    h2 { a href="/proposals" { "Proposals" } }
                    (proposals(ledger, now_ms))
                }
                section data-live="entries" id="entries" {
                    h2 { a href="/ledger" { "What happened last" } }
                    (last_entries(ledger, entries))
                }
            }
        }
    }
}

fn figures(ledger: &Reading<'_>) -> Markup {
    let counts = ledger.counts();
    let currency = ledger.genesis().map_or_else(String::new, |g| g.currency.to_string());
    let aborted = counts.rounds_aborted;
    html! {
        dl class="tiles" data-live="figures" id="figures" {
            (tile("Members", counted(ledger.members().len()), plural(count(ledger.federations().len()), "federation", "federations")))
            (tile("Rounds", grouped(counts.rounds_settled), if aborted == 0 { "none given up".to_owned() } else { format!("{} given up", grouped(aborted)) }))
            (tile("Credits earned", grouped(counts.credits_issued), "each is a vote"))
            (tile("Predictions sold", grouped(counts.predictions), format!("for {}", money(counts.revenue, &currency))))
            (tile("Treasury", money(ledger.treasury(), &currency), ledger.treasury_percent().map_or_else(String::new, |percent| format!("{percent}\u{202f}% of each sale"))))
        }
    }
}

fn federation_card(name: &str, federation: &Federation) -> Markup {
    let last = federation.settled().last();
    html! {
        article class="card" {
            header {
                h3 { a href={"/federations/" (name)} { (name) } }
                (progress(federation))
            }
            (accuracy_chart(federation))
            @if let Some(last) = last {
                p class="soft" {
                    (plural(last.participants, "contributor", "contributors")) " in the last round, accuracy "
                    (percent_or_dash(last.test_accuracy_ppm)) "."
                }
            } @else { (nothing("No round has ended yet.")) }
        }
    }
}

fn models(ledger: &Reading<'_>) -> Markup {
    html! {
        @if ledger.models().is_empty() { (nothing("None yet: a model is released after the last round.")) }
        @else {
            ul class="rows" {
                @for (name, model) in ledger.models() {
                    li {
                        a href={"/models/" (name)} { (name) }
                        span class="soft" { "version " (model.latest().version) ", accuracy " (percent_or_dash(model.latest().test_accuracy_ppm)) }
                        strong { (price(ledger, model)) }
                    }
                }
            }
        }
    }
}

fn proposals(ledger: &Reading<'_>, now_ms: u64) -> Markup {
    let mut newest: Vec<&Proposal> =
        ledger.proposals().values().map(|proposal| &**proposal).collect();
    newest.sort_by_key(|proposal| std::cmp::Reverse(proposal.created_ms()));
    html! {
        @if newest.is_empty() { (nothing("Nothing was proposed yet. Any member with enough votes can: sahakar proposal new.")) }
        @else {
            ul class="rows" {
                @for proposal in newest.into_iter().take(PROPOSALS_SHOWN) {
                    li {
                        a href={"/proposals/" (proposal.id())} { (proposal.content().title) }
                        (badge(proposal.state(now_ms)))
                    }
                }
            }
        }
    }
}

fn last_entries(ledger: &Reading<'_>, entries: &[StoredEntry]) -> Markup {
    html! {
        @if entries.is_empty() { (nothing("The ledger is empty.")) }
        ol class="feed" reversed start=(entries.last().map_or(0, |entry| entry.index)) {
            @for stored in entries.iter().rev() {
                li class=(words::about(&stored.entry.body)) {
                    p { (words::sentence(ledger, &stored.entry.body)) }
                    p class="soft" {
                        (time(stored.entry.time_ms)) " · " a href={"/ledger/" (stored.index)} { "entry " (stored.index) }
                    }
                }
            }
        }
    }
}

//! The log, the newest entries first.

use axum::{extract::State, response::Response};
use data_dao_store::StoredEntry;
use maud::{Markup, html};
use serde::Deserialize;

use super::error_page::PageError;
use super::format::{grouped, time};
use super::layout::{Masthead, Page, Section, nothing, scrolling};
use super::reading::{Reading, read};
use super::words;
use crate::ApiState;
use crate::amount::count;
use crate::extract::QueryPart;

/// Entries on a page.
const SHOWN: u32 = 50;

/// Up to which entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LedgerQuery {
    /// The entries before this one.
    before: Option<u64>,
}

/// The log
pub(super) async fn page(
    State(state): State<ApiState>,
    QueryPart(query): QueryPart<LedgerQuery>,
) -> Result<Response, PageError> {
    let masthead = Masthead::of(&state);
    let end = query.before.unwrap_or(masthead.size).min(masthead.size);
    let from = end.saturating_sub(u64::from(SHOWN));
    let wanted = u32::try_from(end - from).unwrap_or(SHOWN);
    let entries = if wanted > 0 { state.store().entries(from, wanted).await? } else { Vec::new() };
    let signed = state.store().cosigned().map(|checkpoint| checkpoint.head().size);
    let content = read(&state, |ledger| content(ledger, &masthead, &entries, signed));
    Ok(Page { title: "Ledger", section: Some(Section::Ledger), scripts: &[], content }
        .respond(&masthead))
}

fn content(
    ledger: &Reading<'_>,
    masthead: &Masthead,
    entries: &[StoredEntry],
    cosigned: Option<u64>,
) -> Markup {
    let (first, last) =
        (entries.first().map_or(0, |e| e.index), entries.last().map_or(0, |e| e.index));
    let end = first.saturating_add(count(entries.len()));
    let newer =
        (end < masthead.size).then(|| end.saturating_add(u64::from(SHOWN)).min(masthead.size));
    html! {
        h1 { "Ledger" }
        p class="lead" { "Everything that was decided, paid or measured, in an order that nobody can change unseen." }
        dl class="facts one" data-live="head" id="head" {
            div { dt { "Entries" } dd { (grouped(masthead.size)) } }
            div { dt { "Root over all of them" } dd { code class="hash" { (masthead.root) } } }
            @if let Some(size) = cosigned { div { dt { "Cosigned by witnesses up to" } dd { (grouped(size)) " entries" } } }
            div { dt { "Elsewhere" } dd { a href="/books" { "Books" } " · " a href="/checkpoint" { "signed checkpoint" } " · recompute all of it: " code { "sahakar audit --help" } } }
        }
        section data-live="entries" id="entries" {
            h2 { @if entries.is_empty() { "Entries" } @else { "Entries " (grouped(first)) " to " (grouped(last)) } }
            @if entries.is_empty() { (nothing("There is none here.")) } @else { (scrolling("Entries", &table(ledger, entries))) }
            nav class="pages" aria-label="Pages" {
                @if let Some(newer) = newer {
                    @if newer == masthead.size { a class="button" href="/ledger" rel="prev" { "Newest" } }
                    @else { a class="button" href={"/ledger?before=" (newer)} rel="prev" { "Newer" } }
                }
                " "
                @if first > 0 { a class="button" href={"/ledger?before=" (first)} rel="next" { "Older" } }
            }
        }
    }
}

fn table(ledger: &Reading<'_>, entries: &[StoredEntry]) -> Markup {
    html! {
        table class="entries" {
            thead { tr { th scope="col" class="num" { "Entry" } th scope="col" { "What happened" } th scope="col" class="desk" { "Kind" } th scope="col" class="desk" { "When" } } }
            tbody {
                @for stored in entries.iter().rev() {
                    tr class=(words::about(&stored.entry.body)) {
                        th scope="row" class="num" { a href={"/ledger/" (stored.index)} { (grouped(stored.index)) } }
                        td { (words::sentence(ledger, &stored.entry.body)) }
                        td class="desk soft" { (words::kind(stored.entry.body.kind())) }
                        td class="desk soft" { (time(stored.entry.time_ms)) }
                    }
                }
            }
        }
    }
}

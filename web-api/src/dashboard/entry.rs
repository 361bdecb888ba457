//! An entry of the log, decoded, and its proof checked by the browser.

use axum::{extract::State, response::Response};
use data_dao_store::StoredEntry;
use maud::{Markup, html};
use serde_json::Value;

use super::assets::VERIFY;
use super::error_page::PageError;
use super::format::{grouped, time};
use super::layout::{Masthead, Page, Section, trail};
use super::reading::read;
use super::{json_tree, words};
use crate::ApiState;
use crate::extract::PathPart;

/// An entry
pub(super) async fn page(
    State(state): State<ApiState>,
    PathPart(text): PathPart<String>,
) -> Result<Response, PageError> {
    let missing = || PageError::not_found("entry", &text);
    let index: u64 = text.parse().map_err(|_source| missing())?;
    if index >= state.store().size() {
        return Err(missing());
    }
    let stored = state.store().entry(index).await?.ok_or_else(missing)?;
    let masthead = Masthead::of(&state);
    let sentence = read(&state, |ledger| words::sentence(ledger, &stored.entry.body));
    let title = format!("Entry {index}");
    let page = Page {
        title: &title,
        section: Some(Section::Ledger),
        scripts: &[&*VERIFY],
        content: content(&state, &masthead, &stored, &sentence),
    };
    Ok(page.respond(&masthead))
}

fn content(
    state: &ApiState,
    masthead: &Masthead,
    stored: &StoredEntry,
    sentence: &Markup,
) -> Markup {
    let leaf = String::from_utf8_lossy(&stored.leaf);
    let wire: Value = serde_json::from_slice(&stored.leaf).unwrap_or_default();
    let kind = stored.entry.body.kind();
    let index = stored.index;
    html! {
        (trail(&[("/ledger", "Ledger")]))
        h1 { "Entry " (grouped(index)) }
        p class="lead" { (sentence) }
        p class="soft" { (words::kind(kind)) " · " (time(stored.entry.time_ms)) }
        div class="columns wide-left" {
            section { h2 { "What it says" } (json_tree::tree(&wire["body"][kind])) }
            section class="panel" { h2 { "Verify it in your browser" } (verifier(state, index, &leaf)) }
        }
        nav class="pages" aria-label="Entries" {
            @if index > 0 { a class="button" href={"/ledger/" (index - 1)} rel="prev" { "Entry " (grouped(index - 1)) } }
            " "
            @if index + 1 < masthead.size { a class="button" href={"/ledger/" (index + 1)} rel="next" { "Entry " (grouped(index + 1)) } }
        }
    }
}

/// The leaf, and where the script writes what it checked.
fn verifier(state: &ApiState, index: u64, leaf: &str) -> Markup {
    html! {
        p { "Your browser hashes the entry, climbs to the root along the proof, and compares it with the checkpoint that the log's key and "
            "the members' witnesses signed; and it checks that the log continues the one that it saw last time." }
        noscript { p class="remark" { "This needs scripts. " code { "sahakar receipt --help" } " checks the same." } }
        label for="leaf" { "The entry's bytes. Change one, and it is refused." }
        textarea id="leaf" rows="6" spellcheck="false" autocapitalize="off" autocomplete="off" { (leaf) }
        p { button type="button" id="verify" data-index=(index) data-vkey=(state.store().vkey()) { "Verify this entry" } }
        div id="verdict" role="status" { }
        ol id="steps" class="steps" { }
        p class="soft" {
            "The script comes from this node, too. Who does not trust the node checks with a program from elsewhere: "
            a href={"/v1/ledger/entries/" (index)} { "entry and proof as JSON" } "."
        }
    }
}

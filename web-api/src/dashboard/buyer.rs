//! A buyer's key and what is behind it. The page knows nothing: the browser asks with the key that is typed in, and keeps
//! it for this tab alone.

use axum::{extract::State, response::Response};
use maud::{Markup, html};

use super::assets::MARKET;
use super::layout::{Masthead, Page, Section};
use crate::ApiState;

/// A buyer's key
pub(super) async fn page(State(state): State<ApiState>) -> Response {
    let masthead = Masthead::of(&state);
    let page = Page {
        title: "My key",
        section: Some(Section::Buyer),
        scripts: &[&*MARKET],
        content: content(),
    };
    page.respond(&masthead)
}

fn content() -> Markup {
    html! {
        h1 { "My key" }
        p class="lead" { "What is behind a buyer's API key: money, paid calls, and the receipts of this tab." }
        noscript { p class="remark" { "This page needs scripts: the key is sent by your browser alone, and never stored by the page's server." } }
        div id="market" {
            (key_form())
            p id="problem" class="problem" role="alert" hidden { }
            section id="account" aria-live="polite" hidden { }
            section id="receipts" hidden {
                h2 { "Receipts of this tab" }
                ol id="receipt-list" class="rows" { }
            }
        }
        section {
            h2 { "Where keys come from" }
            p { "Whoever runs this node issues them, with the money that arrived. The ledger has a key's hash and a salted "
                "commitment to its buyer's name, neither the key nor the name. A lost key cannot be shown again." }
        }
    }
}

/// Where the key is typed in, once for a tab.
pub(super) fn key_form() -> Markup {
    html! {
        form id="key-form" class="inline" autocomplete="off" {
            label for="key" { "API key" }
            input id="key" type="password" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="sk_…" required aria-describedby="key-note";
            button type="submit" { "Use this key" }
            button type="button" id="forget" hidden { "Forget it" }
            p id="key-note" class="soft" {
                "The key stays in this tab's session storage until the tab is closed or you forget it. It is sent to this node alone, with your requests."
            }
        }
    }
}

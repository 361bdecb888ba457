//! The frame of every page: head, navigation, foot, and what a browser may do with it.

use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse as _, Response},
};
use data_dao_journal::State as Ledger;
use maud::{DOCTYPE, Markup, html};

use super::assets::{Asset, LIVE, MARK, STYLE};
use super::format::grouped;
use crate::ApiState;

/// Everything from here and nothing inline: markup that slipped through could still not run. Trusted Types leave the one
/// place where a script parses HTML, the same page fetched anew (`live.js`).
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types sahakar-live",
);
const REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const OPENER: HeaderValue = HeaderValue::from_static("same-origin");
const CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// The parts of the dashboard, as the navigation has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Federations,
    Models,
    Proposals,
    Members,
    Ledger,
    Buyer,
}

const SECTIONS: [(Section, &str, &str); 7] = [
    (Section::Overview, "/", "Overview"),
    (Section::Federations, "/federations", "Federations"),
    (Section::Models, "/models", "Models"),
    (Section::Proposals, "/proposals", "Proposals"),
    (Section::Members, "/members", "Members"),
    (Section::Ledger, "/ledger", "Ledger"),
    (Section::Buyer, "/buyer", "My key"),
];

/// What a page says of itself.
pub(super) struct Page<'a> {
    /// Its title, before the DAO's name.
    pub(super) title: &'a str,
    /// Where it stands in the navigation.
    pub(super) section: Option<Section>,
    /// Scripts beside the one that every page has.
    pub(super) scripts: &'a [&'static Asset],
    /// What is in it.
    pub(super) content: Markup,
}

/// Whose dashboard it is, and how far its log was when the page was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Masthead {
    pub(super) dao: String,
    pub(super) size: u64,
    pub(super) root: String,
}

impl Masthead {
    pub(super) fn of(state: &ApiState) -> Self {
        let named = |ledger: &Ledger| ledger.genesis().map(|genesis| genesis.dao_name.clone());
        let (size, root) = (state.store().size(), state.store().root().to_string());
        let dao = state.store().view(named);
        Self { dao: dao.unwrap_or_else(|| "A co-operative to be".to_owned()), size, root }
    }
}

impl Page<'_> {
    /// The page as an answer.
    pub(super) fn respond(self, masthead: &Masthead) -> Response {
        response(&self.document(Some(masthead)))
    }

    /// The whole document. Without a masthead nothing is known of the node.
    pub(super) fn document(self, masthead: Option<&Masthead>) -> Markup {
        let dao = masthead.map_or("Sahakar", |masthead| masthead.dao.as_str());
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · " (dao) }
                    link rel="icon" type="image/svg+xml" href=(MARK.path());
                    link rel="stylesheet" href=(STYLE.path());
                    @if let Some(masthead) = masthead {
                        script src=(LIVE.path()) type="module" data-size=(masthead.size) {}
                    }
                    @for script in self.scripts { script src=(script.path()) type="module" {} }
                }
                body {
                    a class="skip" href="#main" { "Skip to the content" }
                    (head(dao, self.section, masthead.is_some()))
                    main id="main" tabindex="-1" { (self.content) }
                    (foot(masthead))
                }
            }
        }
    }
}

fn head(dao: &str, section: Option<Section>, live: bool) -> Markup {
    html! {
        header class="top" {
            div class="masthead" {
                a class="brand" href="/" {
                    img src=(MARK.path()) alt="" width="28" height="28";
                    span { (dao) }
                }
                @if live { p class="live" id="live" role="status" hidden { } }
            }
            nav aria-label="Main" {
                ul {
                    @for (of, path, name) in SECTIONS {
                        li { a href=(path) aria-current=[(section == Some(of)).then_some("page")] { (name) } }
                    }
                }
            }
        }
    }
}

fn foot(masthead: Option<&Masthead>) -> Markup {
    html! {
        footer {
            @if let Some(masthead) = masthead {
                p data-live="foot" id="foot" {
                    "Everything here is recomputed from a log of " (grouped(masthead.size)) " entries with the root "
                    code title=(masthead.root) { (&masthead.root[..16]) "…" }
                    ". " a href="/ledger" { "Check it." }
                }
            }
            p { "Sahakar · " a href="/openapi.json" { "REST interface" } " · " a href="/books" { "Books" } " · times in UTC" }
        }
    }
}

/// A document as an answer, with what browsers are told beside it.
pub(super) fn response(document: &Markup) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, REFERRER),
        (header::HeaderName::from_static("cross-origin-opener-policy"), OPENER),
        (header::CACHE_CONTROL, CACHE),
    ];
    (headers, Html(document.0.clone())).into_response()
}

/// Where the reader is, above the title.
pub(super) fn trail(steps: &[(&str, &str)]) -> Markup {
    html! {
        nav class="trail" aria-label="Breadcrumb" {
            @for (path, name) in steps { a href=(path) { (name) } " " span aria-hidden="true" { "›" } " " }
        }
    }
}

/// A figure with its name: what pages open with.
pub(super) fn tile(name: &str, value: impl maud::Render, remark: impl maud::Render) -> Markup {
    html! { div class="tile" { dt { (name) } dd { strong { (value) } span { (remark) } } } }
}

/// To the first page of a list, and to the next one, where there are any.
pub(super) fn pages(path: &str, is_first: bool, next: Option<&str>) -> Markup {
    html! {
        @if !is_first || next.is_some() {
            nav class="pages" aria-label="Pages" {
                @if !is_first { a class="button" href=(path) rel="first" { "First page" } " " }
                @if let Some(next) = next { a class="button" href={(path) "?cursor=" (next)} rel="next" { "Next page" } }
            }
        }
    }
}

/// A table that scrolls on its own where it is wider than the screen; reachable by keyboard.
pub(super) fn scrolling(caption: &str, table: &Markup) -> Markup {
    html! { div class="wide" role="region" aria-label=(caption) tabindex="0" { (table) } }
}

/// Something that is not there yet, and what to do.
pub(super) fn nothing(text: impl maud::Render) -> Markup {
    html! { p class="nothing" { (text) } }
}

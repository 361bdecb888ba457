//! The dashboard: what the co-operative is and does, as pages for people.
//!
//! ```text
//!  browser ─ GET page ─► Store::view ─► maud ─► HTML      (works without scripts)
//!     ▲  └── GET /events ── "entries: 73" ──┐
//!     └───── fetches its own page anew ◄────┘             live.js replaces the parts that changed
//! ```
//! Pages read the published state, and decide and change nothing. What a page can do beyond that, it does in the browser
//! with the REST interface that everybody has: check a proof (`verify.js`), buy and ask with the buyer's key
//! (`market.js`). What needs a member's key is written out as a command line (`vote.js`): that key never enters a page.

mod actions;
mod assets;
mod books;
mod buyer;
mod contributor;
mod entry;
mod error_page;
mod events;
mod federation;
mod federations;
mod forest;
mod format;
mod json_tree;
mod key_words;
mod layout;
mod ledger;
mod lifecycle;
mod member;
mod members;
mod model;
mod models;
mod overview;
mod proposal;
mod proposals;
mod reading;
mod reasons;
mod tally;
mod words;

use axum::{Extension, Router, routing::get};

use crate::ApiState;

pub(crate) use error_page::nowhere;

/// All pages, their files and their stream of events.
pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/", get(overview::page))
        .route("/federations", get(federations::page))
        .route("/federations/{name}", get(federation::page))
        .route("/federations/{name}/contributors/{key}", get(contributor::page))
        .route("/models", get(models::page))
        .route("/models/{name}", get(model::page))
        .route("/proposals", get(proposals::page))
        .route("/proposals/{id}", get(proposal::page))
        .route("/members", get(members::page))
        .route("/members/{key}", get(member::page))
        .route("/books", get(books::page))
        .route("/ledger", get(ledger::page))
        .route("/ledger/{index}", get(entry::page))
        .route("/buyer", get(buyer::page))
        .route("/events", get(events::events))
        .route("/assets/{file}", get(assets::asset))
        .layer(Extension(events::Streams::new()))
        .layer(Extension(reasons::Reasons::default()))
}

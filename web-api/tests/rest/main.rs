//! The REST interface over a real store: status and body of every route, for success and for each
//! refusal.

mod catalogue;
mod dashboard;
mod disputes;
mod governance;
mod inference;
mod ledger;
mod node;
mod sale;
mod support;

//! The REST interface over a real store: status and body of every route, for success and for each
//! refusal.

mod access;
mod catalogue;
mod disputes;
mod governance;
mod inference;
mod ledger;
mod node;
mod pages;
mod plans;
mod sale;
mod server;
mod support;

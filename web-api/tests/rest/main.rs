//! The REST interface over a real store: status and body of every route, for success and for each
//! refusal.

mod artefacts;
mod catalogue;
mod clients;
mod disputes;
mod governance;
mod inference;
mod inference_binary;
mod ledger;
mod names;
mod node;
mod sale;
mod serving;
mod support;

//! The REST interface over a real store: status and body of every route, for success and for each
//! refusal.

mod access;
mod acts;
mod artefacts;
mod catalogue;
mod child;
mod clients;
mod crowd;
mod dashboard;
mod disputes;
mod governance;
mod inference;
mod inference_binary;
mod kills;
mod ledger;
mod names;
mod node;
mod pages;
mod plans;
mod privacy;
mod sale;
mod server;
mod serving;
mod support;
mod unlucky;
mod webhooks;

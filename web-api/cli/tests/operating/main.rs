//! `sahakar serve` as its operator meets it: certificates, figures, spans, and an end without a loss. Real processes.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod figures;
mod node;
mod spans;
mod stopping;
mod tls;
#[path = "../world/mod.rs"]
#[expect(dead_code, reason = "other test files use the rest of the world")]
mod world;

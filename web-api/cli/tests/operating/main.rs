//! `sahakar serve` as its operator meets it: certificates, figures, spans. Real processes.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod figures;
mod node;
mod spans;
mod stopping;
mod tls;
#[path = "../world/mod.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod world;

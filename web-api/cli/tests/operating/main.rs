//! `sahakar serve` as its operator meets it: certificates, figures, spans. Real processes.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod figures;
mod node;
mod spans;
mod tls;

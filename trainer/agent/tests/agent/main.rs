//! The agent against a coordinator that follows a script.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what failed by where it failed"
)]

mod brake;
mod rounds;
mod start;
mod support;
mod terms;

//! Tidy tests, end-to-end experiments and benchmarks.
//!
//! The library reads the repository as data, for the tests that hold its rules: `tests/tidy.rs`
//! (layers, fences, purity, texts) and `tests/features.rs` (nothing is built twice).

mod crates;
mod resolution;
mod texts;

pub use crate::{
    crates::{Crate, Kind, crates, root},
    resolution::{Resolution, resolve_binary, resolve_workspace},
    texts::{Text, texts},
};

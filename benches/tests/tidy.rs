//! The repository's rules that `rustc` and clippy cannot see, as ordinary tests.
//!
//! Where crates may stand and what they may import: [`house::layers`]. What texts may say:
//! [`house::words`]. What each crate has to have: [`house::papers`]. A failure lists every place and
//! says what to do instead.

mod house;

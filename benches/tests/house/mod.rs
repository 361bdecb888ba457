//! The rules, by what they are about.

mod layers;
mod papers;
mod words;

/// Fails with every place at which a rule is broken and with what to do instead.
#[track_caller]
pub(crate) fn check(broken: &[String], instead: &str) {
    assert!(broken.is_empty(), "\n  {}\n{instead}", broken.join("\n  "));
}

//! Amounts and rates as JSON shows them.

/// An amount as decimal text: exact in every language.
pub(crate) fn text(amount: u128) -> String {
    amount.to_string()
}

/// Millionths as a number between 0 and 1.
pub(crate) fn share(millionths: u32) -> f64 {
    f64::from(millionths) / 1e6
}

/// A count of things as JSON shows it.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).expect("a length fits 64 bits")
}

/// A sum of measured scalars in units of `unit`: for people, payouts are computed in integers.
#[expect(clippy::cast_precision_loss, reason = "the journal's bounds keep it below 2^57")]
pub(crate) fn in_units(value: i128, unit: f64) -> f64 {
    value as f64 * unit
}

/// Millionths as a number.
#[expect(clippy::cast_precision_loss, reason = "a measured loss; rounding is wanted")]
pub(crate) fn millionths(value: u64) -> f64 {
    value as f64 / 1e6
}

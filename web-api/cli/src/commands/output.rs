//! What commands print.

use std::io::{self, Write as _};

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Prints a line. A reader that has seen enough (`| head`) is no error.
pub(super) fn print(text: impl std::fmt::Display) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("writing to standard output"),
    }
}

/// A moment of ledger time for people, in UTC.
pub(super) fn moment(ms: u64) -> String {
    let moment = i64::try_from(ms).ok().and_then(chrono::DateTime::from_timestamp_millis);
    moment.map_or_else(
        || format!("{ms} ms after 1970"),
        |moment| moment.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// Prints JSON for programs.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(serde_json::to_string_pretty(value).context("writing JSON")?)
}

/// Prints rows for people, the first `left` columns to the left.
pub(super) fn print_table(
    header: &[&str],
    left: usize,
    rows: Vec<Vec<String>>,
) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for index in left..header.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    print(table)
}

/// The node's answer in the form that this program knows.
pub(super) fn typed<T: DeserializeOwned>(answer: &Value) -> anyhow::Result<T> {
    T::deserialize(answer).context(
        "the node answers in a form that this program does not know: are both of one version?",
    )
}

/// A share as people write it.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// An amount in 10⁻⁴ of the currency's unit, as people write it.
pub(super) fn money(amount: &str, currency: Option<&str>) -> String {
    let currency = currency.unwrap_or_default();
    match amount.parse::<u128>() {
        Ok(amount) => format!("{}.{:04} {currency}", amount / 10_000, amount % 10_000),
        Err(_) => format!("{amount} × 10⁻⁴ {currency}"),
    }
}

/// The first eight digits of a key or digest.
pub(super) fn short(text: &str) -> String {
    text.chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_shares_are_readable() {
        assert_eq!(money("250", Some("EUR")), "0.0250 EUR");
        assert_eq!(percent(Some(0.7512)), "75.1 %");
        assert_eq!(percent(None), "–");
        assert_eq!(short("0123456789"), "01234567");
    }
}

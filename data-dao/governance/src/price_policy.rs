//! What access to a model costs: calls, months, downloads.

use privacy_identity::{Encode, Writer};
use serde::{Deserialize, Serialize};

use crate::{GovernanceError, optional_text, text};

/// Highest price of anything, in 10⁻⁴ of the currency's unit: 10¹⁴ units of money, so that a price times a number of
/// calls stays far within 128 bits.
pub const PRICE_MAX: u128 = 1_000_000_000_000_000_000;
/// Shortest window over which demand is counted, in milliseconds: a second for each of its sixty parts would be
/// noise; a minute in all is what a demonstration shows.
pub const WINDOW_MS_MIN: u64 = 60_000;
/// Longest window: thirty days.
pub const WINDOW_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Most calls of a month.
pub const MONTH_CALLS_MAX: u32 = 100_000_000;

/// What a model's calls, months and downloads cost, in 10⁻⁴ of the currency's unit.
///
/// The price of a call follows demand between two voted bounds: it is `low` while at most `calls_low` calls were made
/// within the last window, `high` from `calls_high` on, and in proportion between. Both counts and the window are part of
/// the vote, so that nobody sets a price: everybody recomputes it from the log.
///
/// Threat: a contributor that asks its own model to raise the price pays the full price of every such call, of which the
/// treasury and the others keep their shares, and never gets past `high`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricePolicy {
    /// Price of a call while nobody asks: at least 1.
    #[serde(with = "text")]
    pub low: u128,
    /// Price of a call when everybody asks: at least `low`.
    #[serde(with = "text")]
    pub high: u128,
    /// Calls within a window up to which the price is `low`.
    pub calls_low: u64,
    /// Calls within a window from which the price is `high`; above `calls_low` unless both prices are the same.
    pub calls_high: u64,
    /// Length of the window, in milliseconds.
    pub window_ms: u64,
    /// What a month costs; absent: months are not sold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<MonthTerms>,
    /// What the licence of one version's parameters costs; absent: they are not sold.
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub download: Option<u128>,
}

/// Thirty days of calls, paid at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonthTerms {
    /// How many calls are in it. What is not called within it is lost to the buyer.
    pub calls: u32,
    /// Price of each: the month costs `calls` times as much.
    #[serde(with = "text")]
    pub price: u128,
}

impl PricePolicy {
    /// Calls at one price, and nothing else for sale.
    #[must_use]
    pub const fn flat(price: u128) -> Self {
        Self {
            low: price,
            high: price,
            calls_low: 0,
            calls_high: 0,
            window_ms: WINDOW_MS_MIN,
            month: None,
            download: None,
        }
    }

    /// Checks every bound.
    ///
    /// # Errors
    /// [`GovernanceError::PricePolicy`] with the field that is out of its bounds.
    pub fn check(&self) -> Result<(), GovernanceError> {
        let Self { low, high, calls_low, calls_high, window_ms, month, download } = self;
        let steep = low == high || calls_low < calls_high;
        let month = month.is_none_or(|month| {
            (1..=MONTH_CALLS_MAX).contains(&month.calls) && (1..=PRICE_MAX).contains(&month.price)
        });
        let checks = [
            ("low", (1..=PRICE_MAX).contains(low)),
            ("high", (*low..=PRICE_MAX).contains(high)),
            ("calls_high", steep),
            ("window_ms", (WINDOW_MS_MIN..=WINDOW_MS_MAX).contains(window_ms)),
            ("month", month),
            ("download", download.is_none_or(|price| (1..=PRICE_MAX).contains(&price))),
        ];
        match checks.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(GovernanceError::PricePolicy { field }),
            None => Ok(()),
        }
    }
}

impl Encode for PricePolicy {
    fn encode(&self, writer: &mut Writer) {
        let Self { low, high, calls_low, calls_high, window_ms, month, download } = self;
        writer.array(&low.to_be_bytes());
        writer.array(&high.to_be_bytes());
        writer.u64(*calls_low);
        writer.u64(*calls_high);
        writer.u64(*window_ms);
        writer.u8(u8::from(month.is_some()));
        if let Some(MonthTerms { calls, price }) = month {
            writer.u32(*calls);
            writer.array(&price.to_be_bytes());
        }
        writer.u8(u8::from(download.is_some()));
        if let Some(price) = download {
            writer.array(&price.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> PricePolicy {
        PricePolicy {
            low: 100,
            high: 400,
            calls_low: 10,
            calls_high: 20,
            window_ms: WINDOW_MS_MIN,
            month: Some(MonthTerms { calls: 1_000, price: 50 }),
            download: Some(90_000),
        }
    }

    #[test]
    fn a_policy_out_of_bounds_is_refused_by_the_field() {
        assert_eq!(policy().check(), Ok(()));
        assert_eq!(PricePolicy::flat(5).check(), Ok(()));
        let wrong = [
            ("low", PricePolicy { low: 0, ..policy() }),
            ("high", PricePolicy { high: 99, ..policy() }),
            ("high", PricePolicy { high: PRICE_MAX + 1, ..policy() }),
            ("calls_high", PricePolicy { calls_high: 10, ..policy() }),
            ("window_ms", PricePolicy { window_ms: WINDOW_MS_MAX + 1, ..policy() }),
            ("month", PricePolicy { month: Some(MonthTerms { calls: 0, price: 1 }), ..policy() }),
            ("month", PricePolicy { month: Some(MonthTerms { calls: 1, price: 0 }), ..policy() }),
            ("download", PricePolicy { download: Some(0), ..policy() }),
        ];
        for (field, policy) in wrong {
            assert_eq!(policy.check(), Err(GovernanceError::PricePolicy { field }));
        }
    }

    #[test]
    fn every_field_changes_the_encoding() {
        let encoding = |policy: &PricePolicy| {
            let mut writer = Writer::default();
            policy.encode(&mut writer);
            writer.into_bytes()
        };
        let others = [
            PricePolicy { low: 99, ..policy() },
            PricePolicy { high: 401, ..policy() },
            PricePolicy { calls_low: 11, ..policy() },
            PricePolicy { calls_high: 21, ..policy() },
            PricePolicy { window_ms: WINDOW_MS_MAX, ..policy() },
            PricePolicy { month: None, ..policy() },
            PricePolicy { download: None, ..policy() },
        ];
        for other in others {
            assert_ne!(encoding(&other), encoding(&policy()));
        }
    }
}

//! The first prices of a federation's model beyond that of a call: `[federation.prices]`.

use anyhow::Context as _;
use data_dao_governance::{MonthTerms, PricePolicy};
use serde::{Deserialize, Serialize};

const MS_PER_MINUTE: u64 = 60_000;

/// What `federation.price`, the price of a call while nobody asks, is completed by. Amounts in 10⁻⁴ of the currency's unit; a vote
/// changes them later (`set_price_policy`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PricesConfig {
    /// Price of a call when everybody asks, at least `federation.price`; that by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<u64>,
    /// Calls within a window up to which the price is `federation.price`; 0 by default.
    pub calls_low: u64,
    /// Calls within a window from which the price is `high`; above `calls_low` unless both prices are the same.
    pub calls_high: u64,
    /// Length of the window, 1 minute to 7 days; an hour by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_minutes: Option<u64>,
    /// Calls of a month, if months are sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month_calls: Option<u32>,
    /// Price of each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month_price: Option<u64>,
    /// What the licence of one version's parameters costs, if licences are sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download: Option<u64>,
}

impl PricesConfig {
    /// The policy with which the first version is listed.
    ///
    /// * `price` — of a call while nobody asks.
    ///
    /// # Errors
    /// A value out of its bounds, by its name.
    pub fn policy(&self, price: u64) -> anyhow::Result<PricePolicy> {
        let month = match (self.month_calls, self.month_price) {
            (Some(calls), Some(price)) => Some(MonthTerms { calls, price: price.into() }),
            (None, None) => None,
            _ => anyhow::bail!("federation.prices: a month has both month_calls and month_price"),
        };
        let window_ms = self.window_minutes.unwrap_or(60).saturating_mul(MS_PER_MINUTE);
        let policy = PricePolicy {
            low: price.into(),
            high: self.high.unwrap_or(price).into(),
            calls_low: self.calls_low,
            calls_high: self.calls_high,
            window_ms,
            month,
            download: self.download.map(u128::from),
        };
        policy.check().context("federation.prices")?;
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_and_what_is_out_of_bounds_is_refused_by_name() {
        let read = |text: &str| toml::from_str::<PricesConfig>(text).unwrap();
        let flat = read("").policy(250).unwrap();
        assert_eq!((flat.low, flat.high, flat.month), (250, 250, None));
        let all = read(
            "high = 400\ncalls_high = 1000\nmonth_calls = 500\nmonth_price = 80\ndownload = 9000",
        );
        let policy = all.policy(100).unwrap();
        assert_eq!((policy.high, policy.window_ms, policy.download), (400, 3_600_000, Some(9_000)));
        assert_eq!(policy.month, Some(MonthTerms { calls: 500, price: 80 }));
        assert_eq!(toml::from_str::<PricesConfig>(&toml::to_string(&all).unwrap()).unwrap(), all);
        for (text, price, part) in [
            ("high = 99", 100, "high"),
            ("high = 400", 100, "calls_high"),
            ("window_minutes = 0", 100, "window_ms"),
            ("month_calls = 5", 100, "month_price"),
            ("", 0, "low"),
        ] {
            let refused = format!("{:#}", read(text).policy(price).unwrap_err());
            assert!(refused.contains(part), "{text}: {refused}");
        }
        assert!(toml::from_str::<PricesConfig>("hihg = 1").is_err());
    }
}

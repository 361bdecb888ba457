//! A price policy on the command line: `wine,low=100,high=400,calls-low=10,calls-high=1000,window-minutes=60`.

use std::str::FromStr;

use data_dao_governance::{MonthTerms, PricePolicy};

/// Length of the window unless it is said, in minutes.
const WINDOW_MINUTES_DEFAULT: u64 = 60;
const MS_PER_MINUTE: u64 = 60_000;

/// What the model's calls, months and licences cost from the vote on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPrices {
    /// The model.
    pub model: String,
    /// Its prices, in 10⁻⁴ of the currency's unit.
    pub policy: PricePolicy,
}

/// The fields as they are written, before they are held against each other.
#[derive(Debug, Default)]
struct Fields {
    low: Option<u128>,
    high: Option<u128>,
    calls_low: Option<u64>,
    calls_high: Option<u64>,
    window_minutes: Option<u64>,
    month_calls: Option<u32>,
    month_price: Option<u128>,
    download: Option<u128>,
}

impl FromStr for ModelPrices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let model = parts.next().filter(|model| !model.is_empty() && !model.contains('='));
        let model = model.ok_or_else(|| format!("{text:?} does not begin with a model"))?;
        let mut fields = Fields::default();
        for part in parts {
            fields.set(part)?;
        }
        Ok(Self { model: model.to_owned(), policy: fields.policy()? })
    }
}

impl Fields {
    fn set(&mut self, part: &str) -> Result<(), String> {
        let (name, value) =
            part.split_once('=').ok_or_else(|| format!("expected NAME=NUMBER, got {part:?}"))?;
        match name {
            "low" => once(&mut self.low, name, value),
            "high" => once(&mut self.high, name, value),
            "calls-low" => once(&mut self.calls_low, name, value),
            "calls-high" => once(&mut self.calls_high, name, value),
            "window-minutes" => once(&mut self.window_minutes, name, value),
            "month-calls" => once(&mut self.month_calls, name, value),
            "month-price" => once(&mut self.month_price, name, value),
            "download" => once(&mut self.download, name, value),
            _ => Err(format!(
                "there is no {name:?}: there are low, high, calls-low, calls-high, window-minutes, month-calls, \
                 month-price, download"
            )),
        }
    }

    fn policy(self) -> Result<PricePolicy, String> {
        let low = self.low.ok_or("low, the price of a call while nobody asks, is missing")?;
        let month = match (self.month_calls, self.month_price) {
            (Some(calls), Some(price)) => Some(MonthTerms { calls, price }),
            (None, None) => None,
            _ => return Err("a month has both month-calls and month-price".to_owned()),
        };
        let window = self.window_minutes.unwrap_or(WINDOW_MINUTES_DEFAULT);
        let window_ms = window.checked_mul(MS_PER_MINUTE).ok_or("window-minutes is too long")?;
        Ok(PricePolicy {
            low,
            high: self.high.unwrap_or(low),
            calls_low: self.calls_low.unwrap_or(0),
            calls_high: self.calls_high.unwrap_or(0),
            window_ms,
            month,
            download: self.download,
        })
    }
}

fn once<T: FromStr<Err: ToString>>(
    field: &mut Option<T>,
    name: &str,
    value: &str,
) -> Result<(), String> {
    let value = value.parse().map_err(|error: T::Err| format!("{name}: {}", error.to_string()))?;
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{name} is there twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_whole_and_what_is_absent_has_its_default() {
        let read = |text: &str| text.parse::<ModelPrices>().unwrap();
        let flat = read("wine,low=250").policy;
        assert_eq!((flat.low, flat.high, flat.window_ms), (250, 250, 3_600_000));
        assert_eq!((flat.month, flat.download), (None, None));
        let text = "wine,low=100,high=400,calls-low=10,calls-high=1000,window-minutes=30,month-calls=500,month-price=80,\
                    download=50000";
        let ModelPrices { model, policy } = read(text);
        assert_eq!(model, "wine");
        let expected = PricePolicy {
            low: 100,
            high: 400,
            calls_low: 10,
            calls_high: 1_000,
            window_ms: 1_800_000,
            month: Some(MonthTerms { calls: 500, price: 80 }),
            download: Some(50_000),
        };
        assert_eq!(policy, expected);
    }

    #[test]
    fn what_is_no_policy_is_refused_with_what_is_wrong() {
        for (text, part) in [
            ("", "model"),
            ("low=1", "model"),
            ("wine", "low"),
            ("wine,low=x", "low"),
            ("wine,low=-1", "low"),
            ("wine,low=1,low=2", "twice"),
            ("wine,low=1,hihg=2", "calls-high"),
            ("wine,low=1,month-calls=5", "month-price"),
            ("wine,low=1,high", "NAME=NUMBER"),
            ("wine,low=1,window-minutes=18446744073709551615", "too long"),
        ] {
            let refused = text.parse::<ModelPrices>().unwrap_err();
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }
}

//! Prices that follow demand: pure, and the same for everybody who has the log.

use std::collections::BTreeMap;

use data_dao_ledger::Amount;

/// Parts of a window: demand is counted to a sixtieth of it, so that a model that is asked a million times an hour
/// remembers sixty numbers.
pub const WINDOW_PARTS: u64 = 60;

/// How the price of a call follows the calls of the last window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemandCurve {
    /// Price up to `calls_low` calls.
    pub low: u128,
    /// Price from `calls_high` calls on, at least `low`.
    pub high: u128,
    /// Calls up to which the price is `low`.
    pub calls_low: u64,
    /// Calls from which the price is `high`.
    pub calls_high: u64,
}

impl DemandCurve {
    /// The price of a call after `calls` calls within the window: on a straight line between the bounds, rounded down.
    ///
    /// The difference of the prices times that of the calls has to fit 128 bits (`PRICE_MAX` of `data-dao-governance` sees to
    /// it); where it does not, the price is the higher bound.
    #[must_use]
    pub fn price(&self, calls: u64) -> Amount {
        let Self { low, high, calls_low, calls_high } = *self;
        if calls <= calls_low || high <= low {
            return Amount(low);
        }
        if calls >= calls_high {
            return Amount(high);
        }
        let (above, span) = (u128::from(calls - calls_low), u128::from(calls_high - calls_low));
        let rise = (high - low).checked_mul(above).map(|product| product / span);
        Amount(rise.map_or(high, |rise| low + rise))
    }
}

/// The calls of a model within its window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    part_ms: u64,
    /// Calls by part; parts that left the window are forgotten when a call is counted.
    parts: BTreeMap<u64, u64>,
}

impl Demand {
    /// No calls yet, within windows of `window_ms` milliseconds, at least one.
    #[must_use]
    pub const fn new(window_ms: u64) -> Self {
        let part_ms = window_ms / WINDOW_PARTS;
        Self { part_ms: if part_ms == 0 { 1 } else { part_ms }, parts: BTreeMap::new() }
    }

    /// Counts a call at `now_ms`, which is not before the last one's time.
    pub fn count(&mut self, now_ms: u64) {
        let part = now_ms / self.part_ms;
        self.parts = self.parts.split_off(&first_part(part));
        *self.parts.entry(part).or_default() += 1;
    }

    /// Calls within the window that ends with the part of `now_ms`.
    #[must_use]
    pub fn calls(&self, now_ms: u64) -> u64 {
        let part = now_ms / self.part_ms;
        self.parts.range(first_part(part)..=part).map(|(_, calls)| *calls).sum()
    }
}

const fn first_part(last: u64) -> u64 {
    (last + 1).saturating_sub(WINDOW_PARTS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_price_rises_in_proportion_between_the_bounds() {
        let curve = DemandCurve { low: 100, high: 400, calls_low: 10, calls_high: 20 };
        let prices = [0, 10, 11, 15, 19, 20, u64::MAX].map(|calls| curve.price(calls).0);
        assert_eq!(prices, [100, 100, 130, 250, 370, 400, 400]);
        let flat = DemandCurve { low: 7, high: 7, calls_low: 0, calls_high: 0 };
        assert_eq!([0, 1, 99].map(|calls| flat.price(calls).0), [7, 7, 7]);
    }

    #[test]
    fn calls_leave_the_window_by_time_alone() {
        let mut demand = Demand::new(60_000);
        demand.count(0);
        demand.count(999);
        demand.count(30_000);
        assert_eq!(demand.calls(30_000), 3);
        assert_eq!(demand.calls(59_999), 3);
        assert_eq!(demand.calls(60_000), 1);
        assert_eq!(demand.calls(90_000), 0);
        demand.count(200_000);
        assert_eq!(demand.parts.len(), 1, "what left the window is forgotten");
    }

    proptest! {
        #[test]
        fn a_price_stays_within_its_bounds_and_never_falls_with_demand(
            low in 1_u128..1 << 59,
            rise in 0_u128..1 << 59,
            calls_low: u64,
            span in 1_u64..,
            calls: u64,
            more: u64,
        ) {
            let calls_high = calls_low.saturating_add(span);
            let curve = DemandCurve { low, high: low + rise, calls_low, calls_high };
            let price = curve.price(calls).0;
            prop_assert!((low..=low + rise).contains(&price));
            prop_assert!(curve.price(calls.saturating_add(more)).0 >= price);
        }

        #[test]
        fn demand_is_what_a_list_of_times_says(
            mut times in proptest::collection::vec(0_u64..400_000, 0..200),
        ) {
            times.sort_unstable();
            let mut demand = Demand::new(120_000);
            for (index, time) in times.iter().enumerate() {
                demand.count(*time);
                let first = (time / 2_000 + 1).saturating_sub(60);
                let within = times[..=index].iter().filter(|t| **t / 2_000 >= first).count();
                prop_assert_eq!(demand.calls(*time), u64::try_from(within).unwrap());
            }
        }
    }
}

//! Rényi differential privacy: a curve over orders that adds up.

use libm::{expm1, log, log1p};

use super::{AccountantError, DiscreteMechanism, Release, STEPS_MAX, check_delta, moments};

/// Orders of a curve: below 1.01 the conversion is useless, above 2^16 nothing is gained.
const ORDER_MIN: f64 = 1.01;
const ORDER_MAX: f64 = 65_536.0;

/// The orders that `dp-accounting` takes by default: 1.1 to 10.9 by tenths, 11 to 63, and four powers of
/// two. The same orders make numbers comparable to 10^-6.
#[must_use]
pub fn default_orders() -> Vec<f64> {
    let tenths = (1..100).map(|x| 1.0 + f64::from(x) / 10.0);
    let whole = (11..64).chain([128, 256, 512, 1024]).map(f64::from);
    tenths.chain(whole).collect()
}

/// The RDP of everything released so far, per order.
#[derive(Debug, Clone, PartialEq)]
pub struct RdpCurve {
    orders: Vec<f64>,
    values: Vec<f64>,
}

impl RdpCurve {
    /// Begins with nothing released.
    ///
    /// # Errors
    /// [`AccountantError::Order`] for an order outside 1.01..=65536, or for none.
    pub fn new(orders: &[f64]) -> Result<Self, AccountantError> {
        let refused = |got| AccountantError::Order { min: ORDER_MIN, max: ORDER_MAX, got };
        if orders.is_empty() {
            return Err(refused(f64::NAN));
        }
        match orders.iter().find(|order| !(ORDER_MIN..=ORDER_MAX).contains(*order)) {
            Some(order) => Err(refused(*order)),
            None => Ok(Self { orders: orders.to_vec(), values: vec![0.0; orders.len()] }),
        }
    }

    /// Adds a release of the (sampled) Gaussian.
    ///
    /// # Errors
    /// What of the release is out of range; the curve is then unchanged.
    pub fn add(&mut self, release: &Release) -> Result<(), AccountantError> {
        release.check()?;
        self.add_each(release.steps, |order| moments::rdp(release, order));
        Ok(())
    }

    /// Adds `steps` releases of a discrete mechanism in which everybody takes part.
    ///
    /// # Errors
    /// What of the mechanism is out of range; the curve is then unchanged.
    pub fn add_discrete(
        &mut self,
        mechanism: &DiscreteMechanism,
        steps: u64,
    ) -> Result<(), AccountantError> {
        mechanism.check()?;
        if !(1..=STEPS_MAX).contains(&steps) {
            return Err(AccountantError::Steps { max: STEPS_MAX, got: steps });
        }
        self.add_each(steps, |order| mechanism.rdp(order));
        Ok(())
    }

    fn add_each(&mut self, steps: u64, rdp: impl Fn(f64) -> f64) {
        for (order, value) in self.orders.iter().zip(&mut self.values) {
            *value += steps as f64 * rdp(*order);
        }
    }

    /// The orders and the RDP at each.
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.orders.iter().copied().zip(self.values.iter().copied())
    }

    /// Returns ε at `delta`, and the order that gives it.
    ///
    /// # Errors
    /// [`AccountantError::Delta`] outside 0..1.
    ///
    /// Source: Canonne, Kamath & Steinke 2020, Proposition 12 (also Balle et al. 2020, "Hypothesis
    /// Testing Interpretations and Rényi Differential Privacy", Theorem 21); ε = 0 where
    /// δ ≥ √(1 - e^-KL) already, by Bretagnolle & Huber.
    pub fn epsilon(&self, delta: f64) -> Result<(f64, f64), AccountantError> {
        check_delta(delta)?;
        let best = self.points().map(|(order, rdp)| (at_order(order, rdp, delta), order));
        Ok(best.fold((f64::INFINITY, f64::NAN), |a, b| if b.0 < a.0 { b } else { a }))
    }
}

pub(super) fn at_order(order: f64, rdp: f64, delta: f64) -> f64 {
    if delta * delta + expm1(-rdp) > 0.0 {
        return 0.0;
    }
    (rdp + log1p(-1.0 / order) - log(delta * order) / (order - 1.0)).max(0.0)
}

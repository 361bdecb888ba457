//! The privacy loss distribution of one step, discretised pessimistically.

use libm::{exp, expm1, log, log1p};

use super::{
    Adjacency, Release,
    special::{LN_SQRT_TAU, ln_add, normal_cdf, normal_tail_reach},
};

/// Which of two neighbouring cohorts the output is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the one with the contributor: loss is ln((1 - q) + q e^((2x - 1)/(2σ²))) under the mixture.
    Remove,
    /// From the one without: its negative, under N(0, σ²).
    Add,
    /// Replacement, sampled without replacement: `Remove`'s losses above zero, `Add`'s below. By
    /// Balle, Barthe & Gaboardi 2018, "Privacy Amplification by Subsampling", Theorem 9 and §5, the
    /// profile above zero is that of `Remove`; the relation is symmetric, which gives it below (Zhu,
    /// Dong & Wang 2022, "Optimal Accounting", Theorem 11). What is left of the mass lies at zero.
    Replace,
}

impl Direction {
    /// The directions that a bound for `adjacency` is the maximum of.
    pub(super) const fn of(adjacency: Adjacency) -> &'static [Self] {
        match adjacency {
            Adjacency::AddOrRemove => &[Self::Remove, Self::Add],
            Adjacency::ReplaceOne => &[Self::Replace],
        }
    }
}

/// The Gaussian of one step, sampled at rate `q` in 0..=1 (exclusive 0), with noise over sensitivity `sigma`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub(super) q: f64,
    pub(super) sigma: f64,
    pub(super) count: u64,
}

/// Probabilities of the losses (`first` + i) · width; what is missing from 1 is `infinite`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LossPmf {
    pub(super) first: i64,
    pub(super) probabilities: Vec<f64>,
    pub(super) infinite: f64,
}

/// Nodes and weights of the 4-point Gauss–Legendre rule on -1..1 (Abramowitz & Stegun, table 25.4).
const NODES: [(f64, f64); 4] = [
    (-0.861_136_311_594_052_6, 0.347_854_845_137_453_85),
    (-0.339_981_043_584_856_3, 0.652_145_154_862_546_2),
    (0.339_981_043_584_856_3, 0.652_145_154_862_546_2),
    (0.861_136_311_594_052_6, 0.347_854_845_137_453_85),
];

impl Step {
    pub(super) fn of(release: &Release) -> Self {
        let (q, sigma) = (release.sampling.rate(), release.noise_over_sensitivity());
        Self { q, sigma, count: release.steps }
    }

    /// Tells whether anybody may be left out; without, both directions are the same Gaussian.
    pub(super) fn is_sampled(&self) -> bool {
        self.q < 1.0
    }

    /// ln of the mixture's density over the noise's, at x.
    fn log_ratio(&self, x: f64) -> f64 {
        let power = (x - 0.5) / (self.sigma * self.sigma);
        if !self.is_sampled() {
            power
        } else if power > 30.0 {
            ln_add(log(self.q) + power, log1p(-self.q))
        } else {
            log1p(self.q * expm1(power))
        }
    }

    /// The inverse: x at which the log ratio is `y`; -∞ at or below its infimum ln(1 - q).
    fn at_ratio(&self, y: f64) -> f64 {
        let power = if !self.is_sampled() {
            y
        } else if y > 30.0 {
            y + log1p((self.q - 1.0) * exp(-y)) - log(self.q)
        } else {
            // (e^y - 1)/q + 1 = e^power; log1p keeps digits where y and power are small.
            let grown = expm1(y) / self.q;
            if grown <= -1.0 {
                return f64::NEG_INFINITY;
            }
            log1p(grown)
        };
        power * self.sigma * self.sigma + 0.5
    }

    /// Mean and variance of the loss in the `Remove` direction, roughly: they choose the grid only.
    pub(super) fn spread(&self) -> (f64, f64) {
        let (mut mass, mut mean, mut square) = (0.0, 0.0, 0.0);
        let points = 4000_u32;
        let (from, to) = (-10.0 * self.sigma, 1.0 + 10.0 * self.sigma);
        for i in 0..points {
            let x = from + (to - from) * (f64::from(i) + 0.5) / f64::from(points);
            let (weight, loss) = (self.mixture(x), self.log_ratio(x));
            mass += weight;
            mean += weight * loss;
            square += weight * loss * loss;
        }
        (mean / mass, (square / mass - (mean / mass).powi(2)).max(0.0))
    }

    fn density(&self, x: f64) -> f64 {
        let z = x / self.sigma;
        exp(-0.5 * z * z - LN_SQRT_TAU) / self.sigma
    }

    fn mixture(&self, x: f64) -> f64 {
        (1.0 - self.q) * self.density(x) + self.q * self.density(x - 1.0)
    }

    /// The range of x outside which either direction has at most e^`ln_tail` on each side.
    fn reach(&self, ln_tail: f64) -> (f64, f64) {
        let reach = self.sigma * normal_tail_reach(ln_tail);
        (-reach, 1.0 + reach)
    }

    /// How many cells of `width` the losses of one step take.
    pub(super) fn cells(&self, width: f64, ln_tail: f64) -> f64 {
        let (from, to) = self.reach(ln_tail);
        (self.log_ratio(to) - self.log_ratio(from)) / width + 2.0
    }

    /// Discretises the loss to multiples of `width`, leaving at most e^`ln_tail` infinite.
    ///
    /// Each interval's mass is split between its ends so that its mass under *both* cohorts stays what it
    /// is ("connect the dots": Doroshenko et al. 2022, §3). So δ is exact at the grid's points and above
    /// the truth between them, and stays so under composition.
    pub(super) fn discretise(&self, direction: Direction, width: f64, ln_tail: f64) -> LossPmf {
        let (from, to) = self.reach(ln_tail);
        let lowest = if direction == Direction::Replace { 0.0 } else { self.log_ratio(from) };
        let (low, high) = (cell(lowest, width), cell(self.log_ratio(to), width) + 1);
        let mut grid = Grid::new(direction, low, high);
        let mut start = from.max(self.at_ratio(low as f64 * width));
        for index in low..high {
            let end = self.at_ratio((index + 1) as f64 * width).clamp(start, to);
            grid.add(self, index, width, start..end);
            start = end;
        }
        grid.finish(self, (low, high), from..to)
    }

    /// Mass of `range` and the part of it that goes to the upper end of its cell, by quadrature.
    fn split(
        &self,
        rising: bool,
        bottom: f64,
        width: f64,
        range: std::ops::Range<f64>,
    ) -> (f64, f64) {
        // A tenth of the scale on which the densities change: the rule's error is below 10^-11. With
        // sampling the mixture turns from one part to the other within σ² besides.
        let scale =
            if self.is_sampled() { self.sigma.min(self.sigma * self.sigma) } else { self.sigma };
        let pieces = ((range.end - range.start) / (0.1 * scale)).ceil().max(1.0);
        let half = 0.5 * (range.end - range.start) / pieces;
        let (mut mass, mut upper, mut piece) = (0.0, 0.0, 0.0);
        while piece < pieces {
            let middle = range.start + (2.0 * piece + 1.0) * half;
            for (node, weight) in NODES {
                let x = middle + half * node;
                let ratio = self.log_ratio(x);
                let (density, loss) =
                    if rising { (self.mixture(x), ratio) } else { (self.density(x), -ratio) };
                mass += weight * half * density;
                upper -= weight * half * density * expm1(bottom - loss);
            }
            piece += 1.0;
        }
        // Cells so wide (ε is then in the thousands) are rounded up whole.
        let upper = if width > 1.0 { mass } else { (upper / -expm1(-width)).clamp(0.0, mass) };
        (mass, upper)
    }
}

/// The probabilities while they are filled. Cell j is the log ratios j·width..(j + 1)·width.
struct Grid {
    direction: Direction,
    first: i64,
    probabilities: Vec<f64>,
}

impl Grid {
    fn new(direction: Direction, low: i64, high: i64) -> Self {
        let (first, last) = match direction {
            Direction::Remove => (low, high),
            Direction::Add => (-high, -low),
            Direction::Replace => (-high, high),
        };
        let len = usize::try_from(last - first + 1).unwrap_or(1);
        Self { direction, first, probabilities: vec![0.0; len] }
    }

    fn put(&mut self, loss: i64, mass: f64) {
        if let Some(p) =
            usize::try_from(loss - self.first).ok().and_then(|i| self.probabilities.get_mut(i))
        {
            *p += mass;
        }
    }

    fn add(&mut self, step: &Step, index: i64, width: f64, range: std::ops::Range<f64>) {
        if range.end <= range.start {
            return;
        }
        if self.direction != Direction::Add {
            let (mass, upper) = step.split(true, index as f64 * width, width, range.clone());
            self.put(index + 1, upper);
            self.put(index, mass - upper);
        }
        if self.direction != Direction::Remove {
            let (mass, upper) = step.split(false, -(index + 1) as f64 * width, width, range);
            self.put(-index, upper);
            self.put(-index - 1, mass - upper);
        }
    }

    /// Accounts for what lies outside `range`: high losses are infinite, low ones rise to the grid's end.
    fn finish(mut self, step: &Step, cells: (i64, i64), range: std::ops::Range<f64>) -> LossPmf {
        let (low, high) = cells;
        let below = |x: f64| normal_cdf(x / step.sigma);
        let above = |x: f64| normal_cdf(-x / step.sigma);
        let infinite = match self.direction {
            Direction::Remove => {
                let under = (1.0 - step.q) * below(range.start) + step.q * below(range.start - 1.0);
                self.put(low + 1, under);
                (1.0 - step.q) * above(range.end) + step.q * above(range.end - 1.0)
            }
            Direction::Add => {
                self.put(1 - high, above(range.end));
                below(range.start)
            }
            Direction::Replace => {
                self.put(1 - high, above(range.end));
                let infinite = (1.0 - step.q) * above(range.end) + step.q * above(range.end - 1.0);
                let rest = 1.0 - infinite - self.probabilities.iter().sum::<f64>();
                self.put(0, rest.max(0.0));
                infinite
            }
        };
        // Quadrature leaves the sum within 10^-11 of this; scaling keeps powers of it from drifting.
        let scale = (1.0 - infinite) / self.probabilities.iter().sum::<f64>();
        self.probabilities.iter_mut().for_each(|p| *p *= scale);
        LossPmf { first: self.first, probabilities: self.probabilities, infinite }
    }
}

/// Index of the cell that `loss` lies in; clamped to what memory would hold anyway.
#[expect(clippy::cast_possible_truncation, reason = "clamped to ±2^40")]
fn cell(loss: f64, width: f64) -> i64 {
    const LIMIT: f64 = 1_099_511_627_776.0;
    (loss / width).floor().clamp(-LIMIT, LIMIT) as i64
}

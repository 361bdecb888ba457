//! Composition of privacy loss distributions by FFT.

use libm::{exp, expm1, log, log1p, sqrt};
use realfft::{RealFftPlanner, num_complex::Complex};

use super::{
    AccountantError, Release,
    gaussian::composed,
    loss::{Direction, LossPmf, Step},
};

/// The least δ, of a single step; with T steps it is 10 times what [`fft_slack`] charges.
pub const PLD_DELTA_MIN: f64 = 1e-12;

/// Returns what is charged to δ for rounding in the FFT of `count` steps.
///
/// A transform's errors are about 2^-53 √log2(n) ‖p‖ per coefficient, with ‖p‖ ≤ 0.1 for losses spread over
/// a hundred cells; raising to the power T multiplies them by T; the inverse's own add up to about 10^-15
/// over all losses. The first is T · 2^-54; measured (T = 10^6 against the exact Gaussian) it is a
/// hundredth of that.
fn fft_slack(count: f64) -> f64 {
    const ROUNDING: f64 = 1.0 / 18_014_398_509_481_984.0;
    0.1 * PLD_DELTA_MIN + count * ROUNDING
}

/// Part of δ that truncated and wrapped-around tails may take, each: ε grows by about 10^-5 for it.
const TAIL_PART: f64 = 1e-4;

/// Squared width of a cell over the variance of the average step, divided by 6: how much the variance,
/// hence twice the relative error of ε, grows by the discretisation.
const GROWTH: f64 = 2e-4;

/// Widest cell; wider ones lose digits where few steps with little noise meet.
const WIDTH_MAX: f64 = 0.05;

/// Most cells of a composed distribution: 32 MiB of `f64`. Beyond, cells grow wider (and ε larger).
const CELLS_MAX: usize = 1 << 22;

/// Most different releases: each holds its distribution while the window is chosen.
const KINDS_MAX: usize = 256;

/// Returns ε at `delta`.
pub(super) fn epsilon(releases: &[Release], delta: f64) -> Result<f64, AccountantError> {
    let min = 10.0 * fft_slack(merged(releases).iter().map(|step| step.count as f64).sum());
    if delta < min.max(PLD_DELTA_MIN) {
        return Err(AccountantError::DeltaTooSmall { min: min.max(PLD_DELTA_MIN), got: delta });
    }
    let composed = compose(releases, delta)?;
    Ok(composed.iter().map(|of| of.epsilon(delta)).fold(0.0, f64::max))
}

/// Returns δ at `epsilon`.
pub(super) fn delta(releases: &[Release], epsilon: f64) -> Result<f64, AccountantError> {
    let composed = compose(releases, PLD_DELTA_MIN)?;
    Ok(composed.iter().map(|of| of.delta(epsilon)).fold(0.0, f64::max).min(1.0))
}

/// Composes `releases` in each direction of their adjacency.
fn compose(releases: &[Release], delta: f64) -> Result<Vec<Composed>, AccountantError> {
    let steps = merged(releases);
    let Some(first) = releases.first().filter(|_| !steps.is_empty()) else {
        return Ok(Vec::new());
    };
    if steps.len() > KINDS_MAX {
        return Err(AccountantError::TooMany { max: KINDS_MAX, got: steps.len() });
    }
    let directions = Direction::of(first.sampling.adjacency());
    // Without sampling both directions are the same Gaussian.
    let symmetric = !steps.iter().any(Step::is_sampled);
    let directions = if symmetric { &[Direction::Remove] } else { directions };
    let tail = delta * TAIL_PART;
    Ok(directions.iter().map(|direction| Composed::of(&steps, *direction, tail)).collect())
}

/// Adds up equal releases; releases without sampling are one Gaussian together.
fn merged(releases: &[Release]) -> Vec<Step> {
    let (full, sampled): (Vec<_>, Vec<_>) = releases
        .iter()
        .map(Step::of)
        .filter(|step| step.q > 0.0)
        .partition(|step| !step.is_sampled());
    let mut steps: Vec<Step> = Vec::new();
    for step in sampled {
        match steps.iter_mut().find(|of| (of.q, of.sigma) == (step.q, step.sigma)) {
            Some(same) => same.count += step.count,
            None => steps.push(step),
        }
    }
    if !full.is_empty() {
        let sigma = composed(full.iter().map(|step| (step.sigma, step.count as f64)));
        steps.push(Step { q: 1.0, sigma, count: 1 });
    }
    steps
}

/// A composed distribution: probabilities of the losses (`first` + i) · width, and of an infinite one.
pub(super) struct Composed {
    width: f64,
    first: i64,
    probabilities: Vec<f64>,
    infinite: f64,
}

impl Composed {
    pub(super) fn of(steps: &[Step], direction: Direction, tail: f64) -> Self {
        let count: f64 = steps.iter().map(|step| step.count as f64).sum();
        let variance: f64 = steps.iter().map(|step| step.count as f64 * step.spread().1).sum();
        let ln_tail = log(tail / count);
        let mut width = sqrt(6.0 * GROWTH * variance / count).clamp(f64::MIN_POSITIVE, WIDTH_MAX);
        let widest = steps.iter().map(|step| step.cells(width, ln_tail)).fold(0.0, f64::max);
        width *= (2.0 * widest / CELLS_MAX as f64).max(1.0);
        loop {
            let parts: Vec<_> = steps
                .iter()
                .map(|step| (step.discretise(direction, width, ln_tail), step.count))
                .collect();
            let (low, high) = window(&parts, log(tail));
            if high - low < CELLS_MAX as f64 {
                return Self::convolve(&parts, width, (low, high), tail);
            }
            width *= 2.0 * (high - low) / CELLS_MAX as f64;
        }
    }

    /// Multiplies the parts' spectra. Losses outside the window wrap around: those above it would look
    /// small, so the bound on their mass is infinite loss; those below it look large, which is safe.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the window is an interval of at most CELLS_MAX whole cells"
    )]
    fn convolve(parts: &[(LossPmf, u64)], width: f64, window: (f64, f64), tail: f64) -> Self {
        let (low, len) = (window.0, fft_len((window.1 - window.0) as usize + 1));
        let mut planner = RealFftPlanner::<f64>::new();
        let (forward, inverse) = (planner.plan_fft_forward(len), planner.plan_fft_inverse(len));
        let mut product = vec![Complex::new(1.0, 0.0); len / 2 + 1];
        let count = parts.iter().map(|(_, count)| *count as f64).sum();
        let mut ln_finite = 0.0;
        for (part, count) in parts {
            let (mut folded, mut spectrum) = (folded(part, len), forward.make_output_vec());
            // Both lengths are the plan's own, the only thing that can be wrong.
            if forward.process(&mut folded, &mut spectrum).is_err() {
                return Self { width, first: 0, probabilities: Vec::new(), infinite: 1.0 };
            }
            for (all, one) in product.iter_mut().zip(spectrum) {
                *all *= power(one, *count);
            }
            ln_finite += *count as f64 * log1p(-part.infinite);
        }
        let mut wrapped = inverse.make_output_vec();
        // A real signal's first and, at even lengths, last coefficients are real: rounding aside.
        for edge in [0, len / 2] {
            product[edge].im = 0.0;
        }
        let done = inverse.process(&mut product, &mut wrapped).is_ok();
        let first = low as i64;
        let start = wrap(first, len);
        wrapped.rotate_left(start);
        let probabilities = wrapped.into_iter().map(|p| (p / len as f64).max(0.0)).collect();
        let infinite = if done { -expm1(ln_finite) + tail + fft_slack(count) } else { 1.0 };
        Self { width, first, probabilities, infinite }
    }

    /// Returns the least ε ≥ 0 with δ(ε) ≤ `delta`.
    pub(super) fn epsilon(&self, delta: f64) -> f64 {
        // At loss l, of what lies above: `mass` is the probability, `other` that under the other cohort
        // times e^l. So δ(l) = mass - other, and δ(l + t) = mass - other e^t up to the next point.
        let (mut mass, mut other) = (self.infinite, 0.0);
        let shrink = exp(-self.width);
        for (i, p) in self.probabilities.iter().enumerate().rev() {
            if self.loss(i) < 0.0 || mass - other > delta {
                return solve(mass, other, delta, self.loss(i));
            }
            mass += p;
            other = (other + p) * shrink;
        }
        solve(mass, other, delta, self.loss(0) - self.width)
    }

    fn delta(&self, epsilon: f64) -> f64 {
        let above = self.probabilities.iter().enumerate().map(|(i, p)| (self.loss(i), p));
        let sum: f64 = above
            .filter(|(loss, _)| *loss > epsilon)
            .map(|(loss, p)| -p * expm1(epsilon - loss))
            .sum();
        self.infinite + sum
    }

    fn loss(&self, index: usize) -> f64 {
        (self.first + index as i64) as f64 * self.width
    }
}

/// Returns ε ≥ 0 with mass - other e^(ε - loss) ≤ delta.
fn solve(mass: f64, other: f64, delta: f64, loss: f64) -> f64 {
    if mass <= delta {
        return 0.0;
    }
    (loss + log((mass - delta) / other)).max(0.0)
}

/// Returns the cells outside which the finite part of the composition has at most e^`ln_tail` on each side.
///
/// Chernoff: P(S ≥ u) ≤ E[e^(λS)] e^(-λu) for every λ > 0, and the same downwards; and no sum leaves the sum
/// of the supports.
fn window(parts: &[(LossPmf, u64)], ln_tail: f64) -> (f64, f64) {
    let total = |of: &dyn Fn(&LossPmf) -> f64| -> f64 {
        parts.iter().map(|(part, count)| *count as f64 * of(part)).sum()
    };
    let mut low = total(&|part| part.first as f64);
    let mut high = total(&|part| part.first as f64 + part.probabilities.len() as f64);
    let deviation = sqrt(total(&LossPmf::variance)).max(1.0);
    for step in -16..=8 {
        // λ of a normal of this deviation, times 1.4^step above it; below it, where rare but large losses
        // dominate, down to a 70 000th. In units of 1/cell.
        let grown = f64::from(step) * if step < 0 { 0.7 } else { 0.35 };
        let lambda = sqrt(-2.0 * ln_tail) / deviation * exp(grown);
        high = high.min((total(&|part| part.cumulant(lambda)) - ln_tail) / lambda);
        low = low.max(-(total(&|part| part.cumulant(-lambda)) - ln_tail) / lambda);
    }
    (low.floor() - 1.0, high.ceil() + 1.0)
}

impl LossPmf {
    /// Returns the variance of the finite part, in cells².
    fn variance(&self) -> f64 {
        let (mut mass, mut mean, mut square) = (0.0, 0.0, 0.0);
        for (i, p) in self.probabilities.iter().enumerate() {
            let loss = (self.first + i as i64) as f64;
            mass += p;
            mean += p * loss;
            square += p * loss * loss;
        }
        (square / mass - (mean / mass) * (mean / mass)).max(0.0)
    }

    /// Returns ln Σ p e^(λ loss), λ in units of 1/cell, by Horner's rule from the end with the small factor.
    fn cumulant(&self, lambda: f64) -> f64 {
        let factor = exp(-lambda.abs());
        let horner = |sum: f64, p: &f64| sum * factor + p;
        let (edge, sum) = if lambda > 0.0 {
            let last = self.first + self.probabilities.len() as i64 - 1;
            (last, self.probabilities.iter().fold(0.0, horner))
        } else {
            (self.first, self.probabilities.iter().rev().fold(0.0, horner))
        };
        lambda * edge as f64 + log(sum)
    }
}

/// Lays the distribution on a circle of `len` cells.
fn folded(part: &LossPmf, len: usize) -> Vec<f64> {
    let mut circle = vec![0.0; len];
    let mut at = wrap(part.first, len);
    for p in &part.probabilities {
        circle[at] += p;
        at = if at + 1 == len { 0 } else { at + 1 };
    }
    circle
}

fn wrap(cell: i64, len: usize) -> usize {
    usize::try_from(cell.rem_euclid(len as i64)).unwrap_or(0)
}

/// Returns the least 2^a or 3·2^a, even and at least `cells`.
fn fft_len(cells: usize) -> usize {
    let power = cells.max(4).next_power_of_two();
    if power / 4 * 3 >= cells { power / 4 * 3 } else { power }
}

fn power(mut base: Complex<f64>, mut exponent: u64) -> Complex<f64> {
    let mut result = Complex::new(1.0, 0.0);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= base;
        }
        base *= base;
        exponent >>= 1;
    }
    result
}

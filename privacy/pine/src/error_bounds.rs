//! How likely PINE refuses an honest report or accepts a dishonest one.
//!
//! **Completeness.** An honest client runs the wraparound checks itself and draws other coins if one
//! fails, which happens with probability ≤ r·η, η = 2e^(−α²) = 2^−108.2: each entry of the random
//! vector is the mean of two independent signs, so ⟨z, x⟩ is sub-Gaussian with variance proxy
//! ‖x‖²/2 and P(|⟨z, x⟩| > α‖x‖) ≤ 2e^(−α²); the interval is at least that wide. What remains is a
//! query point in the domain of a proof, P/q per proof, where aggregators must refuse. For our profile at
//! d = 10^6: (1024 + 2·64)/2^64 = 2^−53.8.
//!
//! **Zero knowledge.** Statistical distance ≤ r·η (the aggregators learn that all checks
//! succeeded, of which an honest vector would have failed one with that probability), plus the
//! pseudo-randomness of the XOF. The proofs themselves are perfectly simulatable outside the domain.
//!
//! **Soundness**, all aggregators being honest, per report, of a client that evaluates its hashes
//! 2^h times offline to find joint randomness it likes (Fiat–Shamir grinding). Union over:
//! 1. *Wraparound.* If Σxᵢ² ≥ q over the integers, a check succeeds with probability ≤ 1/2 given
//!    q ≥ max(W²/4000, 2600·W, 2r), W the interval's half width (paper, lemma 3.3, as the draft's
//!    parameter search uses it): 2^h·P(Bin(r, 1/2) ≥ successes), 2^(h−r) if all must succeed.
//! 2. *Validity, joint randomness.* A polynomial of degree < bits, one of degree < r and a cubic
//!    are tested at random points: ε₁ ≤ (bits + r + 4)/q per proof (paper, lemma 3.12). All k
//!    proofs share a seed, so all must fall for the same one: 2^h·ε₁ᵏ. For our profile at d = 10^6:
//!    2^(60 − 2·52.5).
//! 3. *Validity, query.* If one proof's joint randomness is good, that proof claims a falsehood
//!    and survives with ε₂ ≤ 2(P − 1)/(q − P). The point depends on the verify key: no grinding.
//! 4. *Norm equality.* No joint randomness: ε₂ᵏ with its own P. 2^−53 at d = 10^6.
//!
//! The integer statement follows: v + u = B² with v, u < 2^bits ≤ 2B² has no second solution modulo
//! q ≥ 3B² + 2, so Σxᵢ² mod q is v ≤ B², and Σxᵢ² < q by 1.
//!
//! | profile (Field64, d = 10^6, B = 10^6) | h = 0 | h = 60 | completeness |
//! |---|---|---|---|
//! | ours: 104 of 104 checks, 2 + 1 proofs | 2^−52.9 | 2^−43.4 | 2^−53.8 |
//! | draft `Pine64`: 100 of 100 checks, 2 + 1 proofs | 2^−52.9 | 2^−40.0 | 2^−53.8 |
//!
//! A union over the reports of a round costs log2(reports) bits of each.

use crate::{field::PineField, flp::Gadget, pine::Pine, xof::Xof};

/// Upper bounds of PINE's errors per report, as base-2 logarithms of probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorBounds {
    /// An honest report is refused.
    pub completeness_log2: f64,
    /// A report beyond the norm bound is accepted.
    pub soundness_log2: f64,
    /// What the aggregators' views differ by from views that know only the norm bound.
    pub zero_knowledge_log2: f64,
}

impl<F: PineField, X: Xof> Pine<F, X> {
    /// The bounds for a client that evaluates hashes 2^`hashes_log2` times per report.
    #[must_use]
    pub fn error_bounds(&self, hashes_log2: u32) -> ErrorBounds {
        let parameters = self.parameters();
        let layout = self.layout();
        let [norm_gadget, gadget] = self.gadgets();
        let [norm_proofs, proofs] = self.proof_counts();
        let modulus = real(F::MODULUS);
        let checks = real(layout.checks as u128);
        let domain = |gadget: Gadget| real(gadget.domain() as u128);
        let query = |gadget: Gadget| 2.0 * (domain(gadget) - 1.0) / (modulus - domain(gadget));

        let grinding = f64::from(hashes_log2).exp2();
        let joint = (real(layout.bits_len() as u128) + checks + 4.0) / modulus;
        let soundness = grinding * binomial_tail(layout.checks, layout.successes)
            + grinding * joint.powi(i32::from(proofs))
            + query(gadget)
            + query(norm_gadget).powi(i32::from(norm_proofs));
        let points =
            domain(norm_gadget) * f64::from(norm_proofs) + domain(gadget) * f64::from(proofs);
        let failing_check = checks * 2.0 * (-parameters.alpha.powi(2)).exp();
        ErrorBounds {
            completeness_log2: (points / modulus).log2(),
            soundness_log2: soundness.log2(),
            zero_knowledge_log2: failing_check.log2(),
        }
    }
}

/// P(Bin(`trials`, 1/2) ≥ `successes`).
fn binomial_tail(trials: usize, successes: usize) -> f64 {
    let trials_real = real(trials as u128);
    // The probability of `trials` successes, then of one fewer, …
    let mut term = (-trials_real).exp2();
    let mut tail = 0.0;
    for count in (successes..=trials).rev() {
        tail += term;
        term *= real(count as u128) / (trials_real - real(count as u128) + 1.0);
    }
    tail
}

/// The nearest float: exact enough for a logarithm.
#[expect(clippy::cast_precision_loss, reason = "a bound is stated to a tenth of a bit")]
const fn real(value: u128) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use crate::{Field64, Field128, IntegerPine, Parameters, Pine, XofTurboShake128};

    #[test]
    fn our_profile_errs_less_than_two_to_the_minus_40_even_under_grinding() {
        for (dimension, norm_bound) in [(1, 1), (10_000, 1 << 20), (1_000_000, 1_000_000)] {
            let parameters = Parameters::integers(dimension, norm_bound, 2, &[]).expect("in range");
            let bounds = IntegerPine::new(parameters).expect("valid").error_bounds(60);
            assert!(bounds.soundness_log2 < -42.0, "{dimension}: {bounds:?}");
            assert!(bounds.completeness_log2 < -50.0, "{dimension}: {bounds:?}");
            assert!(bounds.zero_knowledge_log2 < -100.0, "{dimension}: {bounds:?}");
        }
    }

    #[test]
    fn bounds_of_the_documentation_are_those_computed() {
        let ours = Parameters::integers(1_000_000, 1_000_000, 2, &[]).expect("in range");
        let draft = Parameters::draft(1_000_000, 1_000_000, 0, 2)
            .with_balanced_chunks::<Field64>()
            .expect("in range");
        let check = |parameters: Parameters, hashes, expected: f64| {
            let pine = Pine::<Field64, XofTurboShake128>::new(parameters).expect("valid");
            let bounds = pine.error_bounds(hashes);
            assert!((bounds.soundness_log2 - expected).abs() < 0.06, "{bounds:?}, {expected}");
            assert!((bounds.completeness_log2 + 53.8).abs() < 0.06, "{bounds:?}");
        };
        check(ours.clone(), 0, -52.9);
        check(ours, 60, -43.4);
        check(draft.clone(), 0, -52.9);
        check(draft, 60, -40.0);
    }

    #[test]
    fn fewer_checks_or_proofs_are_less_sound() {
        let ours = Parameters::integers(10_000, 1_000, 2, &[]).expect("in range");
        let soundness = |parameters: Parameters| {
            let pine = Pine::<Field64, XofTurboShake128>::new(parameters).expect("valid");
            pine.error_bounds(60).soundness_log2
        };
        let best = soundness(ours.clone());
        assert!(soundness(Parameters { proofs: 1, ..ours.clone() }) > best + 30.0);
        assert!(soundness(Parameters { successes: 90, ..ours.clone() }) > best + 30.0);
        let large = Pine::<Field128, XofTurboShake128>::new(Parameters { proofs: 1, ..ours });
        assert!(large.expect("valid").error_bounds(0).soundness_log2 < -100.0);
    }
}

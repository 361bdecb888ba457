//! Accountants against published and independently computed values.

use super::*;

fn poisson(rate: f64, noise_multiplier: f64, steps: u64) -> Release {
    Release { sampling: Sampling::Poisson(rate), noise_multiplier, steps }
}

/// q, σ, T, δ, then ε by RDP at the default orders and ε by PLD, both of Google's dp-accounting 0.6.0
/// (grid of 10^-4).
const REFERENCE: [(f64, f64, u64, f64, f64, f64); 16] = [
    (1.0, 1.0, 1, 1e-5, 4.728507, 4.377178),
    (1.0, 4.0, 1, 1e-3, 0.688108, 0.592007),
    (1.0, 1.0, 10, 1e-5, 19.053598, 17.856587),
    (1.0, 5.0, 100, 1e-5, 10.725510, 9.997256),
    (1.0, 10.0, 100, 1e-5, 4.728507, 4.377178),
    (0.01, 1.0, 1000, 1e-5, 2.101367, 1.828244),
    (0.01, 1.1, 10_000, 1e-5, 5.632011, 5.192620),
    (0.01, 4.0, 10_000, 1e-5, 1.035490, 0.946999),
    (256.0 / 60_000.0, 1.1, 14_062, 1e-5, 2.596556, 2.381686),
    (256.0 / 60_000.0, 1.3, 3_515, 1e-5, 0.954430, 0.864459),
    (256.0 / 60_000.0, 0.7, 10_546, 1e-5, 6.319464, 5.639447),
    (0.1, 1.0, 100, 1e-5, 7.903850, 7.046603),
    (0.1, 2.0, 100, 1e-3, 1.799004, 1.543864),
    (0.2, 1.0, 50, 1e-5, 11.340185, 10.127951),
    (0.5, 3.0, 100, 1e-5, 9.152967, 8.387476),
    (0.001, 0.8, 10_000, 1e-6, 1.703625, 0.947324),
];

#[test]
fn rdp_has_the_reference_values() {
    for (q, sigma, steps, delta, rdp, _) in REFERENCE {
        let got = epsilon(&[poisson(q, sigma, steps)], delta, Accountant::Rdp).unwrap();
        assert!((got - rdp).abs() < 1e-6 * rdp.max(1.0), "{q} {sigma} {steps}: {got} for {rdp}");
    }
}

#[test]
fn pld_has_the_reference_values_and_stays_below_rdp() {
    for (q, sigma, steps, delta, rdp, pld) in REFERENCE {
        let got = epsilon(&[poisson(q, sigma, steps)], delta, Accountant::Pld).unwrap();
        println!("{q} {sigma} {steps}: {got} for {pld}: {:+.4} %", (got / pld - 1.0) * 100.0);
        assert!((got / pld - 1.0).abs() < 0.005, "{q} {sigma} {steps}: {got} for {pld}");
        assert!(got <= rdp, "{q} {sigma} {steps}: {got} above {rdp}");
    }
}

//! Prints ε over a grid as CSV, for `check_against_dp_accounting.py`, and the time it took to stderr.

use privacy_dp::{Accountant, AccountantError, Release, Sampling, epsilon};

fn main() -> Result<(), AccountantError> {
    println!("q,noise_multiplier,steps,delta,pld,rdp");
    for q in [1.0, 0.5, 0.1, 0.01, 256.0 / 60_000.0, 0.001] {
        for noise_multiplier in [0.7, 1.1, 2.0, 5.0] {
            for steps in [1, 100, 14_062] {
                for delta in [1e-5, 1e-8] {
                    let sampling = Sampling::Poisson(q);
                    line(&Release { sampling, noise_multiplier, steps }, q, delta)?;
                }
            }
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn line(release: &Release, q: f64, delta: f64) -> Result<(), AccountantError> {
    let start = std::time::Instant::now();
    let pld = epsilon(&[*release], delta, Accountant::Pld)?;
    let pld_ms = start.elapsed().as_secs_f64() * 1e3;
    let rdp = epsilon(&[*release], delta, Accountant::Rdp)?;
    let (sigma, steps) = (release.noise_multiplier, release.steps);
    println!("{q},{sigma},{steps},{delta},{pld},{rdp}");
    eprintln!("q {q} noise {sigma} steps {steps} delta {delta}: pld in {pld_ms:.0} ms");
    Ok(())
}

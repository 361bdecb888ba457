//! Times the samplers: milliseconds per million draws, one core.

use privacy_dp::{DiscreteGaussian, IntegerNoise, NoiseError, Skellam, TabledGaussian};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

fn main() -> Result<(), NoiseError> {
    for std in [0.5, 1.0, 4.0, 30.0, 503.7, 1_048_576.0] {
        time("discrete Gaussian", &DiscreteGaussian::new(std)?);
        time("Skellam", &Skellam::new(std)?);
        if std <= 32.0 {
            time("tabled Gaussian", &TabledGaussian::new(std)?);
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn time(name: &str, noise: &impl IntegerNoise) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut out = vec![0; 1_000_000];
    let start = std::time::Instant::now();
    noise.fill(&mut out, &mut rng);
    std::hint::black_box(&out);
    println!("{name:18} σ {:9}: {:4.0} ms", noise.std(), start.elapsed().as_secs_f64() * 1e3);
}

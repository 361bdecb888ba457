use privacy_dp::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn time(name: &str, noise: &impl IntegerNoise) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut out = vec![0; 1_000_000];
    let start = std::time::Instant::now();
    noise.fill(&mut out, &mut rng);
    println!("{name} sigma {}: {:.0} ms per million draws", noise.std(), start.elapsed().as_secs_f64() * 1e3);
}
fn main() {
    for std in [0.5, 1.0, 4.0, 30.0, 503.7, 1_048_576.0] {
        time("discrete Gaussian", &DiscreteGaussian::new(std).unwrap());
        time("Skellam", &Skellam::new(std).unwrap());
        if std < 32.0 { time("tabled", &TabledGaussian::new(std).unwrap()); }
    }
}

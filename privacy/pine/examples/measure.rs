//! Prints what PINE costs: milliseconds to seal and to verify and bytes per parameter, for
//! d = 10⁴, 10⁵, 10⁶ (or the dimensions given as arguments), with either XOF, on one core.
//!
//! `cargo run --release -p privacy-pine --example measure`

use std::time::Instant;

use privacy_pine::{Field64, Parameters, Pine, Xof, XofHmacSha256Aes128, XofTurboShake128};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

/// Runs of which the fastest counts.
const RUNS: usize = 3;

fn main() {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|d| d.parse().ok()).collect();
    let dimensions = if given.is_empty() { vec![10_000, 100_000, 1_000_000] } else { given };
    println!(
        "        d  xof                  seal ms  leader ms  helper ms  decide ms  B/parameter  prep share B"
    );
    for dimension in dimensions {
        measure::<XofTurboShake128>("TurboShake128", dimension);
        measure::<XofHmacSha256Aes128>("HmacSha256Aes128", dimension);
    }
}

fn measure<X: Xof>(xof: &str, dimension: usize) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut bytes = vec![0; dimension];
    rng.fill_bytes(&mut bytes);
    let values: Vec<i32> = bytes.iter().map(|byte| i32::from(i8::from_ne_bytes([*byte]))).collect();
    let norm_bound = 128 * (u64::try_from(dimension.isqrt()).expect("small") + 1);
    let parameters =
        Parameters::integers(dimension, norm_bound, 2, b"measure").expect("valid parameters");
    let pine = Pine::<Field64, X>::new(parameters).expect("valid parameters");
    let key = vec![7; pine.verify_key_bytes()];
    let mut best = [f64::INFINITY; 4];
    let mut sizes = [0; 2];
    for _ in 0..RUNS {
        let (report, seal) =
            time(|| pine.shard_integers(&values, &[1; 16], &mut rng).expect("sharded"));
        let ((state, share), leader) = time(|| {
            pine.prep_init(&key, 0, &[1; 16], &report.public, &report.inputs[0]).expect("leader")
        });
        let ((_, other), helper) = time(|| {
            pine.prep_init(&key, 1, &[1; 16], &report.public, &report.inputs[1]).expect("helper")
        });
        let shares = [share, other];
        let (message, decide) = time(|| pine.prep_shares_to_message(&shares).expect("accepted"));
        pine.prep_next(state, &message).expect("accepted");
        for (best, time) in best.iter_mut().zip([seal, leader, helper, decide]) {
            *best = best.min(time);
        }
        let inputs: usize = report.inputs.iter().map(|input| input.to_bytes().len()).sum();
        sizes = [inputs + 2 * report.public.to_bytes().len(), shares[0].to_bytes().len()];
    }
    let [seal, leader, helper, decide] = best;
    println!(
        "{dimension:>9}  {xof:<18} {seal:>9.1}  {leader:>9.1}  {helper:>9.1}  {decide:>9.2}  {:>11.3}  {:>12}",
        sizes[0] as f64 / dimension as f64,
        sizes[1],
    );
}

/// A result and the milliseconds it took.
#[expect(clippy::disallowed_methods, reason = "measuring time is what this example is for")]
fn time<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64() * 1e3)
}

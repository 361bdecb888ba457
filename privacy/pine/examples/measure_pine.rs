//! Prints what PINE costs: milliseconds to seal and to verify and bytes per parameter, for
//! d = 10⁴, 10⁵, 10⁶ (or the dimensions given as arguments), with either XOF, on one core.
//!
//! `cargo run --release -p privacy-pine --example measure_pine`

use std::time::Instant;

use privacy_pine::{Field64, Parameters, Pine, Xof, XofHmacSha256Aes128, XofTurboShake128};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

/// Coordinates handled per dimension, in as many runs, whose mean is printed: the system accounts
/// a thread's time in ticks of milliseconds.
const COORDINATES: usize = 3_000_000;

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
    let runs = (COORDINATES / dimension).max(1);
    let mut total = [0.0; 4];
    let mut sizes = [0; 2];
    for _ in 0..runs {
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
        for (total, time) in total.iter_mut().zip([seal, leader, helper, decide]) {
            *total += time;
        }
        let inputs: usize = report.inputs.iter().map(|input| input.to_bytes().len()).sum();
        sizes = [inputs + 2 * report.public.to_bytes().len(), shares[0].to_bytes().len()];
    }
    let [seal, leader, helper, decide] = total.map(|time| time / runs as f64);
    println!(
        "{dimension:>9}  {xof:<18} {seal:>9.1}  {leader:>9.1}  {helper:>9.1}  {decide:>9.2}  {:>11.3}  {:>12}",
        sizes[0] as f64 / dimension as f64,
        sizes[1],
    );
}

/// A result and the milliseconds it took: of this thread on its core where the system tells (Linux),
/// so that other work on the machine does not count, else of the clock.
#[expect(clippy::disallowed_methods, reason = "measuring time is what this example is for")]
fn time<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let (start, on_core) = (Instant::now(), on_core_ns());
    let result = work();
    let ms = match (on_core, on_core_ns()) {
        (Some(before), Some(after)) => (after - before) / 1e6,
        _ => start.elapsed().as_secs_f64() * 1e3,
    };
    (result, ms)
}

/// Nanoseconds that this thread has run.
fn on_core_ns() -> Option<f64> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    statistics.split_whitespace().next()?.parse().ok()
}

//! What a server step and each robust rule take in CPU time of one thread.
//!
//! `cargo run --release -p aggregator-strategy --example measure_strategy [updates] [parameters]`
#![expect(clippy::unwrap_used, reason = "an example's way to fail")]

use aggregator_strategy::{OptimizerState, RobustRule, Updates};
use cpu_time::ThreadTime;
use rand::RngExt as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>().unwrap());
    let (n, d) = (numbers.next().unwrap_or(100), numbers.next().unwrap_or(1_000_000));
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let updates: Vec<Vec<f32>> =
        (0..n).map(|_| (0..d).map(|_| rng.random::<f32>() - 0.5).collect()).collect();
    let slices: Vec<_> = updates.iter().map(Vec::as_slice).collect();
    println!("{n} updates of {d} parameters, CPU time of one thread");
    timed("check", || Updates::new(&slices).unwrap());
    let updates = Updates::new(&slices).unwrap();
    let f = n.saturating_sub(3) / 4;
    let krum = format!("multi-krum:f={f},m={}", n - f - 2);
    let rules = ["mean", "norm-bound:norm=1", "median", "trimmed-mean:beta=0.2", &krum];
    for rule in rules.into_iter().chain(["geometric-median"]) {
        let rule: RobustRule = rule.parse().unwrap();
        timed(rule.name(), || rule.aggregate(&updates).unwrap());
    }
    for name in ["fedavg", "fedadam", "fedyogi"] {
        let mut state = OptimizerState::new(name.parse().unwrap(), d).unwrap();
        timed(name, || state.step(slices[0], slices[1]).unwrap());
    }
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) {
    let start = ThreadTime::now();
    let result = run();
    println!("{what:>18}: {:8.1} ms", start.elapsed().as_secs_f64() * 1e3);
    drop(result);
}

//! What it costs to show the votes of all members of a co-operative that has paid them for long.
//!
//! `cargo run --release -p data-dao-governance --example roll_cost -- [MEMBERS] [ROUNDS]`: 1 000 members who were each paid in 50
//! rounds, a day apart. Before: each member's weight by itself, as the list of members asked at each request. Now: all at once, and
//! again only when something matures, ages by a day, or is earned.
#![expect(clippy::unwrap_used, reason = "an experiment stops where it fails")]
#![expect(unused_crate_dependencies, reason = "tests use the others")]

use std::{env, fs, hint::black_box};

use data_dao_governance::{Ageing, CharterParameters, Votes, Weights};
use privacy_identity::{SigningKey, VerifyingKey};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Requests that are measured of each kind: the clock has hundredths of a second.
const REQUESTS: u32 = 20;
/// Looks at a roll that is there.
const LOOKS: u32 = 1_000;

fn main() {
    let mut arguments = env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let members = arguments.next().unwrap_or(1_000);
    let rounds = arguments.next().unwrap_or(50);
    let keys: Vec<VerifyingKey> = (0..members).map(key).collect();
    let mut votes = Votes::default();
    for round in 0..rounds {
        keys.iter().for_each(|key| votes.earn(*key, u128::from(1_000 + round), round * DAY_MS));
    }
    let (parameters, now_ms) = (CharterParameters::DEMONSTRATION, rounds * DAY_MS + 1);
    let each = || -> Weights {
        keys.iter()
            .map(|key| (*key, votes.weight(key, now_ms, &Ageing::new(&parameters))))
            .collect()
    };
    let all = || votes.weights_until(now_ms, &Ageing::new(&parameters));
    let (kept, until_ms) = all();
    assert_eq!(each(), kept);
    let before = micros(REQUESTS, || drop(black_box(each())));
    let counted = micros(REQUESTS, || drop(black_box(all())));
    let shown = micros(LOOKS, || {
        black_box(keys.iter().filter_map(|key| kept.get(key)).fold(0, |sum, votes| sum ^ votes));
    });
    println!(
        "{members} members, {rounds} rounds: one by one {before:.0} µs a request; all at once {counted:.0} µs, and {shown:.1} µs \
         from what is kept, for {} s more if nothing is earned",
        (until_ms - now_ms) / 1_000
    );
}

fn key(number: u64) -> VerifyingKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    SigningKey::from_seed(&seed).verifying_key()
}

/// CPU time of one of `count` runs.
fn micros(count: u32, run: impl Fn()) -> f64 {
    let started = cpu_seconds();
    (0..count).for_each(|_| run());
    (cpu_seconds() - started) * 1e6 / f64::from(count)
}

fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may have blanks in it: user and system time are fields 14 and 15.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    fields.take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

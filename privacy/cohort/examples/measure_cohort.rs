//! Sizes and times of cohorts of 10, 100 and 1 000 members.
//!
//! `cargo run --release -p privacy-cohort --example measure_cohort [members …]`
#![expect(clippy::disallowed_methods, reason = "an example that measures reads the clock")]

use std::time::Instant;

use privacy_cohort::{
    AllowList, Candidate, Cohort, CohortError, CohortIdentity, KeyPackage, StateKey,
};
use privacy_identity::{Digest, SigningKey, Tag};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sizes: Result<Vec<usize>, _> = std::env::args().skip(1).map(|text| text.parse()).collect();
    let sizes = sizes?;
    println!(
        "| members | key package B (ms) | add: commit ms | commit B | welcome B | join ms \
         | refresh make / take ms | refresh B | state B, store / load ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for members in if sizes.is_empty() { vec![10, 100, 1_000] } else { sizes } {
        row(members)?;
    }
    Ok(())
}

/// What `step` gives, and how many milliseconds it took.
fn timed<T>(step: impl FnOnce() -> Result<T, CohortError>) -> Result<(T, f64), CohortError> {
    let start = Instant::now();
    let value = step()?;
    Ok((value, start.elapsed().as_secs_f64() * 1e3))
}

fn row(members: usize) -> Result<(), CohortError> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let keys: Vec<SigningKey> = (0..members).map(|_| SigningKey::generate(&mut rng)).collect();
    let listed = AllowList::new(keys.iter().map(SigningKey::verifying_key));
    let federation = Digest::of(Tag::Terms, b"measured");
    let mut founder = Cohort::found(CohortIdentity::new(&keys[0]), federation, &listed, &mut rng)?;
    let (mut candidates, offers_ms) = timed(|| {
        let offer = |key| Candidate::new(CohortIdentity::new(key), federation, 1, &mut rng);
        keys[1..].iter().map(offer).collect::<Result<Vec<_>, _>>()
    })?;
    let packages: Vec<KeyPackage> = candidates.iter().map(|c| c.key_package().clone()).collect();
    let (outgoing, add_ms) = timed(|| founder.admit(&packages, &listed, 0, &mut rng))?;
    founder.process(&outgoing.commit, &listed)?;
    let welcome = outgoing.welcome.unwrap_or_default();
    // The founder's neighbour: all of its path but the founder's half of the tree is blank, which makes
    // its refresh the largest.
    let neighbour = candidates.swap_remove(0);
    let (mut joined, join_ms) =
        timed(|| Cohort::join(neighbour, &welcome, &listed).map_err(|refused| refused.error))?;
    let (refresh, make_ms) = timed(|| joined.refresh(&mut rng))?;
    let (_, take_ms) = timed(|| founder.process(&refresh.commit, &listed))?;
    let state_key = StateKey::from_bytes(&[1; 32]);
    let (state, store_ms) = timed(|| founder.to_encrypted_bytes(&state_key, &mut rng))?;
    let (_, load_ms) = timed(|| {
        let identity = CohortIdentity::new(&keys[0]);
        Cohort::from_encrypted_bytes(&state, identity, federation, &state_key)
    })?;
    println!(
        "| {members} | {} ({:.2}) | {add_ms:.1} | {} | {} | {join_ms:.1} \
         | {make_ms:.1} / {take_ms:.1} | {} | {}, {store_ms:.1} / {load_ms:.1} |",
        packages[0].as_mls_bytes().len(),
        offers_ms / packages.len() as f64,
        outgoing.commit.len(),
        welcome.len(),
        refresh.commit.len(),
        state.len(),
    );
    Ok(())
}

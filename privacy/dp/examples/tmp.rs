use privacy_dp::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
fn main() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut out = vec![0; 1_000_000];
    let n = TabledGaussian::new(30.0).unwrap();
    for _ in 0..20 { n.fill(&mut out, &mut rng);}
    println!("{}", out[5]);
}

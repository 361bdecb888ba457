//! Milliseconds and bytes of each part of MPC mode, beside the limits of the machine.
//!
//! `cargo run --release -p privacy-secagg --example measure_secagg [log10 of the largest dimension, 4..=7]`
#![expect(clippy::disallowed_methods, reason = "a stopwatch reads the clock")]
#![expect(clippy::cast_precision_loss, reason = "sizes in a table")]

use std::{hint::black_box, time::Instant};

use aes::Aes256;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::{Digest, Encode as _, SealingKey, SigningKey, Tag};
use privacy_secagg::{
    AggregatorKeys, Binding, EncodingOptions, EncodingParameters, NoisyUpdate, QuantizedProbe,
    QuantizedUpdate, Rotation, Share, ShareSeed, ShareSum, TagKey, Tagging, decode_mean, open_sum,
    seal,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

/// Least of several runs, in milliseconds.
fn ms<T>(mut work: impl FnMut() -> T) -> f64 {
    let run = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e3
    };
    let mut once = || {
        black_box(work());
    };
    let first = run(&mut once);
    let repeats = if first > 200.0 { 3 } else { 15 };
    (0..repeats).map(|_| run(&mut once)).fold(first, f64::min)
}

fn row(name: &str, dimension: u32, milliseconds: f64) {
    let per_million = milliseconds * 1e6 / f64::from(dimension);
    println!("  {name:<52} {milliseconds:>10.3} ms {per_million:>9.3} ms/M");
}

/// What the machine can do with the same bytes.
fn limits(dimension: u32, sealed_bytes: usize) {
    let len = dimension as usize;
    let mut bytes = vec![0_u8; sealed_bytes];
    let keystream = ms(|| {
        let mut cipher = ctr::Ctr128BE::<Aes256>::new(&[1; 32].into(), &[0; 16].into());
        for block in bytes.chunks_mut(16 << 10) {
            cipher.apply_keystream(block);
        }
    });
    row("limit: AES-256-CTR of the sealed bytes", dimension, keystream);
    let (mut sum, update) = (vec![0.0_f32; len], vec![1.0_f32; len]);
    let add = ms(|| {
        for (sum, value) in sum.iter_mut().zip(black_box(&update)) {
            *sum += value;
        }
    });
    row("limit: plain f32 add", dimension, add);
}

fn encoding(dimension: u32, parameters: &EncodingParameters, rotation: &Rotation) -> NoisyUpdate {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let len = dimension as usize;
    let delta: Vec<f32> = (0..dimension).map(|i| ((i % 1000) as f32 - 499.5) * 1e-5).collect();
    let clipped = LocalUpdate::new(delta).expect("finite").clip(parameters.clip_norm());
    let mut rotated = clipped.delta().to_vec();
    row("rotate", dimension, ms(|| rotation.apply(&mut rotated)));
    row("rotate back", dimension, ms(|| rotation.invert(&mut rotated)));
    let quantise = |rng: &mut ChaCha20Rng| {
        QuantizedUpdate::quantise(&clipped, rotation, parameters, rng).expect("fits")
    };
    row("scale, rotate, round", dimension, ms(|| quantise(&mut rng)));
    let quantised = quantise(&mut rng);
    row("without_noise (copy)", dimension, ms(|| NoisyUpdate::without_noise(&quantised)));
    let key = TagKey::of_round(&[7; 32], &Digest([1; 32]), 0);
    let member = SigningKey::from_seed(&[1; 32]).verifying_key();
    row("tag", dimension, ms(|| key.tag(quantised.values(), &member)));
    assert_eq!(quantised.values().len(), len);
    NoisyUpdate::without_noise(&quantised)
}

fn sharing(
    dimension: u32,
    parameters: &EncodingParameters,
    noisy: &NoisyUpdate,
    rotation: &Rotation,
) {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let signing = SigningKey::from_seed(&[1; 32]);
    let member = signing.verifying_key();
    let digest = Digest([1; 32]);
    let binding = Binding { dao: digest, federation: digest, round: 0, model: digest, member };
    for aggregators in [2, 3] {
        let split = ms(|| Share::split(noisy, aggregators, &binding, parameters, &mut rng));
        row(&format!("mask and pack, {aggregators} aggregators"), dimension, split);
    }
    let keys: Vec<_> = (0..2).map(|_| SealingKey::generate(&mut rng)).collect();
    let public = |key: &SealingKey| AggregatorKeys { verifying: member, sealing: key.public() };
    let aggregators: Vec<_> = keys.iter().map(public).collect();
    let mut sealing =
        || seal(noisy, binding, &aggregators, parameters, &signing, &mut rng).expect("seals");
    row("seal: mask, pack, HPKE, digest, sign", dimension, ms(&mut sealing));
    let sealed = sealing();
    let packed = vec![0x55_u8; parameters.ring().packed_len(parameters.vector_len())];
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let hpke = ms(|| keys[0].public().seal(Tag::ShareEnvelope, b"", &packed, &mut rng));
    row("  of it HPKE (ChaCha20-Poly1305)", dimension, hpke);
    row("  of it SHA-256", dimension, ms(|| Digest::of(Tag::ShareEnvelope, &packed)));
    row("verify (digest, signature)", dimension, ms(|| sealed.clone().verify().expect("true")));

    let delivery = sealed.clone().verify().expect("true").delivery(0).expect("there");
    let delivery = delivery.verify(0).expect("true");
    let mut sum = ShareSum::empty(parameters);
    let add = ms(|| sum.add_delivery(&delivery, &keys[0], parameters).expect("opens"));
    row("sum: decrypt, unpack and add explicit share", dimension, add);
    let mut sum = ShareSum::empty(parameters);
    row("sum: unpack and add explicit share", dimension, ms(|| sum.add_packed(&packed, None)));
    let open = delivery.open(&keys[0], parameters).expect("opens");
    let mut sum = ShareSum::empty(parameters);
    row("sum: add opened share", dimension, ms(|| sum.add(&open).expect("fits")));
    let seed = ShareSeed::from_bytes([5; 32]);
    row("sum: expand and add seed", dimension, ms(|| sum.add_seed(&seed, &binding, parameters)));
    row("pack a sum", dimension, ms(|| sum.pack()));
    if parameters.is_valued() {
        let probe: Vec<f64> = (0..dimension).map(|i| f64::from(i % 7) * 1e-4).collect();
        let probe = QuantizedProbe::quantise(&probe, rotation, parameters).expect("fits");
        row("inner product with a probe", dimension, ms(|| probe.scalar_share(open.vector())));
    }
    let sums = [0, 1].map(|_| {
        let mut sum = ShareSum::empty(parameters);
        sum.add(&open).expect("fits");
        sum
    });
    row("open a sum", dimension, ms(|| open_sum(&sums, parameters).expect("fits")));
    let opened = open_sum(&sums, parameters).expect("fits");
    let decode = ms(|| decode_mean(&opened.values, 1, rotation, parameters).expect("fits"));
    row("decode the mean", dimension, decode);
    let bytes = sealed.to_bytes().len();
    let per_parameter = bytes as f64 / f64::from(dimension);
    println!(
        "  upload {bytes} B: {per_parameter:.3} B per parameter, {:.3} of f32",
        per_parameter / 4.0
    );
    limits(dimension, packed.len());
}

fn main() {
    let largest = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(7);
    let clip = ClipNorm::new(1.0).expect("positive");
    for exponent in 4..=largest {
        let dimension = 10_u32.pow(exponent);
        let rotation = Rotation::new([3; 32], dimension as usize);
        let standard = EncodingParameters::standard(clip, dimension, 1000).expect("fits");
        let compact = EncodingParameters::compact(clip, dimension, 1000).expect("fits");
        for (name, parameters) in [("standard", standard), ("compact", compact)] {
            let bits = parameters.ring().bits();
            println!("d = 10^{exponent}, n <= 1000, {name}: {bits} bits");
            let noisy = encoding(dimension, &parameters, &rotation);
            sharing(dimension, &parameters, &noisy, &rotation);
        }
        let tagged = EncodingOptions { tagging: Tagging::Linear, ..EncodingOptions::default() };
        let tagged = standard.with_options(tagged).expect("fits");
        println!(
            "  rings for n <= 10, 100, 1000: {:?}",
            [10, 100, 1000].map(|n| {
                EncodingParameters::compact(clip, dimension, n).expect("fits").ring().bits()
            })
        );
        assert_eq!(tagged.vector_len(), standard.vector_len());
    }
}

//! MPC mode with two aggregators.

use privacy_secagg::{
    AggregatorKeys, EncodingParameters, NoisyUpdate, SealedUpdate, Share, ShareSeed, ShareSum,
    open_sum,
};

use crate::{
    row::Row,
    stopwatch::{least, least_of_each},
    world::{CONTRIBUTORS_DISTINCT, World, plain_sum, wire_bytes},
};

const AGGREGATORS: usize = 2;
/// Bytes of the plaintext before the packed vector or the seed.
const FORM_BYTES: usize = 1;

/// Measures MPC mode under `parameters`.
pub(crate) fn measure(
    scheme: &str,
    world: &mut World,
    parameters: &EncodingParameters,
) -> anyhow::Result<Row> {
    let encode_ms = world.encode_ms(parameters)?;
    let updates = world.updates(parameters)?;
    let (seal_ms, sealed) = least(|| seal(world, &updates[0], 0, parameters))?;
    let sealed = (1..).zip(&updates[1..]).try_fold(vec![sealed], |mut all, (index, update)| {
        all.push(seal(world, update, index, parameters)?);
        anyhow::Ok(all)
    })?;
    let (receive_ms, _) = world.receive_ms(&sealed[0], 0)?;
    let (seed_receive_ms, _) = world.receive_ms(&sealed[0], 1)?;
    let mut explicit = Vec::new();
    let mut seeds = Vec::new();
    for sealed in &sealed {
        explicit.push(world.receive_ms(sealed, 0)?.1);
        let seed = world.receive_ms(sealed, 1)?.1;
        seeds.push(ShareSeed::from_bytes(seed[FORM_BYTES..].try_into()?));
    }
    let distinct = usize::from(CONTRIBUTORS_DISTINCT);
    let mut sums = [ShareSum::empty(parameters), ShareSum::empty(parameters)];
    let (add_ms, added) = least_of_each(world.contributors as usize, |k| {
        Ok(sums[0].add_packed(&explicit[k % distinct][FORM_BYTES..], None)?)
    })?;
    let bindings: Vec<_> = (0..CONTRIBUTORS_DISTINCT).map(World::binding).collect();
    let mut seed_ms = f64::INFINITY;
    for k in 0..added {
        let (seed, binding) = (&seeds[k % distinct], &bindings[k % distinct]);
        let (ms, ()) = crate::stopwatch::once(|| sums[1].add_seed(seed, binding, parameters));
        seed_ms = seed_ms.min(ms);
    }
    let (open_ms, opened) = least(|| Ok(open_sum(&sums, parameters)?))?;
    let expected = plain_sum(parameters.vector_len(), added, |k| updates[k].values());
    anyhow::ensure!(opened.values == expected, "{scheme}: the opened sum is not the plain sum");
    Ok(Row {
        scheme: scheme.to_owned(),
        dimension: world.dimension,
        contributors: world.contributors,
        added,
        encode_ms: Some(encode_ms),
        seal_ms,
        receive_ms: Some(receive_ms),
        add_ms: Some(add_ms),
        other_ms: Some(seed_receive_ms + seed_ms),
        open_ms: Some(open_ms),
        bytes: wire_bytes(&sealed[0]),
        ..Row::default()
    })
}

fn seal(
    world: &mut World,
    update: &NoisyUpdate,
    index: u8,
    parameters: &EncodingParameters,
) -> anyhow::Result<SealedUpdate> {
    let keys = world.public_keys(AGGREGATORS);
    let verifying = World::member(index).verifying_key();
    let keys: Vec<_> =
        keys.into_iter().map(|sealing| AggregatorKeys { verifying, sealing }).collect();
    let (binding, member) = (World::binding(index), World::member(index));
    Ok(privacy_secagg::seal(update, binding, &keys, parameters, &member, &mut world.rng)?)
}

/// Milliseconds of the parts of sealing, one line each: what a missed figure is made of.
pub(crate) fn parts(
    world: &mut World,
    parameters: &EncodingParameters,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    use privacy_identity::{Digest, Tag};
    let updates = world.updates(parameters)?;
    let binding = World::binding(0);
    let (split_ms, shares) =
        least(|| Ok(Share::split(&updates[0], AGGREGATORS, &binding, parameters, &mut world.rng)))?;
    drop(shares);
    let packed = vec![0x55_u8; parameters.ring().packed_len(parameters.vector_len())];
    let recipient = world.public_keys(1)[0];
    let (hpke_ms, _) =
        least(|| Ok(recipient.seal(Tag::ShareEnvelope, b"", &packed, &mut world.rng)?))?;
    let (tiny_ms, _) =
        least(|| Ok(recipient.seal(Tag::ShareEnvelope, b"", b"seed", &mut world.rng)?))?;
    let (digest_ms, _) = least(|| Ok(Digest::of(Tag::ShareEnvelope, &packed)))?;
    Ok(vec![
        ("mask and pack", split_ms),
        ("one HPKE envelope of the explicit share (AES-256-GCM), with a copy", hpke_ms),
        ("one HPKE envelope of a seed (X25519)", tiny_ms),
        ("one SHA-256", digest_ms),
    ])
}

//! `Prio3SumVec` of the `prio` crate: the usual proof, of each coordinate's range instead of the norm.

use prio::{
    codec::Encode as _,
    vdaf::{
        Aggregator as _, Client as _,
        prio3::{Prio3, optimal_chunk_length},
    },
};
use rand::Rng as _;

use crate::{row::Row, stopwatch::least, world::World};

/// Coordinates of 16 bits, as the other rows have.
const BITS: usize = 16;
/// A hundred thousand coordinates are 26 MB.
pub(crate) const DIMENSION_MAX: u32 = 100_000;

/// Measures sealing and verifying with two aggregators; without envelopes and signature.
pub(crate) fn measure(world: &mut World) -> anyhow::Result<Row> {
    let len = world.dimension as usize;
    let chunk = optimal_chunk_length(BITS * len);
    let prio = Prio3::new_sum_vec(2, (1 << BITS) - 1, len, chunk)?;
    let mut bytes = vec![0_u8; len];
    world.rng.fill_bytes(&mut bytes);
    let values: Vec<u128> = bytes.iter().map(|byte| u128::from(*byte)).collect();
    let (context, nonce, key) = (b"measure", [1; 16], [2; 32]);
    let (seal_ms, (public, inputs)) = least(|| Ok(prio.shard(context, &values, &nonce)?))?;
    let mut verify = [0.0; 2];
    let mut shares = Vec::new();
    for (place, input) in inputs.iter().enumerate() {
        let (ms, (_, share)) =
            least(|| Ok(prio.verify_init(&key, context, place, &(), &nonce, &public, input)?))?;
        verify[place] = ms;
        shares.push(share);
    }
    prio.verifier_shares_to_message(context, &(), shares)?;
    let mut bytes = 0;
    for input in &inputs {
        bytes += input.get_encoded()?.len() + public.get_encoded()?.len();
    }
    Ok(Row {
        scheme: "Prio3SumVec (prio 0.18), 16 bits".to_owned(),
        dimension: world.dimension,
        contributors: world.contributors,
        added: 1,
        seal_ms,
        verify_ms: Some(verify[0]),
        other_ms: Some(verify[1]),
        bytes: bytes as u64,
        ..Row::default()
    })
}

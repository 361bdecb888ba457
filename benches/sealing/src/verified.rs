//! Verified MPC mode with two aggregators: the steps that a round takes of `privacy-pine`.

use privacy_identity::{Digest, Encode as _, Tag};
use privacy_pine::{Field64, InputShare, IntegerPine, NONCE_BYTES, Parameters};
use privacy_secagg::{Binding, EncodingParameters, NoisyUpdate, Payloads, SealedUpdate};
use zeroize::Zeroizing;

use crate::{
    row::Row,
    stopwatch::{least, least_of_each},
    world::{World, wire_bytes},
};

const AGGREGATORS: u8 = 2;
const VERIFY_KEY: [u8; 32] = [9; 32];

/// Measures verified MPC mode of integers encoded under `parameters`.
pub(crate) fn measure(
    scheme: &str,
    world: &mut World,
    parameters: &EncodingParameters,
) -> anyhow::Result<Row> {
    let update = world.updates(parameters)?.swap_remove(0);
    let binding = World::binding(0);
    let pine = pine(parameters, &binding)?;
    let (seal_ms, sealed) = least(|| seal(world, &pine, &update))?;
    let key = &VERIFY_KEY[..pine.verify_key_bytes()];
    let nonce = nonce(&binding);

    let mut receive = [0.0; 2];
    let mut prepare = [0.0; 2];
    let (mut states, mut shares, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
    for place in [0, 1_u8] {
        let at = usize::from(place);
        let (decrypt_ms, payload) = world.receive_ms(&sealed, at)?;
        let (parse_ms, (public, input)) = least(|| {
            let (public, input) = payload.split_at(pine.public_share_bytes());
            let public = pine.public_share_from_bytes(public)?;
            Ok((public, pine.input_share_from_bytes(place, input)?))
        })?;
        receive[at] = decrypt_ms + parse_ms;
        let (ms, (state, share)) =
            least(|| Ok(pine.prep_init(key, place, &nonce, &public, &input)?))?;
        prepare[at] = ms;
        states.push(state);
        shares.push(share);
        inputs.push(input);
    }
    let (decide_ms, message) = least(|| Ok(pine.prep_shares_to_message(&shares)?))?;
    for state in states {
        pine.prep_next(state, &message)?;
    }
    let mut add = [0.0; 2];
    let mut sums = Vec::new();
    let mut added = 0;
    for place in [0, 1_u8] {
        let at = usize::from(place);
        let mut sum = pine.empty_aggregate();
        let (ms, count) = least_of_each(world.contributors as usize, |_| {
            Ok(sum.add(&pine.output_share(place, &inputs[at])?)?)
        })?;
        add[at] = ms;
        sums.push((sum, count));
        added = count;
    }
    let (open_ms, opened) = open(&pine, sums, &inputs, added)?;
    let factor = i64::try_from(added)?;
    let equal = opened.iter().zip(update.values()).all(|(sum, v)| *sum == factor * i64::from(*v));
    anyhow::ensure!(equal, "{scheme}: the opened sum is not the plain sum");
    Ok(Row {
        scheme: scheme.to_owned(),
        dimension: world.dimension,
        contributors: world.contributors,
        added,
        seal_ms,
        receive_ms: Some(receive[0]),
        verify_ms: Some(prepare[0] + decide_ms),
        add_ms: Some(add[0]),
        other_ms: Some(receive[1] + prepare[1] + decide_ms + add[1]),
        open_ms: Some(open_ms),
        bytes: wire_bytes(&sealed),
        ..Row::default()
    })
}

/// Opens the sums; both are brought to `added` contributors, as time may have ended them apart.
fn open(
    pine: &IntegerPine,
    sums: Vec<(privacy_pine::AggregateShare<Field64>, usize)>,
    inputs: &[InputShare<Field64>],
    added: usize,
) -> anyhow::Result<(f64, Vec<i64>)> {
    let mut even = Vec::new();
    for (place, (sum, count)) in (0..).zip(sums) {
        if count == added {
            even.push(sum);
            continue;
        }
        let output = pine.output_share(place, &inputs[usize::from(place)])?;
        let mut sum = pine.empty_aggregate();
        for _ in 0..added {
            sum.add(&output)?;
        }
        even.push(sum);
    }
    least(|| Ok(pine.unshard_integers(&even)?))
}

fn seal(
    world: &mut World,
    pine: &IntegerPine,
    update: &NoisyUpdate,
) -> anyhow::Result<SealedUpdate> {
    let nonce = nonce(&World::binding(0));
    let report = pine.shard_integers(update.values(), &nonce, &mut world.rng)?;
    let public = report.public.to_bytes();
    let plaintext = |input: &InputShare<Field64>| {
        let input = Zeroizing::new(input.to_bytes());
        Zeroizing::new([public.as_slice(), &input].concat())
    };
    let payloads = Payloads::new(report.inputs.iter().map(plaintext).collect());
    drop(report);
    world.sealed(payloads, 0)
}

fn pine(parameters: &EncodingParameters, binding: &Binding) -> anyhow::Result<IntegerPine> {
    let context = Digest::of(Tag::NormProof, &binding.to_bytes());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and a sum of such vectors fits a ring of 32 bits"
    )]
    let bound = parameters.sealed_norm().ceil() as u64;
    let parameters = Parameters::integers(parameters.vector_len(), bound, AGGREGATORS, &context.0)?;
    Ok(IntegerPine::new(parameters)?)
}

fn nonce(binding: &Binding) -> [u8; NONCE_BYTES] {
    let digest = Digest::of(Tag::NormProof, &binding.to_bytes());
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&digest.0[..NONCE_BYTES]);
    nonce
}

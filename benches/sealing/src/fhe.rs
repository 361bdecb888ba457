//! FHE mode with one aggregator and keys shared 3-of-5.

use privacy_fhe::{
    AcceptedUpdate, Ciphertext, CiphertextSum, Custodian, CustodianInput, CustodianOutput,
    CustodianTerms, Custody, Engine, FheParameters, KeyShare, KeyShareSum, MemberId, Opening,
    RoundMask, encrypt, open_sum,
};
use privacy_identity::{Decode as _, Digest, Encode as _, Tag};
use privacy_secagg::{Payloads, SealedUpdate};
use zeroize::Zeroizing;

use crate::{
    row::Row,
    stopwatch::{least, least_of_each, once},
    world::{CONTRIBUTORS_DISTINCT, World, plain_sum, wire_bytes},
};

const THRESHOLD: u8 = 3;
const CUSTODIANS: u8 = 5;

/// What all parties of a round agree on.
struct Round<'a, E> {
    parameters: FheParameters,
    mask: RoundMask,
    custody: Custody,
    engine: &'a E,
}

/// Measures FHE mode of `values` (one vector for each distinct contributor) with `engine`.
pub(crate) fn measure<E: Engine>(
    scheme: &str,
    world: &mut World,
    parameters: FheParameters,
    values: &[Vec<i32>],
    engine: &E,
) -> anyhow::Result<Row> {
    let mask = RoundMask::from_transcript(Digest::of(Tag::RoundMask, b"measured round"));
    let custody = Custody::new(THRESHOLD, CUSTODIANS)?;
    let round = Round { parameters, mask, custody, engine };
    let (seal_ms, sealed) = least(|| seal(world, &round, &values[0], 0))?;
    let sealed = (1..).zip(&values[1..]).try_fold(vec![sealed], |mut all, (index, values)| {
        all.push(seal(world, &round, values, index)?);
        anyhow::Ok(all)
    })?;
    let (decrypt_ms, payload) = world.receive_ms(&sealed[0], 0)?;
    let (parse_ms, _) = least(|| Ok(Ciphertext::from_bytes(&payload)?))?;
    drop(payload);
    let mut ciphertexts = Vec::new();
    for sealed in &sealed {
        ciphertexts.push(Ciphertext::from_bytes(&world.receive_ms(sealed, 0)?.1)?);
    }
    let mut sum = CiphertextSum::new(parameters);
    let (add_ms, added) = least_of_each(world.contributors as usize, |k| {
        Ok(sum.add(&ciphertexts[k % ciphertexts.len()])?)
    })?;
    drop(sum);
    // Only distinct contributors are opened: a key that is added many times makes a sum that is larger than
    // any of fresh keys, and is refused. Neither part depends on their number otherwise.
    let opened = usize::from(CONTRIBUTORS_DISTINCT);
    let mut sum = CiphertextSum::new(parameters);
    ciphertexts.iter().try_for_each(|ciphertext| sum.add(ciphertext))?;
    let (custodian_ms, opening, replies) = custodians(world, &round, &sealed, opened)?;
    let (open_ms, opened) =
        least(|| Ok(open_sum(&sum, &round.mask, &opening, custody, &replies, engine)?))?;
    let expected = plain_sum(world.dimension as usize, ciphertexts.len(), |k| &values[k]);
    anyhow::ensure!(opened.values == expected, "{scheme}: the opened sum is not the plain sum");
    Ok(Row {
        scheme: scheme.to_owned(),
        dimension: world.dimension,
        contributors: world.contributors,
        added,
        seal_ms,
        receive_ms: Some(decrypt_ms + parse_ms),
        add_ms: Some(add_ms),
        other_ms: Some(custodian_ms),
        open_ms: Some(open_ms),
        bytes: wire_bytes(&sealed[0]),
        ..Row::default()
    })
}

fn seal<E: Engine>(
    world: &mut World,
    round: &Round<'_, E>,
    values: &[i32],
    index: u8,
) -> anyhow::Result<SealedUpdate> {
    let Round { parameters, mask, custody, engine } = round;
    let encryption = encrypt(values, parameters, mask, *custody, *engine, &mut world.rng)?;
    let ciphertext = Zeroizing::new(encryption.ciphertext.to_bytes());
    let shares = encryption.shares.iter().map(|share| Zeroizing::new(share.to_bytes()));
    let payloads = Payloads::new(std::iter::once(ciphertext).chain(shares).collect());
    world.sealed(payloads, index)
}

/// A custodian's milliseconds per contributor, the opening of `count` updates and the replies to it.
fn custodians<E: Engine>(
    world: &World,
    round: &Round<'_, E>,
    sealed: &[SealedUpdate],
    count: usize,
) -> anyhow::Result<(f64, Opening, Vec<KeyShareSum>)> {
    let updates: Vec<_> = (0_u32..)
        .take(count)
        .map(|k| {
            let mut member = [0; 32];
            member[..4].copy_from_slice(&k.to_be_bytes());
            AcceptedUpdate { member: MemberId(member), update: Digest([0; 32]) }
        })
        .collect();
    let opening = Opening::new(round.mask.transcript(), updates.clone())?;
    let mut replies = Vec::new();
    let mut least_ms = f64::INFINITY;
    for custodian in 1..=THRESHOLD {
        let mut receive_ms = f64::INFINITY;
        let mut payloads = Vec::new();
        for sealed in sealed {
            let (ms, payload) = world.receive_ms(sealed, usize::from(custodian))?;
            receive_ms = receive_ms.min(ms);
            payloads.push(payload);
        }
        let mut state = Custodian::new(CustodianTerms {
            transcript: round.mask.transcript(),
            custody: round.custody,
            custodian,
            contributors_min: 2,
            contributors_max: round.parameters.requirements().contributors_max,
        })?;
        let (ms, output) = once(|| {
            for (k, AcceptedUpdate { member, update }) in updates.iter().copied().enumerate() {
                let payload = &payloads[k % usize::from(CONTRIBUTORS_DISTINCT)];
                let share = KeyShare::from_bytes(payload)?;
                let output;
                (state, output) = state.handle(CustodianInput::Deposit { member, update, share });
                output?;
            }
            let (_, output) = state.handle(CustodianInput::Open(opening.clone()));
            anyhow::Ok(output?)
        });
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let each_ms = ms / count as f64;
        least_ms = least_ms.min(receive_ms + each_ms);
        match output? {
            CustodianOutput::Opened(reply) => replies.push(reply),
            _ => anyhow::bail!("an opening is answered by a sum"),
        }
    }
    Ok((least_ms, opening, replies))
}

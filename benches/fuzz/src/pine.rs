//! Messages of verified MPC mode.

use std::sync::OnceLock;

use privacy_pine::{
    AggregateShare, Field32, Field64, Field128, InputShare, IntegerPine, NONCE_BYTES, Parameters,
    Pine, PineField, PrepError, Xof, XofHmacSha256Aes128, XofTurboShake128,
};

use crate::{Case, Verdict, fixtures::rng};

/// What the target `pine` decodes.
pub const CASES: &[Case] = &[
    Case { name: "integer", seeds: || messages(integers()), check: |b| message(integers(), b) },
    Case { name: "field-32", seeds: || messages(field_32()), check: |b| message(field_32(), b) },
    Case { name: "field-128", seeds: || messages(field_128()), check: |b| message(field_128(), b) },
    Case { name: "report", seeds: reports, check: report },
    Case { name: "prep-share", seeds: prep_shares, check: prep_share },
    Case { name: "sum", seeds: sums, check: sum },
];

const NONCE: [u8; NONCE_BYTES] = [1; NONCE_BYTES];
const VALUES: [i32; 3] = [3, 0, -4];
const VERIFY_KEY: [u8; 32] = [7; 32];

/// Our profile, of the smallest size.
fn integers() -> &'static IntegerPine {
    static PINE: OnceLock<IntegerPine> = OnceLock::new();
    PINE.get_or_init(|| {
        let parameters = Parameters::integers(VALUES.len(), 5, 2, b"round 1").expect("in range");
        Pine::new(parameters).expect("fits")
    })
}

fn field_32() -> &'static Pine<Field32, XofTurboShake128> {
    static PINE: OnceLock<Pine<Field32, XofTurboShake128>> = OnceLock::new();
    PINE.get_or_init(|| small::<Field32, XofTurboShake128>(3))
}

fn field_128() -> &'static Pine<Field128, XofHmacSha256Aes128> {
    static PINE: OnceLock<Pine<Field128, XofHmacSha256Aes128>> = OnceLock::new();
    PINE.get_or_init(|| small::<Field128, XofHmacSha256Aes128>(2))
}

/// Few checks: the messages of all instances have the same parts.
fn small<F: PineField, X: Xof>(aggregators: u8) -> Pine<F, X> {
    let parameters = Parameters {
        checks: 4,
        successes: 4,
        ..Parameters::draft(VALUES.len(), 5, 0, aggregators)
    };
    Pine::new(parameters.with_balanced_chunks::<F>().expect("in range")).expect("fits")
}

/// The kind of message in front: 0 public share, 1 prep message, 2 prep share, 3 aggregate share,
/// from 4 on the input share of aggregator 0, 1, ….
fn messages<F: PineField, X: Xof>(pine: &Pine<F, X>) -> Vec<Vec<u8>> {
    let report = pine.shard_integers(&VALUES, &NONCE, &mut rng(1)).expect("within the bound");
    let key = vec![7; pine.verify_key_bytes()];
    let mut messages = vec![(0, report.public.to_bytes())];
    let (mut shares, mut states) = (Vec::new(), Vec::new());
    for (place, input) in (0..).zip(&report.inputs) {
        messages.push((4 + place, input.to_bytes()));
        let (state, share) =
            pine.prep_init(&key, place, &NONCE, &report.public, input).expect("honest");
        messages.push((2, share.to_bytes()));
        shares.push(share);
        states.push(state);
    }
    let message = pine.prep_shares_to_message(&shares).expect("honest");
    messages.push((1, message.to_bytes()));
    for state in states {
        let output = pine.prep_next(state, &message).expect("honest");
        messages.push((3, pine.aggregate([&output]).expect("one layout").to_bytes()));
    }
    messages.into_iter().map(|(kind, bytes)| [&[kind][..], &bytes].concat()).collect()
}

/// Encodes to the same bytes.
fn message<F: PineField, X: Xof>(pine: &Pine<F, X>, bytes: &[u8]) -> Verdict {
    let Some((kind, bytes)) = bytes.split_first() else { return Verdict::Refused };
    let encoded = match kind % 8 {
        0 => pine.public_share_from_bytes(bytes).map(|share| share.to_bytes()),
        1 => pine.prep_message_from_bytes(bytes).map(|message| message.to_bytes()),
        2 => pine.prep_share_from_bytes(bytes).map(|share| share.to_bytes()),
        3 => pine.aggregate_share_from_bytes(1, bytes).map(|share| share.to_bytes()),
        place => pine.input_share_from_bytes(place - 4, bytes).map(|share| share.to_bytes()),
    };
    if let Ok(encoded) = &encoded {
        assert!(encoded == bytes, "decoded, but encodes to other bytes");
    }
    encoded.is_ok().into()
}

/// The honest report: public share, then the input shares.
fn honest_parts() -> &'static [Vec<u8>; 3] {
    static PARTS: OnceLock<[Vec<u8>; 3]> = OnceLock::new();
    PARTS.get_or_init(|| {
        let report = integers().shard_integers(&VALUES, &NONCE, &mut rng(1));
        let report = report.expect("within the bound");
        [report.public.to_bytes(), report.inputs[0].to_bytes(), report.inputs[1].to_bytes()]
    })
}

/// Which part is not honest, in front.
fn reports() -> Vec<Vec<u8>> {
    (0..).zip(honest_parts()).map(|(part, bytes)| [&[part][..], bytes].concat()).collect()
}

/// A report in which any one part was changed is refused: all that a contributor can send.
fn report(bytes: &[u8]) -> Verdict {
    let Some((part, bytes)) = bytes.split_first() else { return Verdict::Refused };
    let part = usize::from(*part) % 3;
    let mut parts = honest_parts().each_ref().map(Vec::as_slice);
    parts[part] = bytes;
    let decoded = decode_parts(parts);
    let Some(result) = decoded else { return Verdict::Refused };
    let honest = honest_parts()[part] == bytes;
    assert!(result.is_ok() == honest, "another report than the honest one: {:?}", result.err());
    honest.into()
}

/// What the aggregators of a report come to; `None` if a part does not decode.
fn decode_parts(parts: [&[u8]; 3]) -> Option<Result<Vec<i64>, PrepError>> {
    let pine = integers();
    let public = pine.public_share_from_bytes(parts[0]).ok()?;
    let inputs: [InputShare<Field64>; 2] = [
        pine.input_share_from_bytes(0, parts[1]).ok()?,
        pine.input_share_from_bytes(1, parts[2]).ok()?,
    ];
    let prepare = || {
        let mut states = Vec::new();
        let mut shares = Vec::new();
        for (place, input) in (0..).zip(&inputs) {
            let (state, share) = pine.prep_init(&VERIFY_KEY, place, &NONCE, &public, input)?;
            states.push(state);
            shares.push(share);
        }
        let message = pine.prep_shares_to_message(&shares)?;
        let outputs: Result<Vec<_>, PrepError> =
            states.into_iter().map(|state| pine.prep_next(state, &message)).collect();
        let shares: Vec<AggregateShare<Field64>> =
            outputs?.iter().map(|output| pine.aggregate([output]).expect("one layout")).collect();
        let values = pine.unshard_integers(&shares).expect("accepted, so within the bound");
        assert!(values.iter().map(|v| v * v).sum::<i64>() <= 25, "accepted above the bound");
        Ok(values)
    };
    Some(prepare())
}

fn prep_shares() -> Vec<Vec<u8>> {
    let of_kind_2 = messages(integers()).into_iter().filter(|message| message[0] == 2);
    (0..).zip(of_kind_2).map(|(place, message)| [&[place][..], &message[1..]].concat()).collect()
}

/// The place in front. An aggregator whose prep share is not the honest one makes the report fail, and
/// nothing else.
fn prep_share(bytes: &[u8]) -> Verdict {
    static HONEST: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let honest = HONEST.get_or_init(prep_shares);
    let (Some((place, bytes)), pine) = (bytes.split_first(), integers()) else {
        return Verdict::Refused;
    };
    let place = usize::from(*place) % 2;
    let Ok(share) = pine.prep_share_from_bytes(bytes) else { return Verdict::Refused };
    let mut shares = Vec::new();
    for (at, honest) in honest.iter().enumerate() {
        let honest = pine.prep_share_from_bytes(&honest[1..]).expect("honest");
        shares.push(if at == place { share.clone() } else { honest });
    }
    let taken = pine.prep_shares_to_message(&shares).is_ok();
    // The seeds of joint randomness are compared by each aggregator afterwards, not here.
    let seeds = 64;
    let verifiers = bytes.len() - seeds;
    assert!(!taken || honest[place][1..][..verifiers] == bytes[..verifiers], "other verifiers");
    Verdict::Taken
}

fn sums() -> Vec<Vec<u8>> {
    let of_kind_3 = messages(integers()).into_iter().filter(|message| message[0] == 3);
    of_kind_3.map(|message| [&[1][..], &message[1..]].concat()).collect()
}

/// A count in front. With the honest share of the other aggregator the sum opens to something within
/// the bound of so many updates, or is refused by name.
fn sum(bytes: &[u8]) -> Verdict {
    static HONEST: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let honest = &HONEST.get_or_init(sums)[0];
    let (Some((count, bytes)), pine) = (bytes.split_first(), integers()) else {
        return Verdict::Refused;
    };
    let count = u64::from(*count);
    let share = |bytes| pine.aggregate_share_from_bytes(count, bytes);
    let (Ok(first), Ok(second)) = (share(bytes), share(&honest[1..])) else {
        return Verdict::Refused;
    };
    if let Ok(values) = pine.unshard_integers(&[first, second]) {
        let bound = 5 * count;
        assert!(values.iter().all(|value| value.unsigned_abs() <= bound), "{values:?}");
    }
    Verdict::Taken
}

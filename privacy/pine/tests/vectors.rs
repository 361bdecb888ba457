//! The vectors of the draft's version 01, byte for byte in every value that they contain.
//!
//! They are read from the directory that `SAHAKAR_PINE_VECTORS` names (`poc/test_vec/01` of the
//! draft's repository at 4d11ac8); without it the test skips, and says so.

use std::{fs, path::Path};

use privacy_pine::{
    Field32, Field64, Field128, OutputShare, Parameters, Pine, PineField, PrepShare, Report, Xof,
    XofHmacSha256Aes128, XofTurboShake128,
};
use serde_json::Value;

#[test]
#[expect(clippy::disallowed_methods, reason = "the vectors lie outside of the project")]
fn vectors_of_the_draft_match_byte_for_byte() {
    let Ok(directory) = std::env::var("SAHAKAR_PINE_VECTORS") else {
        println!("skipped: SAHAKAR_PINE_VECTORS names no directory of vectors");
        return;
    };
    let mut checked = Vec::new();
    for entry in fs::read_dir(&directory).expect("the directory of vectors") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let (algorithm, _) = name.split_once('_').expect("algorithm and number");
        match algorithm {
            "Pine128" => check::<Field128, XofTurboShake128>(&path, 0xffff_ffff),
            "Pine64" => check::<Field64, XofTurboShake128>(&path, 0xffff_ffff),
            "Pine64HmacSha256Aes128" => check::<Field64, XofHmacSha256Aes128>(&path, 0xffff_1004),
            "Pine32HmacSha256Aes128" => check::<Field32, XofHmacSha256Aes128>(&path, 0xffff_1005),
            // prio 0.18 has no field of 40 bits.
            "Pine40HmacSha256Aes128" => continue,
            other => panic!("unknown algorithm {other}"),
        }
        checked.push(name);
    }
    assert!(checked.len() >= 11, "{} holds only {checked:?}", directory);
    checked.sort();
    println!("checked {checked:?}");
}

fn check<F: PineField, X: Xof>(path: &Path, algorithm_id: u32) {
    let text = fs::read_to_string(path).expect("a vector");
    let vector: Value = serde_json::from_str(&text).expect("JSON");
    let pine = Pine::<F, X>::new(parameters(&vector, algorithm_id)).expect("valid parameters");
    let verify_key = bytes(&vector["verify_key"]);
    let aggregators = pine.parameters().aggregators;
    let mut outputs: Vec<Vec<OutputShare<F>>> = (0..aggregators).map(|_| Vec::new()).collect();
    for report in list(&vector["prep"]) {
        let values: Vec<f64> =
            list(&report["measurement"]).iter().map(|v| v.as_f64().expect("a number")).collect();
        let nonce = bytes(&report["nonce"]).try_into().expect("16 bytes");
        let shared =
            pine.shard_with_coins(&values, &nonce, &bytes(&report["rand"])).expect("sharded");
        check_report(&shared, report);

        let (states, shares): (Vec<_>, Vec<_>) = (0..aggregators)
            .zip(&shared.inputs)
            .map(|(aggregator, input)| {
                pine.prep_init(&verify_key, aggregator, &nonce, &shared.public, input)
                    .expect("queried")
            })
            .unzip();
        check_prep(&shares, report);
        let message = pine.prep_shares_to_message(&shares).expect("verified");
        equal("prep message", &message.to_bytes(), &report["prep_messages"][0]);
        for ((state, sum), expected) in
            states.into_iter().zip(&mut outputs).zip(list(&report["out_shares"]))
        {
            let output = pine.prep_next(state, &message).expect("accepted");
            for (value, expected) in output.as_slice().iter().zip(list(expected)) {
                equal("output share", &Into::<Vec<u8>>::into(*value), expected);
            }
            sum.push(output);
        }
    }
    let sums: Vec<_> =
        outputs.iter().map(|outputs| pine.aggregate(outputs).expect("summed")).collect();
    for (sum, expected) in sums.iter().zip(list(&vector["agg_shares"])) {
        equal("aggregate share", &sum.to_bytes(), expected);
    }
    let result: Vec<Value> =
        pine.unshard(&sums).expect("opened").into_iter().map(Value::from).collect();
    assert_eq!(&result, list(&vector["agg_result"]), "{}", path.display());
}

fn check_report<F: PineField>(shared: &Report<F>, expected: &Value) {
    equal("public share", &shared.public.to_bytes(), &expected["public_share"]);
    for (share, expected) in shared.inputs.iter().zip(list(&expected["input_shares"])) {
        equal("input share", &share.to_bytes(), expected);
    }
}

fn check_prep<F: PineField>(shares: &[PrepShare<F>], expected: &Value) {
    for (share, expected) in shares.iter().zip(list(&expected["prep_shares"][0])) {
        equal("prep share", &share.to_bytes(), expected);
    }
}

fn parameters(vector: &Value, algorithm_id: u32) -> Parameters {
    let number = |name: &str| vector[name].as_u64().expect("an integer");
    let size = |name: &str| usize::try_from(number(name)).expect("a size");
    let byte = |name: &str| u8::try_from(number(name)).expect("a byte");
    Parameters {
        dimension: size("dimension"),
        norm_bound: number("l2_norm_bound"),
        fraction_bits: u32::try_from(number("num_frac_bits")).expect("bits"),
        chunk_length: size("chunk_length"),
        norm_chunk_length: size("chunk_length_norm_equality"),
        aggregators: byte("shares"),
        proofs: byte("proofs"),
        norm_proofs: byte("proofs_norm_equality"),
        alpha: vector["alpha"].as_f64().expect("a number"),
        checks: size("num_wr_checks"),
        successes: size("num_wr_successes"),
        algorithm_id,
        context: Vec::new(),
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a text")).expect("hexadecimal")
}

fn equal(what: &str, got: &[u8], expected: &Value) {
    assert!(got == bytes(expected), "{what} differs");
}

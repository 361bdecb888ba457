//! Ciphertexts, shares of keys, openings and forms of FHE mode.

use std::sync::OnceLock;

use privacy_fhe::{
    AcceptedUpdate, Ciphertext, CiphertextSum, Custodian, CustodianInput, CustodianOutput,
    CustodianTerms, Custody, Encryption, FheParameters, FheRequirements, FormReply, KeyShare,
    KeyShareSum, LinearProbe, MemberId, NttEngine, Opening, RoundMask, encrypt, open_sum,
};
use privacy_identity::{Decode as _, Digest, Encode as _, Reader, Tag, list_from_reader};

use crate::{Case, Verdict, case::canonical, fixtures::rng};

/// What the target `fhe` decodes.
pub const CASES: &[Case] = &[
    Case { name: "parameters", seeds: all_parameters, check: fhe_parameters },
    Case { name: "ciphertext", seeds: ciphertexts, check: ciphertext },
    Case { name: "packed", seeds: packed_bodies, check: packed },
    Case { name: "key-share", seeds: key_shares, check: key_share },
    Case { name: "key-share-sum", seeds: key_share_sums, check: key_share_sum },
    Case { name: "opening", seeds: openings, check: opening },
    Case { name: "opening-fixed-up", seeds: openings, check: opening_with_its_digest },
    Case { name: "form-reply", seeds: form_replies, check: form_reply },
];

/// Bytes of a digest.
const DIGEST: usize = 32;
/// Small enough for short inputs, and with padding in the last block.
const DIMENSION: u32 = 150;
const VALUES: [i32; 3] = [1000, -1000, 7];

fn requirements(dimension: u32, coordinate_max: u32, contributors_max: u32) -> FheRequirements {
    FheRequirements { dimension, coordinate_max, contributors_max, inner_product_bits: 0 }
}

fn parameters() -> FheParameters {
    FheParameters::checked(requirements(DIMENSION, 1023, 8)).expect("in range")
}

fn custody() -> Custody {
    Custody::new(2, 3).expect("two of three")
}

fn mask() -> RoundMask {
    RoundMask::from_transcript(Digest::of(Tag::RoundOrder, b"a round"))
}

/// An honest round of two contributors.
struct Round {
    encryptions: Vec<Encryption>,
    updates: Vec<AcceptedUpdate>,
}

fn round() -> &'static Round {
    static ROUND: OnceLock<Round> = OnceLock::new();
    ROUND.get_or_init(|| {
        let (mut rng, parameters, engine) = (rng(1), parameters(), NttEngine::new());
        let values: Vec<i32> = VALUES.iter().copied().cycle().take(DIMENSION as usize).collect();
        let mut one = || encrypt(&values, &parameters, &mask(), custody(), &engine, &mut rng);
        let encryptions = vec![one().expect("in range"), one().expect("in range")];
        let updates =
            [1, 2].map(|m| AcceptedUpdate { member: MemberId([m; 32]), update: Digest([m; 32]) });
        Round { encryptions, updates: updates.to_vec() }
    })
}

fn honest_opening() -> Opening {
    Opening::new(mask().transcript(), round().updates.clone()).expect("in order")
}

/// A custodian that holds its shares of both.
fn custodian(place: u8) -> Custodian {
    let terms = CustodianTerms {
        transcript: mask().transcript(),
        custody: custody(),
        custodian: place,
        contributors_min: 2,
        contributors_max: 8,
    };
    let mut state = Custodian::new(terms).expect("in range");
    for (encryption, accepted) in round().encryptions.iter().zip(&round().updates) {
        let bytes = encryption.shares[usize::from(place) - 1].to_bytes();
        let share = KeyShare::from_bytes(&bytes).expect("honest");
        let AcceptedUpdate { member, update } = *accepted;
        let (next, output) = state.handle(CustodianInput::Deposit { member, update, share });
        assert!(output == Ok(CustodianOutput::Deposited));
        state = next;
    }
    state
}

fn honest_sum() -> CiphertextSum {
    let mut sum = CiphertextSum::new(parameters());
    for encryption in &round().encryptions {
        sum.add(&encryption.ciphertext).expect("of the round");
    }
    sum
}

fn all_parameters() -> Vec<Vec<u8>> {
    [(150, 1023, 8), (1_000_000, 32_767, 1000), (1, 1, 1)]
        .map(|(d, c, n)| {
            FheParameters::checked(requirements(d, c, n)).expect("in range").to_bytes()
        })
        .to_vec()
}

/// Lanes hold every sum, they and the noise fit a word.
fn fhe_parameters(bytes: &[u8]) -> Verdict {
    let Some(parameters) = canonical::<FheParameters>(bytes) else { return Verdict::Refused };
    let wanted = parameters.requirements();
    let sum = u64::from(wanted.coordinate_max) * u64::from(wanted.contributors_max);
    assert!(sum < 1 << (parameters.lane_bits() - 1));
    assert!(u32::from(parameters.lanes()) * u32::from(parameters.lane_bits()) <= 64);
    assert!(parameters.dropped_bits() < parameters.shift());
    let coordinates = parameters.coefficients() * usize::from(parameters.lanes());
    assert!(
        coordinates >= wanted.dimension as usize
            && parameters.body_bytes() <= 8 * (coordinates + 64)
    );
    Verdict::Taken
}

fn ciphertexts() -> Vec<Vec<u8>> {
    round().encryptions.iter().map(|encryption| encryption.ciphertext.to_bytes()).collect()
}

/// One of another shape is refused and leaves the sum as it was; one of the round's shape opens, alone
/// with its equals, or is told to be garbled.
fn ciphertext(bytes: &[u8]) -> Verdict {
    let Some(ciphertext) = canonical::<Ciphertext>(bytes) else { return Verdict::Refused };
    let start = honest_sum();
    let mut sum = start.clone();
    let added = sum.add(&ciphertext).is_ok();
    assert!(added == ciphertext.check(&parameters()).is_ok());
    assert!(added || sum == start, "a refused ciphertext changed the sum");
    assert!(!added || sum.contributors() == 3);
    let probe = LinearProbe::checked(parameters(), vec![1; DIMENSION as usize], 1.0);
    assert!(probe.is_ok_and(|probe| probe.body_product(&ciphertext).is_ok() == added));
    Verdict::Taken
}

fn packed_bodies() -> Vec<Vec<u8>> {
    round().encryptions.iter().map(|encryption| encryption.ciphertext.packed().to_vec()).collect()
}

/// As a store keeps them: the same rules as on the wire, and the same value.
fn packed(bytes: &[u8]) -> Verdict {
    let Ok(ciphertext) = Ciphertext::from_packed(&parameters(), bytes.to_vec()) else {
        return Verdict::Refused;
    };
    assert!(ciphertext.packed() == bytes);
    assert!(canonical::<Ciphertext>(&ciphertext.to_bytes()) == Some(ciphertext));
    Verdict::Taken
}

/// Of an honest contributor, for each of three custodians of whom two open.
pub(crate) fn key_shares() -> Vec<Vec<u8>> {
    round().encryptions[0].shares.iter().map(KeyShare::to_bytes).collect()
}

/// A custodian holds any share that decodes, and answers with it.
fn key_share(bytes: &[u8]) -> Verdict {
    let Some(share) = canonical::<KeyShare>(bytes) else { return Verdict::Refused };
    let (member, update) = (MemberId([3; 32]), Digest([3; 32]));
    let (state, output) = custodian(3).handle(CustodianInput::Deposit { member, update, share });
    assert!(output == Ok(CustodianOutput::Deposited));
    let updates = [&round().updates[..], &[AcceptedUpdate { member, update }]].concat();
    let opening = Opening::new(mask().transcript(), updates).expect("in order");
    let (_, output) = state.handle(CustodianInput::Open(opening));
    let Ok(CustodianOutput::Opened(reply)) = output else { panic!("refused: {output:?}") };
    assert!(canonical::<KeyShareSum>(&reply.to_bytes()) == Some(reply));
    Verdict::Taken
}

fn key_share_sums() -> Vec<Vec<u8>> {
    static SUMS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let sum = |place| {
        let (_, output) = custodian(place).handle(CustodianInput::Open(honest_opening()));
        let Ok(CustodianOutput::Opened(reply)) = output else { panic!("refused: {output:?}") };
        reply.to_bytes()
    };
    SUMS.get_or_init(|| [1, 2, 3].map(sum).to_vec()).clone()
}

/// A custodian that lies is outvoted or makes the opening fail: with three replies of which two are
/// honest the values are right, or there are none.
fn key_share_sum(bytes: &[u8]) -> Verdict {
    let Some(reply) = canonical::<KeyShareSum>(bytes) else { return Verdict::Refused };
    let honest = key_share_sums();
    let decode = |bytes: &Vec<u8>| KeyShareSum::from_bytes(bytes).expect("honest");
    let replies = [decode(&honest[0]), decode(&honest[1]), reply];
    let (sum, opening, engine) = (honest_sum(), honest_opening(), NttEngine::new());
    if let Ok(opened) = open_sum(&sum, &mask(), &opening, custody(), &replies, &engine) {
        let right =
            opened.values.iter().zip(VALUES.iter().cycle()).all(|(o, v)| *o == 2 * i64::from(*v));
        assert!(right, "opened to other values");
        assert!(opened.deviating.is_empty() == (honest[2] == bytes), "{:?}", opened.deviating);
    }
    Verdict::Taken
}

fn openings() -> Vec<Vec<u8>> {
    let empty = Opening::new(mask().transcript(), Vec::new()).expect("in order");
    vec![honest_opening().to_bytes(), empty.to_bytes()]
}

/// A custodian opens the set whose shares it holds and no other; refused, it still opens that one.
fn opening(bytes: &[u8]) -> Verdict {
    let Some(opening) = canonical::<Opening>(bytes) else { return Verdict::Refused };
    let honest = opening == honest_opening();
    let (state, output) = custodian(1).handle(CustodianInput::Open(opening));
    assert!(output.is_ok() == honest, "opened a set that it does not hold");
    let (_, output) = state.handle(CustodianInput::Open(honest_opening()));
    assert!(output.is_ok(), "a refusal changed the custodian");
    Verdict::Taken
}

/// The same with the digest put right, which no mutation finds.
fn opening_with_its_digest(bytes: &[u8]) -> Verdict {
    let Some(body) = bytes.len().checked_sub(DIGEST) else { return Verdict::Refused };
    let mut reader = Reader::new(&bytes[..body]);
    let (Ok(transcript), Ok(updates)) =
        (Digest::decode(&mut reader), list_from_reader(&mut reader, "updates", 4096))
    else {
        return Verdict::Refused;
    };
    match Opening::new(transcript, updates) {
        Ok(fixed) => opening(&fixed.to_bytes()),
        Err(_) => Verdict::Refused,
    }
}

fn form_replies() -> Vec<Vec<u8>> {
    let reply = |elements| FormReply::new(1, Digest([4; 32]), elements).expect("below the prime");
    vec![reply(vec![]).to_bytes(), reply(vec![0, 5, (1 << 61) - 2, 77]).to_bytes()]
}

/// Its elements are below the prime: the constructor, which checks it, makes the same value.
fn form_reply(bytes: &[u8]) -> Verdict {
    let Some(reply) = canonical::<FormReply>(bytes) else { return Verdict::Refused };
    let made = FormReply::new(reply.custodian, reply.order, reply.elements().to_vec());
    assert!(made.is_ok_and(|made| made == reply));
    Verdict::Taken
}

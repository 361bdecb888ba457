//! What measuring values costs beside the round without it: seconds of CPU and bytes, in each mode.
//!
//! ```text
//! cargo run --release -p aggregator-round --example value_cost -- [parameters] [contributors]
//! ```
//!
//! Everything that the parties do is done here, on one thread, with random updates: sealing, opening parts, the
//! sums and their opening; then the scalars, their opening and checks. Training, gradients of the probes (three
//! passes over the validation set at the DAO node) and transport are not.
#![expect(clippy::unwrap_used, reason = "an experiment stops where it fails")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(clippy::cast_precision_loss, reason = "sizes in a table")]

use std::time::Instant;

use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_fhe::{
    AcceptedUpdate, CiphertextSum, Custodian, CustodianInput, CustodianOutput, CustodianTerms,
    Custody, Encryption, FheParameters, FheRequirements, KeyShare, KeyShareSum, LinearProbe,
    MemberId, NttEngine, Opening, ProbeOrder, RoundMask, encrypt, open_sum as open_ciphertexts,
};
use privacy_identity::{Decode as _, Digest, Encode, SigningKey, Tag};
use privacy_secagg::{
    Binding, EncodingParameters, NoisyUpdate, OpenShare, QuantizedProbe, QuantizedUpdate, Share,
    ShareSum, open_scalar, open_sum,
};
use rand::RngExt as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

/// Seconds of one part of a round, for all contributors together.
struct Part {
    name: &'static str,
    seconds: f64,
}

fn timed<T>(name: &'static str, parts: &mut Vec<Part>, work: impl FnOnce() -> T) -> T {
    let watch = Instant::now();
    let done = work();
    parts.push(Part { name, seconds: watch.elapsed().as_secs_f64() });
    done
}

fn report(mode: &str, without: &[Part], values: &[Part], bytes: [usize; 2]) {
    let total = |parts: &[Part]| parts.iter().map(|part| part.seconds).sum::<f64>();
    println!("\n{mode}");
    for (kind, parts) in [("round", without), ("value", values)] {
        for Part { name, seconds } in parts {
            println!("  {kind}  {name:<44} {seconds:>9.3} s");
        }
    }
    let (round, value) = (total(without), total(values));
    println!(
        "  value beside the round: {value:.3} s of {round:.3} s, {:.1} %",
        100.0 * value / round
    );
    let [round, value] = bytes.map(|bytes| bytes as f64 / 1e6);
    println!(
        "  bytes of the round: {round:.1} MB; of values: {value:.1} MB, {:.1} %",
        100.0 * value / round
    );
}

struct Setting {
    encoding: EncodingParameters,
    updates: Vec<NoisyUpdate>,
    probes: [QuantizedProbe; 3],
    rng: ChaCha20Rng,
}

impl Setting {
    fn new(dimension: u32, contributors: u32) -> Self {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let clip = ClipNorm::new(1.0).unwrap();
        let encoding = EncodingParameters::standard(clip, dimension, contributors).unwrap();
        let rotation = encoding.rotation(&Digest([2; 32]), 0);
        // A few different ones stand for all: what they hold does not change what is done.
        let update = |rng: &mut ChaCha20Rng| {
            let delta = (0..dimension).map(|_| rng.random_range(-1.0_f32..1.0)).collect();
            let clipped = LocalUpdate::new(delta).unwrap().clip(clip);
            let update = QuantizedUpdate::quantise(&clipped, &rotation, &encoding, rng).unwrap();
            NoisyUpdate::without_noise(&update)
        };
        let updates = (0..4).map(|_| update(&mut rng)).collect();
        let probe = |rng: &mut ChaCha20Rng| {
            (0..dimension).map(|_| rng.random_range(-0.1..0.1)).collect::<Vec<f64>>()
        };
        let fine =
            |probe: Vec<f64>| QuantizedProbe::quantise(&probe, &rotation, &encoding).unwrap();
        let (value, innovation) = (fine(probe(&mut rng)), fine(probe(&mut rng)));
        let contrast = probe(&mut rng);
        let contrast = QuantizedProbe::quantise_coarsely(&contrast, &rotation, &encoding).unwrap();
        let probes = [value, innovation, contrast];
        Self { encoding, updates, probes, rng }
    }

    fn binding(&self, index: usize) -> Binding {
        let digest = Digest([3; 32]);
        let seed: [u8; 32] = Digest::of(Tag::KeyDerivation, &index.to_be_bytes()).0;
        let member = SigningKey::from_seed(&seed).verifying_key();
        Binding { dao: digest, federation: digest, round: 0, model: digest, member }
    }
}

fn mpc(setting: &mut Setting, contributors: usize) {
    let (encoding, probes) = (setting.encoding, setting.probes.clone());
    let (mut round, mut values) = (Vec::new(), Vec::new());
    let bindings: Vec<_> = (0..contributors).map(|index| setting.binding(index)).collect();
    let sealed: Vec<_> = timed("seal (shares alone, no envelopes)", &mut round, || {
        let each = bindings.iter().zip(setting.updates.iter().cycle());
        each.map(|(binding, update)| {
            let shares = Share::split(update, 2, binding, &encoding, &mut setting.rng);
            let payloads = privacy_secagg::Payloads::from_shares(shares);
            payloads.iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
        })
        .collect()
    });
    let sums = timed("sum, both aggregators, from their payloads", &mut round, || {
        [0, 1].map(|place| {
            let mut sum = ShareSum::empty(&encoding);
            for (parts, binding) in sealed.iter().zip(&bindings) {
                let share =
                    OpenShare::from_payload(place, &parts[place], binding, &encoding).unwrap();
                sum.add(&share).unwrap();
            }
            sum
        })
    });
    let opened = timed("open the sum", &mut round, || open_sum(&sums, &encoding).unwrap());
    let scalars = timed("three scalars of each, both aggregators", &mut values, || {
        [0, 1].map(|place| {
            let each = sealed.iter().zip(&bindings);
            each.map(|(parts, binding)| {
                let share =
                    OpenShare::from_payload(place, &parts[place], binding, &encoding).unwrap();
                [0, 1, 2].map(|which| probes[which].scalar_share(share.vector()))
            })
            .collect::<Vec<_>>()
        })
    });
    timed("open and check that they add up", &mut values, || {
        for which in 0..probes.len() {
            let pairs = scalars[0].iter().zip(&scalars[1]);
            let opened_scalars = pairs.map(|(a, b)| open_scalar(&[a[which], b[which]], &encoding));
            let total: i64 = opened_scalars.sum();
            assert_eq!(total, probes[which].product_with_sum(&opened.values));
        }
    });
    let wire = probes.iter().map(Encode::to_bytes).collect::<Vec<_>>();
    timed("probes from the wire, each party", &mut values, || {
        for _ in 0..contributors + 2 {
            for bytes in &wire {
                std::hint::black_box(QuantizedProbe::from_bytes(bytes).unwrap());
            }
        }
    });
    timed("own answers again, each contributor", &mut values, || {
        for (parts, binding) in sealed.iter().zip(&bindings) {
            for place in [0, 1] {
                let share =
                    OpenShare::from_payload(place, &parts[place], binding, &encoding).unwrap();
                let answer = [0, 1, 2].map(|which| probes[which].scalar_share(share.vector()));
                std::hint::black_box(answer);
            }
        }
    });
    let bytes = bytes(&encoding, &sealed, &probes);
    report("MPC, 2 aggregators", &round, &values, bytes);
}

/// Uploads, and what everybody gets back: model and sum (4 bytes per parameter each); the probes, and the answers.
fn bytes(
    encoding: &EncodingParameters,
    sealed: &[Vec<Vec<u8>>],
    probes: &[QuantizedProbe],
) -> [usize; 2] {
    let uploads: usize = sealed.iter().flatten().map(Vec::len).sum();
    let (contributors, parties) = (sealed.len(), sealed[0].len());
    let round = uploads + contributors * 8 * encoding.dimension();
    let probes_bytes: usize = probes.iter().map(|probe| probe.to_bytes().len()).sum();
    let per_parameter = probes_bytes as f64 / encoding.dimension() as f64;
    println!("probes: {per_parameter:.2} bytes per parameter");
    [round, contributors * (probes_bytes + 8 * probes.len() * parties * contributors)]
}

/// What the parties of an FHE round have.
struct FheRound {
    parameters: FheParameters,
    custody: Custody,
    mask: RoundMask,
    engine: NttEngine,
    opening: Opening,
}

fn member(index: usize) -> MemberId {
    MemberId(Digest::of(Tag::KeyDerivation, &index.to_be_bytes()).0)
}

fn update(index: usize) -> Digest {
    Digest::of(Tag::Model, &index.to_be_bytes())
}

impl FheRound {
    fn new(encoding: &EncodingParameters, contributors: usize) -> Self {
        let requirements = FheRequirements {
            dimension: u32::try_from(encoding.vector_len()).unwrap(),
            coordinate_max: encoding.coordinate_max(),
            contributors_max: u32::try_from(contributors).unwrap(),
            inner_product_bits: encoding.ring().bits() - 1,
        };
        let mask = RoundMask::from_transcript(Digest([4; 32]));
        let mut accepted: Vec<_> = (0..contributors)
            .map(|index| AcceptedUpdate { member: member(index), update: update(index) })
            .collect();
        accepted.sort_by_key(|accepted| accepted.member.0);
        Self {
            parameters: FheParameters::checked(requirements).unwrap(),
            custody: Custody::new(2, 3).unwrap(),
            opening: Opening::new(mask.transcript(), accepted).unwrap(),
            mask,
            engine: NttEngine::new(),
        }
    }

    /// A custodian that was dealt its shares and opened their sum.
    fn opened(&self, place: u8, uploads: &[Vec<Vec<u8>>]) -> (Custodian, KeyShareSum) {
        let terms = CustodianTerms {
            transcript: self.mask.transcript(),
            custody: self.custody,
            custodian: place,
            contributors_min: 2,
            contributors_max: u32::try_from(uploads.len()).unwrap(),
        };
        let mut custodian = Custodian::new(terms).unwrap();
        for (index, upload) in uploads.iter().enumerate() {
            let share = KeyShare::from_bytes(&upload[usize::from(place)]).unwrap();
            let (member, update) = (member(index), update(index));
            custodian = custodian.handle(CustodianInput::Deposit { member, update, share }).0;
        }
        let (custodian, output) = custodian.handle(CustodianInput::Open(self.opening.clone()));
        match output.unwrap() {
            CustodianOutput::Opened(sum) => (custodian, sum),
            _ => unreachable!("it was asked to open"),
        }
    }
}

fn fhe(setting: &mut Setting, contributors: usize) {
    let encoding = setting.encoding;
    let round = FheRound::new(&encoding, contributors);
    let FheRound { parameters, custody, mask, engine, opening } = &round;
    let (mut without, mut values) = (Vec::new(), Vec::new());
    let sealed: Vec<_> = timed("encrypt and share keys", &mut without, || {
        let each = setting.updates.iter().cycle().take(contributors);
        each.map(|update| {
            encrypt(update.values(), parameters, mask, *custody, engine, &mut setting.rng).unwrap()
        })
        .collect()
    });
    let upload = |sealed: &Encryption| {
        let shares = sealed.shares.iter().map(Encode::to_bytes);
        std::iter::once(sealed.ciphertext.to_bytes()).chain(shares).collect::<Vec<_>>()
    };
    let uploads: Vec<_> = sealed.iter().map(upload).collect();
    let sum = timed("sum of the ciphertexts", &mut without, || {
        let mut sum = CiphertextSum::new(*parameters);
        sealed.iter().for_each(|sealed| sum.add(&sealed.ciphertext).unwrap());
        sum
    });
    let (custodians, replies): (Vec<_>, Vec<_>) = timed("3 custodians: sums", &mut without, || {
        (1..=3).map(|place| round.opened(place, &uploads)).unzip()
    });
    timed("open the sum", &mut without, || {
        open_ciphertexts(&sum, mask, opening, *custody, &replies, engine).unwrap()
    });
    let probes = setting.probes.clone().map(|probe| {
        let mut coordinates = probe.values().to_vec();
        coordinates.resize(encoding.vector_len(), 0);
        LinearProbe::checked(*parameters, coordinates, encoding.value_norm()).unwrap()
    });
    let order = timed("linear forms of keys, one party", &mut values, || {
        let forms = LinearProbe::forms(&probes, mask, engine);
        ProbeOrder::new(mask, opening.set(), forms).unwrap()
    });
    // The aggregator, to open, and three custodians make them, each for itself.
    let seconds = 3.0 * values[0].seconds;
    values.push(Part { name: "the same, by three others", seconds });
    timed("body products of each", &mut values, || {
        for sealed in &sealed {
            for probe in &probes {
                std::hint::black_box(probe.body_product(&sealed.ciphertext).unwrap());
            }
        }
    });
    timed("3 custodians: forms of each", &mut values, || {
        for custodian in custodians {
            let (_, output) = custodian.handle(CustodianInput::Probe(order.clone()));
            assert!(matches!(output, Ok(CustodianOutput::Probed(_))));
        }
    });
    let bytes = bytes(&encoding, &uploads, &setting.probes);
    report("FHE, 2 of 3 custodians", &without, &values, bytes);
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u32>().unwrap());
    let dimension = arguments.next().unwrap_or(1_000_000);
    let contributors = arguments.next().unwrap_or(100);
    println!("{dimension} parameters, {contributors} contributors, one thread");
    let mut setting = Setting::new(dimension, contributors);
    let contributors = contributors as usize;
    mpc(&mut setting, contributors);
    fhe(&mut setting, contributors);
}

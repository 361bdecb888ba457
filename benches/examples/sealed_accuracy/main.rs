//! What sealing and noise cost in accuracy: `benches/sealing-accuracy.md` has the command and the results.
//!
//! ```text
//! train → clip ─ unsealed ──────────────────────────────► mean ─► next model
//!              └ rotate → quantise (→ noise) → ring sum → decode ─► mean ─► next model
//! ```
//!
//! Every contribution goes through the encoding that is sealed, and the sum through the ring; only the shares, which
//! add up to the same integers (tested in `privacy-secagg` and `aggregator-round`), are left out.

mod curves;
mod federation;
mod idx;

use std::{path::Path, process::ExitCode};

use datasets::wine;
use federation::{Channel, Federation, Run, accuracies};
use privacy_dp::{
    Accountant, ClipNorm, DiscreteMechanism, NoiseShare, RdpCurve, Release, Sampling, Target,
    default_orders, epsilon, noise_multiplier,
};
use privacy_secagg::{EncodingOptions, EncodingParameters};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sahakar::demo::{
    central::{CLIP_NORM, CentralTask, SETTINGS},
    wineries::{Dealt, Kind},
};
use trainer_model::{Architecture, Examples, MlpShape, TrainingSettings};

type Failure = Box<dyn std::error::Error>;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;
const DELTA: f64 = 1e-5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [images, plot] = arguments.as_slice() else {
        eprintln!("usage: sealed_accuracy DIR PLOT.svg (DIR holds the four IDX files, unpacked)");
        return ExitCode::from(2);
    };
    match run(Path::new(images), Path::new(plot)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sealed_accuracy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(images: &Path, plot: &Path) -> Result<(), Failure> {
    println!("| model | seed | unsealed | 26 bits | compact |");
    println!("|---|---|---|---|---|");
    compare("wine, 11-32-2, 5 contributors", wine_federation)?;
    let images = idx::Images::read(images)?;
    compare("Fashion-MNIST, 784-64-10, 10 contributors", |seed| {
        fashion(&images, seed, &[64], (10, 600, 20), 0.05)
    })?;
    noise(&images, plot)
}

/// Unsealed, sealed with values and sealed without, over the seeds.
fn compare(
    model: &str,
    federation: impl Fn(u64) -> Result<Federation, Failure>,
) -> Result<(), Failure> {
    let mut means = [0.0; 3];
    for seed in SEEDS {
        let federation = federation(seed)?;
        let (clip, d, n) = federation.sizes()?;
        let channels = [
            Channel::Unsealed,
            Channel::sealed(EncodingParameters::standard(clip, d, n)?),
            Channel::sealed(EncodingParameters::compact(clip, d, n)?),
        ];
        let mut last = [0.0; 3];
        for ((last, mean), channel) in last.iter_mut().zip(&mut means).zip(&channels) {
            *last = accuracies(&federation, channel, seed)?.last().copied().unwrap_or_default();
            *mean += *last / 5.0;
        }
        row(model, &seed.to_string(), last);
    }
    row(model, "mean", means);
    Ok(())
}

fn row(model: &str, seed: &str, accuracies: [f64; 3]) {
    let [unsealed, valued, compact] = accuracies.map(|accuracy| 100.0 * accuracy);
    println!("| {model} | {seed} | {unsealed:.2} % | {valued:.2} % | {compact:.2} % |");
}

/// The demonstration's model and data: its honest wineries, its settings.
fn wine_federation(seed: u64) -> Result<Federation, Failure> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let dealt = Dealt::deal(&wine::table(), 8, &mut rng)?;
    let honest: Vec<_> =
        dealt.harvests.iter().filter(|h| h.kind == Kind::Honest).map(|h| &h.table).collect();
    let task = CentralTask::new(honest.iter().copied(), [&dealt.validation, &dealt.test])?;
    let standardiser = datasets::Standardiser::fit(&dealt.validation);
    let contributors: Result<Vec<_>, _> =
        honest.iter().map(|table| Examples::from_table(table, &standardiser)).collect();
    Ok(Federation {
        architecture: task.architecture,
        contributors: contributors?,
        test: task.test,
        settings: SETTINGS,
        clip_norm: CLIP_NORM,
        rounds: 15,
    })
}

/// `contributors` of `rows` images each, `rounds` rounds of one local epoch.
fn fashion(
    images: &idx::Images,
    seed: u64,
    hidden: &[usize],
    (contributors, rows, rounds): (usize, usize, u32),
    learning_rate: f32,
) -> Result<Federation, Failure> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    Ok(Federation {
        architecture: Architecture::mlp(MlpShape {
            inputs: idx::PIXELS,
            hidden: hidden.to_vec(),
            classes: idx::CLASSES,
        })?,
        contributors: images.deal(contributors, rows, &mut rng)?,
        test: images.test()?,
        settings: TrainingSettings::sgd(1, 20, learning_rate),
        // Above every honest norm of these models: clipping is not what is measured here.
        clip_norm: 4.0,
        rounds,
    })
}

/// 100 contributors, all in every round, sums alone released: accuracy per round without noise and at ε = 8 and 3.
fn noise(images: &idx::Images, plot: &Path) -> Result<(), Failure> {
    const CONTRIBUTORS: u32 = 100;
    const ROUNDS: u32 = 20;
    let mut runs = Vec::new();
    println!(
        "\n| model | ε | noise multiplier | bits | accuracy after {ROUNDS} rounds | ε if values were measured |"
    );
    println!("|---|---|---|---|---|---|");
    for (name, hidden, clip_norm) in [("784-10", &[][..], 0.3), ("784-64-10", &[64], 0.3)] {
        let mut federation =
            fashion(images, 1, hidden, (CONTRIBUTORS as usize, 600, ROUNDS), 0.05)?;
        federation.clip_norm = clip_norm;
        for wanted in [None, Some(8.0), Some(3.0)] {
            let encoding = noised(&federation, wanted)?;
            let channel = Channel::sealed(encoding);
            let curve = accuracies(&federation, &channel, 1)?;
            let last = 100.0 * curve.last().copied().unwrap_or_default();
            let loss = Loss::of(&encoding, CONTRIBUTORS, ROUNDS)?;
            println!(
                "| {name} | {} | {} | {} | {last:.1} % | {} |",
                loss.summed,
                loss.multiplier,
                encoding.ring().bits(),
                loss.valued
            );
            let label = wanted.map_or("no noise".to_owned(), |epsilon| format!("ε = {epsilon}"));
            runs.push(Run { name: format!("{name}, {label}"), accuracies: curve });
        }
    }
    std::fs::write(plot, curves::svg(&runs))?;
    Ok(())
}

/// The compact encoding whose noise, a hundredth from each contributor, keeps all rounds within ε.
fn noised(federation: &Federation, wanted: Option<f64>) -> Result<EncodingParameters, Failure> {
    let (clip, d, n) = federation.sizes()?;
    let quiet = EncodingParameters::compact(clip, d, n)?;
    let Some(epsilon) = wanted else { return Ok(quiet) };
    let target = Target { epsilon, delta: DELTA };
    let rounds = u64::from(federation.rounds);
    let multiplier = noise_multiplier(target, Sampling::Full, rounds, Accountant::Rdp)?;
    let share = NoiseShare::new(multiplier, quiet.sensitivity_l2(), n)?;
    let options = EncodingOptions { noise_deviation: share.std(), ..EncodingOptions::default() };
    Ok(EncodingParameters::compact_with(clip, d, n, options)?)
}

/// What the rounds reveal, in words.
struct Loss {
    multiplier: String,
    summed: String,
    valued: String,
}

impl Loss {
    fn of(encoding: &EncodingParameters, contributors: u32, rounds: u32) -> Result<Self, Failure> {
        let (share_std, l2) = (encoding.options().noise_deviation, encoding.sensitivity_l2());
        if share_std <= 0.0 {
            let none = || "∞".to_owned();
            return Ok(Self { multiplier: "0".to_owned(), summed: none(), valued: none() });
        }
        let steps = u64::from(rounds);
        let multiplier = share_std * f64::from(contributors).sqrt() / l2;
        let dimension = encoding.vector_len() as u64;
        let sum = DiscreteMechanism::GaussianSum { share_std, contributors, l2, dimension };
        let alone = DiscreteMechanism::Gaussian { std: share_std, l2 };
        let of = |mechanism| -> Result<f64, Failure> {
            let mut curve = RdpCurve::new(&default_orders())?;
            curve.add_discrete(&mechanism, steps)?;
            Ok(curve.epsilon(DELTA)?.0)
        };
        let release = Release { sampling: Sampling::Full, noise_multiplier: multiplier, steps };
        let pld = epsilon(&[release], DELTA, Accountant::Pld)?;
        Ok(Self {
            multiplier: format!("{multiplier:.3}"),
            summed: format!("{:.2} (continuous noise by PLD: {pld:.2})", of(sum)?),
            valued: format!("{:.0}", of(alone)?),
        })
    }
}

/// The clip norm, parameters and contributors of a federation, as encodings take them.
impl Federation {
    fn sizes(&self) -> Result<(ClipNorm, u32, u32), Failure> {
        let dimension = u32::try_from(self.architecture.parameter_count())?;
        let contributors = u32::try_from(self.contributors.len())?;
        Ok((ClipNorm::new(self.clip_norm)?, dimension, contributors))
    }
}

//! Samples per CPU second of local training and of evaluation, on one thread, for
//! `benches/training/run.sh`.
//!
//! Usage: `training_speed [cpu|flex] [MODEL …]`; prints one line of JSON for each measurement.
#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

use std::time::Duration;

use cpu_time::ThreadTime;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use trainer_model::{
    Architecture, BatchSampling, CharGruShape, Cnn, ComputeDevice, DpSgd, Examples, Features,
    MlpShape, Parameters, TrainingPlan, TrainingSettings, evaluate, train,
};

/// CPU time of one repetition, about.
const TARGET: Duration = Duration::from_millis(1_000);

/// Repetitions; the best counts, since others share the machine.
const REPETITIONS: usize = 4;

const BATCH: u32 = 32;

/// A model by its name; none of that name is nothing.
fn model(name: &str) -> Option<Architecture> {
    let mlp = MlpShape { inputs: 784, hidden: vec![200], classes: 10 };
    match name {
        "mlp" => Architecture::mlp(mlp).ok(),
        "mcmahan" => Some(Architecture::Cnn(Cnn::mcmahan())),
        "small" => Some(Architecture::Cnn(Cnn::small())),
        "gru" => Architecture::char_gru(CharGruShape {
            vocabulary: 80,
            embedding: 8,
            hidden: 128,
            layers: 1,
            context: 40,
        })
        .ok(),
        _ => None,
    }
}

fn examples(model: &Architecture, count: usize) -> Examples {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let is_text = matches!(model, Architecture::CharGru(_));
    let value = |_| if is_text { f32::from(rng.random_range(0..80_u8)) } else { rng.random() };
    let values = (0..count * model.inputs()).map(value).collect();
    let classes = u32::try_from(model.classes()).unwrap();
    let labels: Vec<u32> = (0..count).map(|_| rng.random_range(0..classes)).collect();
    let features = Features::new(values, model.inputs()).unwrap();
    Examples::new(features, &labels, model.classes()).unwrap()
}

/// The most samples per CPU second over some repetitions of `work`, which handles `samples`.
fn best(samples: usize, mut work: impl FnMut()) -> f64 {
    let timed = |work: &mut dyn FnMut()| {
        let start = ThreadTime::now();
        work();
        start.elapsed().as_secs_f64()
    };
    timed(&mut work);
    let once = timed(&mut work);
    let runs = (TARGET.as_secs_f64() / once).ceil().max(1.0);
    let mut best = 0.0_f64;
    for _ in 0..REPETITIONS {
        let mut seconds = 0.0;
        let mut run = 0.0;
        while run < runs {
            seconds += timed(&mut work);
            run += 1.0;
        }
        best = best.max(samples as f64 * runs / seconds);
    }
    best
}

fn measure(engine: &str, device: &ComputeDevice, name: &str) {
    let model = model(name).unwrap();
    let count = if name == "mlp" { 6_400 } else { 640 };
    let examples = examples(&model, count);
    let start = Parameters::initial(&model, &mut ChaCha20Rng::seed_from_u64(2));
    let print = |what: &str, speed: f64| {
        println!(
            r#"{{"engine":"{engine}","model":"{name}","what":"{what}","per_second":{speed:.0}}}"#
        );
    };
    let plain = TrainingSettings::sgd(1, BATCH, 0.05);
    let private = |noise_multiplier| {
        let sampling = BatchSampling::Shuffled;
        let privacy = Some(DpSgd { clip_norm: 1.0, noise_multiplier, sampling });
        TrainingSettings { privacy, ..plain }
    };
    // A loop over examples, each clipped: what the batched way is compared with.
    let naive = TrainingSettings { batch_size: 1, gradient_clip: Some(1.0), ..plain };
    let mut settings = vec![("train", plain)];
    if engine == "cpu" {
        settings.extend([("private", private(1.0)), ("clipped", private(0.0)), ("loop", naive)]);
    }
    for (what, settings) in settings {
        let plan = TrainingPlan::new(settings).unwrap();
        print(
            what,
            best(count, || {
                let mut rng = ChaCha20Rng::seed_from_u64(3);
                train(device, &model, &start, &examples, &plan, &mut rng).unwrap();
            }),
        );
    }
    print(
        "evaluate",
        best(count, || {
            evaluate(device, &model, &start, &examples).unwrap();
        }),
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let engine = arguments.next().unwrap_or_else(|| "cpu".to_owned());
    let device = match engine.as_str() {
        "flex" => ComputeDevice::cpu_reference(),
        _ => ComputeDevice::cpu(),
    };
    let names: Vec<String> = arguments.collect();
    let all = ["mlp", "mcmahan", "small", "gru"].map(str::to_owned).to_vec();
    for name in if names.is_empty() { all } else { names } {
        measure(&engine, &device, &name);
    }
}

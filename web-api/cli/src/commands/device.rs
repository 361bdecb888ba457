//! Which device of this machine learns fastest: each trains the same model for a while.
//!
//! What is learned does not depend on it; how soon a round is over, and how warm the machine gets, does.

use std::{fs, path::PathBuf};

use aggregator_protocol::FederationTerms;
use anyhow::Context as _;
use clap::Args;
use privacy_identity::{Decode as _, Signed};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use serde_json::{Value, json};
use trainer_model::{
    Architecture, ComputeDevice, DeviceChoice, Examples, Features, LocalWork, MlpShape, Parameters,
    TrainingPlan, TrainingSettings, train,
};

use super::output::{print, print_json, print_table};
use crate::process::running_ms;

/// Batches of examples: enough that a step is not over before it was handed to a graphics adapter.
const BATCHES: usize = 16;
/// Examples of a step where no terms say it.
const BATCH_USUAL: u32 = 32;
/// Small enough that no model diverges on made-up rows.
const LEARNING_RATE: f32 = 1e-4;

/// `sahakar device`.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// Train the model of these signed terms: `terms.bin` of a trainer's state directory. By default a small network over
    /// pictures of 28 × 28
    #[arg(long, value_name = "FILE")]
    terms: Option<PathBuf>,
    /// How long to try all devices together, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How fast a device was.
struct Tried {
    choice: DeviceChoice,
    description: String,
    examples_per_second: f64,
}

impl DeviceArgs {
    /// Does it.
    ///
    /// # Errors
    /// Terms that cannot be read; a device that fails while it computes.
    pub fn run(self) -> anyhow::Result<()> {
        let work = self.work()?;
        let mut devices = vec![(DeviceChoice::Cpu, ComputeDevice::cpu())];
        let refused = match ComputeDevice::open(DeviceChoice::Wgpu) {
            Ok(adapter) => {
                devices.push((DeviceChoice::Wgpu, adapter));
                None
            }
            Err(error) => Some(error.to_string()),
        };
        let each_ms = 1000 * u64::from(self.seconds) / devices.len() as u64;
        let tried = devices.into_iter().map(|(choice, device)| {
            let examples_per_second = work.speed(&device, each_ms)?;
            Ok(Tried { choice, description: device.description().to_owned(), examples_per_second })
        });
        self.show(&tried.collect::<anyhow::Result<Vec<_>>>()?, refused.as_deref())
    }

    fn work(&self) -> anyhow::Result<Work> {
        let Some(path) = &self.terms else {
            let shape = MlpShape { inputs: 28 * 28, hidden: vec![128], classes: 10 };
            return Work::new(Architecture::mlp(shape)?, BATCH_USUAL);
        };
        let about = || format!("--terms {}", path.display());
        let terms = Signed::<FederationTerms>::from_bytes(&fs::read(path).with_context(about)?);
        let terms = terms.with_context(about)?;
        let terms = terms.unverified_body();
        Work::new(Architecture::from_json(&terms.architecture)?, terms.training.batch_size)
    }

    fn show(&self, tried: &[Tried], refused: Option<&str>) -> anyhow::Result<()> {
        let fastest = tried
            .iter()
            .max_by(|one, other| one.examples_per_second.total_cmp(&other.examples_per_second));
        let fastest = fastest.context("no device was tried")?;
        if self.json {
            let one = |tried: &Tried| {
                json!({
                    "device": tried.choice.to_string(),
                    "description": tried.description,
                    "examples_per_second": tried.examples_per_second,
                })
            };
            return print_json(&json!({
                "devices": tried.iter().map(one).collect::<Vec<Value>>(),
                "fastest": fastest.choice.to_string(),
                "refused": refused,
            }));
        }
        let row = |tried: &Tried| {
            let speed = format!("{:.0}", tried.examples_per_second);
            vec![tried.choice.to_string(), tried.description.clone(), speed]
        };
        print_table(&["device", "what", "examples/s"], 2, tried.iter().map(row).collect())?;
        if let Some(reason) = refused {
            print(format!("wgpu: {reason}"))?;
        }
        print(format!("fastest: --device {}", fastest.choice))
    }
}

/// What each device does.
struct Work {
    architecture: Architecture,
    parameters: Parameters,
    examples: Examples,
    plan: TrainingPlan,
}

impl Work {
    fn new(architecture: Architecture, batch_size: u32) -> anyhow::Result<Self> {
        let rows = BATCHES * batch_size as usize;
        // Of zeros: a category of every model, and a number like others to a device.
        let features =
            Features::new(vec![0.0; rows * architecture.inputs()], architecture.inputs())?;
        let classes = architecture.classes();
        let labels: Vec<u32> =
            (0..rows).filter_map(|row| u32::try_from(row % classes).ok()).collect();
        let mut settings = TrainingSettings::sgd(1, batch_size, LEARNING_RATE);
        settings.work = LocalWork::Epochs(1);
        Ok(Self {
            parameters: Parameters::initial(&architecture, &mut ChaCha20Rng::seed_from_u64(1)),
            examples: Examples::new(features, &labels, classes)?,
            plan: TrainingPlan::new(settings)?,
            architecture,
        })
    }

    /// Examples that `device` learns from in a second. The first pass, in which a graphics adapter makes its programs, does not
    /// count.
    fn speed(&self, device: &ComputeDevice, for_ms: u64) -> anyhow::Result<f64> {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut pass = || {
            let Self { architecture, parameters, examples, plan } = self;
            train(device, architecture, parameters, examples, plan, &mut rng).map(drop)
        };
        pass()?;
        let began_ms = running_ms();
        let (mut passes, mut took_ms) = (0_u32, 0);
        while took_ms < for_ms.max(1) {
            pass()?;
            passes += 1;
            took_ms = running_ms() - began_ms;
        }
        let examples = f64::from(passes) * self.examples.labels().len() as f64;
        Ok(1e3 * examples / took_ms as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_always_tried_and_faster_than_nothing() {
        let shape = MlpShape { inputs: 4, hidden: vec![3], classes: 2 };
        let work = Work::new(Architecture::mlp(shape).unwrap(), 8).unwrap();
        assert!(work.speed(&ComputeDevice::cpu(), 20).unwrap() > 0.0);
    }
}

//! What a contributor learns from: its examples, by the terms' schema, and how it learns.

use aggregator_protocol::{FederationTerms, PersonalTerms, RoundId, SchemaTerms, TrainingTerms};
use aggregator_strategy::{OptimizerState, ServerOptimizer};
use datasets::{Schema, Standardiser};
use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::Digest;
use rand::CryptoRng;
use trainer_model::{
    Architecture, ComputeDevice, ControlVariates, Evaluation, Examples, LocalWork, ModelError,
    Parameters, TrainingPlan, TrainingSettings, control_change, evaluate, model_digest,
    model_from_wire, train, train_scaffold,
};

use crate::{
    AgentError, Behaviour, OwnData,
    behaviour::noise,
    personal::{Personal, PersonalTraining, Setting},
    randomness::Randomness,
};

/// Everything that training needs but the model.
pub(crate) struct Learner {
    architecture: Architecture,
    examples: Examples,
    held_out: Option<Examples>,
    training: TrainingTerms,
    device: ComputeDevice,
    clip_norm: ClipNorm,
    optimizer: ServerOptimizer,
    behaviour: Behaviour,
    personal: PersonalTraining,
}

/// From what a contributor learns in a round besides its examples.
pub(crate) struct Start<'a> {
    /// As it came with the order.
    pub(crate) model: &'a Parameters,
    /// The last public global update, for [`Behaviour::Replay`].
    pub(crate) last_global: Option<Vec<f32>>,
    /// The contributor's own model after the round before, where the terms give it one.
    pub(crate) kept: Option<Parameters>,
    /// Where the terms correct drift by them.
    pub(crate) controls: Option<ControlVariates<'a>>,
}

/// What a contributor has for one round.
pub(crate) struct Learned {
    pub(crate) update: LocalUpdate,
    /// Mean loss of the last epoch, if there was training.
    pub(crate) loss: Option<f64>,
    pub(crate) steps: u64,
    /// How good the model that came is on the rows that are held out, if any are.
    pub(crate) held_out: Option<Evaluation>,
    /// What stays here of it.
    pub(crate) personal: Option<Personal>,
    /// How the contributor's control variate changes if the update counts.
    pub(crate) control_change: Option<Vec<f32>>,
}

impl Learner {
    /// Reads `data` as the terms describe it, and checks that this build can do what the
    /// terms ask for. Blocks: reads a file, may start a graphics driver.
    pub(crate) fn prepare(
        terms: &FederationTerms,
        data: &OwnData,
        device: impl FnOnce() -> Result<ComputeDevice, AgentError>,
        behaviour: Behaviour,
    ) -> Result<Self, AgentError> {
        let architecture = architecture_from_terms(terms)?;
        let schema = schema_from_terms(&terms.schema)?;
        let standardiser = standardiser_from_terms(&terms.schema)?;
        // Before anything is agreed to, also what a schedule will make of it.
        for round in terms.training.decisive_rounds(terms.rounds) {
            plan_from_terms(terms.training, RoundId(round))?;
        }
        let training = terms.training;
        let (examples, held_out) = data.read(&schema, &standardiser)?;
        let (terms_of_own, shared) = (terms.training.personal, terms.encoding.dimension());
        let (personal, examples) = PersonalTraining::new(terms_of_own, shared, examples)?;
        let device = device()?;
        let clip_norm = terms.encoding.clip_norm();
        let optimizer = terms.optimizer;
        Ok(Self {
            architecture,
            examples,
            held_out,
            training,
            device,
            clip_norm,
            optimizer,
            behaviour,
            personal,
        })
    }

    /// Rows that are trained on.
    pub(crate) const fn samples(&self) -> usize {
        self.examples.count()
    }

    /// What training computes on, for people.
    pub(crate) fn device(&self) -> &str {
        self.device.description()
    }

    /// How this contributor behaves.
    pub(crate) const fn behaviour(&self) -> Behaviour {
        self.behaviour
    }

    /// The model's architecture.
    pub(crate) const fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Whether contributors have something of a model to themselves.
    pub(crate) fn is_personal(&self) -> bool {
        self.training.personal != PersonalTerms::Absent
    }

    /// Reads a model of the terms' architecture.
    pub(crate) fn model(&self, wire: &[u8]) -> Result<Parameters, AgentError> {
        Ok(model_from_wire(&self.architecture, wire)?)
    }

    /// The digest of the model to which a mean update leads; none if it leads nowhere, or if the server's
    /// step depends on steps before this one, which a device that joined late has not seen, the last layers are
    /// the DAO's own, or it goes from a newer model than the one that this device trained from.
    pub(crate) fn digest_after(&self, before: &Parameters, mean: &[f32]) -> Option<Digest> {
        let ServerOptimizer::FedAvg { .. } = self.optimizer else { return None };
        if self.personal.shared() != before.count() {
            return None;
        }
        let mut fresh = OptimizerState::new(self.optimizer, before.count()).ok()?;
        let after = fresh.step(before.values(), mean).ok()?;
        let after = Parameters::new(&self.architecture.layout(), after).ok()?;
        Some(model_digest(&self.architecture, &after))
    }

    /// Trains from `start`, or does what the behaviour asks for instead. Takes long: blocks.
    pub(crate) fn learn(
        &self,
        round: RoundId,
        start: Start<'_>,
        randomness: &Randomness,
    ) -> Result<Learned, ModelError> {
        let shared = self.personal.shared();
        let rest = |mut delta: Vec<f32>| {
            delta.resize(shared, 0.0);
            let update =
                LocalUpdate::new(delta).expect("a finite value for each parameter, at least 1");
            let held_out = None;
            Learned { update, loss: None, steps: 0, held_out, personal: None, control_change: None }
        };
        let mut rng = randomness.training(round);
        match self.behaviour {
            Behaviour::Honest => self.train(round, &start, (&mut rng, randomness)),
            Behaviour::Noise => Ok(rest(noise(shared, self.clip_norm.get(), &mut rng))),
            Behaviour::Replay => Ok(rest(start.last_global.unwrap_or_default())),
        }
    }

    fn train(
        &self,
        round: RoundId,
        start: &Start<'_>,
        (rng, randomness): (&mut impl CryptoRng, &Randomness),
    ) -> Result<Learned, ModelError> {
        let Self { architecture, examples, training, device, personal, .. } = self;
        let plan = plan_from_terms(*training, round).map_err(|_refused| {
            ModelError::PlanUnsupported { reason: "the round's learning rate is out of range" }
        })?;
        let kept = start.kept.as_ref();
        let from =
            personal.start(architecture, start.model, kept).map_err(ModelError::Parameters)?;
        let outcome = match start.controls {
            None => train(device, architecture, &from, examples, &plan, rng)?,
            Some(controls) => {
                let task = (&plan, controls);
                train_scaffold(device, architecture, &from, examples, task, rng)?.training
            }
        };
        let mut delta = outcome.parameters.difference(&from).map_err(ModelError::Diverged)?;
        delta.truncate(personal.shared());
        let update =
            LocalUpdate::new(delta).expect("a finite value for each parameter, at least 1");
        // What is sent is clipped: it is that which the others see of this contributor.
        let rate = plan.settings().learning_rate;
        let change = |controls: ControlVariates<'_>| {
            let sent = update.clone().clip(self.clip_norm);
            control_change(controls.server, sent.delta(), outcome.steps, rate)
        };
        let control_change = start.controls.map(change);
        let tried = |rows| evaluate(device, architecture, &from, rows);
        let held_out = self.held_out.as_ref().map(tried).transpose()?;
        let setting = Setting { device, architecture, examples, plan };
        let mut rng = randomness.personal(round);
        let models = (start.model, &outcome.parameters);
        let personal = personal.after(&setting, models, kept, &mut rng)?;
        let (loss, steps) = (Some(f64::from(outcome.loss)), outcome.steps);
        Ok(Learned { update, loss, steps, held_out, personal, control_change })
    }
}

fn architecture_from_terms(terms: &FederationTerms) -> Result<Architecture, AgentError> {
    let architecture = Architecture::from_json(&terms.architecture);
    let architecture = architecture.map_err(AgentError::unfit("architecture"))?;
    let layers = terms.training.personal.layers();
    let shared = architecture.layout().shared_count(layers).ok_or_else(|| {
        let reason = format!("{layers} of its last layers cannot be contributors' own");
        AgentError::unfit("architecture")(reason)
    })?;
    let (got, expected) = (shared, terms.encoding.dimension());
    check(got == expected, || format!("{got} parameters, the encoding has {expected}"))?;
    let (got, expected) = (architecture.inputs(), terms.schema.features.len());
    check(got == expected, || format!("{got} inputs, the schema has {expected} features"))?;
    let (got, expected) = (architecture.classes(), terms.schema.classes.len());
    check(got == expected, || format!("{got} classes, the schema has {expected}"))?;
    Ok(architecture)
}

fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), AgentError> {
    if holds { Ok(()) } else { Err(AgentError::unfit("architecture")(reason())) }
}

fn schema_from_terms(terms: &SchemaTerms) -> Result<Schema, AgentError> {
    let SchemaTerms { features, label, classes, .. } = terms.clone();
    Schema::new(features, label, classes).map_err(AgentError::unfit("schema"))
}

fn standardiser_from_terms(terms: &SchemaTerms) -> Result<Standardiser, AgentError> {
    let single = |values: &[f64]| values.iter().copied().map(f32_from_term).collect();
    Standardiser::new(single(&terms.mean), single(&terms.deviation))
        .map_err(AgentError::unfit("mean and deviation"))
}

/// The plan of a round: its learning rate follows from the terms and its number.
fn plan_from_terms(terms: TrainingTerms, round: RoundId) -> Result<TrainingPlan, AgentError> {
    let settings = TrainingSettings {
        work: match terms.work {
            aggregator_protocol::LocalWork::Epochs(epochs) => LocalWork::Epochs(epochs),
            aggregator_protocol::LocalWork::Steps(steps) => LocalWork::Steps(steps),
        },
        batch_size: terms.batch_size,
        learning_rate: f32_from_term(terms.learning_rate_in(round.0)),
        momentum: f32_from_term(terms.momentum),
        weight_decay: f32_from_term(terms.weight_decay),
        gradient_clip: terms.gradient_clip.map(f32_from_term),
        proximal: f32_from_term(terms.proximal),
        privacy: None,
        augmentation: None,
    };
    TrainingPlan::new(settings).map_err(AgentError::unfit("training plan"))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "terms are f64, models f32; what overflows or
    vanishes is refused by the type that it goes into"
)]
const fn f32_from_term(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use aggregator_protocol::SchemaTerms;
    use datasets::read_csv;
    use tempfile::tempdir;

    use super::*;

    fn schema() -> SchemaTerms {
        SchemaTerms {
            features: vec!["acidity".to_owned(), "sugar".to_owned()],
            label: "quality".to_owned(),
            classes: vec!["ordinary".to_owned(), "good".to_owned()],
            mean: vec![0.0, 0.0],
            deviation: vec![1.0, 1.0],
        }
    }

    fn learner(behaviour: Behaviour) -> Learner {
        let dir = tempdir().unwrap();
        let data = dir.path().join("data.csv");
        let rows = "acidity,sugar,quality\n1,0,good\n0,1,ordinary\n1,1,good\n0,0,ordinary\n";
        std::fs::write(&data, rows).unwrap();
        let terms = schema();
        let schema = schema_from_terms(&terms).unwrap();
        let table = read_csv(&data, &schema).unwrap();
        let standardiser = standardiser_from_terms(&terms).unwrap();
        let json = r#"{"kind":"mlp","inputs":2,"hidden":[],"classes":2}"#;
        let terms = TrainingTerms::sgd(2, 2, 0.5);
        let examples = Examples::from_table(&table, &standardiser).unwrap();
        let (personal, examples) = PersonalTraining::new(terms.personal, 6, examples).unwrap();
        Learner {
            architecture: Architecture::from_json(json).unwrap(),
            examples,
            held_out: Some(Examples::from_table(&table, &standardiser).unwrap()),
            training: terms,
            device: ComputeDevice::cpu(),
            clip_norm: ClipNorm::new(2.0).unwrap(),
            optimizer: ServerOptimizer::default(),
            behaviour,
            personal,
        }
    }

    fn learned(behaviour: Behaviour, seed: u64, last_global: Option<Vec<f32>>) -> Learned {
        let learner = learner(behaviour);
        let layout = learner.architecture.layout();
        let model = Parameters::new(&layout, vec![0.0; layout.parameter_count()]).unwrap();
        let randomness = Randomness::new(Some(seed), "a");
        let start = Start { model: &model, last_global, kept: None, controls: None };
        learner.learn(RoundId(0), start, &randomness).unwrap()
    }

    #[test]
    fn an_honest_contributor_learns_the_same_from_the_same_seed() {
        let first = learned(Behaviour::Honest, 1, None);
        assert_eq!(first.steps, 4);
        assert!(first.loss.unwrap() < std::f64::consts::LN_2);
        let held_out = first.held_out.unwrap();
        assert!((held_out.loss - std::f64::consts::LN_2).abs() < 1e-6, "of the model that came");
        assert!(first.update == learned(Behaviour::Honest, 1, None).update);
    }

    #[test]
    fn the_others_train_nothing() {
        let noise = learned(Behaviour::Noise, 1, None);
        assert_eq!((noise.loss, noise.steps), (None, 0));
        let clipped = noise.update.clone().clip(ClipNorm::new(10.0).unwrap());
        let norm: f64 = clipped.delta().iter().map(|v| f64::from(*v).powi(2)).sum();
        assert!((norm.sqrt() - 2.0).abs() < 1e-5);
        assert!(noise.update != learned(Behaviour::Noise, 2, None).update);
        let zeros = learned(Behaviour::Replay, 1, None).update;
        assert!(zeros == LocalUpdate::new(vec![0.0; 6]).unwrap());
        let last = vec![0.5; 6];
        let replayed = learned(Behaviour::Replay, 1, Some(last.clone())).update;
        assert!(replayed == LocalUpdate::new(last).unwrap());
    }

    #[test]
    fn a_plan_that_vanishes_in_single_precision_is_refused() {
        let terms = TrainingTerms::sgd(1, 1, 1e-60);
        let refused = plan_from_terms(terms, RoundId(0)).unwrap_err().to_string();
        assert_eq!(refused, "the federation's terms cannot be met: unfit training plan");
    }

    #[test]
    fn the_learning_rate_of_a_round_is_the_schedule_s() {
        let schedule = "exponential:factor=0.5".parse().unwrap();
        let terms = TrainingTerms { schedule, ..TrainingTerms::sgd(1, 1, 0.5) };
        let rate = |round| plan_from_terms(terms, RoundId(round)).unwrap().settings().learning_rate;
        assert_eq!([rate(0), rate(3)].map(f32::to_bits), [0.5_f32, 0.0625].map(f32::to_bits));
        assert!(plan_from_terms(terms, RoundId(1_000)).is_err(), "it vanishes in f32");
    }
}

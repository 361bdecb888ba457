//! A simulation: who takes part in a round, how the round runs, and what it leaves.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    num::NonZeroUsize,
};

use aggregator_strategy::{Attack, OptimizerState, SamplingRate, poisson_cohort, uniform_cohort};
use anyhow::Context as _;
use privacy_dp::ClipNorm;
use privacy_identity::{SigningKey, VerifyingKey};
use privacy_secagg::EncodingParameters;
use trainer_model::{
    Architecture, ComputeDevice, Evaluation, Examples, Parameters, evaluate, model_digest,
};

mod buffered;
mod played;
mod sealed;

use super::{
    args::{SamplingKind, SealKind, Weighting},
    buffer_state::BufferState,
    clock::Stopwatch,
    dao::SimulatedDao,
    data::SimulationData,
    learning::TrainingRound,
    ledger::{COHORT_MAX, Opening, SimulatedLedger},
    local_round::Bench,
    local_state::{LocalState, Retained},
    open_round::OpenFederation,
    plan::Plan,
    population::{Contributor, population},
    sealed_round::SealedFederation,
    seeds::{Purpose, generator},
    state::{RoundRecord, State},
    terms::{ROUNDS_MAX, TermsParts, aggregator_count, terms},
};
use crate::{
    demo::progress::mean, demo::report::LedgerSummary, measure::Evaluator,
    serve::initial_parameters,
};

/// How much innovation qualifies for pay, as in the demonstration.
pub(crate) const NOVELTY_PERCENT: u32 = crate::demo::central::NOVELTY_PERCENT;

/// A federation of virtual contributors.
pub(crate) struct Simulation {
    pub(crate) bench: Bench,
    pub(crate) population: Vec<Contributor>,
    pub(crate) state: State,
    pub(crate) threads: NonZeroUsize,
    backdoored: Option<Examples>,
    engine: Engine,
}

enum Engine {
    Open(Box<OpenEngine>),
    Sealed(Box<SealedEngine>),
}

struct OpenEngine {
    federation: OpenFederation,
    evaluator: Evaluator,
}

struct SealedEngine {
    federation: SealedFederation,
    dao: SimulatedDao,
    members: BTreeMap<VerifyingKey, usize>,
}

/// What a round left behind.
#[derive(Default)]
struct RoundResult {
    after: Option<After>,
    values: Vec<(usize, Option<f64>)>,
    retained: Retained,
    record: RoundRecord,
}

/// A new model.
struct After {
    model: Parameters,
    /// The server's, after its step.
    optimizer: OptimizerState,
    /// What this round and those before it made public, the newest first.
    past: VecDeque<Vec<Vec<f32>>>,
    /// Its quality, if it is whole.
    test: Option<Evaluation>,
}

impl Simulation {
    /// Sets everything up; nothing is trained yet.
    ///
    /// * `state` — of a checkpoint, to go on from.
    pub(crate) fn new(
        plan: Plan,
        data: SimulationData,
        architecture: Architecture,
        threads: NonZeroUsize,
        state: Option<State>,
    ) -> anyhow::Result<Self> {
        let shared = plan.local.shared_count(&architecture, plan.clients)?;
        let population = population(plan.seed, &data.parts, &plan.attacks)?;
        let backdoored = backdoored(&plan, &data)?;
        let device = ComputeDevice::cpu();
        let fresh = state.is_none();
        let model = || initial_parameters(&architecture, plan.seed);
        let mut state = match state {
            Some(state) => state,
            None => State::start(model(), &plan)?,
        };
        let setup =
            Setup { plan: &plan, data: &data, architecture: &architecture, device: &device };
        let engine = match plan.seal {
            SealKind::None => setup.open()?,
            _ => setup.sealed(&population, &mut state, fresh)?,
        };
        let bench = Bench { plan, data, architecture, device, shared };
        Ok(Self { bench, population, state, threads, backdoored, engine })
    }

    /// Runs the next round.
    pub(crate) fn step(&mut self) -> anyhow::Result<()> {
        let watch = Stopwatch::start();
        let round = self.state.next_round;
        let mut result = if self.bench.plan.buffering.is_some() {
            self.buffered_round()?
        } else {
            self.synchronous_round(round)?
        };
        for (index, value) in result.values {
            let record = self.state.values.entry(index).or_default();
            record.rounds += 1;
            record.values.extend(value);
        }
        let changed = result.after.is_some();
        if let Some(After { model, optimizer, past, test }) = result.after {
            self.state.model = model;
            self.state.optimizer = optimizer;
            self.state.past = past;
            result.record.test_accuracy = test.map(|test| test.accuracy);
            result.record.test_loss = test.map(|test| test.loss);
            result.record.attack_success = self.attack_success()?;
        }
        result.record.local = self.close_locally(round, result.retained, changed)?;
        result.record.round = round;
        result.record.model = model_digest(&self.bench.architecture, &self.state.model).to_string();
        result.record.wall_seconds = watch.seconds();
        self.state.rounds.push(result.record);
        self.state.next_round += 1;
        if let Engine::Sealed(engine) = &self.engine
            && let Some(ledger) = engine.dao.ledger()
        {
            // Leaves are never changed: only the round's own are new.
            let known = self.state.leaves.len();
            self.state.leaves.extend_from_slice(&ledger.leaves()[known..]);
        }
        Ok(())
    }

    /// A round of those who are invited to it and come.
    fn synchronous_round(&mut self, round: u64) -> anyhow::Result<RoundResult> {
        let invited = self.cohort(round)?;
        let enough = (self.bench.plan.sampling == SamplingKind::Uniform)
            .then(|| self.bench.plan.cohort_size());
        let arrivals = self.bench.plan.conduct().arrivals(round, &invited, enough);
        // A DAO node grants no round to fewer than a sum may be opened of.
        let (got, needed) = match &self.engine {
            Engine::Open(_) => (arrivals.coming.len(), 1),
            Engine::Sealed(engine) => {
                (invited.len(), engine.federation.terms().contributions_min())
            }
        };
        if got < needed {
            let remark = format!("given up: {needed} contributors are needed, there are {got}");
            let (dropped, remark) = (arrivals.vanished.len() as u64, Some(remark));
            let record = RoundRecord { dropped, remark, ..RoundRecord::default() };
            return Ok(RoundResult { record, ..RoundResult::default() });
        }
        let mut result = match &self.engine {
            Engine::Open(_) => self.open_round(round, &arrivals.coming)?,
            Engine::Sealed(_) => self.sealed_round(round, (&invited, &arrivals.coming))?,
        };
        result.record.dropped += arrivals.vanished.len() as u64;
        result.record.course.surplus = arrivals.surplus as u64;
        Ok(result)
    }

    /// The ledger, if the rounds are small enough for one.
    pub(crate) fn ledger(&self) -> Option<LedgerSummary> {
        match &self.engine {
            Engine::Sealed(engine) => engine.dao.ledger().map(SimulatedLedger::summary),
            Engine::Open(_) => None,
        }
    }

    /// The ledger's leaves, if there is one.
    pub(crate) fn leaves(&self) -> Option<&[Vec<u8>]> {
        match &self.engine {
            Engine::Sealed(engine) => engine.dao.ledger().map(SimulatedLedger::leaves),
            Engine::Open(_) => None,
        }
    }

    /// Loss per unit of a sealed scalar.
    pub(crate) fn value_unit(&self) -> Option<f64> {
        match &self.engine {
            Engine::Sealed(engine) => Some(engine.federation.terms().encoding.value_unit()),
            Engine::Open(_) => None,
        }
    }

    /// Credits of a contributor, if there is a ledger.
    pub(crate) fn credits(&self, contributor: &Contributor) -> Option<u128> {
        let Engine::Sealed(engine) = &self.engine else { return None };
        let federation = engine.dao.ledger()?.federation()?;
        let standing = federation.standings().get(&contributor.member());
        Some(standing.map_or(0, data_dao_journal::Standing::credits))
    }

    /// Bits of one sealed parameter.
    pub(crate) fn ring_bits(&self) -> Option<u8> {
        match &self.engine {
            Engine::Sealed(engine) => Some(engine.federation.terms().encoding.ring().bits()),
            Engine::Open(_) => None,
        }
    }

    /// Who takes part, in the order of the population.
    fn cohort(&self, round: u64) -> anyhow::Result<Vec<usize>> {
        let mut rng = generator(self.bench.plan.seed, Purpose::Cohort, &[round]);
        let count = self.population.len();
        Ok(match self.bench.plan.sampling {
            SamplingKind::Uniform => uniform_cohort(count, self.bench.plan.invited(), &mut rng)?,
            SamplingKind::Poisson => {
                poisson_cohort(count, SamplingRate::new(self.bench.plan.sample)?, &mut rng)
            }
            // Each draws for itself, once it has the order.
            SamplingKind::Secret => (0..count).collect(),
        })
    }

    fn open_round(&mut self, round: u64, cohort: &[usize]) -> anyhow::Result<RoundResult> {
        let Engine::Open(engine) = &self.engine else {
            anyhow::bail!("an open round of a sealed federation");
        };
        let OpenEngine { federation, evaluator } = engine.as_ref();
        let cohort: Vec<_> = cohort.iter().map(|index| &self.population[*index]).collect();
        let model = &self.state.model;
        let trainer = self.bench.trainer(&self.state)?;
        let last = self.state.last_step();
        let training =
            TrainingRound { trainer: &trainer, threads: self.threads, round, model, last };
        let outcome = federation.run(&cohort, &training, evaluator)?;
        let mut optimizer = self.state.optimizer.clone();
        let after = optimizer.step(model.values(), &self.whole_update(&outcome.mean_update))?;
        let after = Parameters::new(&self.bench.architecture.layout(), after)?;
        let whole = self.bench.shared == after.count();
        let test = whole.then(|| evaluator.test(&after)).transpose()?;
        let record = RoundRecord {
            participants: outcome.values.len() as u64,
            dropped: outcome.dropped.len() as u64,
            train_seconds: mean(&outcome.train_seconds),
            train_loss: mean_loss(&outcome.train_losses),
            aggregate_seconds: outcome.aggregate_seconds,
            remark: first_reason(&outcome.dropped).or(outcome.remark),
            ..RoundRecord::default()
        };
        let past = self.state.past_with(vec![outcome.mean_update]);
        let after = Some(After { model: after, optimizer, past, test });
        Ok(RoundResult { after, values: outcome.values, retained: outcome.retained, record })
    }

    /// The share of triggered test images that are taken for the backdoor's target.
    fn attack_success(&self) -> anyhow::Result<Option<f64>> {
        let Some(examples) = &self.backdoored else { return Ok(None) };
        let tested =
            evaluate(&self.bench.device, &self.bench.architecture, &self.state.model, examples)?;
        Ok(Some(tested.accuracy))
    }
}

/// What an engine is built from.
struct Setup<'a> {
    plan: &'a Plan,
    data: &'a SimulationData,
    architecture: &'a Architecture,
    device: &'a ComputeDevice,
}

impl Setup<'_> {
    fn open(&self) -> anyhow::Result<Engine> {
        let clip = self.plan.clip.map(ClipNorm::new).transpose().context("--clip")?;
        // Nothing is encoded in an open round; the evaluator asks for an encoding of the model's size.
        let size = u32::try_from(self.architecture.parameter_count())?;
        let encoding = EncodingParameters::standard(ClipNorm::new(1.0)?, size, 2)?;
        let federation = OpenFederation {
            rule: self.plan.rule,
            clip,
            by_samples: self.plan.weighting == Weighting::Samples,
            value: self.plan.value,
        };
        Ok(Engine::Open(Box::new(OpenEngine { federation, evaluator: self.evaluator(encoding)? })))
    }

    fn sealed(
        &self,
        population: &[Contributor],
        state: &mut State,
        fresh: bool,
    ) -> anyhow::Result<Engine> {
        let seed = self.plan.seed;
        let key =
            |kind, index| SigningKey::generate(&mut generator(seed, Purpose::Key, &[kind, index]));
        let dao_key = key(0, 0);
        let aggregators: Vec<_> =
            (0_u64..).take(aggregator_count(self.plan.seal)).map(|index| key(1, index)).collect();
        let keys = aggregators.iter().map(SigningKey::verifying_key).collect();
        let mut ledger = SimulatedLedger::found(dao_key.verifying_key(), keys)?;
        let cohort = self.plan.cohort_bounds();
        let terms = terms(&TermsParts {
            plan: self.plan,
            dao: ledger.dao()?,
            dao_key: &dao_key,
            aggregators: &aggregators,
            architecture: self.architecture.to_json(),
            parameters: self.architecture.parameter_count(),
            classes: self.architecture.classes(),
            cohort,
        })?;
        // The novelty test compares innovations of contributions that weigh the same.
        let weighted = self.plan.weighting == Weighting::Samples;
        let ledger = if cohort[0] > COHORT_MAX || weighted {
            None
        } else if fresh {
            let members: Vec<_> = population.iter().map(|c| (c.member(), c.label())).collect();
            ledger.open(
                &terms,
                &Opening {
                    members: &members,
                    rounds: u64::from(ROUNDS_MAX),
                    novelty_percent: NOVELTY_PERCENT,
                    validation_commitment: self.data.validation_commitment(),
                },
            )?;
            Some(ledger)
        } else {
            Some(SimulatedLedger::from_leaves(mem::take(&mut state.leaves))?)
        };
        let evaluator = self.evaluator(terms.encoding)?;
        let most_rows = (self.plan.weighting == Weighting::Samples)
            .then(|| population.iter().map(|c| c.rows.len()).max().unwrap_or(1));
        let federation = SealedFederation::new(&terms, &aggregators, seed, most_rows)?;
        let dao = SimulatedDao::new(dao_key, terms, evaluator, ledger);
        let members = population.iter().map(|c| (c.member(), c.index)).collect();
        Ok(Engine::Sealed(Box::new(SealedEngine { federation, dao, members })))
    }

    fn evaluator(&self, encoding: EncodingParameters) -> anyhow::Result<Evaluator> {
        let evaluator = Evaluator {
            device: self.device.clone(),
            architecture: self.architecture.clone(),
            validation: self.data.validation.clone(),
            test: self.data.test.clone(),
            encoding,
        };
        Ok(evaluator.checked(0)?)
    }
}

/// Test images with the trigger of the plan's backdoor, if there is one.
fn backdoored(plan: &Plan, data: &SimulationData) -> anyhow::Result<Option<Examples>> {
    let target = plan.attacks.iter().find_map(|plan| match plan.attack {
        Attack::Backdoor { target, .. } => Some(target),
        _ => None,
    });
    target.map(|target| data.triggered(&data.test, target)).transpose()
}

impl State {
    fn start(model: Parameters, plan: &Plan) -> anyhow::Result<Self> {
        let optimizer = OptimizerState::new(plan.strategy, model.count())?;
        let controls = if plan.local.scaffold { model.count() } else { 0 };
        Ok(Self {
            next_round: 0,
            model,
            optimizer,
            past: VecDeque::new(),
            rounds: Vec::new(),
            values: BTreeMap::new(),
            leaves: Vec::new(),
            local: LocalState::start(plan.local.stopping, controls),
            buffer: BufferState::start(plan),
        })
    }
}

fn mean_loss(losses: &[f64]) -> Option<f64> {
    (!losses.is_empty()).then(|| mean(losses))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn per_parameter(bytes: u64, encoding: &EncodingParameters) -> f64 {
    bytes as f64 / encoding.dimension() as f64
}

fn first_reason(dropped: &[(usize, String)]) -> Option<String> {
    let (index, reason) = dropped.first()?;
    Some(format!("contributor {} sent nothing: {reason}", index + 1))
}

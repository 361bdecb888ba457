//! Ten federations on the wine table, each in one process but on the real sealed path: what the
//! model is worth, and what each contributor's value and credits are.
//!
//! ```text
//! train → clip → quantise → seal ─► open share 0 ┐                    ┌► model, probes
//!                                 └► open share 1 ┴► open_sum ─ measure ┘      │
//!                                      shares · probes ─► open_scalar ─► pay rule of the journal
//! ```
//!
//! 15 rounds of 2 local epochs, MLP 11-32-2, batch 16, learning rate 0.05, 300 validation and 300
//! test rows, 8 wineries of 80 to 190 rows, of which one has inverted labels, one sends noise of the
//! largest allowed norm and one replays the last public update.
//!
//! Figures found before the defaults were chosen (same path, a plain-loop model in burn's place; the
//! share of seeds in which every bad contributor earns less than every honest one):
//!
//! - Norms of honest updates: 5 % below 0.12, median 0.17, 95 % below 0.26, largest 0.46. So the clip
//!   norm is 0.5. The order holds in 1 000 of 1 000 seeds at 0.25, 0.35, 0.5 and 0.7, in 100 of 100 at
//!   1, in 99 at 2 and 97 at 4: noise may be as long as the clip norm, and drowns small updates.
//! - Novelty (innovation beside the cohort's median): honest 0.26 and more, noise 0.8 and less,
//!   replay 0.0015 and less. So the bound is 20 %: 10 to 25 % pass in 1 000 of 1 000 seeds, and at 50 %
//!   honest contributors with few rows are refused in 3 of 100. Noise qualifies; it is its value, near
//!   0, that earns it nothing or, in some seeds, little (at most 1/1.9 of any honest one's credits).
//! - Pay by the value so far (the journal's rule) against pay by each round's own value: 1 000
//!   against 988 of 1 000. Per round, a contributor of no value is paid for its lucky rounds.
//! - A replayed update has value, 0.2 to 0.5 of an honest contributor's, and in 7 of 100 seeds more
//!   than the least of them. So the value alone does not bar it: the novelty test does, and what is
//!   held here is the order of scores (value, if novel) and of credits. Inverted labels have negative
//!   value in all seeds; noise has more than the least honest one in 7 of 1 000.
//! - Accuracy: 0.730 beside 0.746 centrally, over 1 000 seeds.
//!
//! In the ten seeds below, with burn: 0.732 beside 0.751; noise is paid in six seeds, at most 0.135
//! of the least honest contributor's credits; no replayed update exceeds any honest value.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use aggregator_strategy::{OptimizerState, ServerOptimizer};
use data_dao_journal::{Standing, pay};
use datasets::{Standardiser, wine};
use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::{Decode as _, Digest, Encode as _, SealingKey, SigningKey};
use privacy_secagg::{
    AggregatorKeys, Binding, EncodingParameters, NoisyUpdate, OpenShare, QuantizedProbe,
    QuantizedUpdate, Rotation, SealedUpdate, ShareSum, open_scalar, open_sum, seal,
};
use rand::{Rng as _, RngExt as _};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sahakar::{
    demo::{
        central::{CLIP_NORM, CentralTask, NOVELTY_PERCENT},
        wineries::{Dealt, Harvest, Kind},
    },
    measure::{Evaluator, Measured},
};
use trainer_model::{ComputeDevice, Examples, Parameters, train};

const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
const ROUNDS: u32 = 15;
const CONTRIBUTORS: usize = 8;
const ROUND_BUDGET: u128 = 1_000_000;

struct Contributor {
    kind: Kind,
    key: SigningKey,
    examples: Examples,
    standing: Standing,
    credits: u128,
}

struct Federation {
    rng: ChaCha20Rng,
    device: ComputeDevice,
    task: CentralTask,
    evaluator: Evaluator,
    encoding: EncodingParameters,
    aggregators: [(SigningKey, SealingKey); 2],
    contributors: Vec<Contributor>,
    model: Parameters,
    /// Public mean updates, the newest first.
    past: Vec<Vec<f32>>,
}

impl Federation {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let Dealt { validation, test, harvests } =
            Dealt::deal(&wine::table(), CONTRIBUTORS, &mut rng).unwrap();
        let honest = harvests.iter().filter(|h| h.kind == Kind::Honest).map(|h| &h.table);
        let task = CentralTask::new(honest, [&validation, &test]).unwrap();
        let dimension = u32::try_from(task.architecture.parameter_count()).unwrap();
        let clip_norm = ClipNorm::new(CLIP_NORM).unwrap();
        let encoding = EncodingParameters::standard(clip_norm, dimension, 64).unwrap();
        let standardiser = Standardiser::fit(&validation);
        let contributor = |Harvest { kind, table, .. }: &Harvest| Contributor {
            kind: *kind,
            key: SigningKey::generate(&mut rng),
            examples: Examples::from_table(table, &standardiser).unwrap(),
            standing: Standing::default(),
            credits: 0,
        };
        let contributors = harvests.iter().map(contributor).collect();
        let standardised = |table| Examples::from_table(table, &standardiser).unwrap();
        let evaluator = Evaluator {
            device: ComputeDevice::cpu(),
            architecture: task.architecture.clone(),
            validation: standardised(&validation),
            test: standardised(&test),
            encoding,
        };
        let mut keys = || (SigningKey::generate(&mut rng), SealingKey::generate(&mut rng));
        let aggregators = [keys(), keys()];
        let model = Parameters::initial(&task.architecture, &mut rng);
        let (device, evaluator) = (ComputeDevice::cpu(), evaluator.checked(0).unwrap());
        let past = Vec::new();
        Self { rng, device, task, evaluator, encoding, aggregators, contributors, model, past }
    }

    /// What a contributor would send in the clear.
    fn delta(&mut self, index: usize) -> Vec<f32> {
        let Self { device, task, contributors, model, past, rng, .. } = self;
        let contributor = &contributors[index];
        match contributor.kind {
            Kind::Honest | Kind::InvertedLabels => {
                let (examples, plan) = (&contributor.examples, &task.plan);
                let trained = train(device, &task.architecture, model, examples, plan, rng);
                trained.unwrap().parameters.difference(model).unwrap()
            }
            Kind::Noise => noise(model.count(), rng),
            Kind::Replay => past.first().cloned().unwrap_or_else(|| vec![0.0; model.count()]),
        }
    }

    fn rotation(&self, round: u32) -> Rotation {
        self.encoding.rotation(&Digest([2; 32]), round.into())
    }

    /// Seals a contributor's update, sends its bytes, and returns what each aggregator opens.
    fn shares(&mut self, index: usize, round: u32) -> [OpenShare; 2] {
        let update = LocalUpdate::new(self.delta(index)).unwrap().clip(self.encoding.clip_norm());
        let rotation = self.rotation(round);
        let quantised =
            QuantizedUpdate::quantise(&update, &rotation, &self.encoding, &mut self.rng).unwrap();
        let noisy = NoisyUpdate::without_noise(&quantised);
        let key = &self.contributors[index].key;
        let binding = Binding {
            dao: Digest([1; 32]),
            federation: Digest([2; 32]),
            round: u64::from(round),
            model: Digest([3; 32]),
            member: key.verifying_key(),
        };
        let to = self.aggregators.each_ref().map(|(signing, sealing)| AggregatorKeys {
            verifying: signing.verifying_key(),
            sealing: sealing.public(),
        });
        let sealed = seal(&noisy, binding, &to, &self.encoding, key, &mut self.rng).unwrap();
        let received = SealedUpdate::from_bytes(&sealed.to_bytes()).unwrap().verify().unwrap();
        [0, 1].map(|aggregator| {
            let delivery = received.delivery(aggregator).unwrap().verify(aggregator).unwrap();
            delivery.open(&self.aggregators[aggregator].1, &self.encoding).unwrap()
        })
    }

    fn run_round(&mut self, round: u32) -> f64 {
        let shares: Vec<_> = (0..CONTRIBUTORS).map(|index| self.shares(index, round)).collect();
        let sums = [0, 1].map(|aggregator| {
            let mut sum = ShareSum::empty(&self.encoding);
            shares.iter().for_each(|shares| sum.add(&shares[aggregator]).unwrap());
            sum
        });
        let sum = open_sum(&sums, &self.encoding).unwrap().values;
        let parameters = self.model.count();
        let fed_avg = OptimizerState::new(ServerOptimizer::default(), parameters).unwrap();
        let rotation = self.rotation(round);
        let before = (&self.model, &fed_avg);
        let round = (u64::from(round), &rotation);
        let measured =
            self.evaluator.measure(before, &sum, CONTRIBUTORS, round, &self.past).unwrap();
        for (contributor, shares) in self.contributors.iter_mut().zip(&shares) {
            let opened = |probe| opened_value(probe, shares, &self.encoding);
            let (value, innovation) =
                (opened(&measured.value_probe), opened(&measured.innovation_probe));
            let standing = std::mem::take(&mut contributor.standing);
            contributor.standing = standing.after_round(value, innovation, 0);
        }
        let standings: Vec<&Standing> = self.contributors.iter().map(|c| &c.standing).collect();
        let paid = pay::credits(&standings, NOVELTY_PERCENT, ROUND_BUDGET).unwrap();
        for (contributor, paid) in self.contributors.iter_mut().zip(paid) {
            contributor.credits += paid;
        }
        let Measured { after, mean_update, .. } = measured;
        let test = self.evaluator.test(&after).unwrap();
        self.model = after;
        self.past.insert(0, mean_update);
        test.accuracy
    }

    /// Each contributor's kind and score: its value, if it is novel enough to count.
    fn scores(&self) -> Vec<(Kind, u128)> {
        let standings: Vec<&Standing> = self.contributors.iter().map(|c| &c.standing).collect();
        let scores = pay::scores(&standings, NOVELTY_PERCENT);
        self.contributors.iter().map(|c| c.kind).zip(scores).collect()
    }
}

/// A scalar in the units of the ledger, as the coordinator opens it.
fn opened_value(
    probe: &QuantizedProbe,
    shares: &[OpenShare; 2],
    encoding: &EncodingParameters,
) -> i64 {
    let opened =
        open_scalar(&shares.each_ref().map(|share| probe.scalar_share(share.vector())), encoding);
    probe.value_from_opened(opened) / i64::try_from(CONTRIBUTORS).unwrap()
}

/// A random direction of the largest norm that is not clipped: Gaussian coordinates, normalised.
fn noise(count: usize, rng: &mut ChaCha20Rng) -> Vec<f32> {
    let mut gaussian = || {
        let (radius, angle) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    };
    let direction: Vec<f64> = std::iter::repeat_with(&mut gaussian).take(count).collect();
    let norm = direction.iter().map(|value| value * value).sum::<f64>().sqrt();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most the clip norm; rounding is wanted"
    )]
    let scaled = |value: &f64| (value * CLIP_NORM / norm) as f32;
    direction.iter().map(scaled).collect()
}

/// What came of one seed.
struct Outcome {
    federated: f64,
    central: f64,
    federation: Federation,
}

impl Outcome {
    fn of(seed: u64) -> Self {
        let mut federation = Federation::new(seed);
        let start = federation.model.clone();
        let mut rng = ChaCha20Rng::seed_from_u64(federation.rng.next_u64());
        let central = federation.task.train(&federation.device, start, ROUNDS, &mut rng).unwrap();
        let accuracies: Vec<f64> = (0..ROUNDS).map(|round| federation.run_round(round)).collect();
        let last = |accuracies: &[f64]| *accuracies.last().unwrap();
        let central = central.last().unwrap().test_accuracy;
        Self { federated: last(&accuracies), central, federation }
    }

    fn credits(&self) -> Vec<(Kind, u128)> {
        self.federation.contributors.iter().map(|c| (c.kind, c.credits)).collect()
    }

    fn values(&self, counts: impl Fn(Kind) -> bool) -> Vec<(Kind, i128)> {
        let contributors = self.federation.contributors.iter().filter(|c| counts(c.kind));
        contributors.map(|c| (c.kind, c.standing.value_sum())).collect()
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// Every bad contributor has less than every honest one.
fn check_order<T: Ord + std::fmt::Debug>(seed: u64, what: &str, of: &[(Kind, T)]) {
    let honest = of.iter().filter(|(kind, _)| *kind == Kind::Honest).map(|(_, amount)| amount);
    let bad = of.iter().filter(|(kind, _)| *kind != Kind::Honest).map(|(_, amount)| amount);
    assert!(bad.max() < honest.min(), "seed {seed}, {what}: {of:?}");
}

#[test]
fn bad_contributors_are_worth_and_paid_less_than_honest_ones_in_every_seed() {
    let outcomes: Vec<(u64, Outcome)> = SEEDS.map(|seed| (seed, Outcome::of(seed))).collect();
    for (seed, outcome) in &outcomes {
        let (federated, central) = (outcome.federated, outcome.central);
        println!("seed {seed}: federated {federated:.3}, central {central:.3}");
        for contributor in &outcome.federation.contributors {
            let unit = outcome.federation.encoding.value_unit();
            println!(
                "  {:15} {:4} rows, value {:+.4}, credits {}",
                contributor.kind.name(),
                contributor.examples.count(),
                contributor.standing.value_sum() as f64 * unit,
                contributor.credits
            );
        }
    }
    for (seed, outcome) in &outcomes {
        check_order(*seed, "credits", &outcome.credits());
        check_order(*seed, "scores", &outcome.federation.scores());
        // A replayed update has value of its own: see the figures above.
        check_order(*seed, "values", &outcome.values(|kind| kind != Kind::Replay));
        // Promise 4: replaying somebody's work earns nothing at all, whatever value it has.
        let replayed = outcome.credits().into_iter().filter(|(kind, _)| *kind == Kind::Replay);
        for (_, credits) in replayed {
            assert_eq!(credits, 0, "seed {seed}: a replay was paid");
        }
        let paid: u128 = outcome.credits().iter().map(|(_, credits)| credits).sum();
        assert_eq!(paid, u128::from(ROUNDS) * ROUND_BUDGET, "seed {seed}");
    }
    let federated = mean(outcomes.iter().map(|(_, outcome)| outcome.federated));
    let central = mean(outcomes.iter().map(|(_, outcome)| outcome.central));
    println!("mean accuracy: federated {federated:.4}, central {central:.4}");
    assert!((federated - central).abs() <= 0.03, "{federated} beside {central}");
    assert!(federated > 0.68, "{federated}");
}

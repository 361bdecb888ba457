//! Federations of the experiments: honest contributors and others, round after round, paid by the journal's rule.

use data_dao_journal::{Standing, pay};
use rand::RngExt as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use rand_distr::StandardNormal;
use trainer_model::{ComputeDevice, Parameters, train};

use crate::{
    measured::{MeasuredRound, norm},
    statistics::quantile,
    world::{Rows, World},
};

/// How much innovation qualifies for pay, in per cent: the demonstration's.
pub(crate) const NOVELTY_PERCENT: u32 = 20;
/// Credits of a round.
pub(crate) const ROUND_BUDGET: u128 = 1_000_000;
/// The clip norm over the median norm of the honest in the first round: next to none is shortened, and who
/// scales up gains a factor of two.
pub(crate) const CLIP_OVER_MEDIAN: f64 = 2.0;

/// What a contributor does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Behaviour {
    /// Trains on its rows.
    Honest,
    /// Trains on the next class instead of the right one.
    LabelFlip,
    /// Sends noise, as long as the median of honest updates.
    Noise,
    /// Sends zeros.
    Zero,
    /// Sends the last mean update, as long as the median of honest updates.
    Replay,
    /// Sends a random mixture of the last two, as long.
    Mixture,
    /// Trains honestly and scales its update to the clip norm.
    Scaled,
    /// Trains on half of its rows with a trigger and a wrong label, and scales to the clip norm.
    Backdoor,
    /// A mixture of replay and own training: this share of the length is its own.
    Blend(f64),
    /// Trains on this share of its rows and scales to the median.
    Lazy(f64),
    /// Replay and noise, each as long as the median.
    NoisyReplay,
    /// Sends what contributor `of` sends, sealed anew.
    Copy { of: usize, disguise: Disguise },
    /// Joins in a later round and then behaves as the inner says.
    Late(u64, LateKind),
}

/// What a late joiner does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum LateKind {
    Honest,
    Replay,
}

/// How a copy is disguised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Disguise {
    /// Not at all.
    None,
    /// Scaled by a factor of its own each round, ±20 %.
    Scale,
    /// Scaled, and a little of the last public update mixed in.
    ScaleAndPublic,
    /// With noise half as long as it is.
    Noise,
}

/// A federation under way.
pub(crate) struct Federation {
    pub(crate) world: World,
    pub(crate) behaviours: Vec<Behaviour>,
    pub(crate) standings: Vec<Standing>,
    pub(crate) model: Parameters,
    round: u64,
    past: Vec<Vec<f32>>,
    clip: Option<f64>,
    seed: u64,
    rng: ChaCha20Rng,
}

/// A round.
pub(crate) struct Stepped {
    pub(crate) before: Parameters,
    pub(crate) measured: MeasuredRound,
    pub(crate) clip: f64,
}

impl Federation {
    pub(crate) fn new(world: World, behaviours: Vec<Behaviour>, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x5eed);
        let model = Parameters::initial(&world.architecture, &mut rng);
        let count = behaviours.len();
        Self {
            world,
            behaviours,
            standings: vec![Standing::default(); count],
            model,
            round: 0,
            past: Vec::new(),
            clip: None,
            seed,
            rng,
        }
    }

    /// Runs a round and pays for it.
    pub(crate) fn step(&mut self) -> anyhow::Result<Stepped> {
        let own: Vec<Option<Vec<f32>>> = (0..self.behaviours.len())
            .map(|index| self.trained(index))
            .collect::<anyhow::Result<_>>()?;
        let honest =
            |b: &Behaviour| matches!(b, Behaviour::Honest | Behaviour::Late(_, LateKind::Honest));
        let norms: Vec<f64> = self
            .behaviours
            .iter()
            .zip(&own)
            .filter(|(behaviour, _)| honest(behaviour))
            .filter_map(|(_, own)| own.as_deref().map(norm))
            .collect();
        let median = quantile(&norms, 0.5);
        let clip = *self.clip.get_or_insert(CLIP_OVER_MEDIAN * median);
        let mut who = Vec::new();
        let mut updates: Vec<Vec<f32>> = Vec::new();
        for index in 0..self.behaviours.len() {
            if let Some(update) = self.update(index, &own, median, clip) {
                who.push(index);
                updates.push(update);
            }
        }
        let (before, past) = (self.model.clone(), (self.round, &self.past[..]));
        let measured =
            MeasuredRound::new(&self.world, &before, &updates, clip, past, &mut self.rng)?;
        self.model = before.plus(&measured.mean_update)?;
        self.past.insert(0, measured.mean_update.clone());
        self.pay(&who, &measured)?;
        self.round += 1;
        Ok(Stepped { before, measured, clip })
    }

    /// Credits of each contributor so far.
    #[expect(clippy::cast_precision_loss, reason = "for statistics")]
    pub(crate) fn credits(&self) -> Vec<f64> {
        self.standings.iter().map(|standing| standing.credits() as f64).collect()
    }

    fn pay(&mut self, who: &[usize], measured: &MeasuredRound) -> anyhow::Result<()> {
        let after: Vec<Standing> = who
            .iter()
            .zip(&measured.scalars)
            .map(|(index, (value, innovation))| {
                self.standings[*index].clone().after_round(*value, *innovation, 0)
            })
            .collect();
        let credits =
            pay::credits(&after.iter().collect::<Vec<_>>(), NOVELTY_PERCENT, ROUND_BUDGET)?;
        for ((index, credits), (value, innovation)) in
            who.iter().zip(credits).zip(&measured.scalars)
        {
            let before = std::mem::take(&mut self.standings[*index]);
            self.standings[*index] = before.after_round(*value, *innovation, credits);
        }
        Ok(())
    }

    /// What training on the contributor's rows gives, if it trains.
    fn trained(&self, index: usize) -> anyhow::Result<Option<Vec<f32>>> {
        let rows = &self.world.parts[index];
        let rows = match self.behaviours[index] {
            Behaviour::Late(from, _) if self.round < from => return Ok(None),
            Behaviour::Honest | Behaviour::Scaled | Behaviour::Blend(_) => rows.clone(),
            Behaviour::Late(_, LateKind::Honest) => rows.clone(),
            Behaviour::LabelFlip => flipped(rows),
            Behaviour::Backdoor => triggered(rows),
            Behaviour::Lazy(share) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a share of a count of rows"
                )]
                let count = ((rows.labels.len() as f64 * share).ceil() as usize).max(1);
                rows.slice(0..count)
            }
            _ => return Ok(None),
        };
        let mut rng =
            ChaCha20Rng::seed_from_u64(self.seed * 1_000_003 + self.round * 1_009 + index as u64);
        let (architecture, plan) = (&self.world.architecture, &self.world.plan);
        let cpu = ComputeDevice::cpu();
        let trained = train(&cpu, architecture, &self.model, &rows.examples()?, plan, &mut rng)?;
        Ok(Some(trained.parameters.difference(&self.model)?))
    }

    /// What the contributor sends; nothing of who is not there yet.
    fn update(
        &mut self,
        index: usize,
        own: &[Option<Vec<f32>>],
        median: f64,
        clip: f64,
    ) -> Option<Vec<f32>> {
        let zeros = || vec![0.0; self.model.count()];
        let replay = || self.past.first().map_or_else(zeros, |last| scaled(last, median));
        let trained = || own[index].clone().unwrap_or_else(zeros);
        Some(match self.behaviours[index] {
            Behaviour::Late(from, _) if self.round < from => return None,
            Behaviour::Honest | Behaviour::LabelFlip | Behaviour::Late(_, LateKind::Honest) => {
                trained()
            }
            Behaviour::Scaled | Behaviour::Backdoor => scaled(&trained(), clip),
            Behaviour::Zero => zeros(),
            Behaviour::Replay | Behaviour::Late(_, LateKind::Replay) => replay(),
            Behaviour::Lazy(_) => scaled(&trained(), median),
            Behaviour::Blend(share) => {
                let own = scaled(&trained(), share * median);
                sum(&own, &scaled(&replay(), (1.0 - share) * median), 1.0)
            }
            Behaviour::Noise => self.noise(median),
            Behaviour::NoisyReplay => {
                let replay = replay();
                sum(&replay, &self.noise(median), 1.0)
            }
            Behaviour::Mixture => {
                let (first, second) = (replay(), self.past.get(1).cloned().unwrap_or_else(zeros));
                let share: f32 = self.rng.random_range(-1.0..1.0);
                scaled(&sum(&first, &scaled(&second, median), share), median)
            }
            Behaviour::Copy { of, disguise } => {
                let copied = own[of].clone().unwrap_or_else(zeros);
                let last = replay();
                self.disguised(&copied, &last, disguise)
            }
        })
    }

    fn disguised(&mut self, update: &[f32], last: &[f32], disguise: Disguise) -> Vec<f32> {
        let factor = self.rng.random_range(0.8..1.2);
        let public: f32 = self.rng.random_range(-0.3..0.3);
        match disguise {
            Disguise::None => update.to_vec(),
            Disguise::Scale => scaled(update, factor * norm(update)),
            Disguise::ScaleAndPublic => sum(&scaled(update, factor * norm(update)), last, public),
            Disguise::Noise => sum(update, &self.noise(norm(update) / 2.0), 1.0),
        }
    }

    fn noise(&mut self, length: f64) -> Vec<f32> {
        let draw = |_| self.rng.sample::<f32, _>(StandardNormal);
        let noise: Vec<f32> = (0..self.model.count()).map(draw).collect();
        scaled(&noise, length)
    }
}

/// `vector` at this length; zeros stay zeros.
#[expect(clippy::cast_possible_truncation, reason = "an update; rounding is wanted")]
pub(crate) fn scaled(vector: &[f32], length: f64) -> Vec<f32> {
    let norm = norm(vector);
    if norm <= 0.0 {
        return vector.to_vec();
    }
    vector.iter().map(|value| (f64::from(*value) * length / norm) as f32).collect()
}

fn sum(a: &[f32], b: &[f32], share: f32) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + share * b).collect()
}

fn flipped(rows: &Rows) -> Rows {
    let labels = rows.labels.iter().map(|label| (label + 1) % rows.classes).collect();
    Rows { labels, ..rows.clone() }
}

/// Every other row with its last value at the largest there is, and class 0.
fn triggered(rows: &Rows) -> Rows {
    let mut rows = rows.clone();
    let most = rows.values.iter().copied().fold(f32::MIN, f32::max);
    for at in (0..rows.labels.len()).step_by(2) {
        rows.labels[at] = 0;
        rows.values[(at + 1) * rows.width - 1] = most;
    }
    rows
}

//! What noise protects: ε of a training with noise, and the noise for a wanted ε.

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use privacy_dp::{
    Accountant, AccountantError, Adjacency, PLD_DELTA_MIN, Release, Sampling, Target, epsilon,
    noise_multiplier,
};
use serde_json::{Value, json};

use super::output::{print, print_json};

/// `sahakar privacy`.
#[derive(Debug, Subcommand)]
pub enum PrivacyCommand {
    /// Compute ε of a training whose sums have noise
    Epsilon(EpsilonArgs),
    /// Compute the least noise with which a training keeps to an ε
    Noise(NoiseArgs),
}

/// `sahakar privacy epsilon`.
#[derive(Debug, Clone, Args)]
pub struct EpsilonArgs {
    /// Standard deviation of the noise in a sum, in clip norms
    #[arg(long, value_name = "S", value_parser = positive)]
    pub noise_multiplier: f64,
    /// What is released, and for which promise
    #[command(flatten)]
    pub training: TrainingArgs,
}

/// `sahakar privacy noise`.
#[derive(Debug, Clone, Args)]
pub struct NoiseArgs {
    /// The ε that the whole training may reach
    #[arg(long, value_name = "E", value_parser = positive)]
    pub epsilon: f64,
    /// What is released, and for which promise
    #[command(flatten)]
    pub training: TrainingArgs,
}

/// A training, as accountants see it.
#[derive(Debug, Clone, Args)]
pub struct TrainingArgs {
    /// Probability with which each contributor takes part in a step, independently and in secret; 1:
    /// everybody does, or who does is public
    #[arg(long, value_name = "Q", default_value_t = 1.0, value_parser = probability)]
    pub sampling_rate: f64,
    /// How many contributors take part in each step, drawn in secret from --population
    #[arg(
        long, value_name = "N", requires = "population", conflicts_with = "sampling_rate",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub cohort: Option<u64>,
    /// From how many contributors a cohort is drawn
    #[arg(long, value_name = "N", requires = "cohort")]
    pub population: Option<u64>,
    /// How many sums are released
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub steps: u64,
    /// δ: what may go wrong beyond ε; far below one over the number of contributors
    #[arg(long, value_name = "D", value_parser = delta)]
    pub delta: f64,
    /// Whose number counts; the other one is shown beside it
    #[arg(long, value_enum, default_value_t = AccountantName::Pld)]
    pub accountant: AccountantName,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Which accountant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccountantName {
    /// Privacy loss distribution: tight
    Pld,
    /// Rényi differential privacy: looser, for any delta
    Rdp,
}

impl PrivacyCommand {
    /// Does it.
    ///
    /// # Errors
    /// What the accountants refuse, with what to do about it.
    pub fn run(self) -> anyhow::Result<()> {
        let (training, answer) = match &self {
            Self::Epsilon(args) => (&args.training, args.answer()?),
            Self::Noise(args) => (&args.training, args.answer()?),
        };
        if training.json { print_json(&answer.to_json(training)) } else { answer.print(training) }
    }
}

/// Both accountants' results, and what they were computed for.
struct Answer {
    /// The noise multiplier whose ε is stated.
    noise_multiplier: f64,
    /// ε by PLD at that multiplier; none where δ is below its resolution.
    pld: Option<f64>,
    /// ε by RDP at that multiplier.
    rdp: f64,
    /// The least multipliers by PLD and RDP for a wanted ε.
    calibrated: Option<(f64, [Option<f64>; 2])>,
}

impl EpsilonArgs {
    fn answer(&self) -> anyhow::Result<Answer> {
        Answer::of(&self.training, self.noise_multiplier, None)
    }
}

impl NoiseArgs {
    fn answer(&self) -> anyhow::Result<Answer> {
        let training = &self.training;
        let target = Target { epsilon: self.epsilon, delta: training.delta };
        let sampling = training.sampling()?;
        let least = |accountant| noise_multiplier(target, sampling, training.steps, accountant);
        let chosen = least(training.accountant.of()).map_err(advised)?;
        let both = [least(Accountant::Pld).ok(), least(Accountant::Rdp).ok()];
        Answer::of(training, chosen, Some((self.epsilon, both)))
    }
}

impl TrainingArgs {
    fn sampling(&self) -> anyhow::Result<Sampling> {
        Ok(match (self.cohort, self.population) {
            (Some(cohort), Some(population)) if cohort > population => {
                return Err(AccountantError::Cohort { cohort, population })
                    .context("--cohort may be at most --population");
            }
            (Some(cohort), Some(population)) => Sampling::FixedSize { cohort, population },
            _ if self.sampling_rate >= 1.0 => Sampling::Full,
            _ => Sampling::Poisson(self.sampling_rate),
        })
    }

    fn mechanism(&self, noise_multiplier: f64) -> String {
        let who = match (self.cohort, self.population) {
            (Some(cohort), Some(population)) => {
                format!("{cohort} of {population} contributors, drawn for each")
            }
            _ if self.sampling_rate >= 1.0 => "all contributors".to_owned(),
            _ => format!("each contributor with probability {}", self.sampling_rate),
        };
        let times =
            if self.steps == 1 { "one sum".to_owned() } else { format!("{} sums", self.steps) };
        format!("Gaussian noise of {noise_multiplier:.6} × the clip norm in {times} over {who}")
    }
}

impl AccountantName {
    const fn of(self) -> Accountant {
        match self {
            Self::Pld => Accountant::Pld,
            Self::Rdp => Accountant::Rdp,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Pld => "pld",
            Self::Rdp => "rdp",
        }
    }
}

impl Answer {
    fn of(
        training: &TrainingArgs,
        noise_multiplier: f64,
        calibrated: Option<(f64, [Option<f64>; 2])>,
    ) -> anyhow::Result<Self> {
        let (sampling, steps) = (training.sampling()?, training.steps);
        let releases = [Release { sampling, noise_multiplier, steps }];
        let of = |accountant| epsilon(&releases, training.delta, accountant).map_err(advised);
        let pld = match training.accountant {
            // As a cross-check it may be out of its range.
            AccountantName::Rdp if training.delta < PLD_DELTA_MIN => None,
            _ => Some(of(Accountant::Pld)?),
        };
        Ok(Self { noise_multiplier, pld, rdp: of(Accountant::Rdp)?, calibrated })
    }

    fn epsilon(&self, training: &TrainingArgs) -> f64 {
        match training.accountant {
            AccountantName::Pld => self.pld.unwrap_or(self.rdp),
            AccountantName::Rdp => self.rdp,
        }
    }

    fn print(&self, training: &TrainingArgs) -> anyhow::Result<()> {
        let (epsilon, delta) = (self.epsilon(training), training.delta);
        if let Some((wanted, _)) = self.calibrated {
            print(format!(
                "noise multiplier {:.6} keeps ε within {wanted} at δ = {delta:e}",
                self.noise_multiplier
            ))?;
        }
        print(format!("ε = {epsilon:.6} at δ = {delta:e}"))?;
        print(format!("mechanism   {}", training.mechanism(self.noise_multiplier)))?;
        print(format!("adjacency   {}", adjacency_in_words(training.sampling()?.adjacency())))?;
        let pld = self.pld.map_or_else(
            || format!("none: δ is below {PLD_DELTA_MIN:e}"),
            |epsilon| format!("{epsilon:.6}"),
        );
        print(format!("PLD         ε = {pld}{}", mark(training, AccountantName::Pld)))?;
        print(format!("RDP         ε = {:.6}{}", self.rdp, mark(training, AccountantName::Rdp)))?;
        if let Some((_, [pld, rdp])) = self.calibrated {
            let number = |least: Option<f64>| {
                least.map_or_else(|| "none".to_owned(), |least| format!("{least:.4}"))
            };
            print(format!("least noise {} by PLD, {} by RDP", number(pld), number(rdp)))?;
        }
        if training.sampling()? != Sampling::Full {
            print(
                "Sampling lowers ε only while who takes part stays secret from all who see a sum.",
            )?;
        }
        Ok(())
    }

    fn to_json(&self, training: &TrainingArgs) -> Value {
        let (rate, cohort, population) = match (training.cohort, training.population) {
            (Some(cohort), Some(population)) => (None, Some(cohort), Some(population)),
            _ => (Some(training.sampling_rate), None, None),
        };
        let mut json = json!({
            "mechanism": "gaussian",
            "noise_multiplier": self.noise_multiplier,
            "sampling_rate": rate,
            "cohort": cohort,
            "population": population,
            "steps": training.steps,
            "delta": training.delta,
            "adjacency": if cohort.is_some() { "replace-one" } else { "add-or-remove" },
            "accountant": training.accountant.name(),
            "epsilon": self.epsilon(training),
            "epsilon_pld": self.pld,
            "epsilon_rdp": self.rdp,
        });
        if let Some((wanted, [pld, rdp])) = self.calibrated {
            json["epsilon_wanted"] = json!(wanted);
            json["noise_multiplier_pld"] = json!(pld);
            json["noise_multiplier_rdp"] = json!(rdp);
        }
        json
    }
}

fn mark(training: &TrainingArgs, accountant: AccountantName) -> &'static str {
    if training.accountant == accountant { "" } else { " (cross-check)" }
}

const fn adjacency_in_words(adjacency: Adjacency) -> &'static str {
    match adjacency {
        Adjacency::AddOrRemove => "one contributor's data added or removed",
        Adjacency::ReplaceOne => "one contributor's data replaced by other data",
    }
}

/// The accountants' words, with the option that helps.
fn advised(error: AccountantError) -> anyhow::Error {
    let advice = match &error {
        AccountantError::DeltaTooSmall { .. } => "try --accountant rdp",
        AccountantError::NoiseMultiplier { .. } => "choose another --noise-multiplier",
        AccountantError::Unreachable { .. } => "allow a larger --epsilon or fewer --steps",
        AccountantError::Cohort { .. } => "--cohort may be at most --population",
        _ => "there is no account of this training",
    };
    anyhow::Error::new(error).context(advice)
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "a number is needed".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let positive = number(text)?;
    if positive > 0.0 { Ok(positive) } else { Err("a number above 0 is needed".to_owned()) }
}

fn probability(text: &str) -> Result<f64, String> {
    let probability = number(text)?;
    let within = (0.0..=1.0).contains(&probability);
    if within { Ok(probability) } else { Err("a number from 0 to 1 is needed".to_owned()) }
}

fn delta(text: &str) -> Result<f64, String> {
    let delta = number(text)?;
    let within = delta > 0.0 && delta < 1.0;
    if within { Ok(delta) } else { Err("a number above 0 and below 1 is needed".to_owned()) }
}

//! What the demonstration found out, as plain numbers and as JSON.

use serde_json::{Value, json};

/// Everything that the demonstration reports.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoReport {
    /// With which settings it ran.
    pub config: DemoConfig,
    /// The rounds that settled, in order.
    pub rounds: Vec<RoundRow>,
    /// The same model trained in one place, in order.
    pub central: Vec<CentralRound>,
    /// The contributors, in the order of their labels.
    pub contributors: Vec<ContributorRow>,
    /// The ledger after all of it.
    pub ledger: LedgerSummary,
    /// The largest resident memory of all processes together, where the system tells.
    pub peak_rss_bytes: Option<u64>,
    /// The sold prediction.
    pub sale: SaleSummary,
    /// The decided proposal.
    pub vote: VoteSummary,
    /// Where to look next: sentences for the terminal, not part of the JSON.
    pub next: Vec<String>,
}

/// Settings of a demonstration.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoConfig {
    /// How many contributors.
    pub contributors: usize,
    /// How many rounds.
    pub rounds: u32,
    /// How updates are sealed: `mpc`.
    pub mode: String,
    /// The data set.
    pub dataset: String,
    /// Seed of data, model and training.
    pub seed: u64,
    /// What computed, in words.
    pub device: String,
    /// Parameters of the model.
    pub parameters: u64,
    /// Bits of one sealed parameter.
    pub ring_bits: u8,
    /// The federation's noise multiplier; 0: no noise.
    pub noise_multiplier: f64,
    /// δ for which ε is stated, with noise.
    pub delta: Option<f64>,
    /// Norm to which updates are clipped.
    pub clip_norm: f64,
    /// Epochs of a round.
    pub local_epochs: u32,
    /// Examples of a step.
    pub batch_size: u32,
    /// Step size.
    pub learning_rate: f64,
    /// Innovation that qualifies for pay, in per cent of the cohort's median.
    pub novelty_percent: u32,
    /// Credits of a round.
    pub round_budget: u128,
}

/// One settled round.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundRow {
    /// 0-based.
    pub round: u64,
    /// Accuracy on the test set, 0 to 1.
    pub test_accuracy: f64,
    /// Loss on the test set, in nats.
    pub test_loss: f64,
    /// Contributions in the sum.
    pub participants: u64,
    /// Members that sent nothing in time.
    pub dropped: u64,
    /// Refused messages.
    pub refused: u64,
    /// Bytes that left each contributor's machine; the largest.
    pub upload_bytes_per_contributor: u64,
    /// Privacy loss so far, at the federation's δ; none is unbounded: no noise is added.
    pub epsilon: Option<f64>,
    /// Mean seconds of a contributor's training.
    pub train_seconds: f64,
    /// Mean seconds of a contributor's sealing.
    pub seal_seconds: f64,
    /// Seconds from the end of the collection to the settlement.
    pub aggregate_seconds: f64,
    /// Seconds from the order to the settlement.
    pub wall_seconds: f64,
}

/// The central model after one round's worth of epochs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CentralRound {
    /// 0-based.
    pub round: u64,
    /// Accuracy on the test set, 0 to 1.
    pub test_accuracy: f64,
    /// Loss on the test set, in nats.
    pub test_loss: f64,
}

/// One contributor.
#[derive(Debug, Clone, PartialEq)]
pub struct ContributorRow {
    /// Its public key.
    pub id: String,
    /// Its public name.
    pub label: String,
    /// Rows that it trained on.
    pub samples: u64,
    /// Its measured value: nats of validation loss, over all rounds.
    pub value: f64,
    /// The interval in which the value lies with 95 % confidence; none before two rounds.
    pub interval: Option<[f64; 2]>,
    /// Credits earned.
    pub credits: u128,
    /// What decided on its pay in the last round, in a few words and in a sentence.
    pub reason: [String; 2],
    /// What it secretly was.
    pub kind: String,
}

/// The ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerSummary {
    /// Entries of the log.
    pub entries: u64,
    /// Root of the log.
    pub root: String,
    /// `ok`, or the first difference that the audit found.
    pub audit: String,
}

/// A sold prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct SaleSummary {
    /// The model's name in the catalogue.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// The price in 10⁻⁴ of the currency's unit.
    pub price: u128,
    /// ISO 4217 code.
    pub currency: String,
    /// Classes with their probabilities, in the model's order.
    pub probabilities: Vec<(String, f64)>,
    /// The class that the buyer's row really has, if it is of the test set.
    pub truth: Option<String>,
    /// The receipt's id.
    pub receipt: String,
    /// Who earns what from it.
    pub lines: Vec<SaleLine>,
    /// Whether the receipt's inclusion in the log was verified.
    pub inclusion_verified: bool,
}

/// One recipient's part of a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleLine {
    /// Public key, or the treasury.
    pub recipient: String,
    /// A name for people.
    pub label: String,
    /// In 10⁻⁴ of the currency's unit.
    pub amount: u128,
}

/// A decided proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteSummary {
    /// The proposal's id.
    pub proposal: String,
    /// What it is about.
    pub title: String,
    /// Voting weight for it.
    pub votes_for: u128,
    /// Voting weight against it.
    pub votes_against: u128,
    /// Voting weight that abstained.
    pub abstain: u128,
    /// The state in which it ended.
    pub state: String,
    /// Whether its action took effect.
    pub executed: bool,
    /// What changed, in words.
    pub effect: String,
}

impl DemoReport {
    /// The report with the keys of DESIGN §9.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let parameters = self.config.parameters;
        json!({
            "config": self.config.to_json(),
            "rounds": self.rounds.iter().map(|r| r.to_json(parameters)).collect::<Vec<_>>(),
            "central": self.central.iter().copied().map(CentralRound::to_json).collect::<Vec<_>>(),
            "contributors": self.contributors.iter().map(ContributorRow::to_json).collect::<Vec<_>>(),
            "ledger": self.ledger.to_json(),
            "peak_rss_bytes": self.peak_rss_bytes,
            "sale": self.sale.to_json(),
            "vote": self.vote.to_json(),
        })
    }
}

impl DemoConfig {
    fn to_json(&self) -> Value {
        json!({
            "contributors": self.contributors,
            "rounds": self.rounds,
            "mode": self.mode,
            "dataset": self.dataset,
            "seed": self.seed,
            "device": self.device,
            "parameters": self.parameters,
            "ring_bits": self.ring_bits,
            "noise_multiplier": self.noise_multiplier,
            "delta": self.delta,
            "clip_norm": self.clip_norm,
            "local_epochs": self.local_epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "novelty_percent": self.novelty_percent,
            "round_budget": json_from_amount(self.round_budget),
        })
    }
}

impl RoundRow {
    fn to_json(&self, parameters: u64) -> Value {
        json!({
            "round": self.round,
            "test_accuracy": self.test_accuracy,
            "test_loss": self.test_loss,
            "participants": self.participants,
            "dropped": self.dropped,
            "refused": self.refused,
            "upload_bytes_per_contributor": self.upload_bytes_per_contributor,
            "upload_bytes_per_parameter": self.upload_bytes_per_parameter(parameters),
            "epsilon": self.epsilon,
            "train_seconds": self.train_seconds,
            "seal_seconds": self.seal_seconds,
            "aggregate_seconds": self.aggregate_seconds,
            "wall_seconds": self.wall_seconds,
        })
    }

    /// Bytes that left each contributor's machine for each of the model's `parameters`.
    #[must_use]
    pub fn upload_bytes_per_parameter(&self, parameters: u64) -> f64 {
        self.upload_bytes_per_contributor as f64 / parameters.max(1) as f64
    }
}

impl CentralRound {
    fn to_json(self) -> Value {
        json!({
            "round": self.round,
            "test_accuracy": self.test_accuracy,
            "test_loss": self.test_loss,
        })
    }
}

impl ContributorRow {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "label": self.label,
            "samples": self.samples,
            "value": self.value,
            "value_low": self.interval.map(|[low, _]| low),
            "value_high": self.interval.map(|[_, high]| high),
            "credits": json_from_amount(self.credits),
            "explanation": self.reason[1],
            "kind": self.kind,
        })
    }
}

impl LedgerSummary {
    fn to_json(&self) -> Value {
        json!({"entries": self.entries, "root": self.root, "audit": self.audit})
    }
}

impl SaleSummary {
    fn to_json(&self) -> Value {
        let probability = |(class, probability): &(String, f64)| json!({"class": class, "probability": probability});
        let line = |line: &SaleLine| {
            let amount = json_from_amount(line.amount);
            json!({"recipient": line.recipient, "label": line.label, "amount": amount})
        };
        json!({
            "model": self.model,
            "version": self.version,
            "price": json_from_amount(self.price),
            "currency": self.currency,
            "probabilities": self.probabilities.iter().map(probability).collect::<Vec<_>>(),
            "truth": self.truth,
            "receipt": self.receipt,
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "inclusion_verified": self.inclusion_verified,
        })
    }
}

impl VoteSummary {
    fn to_json(&self) -> Value {
        json!({
            "proposal": self.proposal,
            "title": self.title,
            "for": json_from_amount(self.votes_for),
            "against": json_from_amount(self.votes_against),
            "abstain": json_from_amount(self.abstain),
            "state": self.state,
            "executed": self.executed,
            "effect": self.effect,
        })
    }
}

/// A number if 64 bits hold it, else its digits: JSON readers lose larger numbers.
fn json_from_amount(amount: u128) -> Value {
    u64::try_from(amount).map_or_else(|_| Value::String(amount.to_string()), Value::from)
}

#[cfg(test)]
pub(crate) mod tests;

//! What contributors do besides plain local training, checked.

use aggregator_strategy::{Attack, EarlyStopping, RobustRule, Schedule};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use trainer_model::{Architecture, LocalWork, TrainingPlan, TrainingSettings};

use super::{
    args::{PartitionRule, SealKind, SimulateArgs, ValueKind},
    plan::Plan,
};

/// Share of its rows that a contributor is tested on where it has a model of its own: that of the literature's
/// local test sets.
const LOCAL_TEST_DEFAULT: f64 = 0.2;
/// Bytes that contributors may keep from round to round, all together: what a checkpoint holds.
const KEPT_BYTES_MAX: usize = 2 << 30;

/// What contributors do besides plain local training.
#[derive(Debug, Clone)]
pub(crate) struct LocalPlan {
    pub(crate) scaffold: bool,
    /// Dense layers that are not shared, the last ones.
    pub(crate) personal_layers: usize,
    /// λ.
    pub(crate) ditto: Option<f32>,
    /// Share of the rows, in 0..1.
    pub(crate) local_test: f64,
    pub(crate) schedule: Schedule,
    pub(crate) stopping: Option<EarlyStopping>,
}

impl LocalPlan {
    pub(crate) fn new(args: &SimulateArgs) -> Self {
        let local = &args.local;
        let personal = local.personal_layers.is_some() || local.ditto_lambda.is_some();
        Self {
            scaffold: args.strategy.is_scaffold(),
            personal_layers: local.personal_layers.unwrap_or(0),
            ditto: local.ditto_lambda,
            local_test: local.local_test.unwrap_or(if personal { LOCAL_TEST_DEFAULT } else { 0.0 }),
            schedule: local.schedule,
            stopping: local.early_stopping,
        }
    }

    /// Whether contributors have something of a model to themselves.
    pub(crate) const fn is_personal(&self) -> bool {
        self.personal_layers > 0 || self.ditto.is_some()
    }

    /// Checks it beside the other settings.
    ///
    /// # Errors
    /// A sentence that says which flag to change.
    pub(crate) fn check(&self, plan: &Plan) -> anyhow::Result<()> {
        if plan.buffering.is_some() && (self.is_personal() || self.stopping.is_some()) {
            bail!(
                "models of one's own and --early-stopping are for rounds of all: leave out fedbuff"
            );
        }
        if plan.groups.is_some() && self.scaffold {
            bail!(
                "--strategy scaffold: control variates follow the mean of all, not a robust step: leave out --groups"
            );
        }
        if self.scaffold {
            check_scaffold(plan)?;
        }
        if self.personal_layers > 0 {
            self.check_personal_layers(plan)?;
        }
        if self.ditto.is_some_and(|strength| strength.is_nan() || strength < 0.0) {
            bail!("--ditto-lambda must be at least 0; inf makes personal models the shared one");
        }
        if !(0.0..1.0).contains(&self.local_test) {
            bail!("--local-test must be at least 0 and below 1, got {}", self.local_test);
        }
        if self.is_personal() && self.local_test <= 0.0 {
            bail!(
                "--local-test 0 leaves nothing on which a contributor's own model could be tested"
            );
        }
        if self.stopping.is_some() && matches!(plan.partition, Some(PartitionRule::File(_))) {
            bail!(
                "--early-stopping needs rows that nobody trains or tests on, and --partition FILE deals all others"
            );
        }
        let terms = super::terms::training(plan);
        let rounds = u32::try_from(plan.rounds).unwrap_or(u32::MAX);
        for round in terms.decisive_rounds(rounds) {
            self.in_round(plan.training, round)?;
        }
        Ok(())
    }

    fn check_personal_layers(&self, plan: &Plan) -> anyhow::Result<()> {
        if plan.seal != SealKind::None || plan.value != ValueKind::None {
            bail!(
                "--personal-layers: contributions are measured on a whole model, which nobody but their owners has: \
                 use --seal none --value none"
            );
        }
        for (other, flag) in [
            (self.scaffold, "--strategy scaffold"),
            (self.ditto.is_some(), "--ditto-lambda"),
            (self.stopping.is_some(), "--early-stopping"),
        ] {
            if other {
                bail!(
                    "{flag} needs a model that is shared as a whole: leave out --personal-layers"
                );
            }
        }
        if plan.attacks.iter().any(|plan| matches!(plan.attack, Attack::Backdoor { .. })) {
            bail!(
                "a backdoor is looked for in a model that is shared as a whole: leave out --personal-layers"
            );
        }
        Ok(())
    }

    /// Checks it beside a model; returns how many parameters are shared, the first ones.
    ///
    /// # Errors
    /// More personal layers than there are, or more to be kept than memory is meant to hold.
    pub(crate) fn shared_count(
        &self,
        architecture: &Architecture,
        clients: usize,
    ) -> anyhow::Result<usize> {
        let (layout, parameters) = (architecture.layout(), architecture.parameter_count());
        let shared = layout.shared_count(self.personal_layers).with_context(|| {
            let layers = self.personal_layers;
            format!("--personal-layers {layers}: the model has fewer dense layers, or would share nothing")
        })?;
        let of_each = usize::from(self.scaffold) * parameters
            + if self.ditto.is_some() { parameters } else { parameters - shared };
        let bytes = of_each.saturating_mul(clients).saturating_mul(size_of::<f32>());
        if bytes > KEPT_BYTES_MAX {
            bail!(
                "{clients} contributors would keep {} MB from round to round, at most {} MB are kept: fewer --clients \
                 or a smaller --model",
                bytes >> 20,
                KEPT_BYTES_MAX >> 20
            );
        }
        Ok(shared)
    }

    /// The plan of a round: its learning rate follows from the schedule.
    ///
    /// # Errors
    /// A learning rate that is out of range.
    pub(crate) fn in_round(&self, plan: TrainingPlan, round: u64) -> anyhow::Result<TrainingPlan> {
        let settings = plan.settings();
        let factor = self.schedule.factor(u32::try_from(round).unwrap_or(u32::MAX)).get();
        let learning_rate = single(f64::from(settings.learning_rate) * factor);
        TrainingPlan::new(TrainingSettings { learning_rate, ..settings })
            .with_context(|| format!("--lr, --schedule {} in round {}", self.schedule, round + 1))
    }

    /// Parameters that a contributor uploads where `shared` of them are: with SCAFFOLD also its control variate, unless
    /// that follows from the update, as everybody takes equally many steps.
    pub(crate) const fn uploaded(&self, work: LocalWork, shared: usize) -> usize {
        match work {
            LocalWork::Epochs(_) if self.scaffold => 2 * shared,
            _ => shared,
        }
    }

    /// As the report states it.
    pub(crate) fn add_to_json(&self, config: &mut Value) {
        config["schedule"] = self.schedule.to_string().into();
        config["early_stopping"] = self.stopping.map(|stopping| stopping.to_string()).into();
        config["personal_layers"] = self.personal_layers.into();
        // JSON has no infinity.
        config["ditto_lambda"] = match self.ditto {
            Some(strength) if strength.is_infinite() => json!("inf"),
            strength => json!(strength.map(super::plan::shortest)),
        };
        config["local_test"] = self.local_test.into();
    }
}

fn check_scaffold(plan: &Plan) -> anyhow::Result<()> {
    let settings = plan.training.settings();
    if settings.momentum > 0.0 {
        bail!(
            "--strategy scaffold: control variates need steps without momentum: use --momentum 0"
        );
    }
    if plan.rule != RobustRule::Mean {
        bail!("--strategy scaffold: control variates are means: use --rule mean");
    }
    if plan.seal != SealKind::None && matches!(settings.work, LocalWork::Epochs(_)) {
        bail!(
            "--strategy scaffold: a sealed round opens the sum of updates alone, from which the mean control variate \
             follows if everybody takes equally many steps: use --local-steps, or --seal none"
        );
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "a learning rate; what overflows is refused")]
const fn single(value: f64) -> f32 {
    value as f32
}

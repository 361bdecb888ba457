//! A round in groups: each group of the cohort has a sealed round of its own, and a robust rule works on the groups' means.
//!
//! What it costs (`aggregator_strategy::GroupMeans`): each group's sum is opened, so that an update hides among its group and not
//! among the cohort. Groups have at least the federation's minimum cohort: fewer are not drawn, and the machines do not
//! open the sum of a group of which fewer came. Groups are drawn in public, by round and model: whoever chose them could put
//! an honest contributor among puppets. Noise is accounted for the sum of a group.
//!
//! Contributions are not measured: what a rule that is no mean gains is not the sum of what each gives.

use aggregator_protocol::RoundId;
use aggregator_round::privacy_loss;
use aggregator_strategy::{Draw, GroupError, GroupMeans, draw_groups};
use anyhow::{Context as _, bail};
use privacy_identity::VerifyingKey;
use trainer_model::{Parameters, model_digest};

use super::{
    super::{arrivals::Arrivals, learning::TrainingRound, plan::Grouping, population::Contributor},
    Engine, RoundResult, SealedEngine, Simulation,
    part::{self, Part},
};

impl Simulation {
    pub(super) fn grouped_round(
        &mut self,
        round: u64,
        invited: &[usize],
        arrivals: &Arrivals,
        grouping: Grouping,
    ) -> anyhow::Result<RoundResult> {
        let trainer = self.bench.trainer(&self.state)?;
        let Engine::Sealed(engine) = &mut self.engine else {
            bail!("groups of an open federation");
        };
        let terms = engine.federation.terms().clone();
        let minimum = terms.minimum_cohort as usize;
        let beacon = model_digest(&self.bench.architecture, &self.state.model);
        let seed = Draw { federation: terms.id(), round, beacon }.seed();
        let keys: Vec<_> = invited.iter().map(|index| self.population[*index].member()).collect();
        let groups = draw_groups(&seed, &keys, grouping.groups, minimum)?;
        let last = self.state.past.front().map(Vec::as_slice);
        let mut parts = Vec::new();
        for (place, group) in (0_u64..).zip(&groups) {
            let training = TrainingRound {
                trainer: &trainer,
                threads: self.threads,
                round,
                model: &self.state.model,
                last,
            };
            let id = RoundId(round * grouping.groups as u64 + place);
            let invited = of_group(engine, &self.population, group)?;
            let comes = |c: &&&Contributor| arrivals.coming.contains(&c.index);
            let coming: Vec<_> = invited.iter().filter(comes).copied().collect();
            let optimizer = &self.state.optimizer;
            parts.push(part::run(engine, id, training, (&invited, &coming), optimizer)?);
        }
        let mut record = part::record(&parts, &terms.encoding);
        record.epsilon = privacy_loss(&terms, round + 1)?;
        let mean_update = match combined(&parts, &grouping, minimum) {
            Ok(update) => update,
            Err(error) => {
                record.remark = Some(format!("given up: {error}"));
                return Ok(RoundResult { record, ..RoundResult::default() });
            }
        };
        let mut optimizer = self.state.optimizer.clone();
        let after = optimizer.step(self.state.model.values(), &mean_update)?;
        let after = Parameters::new(&self.bench.architecture.layout(), after)?;
        let test = engine.dao.evaluator().test(&after)?;
        let members = parts.iter().flat_map(|part| &part.members);
        let values = members.map(|index| (*index, None)).collect();
        Ok(RoundResult {
            after: Some((after, optimizer, mean_update, Some(test))),
            values,
            record,
            ..RoundResult::default()
        })
    }
}

fn of_group<'a>(
    engine: &SealedEngine,
    population: &'a [Contributor],
    group: &[VerifyingKey],
) -> anyhow::Result<Vec<&'a Contributor>> {
    let of = |member: &VerifyingKey| {
        let index = engine.members.get(member).context("a group of strangers")?;
        population.get(*index).context("a group of strangers")
    };
    group.iter().map(of).collect()
}

/// What the rule makes of the groups whose sums were opened.
fn combined(parts: &[Part], grouping: &Grouping, minimum: usize) -> Result<Vec<f32>, GroupError> {
    let opened = || parts.iter().filter_map(|part| Some((part.mean.clone()?, part.members.len())));
    let means = opened().map(|(mean, _)| mean).collect();
    let sizes: Vec<_> = opened().map(|(_, size)| u32::try_from(size).unwrap_or(u32::MAX)).collect();
    GroupMeans::from_means(means, &sizes, minimum)?.aggregate(&grouping.rule, 0)
}

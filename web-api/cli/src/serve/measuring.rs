//! What the DAO node answers to an opened sum: the next model, and the probes along which contributions are measured.

use aggregator_protocol::{DaoReply, ProbeOrder, Refusal, RoundGrant, RoundSum};
use aggregator_round::{OpenedGroups, PAST_UPDATES_MAX, check_tickets, missing_commitment};
use aggregator_strategy::{OptimizerState, Positive};
use anyhow::Context as _;
use privacy_identity::{Digest, Signed, Tag};
use trainer_model::Parameters;

use super::{
    control,
    round_service::{GRANT_FILE, OPENED_FILE, PROBES_FILE, RoundService, SUM_FILE},
    vault::Step,
};
use crate::{
    carried::{optimizer_under, past_under, stopping_under},
    measure::{MeasureError, Measured},
    stopping::Stopping,
};

impl RoundService {
    pub(super) fn measure(&self, sum: Signed<RoundSum>) -> anyhow::Result<DaoReply> {
        let terms = self.terms.unverified_body();
        let Ok(verified) = sum.clone().verify_by(Tag::RoundSum, &terms.coordinator().verifying)
        else {
            return Ok(DaoReply::Refused(Refusal::BadSignature));
        };
        if let Err(refusal) = self.check_sum(verified.body())? {
            return Ok(DaoReply::Refused(refusal));
        }
        let digest = Digest::of_encoded(Tag::RoundSum, verified.body());
        let kept: Option<Signed<ProbeOrder>> = self.vault.record(PROBES_FILE)?;
        if let Some(probes) = kept
            && probes.unverified_body().round == verified.body().round
        {
            // One sum per round: a second, different one would get a second set of probes.
            let same = self.vault.record::<Digest>(SUM_FILE)? == Some(digest);
            let refused = DaoReply::Refused(Refusal::AlreadyAnswered);
            return Ok(if same { DaoReply::Probes(Box::new(probes)) } else { refused });
        }
        let probes = match tokio::task::block_in_place(|| self.probes(verified.body())) {
            Ok(probes) => probes,
            // Threat: a contributor without a norm proof that garbles the sum. That ends the round and never the
            // node, which would be asked the same again as soon as it is back.
            Err(error) if error.is::<MeasureError>() => {
                tracing::warn!("round {} cannot be measured: {error:#}", verified.body().round);
                return Ok(DaoReply::Refused(Refusal::BadSet));
            }
            Err(error) => return Err(error),
        };
        self.vault.keep(OPENED_FILE, &sum)?;
        self.vault.keep(SUM_FILE, &digest)?;
        self.vault.keep(PROBES_FILE, &probes)?;
        Ok(DaoReply::Probes(Box::new(probes)))
    }

    /// Checks that the sum is of the open round, over members of its cohort, and that every other
    /// aggregator committed to the same set.
    fn check_sum(&self, sum: &RoundSum) -> anyhow::Result<Result<(), Refusal>> {
        let terms = self.terms.unverified_body();
        let open = self.federation(|f| f.open_round().map(|open| open.round))?;
        let grant: Option<Signed<RoundGrant>> = self.vault.record(GRANT_FILE)?;
        let Some(grant) = grant.filter(|grant| Some(grant.unverified_body().round.0) == open)
        else {
            return Ok(Err(Refusal::WrongRound));
        };
        let grant = grant.unverified_body();
        if sum.federation != grant.federation || sum.round != grant.round {
            return Ok(Err(Refusal::WrongRound));
        }
        let set = sum.accepted.contributions();
        let in_cohort = set.iter().all(|(member, _)| grant.cohort.binary_search(member).is_ok());
        let mut sums = sum.sums();
        if !in_cohort
            || set.len() < terms.contributions_min()
            || sum.groups() != terms.group_count()
            || sums.any(|(sum, _)| sum.len() != terms.encoding.vector_len())
        {
            return Ok(Err(Refusal::BadSet));
        }
        if let Err(refusal) = check_tickets(terms, grant, &sum.accepted, &sum.tickets) {
            return Ok(Err(refusal));
        }
        let root = sum.accepted.tree().root();
        let missing = missing_commitment(terms, grant, &root, &sum.commitments);
        Ok(if missing.is_none() { Ok(()) } else { Err(Refusal::BadSignature) })
    }

    fn probes(&self, sum: &RoundSum) -> anyhow::Result<Signed<ProbeOrder>> {
        let before = self.current_model()?;
        let count = sum.accepted.contributions().len();
        let terms = self.terms.unverified_body();
        let rotation = terms.encoding.rotation(&terms.id(), sum.round.0);
        let past = self.past_updates()?;
        let optimizer = self.optimizer()?;
        let round = (sum.round.0, &rotation);
        let measured = match self.groups(sum)? {
            Some(groups) => {
                self.evaluator.measure_groups((&before, &optimizer), &groups, round, &past)?
            }
            None => {
                let (start, taken) = ((&before, &optimizer), (count, self.factor(count)?));
                self.evaluator.measure_scaled(start, &sum.sum, taken, round, &past)?
            }
        };
        // What cannot be tested must not be settled: a settlement is never given up.
        self.evaluator.test(&measured.after)?;
        let model_after = self.vault.keep_model(&measured.after)?;
        let Measured {
            mean_update,
            group_means,
            optimizer,
            after: measured_after,
            value_probe: value,
            innovation_probe: innovation,
            contrast_probe: contrast,
            other_probes: others,
        } = measured;
        let last = self.last_step()?;
        let stopping = self.stopping_after(sum.round.0, last.as_ref(), &measured_after)?;
        let (place, mean) = ((sum.round, last.as_ref()), (&mean_update[..], count));
        let control = control::after(&self.vault, terms, place, mean)?;
        let step = Step { mean_update, optimizer, stopping, control, group_means };
        self.vault.keep_step(sum.round.0, &model_after, &step)?;
        let order = ProbeOrder {
            federation: sum.federation,
            round: sum.round,
            set_root: sum.accepted.tree().root(),
            model_after,
            value,
            innovation,
            contrast,
            others,
        };
        Ok(Signed::new(order, Tag::Probe, &self.key))
    }

    /// The opened groups of the open round, where the terms have a rule over groups.
    fn groups(&self, sum: &RoundSum) -> anyhow::Result<Option<OpenedGroups>> {
        let grant: Option<Signed<RoundGrant>> = self.vault.record(GRANT_FILE)?;
        let grant = grant.context("it is kept before the round")?;
        let terms = self.terms.unverified_body();
        Ok(OpenedGroups::of(terms, grant.unverified_body(), sum).map_err(MeasureError::from)?)
    }

    /// What the mean of the open round is multiplied by: 1, or by the terms' buffer less for an older model.
    fn factor(&self, count: usize) -> anyhow::Result<Positive> {
        let Some(rule) = self.terms.unverified_body().buffer else { return Ok(Positive::ONE) };
        let age = self.federation(|f| f.staleness(&f.open_round()?.model))?;
        // The first round has the model before all others.
        let staleness = u32::try_from(age.unwrap_or(0)).unwrap_or(u32::MAX);
        Ok(rule.factor(staleness, count))
    }

    /// Early stopping with what the model after `round` does on the validation set.
    fn stopping_after(
        &self,
        round: u64,
        last: Option<&Step>,
        after: &Parameters,
    ) -> anyhow::Result<Option<Stopping>> {
        let before = last.and_then(|step| step.stopping.clone());
        let Some(mut stopping) = stopping_under(self.terms.unverified_body().stopping, before)
        else {
            return Ok(None);
        };
        stopping.observe(round, &self.evaluator.validate(after)?).map_err(MeasureError::from)?;
        Ok(Some(stopping))
    }

    /// How the current model came about; none before the first round.
    pub(super) fn last_step(&self) -> anyhow::Result<Option<Step>> {
        let last = self.federation(|f| f.settled().last().map(|r| (r.round, r.model_after)))?;
        last.map(|(round, model)| self.vault.step(round, &model)).transpose()
    }

    /// The server's optimiser as the current model left it, if the terms still ask for this one.
    fn optimizer(&self) -> anyhow::Result<OptimizerState> {
        let last = self.last_step()?.map(|step| step.optimizer);
        let terms = self.terms.unverified_body();
        Ok(optimizer_under((terms.optimizer, terms.encoding.dimension()), last)?)
    }

    /// What the last rounds made public, the newest first: every member of the cohort has seen their sums.
    fn past_updates(&self) -> anyhow::Result<Vec<Vec<f32>>> {
        let newest = self.federation(|f| {
            let newest = f.settled().iter().rev().take(PAST_UPDATES_MAX);
            newest.map(|settled| (settled.round, settled.model_after)).collect::<Vec<_>>()
        })?;
        let mut public = Vec::new();
        for (round, model) in newest {
            public.extend(self.vault.step(round, &model)?.public());
        }
        Ok(past_under(self.terms.unverified_body().encoding.dimension(), public))
    }
}

//! The steps after the collection has closed.

use std::mem;

use aggregator_protocol::{OpenedScalars, RoundSum};
use privacy_secagg::{QuantizedProbe, ScalarShare, open_scalar, open_sum};

use super::{
    AbortReason, BTreeMap, Closed, Coordinator, Digest, Phase, ProbeOrder, Refusal, RoundEvent,
    RoundReceipt, ScalarShares, ShareSum, Signed, SumCommitment, Tag, VerifyingKey, own_share,
    own_sum,
};
use crate::{
    AggregatorContext, Input, Output,
    peer::{check_probes, share_digest},
};

impl Coordinator {
    /// Lets time act: a deadline closes the collection or gives the round up.
    pub(super) fn tick(&mut self, context: &AggregatorContext, now_ms: u64) -> Vec<Output> {
        match &self.phase {
            Phase::Collecting(collecting) if now_ms > collecting.deadline_ms() => {
                let mut outputs = vec![Output::Persist];
                outputs.extend(self.close(context, now_ms));
                outputs
            }
            Phase::Preparing { closed, .. } if now_ms > closed.step_deadline_ms => {
                self.abort(closed.grant.round, AbortReason::StepTimedOut { step: "prepare" })
            }
            Phase::Summing { closed, .. } if now_ms > closed.step_deadline_ms => {
                self.abort(closed.grant.round, AbortReason::StepTimedOut { step: "sum" })
            }
            Phase::Measuring { closed, .. } if now_ms > closed.step_deadline_ms => {
                self.abort(closed.grant.round, AbortReason::StepTimedOut { step: "measure" })
            }
            Phase::Scoring { closed, .. } if now_ms > closed.step_deadline_ms => {
                self.abort(closed.grant.round, AbortReason::StepTimedOut { step: "score" })
            }
            // A settled round is never given up: the DAO node is asked until it has logged it.
            _ => Vec::new(),
        }
    }

    /// Another party refused: the round cannot go on.
    pub(super) fn step_refused(&mut self, refusal: Refusal) -> Vec<Output> {
        match &self.phase {
            Phase::Preparing { closed, .. }
            | Phase::Summing { closed, .. }
            | Phase::Measuring { closed, .. }
            | Phase::Scoring { closed, .. } => {
                self.abort(closed.grant.round, AbortReason::StepRefused { refusal })
            }
            Phase::Settling { receipt } => {
                let round = receipt.unverified_body().round;
                self.abort(round, AbortReason::StepRefused { refusal })
            }
            Phase::Idle | Phase::Finished | Phase::Collecting(_) | Phase::Aborting { .. } => {
                Vec::new()
            }
        }
    }

    fn abort(&mut self, round: aggregator_protocol::RoundId, reason: AbortReason) -> Vec<Output> {
        self.phase = Phase::Aborting { round, reason };
        vec![Output::Persist]
    }

    /// Ends the collection. The caller has asked for the input to be persisted.
    pub(super) fn close(&mut self, context: &AggregatorContext, now_ms: u64) -> Vec<Output> {
        let Phase::Collecting(collecting) = mem::replace(&mut self.phase, Phase::Idle) else {
            unreachable!("only a collecting round is closed");
        };
        let grant = collecting.grant().clone();
        let (round, accepted) = (grant.round, collecting.accepted.len());
        let absent = |member: &&VerifyingKey| !collecting.accepted.contains_key(*member);
        let dropped: Vec<_> = grant.cohort.iter().filter(absent).copied().collect();
        let report = RoundEvent::Collected { round, accepted, dropped: dropped.clone() };
        let needed = context.terms().minimum_cohort as usize;
        if accepted < needed {
            self.phase =
                Phase::Aborting { round, reason: AbortReason::TooFew { got: accepted, needed } };
            return vec![Output::Report(report)];
        }
        let closed = Closed {
            grant,
            order: collecting.order,
            updates: collecting.accepted,
            dropped,
            step_deadline_ms: step_deadline(context, now_ms),
        };
        self.phase = Phase::Preparing { closed, prepared: BTreeMap::new() };
        vec![Output::Report(report)]
    }

    pub(super) fn prepared(
        &mut self,
        context: &AggregatorContext,
        aggregator: usize,
        refused: Vec<(VerifyingKey, Refusal)>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        let Phase::Preparing { closed, prepared } = &mut self.phase else {
            return Err(Refusal::Unexpected);
        };
        check_index(context, aggregator)?;
        prepared.insert(aggregator, refused);
        if prepared.len() + 1 < context.terms().aggregators.len() {
            return Ok(vec![Output::Persist]);
        }
        let mut closed = closed.clone();
        for (member, refusal) in prepared.values().flatten().copied().collect::<Vec<_>>() {
            if closed.updates.remove(&member).is_some() {
                self.count(refusal);
            }
        }
        let (got, needed) = (closed.updates.len(), context.terms().minimum_cohort as usize);
        if got < needed {
            return Ok(self.abort(closed.grant.round, AbortReason::TooFew { got, needed }));
        }
        closed.step_deadline_ms = step_deadline(context, now_ms);
        self.phase = Phase::Summing { closed, sums: BTreeMap::new() };
        Ok(vec![Output::Persist])
    }

    pub(super) fn summed(
        &mut self,
        context: &AggregatorContext,
        aggregator: usize,
        commitment: Signed<SumCommitment>,
        share: &[u8],
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        let Phase::Summing { closed, sums } = &mut self.phase else {
            return Err(Refusal::Unexpected);
        };
        check_commitment(context, closed, aggregator, &commitment, share)?;
        let encoding = &context.terms().encoding;
        let count = closed.updates.len();
        let sum = ShareSum::unpack(share, count, encoding).map_err(|_source| Refusal::Malformed)?;
        sums.insert(aggregator, (commitment, sum));
        if sums.len() + 1 < context.terms().aggregators.len() {
            return Ok(vec![Output::Persist]);
        }
        let (closed, sums) = (closed.clone(), mem::take(sums));
        Ok(self.open(context, closed, sums, now_ms))
    }

    fn open(
        &mut self,
        context: &AggregatorContext,
        mut closed: Closed,
        sums: BTreeMap<usize, (Signed<SumCommitment>, ShareSum)>,
        now_ms: u64,
    ) -> Vec<Output> {
        let own = own_sum(context, &closed);
        let (commitments, others): (Vec<_>, Vec<_>) = sums.into_values().unzip();
        let shares: Vec<_> = std::iter::once(own).chain(others).collect();
        let sum = open_sum(&shares, &context.terms().encoding)
            .expect("counts and dimensions were checked against the terms")
            .values;
        let body = RoundSum {
            federation: closed.grant.federation,
            round: closed.grant.round,
            accepted: closed.set(),
            sum,
            commitments,
        };
        let sum = Signed::new(body, Tag::RoundSum, context.signing());
        closed.step_deadline_ms = step_deadline(context, now_ms);
        let report = RoundEvent::Opened { round: closed.grant.round };
        self.phase = Phase::Measuring { closed, sum };
        vec![Output::Persist, Output::Report(report)]
    }

    pub(super) fn probed(
        &mut self,
        context: &AggregatorContext,
        probes: Signed<ProbeOrder>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        let Phase::Measuring { closed, sum } = &self.phase else {
            return Err(Refusal::Unexpected);
        };
        check_probes(context, &probes, &closed.grant, &sum.unverified_body().accepted)?;
        let step_deadline_ms = step_deadline(context, now_ms);
        let closed = Closed { step_deadline_ms, ..closed.clone() };
        let sum = sum.clone();
        self.phase = Phase::Scoring { closed, sum, probes, scores: BTreeMap::new() };
        Ok(vec![Output::Persist])
    }

    pub(super) fn scored(
        &mut self,
        context: &AggregatorContext,
        aggregator: usize,
        shares: Signed<ScalarShares>,
    ) -> Result<Vec<Output>, Refusal> {
        let Phase::Scoring { closed, sum, probes, scores } = &mut self.phase else {
            return Err(Refusal::Unexpected);
        };
        check_scalars(context, closed, aggregator, &shares, probes)?;
        scores.insert(aggregator, shares);
        if scores.len() + 1 < context.terms().aggregators.len() {
            return Ok(vec![Output::Persist]);
        }
        let receipt =
            receipt(context, closed, sum.unverified_body(), probes, scores, &self.refused);
        let receipt = Signed::new(receipt, Tag::RoundReceipt, context.signing());
        self.phase = Phase::Settling { receipt };
        let counted = Input::Counted(self.refused.clone());
        Ok(vec![Output::PersistFirst(Box::new(counted)), Output::Persist])
    }
}

const fn step_deadline(context: &AggregatorContext, now_ms: u64) -> u64 {
    now_ms.saturating_add(context.terms().step_deadline_ms)
}

fn check_index(context: &AggregatorContext, aggregator: usize) -> Result<(), Refusal> {
    let others = 1..context.terms().aggregators.len();
    if others.contains(&aggregator) { Ok(()) } else { Err(Refusal::Stranger) }
}

fn check_commitment(
    context: &AggregatorContext,
    closed: &Closed,
    aggregator: usize,
    commitment: &Signed<SumCommitment>,
    share: &[u8],
) -> Result<(), Refusal> {
    check_index(context, aggregator)?;
    let signer = &context.terms().aggregators[aggregator].verifying;
    commitment.clone().verify_by(Tag::SumShare, signer).map_err(|_source| Refusal::BadSignature)?;
    let set = closed.set();
    let expected = SumCommitment {
        federation: closed.grant.federation,
        round: closed.grant.round,
        set_root: set.tree().root(),
        count: u32::try_from(set.contributions().len()).expect("at most CONTRIBUTORS_MAX"),
        share: share_digest(share),
    };
    if *commitment.unverified_body() == expected { Ok(()) } else { Err(Refusal::BadSet) }
}

fn check_scalars(
    context: &AggregatorContext,
    closed: &Closed,
    aggregator: usize,
    shares: &Signed<ScalarShares>,
    probes: &Signed<ProbeOrder>,
) -> Result<(), Refusal> {
    check_index(context, aggregator)?;
    let signer = &context.terms().aggregators[aggregator].verifying;
    shares.clone().verify_by(Tag::ScalarShares, signer).map_err(|_source| Refusal::BadSignature)?;
    let body = shares.unverified_body();
    let right_round =
        body.federation == closed.grant.federation && body.round == closed.grant.round;
    let right_probe = body.probe == Digest::of_encoded(Tag::Probe, probes);
    if right_round && right_probe && body.shares.len() == closed.updates.len() {
        Ok(())
    } else {
        Err(Refusal::BadSet)
    }
}

fn receipt(
    context: &AggregatorContext,
    closed: &Closed,
    sum: &RoundSum,
    probes: &Signed<ProbeOrder>,
    scores: &BTreeMap<usize, Signed<ScalarShares>>,
    refused: &BTreeMap<Refusal, u64>,
) -> RoundReceipt {
    let order = probes.unverified_body();
    let scalars = closed.updates.values().enumerate().map(|(position, update)| {
        let share = own_share(context, update);
        let open = |probe: &QuantizedProbe, which: usize| {
            let own = probe.scalar_share(share.vector());
            let others =
                scores.values().map(|score| score.unverified_body().shares[position][which]);
            let all: Vec<ScalarShare> = std::iter::once(own).chain(others).collect();
            let opened = open_scalar(&all, &context.terms().encoding);
            let count = i64::try_from(closed.updates.len()).expect("at most CONTRIBUTORS_MAX");
            probe.value_from_opened(opened) / count
        };
        OpenedScalars { value: open(&order.value, 0), innovation: open(&order.innovation, 1) }
    });
    RoundReceipt {
        federation: closed.grant.federation,
        round: closed.grant.round,
        model_before: closed.grant.model,
        model_after: order.model_after,
        sum: Digest::of_encoded(Tag::RoundSum, sum),
        probe: Digest::of_encoded(Tag::Probe, probes),
        accepted: sum.accepted.clone(),
        scalars: scalars.collect(),
        dropped: closed.dropped.clone(),
        refused: refused.iter().map(|(refusal, count)| (*refusal, *count)).collect(),
        commitments: sum.commitments.clone(),
    }
}

//! From a sum to the scalars of its contributions and the receipt.

use aggregator_protocol::OpenedScalars;
use privacy_secagg::{QuantizedProbe, VALUE_MAX};

use super::{
    AbortReason, BTreeMap, Closed, Coordinator, Digest, Phase, ProbeOrder, Refusal, RoundReceipt,
    RoundSum, ScalarShares, Signed, Tag, parties, steps::check_asked,
};
use crate::{AggregatorContext, Input, Output, mode, peer::check_probes};

impl Coordinator {
    pub(super) fn probed(
        &mut self,
        context: &AggregatorContext,
        probes: Signed<ProbeOrder>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        let Phase::Measuring { closed, sum } = &self.phase else {
            return Err(Refusal::Unexpected);
        };
        check_probes(context, &probes, closed.grant(), &sum.unverified_body().accepted)?;
        let (mut closed, sum) = (closed.clone(), sum.clone());
        closed.begin_step(context, now_ms);
        let scores = BTreeMap::new();
        self.phase = Phase::Scoring { closed, sum, probes, own: None, scores };
        Ok(vec![Output::Persist])
    }

    pub(super) fn scored(
        &mut self,
        context: &AggregatorContext,
        party: usize,
        shares: Signed<ScalarShares>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        if !matches!(self.phase, Phase::Scoring { .. }) {
            return self.overtaken(context, (5, shares.unverified_body().round));
        }
        let Phase::Scoring { closed, probes, scores, .. } = &mut self.phase else {
            return Err(Refusal::Unexpected);
        };
        check_scalars(context, closed, party, &shares, probes)?;
        scores.insert(party, shares);
        Ok(self.advance(context, now_ms).unwrap_or_else(|| vec![Output::Persist]))
    }

    pub(super) fn own_scored(
        &mut self,
        context: &AggregatorContext,
        scalars: Vec<[u64; 2]>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        match &mut self.phase {
            Phase::Scoring { own: own @ None, .. } => *own = Some(scalars),
            _ => return Err(Refusal::Unexpected),
        }
        Ok(self.advance(context, now_ms).unwrap_or_else(|| vec![Output::Persist]))
    }

    /// Opens the scalars of what has come and signs the receipt; none if that is not enough.
    pub(super) fn settle(&mut self, context: &AggregatorContext) -> Option<Vec<Output>> {
        let Phase::Scoring { closed, sum, probes, own: Some(own), scores } = &self.phase else {
            return None;
        };
        let round = closed.grant().round;
        let order = probes.unverified_body();
        let (scalars, liars) =
            match scalars(context, closed, sum.unverified_body(), order, own, scores) {
                Ok(opened) => opened,
                Err(_) if scores.len() < closed.asked.len() => return None,
                Err(error) => {
                    let reason = error.to_string();
                    return Some(self.abort(round, AbortReason::Unopenable { reason }));
                }
            };
        let receipt = receipt(closed, sum.unverified_body(), probes, scalars, self.refused.clone());
        let lied = self.lied(context, &liars);
        let receipt = Signed::new(receipt, Tag::RoundReceipt, context.signing());
        let sum = sum.clone();
        self.phase = Phase::Settling { receipt, sum };
        let counted = Input::Counted(self.refused.clone());
        let outputs = [Output::PersistInput(Box::new(counted)), Output::Persist];
        Some(outputs.into_iter().chain(lied).collect())
    }
}

fn check_scalars(
    context: &AggregatorContext,
    closed: &Closed,
    party: usize,
    shares: &Signed<ScalarShares>,
    probes: &Signed<ProbeOrder>,
) -> Result<(), Refusal> {
    check_asked(closed, party)?;
    let signer = parties(context.terms(), closed.grant())[party];
    shares
        .clone()
        .verify_by(Tag::ScalarShares, &signer)
        .map_err(|_source| Refusal::BadSignature)?;
    let body = shares.unverified_body();
    let right_round =
        body.federation == closed.grant().federation && body.round == closed.grant().round;
    let right_probe = body.probe == Digest::of_encoded(Tag::Probe, probes);
    if right_round && right_probe && body.shares.len() == closed.updates.len() {
        Ok(())
    } else {
        Err(Refusal::BadSet)
    }
}

/// The scalars in the order of the set, and the places of those whose shares contradict the others'.
fn scalars(
    context: &AggregatorContext,
    closed: &Closed,
    sum: &RoundSum,
    order: &ProbeOrder,
    own: &[[u64; 2]],
    scores: &BTreeMap<usize, Signed<ScalarShares>>,
) -> Result<(Vec<OpenedScalars>, Vec<usize>), mode::OpenError> {
    let share = Share::of(context, closed, sum);
    let others = scores.iter().map(|(&place, score)| {
        let shares: &[[u64; 2]] = &score.unverified_body().shares;
        (place, shares)
    });
    let others = others.collect();
    let (opened, liars) =
        mode::open_scalars(context.terms(), closed.grant(), order, &closed.set(), own, &others)?;
    let value = |probe: &QuantizedProbe, opened| share.of_value(probe.value_from_opened(opened));
    let scalars = opened.into_iter().map(|[first, second]| OpenedScalars {
        value: value(&order.value, first),
        innovation: value(&order.innovation, second),
    });
    Ok((scalars.collect(), liars))
}

/// What a contribution is divided by in the mean: the count, or Σw/W of the weights.
struct Share {
    numerator: i128,
    denominator: i128,
}

impl Share {
    fn of(context: &AggregatorContext, closed: &Closed, sum: &RoundSum) -> Self {
        let encoding = &context.terms().encoding;
        let count = i128::try_from(closed.updates.len()).expect("at most CONTRIBUTORS_MAX");
        if !encoding.is_weighted() {
            return Self { numerator: 1, denominator: count };
        }
        // The coordinate after the update's. A sum of weights that noise drowned was refused as a mean.
        let weights = sum.sum.get(encoding.dimension()).copied().unwrap_or_default();
        let numerator = i128::from(encoding.options().weight_max);
        Self { numerator, denominator: i128::from(weights).max(1) }
    }

    /// Towards zero, within the ledger's bound.
    fn of_value(&self, value: i64) -> i64 {
        let shared = i128::from(value) * self.numerator / self.denominator;
        let bound = i128::from(VALUE_MAX);
        i64::try_from(shared.clamp(-bound, bound)).expect("within 2^40")
    }
}

fn receipt(
    closed: &Closed,
    sum: &RoundSum,
    probes: &Signed<ProbeOrder>,
    scalars: Vec<OpenedScalars>,
    refused: BTreeMap<Refusal, u64>,
) -> RoundReceipt {
    RoundReceipt {
        grant: closed.order.unverified_body().grant.clone(),
        federation: closed.grant().federation,
        round: closed.grant().round,
        model_before: closed.grant().model,
        model_after: probes.unverified_body().model_after,
        sum: Digest::of_encoded(Tag::RoundSum, sum),
        probe: Digest::of_encoded(Tag::Probe, probes),
        accepted: sum.accepted.clone(),
        scalars,
        dropped: closed.dropped.clone(),
        refused: refused.into_iter().collect(),
        commitments: sum.commitments.clone(),
    }
}

//! From a sum to the scalars of its contributions and the receipt.

use aggregator_protocol::{OpenedScalars, SCALARS, ScalarOpening, ValueRecord};

use super::{
    AbortReason, BTreeMap, Closed, Coordinator, Digest, Phase, ProbeOrder, Refusal, RoundReceipt,
    RoundSum, ScalarShares, Signed, Tag, parties, steps::check_asked,
};
use crate::{
    AggregatorContext, Input, Output, SumProducts, mode, peer::check_probes,
    value_check::opening_of,
};

impl Coordinator {
    pub(super) fn probed(
        &mut self,
        context: &AggregatorContext,
        probes: Box<Signed<ProbeOrder>>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        let Phase::Measuring { closed, sum } = &self.phase else {
            return Err(Refusal::Unexpected);
        };
        check_probes(context.terms(), &probes, closed.grant(), &sum.unverified_body().accepted)?;
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
        scalars: Vec<[u64; SCALARS]>,
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
        let (scalars, liars) = match scalars(context, closed, sum, probes, own, scores) {
            Ok(opened) => opened,
            Err(_) if scores.len() < closed.asked.len() => return None,
            Err(reason) => {
                return Some(self.abort(round, AbortReason::Unopenable { reason }));
            }
        };
        let own = scalar_shares(context, closed, probes, own.clone());
        let opening = opening_of(own, scores.iter());
        let refused = self.refused.clone();
        let receipt = receipt(closed, sum.unverified_body(), probes, (scalars, &opening), refused);
        let lied = self.lied(context, &liars);
        let receipt = Signed::new(receipt, Tag::RoundReceipt, context.signing());
        let values = Box::new(ValueRecord { probes: (**probes).clone(), opening });
        let sum = sum.clone();
        self.phase = Phase::Settling { receipt, sum, values };
        let counted = Input::Counted(self.refused.clone());
        let outputs = [Output::PersistInput(Box::new(counted)), Output::Persist];
        Some(outputs.into_iter().chain(lied).collect())
    }
}

/// The coordinator's own answer, signed like those of the others.
fn scalar_shares(
    context: &AggregatorContext,
    closed: &Closed,
    probes: &Signed<ProbeOrder>,
    shares: Vec<[u64; SCALARS]>,
) -> Signed<ScalarShares> {
    let probe = Digest::of_encoded(Tag::Probe, probes);
    let (federation, round) = (closed.grant().federation, closed.grant().round);
    let body = ScalarShares { federation, round, probe, shares };
    Signed::new(body, Tag::ScalarShares, context.signing())
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

/// The scalars in the order of the set, and the places of those whose shares contradict the others'; or why
/// nothing is opened. Scalars that do not add up are not signed by an honest coordinator.
fn scalars(
    context: &AggregatorContext,
    closed: &Closed,
    sum: &Signed<RoundSum>,
    probes: &Signed<ProbeOrder>,
    own: &[[u64; SCALARS]],
    scores: &BTreeMap<usize, Signed<ScalarShares>>,
) -> Result<(Vec<OpenedScalars>, Vec<usize>), String> {
    let (terms, order) = (context.terms(), probes.unverified_body());
    let others = scores.iter().map(|(&place, score)| {
        let shares: &[[u64; SCALARS]] = &score.unverified_body().shares;
        (place, shares)
    });
    let others = others.collect();
    let (opened, liars) =
        mode::open_scalars(terms, closed.grant(), order, &closed.set(), own, &others)
            .map_err(|error| error.to_string())?;
    let products = SumProducts::of(terms, closed.grant(), sum.unverified_body(), order);
    let products = products.map_err(|refusal| refusal.to_string())?;
    products.check(terms, order, &opened).map_err(|fault| fault.to_string())?;
    Ok((products.scalars(&terms.encoding, order, &opened), liars))
}

fn receipt(
    closed: &Closed,
    sum: &RoundSum,
    probes: &Signed<ProbeOrder>,
    (scalars, opening): (Vec<OpenedScalars>, &ScalarOpening),
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
        opening: opening.digest(),
        accepted: sum.accepted.clone(),
        scalars,
        dropped: closed.dropped.clone(),
        refused: refused.into_iter().collect(),
        commitments: sum.commitments.clone(),
    }
}

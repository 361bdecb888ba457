//! From a set to its sum.

use aggregator_protocol::RoundSum;
use privacy_identity::Encode as _;

use super::{
    AbortReason, BTreeMap, Closed, Coordinator, Digest, Evidence, Phase, Preparation, Proofs,
    Refusal, RoundEvent, Signed, SumCommitment, Tag, VerifyingKey, parties, steps::check_asked,
};
use crate::{AggregatorContext, Output, mode, peer::share_digest};

/// What seeds the checks of norm proofs in this round: a signature of the coordinator over the order.
/// Ed25519 signatures are deterministic, so that a restarted coordinator makes the same one, and nobody
/// else can make it, so that no contributor knew it when it proved.
pub(super) fn challenge(context: &AggregatorContext, closed: &Closed) -> Digest {
    let signature = context.signing().sign(Tag::Challenge, &closed.order.to_bytes());
    Digest::of(Tag::Challenge, &signature.0)
}

/// In MPC mode: why the others may sum, and how many proofs did not hold. In FHE mode the custodians
/// have to agree first.
pub(super) fn verified(
    context: &AggregatorContext,
    closed: &mut Closed,
    mut proofs: Proofs,
    prepared: &BTreeMap<usize, Preparation>,
) -> Result<(Evidence, usize), mode::Unsupported> {
    if !mode::proves(context.terms())? {
        return Ok((Evidence::None, 0));
    }
    let mut evidence = Vec::new();
    let before = closed.updates.len();
    let grant = closed.order.unverified_body().grant.unverified_body();
    closed.updates.retain(|member, _| {
        let own = proofs.remove(member).flatten();
        let shown = own.and_then(|own| shown(own, member, prepared));
        let holds = |(message, shares): &(Vec<u8>, Vec<Vec<u8>>)| {
            mode::proof_holds(context.terms(), &grant.binding(*member), message, shares)
        };
        let held = shown.filter(holds);
        let kept = held.is_some();
        evidence.extend(held.map(|(_, shares)| shares));
        kept
    });
    Ok((Evidence::Verifiers(evidence), before - closed.updates.len()))
}

/// What must come of one member's proof, and the verifier shares of all, the coordinator's own first.
fn shown(
    own: mode::Proof,
    member: &VerifyingKey,
    prepared: &BTreeMap<usize, Preparation>,
) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut shares = vec![own.verifier];
    for preparation in prepared.values() {
        shares.push(preparation.get(member)?.as_ref().ok()?.clone());
    }
    Some((own.message, shares))
}

impl Coordinator {
    pub(super) fn summed(
        &mut self,
        context: &AggregatorContext,
        party: usize,
        commitment: Signed<SumCommitment>,
        share: Vec<u8>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        if !matches!(self.phase, Phase::Summing { .. }) {
            return self.overtaken(context, (3, commitment.unverified_body().round));
        }
        let Phase::Summing { closed, sums, .. } = &mut self.phase else {
            return Err(Refusal::Unexpected);
        };
        check_commitment(context, closed, party, &commitment, &share)?;
        mode::check_partial_sum(context, closed.grant(), &share)?;
        sums.insert(party, (commitment, share));
        Ok(self.advance(context, now_ms).unwrap_or_else(|| vec![Output::Persist]))
    }

    pub(super) fn own_summed(
        &mut self,
        context: &AggregatorContext,
        share: Vec<u8>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        match &mut self.phase {
            Phase::Summing { own: own @ None, .. } => *own = Some(share),
            _ => return Err(Refusal::Unexpected),
        }
        Ok(self.advance(context, now_ms).unwrap_or_else(|| vec![Output::Persist]))
    }

    /// Opens the sum of what has come; none if that is not enough to open it.
    pub(super) fn open(&mut self, context: &AggregatorContext, now_ms: u64) -> Option<Vec<Output>> {
        let Phase::Summing { closed, own: Some(own), sums, .. } = &self.phase else { return None };
        let (round, set) = (closed.grant().round, closed.set());
        let shares = sums.iter().map(|(&place, (_, share))| (place, share.as_slice())).collect();
        let opened = mode::open_sums(context, closed.grant(), &set, own, &shares);
        let opened = match opened {
            Ok(opened) => opened,
            // Another answer may tell who lied; without one, the deadline ends the round.
            Err(_) if sums.len() < closed.asked.len() => return None,
            Err(error) => {
                let reason = error.to_string();
                return Some(self.abort(round, AbortReason::Unopenable { reason }));
            }
        };
        let body = RoundSum {
            federation: closed.grant().federation,
            round,
            accepted: set,
            tickets: closed.shown_tickets(),
            sum: opened.first.sum,
            tag: opened.first.tag,
            others: opened.others,
            commitments: sums.values().map(|(commitment, _)| commitment.clone()).collect(),
        };
        let mut outputs = vec![Output::Persist];
        outputs.extend(self.lied(context, &opened.liars));
        outputs.push(Output::Report(RoundEvent::Opened { round }));
        let Phase::Summing { closed, .. } = &self.phase else { return None };
        let mut closed = closed.clone();
        closed.begin_step(context, now_ms);
        let sum = Signed::new(body, Tag::RoundSum, context.signing());
        self.phase = Phase::Measuring { closed, sum };
        Some(outputs)
    }

    /// The report on custodians whose shares contradict the others'.
    pub(super) fn lied(&self, context: &AggregatorContext, liars: &[usize]) -> Option<Output> {
        let closed = self.closed().filter(|_| !liars.is_empty())?;
        let parties = parties(context.terms(), closed.grant());
        let custodians = liars.iter().map(|&place| parties[place]).collect();
        let round = closed.grant().round;
        Some(Output::Report(RoundEvent::Lied { round, custodians }))
    }
}

fn check_commitment(
    context: &AggregatorContext,
    closed: &Closed,
    party: usize,
    commitment: &Signed<SumCommitment>,
    share: &[u8],
) -> Result<(), Refusal> {
    check_asked(closed, party)?;
    let signer = parties(context.terms(), closed.grant())[party];
    commitment
        .clone()
        .verify_by(Tag::SumShare, &signer)
        .map_err(|_source| Refusal::BadSignature)?;
    let set = closed.set();
    let expected = SumCommitment {
        federation: closed.grant().federation,
        round: closed.grant().round,
        set_root: set.tree().root(),
        count: u32::try_from(set.contributions().len()).expect("at most CONTRIBUTORS_MAX"),
        share: share_digest(share),
    };
    if *commitment.unverified_body() == expected { Ok(()) } else { Err(Refusal::BadSet) }
}

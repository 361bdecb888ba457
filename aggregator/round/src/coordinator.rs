//! The coordinator's machine: the first aggregator, which talks to contributors, to the other
//! aggregators and to the DAO node.

mod event;
mod steps;

use std::collections::BTreeMap;

use aggregator_protocol::{
    AcceptedSet, AggregatorRequest, ContributorReply, DaoRequest, FetchedReceipt, ProbeOrder,
    Refusal, RoundGrant, RoundId, RoundOrder, RoundReceipt, RoundSum, ScalarShares, SumCommitment,
};
use privacy_identity::{Digest, Signed, Tag, VerifyingKey};
use privacy_secagg::{OpenShare, ShareSum, VerifiedUpdate};

pub use event::{AbortReason, Ended, RoundEvent};

use crate::{
    AggregatorContext, Ask, Input, Output,
    collect::{Collecting, Submission},
};

/// How many ended rounds are kept to answer contributors.
const HISTORY_MAX: usize = 64;

/// How soon a contributor that asked for an order may ask again, in milliseconds. Short beside a
/// round and long beside a loopback round trip; a contributor adds jitter of its own.
const RETRY_MS: u64 = 50;

/// The updates of a round whose collection has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Closed {
    grant: RoundGrant,
    order: Signed<RoundOrder>,
    updates: BTreeMap<VerifyingKey, VerifiedUpdate>,
    dropped: Vec<VerifyingKey>,
    step_deadline_ms: u64,
}

impl Closed {
    fn set(&self) -> AcceptedSet {
        let pairs = self.updates.iter().map(|(member, update)| (*member, update.digest()));
        AcceptedSet::new(pairs.collect()).expect("a map lists each member once, in order")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one per process")]
enum Phase {
    Idle,
    Finished,
    Collecting(Collecting),
    Preparing {
        closed: Closed,
        prepared: BTreeMap<usize, Vec<(VerifyingKey, Refusal)>>,
    },
    Summing {
        closed: Closed,
        sums: BTreeMap<usize, (Signed<SumCommitment>, ShareSum)>,
    },
    Measuring {
        closed: Closed,
        sum: Signed<RoundSum>,
    },
    Scoring {
        closed: Closed,
        sum: Signed<RoundSum>,
        probes: Signed<ProbeOrder>,
        scores: BTreeMap<usize, Signed<ScalarShares>>,
    },
    Settling {
        receipt: Signed<RoundReceipt>,
    },
    Aborting {
        round: RoundId,
        reason: AbortReason,
    },
}

/// The first aggregator of a federation, between and during rounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinator {
    phase: Phase,
    history: BTreeMap<RoundId, Ended>,
    refused: BTreeMap<Refusal, u64>,
}

impl Coordinator {
    /// A coordinator between rounds that remembers how earlier ones `ended`.
    #[must_use]
    pub fn new(ended: Vec<Ended>) -> Self {
        let history = ended.into_iter().map(|ended| (ended.round(), ended)).collect();
        Self { phase: Phase::Idle, history, refused: BTreeMap::new() }
    }

    /// Takes one input. A refused input changes nothing but the count of its reason.
    ///
    /// * `now_ms` — milliseconds since the Unix epoch, never decreasing.
    ///
    /// # Errors
    /// The [`Refusal`], which is counted and sent back.
    pub fn handle(
        mut self,
        context: &AggregatorContext,
        input: Input,
        now_ms: u64,
    ) -> (Self, Result<Vec<Output>, Refusal>) {
        let result = match input {
            Input::Granted { grant, model } => self.granted(context, *grant, model, now_ms),
            Input::NoMoreRounds => self.no_more_rounds(),
            Input::Submitted { peer, update } => self.submitted(context, peer, *update, now_ms),
            Input::Tick => Ok(self.tick(context, now_ms)),
            Input::Prepared { aggregator, refused } => {
                self.prepared(context, aggregator, refused, now_ms)
            }
            Input::Summed { aggregator, commitment, share } => {
                self.summed(context, aggregator, *commitment, &share, now_ms)
            }
            Input::Probed(probes) => self.probed(context, *probes, now_ms),
            Input::Scored { aggregator, shares } => self.scored(context, aggregator, *shares),
            Input::Logged => self.logged(),
            Input::StepRefused(refusal) => Ok(self.step_refused(refusal)),
            Input::Counted(counts) => {
                self.refused = counts;
                Ok(Vec::new())
            }
        };
        if let Err(refusal) = result {
            self.count(refusal);
        }
        (self, result)
    }

    /// Counts a message that was refused before it reached the machine (oversized, malformed).
    pub fn count(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal).or_default() += 1;
    }

    /// Refused messages by reason since the current round was granted.
    #[must_use]
    pub const fn refused(&self) -> &BTreeMap<Refusal, u64> {
        &self.refused
    }

    /// Whether all rounds were run.
    #[must_use]
    pub const fn finished(&self) -> bool {
        matches!(self.phase, Phase::Finished)
    }

    /// What to answer `member`, which asks for an order newer than that of round `known`. Only the
    /// cohort gets the order and the model; others wait for a round that invites them.
    #[must_use]
    pub fn order_for(&self, member: &VerifyingKey, known: Option<RoundId>) -> ContributorReply {
        match &self.phase {
            Phase::Finished => ContributorReply::Finished,
            Phase::Collecting(collecting)
                if Some(collecting.grant().round) > known && collecting.invites(member) =>
            {
                ContributorReply::Order {
                    order: Box::new(collecting.order.clone()),
                    model: collecting.model.clone(),
                }
            }
            _ => ContributorReply::Wait { retry_ms: RETRY_MS },
        }
    }

    /// How `round` ended, with the proof of `member`'s own part.
    #[must_use]
    pub fn receipt_for(&self, round: RoundId, member: &VerifyingKey) -> FetchedReceipt {
        match self.history.get(&round) {
            Some(ended) => ended.fetched(member),
            None if self.current_round() == Some(round) => FetchedReceipt::Pending,
            None => FetchedReceipt::Unknown,
        }
    }

    /// The requests that the current phase waits for. They are idempotent: repeat them until they
    /// are answered.
    ///
    /// # Panics
    /// Never: an update without a part for each aggregator is not accepted.
    #[must_use]
    pub fn outstanding(&self, context: &AggregatorContext) -> Vec<Ask> {
        let dao = |request| vec![Ask::Dao(Box::new(request))];
        match &self.phase {
            Phase::Idle => dao(DaoRequest::Grant),
            Phase::Finished | Phase::Collecting(_) => Vec::new(),
            Phase::Preparing { closed, prepared } => {
                ask_others(context, prepared, |index| AggregatorRequest::Prepare {
                    order: Box::new(closed.order.clone()),
                    deliveries: closed
                        .updates
                        .values()
                        .map(|update| update.delivery(index).expect("checked when it was accepted"))
                        .collect(),
                })
            }
            Phase::Summing { closed, sums } => ask_others(context, sums, |_| {
                AggregatorRequest::Sum { round: closed.grant.round, set: closed.set() }
            }),
            Phase::Measuring { sum, .. } => dao(DaoRequest::Measure(Box::new(sum.clone()))),
            Phase::Scoring { probes, scores, .. } => {
                ask_others(context, scores, |_| AggregatorRequest::Score(Box::new(probes.clone())))
            }
            Phase::Settling { receipt } => dao(DaoRequest::Settle(Box::new(receipt.clone()))),
            Phase::Aborting { round, reason } => {
                dao(DaoRequest::Abort { round: *round, reason: reason.to_string() })
            }
        }
    }

    /// The round under way.
    #[must_use]
    pub fn current_round(&self) -> Option<RoundId> {
        match &self.phase {
            Phase::Collecting(collecting) => Some(collecting.grant().round),
            Phase::Settling { receipt } => Some(receipt.unverified_body().round),
            Phase::Aborting { round, .. } => Some(*round),
            _ => self.closed().map(|closed| closed.grant.round),
        }
    }

    const fn closed(&self) -> Option<&Closed> {
        match &self.phase {
            Phase::Preparing { closed, .. }
            | Phase::Summing { closed, .. }
            | Phase::Measuring { closed, .. }
            | Phase::Scoring { closed, .. } => Some(closed),
            _ => None,
        }
    }

    fn granted(
        &mut self,
        context: &AggregatorContext,
        grant: Signed<RoundGrant>,
        model: Vec<u8>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        if self.phase != Phase::Idle {
            return Err(Refusal::Unexpected);
        }
        context.check_grant(&grant)?;
        let body = grant.unverified_body();
        let newest = self.history.last_key_value().map(|(round, _)| *round);
        if Some(body.round) <= newest {
            return Err(Refusal::WrongRound);
        }
        if Digest::of(Tag::Model, &model) != body.model {
            return Err(Refusal::WrongModel);
        }
        let (round, cohort) = (body.round, body.cohort.len());
        let deadline_ms = now_ms.saturating_add(context.terms().round_deadline_ms);
        let order = RoundOrder { grant, deadline_ms };
        let order = Signed::new(order, Tag::RoundOrder, context.signing());
        self.refused.clear();
        self.phase = Phase::Collecting(Collecting { order, model, accepted: BTreeMap::new() });
        Ok(vec![Output::Persist, Output::Report(RoundEvent::Started { round, cohort })])
    }

    fn no_more_rounds(&mut self) -> Result<Vec<Output>, Refusal> {
        match self.phase {
            Phase::Idle => {
                self.phase = Phase::Finished;
                Ok(vec![Output::Report(RoundEvent::Finished)])
            }
            Phase::Finished => Ok(Vec::new()),
            _ => Err(Refusal::Unexpected),
        }
    }

    fn submitted(
        &mut self,
        context: &AggregatorContext,
        peer: VerifyingKey,
        update: privacy_secagg::SealedUpdate,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        let Phase::Collecting(collecting) = &mut self.phase else {
            return self.resubmitted(context, &peer, &update);
        };
        let round = collecting.grant().round;
        match collecting.submit(context, peer, update, now_ms)? {
            Submission::Repeated(digest) => {
                Ok(vec![Output::Acknowledge(Box::new(context.acknowledge(round, digest)))])
            }
            Submission::New(digest) => {
                let acknowledgement = Box::new(context.acknowledge(round, digest));
                let mut outputs = vec![Output::Persist, Output::Acknowledge(acknowledgement)];
                if collecting.complete() {
                    outputs.extend(self.close(context, now_ms));
                }
                Ok(outputs)
            }
        }
    }

    /// After the collection has closed: what is held is acknowledged again, as the first answer may
    /// have been lost; anything else is late.
    fn resubmitted(
        &self,
        context: &AggregatorContext,
        peer: &VerifyingKey,
        update: &privacy_secagg::SealedUpdate,
    ) -> Result<Vec<Output>, Refusal> {
        let round = RoundId(update.claimed_binding().round);
        if Some(round) != self.current_round() {
            let over = self.history.contains_key(&round);
            return Err(if over { Refusal::Late } else { Refusal::WrongRound });
        }
        let held = self.closed().and_then(|closed| closed.updates.get(peer));
        let held = held.filter(|held| held.as_sealed() == update).ok_or(Refusal::Late)?;
        Ok(vec![Output::Acknowledge(Box::new(context.acknowledge(round, held.digest())))])
    }

    fn logged(&mut self) -> Result<Vec<Output>, Refusal> {
        let ended = match &self.phase {
            Phase::Settling { receipt } => Ended::Settled(Box::new(receipt.clone())),
            Phase::Aborting { round, reason } => {
                Ended::Aborted { round: *round, reason: reason.to_string() }
            }
            _ => return Err(Refusal::Unexpected),
        };
        self.phase = Phase::Idle;
        let report = ended.event();
        self.history.insert(ended.round(), ended.clone());
        while self.history.len() > HISTORY_MAX {
            self.history.pop_first();
        }
        Ok(vec![Output::Persist, Output::Conclude(Box::new(ended)), Output::Report(report)])
    }
}

/// The same request to every aggregator but the coordinator that has not `answered` yet.
fn ask_others<T>(
    context: &AggregatorContext,
    answered: &BTreeMap<usize, T>,
    request: impl Fn(usize) -> AggregatorRequest,
) -> Vec<Ask> {
    (1..context.terms().aggregators.len())
        .filter(|index| !answered.contains_key(index))
        .map(|index| Ask::Aggregator(index, Box::new(request(index))))
        .collect()
}

/// The coordinator's own share of the sum over `closed`.
fn own_sum(context: &AggregatorContext, closed: &Closed) -> ShareSum {
    let mut sum = ShareSum::empty(&context.terms().encoding);
    for update in closed.updates.values() {
        sum.add(&own_share(context, update)).expect("opened to the federation's own dimension");
    }
    sum
}

fn own_share(context: &AggregatorContext, update: &VerifiedUpdate) -> OpenShare {
    let delivery = update.delivery(context.index()).expect("checked when it was accepted");
    let delivery = delivery.verify(context.index()).expect("checked when it was accepted");
    delivery
        .open(context.sealing(), &context.terms().encoding)
        .expect("opened once when it was accepted")
}

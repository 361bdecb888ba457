//! The coordinator's machine: the first aggregator, which talks to contributors, to the other
//! aggregators and to the DAO node.

mod event;
mod opening;
mod scoring;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use aggregator_protocol::{
    AcceptedSet, AggregatorRequest, ContributorReply, DaoRequest, Evidence, FetchedReceipt,
    ProbeOrder, Refusal, RoundGrant, RoundId, RoundOrder, RoundReceipt, RoundSum, ScalarShares,
    SetEcho, SumCommitment,
};
use privacy_identity::{Digest, Signed, Tag, VerifyingKey};
use privacy_secagg::{VerifiedDelivery, VerifiedUpdate};

pub use event::{AbortReason, Ended, RoundEvent};

use crate::{
    AggregatorContext, Ask, Input, Output,
    collect::{Collecting, Submission},
    context::parties,
};

/// How many ended rounds are kept to answer contributors.
const HISTORY_MAX: usize = 64;

/// Of how many of them the sum is kept, too: it is as long as a model.
pub const SUMS_MAX: usize = 4;

/// How soon a contributor that asked for an order may ask again, in milliseconds. Short beside a
/// round and long beside a loopback round trip; a contributor adds jitter of its own.
const RETRY_MS: u64 = 50;

/// The updates of a round whose collection has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Closed {
    order: Signed<RoundOrder>,
    updates: BTreeMap<VerifyingKey, VerifiedUpdate>,
    dropped: Vec<VerifyingKey>,
    /// Places of the other parties that are asked: all at first, then those that prepared.
    asked: BTreeSet<usize>,
    /// From when enough answers are taken for all.
    patience_ms: u64,
    step_deadline_ms: u64,
}

impl Closed {
    fn grant(&self) -> &RoundGrant {
        self.order.unverified_body().grant.unverified_body()
    }

    fn set(&self) -> AcceptedSet {
        let pairs = self.updates.iter().map(|(member, update)| (*member, update.digest()));
        AcceptedSet::new(pairs.collect()).expect("a map lists each member once, in order")
    }

    /// The coordinator's own parts, in the order of the set.
    fn own_deliveries(&self) -> Vec<VerifiedDelivery> {
        let own = |update: &VerifiedUpdate| {
            let delivery = update.delivery(0).expect("checked when it was accepted");
            delivery.verify(0).expect("checked when it was accepted")
        };
        self.updates.values().map(own).collect()
    }

    /// Whether the step can go on with `answered` answers where `needed` are enough.
    fn goes_on(&self, answered: usize, needed: usize, now_ms: u64) -> bool {
        answered >= self.asked.len() || (answered >= needed && now_ms > self.patience_ms)
    }
}

/// What a party answered to [`AggregatorRequest::Prepare`].
#[derive(Debug, Clone, PartialEq, Eq)]
struct Preparation {
    refused: Vec<(VerifyingKey, Refusal)>,
    verifiers: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Idle,
    Finished,
    Collecting(Collecting),
    Preparing {
        closed: Closed,
        prepared: BTreeMap<usize, Preparation>,
    },
    Agreeing {
        closed: Closed,
        echoes: BTreeMap<usize, Signed<SetEcho>>,
    },
    Summing {
        closed: Closed,
        evidence: Evidence,
        sums: BTreeMap<usize, (Signed<SumCommitment>, Vec<u8>)>,
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
        sum: Signed<RoundSum>,
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
        let mut machine = Self { phase: Phase::Idle, history, refused: BTreeMap::new() };
        machine.shorten();
        machine
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
            Input::Prepared { party, refused, verifiers } => {
                self.prepared(context, party, Preparation { refused, verifiers }, now_ms)
            }
            Input::Agreed { party, echo } => self.agreed(context, party, *echo, now_ms),
            Input::Summed { party, commitment, share } => {
                self.summed(context, party, *commitment, share, now_ms)
            }
            Input::Probed(probes) => self.probed(context, *probes, now_ms),
            Input::Scored { party, shares } => self.scored(context, party, *shares, now_ms),
            Input::Logged => self.logged(),
            Input::StepRefused(refusal) => Ok(self.step_refused(refusal)),
            Input::Declined { party, refusal } => self.declined(context, party, refusal, now_ms),
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

    /// The sum of `round`, for those who were invited to it, while it is kept.
    #[must_use]
    pub fn sum_for(&self, round: RoundId, member: &VerifyingKey) -> Option<Box<Signed<RoundSum>>> {
        self.history.get(&round)?.sum_for(member)
    }

    /// Whether members may be at work on an order: meanwhile their cohort stays as it is.
    #[must_use]
    pub const fn collecting(&self) -> bool {
        matches!(self.phase, Phase::Collecting(_))
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
                let challenge = opening::challenge(context, closed);
                ask_others(context, closed, prepared, |place| AggregatorRequest::Prepare {
                    order: Box::new(closed.order.clone()),
                    deliveries: closed
                        .updates
                        .values()
                        .map(|update| update.delivery(place).expect("checked when it was accepted"))
                        .collect(),
                    challenge,
                })
            }
            Phase::Agreeing { closed, echoes } => ask_others(context, closed, echoes, |_| {
                AggregatorRequest::Agree { round: closed.grant().round, set: closed.set() }
            }),
            Phase::Summing { closed, sums, evidence } => {
                ask_others(context, closed, sums, |_| AggregatorRequest::Sum {
                    round: closed.grant().round,
                    set: closed.set(),
                    evidence: evidence.clone(),
                })
            }
            Phase::Measuring { sum, .. } => dao(DaoRequest::Measure(Box::new(sum.clone()))),
            Phase::Scoring { closed, probes, scores, .. } => {
                ask_others(context, closed, scores, |_| {
                    AggregatorRequest::Score(Box::new(probes.clone()))
                })
            }
            Phase::Settling { receipt, .. } => dao(DaoRequest::Settle(Box::new(receipt.clone()))),
            Phase::Aborting { round, reason } => {
                dao(DaoRequest::Abort { round: *round, reason: reason.to_string() })
            }
        }
    }

    /// What `member` is asked as a custodian, if a round waits for it.
    #[must_use]
    pub fn custody_for(
        &self,
        context: &AggregatorContext,
        member: &VerifyingKey,
    ) -> Option<Box<AggregatorRequest>> {
        let place = self.custodian(context, member)?;
        self.outstanding(context).into_iter().find_map(|ask| match ask {
            Ask::Custodian(asked, request) if asked == place => Some(request),
            _ => None,
        })
    }

    /// The place of `member` among the custodians of the round under way.
    #[must_use]
    pub fn custodian(&self, context: &AggregatorContext, member: &VerifyingKey) -> Option<usize> {
        context.terms().sealing.custody()?;
        let parties = parties(context.terms(), self.closed()?.grant());
        (1..parties.len()).find(|&place| parties[place] == *member)
    }

    /// The round under way.
    #[must_use]
    pub fn current_round(&self) -> Option<RoundId> {
        match &self.phase {
            Phase::Collecting(collecting) => Some(collecting.grant().round),
            Phase::Settling { receipt, .. } => Some(receipt.unverified_body().round),
            Phase::Aborting { round, .. } => Some(*round),
            _ => self.closed().map(|closed| closed.grant().round),
        }
    }

    const fn closed(&self) -> Option<&Closed> {
        match &self.phase {
            Phase::Preparing { closed, .. }
            | Phase::Agreeing { closed, .. }
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
        // A model that is sealed to the cohort is passed on unread.
        let sealed = context.terms().cohort.is_present();
        if !sealed && Digest::of(Tag::Model, &model) != body.model {
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

    /// Keeps what contributors may still ask for.
    fn shorten(&mut self) {
        while self.history.len() > HISTORY_MAX {
            self.history.pop_first();
        }
        for ended in self.history.values_mut().rev().skip(SUMS_MAX) {
            ended.forget_sum();
        }
    }

    fn logged(&mut self) -> Result<Vec<Output>, Refusal> {
        let ended = match &self.phase {
            Phase::Settling { receipt, sum } => {
                let (receipt, sum) = (Box::new(receipt.clone()), Some(Box::new(sum.clone())));
                Ended::Settled { receipt, sum }
            }
            Phase::Aborting { round, reason } => {
                Ended::Aborted { round: *round, reason: reason.to_string() }
            }
            _ => return Err(Refusal::Unexpected),
        };
        self.phase = Phase::Idle;
        let report = ended.event();
        self.history.insert(ended.round(), ended.clone());
        self.shorten();
        Ok(vec![Output::Persist, Output::Conclude(Box::new(ended)), Output::Report(report)])
    }
}

/// The same request to every other party that is asked and has not `answered` yet.
fn ask_others<T>(
    context: &AggregatorContext,
    closed: &Closed,
    answered: &BTreeMap<usize, T>,
    request: impl Fn(usize) -> AggregatorRequest,
) -> Vec<Ask> {
    let custody = context.terms().sealing.custody().is_some();
    let ask = |place| {
        let request = Box::new(request(place));
        if custody { Ask::Custodian(place, request) } else { Ask::Aggregator(place, request) }
    };
    closed.asked.iter().copied().filter(|place| !answered.contains_key(place)).map(ask).collect()
}

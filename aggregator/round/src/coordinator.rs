//! The coordinator's machine: the first aggregator, which talks to contributors, to the other
//! aggregators and to the DAO node.

mod closed;
mod event;
mod opening;
mod preparing;
mod scoring;
mod steps;
mod taking;

use std::collections::{BTreeMap, BTreeSet};

use aggregator_protocol::{
    AggregatorRequest, ContributorReply, DaoRequest, Evidence, FederationEnd, FetchedReceipt,
    PreparedPart, ProbeOrder, Refusal, RoundAbort, RoundGrant, RoundId, RoundOrder, RoundReceipt,
    RoundSum, SCALARS, ScalarShares, SetEcho, SumCommitment, ValueRecord,
};
use privacy_identity::{Digest, Signed, Tag, VerifyingKey};

pub use event::{AbortReason, Ended, RoundEvent};

use self::{
    closed::Closed,
    preparing::{Preparation, Proofs},
};
use crate::{
    AggregatorContext, Ask, Input, Output, Unsendable, UpdateStore, Worked, collect::Collecting,
    context::parties, split_control, work::Task,
};

/// How many ended rounds are kept to answer contributors.
const HISTORY_MAX: usize = 64;

/// Of how many of them the sum is kept, too: it is as long as a model.
pub const SUMS_MAX: usize = 4;

/// How soon a contributor that asked for an order may ask again, in milliseconds. Short beside a
/// round and long beside a loopback round trip; a contributor adds jitter of its own.
const RETRY_MS: u64 = 50;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Idle,
    Finished(Box<Signed<FederationEnd>>),
    Collecting(Collecting),
    Preparing {
        closed: Closed,
        proofs: Proofs,
        prepared: BTreeMap<usize, Preparation>,
    },
    Agreeing {
        closed: Closed,
        echoes: BTreeMap<usize, Signed<SetEcho>>,
    },
    Summing {
        closed: Closed,
        evidence: Evidence,
        own: Option<Vec<u8>>,
        sums: BTreeMap<usize, (Signed<SumCommitment>, Vec<u8>)>,
    },
    Measuring {
        closed: Closed,
        sum: Signed<RoundSum>,
    },
    Scoring {
        closed: Closed,
        sum: Signed<RoundSum>,
        probes: Box<Signed<ProbeOrder>>,
        own: Option<Vec<[u64; SCALARS]>>,
        scores: BTreeMap<usize, Signed<ScalarShares>>,
    },
    Settling {
        receipt: Signed<RoundReceipt>,
        sum: Signed<RoundSum>,
        values: Box<ValueRecord>,
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
            Input::NoMoreRounds(end) => self.no_more_rounds(context, end),
            Input::Submitted { peer, update, ticket } => {
                self.submitted(context, peer, (*update, ticket), now_ms)
            }
            Input::Tick => Ok(self.tick(context, now_ms)),
            Input::Held { round, peer, update, ticket } => {
                self.held(context, round, (peer, update, ticket), now_ms)
            }
            Input::Prepared { party, round, parts } => {
                self.prepared(context, (party, round), parts, now_ms)
            }
            Input::Worked { round, worked } => self.worked(context, round, *worked, now_ms),
            Input::Agreed { party, echo } => self.agreed(context, party, *echo, now_ms),
            Input::Summed { party, commitment, share } => {
                self.summed(context, party, *commitment, share, now_ms)
            }
            Input::Probed(probes) => self.probed(context, probes, now_ms),
            Input::Scored { party, shares } => self.scored(context, party, *shares, now_ms),
            Input::Logged => self.logged(context),
            Input::StepRefused(refusal) => Ok(self.step_refused(refusal)),
            Input::Declined { party, round, refusal } => {
                self.declined(context, (party, round), refusal, now_ms)
            }
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
        matches!(self.phase, Phase::Finished(_))
    }

    /// What to answer `member`, which asks for an order newer than that of round `known`. Only the
    /// cohort gets the order and the model; others wait for a round that invites them.
    #[must_use]
    pub fn order_for(&self, member: &VerifyingKey, known: Option<RoundId>) -> ContributorReply {
        match &self.phase {
            Phase::Finished(end) => ContributorReply::Finished(end.clone()),
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

    /// What the values of `round` follow from, for those who were invited to it, while it is kept.
    #[must_use]
    pub fn values_for(&self, round: RoundId, member: &VerifyingKey) -> Option<Box<ValueRecord>> {
        self.history.get(&round)?.values_for(member)
    }

    /// Whether members may be at work on an order: meanwhile their cohort stays as it is.
    #[must_use]
    pub const fn collecting(&self) -> bool {
        matches!(self.phase, Phase::Collecting(_))
    }

    /// The requests that the current phase waits for. They are idempotent: repeat them until they
    /// are answered.
    #[must_use]
    pub fn outstanding(&self, context: &AggregatorContext) -> Vec<Ask> {
        let dao = |request| vec![Ask::Dao(Box::new(request))];
        let own = |work| Ask::Own(Box::new(work));
        match &self.phase {
            Phase::Idle => dao(DaoRequest::Grant),
            Phase::Finished(_) | Phase::Collecting(_) => Vec::new(),
            Phase::Preparing { closed, proofs, prepared } => {
                preparing::asks(context, closed, proofs, prepared)
            }
            Phase::Agreeing { closed, echoes } => ask_others(context, closed, echoes, || {
                AggregatorRequest::Agree { round: closed.grant().round, set: closed.set() }
            }),
            Phase::Summing { closed, sums, own: sum, evidence } => {
                let mut asks = ask_others(context, closed, sums, || AggregatorRequest::Sum {
                    round: closed.grant().round,
                    set: closed.set(),
                    evidence: evidence.clone(),
                });
                asks.extend(sum.is_none().then(|| own(closed.work(Task::Sum))));
                asks
            }
            Phase::Measuring { sum, .. } => dao(DaoRequest::Measure(Box::new(sum.clone()))),
            Phase::Scoring { closed, probes, own: scalars, scores, .. } => {
                let mut asks = ask_others(context, closed, scores, || {
                    AggregatorRequest::Score(probes.clone())
                });
                let task = || Task::Score(probes.clone());
                asks.extend(scalars.is_none().then(|| own(closed.work(task()))));
                asks
            }
            Phase::Settling { receipt, values, .. } => {
                let opening = Box::new(values.opening.clone());
                dao(DaoRequest::Settle { receipt: Box::new(receipt.clone()), opening })
            }
            Phase::Aborting { round, reason } => {
                dao(DaoRequest::Abort { round: *round, reason: reason.to_string() })
            }
        }
    }

    /// What `member` is asked as a custodian, if a round waits for it.
    ///
    /// # Errors
    /// [`Unsendable`] if its parts cannot be had.
    pub fn custody_for(
        &self,
        context: &AggregatorContext,
        store: &dyn UpdateStore,
        member: &VerifyingKey,
    ) -> Result<Option<Box<AggregatorRequest>>, Unsendable> {
        let Some(place) = self.custodian(context, member) else { return Ok(None) };
        let asked = self.outstanding(context).into_iter().find_map(|ask| match ask {
            Ask::Custodian(asked, request) if asked == place => Some(Ok(request)),
            Ask::Parts(asked, batch) if asked == place => Some(batch.request(store).map(Box::new)),
            _ => None,
        });
        asked.transpose()
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
        // A model that is sealed to the cohort is passed on unread; of a buffer, members have theirs.
        let sealed = context.terms().cohort.is_present();
        let buffered = context.terms().buffer.is_some();
        if buffered && !model.is_empty() {
            return Err(Refusal::WrongModel);
        }
        if !sealed && !buffered {
            let (model, _) = split_control(context.terms(), body, &model)
                .map_err(|_refusal| Refusal::WrongModel)?;
            if Digest::of(Tag::Model, model) != body.model {
                return Err(Refusal::WrongModel);
            }
        }
        let (round, cohort) = (body.round, body.cohort.len());
        let deadline_ms = now_ms.saturating_add(context.terms().round_deadline_ms);
        let order = RoundOrder { grant, deadline_ms };
        let order = Signed::new(order, Tag::RoundOrder, context.signing());
        self.refused.clear();
        let (accepted, tickets) = (BTreeMap::new(), BTreeMap::new());
        self.phase = Phase::Collecting(Collecting { order, model, accepted, tickets });
        Ok(vec![Output::Persist, Output::Report(RoundEvent::Started { round, cohort })])
    }

    fn no_more_rounds(
        &mut self,
        context: &AggregatorContext,
        end: Box<Signed<FederationEnd>>,
    ) -> Result<Vec<Output>, Refusal> {
        // Contributors are shown it, and go by the DAO node's signature.
        let reason = FederationEnd::checked(&end, context.terms()).ok_or(Refusal::BadSignature)?;
        match self.phase {
            Phase::Idle => {
                self.phase = Phase::Finished(end);
                Ok(vec![Output::Report(RoundEvent::Finished { reason })])
            }
            Phase::Finished(_) => Ok(Vec::new()),
            _ => Err(Refusal::Unexpected),
        }
    }

    /// What came of the work on the coordinator's own parts.
    fn worked(
        &mut self,
        context: &AggregatorContext,
        round: RoundId,
        worked: Worked,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        if self.closed().is_none_or(|closed| closed.grant().round != round) {
            return Err(Refusal::WrongRound);
        }
        match worked {
            Worked::Prepared(proofs) => self.own_prepared(context, proofs, now_ms),
            Worked::Summed(share) => self.own_summed(context, share, now_ms),
            Worked::Scored(scalars) => self.own_scored(context, scalars, now_ms),
            Worked::Lost { update, altered } => {
                let closed = self.closed_mut().ok_or(Refusal::Unexpected)?;
                if !closed.updates.values().any(|taken| *taken == update) {
                    return Err(Refusal::Unexpected);
                }
                Ok(self.abort(round, AbortReason::Lost { update, altered }))
            }
            Worked::Failed(refusal) => {
                self.closed_mut().ok_or(Refusal::Unexpected)?;
                let reason = format!("the coordinator's own part: {refusal}");
                Ok(self.abort(round, AbortReason::Unopenable { reason }))
            }
        }
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

    fn logged(&mut self, context: &AggregatorContext) -> Result<Vec<Output>, Refusal> {
        let ended = match &self.phase {
            Phase::Settling { receipt, sum, values } => {
                let (receipt, sum) = (Box::new(receipt.clone()), Some(Box::new(sum.clone())));
                Ended::Settled { receipt, sum, values: Some(values.clone()) }
            }
            Phase::Aborting { round, reason } => {
                let mut reason = reason.to_string();
                reason.truncate(reason.floor_char_boundary(RoundAbort::REASON_BYTES_MAX));
                let abort = RoundAbort { federation: context.terms().id(), round: *round, reason };
                let abort = Signed::new(abort, Tag::RoundAbort, context.signing());
                Ended::Aborted(Box::new(abort))
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
    request: impl Fn() -> AggregatorRequest,
) -> Vec<Ask> {
    let custody = context.terms().sealing.custody().is_some();
    let ask = |place| {
        let request = Box::new(request());
        if custody { Ask::Custodian(place, request) } else { Ask::Aggregator(place, request) }
    };
    closed.asked.iter().copied().filter(|place| !answered.contains_key(place)).map(ask).collect()
}

//! The steps after the collection has closed: time, refusals, and the way to an agreed set.

use std::mem;

use super::{
    AbortReason, BTreeMap, Closed, Coordinator, Evidence, Phase, Refusal, RoundEvent, RoundId,
    SetEcho, Signed, Tag, VerifyingKey, parties, preparing,
};
use crate::{AggregatorContext, Output};

impl Coordinator {
    /// Lets time act: a deadline closes the collection or gives the round up.
    pub(super) fn tick(&mut self, context: &AggregatorContext, now_ms: u64) -> Vec<Output> {
        if let Phase::Collecting(collecting) = &self.phase {
            if now_ms <= collecting.deadline_ms() {
                return Vec::new();
            }
            let mut outputs = vec![Output::Persist];
            outputs.extend(self.close(context, now_ms));
            return outputs;
        }
        if let Some(outputs) = self.advance(context, now_ms) {
            return outputs;
        }
        // A settled round is never given up: the DAO node is asked until it has logged it.
        match (self.closed(), self.step()) {
            (Some(closed), Some(step)) if now_ms > closed.step_deadline_ms => {
                self.abort(closed.grant().round, AbortReason::StepTimedOut { step })
            }
            _ => Vec::new(),
        }
    }

    const fn step(&self) -> Option<&'static str> {
        match &self.phase {
            Phase::Preparing { .. } => Some("prepare"),
            Phase::Agreeing { .. } => Some("agree on the set"),
            Phase::Summing { .. } => Some("sum"),
            Phase::Measuring { .. } => Some("measure"),
            Phase::Scoring { .. } => Some("score"),
            _ => None,
        }
    }

    /// Goes on to the next step if enough parties have answered this one. What it returns starts with
    /// [`Output::Persist`].
    pub(super) fn advance(
        &mut self,
        context: &AggregatorContext,
        now_ms: u64,
    ) -> Option<Vec<Output>> {
        self.begin_patience(context, now_ms);
        let needed = |custody: fn(aggregator_protocol::CustodyTerms) -> usize, all: usize| {
            context.terms().sealing.custody().map_or(all, custody)
        };
        let agreement = aggregator_protocol::CustodyTerms::agreement;
        let threshold = aggregator_protocol::CustodyTerms::threshold;
        match &self.phase {
            Phase::Preparing { closed, proofs, prepared }
                if preparing::own_complete(context, closed, proofs)
                    && closed.goes_on(
                        preparing::complete(closed, prepared).len(),
                        needed(agreement, closed.asked.len()),
                        now_ms,
                    ) =>
            {
                Some(self.all_prepared(context, now_ms))
            }
            // One echo more would change nothing: no patience is needed.
            Phase::Agreeing { closed, echoes }
                if echoes.len() >= needed(agreement, closed.asked.len()) =>
            {
                Some(self.all_agreed(context, now_ms))
            }
            Phase::Summing { closed, own: Some(_), sums, .. }
                if closed.goes_on(sums.len(), needed(threshold, closed.asked.len()), now_ms) =>
            {
                self.open(context, now_ms)
            }
            Phase::Scoring { closed, own: Some(_), scores, .. } => {
                let needed = needed(threshold, closed.asked.len());
                // Threat: with as many answers as it takes, one custodian can shift a scalar unseen.
                let late = now_ms > closed.scrutiny_ms && scores.len() >= needed;
                if late || closed.goes_on(scores.len(), needed + 1, now_ms) {
                    self.settle(context)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    fn begin_patience(&mut self, context: &AggregatorContext, now_ms: u64) {
        let Some(custody) = context.terms().sealing.custody() else { return };
        let (closed, answered, needed) = match &mut self.phase {
            Phase::Preparing { closed, prepared, .. } => {
                let answered = preparing::complete(closed, prepared).len();
                (closed, answered, custody.agreement())
            }
            Phase::Summing { closed, sums, .. } => (closed, sums.len(), custody.threshold()),
            Phase::Scoring { closed, scores, .. } => {
                (closed, scores.len(), custody.threshold() + 1)
            }
            _ => return,
        };
        let step_ms = closed.step_ms(context.terms());
        closed.begin_patience(answered, needed, (now_ms, step_ms));
    }

    /// What becomes of a custodian's answer to a step that is over: nothing, as others were enough. It is no fault to
    /// be slow, so it is not counted among what was refused; an answer to a step that has not begun is.
    ///
    /// * `step` — the place of the answer's step among [`Coordinator::place`]s.
    pub(super) fn overtaken(
        &self,
        context: &AggregatorContext,
        (step, round): (u8, RoundId),
    ) -> Result<Vec<Output>, Refusal> {
        let custody = context.terms().sealing.custody().is_some();
        let over = self.current_round() == Some(round) && self.place() > step;
        if custody && over { Ok(Vec::new()) } else { Err(Refusal::Unexpected) }
    }

    /// How far the round is: 1 preparing, 2 agreeing, 3 summing, 4 measuring, 5 scoring, 6 settling; 0 before, and where it
    /// is given up.
    const fn place(&self) -> u8 {
        match &self.phase {
            Phase::Preparing { .. } => 1,
            Phase::Agreeing { .. } => 2,
            Phase::Summing { .. } => 3,
            Phase::Measuring { .. } => 4,
            Phase::Scoring { .. } => 5,
            Phase::Settling { .. } => 6,
            _ => 0,
        }
    }

    /// Another party refused, or its answer was refused: the round cannot go on.
    pub(super) fn step_refused(&mut self, refusal: Refusal) -> Vec<Output> {
        let round = match &self.phase {
            Phase::Settling { receipt, .. } => Some(receipt.unverified_body().round),
            _ => self.closed().map(|closed| closed.grant().round),
        };
        round.map_or_else(Vec::new, |round| self.abort(round, AbortReason::StepRefused { refusal }))
    }

    /// A party declines. An aggregator's share is indispensable; a custodian is asked no more.
    pub(super) fn declined(
        &mut self,
        context: &AggregatorContext,
        (party, round): (usize, Option<RoundId>),
        refusal: Refusal,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        let custody = context.terms().sealing.custody();
        // A custodian's answer may come long after the question: it is taken for its own round only. An
        // aggregator's comes with its question, which it may not have been able to read.
        let of_this = round == self.current_round() || (round.is_none() && custody.is_none());
        if !of_this {
            return Err(Refusal::WrongRound);
        }
        let Some(custody) = custody else {
            return Ok(self.step_refused(refusal));
        };
        // While the set is being agreed on, more are needed than open a sum.
        let agreeing = matches!(self.phase, Phase::Preparing { .. } | Phase::Agreeing { .. });
        let needed = if agreeing { custody.agreement() } else { custody.threshold() };
        let Some(closed) = self.closed_mut() else {
            return Err(Refusal::Unexpected);
        };
        let round = closed.grant().round;
        if !closed.asked.remove(&party) {
            return Err(Refusal::Unexpected);
        }
        if closed.asked.len() < needed {
            return Ok(self.abort(round, AbortReason::StepRefused { refusal }));
        }
        Ok(self.advance(context, now_ms).unwrap_or_else(|| vec![Output::Persist]))
    }

    pub(super) const fn closed_mut(&mut self) -> Option<&mut Closed> {
        match &mut self.phase {
            Phase::Preparing { closed, .. }
            | Phase::Agreeing { closed, .. }
            | Phase::Summing { closed, .. }
            | Phase::Scoring { closed, .. } => Some(closed),
            _ => None,
        }
    }

    pub(super) fn abort(&mut self, round: RoundId, reason: AbortReason) -> Vec<Output> {
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
        // Who was not drawn and who was and sent nothing look the same, and should.
        let secret = context.terms().sampling.secret_rate().is_some();
        let dropped: Vec<_> =
            grant.cohort.iter().filter(absent).filter(|_| !secret).copied().collect();
        let report = RoundEvent::Collected { round, accepted, dropped: dropped.clone() };
        let needed = context.terms().contributions_min();
        if accepted < needed {
            self.phase =
                Phase::Aborting { round, reason: AbortReason::TooFew { got: accepted, needed } };
            return vec![Output::Report(report)];
        }
        let full = accepted < grant.cohort.len() && collecting.complete(&context.terms().sampling);
        let mut closed = Closed {
            order: collecting.order,
            full,
            updates: collecting.accepted,
            tickets: collecting.tickets,
            dropped,
            asked: (1..parties(context.terms(), &grant).len()).collect(),
            patience_ms: None,
            scrutiny_ms: 0,
            step_deadline_ms: 0,
        };
        closed.begin_step(context, now_ms);
        let (proofs, prepared) = (BTreeMap::new(), BTreeMap::new());
        self.phase = Phase::Preparing { closed, proofs, prepared };
        vec![Output::Report(report)]
    }

    pub(super) fn agreed(
        &mut self,
        context: &AggregatorContext,
        party: usize,
        echo: Signed<SetEcho>,
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        if !matches!(self.phase, Phase::Agreeing { .. }) {
            return self.overtaken(context, (2, echo.unverified_body().round));
        }
        let Phase::Agreeing { closed, echoes } = &mut self.phase else {
            return Err(Refusal::Unexpected);
        };
        check_asked(closed, party)?;
        let signer = parties(context.terms(), closed.grant())[party];
        echo.clone().verify_by(Tag::SetEcho, &signer).map_err(|_source| Refusal::BadSignature)?;
        let expected = SetEcho {
            federation: closed.grant().federation,
            round: closed.grant().round,
            set_root: closed.set().tree().root(),
        };
        if *echo.unverified_body() != expected {
            return Err(Refusal::BadSet);
        }
        echoes.insert(party, echo);
        Ok(self.advance(context, now_ms).unwrap_or_else(|| vec![Output::Persist]))
    }

    fn all_agreed(&mut self, context: &AggregatorContext, now_ms: u64) -> Vec<Output> {
        let Phase::Agreeing { closed, echoes } = mem::replace(&mut self.phase, Phase::Idle) else {
            unreachable!("called while agreeing");
        };
        let mut closed = closed;
        closed.begin_step(context, now_ms);
        let evidence = Evidence::Echoes(echoes.into_values().collect());
        self.phase = Phase::Summing { closed, evidence, own: None, sums: BTreeMap::new() };
        vec![Output::Persist]
    }
}

/// Whether the party at this place is one whose answer counts.
pub(super) fn check_asked(closed: &Closed, party: usize) -> Result<(), Refusal> {
    if closed.asked.contains(&party) { Ok(()) } else { Err(Refusal::Stranger) }
}

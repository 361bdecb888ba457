//! A round whose collection has closed.

use aggregator_protocol::{AcceptedSet, FederationTerms, RoundGrant, RoundOrder};
use aggregator_strategy::Ticket;
use privacy_identity::{Digest, Signed, VerifyingKey};

use super::{BTreeMap, BTreeSet};
use crate::{AggregatorContext, Work, message_size::batch_len, work::Task};

/// How long the coordinator waits at most for the other custodians once enough have answered, in milliseconds:
/// some polls of a custodian, and short beside a round.
const PATIENCE_MS: u64 = 400;

/// What is decided with: of the updates only whose they are and their digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) order: Signed<RoundOrder>,
    pub(super) updates: BTreeMap<VerifyingKey, Digest>,
    /// The tickets of those who were taken, where members draw in secret.
    pub(super) tickets: BTreeMap<VerifyingKey, Ticket>,
    /// Whether it closed because as many came as were wanted.
    pub(super) full: bool,
    pub(super) dropped: Vec<VerifyingKey>,
    /// Places of the other parties that are asked: all at first, then those that prepared.
    pub(super) asked: BTreeSet<usize>,
    /// From when enough answers are taken for all: set when enough have come, none before.
    pub(super) patience_ms: Option<u64>,
    /// From when as many as open scalars are enough.
    pub(super) scrutiny_ms: u64,
    pub(super) step_deadline_ms: u64,
}

impl Closed {
    pub(super) fn grant(&self) -> &RoundGrant {
        self.order.unverified_body().grant.unverified_body()
    }

    pub(super) fn set(&self) -> AcceptedSet {
        let pairs = self.updates.iter().map(|(member, update)| (*member, *update));
        AcceptedSet::new(pairs.collect()).expect("a map lists each member once, in order")
    }

    /// The tickets of the set, in its order.
    pub(super) fn shown_tickets(&self) -> Vec<Ticket> {
        self.updates.keys().filter_map(|member| self.tickets.get(member).copied()).collect()
    }

    /// What the coordinator does with its own parts of the set.
    pub(super) fn work(&self, task: Task) -> Work {
        let updates = self.set().contributions().to_vec();
        Work { order: self.order.clone(), updates, task, place: 0 }
    }

    /// Whether the step can go on with `answered` answers where `needed` are enough.
    pub(super) fn goes_on(&self, answered: usize, needed: usize, now_ms: u64) -> bool {
        let over = self.patience_ms.is_some_and(|until_ms| now_ms > until_ms);
        answered >= self.asked.len() || (answered >= needed && over)
    }

    /// Starts waiting for the others once `needed` of them have `answered`, and at most to the end of the step. Custodians
    /// come when they poll and work for seconds: counted from the beginning of the step, patience would be over before
    /// the first answer.
    pub(super) fn begin_patience(&mut self, answered: usize, needed: usize, now: (u64, u64)) {
        let (now_ms, step_ms) = now;
        if answered >= needed && self.patience_ms.is_none() {
            let until_ms = now_ms.saturating_add(patience_ms(step_ms));
            self.patience_ms = Some(until_ms.min(self.step_deadline_ms));
        }
    }

    /// How long a step may take: as long as the terms say for each batch of updates that a party works through.
    ///
    /// Threat: a deadline for all batches together, which a large cohort misses however fast everybody is.
    pub(super) fn step_ms(&self, terms: &FederationTerms) -> u64 {
        let batches = self.updates.len().div_ceil(batch_len(terms)).max(1);
        terms.step_deadline_ms.saturating_mul(batches as u64)
    }

    /// Starts the clocks of the next step.
    pub(super) fn begin_step(&mut self, context: &AggregatorContext, now_ms: u64) {
        let step_ms = self.step_ms(context.terms());
        self.patience_ms = None;
        self.scrutiny_ms = now_ms.saturating_add(scrutiny_ms(step_ms));
        self.step_deadline_ms = now_ms.saturating_add(step_ms);
    }
}

/// At most half of a step: were it longer, the step would end before it and no custodian could be missing.
const fn patience_ms(step_ms: u64) -> u64 {
    let half = step_ms / 2;
    if half < PATIENCE_MS { half } else { PATIENCE_MS }
}

/// Three quarters of a step: custodians come when they poll and work for seconds, and until then one answer more
/// than opens scalars is waited for. No longer, or no custodian could be missing.
const fn scrutiny_ms(step_ms: u64) -> u64 {
    step_ms / 4 * 3
}

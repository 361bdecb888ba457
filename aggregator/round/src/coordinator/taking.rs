//! Taking updates: their bytes to the store, whose they are and their digests into the machine.

use aggregator_strategy::Ticket;

use super::{
    BTreeMap, Coordinator, Digest, Ended, Phase, Refusal, RoundId, RoundReceipt, Signed,
    VerifyingKey,
};
use crate::{AggregatorContext, Input, Output, UpdateId, collect::Submission};

impl Coordinator {
    pub(super) fn submitted(
        &mut self,
        context: &AggregatorContext,
        peer: VerifyingKey,
        (update, ticket): (privacy_secagg::SealedUpdate, Option<Ticket>),
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        let Phase::Collecting(collecting) = &self.phase else {
            return self.resubmitted(context, &peer, update);
        };
        let round = collecting.grant().round;
        match collecting.submit(context, peer, (update, ticket), now_ms)? {
            Submission::Repeated(digest) => {
                Ok(vec![Output::Acknowledge(Box::new(context.acknowledge(round, digest)))])
            }
            Submission::New(kept) => {
                let update = kept.id.update;
                let held = Input::Held { round, peer, update, ticket };
                let acknowledgement = Box::new(context.acknowledge(round, update));
                let mut outputs = vec![
                    Output::Keep(Box::new(kept)),
                    Output::PersistInput(Box::new(held)),
                    Output::Acknowledge(acknowledgement),
                ];
                outputs.extend(self.taken(context, peer, (update, ticket), now_ms));
                Ok(outputs)
            }
        }
    }

    /// An update that was taken before a restart: all that was checked then is not checked again.
    pub(super) fn held(
        &mut self,
        context: &AggregatorContext,
        round: RoundId,
        (peer, update, ticket): (VerifyingKey, Digest, Option<Ticket>),
        now_ms: u64,
    ) -> Result<Vec<Output>, Refusal> {
        let Phase::Collecting(collecting) = &self.phase else { return Err(Refusal::Unexpected) };
        if collecting.grant().round != round {
            return Err(Refusal::WrongRound);
        }
        if !collecting.invites(&peer) {
            return Err(Refusal::Stranger);
        }
        if collecting.accepted.contains_key(&peer) {
            return Err(Refusal::Duplicate);
        }
        Ok(self.taken(context, peer, (update, ticket), now_ms))
    }

    fn taken(
        &mut self,
        context: &AggregatorContext,
        peer: VerifyingKey,
        (update, ticket): (Digest, Option<Ticket>),
        now_ms: u64,
    ) -> Vec<Output> {
        let Phase::Collecting(collecting) = &mut self.phase else { return Vec::new() };
        collecting.accepted.insert(peer, update);
        collecting.tickets.extend(ticket.map(|ticket| (peer, ticket)));
        if collecting.complete(&context.terms().sampling) {
            self.close(context, now_ms)
        } else {
            Vec::new()
        }
    }

    /// After the collection has closed: what is held is acknowledged again, as the first answer may
    /// have been lost; anything else is late.
    fn resubmitted(
        &self,
        context: &AggregatorContext,
        peer: &VerifyingKey,
        update: privacy_secagg::SealedUpdate,
    ) -> Result<Vec<Output>, Refusal> {
        let round = RoundId(update.claimed_binding().round);
        if Some(round) != self.current_round() {
            let over = self.history.contains_key(&round);
            return Err(if over { Refusal::Late } else { Refusal::WrongRound });
        }
        let held = self.closed().and_then(|closed| closed.updates.get(peer));
        let full = self.closed().is_some_and(|closed| closed.full);
        let held = *held.ok_or(if full { Refusal::Enough } else { Refusal::Late })?;
        // The digest is of the header; that the envelopes are those that it names is seen by verifying.
        let same = update.verify().is_ok_and(|verified| verified.digest() == held);
        if !same {
            return Err(Refusal::Late);
        }
        Ok(vec![Output::Acknowledge(Box::new(context.acknowledge(round, held)))])
    }

    /// Whether the bytes under `id` may still be asked for: those of the round under way, and those that
    /// the last sums were made of, for whoever doubts one. All others are garbage: of rounds that are
    /// over, and of submissions that a crash cut off before they were taken.
    #[must_use]
    pub fn needs(&self, id: &UpdateId) -> bool {
        let among = |updates: &BTreeMap<VerifyingKey, Digest>| {
            updates.values().any(|update| *update == id.update)
        };
        match &self.phase {
            Phase::Collecting(collecting) if collecting.grant().round == id.round => {
                return among(&collecting.accepted);
            }
            _ => {}
        }
        if let Some(closed) = self.closed().filter(|closed| closed.grant().round == id.round) {
            return among(&closed.updates);
        }
        let settled = |receipt: &Signed<RoundReceipt>| {
            let set = receipt.unverified_body().accepted.contributions();
            set.iter().any(|(_, update)| *update == id.update)
        };
        match (&self.phase, self.history.get(&id.round)) {
            (Phase::Settling { receipt, .. }, _) if receipt.unverified_body().round == id.round => {
                settled(receipt)
            }
            (_, Some(Ended::Settled { receipt, sum: Some(_), .. })) => settled(receipt),
            _ => false,
        }
    }
}

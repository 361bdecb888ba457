//! The loop of every aggregator but the coordinator.

use std::sync::Arc;

use aggregator_network::{Inbound, Inbox, Link, PeerKey};
use aggregator_protocol::{
    AggregatorReply, AggregatorRequest, Refusal, RoundId, from_wire, to_wire,
};
use aggregator_round::{AggregatorContext, PeerAggregator, PeerInput, PeerStep};
use anyhow::{Context as _, bail};
use privacy_identity::{Digest, Encode as _, Tag, VerifyingKey};
use tracing::debug;

use crate::{
    NodeEvent,
    clock::now_ms,
    following::{Followed, Next},
    sharing::{Sharing, Stores},
    store::Store,
    updates::Updates,
};

/// Restores the machine from the store and answers the coordinator until there are terms to go over to, which are returned.
pub(crate) async fn run(
    context: Arc<AggregatorContext>,
    stores: Stores,
    (_link, mut inbox): (Link, Inbox),
    mut next: Next,
    events: impl Fn(NodeEvent),
) -> anyhow::Result<Followed> {
    let index = context.index().context("an aggregator has a place in the terms")?;
    let mut peer = Peer::restored(context, stores).await?;
    events(NodeEvent::Ready { index, resumed: None });
    let coordinator = PeerKey::from_bytes(*peer.context.terms().coordinator().verifying.as_bytes());
    loop {
        let inbound = tokio::select! {
            inbound = inbox.next_request() => inbound.context("the network link ended")?,
            Ok(()) = next.changed() => {
                // Between two requests: the DAO node changes terms between two rounds.
                match next.borrow_and_update().clone() {
                    Some(followed) => {
                        let answered = peer.machine.round();
                        return Ok(Followed { answered, ..followed });
                    }
                    None => continue,
                }
            }
        };
        let Inbound { peer: from, body, reply } = inbound;
        let answer = if from == coordinator {
            peer.answer(&body).await?
        } else {
            to_wire(&refused(None, Refusal::Stranger))
        };
        if let Ok(AggregatorReply::Refused { refusal, .. }) = from_wire(&answer)
            && let Ok(peer) = VerifyingKey::from_bytes(from.to_bytes())
        {
            events(NodeEvent::Refused { peer, reason: refusal.name() });
        }
        if let Err(error) = reply.send(answer) {
            debug!("an answer was not taken: {error}");
        }
    }
}

/// The machine with its stores.
struct Peer {
    context: Arc<AggregatorContext>,
    machine: PeerAggregator,
    store: Store,
    updates: Arc<dyn Updates>,
    sharing: Option<Sharing>,
    /// The last request that took work, and its answer: who gives up waiting asks the same again, and the
    /// work of a large round takes longer than anybody waits.
    last: Option<(Digest, Vec<u8>)>,
    /// The highest round that was answered under former terms.
    floor: Option<RoundId>,
}

impl Peer {
    async fn restored(
        context: Arc<AggregatorContext>,
        (store, updates, sharing): Stores,
    ) -> anyhow::Result<Self> {
        let mut machine = PeerAggregator::default();
        for (_, input) in store.inputs::<PeerInput>().await? {
            let (next, taken) = machine.replay(&context, input);
            if let Err(refusal) = taken {
                bail!("a stored request is refused now ({refusal}): the store was altered");
            }
            machine = next;
        }
        tokio::task::block_in_place(|| updates.sweep(&|id| machine.needs(id)))?;
        let floor = store.followed().await?.and_then(|followed| followed.floor);
        Ok(Self { context, machine, store, updates, sharing, last: None, floor })
    }

    /// The wire form of the answer; what it promises is durable before.
    async fn answer(&mut self, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let Ok(request) = from_wire::<AggregatorRequest>(body) else {
            return Ok(to_wire(&refused(None, Refusal::Malformed)));
        };
        let asked = Digest::of(Tag::Delivery, body);
        if let Some((_, answer)) = self.last.as_ref().filter(|(last, _)| *last == asked) {
            return Ok(answer.clone());
        }
        let round = request.round();
        // Threat: terms that are left and come back, whose rounds this machine has forgotten: their numbers are used once.
        if self.floor.is_some_and(|floor| round <= floor) {
            return Ok(to_wire(&refused(Some(round), Refusal::WrongRound)));
        }
        let worked = match (&self.sharing, self.machine.work(&self.context, &request)) {
            (Some(sharing), Some(work)) => sharing.worked(work).await?,
            _ => None,
        };
        let machine = std::mem::take(&mut self.machine);
        let Self { context, updates, .. } = &*self;
        let handle = || machine.handle_worked(context, updates.as_ref(), request, worked);
        let (machine, result) = tokio::task::block_in_place(handle);
        self.machine = machine;
        if let Some(failure) = self.updates.failure() {
            return Err(failure);
        }
        let PeerStep { keep, persist, forget_earlier, reply } = match result {
            Ok(step) => step,
            Err(refusal) => return Ok(to_wire(&refused(Some(round), refusal))),
        };
        tokio::task::block_in_place(|| keep.iter().try_for_each(|kept| self.updates.keep(kept)))?;
        match persist.map(|input| input.to_bytes()) {
            Some(bytes) if forget_earlier => {
                self.store.restart_from(now_ms(), &bytes).await?;
                let needs = |id: &_| self.machine.needs(id);
                tokio::task::block_in_place(|| self.updates.sweep(&needs))?;
                if let Some(sharing) = &self.sharing {
                    sharing.board.clear().await?;
                }
            }
            Some(bytes) => self.store.append(now_ms(), &bytes).await?,
            None => {}
        }
        let answer = to_wire(&reply);
        self.last = Some((asked, answer.clone()));
        Ok(answer)
    }
}

const fn refused(round: Option<RoundId>, refusal: Refusal) -> AggregatorReply {
    AggregatorReply::Refused { round, refusal }
}

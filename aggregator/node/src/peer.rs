//! The loop of every aggregator but the coordinator.

use aggregator_network::{Inbound, Inbox, Link, PeerKey};
use aggregator_protocol::{AggregatorReply, AggregatorRequest, Refusal, from_wire, to_wire};
use aggregator_round::{AggregatorContext, PeerAggregator};
use anyhow::{Context as _, bail};
use privacy_identity::{Encode as _, VerifyingKey};
use tracing::{debug, info};

use crate::{NodeEvent, clock::now_ms, store::Store};

/// Restores the machine from the store and answers the coordinator until the link ends.
pub(crate) async fn run(
    context: AggregatorContext,
    (store, link, mut inbox): (Store, Link, Inbox),
    events: impl Fn(NodeEvent),
) -> anyhow::Result<()> {
    let mut machine = PeerAggregator::default();
    for (_, request) in store.inputs::<AggregatorRequest>().await? {
        let (next, result) = machine.handle(&context, request);
        if let Err(refusal) = result {
            bail!("a stored request is refused now ({refusal}): the store was altered");
        }
        machine = next;
    }
    let index = context.index().context("an aggregator has a place in the terms")?;
    events(NodeEvent::Ready { index, resumed: None });
    let coordinator = PeerKey::from_bytes(*context.terms().coordinator().verifying.as_bytes());
    while let Some(Inbound { peer, body, reply }) = inbox.next_request().await {
        let answer = if peer == coordinator {
            let (next, answer) = step(machine, &context, &store, &body).await?;
            machine = next;
            answer
        } else {
            AggregatorReply::Refused(Refusal::Stranger)
        };
        if let AggregatorReply::Refused(refusal) = &answer
            && let Ok(peer) = VerifyingKey::from_bytes(peer.to_bytes())
        {
            events(NodeEvent::Refused { peer, reason: refusal.name() });
        }
        if let Err(error) = reply.send(to_wire(&answer)) {
            debug!("an answer was not taken: {error}");
        }
    }
    // The link is kept until here: its last handle ends it.
    drop(link);
    info!("the network link ended");
    Ok(())
}

async fn step(
    machine: PeerAggregator,
    context: &AggregatorContext,
    store: &Store,
    body: &[u8],
) -> anyhow::Result<(PeerAggregator, AggregatorReply)> {
    let Ok(request) = from_wire::<AggregatorRequest>(body) else {
        return Ok((machine, AggregatorReply::Refused(Refusal::Malformed)));
    };
    let bytes = request.to_bytes();
    let (machine, result) = tokio::task::block_in_place(|| machine.handle(context, request));
    let step = match result {
        Ok(step) => step,
        Err(refusal) => return Ok((machine, AggregatorReply::Refused(refusal))),
    };
    if step.persist && step.forget_earlier {
        store.restart_from(now_ms(), &bytes).await?;
    } else if step.persist {
        store.append(now_ms(), &bytes).await?;
    }
    Ok((machine, step.reply))
}

//! The driver's side of what peers ask.

use std::time::Duration;

use libp2p::{
    PeerId,
    request_response::{Event, Message, ResponseChannel},
};
use tokio::{runtime::Handle, time::Instant};
use tracing::{debug, info, warn};

use super::Driver;
use crate::{
    assembly::{Assembly, Placed},
    budget::Place,
    codec::{Content, Request, Response},
    decline::{Decline, DeclineReason},
    description::Description,
    exchange::ExchangeEvent,
    inbox::{Inbound, ReplySender},
    peer::PeerKey,
    version,
    wire::{Answer, Ask},
};

/// When to come back to a process that ends: somebody may start it again.
const ENDING_RETRY: Duration = Duration::from_secs(1);

/// A request that is being answered: where the answer goes, and its place.
pub(crate) struct Exchange {
    pub(crate) peer: PeerKey,
    pub(crate) channel: ResponseChannel<Response>,
    pub(crate) place: Place,
}

/// What was done outside the driver's task, for it to go on with.
pub(crate) enum Work {
    /// An answer that travels whole.
    Reply(Exchange, Vec<u8>),
    /// An answer that is to be fetched.
    Described(Exchange, Vec<u8>, Description),
    /// A request whose chunks were put together.
    Assembled(Exchange, Vec<u8>),
}

impl Driver {
    pub(super) fn on_exchange(&mut self, event: ExchangeEvent) {
        match event {
            Event::Message {
                peer,
                message: Message::Request { request_id, request, channel },
                ..
            } => {
                self.responding.insert(request_id);
                self.heard(peer);
                self.on_request(peer, request, channel);
            }
            Event::Message {
                peer, message: Message::Response { request_id, response }, ..
            } => {
                self.heard(peer);
                self.on_answer(request_id, response.answer);
            }
            Event::OutboundFailure { request_id, connection_id, error, .. } => {
                self.on_failure(request_id, connection_id, error);
            }
            Event::InboundFailure { peer, request_id, error, .. } => {
                self.responding.remove(&request_id);
                debug!(%peer, %error, "a request of a peer was not answered");
            }
            Event::ResponseSent { request_id, .. } => {
                self.responding.remove(&request_id);
            }
        }
    }

    fn heard(&mut self, peer: PeerId) {
        if let Ok(peer) = PeerKey::from_peer_id(peer)
            && let Some(target) = self.targets.get_mut(&peer)
        {
            target.pulse.heard(Instant::now());
        }
    }

    fn on_request(&mut self, peer: PeerId, request: Request, channel: ResponseChannel<Response>) {
        let Ok(peer) = PeerKey::from_peer_id(peer) else {
            self.tally.dropped.add_one();
            return;
        };
        match (request.content, request.place) {
            (Content::Ask(ask), Some(place)) => self.serve(ask, Exchange { peer, channel, place }),
            // Counted where it was declined.
            (Content::Declined(decline), _) => {
                self.send_response(channel, Answer::Declined(decline), None);
            }
            (Content::Versions(theirs), _) => {
                self.tally.versions_differing.add_one();
                info!("a peer was turned away: {}", version::advice(version::VERSION, &theirs));
                // The codec writes our versions instead.
                self.send_response(channel, Answer::Done, None);
            }
            (Content::Ask(_), None) => self.tally.dropped.add_one(),
        }
    }

    fn serve(&mut self, ask: Ask, exchange: Exchange) {
        let (peer, now) = (exchange.peer, Instant::now());
        let is_ending = self.ending.is_some();
        let answer = match ask {
            Ask::Whole(_) if is_ending => Err(ending()),
            Ask::Whole(request) => return self.hand_on(exchange, request.into_vec()),
            Ask::Offer(offered) if is_ending && !self.uploads.is_known(peer, offered.id()) => {
                Err(ending())
            }
            Ask::Offer(offered) => self.uploads.offer(peer, offered, now).map(Answer::Have),
            Ask::Put { id, index, chunk } => {
                self.uploads.put(peer, id, index, chunk, now).map(|placed| {
                    if placed == Placed::New {
                        self.tally.chunks_in.add_one();
                    }
                    Answer::Done
                })
            }
            Ask::Commit(id) => match self.uploads.commit(peer, id, now) {
                Ok(assembly) => return self.assemble(exchange, assembly),
                Err(decline) => Err(decline),
            },
            Ask::Get { id, index } => self.held.chunk(peer, id, index, now).map(|chunk| {
                self.tally.chunks_out.add_one();
                Answer::Chunk(chunk)
            }),
            Ask::Done(id) => {
                self.held.done(peer, id);
                Ok(Answer::Done)
            }
            Ask::Ping => Ok(Answer::Done),
        };
        self.respond(exchange, answer);
    }

    /// Puts a request's chunks together, which takes a while if there are many, and hands it on.
    fn assemble(&self, exchange: Exchange, assembly: Assembly) {
        let work = self.work.clone();
        // Not joined: it ends by itself, and the place of its request counts for it.
        drop(Handle::current().spawn_blocking(move || {
            if let Some(request) = assembly.message() {
                // Never full: it has room for every place. So an error is a link that has ended.
                let _taken = work.try_send(Work::Assembled(exchange, request)).is_ok();
            }
        }));
    }

    fn hand_on(&mut self, exchange: Exchange, body: Vec<u8>) {
        let peer = exchange.peer;
        let reply = ReplySender::new(exchange, self.work.clone(), self.limits.response_bytes_max);
        // Never full, there are as many places: refused only if the inbox was dropped.
        match self.requests.try_send(Inbound { peer, body, reply }) {
            Ok(()) => self.tally.requests_in.add_one(),
            Err(_) => self.tally.dropped.add_one(),
        }
    }

    pub(super) fn on_work(&mut self, work: Work) {
        match work {
            Work::Reply(exchange, answer) => {
                self.respond(exchange, Ok(Answer::Whole(answer.into())));
            }
            Work::Described(exchange, answer, description) => {
                let (peer, now) = (exchange.peer, Instant::now());
                let held = self.held.hold(peer, answer, description.clone(), now);
                self.respond(exchange, held.map(|()| Answer::Described(description)));
            }
            Work::Assembled(exchange, request) => self.hand_on(exchange, request),
        }
    }

    fn respond(&mut self, exchange: Exchange, answer: Result<Answer, Decline>) {
        let answer = answer.unwrap_or_else(|decline| {
            self.tally.declined(decline.reason);
            match decline.reason {
                DeclineReason::TooLarge => self.tally.oversized.add_one(),
                DeclineReason::ChunkCorrupt => {
                    self.tally.chunks_corrupt.add_one();
                    let peer = exchange.peer;
                    warn!(peer.id = %peer, "{peer} sent a chunk that is not what it described");
                }
                _ => {}
            }
            Answer::Declined(decline)
        });
        self.send_response(exchange.channel, answer, Some(exchange.place));
    }

    fn send_response(
        &mut self,
        channel: ResponseChannel<Response>,
        answer: Answer,
        place: Option<Place>,
    ) {
        let exchange = &mut self.swarm.behaviour_mut().exchange;
        if exchange.send_response(channel, Response { answer, place }).is_err() {
            debug!("a peer no longer waits for its answer");
        }
    }
}

fn ending() -> Decline {
    Decline::until(DeclineReason::ShuttingDown, ENDING_RETRY)
}

//! A peer that speaks libp2p and answers what it likes.

use futures::StreamExt as _;
use libp2p::{
    request_response::{Event, Message, ProtocolSupport},
    swarm::SwarmEvent,
};

use crate::hostile::raw_swarm;

/// A peer that answers what it likes: returns where.
pub(crate) async fn serve_raw(
    protocols: &[&'static str],
    mut respond: impl FnMut(Vec<u8>) -> Vec<u8> + Send + 'static,
) -> String {
    let mut swarm = raw_swarm(protocols, ProtocolSupport::Full);
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    let address = format!("{address}/p2p/{}", swarm.local_peer_id());
    tokio::spawn(async move {
        loop {
            if let SwarmEvent::Behaviour(Event::Message {
                message: Message::Request { request, channel, .. },
                ..
            }) = swarm.select_next_some().await
            {
                let answer = respond(request);
                // A peer that gave up is that test's concern.
                let _sent = swarm.behaviour_mut().send_response(channel, answer).is_ok();
            }
        }
    });
    address
}

//! A peer that speaks libp2p but not our frames.

use std::io;

use async_trait::async_trait;
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::{
    Multiaddr, StreamProtocol, SwarmBuilder, noise,
    request_response::{Behaviour, Codec, Config, Event, Message, ProtocolSupport},
    swarm::{SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};

/// Writes what it is given and nothing else, reads what comes.
#[derive(Clone)]
struct RawCodec;

#[async_trait]
impl Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        self.read_response(&StreamProtocol::new("/unused"), io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await?;
        if bytes.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }
}

/// Opens one stream for each of `frames` at `address`, one after the other, and writes it.
///
/// Returns the bytes that came back on each, `None` if the stream ended or broke without any.
pub(crate) async fn send_raw(address: &str, frames: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
    let protocol = [(StreamProtocol::new("/sahakar/round/1"), ProtocolSupport::Outbound)];
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| Behaviour::with_codec(RawCodec, protocol, Config::default()))
        .unwrap()
        .build();
    let address: Multiaddr = address.parse().unwrap();
    let dial = DialOpts::from(address);
    let peer = dial.get_peer_id().unwrap();
    swarm.dial(dial).unwrap();
    let mut answers = Vec::new();
    for frame in frames {
        swarm.behaviour_mut().send_request(&peer, frame.to_vec());
        answers.push(loop {
            match swarm.select_next_some().await {
                SwarmEvent::Behaviour(Event::Message {
                    message: Message::Response { response, .. },
                    ..
                }) => break Some(response),
                SwarmEvent::Behaviour(Event::OutboundFailure { .. }) => break None,
                _ => {}
            }
        });
    }
    answers
}

//! A peer that speaks libp2p but not our frames.

use std::io;

use async_trait::async_trait;
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise,
    request_response::{Behaviour, Codec, Config, Event, Message, ProtocolSupport},
    swarm::{SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};

/// Writes what it is given and nothing else, reads what comes.
#[derive(Clone)]
pub(crate) struct RawCodec;

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

/// A peer that asks what it likes.
pub(crate) struct RawPeer {
    swarm: Swarm<Behaviour<RawCodec>>,
    to: PeerId,
}

impl RawPeer {
    pub(crate) async fn connect(address: &str, protocol: &'static str) -> Self {
        let mut swarm = raw_swarm(&[protocol], ProtocolSupport::Outbound);
        let address: Multiaddr = address.parse().unwrap();
        let dial = DialOpts::from(address);
        let to = dial.get_peer_id().unwrap();
        swarm.dial(dial).unwrap();
        while !swarm.is_connected(&to) {
            swarm.select_next_some().await;
        }
        Self { swarm, to }
    }

    /// Writes a frame on a stream of its own.
    pub(crate) fn begin(&mut self, frame: &[u8]) {
        self.swarm.behaviour_mut().send_request(&self.to, frame.to_vec());
    }

    /// Waits for what comes back on any stream.
    pub(crate) async fn answer(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::Behaviour(Event::Message {
                    message: Message::Response { response, .. },
                    ..
                }) => return Some(response),
                SwarmEvent::Behaviour(Event::OutboundFailure { .. }) => return None,
                _ => {}
            }
        }
    }

    pub(crate) async fn send(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        self.begin(frame);
        self.answer().await
    }
}

/// A swarm that speaks these protocols with whatever bytes.
pub(crate) fn raw_swarm(
    protocols: &[&'static str],
    support: ProtocolSupport,
) -> Swarm<Behaviour<RawCodec>> {
    let protocols: Vec<_> =
        protocols.iter().map(|name| (StreamProtocol::new(name), support.clone())).collect();
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| Behaviour::with_codec(RawCodec, protocols, Config::default()))
        .unwrap()
        .with_swarm_config(|config| {
            config.with_idle_connection_timeout(std::time::Duration::from_secs(60))
        })
        .build()
}

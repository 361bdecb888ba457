//! A process's end of all its connections.

use std::{io, sync::Arc, time::Duration};

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::{
    address::{Address, ListenAddress, Transport},
    codec::ExchangeCodec,
    config::{LimitError, LinkConfig},
    counters::{Counters, Tally},
    driver::{Command, Driver, Outbound},
    inbox::Inbox,
    peer::PeerKey,
    request::RequestError,
    swarm::{self, OUTBOUND_REQUESTS_MAX},
};

/// Commands that wait for the driver at a time: every request of this process and a shutdown.
const COMMANDS_MAX: usize = OUTBOUND_REQUESTS_MAX + 1;

/// A handle of a running link: asks peers, and tells where and who this process is.
///
/// Clones are handles of the same link. It ends with [`shutdown`](Self::shutdown) or when the last
/// clone is dropped.
#[derive(Debug, Clone)]
pub struct Link {
    peer: PeerKey,
    commands: mpsc::Sender<Command>,
    /// Places of outbound requests.
    places: Arc<Semaphore>,
    addresses: watch::Receiver<Vec<Address>>,
    tally: Arc<Tally>,
    request_bytes_max: u32,
    request_timeout: Duration,
}

/// Why a link was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Another socket has the port.
    #[error("address {address} is in use by another process")]
    AddressInUse {
        /// The address that was asked for.
        address: ListenAddress,
    },
    /// The operating system or the transport refused the address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: ListenAddress,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The configuration allows no exchange.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The identity could not be set up for noise.
    #[error("cannot set up the encryption of connections")]
    Encryption {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Link {
    /// Starts a link and waits until it listens on every address.
    ///
    /// # Errors
    /// [`LinkError::AddressInUse`] and [`LinkError::Listen`] name the address at fault.
    ///
    /// # Panics
    /// Outside a tokio runtime with IO and time.
    pub async fn start(config: LinkConfig) -> Result<(Self, Inbox), LinkError> {
        config.limits.check()?;
        let peer = PeerKey::from_secret(&config.secret);
        let tally = Arc::new(Tally::default());
        let codec = ExchangeCodec::new(&config.limits, Arc::clone(&tally));
        let swarm = swarm::build(&config, codec)
            .map_err(|source| LinkError::Encryption { source: source.into() })?;

        let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
        let (requests, requests_in) = mpsc::channel(config.limits.inbound_requests_max.into());
        let (addresses, addresses_in) = watch::channel(Vec::new());
        let link = Self {
            peer,
            commands,
            places: Arc::new(Semaphore::new(OUTBOUND_REQUESTS_MAX)),
            addresses: addresses_in,
            tally: Arc::clone(&tally),
            request_bytes_max: config.limits.request_bytes_max,
            request_timeout: config.limits.request_timeout,
        };
        let mut driver =
            Box::new(Driver::new(swarm, peer, &config.limits, tally, requests, addresses));
        for &address in &config.listen {
            claim(address)?;
            driver.listen(address)?;
        }
        driver.until_listening().await?;
        // Not joined: it ends by itself with the last handle, and `shutdown` waits for it.
        drop(tokio::spawn(driver.run(commands_in)));
        Ok((link, Inbox::new(requests_in)))
    }

    /// Returns who this process is to its peers.
    #[must_use]
    pub const fn peer(&self) -> PeerKey {
        self.peer
    }

    /// Returns where this link listens, as a peer has to write it.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.addresses.borrow().clone()
    }

    /// Returns where this link listens with one transport, if it does.
    #[must_use]
    pub fn address(&self, transport: Transport) -> Option<Address> {
        self.addresses.borrow().iter().copied().find(|address| address.transport() == transport)
    }

    /// Returns what was done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.tally.snapshot()
    }

    /// Asks the peer at `address` and waits for its answer.
    ///
    /// Connects if there is no connection with that peer yet, whatever its transport and whoever
    /// opened it, and keeps the connection. Only the peer that the address names is ever asked.
    /// Nothing is repeated here: after [`RequestError::Disconnected`] or a timeout the next request
    /// connects afresh. The future may be dropped; the peer may answer all the same.
    ///
    /// # Errors
    /// One [`RequestError`] per way of having no answer.
    pub async fn request(&self, address: &Address, body: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        let (length, limit) = (body.len() as u64, self.request_bytes_max);
        if length > limit.into() {
            return Err(RequestError::RequestTooLarge { length, limit });
        }
        let limit = self.request_timeout;
        match tokio::time::timeout(limit, self.exchange(*address, body)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(RequestError::Timeout { limit }),
        }
    }

    async fn exchange(&self, address: Address, body: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        let (answer, answer_in) = oneshot::channel();
        let outbound = Outbound { address, body, answer, place };
        if self.commands.send(Command::Request(outbound)).await.is_err() {
            return Err(RequestError::Stopped);
        }
        answer_in.await.unwrap_or(Err(RequestError::Stopped))
    }

    /// Closes all connections and stops listening, for all handles; returns when that is done.
    ///
    /// The port of TCP is free at once, that of QUIC once its connections have drained, a fraction
    /// of a second later.
    pub async fn shutdown(self) {
        let (done, done_in) = oneshot::channel();
        if self.commands.send(Command::Stop(done)).await.is_ok() {
            // An error is a driver that had ended before the command came: just as well.
            let _stopped = done_in.await.is_ok();
        }
    }
}

/// Makes sure that nobody else listens there.
///
/// libp2p sets `SO_REUSEPORT` on its TCP sockets, so that two links of one user would share a port
/// unnoticed. A plain socket is refused in that case.
fn claim(address: ListenAddress) -> Result<(), LinkError> {
    let claimed = match address.transport() {
        Transport::Tcp => std::net::TcpListener::bind(address.socket()).map(drop),
        Transport::Quic => std::net::UdpSocket::bind(address.socket()).map(drop),
    };
    claimed.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => LinkError::AddressInUse { address },
        _ => LinkError::Listen { address, source },
    })
}

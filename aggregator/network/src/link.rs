//! A process's end of all its connections.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, timeout},
};

use crate::{
    address::{Address, ListenAddress, Transport},
    budget::Budgets,
    config::{LimitError, Limits, LinkConfig},
    counters::Counters,
    dialer::Way,
    driver::{Command, Driver, Outbound, Shared},
    inbox::Inbox,
    metrics::LinkMetrics,
    peer::PeerKey,
    request::RequestError,
    swarm::{self, OUTBOUND_REQUESTS_MAX},
    transfer::{Progress, Request},
    wire::{Answer, Ask},
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
    pub(crate) shared: Arc<Shared>,
    pub(crate) limits: Arc<Limits>,
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
        let shared = Arc::new(Shared::default());
        let budgets = Budgets::new(&config.limits);
        let swarm = swarm::build(&config, Arc::clone(&budgets), Arc::clone(&shared.tally))
            .map_err(|source| LinkError::Encryption { source: source.into() })?;

        let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
        let (requests, requests_in) = mpsc::channel(config.limits.inbound_requests_max.into());
        let (addresses, addresses_in) = watch::channel(Vec::new());
        let link = Self {
            peer,
            commands,
            places: Arc::new(Semaphore::new(OUTBOUND_REQUESTS_MAX)),
            addresses: addresses_in,
            shared: Arc::clone(&shared),
            limits: Arc::new(config.limits.clone()),
        };
        let limits = &config.limits;
        let mut driver = Box::new(Driver::new(swarm, limits, shared, budgets, requests, addresses));
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
        self.shared.tally.snapshot()
    }

    /// Returns what can be seen of this link from outside.
    #[must_use]
    pub fn metrics(&self) -> LinkMetrics {
        self.shared.tally.metrics()
    }

    /// Tells another address at which a peer is, beside those that it was asked at before.
    ///
    /// When the peer is to be connected, the address that worked last is tried first, else QUIC, and
    /// the next one after 250 ms or as soon as one has failed. At most eight addresses of a peer are
    /// remembered. The future may be dropped.
    pub async fn add_address(&self, address: Address) {
        // An error is a link that has ended: nothing will be dialled.
        let _heard = self.commands.send(Command::Learn(Way::Direct(address))).await.is_ok();
    }

    /// Tells a relay at which a peer has a place; it is tried after the peer's own addresses. The
    /// future may be dropped.
    ///
    /// What goes over a relay is encrypted and authenticated between the two ends: the relay learns
    /// who they are, when and how much.
    pub async fn add_relay(&self, peer: PeerKey, relay: Address) {
        let way = Way::Relayed { relay, peer };
        // An error is a link that has ended: nothing will be dialled.
        let _heard = self.commands.send(Command::Learn(way)).await.is_ok();
    }

    /// Takes a place at a relay, so that peers reach this process that cannot dial it; returns once
    /// the relay gave it. It is taken again whenever it is lost, with growing pauses up to 5 s. The
    /// future may be dropped; the place is wanted all the same.
    ///
    /// # Errors
    /// [`RequestError::Stopped`] if the link ended before.
    pub async fn listen_by(&self, relay: Address) -> Result<(), RequestError> {
        let (done, done_in) = oneshot::channel();
        // An error is a link that has ended, and then `done` is dropped with the command.
        let _heard = self.commands.send(Command::ListenBy(relay, done)).await.is_ok();
        done_in.await.or(Err(RequestError::Stopped))
    }

    /// Asks the peer at `address` and waits for its answer.
    ///
    /// Connects if there is no connection with that peer yet, whatever its transport and whoever
    /// opened it, and keeps the connection. Only the peer that the address names is ever asked; other
    /// addresses of it that are known are tried as well ([`add_address`](Self::add_address)). After
    /// addresses have failed, the next attempt waits, longer each time up to 5 s.
    ///
    /// A request or an answer over 256 KiB travels in chunks: lost connections are opened again and
    /// the chunks that are missing are asked for, as long as one arrives within `request_timeout` and
    /// all do so at 16 KiB/s at least. A peer that asks to come back later is asked again.
    ///
    /// The request itself is not repeated: after [`RequestError::Disconnected`] or a timeout the next
    /// one connects afresh, and takes up chunks that have come. The future may be dropped; the peer
    /// may answer all the same.
    ///
    /// # Errors
    /// One [`RequestError`] per way of having no answer.
    pub async fn request(&self, address: &Address, body: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        self.request_with_progress(address, body, |_| {}).await
    }

    /// As [`request`](Self::request), and tells how far a transfer in chunks is.
    ///
    /// * `progress` — called for each chunk; it should return at once.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn request_with_progress(
        &self,
        address: &Address,
        body: Vec<u8>,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Vec<u8>, RequestError> {
        let (length, limit) = (body.len() as u64, self.limits.request_bytes_max);
        if length > limit.into() {
            return Err(RequestError::RequestTooLarge { length, limit });
        }
        let _active = Active::new(&self.shared);
        // After it was counted, so that an end that does not wait for it is seen here.
        if self.shared.ending.load(Ordering::SeqCst) {
            return Err(RequestError::Stopped);
        }
        Box::pin(Request::new(self, *address, progress).run(body)).await
    }

    /// One exchange: an ask, and whatever comes back within `request_timeout`.
    pub(crate) async fn exchange(
        &self,
        address: Address,
        ask: Ask,
    ) -> Result<Answer, RequestError> {
        let limit = self.limits.request_timeout;
        let exchange = async {
            let place = Arc::clone(&self.places).acquire_owned().await;
            let place = place.expect("the semaphore is never closed");
            let (answer, answer_in) = oneshot::channel();
            let outbound = Outbound { address, ask, answer, place };
            if self.commands.send(Command::Ask(outbound)).await.is_err() {
                return Err(RequestError::Stopped);
            }
            answer_in.await.unwrap_or(Err(RequestError::Stopped))
        };
        timeout(limit, exchange).await.unwrap_or(Err(RequestError::Timeout { limit }))
    }

    /// Closes all connections and stops listening, for all handles; returns when that is done.
    ///
    /// What is under way is cut off; [`shutdown_within`](Self::shutdown_within) finishes it.
    ///
    /// The port of TCP is free at once, that of QUIC once its connections have drained, a fraction
    /// of a second later.
    pub async fn shutdown(self) {
        self.shutdown_within(Duration::ZERO).await;
    }

    /// Stops listening, finishes what is under way, and closes all connections, for all handles;
    /// returns when that is done.
    ///
    /// Finished are requests that were taken, transfers that move, and requests of this process.
    /// Peers that ask anything new are told to come back ([`DeclineReason::ShuttingDown`]), and new
    /// requests of this process fail with [`RequestError::Stopped`]. The future may be dropped; the
    /// link ends all the same.
    ///
    /// * `grace` — after that, what is not finished is cut off.
    ///
    /// [`DeclineReason::ShuttingDown`]: crate::DeclineReason::ShuttingDown
    pub async fn shutdown_within(self, grace: Duration) {
        let (done, done_in) = oneshot::channel();
        let deadline = Instant::now() + grace;
        if self.commands.send(Command::Stop(deadline, done)).await.is_ok() {
            // An error is a driver that had ended before the command came: just as well.
            let _stopped = done_in.await.is_ok();
        }
    }
}

/// A request of this process that is counted as long as it lasts.
struct Active<'a>(&'a Shared);

impl<'a> Active<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.active.fetch_add(1, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::SeqCst);
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

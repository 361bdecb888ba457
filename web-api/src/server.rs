//! Connections: accepted, bounded, given time, over TLS if there is a certificate.
//!
//! ```text
//!  accept ─ at most connections_max, and per_address_max of one address ─► TLS within 10 s ─► header within 10 s ─► router
//!    └─ shutdown: no new connection, those there finish within 10 s
//! ```
//! Threats: many connections that send nothing, or a byte now and then (slow loris): each has a time for its TLS handshake and
//! for each header, the router has one for each request with its body, what cannot be written for 30 s is given up (a client
//! that asks and never reads), and one address has only a part of all places.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_io_timeout::TimeoutStream;
use tower::Service as _;
use tracing::{debug, warn};

use crate::Tls;
use crate::rate_limit::network;

/// How long a TLS handshake, and each request's header, may take by default: a slow telephone needs two seconds.
const HEADER_TIME_DEFAULT: Duration = Duration::from_secs(10);
/// How long a client may read nothing of what is written to it by default: a train's tunnel.
const WRITE_TIME_DEFAULT: Duration = Duration::from_secs(30);
/// How long requests in progress may take when the node stops.
const STOP_TIME: Duration = Duration::from_secs(10);
/// How long nothing is accepted when the process has no file descriptors left.
const REST_TIME: Duration = Duration::from_millis(100);
/// Longest header of a request, in bytes.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all: some 40 KiB each. More wait in the kernel's queue.
    pub connections_max: usize,
    /// Of one address, or of 64 bits of IPv6, which one customer has: more are closed at once. A proxy in front needs as many
    /// as it has clients; a household behind one address has some dozens.
    pub per_address_max: usize,
    /// How long a TLS handshake, and each request's header, may take; and how long a connection may be idle.
    pub header_time: Duration,
    /// How long a client may read nothing of what is written to it.
    pub write_time: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            per_address_max: 256,
            header_time: HEADER_TIME_DEFAULT,
            write_time: WRITE_TIME_DEFAULT,
        }
    }
}

/// Serves until `stop` resolves; then requests in progress are finished, for at most ten seconds.
///
/// # Errors
/// None so far: a connection that cannot be accepted is logged.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    (limits, tls): (ConnectionLimits, Option<Tls>),
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let addresses = Arc::new(Addresses { most: limits.per_address_max, held: Mutex::default() });
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        // In this order: who waits here holds nothing.
        let place = Arc::clone(&places).acquire_owned();
        let accepted = async {
            let place = place.await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
        };
        let Ok(place) = place else { break };
        match accepted {
            Ok((stream, peer)) => {
                let Some(seat) = Addresses::seat(&addresses, network(peer.ip())) else { continue };
                let connection = Connection {
                    peer,
                    router: router.clone(),
                    tls: tls.clone(),
                    limits,
                    stopped: stopped.clone(),
                    _held: (place, seat),
                };
                connections.spawn(connection.run(stream));
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                warn!(cause = %error, "no connection can be accepted");
                tokio::time::sleep(REST_TIME).await;
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout(STOP_TIME, finished).await.is_err() {
        warn!(connections = connections.len(), "some requests were cut off");
    }
    Ok(())
}

/// Errors of one connection, which say nothing of the next (accept(2)).
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionRefused | K::ConnectionReset)
}

/// How many connections each address has.
#[derive(Debug)]
struct Addresses {
    most: usize,
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// One of them, given back when dropped.
struct Seat(Arc<Addresses>, IpAddr);

impl Addresses {
    fn seat(addresses: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let mut held = addresses.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_default();
        if *count >= addresses.most {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Seat(Arc::clone(addresses), address))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.1);
            }
        }
    }
}

struct Connection {
    peer: SocketAddr,
    router: Router,
    tls: Option<Tls>,
    limits: ConnectionLimits,
    stopped: watch::Receiver<bool>,
    _held: (OwnedSemaphorePermit, Seat),
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        // An answer is small, and somebody waits for it.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(cause = %error, "a connection without TCP_NODELAY");
        }
        match self.tls.clone() {
            None => self.answer(stream).await,
            Some(tls) => {
                match timeout(self.limits.header_time, tls.acceptor().accept(stream)).await {
                    Ok(Ok(stream)) => self.answer(stream).await,
                    Ok(Err(error)) => debug!(cause = %error, "a TLS handshake failed"),
                    Err(_) => debug!("a TLS handshake took too long"),
                }
            }
        }
    }

    async fn answer(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { peer, router, mut stopped, limits, .. } = self;
        let service = tower::service_fn(move |request: Request<hyper::body::Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().call(request)
        });
        let mut builder = Builder::new(TokioExecutor::new()).http1_only();
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time)
            .max_buf_size(HEADER_BYTES_MAX);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.write_time));
        let connection = builder.serve_connection_with_upgrades(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(service),
        );
        tokio::pin!(connection);
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    debug!(cause = %error, "a connection ended");
                }
                return;
            }
            _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
        }
        if let Err(error) = connection.await {
            debug!(cause = %error, "a connection ended");
        }
    }
}
